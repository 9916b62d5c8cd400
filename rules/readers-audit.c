/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/readers.h"

#include <errno.h>
#include <string.h>

#include "rules/reading.h"
#include "rules/seen.h"
#include "rules/walk.h"
#include "src/base/arena.h"

/* [audit]: where records go, and as what. */

int read_audit(struct load *load, const struct toml_node *value)
{
	return walk_table(load, "audit", value);
}

static const struct {
	const char *word;
	enum audit_kind kind;
} places[] = {
	{"-", AUDIT_OUTPUT},
	{"journal", AUDIT_JOURNAL},
	{"syslog", AUDIT_SYSLOG},
};

/* One place into `sink`; the path of one that is no file's is its word. */
static int read_sink(
	struct load *load, const struct toml_node *item, struct audit_sink *sink, bool *ret_good)
{
	int error;

	*sink = (struct audit_sink){.kind = AUDIT_FILE, .place = walk_place(load, item->at)};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (text_is(item->value.string, places[i].word))
			*sink = (struct audit_sink){places[i].kind, places[i].word, sink->place};
	error = sink->path ? 0 : reading_path(load, item, &sink->path);
	*ret_good = sink->path != NULL;
	return error;
}

int read_audit_path(struct load *load, const struct toml_node *value)
{
	size_t count, good = 0;
	const struct toml_node *items = reading_items(value, &count);
	struct audit_sink *sinks = arena_array(load->arena, count, sizeof(*sinks));
	struct seen *seen;
	int error = sinks ? seen_new(load->scratch, count, &seen) : -ENOMEM;

	for (size_t i = 0; i < count && error == 0; i++) {
		struct audit_sink *sink = &sinks[good];
		bool is_sink = false;

		error = read_sink(load, &items[i], sink, &is_sink);
		if (!is_sink)
			continue;
		reading_reject_twice(load, &items[i],
			seen_add(seen, 0, sink->path, strlen(sink->path), &sink->place));
		good++;
	}
	load->policy->audit_sinks = sinks;
	load->policy->n_audit_sinks = good;
	return error;
}

static const struct words formats = {
	"a format of records",
	(const struct word[]){
		{"native", AUDIT_NATIVE}, {"ecs", AUDIT_ECS}, {"ocsf", AUDIT_OCSF}, {NULL, 0}},
};

int read_audit_format(struct load *load, const struct toml_node *value)
{
	uint64_t format;

	if (reading_word(load, value, &formats, &format))
		load->policy->audit_format = (enum audit_format)format;
	return 0;
}

int read_audit_allowed(struct load *load, const struct toml_node *value)
{
	load->policy->audit_allowed = value->value.boolean;
	return 0;
}

int read_audit_nflog_group(struct load *load, const struct toml_node *value)
{
	load->policy->nflog_group = (uint16_t)value->value.integer;
	return 0;
}
