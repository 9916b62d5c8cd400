/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/anomaly.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/json-parts.h"
#include "src/event/anomaly-own.h"

/*
 * Theory of operation
 *
 * What a session has so far, as JSON, so that another process can go on with it. Not in it are
 * which names were asked for lately, and names that host names are not: those are few, and counting
 * a name twice is no harm. What is read may be anybody's: numbers have bounds, tables have theirs,
 * and nothing of it is taken unless all is sound.
 */

#define NUMBER_MAX ((json_int_t)1 << 62)

/* --- Writing --- */

static json_t *number(uint64_t value)
{
	return json_integer(value < (uint64_t)NUMBER_MAX ? (json_int_t)value : NUMBER_MAX);
}

/* Whether a name could be read again: what could not goes without. */
static bool may_save(const struct name *name, char text[NAME_TEXT])
{
	struct name again;

	name_to_text(name, text);
	return name_from_text(text_of(text), &again) == 0 && name_equal(name, &again);
}

static json_t *counts(const uint32_t *values, unsigned count)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++)
		list = json_parts_add(list, number(values[i]));
	return list;
}

/* [out, in, longest, flows, [sizes]] */
static json_t *payload_json(const struct payload *payload)
{
	return json_pack("[o, o, o, o, o]", number(payload->out), number(payload->in),
		number(payload->longest), number(payload->flows),
		counts(payload->sizes, PAYLOAD_SIZES));
}

static json_t *place_json(const struct place_seen *place, const char *name)
{
	char address[INADDR_TEXT];
	json_t *object = json_pack("{s:o, s:o, s:o, s:o, s:o}", "told", number(place->told),
		"payload", payload_json(&place->payload), "connections",
		number(place->beacon.connections), "origin", number((uint64_t)place->beacon.origin),
		"starts", counts(place->beacon.starts, place->beacon.n_starts));

	if (*name)
		return json_parts_set(object, "name", json_string(name));
	return json_parts_set(
		object, "address", json_string(inaddr_to_text(&place->address, address)));
}

static json_t *places_json(const struct anomaly *anomaly)
{
	json_t *list = json_array();
	char name[NAME_TEXT];

	for (unsigned i = 0; i < ANOMALY_PLACES; i++) {
		const struct place_seen *place = &anomaly->places[i];

		name[0] = '\0';
		if (place->used && (place->name.length == 0 || may_save(&place->name, name)))
			list = json_parts_add(list, place_json(place, name));
	}
	return list;
}

static json_t *domain_json(const struct encoded_domain *domain, const char *name)
{
	char example[NAME_TEXT];
	json_t *object = json_pack("{s:s, s:o, s:o, s:f, s:b}", "domain", name, "names",
		number(domain->names), "refused", number(domain->refused), "score", domain->score,
		"told", (int)domain->told);

	if (!may_save(&domain->example, example))
		return object;
	return json_parts_set(object, "example", json_string(example));
}

static json_t *domains_json(const struct anomaly *anomaly)
{
	json_t *list = json_array();
	char name[NAME_TEXT];

	for (unsigned i = 0; i < ENCODED_DOMAINS; i++) {
		const struct encoded_domain *row = &anomaly->encoded.domains[i];

		if (row->domain.length > 0 && may_save(&row->domain, name))
			list = json_parts_add(list, domain_json(row, name));
	}
	return list;
}

/* [[flow, until, out, in], ...], the flow's number in two halves, as it has 64 bits. */
static json_t *running_json(const struct anomaly *anomaly)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < ANOMALY_FLOWS; i++) {
		const struct running *row = &anomaly->running[i];

		if (row->flow != 0)
			list = json_parts_add(
				list, json_pack("[o, o, o, o, o]", number(row->flow >> 32),
					      number(row->flow & UINT32_MAX),
					      number((uint64_t)row->until), number(row->out),
					      number(row->in)));
	}
	return list;
}

static json_t *burst_json(const struct burst *burst)
{
	json_t *list = json_parts_add(json_array(), number((uint64_t)burst->last));

	for (unsigned i = 0; i < BURST_SLOTS; i++)
		list = json_parts_add(list, number(burst->slots[i]));
	return list;
}

json_t *anomaly_save(const struct anomaly *anomaly)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "told", number(anomaly->told),
		"all", payload_json(&anomaly->all), "burst", burst_json(&anomaly->burst), "encoded",
		number(anomaly->encoded.names), "domains", domains_json(anomaly), "running",
		running_json(anomaly), "places", places_json(anomaly));
}

/* --- Reading --- */

/* What is read, with the first error. */
struct reading {
	bool failed;
};

static uint64_t get_number(struct reading *reading, const json_t *value, uint64_t most)
{
	json_int_t read = json_integer_value(value);

	if (!json_is_integer(value) || read < 0 || (uint64_t)read > most) {
		reading->failed = true;
		return 0;
	}
	return (uint64_t)read;
}

static uint64_t get(struct reading *reading, const json_t *object, const char *key, uint64_t most)
{
	return get_number(reading, json_object_get(object, key), most);
}

static uint64_t at(struct reading *reading, const json_t *list, size_t index, uint64_t most)
{
	return get_number(reading, json_array_get(list, index), most);
}

/* An array with no more than `most` elements; else an empty one is as good. */
static size_t get_size(struct reading *reading, const json_t *list, size_t most)
{
	if (json_is_array(list) && json_array_size(list) <= most)
		return json_array_size(list);
	reading->failed = true;
	return 0;
}

static void get_name(struct reading *reading, const json_t *value, struct name *ret_name)
{
	const char *text = json_string_value(value);

	if (!text || strlen(text) >= NAME_TEXT || name_from_text(text_of(text), ret_name) < 0)
		reading->failed = true;
}

static void get_payload(struct reading *reading, const json_t *list, struct payload *payload)
{
	const json_t *sizes = json_array_get(list, 4);

	payload->out = at(reading, list, 0, NUMBER_MAX);
	payload->in = at(reading, list, 1, NUMBER_MAX);
	payload->longest = at(reading, list, 2, NUMBER_MAX);
	payload->flows = (uint32_t)at(reading, list, 3, UINT32_MAX);
	for (size_t i = 0; i < PAYLOAD_SIZES; i++)
		payload->sizes[i] = (uint32_t)at(reading, sizes, i, UINT32_MAX);
}

static void get_beacon(struct reading *reading, const json_t *object, struct beacon *beacon)
{
	const json_t *starts = json_object_get(object, "starts");

	beacon->connections = (uint32_t)get(reading, object, "connections", UINT32_MAX);
	beacon->origin = (int64_t)get(reading, object, "origin", NUMBER_MAX);
	beacon->n_starts = (unsigned)get_size(reading, starts, BEACON_STARTS);
	for (unsigned i = 0; i < beacon->n_starts; i++) {
		beacon->starts[i] = (uint32_t)at(reading, starts, i, UINT32_MAX);
		if (i > 0 && beacon->starts[i] < beacon->starts[i - 1])
			reading->failed = true;
	}
}

static void get_place(struct reading *reading, const json_t *object, struct place_seen *place)
{
	const char *address = json_string_value(json_object_get(object, "address"));

	place->used = true;
	if (!address)
		get_name(reading, json_object_get(object, "name"), &place->name);
	else if (inaddr_from_text(text_of(address), &place->address) < 0)
		reading->failed = true;
	place->told = (unsigned)get(reading, object, "told", (1u << ALERT_RULES) - 1);
	get_payload(reading, json_object_get(object, "payload"), &place->payload);
	get_beacon(reading, object, &place->beacon);
}

static void get_domain(struct reading *reading, const json_t *object, struct encoded_domain *row)
{
	const json_t *example = json_object_get(object, "example");
	double score = json_number_value(json_object_get(object, "score"));

	get_name(reading, json_object_get(object, "domain"), &row->domain);
	row->names = (uint32_t)get(reading, object, "names", UINT32_MAX);
	row->refused = (uint32_t)get(reading, object, "refused", row->names);
	row->told = json_is_true(json_object_get(object, "told"));
	row->score = score >= 0 && score < 1000 ? score : 0;
	row->example = row->domain;
	if (example)
		get_name(reading, example, &row->example);
}

static void get_running(struct reading *reading, const json_t *list, struct running *row)
{
	row->flow = at(reading, list, 0, UINT32_MAX) << 32 | at(reading, list, 1, UINT32_MAX);
	row->until = (int64_t)at(reading, list, 2, NUMBER_MAX);
	row->out = at(reading, list, 3, NUMBER_MAX);
	row->in = at(reading, list, 4, NUMBER_MAX);
}

static void get_burst(struct reading *reading, const json_t *list, struct burst *burst)
{
	burst->last = (int64_t)at(reading, list, 0, NUMBER_MAX);
	for (size_t i = 0; i < BURST_SLOTS; i++)
		burst->slots[i] = at(reading, list, i + 1, NUMBER_MAX);
}

/* All of it, into one that has nothing yet. */
static void get_all(struct reading *reading, const json_t *saved, struct anomaly *anomaly)
{
	const json_t *places = json_object_get(saved, "places");
	const json_t *domains = json_object_get(saved, "domains");
	const json_t *running = json_object_get(saved, "running");
	size_t count;

	anomaly->told = (unsigned)get(reading, saved, "told", (1u << ALERT_RULES) - 1);
	anomaly->encoded.names = get(reading, saved, "encoded", NUMBER_MAX);
	get_payload(reading, json_object_get(saved, "all"), &anomaly->all);
	get_burst(reading, json_object_get(saved, "burst"), &anomaly->burst);
	count = get_size(reading, places, ANOMALY_PLACES);
	for (size_t i = 0; i < count; i++)
		get_place(reading, json_array_get(places, i), &anomaly->places[i]);
	count = get_size(reading, domains, ENCODED_DOMAINS);
	for (size_t i = 0; i < count; i++)
		get_domain(reading, json_array_get(domains, i), &anomaly->encoded.domains[i]);
	count = get_size(reading, running, ANOMALY_FLOWS);
	for (size_t i = 0; i < count; i++)
		get_running(reading, json_array_get(running, i), &anomaly->running[i]);
}

int anomaly_restore(struct anomaly *anomaly, const json_t *saved)
{
	struct reading reading = {.failed = false};
	struct anomaly *restored = calloc(1, sizeof(*restored));

	if (!restored)
		return -ENOMEM;
	restored->config = anomaly->config;
	restored->settings = anomaly->settings;
	restored->encoded.key = anomaly->encoded.key;
	get_all(&reading, saved, restored);
	if (!reading.failed)
		*anomaly = *restored;
	free(restored);
	return reading.failed ? -EINVAL : 0;
}
