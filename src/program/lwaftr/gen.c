/* gen -- `nf lwaftr gen`: a configuration of any size, and captures of packets that belong to its softwires.
 *
 *      addresses       10.0.0.0/8, scattered; all PSIDs of one but 0, which has the lowest ports
 *      B4 of number i  2001:db8:HIGH:LOW::b4, the two halves of i
 *      br-addresses    2001:db8:ffff:ffff::1 and up, in turn
 *      the internet    192.0.2.0/24
 *
 * With --flood each packet is followed by those of an attack on its softwire (sample.h).
 *
 * All is made of one seed: the same arguments give the same bytes. */
#include "program/lwaftr/lwaftr.h"
#include "program/lwaftr/sample.h"

#include <arpa/inet.h>
#include <limits.h>
#include <sys/stat.h>

enum { ADDRESSES = (1 << 24) - 1, LEAST = IPV4_HEADER + UDP_HEADER, MOST = 1500, GAP_NS = 1000 };
static const uint32_t NET = 0x0a000000, INTERNET = 0xc0000200;
static const uint16_t MIX[] = { 46, 576, 46, 46, 576, 46, 1500, 46, 576, 46, 576, 46 };        /* 7 : 4 : 1 */

struct gen {
	const char *folder;
	uint64_t softwires, packets, share, psid_length, br_addresses, seed;
	uint32_t size;                  /* bytes of the IPv4 packets; 0: the mix */
	bool floods;
	uint32_t flood;                 /* enum sample_flood */
	uint64_t times;                 /* packets of the flood for each other one */
	uint32_t first_psid, per_address;
	uint32_t multiplier;            /* odd: scatters the addresses, each number its own */
	struct random random, attacker;
};

/* What number i of the table is. IPv4 in host order. */
static struct lwaftr_softwire softwire(const struct gen *gen, uint64_t i)
{
	struct lwaftr_softwire s = { .psid_length = (uint8_t)gen->psid_length, .b4 = { 0x20, 0x01, 0x0d, 0xb8 }, .br = { 0x20, 0x01, 0x0d, 0xb8 } };

	s.ipv4 = NET | ((uint32_t)(i / gen->per_address + 1) * gen->multiplier & ADDRESSES);
	s.psid = (uint16_t)(gen->first_psid + i % gen->per_address);
	bytes_write32(s.b4 + 4, (uint32_t)i);
	s.b4[15] = 0xb4;
	bytes_write32(s.br + 4, UINT32_MAX);
	bytes_write32(s.br + 12, (uint32_t)(1 + i % gen->br_addresses));
	return s;
}

/* DIR/name, open for writing; NULL with nf_error(). */
static FILE *create(const struct gen *gen, const char *name, char path[PATH_MAX])
{
	FILE *out = NULL;

	if (snprintf(path, PATH_MAX, "%s/%s", gen->folder, name) >= PATH_MAX)
		errno = ENAMETOOLONG;
	else
		out = fopen(path, "w");
	if (out == NULL && nf_fail(errno, "cannot write %s/%s: %s", gen->folder, name, strerror(errno)) < 0)
		return NULL;
	return out;
}

static int finish(FILE *out, const char *path)
{
	bool failed = ferror(out) != 0;

	if (fclose(out) != 0 || failed)
		return nf_fail(errno != 0 ? errno : EIO, "cannot write %s: %s", path, strerror(errno != 0 ? errno : EIO));
	return 0;
}

static void print_softwires(FILE *out, const struct gen *gen)
{
	char ipv4[INET_ADDRSTRLEN], b4[INET6_ADDRSTRLEN], br[INET6_ADDRSTRLEN];

	for (uint64_t i = 0; i < gen->softwires; i++) {
		struct lwaftr_softwire s = softwire(gen, i);
		struct in_addr address = { htonl(s.ipv4) };

		inet_ntop(AF_INET, &address, ipv4, sizeof(ipv4));
		inet_ntop(AF_INET6, s.b4, b4, sizeof(b4));
		inet_ntop(AF_INET6, s.br, br, sizeof(br));
		fprintf(out, "    softwire { ipv4 %s; psid %u; b4-ipv6 %s; br-address %s; port-set { psid-length %u; } }\n", ipv4, s.psid, b4, br,
			s.psid_length);
	}
}

static int write_conf(const struct gen *gen)
{
	char path[PATH_MAX];
	FILE *out = create(gen, "lwaftr.conf", path);

	if (out == NULL)
		return -EIO;
	fprintf(out, "// nf lwaftr gen --softwires %llu --psid-length %llu --br-addresses %llu --seed %llu\n"
		"softwire-config {\n"
		"  external-interface { mtu 1500; }\n"
		"  internal-interface { mtu 1540; }\n"
		"  instance {\n"
		"    device internal;\n"
		"    external-device external;\n"
		"    queue {\n"
		"      id 0;\n"
		"      external-interface { ip 100.64.0.1; mac 02:00:00:00:04:01; next-hop { mac 02:00:00:00:04:02; } }\n"
		"      internal-interface { ip 2001:db8:ffff:ffff::ffff; mac 02:00:00:00:06:01; next-hop { mac 02:00:00:00:06:02; } }\n"
		"    }\n"
		"  }\n"
		"  binding-table {\n", (unsigned long long)gen->softwires, (unsigned long long)gen->psid_length,
		(unsigned long long)gen->br_addresses, (unsigned long long)gen->seed);
	print_softwires(out, gen);
	fputs("  }\n}\n", out);
	return finish(out, path);
}

/* A port of a softwire; of one that has all, none of the lowest. */
static uint16_t choose_port(struct gen *gen, uint16_t psid)
{
	uint32_t shift = 16 - (uint32_t)gen->psid_length;

	if (shift == 16)
		return (uint16_t)(1024 + random_below(&gen->random, 65536 - 1024));
	return (uint16_t)((uint32_t)psid << shift | random_below(&gen->random, 1u << shift));
}

/* Packet number `i` of one side, to the internet (version 6) or from it (4), of a softwire; gives the frame's length. */
static uint32_t write_frame(struct gen *gen, int version, uint64_t i, const struct lwaftr_softwire *s, uint8_t *to)
{
	uint16_t length = (uint16_t)(gen->size != 0 ? gen->size : MIX[i % (sizeof(MIX) / sizeof(MIX[0]))]);
	uint16_t own = choose_port(gen, s->psid), other = (uint16_t)(1024 + random_below(&gen->random, 65536 - 1024));
	uint32_t host = INTERNET + 1 + random_below(&gen->random, 254);

	sample_ethernet(to, version);
	to += ETHERNET_HEADER;
	if (version == 4) {
		sample_udp(to, host, s->ipv4, other, own, length, (uint16_t)(i + 1));
		return ETHERNET_HEADER + length;
	}
	sample_ipv6(to, s->b4, s->br, IP_IPV4, length);
	sample_udp(to + IPV6_HEADER, s->ipv4, host, own, other, length, (uint16_t)(i + 1));
	return ETHERNET_HEADER + IPV6_HEADER + length;
}

static void write_record(FILE *out, uint64_t number, const uint8_t *frame, uint32_t length)
{
	uint8_t record[CAPTURE_RECORD_HEADER];

	capture_write_record(record, number * GAP_NS, length, length);
	fwrite(record, 1, sizeof(record), out);
	fwrite(frame, 1, length, out);
}

static int write_capture(struct gen *gen, int version, uint64_t count)
{
	uint8_t frame[CAPTURE_FILE_HEADER + ETHERNET_HEADER + IPV6_HEADER + MOST];
	uint64_t number = 1;
	const char *name = version == 4 ? "v4.pcap" : "v6.pcap";
	char path[PATH_MAX];
	FILE *out = create(gen, name, path);

	if (out == NULL)
		return -EIO;
	random_init(&gen->random, gen->seed, name);
	random_init(&gen->attacker, gen->seed, sample_flood_names[gen->flood]);
	capture_write_header(frame, 65535);
	fwrite(frame, 1, CAPTURE_FILE_HEADER, out);
	for (uint64_t i = 0; i < count; i++) {
		struct lwaftr_softwire s = softwire(gen, random_u64(&gen->random) % gen->softwires);

		write_record(out, number++, frame, write_frame(gen, version, i, &s, frame));
		for (uint64_t n = 0; gen->floods && n < gen->times; n++)
			write_record(out, number++, frame,
				sample_flood((enum sample_flood)gen->flood, version, &s, &gen->attacker, frame));
	}
	return finish(out, path);
}

/* The size that was asked for: a number, or the mix. */
static bool read_size(const struct options *options, struct gen *gen)
{
	const char *text = options_value(options, "--size");
	uint64_t size = 46;

	if (text != NULL && strcmp(text, "mix") == 0) {
		gen->size = 0;
		return true;
	}
	if (!options_number(options, "--size", LEAST, MOST, &size))
		return false;
	gen->size = (uint32_t)size;
	return true;
}

/* gives: OPTIONS_GO, or an exit code after a message */
static int read_options(const struct options *options, struct gen *gen)
{
	*gen = (struct gen){ .folder = options->argument[0], .softwires = 1000, .packets = 16384, .share = 50, .psid_length = 6,
		.br_addresses = 1, .seed = 1, .times = 10, .floods = options_has(options, "--flood") };
	if (!options_number(options, "--softwires", 1, UINT32_MAX, &gen->softwires) ||
		!options_number(options, "--packets", 0, UINT32_MAX, &gen->packets) || !options_number(options, "--share", 0, 100, &gen->share) ||
		!options_number(options, "--psid-length", 0, 16, &gen->psid_length) ||
		!options_number(options, "--br-addresses", 1, 65534, &gen->br_addresses) ||
		!options_number(options, "--seed", 0, UINT64_MAX, &gen->seed) || !read_size(options, gen) ||
		!options_choice(options, "--flood", sample_flood_names, &gen->flood) ||
		!options_number(options, "--times", 1, 1000, &gen->times))
		return EXIT_USAGE;
	gen->first_psid = gen->psid_length > 0;
	gen->per_address = (1u << gen->psid_length) - gen->first_psid;
	if ((gen->softwires - 1) / gen->per_address >= ADDRESSES)
		return options_wrong(options->program, "option '--softwires': at most %llu with a PSID length of %u",
			(unsigned long long)gen->per_address * ADDRESSES, (unsigned)gen->psid_length);
	random_init(&gen->random, gen->seed, "addresses");
	gen->multiplier = (uint32_t)random_u64(&gen->random) | 1;
	return OPTIONS_GO;
}

static int generate(struct gen *gen)
{
	uint64_t inward = gen->packets * gen->share / 100;
	int code = 0;

	if (mkdir(gen->folder, 0777) < 0 && errno != EEXIST)
		return nf_fail(errno, "cannot make the folder %s: %s", gen->folder, strerror(errno));
	code = write_conf(gen);
	if (code >= 0)
		code = write_capture(gen, 4, inward);
	if (code >= 0)
		code = write_capture(gen, 6, gen->packets - inward);
	if (code >= 0 && gen->floods)
		printf("%s: each packet is followed by %llu of a flood: %s\n", gen->folder, (unsigned long long)gen->times,
			sample_flood_names[gen->flood]);
	if (code >= 0)
		printf("%s: lwaftr.conf with %llu softwires on %llu addresses, v4.pcap with %llu packets, v6.pcap with %llu\n", gen->folder,
			(unsigned long long)gen->softwires, (unsigned long long)((gen->softwires - 1) / gen->per_address + 1),
			(unsigned long long)inward, (unsigned long long)(gen->packets - inward));
	return code;
}

int program_lwaftr_gen(int argc, char **argv)
{
	struct options options;
	struct gen gen;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO || (code = read_options(&options, &gen)) != OPTIONS_GO)
		return code;
	if (generate(&gen) < 0) {
		fprintf(stderr, "nf %s: %s\n", options.program->name, nf_error());
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}
