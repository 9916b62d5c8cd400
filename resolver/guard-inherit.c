/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/guard-own.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* What is said of it is in guard.c. */

/* --- From one reading of the policy to the next --- */

static bool has_same_bounds(const struct tally *a, const struct tally *b)
{
	return a->most == b->most && a->asked.cost == b->asked.cost &&
	       a->answered.cost == b->answered.cost;
}

/* What was told need not be told again; names that were counted are. */
static void inherit_tally(
	struct guard *guard, uint32_t index, const struct guard *old, const struct tally *from)
{
	const struct spent *spent = guard_spent(old, (uint32_t)(from - old->tallies));
	const _Atomic uint64_t *places = &old->names->banks[guard_bank(old)].places[from->first];

	for (unsigned i = 0; i < RULES; i++)
		if (has_same_bounds(&guard->tallies[index], from) && atomic_load(&spent->told[i]))
			atomic_store(&guard_spent(guard, index)->told[i], true);
	if (guard->tallies[index].most == 0 || atomic_load(&spent->count) == 0)
		return;
	for (size_t i = 0; i < from->n_places; i++) {
		uint64_t hash = atomic_load(&places[i]);

		if (hash != 0 && !guard_count_name(guard, index, hash))
			return;
	}
}

const struct tally *guard_find_tally(struct tally *const *sorted, size_t count, uint64_t id)
{
	size_t first = 0;

	while (count > 0) {
		size_t half = count / 2;

		if (sorted[first + half]->id == id)
			return sorted[first + half];
		if (sorted[first + half]->id < id) {
			first += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return NULL;
}

/* Whether what has been spent can be spent from by both. */
static bool has_same_tallies(const struct guard *a, const struct guard *b)
{
	if (a->n_tallies != b->n_tallies)
		return false;
	for (size_t i = 0; i < a->n_tallies; i++) {
		const struct tally *left = &a->tallies[i], *right = &b->tallies[i];

		if (left->id != right->id || left->of_budget != right->of_budget ||
			left->reserve != right->reserve || !has_same_bounds(left, right))
			return false;
	}
	return true;
}

/* The session is the same. */
static void inherit_session(struct guard *guard, const struct guard *old)
{
	uint32_t raised = atomic_load(&old->names->head->raised);

	if (atomic_load(&guard->names->head->raised) < raised)
		atomic_store(&guard->names->head->raised, raised);
}

int guard_inherit(struct guard *guard, const struct guard *old)
{
	struct tally **sorted;

	if (guard->names == old->names)
		return 0;
	sorted = guard_sort_tallies(old);

	if (!sorted)
		return -ENOMEM;
	if (guard->ledger != old->ledger) {
		guard_leave_ledger(guard->ledger);
		guard->ledger = old->ledger;
		guard->ledger->n_guards++;
		guard->key = guard->ledger->key;
	}
	if (!guard->inherited && has_same_tallies(guard, old)) {
		guard_leave_names(guard->names);
		guard->names = old->names;
		guard->names->n_guards++;
		guard->inherited = true;
		free(sorted);
		return 0;
	}
	guard->inherited = true;
	inherit_session(guard, old);
	for (uint32_t i = 0; i < guard->n_tallies; i++) {
		const struct tally *from =
			guard_find_tally(sorted, old->n_tallies, guard->tallies[i].id);

		if (from)
			inherit_tally(guard, i, old, from);
	}
	free(sorted);
	return 0;
}

/* --- Sessions --- */

/* Pages of a file have to stay there, so that there is room for what is written. */
static void empty_bank(struct guard *guard, unsigned bank)
{
	struct names *names = guard->names;
	_Atomic uint64_t *places = names->banks[bank].places;
	struct spent *spent = names->banks[bank].spent;
	bool removed = !names->kept && madvise(places, names->bank_size, MADV_REMOVE) == 0;

	for (size_t i = 0; i < guard->n_tallies && !removed; i++)
		if (atomic_load(&spent[i].count) > 0)
			memset(&places[guard->tallies[i].first], 0,
				guard->tallies[i].n_places * sizeof(*places));
	memset(spent, 0, guard->n_tallies * sizeof(*spent));
}

void guard_new_session(struct guard *guard)
{
	struct names *names = guard->names;
	uint32_t next = atomic_load(&names->head->number) + 1;

	empty_bank(guard, next % BANKS);
	atomic_store(&names->head->raised, 0);
	atomic_store(&names->head->number, next);
}

int guard_extend(struct guard *guard, uint64_t amount)
{
	uint32_t raised = atomic_load(&guard->names->head->raised);
	bool found = false;

	for (size_t i = 0; i < guard->n_tallies; i++) {
		const struct tally *tally = &guard->tallies[i];

		if (!tally->of_budget)
			continue;
		found = true;
		if (amount == 0 || raised > tally->reserve || amount > tally->reserve - raised)
			return -ERANGE;
	}
	if (!found)
		return -ENODATA;
	atomic_store(&guard->names->head->raised, raised + (uint32_t)amount);
	return 0;
}

bool guard_names(const struct guard *guard, struct guard_names *ret_names)
{
	struct guard_names names = {.of = 0};

	for (uint32_t i = 0; i < guard->n_tallies; i++) {
		const struct tally *tally = &guard->tallies[i];
		uint32_t used = atomic_load(&guard_spent(guard, i)->count);

		if (!tally->of_budget || (names.of > 0 && used <= names.used))
			continue;
		names = (struct guard_names){.entry = tally->entry->id,
			.used = used,
			.of = guard_ceiling(guard, tally),
			.raised = atomic_load(&guard->names->head->raised)};
	}
	if (names.of == 0)
		return false;
	*ret_names = names;
	return true;
}
