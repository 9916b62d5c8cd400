/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/ranges.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rules/class.h"
#include "rules/decide.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * Addresses are numbers of 128 bits here, IPv4 ones as they are mapped. A range of IPv6 addresses
 * around the mapped ones has them in its numbers, and nobody asks it for one: a family's ranges
 * are only ever compared with others of the family.
 *
 * What a plan permits changes only at the edges of its spans. So it is asked about the first
 * address behind each edge, and the answers are joined.
 */

typedef unsigned __int128 number;

static number number_of(const struct inaddr *address)
{
	number value = 0;

	for (size_t i = 0; i < sizeof(address->bytes); i++)
		value = value << 8 | address->bytes[i];
	return value;
}

static struct inaddr address_of(number value)
{
	struct inaddr address;

	for (size_t i = sizeof(address.bytes); i-- > 0; value >>= 8)
		address.bytes[i] = (uint8_t)value;
	return address;
}

bool range_is_wider(const struct range *range, unsigned length)
{
	unsigned bits = inaddr_is_ip4(&range->first) ? 32 : 128;

	return length > 0 &&
	       (number_of(&range->last) - number_of(&range->first)) >> (bits - length) > 0;
}

static struct range whole(enum plan_family family)
{
	static const struct range families[PLAN_FAMILIES] = {
		[PLAN_IP4] = {{{[10] = 0xff, 0xff}}, {{[10] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}},
		[PLAN_IP6] = {{{0}}, {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					     0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}},
	};

	return families[family];
}

static bool is_of(const struct range *range, enum plan_family family)
{
	return inaddr_is_ip4(&range->first) == (family == PLAN_IP4);
}

static int compare(const void *a, const void *b)
{
	const struct range *one = a, *other = b;

	return inaddr_compare(&one->first, &other->first);
}

/* Whether nothing is between them: `b` begins at or behind the first address of `a`. */
static bool touch(const struct range *a, const struct range *b)
{
	struct inaddr behind;

	return inaddr_compare(&b->first, &a->last) <= 0 ||
	       (inaddr_next(&a->last, &behind) && inaddr_compare(&behind, &b->first) == 0);
}

/* Joins sorted ranges where they touch. */
static size_t join(struct range *ranges, size_t count)
{
	size_t n_joined = 0;

	for (size_t i = 0; i < count; i++) {
		struct range *last = n_joined > 0 ? &ranges[n_joined - 1] : NULL;

		if (!last || !touch(last, &ranges[i]))
			ranges[n_joined++] = ranges[i];
		else if (inaddr_compare(&ranges[i].last, &last->last) > 0)
			last->last = ranges[i].last;
	}
	return n_joined;
}

int ranges_of(struct arena *arena, enum plan_family family, const struct range *from, size_t count,
	struct ranges *ret_ranges)
{
	struct range *ranges = arena_array(arena, count, sizeof(*ranges));
	size_t n_ranges = 0;

	if (!ranges)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (is_of(&from[i], family))
			ranges[n_ranges++] = from[i];
	if (n_ranges > 0)
		qsort(ranges, n_ranges, sizeof(*ranges), compare);
	*ret_ranges = (struct ranges){ranges, join(ranges, n_ranges)};
	return 0;
}

int ranges_all(struct arena *arena, enum plan_family family, struct ranges *ret_ranges)
{
	const struct range all = whole(family);

	return ranges_of(arena, family, &all, 1, ret_ranges);
}

int ranges_of_classes(
	struct arena *arena, enum plan_family family, unsigned mask, struct ranges *ret_ranges)
{
	size_t n_prefixes, n_ranges = 0;
	const struct class_prefix *prefixes = class_prefixes(&n_prefixes);
	struct range *ranges =
		arena_array(arena, (CLASS_EMBEDDINGS + 1) * n_prefixes, sizeof(*ranges));

	if (!ranges)
		return -ENOMEM;
	for (size_t i = 0; i < n_prefixes; i++) {
		const struct prefix *prefix = &prefixes[i].prefix;
		struct prefix embeddings[CLASS_EMBEDDINGS];
		size_t n_embeddings =
			inaddr_is_ip4(&prefix->address) ? class_embeddings(prefix, embeddings) : 0;

		if (!(mask & 1u << prefixes[i].class))
			continue;
		ranges[n_ranges++] = prefix_to_range(prefix);
		for (size_t j = 0; j < n_embeddings; j++)
			ranges[n_ranges++] = prefix_to_range(&embeddings[j]);
	}
	return ranges_of(arena, family, ranges, n_ranges, ret_ranges);
}

/* --- What a plan permits --- */

struct edges {
	struct inaddr *at;
	size_t count;
};

static void count_edge(void *context, const struct inaddr *edge)
{
	struct edges *edges = context;

	(void)edge;
	edges->count++;
}

static void add_edge(void *context, const struct inaddr *edge)
{
	struct edges *edges = context;

	edges->at[edges->count++] = *edge;
}

static int compare_edges(const void *a, const void *b)
{
	return inaddr_compare(a, b);
}

/* Sorted, each once, the first address of the family among them. */
static int find_edges(struct arena *arena, const struct plan *plan, unsigned group,
	enum plan_family family, struct edges *ret_edges)
{
	struct edges edges = {NULL, 1};
	struct range all = whole(family);
	size_t n_different = 0;

	decide_visit_edges(plan, group, family, count_edge, &edges);
	edges.at = arena_array(arena, edges.count, sizeof(*edges.at));
	if (!edges.at)
		return -ENOMEM;
	edges.at[0] = all.first;
	edges.count = 1;
	decide_visit_edges(plan, group, family, add_edge, &edges);
	qsort(edges.at, edges.count, sizeof(*edges.at), compare_edges);
	for (size_t i = 0; i < edges.count; i++)
		if (i == 0 || inaddr_compare(&edges.at[i], &edges.at[i - 1]) != 0)
			edges.at[n_different++] = edges.at[i];
	*ret_edges = (struct edges){edges.at, n_different};
	return 0;
}

int ranges_permitted(struct arena *arena, const struct plan *plan, unsigned group,
	enum plan_family family, struct ranges *ret_ranges)
{
	struct edges edges;
	struct range *ranges;
	size_t n_ranges = 0;
	int error = find_edges(arena, plan, group, family, &edges);

	if (error < 0)
		return error;
	ranges = arena_array(arena, edges.count, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	for (size_t i = 0; i < edges.count; i++) {
		struct range *range = &ranges[n_ranges];

		if (decide(plan, group, &edges.at[i]).verdict == VERDICT_REFUSE)
			continue;
		*range = (struct range){edges.at[i], whole(family).last};
		if (i + 1 < edges.count)
			inaddr_previous(&edges.at[i + 1], &range->last);
		n_ranges++;
	}
	*ret_ranges = (struct ranges){ranges, join(ranges, n_ranges)};
	return 0;
}

/* --- Sets --- */

int ranges_subtract(struct arena *arena, const struct ranges *from, const struct ranges *without,
	struct ranges *ret_ranges)
{
	struct range *left = arena_array(arena, from->n_ranges + without->n_ranges, sizeof(*left));
	size_t n_left = 0, at = 0;

	if (!left)
		return -ENOMEM;
	for (size_t i = 0; i < from->n_ranges; i++) {
		struct range rest = from->ranges[i];
		bool any = true;

		while (at < without->n_ranges &&
			inaddr_compare(&without->ranges[at].last, &rest.first) < 0)
			at++;
		for (size_t j = at; any && j < without->n_ranges; j++) {
			const struct range *cut = &without->ranges[j];

			if (inaddr_compare(&cut->first, &rest.last) > 0)
				break;
			if (inaddr_compare(&cut->first, &rest.first) > 0) {
				left[n_left] = rest;
				inaddr_previous(&cut->first, &left[n_left++].last);
			}
			any = inaddr_compare(&cut->last, &rest.last) < 0;
			if (any)
				inaddr_next(&cut->last, &rest.first);
		}
		if (any)
			left[n_left++] = rest;
	}
	*ret_ranges = (struct ranges){left, n_left};
	return 0;
}

int ranges_complement(struct arena *arena, enum plan_family family, const struct ranges *ranges,
	struct ranges *ret_ranges)
{
	struct ranges all;
	int error = ranges_all(arena, family, &all);

	return error < 0 ? error : ranges_subtract(arena, &all, ranges, ret_ranges);
}

bool ranges_equal(const struct ranges *a, const struct ranges *b)
{
	return a->n_ranges == b->n_ranges &&
	       (a->n_ranges == 0 ||
		       memcmp(a->ranges, b->ranges, a->n_ranges * sizeof(*a->ranges)) == 0);
}

/* --- Prefixes --- */

/* The longest prefix of the range that begins where it does. Returns how many of its last bits are
 * free. */
static unsigned free_bits(number first, number last, unsigned most)
{
	unsigned bits = 0;

	/* One bit more, and it would begin before, or end behind. */
	while (bits < most && (first >> bits & 1) == 0 && last - first >= ((number)2 << bits) - 1)
		bits++;
	return bits;
}

/* Counts a range's prefixes, and with `out` writes them. */
static size_t split(const struct range *range, struct prefix *out)
{
	bool ip4 = inaddr_is_ip4(&range->first);
	unsigned most = ip4 ? 32 : 128;
	number first = number_of(&range->first), last = number_of(&range->last);
	size_t count = 0;

	for (;;) {
		unsigned bits = free_bits(first, last, most);
		number end = bits == 128 ? ~(number)0 : first + (((number)1 << bits) - 1);

		struct prefix prefix = {address_of(first), (uint8_t)(most - bits)};

		/* No IPv6 packet has a mapped address. */
		if (ip4 || !inaddr_is_ip4(&prefix.address)) {
			if (out)
				out[count] = prefix;
			count++;
		}
		if (end == last)
			return count;
		first = end + 1;
	}
}

int ranges_prefixes(struct arena *arena, const struct ranges *ranges, struct prefix **ret_prefixes,
	size_t *ret_count)
{
	struct prefix *prefixes;
	size_t count = 0;

	for (size_t i = 0; i < ranges->n_ranges; i++)
		count += split(&ranges->ranges[i], NULL);
	prefixes = arena_array(arena, count, sizeof(*prefixes));
	if (!prefixes)
		return -ENOMEM;
	count = 0;
	for (size_t i = 0; i < ranges->n_ranges; i++)
		count += split(&ranges->ranges[i], prefixes + count);
	*ret_prefixes = prefixes;
	*ret_count = count;
	return 0;
}
