/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/health.h"

/*
 * Theory of operation
 *
 * The time-out follows the round trips as TCP's does. It has a floor, since an answer that the
 * server has ready takes much less than one it has to find; and a ceiling, since another server may
 * be asked instead. A server is down from the first question on that it leaves unanswered in that
 * time, until it answers any: a late answer counts. While it is down nobody has to wait for it;
 * now and then a question that goes to another one goes to it as well, ever less often, and its
 * answer to that puts it up again. Servers that are not asked otherwise are measured in the same
 * way.
 *
 * What was asked before a failure was noted says nothing new: all questions that are out when a
 * server dies count as one failure.
 */

enum {
	TIMEOUT_FIRST_MS = 300, /* before anything was measured */
	TIMEOUT_MIN_MS = 200,
	TIMEOUT_MAX_MS = 1500,
	GRANULARITY_MS = 10,
	PROBE_MIN_MS = 1000,  /* after the first failure; doubled with each */
	PROBE_MAX_MS = 60000, /* also between measurements */
	DOUBLINGS_MAX = 6,
};

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
	if (value < least)
		return least;
	return value > most ? most : value;
}

struct duration health_timeout(const struct health *health)
{
	int64_t spread = health->variance_4 > GRANULARITY_MS ? health->variance_4 : GRANULARITY_MS;
	int64_t timeout = health->measured ? health->rtt_8 / 8 + spread : TIMEOUT_FIRST_MS;

	timeout = clamp(timeout, TIMEOUT_MIN_MS, TIMEOUT_MAX_MS);
	timeout <<= health->failures < 2 ? health->failures : 2;
	return (struct duration){clamp(timeout, TIMEOUT_MIN_MS, TIMEOUT_MAX_MS)};
}

int32_t health_rtt(const struct health *health)
{
	return health->measured ? health->rtt_8 : INT32_MAX;
}

bool health_is_up(const struct health *health)
{
	return health->failures == 0;
}

/* RFC 6298 sections 2.2 and 2.3. */
static void measure(struct health *health, int32_t rtt)
{
	int32_t off = rtt - health->rtt_8 / 8;

	if (!health->measured) {
		health->measured = true;
		health->rtt_8 = 8 * rtt;
		health->variance_4 = 2 * rtt;
		return;
	}
	health->variance_4 += (off < 0 ? -off : off) - health->variance_4 / 4;
	health->rtt_8 += off;
}

bool health_seen(struct health *health, struct mono now)
{
	bool was_down = health->failures > 0;

	health->failures = 0;
	health->is_probed = false;
	health->probe_at = mono_add(now, (struct duration){PROBE_MAX_MS});
	return was_down;
}

bool health_answered(struct health *health, struct duration rtt, struct mono now)
{
	measure(health, (int32_t)clamp(rtt.ms, 0, PROBE_MAX_MS));
	return health_seen(health, now);
}

static struct duration backoff(const struct health *health)
{
	unsigned doublings = health->failures - 1;

	if (doublings >= DOUBLINGS_MAX)
		return (struct duration){PROBE_MAX_MS};
	return (struct duration){clamp(PROBE_MIN_MS << doublings, 0, PROBE_MAX_MS)};
}

bool health_failed(struct health *health, struct mono asked, struct mono now)
{
	bool was_up = health->failures == 0;

	if (!was_up && !mono_before(health->failed_at, asked))
		return false;
	health->failures++;
	health->failed_at = now;
	health->is_probed = false;
	health->probe_at = mono_add(now, backoff(health));
	return was_up;
}

bool health_wants_probe(struct health *health, struct mono now, bool *ret_failed)
{
	*ret_failed = false;
	if (health->is_probed && mono_between(health->probed_at, now).ms >= PROBE_MIN_MS)
		*ret_failed = health_failed(health, health->probed_at, now);
	return !health->is_probed && !mono_before(now, health->probe_at);
}

void health_probed(struct health *health, struct mono now)
{
	health->is_probed = true;
	health->probed_at = now;
}
