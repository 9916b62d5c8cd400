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
#include "src/learn/draft.h"

/*
 * Theory of operation
 *
 * The file's text is edited at two places at most, and never where somebody wrote something: names
 * of profiles go right behind the bracket of `profiles`, or into a new line below `version`;
 * entries go to the end. What the policy permits already is not added again, by whatever entry it
 * permits it, so that merging the same draft twice changes nothing the second time.
 */

#define ARENA_MAX ((size_t)4 << 30)

struct work {
	struct arena *arena;
	const struct merge *merge;
	const struct draft *draft;
	const struct layers *layers;
	const struct toml_node *root;
	size_t at;         /* where names of profiles are put in */
	const char *names; /* of profiles, as they are put in */
	const char *added; /* entries */
	size_t n_added;
};

static const struct toml_node *find_key(const struct toml_node *root, const char *key)
{
	for (size_t i = 0; i < root->n_children; i++)
		if (text_is(root->children[i].key, key))
			return &root->children[i];
	return NULL;
}

/* --- What is permitted already --- */

static bool permits_name(
	const struct work *work, const struct name *name, const struct port_range *port)
{
	struct question question = {.name = name, .protocol = port->protocol, .port = port->first};
	struct judgement judgement;

	judge(work->layers, &question, &judgement);
	return judgement.verdict < VERDICT_OBSERVE;
}

static bool permits_address(
	const struct work *work, const struct inaddr *address, const struct port_range *port)
{
	struct question question = {
		.address = address, .protocol = port->protocol, .port = port->first};
	struct judgement judgement;

	judge(work->layers, &question, &judgement);
	return judgement.verdict < VERDICT_OBSERVE;
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

static bool is_permitted(
	const struct work *work, const struct draft_entry *entry, const struct port_range *port)
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
	return kind == HOST_EXACT ? permits_name(work, &name, port)
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
static const char *missing_ports(const struct work *work, const struct draft_entry *entry)
{
	struct text rest = text_of(entry->ports ? entry->ports : ""), word;
	const char *missing = "";
	struct port_range port;

	while (rest.length > 0 && missing) {
		text_cut(rest, ' ', &word, &rest);
		if (read_port(word, &port) && is_permitted(work, entry, &port))
			continue;
		missing = arena_printf(
			work->arena, "%s%s%.*s", missing, *missing ? " " : "", TEXT_ARG(word));
	}
	return missing;
}

/* --- What is added --- */

static int add_entries(struct work *work)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int error = out ? 0 : -ENOMEM;

	for (size_t i = 0; i < work->draft->n_entries && !error; i++) {
		struct draft_entry entry = work->draft->entries[i];

		if (entry.against || entry.deny)
			continue;
		entry.ports = missing_ports(work, &entry);
		if (!entry.ports)
			error = -ENOMEM;
		else if (*entry.ports != '\0') {
			fputc('\n', out);
			error = draft_write_entry(&entry, out);
			work->n_added++;
		}
	}
	if (out && fclose(out) != 0 && !error)
		error = -ENOMEM;
	work->added = error ? NULL : arena_strndup(work->arena, text, size);
	free(text);
	return error ? error : work->added ? 0 : -ENOMEM;
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
	const char *end;
	size_t at;

	if (profiles)
		return lex_offset(text, profiles->at.line, profiles->at.column) + 1;
	at = version ? lex_offset(text, version->at.line, version->at.column) : 0;
	end = memchr(text.start + at, '\n', text.length - at);
	return end ? (size_t)(end + 1 - text.start) : text.length;
}

static int add_profiles(struct work *work)
{
	const struct toml_node *profiles = find_key(work->root, "profiles");
	const char *names = "";

	for (size_t i = 0; i < work->draft->n_profiles && names; i++) {
		const struct draft_profile *profile = &work->draft->profiles[i];

		if (profile->against || has_profile(profiles, profile->name))
			continue;
		names = arena_printf(work->arena, "%s\"%s\", ", names, profile->name);
		work->n_added++;
	}
	work->at = place_names(work, profiles);
	if (names && *names && !profiles)
		names = arena_printf(work->arena, "profiles = [%s]\n", names);
	work->names = names;
	return names ? 0 : -ENOMEM;
}

/* --- The result, and how it differs --- */

static unsigned line_at(const struct merge *merge, size_t at)
{
	unsigned line = 1;

	for (size_t i = 0; i < at; i++)
		line += merge->text[i] == '\n';
	return line;
}

static void put_marked(char mark, struct text text, FILE *out)
{
	struct text line;

	while (text.length > 0) {
		text_cut(text, '\n', &line, &text);
		fprintf(out, "%c%.*s\n", mark, TEXT_ARG(line));
	}
}

static unsigned count_lines(const char *text)
{
	unsigned lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

/* The line that names of profiles were put into, as it was and as it is. */
static void put_line_changed(const struct work *work, FILE *out)
{
	const struct merge *merge = work->merge;
	size_t start = work->at;
	size_t end = start;

	while (start > 0 && merge->text[start - 1] != '\n')
		start--;
	while (end < merge->size && merge->text[end] != '\n')
		end++;
	fprintf(out, "@@ -%u +%u @@\n", line_at(merge, start), line_at(merge, start));
	put_marked('-', (struct text){merge->text + start, end - start}, out);
	fprintf(out, "+%.*s%s%.*s\n", (int)(work->at - start), merge->text + start, work->names,
		(int)(end - work->at), merge->text + work->at);
}

static void put_diff(const struct work *work, FILE *out)
{
	const struct merge *merge = work->merge;
	unsigned last = line_at(merge, merge->size);
	bool in_line = *work->names && work->at > 0 && merge->text[work->at - 1] != '\n';
	unsigned above = *work->names && !in_line ? count_lines(work->names) : 0;

	fprintf(out, "--- %s\n+++ %s\n", merge->file, merge->file);
	if (in_line) {
		put_line_changed(work, out);
	} else if (*work->names) {
		unsigned line = line_at(merge, work->at);

		fprintf(out, "@@ -%u,0 +%u,%u @@\n", line - 1, line, above);
		put_marked('+', text_of(work->names), out);
	}
	if (*work->added) {
		fprintf(out, "@@ -%u,0 +%u,%u @@\n", last - 1, last + above,
			count_lines(work->added));
		put_marked('+', text_of(work->added), out);
	}
}

static int join(const struct work *work, char **ret_text, size_t *ret_size)
{
	const struct merge *merge = work->merge;
	bool needs_end = merge->size > 0 && merge->text[merge->size - 1] != '\n';
	int size = asprintf(ret_text, "%.*s%s%.*s%s%s", (int)work->at, merge->text, work->names,
		(int)(merge->size - work->at), merge->text + work->at, needs_end ? "\n" : "",
		work->added);

	if (size < 0)
		return -ENOMEM;
	*ret_size = (size_t)size;
	return 0;
}

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
	struct work work = {.merge = merge, .draft = draft};
	struct diag *diag;
	int error = arena_new(ARENA_MAX, &arena);

	diag = error ? NULL : diag_new(arena);
	if (!diag)
		return -ENOMEM;
	work.arena = arena;
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
	if (work.n_added == 0)
		return 0;
	put_diff(&work, diff);
	return join(&work, ret_text, ret_size);
}
