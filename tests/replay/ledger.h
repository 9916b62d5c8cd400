/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_REPLAY_LEDGER_H
#define EGRESS_TESTS_REPLAY_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/engine.h"

/*
 * What the engine owes whatever happens, kept from what goes in and checked on all that comes out:
 * one reply a query, in its form; no address but under an acknowledged lease that outlasts its TTL,
 * or one that is as open without; no question but for permitted names and in our own bytes. What
 * the policy says is taken from rules/judge.h, not from the tables that the engine looks it up in.
 * The checks return NULL, or in words what was broken, valid until the next call.
 */
struct ledger;

struct ledger *ledger_new(const struct compiled *compiled);
void ledger_free(struct ledger *ledger);

/* A client's message goes in. Whether a reply is owed for it. */
bool ledger_query(
	struct ledger *ledger, const struct client *client, const uint8_t *bytes, size_t size);

/* A reply comes out. */
const char *ledger_reply(struct ledger *ledger, const struct client *client, const uint8_t *bytes,
	size_t size, struct mono now);

/* A question to an upstream comes out. */
const char *ledger_ask(struct ledger *ledger, unsigned upstream, const uint8_t *bytes, size_t size);

/* A lease request comes out, and its acknowledgement goes in. */
const char *ledger_lease(struct ledger *ledger, const struct channel_request *request);
void ledger_leased(struct ledger *ledger, const struct channel_reply *reply, struct mono now);

/* After everything had its time: whether a query is still without its reply. */
const char *ledger_end(struct ledger *ledger);

#endif
