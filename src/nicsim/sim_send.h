#pragma once
/* sim_send -- packets whose descriptors are complete: judged, changed as they ask for, and sent. */
#include "nicsim/sim.h"

enum { SIM_PARTS = 40 };                /* descriptors of one packet, at most: 7.2.1.1 "Transmit Storage in System Memory" */

/* DCMD, bits 24 to 31 of the second half's first word, in both formats. */
enum { SIM_EOP = 1 << 24, SIM_IFCS = 1 << 25, SIM_IC = 1 << 26, SIM_RS = 1 << 27, SIM_DEXT = 1 << 29, SIM_VLE = 1 << 30 };

/* A packet as its descriptors say it. */
struct sim_packet {
	struct sim_queue *queue;
	uint32_t begin, end, count;     /* descriptors, without contexts before it */
	uint32_t length;
	bool is_legacy, reports, broken;
	uint32_t first_command, last_command, high;     /* words; high: the second half's upper word of the first descriptor */
	struct { uint64_t address; uint32_t length; } part[SIM_PARTS];
};

/* Send a packet, unless its queue's pool may not, or it is broken. */
void sim_send(const struct sim_packet *packet);
