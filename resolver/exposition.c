/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/exposition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/counters.h"
#include "resolver/monitor.h"
#include "resolver/witness.h"
#include "rules/dns-server.h"
#include "src/event/alert.h"
#include "src/event/metrics.h"
#include "src/event/session.h"

/*
 * Theory of operation
 *
 * A row for each family, which says what it is called and what puts its samples. Values of labels
 * are words of this program, rule ids, servers of the policy, and its name: nothing that a stranger
 * says, no name and no address. Of the rules as many have a sample of their own as
 * EXPOSITION_RULES says, those that the kernel told first; so none ever moves to another sample.
 *
 * Numbers come from the tally, which outlives this process, and from the session. Sums over rules
 * are of one moment's counts.
 */

_Static_assert((unsigned)ALERT_RULES <= (unsigned)TALLY_ALERT_RULES, "room for all rules");

struct exposition {
	struct exposition_config config;
	struct tally_counts counts;
	struct tally_numbers numbers;
	struct session_figures figures;
	bool has_figures;
};

int exposition_new(const struct exposition_config *config, struct exposition **ret_exposition)
{
	struct exposition *exposition = calloc(1, sizeof(*exposition));

	if (!exposition)
		return -ENOMEM;
	exposition->config = *config;
	*ret_exposition = exposition;
	return 0;
}

void exposition_free(struct exposition *exposition)
{
	free(exposition);
}

/* What a row's function puts its samples from, and where. */
struct sheet {
	const struct exposition *it;
	struct metrics *out;
};

static const struct metrics_label none = {NULL, NULL};

static uint64_t number(const struct sheet *sheet, enum tally_number which)
{
	return sheet->it->numbers.values[which];
}

static uint64_t seen(const struct sheet *sheet, unsigned which)
{
	return tally_seen(sheet->it->config.tally, which);
}

/* Samples of one label, by the words for its values. */
struct word {
	const char *value;
	unsigned which; /* enum tally_number, or enum tally_seen */
};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* --- The policy --- */

static void put_info(const struct sheet *sheet)
{
	const struct metrics_label labels[] = {
		{"policy", sheet->it->config.compiled->plan->policy->name},
		{"session", sheet->it->config.session},
		{"version", PACKAGE_VERSION},
	};

	metrics_labelled(sheet->out, "", labels, ROWS(labels), 1, 0);
}

static void put_started(const struct sheet *sheet)
{
	metrics_count(sheet->out, "", none, number(sheet, TALLY_STARTED));
}

static void put_applied(const struct sheet *sheet)
{
	metrics_count(sheet->out, "", none, number(sheet, TALLY_APPLIED));
}

static void put_numbers(
	const struct sheet *sheet, const char *label, const struct word *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		metrics_count(sheet->out, "", (struct metrics_label){label, words[i].value},
			number(sheet, words[i].which));
}

static void put_reloads(const struct sheet *sheet)
{
	static const struct word results[] = {
		{"done", TALLY_RELOADS},
		{"failed", TALLY_RELOADS_FAILED},
	};

	put_numbers(sheet, "result", results, ROWS(results));
}

static void put_starts(const struct sheet *sheet)
{
	static const struct word processes[] = {
		{"crew", TALLY_CREWS},
		{"watcher", TALLY_WATCHERS},
	};

	put_numbers(sheet, "process", processes, ROWS(processes));
}

static void put_cpu(const struct sheet *sheet)
{
	metrics_decimal(sheet->out, "", none, number(sheet, TALLY_CPU_MS), 3);
}

static void put_workers(const struct sheet *sheet)
{
	metrics_count(sheet->out, "", none, number(sheet, TALLY_WORKERS));
}

/* --- Names --- */

static void put_received(const struct sheet *sheet)
{
	metrics_count(sheet->out, "", none, number(sheet, TALLY_QUERIES));
}

static void put_queries(const struct sheet *sheet)
{
	static const struct word results[] = {
		{"cached", TALLY_CACHED},
		{"fresh", TALLY_FRESH},
		{"local", TALLY_LOCAL},
		{"refused", TALLY_REFUSED},
		{"failed", TALLY_FAILED},
	};

	put_numbers(sheet, "result", results, ROWS(results));
}

static void put_leases(const struct sheet *sheet)
{
	metrics_count(sheet->out, "", none, number(sheet, TALLY_LEASES));
}

static void put_opened(const struct sheet *sheet)
{
	metrics_count(sheet->out, "", none, number(sheet, TALLY_OPENED));
}

/* Puts a sample, or several, for each server. */
static void put_servers(const struct sheet *sheet,
	void (*put)(const struct sheet *sheet, struct metrics_label label,
		const struct tally_server *server))
{
	const struct dns_policy *dns = &sheet->it->config.compiled->plan->policy->dns;
	char text[DNS_SERVER_TEXT];

	for (size_t i = 0; i < dns->n_upstream && i < DNS_SERVERS_MAX; i++)
		put(sheet,
			(struct metrics_label){
				"server", dns_server_to_text(&dns->upstream[i], text)},
			&sheet->it->numbers.servers[i]);
}

static void put_up(
	const struct sheet *sheet, struct metrics_label label, const struct tally_server *server)
{
	uint64_t workers = number(sheet, TALLY_WORKERS);

	metrics_count(sheet->out, "", label, workers > 0 && server->down < workers);
}

static void put_ups(const struct sheet *sheet)
{
	put_servers(sheet, put_up);
}

static void put_delay(
	const struct sheet *sheet, struct metrics_label label, const struct tally_server *server)
{
	metrics_histogram(sheet->out, label, counters_delays, server->delays, TALLY_DELAYS,
		server->delays_us);
}

static void put_delays(const struct sheet *sheet)
{
	put_servers(sheet, put_delay);
}

/* --- Connections --- */

/* What has come of the connections of a counter; EVENT_VERDICTS: another one has them, too. */
static enum event_verdict verdict_of(const struct sheet *sheet, const char *id)
{
	struct event event;

	if (strcmp(id, COUNTER_PERMIT) == 0)
		return EVENT_PERMIT;
	if (strcmp(id, COUNTER_ALLOW) == 0)
		return EVENT_VERDICTS;
	event_begin(&event, EVENT_LOST);
	if (!witness_unrecorded(sheet->it->config.witness, id, &event))
		return EVENT_VERDICTS;
	return (enum event_verdict)event.verdict;
}

/* What was permitted and neither flagged nor observed, which are counted with it. */
static uint64_t simply_permitted(const struct sheet *sheet, const uint64_t sums[EVENT_VERDICTS + 1])
{
	uint64_t others = sums[EVENT_FLAG] + sums[EVENT_OBSERVE];

	return tally_raise(sheet->it->config.tally, TALLY_PERMITTED,
		sums[EVENT_PERMIT] > others ? sums[EVENT_PERMIT] - others : 0);
}

static void put_connections(const struct sheet *sheet)
{
	static const struct word verdicts[] = {
		{"permit", EVENT_PERMIT},
		{"flag", EVENT_FLAG},
		{"observe", EVENT_OBSERVE},
		{"refuse", EVENT_REFUSE},
	};
	const struct tally_counts *counts = &sheet->it->counts;
	uint64_t sums[EVENT_VERDICTS + 1] = {0};

	for (size_t i = 0; i < counts->n_rules; i++)
		sums[verdict_of(sheet, counts->rules[i].id)] += counts->rules[i].count;
	sums[EVENT_PERMIT] = simply_permitted(sheet, sums);
	for (size_t i = 0; i < ROWS(verdicts); i++)
		metrics_count(sheet->out, "", (struct metrics_label){"verdict", verdicts[i].value},
			sums[verdicts[i].which]);
}

/* The rules that have counted with that verdict; those behind the first ones together. */
static void put_rules(const struct sheet *sheet, enum event_verdict verdict)
{
	const struct tally_counts *counts = &sheet->it->counts;
	uint64_t others = 0;

	for (size_t i = 0; i < counts->n_rules; i++) {
		const char *id = counts->rules[i].id;

		if (verdict_of(sheet, id) != verdict)
			continue;
		if (i >= EXPOSITION_RULES || strcmp(id, TALLY_OTHER) == 0)
			others += counts->rules[i].count;
		else
			metrics_count(sheet->out, "", (struct metrics_label){"rule", id},
				counts->rules[i].count);
	}
	if (counts->n_rules > EXPOSITION_RULES)
		metrics_count(sheet->out, "", (struct metrics_label){"rule", TALLY_OTHER}, others);
}

static void put_refusals(const struct sheet *sheet)
{
	put_rules(sheet, EVENT_REFUSE);
}

static void put_observed(const struct sheet *sheet)
{
	put_rules(sheet, EVENT_OBSERVE);
}

static void put_seen(
	const struct sheet *sheet, const char *label, const struct word *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		metrics_count(sheet->out, "", (struct metrics_label){label, words[i].value},
			seen(sheet, words[i].which));
}

static void put_flows(const struct sheet *sheet)
{
	metrics_count(sheet->out, "", none, seen(sheet, TALLY_FLOWS));
}

static void put_bytes(const struct sheet *sheet)
{
	static const struct word directions[] = {
		{"out", TALLY_BYTES_OUT},
		{"in", TALLY_BYTES_IN},
	};

	put_seen(sheet, "direction", directions, ROWS(directions));
}

static void put_sockets(const struct sheet *sheet)
{
	static const struct word results[] = {
		{"found", TALLY_SOCKETS_FOUND},
		{"gone", TALLY_SOCKETS_GONE},
		{"limited", TALLY_SOCKETS_LIMITED},
	};

	put_seen(sheet, "result", results, ROWS(results));
}

static void put_lost(const struct sheet *sheet)
{
	static const struct word losses[] = {
		{"queries", TALLY_LOST_QUERIES},
		{"leases", TALLY_LOST_LEASES},
		{"connections", TALLY_LOST_CONNECTIONS},
		{"flows", TALLY_LOST_FLOWS},
	};

	put_seen(sheet, "what", losses, ROWS(losses));
}

/* --- The session --- */

static void put_alerts(const struct sheet *sheet)
{
	for (unsigned i = 0; i < ALERT_RULES; i++)
		metrics_count(sheet->out, "",
			(struct metrics_label){"rule", alert_kind((enum alert_rule)i)->id},
			seen(sheet, TALLY_ALERTS + i));
}

static void put_budget(
	const struct sheet *sheet, const char *budget, uint64_t value, unsigned digits)
{
	metrics_decimal(sheet->out, "", (struct metrics_label){"budget", budget}, value, digits);
}

/* Thousandths, from 0 to 1. */
static uint64_t thousandths(double share)
{
	return share > 0 ? share < 1 ? (uint64_t)(share * 1000 + 0.5) : 1000 : 0;
}

static uint64_t unknown_share(const struct session_figures *figures)
{
	return figures->destinations > 0
		       ? thousandths((double)figures->unknown / (double)figures->destinations)
		       : 0;
}

static void put_used(const struct sheet *sheet)
{
	const struct session_figures *figures = &sheet->it->figures;

	if (!sheet->it->has_figures)
		return;
	put_budget(sheet, "destinations", figures->destinations, 0);
	put_budget(sheet, "wildcard_names", figures->wildcard_names, 0);
	put_budget(sheet, "bytes", figures->bytes_out, 0);
	put_budget(sheet, "connections", figures->connections, 0);
	put_budget(sheet, "unknown_share", unknown_share(figures), 3);
}

static void put_limits(const struct sheet *sheet)
{
	const struct session_ceilings *ceilings = &sheet->it->figures.ceilings;
	const struct {
		const char *budget;
		uint64_t ceiling;
	} rows[] = {
		{"destinations", ceilings->destinations},
		{"wildcard_names", ceilings->wildcard_names},
		{"bytes", ceilings->bytes},
		{"connections", ceilings->connections},
	};

	if (!sheet->it->has_figures)
		return;
	for (size_t i = 0; i < ROWS(rows); i++)
		if (rows[i].ceiling > 0)
			put_budget(sheet, rows[i].budget, rows[i].ceiling, 0);
	if (ceilings->has_unknown_share)
		put_budget(sheet, "unknown_share", thousandths(ceilings->unknown_share), 3);
}

/* --- All of it --- */

static const struct family {
	const char *name;
	enum metrics_type type;
	const char *help;
	void (*put)(const struct sheet *sheet);
} families[] = {
	{"egress_policy_info", METRICS_GAUGE, "The policy in force and its session.", put_info},
	{"egress_start_time_seconds", METRICS_GAUGE, "When the resolver was started.", put_started},
	{"egress_reload_success_timestamp_seconds", METRICS_GAUGE,
		"Since when the policy is in force as it is.", put_applied},
	{"egress_reloads_total", METRICS_COUNTER, "Policies that were read again.", put_reloads},
	{"egress_process_starts_total", METRICS_COUNTER,
		"How often processes were started, the first time included.", put_starts},
	{"egress_cpu_seconds_total", METRICS_COUNTER,
		"Processor time of all processes of the resolver.", put_cpu},
	{"egress_workers", METRICS_GAUGE, "Processes that answer queries.", put_workers},
	{"egress_queries_received_total", METRICS_COUNTER, "Queries, malformed ones included.",
		put_received},
	{"egress_queries_total", METRICS_COUNTER, "Answers to queries, by what they came to.",
		put_queries},
	{"egress_leases", METRICS_GAUGE, "Addresses that are open for a name.", put_leases},
	{"egress_leases_total", METRICS_COUNTER,
		"How often addresses were opened, or kept open, for a name.", put_opened},
	{"egress_upstream_up", METRICS_GAUGE, "Whether the upstream server answers.", put_ups},
	{"egress_upstream_latency_seconds", METRICS_HISTOGRAM,
		"How long the upstream server takes to answer.", put_delays},
	{"egress_connections_total", METRICS_COUNTER, "New connections, as the kernel counts them.",
		put_connections},
	{"egress_refusals_total", METRICS_COUNTER, "Connections that a rule has refused.",
		put_refusals},
	{"egress_observed_total", METRICS_COUNTER,
		"Connections that a rule would have refused if it did not only observe.",
		put_observed},
	{"egress_flows_total", METRICS_COUNTER, "Permitted connections that are over.", put_flows},
	{"egress_flow_bytes_total", METRICS_COUNTER,
		"What permitted connections that are over have carried.", put_bytes},
	{"egress_budget_used", METRICS_GAUGE, "What the session has used of a budget.", put_used},
	{"egress_budget_limit", METRICS_GAUGE, "How much of it there is.", put_limits},
	{"egress_packet_sockets_total", METRICS_COUNTER,
		"Sockets that were looked for, to record a connection's control group.",
		put_sockets},
	{"egress_alerts_total", METRICS_COUNTER, "Alerts.", put_alerts},
	{"egress_events_lost_total", METRICS_COUNTER,
		"Records that were not written, connections that the ruleset counted alone "
		"included.",
		put_lost},
};

size_t exposition_write(struct exposition *exposition, char *bytes, size_t size)
{
	const struct exposition_config *config = &exposition->config;
	struct metrics out = metrics_over(bytes, size);
	const struct sheet sheet = {exposition, &out};

	tally_look(config->tally, &exposition->counts);
	tally_numbers(config->tally, &exposition->numbers);
	exposition->has_figures = config->monitor != NULL;
	if (config->monitor)
		monitor_figures(config->monitor, &exposition->figures);
	for (size_t i = 0; i < ROWS(families); i++) {
		metrics_family(&out, families[i].name, families[i].type, families[i].help);
		families[i].put(&sheet);
	}
	return metrics_end(&out);
}
