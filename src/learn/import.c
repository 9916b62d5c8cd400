/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/import.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rules/class.h"
#include "rules/host.h"
#include "rules/quote.h"
#include "rules/suffix.h"
#include "src/base/arena.h"
#include "src/learn/import-own.h"

/*
 * Theory of operation
 *
 * A reader goes over the other tool's file and adds entries; whatever means something else here is
 * said, with its line. Three differences are everybody's. Where a deny entry wins there whatever
 * allows the same, an allow entry that would win here by being more specific is commented out. What
 * matches every name, or every name of a registry, is commented out: nobody should permit that
 * without having decided to. And an allow list that permits everything by being empty permits
 * nothing here.
 */

static const struct {
	const char *name;
	import_reader *read;
} formats[] = {
	{"agentshield", import_agentshield},
	{"cilium", import_cilium},
	{"fence", import_fence},
	{"grith", import_grith},
	{"harden-runner", import_harden_runner},
	{"hosts", import_hosts},
	{"list", import_list},
};

const char *import_format(size_t index)
{
	return index < sizeof(formats) / sizeof(formats[0]) ? formats[index].name : NULL;
}

void import_say(struct import *import, unsigned line, const char *format, ...)
{
	char message[1024];
	va_list args;
	int used = line > 0 ? snprintf(message, sizeof(message), "line %u: ", line) : 0;

	va_start(args, format);
	vsnprintf(message + used, sizeof(message) - (size_t)used, format, args);
	va_end(args);
	import->options->say(import->options->context, message);
}

void import_say_key(struct import *import, const struct doc_item *item)
{
	char quoted[QUOTE_TEXT];
	struct text key = doc_key(item, 0);

	if (text_is(key, "-"))
		key = doc_key(item, 1);
	import_say(import, item->line, "%s: nothing here enforces it", quote(key, quoted));
}

bool import_number(const struct doc_item *item, unsigned long most, unsigned long *ret_number)
{
	uint64_t number;

	if (text_to_number(text_trim(item->value), most, &number) < 0)
		return false;
	*ret_number = (unsigned long)number;
	return true;
}

/* --- Entries --- */

static bool is_there(const struct import *import, const struct entry_lines *entry)
{
	for (size_t i = 0; i < import->draft.n_entries; i++) {
		const struct entry_lines *other = &import->draft.entries[i];

		if (other->deny == entry->deny && strcmp(other->key, entry->key) == 0 &&
			strcmp(other->where, entry->where) == 0 &&
			strcmp(other->ports ? other->ports : "",
				entry->ports ? entry->ports : "") == 0)
			return true;
	}
	return false;
}

static void put(struct import *import, const struct import_entry *given, const char *key,
	const char *where, const char *against)
{
	struct entry_lines entry = {
		.deny = given->deny,
		.key = key,
		.where = where,
		.ports = given->ports,
		.reason = given->reason,
		.against = against,
	};

	if (!where) {
		import->error = -ENOMEM;
		return;
	}
	if (import->error || is_there(import, &entry))
		return;
	if (import->draft.n_entries == IMPORT_ENTRIES_MAX)
		import->error = -E2BIG;
	else
		import->draft.entries[import->draft.n_entries++] = entry;
}

static bool is_broad(enum host_kind kind, const struct name *name)
{
	struct name suffix = host_suffix(kind, name->wire, name->length);

	return kind != HOST_EXACT && suffix_is_public(&suffix);
}

/* A host as policies have it; NULL: there was no memory for it. */
static void put_host(struct import *import, const struct import_entry *entry, const char *text)
{
	char quoted[QUOTE_TEXT], out[NAME_TEXT];
	const char *problem, *against = NULL;
	enum host_kind kind;
	struct name name;

	if (!text) {
		import->error = -ENOMEM;
		return;
	}
	if (host_from_text(text_of(text), &kind, &name, &problem) < 0) {
		import_say(import, entry->line, "left out: %s %s", quote(text_of(text), quoted),
			problem);
		return;
	}
	if (is_broad(kind, &name) && !entry->deny) {
		against =
			"matches every name, or all of a registry: say broad = true if it is meant";
		import_say(import, entry->line, "commented out: %s %s",
			quote(text_of(text), quoted), against);
	}
	if (is_broad(kind, &name) && entry->deny) {
		import_say(import, entry->line,
			"left out: %s: what nothing permits is refused anyway",
			quote(text_of(text), quoted));
		return;
	}
	host_to_text(kind, name.wire, name.length, out);
	put(import, entry, "host", arena_printf(import->arena, "%s", out), against);
}

/* A class of addresses yields only to a longer prefix than its own. */
static void say_if_blocked(
	struct import *import, const struct import_entry *entry, const struct range *range)
{
	const struct class_prefix *prefixes;
	char text[INADDR_TEXT];
	size_t count;

	prefixes = class_prefixes(&count);
	for (size_t i = 0; i < count && !entry->deny; i++) {
		struct range class = prefix_to_range(&prefixes[i].prefix);

		if (import->unblocked & 1u << prefixes[i].class ||
			!range_contains(range, &class.first) || !range_contains(range, &class.last))
			continue;
		import_say(import, entry->line,
			"%s has addresses that [network] block keeps closed here, such as %s",
			range_to_text(range, text), class_name(prefixes[i].class));
		return;
	}
}

void import_add(struct import *import, const struct import_entry *entry)
{
	struct text host = text_trim(entry->host);
	bool starred = text_starts(host, "*.");
	struct range range;
	char text[INADDR_TEXT];
	const char *copy;

	if (host.length == 0 || host.length >= NAME_TEXT)
		return;
	if (range_from_text(host, &range) == 0) {
		say_if_blocked(import, entry, &range);
		put(import, entry, "ip",
			arena_printf(import->arena, "%s", range_to_text(&range, text)), NULL);
		return;
	}
	copy = arena_strndup(import->arena, host.start, host.length);
	if (copy && starred && entry->reach != IMPORT_ONE_LABEL &&
		entry->reach != IMPORT_SUBDOMAINS) {
		const char *deep = arena_printf(import->arena, "*%s", copy);

		if (entry->reach == IMPORT_WITH_SELF)
			put_host(import, entry, copy + 2);
		copy = deep;
	}
	put_host(import, entry, copy);
	if (copy && entry->reach == IMPORT_SUBDOMAINS)
		put_host(import, entry, arena_printf(import->arena, "**.%s", copy));
}

/* --- Who wins --- */

static bool as_host(const struct entry_lines *entry, struct host *ret_host, struct name *name)
{
	const char *problem;

	if (strcmp(entry->key, "host") != 0 ||
		host_from_text(text_of(entry->where), &ret_host->kind, name, &problem) < 0)
		return false;
	ret_host->wire = name->wire;
	ret_host->length = name->length;
	return true;
}

static bool beats(const struct entry_lines *allow, const struct entry_lines *deny)
{
	struct host a, d;
	struct name name_a, name_d;

	return as_host(allow, &a, &name_a) && as_host(deny, &d, &name_d) && host_overlaps(&a, &d) &&
	       host_specificity(a.kind, a.wire, a.length) >
		       host_specificity(d.kind, d.wire, d.length);
}

static void let_denials_win(struct import *import)
{
	for (size_t i = 0; i < import->draft.n_entries; i++) {
		struct entry_lines *allow = &import->draft.entries[i];

		for (size_t j = 0; j < import->draft.n_entries && !allow->deny; j++) {
			const struct entry_lines *deny = &import->draft.entries[j];

			if (!deny->deny || allow->against || !beats(allow, deny))
				continue;
			allow->against = "a deny entry won there; here the more specific one does";
			import_say(import, 0,
				"commented out: '%s' is denied by '%s' there; here it would be "
				"permitted, as the more specific one",
				allow->where, deny->where);
		}
	}
}

/* What is commented out comes last. */
static void sort_entries(struct draft *draft, struct entry_lines *sorted)
{
	size_t used = 0;

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < draft->n_entries; i++)
			if ((draft->entries[i].against != NULL) == (pass == 1))
				sorted[used++] = draft->entries[i];
	draft->entries = sorted;
}

/* --- The rest of the policy --- */

static const char *blocked_classes(struct import *import)
{
	const char *text = "";

	for (enum address_class class = 0; class < CLASS_COUNT && text; class ++)
		if (!(import->unblocked & 1u << class))
			text = arena_printf(import->arena, "%s%s\"%s\"", text, *text ? ", " : "",
				class_name(class));
	return text;
}

static void finish(struct import *import)
{
	struct draft *draft = &import->draft;
	const char *blocks = blocked_classes(import);
	bool allows = false;

	for (size_t i = 0; i < draft->n_entries; i++)
		allows |= !draft->entries[i].deny && !draft->entries[i].against;
	draft->name = import->options->name;
	draft->head = arena_printf(import->arena,
		"Made of %s by egress-learn --import. What means something else here was said "
		"then.",
		import->options->file);
	draft->top = arena_printf(import->arena, "%s%s%s",
		import->denylist ? "mode = \"denylist\"\n" : "",
		import->observe ? "enforcement = \"observe\"\n" : "",
		allows || import->denylist || (import->list && strcmp(import->list, "allow") == 0)
			? ""
			: "allow = [] # nothing\n");
	draft->tail = arena_printf(import->arena, "\n[network]\nblock = [%s]\n%s%s%s%s",
		blocks ? blocks : "", import->limits ? "\n[limits]\n" : "",
		import->limits ? import->limits : "", import->audit ? "\n[audit]\n" : "",
		import->audit ? import->audit : "");
	if (!blocks || !draft->head || !draft->top || !draft->tail)
		import->error = -ENOMEM;
}

int import_read(struct arena *arena, const char *format, struct text text,
	const struct import_options *options, struct draft *ret_draft)
{
	struct import import = {.arena = arena, .options = options};
	import_reader *read = NULL;
	struct entry_lines *sorted;
	int error;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].name, format) == 0)
			read = formats[i].read;
	if (!read)
		return -ENOENT;
	sorted = arena_array(arena, IMPORT_ENTRIES_MAX + 1, sizeof(*sorted));
	error = sorted ? draft_new(arena, 0, IMPORT_ENTRIES_MAX, &import.draft) : -ENOMEM;
	if (!error)
		error = read(&import, text);
	if (error)
		return error;
	if (import.deny_wins)
		let_denials_win(&import);
	sort_entries(&import.draft, sorted);
	finish(&import);
	if (import.error)
		return import.error;
	*ret_draft = import.draft;
	return 0;
}
