/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/rendering.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "src/base/json-parts.h"

/*
 * A digest as JSON, one object; egress-run(1) describes it to users, under "Reports":
 *
 *	version      1
 *	program, command, ending    text, or null
 *	policy       {"name", "file", "overrides": [file...], "observe": whether it only observes}
 *	started, ended    "2026-11-21T13:05:02.123456Z"
 *	destinations      distinct names and bare addresses reached
 *	bytes_out, bytes_in
 *	reached, observed, refused, named    {"rows": [ROW...], "more": records beyond the rows}
 *	ceilings     [{"name", "used", "most", "refuses"}...]
 *	categories   [{"name" or null, "destinations", "connections", "bytes_out", "bytes_in",
 *	             "refused"}...]
 *	alerts       {"rows": [ALERT...], "more": alerts beyond the rows, "suppressed": alerts of
 *	             which no record was made}
 *	sessions     {"rows": [SESSION...], "more": records of sessions beyond the rows}
 *	timeline     {"start", "width": seconds, "slots": [SLOT...]}, or null
 *	lost         {"queries", "connections", "flows", "others", "malformed", "refused"}
 *	complete     false: records are missing, nobody knows how many
 *
 * ROW is:
 *
 *	name, address, protocol, port    null where there is none; of a name that was only asked
 *	             for, all but the name are
 *	rule, category    or null
 *	times        connections, or how often the name was asked for
 *	bytes_out, packets_out, bytes_in, packets_in
 *	first, last
 *	live, flagged
 *	place        "egress.toml:12" of the rule, or null
 *	says, option, entry    of what was refused: why; the option that would permit it; the same
 *	             as lines of a policy; or null
 *	refusal      of what was permitted: lines of a policy that would refuse it; or null
 *
 * ALERT has the members of its record (egress-events(5)), null where there is none.
 *
 * SESSION is:
 *
 *	session, policy
 *	first, last  times of its records
 *	ended        whether it said so
 *	records, destinations, unknown, wildcard_names, connections, refused, bytes_out, bytes_in,
 *	alerts, lost
 *	at_least     true: there may have been more destinations
 *	budget       key -> {"used", "of"}
 *	categories   name -> destinations
 *	baseline     {"sessions", "state"}, or null
 *
 * SLOT is {"reached", "observed", "refused", "bytes_out", "bytes_in"}.
 */

static json_t *text_or_null(const char *text)
{
	return json_parts_clean(text && *text ? text : NULL);
}

static json_t *time_of(int64_t at)
{
	char text[RENDERING_TIME + 8], whole[RENDERING_TIME];

	if (at < 0 || at == INT64_MAX)
		return json_null();
	rendering_time(at, whole);
	if (strlen(whole) < 19)
		return json_null();
	/* "2026-11-21 13:05:02 UTC" */
	snprintf(text, sizeof(text), "%.10sT%.8s.%06dZ", whole, whole + 11, (int)(at % 1000000));
	return json_string(text);
}

static json_t *bytes_object(uint64_t bytes_out, uint64_t bytes_in)
{
	return json_pack("{s:o, s:o}", "bytes_out", json_parts_count(bytes_out), "bytes_in",
		json_parts_count(bytes_in));
}

static json_t *advice_object(const struct advice *advice)
{
	/* The entry has line feeds, and nothing else that isn't plain. */
	return json_pack("{s:o, s:o, s:o, s:s?, s:s?}", "place", text_or_null(advice->place),
		"says", text_or_null(advice->says), "option", text_or_null(advice->option), "entry",
		advice->entry, "refusal", advice->refusal);
}

static json_t *row_object(const struct digest_row *row, const struct advice *advice)
{
	char address[INADDR_TEXT];
	json_t *where = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "name", text_or_null(row->name),
		"address",
		text_or_null(row->has_address ? inaddr_to_text(&row->address, address) : NULL),
		"protocol", text_or_null(row->protocol), "port",
		json_parts_number(row->port >= 0, row->port), "rule", text_or_null(row->rule),
		"category", text_or_null(row->category));
	json_t *counts = json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:b}", "times",
		json_parts_count(row->times), "packets_out", json_parts_count(row->packets_out),
		"packets_in", json_parts_count(row->packets_in), "first", time_of(row->first),
		"last", time_of(row->last), "live", row->live, "flagged", row->flagged);
	json_t *object = json_parts_join(where, counts);

	object = json_parts_join(object, bytes_object(row->bytes_out, row->bytes_in));
	return json_parts_join(object, advice_object(advice));
}

static json_t *rows_object(const struct rendering_rows *rows)
{
	json_t *array = json_array();

	for (size_t i = 0; i < rows->count; i++)
		array = json_parts_add(array, row_object(rows->rows[i], &rows->advice[i]));
	return json_pack("{s:o, s:o}", "rows", array, "more", json_parts_count(rows->sum.records));
}

static json_t *policy_object(const struct rendering *it)
{
	const struct layers *layers = it->about->layers;
	const struct policy *base = layers->layers[0].policy;
	json_t *overrides;

	if (it->about->unread)
		return json_pack("{s:o, s:n, s:[], s:n}", "name", text_or_null(it->policy), "file",
			"overrides", "observe");
	overrides = json_array();
	for (size_t i = 1; i < layers->n_layers; i++)
		overrides =
			json_parts_add(overrides, json_parts_clean(layers->layers[i].policy->file));
	return json_pack("{s:o, s:o, s:o, s:b}", "name", text_or_null(base->name), "file",
		text_or_null(base->file), "overrides", overrides, "observe", base->observe);
}

static json_t *ceilings_array(const struct rendering *it)
{
	json_t *array = json_array();

	for (size_t i = 0; i < it->n_ceilings; i++) {
		const struct rendering_ceiling *ceiling = &it->ceilings[i];

		array = json_parts_add(array,
			json_pack("{s:s, s:o, s:o, s:b}", "name", ceiling->name, "used",
				json_parts_count(ceiling->used), "most",
				json_parts_count(ceiling->most), "refuses", ceiling->refuses));
	}
	return array;
}

static json_t *categories_array(const struct rendering *it)
{
	json_t *array = json_array();

	for (size_t i = 0; i < it->n_categories; i++) {
		const struct rendering_category *category = &it->categories[i];
		json_t *object = json_pack("{s:o, s:o, s:o}", "name", text_or_null(category->name),
			"destinations", json_parts_count(category->rows), "connections",
			json_parts_count(category->times));

		object = json_parts_join(
			object, json_pack("{s:o}", "refused", json_parts_count(category->refused)));

		array = json_parts_add(
			array, json_parts_join(object,
				       bytes_object(category->bytes_out, category->bytes_in)));
	}
	return array;
}

static json_t *timeline_object(const struct digest_timeline *timeline)
{
	json_t *slots = json_array();

	if (timeline->n_slots == 0) {
		json_decref(slots);
		return json_null();
	}
	for (size_t i = 0; i < timeline->n_slots; i++) {
		const struct digest_slot *slot = &timeline->slots[i];
		json_t *object = json_pack("{s:o, s:o, s:o}", "reached",
			json_parts_count(slot->times[DIGEST_REACHED]), "observed",
			json_parts_count(slot->times[DIGEST_OBSERVED]), "refused",
			json_parts_count(slot->times[DIGEST_REFUSED]));

		slots = json_parts_add(slots,
			json_parts_join(object, bytes_object(slot->bytes_out, slot->bytes_in)));
	}
	return json_pack("{s:o, s:o, s:o}", "start", time_of(timeline->start), "width",
		json_parts_count((uint64_t)timeline->width / 1000000), "slots", slots);
}

/* --- Alerts and sessions --- */

static json_t *evidence_array(const struct alerts_row *row)
{
	json_t *array = json_array();

	for (size_t i = 0; i < row->n_evidence; i++)
		array = json_parts_add(array, json_parts_clean(row->evidence[i]));
	return array;
}

static json_t *alert_object(const struct alerts_row *row)
{
	char address[INADDR_TEXT];
	json_t *what = json_pack("{s:o, s:o, s:o, s:o, s:s}", "time", time_of(row->at), "policy",
		text_or_null(row->policy), "session", text_or_null(row->session), "rule",
		text_or_null(row->rule), "verdict", row->refuses ? "refuse" : "flag");
	json_t *where = json_pack("{s:o, s:o, s:o, s:o}", "name", text_or_null(row->name),
		"address",
		text_or_null(row->has_address ? inaddr_to_text(&row->address, address) : NULL),
		"protocol", text_or_null(row->protocol), "port",
		json_parts_number(row->port >= 0, row->port));
	json_t *numbers = json_pack("{s:f, s:f, s:o, s:o, s:o}", "value", row->value, "threshold",
		row->threshold, "p", row->p >= 0 ? json_real(row->p) : json_null(), "evidence",
		evidence_array(row), "suppressed", json_parts_count(row->suppressed));

	return json_parts_join(json_parts_join(what, where), numbers);
}

static json_t *alerts_object(const struct alerts *alerts)
{
	json_t *array = json_array();

	for (size_t i = 0; i < alerts_count(alerts); i++)
		array = json_parts_add(array, alert_object(alerts_at(alerts, i)));
	return json_pack("{s:o, s:o, s:o}", "rows", array, "more",
		json_parts_count(alerts_more(alerts)), "suppressed",
		json_parts_count(alerts_suppressed(alerts)));
}

static json_t *budget_object(const struct record_session *figures)
{
	json_t *object = json_object();

	for (size_t i = 0; i < figures->n_budgets; i++)
		object = json_parts_set(object, figures->budgets[i].key,
			json_pack("{s:f, s:f}", "used", figures->budgets[i].used, "of",
				figures->budgets[i].of));
	return object;
}

/* Names that differ only in what does not show are one. */
static json_t *kinds_object(const struct record_session *figures)
{
	json_t *object = json_object();

	for (size_t i = 0; i < figures->n_categories; i++) {
		json_t *key = json_parts_clean(figures->categories[i].name);

		object = json_parts_set(object, json_string_value(key),
			json_parts_count(figures->categories[i].destinations));
		json_decref(key);
	}
	return object;
}

static json_t *baseline_object(const struct record_session *figures)
{
	if (*figures->baseline == '\0')
		return json_null();
	return json_pack("{s:o, s:s}", "sessions", json_parts_count(figures->baseline_sessions),
		"state", figures->baseline);
}

static json_t *session_object(const struct sessions_row *row)
{
	json_t *head = json_pack("{s:o, s:o, s:o, s:o, s:b, s:o}", "session", text_or_null(row->id),
		"policy", text_or_null(row->policy), "first", time_of(row->first), "last",
		time_of(row->last), "ended", row->ended, "records", json_parts_count(row->records));
	json_t *counts = json_pack("{s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "destinations",
		json_parts_count(row->destinations), "at_least", row->at_least, "unknown",
		json_parts_count(row->unknown), "wildcard_names",
		json_parts_count(row->wildcard_names), "connections",
		json_parts_count(row->connections), "refused", json_parts_count(row->refused),
		"alerts", json_parts_count(row->alerts), "lost", json_parts_count(row->lost));
	json_t *told =
		json_pack("{s:o, s:o, s:o}", "budget", budget_object(&row->figures), "categories",
			kinds_object(&row->figures), "baseline", baseline_object(&row->figures));

	return json_parts_join(json_parts_join(json_parts_join(head, counts),
				       bytes_object(row->bytes_out, row->bytes_in)),
		told);
}

static json_t *sessions_object(const struct rendering *it)
{
	json_t *array = json_array();

	for (size_t i = 0; i < it->n_sessions; i++)
		array = json_parts_add(array, session_object(it->sessions[i]));
	return json_pack("{s:o, s:o}", "rows", array, "more",
		json_parts_count(sessions_more(digest_sessions(it->digest))));
}

static json_t *lost_object(const struct digest_lost *lost)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "queries",
		json_parts_count(lost->queries), "connections", json_parts_count(lost->connections),
		"flows", json_parts_count(lost->flows), "others", json_parts_count(lost->others),
		"malformed", json_parts_count(lost->malformed), "refused",
		json_parts_count(lost->refused));
}

static json_t *root_object(const struct rendering *it)
{
	const struct rendering_about *about = it->about;
	const struct rendering_rows *rows = it->outcomes;
	json_t *head = json_pack("{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "version", 1,
		"program", about->program, "command", text_or_null(about->command), "ending",
		text_or_null(about->ending), "policy", policy_object(it), "started",
		time_of(about->started), "ended", time_of(about->ended), "destinations",
		json_parts_count(it->destinations));
	json_t *lists = json_pack("{s:o, s:o, s:o, s:o}", "reached",
		rows_object(&rows[DIGEST_REACHED]), "observed", rows_object(&rows[DIGEST_OBSERVED]),
		"refused", rows_object(&rows[DIGEST_REFUSED]), "named",
		rows_object(&rows[DIGEST_NAMED]));
	json_t *rest = json_pack("{s:o, s:o, s:o, s:o, s:b}", "ceilings", ceilings_array(it),
		"categories", categories_array(it), "timeline",
		timeline_object(digest_timeline(it->digest)), "lost",
		lost_object(digest_lost(it->digest)), "complete", !about->incomplete);
	json_t *more = json_pack("{s:o, s:o}", "alerts", alerts_object(digest_alerts(it->digest)),
		"sessions", sessions_object(it));
	json_t *bytes = bytes_object(
		rows[DIGEST_REACHED].sum.bytes_out + rows[DIGEST_OBSERVED].sum.bytes_out,
		rows[DIGEST_REACHED].sum.bytes_in + rows[DIGEST_OBSERVED].sum.bytes_in);

	return json_parts_join(
		json_parts_join(json_parts_join(json_parts_join(head, bytes), lists), more), rest);
}

int digest_as_json(const struct rendering *it, FILE *out)
{
	return json_parts_write(root_object(it), out);
}

int digest_as_sessions_json(const struct rendering *it, FILE *out)
{
	return json_parts_write(sessions_object(it), out);
}
