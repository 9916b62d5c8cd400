/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/entry-text.h"

#include <stdio.h>
#include <string.h>

#include "rules/host.h"
#include "rules/list.h"
#include "rules/pattern.h"
#include "rules/ports.h"
#include "src/base/arena.h"

enum {
	TEXT_WHO = 62,
	TEXT_PORTS = 36,
	TEXT_MORE = sizeof(" and 16777216 more") - 1,
	TEXT_ITEM = NAME_TEXT + 8,
};

/* Writes item number `index` into `out`, TEXT_ITEM bytes, cut where it is longer. */
typedef void item_writer(const struct entry *entry, size_t index, char *out);

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void write_destination(const struct entry *entry, size_t index, char *out)
{
	if (index < entry->n_hosts) {
		const struct host *host = &entry->hosts[index];

		host_to_text(host->kind, host->wire, host->length, out);
		return;
	}
	index -= entry->n_hosts;
	if (index < entry->n_patterns) {
		snprintf(out, TEXT_ITEM, "'%s'", pattern_text(entry->patterns[index]));
		return;
	}
	index -= entry->n_patterns;
	if (index < entry->n_addresses)
		range_to_text(&entry->addresses[index].range, out);
	else
		snprintf(out, TEXT_ITEM, "list %s",
			base_name(entry->lists[index - entry->n_addresses]->file));
}

static void write_port(const struct entry *entry, size_t index, char *out)
{
	port_range_to_text(&entry->ports[index], out);
}

/* As many of the items as `room` bytes hold, and the number of the others. */
static void write_items(
	char *out, size_t room, const struct entry *entry, size_t count, item_writer *write)
{
	char item[TEXT_ITEM];
	size_t used = 0, i;

	for (i = 0; i < count; i++) {
		const char *comma = i > 0 ? ", " : "";
		size_t more = i + 1 < count ? TEXT_MORE : 0;

		write(entry, i, item);
		if (used + strlen(comma) + strlen(item) + more < room) {
			used += (size_t)snprintf(out + used, room - used, "%s%s", comma, item);
			continue;
		}
		if (i > 0)
			break;
		used = (size_t)snprintf(
			out, room, "%.*s...", (int)(room - more - sizeof("...")), item);
	}
	if (i < count)
		snprintf(out + used, room - used, " and %zu more", count - i);
}

const char *entry_text(struct arena *arena, const struct entry *entry)
{
	char who[TEXT_WHO] = "", ports[TEXT_PORTS] = "all ports";
	size_t count = entry->n_hosts + entry->n_patterns + entry->n_addresses + entry->n_lists;

	write_items(who, sizeof(who), entry, count, write_destination);
	if (!entry->all_ports)
		write_items(ports, sizeof(ports), entry, entry->n_ports, write_port);
	return arena_printf(arena, "%s %s", who, ports);
}
