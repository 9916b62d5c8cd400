/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/import-own.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "rules/class.h"
#include "rules/quote.h"
#include "src/base/arena.h"

static const char web_ports[] = "tcp/80 tcp/443";

static bool is_true(const struct doc_item *item)
{
	return text_is(item->value, "true");
}

static void add_line(struct import *import, const char **lines, const char *line)
{
	*lines = line ? arena_printf(import->arena, "%s%s", *lines ? *lines : "", line) : NULL;
	if (!*lines)
		import->error = -ENOMEM;
}

/* A string of a policy, without what can't be in one. */
static const char *in_quotes(struct import *import, struct text text)
{
	char *copy = arena_strndup(import->arena, text.start, text.length);

	for (char *c = copy; c && *c; c++)
		if ((unsigned char)*c < ' ' || *c == '"' || *c == '\\' || *c == 0x7f)
			*c = '?';
	return copy;
}

/* --- AgentShield --- */

static void take_agentshield_audit(struct import *import, const struct doc_item *item)
{
	if (doc_matches(item, "audit/log_path")) {
		const char *path = in_quotes(import, item->value);

		add_line(import, &import->audit,
			path ? arena_printf(import->arena, "path = \"%s\"\n", path) : NULL);
	} else if (doc_matches(item, "audit/log_allowed")) {
		add_line(import, &import->audit,
			is_true(item) ? "allowed = true\n" : "allowed = false\n");
	} else if (!doc_matches(item, "audit/log_format") || !text_is(item->value, "json")) {
		import_say_key(import, item);
	}
}

static void take_agentshield_network(struct import *import, const struct doc_item *item)
{
	static const struct {
		const char *path;
		enum address_class class;
	} rows[] = {{"networks/block_private", CLASS_PRIVATE},
		{"networks/block_link_local", CLASS_LINK_LOCAL},
		{"networks/block_localhost", CLASS_LOOPBACK},
		{"networks/block_metadata", CLASS_METADATA}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!doc_matches(item, rows[i].path))
			continue;
		if (!is_true(item))
			import->unblocked |= 1u << rows[i].class;
		return;
	}
	import_say_key(import, item);
}

static void take_agentshield(void *context, const struct doc_item *item)
{
	struct import *import = context;
	struct import_entry entry = {
		.host = item->value,
		.reach = IMPORT_WITH_SELF,
		.ports = web_ports,
		.line = item->line,
	};

	if (doc_matches(item, "domains/allow/-")) {
		import_add(import, &entry);
	} else if (doc_matches(item, "domains/deny/-")) {
		entry.deny = true;
		entry.ports = NULL;
		import_add(import, &entry);
	} else if (doc_matches(item, "networks/*")) {
		take_agentshield_network(import, item);
	} else if (doc_matches(item, "audit/*")) {
		take_agentshield_audit(import, item);
	} else if (doc_matches(item, "rate_limits/**")) {
		import_say(import, item->line,
			"a rate of requests: here there are connections, each of many requests; "
			"set "
			"[limits] connections_per_destination, or connections of an entry");
	} else if (!doc_matches(item, "schema_version")) {
		import_say_key(import, item);
	}
}

int import_agentshield(struct import *import, struct text text)
{
	import->deny_wins = true;
	import_say(import, 0,
		"'*.NAME' matches NAME itself there, and all below it: both are written");
	import_say(import, 0, "requests of any port pass there; here tcp/80 and tcp/443");
	import_say(import, 0,
		"shared, multicast and reserved addresses, and DNS over HTTPS, are blocked here "
		"too");
	import_say(import, 0, "an empty allow list permits everything there; here nothing");
	return doc_toml(text, &(struct doc_visitor){take_agentshield, import});
}

/* --- grith --- */

static void take_grith_mode(struct import *import, const struct doc_item *item)
{
	if (text_is(item->value, "monitor"))
		import->observe = true;
	else if (text_is(item->value, "review"))
		import_say(import, item->line,
			"what is unknown waits for somebody's decision there; here it is refused");
}

/* [[allow]] and [[deny]]: one destination each. */
static void take_grith_rule(struct import *import, const struct doc_item *item)
{
	static const char *const keys[] = {
		"domain", "domains", "host", "hosts", "pattern", "ip", "cidr", "destination"};
	struct text key = doc_key(item, 0);
	struct import_entry entry = {
		.deny = text_is(item->keys[0], "deny"),
		.host = item->value,
		.reach = IMPORT_SUBDOMAINS,
		.ports = text_is(item->keys[0], "deny") ? NULL : web_ports,
		.line = item->line,
	};

	if (text_is(key, "-"))
		key = doc_key(item, 1);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!text_is(key, keys[i]))
			continue;
		if (text_starts(item->value, "*."))
			entry.reach = IMPORT_WITH_SELF;
		import_add(import, &entry);
		return;
	}
	import_say_key(import, item);
}

static void take_grith(void *context, const struct doc_item *item)
{
	struct import *import = context;
	struct import_entry entry = {
		.host = item->value,
		.reach = IMPORT_SUBDOMAINS,
		.ports = web_ports,
		.line = item->line,
	};

	if (doc_matches(item, "egress/trusted_domains/-")) {
		import_add(import, &entry);
	} else if (doc_matches(item, "egress/blocked_domains/-")) {
		entry.deny = true;
		entry.ports = NULL;
		import_add(import, &entry);
	} else if (doc_matches(item, "allow/-/**") || doc_matches(item, "deny/-/**")) {
		take_grith_rule(import, item);
	} else if (doc_matches(item, "egress/mode")) {
		take_grith_mode(import, item);
	} else if (doc_matches(item, "egress/enabled")) {
		if (!is_true(item))
			import_say(import, item->line, "it is switched off there; here it holds");
	} else if (doc_matches(item, "egress/allow_private_ip")) {
		if (is_true(item))
			import_say(import, item->line,
				"private addresses are permitted there; here they need entries");
	} else if (doc_matches(item, "egress/profile_trusted_domains/**")) {
		import_say(import, item->line,
			"left out: trusted there for one program only: make it a policy of its "
			"own");
	} else if (doc_matches(item, "egress/blocked_ports/-") ||
		   doc_matches(item, "egress/blocked_schemes/-")) {
		import_say(import, item->line, "ports that no entry names are refused here anyway");
	} else if (doc_matches(item, "egress/review_*") || doc_matches(item, "egress/review_*/-")) {
		import_say(import, item->line,
			"what waits for somebody's decision there is refused here, unless an entry "
			"permits it");
	} else {
		import_say_key(import, item);
	}
}

int import_grith(struct import *import, struct text text)
{
	import->deny_wins = true;
	import_say(import, 0,
		"a trusted name lowers a score there, with all names below it; here it is "
		"permitted, "
		"and nothing else is");
	import_say(import, 0, "any port that isn't blocked passes there; here tcp/80 and tcp/443");
	return doc_toml(text, &(struct doc_visitor){take_grith, import});
}

/* --- fence --- */

static void take_fence(void *context, const struct doc_item *item)
{
	struct import *import = context;
	struct import_entry entry = {
		.host = item->value,
		.reach = IMPORT_ANY_DEPTH,
		.ports = web_ports,
		.line = item->line,
	};

	if (doc_matches(item, "network/allowedDomains/-")) {
		import_add(import, &entry);
	} else if (doc_matches(item, "network/deniedDomains/-")) {
		entry.deny = true;
		entry.ports = NULL;
		import_add(import, &entry);
	} else if (doc_matches(item, "extends")) {
		import_say(import, item->line, "what it extends is not read: import that as well");
	} else if (!doc_matches(item, "$schema")) {
		import_say_key(import, item);
	}
}

/* Calls `take` with each line's words, a comment taken off. */
static void each_line(struct import *import, struct text text,
	void (*take)(struct import *import, struct text line, unsigned number))
{
	struct text line, rest;

	for (unsigned number = 1; text.length > 0; number++) {
		text_cut(text, '\n', &line, &text);
		text_cut(line, '#', &line, &rest);
		line = text_trim(line);
		if (line.length > 0)
			take(import, line, number);
	}
}

/* The word that the line begins with, which is cut off; empty at its end. */
static struct text cut_word(struct text *line)
{
	size_t first = 0, end;
	struct text word;

	while (first < line->length && isspace((unsigned char)line->start[first]))
		first++;
	end = first;
	while (end < line->length && !isspace((unsigned char)line->start[end]))
		end++;
	word = (struct text){line->start + first, end - first};
	*line = (struct text){line->start + end, line->length - end};
	return word;
}

/* One destination, on a port; `word` is what it was written as. */
static void add_endpoint(struct import *import, struct text word, struct text host,
	struct text protocol, struct text port, unsigned number)
{
	char quoted[QUOTE_TEXT];
	uint64_t value;
	const char *ports;

	if (text_to_number(port, 65535, &value) < 0 || value == 0 ||
		(!text_is(protocol, "tcp") && !text_is(protocol, "udp"))) {
		import_say(import, number, "left out: %s has no port that is one",
			quote(word, quoted));
		return;
	}
	ports = arena_printf(import->arena, "%.*s/%u", TEXT_ARG(protocol), (unsigned)value);
	if (!ports)
		import->error = -ENOMEM;
	else
		import_add(import, &(struct import_entry){.host = host,
					   .reach = IMPORT_ONE_LABEL,
					   .ports = ports,
					   .line = number});
}

/* "hostname HOST tcp 443", "ip" and "cidr" likewise; "HOST", "HOST:8443", "udp://HOST:53". */
static void take_fence_line(struct import *import, struct text line, unsigned number)
{
	struct text whole = line, word = cut_word(&line), host = word, rest, port;
	struct text protocol = text_of("tcp");

	if (text_is(word, "hostname") || text_is(word, "ip") || text_is(word, "cidr")) {
		host = cut_word(&line);
		protocol = cut_word(&line);
		add_endpoint(import, host, host, protocol, text_trim(line), number);
		return;
	}
	for (size_t i = 0; i + 3 <= word.length; i++)
		if (memcmp(word.start + i, "://", 3) == 0) {
			protocol = (struct text){word.start, i};
			host = (struct text){word.start + i + 3, word.length - i - 3};
			break;
		}
	if (!text_cut(host, ':', &rest, &port))
		port = text_of("443");
	if (text_trim(line).length > 0)
		port = whole;
	add_endpoint(import, rest, rest, protocol, port, number);
}

static void take_fence_workflow(void *context, const struct doc_item *item)
{
	struct import *import = context;

	if (doc_matches(item, "**/with/allowlist")) {
		struct text value = item->value, line;

		for (unsigned number = item->line; value.length > 0; number++) {
			text_cut(value, '\n', &line, &value);
			line = text_trim(line);
			if (line.length > 0 && *line.start != '#')
				take_fence_line(import, line, number);
		}
	} else if (doc_matches(item, "**/with/mode")) {
		import->observe |= text_is(item->value, "audit");
	} else if (doc_matches(item, "**/with/config") ||
		   doc_matches(item, "**/with/container_policy") ||
		   doc_matches(item, "**/with/disable_broad_github_domains")) {
		import_say_key(import, item);
	}
}

int import_fence(struct import *import, struct text text)
{
	if (text_starts(text_trim(text), "{") || text_starts(text_trim(text), "/")) {
		import->deny_wins = true;
		import_say(import, 0,
			"'*.NAME' matches all below NAME there: it is written as '**.NAME'");
		import_say(import, 0, "requests of any port pass there; here tcp/80 and tcp/443");
		return doc_json(text, &(struct doc_visitor){take_fence, import});
	}
	import_say(import, 0,
		"eight names under all wildcards together are permitted there; here [budget] "
		"wildcard_names says how many under each");
	import_say(import, 0,
		"the runner's own services are permitted there without being named; here they need "
		"entries");
	if (memmem(text.start, text.length, "allowlist:", strlen("allowlist:")))
		return doc_yaml(text, &(struct doc_visitor){take_fence_workflow, import});
	each_line(import, text, take_fence_line);
	return 0;
}

/* --- harden-runner --- */

/* "host:443", also several in a line. */
static void take_endpoints(struct import *import, struct text line, unsigned number)
{
	struct text word, host, port;
	char quoted[QUOTE_TEXT];

	while ((word = cut_word(&line)).length > 0) {
		const char *colon = memrchr(word.start, ':', word.length);

		host = word;
		port = text_of("443");
		if (colon) {
			host.length = (size_t)(colon - word.start);
			port = (struct text){colon + 1, word.length - host.length - 1};
		} else {
			import_say(import, number, "%s has no port: tcp/443", quote(word, quoted));
		}
		add_endpoint(import, word, host, text_of("tcp"), port, number);
	}
}

static void take_workflow(void *context, const struct doc_item *item)
{
	struct import *import = context;

	if (doc_matches(item, "**/with/allowed-endpoints") ||
		doc_matches(item, "allowed-endpoints")) {
		struct text value = item->value, line;

		for (unsigned number = item->line; value.length > 0; number++) {
			text_cut(value, '\n', &line, &value);
			take_endpoints(import, line, number);
		}
	} else if (doc_matches(item, "**/with/egress-policy") ||
		   doc_matches(item, "egress-policy")) {
		import->observe = text_is(item->value, "audit");
		if (import->observe)
			import_say(import, item->line,
				"the policy only audits there: enforcement = \"observe\"");
	} else if (doc_matches(item, "**/with/disable-*") || doc_matches(item, "disable-*")) {
		import_say_key(import, item);
	}
}

int import_harden_runner(struct import *import, struct text text)
{
	import_say(import, 0, "'*.NAME' is taken for one label below NAME");
	import_say(import, 0,
		"the runner's own services are permitted there without being named; here they need "
		"entries: *.actions.githubusercontent.com, and where it keeps results");
	if (text.length > 0 && memmem(text.start, text.length, "allowed-endpoints:", 18))
		return doc_yaml(text, &(struct doc_visitor){take_workflow, import});
	each_line(import, text, take_endpoints);
	return 0;
}

/* --- Lists --- */

static int refer(struct import *import, bool deny)
{
	import->list = deny ? "deny" : "allow";
	import->draft.entries[import->draft.n_entries++] = (struct entry_lines){
		.deny = deny,
		.key = "list",
		.where = import->options->path,
		.ports = deny ? NULL : "tcp/443",
	};
	return 0;
}

static void take_hosts_line(struct import *import, struct text line, unsigned number)
{
	static const char *const nowhere[] = {"0.0.0.0", "127.0.0.1", "::", "::1"};
	size_t length = strcspn(line.start, " \t");
	struct text address = {line.start, length < line.length ? length : line.length};

	if (TEXT_IS_ANY(address, nowhere))
		return;
	if (address.length < line.length && !import->denylist)
		import_say(import, number,
			"an address that is given to a name there; here [dns.hosts] would");
}

int import_hosts(struct import *import, struct text text)
{
	import_say(import, 0,
		"a hosts file takes names away, and leaves all others: mode = \"denylist\"; the "
		"file "
		"stays where it is, and is read with the policy");
	import_say(import, 0, "names below those of the file are not denied, as there");
	each_line(import, text, take_hosts_line);
	import->denylist = true;
	return refer(import, true);
}

int import_list(struct import *import, struct text text)
{
	(void)text;
	import_say(import, 0,
		"what is in the file is permitted, on tcp/443; it stays where it is, and is read "
		"with "
		"the policy");
	return refer(import, false);
}
