/* ixgbe_stats -- 4.6.5 "Initialization of Statistics", 8.2.3.23 "Statistic Registers": reading clears them. See ixgbe.h. */
#include "apps/intel/ixgbe.h"

/* 8.2.3.23: counter q counts queue q, for those that instances may have. */
void ixgbe_stats_setup(struct intel_port *port)
{
	for (uint32_t i = 0; i < INTEL_QUEUES / 4; i++) {
		uint32_t map = 0x03020100 + i * 0x04040404;

		intel_write(port->registers, IXGBE(RQSMR, i), map);
		intel_write(port->registers, IXGBE(TQSM, i), map);
	}
	for (uint32_t q = 0; q < INTEL_QUEUES; q++)
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
	counter[INTEL_NO_DESCRIPTOR] += intel_read(registers, IXGBE(QPRDC, port->queue));
	counter[INTEL_CRC_ERRORS] += intel_read(registers, IXGBE_CRCERRS);
	counter[INTEL_LENGTH_ERRORS] += (uint64_t)intel_read(registers, IXGBE_RLEC) + intel_read(registers, IXGBE_RUC) +
		intel_read(registers, IXGBE_RFC) + intel_read(registers, IXGBE_ROC) + intel_read(registers, IXGBE_RJC);
}
