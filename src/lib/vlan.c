/* vlan -- see vlan.h. */
#include "lib/lib.h"

_Static_assert(sizeof(struct vlan) == VLAN_TAG, "a tag as on the wire");

enum { ADDRESSES = 12 };                /* bytes before the tag */

void vlan_insert(uint8_t *data, uint16_t type, uint16_t tci)
{
	memmove(data, data + VLAN_TAG, ADDRESSES);
	bytes_write16(data + ADDRESSES, type);
	bytes_write16(data + ADDRESSES + 2, tci);
}

bool vlan_remove(uint8_t *data, uint32_t length, uint16_t *type, uint16_t *tci)
{
	uint16_t outer;

	if (length < ADDRESSES + VLAN_TAG + 2)
		return false;
	outer = bytes_read16(data + ADDRESSES);
	if (outer != ETHERNET_VLAN && outer != ETHERNET_QINQ)
		return false;
	*type = outer;
	*tci = bytes_read16(data + ADDRESSES + 2);
	memmove(data + VLAN_TAG, data, ADDRESSES);
	return true;
}
