/* apps -- the one table of native app classes: a new app is one line in each list. */
#include "apps/apps.h"

/* The list ends with an empty line, so that adding an app is a change of one line. */
#define CLASSES(X) \
	X(basic_delay) \
	X(basic_drop) \
	X(basic_join) \
	X(basic_match) \
	X(basic_policer) \
	X(basic_repeater) \
	X(basic_sample) \
	X(basic_shaper) \
	X(basic_sink) \
	X(basic_source) \
	X(basic_split) \
	X(basic_tee) \
	X(basic_truncate) \
	X(filter_classify) \
	X(filter_conntrack) \
	X(filter_pcap) \
	X(intel_e1000e) \
	X(intel_igb) \
	X(intel_ixgbe) \
	X(ip_arp) \
	X(ip_echo4) \
	X(ip_echo6) \
	X(ip_fragment4) \
	X(ip_fragment6) \
	X(ip_ndp) \
	X(ip_reassemble4) \
	X(ip_reassemble6) \
	X(lwaftr_b4) \
	X(lwaftr_lwaftr) \
	X(lwaftr_stick) \
	X(pcap_reader) \
	X(pcap_replay) \
	X(pcap_writer) \
	X(socket_raw) \
	X(tap_tap) \
	X(vlan_mux) \
	X(vlan_tag) \
	X(vlan_untag) \
	X(xdp_xdp) \

#define DECLARE(class) extern const struct app_class class##_class;
CLASSES(DECLARE)

#define LIST(class) &class##_class,
const struct app_class *const apps_table[] = { CLASSES(LIST) NULL };
