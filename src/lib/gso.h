#pragma once
/* gso -- cut a frame that its sender left to be segmented: TCP over IPv4 and IPv6, and UDP datagrams of equal size (UDP_L4).
 * Nothing that a sender says is trusted: all lengths come from the headers in the frame, checked against its bytes.
 * Frames that were to be fragmented (UFO) are refused, and so are GSO frames within tunnels. */

enum { GSO_SEGMENTS = 2048 };           /* most segments: 64 KiB at the least MSS that Linux uses (48 with its options) are fewer */

struct gso {
	uint32_t network, transport;    /* where the IP and the TCP or UDP header begin */
	uint32_t header;                /* bytes that each segment repeats */
	uint32_t length;                /* bytes of the frame, without padding behind the IP packet */
	uint32_t bytes;                 /* payload of each segment but the last */
	uint32_t count;                 /* segments, at least 1 */
	uint64_t pseudo;                /* sum of the pseudo header but its length */
	bool is_ipv6, is_tcp;
};

/* Find out how the frame is to be cut.
 *   gives: true and *gso; false when the header does not fit the frame: another protocol, cut off, a fragment, no or too small
 *          segments, an unfinished checksum that is not the transport header's */
bool gso_init(struct gso *gso, const uint8_t *data, uint32_t length, const struct virtio_net *virtio);

/* Bytes of segment i. needs: i < gso->count */
inline uint32_t gso_segment_length(const struct gso *gso, uint32_t i)
{
	return i + 1 < gso->count ? gso->header + gso->bytes : gso->length - i * gso->bytes;
}

/* Write segment i, a frame with finished checksums: sequence number and IPv4 id go up, FIN and PSH stand only in the last, CWR
 * only in the first segment.
 *   needs: i < gso->count; the frame that gso_init saw; gso_segment_length bytes at `to`, which do not overlap it
 *   cost:  a copy and a sum of the segment */
void gso_segment(const struct gso *gso, const uint8_t *data, uint32_t i, uint8_t *to);
