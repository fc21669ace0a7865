/* sim_igb -- the registers of the 82576, the i350 and the i210 and what they do.
 * source: 82576 datasheet (320961); i350 datasheet; i210 datasheet (333016) */
#include "nicsim/sim_igb.h"

#include "nicsim/sim_eeprom.h"

#define REG(name, at, stride, count, first, access, reset) { #name, at, stride, count, first, SIM_##access, reset, R_##name },
#define MORE REG
#define IGB_QUEUES 16
static const struct sim_register registers_82576[] = {
#include "nicsim/sim_igb.def"
};
#undef IGB_QUEUES
#define IGB_QUEUES 8
static const struct sim_register registers_i350[] = {
#include "nicsim/sim_igb.def"
};
#undef IGB_QUEUES
#define IGB_QUEUES 4
static const struct sim_register registers_i210[] = {
#include "nicsim/sim_igb.def"
};
#undef IGB_QUEUES
#undef REG
#undef MORE

/* Addresses of older cards, for the first four queues; and those that the i210 added. */
static const struct sim_alias aliases[] = {
	{ 0x02800, 256, 4, RDBAL, 64 }, { 0x02804, 256, 4, RDBAH, 64 }, { 0x02808, 256, 4, RDLEN, 64 }, { 0x0280c, 256, 4, SRRCTL, 64 },
	{ 0x02810, 256, 4, RDH, 64 }, { 0x02814, 256, 4, DCA_RXCTRL, 64 }, { 0x02818, 256, 4, RDT, 64 }, { 0x02828, 256, 4, RXDCTL, 64 },
	{ 0x02830, 256, 4, RQDPC, 64 }, { 0x03800, 256, 4, TDBAL, 64 }, { 0x03804, 256, 4, TDBAH, 64 }, { 0x03808, 256, 4, TDLEN, 64 },
	{ 0x03810, 256, 4, TDH, 64 }, { 0x03814, 256, 4, DCA_TXCTRL, 64 }, { 0x03818, 256, 4, TDT, 64 }, { 0x03828, 256, 4, TXDCTL, 64 },
	{ 0x03838, 256, 4, TDWBAL, 64 }, { 0x0383c, 256, 4, TDWBAH, 64 }, { 0x000c0, 4, 1, ICR, 4 }, { 0x000c8, 4, 1, ICS, 4 },
	{ 0x000d0, 4, 1, IMS, 4 }, { 0x000d8, 4, 1, IMC, 4 }, { 0x000e0, 4, 1, IAM, 4 }, { 0x12010, 4, 1, EEC, 4 },
	{ 0x12014, 4, 1, EERD, 4 }, { 0x1201c, 4, 1, FLA, 4 }, { 0x12030, 4, 1, EEMNGCTL, 4 }, { 0x00004, 4, 1, CTRL, 4 },
	{ 0, 0, 0, 0, 0 }
};

enum { CTRL_MASTER_DISABLE = 1 << 2, CTRL_SLU = 1 << 6, CTRL_RST = 1 << 26, CTRL_DEV_RST = 1 << 29, CTRL_VME = 1 << 30 };
#define CTRL_PHY_RST (1U << 31)
enum { STATUS_FD = 1, STATUS_LU = 2, STATUS_1000 = 2 << 6, STATUS_MASTER = 1 << 19, STATUS_RESET_DONE = 1 << 21 };
enum { RCTL_EN = 2, RCTL_LPE = 1 << 5, RCTL_SECRC = 1 << 26, TCTL_EN = 2 };
enum { MDIC_WRITE = 1, MDIC_READ = 2, MDIC_READY = 1 << 28 };
enum { PHY_CONTROL, PHY_STATUS, PHY_ID1, PHY_ID2, PHY_ADVERTISED, PHY_PARTNER };
enum { PHY_DOWN = 1 << 11, PHY_RESTART = 1 << 9, PHY_RESET = 1 << 15 };

static uint16_t phy[SIM_CARDS][IGB_MDIO];

/* --- queues --------------------------------------------------------------------------------------------------------------- */

static void configure_receive(struct sim_queue *queue)
{
	struct sim_card *card = queue->card;
	uint32_t srrctl = sim_get(card, queue->at + 0x0c);

	queue->buffer = sim_bits(srrctl, 0, 7) * 1024;
	/* BSIZEPACKET 0: the size is in RCTL.BSIZE, 2,048 bytes shifted. */
	if (queue->buffer == 0)
		queue->buffer = 2048 >> sim_bits(sim_get(card, RCTL), 16, 2);
	queue->is_legacy = sim_bits(srrctl, 25, 3) == 0;
	queue->drops = srrctl >> 31;
	if (sim_bits(srrctl, 25, 3) > 1)
		sim_judge(card, SIM_RULE_UNSUPPORTED, "receive queue %u: SRRCTL 0x%08x: headers are not split", queue->number, srrctl);
	queue->strips_vlan = sim_get(card, CTRL) & CTRL_VME;
}

static void write_queue(struct sim_card *card, uint16_t id, uint32_t n, uint32_t value, const char *name)
{
	struct sim_queue *receive = &card->receive[n % SIM_QUEUES], *transmit = &card->transmit[n % SIM_QUEUES];
	bool wants = value & SIM_ENABLE;

	switch (id) {
	case R_RDBAL: case R_RDBAH: case R_RDLEN: case R_RDH: case R_SRRCTL:
		sim_ring_locked(receive, name);
		break;
	case R_TDBAL: case R_TDBAH: case R_TDLEN: case R_TDH: case R_TDWBAL: case R_TDWBAH:
		sim_ring_locked(transmit, name);
		break;
	case R_RXDCTL:
		if (wants && !receive->enabled && !receive->wanted)
			configure_receive(receive);
		sim_ring_enable(receive, wants);
		break;
	case R_TXDCTL:
		if (wants && !transmit->enabled && !transmit->wanted)
			sim_ring_write_back(transmit, 4, 5);
		sim_ring_enable(transmit, wants);
		break;
	case R_RDT:
		sim_ring_tail(receive, value);
		break;
	case R_TDT:
		sim_ring_tail(transmit, value);
		break;
	default:
		break;
	}
}

/* --- PHY, EEPROM, semaphores, reset -------------------------------------------------------------------------------------------- */

static void reset_phy(struct sim_card *card)
{
	uint16_t *r = phy[card->number];

	memset(r, 0, sizeof(phy[0]));
	r[PHY_CONTROL] = 0x1140;                /* auto-negotiation, full duplex, 1000 */
	r[PHY_STATUS] = 0x7949;
	r[PHY_ID1] = card->kind == &sim_i210_kind ? 0x0141 : card->kind == &sim_i350_kind ? 0x0154 : 0x02a8;
	r[PHY_ID2] = card->kind == &sim_i210_kind ? 0x0c00 : card->kind == &sim_i350_kind ? 0x03b1 : 0x0391;
	r[PHY_ADVERTISED] = 0x01e1;
	r[9] = 0x0300;
}

static void relink(struct sim_card *card)
{
	card->link_ns = card->sim->now_ns + card->faults.link_delay_ns;
	card->link = false;
	card->kind->linked(card);
}

/* A register of the PHY. source: 82576 datasheet 8.2.4 "MDI Control Register"; IEEE 802.3, clause 22.2.4 */
static void write_mdic(struct sim_card *card, uint32_t value)
{
	uint32_t number = sim_bits(value, 16, 5), operation = sim_bits(value, 26, 2);
	uint16_t *r = &phy[card->number][number];

	if (operation == MDIC_WRITE && number != PHY_STATUS) {
		*r = (uint16_t)value;
		if (number == PHY_CONTROL && value & PHY_RESET)
			reset_phy(card);
		phy[card->number][PHY_CONTROL] &= (uint16_t)~PHY_RESTART;
		if (number == PHY_CONTROL)
			relink(card);
	}
	sim_set(card, MDIC, (value & 0xffff0000) | *r | MDIC_READY);
}

static void taken(struct sim_card *card, const struct sim_register *row, uint32_t n, uint32_t at, uint32_t value)
{
	(void)n;
	if (row->id == R_SWSM)
		sim_semaphore_taken(card, at, value);
	else if (row->id == R_ICR || row->id == R_EICR)
		sim_set(card, at, 0);
}

static void write_ctrl(struct sim_card *card, uint32_t old, uint32_t value)
{
	uint32_t status = sim_get(card, STATUS) & ~(uint32_t)STATUS_MASTER;

	if (value & (CTRL_RST | CTRL_DEV_RST)) {
		sim_card_reset(card);
		return;
	}
	if (value & CTRL_PHY_RST)
		reset_phy(card);
	if ((value ^ old) & CTRL_MASTER_DISABLE)
		sim_set(card, STATUS, status | (value & CTRL_MASTER_DISABLE ? 0 : STATUS_MASTER));
	if ((value ^ old) & (CTRL_SLU | CTRL_PHY_RST))
		relink(card);
	for (uint32_t i = 0; i < card->receive_active; i++)
		card->receive[i].strips_vlan = value & CTRL_VME;
}

static void write_rctl(struct sim_card *card, uint32_t old, uint32_t value)
{
	if (value & RCTL_EN && !(old & RCTL_EN)) {
		if (!card->was_reset)
			sim_judge(card, SIM_RULE_NO_RESET, "reception was switched on");
		sim_igb_mode_check(card);
		card->off_ns = 0;
	}
}

static void written(struct sim_card *card, const struct sim_register *row, uint32_t n, uint32_t at, uint32_t old, uint32_t value)
{
	sim_igb_mode_written(card, row, n, old, value);
	switch (row->id) {
	case R_CTRL:
		write_ctrl(card, old, value);
		break;
	case R_EERD:
		sim_set(card, at, sim_eeprom_eerd(card, value));
		break;
	case R_EEC:
		sim_set(card, at, sim_eeprom_eec(card, value));
		break;
	case R_MDIC:
		write_mdic(card, value);
		break;
	case R_SW_FW_SYNC:
		sim_semaphore_check(card, SWSM, value);
		break;
	case R_RCTL:
		write_rctl(card, old, value);
		break;
	case R_IMS: case R_EIMS:
		sim_set(card, at, old | value);
		break;
	case R_IMC:
		sim_set(card, IMS, sim_get(card, IMS) & ~value);
		break;
	case R_EIMC:
		sim_set(card, EIMS, sim_get(card, EIMS) & ~value);
		break;
	default:
		write_queue(card, row->id, n, value, row->name);
		break;
	}
}

static void reset(struct sim_card *card)
{
	for (uint32_t i = 0; i < card->kind->queues; i++) {
		card->receive[i].at = RDBAL + 64 * i;
		card->transmit[i].at = TDBAL + 64 * i;
	}
	reset_phy(card);
	sim_filter_permanent(card, RAL);
	sim_set(card, STATUS, STATUS_MASTER | STATUS_RESET_DONE | (card->number & 1) << 2);
}

/* The link needs CTRL.SLU, and a PHY that is not switched off. */
static bool links(const struct sim_card *card)
{
	return sim_get(card, CTRL) & CTRL_SLU && !(phy[card->number][PHY_CONTROL] & PHY_DOWN);
}

static void linked(struct sim_card *card)
{
	uint32_t status = sim_get(card, STATUS) & ~(uint32_t)(STATUS_FD | STATUS_LU | 3 << 6);
	uint16_t *r = phy[card->number];

	sim_set(card, STATUS, status | (card->link ? STATUS_FD | STATUS_LU | STATUS_1000 : 0));
	r[PHY_STATUS] = card->link ? 0x796d : 0x7949;           /* negotiated, link */
	r[PHY_PARTNER] = card->link ? 0x45e1 : 0;
	r[10] = card->link ? 0x7c00 : 0;
	r[17] = card->link ? 0xac08 : 0;
	sim_set(card, ICR, sim_get(card, ICR) | 1 << 2);        /* LSC */
}

static bool receives(const struct sim_card *card)
{
	return sim_get(card, RCTL) & RCTL_EN;
}

static bool transmits(const struct sim_card *card)
{
	return sim_get(card, TCTL) & TCTL_EN;
}

static bool strips_crc(const struct sim_card *card)
{
	return sim_get(card, RCTL) & RCTL_SECRC;
}

static uint32_t longest(const struct sim_card *card)
{
	return (sim_get(card, RCTL) & RCTL_LPE ? sim_bits(sim_get(card, RLPML), 0, 14) : 1522) - SIM_FCS;
}

static uint32_t checks(const struct sim_card *card)
{
	uint32_t rxcsum = sim_get(card, RXCSUM);

	return (rxcsum & 1 << 8 ? SIM_CHECK_IP : 0) | (rxcsum & 1 << 9 ? SIM_CHECK_L4 : 0);
}

static uint16_t vlan_type(const struct sim_card *card)
{
	return (uint16_t)sim_get(card, VET);
}

static uint32_t rate_window(const struct sim_card *card)
{
	return sim_bits(sim_get(card, RTTBCNRM), 0, 11);
}

#define IGB_KIND \
	.vendor = 0x8086, .revision = 1, .bar = 128 << 10, .scan = 0x13000, .eec = EEC, .page_receive = 0xc000, .page_transmit = 0xe000, \
	.aliases = aliases, .reset = reset, .written = written, .taken = taken, .linked = linked, .links = links, \
	.steer = sim_igb_steer, .pools = sim_igb_pools, .port = sim_igb_port, .spread = sim_igb_spread, \
	.strips_vlan = sim_igb_strips_vlan, .rate_window = rate_window, .receives = receives, .transmits = transmits, .strips_crc = strips_crc, .longest = longest, \
	.checks = checks, .vlan_type = vlan_type, .count_receive = sim_igb_count_receive, \
	.count_transmit = sim_igb_count_transmit, .count_missed = sim_igb_count_missed, .count_queue = sim_igb_count_queue

const struct sim_kind sim_82576_kind = {
	.name = "82576", .device = 0x10c9, .subsystem = 0xa03c, .queues = 16, .registers = registers_82576,
	.register_count = sizeof(registers_82576) / sizeof(registers_82576[0]), IGB_KIND
};

const struct sim_kind sim_i350_kind = {
	.name = "i350", .device = 0x1521, .subsystem = 0x0001, .queues = 8, .registers = registers_i350,
	.register_count = sizeof(registers_i350) / sizeof(registers_i350[0]), IGB_KIND
};

const struct sim_kind sim_i210_kind = {
	.name = "i210", .device = 0x1533, .subsystem = 0x0001, .queues = 4, .registers = registers_i210,
	.register_count = sizeof(registers_i210) / sizeof(registers_i210[0]), IGB_KIND
};
