/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn-observe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rules/category.h"
#include "rules/host.h"
#include "rules/suffix.h"
#include "src/audit/observed.h"
#include "src/audit/rendering.h"
#include "src/base/arena.h"
#include "src/learn-logs.h"
#include "src/learn/draft.h"

/*
 * Theory of operation
 *
 * The digest has each destination once, by the name that was asked for, whatever aliases led to its
 * addresses. A destination becomes an entry of its own; siblings become one wildcard only if there
 * are as many as --fold says, all one label below the same name, with the same ports, and if that
 * name is nobody else's: neither a public suffix nor one that is shared by strangers. What was
 * refused, what looks like data, and what records of a day or more have only once, come last,
 * commented out.
 */

#define DAY_US ((int64_t)86400 * 1000000)

enum { SHOWN = 5 };

/* --- Destinations --- */

/* A destination, with all rows of it. */
struct spot {
	const struct digest_row *const *rows;
	size_t n_rows;
	struct name name;   /* length 0: an address, or no name of a host */
	struct name parent; /* of the name */
	const char *where;
	const char *ports;
	const char *addresses; /* that its entry has to believe */
	const char *group;
	const char *notes;
	const char *against;
	uint64_t times;
	bool foldable; /* its parent may be a wildcard's */
	bool folded;   /* a wildcard has it */
};

struct work {
	struct arena *arena;
	const struct observe *observe;
	const struct digest *digest;
	bool long_enough; /* that having been seen once means something */
	struct spot *spots;
	size_t n_spots;
	struct draft draft;
};

static bool is_certain(const struct digest_row *row)
{
	return row->outcome != DIGEST_REFUSED;
}

static int compare_rows(const void *left, const void *right)
{
	const struct digest_row *a = *(const struct digest_row *const *)left;
	const struct digest_row *b = *(const struct digest_row *const *)right;
	int order = is_certain(b) - is_certain(a);

	if (order == 0)
		order = strcmp(a->name, b->name);
	if (order == 0 && *a->name == '\0')
		order = inaddr_compare(&a->address, &b->address);
	if (order == 0)
		order = strcmp(a->protocol, b->protocol);
	return order ? order : a->port - b->port;
}

static bool same_spot(const struct digest_row *a, const struct digest_row *b)
{
	return is_certain(a) == is_certain(b) && strcmp(a->name, b->name) == 0 &&
	       (*a->name != '\0' || inaddr_compare(&a->address, &b->address) == 0);
}

static const char *find_objection(const struct work *work, const struct spot *spot)
{
	const struct digest_row *row = spot->rows[0];

	if (row->outcome == DIGEST_REFUSED)
		return "refused";
	if (*row->name != '\0' && spot->name.length == 0)
		return "no host name, so that no entry can name it";
	if (!spot->ports || !*spot->ports)
		return "asked for, but not for its addresses; or a protocol that no entry can name";
	if (spot->name.length > 0 && observed_is_odd(&spot->name))
		return "its name looks like data";
	if (work->long_enough && spot->times == 1)
		return "seen once, in records of a day or more";
	return NULL;
}

static bool same_port(const struct digest_row *a, const struct digest_row *b)
{
	return a->asked == b->asked && a->port == b->port && strcmp(a->protocol, b->protocol) == 0;
}

/* Rows of one port as one: a connection that an enforced policy would have refused has a row for
 * that, and another one for what it carried. */
static struct digest_row sum_rows(const struct digest_row *const *some, size_t count)
{
	struct digest_row sum = *some[0];

	for (size_t i = 1; i < count; i++) {
		const struct digest_row *row = some[i];

		sum.times = row->times > sum.times ? row->times : sum.times;
		sum.bytes_out += row->bytes_out;
		sum.bytes_in += row->bytes_in;
		sum.first = row->first < sum.first ? row->first : sum.first;
		sum.last = row->last > sum.last ? row->last : sum.last;
	}
	return sum;
}

/* How often it was seen, and the notes of that. 0 or -ENOMEM. */
static int count_rows(struct arena *arena, struct spot *spot)
{
	spot->notes = "";
	for (size_t i = 0, count; i < spot->n_rows && spot->notes; i += count) {
		struct digest_row sum;
		const char *note;

		for (count = 1; i + count < spot->n_rows; count++)
			if (!same_port(spot->rows[i], spot->rows[i + count]))
				break;
		sum = sum_rows(&spot->rows[i], count);
		note = observed_note(arena, &sum);
		spot->notes = note ? arena_printf(arena, "%s%s\n", spot->notes, note) : NULL;
		spot->times += sum.times;
	}
	return spot->notes ? 0 : -ENOMEM;
}

static const char *find_group(struct arena *arena, const struct name *name)
{
	struct name domain = suffix_registered(name);
	char text[NAME_TEXT];

	return name->length > 0 ? arena_printf(arena, "%s", name_to_text(&domain, text))
				: "Addresses that no name led to\n"
				  "Whoever has such an address later is permitted, too.";
}

static int make_spot(struct work *work, const struct digest_row *const *digest_rows, size_t count)
{
	struct spot *spot = &work->spots[work->n_spots++];
	char where[RENDERING_WHERE];
	int error;

	*spot = (struct spot){.rows = digest_rows, .n_rows = count};
	if (host_name_from_text(text_of(digest_rows[0]->name), &spot->name) < 0)
		spot->name.length = 0;
	else
		spot->parent = name_parent(&spot->name);
	error = count_rows(work->arena, spot);
	spot->where = arena_printf(work->arena, "%s", rendering_where(digest_rows[0], where));
	spot->ports = observed_ports(work->arena, digest_rows, count);
	spot->addresses = spot->name.length > 0 ? observed_addresses(work->arena, work->digest,
							  digest_rows[0]->name)
						: "";
	spot->group = find_group(work->arena, &spot->name);
	if (error || !spot->where || !spot->ports || !spot->addresses || !spot->group)
		return -ENOMEM;
	spot->against = find_objection(work, spot);
	/* A wildcard would believe an inside address of any name. */
	spot->foldable = spot->name.length > 0 && !spot->against && *spot->addresses == '\0' &&
			 name_labels(&spot->parent) > 1 &&
			 suffix_find(&spot->parent) == SUFFIX_NONE;
	return 0;
}

/* Names by what was registered above them, then addresses in their order. */
static int compare_spots(const void *left, const void *right)
{
	const struct spot *a = left, *b = right;
	bool named_a = a->name.length > 0, named_b = b->name.length > 0;
	int order = (named_b - named_a) * 2;

	if (order == 0 && named_a)
		order = strcmp(a->group, b->group);
	if (order == 0 && !named_a)
		order = inaddr_compare(&a->rows[0]->address, &b->rows[0]->address);
	return order ? order : strcmp(a->where, b->where);
}

static int make_spots(struct work *work, const struct learn_rows *all)
{
	int error = 0;

	work->spots = arena_array(work->arena, all->count + 1, sizeof(*work->spots));
	if (!work->spots)
		return -ENOMEM;
	for (size_t i = 0, count; i < all->count && !error; i += count) {
		for (count = 1; i + count < all->count; count++)
			if (!same_spot(all->rows[i], all->rows[i + count]))
				break;
		error = make_spot(work, &all->rows[i], count);
	}
	qsort(work->spots, work->n_spots, sizeof(*work->spots), compare_spots);
	return error;
}

/* --- Entries --- */

static void add_spot(struct work *work, const struct spot *spot)
{
	work->draft.entries[work->draft.n_entries++] = (struct entry_lines){
		.key = *spot->rows[0]->name != '\0' ? "host" : "ip",
		.where = spot->where,
		.ports = spot->ports,
		.addresses = spot->addresses,
		.notes = spot->notes,
		.category = spot->name.length > 0
				    ? category_find(work->observe->categories, &spot->name)
				    : NULL,
		.against = spot->against,
		.group = spot->group,
	};
}

/* --- Wildcards --- */

static bool may_fold(const struct spot *spot)
{
	return spot->foldable && !spot->folded;
}

static bool are_siblings(const struct spot *a, const struct spot *b)
{
	return may_fold(b) && name_equal(&a->parent, &b->parent) && strcmp(a->ports, b->ports) == 0;
}

/* Makes one entry of the spot and its siblings. */
static int fold_spot(struct work *work, const struct spot *spot, size_t count)
{
	struct entry_lines *entry = &work->draft.entries[work->draft.n_entries++];
	const char *notes = "", *parent;
	char text[NAME_TEXT];
	uint64_t times = 0;
	size_t shown = 0;

	for (size_t i = 0; i < work->n_spots && notes; i++) {
		struct spot *other = &work->spots[i];

		if (!are_siblings(spot, other) || other == spot)
			continue;
		times += other->times;
		if (shown++ < SHOWN)
			notes = arena_printf(work->arena, "%s%s\n", notes, other->where);
	}
	for (size_t i = 0; i < work->n_spots; i++)
		if (&work->spots[i] != spot && are_siblings(spot, &work->spots[i]))
			work->spots[i].folded = true;
	parent = arena_printf(work->arena, "*.%s", name_to_text(&spot->parent, text));
	if (notes)
		notes = arena_printf(work->arena,
			"%zu siblings, %" PRIu64 " times in all:\n%s\n%s%s", count,
			times + spot->times, spot->where, notes,
			shown > SHOWN ? "and others\n" : "");
	*entry = (struct entry_lines){
		.key = "host",
		.where = parent,
		.ports = spot->ports,
		.notes = notes,
		.group = spot->group,
	};
	return notes && parent ? 0 : -ENOMEM;
}

static size_t count_siblings(const struct work *work, const struct spot *spot)
{
	size_t count = 0;

	for (size_t i = 0; i < work->n_spots && work->observe->fold > 0; i++)
		count += are_siblings(spot, &work->spots[i]);
	return count;
}

static int add_spots(struct work *work)
{
	int error = 0;

	for (int against = 0; against < 2; against++) {
		for (size_t i = 0; i < work->n_spots && !error; i++) {
			struct spot *spot = &work->spots[i];
			size_t siblings;

			if (spot->folded || (spot->against != NULL) != (against == 1))
				continue;
			siblings = may_fold(spot) ? count_siblings(work, spot) : 0;
			if (siblings > 0 && siblings >= work->observe->fold)
				error = fold_spot(work, spot, siblings);
			else
				add_spot(work, spot);
		}
		if (against == 0)
			work->draft.tail = draft_safe_tail(
				work->arena, work->draft.name, work->draft.n_entries);
	}
	return error ? error : work->draft.tail ? 0 : -ENOMEM;
}

/* --- The draft --- */

static void find_span(struct work *work, const struct learn_rows *all)
{
	int64_t first = INT64_MAX, last = 0;

	for (size_t i = 0; i < all->count; i++) {
		first = all->rows[i]->first < first ? all->rows[i]->first : first;
		last = all->rows[i]->last > last ? all->rows[i]->last : last;
	}
	work->long_enough = last > first && last - first >= DAY_US;
}

static int draft_rows(struct work *work, const struct learn_rows *all)
{
	char *name = arena_alloc(work->arena, DRAFT_NAME);
	int error = name ? draft_new(work->arena, 0, all->count, &work->draft) : -ENOMEM;

	if (error)
		return error;
	qsort(all->rows, all->count, sizeof(*all->rows), compare_rows);
	find_span(work, all);
	work->draft.name = draft_name(work->observe->name, name);
	work->draft.head =
		"What was reached, as event logs have it, found by egress-learn observe.\n"
		"Each destination has what was seen of it above it: look through them, and take "
		"out\n"
		"what was not meant.";
	error = make_spots(work, all);
	return error ? error : add_spots(work);
}

int observe_draft(struct arena *arena, const struct observe *observe, const struct digest *digest,
	struct draft *ret_draft)
{
	struct work work = {.arena = arena, .observe = observe, .digest = digest};
	struct learn_rows all = {NULL, 0};
	int error = learn_rows(digest, (1u << DIGEST_OUTCOMES) - 1, &all);

	if (!error)
		error = draft_rows(&work, &all);
	free(all.rows);
	if (!error)
		*ret_draft = work.draft;
	return error;
}
