/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_HEALTH_H
#define EGRESS_RESOLVER_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/clock.h"

/* How fast an upstream server answers, and whether it does. All zero: nothing is known of it. */
struct health {
	bool measured;
	int32_t rtt_8;      /* smoothed, in eighths of a millisecond */
	int32_t variance_4; /* in quarters */
	unsigned failures;  /* since it last answered; 0: it is up */
	struct mono failed_at;
	struct mono probe_at;  /* not before is it asked beside another one to see how it is */
	struct mono probed_at; /* is_probed: when it was */
	bool is_probed;
};

/* How long to wait for its answer: RFC 6298 section 2, within bounds. */
struct duration health_timeout(const struct health *health);

/* For comparisons: the smaller one answers faster. */
int32_t health_rtt(const struct health *health);

bool health_is_up(const struct health *health);

/* It is there, as something it sent shows. Whether it was down. */
bool health_seen(struct health *health, struct mono now);

/* It answered what it was asked that long ago. Whether it was down. */
bool health_answered(struct health *health, struct duration rtt, struct mono now);

/* It did not answer what it was asked at `asked`, or cannot be reached. Whether it was up. */
bool health_failed(struct health *health, struct mono asked, struct mono now);

/* Whether a question that goes to another server should go to this one too. Takes note of a probe
 * before that was not answered: *ret_failed is whether that was what put it down. */
bool health_wants_probe(struct health *health, struct mono now, bool *ret_failed);

/* It has been sent such a question. */
void health_probed(struct health *health, struct mono now);

#endif
