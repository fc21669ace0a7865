/* fuzz_gso -- a virtio-net header and a frame from a hostile peer: checked, cut into segments, completed. Each segment must be
 * a sound frame, and all of them together must carry the payload of the frame. */
#include "core/core.h"
#include "lib/lib.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	nf_assert(memory_reserve() == 0 && memory_segment_add(0, PACKET_STANDARD, 64, -1) >= 0 &&
		memory_segment_add(0, PACKET_GSO, 4, -1) >= 0 && memory_worker_start(0) == 0, "no packet memory");
	return 0;
}

/* The bytes in memory of their own, so that the sanitizers see a step outside. */
static uint8_t *copy(const uint8_t *data, uint32_t length)
{
	uint8_t *bytes = malloc(length > 0 ? length : 1);

	nf_assert(bytes != NULL, "out of memory");
	memcpy(bytes, data, length);
	return bytes;
}

/* What a receiver asks of a segment. The checksum of the transport header is only right when the sender's unfinished one was. */
static void check_segment(const uint8_t *segment, uint32_t length, const struct gso *gso, bool finished)
{
	uint32_t transport = length - gso->transport;

	if (gso->is_ipv6) {
		const struct ipv6 *ip = ethernet_ipv6(segment, length);
		uint8_t protocol = 0;

		nf_assert(ip != NULL && IPV6_HEADER + ipv6_payload_length(ip) == length - gso->network, "IPv6 length");
		nf_assert(ipv6_transport((const uint8_t *)ip, length - gso->network, &protocol) == gso->transport - gso->network,
			"IPv6 transport header");
		nf_assert(!finished || checksum_fold(checksum_add(ipv6_pseudo(ip, protocol, transport), segment + gso->transport,
			transport)) == 0xffff, "checksum over IPv6");
	} else {
		const struct ipv4 *ip = ethernet_ipv4(segment, length);

		nf_assert(ip != NULL && ipv4_total_length(ip) == length - gso->network, "IPv4 length");
		nf_assert(ipv4_has_checksum(ip), "IPv4 checksum");
		nf_assert(!finished || checksum_fold(checksum_add(ipv4_pseudo(ip, ip->protocol, transport), segment + gso->transport,
			transport)) == 0xffff, "checksum over IPv4");
	}
	nf_assert(gso->is_tcp || bytes_read16(segment + gso->transport + 4) == transport, "UDP length");
}

static void cut(const uint8_t *frame, uint32_t length, const struct virtio_net *virtio)
{
	struct gso gso;
	uint32_t payload = 0;

	if (!gso_init(&gso, frame, length, virtio))
		return;
	nf_assert(gso.count >= 1 && gso.count <= GSO_SEGMENTS && gso.length <= length && gso.header <= gso.length,
		"%u segments of %u bytes", gso.count, gso.length);
	for (uint32_t i = 0; i < gso.count; i++) {
		uint32_t bytes = gso_segment_length(&gso, i);
		uint8_t *segment = malloc(bytes);

		nf_assert(segment != NULL && bytes >= gso.header && bytes <= length, "segment %u of %u bytes", i, bytes);
		gso_segment(&gso, frame, i, segment);
		check_segment(segment, bytes, &gso, !(virtio->flags & VIRTIO_NET_NEEDS_CHECKSUM));
		nf_assert(memcmp(segment + gso.header, frame + gso.header + payload, bytes - gso.header) == 0, "payload of %u", i);
		payload += bytes - gso.header;
		free(segment);
	}
	nf_assert(payload == gso.length - gso.header, "%u bytes of payload came out", payload);
}

/* The same as a packet: through its metadata, and back. */
static void pass(const uint8_t *frame, uint32_t length, const struct virtio_net *virtio)
{
	struct packet *p = packet_alloc_length(length);
	struct virtio_net back;
	struct gso gso;

	if (p == NULL)
		return;
	memcpy(p->data, frame, length);
	if (offload_from_virtio(p, virtio)) {
		offload_to_virtio(p, &back);
		nf_assert(virtio_net_is_valid(&back, p->data, p->length), "what was accepted is refused now");
		nf_assert(p->meta.gso == PACKET_GSO_NONE || offload_cut(p, &gso), "what was accepted cannot be cut");
		p->meta.flags |= PACKET_VLAN;
		offload_insert_tag(p);
		nf_assert(offload_complete(p), "an accepted checksum cannot be completed");
	}
	packet_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct virtio_net virtio;
	uint8_t *frame, protocol;
	uint32_t bytes;

	if (length < sizeof(virtio) || length > 65536)
		return 0;
	memcpy(&virtio, data, sizeof(virtio));
	bytes = (uint32_t)(length - sizeof(virtio));
	frame = copy(data + sizeof(virtio), bytes);
	cut(frame, bytes, &virtio);
	pass(frame, bytes, &virtio);
	ipv6_transport(frame, bytes, &protocol);
	ipv6_is_fragment(frame, bytes);
	free(frame);
	return 0;
}
