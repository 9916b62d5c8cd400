/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/flatten.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/*
 * Theory of operation
 *
 * A sweep over the addresses from the first to the last. The claims are sorted by where they begin;
 * those that have begun wait in a heap with the best claim on top, ended ones included until they
 * come to the top. The best claim has the addresses from here to its end or to where the next claim
 * begins, whichever is first. Each step takes a claim into the heap or lets one out, so that n
 * claims need O(n log n) steps however they lie.
 */

#define MAPPED (UINT64_C(1) << 32) /* addresses in ::ffff:0:0/96 */

struct number {
	uint64_t high, low;
};

struct contender {
	struct claim claim;
	struct number first; /* address, as a number */
	struct number width; /* addresses, less one */
	uint32_t position;
};

struct sweep {
	struct contender *contenders; /* sorted by first address */
	size_t n_contenders;
	size_t next; /* the first that has not begun */
	uint32_t *heap;
	size_t n_heap;
	struct territory *out;
	size_t n_out;
	size_t room;
};

static uint64_t load64(const uint8_t *bytes)
{
	uint64_t word = 0;

	for (int i = 0; i < 8; i++)
		word = word << 8 | bytes[i];
	return word;
}

/* The block of IPv4-mapped addresses is no part of an IPv6 range around it (src/base/inaddr.c). */
static bool is_around_mapped(const struct range *range)
{
	const struct inaddr behind = {{[9] = 1}};

	return !inaddr_is_ip4(&range->first) && inaddr_compare(&range->first, &behind) < 0 &&
	       inaddr_compare(&range->last, &behind) >= 0;
}

static struct number address_number(const struct inaddr *address)
{
	return (struct number){.high = load64(address->bytes), .low = load64(address->bytes + 8)};
}

static struct number range_width(const struct range *range)
{
	struct number first = address_number(&range->first), last = address_number(&range->last);
	struct number width = {
		.high = last.high - first.high - (last.low < first.low),
		.low = last.low - first.low,
	};

	if (is_around_mapped(range)) {
		width.high -= width.low < MAPPED;
		width.low -= MAPPED;
	}
	return width;
}

static int compare_numbers(struct number a, struct number b)
{
	if (a.high != b.high)
		return a.high < b.high ? -1 : 1;
	return a.low < b.low ? -1 : a.low > b.low;
}

static int compare_first(const void *a, const void *b)
{
	const struct contender *left = a, *right = b;

	return compare_numbers(left->first, right->first);
}

static bool is_better(const struct contender *a, const struct contender *b)
{
	int wider = compare_numbers(a->width, b->width);

	if (wider != 0)
		return wider < 0;
	if (a->claim.rank != b->claim.rank)
		return a->claim.rank < b->claim.rank;
	return a->position < b->position;
}

static bool heap_is_better(const struct sweep *sweep, size_t a, size_t b)
{
	return is_better(&sweep->contenders[sweep->heap[a]], &sweep->contenders[sweep->heap[b]]);
}

static void heap_swap(struct sweep *sweep, size_t a, size_t b)
{
	uint32_t kept = sweep->heap[a];

	sweep->heap[a] = sweep->heap[b];
	sweep->heap[b] = kept;
}

static void heap_push(struct sweep *sweep, uint32_t index)
{
	size_t at = sweep->n_heap++;

	sweep->heap[at] = index;
	while (at > 0 && heap_is_better(sweep, at, (at - 1) / 2)) {
		heap_swap(sweep, at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
}

static void heap_pop(struct sweep *sweep)
{
	size_t at = 0;

	sweep->heap[0] = sweep->heap[--sweep->n_heap];
	for (;;) {
		size_t best = at;

		for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
			if (child < sweep->n_heap && heap_is_better(sweep, child, best))
				best = child;
		if (best == at)
			return;
		heap_swap(sweep, at, best);
		at = best;
	}
}

/* Adds to the end of the result, or lengthens the last territory where it is the same owner's. */
static int emit(struct sweep *sweep, const struct range *range, uint32_t owner)
{
	struct territory *last = sweep->n_out > 0 ? &sweep->out[sweep->n_out - 1] : NULL;
	struct inaddr behind;

	if (last && last->owner == owner && inaddr_next(&last->range.last, &behind) &&
		inaddr_compare(&behind, &range->first) == 0) {
		last->range.last = range->last;
		return 0;
	}
	if (sweep->n_out == sweep->room) {
		size_t room = sweep->room > 0 ? 2 * sweep->room : 64;
		struct territory *out = reallocarray(sweep->out, room, sizeof(*out));

		if (!out)
			return -ENOMEM;
		sweep->out = out;
		sweep->room = room;
	}
	sweep->out[sweep->n_out++] = (struct territory){.range = *range, .owner = owner};
	return 0;
}

/* Takes in what begins at or before `at`, and lets go of what is on top and ended before it. */
static void admit(struct sweep *sweep, const struct inaddr *at)
{
	while (sweep->next < sweep->n_contenders &&
		inaddr_compare(&sweep->contenders[sweep->next].claim.range.first, at) <= 0)
		heap_push(sweep, (uint32_t)sweep->next++);
	while (sweep->n_heap > 0 &&
		inaddr_compare(&sweep->contenders[sweep->heap[0]].claim.range.last, at) < 0)
		heap_pop(sweep);
}

static int sweep_run(struct sweep *sweep)
{
	struct inaddr at;
	bool more = sweep->n_contenders > 0;

	if (more)
		at = sweep->contenders[0].claim.range.first;
	while (more) {
		const struct contender *best;
		struct range won;
		int error;

		admit(sweep, &at);
		if (sweep->n_heap == 0) {
			if (sweep->next == sweep->n_contenders)
				break;
			at = sweep->contenders[sweep->next].claim.range.first;
			continue;
		}
		best = &sweep->contenders[sweep->heap[0]];
		won = (struct range){.first = at, .last = best->claim.range.last};
		if (sweep->next < sweep->n_contenders) {
			const struct claim *coming = &sweep->contenders[sweep->next].claim;

			if (inaddr_compare(&coming->range.first, &won.last) <= 0)
				inaddr_previous(&coming->range.first, &won.last);
		}
		error = emit(sweep, &won, best->claim.owner);
		if (error < 0)
			return error;
		more = inaddr_next(&won.last, &at);
	}
	return 0;
}

int flatten(const struct claim *claims, size_t n_claims, struct territory **ret_territories,
	size_t *ret_count)
{
	struct sweep sweep = {.n_contenders = n_claims};
	int error = -ENOMEM;

	if (n_claims > UINT32_MAX)
		return -ENOMEM;
	sweep.contenders = calloc(n_claims + 1, sizeof(*sweep.contenders));
	sweep.heap = calloc(n_claims + 1, sizeof(*sweep.heap));
	if (sweep.contenders && sweep.heap) {
		for (size_t i = 0; i < n_claims; i++)
			sweep.contenders[i] = (struct contender){
				.claim = claims[i],
				.first = address_number(&claims[i].range.first),
				.width = range_width(&claims[i].range),
				.position = (uint32_t)i,
			};
		qsort(sweep.contenders, n_claims, sizeof(*sweep.contenders), compare_first);
		error = sweep_run(&sweep);
	}
	free(sweep.heap);
	free(sweep.contenders);
	if (error < 0) {
		free(sweep.out);
		return error;
	}
	*ret_territories = sweep.out;
	*ret_count = sweep.n_out;
	return 0;
}
