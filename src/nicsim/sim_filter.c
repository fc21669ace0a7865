/* sim_filter -- address and VLAN filters, which all these cards have at other addresses. */
#include "nicsim/sim.h"

/* Addresses stand in RAL and RAH in the order of the wire, lowest byte first. */
bool sim_filter_unicast(const struct sim_card *card, const uint8_t *mac, uint32_t ral, uint32_t count, uint32_t *entry)
{
	uint32_t low = (uint32_t)mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24;
	uint32_t high = (uint32_t)mac[4] | (uint32_t)mac[5] << 8;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t rah = sim_get(card, ral + 8 * i + 4);

		if (rah >> 31 && (rah & 0xffff) == high && sim_get(card, ral + 8 * i) == low) {
			*entry = i;
			return true;
		}
	}
	return false;
}

/* source: 82599 datasheet 8.2.3.7.3 "Multicast Table Array" and MCSTCTRL.MO: 12 bits of the address, from bit 36, 35, 34 or 32 */
bool sim_filter_multicast(const struct sim_card *card, const uint8_t *mac, uint32_t mta, uint32_t offset)
{
	static const uint8_t shifts[4] = { 4, 3, 2, 0 };
	uint32_t bits = ((uint32_t)mac[4] | (uint32_t)mac[5] << 8) >> shifts[offset & 3] & 0xfff;

	return sim_get(card, mta + 4 * (bits >> 5)) >> (bits & 31) & 1;
}

bool sim_filter_vlan(const struct sim_card *card, uint16_t vlan, uint32_t vfta)
{
	uint32_t id = vlan & 0xfff;

	return sim_get(card, vfta + 4 * (id >> 5)) >> (id & 31) & 1;
}

void sim_filter_permanent(struct sim_card *card, uint32_t ral)
{
	const uint8_t *mac = card->mac;

	sim_set(card, ral, (uint32_t)mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24);
	sim_set(card, ral + 4, (uint32_t)mac[4] | (uint32_t)mac[5] << 8 | 1u << 31);
}
