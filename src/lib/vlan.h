#pragma once
/* vlan -- the tag between the addresses and the type of an Ethernet frame. source: IEEE 802.1Q, clause 9 */

enum { VLAN_TAG = 4, VLAN_MOST = 2 };   /* bytes; most tags that are looked behind */
enum { VLAN_ID = 0x0fff, VLAN_DEI = 0x1000, VLAN_PRIORITY = 13 };       /* of the TCI: mask, bit, shift */

struct vlan {
	uint16_t tci_be;                /* priority << 13 | DEI << 12 | VLAN id */
	uint16_t type_be;               /* of what follows */
} __attribute__((packed));

/* Make a tag in a frame that was moved VLAN_TAG bytes towards its front: the addresses move to the front, the tag goes behind
 * them.
 *   needs: `data` begins with VLAN_TAG bytes of undefined content, the frame behind them has at least both addresses
 *          (12 bytes); type is 0x8100 or 0x88a8 */
void vlan_insert(uint8_t *data, uint16_t type, uint16_t tci);

/* Take the outermost tag out: the addresses move VLAN_TAG bytes towards the data, which begins there afterwards.
 *   gives: true and the tag's type and TCI; false when the frame has no whole tag and nothing was changed */
bool vlan_remove(uint8_t *data, uint32_t length, uint16_t *type, uint16_t *tci);
