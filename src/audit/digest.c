/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/digest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/arena.h"
#include "src/base/hash.h"

/*
 * Theory of operation
 *
 * There is a table for each outcome, so that what is made up to be refused takes no room from what
 * was reached. A table has a fixed number of rows and of bytes of text; rows that are there are
 * counted on for ever, and what finds no room is summed up. A row is a destination as a policy has
 * it: a name if one led there, else an address, with protocol and port. Connections of one
 * destination that different rules decided are different rows, but for those that were only
 * observed: of their flows the rule isn't known.
 *
 * A permitted connection may be recorded twice, when it begins and when it ends; so what is counted
 * is the larger of both numbers. Of questions for a name it is the type asked most: a program that
 * looks a name up once asks for two.
 *
 * Records of connections and of leases come by different ways, and what is live at the end has no
 * names at all. So an address keeps the name it was leased for last, and rows without a name are
 * looked up once more at the end; they are then merged with that name's.
 *
 * Time is cut into slots. When a record is beyond the last one, two slots become one until it fits.
 */

enum {
	TEXT_MAX = 4 << 20,            /* bytes of the strings of a table */
	NAMES_MAX = 16 << 20,          /* and of the addresses' names */
	BUCKETS = 4 * DIGEST_ROWS_MAX, /* a row may get a second one at the end */
	ADDRESS_BUCKETS = 2 * DIGEST_ADDRESSES_MAX,
	TYPES = 3, /* A, AAAA, any other */
};

#define SECOND ((int64_t)1000000)

struct row {
	struct digest_row shown;
	uint64_t begun, ended; /* records of connections, and of flows */
	uint64_t asked[TYPES];
	bool merged; /* into another one */
};

struct table {
	struct arena *texts;
	struct row *rows;
	uint32_t n_rows;
	uint32_t buckets[BUCKETS]; /* index + 1 of a row; 0: none. Linear probing */
	struct digest_sum sum;
};

struct address {
	struct inaddr address;
	const char *name;
};

struct digest {
	struct hash_key key;
	struct table tables[DIGEST_OUTCOMES];
	struct arena *names;
	struct address *addresses;
	uint32_t n_addresses;
	uint32_t address_buckets[ADDRESS_BUCKETS];
	const char *last_name; /* that was copied: the addresses of one come together */
	struct digest_timeline timeline;
	struct digest_lost lost;
	struct sessions *sessions;
	struct alerts *alerts;
};

int digest_new(struct digest **ret_digest)
{
	struct digest *digest = calloc(1, sizeof(*digest));
	int error = digest ? hash_key_draw(&digest->key) : -ENOMEM;

	for (size_t i = 0; i < DIGEST_OUTCOMES && !error; i++) {
		struct table *table = &digest->tables[i];

		error = arena_new(TEXT_MAX, &table->texts);
		table->rows = calloc(DIGEST_ROWS_MAX, sizeof(*table->rows));
		error = table->rows ? error : -ENOMEM;
	}
	if (!error)
		error = arena_new(NAMES_MAX, &digest->names);
	if (!error) {
		digest->addresses = calloc(DIGEST_ADDRESSES_MAX, sizeof(*digest->addresses));
		error = digest->addresses ? 0 : -ENOMEM;
	}
	if (!error)
		error = sessions_new(&digest->sessions);
	if (!error)
		error = alerts_new(&digest->alerts);
	if (error)
		digest_free(digest);
	else
		*ret_digest = digest;
	return error;
}

void digest_free(struct digest *digest)
{
	if (!digest)
		return;
	for (size_t i = 0; i < DIGEST_OUTCOMES; i++) {
		arena_free(digest->tables[i].texts);
		free(digest->tables[i].rows);
	}
	arena_free(digest->names);
	sessions_free(digest->sessions);
	alerts_free(digest->alerts);
	free(digest->addresses);
	free(digest);
}

/* --- Names of addresses --- */

static uint32_t *address_bucket(struct digest *digest, const struct inaddr *address)
{
	uint64_t at = hash_bytes(&digest->key, address->bytes, sizeof(address->bytes));

	for (;; at++) {
		uint32_t *bucket = &digest->address_buckets[at % ADDRESS_BUCKETS];

		if (*bucket == 0 ||
			inaddr_compare(&digest->addresses[*bucket - 1].address, address) == 0)
			return bucket;
	}
}

/* NULL: there is no room. */
static const char *keep_name(struct digest *digest, const char *name)
{
	if (!digest->last_name || strcmp(digest->last_name, name) != 0)
		digest->last_name = arena_strndup(digest->names, name, strlen(name));
	return digest->last_name;
}

static void note_address(struct digest *digest, const struct record *record)
{
	uint32_t *bucket;
	const char *name;

	if (!record->has_address || *record->name == '\0')
		return;
	bucket = address_bucket(digest, &record->address);
	if (*bucket != 0 && strcmp(digest->addresses[*bucket - 1].name, record->name) == 0)
		return;
	if (*bucket == 0 && digest->n_addresses == DIGEST_ADDRESSES_MAX)
		return;
	name = keep_name(digest, record->name);
	if (!name)
		return;
	if (*bucket == 0) {
		*bucket = ++digest->n_addresses;
		digest->addresses[*bucket - 1].address = record->address;
	}
	digest->addresses[*bucket - 1].name = name;
}

/* "" when none is known. */
static const char *name_of(struct digest *digest, const struct inaddr *address)
{
	uint32_t bucket = *address_bucket(digest, address);

	return bucket == 0 ? "" : digest->addresses[bucket - 1].name;
}

size_t digest_addresses(
	const struct digest *digest, const char *name, size_t most, struct inaddr *ret_addresses)
{
	size_t count = 0;

	for (size_t i = 0; i < digest->n_addresses && count < most; i++)
		if (strcmp(digest->addresses[i].name, name) == 0)
			ret_addresses[count++] = digest->addresses[i].address;
	return count;
}

/* --- Rows --- */

/* What tells destinations apart. */
struct key {
	const char *name;
	const struct inaddr *address; /* where there is no name */
	const char *protocol;
	int port;
	const char *rule; /* NULL: it doesn't matter */
	bool asked;
};

static uint64_t hash_of(const struct digest *digest, const struct key *key)
{
	uint64_t parts[5] = {
		hash_bytes(&digest->key, key->name, strlen(key->name)),
		key->address
			? hash_bytes(&digest->key, key->address->bytes, sizeof(key->address->bytes))
			: 0,
		hash_bytes(&digest->key, key->protocol, strlen(key->protocol)),
		key->rule ? hash_bytes(&digest->key, key->rule, strlen(key->rule)) : 0,
		(uint64_t)(unsigned)key->port << 1 | key->asked,
	};

	return hash_bytes(&digest->key, parts, sizeof(parts));
}

static bool has_key(const struct digest_row *row, const struct key *key)
{
	if (row->asked != key->asked || row->port != key->port ||
		strcmp(row->name, key->name) != 0 || strcmp(row->protocol, key->protocol) != 0)
		return false;
	if (key->address && inaddr_compare(&row->address, key->address) != 0)
		return false;
	return !key->rule || strcmp(row->rule, key->rule) == 0;
}

static uint32_t *find_bucket(
	const struct digest *digest, struct table *table, const struct key *key)
{
	uint64_t at = hash_of(digest, key);

	for (;; at++) {
		uint32_t *bucket = &table->buckets[at % BUCKETS];

		if (*bucket == 0 || has_key(&table->rows[*bucket - 1].shown, key))
			return bucket;
	}
}

/* A copy of the string, or NULL. */
static const char *keep_text(struct table *table, const char *text)
{
	return *text ? arena_strndup(table->texts, text, strlen(text)) : "";
}

static void keep_first(struct table *table, const char **text, const char *given)
{
	const char *kept = **text == '\0' ? keep_text(table, given) : NULL;

	*text = kept ? kept : *text;
}

static struct row *add_row(struct table *table, uint32_t *bucket, const struct key *key)
{
	struct row *row = &table->rows[table->n_rows];
	struct digest_row *shown = &row->shown;

	if (table->n_rows == DIGEST_ROWS_MAX)
		return NULL;
	shown->name = keep_text(table, key->name);
	shown->rule = key->rule ? keep_text(table, key->rule) : "";
	shown->category = "";
	if (!shown->name || !shown->rule)
		return NULL;
	shown->asked = key->asked;
	shown->port = key->port;
	shown->first = INT64_MAX;
	shown->last = INT64_MIN;
	strncpy(shown->protocol, key->protocol, sizeof(shown->protocol) - 1);
	if (key->address) {
		shown->address = *key->address;
		shown->has_address = true;
	}
	table->n_rows++;
	*bucket = table->n_rows;
	return row;
}

/* The row, which is made if there is none; NULL: there is no room. */
static struct row *reach_row(
	struct digest *digest, enum digest_outcome outcome, const struct key *key)
{
	struct table *table = &digest->tables[outcome];
	uint32_t *bucket = find_bucket(digest, table, key);
	struct row *row = *bucket ? &table->rows[*bucket - 1] : add_row(table, bucket, key);

	if (row)
		row->shown.outcome = outcome;
	return row;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void count_times(struct row *row)
{
	uint64_t times = larger(row->begun, row->ended);

	for (size_t i = 0; i < TYPES; i++)
		times = larger(times, row->asked[i]);
	row->shown.times = times;
}

/* --- Time --- */

static void halve(struct digest_timeline *timeline)
{
	for (size_t i = 0; i < DIGEST_SLOTS; i++) {
		struct digest_slot slot = timeline->slots[i];

		timeline->slots[i] = (struct digest_slot){0};
		for (size_t j = 0; j < DIGEST_OUTCOMES; j++)
			timeline->slots[i / 2].times[j] += slot.times[j];
		timeline->slots[i / 2].bytes_out += slot.bytes_out;
		timeline->slots[i / 2].bytes_in += slot.bytes_in;
	}
	timeline->width *= 2;
	timeline->n_slots = (timeline->n_slots + 1) / 2;
}

/* Makes room for what lies before the first slot. */
static void extend_back(struct digest_timeline *timeline, int64_t at)
{
	int64_t more;

	while ((more = (timeline->start - at + timeline->width - 1) / timeline->width) +
			(int64_t)timeline->n_slots >
		DIGEST_SLOTS)
		halve(timeline);
	memmove(timeline->slots + more, timeline->slots,
		timeline->n_slots * sizeof(timeline->slots[0]));
	memset(timeline->slots, 0, (size_t)more * sizeof(timeline->slots[0]));
	timeline->n_slots += (size_t)more;
	timeline->start -= more * timeline->width;
}

static struct digest_slot *slot_at(struct digest_timeline *timeline, int64_t at)
{
	int64_t offset;

	if (timeline->width == 0) {
		timeline->start = at;
		timeline->width = SECOND;
	}
	if (at < timeline->start)
		extend_back(timeline, at);
	offset = at - timeline->start;
	while (offset / timeline->width >= DIGEST_SLOTS)
		halve(timeline);
	if (timeline->n_slots < (size_t)(offset / timeline->width) + 1)
		timeline->n_slots = (size_t)(offset / timeline->width) + 1;
	return &timeline->slots[offset / timeline->width];
}

/* --- Records --- */

static enum digest_outcome outcome_of(const struct record *record)
{
	if (record->verdict == VERDICT_REFUSE)
		return DIGEST_REFUSED;
	if (record->verdict == VERDICT_OBSERVE)
		return DIGEST_OBSERVED;
	return record->kind == RECORD_QUERY ? DIGEST_NAMED : DIGEST_REACHED;
}

static unsigned type_of(const struct record *record)
{
	return strcmp(record->type, "A") == 0 ? 0 : strcmp(record->type, "AAAA") == 0 ? 1 : 2;
}

/* What belongs to the row of a destination, of which there may be none. */
static void add_to_row(struct table *table, struct row *row, const struct record *record)
{
	struct digest_row *shown = &row->shown;

	row->begun += record->kind == RECORD_CONNECTION;
	row->ended += record->kind == RECORD_FLOW;
	if (record->kind == RECORD_QUERY) {
		row->asked[type_of(record)]++;
		shown->host |= type_of(record) < 2;
	}
	keep_first(table, &shown->rule, record->rule);
	keep_first(table, &shown->category, record->category);
	if (!shown->has_address && record->has_address) {
		shown->address = record->address;
		shown->has_address = true;
	}
	shown->bytes_out += record->bytes_out;
	shown->packets_out += record->packets_out;
	shown->bytes_in += record->bytes_in;
	shown->packets_in += record->packets_in;
	shown->first = record->at < shown->first ? record->at : shown->first;
	shown->last = record->at > shown->last ? record->at : shown->last;
	shown->live |= record->live;
	shown->flagged |= record->verdict == VERDICT_FLAG;
}

/* A query, a connection or a flow. */
static void take_destination(struct digest *digest, const struct record *record)
{
	enum digest_outcome outcome = outcome_of(record);
	struct table *table = &digest->tables[outcome];
	struct digest_slot *slot = slot_at(&digest->timeline, record->at);
	const bool asked = record->kind == RECORD_QUERY;
	struct key key = {
		.name = record->name,
		.protocol = asked ? "" : record->protocol,
		.port = asked ? -1 : record->port,
		.rule = asked || outcome == DIGEST_OBSERVED ? NULL : record->rule,
		.asked = asked,
	};
	uint64_t before = 0;
	struct row *row;

	if (*key.name == '\0' && record->has_address)
		key.name = name_of(digest, &record->address);
	if (*key.name == '\0' && !record->has_address)
		return;
	key.address = *key.name == '\0' ? &record->address : NULL;
	if (strlen(key.protocol) >= sizeof(row->shown.protocol))
		key.protocol = "?";
	row = reach_row(digest, outcome, &key);
	if (row) {
		before = row->shown.times;
		add_to_row(table, row, record);
		count_times(row);
		slot->times[outcome] += row->shown.times - before;
		table->sum.times += row->shown.times - before;
	} else {
		table->sum.records++;
		slot->times[outcome]++;
	}
	table->sum.bytes_out += record->bytes_out;
	table->sum.bytes_in += record->bytes_in;
	slot->bytes_out += record->bytes_out;
	slot->bytes_in += record->bytes_in;
}

static void take_lost(struct digest *digest, const struct record *record)
{
	static const struct {
		const char *what;
		size_t offset;
	} counters[] = {
		{"queries", offsetof(struct digest_lost, queries)},
		{"connections", offsetof(struct digest_lost, connections)},
		{"flows", offsetof(struct digest_lost, flows)},
	};
	uint64_t *counter = &digest->lost.others;

	if (record->verdict == VERDICT_REFUSE && strcmp(record->what, "connections") == 0) {
		digest->lost.refused += record->count;
		slot_at(&digest->timeline, record->at)->times[DIGEST_REFUSED] += record->count;
		return;
	}
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		if (strcmp(counters[i].what, record->what) == 0)
			counter = (uint64_t *)(void *)((char *)&digest->lost + counters[i].offset);
	*counter += record->count;
}

/* By the name that led to an address, where that is known. */
static void take_session(struct digest *digest, const struct record *record)
{
	struct record named;

	if (*record->name != '\0' || !record->has_address) {
		sessions_take(digest->sessions, record);
		return;
	}
	named = *record;
	named.name = name_of(digest, &record->address);
	sessions_take(digest->sessions, &named);
}

void digest_take(struct digest *digest, const struct record *record)
{
	take_session(digest, record);
	switch (record->kind) {
	case RECORD_QUERY:
	case RECORD_CONNECTION:
	case RECORD_FLOW:
		note_address(digest, record);
		take_destination(digest, record);
		return;
	case RECORD_LEASE:
		note_address(digest, record);
		return;
	case RECORD_ALERT:
		alerts_take(digest->alerts, record);
		return;
	case RECORD_LOST:
		take_lost(digest, record);
		return;
	default:
		return;
	}
}

int digest_take_line(struct digest *digest, const char *line, size_t size)
{
	struct record record;
	int error = line ? record_read(line, size, &record) : -EBADMSG;

	if (error) {
		digest->lost.malformed++;
		return error == -ENOMEM ? error : 0;
	}
	digest_take(digest, &record);
	record_free(&record);
	return 0;
}

/* --- The end --- */

static void merge(struct row *from, struct row *to)
{
	struct digest_row *shown = &to->shown;

	to->begun += from->begun;
	to->ended += from->ended;
	count_times(to);
	shown->bytes_out += from->shown.bytes_out;
	shown->packets_out += from->shown.packets_out;
	shown->bytes_in += from->shown.bytes_in;
	shown->packets_in += from->shown.packets_in;
	if (from->shown.first < shown->first)
		shown->first = from->shown.first;
	if (from->shown.last > shown->last)
		shown->last = from->shown.last;
	shown->live |= from->shown.live;
	shown->flagged |= from->shown.flagged;
	if (!shown->has_address) {
		shown->address = from->shown.address;
		shown->has_address = true;
	}
	from->merged = true;
}

/* A row of an address whose name is known by now. */
static void name_row(struct digest *digest, struct table *table, struct row *row)
{
	struct key key = {
		.name = name_of(digest, &row->shown.address),
		.protocol = row->shown.protocol,
		.port = row->shown.port,
		.rule = row->shown.outcome == DIGEST_OBSERVED ? NULL : row->shown.rule,
	};
	uint32_t *bucket;

	if (*key.name == '\0')
		return;
	bucket = find_bucket(digest, table, &key);
	if (*bucket) {
		merge(row, &table->rows[*bucket - 1]);
	} else {
		row->shown.name = key.name;
		*bucket = (uint32_t)(row - table->rows) + 1;
	}
}

/* Names that were asked for and then connected to are told of once. */
static void imply(struct digest *digest, enum digest_outcome asked, const struct digest_row *to)
{
	struct table *table = &digest->tables[asked];
	const struct key key = {
		.name = to->name, .protocol = "", .port = -1, .rule = NULL, .asked = true};
	uint32_t bucket;

	if (*to->name == '\0')
		return;
	bucket = *find_bucket(digest, table, &key);
	if (bucket)
		table->rows[bucket - 1].shown.implied = true;
}

static void name_rows(struct digest *digest, struct table *table)
{
	for (size_t i = 0; i < table->n_rows; i++)
		if (!table->rows[i].shown.asked && !table->rows[i].merged &&
			*table->rows[i].shown.name == '\0')
			name_row(digest, table, &table->rows[i]);
}

static bool was_short(const struct digest *digest)
{
	bool was = arena_was_short(digest->names) || sessions_were_short(digest->sessions) ||
		   alerts_were_short(digest->alerts);

	for (size_t i = 0; i < DIGEST_OUTCOMES; i++)
		was |= arena_was_short(digest->tables[i].texts);
	return was;
}

int digest_finish(struct digest *digest)
{
	static const enum digest_outcome askers[DIGEST_OUTCOMES] = {
		[DIGEST_REACHED] = DIGEST_NAMED,
		[DIGEST_OBSERVED] = DIGEST_OBSERVED,
		[DIGEST_REFUSED] = DIGEST_REFUSED,
		[DIGEST_NAMED] = DIGEST_NAMED,
	};

	for (size_t outcome = 0; outcome < DIGEST_OUTCOMES; outcome++) {
		struct table *table = &digest->tables[outcome];

		name_rows(digest, table);
		for (size_t i = 0; i < table->n_rows; i++)
			if (!table->rows[i].shown.asked && !table->rows[i].merged)
				imply(digest, askers[outcome], &table->rows[i].shown);
	}
	return was_short(digest) ? -ENOMEM : 0;
}

static bool counts(const struct row *row)
{
	return !row->merged && !row->shown.implied;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a > b ? -1 : a < b;
}

/* By bytes, then by times, then by which was first. */
static int compare_rows(const void *left, const void *right)
{
	const struct digest_row *a = *(const struct digest_row *const *)left;
	const struct digest_row *b = *(const struct digest_row *const *)right;
	int order = compare_numbers(a->bytes_out + a->bytes_in, b->bytes_out + b->bytes_in);

	if (order == 0)
		order = compare_numbers(a->times, b->times);
	if (order == 0)
		order = (a->first > b->first) - (a->first < b->first);
	return order != 0 ? order : strcmp(a->name, b->name);
}

int digest_list(const struct digest *digest, enum digest_outcome outcome,
	const struct digest_row ***ret_rows, size_t *ret_count)
{
	const struct table *table = &digest->tables[outcome];
	const struct digest_row **rows = calloc((size_t)table->n_rows + 1, sizeof(*rows));
	size_t count = 0;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < table->n_rows; i++)
		if (counts(&table->rows[i]))
			rows[count++] = &table->rows[i].shown;
	qsort(rows, count, sizeof(*rows), compare_rows);
	*ret_rows = rows;
	*ret_count = count;
	return 0;
}

struct digest_sum digest_sum(const struct digest *digest, enum digest_outcome outcome)
{
	const struct table *table = &digest->tables[outcome];
	struct digest_sum sum = table->sum;

	for (size_t i = 0; i < table->n_rows; i++)
		sum.rows += counts(&table->rows[i]);
	return sum;
}

/* By name, then by address. */
static int compare_destinations(const void *left, const void *right)
{
	const struct digest_row *a = *(const struct digest_row *const *)left;
	const struct digest_row *b = *(const struct digest_row *const *)right;
	int order = strcmp(a->name, b->name);

	if (order != 0 || *a->name != '\0')
		return order;
	return inaddr_compare(&a->address, &b->address);
}

int digest_destinations(const struct digest *digest, size_t *ret_count)
{
	const struct digest_row **rows;
	size_t count, distinct = 0;

	if (digest_list(digest, DIGEST_REACHED, &rows, &count) != 0)
		return -ENOMEM;
	qsort(rows, count, sizeof(*rows), compare_destinations);
	for (size_t i = 0; i < count; i++)
		distinct += i == 0 || compare_destinations(&rows[i - 1], &rows[i]) != 0;
	free(rows);
	*ret_count = distinct;
	return 0;
}

const struct digest_timeline *digest_timeline(const struct digest *digest)
{
	return &digest->timeline;
}

const struct digest_lost *digest_lost(const struct digest *digest)
{
	return &digest->lost;
}

const struct sessions *digest_sessions(const struct digest *digest)
{
	return digest->sessions;
}

const struct alerts *digest_alerts(const struct digest *digest)
{
	return digest->alerts;
}

bool digest_has_refusals(const struct digest *digest)
{
	const struct table *table = &digest->tables[DIGEST_REFUSED];

	return table->n_rows > 0 || table->sum.records > 0 || digest->lost.refused > 0;
}
