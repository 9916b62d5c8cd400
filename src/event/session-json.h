/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_SESSION_JSON_H
#define EGRESS_EVENT_SESSION_JSON_H

#include <stddef.h>

#include "src/event/event-json.h"
#include "src/event/session.h"

/* What the record of a session is made for. */
enum session_phase {
	SESSION_START,
	SESSION_NEW,     /* it begins where another one was ended */
	SESSION_EXTEND,  /* its budget was raised */
	SESSION_SUMMARY, /* something has changed since the last one */
	SESSION_END,
	SESSION_PHASES,
};

/* Writes the record as a line, as event_to_json() does; of the context the policy and the session's
 * name are used. */
size_t session_to_json(const struct session_figures *figures, enum session_phase phase,
	int64_t time, const struct event_context *context, char out[EVENT_LINE]);

#endif
