/* virtio_net -- see virtio_net.h. */
#include "lib/lib.h"

_Static_assert(sizeof(struct virtio_net) == VIRTIO_NET_HEADER, "the header as the kernel writes it");

bool virtio_net_is_valid(const struct virtio_net *virtio, const uint8_t *data, uint32_t length)
{
	struct gso gso;

	if (virtio->flags & VIRTIO_NET_NEEDS_CHECKSUM &&
		(virtio->checksum_start < ETHERNET_HEADER ||
			(uint32_t)virtio->checksum_start + virtio->checksum_offset + sizeof(uint16_t) > length))
		return false;
	return virtio->gso_type == VIRTIO_NET_GSO_NONE || gso_init(&gso, data, length, virtio);
}
