/* plan_options -- the options of a graph of an lwAFTR. See plan.h. */
#include "program/lwaftr/plan.h"
#include "program/options.h"

#include <ctype.h>

/* KEY is a name, and VALUE is not empty. */
static bool is_set(const char *set)
{
	while (*set != '\0') {
		size_t key = strspn(set, "abcdefghijklmnopqrstuvwxyz_0123456789"), length;

		if (key == 0 || isdigit((unsigned char)*set) || set[key] != '=')
			return false;
		length = strcspn(set + key + 1, ",");
		if (length == 0)
			return false;
		set += key + 1 + length;
		if (*set == ',' && *++set == '\0')
			return false;
	}
	return true;
}

bool plan_options(const struct options *options, struct plan_ends *ends)
{
	ends->proxy_arp = options_has(options, "--proxy-arp");
	ends->set = options_value(options, "--set");
	if (ends->set == NULL || is_set(ends->set))
		return true;
	return nf_fail(EINVAL, "option '--set': '%s' is not of the form KEY=VALUE,KEY=VALUE", ends->set) == 0;
}
