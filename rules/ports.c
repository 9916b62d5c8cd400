/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/ports.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

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
	uint64_t cuts[LINE / 64 + 1]; /* a bit for each point: a segment begins here */
	struct segment *segments;
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

static void cut(struct partition *partition, uint32_t point)
{
	partition->cuts[point / 64] |= UINT64_C(1) << (point % 64);
}

/* Where the segments begin, whose number is returned; with `segments` writes them. */
static size_t read_cuts(const struct partition *partition, struct segment *segments)
{
	size_t count = 0;

	for (uint32_t word = 0; word < LINE / 64; word++) {
		for (uint64_t bits = partition->cuts[word]; bits != 0; bits &= bits - 1) {
			uint32_t first = word * 64 + (uint32_t)__builtin_ctzll(bits);

			if (segments) {
				segments[count] =
					(struct segment){.first = first, .last = LINE - 1};
				if (count > 0)
					segments[count - 1].last = first - 1;
			}
			count++;
		}
	}
	return count;
}

/* Cuts the line into segments, which the arena has. */
static int cut_line(struct partition *partition, struct arena *arena, const struct port_set *sets,
	size_t n_sets)
{
	for (uint32_t first = 0; first < LINE; first += PORTS)
		cut(partition, first);
	for (size_t i = 0; i < n_sets; i++) {
		for (size_t j = 0; j < sets[i].n_ports; j++) {
			cut(partition, line_first(&sets[i].ports[j]));
			cut(partition, line_last(&sets[i].ports[j]) + 1);
		}
	}
	partition->n_segments = read_cuts(partition, NULL);
	partition->segments =
		arena_array(arena, partition->n_segments, sizeof(*partition->segments));
	if (!partition->segments)
		return -ENOMEM;
	read_cuts(partition, partition->segments);
	partition->n_classes = 1;
	return 0;
}

/* The segment that begins at this point. */
static size_t segment_at(const struct partition *partition, uint32_t point)
{
	size_t low = 0, high = partition->n_segments - 1;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (partition->segments[middle].last < point)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Marks, or with false unmarks, what the set names. */
static void name_segments(struct partition *partition, const struct port_set *set, bool named)
{
	for (size_t i = 0; i < set->n_ports; i++) {
		uint32_t last = line_last(&set->ports[i]);

		for (size_t s = segment_at(partition, line_first(&set->ports[i]));
			s < partition->n_segments && partition->segments[s].last <= last; s++)
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

int ports_partition(struct arena *arena, const struct port_set *sets, size_t n_sets,
	struct port_group **ret_groups, size_t *ret_count, size_t *ret_culprit)
{
	struct partition partition = {.n_segments = 0};
	int error;

	error = cut_line(&partition, arena, sets, n_sets);
	if (error)
		return error;
	for (size_t i = 0; i < n_sets; i++) {
		if (!split(&partition, &sets[i])) {
			*ret_culprit = i;
			return -E2BIG;
		}
	}
	return make_groups(arena, &partition, ret_groups, ret_count);
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
