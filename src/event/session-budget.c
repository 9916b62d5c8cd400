/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/session-own.h"

#include <stdio.h>
#include <string.h>

/*
 * Budgets: what of them is used, and one alert when a ceiling was passed, with what passed it. The
 * kernel, the keepers and the guard enforce budgets; they say by the rule of their records that one
 * was passed, and what they say counts. What is counted here reaches the same number by other ways,
 * and may be a record late: whichever comes first is told.
 */

enum {
	SHOWN_LAST = 5,  /* destinations that came last */
	SHOWN_MOST = 5,  /* that have most of something */
	SHOWN_KINDS = 3, /* categories */
};

double session_unknown_share(const struct session *session)
{
	if (session->n_destinations < SESSION_UNKNOWN_FROM)
		return 0;
	return (double)census_count(&session->census, NULL) / (double)session->n_destinations;
}

static double destinations_used(const struct session *session)
{
	return (double)session->n_destinations;
}

static double wildcards_used(const struct session *session)
{
	return (double)session->n_wildcard_names;
}

static double bytes_used(const struct session *session)
{
	return (double)session->bytes_out;
}

static double connections_used(const struct session *session)
{
	return (double)(session->n_connections > session->n_flows ? session->n_connections
								  : session->n_flows);
}

static double destinations_of(const struct session_ceilings *ceilings)
{
	return ceilings->destinations;
}

static double unknown_of(const struct session_ceilings *ceilings)
{
	return ceilings->unknown_share;
}

static double wildcards_of(const struct session_ceilings *ceilings)
{
	return ceilings->wildcard_names;
}

static double bytes_of(const struct session_ceilings *ceilings)
{
	return (double)ceilings->bytes;
}

static double connections_of(const struct session_ceilings *ceilings)
{
	return (double)ceilings->connections;
}

/* --- Evidence --- */

static const char *category_text(const struct destination *destination)
{
	return destination->category[0] ? destination->category : "unknown";
}

/* The destinations that came last: of the unknown share those without a category. */
static void add_latest(const struct session *session, struct alert *alert)
{
	bool only_unknown = alert->rule == ALERT_UNKNOWN_SHARE;
	unsigned shown = 0;

	for (unsigned i = session->n_kept; i > 0 && shown < SHOWN_LAST; i--) {
		const struct destination *destination = &session->kept[i - 1];
		char text[DESTINATION_TEXT];

		if (only_unknown && destination->category[0])
			continue;
		alert_add(alert, "%s%s (%.20s)",
			shown == 0 ? "last: " : "before it: ", destination_text(destination, text),
			category_text(destination));
		shown++;
	}
}

/* The categories with most destinations. */
static void add_kinds(const struct session *session, struct alert *alert)
{
	const struct census *census = &session->census;
	uint64_t shown = 0;

	for (unsigned n = 0; n < SHOWN_KINDS; n++) {
		const struct census_row *best = NULL;
		unsigned at = 0;

		for (unsigned i = 0; i < census->n_rows; i++)
			if (!(shown >> i & 1) && (!best || census->rows[i].count > best->count)) {
				best = &census->rows[i];
				at = i;
			}
		if (!best || best->count == 0)
			return;
		shown |= UINT64_C(1) << at;
		alert_add(alert, "%s: %u of %llu", best->word, best->count,
			(unsigned long long)session->n_destinations);
	}
}

_Static_assert(CENSUS_ROWS <= 64, "rows have a bit each");

static uint64_t sent_of(const struct destination *destination)
{
	return destination->bytes_out;
}

static uint64_t connections_to(const struct destination *destination)
{
	return destination->connections > destination->flows ? destination->connections
							     : destination->flows;
}

/* The destinations with most of something, which comes in `unit`. */
static void add_most(const struct session *session, struct alert *alert,
	uint64_t (*measure)(const struct destination *destination), const char *unit)
{
	unsigned top[SHOWN_MOST], n_top = 0;
	char text[DESTINATION_TEXT];

	for (unsigned i = 0; i < session->n_kept; i++) {
		uint64_t value = measure(&session->kept[i]);
		unsigned at = n_top;

		if (value == 0)
			continue;
		while (at > 0 && measure(&session->kept[top[at - 1]]) < value)
			at--;
		if (at == SHOWN_MOST)
			continue;
		if (n_top < SHOWN_MOST)
			n_top++;
		memmove(&top[at + 1], &top[at], (n_top - at - 1) * sizeof(top[0]));
		top[at] = i;
	}
	for (unsigned i = 0; i < n_top; i++)
		alert_add(alert, "%s: %llu %s", destination_text(&session->kept[top[i]], text),
			(unsigned long long)measure(&session->kept[top[i]]), unit);
}

static void show_destinations(const struct session *session, struct alert *alert)
{
	add_latest(session, alert);
	add_kinds(session, alert);
}

static void show_unknown(const struct session *session, struct alert *alert)
{
	alert_add(alert, "%u of %llu destinations have no category",
		census_count(&session->census, NULL), (unsigned long long)session->n_destinations);
	add_latest(session, alert);
}

static void show_wildcards(const struct session *session, struct alert *alert)
{
	alert_add(
		alert, "%llu names under wildcards", (unsigned long long)session->n_wildcard_names);
}

static void show_bytes(const struct session *session, struct alert *alert)
{
	add_most(session, alert, sent_of, "bytes sent");
}

static void show_connections(const struct session *session, struct alert *alert)
{
	add_most(session, alert, connections_to, "connections");
}

/* --- The rules --- */

static const struct budget_row {
	enum alert_rule rule;
	bool elsewhere; /* counted by each entry, which only the guard knows */
	double (*used)(const struct session *session);
	double (*of)(const struct session_ceilings *ceilings);
	void (*show)(const struct session *session, struct alert *alert);
} rows[] = {
	{ALERT_DESTINATIONS, false, destinations_used, destinations_of, show_destinations},
	{ALERT_UNKNOWN_SHARE, false, session_unknown_share, unknown_of, show_unknown},
	{ALERT_WILDCARD_NAMES, true, wildcards_used, wildcards_of, show_wildcards},
	{ALERT_BYTES, false, bytes_used, bytes_of, show_bytes},
	{ALERT_CONNECTIONS, false, connections_used, connections_of, show_connections},
};

static bool has_ceiling(const struct session *session, const struct budget_row *row)
{
	if (row->rule == ALERT_UNKNOWN_SHARE)
		return session->ceilings.has_unknown_share;
	return row->of(&session->ceilings) > 0;
}

/* The destination of the record, as the one that was too much. */
static void set_destination(struct alert *alert, const struct event *event)
{
	alert->name.length = event->name.length;
	memcpy(alert->name.wire, event->name.wire, event->name.length);
	alert->has_address = event->has & EVENT_HAS_ADDRESS;
	alert->address = event->address;
	if (event->has & EVENT_HAS_PORT) {
		alert->port = event->port;
		alert->protocol = event->protocol;
	}
}

static void tell(struct session *session, const struct budget_row *row, const struct event *event)
{
	struct alert alert;

	if (session->told[row->rule])
		return;
	alert_begin(&alert, row->rule, session->now);
	alert.refuses = session->ceilings.refuses;
	alert.threshold = row->of(&session->ceilings);
	alert.value = row->used(session);
	/* Who enforces it knows sooner. */
	if (alert.value <= alert.threshold)
		alert.value = alert.threshold + (alert_kind(row->rule)->unit == ALERT_COUNT);
	set_destination(&alert, event);
	row->show(session, &alert);
	if (session->is_full)
		alert_add(
			&alert, "there are more than can be told apart: figures may be too large");
	session_alert(session, &alert);
}

void session_check_budget(struct session *session, const struct event *event)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!rows[i].elsewhere && has_ceiling(session, &rows[i]) &&
			rows[i].used(session) > rows[i].of(&session->ceilings))
			tell(session, &rows[i], event);
}

void session_note_budget(struct session *session, const struct event *event)
{
	enum alert_rule rule;

	if (strncmp(event->rule, "budget-", strlen("budget-")) != 0)
		return;
	rule = alert_rule_of(event->rule);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].rule == rule)
			tell(session, &rows[i], event);
}
