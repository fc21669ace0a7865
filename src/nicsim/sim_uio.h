#pragma once
/* sim_uio -- cards that look as if Linux's uio_pci_generic had them: what DPDK and others want to see before they drive a card. */
#include "nicsim/sim.h"

/* Add to the tree the driver of each card, and its uio node. fails: -errno with nf_error() */
int sim_uio_add(const struct sim *sim) __attribute__((warn_unused_result));

/* In a mount namespace of our own: /sys/class/uio has the cards, /dev their nodes and little else, /dev/hugepages huge pages. */
bool sim_uio_mount(const struct sim *sim);
