/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/spans.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "rules/list.h"
#include "rules/lowering.h"
#include "rules/refusals.h"
#include "rules/sweep.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * What a layer says of a bare address on some port is up to its claims: the ranges of the entries
 * that have the port, and the prefixes of the classes it blocks. A sweep (rules/sweep.h) with a
 * field for each layer finds the winner in each, address by address; owners are numbered such that
 * the lowest wins between claims of one width. The winners together make a decision: the strictest
 * verdict, with the refusal of the first layer that has it, or else the rule of the first layer
 * whose winner is an entry.
 *
 * Claims on every port (classes, and entries with all ports) are the rest's claims; decided with
 * them alone, R(a), an address that isn't `otherwise` is a span of the plan. A group's decision
 * G(a) is made with these and with the claims of the entries that have the group. Both are found in
 * one sweep, with two fields for each layer, and where G(a) differs from R(a) the address is a span
 * of the group. So a packet to port group g finds G(a) in the group's maps if that isn't R(a); else
 * it finds nothing there and then R(a) in the plan's; and if that has nothing, R(a) is `otherwise`:
 * G(a) in each case. On ports of no group no entry but those of the rest has a say, and R(a) is
 * what it finds. An address is in one list at most of those that are looked at in one step, so
 * their order does not matter.
 *
 * G can differ from R only where some entry of the group has a claim that isn't the rest's. So of
 * the rest's claims only those near such a one take part in the group's sweep, and a long list of
 * denied prefixes isn't walked once for each group. Groups with the same claims share their spans.
 *
 * A list is swept twice, to count its spans and to write them, so that nothing but the packed
 * claims and the spans themselves is ever in memory.
 */

/* Somebody who claims addresses, in one layer. */
struct owner {
	const struct layer_entry *it; /* NULL: a class */
	enum address_class class;
	uint8_t layer;
	bool rest; /* claims on every port */
	enum verdict verdict;
	uint64_t groups;
	size_t n_claims[PLAN_FAMILIES];
	uint32_t rule;    /* LOWERING_NONE where it is no entry, or never the rule */
	uint32_t refusal; /* as rules/refusals.h numbers them */
};

/* What is done with an address; its index is that of a span, but for refusals' numbers. */
struct outcome {
	enum verdict verdict;
	uint32_t index;
};

struct settling {
	struct lowering *lowering;
	const struct layers *layers;
	struct owner *owners;
	size_t n_owners;
	uint32_t *refusals; /* whether a span names it, and later its index in the plan */
	struct outcome otherwise;
	/* For each group the first with the same claims: the two share their spans. */
	unsigned leaders[PLAN_FAMILIES][PLAN_GROUPS_MAX];
};

/* Two lists of spans that are counted or written. */
struct span_writer {
	struct settling *settling;
	struct plan_spans *permitted;
	struct plan_spans *denied;
	bool is_counting;
};

static bool is_family(const struct inaddr *address, unsigned family)
{
	return inaddr_is_ip4(address) == (family == PLAN_IP4);
}

static size_t add_range(
	struct claims *claims, const struct range *range, unsigned family, uint32_t owner)
{
	if (!is_family(&range->first, family))
		return 0;
	if (claims)
		claims_add(claims, range, owner);
	return 1;
}

static size_t add_class_claims(
	struct claims *claims, enum address_class class, unsigned family, uint32_t owner)
{
	size_t n_prefixes, count = 0;
	const struct class_prefix *prefixes = class_prefixes(&n_prefixes);

	for (size_t i = 0; i < n_prefixes; i++) {
		struct range range = prefix_to_range(&prefixes[i].prefix);

		if (prefixes[i].class == class)
			count += add_range(claims, &range, family, owner);
	}
	return count;
}

static size_t add_entry_claims(
	struct claims *claims, const struct entry *entry, unsigned family, uint32_t owner)
{
	size_t count = 0;

	for (size_t i = 0; i < entry->n_addresses; i++)
		count += add_range(claims, &entry->addresses[i].range, family, owner);
	for (size_t i = 0; i < entry->n_lists; i++)
		for (size_t j = 0; j < entry->lists[i]->n_ranges; j++)
			count +=
				add_range(claims, &entry->lists[i]->ranges[j].range, family, owner);
	return count;
}

/* The owner's claims, added to `claims` unless that is NULL. Returns how many. */
static size_t add_owner_claims(
	const struct settling *settling, struct claims *claims, unsigned family, size_t number)
{
	const struct owner *owner = &settling->owners[number];

	if (owner->it)
		return add_entry_claims(claims, owner->it->entry, family, (uint32_t)number);
	return add_class_claims(claims, owner->class, family, (uint32_t)number);
}

static void add_classes(struct settling *settling, unsigned index)
{
	const struct layer *layer = &settling->layers->layers[index];

	for (unsigned class = 0; class < CLASS_COUNT; class ++)
		if (layer->block & 1u << class)
			settling->owners[settling->n_owners++] = (struct owner){
				.class = (enum address_class) class,
				.layer = (uint8_t)index,
				.rest = true,
				.verdict = layer->class_verdict,
				.rule = LOWERING_NONE,
				.refusal = refusal_of_class(
					settling->lowering, index, (enum address_class) class),
			};
}

static void add_entries(struct settling *settling, unsigned index, enum action action)
{
	const struct lowering *lowering = settling->lowering;
	const struct layer *layer = &settling->layers->layers[index];

	for (size_t i = 0; i < layer->n_entries; i++) {
		const struct layer_entry *it = &layer->entries[i];
		size_t number = lowering->first[index] + i;

		if (it->entry->action != action || it->entry->n_addresses + it->entry->n_lists == 0)
			continue;
		settling->owners[settling->n_owners++] = (struct owner){
			.it = it,
			.layer = (uint8_t)index,
			.rest = it->entry->all_ports,
			.verdict = it->verdict,
			.groups = lowering->groups[number],
			.rule = lowering->rules[number],
			.refusal = refusal_of_entry(lowering, index, i),
		};
	}
}

/* All owners; of one layer those that win between equals come first. */
static int make_owners(struct settling *settling)
{
	settling->owners = calloc(refusals_count(settling->lowering), sizeof(*settling->owners));
	if (!settling->owners)
		return -ENOMEM;
	for (unsigned i = 0; i < settling->layers->n_layers; i++) {
		add_classes(settling, i);
		add_entries(settling, i, ACTION_DENY);
		add_entries(settling, i, ACTION_ALLOW);
	}
	for (size_t i = 0; i < settling->n_owners; i++)
		for (unsigned family = 0; family < PLAN_FAMILIES; family++)
			settling->owners[i].n_claims[family] =
				add_owner_claims(settling, NULL, family, i);
	return 0;
}

/* Whether the owner is one of the rest, or else one of those that have the group. */
static bool takes_part(const struct owner *owner, bool rest, unsigned group)
{
	return owner->rest ? rest : !rest && (owner->groups >> group & 1) != 0;
}

/* The claims of the rest, or else those of the group that are not the rest's, sorted, and with room
 * for `more`. */
static int make_claims(const struct settling *settling, unsigned family, bool rest, unsigned group,
	size_t more, struct claims **ret_claims)
{
	struct claims *claims;
	size_t count = 0;
	int error;

	for (size_t i = 0; i < settling->n_owners; i++)
		if (takes_part(&settling->owners[i], rest, group))
			count += settling->owners[i].n_claims[family];
	error = claims_new(family == PLAN_IP4, count + more, &claims);
	if (error < 0)
		return error;
	for (size_t i = 0; i < settling->n_owners; i++)
		if (takes_part(&settling->owners[i], rest, group) &&
			settling->owners[i].n_claims[family] > 0)
			add_owner_claims(settling, claims, family, i);
	error = claims_sort(claims);
	if (error < 0)
		claims_free(claims);
	else
		*ret_claims = claims;
	return error;
}

static enum verdict verdict_of(const struct settling *settling, unsigned layer, uint32_t winner)
{
	return winner == SWEEP_NOBODY ? settling->layers->layers[layer].unknown
				      : settling->owners[winner].verdict;
}

/* What the layers say together, each with its winner. */
static struct outcome combine(const struct settling *settling, const uint32_t *winners)
{
	unsigned n_layers = (unsigned)settling->layers->n_layers;
	struct outcome outcome = {VERDICT_PERMIT, settling->lowering->default_permit};
	unsigned strictest = 0;

	for (unsigned i = 0; i < n_layers; i++) {
		enum verdict verdict = verdict_of(settling, i, winners[i]);

		if (verdict <= outcome.verdict)
			continue;
		outcome.verdict = verdict;
		strictest = i;
	}
	if (outcome.verdict >= VERDICT_OBSERVE) {
		outcome.index = winners[strictest] == SWEEP_NOBODY
					? refusal_of_unknown(settling->lowering, strictest)
					: settling->owners[winners[strictest]].refusal;
		return outcome;
	}
	for (unsigned i = 0; i < n_layers; i++) {
		const struct owner *owner =
			winners[i] == SWEEP_NOBODY ? NULL : &settling->owners[winners[i]];

		if (!owner || !owner->it)
			continue;
		outcome.index = owner->rule;
		break;
	}
	return outcome;
}

static bool same_outcome(struct outcome a, struct outcome b)
{
	return a.verdict == b.verdict && a.index == b.index;
}

/*
 * Cuts an IPv6 range around the IPv4-mapped block: src/base/inaddr.h has that as IPv4, so no
 * address of it is in the range, but the kernel would take it for a part. Returns 1 or 2, how many
 * are left.
 */
static unsigned cut_mapped(const struct range *range, struct range parts[2])
{
	const struct inaddr behind = {{[9] = 1}};
	struct inaddr before;

	parts[0] = *range;
	if (inaddr_is_ip4(&range->first) || inaddr_compare(&range->first, &behind) >= 0 ||
		inaddr_compare(&range->last, &behind) < 0)
		return 1;
	inaddr_previous(&behind, &before);
	parts[0].last = before;
	parts[1] = (struct range){.first = behind, .last = range->last};
	return 2;
}

static void write_span(
	struct span_writer *writer, const struct range *range, struct outcome outcome)
{
	bool denied = outcome.verdict >= VERDICT_OBSERVE;
	struct plan_spans *spans = denied ? writer->denied : writer->permitted;
	struct range parts[2];
	unsigned n_parts = cut_mapped(range, parts);

	if (denied)
		writer->settling->refusals[outcome.index] = 1;
	for (unsigned i = 0; i < n_parts; i++) {
		if (!writer->is_counting)
			spans->spans[spans->n_spans] =
				(struct plan_span){parts[i], outcome.verdict, outcome.index};
		spans->n_spans++;
	}
}

/* Counts or writes what the sweep comes to. With `group` there are two fields a layer: the group's
 * and the rest's. */
static void run_sweep(struct span_writer *writer, struct sweep *sweep, bool group)
{
	const struct settling *settling = writer->settling;
	uint32_t winners[SWEEP_FIELDS_MAX];
	struct outcome open = {VERDICT_PERMIT, LOWERING_NONE};
	struct range span, piece;
	bool is_open = false;

	sweep_rewind(sweep);
	while (sweep_next(sweep, &piece, winners)) {
		struct outcome now = combine(settling, winners);
		struct outcome base =
			group ? combine(settling, winners + settling->layers->n_layers)
			      : settling->otherwise;
		bool differs = !same_outcome(now, base);

		if (is_open && differs && same_outcome(now, open)) {
			span.last = piece.last;
			continue;
		}
		if (is_open)
			write_span(writer, &span, open);
		is_open = differs;
		open = now;
		span = piece;
	}
	if (is_open)
		write_span(writer, &span, open);
}

static uint32_t fields_of_rest(const void *context, uint32_t owner)
{
	const struct settling *settling = context;

	return UINT32_C(1) << settling->owners[owner].layer;
}

static uint32_t fields_of_group(const void *context, uint32_t owner)
{
	const struct settling *settling = context;
	uint32_t field = UINT32_C(1) << settling->owners[owner].layer;

	return settling->owners[owner].rest ? field | field << settling->layers->n_layers : field;
}

/* Writes what the claims come to into the two lists. */
static int settle(struct settling *settling, const struct claims *claims, bool group,
	struct plan_spans *permitted, struct plan_spans *denied)
{
	struct arena *arena = settling->lowering->arena;
	struct span_writer writer = {settling, permitted, denied, true};
	unsigned n_fields = (unsigned)settling->layers->n_layers * (group ? 2 : 1);
	struct sweep *sweep;
	int error = sweep_new(
		claims, n_fields, group ? fields_of_group : fields_of_rest, settling, &sweep);

	if (error < 0)
		return error;
	run_sweep(&writer, sweep, group);
	permitted->spans = arena_array(arena, permitted->n_spans, sizeof(struct plan_span));
	denied->spans = arena_array(arena, denied->n_spans, sizeof(struct plan_span));
	if (permitted->spans && denied->spans) {
		permitted->n_spans = denied->n_spans = 0;
		writer.is_counting = false;
		run_sweep(&writer, sweep, group);
	} else {
		error = -ENOMEM;
	}
	sweep_free(sweep);
	return error;
}

static int settle_group(
	struct settling *settling, unsigned family, unsigned group, const struct claims *rest)
{
	struct plan_group *of = &settling->lowering->plan->groups[group];
	struct claims *claims;
	int error = make_claims(settling, family, false, group, claims_count(rest), &claims);

	if (error < 0)
		return error;
	if (claims_count(claims) > 0) {
		claims_add_near(claims, rest, claims);
		error = claims_sort(claims);
		if (error == 0)
			error = settle(settling, claims, true, &of->family[family].permitted,
				&of->family[family].denied);
	}
	claims_free(claims);
	return error;
}

/* For each group the first with the same owners. */
static void find_leaders(const struct settling *settling, unsigned family, unsigned *leaders)
{
	size_t n_groups = settling->lowering->plan->n_groups;
	uint64_t same[PLAN_GROUPS_MAX];

	for (size_t i = 0; i < n_groups; i++)
		same[i] = UINT64_MAX;
	for (size_t i = 0; i < settling->n_owners; i++) {
		uint64_t groups = settling->owners[i].groups;

		if (settling->owners[i].rest || settling->owners[i].n_claims[family] == 0)
			continue;
		for (size_t j = 0; j < n_groups; j++)
			same[j] &= groups & UINT64_C(1) << j ? groups : ~groups;
	}
	for (size_t i = 0; i < n_groups; i++)
		leaders[i] = (unsigned)__builtin_ctzll(same[i]);
}

static int settle_family(struct settling *settling, unsigned family)
{
	struct plan *plan = settling->lowering->plan;
	unsigned *leaders = settling->leaders[family];
	struct claims *rest;
	int error = make_claims(settling, family, true, 0, 0, &rest);

	if (error < 0)
		return error;
	error = settle(settling, rest, false, &plan->family[family].permitted,
		&plan->family[family].denied);
	find_leaders(settling, family, leaders);
	for (unsigned i = 0; error == 0 && i < plan->n_groups; i++)
		if (leaders[i] == i)
			error = settle_group(settling, family, i, rest);
	claims_free(rest);
	return error;
}

/* From the numbers of refusals to their indexes in the plan. */
static void number_refusals(const uint32_t *refusals, struct plan_spans *denied)
{
	for (size_t i = 0; i < denied->n_spans; i++)
		denied->spans[i].index = refusals[denied->spans[i].index];
}

static void finish_family(struct settling *settling, unsigned family)
{
	struct plan *plan = settling->lowering->plan;
	const unsigned *leaders = settling->leaders[family];

	number_refusals(settling->refusals, &plan->family[family].denied);
	for (unsigned i = 0; i < plan->n_groups; i++) {
		struct plan_group *group = &plan->groups[i], *leader = &plan->groups[leaders[i]];

		if (leader == group) {
			number_refusals(settling->refusals, &group->family[family].denied);
			continue;
		}
		group->family[family].permitted = leader->family[family].permitted;
		group->family[family].denied = leader->family[family].denied;
	}
}

/* Makes the refusals, now that it is known which have a use. */
static int finish(struct settling *settling)
{
	struct plan *plan = settling->lowering->plan;
	uint32_t index = settling->otherwise.index;
	bool refused = settling->otherwise.verdict >= VERDICT_OBSERVE;
	int error;

	if (refused)
		settling->refusals[index] = 1;
	error = refusals_make(settling->lowering, settling->refusals);
	if (error < 0)
		return error;
	plan->otherwise = settling->otherwise.verdict;
	plan->otherwise_index = refused ? settling->refusals[index] : index;
	for (unsigned family = 0; family < PLAN_FAMILIES; family++)
		finish_family(settling, family);
	return 0;
}

static int settle_all(struct settling *settling)
{
	uint32_t nobody[LAYERS_MAX];
	int error = make_owners(settling);

	if (error < 0)
		return error;
	for (unsigned i = 0; i < LAYERS_MAX; i++)
		nobody[i] = SWEEP_NOBODY;
	settling->otherwise = combine(settling, nobody);
	for (unsigned family = 0; error == 0 && family < PLAN_FAMILIES; family++)
		error = settle_family(settling, family);
	return error < 0 ? error : finish(settling);
}

int spans_make(struct lowering *lowering)
{
	struct settling settling = {
		.lowering = lowering,
		.layers = lowering->plan->layers,
		.refusals = calloc(refusals_count(lowering), sizeof(uint32_t)),
	};
	int error = settling.refusals ? settle_all(&settling) : -ENOMEM;

	free(settling.owners);
	free(settling.refusals);
	return error;
}
