#pragma once
/* tags -- a packet's outermost VLAN tag, for the apps of this folder. */
#include "core/core.h"
#include "lib/lib.h"

enum { TAGS_ID_MOST = 4094 };           /* 4095 is reserved */
enum { TAGS_NONE = -1 };

/* The kinds of tags by name, and their Ethernet types. */
extern const char *const tags_type_names[];
extern const uint16_t tags_types[];

/* The slow ways of the calls below: a tag beside the data, an unfinished checksum, a frame to be segmented. */
bool tags_insert_slowly(struct packet *p, uint16_t type, uint16_t tci);
void tags_remove_slowly(struct packet *p);

/* Put a tag into a packet: both addresses move in two registers.
 *   fails: false when it has no room for it, or no whole Ethernet header: p must be dropped */
static inline bool tags_insert(struct packet *p, uint16_t type, uint16_t tci)
{
	uint64_t first;
	uint32_t second;

	if (__builtin_expect((p->meta.flags & (PACKET_VLAN | PACKET_CHECKSUM_PARTIAL)) != 0 || packet_headroom(p) < VLAN_TAG ||
		p->length < ETHERNET_HEADER, 0))
		return tags_insert_slowly(p, type, tci);
	memcpy(&first, p->data, sizeof(first));
	memcpy(&second, p->data + sizeof(first), sizeof(second));
	p->data -= VLAN_TAG;
	p->length += VLAN_TAG;
	memcpy(p->data, &first, sizeof(first));
	memcpy(p->data + sizeof(first), &second, sizeof(second));
	bytes_write32(p->data + sizeof(first) + sizeof(second), (uint32_t)type << 16 | tci);
	return true;
}

/* The TCI of the outermost tag, when it is of this type; else TAGS_NONE. It may stand in the data or beside it. */
static inline int tags_look(const struct packet *p, uint16_t type)
{
	if (__builtin_expect(p->meta.flags & PACKET_VLAN, 0))
		return type == ETHERNET_VLAN ? p->meta.vlan : TAGS_NONE;
	if (__builtin_expect(p->length < ETHERNET_HEADER + VLAN_TAG || bytes_read16(p->data + ETHERNET_HEADER - 2) != type, 0))
		return TAGS_NONE;
	return bytes_read16(p->data + ETHERNET_HEADER);
}

/* Take out the tag that tags_look has found. */
static inline void tags_remove(struct packet *p)
{
	uint64_t first;
	uint32_t second;

	if (__builtin_expect((p->meta.flags & (PACKET_VLAN | PACKET_CHECKSUM_PARTIAL)) != 0, 0)) {
		tags_remove_slowly(p);
		return;
	}
	memcpy(&first, p->data, sizeof(first));
	memcpy(&second, p->data + sizeof(first), sizeof(second));
	p->data += VLAN_TAG;
	p->length -= VLAN_TAG;
	memcpy(p->data, &first, sizeof(first));
	memcpy(p->data + sizeof(first), &second, sizeof(second));
}
