/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_ALERT_H
#define EGRESS_EVENT_ALERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/inaddr.h"
#include "src/base/name.h"
#include "src/event/event-json.h"

/* What a session does that it should be looked at for; egress-events(5) has the rules' meaning. */
enum alert_rule {
	ALERT_DESTINATIONS, /* budgets */
	ALERT_UNKNOWN_SHARE,
	ALERT_WILDCARD_NAMES,
	ALERT_BYTES,
	ALERT_CONNECTIONS,
	ALERT_CATEGORIES, /* anomalies */
	ALERT_UPLOAD,
	ALERT_RATIO,
	ALERT_UPLOAD_BURST,
	ALERT_ENCODED_NAMES,
	ALERT_BEACON,
	ALERT_REFUSALS, /* a spike */
	ALERT_RULES,
};

enum alert_sort {
	ALERT_OF_BUDGET,
	ALERT_OF_ANOMALY,
	ALERT_OF_REFUSALS,
};

/* What value and threshold are numbers of. */
enum alert_unit {
	ALERT_COUNT,
	ALERT_OCTETS,
	ALERT_SHARE, /* 0 to 1 */
	ALERT_TIMES, /* as much as */
	ALERT_SCORE,
};

struct alert_kind {
	const char *id; /* "budget-destinations" */
	enum alert_sort sort;
	enum alert_unit unit;
	bool each;           /* may come once for each destination; else once in a session */
	const char *summary; /* "more destinations than its budget" */
};

/* Sentences, with their NUL, and how many of them there may be. */
#define ALERT_TEXT 128
#define ALERT_EVIDENCE 8

#define ALERT_NO_PORT (-1)

#define ALERT_CATEGORY 48

struct alert {
	int64_t time; /* microseconds since 1970 */
	enum alert_rule rule;
	bool refuses;     /* what is beyond it is refused; else it is only told */
	struct name name; /* of one destination; length 0: none */
	bool has_address;
	struct inaddr address;         /* the same */
	int port;                      /* the same; or ALERT_NO_PORT */
	uint8_t protocol;              /* IPPROTO_*, with the port */
	char category[ALERT_CATEGORY]; /* the same; "": none is known */
	double value;
	double threshold;
	double p;            /* how likely chance alone would do it; negative: not known */
	uint64_t suppressed; /* alerts of the rule that weren't told before this one */
	/* Short sentences of printable ASCII: "documentation 71 % -> 12 %". */
	char evidence[ALERT_EVIDENCE][ALERT_TEXT];
	unsigned n_evidence;
};

/* The row of a rule. */
const struct alert_kind *alert_kind(enum alert_rule rule);

/* The rule with that id; ALERT_RULES: none has it. */
enum alert_rule alert_rule_of(const char *id);

/* One of that time with nothing but its rule: no destination, no evidence. */
void alert_begin(struct alert *alert, enum alert_rule rule, int64_t time);

/* Adds a sentence, cut to what has room, with '?' for what isn't printable ASCII; what is too many
 * is left out. */
void alert_add(struct alert *alert, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes the alert as a line, as event_to_json() does a record; the context's category and reason
 * are those of its destination. */
size_t alert_to_json(
	const struct alert *alert, const struct event_context *context, char out[EVENT_LINE]);

#endif
