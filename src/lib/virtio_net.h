#pragma once
/* virtio_net -- the header that stands before a frame of a tap interface, a packet socket or a virtual machine and tells what
 * its sender left undone: a checksum, the cutting into segments (GSO).
 * source: Virtual I/O Device (VIRTIO) 1.2, section 5.1.6, in the byte order of the machine (legacy interface) */

enum { VIRTIO_NET_HEADER = 10 };        /* bytes */
enum virtio_net_flags { VIRTIO_NET_NEEDS_CHECKSUM = 1, VIRTIO_NET_DATA_VALID = 2 };
enum virtio_net_gso { VIRTIO_NET_GSO_NONE = 0, VIRTIO_NET_GSO_TCP4 = 1, VIRTIO_NET_GSO_UDP = 3, VIRTIO_NET_GSO_TCP6 = 4,
	VIRTIO_NET_GSO_UDP_L4 = 5, VIRTIO_NET_GSO_ECN = 0x80 };

struct virtio_net {
	uint8_t flags;                  /* enum virtio_net_flags */
	uint8_t gso_type;               /* enum virtio_net_gso */
	uint16_t header_length;         /* of the frame, with GSO: a hint that is not to be trusted */
	uint16_t gso_bytes;             /* payload of each segment */
	uint16_t checksum_start;        /* from the frame's first byte */
	uint16_t checksum_offset;       /* from checksum_start to the checksum's field */
};

/* What the header says fits the frame: an unfinished checksum lies behind the Ethernet header and within the frame, and a GSO
 * frame is one that gso_init can cut. To be asked of every header that another process wrote. */
bool virtio_net_is_valid(const struct virtio_net *virtio, const uint8_t *data, uint32_t length);
