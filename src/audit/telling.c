/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/telling.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "rules/describe.h"
#include "src/audit/alerts.h"
#include "src/audit/rendering.h"
#include "src/audit/sessions.h"
#include "src/base/text.h"

/*
 *	2026-11-21 13:05:02.123 refused   query      other.lab.example A NXDOMAIN (default-deny)
 *
 * All of a record but its category and reason is printable ASCII already, see record.h.
 */

static const char *const paints[] = {
	[VERDICT_PERMIT] = "\033[32m",
	[VERDICT_FLAG] = "\033[33m",
	[VERDICT_OBSERVE] = "\033[33m",
	[VERDICT_REFUSE] = "\033[31m",
};

static void put_time(int64_t at, FILE *out)
{
	char time[RENDERING_TIME];

	fprintf(out, "%.19s.%03d ", rendering_time(at, time), (int)(at / 1000 % 1000));
}

/* "api.example.com (192.0.2.1) tcp/443" */
static void put_where(const struct record *record, FILE *out)
{
	char address[INADDR_TEXT] = "";

	if (record->has_address)
		inaddr_to_text(&record->address, address);
	if (*record->name && *address)
		fprintf(out, "%s (%s)", record->name, address);
	else
		fputs(*record->name ? record->name : *address ? address : "-", out);
	if (*record->protocol)
		fprintf(out, " %s", record->protocol);
	if (*record->protocol && record->port >= 0)
		fprintf(out, "/%d", record->port);
}

static void put_query(const struct record *record, FILE *out)
{
	fprintf(out, "%s %s%s%s", *record->name ? record->name : ".", record->type,
		*record->rcode ? " " : "", record->rcode);
}

static void put_lease(const struct record *record, FILE *out)
{
	put_where(record, out);
	fprintf(out, "%s%s for %" PRIu64 " s", *record->ports ? " " : "", record->ports,
		record->lease);
}

static void put_connection(const struct record *record, FILE *out)
{
	put_where(record, out);
	if (record->user >= 0)
		fprintf(out, " by user %" PRId64, record->user);
	if (*record->cgroup)
		fprintf(out, " in %s", record->cgroup);
	else if (record->cgroup_id > 0)
		fprintf(out, " in control group %" PRIu64, record->cgroup_id);
}

static void put_flow(const struct record *record, FILE *out)
{
	char sent[RENDERING_BYTES], received[RENDERING_BYTES], span[RENDERING_SPAN];
	const double most = 1e12;
	const double seconds = record->duration < most ? record->duration : most;

	put_where(record, out);
	fprintf(out, " sent %s, received %s", rendering_bytes(record->bytes_out, sent),
		rendering_bytes(record->bytes_in, received));
	if (record->live)
		fputs(", goes on", out);
	else
		fprintf(out, " in %s", rendering_span((int64_t)(seconds * 1e6), span));
}

static void put_alert(const struct record *record, FILE *out)
{
	const struct alerts_row row = {
		.rule = record->rule,
		.name = record->name,
		.protocol = record->protocol,
		.has_address = record->has_address,
		.address = record->address,
		.port = record->port,
		.value = record->value,
		.threshold = record->threshold,
		.p = record->p,
	};
	const char *meaning = alerts_meaning(record->rule);
	char where[ALERTS_WHERE], numbers[ALERTS_NUMBERS];

	alerts_where(&row, where);
	fprintf(out, "%s%s%s: %s%s%s", record->rule, *where ? " " : "", where,
		meaning ? meaning : "", meaning ? ": " : "", alerts_numbers(&row, numbers));
	for (size_t i = 0; i < record->n_evidence; i++)
		fprintf(out, "; %s", record->evidence[i]);
}

static void put_session(const struct record *record, FILE *out)
{
	const struct record_session *figures = record->figures;
	char sent[RENDERING_BYTES], received[RENDERING_BYTES], use[SESSIONS_USE];

	fprintf(out,
		"%s %s: %" PRIu64 " destinations, %" PRIu64 " connections, %" PRIu64
		" refused, sent %s, received %s, %" PRIu64 " alerts",
		*record->session ? record->session : "-", record->phase, record->destinations,
		record->connections, record->refused, rendering_bytes(record->bytes_out, sent),
		rendering_bytes(record->bytes_in, received), record->alerts);
	for (size_t i = 0; i < figures->n_budgets; i++)
		fprintf(out, "; %s %s", figures->budgets[i].key,
			sessions_use(&figures->budgets[i], use));
	if (*figures->baseline)
		fprintf(out, "; baseline %s", figures->baseline);
}

static void put_policy(const struct record *record, FILE *out)
{
	fprintf(out, "%s is in force", *record->policy ? record->policy : "a policy");
}

static void put_lost(const struct record *record, FILE *out)
{
	if (record->verdict == VERDICT_REFUSE && *record->rule) {
		fprintf(out, "%" PRIu64 " more connections were refused", record->count);
		return;
	}
	fprintf(out, "%" PRIu64 " records of %s are missing", record->count,
		*record->what ? record->what : "something");
}

static void put_other(const struct record *record, FILE *out)
{
	(void)record;
	fputs("(of a kind that this version does not know)", out);
}

static void (*const tellers[RECORD_KINDS])(const struct record *record, FILE *out) = {
	[RECORD_QUERY] = put_query,
	[RECORD_LEASE] = put_lease,
	[RECORD_CONNECTION] = put_connection,
	[RECORD_FLOW] = put_flow,
	[RECORD_ALERT] = put_alert,
	[RECORD_SESSION] = put_session,
	[RECORD_POLICY] = put_policy,
	[RECORD_LOST] = put_lost,
	[RECORD_OTHER] = put_other,
};

/* What the policy says of it, which may be any text. */
static void put_remarks(const struct record *record, FILE *out)
{
	const char *const texts[] = {record->category, record->reason};

	if (record->kind != RECORD_ALERT && *record->rule)
		fprintf(out, " (%s)", record->rule);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *copy = *texts[i] ? strdup(texts[i]) : NULL;

		if (copy)
			fprintf(out, "%s %s", i == 0 ? " -" : ";", text_clean(copy));
		free(copy);
	}
}

void telling_put(const struct record *record, bool policy, bool colour, FILE *out)
{
	const bool alarming = record->kind == RECORD_ALERT || record->has_verdict;

	put_time(record->at, out);
	if (colour && alarming)
		fputs(paints[record->verdict], out);
	fprintf(out, "%-9s", record->has_verdict ? describe_verdict(record->verdict) : "");
	if (colour && alarming)
		fputs("\033[0m", out);
	if (policy)
		fprintf(out, " %-12s", record->policy);
	fprintf(out, " %-10s ", record_kind_name(record->kind));
	tellers[record->kind](record, out);
	put_remarks(record, out);
	fputc('\n', out);
}
