/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/apply.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/nft.h"
#include "src/base/memstream.h"
#include "src/frames.h"
#include "src/kernel/generation.h"
#include "src/kernel/netlink.h"
#include "src/kernel/rangemap.h"
#include "src/kernel/readback.h"
#include "src/kernel/ruleset.h"

/*
 * Theory of operation
 *
 * nft takes kilobytes of memory and many microseconds for each element of an interval map, and
 * holds a transaction in one datagram. So those maps, of which a policy may have millions of
 * elements, get a new generation (src/kernel/generation.h), that is made and filled by netlink
 * while the rules in force still use the one before. Then nft loads everything else in one
 * transaction, in which the rules change over to it, and the generation before goes.
 *
 * Up to that transaction nothing that any packet meets has changed, and behind it everything has,
 * so it doesn't matter where this is killed. What it leaves, the next one takes away before it
 * begins: whatever no rule uses. The lock keeps those from each other who do this at once.
 *
 * Where no table is in force yet, and nobody has to go on meanwhile, nft may load all of it, if it
 * isn't much: the kernel takes some 20 ms for each transaction that adds rules or takes some away.
 * Most of that is spent in closing the next netlink socket, which waits until what a transaction
 * has replaced is out of use. Who has other work meanwhile keeps the sockets open for that long.
 *
 * The new maps are checked before the rules use them, and again behind it, as somebody who may
 * change rulesets could have emptied them in between.
 */

/* Bytes of a transaction: the more, the faster a large map is filled (src/kernel/rangemap.c), and
 * the longer one who wants to open an address meanwhile waits: some 0.7 s with this many, which is
 * half a million ranges. */
#define BATCH_MAX ((size_t)32 << 20)

enum {
	PATIENCE_SECONDS = 120, /* how long one waits for another */
	FIRST_SPANS_MAX = 4096, /* that nft loads as soon as netlink does */
	FIRST_BATCH = 4096,     /* questions only */
};

struct applying {
	const struct plan *plan;
	struct nft_options options;
	struct netlink *netlink;
	bool is_new;    /* there was no table */
	size_t n_spans; /* of all maps, once they are counted */
	FILE *text;     /* what nft is to load, while it is written */
	char **ret_message;
	struct ruleset_held **ret_held; /* where nft's socket is kept open; NULL: it is not */
};

/* One of the plan's interval maps. */
struct span_map {
	const struct plan *plan;
	const char *name; /* in the plan */
	unsigned family;
	const struct plan_spans *spans;
	bool refuses; /* its values are chains */
};

typedef int span_map_visit(struct applying *applying, const struct span_map *map);

/* Says what went wrong in the kernel. */
static int said(struct applying *applying, int error, const char *what, const char *name)
{
	if (error < 0 &&
		asprintf(applying->ret_message, "%s%s: %s", what, name, strerror(-error)) < 0)
		*applying->ret_message = NULL;
	return error < 0 ? -EIO : 0;
}

/* --- Interval maps --- */

static int visit_pair(struct applying *applying, span_map_visit *visit, unsigned family,
	const char *addresses, const struct plan_spans *permitted, const char *refused,
	const struct plan_spans *denied)
{
	const struct span_map first = {applying->plan, addresses, family, permitted, false};
	const struct span_map second = {applying->plan, refused, family, denied, true};
	int error = permitted->n_spans > 0 ? visit(applying, &first) : 0;

	if (error == 0 && denied->n_spans > 0)
		error = visit(applying, &second);
	return error;
}

/* Those that the ruleset has: a list without spans has no map. */
static int visit_maps(struct applying *applying, span_map_visit *visit)
{
	const struct plan *plan = applying->plan;
	int error = 0;

	for (size_t i = 0; i < plan->n_groups * PLAN_FAMILIES && error == 0; i++) {
		const struct plan_group *group = &plan->groups[i / PLAN_FAMILIES];
		unsigned family = i % PLAN_FAMILIES;

		error = visit_pair(applying, visit, family, group->family[family].addresses,
			&group->family[family].permitted, group->family[family].refused,
			&group->family[family].denied);
	}
	for (unsigned family = 0; family < PLAN_FAMILIES && error == 0; family++)
		error = visit_pair(applying, visit, family, plan->family[family].addresses,
			&plan->family[family].permitted, plan->family[family].refused,
			&plan->family[family].denied);
	return error;
}

/* What the map is to hold for one of its spans: the same as rules/nft-objects.c writes. */
static struct rangemap_entry read_span(const void *context, size_t index)
{
	const struct span_map *map = context;
	const struct plan_span *span = &map->spans->spans[index];
	struct rangemap_entry entry = {.range = span->range};
	const char *id;

	if (map->refuses) {
		const struct plan_refusal *refusal = &map->plan->refusals[span->index];

		id = refusal->id;
		entry.chain = refusal->chain;
	} else {
		const struct plan_rule *rule = &map->plan->rules[span->index];

		id = rule->id;
		entry.mark = span->verdict == VERDICT_FLAG ? rule->flag_mark : rule->mark;
	}
	entry.comment = (struct text){id, strnlen(id, NFT_ELEMENT_COMMENT_MAX)};
	return entry;
}

static struct rangemap as_rangemap(
	const struct applying *applying, const struct span_map *map, char name[NFT_NAME])
{
	return (struct rangemap){
		.table = applying->plan->table,
		.name = nft_map_name(&applying->options, map->name, name),
		.count = map->spans->n_spans,
		.entry = read_span,
		.context = map,
	};
}

static int fill_map(struct applying *applying, const struct span_map *map)
{
	char name[NFT_NAME];
	const struct rangemap rangemap = as_rangemap(applying, map, name);

	return said(applying, rangemap_fill(applying->netlink, &rangemap), "map ", name);
}

/* Before the rules use it. */
static int check_map(struct applying *applying, const struct span_map *map)
{
	char name[NFT_NAME];
	const struct rangemap rangemap = as_rangemap(applying, map, name);
	int error = rangemap_check(applying->netlink, &rangemap);

	if (error != -ESTALE)
		return said(applying, error, "map ", name);
	if (asprintf(applying->ret_message, "map %s does not hold what it was given", name) < 0)
		*applying->ret_message = NULL;
	return -EIO;
}

/* When the rules use it. */
static int verify_map(struct applying *applying, const struct span_map *map)
{
	char name[NFT_NAME];
	const struct rangemap rangemap = as_rangemap(applying, map, name);
	int error = rangemap_check(applying->netlink, &rangemap);

	if (error == 0)
		return 0;
	return asprintf(applying->ret_message, "map %s", name) < 0 ? -ENOMEM : -ESTALE;
}

/* --- What nft loads --- */

static int declare_map(struct applying *applying, const struct span_map *map)
{
	char name[NFT_NAME];

	fprintf(applying->text, "create map inet %s %s { type %s : %s; flags interval; }\n",
		applying->plan->table, nft_map_name(&applying->options, map->name, name),
		map->family == PLAN_IP4 ? "ipv4_addr" : "ipv6_addr",
		map->refuses ? "verdict" : "mark");
	return 0;
}

/* The empty maps, none of which may be there yet, and the chains that they are to lead to. */
static int write_declarations(struct applying *applying)
{
	const struct plan *plan = applying->plan;

	fprintf(applying->text, "add table inet %s\n", plan->table);
	for (size_t i = 0; i < plan->n_refusals; i++)
		fprintf(applying->text, "add chain inet %s %s\n", plan->table,
			plan->refusals[i].chain);
	return visit_maps(applying, declare_map);
}

/* Everything else. */
static int write_rules(struct applying *applying)
{
	return nft_write(applying->plan, &applying->options, applying->text);
}

/* A text in memory, to be freed. */
static int write_text(
	struct applying *applying, int (*write)(struct applying *applying), char **ret_text)
{
	char *text = NULL;
	size_t size;
	int error;

	applying->text = memstream_open(&text, &size);
	if (!applying->text)
		return -ENOMEM;
	error = write(applying);
	if (fclose(applying->text) != 0 && error == 0)
		error = -ENOMEM;
	if (error == 0)
		*ret_text = text;
	else
		free(text);
	return error;
}

/* The other table, of frames: behind the rules, without which it is of no use. */
static int write_frames(struct applying *applying)
{
	return frames_write(applying->plan, applying->text);
}

/* --- The steps --- */

/* Opens the link to the kernel, and has the table to itself. */
static int start(struct applying *applying)
{
	const char *table = applying->plan->table;
	int error = netlink_open(BATCH_MAX, &applying->netlink);

	if (error < 0)
		return said(applying, error, "netlink", "");
	error = generation_lock(applying->netlink, table, duration_seconds(PATIENCE_SECONDS));
	return said(applying, error, "cannot lock table inet ", table);
}

static int sweep(struct applying *applying, unsigned *ret_next)
{
	const char *kept[NFT_RESOLVER_SETS + 1];

	nft_resolver_sets(applying->plan, kept);
	return generation_sweep(applying->netlink, applying->plan->table, kept, ret_next);
}

/* Takes away what others left, and learns which generation is the next. */
static int clear(struct applying *applying)
{
	const char *table = applying->plan->table;
	unsigned next = 0;
	int error = sweep(applying, &next);

	applying->is_new = next == 0;
	applying->options.generation = next > 0 ? next : 1;
	return said(applying, error, "cannot clear table inet ", table);
}

static int declare_maps(struct applying *applying)
{
	char *text = NULL;
	int error = write_text(applying, write_declarations, &text);

	if (error < 0)
		return error;
	error = ruleset_load(text, false, applying->ret_message);
	free(text);
	return error;
}

/* Changes the rules over, and sees whether the kernel has them. */
static int load_rules(struct applying *applying)
{
	char *text = NULL;
	int error = write_text(applying, write_rules, &text);

	if (error < 0)
		return error;
	error = applying->ret_held ? ruleset_hold(text, applying->ret_held, applying->ret_message)
				   : ruleset_load(text, false, applying->ret_message);
	if (error == 0)
		error = readback_compare(
			applying->netlink, applying->plan->table, text, applying->ret_message);
	free(text);
	/* Those that nft has filled were compared with the rest. */
	if (error == 0 && applying->options.generation > 0)
		error = visit_maps(applying, verify_map);
	return error;
}

static int remove_frames(struct applying *applying)
{
	const char *table = applying->plan->table;

	if (!readback_has_link(applying->netlink, table))
		return 0;
	return ruleset_remove_link(table, applying->ret_message);
}

/* Loads the table that drops frames, or takes away the one that a policy before had. */
static int load_frames(struct applying *applying)
{
	const char *table = applying->plan->table;
	char *text = NULL;
	int error;

	if (!applying->plan->drops_raw)
		return remove_frames(applying);
	error = write_text(applying, write_frames, &text);
	if (error < 0)
		return said(applying, error, "interfaces of this network namespace", "");
	error = ruleset_load(text, false, applying->ret_message);
	if (error == 0)
		error = readback_compare_link(
			applying->netlink, table, text, applying->ret_message);
	free(text);
	return error;
}

/* What isn't used goes: all that only the policy before needed, or what was made in vain. That some
 * of it stays is no failure, since the next one takes it away. */
static void clear_up(struct applying *applying, bool failed)
{
	const char *table = applying->plan->table;
	unsigned next;

	if (sweep(applying, &next) == 0 && failed && applying->is_new)
		(void)generation_remove_empty(applying->netlink, table);
}

int apply_plan(const struct plan *plan, char **ret_message)
{
	struct applying applying = {.plan = plan, .ret_message = ret_message};
	int error = start(&applying);

	if (error == 0)
		error = clear(&applying);
	if (error == 0) {
		error = declare_maps(&applying);
		if (error == 0)
			error = visit_maps(&applying, fill_map);
		if (error == 0)
			error = visit_maps(&applying, check_map);
		if (error == 0)
			error = load_rules(&applying);
		clear_up(&applying, error < 0);
		if (error == 0)
			error = load_frames(&applying);
	}
	netlink_close(applying.netlink);
	return error;
}

static int count_spans(struct applying *applying, const struct span_map *map)
{
	applying->n_spans += map->spans->n_spans;
	return 0;
}

struct apply_rest {
	struct netlink *netlink;
	struct ruleset_held *held;
};

void apply_settle(struct apply_rest *rest)
{
	if (!rest)
		return;
	ruleset_let_go(rest->held);
	netlink_close(rest->netlink);
	free(rest);
}

int apply_first(const struct plan *plan, struct apply_rest **ret_rest, char **ret_message)
{
	struct apply_rest *rest = calloc(1, sizeof(*rest));
	struct applying applying = {
		.plan = plan, .options = {.elements = true}, .ret_message = ret_message};
	int error = rest ? visit_maps(&applying, count_spans) : -ENOMEM;

	if (error == 0 && applying.n_spans > FIRST_SPANS_MAX) {
		error = apply_plan(plan, ret_message);
	} else if (error == 0) {
		applying.ret_held = &rest->held;
		error = said(
			&applying, netlink_open(FIRST_BATCH, &applying.netlink), "netlink", "");
		rest->netlink = applying.netlink;
		if (error == 0)
			error = load_rules(&applying);
	}
	if (error)
		apply_settle(rest);
	else
		*ret_rest = rest;
	return error;
}

int apply_remove(const struct plan *plan, char **ret_message)
{
	struct applying applying = {.plan = plan, .ret_message = ret_message};
	int error = start(&applying);

	if (error == 0)
		error = ruleset_remove(plan->table, ret_message);
	if (error == 0)
		error = remove_frames(&applying);
	netlink_close(applying.netlink);
	return error;
}
