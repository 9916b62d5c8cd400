/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn-merge.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rules/compile.h"
#include "rules/host.h"
#include "rules/judge.h"
#include "rules/lex.h"
#include "rules/ports.h"
#include "rules/toml.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/memstream.h"
#include "src/learn-edits.h"
#include "src/learn/draft.h"

/*
 * Theory of operation
 *
 * Lines and words are put into the file's text, and nothing that somebody wrote is changed: names
 * of profiles go right behind the bracket of `profiles`, or into a new line below `version`;
 * entries go to the end. What the policy permits already is not added again, by whatever entry it
 * permits it, so that merging the same draft twice changes nothing the second time. For the same
 * reason what an entry refuses is left to whoever wrote that: an entry more would not decide.
 *
 * An address that a name had, and that the entry which permits the name does not believe, goes into
 * that entry: one more for the same name would never decide. If the entry is for other names as
 * well it would believe the address of these, too, which nobody asked for: that is said, and left
 * alone.
 */

#define ARENA_MAX ((size_t)4 << 30)

struct work {
	struct arena *arena;
	const struct merge *merge;
	const struct draft *draft;
	const struct layers *layers;
	const struct toml_node *root;
	FILE *said;
	struct edits *edits;
	const struct toml_node *array; /* `allow = [...]`; NULL: it has heads */
};

static const struct toml_node *find_key(const struct toml_node *root, const char *key)
{
	for (size_t i = 0; i < root->n_children; i++)
		if (text_is(root->children[i].key, key))
			return &root->children[i];
	return NULL;
}

/* --- What is permitted already --- */

/* What the policy says of a name, or of an address of its (NULL: of none). */
static struct judgement judge_name(const struct work *work, const struct name *name,
	const struct inaddr *address, const struct port_range *port)
{
	const struct question question = {
		.name = name,
		.address = address,
		.protocol = port->protocol,
		.port = port->first,
	};
	struct judgement judgement;

	judge(work->layers, &question, &judgement);
	return judgement;
}

static bool permits_address(
	const struct work *work, const struct inaddr *address, const struct port_range *port)
{
	return judge_name(work, NULL, address, port).verdict < VERDICT_OBSERVE;
}

/* A wildcard is there if it is there as it is. */
static bool has_host(const struct work *work, enum host_kind kind, const struct name *name,
	const struct port_range *port)
{
	const struct layer *base = &work->layers->layers[0];

	for (size_t i = 0; i < base->n_entries; i++) {
		const struct entry *entry = base->entries[i].entry;

		for (size_t j = 0; j < entry->n_hosts && entry->action == ACTION_ALLOW; j++)
			if (entry->hosts[j].kind == kind &&
				entry->hosts[j].length == name->length &&
				memcmp(entry->hosts[j].wire, name->wire, name->length) == 0 &&
				ports_have(
					entry->ports, entry->n_ports, port->protocol, port->first))
				return true;
	}
	return false;
}

/* The name of an entry that is for one. */
static bool read_exact(const struct entry_lines *entry, struct name *ret_name)
{
	const char *problem;
	enum host_kind kind;

	return strcmp(entry->key, "host") == 0 &&
	       host_from_text(text_of(entry->where), &kind, ret_name, &problem) == 0 &&
	       kind == HOST_EXACT;
}

/* Whether an entry of the policy refuses it, which is somebody's decision, and said. */
static bool is_refused(
	const struct work *work, const struct entry_lines *entry, const struct port_range *port)
{
	struct judgement judgement;
	const struct layer_entry *by;
	struct range range;
	struct name name;

	if (read_exact(entry, &name))
		judgement = judge_name(work, &name, NULL, port);
	else if (strcmp(entry->key, "ip") == 0 &&
		 range_from_text(text_of(entry->where), &range) == 0)
		judgement = judge_name(work, NULL, &range.first, port);
	else
		return false;
	by = judgement.layers[0].entry;
	if (judgement.verdict < VERDICT_OBSERVE || !by)
		return false;
	fprintf(work->said, "%s:%u: this entry refuses %s, which is left at that\n",
		by->entry->place.file, by->entry->place.line, entry->where);
	return true;
}

static bool is_permitted(
	const struct work *work, const struct entry_lines *entry, const struct port_range *port)
{
	const char *problem;
	enum host_kind kind;
	struct range range;
	struct name name;

	if (strcmp(entry->key, "ip") == 0)
		return range_from_text(text_of(entry->where), &range) == 0 &&
		       permits_address(work, &range.first, port) &&
		       permits_address(work, &range.last, port);
	if (strcmp(entry->key, "host") != 0 ||
		host_from_text(text_of(entry->where), &kind, &name, &problem) < 0)
		return false;
	return kind == HOST_EXACT ? judge_name(work, &name, NULL, port).verdict < VERDICT_OBSERVE
				  : has_host(work, kind, &name, port);
}

/* "tcp/443" of a draft, which is well-formed. */
static bool read_port(struct text word, struct port_range *ret_port)
{
	struct text protocol, number;
	uint64_t first = 0;

	text_cut(word, '/', &protocol, &number);
	text_cut(number, '-', &number, &word);
	if (text_is(protocol, "icmp")) {
		*ret_port = (struct port_range){.protocol = PROTOCOL_ICMP_ECHO};
		return true;
	}
	if (text_to_number(number, UINT16_MAX, &first) < 0)
		return false;
	*ret_port = (struct port_range){
		.protocol = text_is(protocol, "udp") ? PROTOCOL_UDP : PROTOCOL_TCP,
		.first = (uint16_t)first,
		.last = (uint16_t)first,
	};
	return true;
}

/* Those of the entry's ports that the policy does not permit. NULL: no memory. */
static const char *missing_ports(const struct work *work, const struct entry_lines *entry)
{
	struct text rest = text_of(entry->ports ? entry->ports : ""), word;
	const char *missing = "";
	struct port_range port;

	while (rest.length > 0 && missing) {
		text_cut(rest, ' ', &word, &rest);
		if (read_port(word, &port) &&
			(is_permitted(work, entry, &port) || is_refused(work, entry, &port)))
			continue;
		missing = arena_printf(
			work->arena, "%s%s%.*s", missing, *missing ? " " : "", TEXT_ARG(word));
	}
	return missing;
}

/* --- Addresses that are not believed --- */

/* An entry that permits a name, and addresses of the name that it does not believe. */
struct doubt {
	struct finding finding;
	const char *addresses; /* "10.0.0.7/32 10.0.0.8/32"; "" none */
};

/* Whether the policy permits the name on one of the entry's ports, but not with that address. */
static bool is_disbelieved(const struct work *work, const struct entry_lines *entry,
	const struct name *name, const struct inaddr *address, struct finding *ret_finding)
{
	struct text rest = text_of(entry->ports ? entry->ports : ""), word;
	struct port_range port;

	while (rest.length > 0) {
		struct judgement judgement;

		text_cut(rest, ' ', &word, &rest);
		if (!read_port(word, &port))
			continue;
		judgement = judge_name(work, name, address, &port);
		if (!judgement.layers[0].disbelieved)
			continue;
		*ret_finding = judgement.layers[0];
		return true;
	}
	return false;
}

/* 0 or -ENOMEM. Prefixes are nobody's observation, and whoever wrote the policy may have wanted
 * less. */
static int find_doubt(
	const struct work *work, const struct entry_lines *entry, struct doubt *ret_doubt)
{
	struct text rest = text_of(entry->addresses ? entry->addresses : ""), word;
	struct doubt doubt = {.addresses = ""};
	struct range range;
	struct name name;

	if (read_exact(entry, &name))
		while (rest.length > 0 && doubt.addresses) {
			text_cut(rest, ' ', &word, &rest);
			if (range_from_text(word, &range) < 0 ||
				inaddr_compare(&range.first, &range.last) != 0 ||
				!is_disbelieved(work, entry, &name, &range.first, &doubt.finding))
				continue;
			doubt.addresses = arena_printf(work->arena, "%s%s%.*s", doubt.addresses,
				*doubt.addresses ? " " : "", TEXT_ARG(word));
		}
	*ret_doubt = doubt;
	return doubt.addresses ? 0 : -ENOMEM;
}

/* The table of an entry, if the policy's own text has it under a head of its own. */
static const struct toml_node *find_table(const struct work *work, const struct entry *entry)
{
	const struct toml_node *allow = find_key(work->root, "allow");
	struct text text = {work->merge->text, work->merge->size};

	for (size_t i = 0; allow && !entry->profile && i < allow->n_children; i++) {
		const struct toml_node *table = &allow->children[i];
		size_t at = lex_offset(text, table->at.line, 1);

		if (table->at.line == entry->place.line)
			return text_starts(
				       text_trim((struct text){text.start + at, text.length - at}),
				       "[[")
				       ? table
				       : NULL;
	}
	return NULL;
}

static size_t next_line(const struct work *work, size_t at)
{
	const char *end = memchr(work->merge->text + at, '\n', work->merge->size - at);

	return end ? (size_t)(end + 1 - work->merge->text) : work->merge->size;
}

/* "\"10.0.0.7/32\", \"10.0.0.8/32\", ". NULL: no memory. */
static const char *as_items(struct arena *arena, const char *words)
{
	struct text rest = text_of(words), word;
	const char *items = "";

	while (rest.length > 0 && items) {
		text_cut(rest, ' ', &word, &rest);
		items = arena_printf(arena, "%s\"%.*s\", ", items, TEXT_ARG(word));
	}
	return items;
}

static void say_doubt(
	const struct work *work, const struct entry_lines *entry, const struct doubt *doubt)
{
	const struct entry *there = doubt->finding.entry->entry;

	fprintf(work->said,
		"%s:%u: %s had the address %s, which this entry does not believe, and it is left "
		"at that: it is for other names as well, or not a table of its own\n",
		there->place.file, there->place.line, entry->where, doubt->addresses);
}

/* Has the entry that permits the name believe the addresses: one that has believed public ones so
 * far, those that were reached of them, too. 0 or -errno. */
static int settle_doubt(
	struct work *work, const struct entry_lines *entry, const struct doubt *doubt)
{
	const struct entry *there = doubt->finding.entry->entry;
	const struct toml_node *table = find_table(work, there);
	const struct toml_node *key = table ? find_key(table, "addresses") : NULL;
	struct text text = {work->merge->text, work->merge->size};
	const char *items = as_items(work->arena, key ? doubt->addresses : entry->addresses);
	bool alone = there->n_hosts == 1 && there->n_patterns == 0 && there->n_lists == 0;

	if (!items)
		return -ENOMEM;
	if (!table || !alone || (key && key->kind != TOML_ARRAY)) {
		say_doubt(work, entry, doubt);
		return 0;
	}
	if (key)
		return edits_add(
			work->edits, lex_offset(text, key->at.line, key->at.column) + 1, items);
	items = arena_printf(work->arena, "addresses = [%.*s]\n", (int)strlen(items) - 2, items);
	return items ? edits_add(work->edits, next_line(work, lex_offset(text, table->at.line, 1)),
			       items)
		     : -ENOMEM;
}

/* --- What is added --- */

static int add_entry(struct work *work, struct entry_lines entry, FILE *out)
{
	const char *all = entry.ports;
	struct doubt doubt;
	int error = find_doubt(work, &entry, &doubt);

	entry.ports = missing_ports(work, &entry);
	if (error || !entry.ports)
		return -ENOMEM;
	/* An entry for just that name decides before a wildcard. */
	if (*doubt.addresses &&
		(doubt.finding.kind != FOUND_HOST || doubt.finding.host.kind != HOST_EXACT))
		entry.ports = all;
	else if (*doubt.addresses)
		error = settle_doubt(work, &entry, &doubt);
	if (!entry.ports || *entry.ports == '\0' || error)
		return error;
	if (work->array)
		return entry_lines_put_element(&entry, out);
	fputc('\n', out);
	return entry_lines_put(&entry, out);
}

/* Where `allow` is an array in brackets, its entries go there, as no [[allow]] may follow it. NULL:
 * it isn't. */
static const struct toml_node *find_array(const struct work *work)
{
	const struct toml_node *allow = find_key(work->root, "allow");
	struct text text = {work->merge->text, work->merge->size};
	size_t at = allow ? lex_offset(text, allow->at.line, allow->at.column) : text.length;

	if (!allow || allow->kind != TOML_ARRAY || at >= text.length || text.start[at] != '[' ||
		text_starts((struct text){text.start + at, text.length - at}, "[[allow") ||
		allow->key_at.line == 0)
		return NULL;
	return allow;
}

static int add_entries(struct work *work)
{
	char *text = NULL;
	const char *copy;
	size_t size = 0;
	FILE *out = memstream_open(&text, &size);
	struct text whole = {work->merge->text, work->merge->size};
	int error = out ? 0 : -ENOMEM;

	work->array = find_array(work);
	for (size_t i = 0; i < work->draft->n_entries && !error; i++) {
		const struct entry_lines *entry = &work->draft->entries[i];

		if (!entry->against && !entry->deny)
			error = add_entry(work, *entry, out);
	}
	if (out && fclose(out) != 0 && !error)
		error = -ENOMEM;
	copy = error ? NULL : arena_strndup(work->arena, text, size);
	free(text);
	if (error)
		return error;
	if (!copy)
		return -ENOMEM;
	if (!work->array)
		return edits_add(work->edits, whole.length, copy);
	copy = *copy ? arena_printf(work->arena, "%s\n", copy) : copy;
	return copy ? edits_add(work->edits,
			      lex_offset(whole, work->array->at.line, work->array->at.column) + 1,
			      copy)
		    : -ENOMEM;
}

static bool has_profile(const struct toml_node *profiles, const char *name)
{
	for (size_t i = 0; profiles && i < profiles->n_children; i++)
		if (profiles->children[i].kind == TOML_STRING &&
			text_is(profiles->children[i].value.string, name))
			return true;
	return false;
}

/* Where names of profiles go: behind the bracket, or below the line of `version`. */
static size_t place_names(const struct work *work, const struct toml_node *profiles)
{
	struct text text = {work->merge->text, work->merge->size};
	const struct toml_node *version = find_key(work->root, "version");

	if (profiles)
		return lex_offset(text, profiles->at.line, profiles->at.column) + 1;
	return next_line(
		work, version ? lex_offset(text, version->at.line, version->at.column) : 0);
}

static int add_profiles(struct work *work)
{
	const struct toml_node *profiles = find_key(work->root, "profiles");
	const char *names = "";

	for (size_t i = 0; i < work->draft->n_profiles && names; i++) {
		const struct draft_profile *profile = &work->draft->profiles[i];

		if (!profile->against && !has_profile(profiles, profile->name))
			names = arena_printf(work->arena, "%s\"%s\", ", names, profile->name);
	}
	if (names && *names && !profiles)
		names = arena_printf(work->arena, "profiles = [%s]\n", names);
	return names ? edits_add(work->edits, place_names(work, profiles), names) : -ENOMEM;
}

/* --- The whole --- */

/* The policy as it is. 0, -EINVAL with its faults in the diag, or another -errno. */
static int load(struct work *work, struct diag *diag)
{
	const struct merge *merge = work->merge;
	const struct compile_options options = {
		.policy = merge->file,
		.text = merge->text,
		.size = merge->size,
		.profile_dirs = merge->profile_dirs,
		.n_profile_dirs = merge->n_profile_dirs,
	};
	int error = compile_layers(work->arena, &options, diag, &work->layers);

	if (!error)
		error = toml_parse(work->arena, merge->file,
			(struct text){merge->text, merge->size}, diag, &work->root);
	return error;
}

int merge_make(const struct merge *merge, const struct draft *draft, FILE *diff, FILE *said,
	char **ret_text, size_t *ret_size)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	struct work work = {.merge = merge, .draft = draft, .said = said};
	struct diag *diag;
	int error = arena_new(ARENA_MAX, &arena);

	diag = error ? NULL : diag_new(arena);
	if (!diag)
		return -ENOMEM;
	work.arena = arena;
	work.edits = arena_alloc(arena, sizeof(*work.edits));
	if (!work.edits)
		return -ENOMEM;
	*work.edits = (struct edits){.whole = {merge->text, merge->size}};
	error = load(&work, diag);
	if (error == -EINVAL)
		diag_print(diag, said);
	if (!error)
		error = add_profiles(&work);
	if (!error)
		error = add_entries(&work);
	if (error)
		return error;
	*ret_text = NULL;
	if (work.edits->count == 0)
		return 0;
	error = edits_show(work.edits, merge->file, diff);
	return error ? error : edits_join(work.edits, ret_text, ret_size);
}
