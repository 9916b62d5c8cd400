/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/judge.h"

#include <stdio.h>

#include "rules/host.h"
#include "rules/list.h"
#include "rules/pattern.h"
#include "rules/plan.h"
#include "rules/ports.h"

/*
 * Theory of operation
 *
 * A destination is judged in every layer on its own. In a layer, every entry that has the port is
 * asked whether it matches, by a host, by a pattern, by an address; the blocked classes are asked
 * as entries would be that deny their prefixes on all ports. Of all that matches the best wins:
 *
 *	a host, by its specificity (rules/host.h); then
 *	a pattern; then
 *	an address, by how few it stands with.
 *
 * Between equals a class goes before a deny entry, that before an allow entry, `*` before `**`, and
 * then the entry that stands first. The winner's score is the layer's, and the score of the unknown
 * where nothing matches.
 *
 * A name without an address is what a resolver is asked: addresses have no say yet. Once it has
 * one, a layer that does not know the name judges the address as it would a bare one, and a layer
 * that knows the name still has to believe that the name has this address.
 *
 * What a name opens is opened on ports that entries name (rules/plan.h): a [[deny]] for all ports
 * whose score permits has names permitted on the other ports, too, and opens nothing there. So on a
 * port that no entry of its layer names the address must be permitted by itself as well; what other
 * layers name is nothing to it, or an override could widen the base.
 *
 * Nothing is indexed and nothing is skipped, so that this can be read as the language's definition
 * and be wrong in other ways than what is fast.
 */

struct visitor {
	void (*visit)(void *context, const struct finding *finding);
	void *context;
};

/* What is asked, and where. */
struct hearing {
	const struct layer *layer;
	const struct question *question;
	struct visitor visitor;
};

static void report(const struct hearing *hearing, const struct finding *finding)
{
	if (finding->kind != FOUND_NOTHING)
		hearing->visitor.visit(hearing->visitor.context, finding);
}

/* --- Which of two is better --- */

/* How many addresses a range has, less one, as a number of 128 bits. */
struct width {
	uint64_t high, low;
};

static uint64_t load64(const uint8_t *bytes)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < sizeof(word); i++)
		word = word << 8 | bytes[i];
	return word;
}

static struct width subtract(struct width a, struct width b)
{
	return (struct width){a.high - b.high - (a.low < b.low), a.low - b.low};
}

static struct width number_of(const struct inaddr *address)
{
	return (struct width){load64(address->bytes), load64(address->bytes + 8)};
}

/* IPv4 addresses are no part of an IPv6 range, even if their numbers lie in it. */
static bool is_around_ip4(const struct range *range)
{
	static const struct inaddr any = {{[10] = 0xff, 0xff}};

	return !inaddr_is_ip4(&range->first) && inaddr_compare(&range->first, &any) < 0 &&
	       inaddr_compare(&range->last, &any) > 0;
}

static struct width range_width(const struct range *range)
{
	static const struct width all_ip4 = {0, UINT64_C(1) << 32};
	struct width width = subtract(number_of(&range->last), number_of(&range->first));

	return is_around_ip4(range) ? subtract(width, all_ip4) : width;
}

/* <0: `a` is more specific. */
static int compare_hosts(const struct host *a, const struct host *b)
{
	uint32_t x = host_specificity(a->kind, a->wire, a->length);
	uint32_t y = host_specificity(b->kind, b->wire, b->length);

	return x > y ? -1 : x < y;
}

/* Whether it begins with "**". */
static bool is_deep(const struct host *host)
{
	return host->kind == HOST_ANY_DEPTH ||
	       (host->kind == HOST_GLOB && host->wire[0] == 2 && host->wire[1] == '*' &&
		       host->wire[2] == '*');
}

/* <0: `a` has fewer addresses. */
static int compare_widths(const struct range *a, const struct range *b)
{
	struct width x = range_width(a), y = range_width(b);

	if (x.high != y.high)
		return x.high < y.high ? -1 : 1;
	return x.low < y.low ? -1 : x.low > y.low;
}

/* In order of preference. */
enum basis { BY_HOST, BY_PATTERN, BY_ADDRESS, BY_NOTHING };

static enum basis basis_of(const struct finding *finding)
{
	static const enum basis bases[] = {
		[FOUND_NOTHING] = BY_NOTHING,
		[FOUND_HOST] = BY_HOST,
		[FOUND_PATTERN] = BY_PATTERN,
		[FOUND_ADDRESS] = BY_ADDRESS,
		[FOUND_CLASS] = BY_ADDRESS,
	};

	return bases[finding->kind];
}

/* In order of preference. */
enum rank { RANK_CLASS, RANK_DENY, RANK_ALLOW };

static enum rank rank_of(const struct finding *finding)
{
	if (!finding->entry)
		return RANK_CLASS;
	return finding->entry->entry->action == ACTION_DENY ? RANK_DENY : RANK_ALLOW;
}

/* <0: `a` matches more closely. */
static int compare_closeness(const struct finding *a, const struct finding *b)
{
	enum basis basis = basis_of(a);

	if (basis != basis_of(b))
		return basis < basis_of(b) ? -1 : 1;
	if (basis == BY_HOST)
		return compare_hosts(&a->host, &b->host);
	return basis == BY_ADDRESS ? compare_widths(&a->range, &b->range) : 0;
}

bool judge_is_closer(const struct finding *a, const struct finding *b)
{
	return compare_closeness(a, b) < 0;
}

bool judge_beats(const struct finding *a, const struct finding *b)
{
	int closeness = compare_closeness(a, b);

	if (closeness != 0)
		return closeness < 0;
	if (rank_of(a) != rank_of(b))
		return rank_of(a) < rank_of(b);
	if (a->kind == FOUND_HOST && is_deep(&a->host) != is_deep(&b->host))
		return is_deep(&b->host);
	return a->entry < b->entry;
}

static void keep_better(struct finding *best, const struct finding *other)
{
	if (judge_beats(other, best))
		*best = *other;
}

/* --- What an entry says --- */

bool judge_has_port(const struct entry *entry, enum protocol protocol, uint16_t port)
{
	return entry->all_ports || ports_have(entry->ports, entry->n_ports, protocol, port);
}

static struct finding find_by_entry(enum finding_kind kind, const struct layer_entry *it)
{
	return (struct finding){
		.kind = kind,
		.entry = it,
		.score = it->entry->score,
		.verdict = it->verdict,
	};
}

bool judge_believes(const struct layer *layer, const struct entry *entry,
	const struct inaddr *address, enum address_class *ret_class)
{
	switch (entry->believed) {
	case BELIEVED_PUBLIC:
		return !class_find(address, layer->block, ret_class);
	case BELIEVED_ANY:
		return true;
	case BELIEVED_LISTED:
		for (size_t i = 0; i < entry->n_believed_ranges; i++)
			if (range_contains(&entry->believed_ranges[i], address))
				return true;
		return false;
	}
	return false;
}

static struct place line_of(const struct list *list, uint32_t line)
{
	return (struct place){.file = list->file, .line = line, .column = 1, .width = 1};
}

/* A name's entry that does not believe the address refuses, whatever its score. */
static void check_belief(const struct hearing *hearing, struct finding *finding)
{
	const struct question *question = hearing->question;

	if (finding->kind == FOUND_NOTHING || !question->address || question->embedded ||
		finding->verdict >= VERDICT_OBSERVE ||
		judge_believes(
			hearing->layer, finding->entry->entry, question->address, &finding->class))
		return;
	finding->disbelieved = true;
	finding->verdict = layer_refusal(hearing->layer);
}

static void match_host(struct finding *best, const struct layer_entry *it, const struct host *host,
	const struct name *name)
{
	struct finding finding = find_by_entry(FOUND_HOST, it);

	if (!host_matches(host->kind, host->wire, host->length, name))
		return;
	finding.host = *host;
	finding.place = host->place;
	keep_better(best, &finding);
}

static void match_listed_hosts(struct finding *best, const struct layer_entry *it,
	const struct list *list, const struct name *name)
{
	struct list_name listed = {0};
	size_t at = 0;

	while (list_next(list, &at, &listed)) {
		const struct host host = {
			listed.kind, listed.length, listed.wire, line_of(list, listed.line)};

		match_host(best, it, &host, name);
	}
}

/* The entry's best host, of those it names and those of its lists. */
static struct finding find_host(const struct layer_entry *it, const struct name *name)
{
	const struct entry *entry = it->entry;
	struct finding best = {.kind = FOUND_NOTHING};

	for (size_t i = 0; i < entry->n_hosts; i++)
		match_host(&best, it, &entry->hosts[i], name);
	for (size_t i = 0; i < entry->n_lists; i++)
		match_listed_hosts(&best, it, entry->lists[i], name);
	return best;
}

/* The entry's first pattern that matches. One that gives up is no reason to permit. */
static struct finding find_pattern(const struct layer_entry *it, const struct name *name)
{
	const struct entry *entry = it->entry;
	struct finding finding = find_by_entry(FOUND_PATTERN, it);

	for (size_t i = 0; i < entry->n_patterns; i++) {
		enum pattern_result result = pattern_match(entry->patterns[i], name);

		finding.pattern = entry->patterns[i];
		finding.place = pattern_place(finding.pattern);
		if (result == PATTERN_YES)
			return finding;
		if (result == PATTERN_LIMIT && entry->action == ACTION_DENY)
			return finding;
	}
	return (struct finding){.kind = FOUND_NOTHING};
}

static void match_range(struct finding *best, const struct layer_entry *it,
	const struct range *range, struct place place, const struct inaddr *address)
{
	struct finding finding = find_by_entry(FOUND_ADDRESS, it);

	if (!range_contains(range, address))
		return;
	finding.range = *range;
	finding.place = place;
	keep_better(best, &finding);
}

/* The entry's narrowest range, of those it names and those of its lists. */
static struct finding find_address(const struct layer_entry *it, const struct inaddr *address)
{
	const struct entry *entry = it->entry;
	struct finding best = {.kind = FOUND_NOTHING};

	for (size_t i = 0; i < entry->n_addresses; i++)
		match_range(
			&best, it, &entry->addresses[i].range, entry->addresses[i].place, address);
	for (size_t i = 0; i < entry->n_lists; i++) {
		const struct list *list = entry->lists[i];

		for (size_t j = 0; j < list->n_ranges; j++)
			match_range(&best, it, &list->ranges[j].range,
				line_of(list, list->ranges[j].line), address);
	}
	return best;
}

static void ask_entry(const struct hearing *hearing, const struct layer_entry *it)
{
	const struct question *question = hearing->question;
	struct finding finding;

	if (!judge_has_port(it->entry, question->protocol, question->port))
		return;
	if (question->name) {
		finding = find_host(it, question->name);
		check_belief(hearing, &finding);
		report(hearing, &finding);
		finding = find_pattern(it, question->name);
		check_belief(hearing, &finding);
		report(hearing, &finding);
	}
	if (question->address) {
		finding = find_address(it, question->address);
		report(hearing, &finding);
	}
}

/* --- What a layer says --- */

static void ask_classes(const struct hearing *hearing)
{
	const struct inaddr *address = hearing->question->address;
	size_t n_prefixes;
	const struct class_prefix *prefixes = class_prefixes(&n_prefixes);

	for (size_t i = 0; address && i < n_prefixes; i++) {
		const struct finding finding = {
			.kind = FOUND_CLASS,
			.class = prefixes[i].class,
			.score = LAYERS_DENY_SCORE,
			.verdict = hearing->layer->class_verdict,
			.range = prefix_to_range(&prefixes[i].prefix),
		};

		if (hearing->layer->block & 1u << finding.class &&
			range_contains(&finding.range, address))
			report(hearing, &finding);
	}
}

void judge_visit(const struct layer *layer, const struct question *question,
	void (*visit)(void *context, const struct finding *finding), void *context)
{
	const struct hearing hearing = {layer, question, {visit, context}};

	for (size_t i = 0; i < layer->n_entries; i++)
		ask_entry(&hearing, &layer->entries[i]);
	ask_classes(&hearing);
}

static void keep_winner(void *context, const struct finding *finding)
{
	keep_better(context, finding);
}

struct finding judge_layer(const struct layer *layer, const struct question *question)
{
	struct finding winner = {
		.kind = FOUND_NOTHING,
		.score = layer->unknown_score,
		.verdict = layer->unknown,
	};

	judge_visit(layer, question, keep_winner, &winner);
	return winner;
}

/* --- What all layers say --- */

bool judge_names_port(const struct layer *layer, enum protocol protocol, uint16_t port)
{
	for (size_t i = 0; i < layer->n_entries; i++) {
		const struct entry *entry = layer->entries[i].entry;

		if (ports_have(entry->ports, entry->n_ports, protocol, port))
			return true;
	}
	return false;
}

/* Of a name and its address, where the layer's names open nothing: the stricter of what the layer
 * says of both and what it says of the address. */
static struct finding judge_unopened(const struct layer *layer, const struct question *question)
{
	struct question bare = *question;
	struct finding both = judge_layer(layer, question), address;

	bare.name = NULL;
	address = judge_layer(layer, &bare);
	return address.verdict > both.verdict ? address : both;
}

void judge(const struct layers *layers, const struct question *question,
	struct judgement *ret_judgement)
{
	struct judgement judgement = {.verdict = VERDICT_PERMIT};
	bool both = question->name && question->address;

	for (size_t i = 0; i < layers->n_layers; i++) {
		const struct layer *layer = &layers->layers[i];

		judgement.layers[i] =
			both && !judge_names_port(layer, question->protocol, question->port)
				? judge_unopened(layer, question)
				: judge_layer(layer, question);
		if (judgement.layers[i].verdict > judgement.verdict)
			judgement.verdict = judgement.layers[i].verdict;
	}
	*ret_judgement = judgement;
}

bool judgement_layer(
	const struct layers *layers, const struct judgement *judgement, unsigned *ret_layer)
{
	bool permits = judgement->verdict < VERDICT_OBSERVE;

	for (unsigned i = 0; i < layers->n_layers; i++) {
		const struct finding *finding = &judgement->layers[i];

		if (permits ? finding->entry != NULL : finding->verdict == judgement->verdict) {
			*ret_layer = i;
			return true;
		}
	}
	return false;
}

const char *finding_rule(const struct layer *layer, const struct finding *finding, char *out)
{
	switch (finding->kind) {
	case FOUND_NOTHING:
		snprintf(out, RULE_ID_MAX, "%s%s", layer->prefix,
			finding->verdict < VERDICT_OBSERVE ? PLAN_DEFAULT_PERMIT
							   : PLAN_DEFAULT_DENY);
		break;
	case FOUND_CLASS:
		snprintf(out, RULE_ID_MAX, "%s%s", layer->prefix, class_rule(finding->class));
		break;
	case FOUND_HOST:
	case FOUND_PATTERN:
	case FOUND_ADDRESS:
		snprintf(out, RULE_ID_MAX, "%s%s", finding->entry->id,
			finding->disbelieved ? ":addresses" : "");
		break;
	}
	return out;
}

const char *judgement_rule(
	const struct layers *layers, const struct judgement *judgement, char *out)
{
	unsigned layer;

	if (!judgement_layer(layers, judgement, &layer)) {
		snprintf(out, RULE_ID_MAX, "%s", PLAN_DEFAULT_PERMIT);
		return out;
	}
	return finding_rule(&layers->layers[layer], &judgement->layers[layer], out);
}
