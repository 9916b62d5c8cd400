/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/reckoner.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/*
 * Theory of operation
 *
 * What the counters say is exact (resolver/tally.c). The numbers of the kernel's messages say so,
 * too, of those that found no room in the socket, but neither of which rule they were nor of those
 * that were never sent. So a message that is missing is looked for in the counters of this
 * settlement and of the next: what they leave is of a ruleset that counts under no name.
 */

struct reckoner {
	struct tally *tally;
	uint32_t round; /* of the counts */
	bool looked;    /* and they are to be settled */
	uint64_t missed;
	uint64_t missed_before; /* at the last settlement */
	struct tally_counts counts;
};

int reckoner_new(struct tally *tally, struct reckoner **ret_reckoner)
{
	struct reckoner *reckoner = calloc(1, sizeof(*reckoner));

	if (!reckoner)
		return -ENOMEM;
	reckoner->tally = tally;
	*ret_reckoner = reckoner;
	return 0;
}

void reckoner_free(struct reckoner *reckoner)
{
	free(reckoner);
}

void reckoner_record(struct reckoner *reckoner, const char *id)
{
	tally_record(reckoner->tally, id);
}

void reckoner_miss(struct reckoner *reckoner, uint64_t count)
{
	reckoner->missed += count;
}

void reckoner_look(struct reckoner *reckoner)
{
	uint32_t round = tally_round(reckoner->tally);

	if (reckoner->looked || round == reckoner->round)
		return;
	reckoner->round = round;
	reckoner->looked = true;
	tally_look(reckoner->tally, &reckoner->counts);
}

uint64_t reckoner_settle(struct reckoner *reckoner, tally_visit *visit, void *context)
{
	uint64_t found, left;

	if (!reckoner->looked)
		return 0;
	reckoner->looked = false;
	found = tally_settle(reckoner->tally, &reckoner->counts, visit, context);
	reckoner->missed -= found < reckoner->missed ? found : reckoner->missed;
	left = reckoner->missed < reckoner->missed_before ? reckoner->missed
							  : reckoner->missed_before;
	reckoner->missed -= left;
	reckoner->missed_before = reckoner->missed;
	return left;
}
