/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/settings.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "rules/describe.h"
#include "src/base/arena.h"

/* A comparison on its way: the first error stays. */
struct settings {
	struct changes *changes;
	struct place place; /* of the entry they are of */
	int error;
};

/* A key whose bound is looser (order above 0) or tighter afterwards. */
static void add_setting(struct settings *settings, int order, const char *key, const char *before,
	const char *after)
{
	const struct change change = {
		.kind = order > 0 ? CHANGE_GAINED : CHANGE_LOST,
		.what = order > 0 ? after : before,
		.rule = key,
		.place = settings->place,
		.other = order > 0 ? before : after,
	};

	if (order == 0 || settings->error < 0)
		return;
	settings->error = before && after ? changes_add(settings->changes, &change) : -ENOMEM;
}

/* <0, 0, >0: `a` allows less than, as much as, more than `b`. */
static int compare_rates(const struct rate *a, const struct rate *b)
{
	uint64_t left, right;

	if (a->count == 0 || b->count == 0)
		return (a->count == 0) - (b->count == 0);
	left = (uint64_t)a->count * b->seconds;
	right = (uint64_t)b->count * a->seconds;
	return left < right ? -1 : left > right;
}

static void compare_rate(struct settings *settings, const char *key, const struct rate *before,
	const struct rate *after)
{
	struct arena *arena = settings->changes->arena;
	char was[DESCRIBE_RATE], is[DESCRIBE_RATE];
	int order = compare_rates(after, before);

	if (order == 0)
		return;
	add_setting(settings, order, key, arena_printf(arena, "%s", describe_rate(before, was)),
		arena_printf(arena, "%s", describe_rate(after, is)));
}

static const char *ceiling_text(struct arena *arena, uint64_t ceiling)
{
	return ceiling > 0 ? arena_printf(arena, "%llu", (unsigned long long)ceiling) : "no limit";
}

/* 0 is no ceiling. */
static int compare_numbers(uint64_t before, uint64_t after)
{
	if (before == 0 || after == 0)
		return (after == 0) - (before == 0);
	return (after > before) - (after < before);
}

static void compare_ceiling(
	struct settings *settings, const char *key, uint64_t before, uint64_t after)
{
	struct arena *arena = settings->changes->arena;

	add_setting(settings, compare_numbers(before, after), key, ceiling_text(arena, before),
		ceiling_text(arena, after));
}

static const char *share_text(struct arena *arena, const struct budget *budget)
{
	return budget->has_unknown_share ? arena_printf(arena, "%g", budget->unknown_share)
					 : "no limit";
}

static void compare_shares(
	struct settings *settings, const struct budget *before, const struct budget *after)
{
	struct arena *arena = settings->changes->arena;
	double was = before->has_unknown_share ? before->unknown_share : INFINITY;
	double is = after->has_unknown_share ? after->unknown_share : INFINITY;

	add_setting(settings, (is > was) - (is < was), "budget.unknown_share",
		share_text(arena, before), share_text(arena, after));
}

static const char *window_text(struct arena *arena, struct duration window)
{
	return window.ms > 0 ? arena_printf(arena, "%llds", (long long)window.ms / 1000) : "none";
}

/* What is spent comes back the sooner, the shorter the window is. */
static void compare_windows(
	struct settings *settings, struct duration before, struct duration after)
{
	struct arena *arena = settings->changes->arena;
	int64_t was = before.ms > 0 ? before.ms : INT64_MAX;
	int64_t is = after.ms > 0 ? after.ms : INT64_MAX;

	add_setting(settings, (is < was) - (is > was), "budget.window", window_text(arena, before),
		window_text(arena, after));
}

static bool is_scoped(const struct scope *scope)
{
	return scope->n_users + scope->n_groups + scope->n_cgroups + scope->n_interfaces +
		       scope->n_sources >
	       0;
}

static bool has_string(const char *const *list, size_t count, const char *wanted)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], wanted) == 0)
			return true;
	return false;
}

static bool has_id(const uint32_t *list, size_t count, uint32_t wanted)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == wanted)
			return true;
	return false;
}

static bool has_range(const struct scope *scope, const struct range *wanted)
{
	for (size_t i = 0; i < scope->n_sources; i++)
		if (inaddr_compare(&scope->sources[i].first, &wanted->first) <= 0 &&
			inaddr_compare(&scope->sources[i].last, &wanted->last) >= 0)
			return true;
	return false;
}

/* Whether all that is in `inner` is in `outer` by the same words. */
static bool scope_covers(const struct scope *outer, const struct scope *inner)
{
	if (!is_scoped(outer))
		return true;
	if (!is_scoped(inner))
		return false;
	for (size_t i = 0; i < inner->n_users; i++)
		if (!has_id(outer->users, outer->n_users, inner->users[i]))
			return false;
	for (size_t i = 0; i < inner->n_groups; i++)
		if (!has_id(outer->groups, outer->n_groups, inner->groups[i]))
			return false;
	for (size_t i = 0; i < inner->n_cgroups; i++)
		if (!has_string(outer->cgroups, outer->n_cgroups, inner->cgroups[i]))
			return false;
	for (size_t i = 0; i < inner->n_interfaces; i++)
		if (!has_string(outer->interfaces, outer->n_interfaces, inner->interfaces[i]))
			return false;
	for (size_t i = 0; i < inner->n_sources; i++)
		if (!has_range(outer, &inner->sources[i]))
			return false;
	return true;
}

static void compare_scopes(
	struct settings *settings, const struct scope *before, const struct scope *after)
{
	add_setting(settings, !scope_covers(after, before), "scope", "judged",
		"traffic that is out of scope now");
	add_setting(settings, -!scope_covers(before, after), "scope",
		"traffic that was out of scope", "judged");
}

/* Absent, it is the usual one of an entry of the base. */
static void compare_wildcard_rate(struct settings *settings, const char *key,
	const struct rate *before, const struct rate *after, uint32_t usual)
{
	const struct rate absent = {.count = usual, .seconds = 60};

	compare_rate(settings, key, before->count > 0 ? before : &absent,
		after->count > 0 ? after : &absent);
}

/* Names that no entry matches, where both permit them. */
static void compare_unknown(
	struct settings *settings, const struct layers *before, const struct layers *after)
{
	if (layers_unknown(before) == VERDICT_REFUSE || layers_unknown(after) == VERDICT_REFUSE)
		return;
	compare_rate(settings, "default-permit wildcard_bytes", &before->unknown_bytes,
		&after->unknown_bytes);
	compare_rate(settings, "default-permit wildcard_answer_bytes",
		&before->unknown_answer_bytes, &after->unknown_answer_bytes);
}

static void compare_dnssec(struct settings *settings, const char *key, bool before, bool after)
{
	add_setting(settings, (int)before - (int)after, key, before ? "require" : "off",
		after ? "require" : "off");
}

int settings_compare(
	const struct layers *before, const struct layers *after, struct changes *changes)
{
	struct settings settings = {.changes = changes};
	const struct limits *was = &before->limits, *is = &after->limits;
	int refuses = (int)after->budget.refuse - (int)before->budget.refuse;

	compare_rate(&settings, "limits.connections", &was->connections, &is->connections);
	compare_rate(&settings, "limits.connections_per_destination",
		&was->connections_per_destination, &is->connections_per_destination);
	compare_rate(&settings, "limits.queries", &was->queries, &is->queries);
	compare_rate(&settings, "limits.queries_per_client", &was->queries_per_client,
		&is->queries_per_client);
	compare_wildcard_rate(&settings, "limits.wildcard_bytes", &was->wildcard_bytes,
		&is->wildcard_bytes, LAYERS_WILDCARD_BYTES);
	compare_wildcard_rate(&settings, "limits.wildcard_answer_bytes",
		&was->wildcard_answer_bytes, &is->wildcard_answer_bytes,
		LAYERS_WILDCARD_ANSWER_BYTES);
	compare_unknown(&settings, before, after);
	compare_ceiling(&settings, "limits.bytes", was->bytes, is->bytes);
	compare_ceiling(&settings, "budget.destinations", before->budget.destinations,
		after->budget.destinations);
	compare_ceiling(&settings, "budget.wildcard_names", before->budget.wildcard_names,
		after->budget.wildcard_names);
	compare_ceiling(&settings, "budget.connections", before->budget.connections,
		after->budget.connections);
	compare_ceiling(&settings, "budget.bytes", before->budget.bytes, after->budget.bytes);
	compare_shares(&settings, &before->budget, &after->budget);
	if (layers_have_ceilings(before) && layers_have_ceilings(after))
		compare_windows(&settings, before->budget.window, after->budget.window);
	add_setting(&settings, -refuses, "budget.on_exceed",
		before->budget.refuse ? "refuse" : "flag",
		after->budget.refuse ? "refuse" : "flag");
	compare_dnssec(&settings, "dns.dnssec", before->layers[0].policy->dns.dnssec,
		after->layers[0].policy->dns.dnssec);
	compare_scopes(
		&settings, &before->layers[0].policy->scope, &after->layers[0].policy->scope);
	return settings.error < 0 ? settings.error : settings_compare_audit(before, after, changes);
}

/* An entry in place of the default, which leaves names without a limit (order -1), or the default
 * in its place (1). */
static void compare_with_default(struct settings *settings, const struct layer_entry *entry,
	int order, const char *asked, const char *answered)
{
	const struct rate none = {0};
	const struct rate *bytes = &entry->wildcard_bytes;
	const struct rate *answer_bytes = &entry->wildcard_answer_bytes;

	compare_rate(settings, asked, order > 0 ? bytes : &none, order > 0 ? &none : bytes);
	compare_rate(settings, answered, order > 0 ? answer_bytes : &none,
		order > 0 ? &none : answer_bytes);
}

int settings_compare_entries(
	const struct layer_entry *before, const struct layer_entry *after, struct changes *changes)
{
	static const struct entry unlimited;
	const struct entry *was = before ? before->entry : &unlimited;
	const struct entry *is = after ? after->entry : &unlimited;
	const struct layer_entry *of = after ? after : before;
	const char *id = of ? of->id : "default-permit";
	struct settings settings = {.changes = changes};
	const char *connections = arena_printf(changes->arena, "%s connections", id);
	const char *bytes = arena_printf(changes->arena, "%s bytes", id);
	const char *names = arena_printf(changes->arena, "%s wildcard_names", id);
	const char *asked = arena_printf(changes->arena, "%s wildcard_bytes", id);
	const char *answered = arena_printf(changes->arena, "%s wildcard_answer_bytes", id);
	const char *dnssec = arena_printf(changes->arena, "%s dnssec", id);

	if (of)
		settings.place = of->entry->place;
	if (!connections || !bytes || !names || !asked || !answered || !dnssec)
		return -ENOMEM;
	compare_dnssec(&settings, dnssec, was->dnssec, is->dnssec);
	compare_rate(&settings, connections, &was->connections, &is->connections);
	compare_ceiling(&settings, bytes, was->bytes, is->bytes);
	compare_ceiling(&settings, names, was->wildcard_names, is->wildcard_names);
	if (before && after) {
		compare_wildcard_rate(&settings, asked, &was->wildcard_bytes, &is->wildcard_bytes,
			LAYERS_WILDCARD_BYTES);
		compare_wildcard_rate(&settings, answered, &was->wildcard_answer_bytes,
			&is->wildcard_answer_bytes, LAYERS_WILDCARD_ANSWER_BYTES);
	} else if (of) {
		compare_with_default(&settings, of, before ? 1 : -1, asked, answered);
	}
	return settings.error;
}
