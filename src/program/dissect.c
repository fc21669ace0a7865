/* dissect -- see dissect.h. */
#include "program/dissect.h"

#include "lib/lib.h"

#include <arpa/inet.h>
#include <stdarg.h>

enum { LAYERS_MOST = 8 };               /* headers of one frame that are looked at, tags not counted */

/* A frame and how far it was read. */
struct cursor {
	struct dissect *dissect;
	const uint8_t *data;
	uint32_t length, at;
};

static void add(struct cursor *c, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void add(struct cursor *c, const char *name, const char *format, ...)
{
	struct dissect_field *field = &c->dissect->field[c->dissect->count];
	va_list arguments;

	if (c->dissect->count == DISSECT_FIELDS)
		return;
	c->dissect->count++;
	snprintf(field->name, sizeof(field->name), "%s", name);
	va_start(arguments, format);
	vsnprintf(field->value, sizeof(field->value), format, arguments);
	va_end(arguments);
}

static void add_mac(struct cursor *c, const char *name, const uint8_t *mac)
{
	add(c, name, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void add_address(struct cursor *c, const char *name, int family, const uint8_t *address)
{
	char text[INET6_ADDRSTRLEN];

	add(c, name, "%s", inet_ntop(family, address, text, sizeof(text)) != NULL ? text : "?");
}

/* The next `bytes` bytes; NULL when they are not all there. */
static const uint8_t *take(struct cursor *c, uint32_t bytes)
{
	const uint8_t *p = c->data + c->at;

	if (c->length - c->at < bytes)
		return NULL;
	c->at += bytes;
	return p;
}

/* source: RFC 826, "Packet format"; Ethernet and IPv4 alone */
static void arp(struct cursor *c)
{
	const uint8_t *p = take(c, 28);

	if (p == NULL || bytes_read16(p) != 1 || bytes_read16(p + 2) != ETHERNET_IPV4 || p[4] != 6 || p[5] != 4)
		return;
	add(c, "arp.operation", "%u", bytes_read16(p + 6));
	add_mac(c, "arp.sender-mac", p + 8);
	add_address(c, "arp.sender-ip", AF_INET, p + 14);
	add_mac(c, "arp.target-mac", p + 18);
	add_address(c, "arp.target-ip", AF_INET, p + 24);
}

/* source: RFC 768 */
static void udp(struct cursor *c)
{
	const uint8_t *p = take(c, 8);

	if (p == NULL)
		return;
	add(c, "udp.src", "%u", bytes_read16(p));
	add(c, "udp.dst", "%u", bytes_read16(p + 2));
	add(c, "udp.length", "%u", bytes_read16(p + 4));
	add(c, "udp.checksum", "0x%04x", bytes_read16(p + 6));
}

/* source: RFC 9293, section 3.1 */
static void tcp(struct cursor *c)
{
	static const char names[] = "FSRPAUEC";
	const uint8_t *p = take(c, 20);
	char flags[sizeof(names)] = "";
	uint32_t options;

	if (p == NULL)
		return;
	for (uint32_t i = 0, n = 0; i < 8; i++)
		if (p[13] >> i & 1)
			flags[n++] = names[i];
	add(c, "tcp.src", "%u", bytes_read16(p));
	add(c, "tcp.dst", "%u", bytes_read16(p + 2));
	add(c, "tcp.sequence", "%u", bytes_read32(p + 4));
	add(c, "tcp.acknowledgement", "%u", bytes_read32(p + 8));
	add(c, "tcp.flags", "%s", flags);
	add(c, "tcp.window", "%u", bytes_read16(p + 14));
	add(c, "tcp.checksum", "0x%04x", bytes_read16(p + 16));
	options = (uint32_t)(p[12] >> 4) * 4;
	if (options > 20 && take(c, options - 20) != NULL)
		add(c, "tcp.options", "%u bytes", options - 20);
}

/* source: RFC 792, RFC 4443 section 2.1 */
static void icmp(struct cursor *c, bool version6)
{
	const uint8_t *p = take(c, 4);

	if (p == NULL)
		return;
	add(c, version6 ? "icmpv6.type" : "icmp.type", "%u", p[0]);
	add(c, version6 ? "icmpv6.code" : "icmp.code", "%u", p[1]);
	add(c, version6 ? "icmpv6.checksum" : "icmp.checksum", "0x%04x", bytes_read16(p + 2));
}

/* What an IP header announced. */
static void ipv4(struct cursor *c, uint32_t layer);
static void ipv6(struct cursor *c, uint32_t layer);
static void transport(struct cursor *c, uint8_t protocol, uint32_t layer)
{
	if (layer == LAYERS_MOST)
		return;
	if (protocol == IP_UDP)
		udp(c);
	else if (protocol == IP_TCP)
		tcp(c);
	else if (protocol == IP_ICMP || protocol == IP_ICMPV6)
		icmp(c, protocol == IP_ICMPV6);
	else if (protocol == IP_IPV4)
		ipv4(c, layer + 1);
	else if (protocol == IP_IPV6)
		ipv6(c, layer + 1);
}

/* source: RFC 791, section 3.1 */
static void ipv4(struct cursor *c, uint32_t layer)
{
	const uint8_t *p = take(c, IPV4_HEADER);
	uint32_t fragment, options;

	if (p == NULL || p[0] >> 4 != 4)
		return;
	fragment = bytes_read16(p + 6);
	add(c, "ipv4.tos", "0x%02x", p[1]);
	add(c, "ipv4.length", "%u", bytes_read16(p + 2));
	add(c, "ipv4.id", "%u", bytes_read16(p + 4));
	add(c, "ipv4.fragment", "%s%s%u", fragment & IPV4_DF ? "DF " : "", fragment & IPV4_MF ? "MF " : "", (fragment & IPV4_OFFSET) * 8);
	add(c, "ipv4.ttl", "%u", p[8]);
	add(c, "ipv4.protocol", "%u", p[9]);
	add(c, "ipv4.checksum", "0x%04x", bytes_read16(p + 10));
	add_address(c, "ipv4.src", AF_INET, p + 12);
	add_address(c, "ipv4.dst", AF_INET, p + 16);
	options = (uint32_t)(p[0] & 15) * 4;
	if (options > IPV4_HEADER && take(c, options - IPV4_HEADER) != NULL)
		add(c, "ipv4.options", "%u bytes", options - IPV4_HEADER);
	if (options >= IPV4_HEADER && (fragment & IPV4_OFFSET) == 0)
		transport(c, p[9], layer);
}

/* source: RFC 8200, section 3; of extension headers only the fragment header (4.5) */
static void ipv6(struct cursor *c, uint32_t layer)
{
	const uint8_t *p = take(c, 40), *extension;
	uint8_t next;

	if (p == NULL || p[0] >> 4 != 6)
		return;
	next = p[6];
	add(c, "ipv6.class", "0x%02x", (bytes_read16(p) >> 4) & 0xff);
	add(c, "ipv6.flow", "0x%05x", bytes_read32(p) & 0xfffff);
	add(c, "ipv6.length", "%u", bytes_read16(p + 4));
	add(c, "ipv6.next", "%u", next);
	add(c, "ipv6.hop-limit", "%u", p[7]);
	add_address(c, "ipv6.src", AF_INET6, p + 8);
	add_address(c, "ipv6.dst", AF_INET6, p + 24);
	if (next == IP_FRAGMENT && (extension = take(c, 8)) != NULL) {
		next = extension[0];
		add(c, "ipv6.fragment", "%s%u", extension[3] & 1 ? "MF " : "", bytes_read16(extension + 2) & 0xfff8);
		add(c, "ipv6.fragment-id", "%u", bytes_read32(extension + 4));
		if ((bytes_read16(extension + 2) & 0xfff8) != 0)
			return;
	}
	transport(c, next, layer);
}

/* source: IEEE 802.3, clause 3; 802.1Q, clause 9 */
static void ethernet(struct cursor *c)
{
	const uint8_t *p = take(c, ETHERNET_HEADER), *tag;
	uint32_t type;

	if (p == NULL)
		return;
	type = bytes_read16(p + 12);
	add_mac(c, "ethernet.dst", p);
	add_mac(c, "ethernet.src", p + 6);
	add(c, "ethernet.type", "0x%04x", type);
	while ((type == ETHERNET_VLAN || type == ETHERNET_QINQ) && (tag = take(c, VLAN_TAG)) != NULL) {
		add(c, "vlan.id", "%u", bytes_read16(tag) & 0xfff);
		add(c, "vlan.priority", "%u", tag[0] >> 5);
		type = bytes_read16(tag + 2);
		add(c, "vlan.type", "0x%04x", type);
	}
	if (type == ETHERNET_ARP)
		arp(c);
	else if (type == ETHERNET_IPV4)
		ipv4(c, 0);
	else if (type == ETHERNET_IPV6)
		ipv6(c, 0);
}

void dissect_frame(struct dissect *dissect, const uint8_t *data, uint32_t length)
{
	struct cursor c = { dissect, data, length, 0 };

	dissect->count = 0;
	ethernet(&c);
	dissect->payload = c.at;
}

const char *dissect_value(const struct dissect *dissect, const char *name)
{
	for (uint32_t i = dissect->count; i > 0; i--)
		if (strcmp(dissect->field[i - 1].name, name) == 0)
			return dissect->field[i - 1].value;
	return NULL;
}

/* The innermost value that there is of two fields; "" for none. */
static const char *either(const struct dissect *d, const char *a, const char *b)
{
	const char *value = dissect_value(d, a);

	if (value == NULL)
		value = dissect_value(d, b);
	return value != NULL ? value : "";
}

void dissect_line(const uint8_t *data, uint32_t length, uint32_t wire_length, char *text, size_t size)
{
	struct dissect d;
	const char *source, *protocol, *operation;
	bool is_tcp;

	dissect_frame(&d, data, length);
	is_tcp = dissect_value(&d, "tcp.src") != NULL;
	source = either(&d, "ipv4.src", "ipv6.src");
	protocol = either(&d, "ipv4.protocol", "ipv6.next");
	operation = dissect_value(&d, "arp.operation");
	if (is_tcp || dissect_value(&d, "udp.src") != NULL)
		snprintf(text, size, "%s:%s > %s:%s %s%s%s, %u bytes", source, either(&d, "tcp.src", "udp.src"),
			either(&d, "ipv4.dst", "ipv6.dst"), either(&d, "tcp.dst", "udp.dst"), is_tcp ? "TCP" : "UDP",
			either(&d, "tcp.flags", "none")[0] != '\0' ? " " : "", either(&d, "tcp.flags", "none"), wire_length);
	else if (dissect_value(&d, "icmp.type") != NULL || dissect_value(&d, "icmpv6.type") != NULL)
		snprintf(text, size, "%s > %s ICMP type %s code %s, %u bytes", source, either(&d, "ipv4.dst", "ipv6.dst"),
			either(&d, "icmp.type", "icmpv6.type"), either(&d, "icmp.code", "icmpv6.code"), wire_length);
	else if (source[0] != '\0')
		snprintf(text, size, "%s > %s protocol %s, %u bytes", source, either(&d, "ipv4.dst", "ipv6.dst"), protocol, wire_length);
	else if (operation != NULL)
		snprintf(text, size, "ARP %s %s from %s, %u bytes", strcmp(operation, "1") == 0 ? "who-has" : "reply, tells",
			either(&d, "arp.target-ip", "none"), either(&d, "arp.sender-ip", "none"), wire_length);
	else
		snprintf(text, size, "%s > %s type %s, %u bytes", either(&d, "ethernet.src", "none"), either(&d, "ethernet.dst", "none"),
			either(&d, "vlan.type", "ethernet.type"), wire_length);
}
