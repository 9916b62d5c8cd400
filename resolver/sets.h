/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_SETS_H
#define EGRESS_RESOLVER_SETS_H

#include <stdbool.h>
#include <stdint.h>

#include "resolver/channel.h"
#include "rules/match.h"
#include "src/base/clock.h"
#include "src/base/hash.h"

/*
 * What the keeper fills of a plan's table in the kernel: the lease maps, and the set that names the
 * resolver's own sockets. Needs CAP_NET_ADMIN from sets_open() on.
 */
struct sets;

struct namering;

struct sets_config {
	const struct plan *plan;
	uint32_t mark; /* of the resolver's sockets */
	uint32_t uid;
	bool alone; /* no other process fills the maps */
	/* What names are counted by in a session that begins with this keeper: nobody else's to
	 * know. */
	struct hash_key destinations_key;
	struct namering *names; /* of leases: the same for all keepers, and nobody else's */
	size_t leases_max;      /* at most so many leases; 0: LEASES_MAX */
	bool never_in_place;    /* refresh leases as on a kernel before 6.12 */
};

/* 0 or -errno. */
int sets_open(const struct sets_config *config, struct sets **ret_sets);
void sets_close(struct sets *sets);

/* Puts the mark into force and reads what is leased. 0, also when the table isn't loaded, which is
 * logged: then leases fail with -ENOENT; or -errno. */
int sets_start(struct sets *sets);

/* Takes whatever marks there are out of the plan's table: no socket has a way to the upstream
 * servers any more. For who has no sets open. 0 or -errno. */
int sets_forget_marks(const struct plan *plan);

/* Between two looks whether anybody else has changed a ruleset. */
#define SETS_LOOK_MS 1000

/*
 * Looks whether somebody else changed the table, if that is due at `now`, and opens again what
 * should be open: maps that were emptied, or a table that was taken away and loaded anew. 0;
 * -ESTALE when the table is gone for good, so that what was opened is closed; or -errno. A table
 * that was missing is started with once it is there.
 */
int sets_look(struct sets *sets, struct mono now);

/* Lets leases live on that end soon while conntrack has an answered flow to their address with
 * their mark, if that is due at `now`. 0 or -errno. */
int sets_renew(struct sets *sets, struct mono now);

/* How long, in milliseconds, nothing of that will be due. */
int sets_wait(const struct sets *sets, struct mono now);

/* Whether something is not open any more that was said to be, since it was asked last: all answers
 * of before are void. */
bool sets_take_forget(struct sets *sets);

/* They are to be asked for anew. */
void sets_forget_answers(struct sets *sets);

/* Another keeper has taken over: what it takes away isn't put back. */
void sets_retire(struct sets *sets);

/* Starts a transaction; what was opened in one that wasn't committed is forgotten. */
void sets_begin(struct sets *sets, struct mono now);

/* A number for the name that addresses are opened for. `expected` is what sets_expect_name()
 * returned for it, which is called before other work. */
uint64_t sets_expect_name(const struct sets *sets, const struct name *name);
uint32_t sets_name(struct sets *sets, const struct name *name, uint64_t expected);

/* Says that sets_open_address() will be called, after other work, with what this returns. */
uint64_t sets_expect_address(
	const struct sets *sets, const struct match_lease *wanted, const struct inaddr *address);

/*
 * Opens `address` for the name as `wanted` says until *until, or for as long as it is open already,
 * to which *until is then set. One that is open keeps its mark while that is in force, and does not
 * expire before the new one. 0; -ENOSPC when there is no room; or what the kernel refused an
 * earlier part of the transaction with.
 */
int sets_open_address(struct sets *sets, const struct match_lease *wanted,
	const struct inaddr *address, uint64_t expected, uint32_t name, struct mono now,
	struct mono *until);

/*
 * Counts the name as a destination, if the plan has a set of them, at once and whatever becomes of
 * the transaction; `unknown`: it has no category. *ret_over_share is set when with it there are too
 * many of those. 0; -EDQUOT when there is no room for one more; -EDOM when it is over the share and
 * that is refused; -ENOENT when the table does not count; or -errno.
 */
int sets_count_name(struct sets *sets, const struct name *name, bool unknown, struct mono now,
	bool *ret_over_share);

/* Counts no more names, until the sets are read again: for a set that is full and does not refuse.
 */
void sets_stop_counting(struct sets *sets);

/* The kernel acknowledges all of it, or nothing (of what it wasn't sent earlier for its length)
 * has happened: 0; -ERESTART when somebody else changed a ruleset; or -errno. */
int sets_commit(struct sets *sets);

/* Whether the same transaction may succeed when it is tried again, after sets_recover(). */
bool sets_is_passing(int error);

/* After a transaction failed with `error`: reads the sets again if that says that they may not be
 * as they were thought to be. 0; -ESTALE as sets_look(); or -errno. */
int sets_recover(struct sets *sets, int error, struct mono now);

/*
 * A page of leases from *cursor on, 0 for the first: as contract of struct control_reply, which is
 * filled in but for op and ticket. 0; -ESTALE when the record was rearranged since the page before.
 * With `flows` it is looked first which have live flows: -EOPNOTSUPP or -errno when that fails.
 */
int sets_list(struct sets *sets, uint64_t cursor, bool flows, struct mono now,
	struct control_reply *ret_page);

/* How many leases there are, or were a moment ago: they are not counted each time. */
uint64_t sets_leases(struct sets *sets);

/*
 * Close leases, all those of an address, of a name, or altogether. How many there were is
 * `total` of the reply, or *ret_count. Those of an address or a name take their connections with
 * them: `flows` and `flows_status`. 0, or -errno: then some may be closed.
 */
int sets_revoke_address(struct sets *sets, const struct inaddr *address, struct mono now,
	struct control_reply *ret_reply);
int sets_revoke_name(struct sets *sets, const struct name *name, struct mono now,
	struct control_reply *ret_reply);
int sets_flush(struct sets *sets, struct mono now, uint64_t *ret_count);

/*
 * The running session ends, and the next one begins: nothing is spent of any ceiling, all leases
 * are closed, as many as *ret_leases; connections go on. 0; or -errno: then nothing has changed, or
 * only quotas have not.
 */
int sets_new_session(struct sets *sets, struct mono now, uint64_t *ret_leases);

/* Raises a ceiling of the running session by `amount`. Contract and errors as
 * CONTROL_SESSION_EXTEND has them. */
int sets_extend(struct sets *sets, enum spent_key key, uint64_t amount);

void sets_show_session(struct sets *sets, struct control_session *ret_session);

#define SETS_COMMAND 1024

/* The command that loads the plan's ruleset, into `out` (SETS_COMMAND bytes), which it returns. */
const char *sets_load_command(const struct plan *plan, char *out);

#endif
