/* sim_parse -- what a card finds in a frame: headers, checksums, the RSS hash. Any bytes may come. */
#include "nicsim/sim.h"

#include "lib/lib.h"

enum { PORTS = 4 };                     /* bytes */

static uint32_t read16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

/* Is the checksum of a TCP or UDP packet wrong? `addresses` of `bytes`. */
static bool is_l4_bad(const struct sim_frame *frame, uint32_t addresses, uint32_t bytes, uint8_t protocol, uint32_t length)
{
	uint64_t sum = checksum_pseudo(frame->data + addresses, bytes, protocol, length);

	return checksum_finish(checksum_add(sum, frame->data + frame->l4, length)) != 0;
}

/* The transport header, `length` bytes from frame->l4 to the end of the IP packet. */
static void parse_l4(struct sim_frame *frame, uint8_t protocol, uint32_t length, uint32_t addresses, uint32_t bytes, uint32_t checks)
{
	frame->is_tcp = protocol == IP_TCP && length >= 20;
	frame->is_udp = protocol == IP_UDP && length >= 8;
	frame->is_sctp = protocol == 132 && length >= 12;
	if (!(checks & SIM_CHECK_L4) || !(frame->is_tcp || frame->is_udp))
		return;
	/* UDP without a checksum is not checked. */
	frame->l4_present = frame->is_tcp || read16(frame->data + frame->l4 + 6) != 0;
	frame->l4_bad = frame->l4_present && is_l4_bad(frame, addresses, bytes, protocol, length);
}

static void parse_ipv4(struct sim_frame *frame, uint32_t checks)
{
	const uint8_t *ip = frame->data + frame->l3;
	uint32_t room = frame->length - frame->l3, header, total;

	if (room < 20 || ip[0] >> 4 != 4)
		return;
	header = (ip[0] & 15u) * 4;
	total = read16(ip + 2);
	if (header < 20 || header > room || total < header || total > room)
		return;
	frame->is_ipv4 = true;
	frame->has_options = header > 20;
	frame->is_fragment = (read16(ip + 6) & 0x3fff) != 0;
	frame->ip_bad = (checks & SIM_CHECK_IP) && checksum_finish(checksum_add(0, ip, header)) != 0;
	frame->l4 = frame->l3 + header;
	if (!frame->is_fragment)
		parse_l4(frame, ip[9], total - header, frame->l3 + 12, 8, checks);
}

static void parse_ipv6(struct sim_frame *frame, uint32_t checks)
{
	const uint8_t *ip = frame->data + frame->l3;
	uint32_t room = frame->length - frame->l3, payload;

	if (room < 40 || ip[0] >> 4 != 6)
		return;
	payload = read16(ip + 4);
	if (payload > room - 40)
		return;
	frame->is_ipv6 = true;
	frame->l4 = frame->l3 + 40;
	frame->has_options = ip[6] != IP_TCP && ip[6] != IP_UDP && ip[6] != 132;
	frame->is_fragment = ip[6] == IP_FRAGMENT;
	if (!frame->has_options)
		parse_l4(frame, ip[6], payload, frame->l3 + 8, 32, checks);
}

void sim_parse(struct sim_frame *frame, uint16_t vlan_type, uint32_t checks)
{
	uint32_t type;

	if (frame->length < 14)
		return;
	frame->l3 = 14;
	type = read16(frame->data + 12);
	if (type == vlan_type && frame->length >= 18) {
		frame->has_vlan = true;
		frame->vlan = (uint16_t)read16(frame->data + 14);
		type = read16(frame->data + 16);
		frame->l3 = 18;
	}
	if (type == ETHERNET_IPV4)
		parse_ipv4(frame, checks);
	else if (type == ETHERNET_IPV6)
		parse_ipv6(frame, checks);
}

enum { KEY = 40, INPUT = 36, NIBBLES = 16 };

/* What each half of each byte of the input adds to the hash, with the key that was used last. */
static struct { bool made; uint8_t key[KEY]; uint32_t part[INPUT][2][NIBBLES]; } hashes;
/* The input that was hashed last with it, and its hash: frames of a flow come one after the other. */
static struct { uint8_t input[INPUT]; uint32_t length, hash; } latest;

/* source: 82599 datasheet 7.1.2.8.1 "RSS Hash Function": a window of 32 bits of the key slides along the input */
static uint32_t window_at(const uint8_t *key, uint32_t byte, uint32_t bit)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < 5; i++)
		bits = bits << 8 | (byte + i < KEY ? key[byte + i] : 0);
	return (uint32_t)(bits >> (8 - bit));
}

static void make_hashes(const uint8_t *key)
{
	memcpy(hashes.key, key, KEY);
	hashes.made = true;
	latest.length = 0;
	for (uint32_t i = 0; i < INPUT; i++)
		for (uint32_t half = 0; half < 2; half++)
			for (uint32_t n = 0; n < NIBBLES; n++) {
				hashes.part[i][half][n] = 0;
				for (uint32_t bit = 0; bit < 4; bit++)
					if (n & 8u >> bit)
						hashes.part[i][half][n] ^= window_at(key, i, 4 * half + bit);
			}
}

uint32_t sim_parse_toeplitz(const uint8_t *key, const uint8_t *data, uint32_t length)
{
	uint32_t hash = 0;

	if (!hashes.made || memcmp(hashes.key, key, KEY) != 0)
		make_hashes(key);
	length = length < INPUT ? length : INPUT;
	if (length == latest.length && memcmp(data, latest.input, length) == 0)
		return latest.hash;
	for (uint32_t i = 0; i < length; i++)
		hash ^= hashes.part[i][0][data[i] >> 4] ^ hashes.part[i][1][data[i] & 15];
	memcpy(latest.input, data, length);
	latest.length = length;
	latest.hash = hash;
	return hash;
}

/* Bits of MRQC, and the types that a descriptor tells. source: 82599 datasheet 8.2.3.7.12 "Multiple Receive Queues Command
 * Register", 7.1.6.2 "Advanced Receive Descriptors - Write-Back Format", table of RSS types */
enum { FIELD_TCP4 = 1, FIELD_IP4 = 2, FIELD_IP6 = 16, FIELD_TCP6 = 32, FIELD_UDP4 = 64, FIELD_UDP6 = 128 };
enum { TYPE_NONE, TYPE_TCP4, TYPE_IP4, TYPE_TCP6, TYPE_IP6 = 5, TYPE_UDP4 = 7, TYPE_UDP6 };

static uint32_t rss_type(const struct sim_frame *frame, uint32_t fields, bool *ports)
{
	bool v4 = frame->is_ipv4;

	*ports = true;
	if (frame->is_tcp && (fields & (v4 ? FIELD_TCP4 : FIELD_TCP6)))
		return v4 ? TYPE_TCP4 : TYPE_TCP6;
	if (frame->is_udp && (fields & (v4 ? FIELD_UDP4 : FIELD_UDP6)))
		return v4 ? TYPE_UDP4 : TYPE_UDP6;
	*ports = false;
	return !(fields & (v4 ? FIELD_IP4 : FIELD_IP6)) ? TYPE_NONE : v4 ? TYPE_IP4 : TYPE_IP6;
}

void sim_parse_rss(struct sim_frame *frame, const uint8_t *key, uint32_t fields)
{
	uint8_t input[36];
	uint32_t bytes = frame->is_ipv4 ? 8 : 32;
	bool ports;

	if (!frame->is_ipv4 && !frame->is_ipv6)
		return;
	frame->rss_type = rss_type(frame, fields, &ports);
	if (frame->rss_type == TYPE_NONE)
		return;
	memcpy(input, frame->data + frame->l3 + (frame->is_ipv4 ? 12 : 8), bytes);
	if (ports) {
		memcpy(input + bytes, frame->data + frame->l4, PORTS);
		bytes += PORTS;
	}
	frame->rss_hash = sim_parse_toeplitz(key, input, bytes);
}

/* source: IEEE 802.3, 3.2.9 "Frame Check Sequence field"; bits in the order in which they are sent */
uint32_t sim_parse_crc(const uint8_t *data, uint32_t length)
{
	static uint32_t table[256];
	uint32_t crc = UINT32_MAX;

	if (table[1] == 0)
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t c = i;

			for (uint32_t bit = 0; bit < 8; bit++)
				c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
			table[i] = c;
		}
	for (uint32_t i = 0; i < length; i++)
		crc = crc >> 8 ^ table[(crc ^ data[i]) & 255];
	return ~crc;
}
