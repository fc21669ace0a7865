/* intel_port -- an instance in its worker. See intel_port.h. */
#include "apps/intel/intel_port.h"

#include "core/pci_registers.h"

#include <sys/mman.h>
#include <unistd.h>

enum {
	STANDARD_MTU = 2026,            /* 2,048 bytes of a standard packet, less Ethernet header and two tags */
	/* A receive ring that had fewer packets is left alone for so long. Each look takes the cache line that the card is about to write
	 * away from it. Measured on simulated cards: 500 ns give most of it, more than 1,000 nothing. */
	FEW = 32, PAUSE_NS = 1000
};

const char *const intel_counters[] = { "missed", "no-descriptor", "crc-errors", "length-errors", "link-changes", "link-mbps",
	"queue-resets", "card-resets", NULL };
const char *const intel_gauges[] = { "link-mbps", NULL };
const char *const intel_reasons[] = { "too-long", "malformed", "link-down", "hang", "gone", "gso", "metadata", "no-packet", NULL };

const char *const intel_rss_names[] = { "ip", "ip+tcp", "ip+tcp+udp", NULL };

const struct intel_driver *const intel_drivers[] = { &ixgbe_driver, &igb_driver, &e1000e_driver, NULL };

static uint8_t packet_size(const struct intel_port *port)
{
	return port->mtu > STANDARD_MTU ? PACKET_JUMBO : PACKET_STANDARD;
}

/* Both rings full; packets on their way out may be of any size, but those were another's to declare. */
void intel_port_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	const struct intel_port *port = (const struct intel_port *)app;

	holds[packet_size(port)] += port->receive_ring + BURST;
	holds[PACKET_STANDARD] += port->transmit_ring + BURST;
}

int intel_port_bind(struct intel_port *port)
{
	struct intel_receive *r = &port->receive;
	struct intel_transmit *t = &port->transmit;

	r->ring = port->rings->receive;
	r->mask = port->receive_ring - 1;
	r->size = packet_size(port);
	r->room = r->size == PACKET_JUMBO ? 10240 : 2048;
	r->packet = calloc(port->receive_ring + PACKET_PREFETCH, sizeof(*r->packet));
	t->ring = port->rings->transmit;
	t->mask = port->transmit_ring - 1;
	t->longest = port->mtu + 22;
	t->offloads = (port->vlan ? INTEL_OFFLOAD_TAG : 0) | (port->checksum ? INTEL_OFFLOAD_SUM : 0);
	t->packet = calloc(port->transmit_ring, sizeof(*t->packet));
	t->last = calloc(port->transmit_ring, sizeof(*t->last));
	if (r->packet == NULL || t->packet == NULL || t->last == NULL)
		return nf_fail(ENOMEM, "app '%s': no memory for rings", port->app.name);
	port->driver->bind(port);
	return 0;
}

static int cannot_map(const struct intel_port *port, const char *what)
{
	return nf_fail(errno, "app '%s': the %s of %s cannot be mapped: %s", port->app.name, what, port->pci, strerror(errno));
}

/* Registers and rings. fails: -errno with nf_error(); retire undoes what was done */
static int map_all(struct intel_port *port)
{
	char key[INTEL_KEY];
	void *at;
	int fd;

	intel_port_queue_key(port, key);
	fd = resource_open(key);
	if (fd < 0)
		return fd;
	at = mmap(NULL, MEMORY_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		return cannot_map(port, "rings");
	port->rings = at;
	port->registers_bytes = port->rings->registers;
	port->kind = port->rings->kind;
	snprintf(key, sizeof(key), "card:%s", port->pci);
	fd = resource_open(key);
	if (fd < 0)
		return fd;
	port->registers = pci_registers_map(fd, port->registers_bytes);
	close(fd);
	return port->registers != NULL ? 0 : cannot_map(port, "registers");
}

/* Wait for the link, when that is wanted; not for ever, and without failing: a cable may be plugged in later. */
static void wait_for_link(struct intel_port *port)
{
	uint64_t until = clock_system_ns() + port->wait_ns;

	while (port->wait_ns > 0 && port->driver->speed(port) == 0) {
		if (clock_system_ns() >= until) {
			log_warn("app '%s': card %s still has no link", port->app.name, port->pci);
			return;
		}
		intel_pause(1000);
	}
}

/* Whether the queue of `old` can go on as it is. */
static bool is_same_queue(const struct intel_port *port, const struct intel_port *old)
{
	return strcmp(port->pci, old->pci) == 0 && port->number == old->number && port->receive_ring == old->receive_ring &&
		port->transmit_ring == old->transmit_ring && packet_size(port) == packet_size(old);
}

bool intel_port_is_promiscuous(const struct intel_port *port)
{
	return port->has_promiscuous || !port->pool.wanted ? port->promiscuous : false;
}

uint32_t intel_port_rate_factor(const struct intel_port *port)
{
	enum { FRACTION = 14, MOST = (1 << 24) - 1 };
	double factor = port->rate_limit.per_second > 0 ? port->mbps * 1e6 / port->rate_limit.per_second * (1 << FRACTION) : 0;

	if (factor <= 1 << FRACTION)
		return 0;
	return (factor < MOST ? (uint32_t)factor : MOST) | 1u << 31;
}

uint32_t intel_port_entries(const uint32_t *queue, uint32_t count, uint32_t entry)
{
	uint32_t value = 0;

	for (uint32_t byte = 0; byte < 4; byte++)
		value |= queue[(entry + byte) % count] << 8 * byte;
	return value;
}

static const struct intel_driver *find_driver(const struct intel_port *port)
{
	for (uint32_t i = 0; intel_drivers[i] != NULL; i++)
		if (intel_drivers[i]->class == port->app.class)
			return intel_drivers[i];
	return NULL;
}

uint32_t intel_port_number(const struct intel_port *port)
{
	const struct intel_driver *driver = find_driver(port);

	return driver != NULL && driver->number != NULL ? driver->number(port) : port->queue;
}

void intel_port_queue_key(const struct intel_port *port, char key[INTEL_KEY])
{
	if (port->pool.wanted)
		snprintf(key, INTEL_KEY, "queue:%s/%u.%u/%u", port->pci, port->pool.number, port->queue, port->pool.queues);
	else
		snprintf(key, INTEL_KEY, "queue:%s/%u", port->pci, port->queue);
}

int intel_port_prepare(struct app *app, const struct app *old)
{
	struct intel_port *port = (struct intel_port *)app;
	int code;

	port->driver = find_driver(port);
	nf_assert(port->driver != NULL, "no driver for %s", port->app.class->name);
	port->number = intel_port_number(port);
	code = map_all(port);
	if (code == 0)
		code = intel_port_bind(port);
	if (code < 0) {
		char text[ERROR_TEXT];

		snprintf(text, sizeof(text), "%s", nf_error());
		intel_port_retire(app);
		return nf_fail(-code, "%s", text);
	}
	if (old == NULL)
		wait_for_link(port);
	return 0;
}

/* Take over a queue that goes on: its rings, and what is in them. */
static void take_over(struct intel_port *port, struct intel_port *old)
{
	struct intel_receive receive = port->receive;
	struct intel_transmit transmit = port->transmit;
	uint32_t longest = transmit.longest, offloads = transmit.offloads;

	port->receive = old->receive;
	port->transmit = old->transmit;
	/* What was made for a queue of its own goes with the old instance; what differs by parameters is new. */
	port->receive.tail = receive.tail;
	port->transmit.tail = transmit.tail;
	port->transmit.longest = longest;
	port->transmit.offloads = offloads;
	port->receive.ring = receive.ring;
	port->transmit.ring = transmit.ring;
	old->receive = receive;
	old->transmit = transmit;
	port->runs = old->runs;
	port->gone = old->gone;
	port->limited = old->limited;
	port->mbps = old->mbps;
	port->app.counter[INTEL_LINK_MBPS] = port->mbps;
	old->runs = false;
}

void intel_port_commit(struct app *app, struct app *old_app)
{
	struct intel_port *port = (struct intel_port *)app, *old = (struct intel_port *)old_app;

	if (old != NULL && is_same_queue(port, old)) {
		take_over(port, old);
		if (port->runs)
			port->driver->configure(port);
		return;
	}
	if (old != NULL && strcmp(port->pci, old->pci) == 0)
		intel_port_stop(old_app);
	port->mbps = port->driver->speed(port);
	port->app.counter[INTEL_LINK_MBPS] = port->mbps;
	intel_port_hold(port);
	intel_port_begin(port);
}

void intel_port_stop(struct app *app)
{
	struct intel_port *port = (struct intel_port *)app;

	intel_port_rest(port, app_reason(app, APP_REASON_STOP));
}

void intel_port_retire(struct app *app)
{
	struct intel_port *port = (struct intel_port *)app;

	pci_registers_unmap(port->registers);
	if (port->rings != NULL)
		munmap(port->rings, MEMORY_PAGE);
	free(port->receive.packet);
	free(port->transmit.packet);
	free(port->transmit.last);
}

/* Nothing comes from a card whose output leads nowhere. */
void intel_port_link(struct app *app)
{
	app->ended = app->output[0] == NULL;
}

void intel_port_pull(struct app *app)
{
	struct intel_port *port = (struct intel_port *)app;
	struct link *output = app->output[0];
	uint32_t at, room, n;

	if (!port->runs || output == NULL || (clock_now() < port->pull_at && !clock_virtual))
		return;
	/* Straight into the link's slots, as far as they lie one behind the other: a burst less to write and to read. */
	at = link_slot(output, output->sent);
	room = link_room(output);
	room = room < BURST ? room : BURST;
	room = room < LINK_SLOTS - at ? room : LINK_SLOTS - at;
	n = intel_receive(&port->receive, app, &output->slot[at], room, &output->bytes);
	output->sent += n;
	if (n < FEW && n < room)
		port->pull_at = clock_now() + PAUSE_NS;
	intel_refill(&port->receive, false);
}

void intel_port_push(struct app *app)
{
	struct intel_port *port = (struct intel_port *)app;

	if (__builtin_expect(port->runs && port->mbps != 0, 1)) {
		intel_send(&port->transmit, app, app->input[0]);
		return;
	}
	if (!port->runs && !port->gone && clock_now() < port->hold_until)
		return;
	for (uint32_t n = link_waiting(app->input[0]); n > 0; n--)
		app_drop(app, port->gone ? INTEL_GONE : INTEL_LINK_DOWN, link_receive(app->input[0]));
}

void intel_port_tick(struct app *app)
{
	struct intel_port *port = (struct intel_port *)app;

	if (port->runs && (port->transmit.clean != port->transmit.next || port->transmit.pending != NULL)) {
		if (port->transmit.pending != NULL)
			intel_send(&port->transmit, app, app->input[0]);
		else
			intel_reclaim(&port->transmit, app);
	}
	if (port->runs && port->receive.filled - port->receive.next < port->receive.mask / 2)
		intel_refill(&port->receive, true);     /* the worker had no packets left */
	intel_port_watch(port);
}

uint32_t intel_port_held(const struct app *app)
{
	return intel_held(&((const struct intel_port *)app)->transmit);
}

uint32_t intel_port_posted(const struct app *app)
{
	return intel_posted(&((const struct intel_port *)app)->receive);
}

/* Half a ring of the shortest frames, 84 bytes each on the wire. */
uint64_t intel_port_sleep_limit(const struct app *app)
{
	const struct intel_port *port = (const struct intel_port *)app;

	return port->receive_ring / 2 * (port->mbps > 1000 || port->mbps == 0 ? 67 : 672);
}
