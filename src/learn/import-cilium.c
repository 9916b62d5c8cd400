/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/import-own.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "rules/quote.h"
#include "rules/value.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * A rule of a CiliumNetworkPolicy has destinations and, beside them, ports that hold for all of its
 * destinations, before or after. So a rule's parts are kept until the next rule begins, and then
 * each destination gets the ports.
 */

enum { PARTS_MAX = 1024, PORTS_MAX = 256 };

struct part {
	struct text text; /* in the arena */
	bool deny;
	unsigned line;
};

/* An element of toPorts/ports; what it hasn't is "". */
struct port {
	struct text first, last, protocol;
	unsigned line;
};

struct cilium {
	struct import *import;
	unsigned document, list, rule; /* that the parts are of */
	bool has_rule;
	bool denies; /* egressDeny */
	struct part parts[PARTS_MAX];
	size_t n_parts;
	struct port ports[PORTS_MAX];
	unsigned last_port; /* its place in its list, as the next key may belong to it */
	size_t n_ports;
};

/* "443", "8000-8100"; "" of what is none, such as the name of a container's port. NULL: no memory.
 */
static const char *numbers_of(struct arena *arena, const struct port *port)
{
	bool all = port->first.length == 0 || text_is(port->first, "0");
	bool range = port->last.length > 0 && !text_is(port->last, "0");
	const struct text last = range ? port->last : text_of("");
	struct port_range read;
	const char *problem;
	char *text;

	if (all)
		return "1-65535";
	text = arena_printf(
		arena, "tcp/%.*s%s%.*s", TEXT_ARG(port->first), range ? "-" : "", TEXT_ARG(last));
	if (!text)
		return NULL;
	return value_ports(text_of(text), &read, &problem) == 0 ? text + strlen("tcp/") : "";
}

/* Adds it to "tcp/443 udp/443". NULL: no memory. */
static const char *add_numbers(
	struct cilium *cilium, const struct port *port, const char *numbers, const char *ports)
{
	struct arena *arena = cilium->import->arena;
	bool any = port->protocol.length == 0 || text_is(port->protocol, "ANY");
	char quoted[QUOTE_TEXT];

	if (any || text_is(port->protocol, "TCP"))
		ports = arena_printf(arena, "%s%stcp/%s", ports, *ports ? " " : "", numbers);
	if (ports && (any || text_is(port->protocol, "UDP")))
		ports = arena_printf(arena, "%s%sudp/%s", ports, *ports ? " " : "", numbers);
	if (!any && !text_is(port->protocol, "TCP") && !text_is(port->protocol, "UDP"))
		import_say(cilium->import, port->line, "left out: protocol %s",
			quote(port->protocol, quoted));
	return ports;
}

/* "tcp/443 udp/443"; "" for all where something is denied on a port that is no number. NULL: no
 * memory. */
static const char *join_ports(struct cilium *cilium)
{
	const char *ports = "";
	char quoted[QUOTE_TEXT];

	for (size_t i = 0; i < cilium->n_ports && ports; i++) {
		const struct port *port = &cilium->ports[i];
		const char *numbers = numbers_of(cilium->import->arena, port);

		if (!numbers)
			return NULL;
		if (*numbers != '\0') {
			ports = add_numbers(cilium, port, numbers, ports);
			continue;
		}
		import_say(cilium->import, port->line, "port %s is no number, so that it is %s",
			quote(port->first, quoted),
			cilium->denies ? "denied on all ports" : "left out");
		if (cilium->denies) {
			cilium->n_ports = 0;
			return "";
		}
	}
	return ports;
}

/* The rule is complete. */
static void end_rule(struct cilium *cilium)
{
	const char *ports = join_ports(cilium);

	if (!ports) {
		cilium->import->error = -ENOMEM;
		return;
	}
	if (cilium->n_parts > 0 && cilium->n_ports == 0 && !cilium->denies) {
		import_say(cilium->import, cilium->parts[0].line,
			"a rule without ports is for all of them: tcp/1-65535 and udp/1-65535");
		ports = "tcp/1-65535 udp/1-65535";
	}
	for (size_t i = 0; i < cilium->n_parts; i++) {
		const struct part *part = &cilium->parts[i];

		/* Ports without protocols that are known leave nothing. */
		if (*ports == '\0' && cilium->n_ports > 0)
			continue;
		import_add(
			cilium->import, &(struct import_entry){.deny = part->deny || cilium->denies,
						.host = part->text,
						.reach = IMPORT_ONE_LABEL,
						.ports = ports,
						.line = part->line});
	}
	cilium->n_parts = cilium->n_ports = 0;
}

static struct text keep(struct cilium *cilium, struct text text)
{
	const char *copy = arena_strndup(cilium->import->arena, text.start, text.length);

	if (!copy)
		cilium->import->error = -ENOMEM;
	return (struct text){copy ? copy : "", copy ? text.length : 0};
}

static void add_part(struct cilium *cilium, const struct doc_item *item, bool deny)
{
	if (cilium->n_parts == PARTS_MAX)
		cilium->import->error = -E2BIG;
	else
		cilium->parts[cilium->n_parts++] =
			(struct part){keep(cilium, text_trim(item->value)), deny, item->line};
}

/* The port that a key is of: its keys come one after the other, in any order. NULL: there are too
 * many. */
static struct port *find_port(struct cilium *cilium, const struct doc_item *item, size_t at)
{
	/* Which element of toPorts, and of its ports. */
	unsigned place = item->before[at] * 65536 + item->before[at + 2];

	if (cilium->n_ports > 0 && place == cilium->last_port)
		return &cilium->ports[cilium->n_ports - 1];
	if (cilium->n_ports == PORTS_MAX) {
		cilium->import->error = -E2BIG;
		return NULL;
	}
	cilium->last_port = place;
	cilium->ports[cilium->n_ports] = (struct port){.line = item->line};
	return &cilium->ports[cilium->n_ports++];
}

static void add_port(struct cilium *cilium, const struct doc_item *item, size_t at)
{
	struct text key = item->keys[at + 3], value = keep(cilium, text_trim(item->value));
	struct port *port = find_port(cilium, item, at);

	if (!port)
		return;
	if (text_is(key, "port"))
		port->first = value;
	else if (text_is(key, "endPort"))
		port->last = value;
	else
		port->protocol = value;
}

/* What a rule has. `at` is how many keys lead to the rule. */
static void take_of_rule(struct cilium *cilium, const struct doc_item *whole, size_t at)
{
	struct doc_item item = *whole;
	char quoted[QUOTE_TEXT];

	item.keys += at;
	item.depth -= at;
	if (doc_matches(&item, "toFQDNs/-/match*") || doc_matches(&item, "toCIDR/-") ||
		doc_matches(&item, "toCIDRSet/-/cidr"))
		add_part(cilium, whole, false);
	else if (doc_matches(&item, "toCIDRSet/-/except/-"))
		add_part(cilium, whole, true);
	else if (doc_matches(&item, "toPorts/-/ports/-/port") ||
		 doc_matches(&item, "toPorts/-/ports/-/endPort") ||
		 doc_matches(&item, "toPorts/-/ports/-/protocol"))
		add_port(cilium, whole, at + 1);
	else if (doc_matches(&item, "toPorts/-/rules/dns/**"))
		import_say(cilium->import, item.line,
			"which names may be asked is what the entries say, here");
	else if (item.depth > 0)
		import_say(cilium->import, item.line, "left out: %s: nothing here enforces it",
			quote(item.keys[0], quoted));
}

static void take_cilium(void *context, const struct doc_item *item)
{
	struct cilium *cilium = context;
	bool many = doc_matches(item, "specs/-/**");
	size_t at = many ? 2 : 1; /* of the key egress */
	bool egress, denies;

	if (!many && !doc_matches(item, "spec/**")) {
		if (doc_matches(item, "kind") && !text_starts(item->value, "Cilium"))
			import_say(cilium->import, item->line, "it is no policy of Cilium's");
		return;
	}
	egress = item->depth > at + 1 && text_is(item->keys[at], "egress");
	denies = item->depth > at + 1 && text_is(item->keys[at], "egressDeny");
	if (!egress && !denies) {
		if (item->depth > at && text_starts(item->keys[at], "ingress"))
			return;
		import_say(cilium->import, item->line,
			"whom it is for, and what else it has, is left out: see [scope]");
		return;
	}
	if (cilium->has_rule &&
		(cilium->document != item->document || cilium->rule != item->before[at + 1] ||
			cilium->denies != denies || (many && cilium->list != item->before[1])))
		end_rule(cilium);
	cilium->has_rule = true;
	cilium->document = item->document;
	cilium->rule = item->before[at + 1];
	cilium->list = many ? item->before[1] : 0;
	cilium->denies = denies;
	take_of_rule(cilium, item, at + 2);
}

int import_cilium(struct import *import, struct text text)
{
	struct cilium *cilium = arena_alloc(import->arena, sizeof(*cilium));
	int error;

	if (!cilium)
		return -ENOMEM;
	cilium->import = import;
	import->deny_wins = true;
	error = doc_yaml(text, &(struct doc_visitor){take_cilium, cilium});
	if (!error)
		end_rule(cilium);
	return error;
}
