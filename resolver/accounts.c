/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/accounts.h"

#include <stdatomic.h>

/*
 * Theory of operation
 *
 * A bucket that is full is like one that never was: so its place is free, and nobody can be brought
 * to forget what somebody spent. A key is looked for in the few places behind the one its hash
 * says; if it has none, the first free one of these becomes its own by one compare and swap. If
 * none is free, as many others have spent something lately, it is refused: who fills the table gets
 * no more out of it.
 *
 * Of two processes one may give a place away in the moment in which the other spends from it. What
 * is spent then is the new key's: the old one, whose bucket was full, is let off one amount.
 */

enum { PLACES = 8192, PROBES = 16 };

struct account {
	_Atomic uint64_t key; /* 0: none yet */
	_Atomic int64_t full_at;
};

struct accounts {
	struct account places[PLACES];
};

size_t accounts_size(void)
{
	return sizeof(struct accounts);
}

static struct account *place_of(struct accounts *accounts, uint64_t key, unsigned probe)
{
	return &accounts->places[(key + probe) % PLACES];
}

static struct account *find(struct accounts *accounts, uint64_t key)
{
	for (unsigned i = 0; i < PROBES; i++) {
		struct account *account = place_of(accounts, key, i);

		if (atomic_load(&account->key) == key)
			return account;
	}
	return NULL;
}

static struct account *claim(struct accounts *accounts, uint64_t key, struct mono now)
{
	for (unsigned i = 0; i < PROBES; i++) {
		struct account *account = place_of(accounts, key, i);
		uint64_t found = atomic_load(&account->key);

		if (!bucket_is_full(atomic_load(&account->full_at), now))
			continue;
		if (atomic_compare_exchange_strong(&account->key, &found, key) || found == key)
			return account;
	}
	return NULL;
}

bool accounts_take(struct accounts *accounts, uint64_t key, struct bucket_flow flow,
	uint32_t amount, struct mono now)
{
	uint64_t own = key > 0 ? key : 1;
	struct account *account = find(accounts, own);

	if (!account)
		account = claim(accounts, own, now);
	return account && bucket_draw(&account->full_at, flow, amount, now);
}
