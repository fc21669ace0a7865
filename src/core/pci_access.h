#pragma once
/* pci_access -- libpci for the files pci*.c alone. */
#include <pci/pci.h>

/* The path of a file in a device's folder. fails: -ENAMETOOLONG */
int pci_path(char path[PCI_PATH], const char *address, const char *file) __attribute__((warn_unused_result));

/* libpci, set up for the sysfs of pci_sysfs(). gives: NULL with nf_error() when there is no bus */
struct pci_access *pci_access_new(void);

/* Call something that uses libpci, which reports trouble by a jump. fails: -EIO with nf_error() */
int pci_access_do(void (*act)(void *context), void *context) __attribute__((warn_unused_result));

/* pci_vfio.c: open a device that is bound to vfio-pci: container, group, device, registers.
 *   fails: -errno with nf_error(); the card is as it was */
int pci_vfio_open(struct pci_card *card) __attribute__((warn_unused_result));
void pci_vfio_close(struct pci_card *card);
