#pragma once
/* pci_vfio -- the one container of this process's cards that are bound to vfio-pci. C only. */
#include <stdint.h>

/* Map memory at its offset in the window plus the constant. fails: -errno with nf_error() */
int pci_vfio_map(void *base, uint64_t bytes, uint64_t offset) __attribute__((warn_unused_result));
void pci_vfio_unmap(uint64_t bytes, uint64_t offset);
uint64_t pci_vfio_address(uint64_t offset);
