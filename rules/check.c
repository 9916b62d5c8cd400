/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/check.h"

#include <errno.h>

#include "rules/codes.h"
#include "rules/host.h"
#include "rules/list.h"
#include "rules/readers.h"
#include "rules/seen.h"
#include "rules/suffix.h"
#include "rules/walk.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * Contradictions: the hosts and ranges of the denies go into a table, in which those that are equal
 * hang in a chain; then each of the allows is looked up, and its entry's ports are compared with
 * those of the chain's entries. Who writes a file can make the chains and the ports long. So the
 * comparisons are counted, and beyond a number that no sensible file comes near it is an error.
 *
 * Wildcards with a '*' elsewhere than alone in front ("api-*.example.com") are found by the labels
 * behind the last one with a '*', and those with the same such labels are tried one by one for each
 * query (rules/match.c). So there may be only so many of them.
 */

#define COMPARISONS_MAX (UINT64_C(1) << 28)

enum {
	GLOBS_MAX = 1024
}; /* with the same labels behind the last '*', in a file with its profiles */

static void check_subject(
	struct load *load, const struct entry *entry, const struct toml_node *table)
{
	static const char *const subjects[] = {"host", "ip", "host_pattern", "list"};

	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		if (walk_find(table, subjects[i]))
			return;
	}
	diag_error(load->diag, CODE_MISSING, entry->place,
		"this entry names no destination: it needs 'host', 'ip', 'host_pattern' or 'list'");
}

/* A wildcard that reaches names of everybody needs the entry's `broad`. */
static void check_broad(struct load *load, enum host_kind kind, const uint8_t *wire, uint8_t length,
	struct place place)
{
	char host[NAME_TEXT], over[NAME_TEXT];
	struct name suffix;

	if (kind == HOST_EXACT)
		return;
	suffix = host_suffix(kind, wire, length);
	if (!suffix_is_public(&suffix))
		return;
	host_to_text(kind, wire, length, host);
	if (name_labels(&suffix) == 0)
		diag_error(load->diag, CODE_BROAD, place,
			"'%s' is a wildcard over every domain, which needs 'broad = true'", host);
	else
		diag_error(load->diag, CODE_BROAD, place,
			"'%s' is a wildcard over the public suffix '%s', which needs "
			"'broad = true'",
			host, name_to_text(&suffix, over));
}

static void check_broad_list(struct load *load, const struct list *list)
{
	struct list_name name = {0};

	for (size_t at = 0; list_next(list, &at, &name);)
		check_broad(load, name.kind, name.wire, name.length,
			(struct place){.file = list->file, .line = name.line});
}

/* The wildcards of an entry without `broad`. */
static void check_wildcards(struct load *load, const struct entry *entry)
{
	for (size_t i = 0; i < entry->n_hosts; i++) {
		const struct host *host = &entry->hosts[i];

		check_broad(load, host->kind, host->wire, host->length, host->place);
	}
	for (size_t i = 0; i < entry->n_lists; i++)
		check_broad_list(load, entry->lists[i]);
}

/* A key that is only about names, in an entry without the names it is about. */
static void check_effect(
	struct load *load, const struct toml_node *table, const char *key, const char *about)
{
	const struct toml_node *value = walk_find(table, key);

	if (value)
		diag_error(load->diag, CODE_UNENFORCEABLE, walk_place(load, value->key_at),
			"'%s' has no effect here: this entry names %s", key, about);
}

/* Whether nothing of an entry is a wildcard. What is wrong counts as one. */
static bool is_exact(const struct entry *entry, const struct toml_node *table)
{
	if (walk_find(table, "host_pattern") || walk_find(table, "list"))
		return false;
	for (size_t i = 0; i < entry->n_hosts; i++) {
		if (entry->hosts[i].kind != HOST_EXACT)
			return false;
	}
	return entry->n_hosts > 0 || !walk_find(table, "host");
}

static const char *const wildcard_keys[] = {
	"wildcard_names",
	"wildcard_bytes",
	"wildcard_answer_bytes",
};

static void check_no_host(struct load *load, const struct toml_node *table)
{
	check_effect(load, table, "addresses", "no host");
	check_effect(load, table, "dnssec", "no host");
}

void check_entry(struct load *load, const struct entry *entry, const struct toml_node *table)
{
	check_subject(load, entry, table);
	if (!entry->broad)
		check_wildcards(load, entry);
	if (!walk_find(table, "host") && !walk_find(table, "host_pattern") &&
		!walk_find(table, "list"))
		check_no_host(load, table);
	if (is_exact(entry, table))
		for (size_t i = 0; i < sizeof(wildcard_keys) / sizeof(wildcard_keys[0]); i++)
			check_effect(load, table, wildcard_keys[i], "no wildcard");
}

/* A host or a range of a deny entry. */
struct claim {
	struct place place; /* first, so that who has the place has the claim */
	const struct entry *entry;
	struct claim *next; /* an equal one */
};

/* Ranges' kind in the table, beside those of enum host_kind. */
enum { KIND_RANGE = HOST_GLOB + 1 };

struct contradictions {
	struct load *load;
	struct seen *denied;
	struct claim *claims;
	size_t n_claims;
	uint64_t comparisons;
};

static void add_claim(struct contradictions *all, const struct entry *entry, unsigned kind,
	const void *bytes, size_t size, struct place place)
{
	struct claim *claim = &all->claims[all->n_claims++], *first;
	const struct place *found;

	*claim = (struct claim){.place = place, .entry = entry};
	found = seen_add(all->denied, kind, bytes, size, &claim->place);
	if (!found)
		return;
	first = &all->claims[(const struct claim *)found - all->claims];
	claim->next = first->next;
	first->next = claim;
}

static bool overlap(const struct port_range *a, const struct port_range *b)
{
	return a->protocol == b->protocol && a->first <= b->last && b->first <= a->last;
}

/* Whether two entries have a port in common. */
static bool ports_meet(struct contradictions *all, const struct entry *a, const struct entry *b)
{
	all->comparisons++;
	if (a->all_ports || b->all_ports)
		return true;
	for (size_t i = 0; i < a->n_ports && all->comparisons < COMPARISONS_MAX; i++) {
		all->comparisons += b->n_ports;
		for (size_t j = 0; j < b->n_ports; j++) {
			if (overlap(&a->ports[i], &b->ports[j]))
				return true;
		}
	}
	return false;
}

static void reject_contradiction(struct contradictions *all, const struct entry *entry,
	unsigned kind, const void *bytes, size_t size, struct place place,
	const struct claim *claim)
{
	char text[NAME_TEXT > INADDR_TEXT ? NAME_TEXT : INADDR_TEXT];

	if (kind == KIND_RANGE)
		range_to_text(bytes, text);
	else
		host_to_text((enum host_kind)kind, bytes, (uint8_t)size, text);
	diag_error(all->load->diag, CODE_CONTRADICT, place,
		"%s allows '%s', which %s denies in line %u, column %u", entry->id, text,
		claim->entry->id, claim->place.line, claim->place.column);
}

/* Looks an allowed host or range up among those denied. */
static void compare(struct contradictions *all, const struct entry *entry, unsigned kind,
	const void *bytes, size_t size, struct place place)
{
	const struct claim *claim = (const struct claim *)seen_find(all->denied, kind, bytes, size);

	while (claim && all->comparisons < COMPARISONS_MAX && !ports_meet(all, entry, claim->entry))
		claim = claim->next;
	if (claim && all->comparisons < COMPARISONS_MAX)
		reject_contradiction(all, entry, kind, bytes, size, place, claim);
}

/* Calls `visit` for each host and range of an entry. */
static void visit_entry(struct contradictions *all, const struct entry *entry,
	void (*visit)(struct contradictions *, const struct entry *, unsigned, const void *, size_t,
		struct place))
{
	for (size_t i = 0; i < entry->n_hosts; i++) {
		const struct host *host = &entry->hosts[i];

		visit(all, entry, host->kind, host->wire, host->length, host->place);
	}
	for (size_t i = 0; i < entry->n_addresses; i++) {
		const struct address_range *range = &entry->addresses[i];

		visit(all, entry, KIND_RANGE, &range->range, sizeof(range->range), range->place);
	}
}

int check_contradictions(struct load *load)
{
	const struct entry *denies = load->entries + load->room_allow;
	struct contradictions all = {.load = load};
	size_t count = 0;
	int error;

	for (size_t i = 0; i < load->n_deny; i++)
		count += denies[i].n_hosts + denies[i].n_addresses;
	if (count == 0 || load->n_allow == 0)
		return 0;
	all.claims = arena_array(load->scratch, count, sizeof(*all.claims));
	error = all.claims ? seen_new(load->scratch, count, &all.denied) : -ENOMEM;
	if (error < 0)
		return error;
	for (size_t i = 0; i < load->n_deny; i++)
		visit_entry(&all, &denies[i], add_claim);
	for (size_t i = 0; i < load->n_allow; i++)
		visit_entry(&all, &load->entries[i], compare);
	if (all.comparisons >= COMPARISONS_MAX)
		diag_error(load->diag, CODE_TOO_LARGE, (struct place){.file = load->file},
			"the same destinations are in too many entries with too many ports");
	return 0;
}

/* How many globs have one literal suffix. The place is that of the first of them, and comes first,
 * so that who has it has the count. */
struct suffix_count {
	struct place place;
	unsigned count;
};

struct globs {
	struct load *load;
	struct seen *suffixes;
	size_t n_globs;
	struct suffix_count *counts;
	size_t n_counts;
};

static void count_glob(struct globs *globs, const uint8_t *wire, uint8_t length, struct place place)
{
	(void)wire;
	(void)length;
	(void)place;
	globs->n_globs++;
}

static void count_suffix(
	struct globs *globs, const uint8_t *wire, uint8_t length, struct place place)
{
	struct name suffix = host_suffix(HOST_GLOB, wire, length);
	struct suffix_count *count = &globs->counts[globs->n_counts++];
	char text[NAME_TEXT];
	const struct place *found;

	count->place = place;
	/* The suffix is the end of the host, which stays. */
	found = seen_add(
		globs->suffixes, 0, wire + length - suffix.length, suffix.length, &count->place);
	if (found)
		count = &globs->counts[(const struct suffix_count *)found - globs->counts];
	if (++count->count != GLOBS_MAX + 1)
		return;
	diag_error(globs->load->diag, CODE_TOO_LARGE, place,
		"more than %d wildcards with a '*' that isn't alone in front end in '%s': a name "
		"would be held against each of them",
		GLOBS_MAX, name_to_text(&suffix, text));
}

/* Calls `visit` for each glob of the entry. */
static void visit_globs(struct globs *globs, const struct entry *entry,
	void (*visit)(struct globs *globs, const uint8_t *wire, uint8_t length, struct place place))
{
	for (size_t i = 0; i < entry->n_hosts; i++) {
		const struct host *host = &entry->hosts[i];

		if (host->kind == HOST_GLOB)
			visit(globs, host->wire, host->length, host->place);
	}
	for (size_t i = 0; i < entry->n_lists; i++) {
		const struct list *list = entry->lists[i];
		struct list_name name = {0};

		for (size_t at = 0; list_next(list, &at, &name);)
			if (name.kind == HOST_GLOB)
				visit(globs, name.wire, name.length,
					(struct place){.file = list->file, .line = name.line});
	}
}

int check_globs(struct load *load)
{
	const struct policy *policy = load->policy;
	struct globs globs = {.load = load};
	int error;

	for (size_t i = 0; i < policy->n_entries; i++)
		visit_globs(&globs, &policy->entries[i], count_glob);
	if (globs.n_globs <= GLOBS_MAX)
		return 0;
	globs.counts = arena_array(load->scratch, globs.n_globs, sizeof(*globs.counts));
	error = globs.counts ? seen_new(load->scratch, globs.n_globs, &globs.suffixes) : -ENOMEM;
	for (size_t i = 0; i < policy->n_entries && error == 0; i++)
		visit_globs(&globs, &policy->entries[i], count_suffix);
	return error;
}
