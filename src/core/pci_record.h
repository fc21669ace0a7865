#pragma once
/* pci_record -- a file for each card that may reach memory, so that the nf after a killed one knows: its lines are the owner of
 * the memory (memory_dma.h), the root of sysfs, the card's address. For the files pci*.c alone. */

/* fails: -errno with nf_error() */
int pci_record_add(struct pci_card *card) __attribute__((warn_unused_result));
int pci_record_remove(struct pci_card *card) __attribute__((warn_unused_result));
