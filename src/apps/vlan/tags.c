/* tags -- see tags.h. */
#include "apps/vlan/tags.h"

const char *const tags_type_names[] = { "802.1Q", "802.1ad", NULL };
const uint16_t tags_types[] = { ETHERNET_VLAN, ETHERNET_QINQ };

bool tags_insert_slowly(struct packet *p, uint16_t type, uint16_t tci)
{
	if (p->length < ETHERNET_HEADER || (p->meta.flags & PACKET_VLAN && !offload_insert_tag(p)) || packet_prepend(p, VLAN_TAG) == NULL)
		return false;
	vlan_insert(p->data, type, tci);
	return true;
}

void tags_remove_slowly(struct packet *p)
{
	uint16_t type, tci;

	if (p->meta.flags & PACKET_VLAN) {
		p->meta.flags &= (uint8_t)~PACKET_VLAN;
		p->meta.vlan = 0;
		return;
	}
	vlan_remove(p->data, p->length, &type, &tci);
	packet_strip(p, VLAN_TAG);
}
