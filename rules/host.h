/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_HOST_H
#define EGRESS_RULES_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/policy.h"

/*
 * Hosts as policies write them (policy.md, "Names"): exact names and globs.
 */

/*
 * A host from text: a name, "*.NAME", "**.NAME", or labels with '*' in them ("api-*.example.com",
 * "s3.*.example.com", "**.s3-*.example.com"). '*' is any run of characters, also none, inside one
 * label; a whole label "*" is any one label; "**" stands only as the whole first label: one label
 * or more; "*" and "**" alone are wildcards over the root. Upper case is lowered; what isn't ASCII
 * is converted to its A-label form (IDNA 2008, UTS 46 non-transitional; libidn2), globs with it
 * only in labels without '*'. *ret_name holds `wire` and `length` of struct host. 0, or -EINVAL
 * with *ret_problem, to be put after the quoted string.
 */
int host_from_text(struct text text, enum host_kind *ret_kind, struct name *ret_name,
	const char **ret_problem);

/* A name that an entry can have, from text: as name_from_text(), but for one that ends in a number,
 * which is -EINVAL. */
int host_name_from_text(struct text text, struct name *ret_name);

/* Whether the text, which is no host, is an IPv4 address to programs that use inet_aton(3), but not
 * in the one form that a policy has it in: "0x7f000001", "127.1", "2130706433", "0177.0.0.1". */
bool host_meant_address(struct text text, struct inaddr *ret_address);

/* The host as a policy would write it, into `out` (NAME_TEXT bytes); returns `out`. */
const char *host_to_text(enum host_kind kind, const uint8_t *wire, uint8_t length, char *out);

/* Whether the host matches the name. A label costs at most its length times its pattern's. */
bool host_matches(
	enum host_kind kind, const uint8_t *wire, uint8_t length, const struct name *name);

/*
 * How specific a host is: a greater number beats a smaller one; HOST_EXACT is greater than any
 * glob; then more labels without '*', then more characters but '*' and dots. `*` and `**` for a
 * whole first label are equal.
 */
uint32_t host_specificity(enum host_kind kind, const uint8_t *wire, uint8_t length);

/* Whether some name may match both. Never false when one does; may be true when none does, if both
 * are globs. */
bool host_overlaps(const struct host *a, const struct host *b);

/* The part of a wildcard's name behind its last label with a '*': "example.com" of
 * "s3.*.example.com", the root for "foo-*" and "*"; all of an exact name. */
struct name host_suffix(enum host_kind kind, const uint8_t *wire, uint8_t length);

#endif
