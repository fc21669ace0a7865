#pragma once
/* tap -- what the parts of tap.tap share: tap.c moves packets, tap_open.c makes and opens the interface. */
#include "core/core.h"
#include "core/netdev.h"

#define TAP_NETLINK "netlink:"          /* the key of the socket for statistics: this and the app's name */

/* The kernel's count of frames that were not fetched in time; read by the house-keeping thread. */
struct tap_drops {
	struct job job;
	int fd;                         /* netlink */
	char *key;
	const char *interface;
	int code;                       /* of the last reading */
	uint64_t total, seen;           /* the kernel's, and what lost_outside has of it already */
	uint64_t read_at;
};

struct tap {
	struct app app;
	struct netdev dev;
	struct tap_drops drops;
	const char *interface, *namespace;
	uint32_t mtu;                   /* 0: as it is */
	uint8_t mac[6];
	bool has_mac, up, gso;
};

/* class->open, class->is_open and class->adopt; supervisor. */
int tap_open(const struct app *app, const char *key);
bool tap_is_open(const struct app *app, const char *key, int fd);
int tap_adopt(const struct app *app, const char *key, int fd);
