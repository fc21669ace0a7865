#pragma once
/* doctor -- the checks of `nf doctor`. Each looks at one property of the machine and says what it found, what nf wants, and how
 * that is mended. They read /sys, /proc and /dev below roots that tests replace (NF_SYSFS, NF_PROCFS, NF_DEVFS). */
#include "core/core.h"

enum doctor_state {
	DOCTOR_GOOD,
	DOCTOR_POOR,                    /* nf runs, but something is slower or not possible */
	DOCTOR_UNUSABLE                 /* nf does not run at all */
};

struct doctor_finding {
	enum doctor_state state;
	char found[600], wanted[300], mend[400];        /* the latter two are shown unless all is good */
};

/* One check each; they fill a finding that is zeroed. */
void doctor_memory(struct doctor_finding *finding);
void doctor_huge_pages(struct doctor_finding *finding);
void doctor_locked_memory(struct doctor_finding *finding);
void doctor_clock(struct doctor_finding *finding);
void doctor_isolation(struct doctor_finding *finding);
void doctor_governor(struct doctor_finding *finding);
void doctor_numa(struct doctor_finding *finding);
void doctor_iommu(struct doctor_finding *finding);
void doctor_cards(struct doctor_finding *finding);
void doctor_capabilities(struct doctor_finding *finding);
void doctor_packet_socket(struct doctor_finding *finding);
void doctor_tap(struct doctor_finding *finding);
void doctor_xdp(struct doctor_finding *finding);

/* Where worker `number` (from 0) of an instance, its devices and its packets are: what the supervisor tells, and the kernel of
 * process `pid`; and that as text.
 *   gives: false when the supervisor tells nothing: there is none (--single-process), or it is somebody else's */
bool doctor_placement(struct placement *placement, const char *name, uint32_t number, int pid);
void doctor_placement_text(const struct placement *placement, char *text, size_t size);

/* What the workers of an instance may do, with the table of system calls.
 *   gives: EXIT_DONE when all are closed; else EXIT_FAILED */
int doctor_instance(const char *name, bool json);

/* A path below a root: "/sys", "/proc" or "/dev" at its beginning is replaced when a test wants that. */
void doctor_path(char *path, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The first line of such a file without its newline; false (and "") when it cannot be read or is empty. */
bool doctor_read(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same as a number; 0 when there is none. */
uint64_t doctor_read_number(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Call visit for each name in a folder that begins with `prefix`, in alphabetical order; gives their number. */
uint32_t doctor_each(const char *folder, const char *prefix, void (*visit)(const char *name, void *context), void *context);

/* Append to a text, cut off where it is full. */
void doctor_append(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define doctor_say(text, ...) doctor_append((text), sizeof(text), __VA_ARGS__)
