/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/scan-draft.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "rules/category.h"
#include "rules/host.h"
#include "rules/load.h"
#include "rules/ports.h"
#include "rules/profile.h"
#include "src/base/arena.h"
#include "src/base/diag.h"

/*
 * Theory of operation
 *
 * A profile is taken where a declaration needs the servers of its ecosystem, which lead to others
 * that no file names; what a chosen profile permits anyway has no entry. Everything else is an
 * entry for its name and the ports that were seen, also where some profile would have it: one host
 * of a forge is less than the forge. What was named too little comes last, commented out.
 *
 * To know what profiles permit, all of them are loaded as one policy; the entries say whose they
 * are.
 */

enum { NAMES_MAX = 256, AGAINST_MAX = 1000 };

struct names {
	struct arena *arena;
	const char *names[NAMES_MAX];
	size_t count;
	bool failed; /* there was no memory for one */
};

struct work {
	struct arena *arena;
	const struct scan_draft_options *options;
	struct evidence_row **rows;
	size_t n_rows;
	struct names all;            /* profiles there are */
	const struct policy *policy; /* all of them; NULL if there are none */
	struct draft draft;
};

/* --- Profiles --- */

static void add_name(void *context, const char *name)
{
	struct names *names = context;
	const char *copy;

	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->names[i], name) == 0)
			return;
	if (names->count == NAMES_MAX)
		return;
	copy = arena_strndup(names->arena, name, strlen(name));
	if (copy)
		names->names[names->count++] = copy;
	else
		names->failed = true;
}

static bool has_name(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->names[i], name) == 0)
			return true;
	return false;
}

static int load_profiles(struct work *work)
{
	const struct load_options options = {
		.profile_dirs = work->options->profile_dirs,
		.n_profile_dirs = work->options->n_profile_dirs,
	};
	const char *text = "version = 1\nprofiles = [";
	struct diag *diag = diag_new(work->arena);
	int error;

	work->all.arena = work->arena;
	profile_visit(&options, add_name, &work->all);
	for (size_t i = 0; i < work->all.count && text; i++)
		text = arena_printf(work->arena, "%s\"%s\", ", text, work->all.names[i]);
	text = text ? arena_printf(work->arena, "%s]\n", text) : NULL;
	if (!text || !diag || work->all.failed)
		return -ENOMEM;
	if (work->all.count == 0)
		return 0;
	error = policy_parse(
		work->arena, "(profiles)", text, strlen(text), &options, diag, &work->policy);
	/* One that is wrong is said when the draft is checked. */
	return error == -EINVAL ? 0 : error;
}

static bool entry_covers(const struct entry *entry, const struct target *target)
{
	if (entry->action != ACTION_ALLOW ||
		!ports_have(entry->ports, entry->n_ports, target->protocol, target->port))
		return false;
	for (size_t i = 0; i < entry->n_hosts; i++)
		if (host_matches(entry->hosts[i].kind, entry->hosts[i].wire, entry->hosts[i].length,
			    &target->name))
			return true;
	return false;
}

static bool is_chosen(const struct work *work, const char *profile)
{
	for (size_t i = 0; i < work->draft.n_profiles; i++)
		if (!work->draft.profiles[i].against &&
			strcmp(work->draft.profiles[i].name, profile) == 0)
			return true;
	return false;
}

/* A profile that permits the target: a chosen one if `chosen`. NULL: none does. */
static const char *find_cover(const struct work *work, const struct target *target, bool chosen)
{
	if (target->kind != TARGET_NAME || !work->policy)
		return NULL;
	for (size_t i = 0; i < work->policy->n_entries; i++) {
		const struct entry *entry = &work->policy->entries[i];

		if (entry->profile && entry_covers(entry, target) &&
			(!chosen || is_chosen(work, entry->profile)))
			return entry->profile;
	}
	return NULL;
}

/* --- Words --- */

/* Where it was seen, a line each. */
static const char *make_notes(struct arena *arena, const struct evidence_row *row)
{
	const char *notes = "";
	uint64_t total = 0;

	for (size_t i = 0; i < EVIDENCE_KINDS; i++)
		total += row->counts[i];
	for (size_t i = 0; i < row->n_places && notes; i++) {
		const struct evidence_place *place = &row->places[i];
		const char *kind = evidence_kind_name(place->kind);

		if (place->line > 0)
			notes = arena_printf(
				arena, "%s%s:%u: %s\n", notes, place->file, place->line, kind);
		else
			notes = arena_printf(arena, "%s%s: %s\n", notes, place->file, kind);
	}
	if (notes && total > row->n_places)
		notes = arena_printf(arena, "%s%" PRIu64 " times in all\n", notes, total);
	return notes;
}

/* "lock file, 12 times; manifest". */
static const char *make_reason(struct arena *arena, const struct evidence_row *row)
{
	const char *reason = "";

	for (size_t i = 0; i < EVIDENCE_KINDS && reason; i++)
		if (row->counts[i] > 0 && evidence_kind_suffices(i))
			reason = arena_printf(arena, "%s%s%s", reason, *reason ? ", " : "",
				evidence_kind_name(i));
	return reason;
}

static const char *const kind_categories[EVIDENCE_KINDS] = {
	[EVIDENCE_REGISTRY] = "package registry",
	[EVIDENCE_LOCK] = "package registry",
	[EVIDENCE_MANIFEST] = "package registry",
	[EVIDENCE_GIT] = "source hosting",
	[EVIDENCE_IMAGE] = "container registry",
	[EVIDENCE_TERRAFORM] = "package registry",
	[EVIDENCE_HELM] = "package registry",
};

static const char *find_category(const struct work *work, const struct evidence_row *row)
{
	const char *category = NULL;

	if (row->target.kind == TARGET_NAME)
		category = category_find(work->options->categories, &row->target.name);
	for (size_t i = 0; i < EVIDENCE_KINDS && !category; i++)
		if (row->counts[i] > 0)
			category = kind_categories[i];
	if (!category)
		category = row->target.kind == TARGET_ADDRESS || target_is_inside(&row->target)
				   ? "internal"
				   : "project";
	return category;
}

static const char *find_objection(const struct evidence_row *row)
{
	static const char *const objections[EVIDENCE_KINDS] = {
		[EVIDENCE_COMPUTED] = "a part of the name is computed",
		[EVIDENCE_PLACEHOLDER] = "stands for another name",
		[EVIDENCE_LOCAL] = "a single label: the project's own, or of a search list",
		[EVIDENCE_CLOSED] = "[network] block keeps it closed: DNS over HTTPS, metadata",
		[EVIDENCE_TEST] = "in tests and examples only",
		[EVIDENCE_VENDORED] = "in others' code only",
		[EVIDENCE_PROSE] = "in texts only",
		[EVIDENCE_COMMENT] = "in comments only",
	};

	if (evidence_suffices(row))
		return NULL;
	for (size_t i = 0; i < EVIDENCE_KINDS; i++)
		if (row->counts[i] > 0 && objections[i])
			return objections[i];
	return "named too little";
}

/* --- Entries --- */

static int add_profile(struct work *work, const struct evidence_row *row)
{
	struct draft_profile *profile = &work->draft.profiles[work->draft.n_profiles];

	*profile =
		(struct draft_profile){.name = row->profile, .notes = make_notes(work->arena, row)};
	if (!profile->notes)
		return -ENOMEM;
	if (row->replaced)
		profile->against = "its servers are replaced by a mirror of the project's";
	else if (!evidence_suffices(row))
		profile->against = find_objection(row);
	else if (!has_name(&work->all, row->profile))
		profile->against = "there is no such profile here";
	/* Of a mirror, nothing was needed. */
	if (row->replaced && row->n_places == 0)
		return 0;
	work->draft.n_profiles++;
	return 0;
}

static bool belongs(const struct evidence_row *row, const struct evidence_row *next)
{
	return !next->profile && row->target.kind == next->target.kind &&
	       strcmp(row->where, next->where) == 0 &&
	       evidence_suffices(row) == evidence_suffices(next);
}

/* "tcp/443 tcp/8443" of the rows, and what was seen of them. */
static int join_rows(struct work *work, struct evidence_row *const *rows, size_t count,
	struct entry_lines *entry)
{
	const char *ports = "", *notes = "";
	const char *covering = find_cover(work, &rows[0]->target, false);

	for (size_t i = 0; i < count && ports && notes; i++) {
		const struct target *target = &rows[i]->target;
		const char *more = make_notes(work->arena, rows[i]);

		ports = arena_printf(work->arena, "%s%s%s/%u", ports, *ports ? " " : "",
			protocol_name(target->protocol), target->port);
		notes = more ? arena_printf(work->arena, "%s%s", notes, more) : NULL;
	}
	if (notes && covering)
		notes = arena_printf(
			work->arena, "%salso in the profile \"%s\"\n", notes, covering);
	entry->ports = ports;
	entry->notes = notes;
	return ports && notes ? 0 : -ENOMEM;
}

static int add_entry(struct work *work, struct evidence_row *const *rows, size_t count)
{
	const struct evidence_row *row = rows[0];
	struct entry_lines *entry = &work->draft.entries[work->draft.n_entries++];

	*entry = (struct entry_lines){
		.key = row->target.kind == TARGET_ADDRESS ? "ip" : "host",
		.where = row->where,
		.category = find_category(work, row),
		.reason = make_reason(work->arena, row),
		.against = find_objection(row),
		.group = row->target.kind == TARGET_ADDRESS ? "Addresses" : row->domain,
	};
	/* Such names have inside addresses, which are not believed of others. */
	if (target_is_inside(&row->target))
		entry->addresses = "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7";
	return entry->reason ? join_rows(work, rows, count, entry) : -ENOMEM;
}

/* The rows that suffice, or those that don't. */
static int add_entries(struct work *work, bool sufficing)
{
	size_t added = 0;
	int error = 0;

	for (size_t i = 0, count; i < work->n_rows && !error; i += count) {
		const struct evidence_row *row = work->rows[i];

		for (count = 1; i + count < work->n_rows; count++)
			if (!belongs(row, work->rows[i + count]))
				break;
		if (row->profile || evidence_suffices(row) != sufficing ||
			find_cover(work, &row->target, true))
			continue;
		if (!sufficing && ++added > AGAINST_MAX)
			continue;
		error = add_entry(work, &work->rows[i], count);
	}
	if (added <= AGAINST_MAX || error)
		return error;
	work->draft.end = arena_printf(work->arena,
		"%zu further destinations were named too little to be listed.",
		added - AGAINST_MAX);
	return work->draft.end ? 0 : -ENOMEM;
}

static int make_head(struct work *work)
{
	work->draft.head = arena_printf(work->arena,
		"What %s declares that it reaches, found by egress-learn scan.\n"
		"Nothing was executed: what programs compute while they run is not here.\n"
		"Each entry has where it was found above it. Look through them, take out what is\n"
		"not meant, and try it: egress-run --observe shows what is missing.",
		work->options->title);
	work->draft.tail = draft_safe_tail(work->arena, work->options->name, work->draft.n_entries);
	return work->draft.head && work->draft.tail ? 0 : -ENOMEM;
}

int scan_draft(struct arena *arena, const struct evidence *evidence,
	const struct scan_draft_options *options, struct draft *ret_draft)
{
	struct work work = {.arena = arena, .options = options};
	int error;

	work.rows = evidence_list(evidence, &work.n_rows);
	error = work.rows ? draft_new(arena, work.n_rows, work.n_rows, &work.draft) : -ENOMEM;
	if (!error)
		error = load_profiles(&work);
	work.draft.name = options->name;
	for (size_t i = 0; i < work.n_rows && !error; i++)
		if (work.rows[i]->profile)
			error = add_profile(&work, work.rows[i]);
	if (!error)
		error = add_entries(&work, true);
	if (!error)
		error = make_head(&work);
	if (!error)
		error = add_entries(&work, false);
	if (!error)
		*ret_draft = work.draft;
	return error;
}
