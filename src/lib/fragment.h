#pragma once
/* fragment -- cut an IPv4 or IPv6 packet into fragments. source: RFC 791, 2.3 and 3.2; RFC 8200, 4.5 */

/* Bytes of IPv6's fragment header; offsets count in units of so many; no packet ends behind the last. */
enum { FRAGMENT_HEADER = 8, FRAGMENT_UNIT = 8, FRAGMENT_END = 65535 };

/* What is to be done with a packet. */
enum fragment_verdict { FRAGMENT_FITS, FRAGMENT_CUT, FRAGMENT_FORBIDDEN, FRAGMENT_INVALID };

/* How a packet is cut. Lengths in bytes from the IP header on. */
struct fragment {
	uint32_t header, later_header;  /* what the first fragment, and each later one, begins with (IPv6: fragment header apart) */
	uint32_t first, later;          /* payload of the first, and of each later one but the last */
	uint32_t payload, count;        /* of the packet; fragments, at least 2 */
	uint32_t next_at;               /* IPv6: where the next header field stands that says 44 in fragments */
	uint8_t options[40];            /* IPv4: of later fragments */
};

/* Look at the IPv4 packet at `data` of `length` bytes and make a plan.
 *   needs: mtu >= 68; flagged_options: later fragments have only the options that are flagged to be copied (RFC 791, 3.1),
 *          else all
 *   gives: FRAGMENT_FITS: it is no longer than mtu, or no whole IPv4 header is there; FRAGMENT_FORBIDDEN: DF is set;
 *          FRAGMENT_INVALID: cut off, or its offset is impossible; FRAGMENT_CUT and *plan */
enum fragment_verdict fragment4_plan(struct fragment *plan, const uint8_t *data, uint32_t length, uint32_t mtu,
	bool flagged_options);

/* Write fragment i at `to`, or, for i = 0, make the packet at `data` its own first fragment; that last of all.
 *   needs: i < plan->count; room for fragment_length(plan, i) bytes at `to`, which do not overlap data
 *   id: host order */
void fragment4_write(const struct fragment *plan, const uint8_t *data, uint32_t i, uint16_t id, uint8_t *to);
void fragment4_first(const struct fragment *plan, uint8_t *data, uint16_t id);

/* The same for IPv6: hop-by-hop and routing headers, and destination options before a routing header, are in each fragment. A
 * packet that has a fragment header is FRAGMENT_FORBIDDEN: only its source may cut it. needs: mtu >= 1280 */
enum fragment_verdict fragment6_plan(struct fragment *plan, const uint8_t *data, uint32_t length, uint32_t mtu);
void fragment6_write(const struct fragment *plan, const uint8_t *data, uint32_t i, uint32_t id, uint8_t *to);
/* `data` has been moved FRAGMENT_HEADER bytes towards the front, together with plan->header bytes. */
void fragment6_first(const struct fragment *plan, uint8_t *data, uint32_t id);

/* Bytes of fragment i, without IPv6's fragment header. */
inline uint32_t fragment_length(const struct fragment *plan, uint32_t i)
{
	if (i == 0)
		return plan->header + plan->first;
	if (i + 1 < plan->count)
		return plan->later_header + plan->later;
	return plan->later_header + plan->payload - plan->first - (plan->count - 2) * plan->later;
}
