#pragma once
/* config_rfc8676 -- a configuration as the standard's data model has it: module ietf-softwire-br (RFC 8676), in the JSON of RFC 7951.
 *
 *      binding-table-versioning/version, date          binding-table/version/number, date
 *      softwire-payload-mtu                            internal-interface/mtu less the 40 bytes of the outer header
 *      softwire-path-mru                               internal-interface/mru
 *      enable-hairpinning                              internal-interface/hairpinning
 *      icmpv4-errors/allow-incoming-, generate-icmpv4  external-interface/allow-incoming-icmp, generate-icmp-errors
 *      icmpv6-errors/generate-icmpv6-errors            internal-interface/generate-icmp-errors
 *      icmpv6-errors/icmpv6-rate                       internal-interface/error-rate-limiting, in two seconds
 *      binding-entry                                   softwire; one for each B4
 *
 * Devices, addresses, filters and the rest of what a machine needs to run are not in that model. */
#include "apps/lwaftr/config.h"

/* Read text in memory, which need not stay. Mistakes are the configuration's, with their path; what is read and means nothing here is
 * told in `lost`.
 *   fails: -EINVAL with nf_error(): no JSON; -ENOMEM; nothing to undo */
int config_rfc8676_parse(struct lwaftr_config *config, const char *file, const void *text, uint64_t length, uint32_t flags, struct errors *lost)
	__attribute__((warn_unused_result));

/* Can it be written at all? What would not be written is told in `lost`, what cannot be in `wrong`. gives: false when there is any of those */
bool config_rfc8676_fits(const struct lwaftr_config *config, struct errors *lost, struct errors *wrong);

/* Write it. needs: config_rfc8676_fits */
void config_rfc8676_print(FILE *out, const struct lwaftr_config *config);
