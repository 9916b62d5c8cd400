/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/readers.h"

#include <errno.h>

#include "rules/check.h"
#include "rules/host.h"
#include "rules/layers.h"
#include "rules/lex.h"
#include "rules/list.h"
#include "rules/pattern.h"
#include "rules/quote.h"
#include "rules/reading.h"
#include "rules/seen.h"
#include "rules/value.h"
#include "rules/walk.h"
#include "src/base/arena.h"

/* [[allow]] and [[deny]]: entries. */

#define ALLOW_SCORE (-1.0)
#define PROFILE_ALLOW_SCORE (-2.0)
#define DAY_SECONDS (24 * 60 * 60)

/* One host into `host`. Sets *ret_good when it is one. */
static int read_host(
	struct load *load, const struct toml_node *item, struct host *host, bool *ret_good)
{
	const char *problem;
	struct name name;

	if (host_from_text(item->value.string, &host->kind, &name, &problem) < 0) {
		reading_reject_host(load, CODE_HOST, item, problem);
		return 0;
	}
	host->length = name.length;
	host->place = walk_place(load, item->at);
	host->wire =
		(const uint8_t *)arena_strndup(load->arena, (const char *)name.wire, name.length);
	if (!host->wire)
		return -ENOMEM;
	*ret_good = true;
	return 0;
}

int read_entry_host(struct load *load, const struct toml_node *value)
{
	size_t count, good = 0;
	const struct toml_node *items = reading_items(value, &count);
	struct host *hosts = arena_array(load->arena, count, sizeof(*hosts));
	struct seen *seen;
	int error = hosts ? seen_new(load->scratch, count, &seen) : -ENOMEM;

	for (size_t i = 0; i < count && error == 0; i++) {
		struct host *host = &hosts[good];
		bool is_host = false;

		error = read_host(load, &items[i], host, &is_host);
		if (!is_host)
			continue;
		reading_reject_twice(load, &items[i],
			seen_add(seen, host->kind, host->wire, host->length, &host->place));
		good++;
	}
	load->entry->hosts = hosts;
	load->entry->n_hosts = good;
	return error;
}

int read_entry_ip(struct load *load, const struct toml_node *value)
{
	struct entry *entry = load->entry;

	return reading_ranges(load, value, &entry->addresses, &entry->n_addresses);
}

/* An error at the character of the expression that is wrong, if the string is written as it is. */
static void reject_pattern(
	struct load *load, const struct toml_node *item, const char *problem, size_t offset)
{
	struct text text = item->value.string;
	struct place place = walk_place(load, item->at);
	char quoted[QUOTE_TEXT];

	if (place.width == lex_width(text) + 2 && offset <= text.length) {
		place.column += 1 + lex_width((struct text){text.start, offset});
		place.width = 1;
	}
	diag_error(load->diag, CODE_PATTERN, place, "%s %s", quote(text, quoted), problem);
}

int read_entry_host_pattern(struct load *load, const struct toml_node *value)
{
	size_t count, offset = 0, good = 0;
	const struct toml_node *items = reading_items(value, &count);
	struct pattern **patterns = arena_array(load->arena, count, sizeof(struct pattern *));
	struct place *places = arena_array(load->scratch, count, sizeof(*places));
	struct seen *seen;
	int error = patterns && places ? seen_new(load->scratch, count, &seen) : -ENOMEM;

	for (size_t i = 0; i < count && error == 0; i++) {
		struct text text = items[i].value.string;
		const char *problem;

		places[i] = walk_place(load, items[i].at);
		reading_reject_twice(
			load, &items[i], seen_add(seen, 0, text.start, text.length, &places[i]));
		error = pattern_make(
			load->arena, text, places[i], &patterns[good], &problem, &offset);
		good += error == 0;
		if (error != -EINVAL)
			continue;
		reject_pattern(load, &items[i], problem, offset);
		error = 0;
	}
	load->entry->patterns = patterns;
	load->entry->n_patterns = good;
	return error;
}

int read_entry_list(struct load *load, const struct toml_node *value)
{
	size_t count, good = 0;
	const struct toml_node *items = reading_items(value, &count);
	struct list **lists = arena_array(load->arena, count, sizeof(struct list *));
	struct place *places = arena_array(load->scratch, count, sizeof(*places));
	struct seen *seen;
	int error = lists && places ? seen_new(load->scratch, count, &seen) : -ENOMEM;

	for (size_t i = 0; i < count && error == 0; i++) {
		struct text path = items[i].value.string;
		const struct place *first;

		places[i] = walk_place(load, items[i].at);
		first = seen_add(seen, 0, path.start, path.length, &places[i]);
		reading_reject_twice(load, &items[i], first);
		if (first)
			continue;
		error = list_load(
			load->arena, load->file, path, places[i], load->diag, &lists[good]);
		good += error == 0;
		/* What is wrong with it was said. */
		error = error == -EINVAL ? 0 : error;
	}
	load->entry->lists = lists;
	load->entry->n_lists = good;
	return error;
}

/* A port, or several, as a string or a number. False with an error when it is none. */
static bool read_port(struct load *load, const struct toml_node *item, struct port_range *ports)
{
	const char *problem;

	if (item->kind == TOML_INTEGER) {
		ports->first = (uint16_t)item->value.integer;
		ports->last = ports->first;
		ports->protocol = PROTOCOL_TCP;
		return true;
	}
	if (value_ports(item->value.string, ports, &problem) == 0)
		return true;
	reading_reject(load, CODE_PORTS, item, problem);
	return false;
}

int read_entry_ports(struct load *load, const struct toml_node *value)
{
	size_t count, good = 0;
	const struct toml_node *items = reading_items(value, &count);
	struct port_range *ports = arena_array(load->arena, count, sizeof(*ports));
	struct place *places = arena_array(load->scratch, count, sizeof(*places));
	struct seen *seen;
	int error = ports && places ? seen_new(load->scratch, count, &seen) : -ENOMEM;

	for (size_t i = 0; i < count && error == 0; i++) {
		if (!read_port(load, &items[i], &ports[good]))
			continue;
		places[good] = walk_place(load, items[i].at);
		reading_reject_twice(load, &items[i],
			seen_add(seen, 0, &ports[good], sizeof(*ports), &places[good]));
		good++;
	}
	load->entry->all_ports = false;
	load->entry->ports = ports;
	load->entry->n_ports = good;
	return error;
}

int read_entry_category(struct load *load, const struct toml_node *value)
{
	return reading_string(load, value, value_category, &load->entry->category);
}

int read_entry_reason(struct load *load, const struct toml_node *value)
{
	return reading_string(load, value, value_reason, &load->entry->reason);
}

int read_entry_score(struct load *load, const struct toml_node *value)
{
	load->entry->score = reading_points(value);
	return 0;
}

static const struct words believed = {
	"a kind of addresses",
	(const struct word[]){{"public", BELIEVED_PUBLIC}, {"any", BELIEVED_ANY}, {NULL, 0}},
};

/* Whether a string looks like addresses rather than a word. */
static bool is_addresses(struct text text)
{
	for (size_t i = 0; i < text.length; i++) {
		if (text.start[i] == '.' || text.start[i] == ':')
			return true;
	}
	return false;
}

/* Words among addresses. */
static bool reject_words(struct load *load, const struct toml_node *value)
{
	size_t count, found = 0;
	const struct toml_node *items = reading_items(value, &count);

	for (size_t i = 0; i < count; i++) {
		struct text text = items[i].value.string;

		if (!text_is(text, "public") && !text_is(text, "any"))
			continue;
		diag_error(load->diag, CODE_VALUE, walk_place(load, items[i].at),
			"'%.*s' stands alone: addresses = \"%.*s\"", TEXT_ARG(text),
			TEXT_ARG(text));
		found++;
	}
	return found > 0;
}

int read_entry_addresses(struct load *load, const struct toml_node *value)
{
	struct entry *entry = load->entry;
	uint64_t word;

	if (value->kind == TOML_STRING && !is_addresses(value->value.string)) {
		if (reading_word(load, value, &believed, &word))
			entry->believed = (enum believed)word;
		return 0;
	}
	if (reject_words(load, value))
		return 0;
	entry->believed = BELIEVED_LISTED;
	return reading_plain_ranges(
		load, value, &entry->believed_ranges, &entry->n_believed_ranges);
}

int read_entry_connections(struct load *load, const struct toml_node *value)
{
	reading_rate(load, value, &load->entry->connections);
	return 0;
}

int read_entry_bytes(struct load *load, const struct toml_node *value)
{
	reading_bytes(load, value, &load->entry->bytes);
	return 0;
}

int read_entry_wildcard_names(struct load *load, const struct toml_node *value)
{
	load->entry->wildcard_names = (uint32_t)value->value.integer;
	return 0;
}

int read_entry_wildcard_bytes(struct load *load, const struct toml_node *value)
{
	reading_rate(load, value, &load->entry->wildcard_bytes);
	return 0;
}

int read_entry_wildcard_answer_bytes(struct load *load, const struct toml_node *value)
{
	reading_rate(load, value, &load->entry->wildcard_answer_bytes);
	return 0;
}

/* A day counts to its end, in UTC. */
int read_entry_expires(struct load *load, const struct toml_node *value)
{
	load->entry->expires = value->value.seconds;
	if (value->kind == TOML_DATE)
		load->entry->expires += DAY_SECONDS;
	load->entry->expires_place = walk_place(load, value->at);
	return 0;
}

int read_entry_broad(struct load *load, const struct toml_node *value)
{
	load->entry->broad = value->value.boolean;
	return 0;
}

/* Of each policy's words for dnssec, in its entries and for all of it. */
static const struct words dnssec = {
	"a way with DNSSEC",
	(const struct word[]){{"off", false}, {"require", true}, {NULL, 0}},
};

int read_entry_dnssec(struct load *load, const struct toml_node *value)
{
	uint64_t require;

	if (reading_word(load, value, &dnssec, &require))
		load->entry->dnssec = require;
	return 0;
}

int read_dns_dnssec(struct load *load, const struct toml_node *value)
{
	uint64_t require;

	if (reading_word(load, value, &dnssec, &require))
		load->policy->dns.dnssec = require;
	return 0;
}

/* An entry before its keys are read. 0 or -ENOMEM. */
static int start_entry(
	struct load *load, enum action action, size_t number, const struct toml_node *table)
{
	const char *profile = load->profile ? load->profile : "";
	const char *colon = load->profile ? ":" : "";
	const char *kind = action == ACTION_ALLOW ? "allow" : "deny";

	*load->entry = (struct entry){
		.action = action,
		.id = arena_printf(load->arena, "%s%s%s-%zu", profile, colon, kind, number),
		.profile = load->profile,
		.all_ports = action == ACTION_DENY,
		.score = LAYERS_DENY_SCORE,
		.expires = INT64_MAX,
		.place = walk_place(load, table->at),
	};
	if (action == ACTION_ALLOW)
		load->entry->score = load->profile ? PROFILE_ALLOW_SCORE : ALLOW_SCORE;
	return load->entry->id ? 0 : -ENOMEM;
}

static int read_entries(
	struct load *load, const struct toml_node *value, enum action action, struct entry *entries)
{
	const char *table = action == ACTION_ALLOW ? "allow" : "deny";
	int error = 0;

	for (size_t i = 0; i < value->n_children && error == 0; i++) {
		load->entry = &entries[i];
		error = start_entry(load, action, i + 1, &value->children[i]);
		if (error == 0)
			error = walk_table(load, table, &value->children[i]);
		if (error == 0)
			check_entry(load, load->entry, &value->children[i]);
	}
	return error;
}

int read_allow(struct load *load, const struct toml_node *value)
{
	load->n_allow = value->n_children;
	return read_entries(load, value, ACTION_ALLOW, load->entries);
}

int read_deny(struct load *load, const struct toml_node *value)
{
	load->n_deny = value->n_children;
	return read_entries(load, value, ACTION_DENY, load->entries + load->room_allow);
}
