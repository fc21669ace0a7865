/* ixgbe_stats -- 4.6.5 "Initialization of Statistics", 8.2.3.23 "Statistic Registers": reading clears them. See ixgbe.h. */
#include "apps/intel/ixgbe.h"

enum { COUNTERS = 16 };

/* There are 16 counters: of queue q without pools, else of every 16th pool. Pools that share one each take what they see first: the
 * sum is right. */
uint32_t ixgbe_stats_counter(const struct intel_port *port)
{
	return port->pool.wanted ? port->pool.number % COUNTERS : port->queue;
}

/* 8.2.3.23, RQSMR and TQSM: the counters of four queues, from `first` on. */
static uint32_t map(const struct intel_port *port, uint32_t first)
{
	uint32_t each = port->pool.wanted ? INTEL_NUMBERS / (port->pool.queues == 4 ? 32 : 64) : 1, value = 0;

	for (uint32_t i = 0; i < 4; i++)
		value |= (first + i) / each % COUNTERS << 8 * i;
	return value;
}

void ixgbe_stats_setup(struct intel_port *port)
{
	for (uint32_t i = 0; i < (port->pool.wanted ? INTEL_NUMBERS : INTEL_QUEUES) / 4; i++) {
		intel_write(port->registers, IXGBE(RQSMR, i), map(port, 4 * i));
		intel_write(port->registers, IXGBE(TQSM, i), map(port, 4 * i));
	}
	for (uint32_t q = 0; q < COUNTERS; q++)
		intel_read(port->registers, IXGBE(QPRDC, q));
	for (uint32_t i = 0; i < 8; i++)
		intel_read(port->registers, IXGBE(MPC, i));
	intel_read(port->registers, IXGBE_CRCERRS);
	intel_read(port->registers, IXGBE_RLEC);
	intel_read(port->registers, IXGBE_RUC);
	intel_read(port->registers, IXGBE_RFC);
	intel_read(port->registers, IXGBE_ROC);
	intel_read(port->registers, IXGBE_RJC);
}

void ixgbe_stats_count(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;
	uint64_t *counter = port->app.counter;

	counter[INTEL_MISSED] += intel_read(registers, IXGBE(MPC, 0));  /* one packet buffer: the others stay 0 */
	counter[INTEL_NO_DESCRIPTOR] += intel_read(registers, IXGBE(QPRDC, ixgbe_stats_counter(port)));
	counter[INTEL_CRC_ERRORS] += intel_read(registers, IXGBE_CRCERRS);
	counter[INTEL_LENGTH_ERRORS] += (uint64_t)intel_read(registers, IXGBE_RLEC) + intel_read(registers, IXGBE_RUC) +
		intel_read(registers, IXGBE_RFC) + intel_read(registers, IXGBE_ROC) + intel_read(registers, IXGBE_RJC);
}
