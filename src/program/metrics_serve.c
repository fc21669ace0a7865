/* metrics_serve -- what is answered to whom. See metrics.h. */
#include "program/measure.h"
#include "program/metrics.h"
#include "program/prometheus.h"
#include "program/stats.h"

#include "core/script.h"

#include <jansson.h>
#include <microhttpd.h>

/* What a stranger can take: connections in all and from one address, memory of each, seconds without a word. */
enum { CONNECTIONS = 64, CONNECTIONS_EACH = 32, CONNECTION_BYTES = 16384, SILENT_S = 10 };

static const char page_policy[] = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/* A resource: made from a reading, as malloc'ed text. NULL: it cannot be made. */
struct resource_page {
	const char *path, *type;
	char *(*make)(const struct reading *reading);
};

static char *make_metrics(const struct reading *reading)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (out == NULL)
		return NULL;
	prometheus_write(reading, UINT32_MAX, out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static char *make_stats(const struct reading *reading)
{
	return stats_json(reading, reading, UINT32_MAX);
}

/* The ends of a link as the page needs them; NULL when its name is none of a link. */
static json_t *link_object(const char *name)
{
	char from[STATS_OWNER], to[STATS_OWNER];

	if (!measure_link_apps(name, from, to))
		return NULL;
	return json_pack("{s:s, s:s, s:s}", "name", name, "from", from, "to", to);
}

static json_t *worker_graph(const struct reading_worker *worker)
{
	json_t *apps = json_array(), *links = json_array();

	for (uint32_t i = 0; i < worker->count; i++) {
		if (reading_is_first(worker, i, STATS_APP))
			json_array_append_new(apps, json_string(worker->entry[i].owner));
		if (reading_is_first(worker, i, STATS_LINK))
			json_array_append_new(links, link_object(worker->entry[i].owner));
	}
	return json_pack("{s:o, s:o}", "apps", apps, "links", links);
}

static char *make_graph(const struct reading *reading)
{
	json_t *workers = json_array(), *object;
	char *text;

	for (uint32_t w = 0; w < reading->workers; w++)
		json_array_append_new(workers, worker_graph(&reading->worker[w]));
	object = json_pack("{s:s, s:I, s:I, s:o}", "name", reading->name, "generation", (json_int_t)reading->header.generation, "started_ns",
		(json_int_t)reading->header.started_ns, "workers", workers);
	text = object != NULL ? json_dumps(object, 0) : NULL;
	json_decref(object);
	return text;
}

static char *make_page(const struct reading *reading)
{
	const struct script_source *page = script_source_find("program/metrics.html");

	(void)reading;
	return page != NULL ? strndup(page->text, page->length) : NULL;
}

static const struct resource_page pages[] = {
	{ "/", "text/html; charset=utf-8", make_page },
	{ "/graph.json", "application/json", make_graph },
	{ "/metrics", "text/plain; version=0.0.4; charset=utf-8", make_metrics },
	{ "/stats.json", "application/json", make_stats },
	{ NULL, NULL, NULL },
};

/* Answer with text that malloc gave. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned int status, const char *type, char *text)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	if (text == NULL)
		return MHD_NO;
	response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type", type);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Content-Security-Policy", page_policy);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned int status, const char *why)
{
	return answer(connection, status, "text/plain; charset=utf-8", strdup(why));
}

/* Called once when the head of a request has come, again when all of it has. What a request brings with it is not read: a
 * connection on which something comes that nobody asked for is answered at once, and closed. */
static enum MHD_Result on_request(void *name, struct MHD_Connection *connection, const char *url, const char *method,
	const char *version, const char *data, size_t *size, void **seen)
{
	const struct resource_page *page = pages;
	struct reading reading;
	char *text;

	(void)version;
	(void)data;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return *size > 0 ? MHD_NO : refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "nf answers GET and HEAD alone\n");
	if (*size > 0)
		return MHD_NO;
	if (*seen == NULL) {
		*seen = connection;
		return MHD_YES;
	}
	while (page->path != NULL && strcmp(page->path, url) != 0)
		page++;
	if (page->path == NULL)
		return refuse(connection, MHD_HTTP_NOT_FOUND, "there are /, /metrics, /graph.json and /stats.json\n");
	if (reading_init(&reading, name) < 0)
		return refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "there are no statistics at present\n");
	text = page->make(&reading);
	reading_fini(&reading);
	if (text == NULL)
		return refuse(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "not enough memory\n");
	return answer(connection, MHD_HTTP_OK, page->type, text);
}

int metrics_serve(int listener, const char *name)
{
	struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, (void *)(uintptr_t)name,
		MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_EACH,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)SILENT_S, MHD_OPTION_END);

	if (daemon == NULL)
		return nf_fail(EIO, "the HTTP server could not be started");
	while (MHD_run_wait(daemon, -1) == MHD_YES)
		;
	MHD_stop_daemon(daemon);
	return nf_fail(EIO, "the HTTP server has ended");
}
