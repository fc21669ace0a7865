#pragma once
/* nic -- for tests/instructions.lua, which calls it under callgrind: forward `bursts` bursts of `burst` frames as `nf bench nic` does.
 *   gives: frames that the card has reported as sent; -errno with nf_error() */
#include <stdint.h>

int nic_forward(uint32_t burst, uint32_t bursts);
