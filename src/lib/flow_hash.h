#pragma once
/* flow_hash -- one number for all packets of a flow, in both directions.
 *
 * The two ends of a flow are put in order before they are hashed, so both directions have one hash. VLAN tags are looked behind
 * and not hashed. Of frames that are not IP, or whose IP header is damaged, the Ethernet addresses and the type are hashed. */

enum flow_hash_ends {
	FLOW_HASH_ADDRESSES,            /* an end is an IP address: fragments have the hash of all other packets */
	FLOW_HASH_PORTS                 /* ... and a port, of TCP, UDP, UDP-Lite, DCCP and SCTP. Fragments, and IPv6 packets with
	                                 * extension headers, have the hash of their addresses alone */
};

/* The hash of a frame; 0 when it is shorter than an Ethernet header.
 *   cost: about 15 ns, of an IPv6 packet 20 */
struct siphash_key;
uint64_t flow_hash(const uint8_t *data, uint32_t length, enum flow_hash_ends ends, const struct siphash_key *key);
