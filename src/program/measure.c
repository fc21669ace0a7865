/* measure -- see measure.h. */
#include "program/measure.h"
#include "program/stats.h"

enum { NONE = UINT32_MAX };

/* A worker in both readings: where each of its present entries stood before. */
struct pair {
	const struct reading_worker *before, *now;      /* before NULL: the worker is new */
	uint32_t number;
	uint32_t *earlier;              /* for each entry now; NONE: it was not there. NULL: at the same place */
	double seconds;
};

static bool same_layout(const struct reading_worker *a, const struct reading_worker *b)
{
	return a->count == b->count && memcmp(a->entry, b->entry, a->count * sizeof(*a->entry)) == 0;
}

/* The entries from `first` on that belong to the same app or link: gives the first behind them. */
static uint32_t owner_end(const struct reading_worker *worker, uint32_t first)
{
	const struct stats_entry *entry = worker->entry;
	uint32_t i = first;

	while (i < worker->count && (entry[i].kind == STATS_ENGINE) == (entry[first].kind == STATS_ENGINE) &&
		(entry[i].kind == STATS_LINK) == (entry[first].kind == STATS_LINK) && strcmp(entry[i].owner, entry[first].owner) == 0)
		i++;
	return i;
}

static bool same_entry(const struct stats_entry *a, const struct stats_entry *b)
{
	return a->kind == b->kind && strcmp(a->name, b->name) == 0;
}

/* The entries of the same owner in the other reading; gives the first, NONE when there is none. */
static uint32_t find_owner(const struct reading_worker *worker, const struct stats_entry *wanted)
{
	uint32_t i = 0;

	while (i < worker->count && (worker->entry[i].kind != wanted->kind || strcmp(worker->entry[i].owner, wanted->owner) != 0))
		i = owner_end(worker, i);
	return i < worker->count ? i : NONE;
}

/* A reload has changed the entries: find each one again by its names. */
static void match(struct pair *pair)
{
	for (uint32_t first = 0, end; first < pair->now->count; first = end) {
		uint32_t old = find_owner(pair->before, &pair->now->entry[first]), old_end;

		end = owner_end(pair->now, first);
		old_end = old != NONE ? owner_end(pair->before, old) : 0;
		for (uint32_t i = first; i < end; i++) {
			pair->earlier[i] = NONE;
			for (uint32_t j = old; j < old_end && pair->earlier[i] == NONE; j++)
				if (same_entry(&pair->now->entry[i], &pair->before->entry[j]))
					pair->earlier[i] = j;
		}
	}
}

static bool pair_init(struct pair *pair, const struct reading *before, const struct reading *now, uint32_t number)
{
	*pair = (struct pair){ .now = &now->worker[number], .number = number };
	if (number >= before->workers || before->worker[number].snapshot_ns >= pair->now->snapshot_ns)
		return true;
	pair->before = &before->worker[number];
	pair->seconds = (double)(pair->now->snapshot_ns - pair->before->snapshot_ns) / 1e9;
	if (same_layout(pair->before, pair->now))
		return true;
	pair->earlier = calloc(pair->now->count + 1, sizeof(*pair->earlier));
	if (pair->earlier != NULL)
		match(pair);
	return pair->earlier != NULL;
}

/* How far entry i went on; 0 when it was not there, or began again. */
static uint64_t step(const struct pair *pair, uint32_t i)
{
	uint32_t old = i;

	if (pair->before == NULL || i >= pair->now->count)
		return 0;
	if (pair->earlier != NULL)
		old = pair->earlier[i];
	if (old == NONE || pair->now->value[i] < pair->before->value[old])
		return 0;
	return pair->now->value[i] - pair->before->value[old];
}

static double rate(const struct pair *pair, uint32_t i)
{
	return pair->seconds > 0 ? (double)step(pair, i) / pair->seconds : 0;
}

/* The entry of that kind and name of the owner whose first entry this is; count (a zero) when there is none. */
static uint32_t entry_of(const struct reading_worker *worker, uint32_t first, const char *name)
{
	uint32_t kind = worker->entry[first].kind, end = owner_end(worker, first);

	for (uint32_t i = first; i < end; i++)
		if (worker->entry[i].kind == kind && strcmp(worker->entry[i].name, name) == 0)
			return i;
	return worker->count;
}

static double value_of(const struct pair *pair, uint32_t first, const char *name)
{
	return (double)pair->now->value[entry_of(pair->now, first, name)];
}

static double rate_of(const struct pair *pair, uint32_t first, const char *name)
{
	return rate(pair, entry_of(pair->now, first, name));
}

static void add_count(struct measure *m, const struct pair *pair, uint32_t i, const char *what, const char *kind)
{
	if (pair->now->value[i] > 0)
		m->count[m->count_count++] = (struct measure_count){ .name = pair->now->entry[i].owner, .worker = pair->number,
			.what = what, .kind = kind, .rate = pair->now->entry[i].kind == STATS_GAUGE ? 0 : rate(pair, i),
			.total = (double)pair->now->value[i] };
}

static void add_app(struct measure *m, const struct pair *pair, uint32_t first, double hz)
{
	const struct reading_worker *now = pair->now;
	struct measure_app *app = &m->app[m->app_count++];
	double cycles = rate_of(pair, first, "cycles"), most = 0;
	uint32_t end = owner_end(now, first);

	*app = (struct measure_app){ .name = now->entry[first].owner, .worker = pair->number, .entry = first,
		.packets = rate_of(pair, first, "packets"), .drops = rate_of(pair, first, "dropped"),
		.total = value_of(pair, first, "packets"), .dropped = value_of(pair, first, "dropped"),
		.held = value_of(pair, first, "held"), .lost = value_of(pair, first, "lost-outside"),
		.down = value_of(pair, first, "down") > 0 };
	app->share = hz > 0 ? cycles / hz : 0;
	app->cycles = app->packets > 0 ? cycles / app->packets : 0;
	app->ns = hz > 0 ? app->cycles / hz * 1e9 : 0;
	for (uint32_t i = first; i < end; i++) {
		if (now->entry[i].kind == STATS_REASON && rate(pair, i) > most) {
			most = rate(pair, i);
			app->reason = now->entry[i].name;
		}
		if (now->entry[i].kind != STATS_APP)
			add_count(m, pair, i, now->entry[i].name, now->entry[i].kind == STATS_REASON ? "dropped" :
				now->entry[i].kind == STATS_GAUGE ? "gauge" : "counter");
	}
}

static void add_link(struct measure *m, const struct pair *pair, uint32_t first)
{
	struct measure_link *link = &m->link[m->link_count++];
	double sent = value_of(pair, first, "sent"), received = value_of(pair, first, "received");
	uint32_t dropped = entry_of(pair->now, first, "dropped");

	*link = (struct measure_link){ .name = pair->now->entry[first].owner, .worker = pair->number,
		.packets = rate_of(pair, first, "sent"), .bits = rate_of(pair, first, "bytes") * 8, .drops = rate(pair, dropped),
		.waiting = sent > received ? sent - received : 0, .p50 = value_of(pair, first, "residence-p50"),
		.p99 = value_of(pair, first, "residence-p99"), .total = sent, .bytes = value_of(pair, first, "bytes"),
		.dropped = (double)pair->now->value[dropped] };
	if (dropped < pair->now->count)
		add_count(m, pair, dropped, "link-full", "dropped");
}

/* "app.port", of `length` bytes; the end of a link between workers is an app "w2:app.port" without a port. */
static bool app_of_port(const char *port, size_t length, char app[STATS_OWNER])
{
	const char *dot = memchr(port, ':', length) != NULL ? port + length : memrchr(port, '.', length);

	if (dot == NULL || (size_t)(dot - port) >= STATS_OWNER)
		return false;
	snprintf(app, STATS_OWNER, "%.*s", (int)(dot - port), port);
	return true;
}

bool measure_link_apps(const char *link, char from[STATS_OWNER], char to[STATS_OWNER])
{
	const char *arrow = strstr(link, " -> ");

	return arrow != NULL && app_of_port(link, (size_t)(arrow - link), from) && app_of_port(arrow + 4, strlen(arrow + 4), to);
}

static bool is_device(const struct pair *pair, uint32_t first)
{
	return value_of(pair, first, "received") > 0;
}

/* Apps count packets, links also bytes: an app's bits are those of its inputs; what has none, of its outputs. */
static void add_bits(struct measure *m, const struct pair *pair, uint32_t first_app, uint32_t first_link)
{
	char from[STATS_OWNER], to[STATS_OWNER];

	for (uint32_t a = first_app; a < m->app_count; a++) {
		struct measure_app *app = &m->app[a];
		double in = 0, out = 0;
		bool has_input = false;

		for (uint32_t l = first_link; l < m->link_count; l++) {
			if (!measure_link_apps(m->link[l].name, from, to))
				continue;
			if (strcmp(to, app->name) == 0) {
				has_input = true;
				in += m->link[l].bits;
			}
			if (strcmp(from, app->name) == 0)
				out += m->link[l].bits;
		}
		/* A device is two ends: what it sends comes over its inputs, what it receives leaves by its outputs. */
		app->bits = !has_input ? out : is_device(pair, app->entry) ? in + out : in;
	}
}

static void add_breath(struct measure_worker *w, const struct pair *pair, uint32_t engine)
{
	uint64_t bucket[STATS_BUCKETS] = { 0 };
	uint32_t i = entry_of(pair->now, engine, "breath_ns.0");

	for (uint32_t b = 0; b < STATS_BUCKETS && i + b < pair->now->count; b++) {
		bucket[b] = step(pair, i + b);
		if (bucket[b] > 0)
			w->most = (double)stats_bucket_low(b + 1);
	}
	w->p50 = (double)stats_percentile(bucket, 0.5);
	w->p99 = (double)stats_percentile(bucket, 0.99);
}

static void add_worker(struct measure *m, const struct pair *pair, const struct reading *now)
{
	struct measure_worker *w = &m->worker[m->worker_count++];
	struct ledger ledger;

	reading_ledger(now, pair->number, &ledger);
	*w = (struct measure_worker){ .name = stats_state_names[pair->now->state], .worker = pair->number,
		.pid = now->header.worker_pid[pair->number], .torn = pair->now->torn,
		.queued = (double)(ledger.on_links + ledger.held), .balanced = ledger_flow_balances(&ledger) && (now->workers > 1 || ledger_memory_balances(&ledger)) };
	for (uint32_t i = 0; i < pair->now->count; i++) {
		const struct stats_entry *entry = &pair->now->entry[i];

		if (entry->kind == STATS_APP && (strcmp(entry->name, "received") == 0 || strcmp(entry->name, "created") == 0))
			w->packets += rate(pair, i);
		if (entry->kind == STATS_ENGINE && strcmp(entry->name, "breaths") == 0) {
			w->breaths = rate(pair, i);
			w->sleeps = rate_of(pair, i, "sleeps");
			add_breath(w, pair, i);
		}
	}
}

static void measure_worker(struct measure *m, const struct pair *pair, const struct reading *now)
{
	uint32_t first_app = m->app_count, first_link = m->link_count;
	struct measure_worker *worker;

	for (uint32_t i = 0; i < pair->now->count; i++) {
		if (reading_is_first(pair->now, i, STATS_APP))
			add_app(m, pair, i, now->header.clock_hz);
		if (reading_is_first(pair->now, i, STATS_LINK))
			add_link(m, pair, i);
	}
	add_bits(m, pair, first_app, first_link);
	add_worker(m, pair, now);
	worker = &m->worker[m->worker_count - 1];
	for (uint32_t i = first_app; i < m->app_count; i++) {
		worker->share += m->app[i].share;
		worker->drops += m->app[i].drops;
	}
	for (uint32_t i = first_link; i < m->link_count; i++)
		worker->drops += m->link[i].drops;
}

/* Room for the most that there may be: one of each per entry that can begin one. */
static bool reserve(struct measure *m, const struct reading *now)
{
	uint32_t apps = 0, links = 0, counts = 0;

	for (uint32_t w = 0; w < now->workers; w++)
		for (uint32_t i = 0; i < now->worker[w].count; i++) {
			apps += reading_is_first(&now->worker[w], i, STATS_APP);
			links += reading_is_first(&now->worker[w], i, STATS_LINK);
			counts += now->worker[w].entry[i].kind != STATS_ENGINE;
		}
	m->app = calloc(apps + 1, sizeof(*m->app));
	m->link = calloc(links + 1, sizeof(*m->link));
	m->count = calloc(counts + 1, sizeof(*m->count));
	m->worker = calloc(now->workers + 1, sizeof(*m->worker));
	return m->app != NULL && m->link != NULL && m->count != NULL && m->worker != NULL;
}

int measure_init(struct measure *m, const struct reading *before, const struct reading *now)
{
	struct pair pair;
	bool done;

	*m = (struct measure){ .seconds = now->time_ns > before->time_ns ? (double)(now->time_ns - before->time_ns) / 1e9 : 0 };
	done = reserve(m, now);
	for (uint32_t w = 0; w < now->workers && done; w++) {
		done = pair_init(&pair, before, now, w);
		if (done)
			measure_worker(m, &pair, now);
		free(pair.earlier);
	}
	if (done)
		return 0;
	measure_fini(m);
	return nf_fail(ENOMEM, "not enough memory to compare two readings");
}

void measure_fini(struct measure *m)
{
	free(m->app);
	free(m->link);
	free(m->count);
	free(m->worker);
	*m = (struct measure){ 0 };
}
