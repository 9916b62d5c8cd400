/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/advice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rules/adapt.h"
#include "rules/host.h"
#include "src/base/arena.h"
#include "src/base/text.h"

/*
 * Theory of operation
 *
 * A rule id says which layer decided, by its prefix, and by what: an entry, a class of addresses,
 * a limit, or that nothing matched. The base is the user's to change; an override is somebody
 * else's, and no option wins against it.
 *
 * What is suggested is meant to be copied to a shell or a file, while names are chosen by whoever
 * ran: it is made of host names and addresses only.
 */

/* A rule id in its parts. */
struct parts {
	const struct layer *layer;
	size_t number; /* of the layer */
	const char *id;
	size_t length;    /* of the id without what comes behind it */
	const char *tail; /* " wildcard_names", ":addresses", ":bytes", or "" */
};

static bool is_id(const struct parts *parts, const char *id)
{
	return strlen(id) == parts->length && strncmp(parts->id, id, parts->length) == 0;
}

/* Of any layer; NULL: it is no entry's id. */
static const struct layer_entry *find_entry(const struct parts *parts)
{
	for (size_t i = 0; i < parts->layer->n_entries; i++)
		if (is_id(parts, parts->layer->entries[i].id))
			return &parts->layer->entries[i];
	return NULL;
}

/* The layer, the id, and where what comes behind it begins. */
static struct parts take_apart(
	const struct layers *layers, const char *rule, const struct layer_entry **ret_entry)
{
	struct parts parts = {.layer = &layers->layers[0], .id = rule};
	const char *colon = strrchr(rule, ':');

	for (size_t i = 1; i < layers->n_layers; i++) {
		const char *prefix = layers->layers[i].prefix;

		if (strncmp(rule, prefix, strlen(prefix)) == 0) {
			parts.layer = &layers->layers[i];
			parts.number = i;
		}
	}
	parts.length = strcspn(rule, " ");
	*ret_entry = find_entry(&parts);
	if (!*ret_entry && colon && rule[parts.length] == '\0') {
		size_t whole = parts.length;

		parts.length = (size_t)(colon - rule);
		*ret_entry = find_entry(&parts);
		parts.length = *ret_entry ? parts.length : whole;
	}
	parts.tail = rule + parts.length;
	return parts;
}

static char *copy_clean(struct arena *arena, const char *text)
{
	char *copy = arena_strndup(arena, text, strlen(text));

	return copy ? text_clean(copy) : NULL;
}

/* --- What could be written --- */

static bool is_host(const struct digest_row *row)
{
	struct name name;

	return *row->name != '\0' && host_name_from_text(text_of(row->name), &name) == 0;
}

static bool is_icmp(const struct digest_row *row)
{
	return strcmp(row->protocol, "icmp") == 0 || strcmp(row->protocol, "icmpv6") == 0;
}

static bool has_ports(const struct digest_row *row)
{
	return strcmp(row->protocol, "tcp") == 0 || strcmp(row->protocol, "udp") == 0;
}

int advice_ports(struct arena *arena, const struct digest_row *row, const char **ret_ports)
{
	*ret_ports = row->asked ? "tcp/443" : is_icmp(row) ? "icmp/echo" : NULL;
	if (*ret_ports || !has_ports(row) || row->port <= 0)
		return 0;
	*ret_ports = arena_printf(arena, "%s/%d", row->protocol, row->port);
	return *ret_ports ? 0 : -ENOMEM;
}

/* The destination as --allow has it: "api.example.com:8443", "udp/[2001:db8::1]:53"; none if that
 * has no words for it. */
static int suggest_option(struct arena *arena, const struct digest_row *row, struct advice *advice)
{
	const char *protocol = "", *where = row->name;
	char text[INADDR_TEXT], port[16] = "";
	bool brackets;

	if (*row->name == '\0' ? !row->has_address : !is_host(row))
		return 0;
	if (!row->asked && is_icmp(row))
		protocol = "icmp/";
	else if (!row->asked && (!has_ports(row) || row->port <= 0))
		return 0;
	else if (strcmp(row->protocol, "udp") == 0)
		protocol = "udp/";
	if (has_ports(row) && (*protocol || row->port != 443))
		snprintf(port, sizeof(port), ":%d", row->port);
	brackets = *where == '\0' && *port && !inaddr_is_ip4(&row->address);
	if (*where == '\0')
		where = inaddr_to_text(&row->address, text);
	advice->option = arena_printf(arena, "--allow %s%s%s%s%s", protocol, brackets ? "[" : "",
		where, brackets ? "]" : "", port);
	return advice->option ? 0 : -ENOMEM;
}

static int suggest_entry(
	struct arena *arena, const struct digest_row *row, const char *more, struct advice *advice)
{
	const char *ports;
	char text[INADDR_TEXT];
	int error = advice_ports(arena, row, &ports);

	if (error || !ports || (*row->name != '\0' ? !is_host(row) : !row->has_address))
		return error;
	advice->entry = arena_printf(arena, "[[allow]]\n%s = \"%s\"\nports = [\"%s\"]\n%s",
		*row->name != '\0' ? "host" : "ip",
		*row->name != '\0' ? row->name : inaddr_to_text(&row->address, text), ports, more);
	return advice->entry ? 0 : -ENOMEM;
}

static int suggest(struct arena *arena, const struct digest_row *row, struct advice *advice)
{
	int error = suggest_option(arena, row, advice);

	return error ? error : suggest_entry(arena, row, "", advice);
}

static int suggest_refusal(struct arena *arena, const struct digest_row *row, struct advice *advice)
{
	char text[INADDR_TEXT];

	if (*row->name != '\0' ? !is_host(row) : !row->has_address)
		return 0;
	advice->refusal =
		arena_printf(arena, "[[deny]]\n%s = \"%s\"\n", *row->name != '\0' ? "host" : "ip",
			*row->name != '\0' ? row->name : inaddr_to_text(&row->address, text));
	return advice->refusal ? 0 : -ENOMEM;
}

/* --- Whose decision it was --- */

struct ruling {
	struct arena *arena;
	const struct digest_row *row;
	struct parts parts;
	const struct layer_entry *entry; /* NULL: none */
};

static int say(struct advice *advice, const char *text)
{
	advice->says = text;
	return text ? 0 : -ENOMEM;
}

/* Says something with the policy file of the layer in it, as somebody would call that: between
 * `before` and `behind`, and `last` behind both. */
static int say_of_file(const struct ruling *ruling, struct advice *advice, const char *before,
	const char *behind, const char *last)
{
	const char *file = copy_clean(ruling->arena, ruling->parts.layer->policy->file);

	return say(advice,
		file ? arena_printf(ruling->arena, "%s%s%s%s", before, file, behind, last) : NULL);
}

static int say_override(const struct ruling *ruling, struct advice *advice)
{
	return say_of_file(
		ruling, advice, "", " decides, which narrows the policy (--override)", "");
}

static int say_denied(const struct ruling *ruling, struct advice *advice)
{
	const char *reason = ruling->entry->entry->reason;
	const char *clean = reason ? copy_clean(ruling->arena, reason) : "";

	return say(advice, clean ? arena_printf(ruling->arena, "denied at %s%s%s", advice->place,
					   reason ? ": " : "", clean)
				 : NULL);
}

static int say_of_entry(const struct ruling *ruling, struct advice *advice)
{
	const char *tail = ruling->parts.tail;

	if (strcmp(tail, ":addresses") == 0) {
		int error =
			suggest_entry(ruling->arena, ruling->row, "addresses = \"any\"\n", advice);

		return error ? error
			     : say(advice, arena_printf(ruling->arena,
						   "the entry at %s does not take the address for "
						   "one of that name's (addresses)",
						   advice->place));
	}
	if (*tail != '\0')
		return say(advice, arena_printf(ruling->arena, "too much for the entry at %s: %s",
					   advice->place, tail + 1));
	if (ruling->entry->entry->action == ACTION_DENY)
		return say_denied(ruling, advice);
	return say(advice,
		arena_printf(ruling->arena, "by the score of the entry at %s", advice->place));
}

static int say_unknown(const struct ruling *ruling, struct advice *advice)
{
	return suggest(ruling->arena, ruling->row, advice);
}

static int say_class(const struct ruling *ruling, struct advice *advice)
{
	const char *class = ruling->parts.id + strlen("block-");
	int error = 0;

	if (*ruling->row->name != '\0')
		error = suggest_entry(ruling->arena, ruling->row, "addresses = \"any\"\n", advice);
	else
		error = suggest(ruling->arena, ruling->row, advice);
	class = error ? NULL
		      : arena_printf(ruling->arena, "%s addresses are blocked ([network] block of ",
				class);
	return class ? say_of_file(ruling, advice, class, ")", "") : -ENOMEM;
}

static int say_limit(const struct ruling *ruling, struct advice *advice)
{
	return say_of_file(ruling, advice, "a limit of ", ": ", ruling->parts.id);
}

static int say_dns(const struct ruling *ruling, struct advice *advice)
{
	(void)ruling;
	return say(advice, "DNS goes to the resolver and nowhere else");
}

/* A rule that the policies at hand do not have. */
static int say_id(const struct ruling *ruling, struct advice *advice)
{
	if (*ruling->row->rule == '\0')
		return 0;
	return say(advice,
		arena_printf(ruling->arena, "the policy's rule %s decides", ruling->row->rule));
}

static const struct {
	const char *prefix; /* of the rule id */
	int (*say)(const struct ruling *ruling, struct advice *advice);
	bool decided;
} reasons[] = {
	{"default-deny", say_unknown, false},
	{"block-", say_class, true},
	{"limit-", say_limit, false},
	{"budget-", say_limit, false},
	{"dns", say_dns, true},
};

static int say_why(const struct ruling *ruling, struct advice *advice)
{
	advice->decided = true;
	if (ruling->parts.number > 0)
		return say_override(ruling, advice);
	if (ruling->entry)
		return say_of_entry(ruling, advice);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		const size_t length = strlen(reasons[i].prefix);

		if (strncmp(ruling->parts.id, reasons[i].prefix, length) != 0)
			continue;
		advice->decided = reasons[i].decided;
		return reasons[i].say(ruling, advice);
	}
	advice->decided = false;
	return say_id(ruling, advice);
}

/* An entry from the command line says by its reason which option it was. */
static int place_entry(struct arena *arena, const struct entry *entry, struct advice *advice)
{
	bool is_added = strncmp(entry->id, ADAPT_PREFIX, strlen(ADAPT_PREFIX)) == 0;
	bool by_reason = is_added && entry->reason;

	advice->place = copy_clean(arena, by_reason ? entry->reason : entry->place.file);
	if (advice->place && !by_reason)
		advice->place = arena_printf(arena, "%s:%u", advice->place, entry->place.line);
	return advice->place ? 0 : -ENOMEM;
}

int advice_make(struct arena *arena, const struct layers *layers, const struct digest_row *row,
	struct advice *ret_advice)
{
	struct ruling ruling = {.arena = arena, .row = row};
	struct advice advice = {.place = NULL};
	int error = 0;

	ruling.parts = take_apart(layers, row->rule, &ruling.entry);
	if (ruling.entry)
		error = place_entry(arena, ruling.entry->entry, &advice);
	if (!error && (row->outcome == DIGEST_REFUSED || row->outcome == DIGEST_OBSERVED))
		error = say_why(&ruling, &advice);
	else if (!error)
		error = suggest_refusal(arena, row, &advice);
	if (!error)
		*ret_advice = advice;
	return error;
}
