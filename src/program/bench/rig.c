/* rig -- see rig.h. */
#include "program/bench/rig.h"

static struct engine *engine;
static struct graph *graph;

int rig_memory(const uint32_t packets[PACKET_SIZES])
{
	int code = memory_reserve();

	for (uint32_t size = 0; size < PACKET_SIZES && code >= 0; size++)
		if (packets[size] > 0)
			code = memory_segment_add(0, (enum packet_size)size, packets[size], -1);
	return code < 0 ? code : memory_worker_start(0);
}

struct packet *rig_packet(uint32_t length)
{
	struct packet *p = packet_alloc_length(length);

	for (uint32_t i = 0; p != NULL && i < length; i++)
		p->data[i] = (uint8_t)i;
	return p;
}

int rig_graph(const char *source)
{
	struct errors errors = { 0 };
	int code;

	graph = graph_from_text(source, "bench", NULL, &errors);
	if (graph == NULL) {
		code = nf_fail(EINVAL, "%s", errors.count > 0 ? errors.text[0] : "a graph without a reason");
		errors_fini(&errors);
		return code;
	}
	code = rig_memory(graph->worker[0].packets);
	resource_serve_here(graph->resources);
	return code < 0 ? code : rig_engine_new();
}

int rig_engine_end(void)
{
	int code = 0;

	if (engine == NULL)
		return 0;
	if (engine_state(engine) != ENGINE_ENDED) {
		engine_stop(engine);
		code = engine_run(engine);
	}
	engine_free(engine);
	engine = NULL;
	return code;
}

int rig_engine_new(void)
{
	struct engine_plan *plan;
	int code = rig_engine_end();

	if (code < 0)
		return code;
	engine = engine_new();
	if (engine == NULL)
		return nf_fail(ENOMEM, "no memory for an engine");
	code = engine_plan(engine, &graph->worker[0], &plan);
	if (code < 0)
		return code;
	engine_commit(engine, plan);
	engine_retire(engine, plan);
	return 0;
}

struct engine *rig_engine(void)
{
	return engine;
}

/* What an app has taken out of the graph. */
static uint64_t taken(const struct app *app)
{
	return app->consumed + app->sent;
}

int rig_breathe(const char *sink, uint64_t *packets)
{
	const struct app *app = engine_app_find(engine, sink);
	uint64_t first = taken(app), end = first + *packets, last = first, since = 0;

	while (taken(app) < end) {
		/* Many breaths between two looks at progress: a breath is all that is measured. */
		for (uint32_t i = 0; i < 256 && taken(app) < end; i++)
			engine_breathe(engine);
		if (taken(app) != last) {
			last = taken(app);
			since = 0;
		} else if (since == 0) {
			since = clock_system_ns();
		} else if (clock_system_ns() - since > 1000000000) {
			return nf_fail(EPIPE, "nothing arrives at app '%s'", sink);
		}
	}
	*packets = taken(app) - first;
	return 0;
}
