#pragma once
/* raw -- what the parts of socket.raw share: raw.c moves packets, raw_open.c opens the socket. */
#include "core/core.h"
#include "core/netdev.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

enum { RAW_SLOTS = NETDEV_ARRIVED };    /* packets per call */

/* The auxiliary data of one frame. */
union auxiliary {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
};

struct raw {
	struct app app;
	struct netdev dev;
	const char *interface, *namespace;
	uint64_t buffer;
	bool promiscuous, gso;
	uint32_t likely;                /* how many frames the next call will probably bring */
	uint64_t statistics_at;

	struct netdev_slot slot[RAW_SLOTS];
	union auxiliary auxiliary[RAW_SLOTS];
	struct mmsghdr receiving[RAW_SLOTS];

	struct virtio_net virtio[RAW_SLOTS];
	struct iovec part[RAW_SLOTS][2];
	struct mmsghdr sending[RAW_SLOTS];
};

/* class->open, class->is_open and class->adopt; supervisor. */
int raw_open(const struct app *app, const char *key);
bool raw_is_open(const struct app *app, const char *key, int fd);
int raw_adopt(const struct app *app, const char *key, int fd);
