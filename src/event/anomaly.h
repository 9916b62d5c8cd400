/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_ANOMALY_H
#define EGRESS_EVENT_ANOMALY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "src/event/alert.h"
#include "src/event/baseline.h"
#include "src/event/encoded.h"
#include "src/event/event.h"
#include "src/event/payload.h"

/*
 * What stands out in a session, whatever its budget is: all rules of the sort ALERT_OF_ANOMALY. It
 * has its own table of destinations, of fixed size, and alerts once of each.
 */
struct anomaly;

/* Thresholds; egress-anomalies(7) has what they mean. */
struct anomaly_settings {
	bool off[ALERT_RULES];
	double categories;      /* share of false alarms among sessions */
	uint64_t upload;        /* bytes */
	double upload_ratio;    /* bytes out for one in */
	uint64_t upload_burst;  /* bytes in a minute */
	uint32_t encoded_names; /* under one domain */
	uint32_t beacon;        /* connections, BEACON_STARTS at most */
	uint32_t refusals;      /* in a minute: the session's own rule */
};

/* The defaults. */
struct anomaly_settings anomaly_defaults(void);

struct anomaly_config {
	const struct anomaly_settings *settings; /* NULL: the defaults; copied */
	const struct baseline *baseline;         /* NULL: none. It must stay */
	struct encoded_means names;              /* NULLs: names are not looked at */
	void (*on_alert)(void *context, const struct alert *alert);
	void *context;
};

/* 0, -ENOMEM, or -errno of getrandom(2). */
int anomaly_new(const struct anomaly_config *config, struct anomaly **ret_anomaly);

/* NULL is allowed. */
void anomaly_free(struct anomaly *anomaly);

/* Takes a record that is sound, of any kind; `category` is its destination's, or NULL. A flow may
 * be told of while it goes on (EVENT_IS_LIVE) and again. */
void anomaly_take(struct anomaly *anomaly, const struct event *event, const char *category);

/* The session has another destination since it was asked last: these are all of it. */
void anomaly_weigh(struct anomaly *anomaly, const struct census *destinations, int64_t time);

/* What all destinations of the session together were sent and have sent. */
const struct payload *anomaly_payload(const struct anomaly *anomaly);

/* State as JSON of at most some 128 KiB as text; NULL: no memory. */
json_t *anomaly_save(const struct anomaly *anomaly);

/* Makes a new one go on from what may be anybody's. 0, -EINVAL or -ENOMEM; on failure it is as it
 * was. */
int anomaly_restore(struct anomaly *anomaly, const json_t *saved);

#endif
