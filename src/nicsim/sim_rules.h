#pragma once
/* sim_rules -- what a driver can do wrong. */

/* Rules of the datasheet. One line for each: name, severity, what it means. */
#define SIM_RULES(X) \
	X(BUS_MASTERING_OFF, VIOLATION, "bus-mastering-off", "memory is reached only with COMMAND.BME set") \
	X(DMA_UNMAPPED, VIOLATION, "dma-unmapped", "an address that the driver has not mapped") \
	X(DMA_VIRTUAL, VIOLATION, "dma-virtual", "a virtual address was given as a physical one") \
	X(DMA_ORDINARY, VIOLATION, "dma-ordinary-page", "memory that is not of huge pages may move") \
	X(DMA_PRIVATE, VIOLATION, "dma-private", "private memory gets other frames when it is copied on write") \
	X(DMA_FORBIDDEN, VIOLATION, "dma-forbidden", "memory that was forbidden on command") \
	X(RING_MISALIGNED, VIOLATION, "ring-misaligned", "a ring begins at a multiple of 128 bytes") \
	X(RING_LENGTH, VIOLATION, "ring-length", "a ring's length is a multiple of 128 bytes, not 0") \
	X(RING_CHANGED, VIOLATION, "ring-changed", "a queue's registers were changed while it was enabled") \
	X(TAIL_BEFORE_ENABLE, VIOLATION, "tail-before-enable", "a tail moves only after ENABLE reads 1") \
	X(TAIL_RANGE, VIOLATION, "tail-out-of-ring", "a tail is a descriptor's number") \
	X(TAIL_LAPS, VIOLATION, "tail-laps-head", "a tail that passes, or comes to, the head gives away what is not the driver's") \
	X(TAIL_WAITS, VIOLATION, "ring-never-refilled", "descriptors that were done are never given back") \
	X(STALE_DD, VIOLATION, "stale-dd", "a descriptor was given to the card with DD set") \
	X(BUFFER_TWICE, VIOLATION, "buffer-given-twice", "one buffer in two descriptors at once") \
	X(DESCRIPTOR_CHANGED, VIOLATION, "descriptor-changed", "a receive descriptor was changed while it was the card's") \
	X(BUFFER_CHANGED, VIOLATION, "buffer-changed", "a frame was written to before it had been transmitted") \
	X(BUFFER_NULL, VIOLATION, "buffer-null", "a descriptor without a buffer") \
	X(BUFFER_SIZE, VIOLATION, "buffer-size", "SRRCTL.BSIZEPACKET is 1 to 16 KiB") \
	X(NO_RESET, VIOLATION, "no-reset", "the state at start is unknown: the card must be reset before it is used") \
	X(RESET_TOO_SOON, NOTE, "access-after-reset", "1 ms after a reset no register is to be accessed") \
	X(CRC_STRIP, VIOLATION, "crc-strip-mismatch", "both places that strip the CRC must say the same") \
	X(DCA_BIT, VIOLATION, "dca-rxctrl-bit-12", "bit 12 must be cleared before the queue is enabled") \
	X(RECEIVE_OFF, VIOLATION, "receive-off", "frames come for enabled queues, but reception was never switched on") \
	X(TRANSMIT_OFF, VIOLATION, "transmit-off", "a transmit queue was used or enabled before transmission was switched on") \
	X(NO_IFCS, VIOLATION, "no-fcs", "a frame went out without a valid FCS: IFCS missing") \
	X(NO_EOP, VIOLATION, "no-eop", "the last descriptor of a packet has no EOP") \
	X(NO_REPORT, VIOLATION, "no-report", "more than half a ring without RS: the driver cannot know what is done before it is full") \
	X(PAYLEN, VIOLATION, "paylen-mismatch", "PAYLEN is not the sum of the lengths") \
	X(MIXED, VIOLATION, "mixed-descriptors", "legacy and advanced descriptors in one packet, or of an unknown type") \
	X(TOO_SHORT, VIOLATION, "frame-too-short", "a packet of fewer than 17 bytes") \
	X(TOO_LONG, VIOLATION, "frame-too-long", "a packet longer than the card sends") \
	X(NO_CONTEXT, VIOLATION, "no-context", "an offload without a context descriptor") \
	X(BAD_OFFLOAD, VIOLATION, "bad-offload", "header lengths of the context do not fit the packet") \
	X(QUEUE_MODE, VIOLATION, "queue-mode", "MRQC, MTQC and PFVTCTL say different things of queues and pools, or what is reserved") \
	X(ARBITER, VIOLATION, "mtqc-arbiter", "MTQC changes only while RTTDCS.ARBDIS is set") \
	X(POOL_OFF, VIOLATION, "pool-off", "a pool sends that is not enabled to") \
	X(MIRROR, VIOLATION, "mirror-rule", "a mirror rule needs replication, and a pool that receives") \
	X(UNSUPPORTED, VIOLATION, "unsupported", "the card, or its model, cannot do what was asked for") \
	X(RATE, VIOLATION, "rate-limit", "a rate factor is at least 1, and has 10 bits before and 14 behind the point") \
	X(INTERRUPTS, NOTE, "interrupts", "interrupts were asked for; nobody delivers them") \
	X(CHECK_CONTEXT, NOTE, "check-context", "packets that may go to pools of the card have CC set, and a context") \
	X(WRITE_BACK, VIOLATION, "head-write-back", "the address is a multiple of 16, WTHRESH is 0") \
	X(SEMAPHORE, VIOLATION, "semaphore", "SW_FW_SYNC is changed only with SWSM.SMBI and SWESMBI held") \
	X(WIDTH, VIOLATION, "register-width", "registers are accessed with 32 or 64 bits") \
	X(UNALIGNED, VIOLATION, "register-alignment", "registers are accessed at multiples of 4") \
	X(READ_ONLY, NOTE, "write-to-read-only", "a register that can only be read was written") \
	X(UNKNOWN, NOTE, "unknown-register", "no register of the table is there") \
	X(FILTER_LIVE, NOTE, "filter-while-receiving", "a register that should change only while reception is off")

enum sim_severity { SIM_VIOLATION, SIM_NOTE };
#define SIM_RULE_ID(id, severity, name, meaning) SIM_RULE_##id,
enum sim_rule { SIM_RULES(SIM_RULE_ID) SIM_RULE_COUNT };
