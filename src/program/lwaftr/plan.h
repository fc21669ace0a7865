#pragma once
/* plan -- the graph of an lwAFTR as the Lua source of a configuration:
 *
 *      v4 in : [vlan.untag] ip.reassemble4 [filter.pcap] ip.echo4 ip.arp lwaftr.lwaftr
 *      v4 out: lwaftr.lwaftr ip.arp ip.echo4 [filter.pcap] ip.fragment4 [vlan.tag]
 *      v6 in : [vlan.untag] ip.reassemble6 [filter.pcap] ip.echo6 ip.ndp lwaftr.lwaftr
 *      v6 out: lwaftr.lwaftr ip.ndp ip.echo6 [filter.pcap] ip.fragment6 [vlan.tag]
 *
 * What stands in brackets is there when the configuration asks for it. */
#include "apps/lwaftr/config.h"

/* What is around it. */
struct plan_ends {
	const char *apps;               /* Lua: further apps, "name = { ... }, ..." */
	const char *in4, *in6;          /* ports where frames come from: "wire.output" */
	const char *out4, *out6;        /* and where they go */
	const char *links;              /* Lua: further links; NULL: none */
	bool on_a_stick;                /* in4 and in6 come together and are divided by what they carry; so are out4 and out6 */
	bool proxy_arp;                 /* answer ARP for served addresses */
	const char *set;                /* further parameters of lwaftr.lwaftr, "KEY=VALUE,..."; NULL: none */
	bool fixed;                     /* nothing depends on time or chance: identifications count, no announcements */
};

/* Make the source. file: the configuration's, absolute or as the graph's reader finds it.
 *   gives: a malloc'ed string; NULL when memory is short */
char *plan_graph(const struct lwaftr_config *config, const struct lwaftr_instance *instance, const struct lwaftr_queue *queue,
	const char *file, const struct plan_ends *ends);

/* The two that the command line may ask for: --proxy-arp and --set. gives: false with nf_error() when --set has another form */
struct options;
bool plan_options(const struct options *options, struct plan_ends *ends);

/* Print text as a Lua string. */
void plan_quote(FILE *out, const char *text);
