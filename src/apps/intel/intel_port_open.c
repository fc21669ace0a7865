/* intel_port_open -- what the supervisor does for the instances of a card. See intel_port.h. */
#include "apps/intel/intel_port.h"

#include <fcntl.h>
#include <unistd.h>

_Static_assert(sizeof(struct intel_rings) <= MEMORY_PAGE, "the rings of a queue lie in one huge page");

/* The memory of a queue that is open. */
struct queue {
	char address[PCI_ADDRESS];
	uint32_t number;
	uint32_t pool_queues;           /* queues of each pool of the card; 0: it has no pools */
	uint8_t *base;                  /* NULL: free */
};
static struct queue queues[MEMORY_WORKERS * INTEL_QUEUES];

static struct queue *find_queue(const char *address, uint32_t number)
{
	for (uint32_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++)
		if (queues[i].base != NULL && queues[i].number == number && strcmp(queues[i].address, address) == 0)
			return &queues[i];
	return NULL;
}

static const struct intel_driver *find_driver(const struct app *app)
{
	for (uint32_t i = 0; intel_drivers[i] != NULL; i++)
		if (intel_drivers[i]->class == app->class)
			return intel_drivers[i];
	return NULL;
}

static bool is_card_key(const char *key)
{
	return strncmp(key, "card:", 5) == 0;
}

/* The checked instance, which never runs, is the supervisor's handle of the card. gives: NULL when the card is not open */
static struct intel_port *handle(const struct app *app, struct pci_card *card)
{
	struct intel_port *port = (struct intel_port *)(uintptr_t)app;
	const struct intel_device *row;

	if (card == NULL || (row = intel_device(card->device.vendor, card->device.device)) == NULL)
		return NULL;
	port->driver = find_driver(app);
	if (port->driver == NULL)
		return NULL;
	port->registers = card->registers;
	port->registers_bytes = card->device.registers;
	port->kind = row->kind;
	port->number = intel_port_number(port);
	return port;
}

void intel_port_check(const struct app *app, struct errors *errors)
{
	const struct intel_port *port = (const struct intel_port *)app;

	if ((port->receive_ring & (port->receive_ring - 1)) != 0)
		errors_add(errors, "app '%s': key 'receive_ring': %u is no power of two", app->name, port->receive_ring);
	if ((port->transmit_ring & (port->transmit_ring - 1)) != 0)
		errors_add(errors, "app '%s': key 'transmit_ring': %u is no power of two", app->name, port->transmit_ring);
	if (port->has_mac && ethernet_is_group(port->mac))
		errors_add(errors, "app '%s': key 'mac': a group address, accepted is one of a single station", app->name);
	if (port->rate_limit.packets)
		errors_add(errors, "app '%s': key 'rate_limit': a card counts bits, not packets; for example \"1G\"", app->name);
	else if (port->rate_limit.per_second > 0 && find_driver(app) != NULL && port->rate_limit.per_second < find_driver(app)->rate_least)
		errors_add(errors, "app '%s': key 'rate_limit': too little, the card can limit a queue to %uM and more", app->name,
			find_driver(app)->rate_least / 1000000);
	intel_pool_check(port, errors);
}

/* What belongs to the whole card must be the same in all its instances. */
static void compare(const struct intel_port *port, const struct intel_port *other, struct errors *errors)
{
	const char *key = NULL;

	if (port->mtu != other->mtu)
		key = "mtu";
	else if (!port->pool.wanted && port->promiscuous != other->promiscuous)
		key = "promiscuous";
	else if (port->flow_control != other->flow_control)
		key = "flow_control";
	else if (port->rss != other->rss)
		key = "rss";
	else if (port->has_mac != other->has_mac || memcmp(port->mac, other->mac, sizeof(port->mac)) != 0)
		key = "mac";
	else if (port->vlan != other->vlan)
		key = "vlan";
	if (key != NULL)
		errors_add(errors, "app '%s': key '%s': app '%s' has the same card %s with another value", port->app.name, key,
			other->app.name, port->pci);
}

void intel_port_resources(const struct app *app, struct resources *resources)
{
	const struct intel_port *port = (const struct intel_port *)app;
	struct intel_pool_needs needs = { 0 };
	char key[INTEL_KEY];
	bool first = true;
	size_t length;

	length = (size_t)snprintf(key, sizeof(key), "queue:%s/", port->pci);
	for (uint32_t i = 0; i < resources->count; i++) {
		const struct intel_port *other = (const struct intel_port *)resources->list[i].app;

		if (strncmp(resources->list[i].key, key, length) != 0 || other->app.class != app->class)
			continue;
		if (first)
			compare(port, other, resources->errors);
		intel_pool_compare(port, other, first, resources->errors);
		intel_pool_add_up(other, &needs);
		first = false;
	}
	intel_pool_add_up(port, &needs);
	if (port->pool.wanted && find_driver(app) != NULL)
		intel_pool_check_needs(port, &needs, find_driver(app)->vlans, resources->errors);
	resources_add(resources, "card:%s", port->pci);
	intel_port_queue_key(port, key);
	resources_add(resources, "%s", key);
}

/* Is it ours? */
static int check_device(const struct intel_port *port, const struct pci_device *device)
{
	const struct intel_device *row = intel_device(device->vendor, device->device);

	if (row == NULL)
		return nf_fail(ENODEV, "app '%s': card %s is a %04x:%04x, which %s does not drive", port->app.name, port->pci,
			device->vendor, device->device, port->app.class->name);
	if (strcmp(row->app, port->app.class->name) == 0 && !port->pool.wanted && port->queue >= row->queues)
		return nf_fail(EINVAL, "app '%s': key 'queue': card %s, %s, has queues 0..%u", port->app.name, port->pci, row->name,
			row->queues - 1u);
	if (strcmp(row->app, port->app.class->name) != 0)
		return nf_fail(ENODEV, "app '%s': card %s is a %s: it takes %s", port->app.name, port->pci, row->name, row->app);
	if (port->rate_limit.per_second > 0 && row->kind > INTEL_82576)
		return nf_fail(EINVAL, "app '%s': key 'rate_limit': card %s, %s, cannot limit a queue; an app can, basic.shaper", port->app.name, port->pci,
			row->name);
	return intel_pool_check_card(port, row->name, row->kind);
}

/* Pools are the whole card's: while a queue is in use it has them or not. */
static int check_pools(const struct intel_port *port)
{
	uint32_t pool_queues = port->pool.wanted ? port->pool.queues : 0;

	for (uint32_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++)
		if (queues[i].base != NULL && strcmp(queues[i].address, port->pci) == 0 && queues[i].pool_queues != pool_queues)
			return nf_fail(EBUSY, "app '%s': key '%s': card %s runs with another value, which cannot change while it runs: stop nf, and "
				"start it again", port->app.name, pool_queues != 0 && queues[i].pool_queues != 0 ? "vmdq.queues" : "vmdq", port->pci);
	return 0;
}

/* Bring up a card in whatever state it is: first at rest, then it may reach memory, then all is set up. */
static int start_card(const struct app *app, struct pci_card *card)
{
	struct intel_port *port;
	int code = check_device((const struct intel_port *)app, &card->device);

	if (code < 0)
		return code;
	port = handle(app, card);
	if (port == NULL)
		return nf_fail(ENODEV, "app '%s': no driver for card %s", app->name, card->device.address);
	if (card->users > 1)
		return 0;
	code = port->driver->reset(port);
	if (code == 0)
		code = pci_master_on(card);
	return code < 0 ? code : port->driver->setup(port);
}

static int open_card(const struct app *app)
{
	const struct intel_port *port = (const struct intel_port *)app;
	struct pci_card *card;
	int fd, code = pci_open(port->pci, &card);

	if (code == 0 && (code = start_card(app, card)) < 0)
		pci_close(card);
	if (code < 0)
		return nf_fail(-code, "app '%s': %s", app->name, nf_error());
	fd = fcntl(card->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0) {
		code = nf_fail(errno, "app '%s': %s", app->name, strerror(errno));
		pci_close(card);
		return code;
	}
	return fd;
}

static int open_queue(const struct app *app)
{
	const struct intel_port *port = (const struct intel_port *)app;
	struct pci_card *card = pci_card(port->pci);
	const struct intel_port *handled = handle(app, card);
	struct intel_rings *rings;
	uint32_t i = 0;
	uint8_t *base;
	int fd;

	int code;

	if (handled == NULL)
		return nf_fail(ENODEV, "app '%s': card %s is not open", app->name, port->pci);
	code = check_device(port, &card->device);
	if (code == 0)
		code = check_pools(port);
	if (code < 0)
		return code;
	while (i < sizeof(queues) / sizeof(queues[0]) && queues[i].base != NULL)
		i++;
	if (i == sizeof(queues) / sizeof(queues[0]))
		return nf_fail(ENOSPC, "app '%s': too many queues", app->name);
	fd = memory_dma_ring(MEMORY_PAGE, card->device.node, &base);
	if (fd < 0)
		return nf_fail(-fd, "app '%s': %s", app->name, nf_error());
	rings = (struct intel_rings *)(void *)base;
	rings->registers = card->device.registers;
	rings->kind = handled->kind;
	queues[i] = (struct queue){ .number = handled->number, .pool_queues = port->pool.wanted ? port->pool.queues : 0, .base = base };
	snprintf(queues[i].address, sizeof(queues[i].address), "%s", port->pci);
	return fd;
}

int intel_port_open(const struct app *app, const char *key)
{
	return is_card_key(key) ? open_card(app) : open_queue(app);
}

int intel_port_quiesce(const struct app *app, const char *key, int fd)
{
	struct pci_card *card = pci_card(((const struct intel_port *)app)->pci);
	struct intel_port *port = handle(app, card);
	int code;

	(void)fd;
	if (is_card_key(key) || port == NULL)
		return 0;
	port->driver->spread(port, port->number);
	code = port->driver->stop(port);
	if (code == 0 && port->driver->is_set_up(port))
		return 0;
	log_error("app '%s': %s; the card is reset", app->name, code < 0 ? nf_error() : "the card is not set up, a worker died over that");
	if (port->driver->reset(port) == 0 && port->driver->setup(port) == 0)
		return 0;
	log_error("app '%s': %s; bus mastering is switched off", app->name, nf_error());
	return pci_master_off(card);
}

void intel_port_close(const struct app *app, const char *key, int fd)
{
	struct pci_card *card = pci_card(((const struct intel_port *)app)->pci);
	struct intel_port *port = handle(app, card);
	uint32_t number = intel_port_number((const struct intel_port *)app);

	if (is_card_key(key)) {
		if (port != NULL && card->users == 1 && port->driver->reset(port) < 0)
			log_warn("%s", nf_error());
		if (card != NULL)
			pci_close(card);
		return;
	}
	struct queue *queue = find_queue(((const struct intel_port *)app)->pci, number);

	if (queue == NULL)
		return;
	if (intel_port_quiesce(app, key, fd) == 0)
		memory_dma_ring_free(queue->base, MEMORY_PAGE);
	else
		log_error("%s; its rings are not given back", nf_error());
	queue->base = NULL;
}
