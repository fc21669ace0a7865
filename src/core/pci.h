#pragma once
/* pci -- cards of the PCI bus: which there are, and the one that this process opens and keeps to itself.
 *
 *      sysfs           (NF_SYSFS, default /sys) bus/pci/devices/ADDRESS/{vendor,device,...,config,resource0}
 *      direct access   resource0 is mapped; the card gets physical addresses (memory_dma.h)
 *      vfio            the device is bound to vfio-pci; the card gets addresses that the IOMMU translates
 *
 * Only the supervisor calls pci_open; a worker maps the descriptor that it gets. */

enum { PCI_ADDRESS = 16, PCI_NAME = 64, PCI_PATH = 4096 };     /* bytes with the final zero */

enum pci_iommu { PCI_IOMMU_NONE, PCI_IOMMU_IDENTITY, PCI_IOMMU_TRANSLATES };

struct pci_device {
	char address[PCI_ADDRESS];      /* "0000:01:00.0" */
	char driver[PCI_NAME];          /* the kernel's driver that it is bound to; "" for none */
	char interface[PCI_NAME];       /* network interface of that driver; "" for none */
	char group[PCI_NAME];           /* IOMMU group, a number; "" for none */
	uint16_t vendor, device, subsystem_vendor, subsystem_device;
	uint32_t class_code;            /* 0x020000: Ethernet */
	int node;                       /* NUMA node; -1: none */
	uint32_t iommu;                 /* enum pci_iommu */
	uint32_t registers;             /* bytes of the first range of addresses (BAR 0); 0: none */
};

/* Where sysfs lies: NF_SYSFS of the environment, else /sys. */
const char *pci_sysfs(void);

/* All devices, sorted by address. gives: how many; *devices is malloc'ed, NULL for none
 *   fails: -errno with nf_error(): there is no bus, or libpci does not understand what is there */
int pci_list(struct pci_device **devices) __attribute__((warn_unused_result));

/* One device by its address. fails: -ENODEV with nf_error() */
int pci_find(const char *address, struct pci_device *device) __attribute__((warn_unused_result));

/* An open card. Each is open once in a process, for several users. */
struct pci_access;
struct pci_dev;
struct pci_card {
	struct pci_device device;
	uint32_t users;
	bool vfio;
	int fd;                         /* what is mapped, from its offset 0: resource0 or the vfio device; owned */
	volatile uint8_t *registers;    /* device.registers bytes */
	struct pci_card *next;
	struct pci_access *access;      /* direct access: libpci's, for configuration space */
	struct pci_dev *dev;
	int lock;                       /* resource0, locked; direct access: the same as fd */
	int group_fd;                   /* vfio */
	uint64_t config_offset;         /* vfio: of configuration space within fd */
	char record[PCI_PATH];          /* the file that tells a later nf that the card may reach memory; "" for none */
};

/* Open a card, or one user more of an open one: take its lock, map its registers, leave bus mastering off when it is new.
 *   gives: 0; the card stays until pci_close
 *   fails: -ENODEV, -EBUSY (the kernel's driver or another process has it), -EPERM (a translating IOMMU), others;
 *          with nf_error() */
int pci_open(const char *address, struct pci_card **card) __attribute__((warn_unused_result));

/* The open card of an address; NULL for none. */
struct pci_card *pci_card(const char *address);

/* One user less. After the last one bus mastering is off, or the card's record stays. */
void pci_close(struct pci_card *card);

/* Read or write 1, 2 or 4 bytes of configuration space. What cannot be read is all ones, as on the bus. */
uint32_t pci_config_read(struct pci_card *card, uint32_t offset, uint32_t bytes);
int pci_config_write(struct pci_card *card, uint32_t offset, uint32_t bytes, uint32_t value) __attribute__((warn_unused_result));

/* Let the card reach memory: bus mastering, after a record for the case that this process is killed.
 *   fails: -EIO: the bit does not stay */
int pci_master_on(struct pci_card *card) __attribute__((warn_unused_result));
/* No more: bus mastering off, and wait until what is under way has ended.
 *   fails: -EIO, -ETIMEDOUT: the card may still reach memory. A card that is gone (all ones) reaches nothing. */
int pci_master_off(struct pci_card *card) __attribute__((warn_unused_result));

/* Switch off bus mastering of cards that a killed nf left on, and remove their records.
 *   gives: how many records could not be dealt with: memory that such a card may reach must not be given back */
int pci_clean(void);

/* Whether a record of the owner (memory_dma.h) is left. */
bool pci_is_recorded(const char *owner);

/* Bind a device to a driver of the kernel ("vfio-pci", or "kernel" for the one that it had by itself), or to none (NULL).
 *   fails: -EBUSY: an nf has it; others, with nf_error() */
int pci_bind(const char *address, const char *driver) __attribute__((warn_unused_result));
