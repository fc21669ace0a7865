#pragma once
/* sim_eeprom -- the EEPROM of a card: what is in it, and both ways to read it, which are the same in all these cards. */
#include "nicsim/sim.h"

/* Fill it, once the card has its address. */
void sim_eeprom_fill(struct sim_card *card);

/* EERD was written. gives: what it reads now */
uint32_t sim_eeprom_eerd(const struct sim_card *card, uint32_t value);

/* EEC was written: access by its four wires, bit by bit. gives: what it reads now */
uint32_t sim_eeprom_eec(struct sim_card *card, uint32_t value);
