/* offload -- see offload.h. */
#include "core/core.h"
#include "lib/lib.h"

_Static_assert((int)PACKET_GSO_TCP4 == VIRTIO_NET_GSO_TCP4 && (int)PACKET_GSO_TCP6 == VIRTIO_NET_GSO_TCP6 &&
	(int)PACKET_GSO_UDP == VIRTIO_NET_GSO_UDP && (int)PACKET_GSO_UDP_L4 == VIRTIO_NET_GSO_UDP_L4 &&
	(int)PACKET_GSO_ECN == VIRTIO_NET_GSO_ECN, "metadata and virtio-net name the kinds of GSO with the same numbers");

bool offload_from_virtio(struct packet *p, const struct virtio_net *virtio)
{
	struct gso gso;

	if (__builtin_expect((virtio->flags | virtio->gso_type) == 0, 1))
		return true;
	if (!virtio_net_is_valid(virtio, p->data, p->length))
		return false;
	if (virtio->flags & VIRTIO_NET_NEEDS_CHECKSUM) {
		p->meta.flags |= PACKET_CHECKSUM_PARTIAL;
		p->meta.checksum_start = virtio->checksum_start;
		p->meta.checksum_offset = virtio->checksum_offset;
	} else if (virtio->flags & VIRTIO_NET_DATA_VALID) {
		p->meta.flags |= PACKET_CHECKSUM_VALID;
	}
	if (virtio->gso_type != VIRTIO_NET_GSO_NONE && gso_init(&gso, p->data, p->length, virtio) && gso.count > 1) {
		p->meta.gso = virtio->gso_type;
		p->meta.gso_bytes = virtio->gso_bytes;
		p->meta.gso_header = (uint16_t)gso.header;
	}
	return true;
}

void offload_to_virtio(const struct packet *p, struct virtio_net *virtio)
{
	*virtio = (struct virtio_net){ 0 };
	if (p->meta.flags & PACKET_CHECKSUM_PARTIAL) {
		virtio->flags = VIRTIO_NET_NEEDS_CHECKSUM;
		virtio->checksum_start = p->meta.checksum_start;
		virtio->checksum_offset = p->meta.checksum_offset;
	}
	if (p->meta.gso != PACKET_GSO_NONE) {
		virtio->gso_type = p->meta.gso;
		virtio->gso_bytes = p->meta.gso_bytes;
		/* A hint of how much the receiver should have in one piece. */
		virtio->header_length = p->meta.gso_header < p->length ? p->meta.gso_header : (uint16_t)p->length;
	}
}

bool offload_complete(struct packet *p)
{
	if (!(p->meta.flags & PACKET_CHECKSUM_PARTIAL))
		return true;
	if (!checksum_complete(p->data, p->length, p->meta.checksum_start, p->meta.checksum_offset))
		return false;
	p->meta.flags &= (uint8_t)~PACKET_CHECKSUM_PARTIAL;
	return true;
}

bool offload_cut(const struct packet *p, struct gso *gso)
{
	struct virtio_net virtio;

	offload_to_virtio(p, &virtio);
	return gso_init(gso, p->data, p->length, &virtio);
}

bool offload_insert_tag(struct packet *p)
{
	if (!(p->meta.flags & PACKET_VLAN))
		return true;
	if (p->length < ETHERNET_HEADER || packet_prepend(p, VLAN_TAG) == NULL)
		return false;
	vlan_insert(p->data, ETHERNET_VLAN, p->meta.vlan);
	p->meta.flags &= (uint8_t)~PACKET_VLAN;
	return true;
}

bool offload_is_plain(const struct packet *p)
{
	return p->meta.gso == PACKET_GSO_NONE && !(p->meta.flags & (PACKET_CHECKSUM_PARTIAL | PACKET_VLAN));
}
