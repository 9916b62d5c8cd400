/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_SESSION_OWN_H
#define EGRESS_EVENT_SESSION_OWN_H

#include "src/base/hash.h"
#include "src/event/refusals.h"
#include "src/event/session.h"

/* What session*.c share, and nobody else sees. */

enum {
	SESSION_KEPT = 2048,       /* destinations of which more is known than that they were */
	SESSION_INDEX = 4096,      /* places that find them, a power of two */
	SESSION_SEEN = 16384,      /* places for the rest, a power of two */
	SESSION_WILD = 4096,       /* the same for names under wildcards */
	SESSION_FLOWS = 1024,      /* that were told of while they go on */
	SESSION_TOLD_EACH = 64,    /* alerts of a rule that may come for each destination */
	SESSION_UNKNOWN_FROM = 10, /* destinations from which on the unknown share counts */
};

/* Destinations are at most three quarters of their places. */
#define SESSION_SEEN_MOST (SESSION_SEEN / 4 * 3)
#define SESSION_WILD_MOST (SESSION_WILD / 4 * 3)

/* Addresses of a name that are remembered besides the latest. */
#define SESSION_ADDRESSES 3

/* Something of a session that was reached: a name, or an address that no name led to. */
struct destination {
	uint64_t hash;    /* keyed, of the name or the address */
	struct name name; /* length 0: none, or one that was too long to be saved */
	bool is_named;
	bool has_address; /* the latest, if there is a name */
	bool has_port;    /* the latest */
	uint8_t protocol;
	uint16_t port;
	struct inaddr address;
	struct inaddr others[SESSION_ADDRESSES]; /* of a name; all zeros: none */
	char category[CENSUS_WORD];              /* "": none is known */
	uint32_t connections;
	uint32_t flows;
	uint64_t bytes_out;
	uint64_t bytes_in;
};

_Static_assert(ALERT_CATEGORY >= CENSUS_WORD, "an alert has room for it");

/* A set of hashes; 0 is no element. */
struct hash_set {
	uint32_t n_used;
	uint32_t n_places;
	uint64_t *places;
};

/* What a flow had carried when it was told of last. */
struct session_flow {
	uint64_t flow; /* 0: none */
	uint64_t bytes_out;
	uint64_t bytes_in;
};

struct session {
	struct session_config config;
	struct hash_key key;
	struct anomaly *anomaly;
	struct anomaly_settings settings;
	uint64_t extended[SESSION_KEYS];  /* what ceilings were raised by */
	struct session_ceilings ceilings; /* with that */
	int64_t since;
	int64_t now;               /* the latest time that was told of */
	const struct event *event; /* that is being taken; NULL: none is */
	const char *category;      /* of its destination; NULL: none is known */
	uint64_t n_destinations;
	uint64_t n_wildcard_names;
	uint64_t n_connections; /* records of the first packets of permitted ones */
	uint64_t n_flows;       /* flows that were told of */
	uint64_t refused;
	uint64_t bytes_out;
	uint64_t bytes_in;
	uint64_t alerts[ALERT_RULES];
	uint64_t suppressed[ALERT_RULES];
	uint64_t unmentioned[ALERT_RULES]; /* suppressed since the last that was told */
	bool told[ALERT_RULES];            /* since its ceiling was raised, if it has one */
	bool is_full;
	struct census census;
	struct refusals refusals;
	unsigned n_kept;
	uint16_t index[SESSION_INDEX]; /* a row of `kept` and 1; 0: none */
	struct hash_set seen;          /* destinations that are not kept */
	struct hash_set wild;
	struct session_flow flows[SESSION_FLOWS];
	uint64_t seen_places[SESSION_SEEN];
	uint64_t wild_places[SESSION_WILD];
	struct destination kept[SESSION_KEPT];
};

/* --- session-table.c --- */

/* Adds a hash: 1 if it is new, 0 if it was there, -ENOSPC if there is no room for it. */
int hash_set_add(struct hash_set *set, uint64_t hash, uint32_t most);

/* What stands for the record's destination: of its name, else its address; 0: it has neither. */
uint64_t session_hash(const struct session *session, const struct event *event);

/* The one with that hash; NULL: it isn't kept. */
struct destination *session_find(struct session *session, uint64_t hash);

/* The one that a name led to and that had the address lately; NULL: none is kept. For addresses
 * whose name is forgotten by those who know names. */
struct destination *session_find_address(struct session *session, const struct inaddr *address);

/* It has been reached at that address. */
void session_note_address(struct destination *destination, const struct inaddr *address);

/* Another one, while there is room (n_kept < SESSION_KEPT). */
struct destination *session_keep(struct session *session, uint64_t hash);

/* Places for a flow that is told of while it goes on; NULL: there is no room. `add` makes one. */
struct session_flow *session_flow(struct session *session, uint64_t flow, bool add);

/* What a person calls it, with its category; into `out`, which it returns. */
#define DESTINATION_TEXT 96
const char *destination_text(const struct destination *destination, char out[DESTINATION_TEXT]);

/* The same of a record's. */
const char *session_event_text(const struct event *event, char out[DESTINATION_TEXT]);

/* --- session-budget.c --- */

/* What of the budget is used, as [budget] has it. */
double session_unknown_share(const struct session *session);

/* Alerts of what has passed its ceiling. `event` is the record that may have done it. */
void session_check_budget(struct session *session, const struct event *event);

/* The record's rule is that of a budget: it was passed, whatever is counted here. */
void session_note_budget(struct session *session, const struct event *event);

/* --- session.c --- */

/* The ceilings of the configuration and what they were raised by. */
void session_set_ceilings(struct session *session);

/* Tells an alert, or counts it where there were enough. */
void session_alert(struct session *session, struct alert *alert);

#endif
