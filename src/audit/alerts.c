/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/alerts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/audit/rendering.h"
#include "src/audit/strings.h"
#include "src/event/alert.h"

#define TEXTS_MAX ((size_t)4 << 20)

struct alerts {
	struct strings *strings;
	struct alerts_row rows[ALERTS_KEPT];
	size_t count;
	uint64_t more;
	uint64_t suppressed;
};

int alerts_new(struct alerts **ret_alerts)
{
	struct alerts *alerts = calloc(1, sizeof(*alerts));
	int error = alerts ? strings_new(TEXTS_MAX, &alerts->strings) : -ENOMEM;

	if (error)
		alerts_free(alerts);
	else
		*ret_alerts = alerts;
	return error;
}

void alerts_free(struct alerts *alerts)
{
	if (!alerts)
		return;
	strings_free(alerts->strings);
	free(alerts);
}

/* All of them, or false. */
static bool keep_texts(struct alerts *alerts, const struct record *record, struct alerts_row *row)
{
	const struct {
		const char *given;
		const char **kept;
	} texts[] = {
		{record->policy, &row->policy},
		{record->session, &row->session},
		{record->rule, &row->rule},
		{record->name, &row->name},
		{record->protocol, &row->protocol},
	};
	bool good = true;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		*texts[i].kept = strings_keep(alerts->strings, texts[i].given);
		good &= *texts[i].kept != NULL;
	}
	for (size_t i = 0; i < record->n_evidence; i++) {
		row->evidence[i] = strings_keep(alerts->strings, record->evidence[i]);
		good &= row->evidence[i] != NULL;
	}
	return good;
}

void alerts_take(struct alerts *alerts, const struct record *record)
{
	struct alerts_row row = {
		.at = record->at,
		.refuses = record->verdict == VERDICT_REFUSE,
		.has_address = record->has_address,
		.address = record->address,
		.port = record->port,
		.value = record->value,
		.threshold = record->threshold,
		.p = record->p,
		.n_evidence = record->n_evidence,
		.suppressed = record->suppressed,
	};

	alerts->suppressed += record->suppressed;
	if (alerts->count < ALERTS_KEPT && keep_texts(alerts, record, &row))
		alerts->rows[alerts->count++] = row;
	else
		alerts->more++;
}

size_t alerts_count(const struct alerts *alerts)
{
	return alerts->count;
}

const struct alerts_row *alerts_at(const struct alerts *alerts, size_t index)
{
	return &alerts->rows[index];
}

uint64_t alerts_more(const struct alerts *alerts)
{
	return alerts->more;
}

bool alerts_were_short(const struct alerts *alerts)
{
	return strings_were_short(alerts->strings);
}

uint64_t alerts_suppressed(const struct alerts *alerts)
{
	return alerts->suppressed;
}

/* --- As words --- */

const char *alerts_where(const struct alerts_row *row, char *out)
{
	char address[INADDR_TEXT] = "", port[16] = "";

	if (row->has_address)
		inaddr_to_text(&row->address, address);
	if (row->port >= 0)
		snprintf(port, sizeof(port), "/%d", row->port);
	snprintf(out, ALERTS_WHERE, "%s%s%s%s", *row->name ? row->name : address,
		*row->protocol ? " " : "", row->protocol, *row->protocol ? port : "");
	return out;
}

static enum alert_unit unit_of(const char *rule)
{
	enum alert_rule known = alert_rule_of(rule);

	return known < ALERT_RULES ? alert_kind(known)->unit : ALERT_SCORE;
}

/* In the unit of the rule. */
static const char *number_of(const char *rule, double value, char out[32])
{
	char bytes[RENDERING_BYTES];

	switch (unit_of(rule)) {
	case ALERT_OCTETS:
		snprintf(out, 32, "%s",
			rendering_bytes(value < 1e19 ? (uint64_t)value : UINT64_MAX, bytes));
		break;
	case ALERT_SHARE:
		snprintf(out, 32, "%.3g %%", value * 100);
		break;
	case ALERT_TIMES:
		snprintf(out, 32, "%.3g times", value);
		break;
	case ALERT_COUNT:
		snprintf(out, 32, value < 1e15 ? "%.0f" : "%g", value);
		break;
	default:
		snprintf(out, 32, "%.6g", value);
	}
	return out;
}

const char *alerts_numbers(const struct alerts_row *row, char *out)
{
	char value[32], threshold[32], p[40] = "";

	if (row->p >= 0)
		snprintf(p, sizeof(p), "; p = %.2g", row->p);
	snprintf(out, ALERTS_NUMBERS, "%s, threshold %s%s", number_of(row->rule, row->value, value),
		number_of(row->rule, row->threshold, threshold), p);
	return out;
}

const char *alerts_meaning(const char *rule)
{
	enum alert_rule known = alert_rule_of(rule);

	return known < ALERT_RULES ? alert_kind(known)->summary : NULL;
}
