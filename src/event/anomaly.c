/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/anomaly.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/event/anomaly-own.h"

/*
 * Theory of operation
 *
 * Each record goes to the detectors of its kind: names that were asked for to encoded.c, what flows
 * have carried to payload.c, when connections began to beacon.c, what destinations there are to
 * baseline.c. The detectors count; here is compared with thresholds and told, once for each
 * destination or domain, or once in a session.
 *
 * A flow that goes on is told of again and again with all that it has carried, and once more when
 * it has ended: what is new of it is the difference to the last time, which is remembered of those
 * that have sent RUNNING_LEAST. One that finds no room is counted at its end.
 *
 * Some services exist to be sent much: a model's API gets the whole conversation with each request
 * and answers with a page; what is pushed to a source host may be a repository. Thresholds of bytes
 * are multiplied for them. Telemetry and clocks are regular and no news. Their categories are those
 * of the policy's entries and of categories.toml, and nobody else can choose them.
 *
 * A destination that finds no room takes the place of the one that was sent least. So who wants one
 * to be forgotten has to send more to all the others.
 */

enum {
	MIB = 1 << 20,
	RUNNING_LEAST = 64 << 10,
	RATIO_LEAST = 4 * MIB, /* below that a ratio says nothing */
	ENCODED_SPREAD = 4,    /* times as many below all domains */
	CHANGES_TOLD = 4,
};

static const struct leave {
	const char *category;
	unsigned times; /* as many bytes as others */
	bool repeats;   /* regular connections are usual */
} leaves[] = {
	{"model api", 16, false},
	{"source hosting", 4, false},
	{"container registry", 4, false},
	{"telemetry", 1, true},
	{"time", 1, true},
	{"certificate", 1, true},
};

static const struct leave no_leave = {"", 1, false};

static const struct leave *leave_of(const char *category)
{
	for (size_t i = 0; category && i < sizeof(leaves) / sizeof(leaves[0]); i++)
		if (strcmp(leaves[i].category, category) == 0)
			return &leaves[i];
	return &no_leave;
}

struct anomaly_settings anomaly_defaults(void)
{
	return (struct anomaly_settings){
		.categories = 0.001,
		.upload = 16 * MIB,
		.upload_ratio = 20,
		.upload_burst = 48 * MIB,
		.encoded_names = 8,
		.beacon = 12,
		.refusals = 50,
	};
}

int anomaly_new(const struct anomaly_config *config, struct anomaly **ret_anomaly)
{
	struct anomaly *anomaly = calloc(1, sizeof(*anomaly));
	int error;

	if (!anomaly)
		return -ENOMEM;
	error = encoded_begin(&anomaly->encoded);
	if (error) {
		free(anomaly);
		return error;
	}
	anomaly->config = *config;
	anomaly->settings = config->settings ? *config->settings : anomaly_defaults();
	*ret_anomaly = anomaly;
	return 0;
}

void anomaly_free(struct anomaly *anomaly)
{
	free(anomaly);
}

const struct payload *anomaly_payload(const struct anomaly *anomaly)
{
	return &anomaly->all;
}

/* --- Places --- */

static bool is_place(const struct place_seen *place, const struct event *event)
{
	if (!place->used || place->name.length != event->name.length)
		return false;
	if (event->name.length > 0)
		return name_equal(&place->name, &event->name);
	return inaddr_compare(&place->address, &event->address) == 0;
}

/* The record's; it has a name or an address. */
static struct place_seen *find_place(struct anomaly *anomaly, const struct event *event)
{
	struct place_seen *least = &anomaly->places[0];

	for (unsigned i = 0; i < ANOMALY_PLACES; i++) {
		struct place_seen *place = &anomaly->places[i];

		if (is_place(place, event))
			return place;
		if (least->used && (!place->used || place->payload.out < least->payload.out))
			least = place;
	}
	memset(least, 0, sizeof(*least));
	least->used = true;
	least->address = event->address;
	least->name.length = event->name.length;
	memcpy(least->name.wire, event->name.wire, event->name.length);
	return least;
}

static bool has_place(const struct event *event)
{
	return event->name.length > 0 || event->has & EVENT_HAS_ADDRESS;
}

/* --- Telling --- */

/* Whether the rule is on, and was not told of by what `told` has the bits of. */
static bool is_due(const struct anomaly *anomaly, enum alert_rule rule, unsigned told)
{
	return !anomaly->settings.off[rule] && !(told & 1u << rule);
}

static void tell(const struct anomaly *anomaly, const struct alert *alert)
{
	if (anomaly->config.on_alert)
		anomaly->config.on_alert(anomaly->config.context, alert);
}

/* One that is of the record's destination. */
static struct alert begin_alert(
	enum alert_rule rule, const struct event *event, double value, double threshold)
{
	struct alert alert;

	alert_begin(&alert, rule, event->time);
	alert.value = value;
	alert.threshold = threshold;
	alert.name.length = event->name.length;
	memcpy(alert.name.wire, event->name.wire, event->name.length);
	alert.has_address = event->has & EVENT_HAS_ADDRESS;
	alert.address = event->address;
	if (event->has & EVENT_HAS_PORT)
		alert.port = event->port;
	alert.protocol = event->protocol;
	return alert;
}

#define SIZE_TEXT 32

static const char *size_text(uint64_t bytes, char out[SIZE_TEXT])
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	double size = (double)bytes / 1024;
	unsigned unit = 0;

	if (bytes < 1024) {
		snprintf(out, SIZE_TEXT, "%u bytes", (unsigned)bytes);
		return out;
	}
	for (; size >= 1024 && unit < 3; unit++)
		size /= 1024;
	snprintf(out, SIZE_TEXT, "%.1f %s", size, units[unit]);
	return out;
}

/* What was sent and received, and in packets of what size. */
static void add_payload(struct alert *alert, const char *whose, const struct payload *payload)
{
	char out[SIZE_TEXT], in[SIZE_TEXT], longest[SIZE_TEXT];
	uint32_t large = payload->sizes[PAYLOAD_SIZES - 1];

	alert_add(alert, "%s: sent %s, received %s", whose, size_text(payload->out, out),
		size_text(payload->in, in));
	alert_add(alert, "the most by one flow: %s", size_text(payload->longest, longest));
	if (payload->flows > 0)
		alert_add(alert, "%u of %u flows sent packets of more than 1024 bytes on average",
			large, payload->flows);
}

/* --- What flows carry --- */

static void check_upload(struct anomaly *anomaly, struct place_seen *place,
	const struct event *event, const struct payload_part *part, unsigned times)
{
	double threshold = (double)anomaly->settings.upload * times;
	char sent[SIZE_TEXT];
	struct alert alert;

	if (!is_due(anomaly, ALERT_UPLOAD, place->told) || (double)part->longest < threshold)
		return;
	place->told |= 1u << ALERT_UPLOAD;
	alert = begin_alert(ALERT_UPLOAD, event, (double)part->longest, threshold);
	alert_add(&alert, "one flow sent %s in %.0f s%s", size_text(part->longest, sent),
		(double)(part->until - part->from) / 1e6, part->over ? "" : ", and goes on");
	add_payload(&alert, "the destination", &place->payload);
	tell(anomaly, &alert);
}

static void check_ratio(struct anomaly *anomaly, struct place_seen *place,
	const struct event *event, unsigned times)
{
	double threshold = anomaly->settings.upload_ratio * times;
	double ratio = payload_ratio(&place->payload);
	struct alert alert;

	if (!is_due(anomaly, ALERT_RATIO, place->told) || ratio < threshold ||
		place->payload.out < (uint64_t)RATIO_LEAST * times)
		return;
	place->told |= 1u << ALERT_RATIO;
	alert = begin_alert(ALERT_RATIO, event, ratio, threshold);
	alert_add(&alert, "%.0f bytes sent for one received", ratio);
	add_payload(&alert, "the destination", &place->payload);
	tell(anomaly, &alert);
}

static void check_burst(struct anomaly *anomaly, struct place_seen *place,
	const struct event *event, const struct payload_part *part, unsigned times)
{
	double threshold = (double)anomaly->settings.upload_burst * times;
	uint64_t most = burst_add(&anomaly->burst, part);
	char sent[SIZE_TEXT];
	struct alert alert;

	if (!is_due(anomaly, ALERT_UPLOAD_BURST, anomaly->told) || (double)most < threshold)
		return;
	anomaly->told |= 1u << ALERT_UPLOAD_BURST;
	alert = begin_alert(ALERT_UPLOAD_BURST, event, (double)most, threshold);
	alert_add(&alert, "%s sent within a minute, the last of it to here", size_text(most, sent));
	add_payload(&alert, "the destination", &place->payload);
	add_payload(&alert, "all destinations", &anomaly->all);
	tell(anomaly, &alert);
}

/* The flow, if it was told of before; NULL: it was not, and there is no room, or no reason, to
 * remember it. */
static struct running *find_running(
	struct anomaly *anomaly, const struct event *event, const struct payload_part *part)
{
	struct running *free_row = NULL;

	if (event->flow == 0)
		return NULL;
	for (unsigned i = 0; i < ANOMALY_FLOWS; i++) {
		struct running *row = &anomaly->running[i];

		if (row->flow == event->flow)
			return row;
		if (row->flow == 0)
			free_row = row;
	}
	if (part->over || part->out < RUNNING_LEAST)
		return NULL;
	return free_row;
}

static uint64_t since(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

/* Makes of all that a flow has carried what is new. False: none of it is to be counted yet. */
static bool take_new(struct anomaly *anomaly, const struct event *event, struct payload_part *part)
{
	struct running *row = find_running(anomaly, event, part);
	uint64_t out = part->out, in = part->in;

	/* Without a number it is the session's last record of it. */
	if (!row)
		return part->over || event->flow == 0;
	if (row->flow == event->flow) {
		part->out = since(row->out, out);
		part->in = since(row->in, in);
		part->from = row->until < part->until ? row->until : part->until;
	}
	if (part->over)
		*row = (struct running){0};
	else
		*row = (struct running){event->flow, part->until, out, in};
	return true;
}

static void take_flow(struct anomaly *anomaly, const struct event *event, const char *category)
{
	const struct leave *leave = leave_of(category);
	struct payload_part part = payload_of(event);
	struct place_seen *place;
	int64_t from = part.from;

	if (!take_new(anomaly, event, &part))
		return;
	place = find_place(anomaly, event);
	payload_add(&place->payload, &part);
	payload_add(&anomaly->all, &part);
	check_burst(anomaly, place, event, &part, leave->times);
	part.from = from;
	check_upload(anomaly, place, event, &part, leave->times);
	check_ratio(anomaly, place, event, leave->times);
}

/* --- When they begin --- */

static void take_start(
	struct anomaly *anomaly, const struct event *event, int64_t start, const char *category)
{
	struct place_seen *place = find_place(anomaly, event);
	unsigned least = anomaly->settings.beacon;
	struct beacon_rhythm rhythm;
	struct alert alert;

	beacon_take(&place->beacon, start);
	if (!is_due(anomaly, ALERT_BEACON, place->told) || leave_of(category)->repeats ||
		!beacon_is_regular(&place->beacon, least, &rhythm))
		return;
	place->told |= 1u << ALERT_BEACON;
	alert = begin_alert(ALERT_BEACON, event, place->beacon.n_starts, least);
	alert_add(&alert, "connections every %.0f s, +-%.0f %%", rhythm.interval,
		100 * rhythm.variation);
	alert_add(&alert, "connections to the destination: %u", place->beacon.connections);
	tell(anomaly, &alert);
}

/* Of permitted connections flows tell, of refused ones there are none. */
static void take_connection(
	struct anomaly *anomaly, const struct event *event, const char *category)
{
	if (event->verdict == EVENT_REFUSE)
		take_start(anomaly, event, event->time, category);
}

/* --- Names --- */

static void tell_encoded(struct anomaly *anomaly, const struct event *event,
	const struct encoded_domain *domain, bool all)
{
	double value = all ? (double)anomaly->encoded.names : domain->names;
	uint32_t least = anomaly->settings.encoded_names;
	char text[NAME_TEXT];
	struct alert alert;

	alert_begin(&alert, ALERT_ENCODED_NAMES, event->time);
	alert.value = value;
	alert.threshold = all ? (double)least * ENCODED_SPREAD : least;
	if (all) {
		alert_add(&alert, "%.0f names below many domains look like data", value);
	} else {
		alert.name = domain->domain;
		alert_add(&alert, "%u names below it look like data, %u of them were refused",
			domain->names, domain->refused);
	}
	alert_add(
		&alert, "score %.1f: %.100s", domain->score, name_to_text(&domain->example, text));
	tell(anomaly, &alert);
}

static void take_query(struct anomaly *anomaly, const struct event *event)
{
	uint32_t least = anomaly->settings.encoded_names;
	struct encoded_domain *domain;

	if (!anomaly->config.names.score || event->name.length == 0)
		return;
	domain = encoded_take(&anomaly->encoded, &anomaly->config.names, &event->name,
		event->verdict == EVENT_REFUSE);
	if (!domain || anomaly->settings.off[ALERT_ENCODED_NAMES])
		return;
	if (domain->names >= least && !domain->told) {
		domain->told = true;
		anomaly->told |= 1u << ALERT_ENCODED_NAMES;
		tell_encoded(anomaly, event, domain, false);
	} else if (anomaly->encoded.names >= (uint64_t)least * ENCODED_SPREAD &&
		   is_due(anomaly, ALERT_ENCODED_NAMES, anomaly->told)) {
		anomaly->told |= 1u << ALERT_ENCODED_NAMES;
		tell_encoded(anomaly, event, domain, true);
	}
}

/* --- All --- */

void anomaly_take(struct anomaly *anomaly, const struct event *event, const char *category)
{
	bool timed = event->has & EVENT_HAS_DURATION;

	if (event->kind == EVENT_QUERY) {
		take_query(anomaly, event);
		return;
	}
	if (!has_place(event))
		return;
	if (event->kind == EVENT_CONNECTION)
		take_connection(anomaly, event, category);
	if (event->kind != EVENT_FLOW)
		return;
	if (event->has & EVENT_HAS_BYTES)
		take_flow(anomaly, event, category);
	if (timed)
		take_start(anomaly, event, payload_of(event).from, category);
}

void anomaly_weigh(struct anomaly *anomaly, const struct census *destinations, int64_t time)
{
	const struct baseline *baseline = anomaly->config.baseline;
	double most = anomaly->settings.categories;
	struct baseline_change changes[CHANGES_TOLD];
	struct alert alert;
	unsigned count;
	double p;

	if (!baseline || !is_due(anomaly, ALERT_CATEGORIES, anomaly->told))
		return;
	p = baseline_likelihood(baseline, destinations);
	if (p > most)
		return;
	anomaly->told |= 1u << ALERT_CATEGORIES;
	alert_begin(&alert, ALERT_CATEGORIES, time);
	alert.value = p;
	alert.threshold = most;
	alert.p = p;
	count = baseline_changes(baseline, destinations, changes, CHANGES_TOLD);
	for (unsigned i = 0; i < count; i++)
		alert_add(&alert, "%s %.0f %% -> %.0f %%", changes[i].word, 100 * changes[i].before,
			100 * changes[i].now);
	alert_add(&alert, "%u destinations, compared with %u earlier sessions", destinations->total,
		baseline_sessions(baseline));
	tell(anomaly, &alert);
}
