/* session -- see session.h. */
#include "program/lwaftr/session.h"

/* Packet memory as the graph wants it; this process is worker 0. */
static int make_memory(const struct graph_worker *worker)
{
	int code = memory_reserve();

	for (uint32_t size = 0; size < PACKET_SIZES && code >= 0; size++)
		if (worker->packets[size] > 0)
			code = memory_segment_add(0, (enum packet_size)size, worker->packets[size], -1);
	return code < 0 ? code : memory_worker_start(0);
}

static int make_engine(struct session *session)
{
	struct engine_plan *plan;
	int code;

	session->engine = engine_new();
	if (session->engine == NULL)
		return nf_fail(ENOMEM, "no memory for an engine");
	code = engine_plan(session->engine, &session->graph->worker[0], &plan);
	if (code < 0)
		return code;
	engine_commit(session->engine, plan);
	engine_retire(session->engine, plan);
	return 0;
}

int session_start(struct session *session, const char *program, const char *source)
{
	struct errors errors = { 0 };
	int code;

	*session = (struct session){ 0 };
	session->graph = graph_from_text(source, "lwaftr", NULL, &errors);
	for (uint32_t i = 0; i < errors.count; i++)
		fprintf(stderr, "nf %s: %s\n", program, errors.text[i]);
	errors_fini(&errors);
	if (session->graph == NULL)
		return -EINVAL;
	code = make_memory(&session->graph->worker[0]);
	resource_serve_here(session->graph->resources);
	if (code >= 0)
		code = make_engine(session);
	if (code < 0) {
		fprintf(stderr, "nf %s: %s\n", program, nf_error());
		session_free(session);
	}
	return code;
}

int session_stop(struct session *session)
{
	/* The second call: what is held is not waited for. */
	engine_stop(session->engine);
	engine_stop(session->engine);
	return engine_run(session->engine);
}

void session_free(struct session *session)
{
	engine_free(session->engine);
	resource_serve_here(NULL);
	graph_free(session->graph);
	*session = (struct session){ 0 };
}
