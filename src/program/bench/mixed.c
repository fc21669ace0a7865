/* mixed -- see mixed.h. */
#include "program/bench/mixed.h"
#include "program/bench/result.h"
#include "program/bench/rig.h"

#include "lib/lib.h"

#include <pcap/pcap.h>
#include <sys/mman.h>
#include <unistd.h>

struct mixed_frame mixed_frame[MIXED_FRAMES];
char mixed_path[64];

static int file = -1;

/* One of a few; the last one of a list stands for any number. */
static uint16_t port(struct random *random)
{
	static const uint16_t known[] = { 80, 80, 443, 443, 443, 53, 22, 25, 123, 5060 };
	uint64_t n = random_below(random, 16);

	return n < 10 ? known[n] : (uint16_t)(1024 + random_below(random, 60000));
}

static void address4(struct random *random, uint8_t address[4])
{
	static const uint8_t nets[][2] = { { 10, 0 }, { 192, 168 }, { 172, 16 }, { 198, 51 }, { 100, 64 } };
	uint64_t net = random_below(random, 6);

	bytes_write32(address, (uint32_t)random_u64(random));
	if (net < 5)
		memcpy(address, nets[net], 2);
	if (net == 0) {
		address[2] = 0;
		address[3] &= 15;
	}
}

static void address6(struct random *random, uint8_t address[16])
{
	memset(address, 0, 16);
	bytes_write32(address, random_below(random, 2) ? 0x20010db8 : 0xfd000000);
	address[15] = (uint8_t)(1 + random_below(random, 16));
}

static void fill_headers(struct random *random, struct traffic_headers *h)
{
	uint64_t kind = random_below(random, 100);
	struct traffic_ports *ports = random_below(random, 100) < 60 ? &h->tcp : &h->udp;

	h->ethernet = (struct traffic_ethernet){ .given = true, .src = { 2, 0, 0, 0, 0, 1 }, .dst = { 2, 0, 0, 0, 0, 2 } };
	if (kind < 4) {
		h->ethernet.type = 0x0806;
		return;
	}
	if (kind < 76) {
		h->ipv4 = (struct traffic_ip){ .given = true, .ttl = (uint8_t)(1 + random_below(random, 64)), .protocol = 1 };
		address4(random, h->ipv4.src);
		address4(random, h->ipv4.dst);
	} else {
		h->ipv6 = (struct traffic_ip){ .given = true, .ttl = 64, .protocol = 58 };
		address6(random, h->ipv6.src);
		address6(random, h->ipv6.dst);
	}
	h->ethernet.tagged = kind % 20 == 0;
	h->ethernet.vlan = 7;
	if (kind % 12 != 0)
		*ports = (struct traffic_ports){ .given = true, .src = port(random), .dst = port(random) };
}

void mixed_init(void)
{
	struct random random;

	random_init(&random, 1, "mixed");
	for (uint32_t i = 0; i < MIXED_FRAMES; i++) {
		struct traffic_headers headers = { 0 };
		struct mixed_frame *frame = &mixed_frame[i];
		struct traffic_frame traffic;
		struct traffic_steps steps;
		uint32_t least;

		fill_headers(&random, &headers);
		least = traffic_length(&headers);
		frame->length = least < 60 ? 60 : least;
		frame->length += (uint32_t)random_below(&random, MIXED_BYTES - frame->length);
		traffic_steps_init(&steps, &headers);
		traffic_frame_init(&traffic, &headers, frame->data, frame->length);
		traffic_frame_finish(&traffic, &steps, frame->data, false);
	}
}

static int write_capture(void)
{
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, MIXED_BYTES);
	FILE *stream = fdopen(dup(file), "wb");
	pcap_dumper_t *dumper = dead != NULL && stream != NULL ? pcap_dump_fopen(dead, stream) : NULL;
	int code = 0;

	if (dumper == NULL)
		code = nf_fail(ENOMEM, "no memory for a capture");
	for (uint32_t i = 0; dumper != NULL && i < MIXED_FRAMES; i++) {
		struct pcap_pkthdr header = { .caplen = mixed_frame[i].length, .len = mixed_frame[i].length, .ts.tv_sec = 1 };

		pcap_dump((u_char *)dumper, &header, mixed_frame[i].data);
	}
	if (dumper != NULL && pcap_dump_flush(dumper) != 0)
		code = nf_fail(EIO, "the capture cannot be written");
	if (dumper != NULL)
		pcap_dump_close(dumper);
	else if (stream != NULL)
		fclose(stream);
	if (dead != NULL)
		pcap_close(dead);
	return code;
}

int mixed_open(void)
{
	int code;

	mixed_init();
	file = memfd_create("nf-bench", 0);
	if (file < 0)
		return nf_fail(errno, "no file in memory: %s", strerror(errno));
	snprintf(mixed_path, sizeof(mixed_path), "/proc/self/fd/%d", file);
	code = write_capture();
	if (code < 0)
		mixed_close();
	return code;
}

void mixed_close(void)
{
	close(file);
	file = -1;
}

/* The graph; %s: the capture, %u: its frames, %s: the app between, or nothing. */
static const char graph[] =
	"local apps = { reader = { 'pcap.reader', file = '%s' }, repeater = { 'basic.repeater', number = %u }, sink = { 'basic.sink' } }\n"
	"local links = { 'reader -> repeater' }\n"
	"local function link(text) links[#links + 1] = text end\n"
	"%s\n"
	"return { apps = apps, links = links }\n";

int mixed_graph(const char *between)
{
	char source[4096];

	snprintf(source, sizeof(source), graph, mixed_path, MIXED_FRAMES, between);
	return rig_graph(source);
}

int mixed_without(const struct bench_case *c)
{
	(void)c;
	return mixed_graph("link('repeater -> sink')");
}

int mixed_run(const struct bench_case *c, struct bench_sample *sample)
{
	(void)c;
	return rig_breathe("sink", &sample->packets);
}

uint32_t mixed_derive(const struct bench_result *results, uint32_t count, struct bench_result *derived, uint32_t room)
{
	const struct bench_result *without = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(results[i].name, "graph") == 0)
			without = &results[i];
		else if (strncmp(results[i].name, "graph-", 6) == 0 && without != NULL && n < room) {
			derived[n] = (struct bench_result){ 0 };
			snprintf(derived[n].name, sizeof(derived[n].name), "app-%s", results[i].name + 6);
			for (uint32_t run = 0; run < results[i].runs; run++)
				result_add_cost(&derived[n], results[i].ns[run] - without->ns[run], results[i].cycles[run] - without->cycles[run]);
			n++;
		}
	}
	return n;
}
