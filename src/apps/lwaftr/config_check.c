/* config_check -- what of a configuration is right only together. */
#include "apps/lwaftr/config_decode.h"
#include "core/filter.h"

#include <pcap/pcap.h>

enum {
	SNAPLEN = 65535,
	LONG = 4096                     /* bytes of an expression for which libpcap may take minutes: the app that runs it has limits */
};

_Static_assert((int)CONFIG_VALUE <= (int)FILTER_TEXT, "libpcap overruns its stack with longer expressions");

/* Ask libpcap. It is not asked to optimise: a filter that nothing matches is allowed. */
static void check_filter(struct lwaftr_config *config, pcap_t *pcap, const char *key, const char *filter, uint64_t place)
{
	struct bpf_program program;

	if (filter == NULL || strlen(filter) > LONG)
		return;
	if (pcap_compile(pcap, &program, filter, 0, PCAP_NETMASK_UNKNOWN) != 0)
		lwaftr_config_mistake(config, place, "'%s': %s", key, pcap_geterr(pcap));
	else
		pcap_freecode(&program);
}

static void check_filters(struct lwaftr_config *config)
{
	const struct lwaftr_side *side[] = { &config->external, &config->internal };
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);

	for (uint32_t i = 0; i < 2 && pcap != NULL; i++) {
		check_filter(config, pcap, "ingress-filter", side[i]->ingress_filter, side[i]->ingress_place);
		check_filter(config, pcap, "egress-filter", side[i]->egress_filter, side[i]->egress_place);
	}
	if (pcap != NULL)
		pcap_close(pcap);
}

/* Tags on both sides or on none; on one wire the sides must differ by their tag or address. */
static void check_queue(struct lwaftr_config *config, const struct lwaftr_instance *instance, const struct lwaftr_queue *queue)
{
	const struct lwaftr_port *external = &queue->external, *internal = &queue->internal;

	if (external->has_vlan != internal->has_vlan)
		lwaftr_config_mistake(config, external->has_vlan ? internal->place : external->place,
			"'vlan-tag' must be given on both sides or on none");
	else if (instance->external_device == NULL && external->has_vlan && external->vlan != internal->vlan &&
		memcmp(external->mac, internal->mac, sizeof(external->mac)) == 0)
		lwaftr_config_mistake(config, internal->place, "'mac': two VLANs on one device need two addresses");
}

static void check_instance(struct lwaftr_config *config, const struct lwaftr_instance *instance)
{
	bool seen[UINT8_MAX + 1] = { false };

	for (uint32_t i = 0; i < instance->queue_count; i++) {
		const struct lwaftr_queue *queue = &instance->queue[i];

		if (seen[queue->id])
			lwaftr_config_mistake(config, queue->place, "'queue': there is another one with id %u", queue->id);
		seen[queue->id] = true;
		check_queue(config, instance, queue);
	}
}

/* By device, then by place. */
static int compare(const void *a, const void *b)
{
	const struct lwaftr_instance *one = *(const struct lwaftr_instance *const *)a, *two = *(const struct lwaftr_instance *const *)b;
	int order = strcmp(one->device, two->device);

	return order != 0 ? order : one->place < two->place ? -1 : 1;
}

static void check_devices(struct lwaftr_config *config)
{
	const struct lwaftr_instance **list = calloc(config->instance_count + 1, sizeof(*list));

	for (uint32_t i = 0; i < config->instance_count && list != NULL; i++)
		list[i] = &config->instance[i];
	if (list != NULL)
		qsort(list, config->instance_count, sizeof(*list), compare);
	for (uint32_t i = 1; i < config->instance_count && list != NULL; i++)
		if (strcmp(list[i]->device, list[i - 1]->device) == 0)
			lwaftr_config_mistake(config, list[i]->place, "'instance': there is another one with device '%s'", list[i]->device);
	free(list);
}

void config_check(struct lwaftr_config *config)
{
	if (!(config->flags & LWAFTR_WITHOUT_FILTERS))
		check_filters(config);
	/* What lacks a key has been complained of, and cannot be compared. */
	for (uint32_t i = 0; i < config->instance_count; i++)
		if (config->instance[i].place == 0)
			return;
	for (uint32_t i = 0; i < config->instance_count; i++)
		check_instance(config, &config->instance[i]);
	check_devices(config);
}
