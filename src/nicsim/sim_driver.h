#pragma once
/* sim_driver -- the processes that drive our cards, and their mappings, as /proc tells them. */
#include "nicsim/sim.h"

#include <sys/types.h>

/* A line of /proc/PID/maps. */
struct sim_mapping {
	uint64_t from, to, offset, inode, device;
	char mode[5];
};

/* See which drivers have ended or have let go of the registers, and which are new (`processes`: among all processes); call `see`
 * for each shared mapping that one can write to. */
void sim_driver_look(const struct sim *sim, bool processes, void (*see)(pid_t pid, const struct sim_mapping *mapping));

/* Has one of them ended since? */
bool sim_driver_ended(void);

/* How many there are. */
uint32_t sim_driver_count(void);

/* Has one of them this virtual address? */
bool sim_driver_has_virtual(uint64_t address);

/* Has one of them a private page at this physical address? cost: milliseconds */
bool sim_driver_has_private(uint64_t address);

/* The physical address of a page of the process whose pagemap this is; 0 when it is not there. */
uint64_t sim_driver_physical(int pagemap, uint64_t at);

void sim_driver_end(void);
