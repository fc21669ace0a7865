#pragma once
/* offload -- what the sender of a frame left undone and what travels as metadata: an unfinished checksum, a frame to be cut
 * into segments (GSO), a VLAN tag that is not in the data. An output either passes it on or does it here. */

struct virtio_net;
struct gso;

/* Take over what the header says about a frame that another process sent. A GSO frame that is one segment is an ordinary one.
 *   needs: p's data set, no offload in its metadata
 *   fails: false when the header does not fit the frame: p must be dropped */
bool offload_from_virtio(struct packet *p, const struct virtio_net *virtio);

/* Write the header that tells another process what is left undone. */
void offload_to_virtio(const struct packet *p, struct virtio_net *virtio);

/* Finish an unfinished checksum in the data. fails: false when its place is not within the frame */
bool offload_complete(struct packet *p);

/* How a GSO packet is to be cut. fails: false when it cannot be: another kind, or the frame was changed */
bool offload_cut(const struct packet *p, struct gso *gso);

/* Put a tag of the metadata (PACKET_VLAN) into the data. fails: false when there is no room for it; p unchanged */
bool offload_insert_tag(struct packet *p);

/* Nothing is left undone: the bytes are what belongs on a wire. */
bool offload_is_plain(const struct packet *p);
