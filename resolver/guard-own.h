/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_GUARD_OWN_H
#define EGRESS_RESOLVER_GUARD_OWN_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/accounts.h"
#include "resolver/bucket.h"
#include "resolver/guard.h"
#include "resolver/recent.h"
#include "resolver/reverse.h"
#include "src/base/hash.h"

/* What the files of struct guard share: guard.c, making one and spending from it; guard-inherit.c,
 * that it goes on with another policy, and in another session; guard-keep.c, and in a file. */

/* What a finding is about. */
enum { RULE_NAMES, RULE_BYTES, RULE_ANSWER_BYTES, RULE_SHAPE, RULES };

/* What an entry's wildcards may spend. */
struct tally {
	uint64_t id; /* the same for as long as the entry says the same */
	const struct layer *layer;
	const struct layer_entry *entry;
	char *rules[RULES]; /* "allow-1 wildcard_names" */
	uint32_t most;      /* different names; 0: any number */
	bool of_budget;     /* which [budget] says, and not the entry */
	uint32_t reserve;   /* by which that may be raised */
	size_t first;       /* of its places, in each bank */
	size_t n_places;
	struct bucket_flow asked; /* in each domain */
	struct bucket_flow answered;
};

/* What they have spent. */
struct spent {
	_Atomic uint32_t count;
	atomic_bool told[RULES];        /* somebody was told that it is all */
	_Atomic uint32_t excess[RULES]; /* what came after that, and nobody was told of */
};

/* The domain of names with a parent that was seen: finding it anew takes a microsecond. */
struct known_domain {
	uint64_t parent; /* keyed hash */
	uint8_t length;  /* of the domain; 0: nothing is here */
};

enum { DOMAINS_KNOWN = 256 };

/* What fills up again, in memory that is shared; and the key of all that is counted. */
struct ledger {
	unsigned n_guards; /* that use it, in the parent */
	struct hash_key key;
	void *mapping;
	size_t size;
	_Atomic int64_t *queries; /* see bucket_draw() */
	struct accounts *accounts;
	struct recent *recent;
};

enum { BANKS = 2 };

/* What the names have, in memory that is shared. */
struct session_head {
	_Atomic uint32_t number; /* of the session: its bank is number % BANKS */
	_Atomic uint32_t raised; /* by which the ceilings of [budget] are higher */
};

struct names {
	unsigned n_guards; /* that use it, in the parent */
	void *mapping;
	size_t size;
	struct reverse *reverse;
	struct session_head *head;
	bool kept;        /* places are in a file */
	uint8_t *pages;   /* of the places */
	size_t bank_size; /* of those of one bank, in whole pages */
	struct {
		struct spent *spent;      /* of each tally */
		_Atomic uint64_t *places; /* at the start of a page */
	} banks[BANKS];
};

struct guard {
	struct hash_key key;
	/* What stands for an entry where none of the base matches a name. */
	struct entry unknown_written;
	struct layer_entry unknown;
	size_t n_base;                              /* entries of the base */
	struct known_domain domains[DOMAINS_KNOWN]; /* each process's own */
	bool refuse;
	uint32_t *of_entry[LAYERS_MAX]; /* index of an entry's tally, or NO_TALLY; the last one is
					   what no entry matches */
	struct tally *tallies;
	size_t n_tallies;
	struct bucket_flow per_client;
	struct bucket_flow queries;
	bool inherited; /* from another one: who uses it may be at work */
	struct ledger *ledger;
	struct names *names;
};

/* Which of the banks is in use. */
static inline unsigned guard_bank(const struct guard *guard)
{
	return atomic_load(&guard->names->head->number) % BANKS;
}

static inline struct spent *guard_spent(const struct guard *guard, uint32_t tally)
{
	return &guard->names->banks[guard_bank(guard)].spent[tally];
}

/* Of names, as it is in this session. */
uint32_t guard_ceiling(const struct guard *guard, const struct tally *tally);

/* Whether the name is in the tally, or is now. */
bool guard_count_name(struct guard *guard, uint32_t index, uint64_t hash);

/* Bytes in pages. */
size_t guard_pages(size_t size);

/* The tally of that id, or NULL. */
const struct tally *guard_find_tally(struct tally *const *sorted, size_t count, uint64_t id);

/* The tallies by their ids; to be freed. NULL: no memory. */
struct tally **guard_sort_tallies(const struct guard *guard);

/* One guard less uses it. NULL is allowed. */
void guard_leave_ledger(struct ledger *ledger);
void guard_leave_names(struct names *names);

#endif
