/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/rendering.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "rules/class.h"
#include "rules/describe.h"
#include "rules/shape.h"
#include "rules/suffix.h"
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

/* A name's points from which on a wildcard would report it (rules/shape.c). */
static const double odd_shape = 1.5;

enum { ADDRESSES_MAX = 64 };

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
	if (item->name.length > 0 && shape_score(&item->name, item->domain.length) >= odd_shape)
		return "its name looks like data";
	return NULL;
}

static void add_items(struct items *items, const struct rendering_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		struct item *item = &items->items[items->count++];

		*item = (struct item){.row = rows->rows[i], .advice = &rows->advice[i]};
		if (name_from_text(text_of(item->row->name), &item->name) == 0)
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

static void put_evidence(const struct item *item, FILE *out)
{
	const struct digest_row *row = item->row;
	char port[RENDERING_PORT], first[RENDERING_TIME], last[RENDERING_TIME];
	char sent[RENDERING_BYTES], received[RENDERING_BYTES];

	if (row->asked)
		fputs("# only looked up: ", out);
	else
		fprintf(out, "# %s: ", rendering_port(row, port));
	fprintf(out, "%" PRIu64 " %s", row->times, row->times == 1 ? "time" : "times");
	if (row->bytes_out + row->bytes_in > 0)
		fprintf(out, ", sent %s, received %s", rendering_bytes(row->bytes_out, sent),
			rendering_bytes(row->bytes_in, received));
	fprintf(out, ", %s to %s", rendering_time(row->first, first),
		rendering_time(row->last, last));
	if (*row->rule)
		fprintf(out, ", %s", row->rule);
	if (item->advice->place)
		fprintf(out, " (%s)", item->advice->place);
	fputc('\n', out);
	if (item->against)
		fprintf(out, "# %s%s%s\n", item->against, item->advice->says ? ": " : "",
			item->advice->says ? item->advice->says : "");
}

/* The ports of `count` items, each once; of names that were connected to, no guess besides. */
static void put_ports(const struct rendering *it, const struct item *items, size_t count, FILE *out)
{
	const char *last = "", *comma = "";
	bool connected = false;

	for (size_t i = 0; i < count; i++)
		connected |= !items[i].row->asked;
	for (size_t i = 0; i < count; i++) {
		const char *ports = advice_ports(it->arena, items[i].row);

		if (!ports || (connected && items[i].row->asked) || strcmp(ports, last) == 0)
			continue;
		fprintf(out, "%s\"%s\"", comma, ports);
		comma = ", ";
		last = ports;
	}
}

/* The addresses that the name had, if there are any that a name's entry does not believe. */
static void put_addresses(
	const struct rendering *it, const struct item *item, const char *mark, FILE *out)
{
	struct inaddr addresses[ADDRESSES_MAX];
	size_t count = digest_addresses(it->digest, item->row->name, ADDRESSES_MAX, addresses);
	enum address_class class;
	char text[INADDR_TEXT];
	bool blocked = false;

	for (size_t i = 0; i < count; i++)
		blocked |= class_find(&addresses[i], CLASS_ALL, &class);
	if (!blocked)
		return;
	fprintf(out, "%saddresses = [", mark);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s\"%s/%d\"", i > 0 ? ", " : "", inaddr_to_text(&addresses[i], text),
			inaddr_is_ip4(&addresses[i]) ? 32 : 128);
	fputs("]\n", out);
}

/* One entry of `count` items. */
static void put_entry(const struct rendering *it, const struct item *items, size_t count, FILE *out)
{
	const struct digest_row *row = items[0].row;
	const char *mark = items[0].against ? "#" : "";
	char where[RENDERING_WHERE];

	fputc('\n', out);
	for (size_t i = 0; i < count; i++)
		put_evidence(&items[i], out);
	fprintf(out, "%s[[allow]]\n%s%s = \"%s\"\n%sports = [", mark, mark,
		*row->name ? "host" : "ip", rendering_where(row, where), mark);
	put_ports(it, items, count, out);
	fputs("]\n", out);
	if (*row->name)
		put_addresses(it, &items[0], mark, out);
}

/* The heading above an item, where another part begins. */
static void put_heading(const struct item *item, const struct item *before, FILE *out)
{
	char text[NAME_TEXT];

	if (item->against) {
		if (!before || !before->against)
			fputs("\n# --- Not permitted: take the '#' away from what is meant ---\n",
				out);
	} else if (*item->row->name == '\0') {
		if (!before || *before->row->name != '\0')
			fputs("\n# --- Addresses that no name led to ---\n"
			      "# Whoever has such an address later is permitted, too.\n",
				out);
	} else if (!before || !name_equal(&item->domain, &before->domain)) {
		fprintf(out, "\n# --- %s ---\n", name_to_text(&item->domain, text));
	}
}

/* --- The file --- */

static int put_head(const struct rendering *it, FILE *out)
{
	const struct policy *base = it->about->layers->layers[0].policy;
	char started[RENDERING_TIME], ended[RENDERING_TIME];
	char *command = strdup(it->about->command ? it->about->command : "");
	char *file = strdup(base->file ? base->file : "");

	if (command && file)
		fprintf(out,
			"# What this command reached%s:\n"
			"#\t%s\n"
			"# from %s to %s, under %s, written by %s.\n"
			"# Each destination is an entry of its own, with what was seen of it as\n"
			"# comments: look through them, and take out what was not meant. Nothing\n"
			"# else of the policy that it ran under is here, neither its [dns], "
			"[network],\n"
			"# [limits] and [budget] nor its deny entries.\n"
			"version = 1\n"
			"name = \"%s\"\n",
			base->observe ? ", and would have been refused" : "",
			describe_clean(command), rendering_time(it->about->started, started),
			rendering_time(it->about->ended, ended), describe_clean(file),
			it->about->program, base->name);
	free(command);
	free(file);
	return command && file ? 0 : -ENOMEM;
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
	for (size_t i = 0, count; i < items.count; i += count) {
		const struct item *item = &items.items[i];

		for (count = 1; i + count < items.count; count++)
			if (compare_destinations(item, item + count) != 0)
				break;
		put_heading(item, i > 0 ? item - 1 : NULL, out);
		put_entry(it, item, count, out);
	}
	put_rest(it, out);
	return 0;
}
