/* sim_semaphore -- SWSM, which is read to be taken, and SW_FW_SYNC, which is shared with the firmware: the same in all these cards.
 * source: 82599 datasheet 8.2.3.4.9 "Software Semaphore Register", 10.5.4 "Software and Firmware Synchronization"; 82576 datasheet
 * 4.6 "Access to Shared Resources" */
#include "nicsim/sim.h"

enum { SMBI = 1, SWESMBI = 2 };

/* Whoever read SMBI as 0 holds it. */
void sim_semaphore_taken(struct sim_card *card, uint32_t swsm, uint32_t value)
{
	sim_set(card, swsm, value | SMBI);
}

/* Polled registers do not show who held SWSM when. */
void sim_semaphore_check(struct sim_card *card, uint32_t swsm, uint32_t value)
{
	uint32_t needed = SMBI | SWESMBI;

	if (card->sim->mode != SIM_POLL && (sim_get(card, swsm) & needed) != needed)
		sim_judge(card, SIM_RULE_SEMAPHORE, "SW_FW_SYNC written: 0x%08x, SWSM is 0x%08x", value, sim_get(card, swsm));
}
