/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/replay/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/answer.h"
#include "resolver/msg.h"
#include "rules/judge.h"
#include "src/base/buf.h"
#include "tests/replay/message.h"

enum {
	HEADER_SIZE = 12,
	UDP_PLAIN = 512,
	TYPE_A = 1,
	TYPE_CNAME = 5,
	TYPE_SOA = 6,
	TYPE_AAAA = 28,
	TYPE_OPT = 41,
	OPTION_COOKIE = 10,
	OPTION_PADDING = 12,
	UPSTREAM_EDNS = 1232,
	TYPE_SVCB = 64,
	TYPE_HTTPS = 65,
	KEY_IPV4HINT = 4,
	KEY_ECH = 5,
	KEY_IPV6HINT = 6,
};

#define FLAG_QR 0x8000
#define FLAG_TC 0x0200
#define FLAG_RD 0x0100
#define FLAG_RA 0x0080
#define FLAGS_ECHOED 0x7910 /* opcode, RD, CD */
#define FLAGS_NEVER 0x0460  /* AA, Z, AD */

/* A client's message that gets one reply. */
struct owed {
	struct client client;
	uint8_t *bytes;
	size_t size;
	bool answered;
};

/* An address that the keeper said is open for a name. */
struct opened {
	struct name name;
	struct inaddr address;
	struct mono until;
};

struct ledger {
	struct compiled compiled;
	struct owed *owed;
	size_t n_owed;
	struct opened *opened;
	size_t n_opened;
	struct channel_request *requests; /* not yet acknowledged */
	size_t n_requests;
	char words[400];
};

struct ledger *ledger_new(const struct compiled *compiled)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));

	if (ledger)
		ledger->compiled = *compiled;
	return ledger;
}

void ledger_free(struct ledger *ledger)
{
	if (!ledger)
		return;
	for (size_t i = 0; i < ledger->n_owed; i++)
		free(ledger->owed[i].bytes);
	free(ledger->owed);
	free(ledger->opened);
	free(ledger->requests);
	free(ledger);
}

/* `array` with room for one more than `count` objects; a test without memory can only end. */
static void *grown(void *array, size_t count, size_t size)
{
	void *larger = array;

	if ((count & (count - 1)) == 0)
		larger = realloc(array, (count ? 2 * count : 1) * size);
	if (!larger)
		abort();
	return larger;
}

/* One record of a message. */
struct record {
	struct name owner;
	uint16_t type;
	uint16_t class;
	uint32_t ttl;
	size_t data;
	uint16_t data_size;
};

static struct record read_record(struct reader *reader)
{
	struct record record = {.type = 0};

	name_read(reader, &record.owner);
	record.type = reader_u16(reader);
	record.class = reader_u16(reader);
	record.ttl = reader_u32(reader);
	record.data_size = reader_u16(reader);
	record.data = reader->pos;
	reader_bytes(reader, record.data_size);
	return record;
}

/* A message's head, read without trust. */
struct head {
	uint16_t id;
	uint16_t flags;
	uint16_t counts[4];
	struct name name; /* of the first question */
	uint16_t type;
	size_t question_end;
};

static struct head read_head(struct reader *reader)
{
	struct head head = {.id = reader_u16(reader)};

	head.flags = reader_u16(reader);
	for (unsigned i = 0; i < 4; i++)
		head.counts[i] = reader_u16(reader);
	for (unsigned i = 0; i < head.counts[0] && !reader->failed; i++) {
		struct name name = {.length = 0};
		name_read(reader, &name);
		uint16_t type = reader_u16(reader);

		reader_u16(reader);
		if (i == 0) {
			head.name = name;
			head.type = type;
			head.question_end = reader->pos;
		}
	}
	return head;
}

/* What a query says of the reply it takes. */
struct terms {
	bool readable; /* to its end */
	unsigned opts;
	size_t limit;
};

static struct terms read_terms(const struct owed *owed)
{
	struct reader reader = reader_over(owed->bytes, owed->size);
	struct head head = read_head(&reader);
	struct terms terms = {.limit = owed->client.stream ? UINT16_MAX : UDP_PLAIN};
	unsigned count = head.counts[1] + head.counts[2] + head.counts[3];

	for (unsigned i = 0; i < count && !reader.failed; i++) {
		struct record record = read_record(&reader);
		if (record.type != TYPE_OPT || record.owner.length != 1 || reader.failed)
			continue;
		terms.opts++;
		if (record.class > terms.limit)
			terms.limit = record.class;
	}
	terms.readable = !reader.failed && reader_left(&reader) == 0;
	return terms;
}

static bool same_client(const struct client *a, const struct client *b)
{
	return a->stream == b->stream && a->socket == b->socket && a->generation == b->generation &&
	       a->size == b->size && memcmp(&a->address, &b->address, a->size) == 0;
}

bool ledger_query(
	struct ledger *ledger, const struct client *client, const uint8_t *bytes, size_t size)
{
	struct owed *owed;

	if (size < HEADER_SIZE || bytes[2] & FLAG_QR >> 8)
		return false;
	ledger->owed = grown(ledger->owed, ledger->n_owed, sizeof(*ledger->owed));
	owed = &ledger->owed[ledger->n_owed++];
	*owed = (struct owed){.client = *client, .size = size, .bytes = malloc(size)};
	if (!owed->bytes)
		abort();
	memcpy(owed->bytes, bytes, size);
	return true;
}

static const char *check_head(const struct head *head, const struct owed *owed, size_t size)
{
	struct terms terms = read_terms(owed);
	uint16_t asked = (uint16_t)(owed->bytes[2] << 8 | owed->bytes[3]);
	unsigned rcode = head->flags & 15;

	if (!(head->flags & FLAG_QR) || !(head->flags & FLAG_RA) || head->flags & FLAGS_NEVER)
		return "a reply has QR and RA set, AA, Z and AD clear";
	if ((head->flags ^ asked) & FLAGS_ECHOED)
		return "a reply repeats opcode, RD and CD of its query";
	if (head->counts[0] > 1)
		return "a reply has one question at most";
	if (size > terms.limit)
		return "a reply is no longer than the client takes";
	if (terms.readable && rcode != RCODE_FORMERR && rcode != RCODE_NOTIMP &&
		head->counts[3] != terms.opts)
		return "a reply has an OPT record if, and only if, its query has one";
	return NULL;
}

/* Whether a reply to `client` with this head repeats the client, ID and question of a query. */
static bool repeats(const struct owed *owed, const struct client *client, const struct head *head,
	const uint8_t *bytes)
{
	size_t end = head->counts[0] ? head->question_end : HEADER_SIZE;

	return same_client(&owed->client, client) && end <= owed->size &&
	       memcmp(owed->bytes, bytes, 2) == 0 &&
	       memcmp(owed->bytes + HEADER_SIZE, bytes + HEADER_SIZE, end - HEADER_SIZE) == 0;
}

/* Settles the query that a reply answers: of several with one ID the first that it does justice. */
static const char *settle(struct ledger *ledger, const struct client *client,
	const struct head *head, const uint8_t *bytes, size_t size)
{
	const char *broken =
		"a reply answers a query that has none yet, and repeats its ID and question";

	for (size_t i = 0; i < ledger->n_owed; i++) {
		struct owed *owed = &ledger->owed[i];

		if (owed->answered || !repeats(owed, client, head, bytes))
			continue;
		broken = check_head(head, owed, size);
		if (!broken) {
			owed->answered = true;
			return NULL;
		}
	}
	return broken;
}

/* Whether `address` is open for `name` until after `ttl` seconds. */
static bool is_open(const struct ledger *ledger, const struct name *name,
	const struct inaddr *address, uint32_t ttl, struct mono now)
{
	struct mono end = mono_add(now, duration_seconds(ttl));

	for (size_t i = 0; i < ledger->n_opened; i++) {
		const struct opened *opened = &ledger->opened[i];

		if (name_equal(&opened->name, name) &&
			inaddr_compare(&opened->address, address) == 0 &&
			mono_before(end, opened->until))
			return true;
	}
	return false;
}

/* A port of each group, and behind them one of none. */
static void set_port(const struct ledger *ledger, size_t index, struct question *question)
{
	const struct plan *plan = ledger->compiled.plan;

	question->protocol = PROTOCOL_OTHER;
	question->port = 0;
	if (index == plan->n_groups)
		return;
	question->protocol = plan->groups[index].ports[0].protocol;
	question->port = plan->groups[index].ports[0].first;
}

static bool is_refused(const struct ledger *ledger, const struct question *question)
{
	struct judgement judgement;

	judge(ledger->compiled.layers, question, &judgement);
	return judgement.verdict == VERDICT_REFUSE;
}

/* Whether the name, or an address of it, is permitted on any port. */
static bool is_permitted(
	const struct ledger *ledger, const struct name *name, const struct inaddr *address)
{
	struct question question = {.name = name, .address = address};

	for (size_t i = 0; i <= ledger->compiled.plan->n_groups; i++) {
		set_port(ledger, i, &question);
		if (!is_refused(ledger, &question))
			return true;
	}
	return false;
}

/* Whether the address needs no lease to be reached wherever the name permits it. */
static bool is_reachable_anyway(
	const struct ledger *ledger, const struct name *name, const struct inaddr *address)
{
	bool reachable = false;

	for (size_t i = 0; i <= ledger->compiled.plan->n_groups; i++) {
		struct question named = {.name = name, .address = address};
		struct question bare = {.address = address};

		set_port(ledger, i, &named);
		set_port(ledger, i, &bare);
		if (is_refused(ledger, &named))
			continue;
		if (is_refused(ledger, &bare))
			return false;
		reachable = true;
	}
	return reachable;
}

/* What is answered to everybody: localhost (RFC 6761), ipv4only.arpa (RFC 8880). */
static bool is_well_known(const struct name *name, const struct inaddr *address)
{
	static const struct {
		const char *name;
		const char *addresses[2];
	} rows[] = {{"localhost", {"127.0.0.1", "::1"}},
		{"ipv4only.arpa", {"192.0.0.170", "192.0.0.171"}}};
	char text[INADDR_TEXT];

	inaddr_to_text(address, text);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct name top;

		if (name_from_text(text_of(rows[i].name), &top) == 0 && name_is_below(name, &top))
			return strcmp(text, rows[i].addresses[0]) == 0 ||
			       strcmp(text, rows[i].addresses[1]) == 0;
	}
	return false;
}

static const char *check_open(struct ledger *ledger, const struct head *head,
	const struct inaddr *address, uint32_t ttl, struct mono now)
{
	char name[NAME_TEXT], text[INADDR_TEXT];

	if (is_well_known(&head->name, address) || is_open(ledger, &head->name, address, ttl, now))
		return NULL;
	if (is_reachable_anyway(ledger, &head->name, address))
		return duration_seconds(ttl).ms > ledger->compiled.plan->policy->dns.max_lease.ms
			       ? "no TTL is longer than max_lease"
			       : NULL;
	snprintf(ledger->words, sizeof(ledger->words),
		"%s leaves for %.240s with TTL %u without a lease that outlasts it",
		inaddr_to_text(address, text), name_to_text(&head->name, name), ttl);
	return ledger->words;
}

static const char *check_address(struct ledger *ledger, const struct head *head,
	const struct record *record, const uint8_t *raw, struct mono now)
{
	struct inaddr address;

	if (record->type != head->type)
		return "an address is of the type that was asked for";
	if (record->data_size != (record->type == TYPE_A ? 4 : 16))
		return "an address has 4 or 16 bytes";
	address = record->type == TYPE_A ? inaddr_from_ip4(raw) : inaddr_from_ip6(raw);
	return check_open(ledger, head, &address, record->ttl, now);
}

/* The hints of an SVCB or HTTPS record are as addresses. */
static const char *check_service(struct ledger *ledger, const struct head *head,
	const struct record *record, const uint8_t *raw, struct mono now)
{
	struct reader reader = reader_over(raw, record->data_size);
	const char *broken = NULL;
	struct name target;

	reader_u16(&reader);
	name_read(&reader, &target);
	while (reader_left(&reader) > 0 && !broken) {
		uint16_t key = reader_u16(&reader), size = reader_u16(&reader);
		const uint8_t *value = reader_bytes(&reader, size);
		size_t each = key == KEY_IPV4HINT ? 4 : 16;

		if (key == KEY_ECH)
			return "no ech leaves";
		if (key != KEY_IPV4HINT && key != KEY_IPV6HINT)
			continue;
		for (size_t at = 0; value && at + each <= size && !broken; at += each) {
			struct inaddr address = each == 4 ? inaddr_from_ip4(value + at)
							  : inaddr_from_ip6(value + at);

			broken = check_open(ledger, head, &address, record->ttl, now);
		}
	}
	return reader.failed ? "a record can be read" : broken;
}

/* The answer section: aliases from the question on, each owned by the last one's target, then the
 * addresses of the last target. */
static const char *check_answers(struct ledger *ledger, const struct head *head,
	struct reader *reader, const uint8_t *bytes, struct mono now)
{
	struct name at = head->name;
	unsigned aliases = 0;

	for (unsigned i = 0; i < head->counts[1]; i++) {
		struct record record = read_record(reader);
		const char *broken = NULL;

		if (reader->failed)
			return "a reply can be read";
		if (record.class != 1 || !name_equal(&record.owner, &at))
			return "a record is of the name that the one before leads to";
		if (record.type == TYPE_CNAME && head->type != TYPE_CNAME) {
			struct reader data = reader_over(bytes, reader->size);
			reader_seek(&data, record.data);
			name_read(&data, &at);
			aliases++;
		} else if (record.type == TYPE_A || record.type == TYPE_AAAA) {
			broken = check_address(ledger, head, &record, bytes + record.data, now);
		} else if (record.type == TYPE_SVCB || record.type == TYPE_HTTPS) {
			broken = check_service(ledger, head, &record, bytes + record.data, now);
		} else if (record.type != head->type) {
			broken = "an answer has aliases and records of the type asked for only";
		}
		if (broken)
			return broken;
	}
	return aliases > ANSWER_ALIASES_MAX ? "an answer has 8 aliases at most" : NULL;
}

/* Authority and additional section: our SOA, our OPT. */
static const char *check_rest(const struct head *head, struct reader *reader)
{
	for (unsigned i = 0; i < head->counts[2]; i++) {
		if (read_record(reader).type != TYPE_SOA)
			return "the authority section has an SOA only";
	}
	for (unsigned i = 0; i < head->counts[3]; i++) {
		if (read_record(reader).type != TYPE_OPT)
			return "the additional section has an OPT record only";
	}
	if (reader->failed || reader_left(reader) > 0)
		return "a reply can be read to its end";
	return NULL;
}

const char *ledger_reply(struct ledger *ledger, const struct client *client, const uint8_t *bytes,
	size_t size, struct mono now)
{
	struct reader reader = reader_over(bytes, size);
	struct head head = read_head(&reader);
	const char *broken;

	if (reader.failed)
		return "a reply can be read";
	broken = settle(ledger, client, &head, bytes, size);
	if (!broken && head.flags & FLAG_TC && head.counts[1] + head.counts[2] > 0)
		broken = "a truncated reply has no records";
	if (!broken)
		broken = check_answers(ledger, &head, &reader, bytes, now);
	if (!broken)
		broken = check_rest(&head, &reader);
	return broken;
}

static bool is_served(const struct ledger *ledger, uint16_t type)
{
	const struct dns_policy *dns = &ledger->compiled.plan->policy->dns;

	for (size_t i = 0; i < dns->n_types; i++)
		if (dns->types[i] == type)
			return true;
	return false;
}

/* The one OPT record of a question to an upstream: 1232 bytes, version 0, no flag; a cookie of 8 or
 * 16 to 40 bytes and zeros may be in it. */
static const char *check_asked_opt(struct reader *reader, const uint8_t *bytes)
{
	struct record record = read_record(reader);
	struct reader options = reader_over(bytes + record.data, record.data_size);

	if (reader->failed || record.type != TYPE_OPT || record.owner.length != 1 ||
		record.class != UPSTREAM_EDNS || record.ttl != 0)
		return "the EDNS of a question to an upstream is our own";
	while (reader_left(&options) > 0 && !options.failed) {
		unsigned option = reader_u16(&options), size = reader_u16(&options);
		const uint8_t *data = reader_bytes(&options, size);
		bool fits = option == OPTION_COOKIE && size != 0 &&
			    (size == 8 || (size >= 16 && size <= 40));

		if (option == OPTION_PADDING && data)
			for (fits = true; size > 0; size--)
				fits = fits && data[size - 1] == 0;
		if (!fits)
			return "an EDNS option to an upstream is a cookie or padding";
	}
	return options.failed ? "EDNS options to an upstream can be read" : NULL;
}

const char *ledger_ask(struct ledger *ledger, unsigned upstream, const uint8_t *bytes, size_t size)
{
	struct reader reader = reader_over(bytes, size);
	struct head head = read_head(&reader);
	const char *broken = NULL;

	if (upstream >= ledger->compiled.plan->policy->dns.n_upstream)
		return "only the policy's upstream servers are asked";
	if (reader.failed || !is_permitted(ledger, &head.name, NULL))
		return "only permitted names are asked of an upstream";
	if (!is_served(ledger, head.type))
		return "only types of [dns] types are asked of an upstream";
	if (match_host(ledger->compiled.match, &head.name))
		return "names of [dns.hosts] are not asked of an upstream";
	if (head.flags != FLAG_RD || head.counts[0] != 1 || head.counts[1] + head.counts[2] > 0 ||
		head.question_end != HEADER_SIZE + head.name.length + 4u)
		return "a question to an upstream has no bytes but our own";
	for (unsigned i = 0; i < head.counts[3] && !broken; i++)
		broken = check_asked_opt(&reader, bytes);
	return !broken && reader_left(&reader) > 0 ? "a question to an upstream ends" : broken;
}

static bool is_embedded(
	const struct ledger *ledger, const struct name *name, const struct inaddr *address)
{
	const struct embedded_host *host = match_host(ledger->compiled.match, name);

	for (size_t i = 0; host && i < host->n_addresses; i++) {
		if (inaddr_compare(&host->addresses[i], address) == 0)
			return true;
	}
	return false;
}

const char *ledger_lease(struct ledger *ledger, const struct channel_request *request)
{
	const struct policy *policy = ledger->compiled.plan->policy;

	if (request->op != CHANNEL_LEASE)
		return "a lease request is one";
	if (!is_permitted(ledger, &request->lease.name, NULL))
		return "leases are for permitted names";
	if (request->lease.count == 0 || request->lease.count > CHANNEL_ADDRESSES_MAX)
		return "a lease is for 1 to 64 addresses";
	if (duration_seconds(request->lease.ttl).ms > policy->dns.max_lease.ms)
		return "no lease is asked for longer than max_lease";
	for (unsigned i = 0; i < request->lease.count; i++) {
		const struct inaddr *address = &request->lease.addresses[i];
		if (!is_permitted(ledger, &request->lease.name, address) &&
			!is_embedded(ledger, &request->lease.name, address))
			return "no lease is for an address that the policy does not permit the "
			       "name";
	}
	for (size_t i = 0; i < ledger->n_requests; i++) {
		if (ledger->requests[i].ticket == request->ticket)
			return "a ticket is in use once";
	}
	ledger->requests = grown(ledger->requests, ledger->n_requests, sizeof(*request));
	ledger->requests[ledger->n_requests++] = *request;
	return NULL;
}

void ledger_leased(struct ledger *ledger, const struct channel_reply *reply, struct mono now)
{
	size_t at = 0;

	while (at < ledger->n_requests && ledger->requests[at].ticket != reply->ticket)
		at++;
	if (at == ledger->n_requests)
		return;
	const struct channel_request *request = &ledger->requests[at];

	for (unsigned i = 0; i < request->lease.count && reply->status == 0; i++) {
		if (!(reply->opened >> i & 1))
			continue;
		ledger->opened = grown(ledger->opened, ledger->n_opened, sizeof(*ledger->opened));
		ledger->opened[ledger->n_opened++] = (struct opened){
			.name = request->lease.name,
			.address = request->lease.addresses[i],
			.until = mono_add(now, duration_seconds(reply->seconds)),
		};
	}
	ledger->requests[at] = ledger->requests[--ledger->n_requests];
}

const char *ledger_end(struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->n_owed; i++) {
		if (!ledger->owed[i].answered)
			return "every query gets a reply";
	}
	return NULL;
}
