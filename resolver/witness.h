/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_WITNESS_H
#define EGRESS_RESOLVER_WITNESS_H

#include <stdbool.h>

#include "rules/compile.h"
#include "src/event/event-json.h"
#include "src/event/event.h"
#include "src/kernel/conntrack.h"
#include "src/kernel/nflog.h"

/* What the policy and the names of leases say of what the kernel tells. */
struct witness;

struct namering;

/* A rule that is no more, and may have flows that are still to be told. */
struct witness_past {
	uint32_t mark; /* of the flows; 0: none */
	enum event_verdict verdict;
	char rule[EVENT_RULE];
};

/* More give way to later ones. */
#define WITNESS_PAST 512

/* Notes the rules of a policy that is about to be replaced; *at is where the next one goes. */
void witness_note_past(
	const struct plan *plan, struct witness_past past[WITNESS_PAST], unsigned *at);

/* What is given must stay; `past` has WITNESS_PAST elements, and rules in force beat it. 0 or
 * -ENOMEM. */
int witness_new(const struct compiled *compiled, const struct namering *names,
	const struct witness_past *past, struct witness **ret_witness);
void witness_free(struct witness *witness);

/* Adds the category, the reason and the score of the record's rule to the context, as far as it has
 * them, and of a name without a category the one that it is known by. They last until the next one
 * is explained. */
void witness_explain(
	struct witness *witness, const struct event *event, struct event_context *context);

/* Whether the record's name is permitted by its rule's wildcards, patterns or lists, and not by
 * being one of its hosts. */
bool witness_is_wild(struct witness *witness, const struct event *event);

/* The record of a packet that the ruleset has logged. False: another one has. */
bool witness_connection(
	const struct witness *witness, const struct nflog_record *record, struct event *ret_event);

/* The id in a log prefix "egress-NAME ID ", as far as it is of this policy's table. */
bool witness_read_prefix(const struct witness *witness, const char *prefix, char id[NFLOG_PREFIX]);

/* Says in a record of EVENT_LOST of whose connections, by the id of their counter
 * (rules/counter-name.h), and what has come of them. False: they are not to be recorded, since the
 * counter is of a ceiling that does not refuse, and may count each packet. */
bool witness_unrecorded(const struct witness *witness, const char *id, struct event *event);

/* The record of the first packet of a permitted connection, from the flow that it begins. False:
 * the policy doesn't permit it, something else does. */
bool witness_beginning(
	const struct witness *witness, const struct conntrack_flow *flow, struct event *ret_event);

/* The record of a flow; `live` says that it goes on. False: the policy doesn't permit it, something
 * else does. */
bool witness_flow(const struct witness *witness, const struct conntrack_flow *flow, bool live,
	struct event *ret_event);

#endif
