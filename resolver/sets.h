/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_SETS_H
#define EGRESS_RESOLVER_SETS_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/match.h"
#include "src/base/clock.h"

/*
 * What the keeper fills of a plan's table in the kernel: the lease maps, and the set that names the
 * resolver's own sockets. Needs CAP_NET_ADMIN from sets_open() on.
 */
struct sets;

/* `mark` and `uid` are the resolver's sockets'. `alone`: no other process fills the maps. 0 or
 * -errno. */
int sets_open(
	const struct plan *plan, uint32_t mark, uint32_t uid, bool alone, struct sets **ret_sets);
void sets_close(struct sets *sets);

/* Puts the mark into force and reads what is leased. 0, also when the table isn't loaded, which is
 * logged: then leases fail with -ENOENT; or -errno. */
int sets_start(struct sets *sets);

/* Takes whatever marks there are out of the plan's table: no socket has a way to the upstream
 * servers any more. For who has no sets open. 0 or -errno. */
int sets_forget_marks(const struct plan *plan);

/* Between two looks. */
#define SETS_LOOK_MS 5000

/*
 * Looks whether the table is still the one that was filled, if that is due at `now`. 0; -ESTALE
 * when it was taken away or loaded anew, so that what was opened is closed; or -errno. A table that
 * was missing is started with once it is there.
 */
int sets_look(struct sets *sets, struct mono now);

/* Starts a transaction; what was opened in one that wasn't committed is forgotten. */
void sets_begin(struct sets *sets, struct mono now);

/*
 * Opens `address` in the group of the grant until *until, or for as long as it is open already, to
 * which *until is then set. A lease that stands keeps its mark while that is in force. 0; -ENOSPC
 * when there is no room; or what the kernel refused an earlier part of the transaction with.
 */
int sets_open_address(struct sets *sets, const struct grant *grant, const struct inaddr *address,
	struct mono now, struct mono *until);

/* The kernel acknowledges all of it, or nothing (of what it wasn't sent earlier for its length)
 * has happened: 0 or -errno. */
int sets_commit(struct sets *sets);

/* After a transaction failed with `error`: reads the sets again if that says that they aren't as
 * they were thought to be. 0; -ESTALE as sets_look(); or -errno. */
int sets_recover(struct sets *sets, int error, struct mono now);

#endif
