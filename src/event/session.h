/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_SESSION_H
#define EGRESS_EVENT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/event/alert.h"
#include "src/event/anomaly.h"
#include "src/event/baseline.h"
#include "src/event/event.h"

/*
 * A session as a whole: what it has reached, what of its budget that is, and whether it should be
 * looked at. It is told of every record in the order of their arrival and says what stands out; it
 * knows no time but theirs, and neither reads nor writes. What it holds has a size that no stranger
 * can change.
 */
struct session;

/* 0: there is none. */
struct session_ceilings {
	uint32_t destinations;
	uint32_t wildcard_names;
	uint64_t bytes; /* sent */
	uint64_t connections;
	bool has_unknown_share;
	double unknown_share; /* 0 to 1, from the 10th destination on */
	bool refuses;         /* on_exceed = "refuse": alerts say so */
};

struct session_config {
	const char *policy; /* its name */
	struct session_ceilings ceilings;
	const struct anomaly_settings *anomaly; /* NULL: the defaults; copied */
	const struct baseline *baseline;        /* of earlier sessions; NULL: none. It must stay */
	struct encoded_means names;             /* see anomaly.h */
	void (*on_alert)(void *context, const struct alert *alert); /* may be NULL */
	void *context;
};

/* What its record and metrics show. */
struct session_figures {
	int64_t since;         /* of the first record or session_pass(); 0: none yet */
	uint64_t destinations; /* distinct names, and addresses that no name led to */
	uint64_t unknown;      /* of them without a category */
	uint64_t wildcard_names;
	uint64_t connections; /* permitted */
	uint64_t refused;     /* refused queries and connections, as far as they were recorded */
	uint64_t bytes_out;
	uint64_t bytes_in;
	uint64_t alerts[ALERT_RULES];     /* that were told */
	uint64_t suppressed[ALERT_RULES]; /* and that weren't */
	bool is_full; /* there was no room for all that was counted: figures may be too large */
	struct census categories; /* of the destinations */
	unsigned baseline_sessions;
	bool baseline_ready;
	struct session_ceilings ceilings;
};

/* 0 or -ENOMEM, or -errno of getrandom(2). */
int session_new(const struct session_config *config, struct session **ret_session);

/* NULL is allowed. */
void session_free(struct session *session);

/* What is known of a record besides it. */
struct session_note {
	const char *category; /* NULL or "": none is known */
	bool wildcard;        /* the name is permitted by a pattern */
	bool older; /* of a flow: it began before the session did, of which it is none. What
		       it carries from when it was told of first counts, and no more */
	bool known; /* it was told of in another way and counts no more: only a budget
		       that was passed, if that is what the record is about. Of a flow
		       that goes on, what it has carried so far */
};

/* Takes a record that is sound (event_is_sound()). */
void session_take(
	struct session *session, const struct event *event, const struct session_note *note);

/* Time went on to `now` without a record: what is counted over a time closes. */
void session_pass(struct session *session, int64_t now);

/* It is over: what was still open is told. */
void session_end(struct session *session, int64_t now);

/* Raises a ceiling that there is, for as long as the session goes on, saved or not: by so many
 * destinations, names, bytes or connections. One that was passed may be told of again. */
enum session_key {
	SESSION_KEY_DESTINATIONS,
	SESSION_KEY_WILDCARD_NAMES,
	SESSION_KEY_BYTES,
	SESSION_KEY_CONNECTIONS,
	SESSION_KEYS,
};
void session_extend(struct session *session, enum session_key key, uint64_t amount);

void session_figures(const struct session *session, struct session_figures *ret_figures);

/* The sum of all alerts that were told. */
uint64_t session_alerts(const struct session_figures *figures);

/* --- That it goes on elsewhere --- */

/* No saved session is longer. */
#define SESSION_SAVED (1 << 20)

/* Writes it as text; its length, without the NUL, or -ENOSPC, or -ENOMEM. */
int session_save(const struct session *session, char *text, size_t size);

/* Makes a new session go on from a text that may be anybody's. 0, -EINVAL or -ENOMEM; on failure
 * the session is as it was. */
int session_restore(struct session *session, const char *text, size_t size);

#endif
