/* pools -- VMDq, and the rate of queues.
 * source: 82599 datasheet, 4.6.10 "Virtualization" and 4.6.11.3 on the modes of queues; 82576 datasheet, 7.10 */
#include "driver.h"

/* An address filter of a card, and its pools. */
static void set_address(struct card *card, uint32_t at, uint32_t last_byte, uint32_t more)
{
	set(card, at, 0x00000002);
	set(card, at + 4, 1u << 31 | last_byte << 8 | more);
}

/* Mirror rules: what pool 1 gets goes to pool 2; what pool 40 gets, and what is in the VLAN 5, to pool 3. */
static void init_mirror(struct card *card)
{
	set(card, 0xf600, 1 | 2 << 8);
	set(card, 0xf630, 2);
	set(card, 0xf604, 1 | 3 << 8);
	set(card, 0xf634, 0);
	set(card, 0xf644, 1 << 8);
	set(card, 0xf608, 8 | 3 << 8);
	set(card, 0xf618, 1);
}

/* Pools of two queues, or, to spread, of four: pool 0 takes what nobody wants; pool 1 has the address 02:00:00:00:00:11 and the
 * VLAN 5; pool 40 the address :12. Broadcasts go to pools 0 and 1. */
static void init_pools_82599(struct card *card)
{
	if (!breaks("no-arbiter"))
		set(card, 0x4900, get(card, 0x4900) | 1 << 6);
	if (!breaks("no-transmit-pools"))
		set(card, 0x8120, 2 | (wish.spread ? 8 : 4));
	set(card, 0x4900, get(card, 0x4900) & ~(1u << 6));
	set(card, 0xec80, wish.spread ? 10 : 8);
	set(card, 0x51b0, 1 | (breaks("no-replication") ? 0 : 1u << 30));
	set(card, 0x51e0, 0xf);
	set(card, 0x8110, breaks("pool-off") ? 2 : 0xf);
	set(card, 0x5088, get(card, 0x5088) | 1u << 30);
	set(card, 0xa000, 1 << 5 | 1 << 6);
	for (uint32_t i = 0; i < 3; i++) {
		set(card, 0xf000 + 4 * i, 1u << 24 | (i < 2 ? 1u << 27 : 0));
		set(card, 0xea00 + 4 * i, wish.spread ? 2u << 29 : 0);
	}
	set(card, 0xa600, 1);
	set(card, 0xa604, 0);
	set_address(card, 0xa208, 0x11, 0);
	set(card, 0xa608, 2);
	set_address(card, 0xa210, 0x12, 0);
	set(card, 0xa614, 1 << 8);
	set(card, 0xf100, 1u << 31 | 5);
	set(card, 0xf200, 2);
	if (wish.mirror)
		init_mirror(card);
	/* 8.2.3.10.3, 8.2.3.27.12: frames for other pools stay here; pool 0 tags all it sends. */
	set(card, 0x8220, wish.loop);
	set(card, 0x8000, wish.port_vlan ? 1u << 30 | 77 : 0);
}

/* A pool has the queue of its number. The VLAN table names its pools; so does an address. */
static void init_pools_igb(struct card *card)
{
	set(card, 0x5818, 3);
	set(card, 0x581c, 1u << 30);
	set(card, 0xc8c, 0xf);
	set(card, 0xc90, 0xf);
	set(card, 0x5600, 1 << 5 | 1 << 6);
	for (uint32_t i = 0; i < 3; i++)
		set(card, 0x5ad0 + 4 * i, 1u << 24 | (i < 2 ? 1u << 27 : 0) | 0x2600);
	set(card, 0x5404, get(card, 0x5404) | 1 << 18);
	set_address(card, 0x5408, 0x11, 2 << 18);
	set(card, 0x5d00, 1u << 31 | 5 | 2 << 12);
	if (!wish.mirror)
		return;
	set(card, 0x5d80, 1 | 2 << 8);
	set(card, 0x5da0, 2);
}

void init_pools(struct card *card)
{
	if (card->map == &map_igb)
		init_pools_igb(card);
	else
		init_pools_82599(card);
}

/* The rate factor is the link's speed by the rate, with 14 bits behind the point. */
void init_rate(struct card *card)
{
	bool igb = card->map == &map_igb;
	uint32_t factor = (uint32_t)(((igb ? 1000ull : 10000ull) << 14) / wish.rate);

	set(card, igb ? 0x3690 : 0x4980, 4);
	for (uint32_t q = 0; q < wish.queues; q++) {
		set(card, igb ? 0x3604 : 0x4904, q);
		set(card, igb ? 0x36b0 : 0x4984, 1u << 31 | (breaks("rate-factor") ? factor >> 14 : factor));
	}
}
