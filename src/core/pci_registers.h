#pragma once
/* pci_registers -- registers of a card, mapped. C only. */
#include <stdint.h>

/* Map `bytes` from offset 0 of a card's descriptor. When the card is taken out, they read as all ones from then on, as on the bus,
 * and the process lives.
 *   gives: NULL with errno. undo: pci_registers_unmap, which takes NULL, too */
volatile uint8_t *pci_registers_map(int fd, uint32_t bytes);
void pci_registers_unmap(volatile uint8_t *registers);

/* In a child that has just been forked: unmap all that it has inherited. It would keep the locks of cards that its parent closes; and
 * not by MADV_DONTFORK, since who looks at accesses from outside, as nf nicsim does, would not learn of it. */
void pci_registers_leave(void);
