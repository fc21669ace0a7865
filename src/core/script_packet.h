#pragma once
/* script_packet -- what an app written in Lua does with packets and links: the C side of nf.packet, nf.link and `self`.
 *
 * Lua never sees a packet's address. It holds handles: numbers made of the place in the instance's table of packets and of a
 * count that goes up each time the place is used again, so that the handle of a packet that was passed on is recognised. All
 * that changes who owns a packet happens within one of these calls. Only the trusted modules of lua/nf call them.
 *
 * Numbers come as int64_t, because LuaJIT turns any Lua number into one without loss, and go back as double or int32_t, because
 * those become plain Lua numbers. */

struct script;

/* What a negative result means. */
enum script_code {
	SCRIPT_STALE = -1,              /* no packet of this app: passed on already, or no handle at all */
	SCRIPT_BOUNDS = -2,             /* outside of the packet, or no room in its buffer */
	SCRIPT_LINK = -3,               /* not a link of this app, or of the other direction */
	SCRIPT_OUTSIDE = -4,            /* the app is not running: packets move in push, pull, tick and link */
	SCRIPT_RANGE = -5               /* a value that the field cannot hold */
};

/* How many packets this push may take from an input: what waited when it began, at most the room of every output.
 *   gives: a number; SCRIPT_LINK */
int32_t script_link_count(struct script *s, int64_t input);
/* How many packets fit on an output. gives: a number; SCRIPT_LINK */
int32_t script_link_room(struct script *s, int64_t output);
/* Take the oldest packet. gives: a handle; 0: script_link_count is 0, or the app has too many packets; negative: script_code */
double script_link_receive(struct script *s, int64_t input);
/* Send a packet; a full link drops and counts it. gives: 0 or script_code. owner: takes p */
int32_t script_link_send(struct script *s, int64_t output, int64_t p);

/* A packet of `length` zero bytes; a copy. gives: a handle; 0: no packet left; negative: script_code */
double script_packet_new(struct script *s, int64_t length);
double script_packet_copy(struct script *s, int64_t p);
/* Swallow a packet: it counts as consumed. gives: 0 or script_code. owner: takes p */
int32_t script_packet_free(struct script *s, int64_t p);
/* Drop a packet under reason number `reason` of the class. */
int32_t script_packet_drop(struct script *s, int64_t reason, int64_t p);

int32_t script_packet_length(struct script *s, int64_t p);
/* Bytes offset .. offset + bytes - 1; NULL when they are not all inside of the packet or p is none. */
uint8_t *script_packet_at(struct script *s, int64_t p, int64_t offset, int64_t bytes);
/* Numbers in network order. gives: the number, or script_code */
int32_t script_packet_u8(struct script *s, int64_t p, int64_t offset);
int32_t script_packet_u16(struct script *s, int64_t p, int64_t offset);
double script_packet_u32(struct script *s, int64_t p, int64_t offset);
int32_t script_packet_set_u8(struct script *s, int64_t p, int64_t offset, int64_t value);
int32_t script_packet_set_u16(struct script *s, int64_t p, int64_t offset, int64_t value);
int32_t script_packet_set_u32(struct script *s, int64_t p, int64_t offset, int64_t value);
int32_t script_packet_set_bytes(struct script *s, int64_t p, int64_t offset, const char *bytes, int64_t length);
/* Add n zero bytes before or behind the frame, take n off the front, cut it to n bytes. gives: 0 or script_code, p unchanged */
int32_t script_packet_prepend(struct script *s, int64_t p, int64_t n);
int32_t script_packet_append(struct script *s, int64_t p, int64_t n);
int32_t script_packet_strip(struct script *s, int64_t p, int64_t n);
int32_t script_packet_truncate(struct script *s, int64_t p, int64_t n);

/* What is known about a frame. gives: the number, or script_code; SCRIPT_BOUNDS for a VLAN tag that it has not */
enum script_field { SCRIPT_VLAN, SCRIPT_PORT, SCRIPT_HASH, SCRIPT_SECONDS, SCRIPT_NANOSECONDS };
double script_packet_field(struct script *s, int64_t p, int64_t field);
/* Set the VLAN tag (SCRIPT_BOUNDS as value takes it away) or the hash. gives: 0 or script_code */
int32_t script_packet_set_field(struct script *s, int64_t p, int64_t field, int64_t value);

/* Add n to counter number `counter` of the class. gives: 0, or SCRIPT_RANGE for a negative n */
int32_t script_app_count(struct script *s, int64_t counter, int64_t n);
/* Seconds of this breath's clock, and of the wall clock. */
double script_app_now(struct script *s);
double script_app_wall(struct script *s);
/* The instance's stream of random numbers: 0 <= x < 1, and 0 .. limit - 1 (SCRIPT_RANGE unless 1 <= limit < 2^32). */
double script_app_random(struct script *s);
double script_app_below(struct script *s, int64_t limit);
/* A line on standard error while the app is being made; SCRIPT_OUTSIDE while it runs. */
int32_t script_app_print(struct script *s, const char *text);
