/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/ports.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/plan.h"
#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * All ports of all protocols lie on one line: protocol * 65536 + port. It is cut where any range of
 * any set begins or ends; between two cuts lies a segment, which a set has wholly or not at all.
 * Segments start in one class, 0, and each set splits every class into what it has and what it
 * hasn't. A class is renumbered by the first of its segments, so that class numbers follow the
 * ports' order; what no set has stays 0. Splitting never lowers the number of classes, so the set
 * that first goes over the limit can be named.
 */

enum {
	PORTS = 65536,
	PROTOCOLS = PROTOCOL_ICMP_ECHO + 1,
	LINE = PROTOCOLS * PORTS,
	CLASSES_MAX = PLAN_GROUPS_MAX + 1, /* with class 0 */
};

struct segment {
	uint32_t first, last; /* on the line */
	uint8_t class;
	bool named; /* by the set at hand */
};

struct partition {
	bool cut[LINE + 1]; /* a segment begins here */
	uint32_t at[LINE];  /* the segment of a point */
	struct segment segments[LINE];
	size_t n_segments;
	size_t n_classes; /* with class 0 */
};

static const char *const protocol_names[PROTOCOLS] = {
	[PROTOCOL_TCP] = "tcp",
	[PROTOCOL_UDP] = "udp",
	[PROTOCOL_ICMP_ECHO] = "icmp",
};

const char *protocol_name(enum protocol protocol)
{
	return protocol_names[protocol];
}

const char *port_range_to_text(const struct port_range *range, char *out)
{
	const char *name = protocol_name(range->protocol);

	if (range->protocol == PROTOCOL_ICMP_ECHO)
		snprintf(out, PORTS_TEXT, "%s/echo", name);
	else if (range->first == range->last)
		snprintf(out, PORTS_TEXT, "%s/%u", name, range->first);
	else
		snprintf(out, PORTS_TEXT, "%s/%u-%u", name, range->first, range->last);
	return out;
}

static uint32_t line_first(const struct port_range *range)
{
	return (uint32_t)range->protocol * PORTS + range->first;
}

static uint32_t line_last(const struct port_range *range)
{
	return (uint32_t)range->protocol * PORTS + range->last;
}

/* Cuts the line into segments. */
static void cut_line(struct partition *partition, const struct port_set *sets, size_t n_sets)
{
	for (size_t i = 0; i < n_sets; i++) {
		for (size_t j = 0; j < sets[i].n_ports; j++) {
			partition->cut[line_first(&sets[i].ports[j])] = true;
			partition->cut[line_last(&sets[i].ports[j]) + 1] = true;
		}
	}
	for (uint32_t point = 0; point < LINE; point++) {
		if (point % PORTS == 0 || partition->cut[point])
			partition->segments[partition->n_segments++].first = point;
		partition->at[point] = (uint32_t)partition->n_segments - 1;
		partition->segments[partition->n_segments - 1].last = point;
	}
	partition->n_classes = 1;
}

/* Marks, or with false unmarks, what the set names. */
static void name_segments(struct partition *partition, const struct port_set *set, bool named)
{
	for (size_t i = 0; i < set->n_ports; i++) {
		uint32_t last = partition->at[line_last(&set->ports[i])];

		for (uint32_t s = partition->at[line_first(&set->ports[i])]; s <= last; s++)
			partition->segments[s].named = named;
	}
}

/* Splits the classes by what the set names. False: they became too many. */
static bool split(struct partition *partition, const struct port_set *set)
{
	uint8_t renamed[CLASSES_MAX][2] = {{0}};
	size_t n_classes = 1;

	name_segments(partition, set, true);
	for (size_t s = 0; s < partition->n_segments; s++) {
		struct segment *segment = &partition->segments[s];
		uint8_t *class = &renamed[segment->class][segment->named];

		if (*class == 0 && (segment->class != 0 || segment->named)) {
			if (n_classes == CLASSES_MAX)
				return false;
			*class = (uint8_t)n_classes++;
		}
		segment->class = *class;
	}
	name_segments(partition, set, false);
	partition->n_classes = n_classes;
	return true;
}

static bool continues(const struct segment *segment, const struct segment *before)
{
	return before->class == segment->class && before->first / PORTS == segment->first / PORTS;
}

/* Counts a group's ranges, and with `ports` writes them. */
static size_t collect_ports(
	const struct partition *partition, uint8_t class, struct port_range *ports)
{
	size_t n_ports = 0;

	for (size_t s = 0; s < partition->n_segments; s++) {
		const struct segment *segment = &partition->segments[s];

		if (segment->class != class)
			continue;
		n_ports += s == 0 || !continues(segment, segment - 1);
		if (!ports)
			continue;
		if (s == 0 || !continues(segment, segment - 1))
			ports[n_ports - 1] = (struct port_range){
				.protocol = (enum protocol)(segment->first / PORTS),
				.first = (uint16_t)(segment->first % PORTS),
			};
		ports[n_ports - 1].last = (uint16_t)(segment->last % PORTS);
	}
	return n_ports;
}

static int make_groups(struct arena *arena, const struct partition *partition,
	struct port_group **ret_groups, size_t *ret_count)
{
	size_t n_groups = partition->n_classes - 1;
	struct port_group *groups = arena_array(arena, n_groups, sizeof(*groups));

	if (!groups)
		return -ENOMEM;
	for (size_t i = 0; i < n_groups; i++) {
		uint8_t class = (uint8_t)(i + 1);

		groups[i].n_ports = collect_ports(partition, class, NULL);
		groups[i].ports = arena_array(arena, groups[i].n_ports, sizeof(*groups[i].ports));
		if (!groups[i].ports)
			return -ENOMEM;
		collect_ports(partition, class, groups[i].ports);
	}
	*ret_groups = groups;
	*ret_count = n_groups;
	return 0;
}

static int run(struct partition *partition, struct arena *arena, const struct port_set *sets,
	size_t n_sets, struct port_group **ret_groups, size_t *ret_count, size_t *ret_culprit)
{
	cut_line(partition, sets, n_sets);
	for (size_t i = 0; i < n_sets; i++) {
		if (!split(partition, &sets[i])) {
			*ret_culprit = i;
			return -E2BIG;
		}
	}
	return make_groups(arena, partition, ret_groups, ret_count);
}

int ports_partition(struct arena *arena, const struct port_set *sets, size_t n_sets,
	struct port_group **ret_groups, size_t *ret_count, size_t *ret_culprit)
{
	struct partition *partition = calloc(1, sizeof(*partition));
	int error;

	if (!partition)
		return -ENOMEM;
	error = run(partition, arena, sets, n_sets, ret_groups, ret_count, ret_culprit);
	free(partition);
	return error;
}

bool ports_have(
	const struct port_range *ports, size_t n_ports, enum protocol protocol, uint16_t port)
{
	for (size_t i = 0; i < n_ports; i++)
		if (ports[i].protocol == protocol && ports[i].first <= port &&
			port <= ports[i].last)
			return true;
	return false;
}
