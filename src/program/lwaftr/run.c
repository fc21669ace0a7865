/* run -- `nf lwaftr run`: the graph of an lwAFTR between real ports, run as `nf run` runs a graph. A reload reads the configuration
 * again and makes the graph anew; of the apps, only what differs changes. */
#include "apps/intel/intel_device.h"
#include "program/lwaftr/lwaftr.h"
#include "program/lwaftr/plan.h"
#include "program/run.h"

#include <ctype.h>
#include <net/if.h>

/* What the command line says. */
struct request {
	char *conf;                     /* absolute */
	const char *v4, *v6, *stick;    /* PORTs; the first two, or the last one, or none: those of the file */
	const char *device;             /* NULL: the only instance */
	int queue;                      /* -1: the only one */
	struct plan_ends wishes;        /* what plan_options found */
};

/* "tap:", "raw:", "xdp:" and "pci:" with what follows; NULL: another text. */
static const char *after(const char *port, const char *kind)
{
	return strncmp(port, kind, strlen(kind)) == 0 ? port + strlen(kind) : NULL;
}

/* "NAME" or "NAME@NAMESPACE" */
static bool print_interface(FILE *out, const char *class, const char *key, const char *text, const char *more)
{
	char name[IFNAMSIZ] = "";
	size_t length = strcspn(text, "@");

	if (length == 0 || length >= sizeof(name) || (text[length] == '@' && text[length + 1] == '\0'))
		return nf_fail(EINVAL, "'%s' is no name of an interface", text) == 0;
	memcpy(name, text, length);
	fprintf(out, "{ \"%s\", %s = ", class, key);
	plan_quote(out, name);
	if (text[length] == '@') {
		fputs(", namespace = ", out);
		plan_quote(out, text + length + 1);
	}
	fprintf(out, "%s }", more);
	return true;
}

/* "IFACE" or "IFACE/QUEUE" */
static bool print_xdp(FILE *out, const char *text)
{
	const char *slash = strchr(text, '/');
	char name[IFNAMSIZ] = "", queue[32] = "";
	unsigned long number;
	char *end;

	if (slash == NULL)
		return print_interface(out, "xdp.xdp", "interface", text, "");
	number = strtoul(slash + 1, &end, 10);
	if (!isdigit((unsigned char)slash[1]) || *end != '\0' || number > 1023)
		return nf_fail(EINVAL, "'%s' is no queue; accepted: 0 to 1023", slash + 1) == 0;
	if ((size_t)(slash - text) >= sizeof(name))
		return print_interface(out, "", "", text, "");
	memcpy(name, text, (size_t)(slash - text));
	snprintf(queue, sizeof(queue), ", queue = %lu", number);
	return print_interface(out, "xdp.xdp", "interface", name, queue);
}

static bool print_card(FILE *out, const char *address)
{
	const struct intel_device *row;
	struct pci_device device;

	if (pci_find(address, &device) < 0)
		return false;
	row = intel_device(device.vendor, device.device);
	if (row == NULL)
		return nf_fail(ENODEV, "no app drives the card %s: see nf pci", address) == 0;
	fprintf(out, "{ \"%s\", pci = ", row->app);
	plan_quote(out, address);
	fputs(" }", out);
	return true;
}

/* An app for a PORT. fails: false with nf_error() */
static bool print_port(FILE *out, const char *port)
{
	const char *rest;

	/* The relay and its neighbours want whole packets, so the kernel must not leave them to be segmented. */
	if ((rest = after(port, "tap:")) != NULL)
		return print_interface(out, "tap.tap", "name", rest, ", gso = false");
	if ((rest = after(port, "raw:")) != NULL)
		return print_interface(out, "socket.raw", "interface", rest, ", gso = false");
	if ((rest = after(port, "xdp:")) != NULL)
		return print_xdp(out, rest);
	if ((rest = after(port, "pci:")) != NULL)
		return print_card(out, rest);
	return nf_fail(EINVAL, "'%s' is no port; accepted: tap:NAME, raw:IFACE, xdp:IFACE[/QUEUE], pci:ADDRESS", port) == 0;
}

enum { PORT_BYTES = 64 };

/* "0000:01:00.0", or without its first part. */
static bool is_address(const char *text)
{
	unsigned part[4];
	int length = 0;

	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &part[0], &part[1], &part[2], &part[3], &length) == 4 && text[length] == '\0')
		return true;
	length = 0;
	return sscanf(text, "%2x:%2x.%1x%n", &part[0], &part[1], &part[2], &length) == 3 && text[length] == '\0';
}

/* The PORT that a device of the file means: one that is written as a PORT, a card, or an interface of the kernel. */
static bool device_port(const struct lwaftr_instance *instance, const char *device, char port[PORT_BYTES])
{
	bool fits = strlen(device) < PORT_BYTES - strlen("pci:0000:");

	if (fits && (after(device, "tap:") || after(device, "raw:") || after(device, "xdp:") || after(device, "pci:")))
		snprintf(port, PORT_BYTES, "%s", device);
	else if (fits && is_address(device))
		snprintf(port, PORT_BYTES, "pci:%s%s", strchr(device, ':') == strrchr(device, ':') ? "0000:" : "", device);
	else if (fits && if_nametoindex(device) != 0)
		snprintf(port, PORT_BYTES, "raw:%s", device);
	else
		return nf_fail(EINVAL, "instance '%s': its device '%s' is no card's address, no interface of this kernel, and not of the form tap:NAME, "
			"raw:IFACE, xdp:IFACE[/QUEUE] or pci:ADDRESS; give --v4 and --v6, or --on-a-stick", instance->device, device) == 0;
	return true;
}

/* Without options, the file says where the sides are. The strings are the caller's. */
static bool name_ports(struct request *request, const struct lwaftr_instance *instance, char port[2][PORT_BYTES])
{
	if (request->v4 != NULL || request->v6 != NULL || request->stick != NULL)
		return true;
	if (!device_port(instance, instance->device, port[0]))
		return false;
	if (instance->external_device == NULL) {
		request->stick = port[0];
		return true;
	}
	request->v6 = port[0];
	request->v4 = port[1];
	return device_port(instance, instance->external_device, port[1]);
}

/* The apps at the ends, and which of their ports the graph has. NULL with nf_error(). */
static char *print_ends(const struct request *request, struct plan_ends *ends)
{
	char *text = NULL;
	bool good = true;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	if (request->stick != NULL) {
		*ends = (struct plan_ends){ .in4 = "divide.v4", .in6 = "divide.v6", .out4 = "unite.v4", .out6 = "unite.v6",
			.links = "    \"wire.output -> divide.input\", \"unite.output -> wire.input\",\n" };
		fputs("    divide = { \"lwaftr.stick\" }, unite = { \"basic.join\" },\n    wire = ", out);
		good = print_port(out, request->stick);
	} else {
		*ends = (struct plan_ends){ .in4 = "port4.output", .in6 = "port6.output", .out4 = "port4.input", .out6 = "port6.input" };
		fputs("    port4 = ", out);
		good = print_port(out, request->v4);
		fputs(",\n    port6 = ", out);
		good = good && print_port(out, request->v6);
	}
	fputs(",\n", out);
	if (fclose(out) == 0 && good)
		return text;
	free(text);
	return NULL;
}

static struct graph *from_source(char *source, const char *conf, struct errors *errors)
{
	struct graph *graph = source != NULL ? graph_from_text(source, "lwaftr", NULL, errors) : NULL;

	if (source == NULL)
		errors_add(errors, "no memory for a graph");
	if (graph != NULL)
		graph->file = arena_copy(&graph->arena, conf, strlen(conf));
	free(source);
	return graph;
}

static struct graph *from_config(const struct request *request, const struct lwaftr_config *config, struct errors *errors)
{
	const struct lwaftr_instance *instance;
	const struct lwaftr_queue *queue;
	struct request named = *request;
	struct graph *graph = NULL;
	struct plan_ends ends;
	char *apps = NULL, port[2][PORT_BYTES];

	if (lwaftr_config_select(config, request->device, request->queue, &instance, &queue) && name_ports(&named, instance, port))
		apps = print_ends(&named, &ends);
	if (apps == NULL) {
		errors_add(errors, "%s", nf_error());
		return NULL;
	}
	ends.apps = apps;
	ends.proxy_arp = request->wishes.proxy_arp;
	ends.set = request->wishes.set;
	graph = from_source(plan_graph(config, instance, queue, request->conf, &ends), request->conf, errors);
	free(apps);
	return graph;
}

/* The graph of the configuration as it is now. */
static struct graph *make(void *context, struct errors *errors)
{
	const struct request *request = context;
	struct lwaftr_config config;
	struct graph *graph = NULL;

	if (lwaftr_config_load(&config, request->conf, -1, LWAFTR_WITHOUT_SOFTWIRES) < 0) {
		errors_add(errors, "%s", nf_error());
		return NULL;
	}
	if (lwaftr_config_mistakes(&config, errors))
		graph = from_config(request, &config, errors);
	lwaftr_config_fini(&config);
	return graph;
}

/* gives: OPTIONS_GO, or an exit code after a message */
static int read_request(const struct options *options, struct request *request)
{
	const char *conf = options_value(options, "--conf");
	uint64_t queue = 0;

	*request = (struct request){ .v4 = options_value(options, "--v4"), .v6 = options_value(options, "--v6"), .queue = -1,
		.stick = options_value(options, "--on-a-stick"), .device = options_value(options, "--device") };
	if (conf == NULL)
		return options_wrong(options->program, "option '--conf' is missing: which configuration?");
	if (!options_number(options, "--queue", 0, 255, &queue))
		return EXIT_USAGE;
	if (options_has(options, "--queue"))
		request->queue = (int)queue;
	if (request->stick != NULL ? request->v4 != NULL || request->v6 != NULL : (request->v4 == NULL) != (request->v6 == NULL))
		return options_wrong(options->program, "it needs --v4 and --v6, or --on-a-stick alone, or none of them: then the file says where");
	if (!plan_options(options, &request->wishes))
		return options_wrong(options->program, "%s", nf_error());
	request->conf = realpath(conf, NULL);
	if (request->conf != NULL)
		return OPTIONS_GO;
	fprintf(stderr, "nf %s: %s: %s\n", options->program->name, conf, strerror(errno));
	return EXIT_FAILED;
}

int program_lwaftr_run(int argc, char **argv)
{
	struct options options;
	struct request request;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO || (code = read_request(&options, &request)) != OPTIONS_GO)
		return code;
	code = run_graph(&options, request.conf, make, &request);
	free(request.conf);
	return code;
}
