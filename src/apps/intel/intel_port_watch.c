/* intel_port_watch -- a queue's start and end, and what is looked at while it runs. See intel_port.h. */
#include "apps/intel/intel_port.h"

#define LOOK_NS 100000000ULL            /* from look to look: link, counters, progress */
#define HANG_NS 1000000000ULL           /* for so long the transmitter may stand still while descriptors wait */
#define SILENT_NS 10000000000ULL        /* and so long nothing may be reported, while its head moves: 32 long frames at 1 Mb/s take 2.5 s */
#define RETRY_NS 10000000ULL            /* a queue that did not start is tried again after this time, then after twice as long, ... */
#define RETRY_MOST_NS 1000000000ULL
#define HOLD_NS 1000000000ULL           /* packets wait so long for a queue that is to start; those that come later are dropped */
enum {
	DRAIN_US = 20000,               /* at the end, for the next of what waits in the transmit ring to be sent, */
	DRAIN_MOST_US = 500000,         /* and for all of it: at 10 Gb/s 4,096 frames of 1,518 bytes take 5 ms, at 100 Mb/s 500 ms */
	START_US = 10000, START_DOUBLED = 2,    /* for a queue to start; the next tries may take twice, and then four times as long */
	FREE_LOOKS = 2,                 /* ticks for which a queue of another must have been off */
	HANGS_MOST = 2                  /* resets of the queue one after the other; then the card is reset */
};

/* All ones come from an empty slot. */
static bool is_gone(struct intel_port *port)
{
	return intel_read(port->registers, port->driver->status) == UINT32_MAX;
}

/* Let the card finish what it has, as far as it is sending at all. */
static void drain(struct intel_port *port)
{
	uint64_t now = clock_system_ns(), until = now + DRAIN_US * 1000ULL, end = now + DRAIN_MOST_US * 1000ULL;

	while (port->mbps != 0 && port->transmit.clean != port->transmit.next && now < until && now < end) {
		uint32_t clean = port->transmit.clean;

		intel_pause(5);
		intel_reclaim(&port->transmit, &port->app);
		now = clock_system_ns();
		if (port->transmit.clean != clean)
			until = now + DRAIN_US * 1000ULL;
	}
}

/* Frames that the card has received and nobody has fetched. */
static void drop_received(struct intel_port *port, uint32_t reason)
{
	struct packet *burst[BURST];
	uint64_t bytes = 0;
	uint32_t n;

	while ((n = intel_receive(&port->receive, &port->app, burst, BURST, &bytes)) > 0)
		app_drop_burst(&port->app, reason, burst, n);
}

/* The card's every queue, and then the whole of it, anew. */
static int reset_card(struct intel_port *port)
{
	int code = port->driver->reset(port);

	port->app.counter[INTEL_CARD_RESETS]++;
	return code < 0 ? code : port->driver->setup(port);
}

void intel_port_hold(struct intel_port *port)
{
	clock_update();                 /* starting takes longer than a breath */
	port->hold_until = clock_now() + HOLD_NS;
}

static void free_packets(struct intel_port *port, uint32_t reason)
{
	drop_received(port, reason);
	intel_receive_empty(&port->receive);
	intel_transmit_empty(&port->transmit, &port->app, reason);
	port->runs = false;
	intel_port_hold(port);
}

/* Nothing more from this app. */
static void give_up(struct intel_port *port)
{
	port->gone = true;
	port->app.down = true;
	port->mbps = 0;
	port->app.counter[INTEL_LINK_MBPS] = 0;
	port->runs = false;
}

/* A card that does not obey a reset may go on writing to the packets that it has, for ever: they stay its own, and are counted as held. */
static void abandon(struct intel_port *port)
{
	log_error("app '%s': %s; the app stops, and the card keeps its packets", port->app.name, nf_error());
	give_up(port);
}

/* Take the card's hands off the queue; a card that does not stop it is reset. fails: false: it still has the packets */
static bool stop_or_reset(struct intel_port *port)
{
	if (port->driver->stop(port) == 0)
		return true;
	log_error("app '%s': %s; the card is reset", port->app.name, nf_error());
	if (reset_card(port) == 0)
		return true;
	abandon(port);
	return false;
}

void intel_port_rest(struct intel_port *port, uint32_t reason)
{
	if (!port->runs)
		return;
	if (!is_gone(port)) {
		port->driver->spread(port, port->number);
		if (reason != INTEL_HANG)
			drain(port);
		if (!stop_or_reset(port))
			return;
	}
	free_packets(port, reason);
}

/* An app of another name or class, in this worker or another one, had the queue before this reload, and stops it about now: new apps
 * begin before old ones end. Off means off when it has been seen in two ticks: the other still has 100 us to wait (4.6.7.1.2). */
static bool is_free(struct intel_port *port)
{
	if (!port->driver->is_off(port))
		port->waits = FREE_LOOKS;
	else if (port->waits > 0)
		port->waits--;
	return port->waits == 0;
}

uint32_t intel_port_start_us(const struct intel_port *port)
{
	return START_US << (port->tries < START_DOUBLED ? port->tries : START_DOUBLED);
}

/* From try to try. */
static uint64_t retry_ns(uint32_t tries)
{
	return tries < 10 && RETRY_NS << tries < RETRY_MOST_NS ? RETRY_NS << tries : RETRY_MOST_NS;
}

bool intel_port_begin(struct intel_port *port)
{
	/* Another instance is just resetting the card; if it dies over that, the supervisor sets the card up. */
	if (!is_free(port) || !port->driver->is_set_up(port)) {
		port->app.down = true;
		return false;
	}
	if (port->driver->start(port) < 0) {
		log_warn("app '%s': %s; it is tried again", port->app.name, nf_error());
		if (!stop_or_reset(port))
			return false;
		intel_receive_empty(&port->receive);
		clock_update();
		port->restart_at = clock_now() + retry_ns(port->tries++);
		port->app.down = true;
		return false;
	}
	port->runs = true;
	port->tries = 0;
	port->app.down = false;
	port->still = port->silent = 0;
	return true;
}

static void look_at_link(struct intel_port *port)
{
	uint32_t mbps = port->driver->speed(port);

	if (mbps == port->mbps)
		return;
	if (mbps != 0)
		log_info("app '%s': the link of %s is up, %u Mb/s", port->app.name, port->pci, mbps);
	else
		log_warn("app '%s': the link of %s is down", port->app.name, port->pci);
	port->mbps = mbps;
	port->app.counter[INTEL_LINK_MBPS] = mbps;
	port->app.counter[INTEL_LINK_CHANGES]++;
	port->still = 0;
	/* Limits are parts of the link's speed. */
	port->driver->configure(port);
}

/* The queue stands still: reset it; when that did not help, the card. */
static void end_hang(struct intel_port *port)
{
	port->hangs++;
	log_warn("app '%s': queue %u of %s has not sent for a while, %u frames wait; %s is reset", port->app.name, port->queue,
		port->pci, port->transmit.next - port->transmit.clean, port->hangs > HANGS_MOST ? "the card" : "the queue");
	if (port->hangs > HANGS_MOST) {
		port->hangs = 0;
		if (reset_card(port) < 0) {
			abandon(port);
			return;
		}
		free_packets(port, INTEL_HANG);
	} else {
		port->app.counter[INTEL_QUEUE_RESETS]++;
		intel_port_rest(port, INTEL_HANG);
	}
	if (!port->gone)
		intel_port_begin(port);
}

/* Looks are counted, not time: a worker that was stopped for a while must not take its card for one that hangs. */
static void look_at_progress(struct intel_port *port)
{
	uint32_t head, clean = port->transmit.clean;

	if (clean == port->transmit.next || port->mbps == 0) {
		port->still = port->silent = 0;
		return;
	}
	head = port->driver->head(port);
	port->still = head != port->seen_head ? 0 : port->still + 1;
	port->seen_head = head;
	port->silent++;
	if (clean != port->seen_clean) {
		port->seen_clean = clean;
		port->still = port->silent = port->hangs = 0;
	} else if (port->still >= HANG_NS / LOOK_NS || port->silent >= SILENT_NS / LOOK_NS) {
		end_hang(port);
	}
}

/* The card is not there any more: nothing can write to its packets. */
static void vanish(struct intel_port *port)
{
	log_error("app '%s': card %s has vanished; the app stops", port->app.name, port->pci);
	free_packets(port, INTEL_GONE);
	give_up(port);
}

/* What an empty slot counts is nothing. */
static void count(struct intel_port *port)
{
	uint64_t *counter = port->app.counter, before[INTEL_LENGTH_ERRORS + 1];

	memcpy(before, counter, sizeof(before));
	port->driver->count(port);
	if (is_gone(port))
		memcpy(counter, before, sizeof(before));
	for (uint32_t i = 0; i <= INTEL_LENGTH_ERRORS; i++)
		port->app.lost_outside += counter[i] - before[i];
}

_Static_assert(INTEL_MISSED == 0 && INTEL_LENGTH_ERRORS == 3, "the counters of what the card lost are the first ones");

/* Is the queue on? Another instance may have reset the card. */
static void look_at_queue(struct intel_port *port)
{
	if (!port->runs || port->driver->is_on(port))
		return;
	log_warn("app '%s': queue %u of %s was switched off by a reset of the card; it is started again", port->app.name, port->queue,
		port->pci);
	free_packets(port, INTEL_HANG);
	intel_port_begin(port);
}

/* A queue that another instance still had, or that did not start. */
static void begin_again(struct intel_port *port)
{
	if (intel_port_begin(port))
		log_info("app '%s': queue %u of %s has started", port->app.name, port->number, port->pci);
}

/* One thing at a time, each of them every LOOK_NS: reading a register takes as long as ten packets do. */
void intel_port_watch(struct intel_port *port)
{
	enum { GONE, QUEUE, LINK, COUNT, PROGRESS, SPREAD, STEPS, SPREADS = 10 };
	uint64_t now = clock_now();
	uint32_t step;

	if (!port->runs && !port->gone && now >= port->restart_at)
		begin_again(port);
	if (port->gone || now < port->look_at)
		return;
	port->look_at = now + LOOK_NS / STEPS;
	step = port->looks++ % STEPS;
	if (step == GONE && is_gone(port))
		vanish(port);
	else if (step == QUEUE)
		look_at_queue(port);
	if (!port->runs)
		return;
	if (step == LINK)
		look_at_link(port);
	else if (step == COUNT)
		count(port);
	else if (step == PROGRESS)
		look_at_progress(port);
	else if (step == SPREAD && port->looks / STEPS % SPREADS == 0)
		port->driver->spread(port, INTEL_NONE_BY_LOWEST);       /* instances that came or went at once may have overlooked each other */
}
