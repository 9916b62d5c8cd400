/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_GRANT_H
#define EGRESS_RESOLVER_GRANT_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/compile.h"
#include "rules/special-names.h"

/*
 * What the policy grants to names and to the addresses of their answers. The worker asks to know
 * what it may answer, the keeper asks again to know what it may open.
 *
 * Entries can expire while the policy is in use, so time comes in: seconds since 1970. What an
 * expired entry permitted is refused from then on; what a less specific one would say instead shows
 * when the policy is read again.
 */
struct grants;

/* 0 or -ENOMEM. */
int grants_new(const struct compiled *compiled, struct grants **ret_grants);
void grants_free(struct grants *grants);

/* Whether the time matters: some entry expires. */
bool grants_expire(const struct grants *grants);

/* match_name() as of `time`. The rule of a refused name is the entry that denies it, if one does.
 */
bool grants_name(const struct grants *grants, const struct name *name, int64_t time,
	struct match_result *ret_result);

/* The same of a name that match_prepare() has prepared. */
bool grants_prepared(const struct grants *grants, struct names_walk *walk, int64_t time,
	struct match_result *ret_result);

/* Whether some entry permits the name, which `result` is of, and the special name yields to it. */
bool grants_leave(const struct grants *grants, const struct special *special,
	const struct name *name, const struct match_result *result);

/* Whether answers for the name that `result` is of must validate: the policy says so of all names,
 * or an entry that has the name does, in whatever layer. */
bool grants_dnssec(const struct grants *grants, const struct match_result *result);

/* What an address gets. */
struct grant {
	int64_t expires;   /* the first of the entries behind it; INT64_MAX: none does */
	unsigned n_leases; /* 0: it is reachable without one */
	struct match_lease leases[PLAN_GROUPS_MAX];
};

/*
 * Whether an answer for the name that `result` is of may have `address`, and what opens it. A name
 * that [dns.hosts] gives addresses to, `host`, has these and no others, whatever their class.
 */
bool grants_address(const struct grants *grants, struct match_result *result,
	const struct embedded_host *host, const struct inaddr *address, int64_t time,
	struct grant *ret_grant);

/* The rule that an address which grants_address() refused is refused by. */
const char *grants_refusal(const struct grants *grants, const struct match_result *result,
	const struct inaddr *address);

/*
 * The rule by which `target`, which the name that `result` is of is an alias of, is denied; NULL
 * when it is not. It is denied where an entry refuses it on ports on which the name is permitted;
 * if no entry has the name there, so that nothing is opened for it, only when the target is
 * permitted on no port itself. That no entry permits the target is no denial.
 */
const char *grants_alias(
	const struct grants *grants, const struct match_result *result, const struct name *target);

#endif
