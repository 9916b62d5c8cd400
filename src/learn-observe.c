/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn-tasks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/category.h"
#include "rules/class.h"
#include "rules/load.h"
#include "rules/shape.h"
#include "rules/suffix.h"
#include "src/audit/advice.h"
#include "src/audit/rendering.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/learn-logs.h"
#include "src/learn-output.h"
#include "src/learn/draft.h"
#include "src/options.h"

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

#define ARENA_MAX ((size_t)2 << 30)
#define DIRS_MAX 64
#define DAY_US ((int64_t)86400 * 1000000)

enum { FOLD = 8, FOLD_MAX = 100000, ADDRESSES_MAX = 64, SHOWN = 5 };

/* Points of a name from which on a wildcard would report it (rules/shape.c). */
static const double odd_shape = 1.5;

struct request {
	const char *output;
	const char *name;
	uint64_t fold;
	bool yes;
	const char *profile_dirs[DIRS_MAX];
	size_t n_profile_dirs;
};

enum { OUTPUT, NAME };

static int take_word(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;

	*(row->value == OUTPUT ? &request->output : &request->name) = argument;
	return 0;
}

static int take_yes(void *context, const struct option_row *row, const char *argument)
{
	(void)row;
	(void)argument;
	((struct request *)context)->yes = true;
	return 0;
}

static int take_fold(void *context, const struct option_row *row, const char *argument);
static int take_dir(void *context, const struct option_row *row, const char *argument);

static const struct option_row rows[] = {
	{"output", "FILE", "write to FILE, or add to it if it is there", take_word, OUTPUT, 'o'},
	{"name", "NAME", "the policy's name; by default \"observed\"", take_word, NAME, 0},
	{"fold", "N", "N siblings become a wildcard, by default 8; 0: never", take_fold, 0, 0},
	{"yes", NULL, "add to FILE without asking", take_yes, 0, 'y'},
	{"profile-dir", "DIR", "look for profiles in DIR first", take_dir, 0, 0},
};

static const struct command command = {
	.name = "egress-learn observe",
	.about = "Drafts a policy from what was reached, as event logs have it.",
	.notes = "See egress-learn(1).\n",
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(rows[0]),
	.operands = "LOG...",
};

static int take_fold(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;

	if (text_to_number(text_of(argument), FOLD_MAX, &request->fold) == 0 && request->fold != 1)
		return 0;
	options_complain(&command, "--%s: expected 0, or 2 to %d", row->name, FOLD_MAX);
	return -EINVAL;
}

static int take_dir(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;

	if (request->n_profile_dirs == DIRS_MAX) {
		options_complain(&command, "--%s: there are more than %d", row->name, DIRS_MAX);
		return -EINVAL;
	}
	request->profile_dirs[request->n_profile_dirs++] = argument;
	return 0;
}

/* --- Destinations --- */

/* A destination, with all rows of it. */
struct spot {
	const struct digest_row *const *rows;
	size_t n_rows;
	struct name name;   /* length 0: an address, or no name of a host */
	struct name parent; /* of the name */
	const char *where;
	const char *ports;
	const char *against;
	uint64_t times;
	bool foldable; /* its parent may be a wildcard's */
	bool folded;   /* a wildcard has it */
};

struct work {
	struct arena *arena;
	const struct request *request;
	const struct digest *digest;
	const struct categories *categories;
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
	struct name domain;

	if (row->outcome == DIGEST_REFUSED)
		return "refused";
	if (*row->name != '\0' && spot->name.length == 0)
		return "no host name, so that no entry can name it";
	if (!spot->ports || !*spot->ports)
		return "asked for, but not for its addresses; or a protocol that no entry can name";
	domain = suffix_registered(&spot->name);
	if (spot->name.length > 0 && shape_score(&spot->name, domain.length) >= odd_shape)
		return "its name looks like data";
	if (work->long_enough && spot->times == 1)
		return "seen once, in records of a day or more";
	return NULL;
}

/* The ports of the rows, each once; of what was connected to, no guess besides. */
static const char *find_ports(struct arena *arena, const struct spot *spot)
{
	const char *all = "", *last = "";
	bool connected = false;

	for (size_t i = 0; i < spot->n_rows; i++)
		connected |= !spot->rows[i]->asked;
	for (size_t i = 0; i < spot->n_rows && all; i++) {
		const struct digest_row *row = spot->rows[i];
		const char *ports;

		if (row->asked && (connected || !row->host))
			continue;
		ports = advice_ports(arena, row);
		if (!ports || strcmp(ports, last) == 0)
			continue;
		all = arena_printf(arena, "%s%s%s", all, *all ? " " : "", ports);
		last = ports;
	}
	return all;
}

static int make_spot(struct work *work, const struct digest_row *const *digest_rows, size_t count)
{
	struct spot *spot = &work->spots[work->n_spots++];
	char where[RENDERING_WHERE];

	*spot = (struct spot){.rows = digest_rows, .n_rows = count};
	if (name_from_text(text_of(digest_rows[0]->name), &spot->name) < 0)
		spot->name.length = 0;
	else
		spot->parent = name_parent(&spot->name);
	for (size_t i = 0; i < count; i++)
		spot->times += digest_rows[i]->times;
	spot->where = arena_printf(work->arena, "%s", rendering_where(digest_rows[0], where));
	spot->ports = find_ports(work->arena, spot);
	spot->against = find_objection(work, spot);
	spot->foldable = spot->name.length > 0 && !spot->against &&
			 name_labels(&spot->parent) > 1 &&
			 suffix_find(&spot->parent) == SUFFIX_NONE;
	return spot->where && spot->ports ? 0 : -ENOMEM;
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
	return error;
}

/* --- Entries --- */

static const char *note_row(struct arena *arena, const char *notes, const struct digest_row *row)
{
	char port[RENDERING_PORT], first[RENDERING_TIME], last[RENDERING_TIME];
	char sent[RENDERING_BYTES], received[RENDERING_BYTES];
	const char *bytes = "";

	if (row->bytes_out + row->bytes_in > 0)
		bytes = arena_printf(arena, ", sent %s, received %s",
			rendering_bytes(row->bytes_out, sent),
			rendering_bytes(row->bytes_in, received));
	if (!bytes)
		return NULL;
	return arena_printf(arena, "%s%s: %" PRIu64 " %s%s, %s to %s\n", notes,
		row->asked ? "only looked up" : rendering_port(row, port), row->times,
		row->times == 1 ? "time" : "times", bytes, rendering_time(row->first, first),
		rendering_time(row->last, last));
}

static const char *make_notes(struct arena *arena, const struct spot *spot)
{
	const char *notes = "";

	for (size_t i = 0; i < spot->n_rows && notes; i++)
		notes = note_row(arena, notes, spot->rows[i]);
	return notes;
}

/* The addresses that a name had, if there are any that its entry would not believe. "" if not. */
static const char *make_addresses(struct work *work, const struct spot *spot)
{
	struct inaddr addresses[ADDRESSES_MAX];
	size_t count =
		digest_addresses(work->digest, spot->rows[0]->name, ADDRESSES_MAX, addresses);
	const char *text = "";
	enum address_class class;
	char one[INADDR_TEXT];
	bool blocked = false;

	for (size_t i = 0; i < count; i++)
		blocked |= class_find(&addresses[i], CLASS_ALL, &class);
	for (size_t i = 0; i < count && blocked && text; i++)
		text = arena_printf(work->arena, "%s%s\"%s/%d\"", text, *text ? ", " : "",
			inaddr_to_text(&addresses[i], one),
			inaddr_is_ip4(&addresses[i]) ? 32 : 128);
	return text && *text ? arena_printf(work->arena, "addresses = [%s]\n", text) : text;
}

static const char *domain_of(struct arena *arena, const struct name *name)
{
	struct name domain = suffix_registered(name);
	char text[NAME_TEXT];

	return arena_printf(arena, "%s", name_to_text(&domain, text));
}

static int add_spot(struct work *work, const struct spot *spot)
{
	struct draft_entry *entry = &work->draft.entries[work->draft.n_entries++];
	bool named = *spot->rows[0]->name != '\0';

	*entry = (struct draft_entry){
		.key = named ? "host" : "ip",
		.where = spot->where,
		.ports = spot->ports,
		.more = spot->name.length > 0 ? make_addresses(work, spot) : "",
		.notes = make_notes(work->arena, spot),
		.category =
			spot->name.length > 0 ? category_find(work->categories, &spot->name) : NULL,
		.against = spot->against,
		.group = spot->name.length > 0 ? domain_of(work->arena, &spot->name)
					       : "Addresses that no name led to",
	};
	return entry->notes && entry->more && entry->group ? 0 : -ENOMEM;
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
	struct draft_entry *entry = &work->draft.entries[work->draft.n_entries++];
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
	*entry = (struct draft_entry){
		.key = "host",
		.where = parent,
		.ports = spot->ports,
		.notes = notes,
		.group = domain_of(work->arena, &spot->name),
	};
	return notes && parent && entry->group ? 0 : -ENOMEM;
}

static size_t count_siblings(const struct work *work, const struct spot *spot)
{
	size_t count = 0;

	for (size_t i = 0; i < work->n_spots && work->request->fold > 0; i++)
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
			if (siblings > 0 && siblings >= work->request->fold)
				error = fold_spot(work, spot, siblings);
			else
				error = add_spot(work, spot);
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
	work->draft.name = draft_name(work->request->name ? work->request->name : "observed", name);
	work->draft.head =
		"What was reached, as event logs have it, found by egress-learn observe.\n"
		"Each destination has what was seen of it above it: look through them, and take "
		"out\n"
		"what was not meant.";
	error = make_spots(work, all);
	return error ? error : add_spots(work);
}

static int observe(struct arena *arena, const struct request *request, const struct digest *digest)
{
	const struct load_options options = {
		.profile_dirs = request->profile_dirs,
		.n_profile_dirs = request->n_profile_dirs,
	};
	struct work work = {.arena = arena, .request = request, .digest = digest};
	struct diag *diag = diag_new(arena);
	struct learn_rows all = {NULL, 0};
	int error = diag ? category_load(arena, &options, diag, &work.categories) : -ENOMEM;

	if (diag)
		diag_print(diag, stderr);
	if (!error)
		error = learn_rows(digest, (1u << DIGEST_OUTCOMES) - 1, &all);
	if (!error)
		error = draft_rows(&work, &all);
	free(all.rows);
	if (error) {
		options_complain(&command, "%s", strerror(-error));
		return LEARN_FAILED;
	}
	return learn_write(&(struct learn_output){&command, request->output, request->profile_dirs,
				   request->n_profile_dirs, true, request->yes},
		&work.draft);
}

int learn_observe(int argc, char **argv)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	struct request request = {.fold = FOLD};
	struct digest *digest;
	int first, operands, status;
	int error = options_read_operands(&command, argc, argv, &request, &first, &operands);

	if (error)
		return error == -EINVAL ? LEARN_USAGE : error < 0 ? LEARN_FAILED : EXIT_SUCCESS;
	if (operands == 0) {
		options_complain(&command, "no log given");
		return LEARN_USAGE;
	}
	if (arena_new(ARENA_MAX, &arena) < 0 ||
		learn_read_logs(&command, argv + first, operands, &digest) < 0)
		return LEARN_FAILED;
	status = observe(arena, &request, digest);
	digest_free(digest);
	return status;
}
