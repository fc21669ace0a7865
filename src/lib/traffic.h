#pragma once
/* traffic -- frames of given headers, and of many flows: fields that step through ranges.
 *
 * A field with a count of n takes the values first, first + 1, ... first + n - 1. The fields count like the digits of a number,
 * the ports of the source fastest, so every combination comes once before the first one comes again. */

struct traffic_ethernet {
	bool given, tagged;             /* tagged: with the VLAN id `vlan` */
	uint8_t src[6], dst[6];
	uint32_t src_count, dst_count;
	uint16_t type;                  /* 0: that of what follows */
	uint16_t vlan;
};

struct traffic_ip {
	bool given;
	uint8_t src[16], dst[16];       /* IPv4 in the first 4 bytes */
	uint32_t src_count, dst_count;
	uint8_t ttl, tos, protocol;     /* hop limit, traffic class; protocol: when neither UDP nor TCP is given */
};

struct traffic_ports {
	bool given;
	uint16_t src, dst;
	uint32_t src_count, dst_count;
};

struct traffic_headers {
	struct traffic_ethernet ethernet;
	struct traffic_ip ipv4, ipv6;   /* at most one is given */
	struct traffic_ports udp, tcp;  /* at most one is given, and only with one of ipv4, ipv6 */
};

enum { TRAFFIC_STEPS = 6, TRAFFIC_ETHERNET_TYPE = 0x88b5 };     /* 802 local experimental type 1: of frames that carry nothing known */

/* A field that steps. */
struct traffic_step {
	uint32_t at;                    /* bytes from the frame's first */
	uint32_t bytes;                 /* 4 or 2; of a longer address the last 4 */
	uint32_t first, count, now;     /* the value to be written next is first + now */
	bool in_header, in_transport;   /* it is part of the IPv4 header's and of the transport's checksum */
};

struct traffic_steps {
	uint32_t count;
	struct traffic_step step[TRAFFIC_STEPS];
};

/* A frame without its stepping fields and its checksums, and how to finish it. */
struct traffic_frame {
	uint8_t *bytes;
	uint32_t length;
	uint32_t payload;               /* where the payload begins */
	uint32_t header_checksum, transport_checksum;   /* where they stand; 0: none */
	uint64_t header_sum, transport_sum;             /* of all but the stepping fields and the payload */
};

/* Bytes of all headers that are given; 0 when none is. */
uint32_t traffic_length(const struct traffic_headers *headers);

/* The fields that have a count above 1, at their first values. */
void traffic_steps_init(struct traffic_steps *steps, const struct traffic_headers *headers);

/* Go on to the next combination. */
void traffic_steps_next(struct traffic_steps *steps);

/* Write the headers into `bytes`, zero the rest.
 *   needs: length from traffic_length(headers) to 65,535, bytes[length] */
void traffic_frame_init(struct traffic_frame *frame, const struct traffic_headers *headers, uint8_t *bytes, uint32_t length);

/* Finish a copy of a frame: the fields that step, then the checksums; with `payload` over the payload too, which else is zero.
 *   cost: about 5 ns, and the sum of the payload */
void traffic_frame_finish(const struct traffic_frame *frame, const struct traffic_steps *steps, uint8_t *data, bool payload);
