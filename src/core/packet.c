/* packet -- see packet.h: the calls that are not inline. */
#include "core/core.h"

extern inline void packet_clear(struct packet *p);
extern inline struct packet *packet_alloc_size(enum packet_size size);
extern inline struct packet *packet_alloc(void);
extern inline uint32_t packet_take_burst(enum packet_size size, struct packet **burst, uint32_t n);
extern inline uint32_t packet_alloc_burst(enum packet_size size, struct packet **burst, uint32_t n);
extern inline void packet_free(struct packet *p);
extern inline void packet_free_burst(struct packet *const *burst, uint32_t n);
extern inline uint32_t packet_headroom(const struct packet *p);
extern inline uint32_t packet_tailroom(const struct packet *p);
extern inline void packet_block(void *to, const void *from);
extern inline uint32_t packet_copy_to(struct packet *to, const struct packet *from);
extern inline struct packet *packet_copy(const struct packet *from);
extern inline uint32_t packet_copy_burst(struct packet *const *from, struct packet **to, uint32_t n);

_Static_assert(sizeof(struct packet) == 64, "the metadata of a packet is one cache line");
_Static_assert(sizeof(struct packet_meta) == 32, "a copy of the metadata is one vector register");

struct packet_pool packet_pool[PACKET_SIZES];
uint8_t packet_worker;

static const uint32_t data_room[PACKET_SIZES] = { 2048, 10240, 65664 };

struct packet *packet_alloc_length(uint32_t length)
{
	for (uint32_t size = 0; size < PACKET_SIZES; size++) {
		if (length > data_room[size] || packet_pool[size].capacity == 0)
			continue;
		struct packet *p = packet_alloc_size((enum packet_size)size);

		if (p != NULL)
			p->length = length;
		return p;
	}
	return NULL;
}

bool packet_set(struct packet *p, const void *bytes, uint32_t length)
{
	if (length > p->room - packet_headroom(p))
		return false;
	memcpy(p->data, bytes, length);
	p->length = length;
	return true;
}

uint8_t *packet_prepend(struct packet *p, uint32_t n)
{
	if (n > packet_headroom(p))
		return NULL;
	p->data -= n;
	p->length += n;
	if (p->meta.flags & PACKET_CHECKSUM_PARTIAL)
		p->meta.checksum_start = (uint16_t)(p->meta.checksum_start + n);
	if (p->meta.gso != PACKET_GSO_NONE)
		p->meta.gso_header = (uint16_t)(p->meta.gso_header + n);
	return p->data;
}

bool packet_strip(struct packet *p, uint32_t n)
{
	if (n > p->length)
		return false;
	p->data += n;
	p->length -= n;
	if (p->meta.flags & PACKET_CHECKSUM_PARTIAL) {
		if (p->meta.checksum_start < n)
			p->meta.flags &= (uint8_t)~PACKET_CHECKSUM_PARTIAL;
		p->meta.checksum_start = (uint16_t)(p->meta.checksum_start - n);
	}
	if (p->meta.gso != PACKET_GSO_NONE)
		p->meta.gso_header = (uint16_t)(p->meta.gso_header > n ? p->meta.gso_header - n : 0);
	return true;
}

uint8_t *packet_append(struct packet *p, uint32_t n)
{
	uint8_t *end = p->data + p->length;

	if (n > packet_tailroom(p))
		return NULL;
	p->length += n;
	return end;
}

void packet_pool_bug(const struct packet *p)
{
	nf_bug(__FILE__, __LINE__, "packet %p was freed twice: more packets came back than there are", (const void *)p);
}
