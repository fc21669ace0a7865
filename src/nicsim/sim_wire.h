#pragma once
/* sim_wire -- what is plugged into a card: another card, captures, a generator with its checker, or nothing. */
#include "nicsim/sim.h"

enum sim_wire_kind { SIM_WIRE_NONE, SIM_WIRE_JOINED, SIM_WIRE_CAPTURE, SIM_WIRE_GENERATOR };

/* Frames that a generator sends: UDP datagrams with a number each, so that the checker knows them again. */
struct sim_traffic {
	uint64_t rate;                  /* frames per second; 0: as many as the card takes, and none is lost */
	uint64_t count;                 /* 0: no end */
	uint32_t least, most;           /* bytes, without FCS */
	uint32_t flows;
	int32_t vlan;                   /* -1: no tag */
	bool ipv6, tcp;
	uint8_t dst[6];                 /* all zero: the card's own address */
};

/* What the checker found of a generator's frames, wherever they came out. */
struct sim_checked {
	uint64_t sent, back, duplicated, reordered, corrupted, foreign;
};

struct sim_wire {
	enum sim_wire_kind kind;
	struct sim_card *card, *peer;
	struct sim_traffic traffic;
	struct sim_checked checked;
	uint64_t sequence, next_ns;
	uint64_t retry_ns;              /* the card was not ready: not before */
	struct sim_generator *generator;
	struct sim_capture *capture;
	bool ended;                     /* all was sent */
};

/* Plug something in: "joined", "none", "generator", "IN.pcap", "IN.pcap:OUT.pcap", ":OUT.pcap".
 *   fails: -errno with nf_error() */
int sim_wire_begin(struct sim *sim, uint32_t number, const char *what, const struct sim_traffic *traffic) __attribute__((warn_unused_result));
void sim_wire_end(struct sim *sim);

/* Read "rate=1M,size=60-1514,count=1000,flows=64,vlan=5,ipv6,tcp,dst=MAC". fails: -EINVAL */
int sim_wire_traffic(struct sim_traffic *traffic, const char *text) __attribute__((warn_unused_result));

/* A card sends a frame. May it send one of `length` bytes now, without its being lost? */
void sim_wire_send(struct sim_card *card, const uint8_t *data, uint32_t length);
bool sim_wire_takes(struct sim_card *card);

/* Bring frames to a card, at most `budget`. gives: whether there were any */
bool sim_wire_step(struct sim_card *card, uint32_t budget);

/* Have all generators and captures ended, and come all frames back that can? */
bool sim_wire_done(const struct sim *sim);
void sim_wire_report(const struct sim *sim, FILE *out);
/* Did a generator's frame come back damaged or twice, or, with `all`, not at all? */
bool sim_wire_failed(const struct sim *sim, bool all);

/* --- sim_generator ------------------------------------------------------------------------------------------------------ */

/* The frame that is to be brought to the card next. */
const uint8_t *sim_generator_next(struct sim_wire *wire, uint32_t *length);
/* What a card finds in it; NULL: look. */
const struct sim_frame *sim_generator_parsed(struct sim_wire *wire, const uint8_t *data, uint32_t length);
/* It was taken: it is under way. */
void sim_generator_taken(struct sim_wire *wire);
/* A frame came out of a card. */
void sim_generator_check(struct sim *sim, struct sim_wire *at, const uint8_t *data, uint32_t length);
int sim_generator_begin(struct sim_wire *wire) __attribute__((warn_unused_result));
void sim_generator_end(struct sim_wire *wire);

/* --- sim_capture -------------------------------------------------------------------------------------------------------- */

int sim_capture_begin(struct sim_wire *wire, const char *input, const char *output) __attribute__((warn_unused_result));
void sim_capture_end(struct sim_wire *wire);
/* The frame that is to be brought to the card next; NULL: there is none any more. */
const uint8_t *sim_capture_next(struct sim_wire *wire, uint32_t *length);
void sim_capture_taken(struct sim_wire *wire);
void sim_capture_write(struct sim_wire *wire, const uint8_t *data, uint32_t length);
