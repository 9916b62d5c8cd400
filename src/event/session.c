/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/event/session-own.h"

/*
 * Theory of operation
 *
 * Of each record three things are asked: which destination it is of, what it adds to the figures,
 * and whether something stands out by it. What stands out is told at once, and once: budgets
 * (session-budget.c), bursts of refusals (refusals.c), and whatever is unlike other sessions or
 * unlike what people do (anomaly.c).
 *
 * A destination is a name that was leased, or that a flow or a connection was led by, and an
 * address that no name led to. That a name was asked for makes it none: it may not exist. Under a
 * policy that permits what nothing refuses there are no leases, and which name led to an address is
 * known by the workers' records of what they have answered: of each name its latest addresses are
 * remembered.
 *
 * Of the first 2048 destinations it is known which they are; of some ten thousand more that they
 * were there; beyond, each record counts as another one. So a session that is too large to be
 * counted exactly passes its ceilings sooner, never later, and its figures say that they may be too
 * large.
 *
 * A flow is told of while it goes on and at its end, each time with all that it has carried; what
 * was counted of it before is remembered by its number. Where that isn't known, only ends count. A
 * flow that began before the session is of the one in which it began: what it had carried by then,
 * or all of it where nobody knows how much that was, is none of this one's.
 *
 * Connections are counted by their first packets or by their flows, whichever were more: what is
 * recorded of the former depends on the policy, and flows come late.
 *
 * Time is that of the records. It may come from a process that was taken over, so it only moves
 * forward, and whoever hands records on bounds it.
 */

/* --- Alerts --- */

/* The category of the alert's destination, as it was counted, or of the record that led to it. */
static void set_category(struct session *session, struct alert *alert)
{
	const struct destination *destination = NULL;
	struct event event = {.has = alert->has_address ? EVENT_HAS_ADDRESS : 0};
	const char *category = "";
	uint64_t hash;

	event_set_name(&event, &alert->name);
	event.address = alert->address;
	hash = session_hash(session, &event);
	if (hash)
		destination = session_find(session, hash);
	if (destination)
		category = destination->category;
	else if (hash && session->event && session->category &&
		 session_hash(session, session->event) == hash)
		category = session->category;
	snprintf(alert->category, sizeof(alert->category), "%s", category);
}

void session_alert(struct session *session, struct alert *alert)
{
	bool once =
		alert_kind(alert->rule)->sort == ALERT_OF_BUDGET || alert->rule == ALERT_CATEGORIES;

	if (session->settings.off[alert->rule])
		return;
	if (once ? session->told[alert->rule] : session->alerts[alert->rule] >= SESSION_TOLD_EACH) {
		session->suppressed[alert->rule]++;
		session->unmentioned[alert->rule]++;
		return;
	}
	session->told[alert->rule] = true;
	session->alerts[alert->rule]++;
	alert->suppressed = session->unmentioned[alert->rule];
	session->unmentioned[alert->rule] = 0;
	set_category(session, alert);
	if (session->config.on_alert)
		session->config.on_alert(session->config.context, alert);
}

static void on_anomaly(void *context, const struct alert *alert)
{
	struct alert copy = *alert;

	session_alert(context, &copy);
}

/* --- Life --- */

int session_new(const struct session_config *config, struct session **ret_session)
{
	struct session *session = calloc(1, sizeof(*session));
	struct anomaly_config anomaly = {
		.settings = config->anomaly,
		.baseline = config->baseline,
		.names = config->names,
		.on_alert = on_anomaly,
	};
	int error;

	if (!session)
		return -ENOMEM;
	session->config = *config;
	session->settings = config->anomaly ? *config->anomaly : anomaly_defaults();
	session->config.anomaly = NULL;
	session_set_ceilings(session);
	session->seen = (struct hash_set){0, SESSION_SEEN, session->seen_places};
	session->wild = (struct hash_set){0, SESSION_WILD, session->wild_places};
	anomaly.context = session;
	error = hash_key_draw(&session->key);
	if (!error)
		error = anomaly_new(&anomaly, &session->anomaly);
	if (error)
		session_free(session);
	else
		*ret_session = session;
	return error;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	anomaly_free(session->anomaly);
	free(session);
}

/* --- Time --- */

static void advance(struct session *session, int64_t now)
{
	if (session->since == 0)
		session->since = now;
	if (now > session->now)
		session->now = now;
}

static void pass(struct session *session, bool over)
{
	struct alert alert;

	if (refusals_pass(
		    &session->refusals, session->now, session->settings.refusals, over, &alert))
		session_alert(session, &alert);
}

void session_pass(struct session *session, int64_t now)
{
	advance(session, now);
	pass(session, false);
}

void session_end(struct session *session, int64_t now)
{
	advance(session, now);
	pass(session, true);
}

/* --- Destinations --- */

static void count_destination(struct session *session, const char *category)
{
	session->n_destinations++;
	census_add(&session->census, category, 1);
	anomaly_weigh(session->anomaly, &session->census, session->now);
}

/* One that was counted as unknown has a category after all. */
static void give_category(
	struct session *session, struct destination *destination, const char *category)
{
	struct census *census = &session->census;

	for (unsigned i = 0; i < census->n_rows; i++)
		if (strcmp(census->rows[i].word, "unknown") == 0 && census->rows[i].count > 0) {
			census->rows[i].count--;
			census->total--;
			census_add(census, category, 1);
			break;
		}
	strncpy(destination->category, category, sizeof(destination->category) - 1);
}

static void note_place(struct destination *destination, const struct event *event)
{
	if (event->has & EVENT_HAS_ADDRESS)
		session_note_address(destination, &event->address);
	if (event->has & EVENT_HAS_PORT) {
		destination->has_port = true;
		destination->port = event->port;
		destination->protocol = event->protocol;
	}
}

/* The destination of the record, which is another one if it wasn't there; NULL: it isn't kept. */
static struct destination *reach(
	struct session *session, const struct event *event, const char *category)
{
	uint64_t hash = session_hash(session, event);
	struct destination *destination = hash ? session_find(session, hash) : NULL;
	int added;

	if (hash == 0)
		return NULL;
	if (!destination && event->name.length == 0)
		destination = session_find_address(session, &event->address);
	if (destination) {
		if (category && !destination->category[0])
			give_category(session, destination, category);
		note_place(destination, event);
		return destination;
	}
	if (session->n_kept == SESSION_KEPT) {
		added = hash_set_add(&session->seen, hash, SESSION_SEEN_MOST);
		session->is_full |= added < 0;
		if (added != 0)
			count_destination(session, category);
		return NULL;
	}
	destination = session_keep(session, hash);
	destination->is_named = event->name.length > 0;
	destination->name.length = event->name.length;
	memcpy(destination->name.wire, event->name.wire, event->name.length);
	if (category)
		strncpy(destination->category, category, sizeof(destination->category) - 1);
	note_place(destination, event);
	count_destination(session, category);
	return destination;
}

/* --- Records --- */

static void refuse(struct session *session, const struct event *event, uint64_t count)
{
	uint64_t hash = session_hash(session, event);
	char text[DESTINATION_TEXT];

	session->refused += count;
	refusals_take(&session->refusals, event->time, count, event->rule, hash,
		hash ? session_event_text(event, text) : NULL);
}

static void take_query(
	struct session *session, const struct event *event, const struct session_note *note)
{
	uint64_t hash;
	int added;

	if (!note->wildcard)
		return;
	hash = session_hash(session, event);
	if (hash == 0)
		return;
	added = hash_set_add(&session->wild, hash, SESSION_WILD_MOST);
	session->is_full |= added < 0;
	session->n_wildcard_names += added != 0;
}

static void take_connection(
	struct session *session, const struct event *event, const char *category)
{
	struct destination *destination = reach(session, event, category);

	session->n_connections++;
	if (destination)
		destination->connections++;
}

/* What the flow has carried since it was told of last. */
static bool take_part(struct session *session, const struct event *event, uint64_t *ret_out,
	uint64_t *ret_in, bool *ret_first)
{
	bool live = event->has & EVENT_IS_LIVE;
	struct session_flow *flow = event->flow ? session_flow(session, event->flow, false) : NULL;

	*ret_first = !flow;
	*ret_out = event->bytes_out;
	*ret_in = event->bytes_in;
	if (flow) {
		*ret_out -= event->bytes_out < flow->bytes_out ? *ret_out : flow->bytes_out;
		*ret_in -= event->bytes_in < flow->bytes_in ? *ret_in : flow->bytes_in;
	}
	if (!live && flow)
		flow->flow = 0;
	if (!live)
		return true;
	if (!flow && event->flow)
		flow = session_flow(session, event->flow, true);
	if (!flow)
		return false;
	flow->bytes_out = event->bytes_out;
	flow->bytes_in = event->bytes_in;
	return true;
}

/* What the flow has carried so far counts no more. */
static void know_flow(struct session *session, const struct event *event)
{
	struct session_flow *flow = event->flow ? session_flow(session, event->flow, true) : NULL;

	if (!flow)
		return;
	flow->bytes_out = event->bytes_out;
	flow->bytes_in = event->bytes_in;
}

static void take_flow(struct session *session, const struct event *event, const char *category)
{
	struct destination *destination;
	uint64_t out, in;
	bool first, counts = take_part(session, event, &out, &in, &first);

	/* One of before the session, in which nothing has come. */
	if (!first && out == 0 && in == 0)
		return;
	destination = reach(session, event, category);
	if (!counts)
		return;
	session->n_flows += first;
	session->bytes_out += out;
	session->bytes_in += in;
	if (!destination)
		return;
	destination->flows += first;
	destination->bytes_out += out;
	destination->bytes_in += in;
}

/* Of a flow that began before the session: what it has carried since it was told of. */
static void take_older(struct session *session, const struct event *event, const char *category)
{
	const struct session_flow *flow =
		event->flow ? session_flow(session, event->flow, false) : NULL;
	struct event part = *event;

	if (!flow && event->has & EVENT_IS_LIVE)
		know_flow(session, event);
	if (!flow)
		return;
	part.bytes_out -= part.bytes_out < flow->bytes_out ? part.bytes_out : flow->bytes_out;
	part.bytes_in -= part.bytes_in < flow->bytes_in ? part.bytes_in : flow->bytes_in;
	/* When it began is no start of this session's. */
	part.has &= (uint16_t)~EVENT_HAS_DURATION;
	part.flow = 0;
	take_flow(session, event, category);
	anomaly_take(session->anomaly, &part, category);
}

static void take_permitted(
	struct session *session, const struct event *event, const struct session_note *note)
{
	const char *category = note->category && note->category[0] ? note->category : NULL;

	switch (event->kind) {
	case EVENT_QUERY:
		take_query(session, event, note);
		break;
	case EVENT_LEASE:
		reach(session, event, category);
		break;
	case EVENT_CONNECTION:
		take_connection(session, event, category);
		break;
	case EVENT_FLOW:
		if (note->older)
			take_older(session, event, category);
		else
			take_flow(session, event, category);
		break;
	default:
		break;
	}
}

static void take_record(
	struct session *session, const struct event *event, const struct session_note *note)
{
	if (note->known && event->kind == EVENT_FLOW)
		know_flow(session, event);
	if (event->kind == EVENT_POLICY || note->known)
		return;
	if (event->kind == EVENT_LOST) {
		if (event->loss == EVENT_LOST_CONNECTIONS && event->verdict == EVENT_REFUSE)
			refuse(session, event, event->count);
	} else if (event->verdict == EVENT_REFUSE && event->kind != EVENT_FLOW) {
		refuse(session, event, 1);
	} else {
		take_permitted(session, event, note);
	}
	if (event->kind != EVENT_FLOW || !note->older)
		anomaly_take(session->anomaly, event, note->category);
	/* Of what a query adds only the guard has the ceiling. */
	if (event->kind != EVENT_QUERY)
		session_check_budget(session, event);
	pass(session, false);
}

void session_take(
	struct session *session, const struct event *event, const struct session_note *note)
{
	advance(session, event->time);
	session->event = event;
	session->category = note->category;
	session_note_budget(session, event);
	take_record(session, event, note);
	session->event = NULL;
}

/* --- Figures --- */

/* Ceilings that there are. */
static uint64_t raise(uint64_t ceiling, uint64_t amount, uint64_t most)
{
	if (ceiling == 0)
		return 0;
	return amount > most - ceiling ? most : ceiling + amount;
}

void session_set_ceilings(struct session *session)
{
	struct session_ceilings ceilings = session->config.ceilings;
	const uint64_t *by = session->extended;

	ceilings.destinations =
		(uint32_t)raise(ceilings.destinations, by[SESSION_KEY_DESTINATIONS], UINT32_MAX);
	ceilings.wildcard_names = (uint32_t)raise(
		ceilings.wildcard_names, by[SESSION_KEY_WILDCARD_NAMES], UINT32_MAX);
	ceilings.bytes = raise(ceilings.bytes, by[SESSION_KEY_BYTES], UINT64_MAX);
	ceilings.connections = raise(ceilings.connections, by[SESSION_KEY_CONNECTIONS], UINT64_MAX);
	session->ceilings = ceilings;
}

void session_extend(struct session *session, enum session_key key, uint64_t amount)
{
	static const enum alert_rule rules[SESSION_KEYS] = {
		[SESSION_KEY_DESTINATIONS] = ALERT_DESTINATIONS,
		[SESSION_KEY_WILDCARD_NAMES] = ALERT_WILDCARD_NAMES,
		[SESSION_KEY_BYTES] = ALERT_BYTES,
		[SESSION_KEY_CONNECTIONS] = ALERT_CONNECTIONS,
	};

	session->extended[key] = raise(session->extended[key] + 1, amount, INT64_MAX) - 1;
	session->told[rules[key]] = false;
	session_set_ceilings(session);
}

void session_figures(const struct session *session, struct session_figures *ret_figures)
{
	struct session_figures figures = {
		.since = session->since,
		.destinations = session->n_destinations,
		.unknown = census_count(&session->census, NULL),
		.wildcard_names = session->n_wildcard_names,
		.connections = session->n_connections > session->n_flows ? session->n_connections
									 : session->n_flows,
		.refused = session->refused,
		.bytes_out = session->bytes_out,
		.bytes_in = session->bytes_in,
		.is_full = session->is_full,
		.categories = session->census,
		.ceilings = session->ceilings,
	};

	memcpy(figures.alerts, session->alerts, sizeof(figures.alerts));
	memcpy(figures.suppressed, session->suppressed, sizeof(figures.suppressed));
	if (session->config.baseline) {
		figures.baseline_sessions = baseline_sessions(session->config.baseline);
		figures.baseline_ready = baseline_is_ready(session->config.baseline);
	}
	*ret_figures = figures;
}

uint64_t session_alerts(const struct session_figures *figures)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < ALERT_RULES; i++)
		sum += figures->alerts[i];
	return sum;
}
