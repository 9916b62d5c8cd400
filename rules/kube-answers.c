/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/kube-answers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/judge.h"
#include "rules/list.h"
#include "rules/losses.h"
#include "rules/sweep.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * Once a name has an address, each layer decides by one of two: the entry that has the name
 * believes some addresses; or, where none has it, the address is judged as a bare one. Where no
 * entry of the layer names the port group's ports, it is judged so in any case (rules/judge.c). So
 * what names may have in a port group depends on nothing but those entries' `addresses`, layer by
 * layer, and there are few kinds of names, however many names. Each kind has the addresses that all
 * layers permit to it.
 *
 * A target cannot tell by which name an address was opened. It denies what no kind of the group may
 * have, so nothing is narrower; what one kind may have and another not is wider for the other one.
 *
 * Patterns may have any of the names that no host of the layer has. A kind of such names is
 * reckoned twice: with the addresses that are permitted to the names of some pattern or of none,
 * which are not denied; and with those that are permitted to all of them, beyond which it is wider.
 */

struct kind {
	struct kube_answer answer;
	struct name name;
	struct ranges most[PLAN_FAMILIES];
	struct ranges least[PLAN_FAMILIES];
	struct kind *next;
};

/* A loss that was told. */
struct told {
	const char *what;
	const char *rule;
	struct told *next;
};

/* What a layer permits of bare addresses. */
struct bare {
	bool is_known;
	struct ranges ranges[PLAN_FAMILIES];
};

struct kube_answers {
	struct arena *arena;
	const struct layers *layers;
	const struct plan *plan;
	struct kind **kinds; /* by group, the last that was looked for first */
	struct bare *bares;  /* by layer and group */
	struct told *told;
};

int kube_answers_new(
	struct arena *arena, const struct compiled *compiled, struct kube_answers **ret_answers)
{
	struct kube_answers *answers = arena_alloc(arena, sizeof(*answers));
	const struct plan *plan = compiled->plan;

	if (!answers)
		return -ENOMEM;
	*answers = (struct kube_answers){.arena = arena,
		.layers = compiled->layers,
		.plan = plan,
		.kinds = arena_array(arena, plan->n_groups + 1, sizeof(struct kind *)),
		.bares = arena_array(arena, compiled->layers->n_layers * (plan->n_groups + 1),
			sizeof(struct bare))};
	if (!answers->kinds || !answers->bares)
		return -ENOMEM;
	*ret_answers = answers;
	return 0;
}

/* --- Sets of addresses --- */

/* `a` with what `b` has. */
static int unite(struct arena *arena, enum plan_family family, const struct ranges *a,
	const struct ranges *b, struct ranges *ret_ranges)
{
	size_t count = a->n_ranges + b->n_ranges;
	struct range *both = arena_array(arena, count, sizeof(*both));

	if (!both)
		return -ENOMEM;
	if (a->n_ranges > 0)
		memcpy(both, a->ranges, a->n_ranges * sizeof(*both));
	if (b->n_ranges > 0)
		memcpy(both + a->n_ranges, b->ranges, b->n_ranges * sizeof(*both));
	return ranges_of(arena, family, both, count, ret_ranges);
}

/* What both have. */
static int intersect(struct arena *arena, enum plan_family family, const struct ranges *a,
	const struct ranges *b, struct ranges *ret_ranges)
{
	struct ranges others;
	int error = ranges_complement(arena, family, b, &others);

	return error < 0 ? error : ranges_subtract(arena, a, &others, ret_ranges);
}

/* The first address of `a` that `b` doesn't have. False: it has all. */
static bool find_outside(const struct ranges *a, const struct ranges *b, struct inaddr *ret_address)
{
	for (size_t i = 0, j = 0; i < a->n_ranges; i++) {
		const struct range *range = &a->ranges[i];

		while (j < b->n_ranges && inaddr_compare(&b->ranges[j].last, &range->first) < 0)
			j++;
		if (j == b->n_ranges || inaddr_compare(&b->ranges[j].first, &range->first) > 0) {
			*ret_address = range->first;
			return true;
		}
		if (inaddr_compare(&b->ranges[j].last, &range->last) < 0)
			return inaddr_next(&b->ranges[j].last, ret_address);
	}
	return false;
}

/* --- What a layer permits without a name --- */

/* Its claims on addresses: of its classes, and of its entries. The owner of an entry is the number
 * in `numbers`: of equals the lowest wins. */
struct claiming {
	const struct layer *layer;
	enum plan_family family;
	struct claims *claims; /* NULL: they are only counted */
	size_t count;
};

static void claim(struct claiming *claiming, const struct range *range, uint32_t owner)
{
	if (inaddr_is_ip4(&range->first) != (claiming->family == PLAN_IP4))
		return;
	if (claiming->claims)
		claims_add(claiming->claims, range, owner);
	claiming->count++;
}

static void claim_classes(struct claiming *claiming)
{
	size_t n_prefixes;
	const struct class_prefix *prefixes = class_prefixes(&n_prefixes);

	for (size_t i = 0; i < n_prefixes; i++) {
		struct range range = prefix_to_range(&prefixes[i].prefix);

		if (claiming->layer->block & 1u << prefixes[i].class)
			claim(claiming, &range, 0);
	}
}

static void claim_entry(struct claiming *claiming, const struct entry *entry, uint32_t owner)
{
	for (size_t i = 0; i < entry->n_addresses; i++)
		claim(claiming, &entry->addresses[i].range, owner);
	for (size_t i = 0; i < entry->n_lists; i++)
		for (size_t j = 0; j < entry->lists[i]->n_ranges; j++)
			claim(claiming, &entry->lists[i]->ranges[j].range, owner);
}

/* The owner's number: classes come first, then what denies. */
static uint32_t owner_of(const struct layer *layer, size_t index)
{
	bool denies = layer->entries[index].entry->action == ACTION_DENY;

	return (uint32_t)(1 + index + (denies ? 0 : layer->n_entries));
}

static enum verdict verdict_of(const struct layer *layer, uint32_t owner)
{
	if (owner == SWEEP_NOBODY)
		return layer->unknown;
	return owner == 0 ? layer->class_verdict
			  : layer->entries[(owner - 1) % layer->n_entries].verdict;
}

static void claim_all(struct claiming *claiming, const struct plan *plan, unsigned group)
{
	const struct layer *layer = claiming->layer;

	claiming->count = 0;
	claim_classes(claiming);
	for (size_t i = 0; i < layer->n_entries; i++)
		if (plan_entry_groups(plan, layer->entries[i].entry) & UINT64_C(1) << group)
			claim_entry(claiming, layer->entries[i].entry, owner_of(layer, i));
}

static uint32_t only_field(const void *context, uint32_t owner)
{
	(void)context;
	(void)owner;
	return 1;
}

/* Where the claims decide otherwise than of what nobody claims. */
static int sweep_claims(
	struct arena *arena, const struct claiming *claiming, struct ranges *ret_ranges)
{
	const struct layer *layer = claiming->layer;
	struct range *odd = arena_array(arena, 2 * claiming->count + 1, sizeof(*odd)), piece;
	size_t n_odd = 0;
	struct sweep *sweep;
	uint32_t winner;

	if (!odd || claims_sort(claiming->claims) < 0 ||
		sweep_new(claiming->claims, 1, only_field, NULL, &sweep) < 0)
		return -ENOMEM;
	while (sweep_next(sweep, &piece, &winner))
		if ((verdict_of(layer, winner) == VERDICT_REFUSE) !=
			(layer->unknown == VERDICT_REFUSE))
			odd[n_odd++] = piece;
	sweep_free(sweep);
	return ranges_of(arena, claiming->family, odd, n_odd, ret_ranges);
}

static int make_bare(struct kube_answers *answers, const struct layer *layer, unsigned group,
	enum plan_family family, struct ranges *ret_ranges)
{
	struct claiming claiming = {.layer = layer, .family = family};
	struct ranges odd = {NULL, 0};
	int error = 0;

	claim_all(&claiming, answers->plan, group);
	if (claiming.count > 0) {
		error = claims_new(family == PLAN_IP4, claiming.count, &claiming.claims);
		if (error < 0)
			return error;
		claim_all(&claiming, answers->plan, group);
		error = sweep_claims(answers->arena, &claiming, &odd);
		claims_free(claiming.claims);
	}
	if (error < 0)
		return error;
	if (layer->unknown != VERDICT_REFUSE)
		return ranges_complement(answers->arena, family, &odd, ret_ranges);
	*ret_ranges = odd;
	return 0;
}

/* What the layer permits in the group without a name; kept for the next time. */
static int bare_ranges(struct kube_answers *answers, size_t layer, unsigned group,
	enum plan_family family, struct ranges *ret_ranges)
{
	struct bare *bare = &answers->bares[layer * (answers->plan->n_groups + 1) + group];
	int error = 0;

	for (unsigned i = 0; i < PLAN_FAMILIES && !bare->is_known && error == 0; i++)
		error = make_bare(answers, &answers->layers->layers[layer], group,
			(enum plan_family)i, &bare->ranges[i]);
	if (error < 0)
		return error;
	bare->is_known = true;
	*ret_ranges = bare->ranges[family];
	return 0;
}

/* --- What names may have --- */

/* Whether the entry permits names in the group by patterns. */
static bool has_patterns(
	const struct kube_answers *answers, const struct layer_entry *it, unsigned group)
{
	return it->verdict != VERDICT_REFUSE && it->entry->n_patterns > 0 &&
	       (plan_entry_groups(answers->plan, it->entry) & UINT64_C(1) << group) != 0;
}

/* What a layer permits to the kind: to some of it at most, and to all of it. */
static int add_patterns(struct kube_answers *answers, const struct layer *layer, unsigned group,
	enum plan_family family, struct ranges *most, struct ranges *least)
{
	int error = 0;

	for (size_t i = 0; i < layer->n_entries && error == 0; i++) {
		const struct layer_entry *it = &layer->entries[i];
		struct ranges believed;

		if (!has_patterns(answers, it, group))
			continue;
		error = kube_believed(answers->arena, layer, it, family, &believed);
		if (error == 0)
			error = unite(answers->arena, family, most, &believed, most);
		if (error == 0)
			error = intersect(answers->arena, family, least, &believed, least);
	}
	return error;
}

/* Takes from the kind what a layer does not permit to some of it at most, and to all of it. */
static int narrow_to(struct arena *arena, enum plan_family family, const struct ranges *most,
	const struct ranges *least, struct kind *kind)
{
	int error = intersect(arena, family, &kind->most[family], most, &kind->most[family]);

	return error < 0 ? error
			 : intersect(arena, family, &kind->least[family], least,
				   &kind->least[family]);
}

/* Whether names open anything in the group, as far as the layer is concerned. */
static bool opens(const struct kube_answers *answers, const struct layer *layer, unsigned group)
{
	const struct port_range *ports = answers->plan->groups[group].ports;

	return judge_names_port(layer, ports->protocol, ports->first);
}

static int narrow_kind(
	struct kube_answers *answers, size_t index, enum plan_family family, struct kind *kind)
{
	const struct layer *layer = &answers->layers->layers[index];
	const struct kube_answer *answer = &kind->answer;
	const struct layer_entry *it = answer->entries[index];
	struct ranges bare, most, least;
	int error = it ? kube_believed(answers->arena, layer, it, family, &most)
		       : bare_ranges(answers, index, answer->group, family, &most);

	if (error < 0)
		return error;
	least = most;
	if (!it && !answer->is_alone)
		error = add_patterns(answers, layer, answer->group, family, &most, &least);
	if (error == 0)
		error = narrow_to(answers->arena, family, &most, &least, kind);
	if (error < 0 || opens(answers, layer, answer->group))
		return error;
	error = bare_ranges(answers, index, answer->group, family, &bare);
	return error < 0 ? error : narrow_to(answers->arena, family, &bare, &bare, kind);
}

static int make_kind(
	struct kube_answers *answers, const struct kube_answer *answer, struct kind **ret_kind)
{
	struct kind *kind = arena_alloc(answers->arena, sizeof(*kind));
	int error = 0;

	if (!kind)
		return -ENOMEM;
	kind->answer = *answer;
	kind->name = *answer->name;
	kind->answer.name = &kind->name;
	for (unsigned i = 0; i < PLAN_FAMILIES && error == 0; i++) {
		enum plan_family family = (enum plan_family)i;

		error = ranges_all(answers->arena, family, &kind->most[i]);
		kind->least[i] = kind->most[i];
		for (size_t j = 0; j < answers->layers->n_layers && error == 0; j++)
			error = narrow_kind(answers, j, family, kind);
	}
	if (error == 0)
		*ret_kind = kind;
	return error;
}

/* Whether the layer judges addresses alike for names that the two have. */
static bool same_belief(
	const struct layer *layer, const struct layer_entry *a, const struct layer_entry *b)
{
	if (a == b)
		return true;
	if (!a || !b)
		return false;
	if (kube_believes_all(layer, a) || kube_believes_all(layer, b))
		return kube_believes_all(layer, a) && kube_believes_all(layer, b);
	return a->entry->believed == b->entry->believed && a->entry->believed != BELIEVED_LISTED;
}

static bool is_kind(const struct kube_answers *answers, const struct kind *kind,
	const struct kube_answer *answer)
{
	bool unknown = false;

	for (size_t i = 0; i < answers->layers->n_layers; i++) {
		if (!same_belief(&answers->layers->layers[i], kind->answer.entries[i],
			    answer->entries[i]))
			return false;
		unknown |= !answer->entries[i];
	}
	return !unknown || kind->answer.is_alone == answer->is_alone;
}

int kube_answers_add(struct kube_answers *answers, const struct kube_answer *answer)
{
	struct kind **head = &answers->kinds[answer->group], *kind = NULL;
	int error;

	for (struct kind **at = head; *at; at = &(*at)->next) {
		if (!is_kind(answers, *at, answer))
			continue;
		kind = *at;
		*at = kind->next;
		break;
	}
	if (!kind) {
		error = make_kind(answers, answer, &kind);
		if (error != 0)
			return error;
	}
	kind->next = *head;
	*head = kind;
	return 0;
}

/* --- What is lost --- */

/* The rule by which the layer refuses the address to some of the kind, or NULL. */
static const char *find_rule(
	struct kube_answers *answers, const struct kind *kind, size_t index, struct inaddr *address)
{
	const struct layer *layer = &answers->layers->layers[index];
	const struct layer_entry *it = kind->answer.entries[index];
	const struct port_range *ports = answers->plan->groups[kind->answer.group].ports;
	const struct question question = {
		.address = address, .protocol = ports->protocol, .port = ports->first};
	enum address_class class;
	struct finding finding;
	char rule[RULE_ID_MAX];

	for (size_t i = 0; i < layer->n_entries; i++) {
		const struct layer_entry *other = &layer->entries[i];
		bool is_it = it ? it == other
				: !kind->answer.is_alone &&
					     has_patterns(answers, other, kind->answer.group);

		if (is_it && !kube_believes_all(layer, other) &&
			!judge_believes(layer, other->entry, address, &class))
			return arena_printf(answers->arena, "%s:addresses", other->id);
	}
	if (it)
		return NULL;
	finding = judge_layer(layer, &question);
	return finding.verdict == VERDICT_REFUSE
		       ? arena_printf(answers->arena, "%s", finding_rule(layer, &finding, rule))
		       : NULL;
}

/* Whether it is new; it isn't any more then. */
static bool is_news(struct kube_answers *answers, const char *what, const char *rule)
{
	struct told *told;

	for (told = answers->told; told; told = told->next)
		if (told->what == what && strcmp(told->rule, rule) == 0)
			return false;
	told = arena_alloc(answers->arena, sizeof(*told));
	if (told) {
		*told = (struct told){what, rule, answers->told};
		answers->told = told;
	}
	return true;
}

/* Names of the kind may have the address there, and the policy refuses it. */
static void lose(struct kube_answers *answers, const struct kind *kind, struct inaddr *address,
	struct losses *losses)
{
	const struct layer_entry *it = NULL;
	const char *rule = NULL;
	char text[INADDR_TEXT], name[NAME_TEXT];

	for (size_t i = 0; i < answers->layers->n_layers; i++) {
		if (!it)
			it = kind->answer.entries[i];
		if (!rule)
			rule = find_rule(answers, kind, i, address);
	}
	if (it && rule && is_news(answers, it->id, rule))
		losses_add(losses, LOSS_WIDER, it->id, it->entry->place,
			"its names may have addresses that %s refuses, such as %s for %s", rule,
			inaddr_to_text(address, text), name_to_text(&kind->name, name));
}

/* --- All together --- */

/* What some kind of the group may have. */
static int unite_kinds(struct kube_answers *answers, unsigned group, enum plan_family family,
	struct ranges *ret_ranges)
{
	struct range *ranges;
	size_t count = 0, at = 0;

	for (const struct kind *kind = answers->kinds[group]; kind; kind = kind->next)
		count += kind->most[family].n_ranges;
	ranges = arena_array(answers->arena, count, sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	for (const struct kind *kind = answers->kinds[group]; kind; kind = kind->next) {
		const struct ranges *most = &kind->most[family];

		if (most->n_ranges > 0)
			memcpy(ranges + at, most->ranges, most->n_ranges * sizeof(*ranges));
		at += most->n_ranges;
	}
	return ranges_of(answers->arena, family, ranges, count, ret_ranges);
}

/* Tells what is wider in the group, where `open` is all that is not denied, and `bare` what is
 * permitted without a name. */
static int compare_kinds(struct kube_answers *answers, unsigned group, enum plan_family family,
	const struct ranges *open, const struct ranges *bare, struct losses *losses)
{
	for (const struct kind *kind = answers->kinds[group]; kind; kind = kind->next) {
		struct ranges permitted;
		struct inaddr address;
		int error = unite(answers->arena, family, &kind->least[family], bare, &permitted);

		if (error < 0)
			return error;
		if (find_outside(open, &permitted, &address))
			lose(answers, kind, &address, losses);
	}
	return 0;
}

static int finish_group(struct kube_answers *answers, unsigned group, enum plan_family family,
	struct losses *losses, struct ranges *ret_denied)
{
	struct arena *arena = answers->arena;
	struct ranges named, others, bare, denied, open;
	int error = unite_kinds(answers, group, family, &named);

	if (error == 0)
		error = ranges_complement(arena, family, &named, &others);
	if (error == 0)
		error = ranges_permitted(arena, answers->plan, group, family, &bare);
	if (error == 0)
		error = ranges_subtract(arena, &others, &bare, &denied);
	if (error == 0)
		error = ranges_complement(arena, family, &denied, &open);
	if (error == 0)
		error = compare_kinds(answers, group, family, &open, &bare, losses);
	if (error == 0)
		*ret_denied = denied;
	return error;
}

int kube_answers_finish(
	struct kube_answers *answers, struct losses *losses, struct kube_rules *ret_denied)
{
	const struct plan *plan = answers->plan;
	struct kube_rules rules = {
		arena_array(answers->arena, plan->n_groups + 1, sizeof(struct kube_rule)), 0};
	int error = rules.rules ? 0 : -ENOMEM;

	for (unsigned i = 0; i < plan->n_groups && error == 0; i++) {
		struct kube_rule rule = {0};

		if (!answers->kinds[i])
			continue;
		error = kube_groups_ports(answers->arena, plan, UINT64_C(1) << i, &rule);
		for (unsigned j = 0; j < PLAN_FAMILIES && error == 0; j++)
			error = finish_group(answers, i, (enum plan_family)j, losses, &rule.to[j]);
		if (error == 0 && rule.to[PLAN_IP4].n_ranges + rule.to[PLAN_IP6].n_ranges > 0)
			error = kube_rules_add(answers->arena, &rule, &rules);
	}
	if (error == 0)
		*ret_denied = rules;
	return error;
}
