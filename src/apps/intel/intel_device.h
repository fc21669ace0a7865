#pragma once
/* intel_device -- the cards that the apps of this folder drive: one table. */
#include <stdint.h>

/* What is done differently; the rest of a family is the same. */
enum intel_kind {
	INTEL_82599,                    /* the reference of intel.ixgbe */
	INTEL_X540,                     /* its own copper PHY, which firmware runs; no AUTOC */
	INTEL_X550,                     /* as X540; 2.5 and 5 Gb/s */
	INTEL_X552,                     /* as X550, within Xeon D; its PHY is outside, firmware runs it */
	INTEL_X553,                     /* as X552, within Atom C3000; EEC, SWSM, FWSM and SW_FW_SYNC lie elsewhere */
	INTEL_82576,                    /* the reference of intel.igb: 16 queues */
	INTEL_I350,                     /* 8 queues */
	INTEL_I210,                     /* 4 queues; i211: 2 */
	INTEL_I211,
	INTEL_82574                     /* intel.e1000e */
};

struct intel_device {
	uint16_t device;                /* of vendor 0x8086 */
	uint8_t kind;                   /* enum intel_kind */
	uint8_t queues;                 /* that instances may use */
	const char *app;                /* the class that drives it */
	const char *name;
};

enum { INTEL_VENDOR = 0x8086 };

/* device 0 at the end */
extern const struct intel_device intel_devices[];

/* The row of a device; NULL for one that no app here drives. */
const struct intel_device *intel_device(uint16_t vendor, uint16_t device);
