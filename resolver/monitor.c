/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/monitor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/anomalies.h"
#include "resolver/slate.h"
#include "rules/shape.h"
#include "rules/suffix.h"
#include "src/base/clock.h"
#include "src/base/log.h"

/*
 * Theory of operation
 *
 * A session goes on while watchers come and go: each takes what the one before has published, and
 * publishes what it knows, at most once a second and more seldom where that takes long, as the text
 * of a session with thousands of destinations does. So a watcher that is killed loses what came in
 * its last second, or a hundred times as long as writing takes.
 *
 * The record of a session is written when it begins and when it ends, and once a minute while
 * something changes: so a log that was cut anywhere says what the session had come to.
 *
 * Records of workers and keepers have times that may be anybody's: those in the future, or long
 * past, are of now.
 */

enum {
	PUBLISH_MS = 1000,
	PUBLISH_TIMES = 100, /* as long as it takes is the pause after it */
	PAUSE_MS = 60000,    /* but no longer */
	SUMMARY_MS = 60000,
	SOON_MS = 1000, /* a burst may be over */
};

#define MS_US 1000
#define LATE_US (INT64_C(600) * 1000000)
#define EARLY_US 1000000

struct monitor {
	struct monitor_config config;
	struct session *session;
	struct baseline *baseline;
	bool changed;   /* since it was published */
	bool unwritten; /* since the record was written */
	bool restored;
	int64_t publish_at;
	int64_t summary_at;
	int64_t refusal_at; /* the latest */
};

static struct event_context context_of(const struct monitor *monitor)
{
	return (struct event_context){.policy = monitor->config.compiled.plan->policy->name,
		.session = monitor->config.session};
}

/* --- Out --- */

static void on_alert(void *context, const struct alert *alert)
{
	struct monitor *monitor = context;
	const struct event_context words = context_of(monitor);
	char line[EVENT_LINE];
	size_t size = alert_to_json(alert, &words, line);

	monitor->changed = monitor->unwritten = true;
	monitor->config.write(monitor->config.context, line, size, alert);
}

static size_t make_record(
	const struct monitor *monitor, enum session_phase phase, int64_t now, char *line)
{
	const struct event_context words = context_of(monitor);
	struct session_figures figures;

	session_figures(monitor->session, &figures);
	return session_to_json(&figures, phase, now, &words, line);
}

static void write_record(struct monitor *monitor, enum session_phase phase, int64_t now)
{
	char line[EVENT_LINE];
	size_t size = make_record(monitor, phase, now, line);

	monitor->unwritten = false;
	monitor->summary_at = now + (int64_t)SUMMARY_MS * MS_US;
	monitor->config.write(monitor->config.context, line, size, NULL);
}

static void publish(struct monitor *monitor, int64_t now)
{
	struct slate *slate = monitor->config.slate;
	const struct mono began = clock_now();
	struct session_figures figures;
	int size = session_save(monitor->session, slate_text(slate), SESSION_SAVED);
	size_t record_size = 0;
	int64_t pause;

	session_figures(monitor->session, &figures);
	/* One that has reached nothing says nothing of those that will come. */
	if (figures.destinations > 0)
		record_size = make_record(monitor, SESSION_END, now, slate_record(slate));
	slate_publish(slate, size < 0 ? 0 : (size_t)size, record_size, &figures);
	monitor->changed = false;
	pause = mono_between(began, clock_now()).ms * PUBLISH_TIMES;
	pause = pause < PUBLISH_MS ? PUBLISH_MS : pause > PAUSE_MS ? PAUSE_MS : pause;
	monitor->publish_at = now + pause * MS_US;
}

/* --- Its life --- */

static struct session_ceilings ceilings_of(const struct budget *budget)
{
	return (struct session_ceilings){
		.destinations = budget->destinations,
		.wildcard_names = budget->wildcard_names,
		.bytes = budget->bytes,
		.connections = budget->connections,
		.has_unknown_share = budget->has_unknown_share,
		.unknown_share = budget->unknown_share,
		.refuses = budget->refuse,
	};
}

static int read_baseline(struct monitor *monitor)
{
	const struct monitor_past *past = &monitor->config.past;
	unsigned bad = 0;
	int error = baseline_new(&monitor->baseline);

	if (error)
		return error;
	if (past->sessions)
		baseline_read_all(monitor->baseline, past->sessions, past->sessions_size, &bad);
	if (bad > 0)
		log_warning(
			"earlier sessions: %u lines are no records of such, and passed over", bad);
	return 0;
}

int monitor_new(const struct monitor_config *config, struct monitor **ret_monitor)
{
	struct monitor *monitor = calloc(1, sizeof(*monitor));
	struct anomaly_settings anomaly = anomalies_of(config->compiled.layers);
	struct session_config session = {
		.anomaly = &anomaly,
		.policy = config->compiled.plan->policy->name,
		.ceilings = ceilings_of(&config->compiled.layers->budget),
		.names = {shape_score, suffix_domain},
		.on_alert = on_alert,
		.context = monitor,
	};
	int error;

	if (!monitor)
		return -ENOMEM;
	monitor->config = *config;
	error = read_baseline(monitor);
	session.baseline = monitor->baseline;
	if (!error)
		error = session_new(&session, &monitor->session);
	if (error) {
		monitor_free(monitor);
		return error;
	}
	if (config->past.text &&
		session_restore(monitor->session, config->past.text, config->past.text_size) == 0)
		monitor->restored = true;
	else if (config->past.text)
		log_warning("what the session was is not known any more: its figures begin anew");
	*ret_monitor = monitor;
	return 0;
}

void monitor_free(struct monitor *monitor)
{
	if (!monitor)
		return;
	session_free(monitor->session);
	baseline_free(monitor->baseline);
	free(monitor);
}

/* --- In --- */

void monitor_take(struct monitor *monitor, const struct event *event,
	const struct session_note *note, int64_t now)
{
	struct event bounded;

	if (event->time > now + EARLY_US || event->time < now - LATE_US) {
		memcpy(&bounded, event, sizeof(bounded));
		bounded.time = now;
		event = &bounded;
	}
	if (event->verdict == EVENT_REFUSE)
		monitor->refusal_at = now;
	monitor->changed = monitor->unwritten = true;
	session_take(monitor->session, event, note);
}

static int sooner(int wait, int64_t now, int64_t then)
{
	int64_t left = then > now ? (then - now) / MS_US + 1 : 0;

	return wait < 0 || left < wait ? (int)left : wait;
}

int monitor_tick(struct monitor *monitor, int64_t now)
{
	int wait = -1;

	session_pass(monitor->session, now);
	/* The clock may have been set back. */
	if (monitor->summary_at > now + (int64_t)SUMMARY_MS * MS_US)
		monitor->summary_at = now;
	if (monitor->publish_at > now + (int64_t)PAUSE_MS * MS_US)
		monitor->publish_at = now;
	if (monitor->summary_at == 0)
		write_record(
			monitor, monitor->restored ? SESSION_SUMMARY : monitor->config.phase, now);
	else if (monitor->unwritten && now >= monitor->summary_at)
		write_record(monitor, SESSION_SUMMARY, now);
	if (monitor->publish_at == 0 || (monitor->changed && now >= monitor->publish_at))
		publish(monitor, now);
	if (monitor->changed)
		wait = sooner(wait, now, monitor->publish_at);
	if (monitor->unwritten)
		wait = sooner(wait, now, monitor->summary_at);
	/* Bursts are told when they are over. */
	if (monitor->refusal_at != 0 && now - monitor->refusal_at < SUMMARY_MS * MS_US)
		wait = sooner(wait, now, now + SOON_MS * MS_US);
	return wait;
}

void monitor_extend(struct monitor *monitor, enum session_key key, uint64_t amount, int64_t now)
{
	session_extend(monitor->session, key, amount);
	monitor->changed = true;
	write_record(monitor, SESSION_EXTEND, now);
}

void monitor_finish(struct monitor *monitor, bool over, int64_t now)
{
	if (over) {
		session_end(monitor->session, now);
		write_record(monitor, SESSION_END, now);
	}
	publish(monitor, now);
}

void monitor_figures(const struct monitor *monitor, struct session_figures *ret_figures)
{
	session_figures(monitor->session, ret_figures);
}
