/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/alert.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/event/json-out.h"

/*
 * Theory of operation
 *
 * An alert says what was passed, by how much and which destinations stand out, in sentences that a
 * person reads and nobody parses: the numbers are members of their own. It holds nothing but what
 * fits, and its line has room for all of that, so that no destination's name can push anything out.
 */

static const struct alert_kind kinds[ALERT_RULES] = {
	[ALERT_DESTINATIONS] = {"budget-destinations", ALERT_OF_BUDGET, ALERT_COUNT, false,
		"more destinations than the budget has"},
	[ALERT_UNKNOWN_SHARE] = {"budget-unknown-share", ALERT_OF_BUDGET, ALERT_SHARE, false,
		"more of the destinations without a category than the budget has"},
	[ALERT_WILDCARD_NAMES] = {"budget-wildcard-names", ALERT_OF_BUDGET, ALERT_COUNT, false,
		"more names under wildcards than the budget has"},
	[ALERT_BYTES] = {"budget-bytes", ALERT_OF_BUDGET, ALERT_OCTETS, false,
		"more bytes sent than the budget has"},
	[ALERT_CONNECTIONS] = {"budget-connections", ALERT_OF_BUDGET, ALERT_COUNT, false,
		"more connections than the budget has"},
	[ALERT_CATEGORIES] = {"categories", ALERT_OF_ANOMALY, ALERT_SCORE, false,
		"other categories of destinations than in earlier sessions"},
	[ALERT_UPLOAD] = {"upload", ALERT_OF_ANOMALY, ALERT_OCTETS, true,
		"one long upload to one destination"},
	[ALERT_RATIO] = {"upload-ratio", ALERT_OF_ANOMALY, ALERT_TIMES, true,
		"a destination that takes far more than it gives"},
	[ALERT_UPLOAD_BURST] = {"upload-burst", ALERT_OF_ANOMALY, ALERT_OCTETS, true,
		"much sent within a short time"},
	[ALERT_ENCODED_NAMES] = {"encoded-names", ALERT_OF_ANOMALY, ALERT_COUNT, true,
		"names that look like data"},
	[ALERT_BEACON] = {"beacon", ALERT_OF_ANOMALY, ALERT_COUNT, true,
		"connections at regular intervals"},
	[ALERT_REFUSALS] = {"refusals", ALERT_OF_REFUSALS, ALERT_COUNT, false,
		"a burst of refusals"},
};

enum {
	SHORT_MAX = 128,
	REASON_MAX = 512,
	NUMBER_MAX = 24,
	KEYS_MAX = 256,
};

_Static_assert(JSON_OUT_NAME + 4 * SHORT_MAX + REASON_MAX + 6 * NUMBER_MAX + KEYS_MAX +
			       ALERT_EVIDENCE * (ALERT_TEXT + 3) <=
		       EVENT_LINE,
	"a line has room for all that it may hold");

const struct alert_kind *alert_kind(enum alert_rule rule)
{
	return &kinds[rule];
}

enum alert_rule alert_rule_of(const char *id)
{
	for (unsigned i = 0; i < ALERT_RULES; i++)
		if (strcmp(kinds[i].id, id) == 0)
			return (enum alert_rule)i;
	return ALERT_RULES;
}

void alert_begin(struct alert *alert, enum alert_rule rule, int64_t time)
{
	memset(alert, 0, sizeof(*alert));
	alert->rule = rule;
	alert->time = time;
	alert->port = ALERT_NO_PORT;
	alert->p = -1;
}

void alert_add(struct alert *alert, const char *format, ...)
{
	va_list arguments;
	char *text;

	if (alert->n_evidence >= ALERT_EVIDENCE)
		return;
	text = alert->evidence[alert->n_evidence++];
	va_start(arguments, format);
	vsnprintf(text, ALERT_TEXT, format, arguments);
	va_end(arguments);
	for (char *at = text; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
}

/* --- A line --- */

static void put_destination(struct writer *out, const struct alert *alert)
{
	if (alert->name.length > 0) {
		json_out_raw(out, ",\"name\":");
		json_out_name(out, &alert->name);
	}
	if (alert->has_address) {
		json_out_raw(out, ",\"address\":");
		json_out_inaddr(out, &alert->address);
	}
	if (alert->port != ALERT_NO_PORT) {
		json_out_raw(out, ",\"port\":");
		json_out_number(out, (uint64_t)alert->port);
		json_out_raw(out, ",\"protocol\":");
		json_out_protocol(out, alert->protocol);
	}
}

static void put_numbers(struct writer *out, const struct alert *alert)
{
	json_out_raw(out, ",\"value\":");
	json_out_real(out, alert->value);
	json_out_raw(out, ",\"threshold\":");
	json_out_real(out, alert->threshold);
	if (alert->p >= 0) {
		json_out_raw(out, ",\"p\":");
		json_out_real(out, alert->p);
	}
}

/* What a sentence is written as is no longer than it may be: of quotes and backslashes, which take
 * two bytes, the last ones are cut. */
static void put_evidence(struct writer *out, const struct alert *alert)
{
	if (alert->n_evidence == 0)
		return;
	json_out_raw(out, ",\"evidence\":[");
	for (unsigned i = 0; i < alert->n_evidence; i++) {
		if (i > 0)
			json_out_raw(out, ",");
		json_out_text(out, alert->evidence[i], ALERT_TEXT);
	}
	json_out_raw(out, "]");
}

static void put_suppressed(struct writer *out, const struct alert *alert)
{
	if (alert->suppressed == 0)
		return;
	json_out_raw(out, ",\"suppressed\":");
	json_out_number(out, alert->suppressed);
}

static void put_text(struct writer *out, const char *key, const char *text, size_t most)
{
	if (!text)
		return;
	json_out_raw(out, key);
	json_out_text(out, text, most);
}

size_t alert_to_json(
	const struct alert *alert, const struct event_context *context, char out[EVENT_LINE])
{
	struct writer writer = writer_over(out, EVENT_LINE);

	json_out_raw(&writer, "{\"time\":");
	json_out_time(&writer, alert->time);
	json_out_raw(&writer, ",\"kind\":\"alert\"");
	put_text(&writer, ",\"policy\":", context->policy, SHORT_MAX);
	put_text(&writer, ",\"session\":", context->session, SHORT_MAX);
	put_text(&writer, ",\"verdict\":", alert->refuses ? "refuse" : "flag", SHORT_MAX);
	put_text(&writer, ",\"rule\":", kinds[alert->rule].id, SHORT_MAX);
	put_destination(&writer, alert);
	put_numbers(&writer, alert);
	put_evidence(&writer, alert);
	put_suppressed(&writer, alert);
	put_text(&writer,
		",\"category\":", alert->category[0] ? alert->category : context->category,
		SHORT_MAX);
	put_text(&writer, ",\"reason\":", context->reason, REASON_MAX);
	json_out_raw(&writer, "}\n");
	return writer.pos;
}
