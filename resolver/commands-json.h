/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_COMMANDS_JSON_H
#define EGRESS_RESOLVER_COMMANDS_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "resolver/channel.h"
#include "resolver/commands.h"

/* The objects that commands are answered with, as egress-ctl(1) describes them. NULL: there was no
 * memory for one. */

/* The last reload. */
struct reload_record {
	unsigned count; /* that were done */
	int64_t at;     /* seconds since 1970; 0: there was none */
	bool done;
};

/* `leases`: how many there are; -1: not known. */
json_t *commands_status(const struct commands_view *view, int64_t leases,
	const struct reload_record *last, int64_t time);

/* Without `flows_known` it isn't known whether there are connections. */
json_t *commands_lease(
	const struct plan *plan, const struct control_lease *lease, bool flows_known);

/* What the policy says of the destination: a text, or with `json` an object. */
json_t *commands_why(
	const struct compiled *compiled, const char *destination, bool json, bool *ret_permitted);

/* The running session; NULL: what the keeper knows of it is not known. */
json_t *commands_session(const struct commands_view *view, const struct control_session *session);

json_t *commands_new_session(const struct control_reply *reply);

json_t *commands_revoked(const struct control_reply *reply);

/* `said`: what was logged. */
json_t *commands_reloaded(const struct commands_view *view, bool done, const char *said);

#endif
