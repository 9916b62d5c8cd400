/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/rendering.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "rules/entry-lines.h"
#include "rules/host.h"
#include "rules/suffix.h"
#include "src/audit/observed.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * Each destination becomes one entry that names it and the ports that were seen, never a wildcard,
 * with what was seen of it as comments. Names come first, those of one registered domain together;
 * then addresses that no name led to. What must not be permitted without somebody's having looked
 * at it comes last, commented out: what was refused; what an enforced policy would have refused
 * because it says so, and not for want of an entry; names that look like data; and what an entry
 * can't name.
 *
 * Nothing but names of host characters, addresses and words of this file is written outside
 * comments, and comments have neither line feeds nor control characters.
 */

/* A row, and where it belongs. */
struct item {
	const struct digest_row *row;
	const struct advice *advice;
	struct name name;    /* of a host */
	struct name domain;  /* the registered one above it */
	const char *against; /* why it is commented out; NULL: it isn't */
};

struct items {
	struct item *items;
	size_t count;
};

/* --- What is to be written --- */

static const char *find_objection(const struct item *item)
{
	const struct digest_row *row = item->row;

	if (row->outcome == DIGEST_REFUSED)
		return "refused";
	if (*row->name != '\0' && item->name.length == 0)
		return "no host name, so that no entry can name it";
	if (row->asked && !row->host)
		return "asked for, but not for its addresses";
	if (!row->asked && strcmp(row->protocol, "tcp") != 0 && strcmp(row->protocol, "udp") != 0 &&
		strncmp(row->protocol, "icmp", 4) != 0)
		return "a protocol that no entry can name";
	if (row->outcome == DIGEST_OBSERVED && item->advice->decided)
		return "the policy would have refused it by an entry or a class of addresses";
	if (item->name.length > 0 && observed_is_odd(&item->name))
		return "its name looks like data";
	return NULL;
}

static void add_items(struct items *items, const struct rendering_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		struct item *item = &items->items[items->count++];

		*item = (struct item){.row = rows->rows[i], .advice = &rows->advice[i]};
		if (host_name_from_text(text_of(item->row->name), &item->name) == 0)
			item->domain = suffix_registered(&item->name);
		else
			item->name.length = 0;
		item->against = find_objection(item);
	}
}

static int compare_names(const struct name *a, const struct name *b)
{
	char text_a[NAME_TEXT], text_b[NAME_TEXT];

	return strcmp(name_to_text(a, text_a), name_to_text(b, text_b));
}

/* 0: they are part of one entry. */
static int compare_destinations(const struct item *a, const struct item *b)
{
	bool named_a = *a->row->name != '\0', named_b = *b->row->name != '\0';
	int order = (a->against != NULL) - (b->against != NULL);

	if (order == 0)
		order = named_b - named_a;
	if (order == 0 && !named_a)
		return inaddr_compare(&a->row->address, &b->row->address);
	if (order == 0 && a->name.length > 0 && b->name.length > 0)
		order = compare_names(&a->domain, &b->domain);
	return order ? order : strcmp(a->row->name, b->row->name);
}

static int compare_items(const void *left, const void *right)
{
	const struct item *a = left, *b = right;
	int order = compare_destinations(a, b);

	if (order == 0)
		order = strcmp(a->row->protocol, b->row->protocol);
	if (order == 0)
		order = a->row->port - b->row->port;
	return order ? order : strcmp(a->row->rule, b->row->rule);
}

static int make_items(const struct rendering *it, struct items *ret_items)
{
	struct items items = {.count = 0};

	for (size_t i = 0; i < DIGEST_OUTCOMES; i++)
		items.count += it->outcomes[i].count;
	items.items = arena_array(it->arena, items.count + 1, sizeof(*items.items));
	if (!items.items)
		return -ENOMEM;
	items.count = 0;
	for (size_t i = 0; i < DIGEST_OUTCOMES; i++)
		add_items(&items, &it->outcomes[i]);
	qsort(items.items, items.count, sizeof(*items.items), compare_items);
	*ret_items = items;
	return 0;
}

/* --- Entries --- */

/* What was seen of an item, and by which rule. */
static const char *note_item(struct arena *arena, const struct item *item)
{
	const char *rule = item->row->rule, *place = item->advice->place;
	const char *note = observed_note(arena, item->row);

	if (note && *rule)
		note = arena_printf(arena, "%s, %s", note, rule);
	if (note && place)
		note = arena_printf(arena, "%s (%s)", note, place);
	return note;
}

static const char *note_items(struct arena *arena, const struct item *items, size_t count)
{
	const char *notes = "";

	for (size_t i = 0; i < count && notes; i++) {
		const char *note = note_item(arena, &items[i]);

		notes = note ? arena_printf(arena, "%s%s\n", notes, note) : NULL;
	}
	return notes;
}

static const char *find_ports(struct arena *arena, const struct item *items, size_t count)
{
	const struct digest_row **rows = arena_array(arena, count, sizeof(*rows));

	for (size_t i = 0; i < count && rows; i++)
		rows[i] = items[i].row;
	return rows ? observed_ports(arena, rows, count) : NULL;
}

static const char *find_group(struct arena *arena, const struct item *item)
{
	char text[NAME_TEXT];

	if (*item->row->name == '\0')
		return "Addresses that no name led to\n"
		       "Whoever has such an address later is permitted, too.";
	return arena_printf(arena, "%s", name_to_text(&item->domain, text));
}

/* One entry of `count` items. 0 or -ENOMEM. */
static int make_entry(const struct rendering *it, const struct item *items, size_t count,
	struct entry_lines *entry)
{
	const struct digest_row *row = items[0].row;
	const char *says = items[0].advice->says;
	bool named = *row->name != '\0';
	char where[RENDERING_WHERE];

	*entry = (struct entry_lines){
		.key = named ? "host" : "ip",
		.where = arena_printf(it->arena, "%s", rendering_where(row, where)),
		.ports = find_ports(it->arena, items, count),
		.addresses = named ? observed_addresses(it->arena, it->digest, row->name) : "",
		.notes = note_items(it->arena, items, count),
		.against = items[0].against,
		.group = find_group(it->arena, &items[0]),
	};
	if (entry->against && says)
		entry->against = arena_printf(it->arena, "%s: %s", entry->against, says);
	return entry->where && entry->ports && entry->addresses && entry->notes && entry->group &&
			       (entry->against || !items[0].against)
		       ? 0
		       : -ENOMEM;
}

static int put_entries(const struct rendering *it, const struct items *items, FILE *out)
{
	struct entry_lines *entries = arena_array(it->arena, items->count + 1, sizeof(*entries));
	size_t used = 0;
	int error = entries ? 0 : -ENOMEM;

	for (size_t i = 0, count; i < items->count && !error; i += count) {
		for (count = 1; i + count < items->count; count++)
			if (compare_destinations(&items->items[i], &items->items[i + count]) != 0)
				break;
		error = make_entry(it, &items->items[i], count, &entries[used++]);
	}
	return error ? error : entry_lines_put_all(entries, used, out);
}

/* --- The file --- */

static int put_head(const struct rendering *it, FILE *out)
{
	const struct policy *base = it->about->layers->layers[0].policy;
	char started[RENDERING_TIME], ended[RENDERING_TIME];
	const char *notes = arena_printf(it->arena,
		"What this command reached%s:\n"
		"    %s\n"
		"from %s to %s, under %s, written by %s.\n"
		"Each destination is an entry of its own, with what was seen of it as\n"
		"comments: look through them, and take out what was not meant. Nothing\n"
		"else of the policy that it ran under is here, neither its [dns], [network],\n"
		"[limits] and [budget] nor its deny entries.",
		base->observe ? ", and would have been refused" : "",
		it->about->command ? it->about->command : "",
		rendering_time(it->about->started, started),
		rendering_time(it->about->ended, ended), base->file ? base->file : "",
		it->about->program);
	int error = notes ? entry_lines_put_notes(notes, "", out) : -ENOMEM;

	fprintf(out, "version = 1\nname = \"%s\"\n", base->name);
	return error;
}

static void put_rest(const struct rendering *it, FILE *out)
{
	uint64_t records = 0;

	for (size_t i = 0; i < DIGEST_OUTCOMES; i++)
		records += i == DIGEST_REFUSED ? 0 : it->outcomes[i].sum.records;
	if (records > 0)
		fprintf(out,
			"\n# %" PRIu64 " records of further destinations found no room: this is\n"
			"# not all that the command reached.\n",
			records);
}

int digest_as_policy(const struct rendering *it, FILE *out)
{
	struct items items;
	int error = make_items(it, &items);

	if (!error)
		error = put_head(it, out);
	if (error)
		return error;
	error = put_entries(it, &items, out);
	if (error)
		return error;
	put_rest(it, out);
	return 0;
}
