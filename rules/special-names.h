/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_SPECIAL_NAMES_H
#define EGRESS_RULES_SPECIAL_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/policy.h"
#include "src/base/inaddr.h"
#include "src/base/name.h"

/* Names that the resolver answers itself, whatever the policy permits, and asks nobody about (RFC
 * 6761 and others). */

/* The rule id that their answers are explained with. */
#define SPECIAL_RULE "special-name"

enum { SPECIAL_ADDRESSES_MAX = 3 };

enum special_kind {
	SPECIAL_FIXED,    /* always the same */
	SPECIAL_REVERSE4, /* addresses in reverse: names that they are known by */
	SPECIAL_REVERSE6,
};

struct special {
	const char *wire; /* in wire form; the NUL at its end is the root's label */
	uint8_t size;
	enum special_kind kind;
	bool yields;       /* to a policy that names it, or a name below it */
	bool denied;       /* NXDOMAIN at the name itself; else no data */
	bool denied_below; /* the same below it */
	uint8_t depth;     /* labels below it down to which `ip4` and `ip6` are answered */
	const char *ip4[2];
	const char *ip6;
	const char *what; /* for people, with where it is laid down */
};

/* The row of the table that a name falls under, or NULL. */
const struct special *special_find(const struct name *name);

/* The name at the top of a row. */
struct name special_name(const struct special *special);

/* Whether the row leaves the name to an entry that permits it, and matches by a wildcard or without
 * one. */
bool special_yields(const struct special *special, const struct entry *entry,
	const struct name *name, bool by_wildcard);

/* The addresses that are answered for a name under the row: the count of those in `ret_addresses`,
 * 0 for none. */
unsigned special_addresses(const struct special *special, const struct name *name,
	struct inaddr ret_addresses[SPECIAL_ADDRESSES_MAX]);

/* Whether a name under the row that has no addresses does not exist. */
bool special_is_denied(const struct special *special, const struct name *name);

#endif
