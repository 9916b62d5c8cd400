/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_GUARD_H
#define EGRESS_RESOLVER_GUARD_H

#include <stdbool.h>

#include "rules/match.h"
#include "src/base/clock.h"

/*
 * What bounds how much can leave in questions, and come back in answers: [limits] queries; and
 * under each entry's wildcards how many different names are asked, how many bytes of names and of
 * answers each domain may have, and what the names look like. It lies in memory that the processes
 * forked later share, so all workers of a policy spend from one account, and go on to spend from it
 * when the policy has been read again.
 */
struct guard;

/* For the layers, which must stay. 0, or -ENOMEM, also for ceilings that no memory holds. */
int guard_new(const struct layers *layers, struct guard **ret_guard);
void guard_free(struct guard *guard);

/*
 * What has been spent under `old`, the guard of the same policy before it was read again, is spent
 * under the new one too: all that entries which still say the same have spent, whatever else has
 * changed. For the parent, before it forks who use the new one; and again when all who used the old
 * one have ended, for the names that they counted meanwhile. 0 or -ENOMEM, and nothing done.
 */
int guard_inherit(struct guard *guard, const struct guard *old);

/* Whether one more query may be served. */
bool guard_query(struct guard *guard, struct mono now);

/* Whether one more query of the client may be served; all clients of this host are one. */
bool guard_client(struct guard *guard, const struct inaddr *client, struct mono now);

/* An answer opened the address for the name until then; and by which name an address is open. They
 * bound nothing, but all workers have to know. */
void guard_opened(struct guard *guard, const struct inaddr *address, const struct name *name,
	struct mono until);
bool guard_opener(const struct guard *guard, const struct inaddr *address, struct mono now,
	struct name *ret_name);

/* The rule of a name that is one too many for [budget]. */
#define GUARD_OVER_BUDGET "budget-wildcard-names"

/* What becomes of a name that is about to be asked of an upstream, or of the answer. */
struct guard_finding {
	const char *rule; /* what it is too much for: "allow-1 wildcard_names"; NULL: nothing. As
			     long as the guard */
	bool over_budget; /* that is [budget] wildcard_names */
	bool refused;     /* not to be asked, or given out; else only to be told of */
	bool passing;     /* there will be room again: a failure, and no refusal */
	bool first;       /* nobody was told so before; the others are counted */
};

/* What was too much after the first of its kind. */
struct guard_excess {
	const char *rule; /* as that of a finding */
	uint32_t count;
};

/*
 * Judges and counts the name under each entry that decides it by a wildcard, a pattern or a list's
 * wildcard. Of [budget] wildcard_names a name that was counted before takes nothing; of the budget
 * of bytes each question takes what it can tell: all of the name below its domain, or two bytes if
 * the name was asked in the same minute.
 */
struct guard_finding guard_name(struct guard *guard, const struct name *name,
	const struct match_result *result, struct mono now);

/* Counts `size` bytes of an answer to such a name that came from an upstream. */
struct guard_finding guard_answer(struct guard *guard, const struct name *name,
	const struct match_result *result, size_t size, struct mono now);

/*
 * The next rule of which something was too much since it was last taken here, by whichever process.
 * *at is 0 at first and is moved on; false: there are no more of them.
 */
bool guard_take_excess(struct guard *guard, size_t *at, struct guard_excess *ret_excess);

/*
 * The next session begins: no names are counted, and the ceilings of [budget] are the policy's.
 * And: in this one they are higher, by `amount`. 0; -ENODATA when there are none; -ERANGE when
 * there is no room for so many. For the parent; who uses the guard may be at work.
 */
void guard_new_session(struct guard *guard);
int guard_extend(struct guard *guard, uint64_t amount);

/* --- That names stay counted when the resolver is started anew --- */

/* Whether they are counted at all, and to be kept: they aren't yet. */
bool guard_is_to_keep(const struct guard *guard);

/*
 * Has the names counted from here on, and those counted already, in an empty file, until the system
 * is started anew, which `boot` tells. For the parent, before it forks who use the guard. 0, or
 * -errno, and nothing is kept. The descriptor stays the caller's.
 */
int guard_keep(struct guard *guard, int fd, const char *boot);

/* Counts the names in such a file, which may be anything; for a guard that nobody uses yet. 0;
 * -ESTALE: it is of another start of the system; -EINVAL: it isn't one; or -errno. */
int guard_recall(struct guard *guard, int fd, const char *boot);

/* Writes what has changed to its file, after guard_new_session() and guard_extend(). 0 or -errno.
 */
int guard_note(const struct guard *guard, int fd);

/* Names under the wildcards of the entry that has used up the most. */
struct guard_names {
	const char *entry; /* its id. As long as the guard */
	uint32_t used;
	uint32_t of;
	uint32_t raised; /* part of that */
};

/* False: [budget] has no ceiling for any. */
bool guard_names(const struct guard *guard, struct guard_names *ret_names);

#endif
