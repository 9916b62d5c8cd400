/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/session-own.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/json-parts.h"

/*
 * Theory of operation
 *
 * A session as one text of JSON, so that the next watcher, or the next resolver, goes on with it.
 * All tables are of fixed size and names that are long are left out, so that it has always room.
 *
 * What is restored may be anybody's: it is read into a session of its own, every number is held to
 * its bounds and every row to its table's, and only when all of it was in order it takes the place
 * of what there was. It can make figures wrong, and nothing else.
 */

_Static_assert(SESSION_KEYS == 4, "all are saved");

enum { SAVED_VERSION = 1, NAME_SAVED = 96, HEX_HASH = 16 };

/* --- Out --- */

static void write_hash(uint64_t hash, char out[HEX_HASH + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < HEX_HASH; i++)
		out[i] = digits[hash >> (60 - 4 * i) & 0xf];
	out[HEX_HASH] = '\0';
}

static json_t *save_hash(uint64_t hash)
{
	char text[HEX_HASH + 1];

	write_hash(hash, text);
	return json_string(text);
}

/* All hashes of a set behind each other. */
static json_t *save_set(const struct hash_set *set)
{
	char *text = malloc((size_t)set->n_used * HEX_HASH + 1);
	json_t *saved;
	size_t at = 0;

	if (!text)
		return NULL;
	text[0] = '\0';
	for (uint32_t i = 0; i < set->n_places; i++) {
		if (set->places[i] == 0)
			continue;
		write_hash(set->places[i], text + at);
		at += HEX_HASH;
	}
	saved = json_string(text);
	free(text);
	return saved;
}

/* "" for a name that is long, or that isn't as people write names. */
static const char *name_saved(const struct name *name, char text[NAME_TEXT])
{
	struct name again;

	if (name->length == 0 || strlen(name_to_text(name, text)) > NAME_SAVED ||
		name_from_text(text_of(text), &again) != 0 || !name_equal(name, &again))
		return "";
	return text;
}

static json_t *save_destination(const struct destination *from)
{
	char name[NAME_TEXT], address[INADDR_TEXT], hash[HEX_HASH + 1];

	write_hash(from->hash, hash);
	return json_pack("[bsssiisIIII]", (int)from->is_named, hash, name_saved(&from->name, name),
		from->has_address ? inaddr_to_text(&from->address, address) : "",
		from->has_port ? (int)from->port : -1, (int)from->protocol,
		text_is_utf8(text_of(from->category), &(size_t){0}) ? from->category : "",
		(json_int_t)from->connections, (json_int_t)from->flows, (json_int_t)from->bytes_out,
		(json_int_t)from->bytes_in);
}

static json_t *save_kept(const struct session *session)
{
	json_t *rows = json_array();

	for (unsigned i = 0; i < session->n_kept; i++)
		rows = json_parts_add(rows, save_destination(&session->kept[i]));
	return rows;
}

static json_t *save_flows(const struct session *session)
{
	json_t *rows = json_array();

	for (unsigned i = 0; i < SESSION_FLOWS; i++) {
		const struct session_flow *flow = &session->flows[i];
		char number[HEX_HASH + 1];

		if (flow->flow == 0)
			continue;
		write_hash(flow->flow, number);
		rows = json_parts_add(rows, json_pack("[sII]", number, (json_int_t)flow->bytes_out,
						    (json_int_t)flow->bytes_in));
	}
	return rows;
}

static json_t *save_alerts(const struct session *session)
{
	json_t *rows = json_object();

	for (unsigned i = 0; i < ALERT_RULES; i++) {
		json_t *row = json_pack("[IIIb]", (json_int_t)session->alerts[i],
			(json_int_t)session->suppressed[i], (json_int_t)session->unmentioned[i],
			(int)session->told[i]);

		rows = json_parts_set(rows, alert_kind((enum alert_rule)i)->id, row);
	}
	return rows;
}

static json_t *save_tally(const struct census *census)
{
	json_t *rows = json_object();

	for (unsigned i = 0; i < census->n_rows; i++) {
		const struct census_row *row = &census->rows[i];

		/* What isn't UTF-8 goes without. */
		if (text_is_utf8(text_of(row->word), &(size_t){0}))
			rows = json_parts_set(rows, row->word, json_integer(row->count));
	}
	return rows;
}

static json_t *save_all(const struct session *session)
{
	const struct refusals *refusals = &session->refusals;

	return json_pack(
		"{si so so s[IIII] sI sI sI sI sI sI sI sI sI sb so so s[IIb] so so so so so}",
		"version", SAVED_VERSION, "key", save_hash(session->key.k[0]), "key2",
		save_hash(session->key.k[1]), "extended", (json_int_t)session->extended[0],
		(json_int_t)session->extended[1], (json_int_t)session->extended[2],
		(json_int_t)session->extended[3], "since", (json_int_t)session->since, "now",
		(json_int_t)session->now, "destinations", (json_int_t)session->n_destinations,
		"wildcard_names", (json_int_t)session->n_wildcard_names, "connections",
		(json_int_t)session->n_connections, "flows", (json_int_t)session->n_flows,
		"refused", (json_int_t)session->refused, "bytes_out",
		(json_int_t)session->bytes_out, "bytes_in", (json_int_t)session->bytes_in, "full",
		(int)session->is_full, "alerts", save_alerts(session), "categories",
		save_tally(&session->census), "refusals", (json_int_t)refusals->second,
		(json_int_t)refusals->total, (int)refusals->told, "kept", save_kept(session),
		"live", save_flows(session), "seen", save_set(&session->seen), "wild",
		save_set(&session->wild), "anomaly", anomaly_save(session->anomaly));
}

int session_save(const struct session *session, char *text, size_t size)
{
	json_t *saved = save_all(session);
	size_t length;

	if (!saved)
		return -ENOMEM;
	length = json_dumpb(saved, text, size, JSON_COMPACT);
	json_decref(saved);
	if (length == 0)
		return -ENOMEM;
	if (length >= size)
		return -ENOSPC;
	text[length] = '\0';
	return (int)length;
}

/* --- In --- */

static bool read_hash(const char *text, uint64_t *ret_hash)
{
	uint64_t hash = 0;

	for (int i = 0; i < HEX_HASH; i++) {
		char c = text[i];

		if (c >= '0' && c <= '9')
			hash = hash << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			hash = hash << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret_hash = hash;
	return true;
}

static bool read_key(const json_t *saved, const char *key, uint64_t *ret_hash)
{
	const json_t *text = json_object_get(saved, key);

	return json_is_string(text) && json_string_length(text) == HEX_HASH &&
	       read_hash(json_string_value(text), ret_hash);
}

static bool read_number(const json_t *number, uint64_t most, uint64_t *ret_number)
{
	json_int_t value = json_integer_value(number);

	if (!json_is_integer(number) || value < 0 || (uint64_t)value > most)
		return false;
	*ret_number = (uint64_t)value;
	return true;
}

static int restore_set(const json_t *saved, uint32_t most, struct hash_set *set)
{
	size_t length = json_string_length(saved);
	const char *text = json_string_value(saved);

	if (!json_is_string(saved) || length % HEX_HASH != 0 || length / HEX_HASH > most)
		return -EINVAL;
	for (size_t at = 0; at < length; at += HEX_HASH) {
		uint64_t hash;

		if (!read_hash(text + at, &hash) || hash == 0 || hash_set_add(set, hash, most) != 1)
			return -EINVAL;
	}
	return 0;
}

static bool read_name(const char *text, struct name *ret_name)
{
	return text[0] == '\0' || name_from_text(text_of(text), ret_name) == 0;
}

static bool read_address(const char *text, struct destination *destination)
{
	if (text[0] == '\0')
		return true;
	destination->has_address = inaddr_from_text(text_of(text), &destination->address) == 0;
	return destination->has_address;
}

static int restore_destination(struct session *session, json_t *row)
{
	const char *hash_text, *name, *address, *category;
	json_int_t port, protocol, connections, flows, bytes_out, bytes_in;
	struct destination read = {.hash = 0};
	struct destination *destination;
	int is_named;

	if (json_unpack(row, "[bsssIIsIIII!]", &is_named, &hash_text, &name, &address, &port,
		    &protocol, &category, &connections, &flows, &bytes_out, &bytes_in) < 0)
		return -EINVAL;
	if (strlen(hash_text) != HEX_HASH || !read_hash(hash_text, &read.hash) || read.hash == 0 ||
		!read_name(name, &read.name) || !read_address(address, &read) || port < -1 ||
		port > UINT16_MAX || protocol < 0 || protocol > UINT8_MAX ||
		strlen(category) >= sizeof(read.category) || connections < 0 ||
		connections > UINT32_MAX || flows < 0 || flows > UINT32_MAX || bytes_out < 0 ||
		bytes_in < 0 || session_find(session, read.hash))
		return -EINVAL;
	read.is_named = is_named;
	read.has_port = port >= 0;
	read.port = (uint16_t)(port < 0 ? 0 : port);
	read.protocol = (uint8_t)protocol;
	read.connections = (uint32_t)connections;
	read.flows = (uint32_t)flows;
	read.bytes_out = (uint64_t)bytes_out;
	read.bytes_in = (uint64_t)bytes_in;
	memcpy(read.category, category, strlen(category) + 1);
	destination = session_keep(session, read.hash);
	*destination = read;
	return 0;
}

static int restore_kept(struct session *session, const json_t *rows)
{
	int error = 0;

	if (!json_is_array(rows) || json_array_size(rows) > SESSION_KEPT)
		return -EINVAL;
	for (size_t i = 0; i < json_array_size(rows) && !error; i++)
		error = restore_destination(session, json_array_get(rows, i));
	return error;
}

static int restore_flows(struct session *session, const json_t *rows)
{
	if (!json_is_array(rows) || json_array_size(rows) > SESSION_FLOWS)
		return -EINVAL;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		json_int_t bytes_out, bytes_in;
		struct session_flow *flow;
		const char *number;
		uint64_t id;

		if (json_unpack(json_array_get(rows, i), "[sII!]", &number, &bytes_out, &bytes_in) <
				0 ||
			strlen(number) != HEX_HASH || !read_hash(number, &id) || id == 0 ||
			bytes_out < 0 || bytes_in < 0)
			return -EINVAL;
		flow = session_flow(session, id, true);
		if (!flow)
			return -EINVAL;
		flow->bytes_out = (uint64_t)bytes_out;
		flow->bytes_in = (uint64_t)bytes_in;
	}
	return 0;
}

static int restore_alerts(struct session *session, const json_t *rows)
{
	for (unsigned i = 0; i < ALERT_RULES; i++) {
		json_t *row = json_object_get(rows, alert_kind((enum alert_rule)i)->id);
		json_int_t told, suppressed, unmentioned;
		int was_told;

		/* A rule that is new. */
		if (!row)
			continue;
		if (json_unpack(row, "[IIIb!]", &told, &suppressed, &unmentioned, &was_told) < 0 ||
			told < 0 || suppressed < 0 || unmentioned < 0)
			return -EINVAL;
		session->alerts[i] = (uint64_t)told;
		session->suppressed[i] = (uint64_t)suppressed;
		session->unmentioned[i] = (uint64_t)unmentioned;
		session->told[i] = was_told;
	}
	return 0;
}

static int restore_tally(struct census *census, json_t *rows)
{
	const char *word;
	json_t *count;

	if (!json_is_object(rows) || json_object_size(rows) > CENSUS_ROWS)
		return -EINVAL;
	json_object_foreach(rows, word, count)
	{
		uint64_t number;

		if (strlen(word) >= CENSUS_WORD ||
			!read_number(count, UINT32_MAX / CENSUS_ROWS, &number))
			return -EINVAL;
		census_add(census, word, (uint32_t)number);
	}
	return 0;
}

static int restore_refusals(struct refusals *refusals, json_t *saved)
{
	json_int_t second, total;
	int told;

	if (json_unpack(saved, "[IIb!]", &second, &total, &told) < 0 || second < 0 ||
		second > INT64_MAX / 1000000 || total < 0 || total > UINT32_MAX)
		return -EINVAL;
	refusals->second = second;
	refusals->seconds[second % REFUSALS_SECONDS] = (uint32_t)total;
	refusals->total = (uint64_t)total;
	refusals->told = told;
	return 0;
}

static int restore_extended(struct session *session, const json_t *rows)
{
	for (size_t i = 0; i < SESSION_KEYS; i++)
		if (!read_number(json_array_get(rows, i), INT64_MAX, &session->extended[i]))
			return -EINVAL;
	return 0;
}

static int restore_numbers(struct session *session, const json_t *saved)
{
	const struct {
		const char *key;
		uint64_t *number;
	} numbers[] = {
		{"destinations", &session->n_destinations},
		{"wildcard_names", &session->n_wildcard_names},
		{"connections", &session->n_connections},
		{"flows", &session->n_flows},
		{"refused", &session->refused},
		{"bytes_out", &session->bytes_out},
		{"bytes_in", &session->bytes_in},
	};
	uint64_t version, since, now;

	if (!read_number(json_object_get(saved, "version"), SAVED_VERSION, &version) ||
		version != SAVED_VERSION ||
		!read_number(json_object_get(saved, "since"), INT64_MAX, &since) ||
		!read_number(json_object_get(saved, "now"), INT64_MAX, &now) || since > now ||
		!read_key(saved, "key", &session->key.k[0]) ||
		!read_key(saved, "key2", &session->key.k[1]))
		return -EINVAL;
	session->since = (int64_t)since;
	session->now = (int64_t)now;
	session->is_full = json_is_true(json_object_get(saved, "full"));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!read_number(
			    json_object_get(saved, numbers[i].key), INT64_MAX, numbers[i].number))
			return -EINVAL;
	return 0;
}

static int restore_all(struct session *session, const json_t *saved)
{
	int error = restore_numbers(session, saved);

	if (!error)
		error = restore_extended(session, json_object_get(saved, "extended"));
	if (!error)
		error = restore_alerts(session, json_object_get(saved, "alerts"));
	if (!error)
		error = restore_tally(&session->census, json_object_get(saved, "categories"));
	if (!error)
		error = restore_refusals(&session->refusals, json_object_get(saved, "refusals"));
	if (!error)
		error = restore_kept(session, json_object_get(saved, "kept"));
	if (!error)
		error = restore_flows(session, json_object_get(saved, "live"));
	if (!error)
		error = restore_set(
			json_object_get(saved, "seen"), SESSION_SEEN_MOST, &session->seen);
	if (!error)
		error = restore_set(
			json_object_get(saved, "wild"), SESSION_WILD_MOST, &session->wild);
	return error;
}

/* The fresh one in the place of the other, whose configuration stays. */
static void take_place(struct session *session, const struct session *fresh)
{
	const struct session_config config = session->config;
	const struct anomaly_settings settings = session->settings;
	struct anomaly *anomaly = session->anomaly;

	*session = *fresh;
	session->config = config;
	session->settings = settings;
	session->anomaly = anomaly;
	session->seen.places = session->seen_places;
	session->wild.places = session->wild_places;
	session_set_ceilings(session);
}

int session_restore(struct session *session, const char *text, size_t size)
{
	struct session *fresh = calloc(1, sizeof(*fresh));
	json_t *saved =
		size <= SESSION_SAVED ? json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL) : NULL;
	int error = fresh ? 0 : -ENOMEM;

	if (!error && !json_is_object(saved))
		error = -EINVAL;
	if (!error) {
		fresh->seen = (struct hash_set){0, SESSION_SEEN, fresh->seen_places};
		fresh->wild = (struct hash_set){0, SESSION_WILD, fresh->wild_places};
		error = restore_all(fresh, saved);
	}
	if (!error)
		error = anomaly_restore(session->anomaly, json_object_get(saved, "anomaly"));
	if (!error)
		take_place(session, fresh);
	json_decref(saved);
	free(fresh);
	return error;
}
