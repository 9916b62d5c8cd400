/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/sweep.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Theory of operation
 *
 * The claims are sorted by where they begin. In each field those that have begun wait in a heap
 * with the best one on top, ended ones included until they come to the top. Between two events (a
 * claim begins, a claim on top ends) nothing changes: that is a piece. Each event takes a claim
 * into a heap or lets one out, so that n claims need O(n log n) steps however they lie.
 *
 * Addresses are numbers here. Those of IPv6 skip the IPv4-mapped block, which is IPv4
 * (src/base/inaddr.c): so a range around it has the width it should have, and what lies on its two
 * sides is next to each other.
 */

struct number {
	uint64_t high, low;
};

#define MAPPED_FIRST UINT64_C(0x0000ffff00000000)
#define MAPPED_SIZE UINT64_C(0x0000000100000000)

struct claim4 {
	uint32_t first, last, owner;
};

struct claim6 {
	struct number first, last;
	uint32_t owner;
};

struct claims {
	bool ip4;
	size_t count;
	size_t room;
	struct claim4 *claims4; /* one of the two */
	struct claim6 *claims6;
};

/* One claim in a form for both families. */
struct contender {
	struct number first, last;
	uint32_t owner;
};

struct heap {
	uint32_t *claims; /* numbers of claims, the best on top */
	size_t count;
};

struct sweep {
	const struct claims *claims;
	uint32_t (*fields)(const void *context, uint32_t owner);
	const void *context;
	size_t next; /* the first claim that has not begun */
	struct number at;
	unsigned n_fields;
	struct heap heaps[SWEEP_FIELDS_MAX];
	uint32_t *memory; /* of all heaps */
};

static int compare_numbers(struct number a, struct number b)
{
	if (a.high != b.high)
		return a.high < b.high ? -1 : 1;
	return a.low < b.low ? -1 : a.low > b.low;
}

static struct number add_number(struct number a, uint64_t b)
{
	return (struct number){.high = a.high + (a.low + b < b), .low = a.low + b};
}

static struct number subtract_numbers(struct number a, struct number b)
{
	return (struct number){.high = a.high - b.high - (a.low < b.low), .low = a.low - b.low};
}

static uint64_t load64(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return be64toh(word);
}

static uint32_t load32(const uint8_t *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return be32toh(word);
}

static void store64(uint8_t *bytes, uint64_t word)
{
	word = htobe64(word);
	memcpy(bytes, &word, sizeof(word));
}

static struct number number_from6(const struct inaddr *address)
{
	struct number number = {load64(address->bytes), load64(address->bytes + 8)};

	if (number.high == 0 && number.low < MAPPED_FIRST)
		return number;
	return subtract_numbers(number, (struct number){.low = MAPPED_SIZE});
}

static struct inaddr number_to_inaddr(struct number number, bool ip4)
{
	struct inaddr address;

	if (ip4)
		number.low |= MAPPED_FIRST;
	else if (number.high != 0 || number.low >= MAPPED_FIRST)
		number = add_number(number, MAPPED_SIZE);
	store64(address.bytes, number.high);
	store64(address.bytes + 8, number.low);
	return address;
}

int claims_new(bool ip4, size_t room, struct claims **ret_claims)
{
	struct claims *claims = calloc(1, sizeof(*claims));

	if (!claims || room > UINT32_MAX) {
		free(claims);
		return -ENOMEM;
	}
	claims->ip4 = ip4;
	claims->room = room;
	if (ip4)
		claims->claims4 = calloc(room + 1, sizeof(*claims->claims4));
	else
		claims->claims6 = calloc(room + 1, sizeof(*claims->claims6));
	if (!claims->claims4 && !claims->claims6) {
		free(claims);
		return -ENOMEM;
	}
	*ret_claims = claims;
	return 0;
}

void claims_free(struct claims *claims)
{
	if (!claims)
		return;
	free(claims->claims4);
	free(claims->claims6);
	free(claims);
}

size_t claims_count(const struct claims *claims)
{
	return claims->count;
}

static struct contender get(const struct claims *claims, size_t index)
{
	if (claims->ip4) {
		const struct claim4 *claim = &claims->claims4[index];

		return (struct contender){{0, claim->first}, {0, claim->last}, claim->owner};
	}
	return (struct contender){claims->claims6[index].first, claims->claims6[index].last,
		claims->claims6[index].owner};
}

static void set(struct claims *claims, size_t index, const struct contender *contender)
{
	if (claims->ip4)
		claims->claims4[index] = (struct claim4){(uint32_t)contender->first.low,
			(uint32_t)contender->last.low, contender->owner};
	else
		claims->claims6[index] =
			(struct claim6){contender->first, contender->last, contender->owner};
}

static void put(struct claims *claims, const struct contender *contender)
{
	set(claims, claims->count++, contender);
}

void claims_add(struct claims *claims, const struct range *range, uint32_t owner)
{
	struct contender contender = {.owner = owner};

	if (claims->ip4) {
		contender.first.low = load32(range->first.bytes + 12);
		contender.last.low = load32(range->last.bytes + 12);
	} else {
		contender.first = number_from6(&range->first);
		contender.last = number_from6(&range->last);
	}
	put(claims, &contender);
}

static int compare6(const void *a, const void *b)
{
	const struct claim6 *left = a, *right = b;

	return compare_numbers(left->first, right->first);
}

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

/* One pass of a radix sort: by the digit that begins at bit `shift`. */
static void sort_digit(const struct claim4 *from, struct claim4 *to, size_t count, unsigned shift)
{
	uint32_t ends[DIGITS] = {0}, sum = 0;

	for (size_t i = 0; i < count; i++)
		ends[from[i].first >> shift & (DIGITS - 1)]++;
	for (unsigned i = 0; i < DIGITS; i++) {
		uint32_t before = sum;

		sum += ends[i];
		ends[i] = before;
	}
	for (size_t i = 0; i < count; i++)
		to[ends[from[i].first >> shift & (DIGITS - 1)]++] = from[i];
}

static int sort4(struct claims *claims)
{
	struct claim4 *other = calloc(claims->room + 1, sizeof(*other));

	if (!other)
		return -ENOMEM;
	sort_digit(claims->claims4, other, claims->count, 0);
	sort_digit(other, claims->claims4, claims->count, DIGIT_BITS);
	sort_digit(claims->claims4, other, claims->count, 2 * DIGIT_BITS);
	free(claims->claims4);
	claims->claims4 = other;
	return 0;
}

/* How many of the claims from `start` on are sorted. */
static size_t sorted_run(const struct claims *claims, size_t start)
{
	size_t end = start;

	while (end < claims->count && (end == start || compare_numbers(get(claims, end - 1).first,
							       get(claims, end).first) <= 0))
		end++;
	return end - start;
}

/* Merges two sorted runs, of which the first has `count` claims, from behind. */
static int merge_runs(struct claims *claims, size_t count)
{
	size_t n_tail = claims->count - count, at = claims->count;
	struct contender *tail = calloc(n_tail, sizeof(*tail));

	if (!tail)
		return -ENOMEM;
	for (size_t i = 0; i < n_tail; i++)
		tail[i] = get(claims, count + i);
	while (n_tail > 0) {
		const struct contender *last = &tail[n_tail - 1];
		struct contender other = {.owner = 0};

		if (count > 0)
			other = get(claims, count - 1);
		if (count > 0 && compare_numbers(other.first, last->first) > 0) {
			set(claims, --at, &other);
			count--;
		} else {
			set(claims, --at, last);
			n_tail--;
		}
	}
	free(tail);
	return 0;
}

int claims_sort(struct claims *claims)
{
	size_t run = sorted_run(claims, 0);

	if (run == claims->count)
		return 0;
	if (sorted_run(claims, run) == claims->count - run)
		return merge_runs(claims, run);
	if (claims->ip4)
		return sort4(claims);
	qsort(claims->claims6, claims->count, sizeof(*claims->claims6), compare6);
	return 0;
}

size_t claims_add_near(struct claims *to, const struct claims *from, const struct claims *near)
{
	size_t n_near = near->count, next = 0, count = 0;
	struct number reach = {0, 0}; /* the last address of those looked at */

	for (size_t i = 0; i < from->count; i++) {
		struct contender claim = get(from, i);

		/* What begins no later than the claim touches it if it reaches that far. */
		while (next < n_near && compare_numbers(get(near, next).first, claim.first) <= 0) {
			struct number last = get(near, next++).last;

			if (compare_numbers(last, reach) > 0)
				reach = last;
		}
		if ((next == 0 || compare_numbers(reach, claim.first) < 0) &&
			(next == n_near || compare_numbers(get(near, next).first, claim.last) > 0))
			continue;
		if (to)
			put(to, &claim);
		count++;
	}
	return count;
}

static bool is_better(const struct claims *claims, uint32_t a, uint32_t b)
{
	struct contender left = get(claims, a), right = get(claims, b);
	int wider = compare_numbers(
		subtract_numbers(left.last, left.first), subtract_numbers(right.last, right.first));

	return wider != 0 ? wider < 0 : left.owner < right.owner;
}

static void heap_swap(struct heap *heap, size_t a, size_t b)
{
	uint32_t kept = heap->claims[a];

	heap->claims[a] = heap->claims[b];
	heap->claims[b] = kept;
}

static void heap_push(struct heap *heap, const struct claims *claims, uint32_t claim)
{
	size_t at = heap->count++;

	heap->claims[at] = claim;
	while (at > 0 && is_better(claims, heap->claims[at], heap->claims[(at - 1) / 2])) {
		heap_swap(heap, at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
}

static void heap_pop(struct heap *heap, const struct claims *claims)
{
	size_t at = 0;

	heap->claims[0] = heap->claims[--heap->count];
	for (;;) {
		size_t best = at;

		for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
			if (child < heap->count &&
				is_better(claims, heap->claims[child], heap->claims[best]))
				best = child;
		if (best == at)
			return;
		heap_swap(heap, at, best);
		at = best;
	}
}

/* Gives each heap room for all claims of its field. */
static int make_heaps(struct sweep *sweep)
{
	size_t counts[SWEEP_FIELDS_MAX] = {0}, sum = 0;

	for (size_t i = 0; i < sweep->claims->count; i++) {
		uint32_t fields = sweep->fields(sweep->context, get(sweep->claims, i).owner);

		for (; fields != 0; fields &= fields - 1)
			counts[__builtin_ctz(fields)]++;
	}
	for (unsigned i = 0; i < sweep->n_fields; i++)
		sum += counts[i];
	sweep->memory = calloc(sum + 1, sizeof(*sweep->memory));
	if (!sweep->memory)
		return -ENOMEM;
	sum = 0;
	for (unsigned i = 0; i < sweep->n_fields; i++) {
		sweep->heaps[i].claims = sweep->memory + sum;
		sum += counts[i];
	}
	return 0;
}

int sweep_new(const struct claims *claims, unsigned n_fields,
	uint32_t (*fields)(const void *context, uint32_t owner), const void *context,
	struct sweep **ret_sweep)
{
	struct sweep *sweep = calloc(1, sizeof(*sweep));

	if (!sweep)
		return -ENOMEM;
	sweep->claims = claims;
	sweep->n_fields = n_fields;
	sweep->fields = fields;
	sweep->context = context;
	if (make_heaps(sweep) < 0) {
		free(sweep);
		return -ENOMEM;
	}
	sweep_rewind(sweep);
	*ret_sweep = sweep;
	return 0;
}

void sweep_free(struct sweep *sweep)
{
	if (!sweep)
		return;
	free(sweep->memory);
	free(sweep);
}

void sweep_rewind(struct sweep *sweep)
{
	for (unsigned i = 0; i < sweep->n_fields; i++)
		sweep->heaps[i].count = 0;
	sweep->next = 0;
	sweep->at = sweep->claims->count > 0 ? get(sweep->claims, 0).first : (struct number){0, 0};
}

/* Takes in the claims that begin here. */
static void admit(struct sweep *sweep)
{
	while (sweep->next < sweep->claims->count) {
		struct contender claim = get(sweep->claims, sweep->next);
		uint32_t fields;

		if (compare_numbers(claim.first, sweep->at) > 0)
			return;
		fields = sweep->fields(sweep->context, claim.owner);
		for (; fields != 0; fields &= fields - 1)
			heap_push(&sweep->heaps[__builtin_ctz(fields)], sweep->claims,
				(uint32_t)sweep->next);
		sweep->next++;
	}
}

/* The field's winner, and in *last where that must be asked again at the latest. */
static uint32_t find_winner(
	const struct sweep *sweep, struct heap *heap, struct number *last, bool *bounded)
{
	while (heap->count > 0) {
		struct contender best = get(sweep->claims, heap->claims[0]);

		if (compare_numbers(best.last, sweep->at) < 0) {
			heap_pop(heap, sweep->claims);
			continue;
		}
		if (!*bounded || compare_numbers(best.last, *last) < 0)
			*last = best.last;
		*bounded = true;
		return best.owner;
	}
	return SWEEP_NOBODY;
}

bool sweep_next(struct sweep *sweep, struct range *ret_range, uint32_t *ret_winners)
{
	struct number last = {0, 0};
	bool bounded = false;

	admit(sweep);
	for (unsigned i = 0; i < sweep->n_fields; i++)
		ret_winners[i] = find_winner(sweep, &sweep->heaps[i], &last, &bounded);
	if (sweep->next < sweep->claims->count) {
		struct number before = subtract_numbers(
			get(sweep->claims, sweep->next).first, (struct number){.low = 1});

		if (!bounded || compare_numbers(before, last) < 0)
			last = before;
		bounded = true;
	}
	if (!bounded)
		return false;
	ret_range->first = number_to_inaddr(sweep->at, sweep->claims->ip4);
	ret_range->last = number_to_inaddr(last, sweep->claims->ip4);
	/* Without the IPv4-mapped block there is room for a number behind the last address. */
	sweep->at = add_number(last, 1);
	return true;
}
