/* sim_82599 -- the registers of the 82599 and what they do.
 * source: 82599 datasheet (331520) */
#include "nicsim/sim.h"

#include "nicsim/sim_82599.h"
#include "nicsim/sim_eeprom.h"

#define REG(name, at, stride, count, first, access, reset) { #name, at, stride, count, first, SIM_##access, reset, R_##name },
#define MORE REG
static const struct sim_register registers[] = {
#include "nicsim/sim_82599.def"
};
#undef REG
#undef MORE

/* Addresses of the 82598, which this card has too. */
static const struct sim_alias aliases[] = {
	{ 0x00004, 4, 1, CTRL, 4 }, { 0x02100, 4, 16, SRRCTL, 64 }, { 0x02200, 4, 16, DCA_RXCTRL, 64 }, { 0x07200, 4, 16, DCA_TXCTRL, 64 },
	{ 0x05400, 8, 16, RAL, 8 }, { 0x05404, 8, 16, RAH, 8 }, { 0x05480, 4, 16, PSRTYPE, 4 }, { 0x05818, 4, 1, MRQC, 4 },
	{ 0x05c00, 4, 32, RETA, 4 }, { 0x05c80, 4, 10, RSSRK, 4 }, { 0x06030, 64, 16, QPTC, 4 }, { 0, 0, 0, 0, 0 }
};

enum { CTRL_MASTER_DISABLE = 1 << 2, CTRL_LRST = 1 << 3, CTRL_RST = 1 << 26 };
enum { STATUS_LINK = 1 << 7, STATUS_MASTER = 1 << 19 };

static bool is_on(const struct sim_card *card, uint32_t at, uint32_t bit)
{
	return sim_get(card, at) & bit;
}

/* --- queues --------------------------------------------------------------------------------------------------------------- */

/* What a receive queue's registers say, taken over when it is enabled. */
static void configure_receive(struct sim_queue *queue)
{
	struct sim_card *card = queue->card;
	uint32_t srrctl = sim_get(card, queue->at + 0x14);

	queue->buffer = sim_bits(srrctl, 0, 5) * 1024;
	queue->is_legacy = sim_bits(srrctl, 25, 3) == 0;
	queue->drops = srrctl & 1u << 28;
	if (sim_bits(srrctl, 25, 3) > 1)
		sim_judge(card, SIM_RULE_UNSUPPORTED, "receive queue %u: SRRCTL 0x%08x: headers are not split", queue->number, srrctl);
	if (queue->buffer == 0 || queue->buffer > 16384)
		sim_judge(card, SIM_RULE_BUFFER_SIZE, "receive queue %u: %u bytes", queue->number, queue->buffer);
	/* 4.6.7 "Receive Initialization" */
	if (is_on(card, queue->at + 0x0c, 1 << 12))
		sim_judge(card, SIM_RULE_DCA_BIT, "receive queue %u", queue->number);
}

static void write_rxdctl(struct sim_queue *queue, uint32_t value)
{
	bool wants = value & SIM_ENABLE;

	queue->strips_vlan = value & 1u << 30;
	if (wants && !queue->enabled && !queue->wanted)
		configure_receive(queue);
	sim_ring_enable(queue, wants);
}

static void write_txdctl(struct sim_queue *queue, uint32_t value)
{
	bool wants = value & SIM_ENABLE;

	if (wants && !queue->enabled && !queue->wanted) {
		sim_ring_write_back(queue, 16, 7);
		/* 4.6.8 "Transmit Initialization": first DMATXCTL.TE */
		if (!is_on(queue->card, DMATXCTL, 1))
			sim_judge(queue->card, SIM_RULE_TRANSMIT_OFF, "transmit queue %u was enabled", queue->number);
		sim_82599_mode_check(queue->card, false);
	}
	sim_ring_enable(queue, wants);
}

static void write_queue(struct sim_card *card, uint16_t id, uint32_t n, uint32_t value, const char *name)
{
	struct sim_queue *receive = &card->receive[n % SIM_QUEUES], *transmit = &card->transmit[n % SIM_QUEUES];

	switch (id) {
	case R_RDBAL: case R_RDBAH: case R_RDLEN: case R_RDH: case R_SRRCTL:
		sim_ring_locked(receive, name);
		break;
	case R_TDBAL: case R_TDBAH: case R_TDLEN: case R_TDH: case R_TDWBAL: case R_TDWBAH:
		sim_ring_locked(transmit, name);
		break;
	case R_RXDCTL:
		write_rxdctl(receive, value);
		break;
	case R_TXDCTL:
		write_txdctl(transmit, value);
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

/* --- EEPROM, semaphores, reset ---------------------------------------------------------------------------------------------- */

static void taken(struct sim_card *card, const struct sim_register *row, uint32_t n, uint32_t at, uint32_t value)
{
	(void)n;
	if (row->id == R_SWSM)
		sim_semaphore_taken(card, at, value);
	else if (row->id == R_EICR)
		sim_set(card, at, 0);
}

static void write_ctrl(struct sim_card *card, uint32_t old, uint32_t value)
{
	if (value & CTRL_RST) {
		sim_card_reset(card);
	} else if (value & CTRL_LRST) {
		sim_set(card, CTRL, value & ~(uint32_t)CTRL_LRST);
		card->link_ns = card->sim->now_ns + card->faults.link_delay_ns;
	} else if ((value ^ old) & CTRL_MASTER_DISABLE) {
		uint32_t status = sim_get(card, STATUS) & ~(uint32_t)STATUS_MASTER;

		sim_set(card, STATUS, status | (value & CTRL_MASTER_DISABLE ? 0 : STATUS_MASTER));
	}
}

/* Reception is switched on: what must be right by now. source: 4.6.7, HLREG0.RXCRCSTRP and RDRXCTL.CRCStrip */
static void write_rxctrl(struct sim_card *card, uint32_t old, uint32_t value)
{
	if (!(value & 1) || old & 1)
		return;
	if (is_on(card, RDRXCTL, 2) != is_on(card, HLREG0, 2))
		sim_judge(card, SIM_RULE_CRC_STRIP, "RDRXCTL 0x%08x, HLREG0 0x%08x", sim_get(card, RDRXCTL), sim_get(card, HLREG0));
	if (!card->was_reset)
		sim_judge(card, SIM_RULE_NO_RESET, "reception was switched on");
	sim_82599_mode_check(card, true);
	card->off_ns = 0;
}

/* FCTRL: but for the promiscuous bits and broadcasts, it changes only while reception is off. source: 8.2.3.7.1 */
static void write_fctrl(struct sim_card *card, uint32_t old, uint32_t value)
{
	if (is_on(card, RXCTRL, 1) && (old ^ value) & ~0x700u)
		sim_judge(card, SIM_RULE_FILTER_LIVE, "FCTRL from 0x%08x to 0x%08x", old, value);
}

static void written(struct sim_card *card, const struct sim_register *row, uint32_t n, uint32_t at, uint32_t old, uint32_t value)
{
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
	case R_SW_FW_SYNC:
		sim_semaphore_check(card, SWSM, value);
		break;
	case R_RXCTRL:
		write_rxctrl(card, old, value);
		break;
	case R_FCTRL:
		write_fctrl(card, old, value);
		break;
	case R_SECRXCTRL:
		sim_set(card, SECRXSTAT, sim_get(card, SECRXSTAT) | 1);         /* the data path is empty at once */
		break;
	case R_I2CCTL:
		/* No module is plugged in: what the lines are pulled to is read back, bits 1 and 3 in bits 0 and 2. */
		sim_set(card, at, (value & 0xa) | (value & 0xa) >> 1);
		break;
	case R_RDRXCTL:
		sim_set(card, at, value | 8);                                   /* DMAIDONE is read-only */
		break;
	case R_EIMC:
		sim_set(card, EIMS, sim_get(card, EIMS) & ~value);
		break;
	case R_EIMS:
		sim_82599_mode_written(card, row, n, old, value);
		sim_set(card, EIMS, old | value);
		break;
	case R_EIMC_EX:
		sim_set(card, EIMS_EX + 4 * n, sim_get(card, EIMS_EX + 4 * n) & ~value);
		break;
	case R_AUTOC:
		/* Restarting auto-negotiation: the link goes and comes again; the bit clears itself. */
		sim_set(card, AUTOC, value & ~(1u << 12));
		if (value & 1u << 12) {
			card->link = false;
			card->link_ns = card->sim->now_ns + card->faults.link_delay_ns;
		}
		break;
	case R_FDIRCTRL:
		sim_82599_mode_written(card, row, n, old, value);
		sim_set(card, FDIRCTRL, value | 1u << 3);                       /* INIT-Done */
		break;
	default:
		sim_82599_mode_written(card, row, n, old, value);
		write_queue(card, row->id, n, value, row->name);
		break;
	}
}

static void reset(struct sim_card *card)
{
	for (uint32_t i = 0; i < SIM_QUEUES; i++) {
		card->receive[i].at = i < 64 ? RDBAL + 64 * i : RDBAL_HIGH + 64 * (i - 64);
		card->transmit[i].at = TDBAL + 64 * i;
	}
	sim_filter_permanent(card, RAL);
	sim_set(card, MPSAR, UINT32_MAX);
	sim_set(card, MPSAR + 4, UINT32_MAX);
	for (uint32_t i = 1; i < 8; i++)
		sim_set(card, TXPBSIZE + 4 * i, 0);
	for (uint32_t i = 1; i < 8; i++)
		sim_set(card, RXPBSIZE + 4 * i, 0);
	sim_set(card, RXPBSIZE, 0x00080000);
	sim_set(card, STATUS, STATUS_MASTER | (card->number & 1) << 2);
}

static void linked(struct sim_card *card)
{
	sim_set(card, LINKS, card->link ? 0x70000080 : 0);
	sim_set(card, STATUS, (sim_get(card, STATUS) & ~(uint32_t)STATUS_LINK) | (card->link ? STATUS_LINK : 0));
	sim_set(card, EICR, sim_get(card, EICR) | 1u << 20);            /* LSC */
}

static bool receives(const struct sim_card *card)
{
	return is_on(card, RXCTRL, 1);
}

static bool transmits(const struct sim_card *card)
{
	return is_on(card, DMATXCTL, 1);
}

static bool strips_crc(const struct sim_card *card)
{
	return is_on(card, RDRXCTL, 2);
}

/* source: 8.2.3.22.8 "HLREG0", bit JUMBOEN; 8.2.3.22.13 "Max Frame Size": with FCS */
static uint32_t longest(const struct sim_card *card)
{
	return is_on(card, HLREG0, 4) ? sim_bits(sim_get(card, MAXFRS), 16, 16) - SIM_FCS : 1518 - SIM_FCS;
}

static uint32_t checks(const struct sim_card *card)
{
	(void)card;
	return SIM_CHECK_IP | SIM_CHECK_L4;
}

static uint16_t vlan_type(const struct sim_card *card)
{
	return (uint16_t)sim_get(card, VLNCTRL);
}

static uint32_t rate_window(const struct sim_card *card)
{
	return sim_bits(sim_get(card, RTTBCNRM), 0, 11);
}

const struct sim_kind sim_82599_kind = {
	.name = "82599", .vendor = 0x8086, .device = 0x10fb, .subsystem = 0x0003, .revision = 1, .bar = 512 << 10, .scan = 0x15000,
	.queues = 128, .eec = EEC, .page_receive = 0x1000, .page_transmit = 0x6000,
	.registers = registers, .register_count = sizeof(registers) / sizeof(registers[0]), .aliases = aliases,
	.reset = reset, .written = written, .taken = taken, .linked = linked, .steer = sim_82599_steer,
	.pools = sim_82599_pools, .port = sim_82599_port, .spread = sim_82599_spread, .rate_window = rate_window,
	.receives = receives, .transmits = transmits, .strips_crc = strips_crc, .longest = longest, .checks = checks,
	.vlan_type = vlan_type, .count_receive = sim_82599_count_receive, .count_transmit = sim_82599_count_transmit,
	.count_missed = sim_82599_count_missed, .count_queue = sim_82599_count_queue
};
