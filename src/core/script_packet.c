/* script_packet -- the C side of nf.packet: see script_packet.h. */
#include "core/script_app.h"
#include "core/script_packet.h"

#include <arpa/inet.h>

_Static_assert(SCRIPT_SLOTS == 1 << SCRIPT_SLOT_BITS, "a handle is a slot number and a generation");

void script_packet_drop_all(struct script *s, uint32_t reason)
{
	for (uint32_t i = 0; i < s->slot_count; i++) {
		struct packet *p = s->slot[i].p;

		if (p == NULL)
			continue;
		script_packet_release(s, &s->slot[i]);
		app_drop(&s->app, reason, p);
	}
}

/* Count a new packet of the app and put it into the table. */
static double created(struct script *s, struct packet *p)
{
	s->app.created++;
	return script_packet_take(s, p);
}

double script_packet_new(struct script *s, int64_t length)
{
	struct packet *p;
	double handle = 0;

	if (!s->running)
		return SCRIPT_OUTSIDE;
	if (length < 0 || length > UINT32_MAX)
		return SCRIPT_BOUNDS;
	if (s->spare_count == 0)
		return 0;
	script_app_busy(s);
	p = packet_alloc_length((uint32_t)length);
	if (p != NULL) {
		memset(p->data, 0, p->length);
		handle = created(s, p);
	}
	script_app_done(s);
	return handle;
}

double script_packet_copy(struct script *s, int64_t p)
{
	const struct packet *from = script_packet_of(s, p);
	struct packet *copy;
	double handle = 0;

	if (!s->running)
		return SCRIPT_OUTSIDE;
	if (from == NULL)
		return SCRIPT_STALE;
	if (s->spare_count == 0)
		return 0;
	script_app_busy(s);
	copy = packet_copy(from);
	if (copy != NULL)
		handle = created(s, copy);
	script_app_done(s);
	return handle;
}

int32_t script_packet_free(struct script *s, int64_t p)
{
	struct packet *packet;

	if (!s->running)
		return SCRIPT_OUTSIDE;
	script_app_busy(s);
	packet = script_packet_give(s, p);
	if (packet != NULL) {
		s->app.consumed++;
		packet_free(packet);
	}
	script_app_done(s);
	return packet != NULL ? 0 : SCRIPT_STALE;
}

int32_t script_packet_drop(struct script *s, int64_t reason, int64_t p)
{
	struct packet *packet;

	if (!s->running)
		return SCRIPT_OUTSIDE;
	if ((uint64_t)reason >= s->app.reason_count)
		return SCRIPT_RANGE;
	script_app_busy(s);
	packet = script_packet_give(s, p);
	if (packet != NULL)
		app_drop(&s->app, (uint32_t)reason, packet);
	script_app_done(s);
	return packet != NULL ? 0 : SCRIPT_STALE;
}

int32_t script_packet_length(struct script *s, int64_t p)
{
	const struct packet *packet = script_packet_of(s, p);

	return packet != NULL ? (int32_t)packet->length : SCRIPT_STALE;
}

/* Bytes offset .. offset + bytes - 1 of a packet that is there, or NULL. */
static inline uint8_t *inside(const struct packet *p, int64_t offset, int64_t bytes)
{
	if (p == NULL || offset < 0 || bytes < 0 || bytes > (int64_t)p->length || offset > (int64_t)p->length - bytes)
		return NULL;
	return p->data + offset;
}

uint8_t *script_packet_at(struct script *s, int64_t p, int64_t offset, int64_t bytes)
{
	return inside(script_packet_of(s, p), offset, bytes);
}

int32_t script_packet_u8(struct script *s, int64_t p, int64_t offset)
{
	const uint8_t *at = inside(script_packet_of(s, p), offset, 1);

	return at != NULL ? *at : SCRIPT_BOUNDS;
}

int32_t script_packet_u16(struct script *s, int64_t p, int64_t offset)
{
	const uint8_t *at = inside(script_packet_of(s, p), offset, 2);

	return at != NULL ? at[0] << 8 | at[1] : SCRIPT_BOUNDS;
}

double script_packet_u32(struct script *s, int64_t p, int64_t offset)
{
	const uint8_t *at = inside(script_packet_of(s, p), offset, 4);
	uint32_t number;

	if (at == NULL)
		return SCRIPT_BOUNDS;
	memcpy(&number, at, sizeof(number));
	return ntohl(number);
}

int32_t script_packet_set_u8(struct script *s, int64_t p, int64_t offset, int64_t value)
{
	uint8_t *at = inside(script_packet_of(s, p), offset, 1);

	if (at == NULL)
		return SCRIPT_BOUNDS;
	if (value < 0 || value > UINT8_MAX)
		return SCRIPT_RANGE;
	*at = (uint8_t)value;
	return 0;
}

int32_t script_packet_set_u16(struct script *s, int64_t p, int64_t offset, int64_t value)
{
	uint8_t *at = inside(script_packet_of(s, p), offset, 2);

	if (at == NULL)
		return SCRIPT_BOUNDS;
	if (value < 0 || value > UINT16_MAX)
		return SCRIPT_RANGE;
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return 0;
}

int32_t script_packet_set_u32(struct script *s, int64_t p, int64_t offset, int64_t value)
{
	uint8_t *at = inside(script_packet_of(s, p), offset, 4);
	uint32_t number = htonl((uint32_t)value);

	if (at == NULL)
		return SCRIPT_BOUNDS;
	if (value < 0 || value > UINT32_MAX)
		return SCRIPT_RANGE;
	memcpy(at, &number, sizeof(number));
	return 0;
}

int32_t script_packet_set_bytes(struct script *s, int64_t p, int64_t offset, const char *bytes, int64_t length)
{
	uint8_t *at = inside(script_packet_of(s, p), offset, length);

	if (at == NULL)
		return SCRIPT_BOUNDS;
	memcpy(at, bytes, (size_t)length);
	return 0;
}

int32_t script_packet_prepend(struct script *s, int64_t p, int64_t n)
{
	struct packet *packet = script_packet_of(s, p);

	if (packet == NULL)
		return SCRIPT_STALE;
	if (n < 0 || n > packet_headroom(packet))
		return SCRIPT_BOUNDS;
	script_app_busy(s);
	memset(packet_prepend(packet, (uint32_t)n), 0, (size_t)n);
	script_app_done(s);
	return 0;
}

int32_t script_packet_append(struct script *s, int64_t p, int64_t n)
{
	struct packet *packet = script_packet_of(s, p);

	if (packet == NULL)
		return SCRIPT_STALE;
	if (n < 0 || n > packet_tailroom(packet))
		return SCRIPT_BOUNDS;
	memset(packet_append(packet, (uint32_t)n), 0, (size_t)n);
	return 0;
}

int32_t script_packet_strip(struct script *s, int64_t p, int64_t n)
{
	struct packet *packet = script_packet_of(s, p);

	if (packet == NULL)
		return SCRIPT_STALE;
	if (n < 0 || n > packet->length)
		return SCRIPT_BOUNDS;
	script_app_busy(s);
	packet_strip(packet, (uint32_t)n);
	script_app_done(s);
	return 0;
}

int32_t script_packet_truncate(struct script *s, int64_t p, int64_t n)
{
	struct packet *packet = script_packet_of(s, p);

	if (packet == NULL)
		return SCRIPT_STALE;
	if (n < 0 || n > packet->length)
		return SCRIPT_BOUNDS;
	packet->length = (uint32_t)n;
	return 0;
}

double script_packet_field(struct script *s, int64_t p, int64_t field)
{
	const struct packet *packet = script_packet_of(s, p);

	if (packet == NULL)
		return SCRIPT_STALE;
	switch (field) {
	case SCRIPT_VLAN:
		return packet->meta.flags & PACKET_VLAN ? packet->meta.vlan : SCRIPT_BOUNDS;
	case SCRIPT_PORT:
		return packet->meta.port;
	case SCRIPT_HASH:
		return packet->meta.hash;
	case SCRIPT_SECONDS:
		return (double)(packet->meta.timestamp / 1000000000);
	case SCRIPT_NANOSECONDS:
		return (double)(packet->meta.timestamp % 1000000000);
	default:
		return SCRIPT_RANGE;
	}
}

int32_t script_packet_set_field(struct script *s, int64_t p, int64_t field, int64_t value)
{
	struct packet *packet = script_packet_of(s, p);

	if (packet == NULL)
		return SCRIPT_STALE;
	if (field == SCRIPT_HASH && value >= 0 && value <= UINT32_MAX) {
		packet->meta.hash = (uint32_t)value;
	} else if (field == SCRIPT_VLAN && value == SCRIPT_BOUNDS) {
		packet->meta.flags &= (uint8_t)~PACKET_VLAN;
		packet->meta.vlan = 0;
	} else if (field == SCRIPT_VLAN && value >= 0 && value <= UINT16_MAX) {
		packet->meta.flags |= PACKET_VLAN;
		packet->meta.vlan = (uint16_t)value;
	} else {
		return SCRIPT_RANGE;
	}
	return 0;
}
