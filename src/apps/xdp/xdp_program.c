/* xdp_program -- load the XDP program of an interface, attach it by a bpf_link; supervisor. See xdp.h.
 * A link ends with its last descriptor, so that whatever becomes of nf, the interface is given back. libxdp's dispatcher, which is
 * pinned to a file system, would outlive us.
 * source: bpf(2), Linux Documentation/bpf/libbpf/ and networking/af_xdp.rst */
#include "apps/xdp/xdp.h"
#include "apps/xdp/xdp_emit.h"
#include "core/netlink.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <unistd.h>

enum { QUEUES = 1024 };                 /* of an interface, at most */

/* What is known of an interface's program. Sockets leave the map by themselves when they are closed. */
struct program {
	struct program *next;
	char *key;
	char *filter;                   /* NULL: none */
	uint32_t mode;
	int map;
	bool generic;
	bool detached;                  /* by us, as it was to be attached in another mode */
};
static struct program *programs;

static struct program *find(const struct xdp *xdp)
{
	char key[RESOURCE_KEY];
	struct program *p = programs;

	xdp_program_key(xdp, key, sizeof(key));
	while (p != NULL && strcmp(p->key, key) != 0)
		p = p->next;
	return p;
}

/* Find or make what is known of an app's interface. */
static struct program *get(const struct xdp *xdp)
{
	struct program *p = find(xdp);
	char key[RESOURCE_KEY];

	if (p != NULL)
		return p;
	xdp_program_key(xdp, key, sizeof(key));
	p = calloc(1, sizeof(*p));
	if (p == NULL || (p->key = strdup(key)) == NULL) {
		free(p);
		nf_fail(ENOMEM, "app '%s': no memory for an XDP program", xdp->app.name);
		return NULL;
	}
	p->map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "nf_sockets", sizeof(uint32_t), sizeof(uint32_t), QUEUES, NULL);
	if (p->map < 0) {
		nf_fail(errno, "app '%s': no map of XDP sockets: %s%s", xdp->app.name, strerror(errno), errno == EPERM ?
			": run as root, or with the capabilities CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW" : "");
		free(p->key);
		free(p);
		return NULL;
	}
	p->next = programs;
	programs = p;
	return p;
}

/* Load the program for the app's filter. gives: its descriptor */
static int load(const struct xdp *xdp, const struct program *p)
{
	struct bpf_ops filter = { 0 };
	struct bpf_insn *insn;
	int count, fd, code = xdp->filter != NULL ? filter_compile(xdp->filter, &filter) : 0;

	if (code < 0)
		return nf_fail(-code, "app '%s': key 'filter': %s", xdp->app.name, nf_error());
	count = xdp_emit(xdp->filter != NULL ? &filter : NULL, p->map, &insn);
	filter_program_free(&filter);
	if (count < 0)
		return nf_fail(-count, "app '%s': key 'filter': %s", xdp->app.name, nf_error());
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "nf_xdp", "GPL", insn, (size_t)count, NULL);
	code = errno;
	free(insn);
	return fd >= 0 ? fd : nf_fail(code, "app '%s': the kernel takes no XDP program of %d instructions: %s%s", xdp->app.name,
		count, strerror(code), code == EPERM ? ": run as root, or with CAP_BPF and CAP_NET_ADMIN" : "");
}

/* Remember what is attached. */
static void keep(struct program *p, const struct xdp *xdp, bool generic)
{
	free(p->filter);
	p->filter = xdp->filter != NULL ? strdup(xdp->filter) : NULL;
	p->mode = xdp->mode;
	p->generic = generic;
	p->detached = false;
}

static int fail_attach(const struct xdp *xdp, uint32_t ifindex, int error, bool generic)
{
	uint32_t other = 0;

	if (error == EBUSY || error == EEXIST) {
		if (bpf_xdp_query_id((int)ifindex, 0, &other) != 0)
			other = 0;
		return nf_fail(EBUSY, "app '%s': the interface '%s' has an XDP program already (number %u), of another nf or of "
			"somebody else; 'ip link set dev %s xdp off' takes off one that nobody holds", xdp->app.name, xdp->interface, other,
			xdp->interface);
	}
	if (error == ERANGE)
		return nf_fail(error, "app '%s': the MTU of '%s' or of its peer is too large for XDP in the driver: lower it, or "
			"mode = \"generic\"", xdp->app.name, xdp->interface);
	return nf_fail(error, "app '%s': no XDP program on '%s' %s: %s%s", xdp->app.name, xdp->interface,
		generic ? "in the kernel's generic mode" : "in its driver", strerror(error),
		generic ? "" : "; mode = \"generic\" works with any interface");
}

int xdp_program_attach(const struct xdp *xdp, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_link_create_opts, options);
	struct program *p = get(xdp);
	bool generic = xdp->mode == XDP_GENERIC;
	int program, link, error;

	if (p == NULL)
		return -ENOMEM;
	program = load(xdp, p);
	if (program < 0)
		return program;
	options.flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	link = bpf_link_create(program, (int)ifindex, BPF_XDP, &options);
	error = errno;
	if (link < 0 && xdp->mode == XDP_AUTO && error != EBUSY && error != EEXIST && error != ENODEV) {
		log_info("app '%s': no XDP in the driver of '%s': %s; generic mode", xdp->app.name, xdp->interface,
			strerror(error));
		generic = true;
		options.flags = XDP_FLAGS_SKB_MODE;
		link = bpf_link_create(program, (int)ifindex, BPF_XDP, &options);
		error = errno;
	}
	close(program);
	if (link < 0)
		return fail_attach(xdp, ifindex, error, generic);
	keep(p, xdp, generic);
	return link;
}

/* Does the mode that an app wants take another way of attaching? */
static bool is_elsewhere(const struct xdp *xdp, const struct program *p)
{
	if (xdp->mode == p->mode)
		return false;
	return xdp->mode == XDP_GENERIC ? !p->generic : p->generic;
}

/* An interface has one program, in one mode: it goes before the other one comes. The descriptor of the old link becomes one of the
 * new link; whoever has other descriptors of the old one has a link to nothing. */
static int attach_anew(const struct xdp *xdp, struct program *p, int link, uint32_t ifindex)
{
	int fresh, code;

	code = p->detached ? 0 : bpf_link_detach(link);
	if (code < 0 && code != -ENOLINK)
		return nf_fail(-code, "app '%s': the XDP program of '%s' cannot be taken off: %s", xdp->app.name, xdp->interface,
			strerror(-code));
	p->detached = true;
	fresh = xdp_program_attach(xdp, ifindex);
	if (fresh < 0)
		return fresh;
	code = dup3(fresh, link, O_CLOEXEC) < 0 ? nf_fail(errno, "app '%s': no descriptor: %s", xdp->app.name, strerror(errno)) : 0;
	close(fresh);
	if (code == 0)
		log_info("app '%s': XDP on '%s' %s", xdp->app.name, xdp->interface, p->generic ? "in the kernel's generic mode" :
			"in its driver");
	return code;
}

int xdp_program_update(const struct xdp *xdp, int link, uint32_t ifindex)
{
	struct program *p = get(xdp);
	uint64_t features;
	int program, code;

	if (p == NULL)
		return -ENOMEM;
	if (xdp->mode == XDP_ZERO_COPY && p->mode != XDP_ZERO_COPY && netlink_xdp_features(ifindex, &features) == 0 &&
		!(features & NETLINK_XDP_ZERO_COPY))
		return nf_fail(EOPNOTSUPP, "app '%s': key 'mode': the driver of '%s' cannot go without copying (mode \"zero-copy\")",
			xdp->app.name, xdp->interface);
	if (p->detached || is_elsewhere(xdp, p))
		return attach_anew(xdp, p, link, ifindex);
	p->mode = xdp->mode;
	if (strcmp(xdp->filter != NULL ? xdp->filter : "", p->filter != NULL ? p->filter : "") == 0)
		return 0;
	program = load(xdp, p);
	if (program < 0)
		return program;
	code = bpf_link_update(link, program, NULL);
	close(program);
	/* ENOLINK: the interface is gone, and with it what had to be changed. */
	if (code < 0 && code != -ENOLINK)
		return nf_fail(-code, "app '%s': the XDP program of '%s' cannot be replaced: %s", xdp->app.name, xdp->interface,
			strerror(-code));
	keep(p, xdp, p->generic);
	return 0;
}

int xdp_program_enter(const struct xdp *xdp, int socket)
{
	const struct program *p = find(xdp);

	if (p == NULL)
		return nf_fail(ENOENT, "app '%s': '%s' has no XDP program", xdp->app.name, xdp->interface);
	if (bpf_map_update_elem(p->map, &xdp->queue, &socket, BPF_ANY) != 0)
		return nf_fail(errno, "app '%s': the socket of queue %u of '%s' cannot be entered: %s", xdp->app.name, xdp->queue,
			xdp->interface, strerror(errno));
	return 0;
}

bool xdp_program_is_generic(const struct xdp *xdp)
{
	const struct program *p = find(xdp);

	return p != NULL && p->generic;
}

void xdp_program_forget(const struct xdp *xdp)
{
	struct program *p = find(xdp), **place = &programs;

	if (p == NULL)
		return;
	while (*place != p)
		place = &(*place)->next;
	*place = p->next;
	close(p->map);
	free(p->filter);
	free(p->key);
	free(p);
}
