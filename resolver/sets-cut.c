/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/sets-own.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Theory of operation
 *
 * An established connection passes by its mark, whatever becomes of the lease that gave it. So that
 * it ends with the lease, its mark is taken off: its next packet is judged like a first one, finds
 * its address closed, and is refused, which its program is told. Where something else permits the
 * address, another name's lease or an entry for addresses, it gets that one's mark and goes on.
 * That is why all connections to the addresses are taken, whichever rule they are of.
 *
 * The entry stays in conntrack's table: were it deleted, a packet from the other side could make a
 * new one, of which this side's packets would be the answers.
 */

/* What is looked for in a walk. */
struct cut {
	const struct sets *sets;
	struct conntrack *changes; /* not the socket that is walked over */
	const struct sets_addresses *addresses;
	uint64_t count;
};

static int compare(const void *a, const void *b)
{
	return inaddr_compare(a, b);
}

int sets_addresses_add(struct sets_addresses *list, const struct inaddr *address)
{
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		struct inaddr *more = realloc(list->addresses, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		list->addresses = more;
		list->room = room;
	}
	list->addresses[list->count++] = *address;
	return 0;
}

void sets_addresses_free(struct sets_addresses *list)
{
	free(list->addresses);
	*list = (struct sets_addresses){NULL, 0, 0};
}

static int cut_flow(void *context, const struct conntrack_flow *flow)
{
	struct cut *cut = context;
	int error;

	if (flow->over || !sets_find_force(cut->sets, flow->mark) ||
		!bsearch(&flow->to, cut->addresses->addresses, cut->addresses->count,
			sizeof(flow->to), compare))
		return 0;
	error = conntrack_unmark(cut->changes, flow);
	cut->count += !error;
	return error;
}

int sets_cut_flows(struct sets *sets, struct sets_addresses *addresses, uint64_t *ret_count)
{
	struct cut cut = {.sets = sets, .addresses = addresses};
	int error = 0;

	if (addresses->count == 0) {
		*ret_count = 0;
		return 0;
	}
	qsort(addresses->addresses, addresses->count, sizeof(*addresses->addresses), compare);
	if (!sets->conntrack)
		error = conntrack_open(&sets->conntrack);
	if (!error)
		error = conntrack_open(&cut.changes);
	if (!error)
		error = conntrack_walk(sets->conntrack, 0, 0, cut_flow, &cut);
	conntrack_close(cut.changes);
	if (!error)
		*ret_count = cut.count;
	return error;
}
