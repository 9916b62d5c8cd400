/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/session-json.h"

#include <string.h>

#include "src/event/json-out.h"

/*
 * The record of a session: its figures at one moment. The last one of a session is what later ones
 * are compared with, so a file of these is all that a baseline is.
 */

enum {
	SHORT_MAX = 128,
	NUMBER_MAX = 20,
	COUNT_MAX = 10, /* of 32 bits */
	NUMBERS = 9,
	BUDGETS = 5,
	KEYS_MAX = 640, /* of all members together */
};

_Static_assert(KEYS_MAX + 2 * SHORT_MAX + NUMBERS * NUMBER_MAX + BUDGETS * (2 * NUMBER_MAX + 40) +
			       CENSUS_ROWS * (CENSUS_WORD + COUNT_MAX + 4) <=
		       EVENT_LINE,
	"a line has room for all that it may hold");

static const char *const phases[SESSION_PHASES] = {
	[SESSION_START] = "start",
	[SESSION_NEW] = "new",
	[SESSION_EXTEND] = "extend",
	[SESSION_SUMMARY] = "summary",
	[SESSION_END] = "end",
};

/* Parts of a budget, as [budget] and the record call them. */
struct budget {
	const char *key;
	bool has; /* a ceiling */
	bool is_share;
	double used;
	double of;
};

static void list_budget(const struct session_figures *figures, struct budget ret[BUDGETS])
{
	const struct session_ceilings *of = &figures->ceilings;
	double share = figures->destinations > 0
			       ? (double)figures->unknown / (double)figures->destinations
			       : 0;
	const struct budget rows[BUDGETS] = {
		{"destinations", of->destinations > 0, false, (double)figures->destinations,
			of->destinations},
		{"unknown_share", of->has_unknown_share, true, share, of->unknown_share},
		{"wildcard_names", of->wildcard_names > 0, false, (double)figures->wildcard_names,
			of->wildcard_names},
		{"bytes", of->bytes > 0, false, (double)figures->bytes_out, (double)of->bytes},
		{"connections", of->connections > 0, false, (double)figures->connections,
			(double)of->connections},
	};

	memcpy(ret, rows, sizeof(rows));
}

static void put_number(struct writer *out, const char *key, uint64_t number)
{
	json_out_raw(out, key);
	json_out_number(out, number);
}

static void put_categories(struct writer *out, const struct census *census)
{
	bool any = false;

	json_out_raw(out, ",\"categories\":{");
	for (unsigned i = 0; i < census->n_rows; i++) {
		if (census->rows[i].count == 0)
			continue;
		json_out_raw(out, any ? "," : "");
		json_out_text(out, census->rows[i].word, CENSUS_WORD);
		put_number(out, ":", census->rows[i].count);
		any = true;
	}
	json_out_raw(out, "}");
}

/* A number that is a count, but for shares. */
static void put_value(struct writer *out, const char *key, double value, bool is_share)
{
	json_out_raw(out, key);
	if (is_share)
		json_out_real(out, value);
	else
		json_out_number(out, value < 9e18 ? (uint64_t)value : INT64_MAX);
}

static void put_budget(struct writer *out, const struct session_figures *figures)
{
	struct budget budget[BUDGETS];
	bool any = false;

	list_budget(figures, budget);
	for (unsigned i = 0; i < BUDGETS; i++) {
		if (!budget[i].has)
			continue;
		json_out_raw(out, any ? ",\"" : ",\"budget\":{\"");
		json_out_raw(out, budget[i].key);
		put_value(out, "\":{\"used\":", budget[i].used, budget[i].is_share);
		put_value(out, ",\"of\":", budget[i].of, budget[i].is_share);
		json_out_raw(out, "}");
		any = true;
	}
	json_out_raw(out, any ? "}" : "");
}

static void put_baseline(struct writer *out, const struct session_figures *figures)
{
	put_number(out, ",\"baseline\":{\"sessions\":", figures->baseline_sessions);
	json_out_raw(out, ",\"state\":\"");
	json_out_raw(out, figures->baseline_ready          ? "ready"
			  : figures->baseline_sessions > 0 ? "learning"
							   : "cold");
	json_out_raw(out, "\"}");
}

size_t session_to_json(const struct session_figures *figures, enum session_phase phase,
	int64_t time, const struct event_context *context, char out[EVENT_LINE])
{
	struct writer writer = writer_over(out, EVENT_LINE);

	json_out_raw(&writer, "{\"time\":");
	json_out_time(&writer, time);
	json_out_raw(&writer, ",\"kind\":\"session\",\"policy\":");
	json_out_text(&writer, context->policy, SHORT_MAX);
	json_out_raw(&writer, ",\"session\":");
	json_out_text(&writer, context->session, SHORT_MAX);
	json_out_raw(&writer, ",\"phase\":\"");
	json_out_raw(&writer, phases[phase]);
	json_out_raw(&writer, "\",\"since\":");
	json_out_time(&writer, figures->since ? figures->since : time);
	put_number(&writer, ",\"destinations\":", figures->destinations);
	put_number(&writer, ",\"unknown\":", figures->unknown);
	put_number(&writer, ",\"wildcard_names\":", figures->wildcard_names);
	put_number(&writer, ",\"connections\":", figures->connections);
	put_number(&writer, ",\"refused\":", figures->refused);
	put_number(&writer, ",\"bytes_out\":", figures->bytes_out);
	put_number(&writer, ",\"bytes_in\":", figures->bytes_in);
	put_number(&writer, ",\"alerts\":", session_alerts(figures));
	put_categories(&writer, &figures->categories);
	put_budget(&writer, figures);
	put_baseline(&writer, figures);
	json_out_raw(&writer, "}\n");
	return writer.pos;
}
