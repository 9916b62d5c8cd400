/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/upstream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/health.h"
#include "resolver/msg.h"
#include "resolver/question.h"

/*
 * Theory of operation
 *
 * A question goes to the server that is up and answers fastest; to one that is asked by TLS before
 * any that isn't: those without TLS are asked while no server with it is up, and not otherwise.
 * When the server's own time-out passes (health.c), another one is asked too, and whichever answers
 * first is believed. A server that gave an unusable answer isn't asked again for this question. All
 * ends after a few servers, or a few seconds; sooner when every server was down at the beginning.
 *
 * What comes in a datagram is believed if it has the socket, ID and question that were sent. The
 * question has random capitals (0x20), and a cookie (RFC 7873): that is what a forger has to guess
 * besides. A server may fail to keep the capitals, or lose its cookie: a datagram that is right but
 * for these is not believed, and the server is asked again over TCP, where nobody answers for it
 * who doesn't see the connection. Whatever it says there is taken, and if it changed the letters
 * there too, it is asked without capitals from then on; if it has no cookie, none is expected. So
 * no datagram can bring down the guard. TLS needs neither; there questions are padded.
 *
 * A server that answers FORMERR, NOTIMP or BADVERS is asked without EDNS; if it has an answer to
 * that, it gets such questions for an hour. All that is remembered is in a table of fixed size.
 */

enum {
	TRIES_MIN = 4,           /* of servers for a question, though there be fewer of them */
	PATIENCE_MS = 3500,      /* resolvers behind us may have a long way */
	PATIENCE_DOWN_MS = 1500, /* when no server was up */
	NO_EDNS_MS = 3600000,
	REPORT_MS = 60000,
	RCODE_BADCOOKIE = 23,
};

/* The last question that went to a server beside another one: its answer counts when that other
 * one has answered, and the question is gone. */
struct probe {
	uint16_t id; /* 0: none */
	uint16_t type;
	uint32_t socket;
	uint64_t letters;
	struct mono at;
	struct name name;
};

struct server {
	struct health health;
	struct probe probe;
	enum engine_stream_failure failure; /* of its last connection */
	bool keeps_no_case;
	bool edns_fails;
	struct mono no_edns_until;
	uint8_t client_cookie[COOKIE_CLIENT_SIZE];
	uint8_t server_cookie[COOKIE_SERVER_MAX];
	size_t server_cookie_size; /* 0: it hasn't sent any */
	unsigned n_mismatches;     /* since they were reported */
	struct mono report_at;
};

struct upstream {
	const struct dns_policy *dns;
	const struct engine_io *io;
	struct pending_table *table;
	struct upstream_sink sink;
	unsigned n_servers;
	struct server servers[DNS_SERVERS_MAX];
};

int upstream_new(const struct dns_policy *dns, const struct engine_io *io,
	struct pending_table *table, const struct upstream_sink *sink,
	struct upstream **ret_upstream)
{
	struct upstream *upstream = calloc(1, sizeof(*upstream));
	struct hash_key key;
	int error = upstream ? hash_key_draw(&key) : -ENOMEM;

	if (error) {
		free(upstream);
		return error;
	}
	upstream->dns = dns;
	upstream->io = io;
	upstream->table = table;
	upstream->sink = *sink;
	upstream->n_servers = (unsigned)dns->n_upstream;
	for (unsigned i = 0; i < upstream->n_servers; i++) {
		uint64_t cookie = hash_bytes(&key, &i, sizeof(i));

		memcpy(upstream->servers[i].client_cookie, &cookie, COOKIE_CLIENT_SIZE);
	}
	*ret_upstream = upstream;
	return 0;
}

void upstream_free(struct upstream *upstream)
{
	free(upstream);
}

static void report(
	struct upstream *upstream, enum engine_server_report what, unsigned server, unsigned count)
{
	const struct engine_io *io = upstream->io;

	if (io->report_server)
		io->report_server(io->context, what, server, count);
}

static void report_delay(struct upstream *upstream, unsigned server, struct duration delay)
{
	const struct engine_io *io = upstream->io;

	if (io->report_delay)
		io->report_delay(io->context, server, delay);
}

/* Takes note of a message that is no answer to the question whose ID it has. */
static void note_mismatch(struct upstream *upstream, unsigned number, struct mono now)
{
	struct server *server = &upstream->servers[number];

	server->n_mismatches++;
	if (mono_before(now, server->report_at))
		return;
	report(upstream, ENGINE_SERVER_MISMATCH, number, server->n_mismatches);
	server->n_mismatches = 0;
	server->report_at = mono_add(now, (struct duration){REPORT_MS});
}

/* --- Servers --- */

static bool is_tls(const struct upstream *upstream, unsigned number)
{
	return upstream->dns->upstream[number].tls;
}

/* Whether questions may leave in clear text: no server with TLS is up. */
static bool may_be_clear(const struct upstream *upstream)
{
	for (unsigned i = 0; i < upstream->n_servers; i++)
		if (is_tls(upstream, i) && health_is_up(&upstream->servers[i].health))
			return false;
	return true;
}

static bool is_any_up(const struct upstream *upstream)
{
	for (unsigned i = 0; i < upstream->n_servers; i++)
		if (health_is_up(&upstream->servers[i].health))
			return true;
	return false;
}

static bool may_ask(const struct upstream *upstream, const struct pending *pending, unsigned number)
{
	return !(pending->useless >> number & 1) &&
	       (is_tls(upstream, number) || may_be_clear(upstream));
}

/* An attempt at the server that may still be answered; NULL: none. */
static struct attempt *find_open(struct pending *pending, unsigned number, bool stream)
{
	for (unsigned i = 0; i < pending->n_attempts; i++) {
		struct attempt *attempt = &pending->attempts[i];

		if (attempt->server == number && attempt->stream == stream && !attempt->over)
			return attempt;
	}
	return NULL;
}

static bool is_open(struct pending *pending, unsigned number)
{
	return find_open(pending, number, false) || find_open(pending, number, true);
}

/* How late a server's turn comes: smaller is sooner. */
struct turn {
	unsigned attempts; /* made already */
	bool down;
	bool clear;
	int32_t rtt;
};

static struct turn turn_of(
	const struct upstream *upstream, const struct pending *pending, unsigned number)
{
	const struct health *health = &upstream->servers[number].health;
	struct turn turn = {
		.down = !health_is_up(health),
		.clear = !is_tls(upstream, number),
		.rtt = health_rtt(health),
	};

	for (unsigned i = 0; i < pending->n_attempts; i++)
		turn.attempts += pending->attempts[i].server == number;
	return turn;
}

static bool is_sooner(const struct turn *a, const struct turn *b)
{
	if (a->attempts != b->attempts)
		return a->attempts < b->attempts;
	if (a->down != b->down)
		return b->down;
	if (a->clear != b->clear)
		return b->clear;
	return a->rtt < b->rtt;
}

/* The server whose turn it is, or -1; one that may still answer only when `again`. */
static int choose(const struct upstream *upstream, struct pending *pending, bool again)
{
	struct turn best = {0};
	int chosen = -1;

	for (unsigned i = 0; i < upstream->n_servers; i++) {
		struct turn turn = turn_of(upstream, pending, i);

		if (!may_ask(upstream, pending, i) || (!again && is_open(pending, i)))
			continue;
		if (chosen >= 0 && !is_sooner(&turn, &best))
			continue;
		best = turn;
		chosen = (int)i;
	}
	return chosen;
}

/* --- Asking --- */

static struct question_form form_of(
	struct upstream *upstream, const struct pending *pending, const struct attempt *attempt)
{
	const struct server *server = &upstream->servers[attempt->server];
	bool tls = is_tls(upstream, attempt->server);

	return (struct question_form){
		.letters = attempt->cased ? pending->letters : 0,
		.edns = attempt->edns,
		.dnssec = pending->signatures,
		.padded = tls,
		.client_cookie = tls ? NULL : server->client_cookie,
		.server_cookie = server->server_cookie,
		.server_cookie_size = server->server_cookie_size,
	};
}

/* Sends the question to a server. 0 or -errno. */
static int send_attempt(
	struct upstream *upstream, struct pending *pending, const struct attempt *attempt)
{
	const struct engine_io *io = upstream->io;
	struct attempt *sent = &pending->attempts[pending->n_attempts];
	struct question_form form = form_of(upstream, pending, attempt);
	uint8_t question[QUESTION_MAX];
	size_t size;
	int error;

	if (pending->n_attempts == ATTEMPTS_MAX)
		return -EAGAIN;
	size = question_write(pending->id, &pending->name, pending->type, &form, question);
	*sent = *attempt;
	if (sent->stream)
		error = io->ask_stream(io->context, sent->server,
			pending_ticket(upstream->table, pending), question, size);
	else
		error = io->ask(io->context, sent->server, question, size, &sent->socket);
	pending->n_attempts += error == 0;
	return error;
}

/* The first attempt at a server, as it is usually asked. */
static struct attempt make_attempt(
	const struct upstream *upstream, unsigned number, struct mono now)
{
	const struct server *server = &upstream->servers[number];
	bool tls = is_tls(upstream, number);

	return (struct attempt){
		.server = (uint8_t)number,
		.stream = tls,
		.cased = !tls && !server->keeps_no_case,
		.edns = !server->edns_fails || !mono_before(now, server->no_edns_until),
		.at = now,
	};
}

/* Gives up. */
static void fail(struct upstream *upstream, struct pending *pending, struct mono now)
{
	bool untrusted = false;

	for (unsigned i = 0; i < pending->n_attempts; i++) {
		unsigned number = pending->attempts[i].server;

		untrusted |= is_tls(upstream, number) &&
			     upstream->servers[number].failure == ENGINE_STREAM_UNTRUSTED;
	}
	upstream->sink.failed(upstream->sink.context, pending, EDE_NO_REACHABLE_AUTHORITY,
		untrusted ? "upstream-tls" : "upstream", now);
}

static void wait_for(
	struct upstream *upstream, struct pending *pending, struct duration span, struct mono now)
{
	struct duration left = mono_between(now, pending->until);

	pending_wait_upstream(upstream->table, pending, left.ms < span.ms ? left : span, now);
}

/* Sends the question also to a server of which it is time to learn how it does; to one at most. */
static void probe_another(struct upstream *upstream, struct pending *pending, struct mono now)
{
	for (unsigned i = 0; i < upstream->n_servers; i++) {
		struct server *server = &upstream->servers[i];
		struct attempt attempt = make_attempt(upstream, i, now);
		bool failed;

		if (!may_ask(upstream, pending, i) || is_open(pending, i))
			continue;
		bool wanted = health_wants_probe(&server->health, now, &failed);
		if (failed)
			report(upstream, ENGINE_SERVER_DOWN, i, 1);
		if (!wanted || send_attempt(upstream, pending, &attempt) != 0)
			continue;
		health_probed(&server->health, now);
		if (!attempt.stream)
			server->probe = (struct probe){
				.id = pending->id,
				.type = pending->type,
				.socket = pending->attempts[pending->n_attempts - 1].socket,
				.letters = attempt.cased ? pending->letters : 0,
				.at = now,
				.name = pending->name,
			};
		return;
	}
}

/* Sends the question to one more server, if any can be asked. */
static bool send_to_next(
	struct upstream *upstream, struct pending *pending, bool again, struct mono now)
{
	unsigned tries_max = upstream->n_servers > TRIES_MIN ? upstream->n_servers : TRIES_MIN;

	while (pending->tries < tries_max) {
		int number = choose(upstream, pending, again);

		if (number < 0)
			return false;
		struct server *server = &upstream->servers[number];
		struct attempt attempt = make_attempt(upstream, (unsigned)number, now);

		pending->tries++;
		/* What is on its way over a connection arrives, or that fails. */
		if (find_open(pending, (unsigned)number, true) ||
			send_attempt(upstream, pending, &attempt) == 0) {
			wait_for(upstream, pending, health_timeout(&server->health), now);
			return true;
		}
		pending->useless |= (uint8_t)(1u << number);
	}
	return false;
}

/* One server more is asked, or what may still come is waited for, or it has failed. */
static void ask_next(
	struct upstream *upstream, struct pending *pending, bool again, struct mono now)
{
	bool waits = false;

	if (mono_before(now, pending->until)) {
		if (send_to_next(upstream, pending, false, now) ||
			(again && send_to_next(upstream, pending, true, now)))
			return;
		for (unsigned i = 0; i < upstream->n_servers; i++)
			waits |= is_open(pending, i);
	}
	if (waits)
		wait_for(upstream, pending, (struct duration){PATIENCE_MS}, now);
	else
		fail(upstream, pending, now);
}

void upstream_ask(struct upstream *upstream, struct pending *pending, struct mono now)
{
	int64_t patience = is_any_up(upstream) ? PATIENCE_MS : PATIENCE_DOWN_MS;

	pending->until = mono_add(now, (struct duration){patience});
	if (pending_draw_id(upstream->table, pending) != 0) {
		fail(upstream, pending, now);
		return;
	}
	if (send_to_next(upstream, pending, false, now))
		probe_another(upstream, pending, now);
	else
		fail(upstream, pending, now);
}

/* Asks the same server once more; another one when that can't be. */
static void ask_again(struct upstream *upstream, struct pending *pending,
	const struct attempt *attempt, struct mono now)
{
	const struct health *health = &upstream->servers[attempt->server].health;

	if (send_attempt(upstream, pending, attempt) == 0) {
		wait_for(upstream, pending, health_timeout(health), now);
		return;
	}
	pending->useless |= (uint8_t)(1u << attempt->server);
	ask_next(upstream, pending, false, now);
}

static void ask_stream(struct upstream *upstream, struct pending *pending, struct attempt *attempt,
	struct mono now)
{
	struct attempt stream = *attempt;

	stream.stream = true;
	stream.over = false;
	stream.blamed = false;
	stream.at = now;
	ask_again(upstream, pending, &stream, now);
}

/* --- Answers --- */

static void note_alive(struct upstream *upstream, unsigned number, bool was_down)
{
	if (was_down)
		report(upstream, ENGINE_SERVER_UP, number, 1);
}

/* The server gave an answer that is no use: another one may. */
static void turn_away(struct upstream *upstream, struct pending *pending, struct attempt *attempt,
	struct mono now)
{
	attempt->over = true;
	pending->useless |= (uint8_t)(1u << attempt->server);
	ask_next(upstream, pending, false, now);
}

/* Whether the server understood the question, but for its EDNS. */
static bool is_edns_trouble(const struct attempt *attempt, const struct question_reply *reply)
{
	if (!attempt->edns)
		return false;
	return reply->rcode == RCODE_BADVERS ||
	       (!reply->edns && (reply->rcode == RCODE_FORMERR || reply->rcode == RCODE_NOTIMP));
}

/* Takes note of what an answer shows of the way the server has to be asked. */
static void learn_edns(struct upstream *upstream, const struct attempt *attempt, struct mono now)
{
	struct server *server = &upstream->servers[attempt->server];

	if (attempt->edns || !attempt->repeat)
		return;
	if (!server->edns_fails || !mono_before(now, server->no_edns_until))
		report(upstream, ENGINE_SERVER_NO_EDNS, attempt->server, 1);
	server->edns_fails = true;
	server->no_edns_until = mono_add(now, (struct duration){NO_EDNS_MS});
}

/* A reply to the question, by the server it was sent to. */
static void take_reply(struct upstream *upstream, struct pending *pending, struct attempt *attempt,
	const uint8_t *bytes, size_t size, struct mono now)
{
	switch (upstream->sink.read(upstream->sink.context, pending, bytes, size, now)) {
	case ANSWER_READY:
		learn_edns(upstream, attempt, now);
		upstream->sink.answered(upstream->sink.context, pending, now);
		break;
	case ANSWER_TRUNCATED:
		if (attempt->stream) {
			turn_away(upstream, pending, attempt, now);
			break;
		}
		attempt->over = true;
		ask_stream(upstream, pending, attempt, now);
		break;
	case ANSWER_FAILED:
		turn_away(upstream, pending, attempt, now);
		break;
	case ANSWER_BOGUS:
		note_mismatch(upstream, attempt->server, now);
		break;
	}
}

/* The same, where it may say that the question should have been put otherwise. */
static void take_message(struct upstream *upstream, struct pending *pending,
	struct attempt *attempt, const struct question_reply *reply, const uint8_t *bytes,
	size_t size, struct mono now)
{
	struct server *server = &upstream->servers[attempt->server];
	struct attempt again = *attempt;
	struct duration delay = mono_between(attempt->at, now);
	bool was_down = health_answered(&server->health, delay, now);

	report_delay(upstream, attempt->server, delay);
	note_alive(upstream, attempt->server, was_down);
	again.at = now;
	again.blamed = false;
	again.repeat = true;
	if (is_edns_trouble(attempt, reply)) {
		attempt->over = true;
		again.edns = false;
		ask_again(upstream, pending, &again, now);
	} else if (reply->rcode == RCODE_BADCOOKIE && attempt->edns && !attempt->stream) {
		attempt->over = true;
		again.stream = attempt->repeat;
		ask_again(upstream, pending, &again, now);
	} else if (reply->echo == ECHO_NONE) {
		turn_away(upstream, pending, attempt, now);
	} else {
		take_reply(upstream, pending, attempt, bytes, size, now);
	}
}

enum cookie { COOKIE_FINE, COOKIE_MISSING, COOKIE_WRONG };

/* RFC 7873 section 5.3. Keeps the server's part. */
static enum cookie check_cookie(struct upstream *upstream, const struct attempt *attempt,
	const struct question_reply *reply)
{
	struct server *server = &upstream->servers[attempt->server];
	size_t size = reply->cookie_size - COOKIE_CLIENT_SIZE;

	if (!attempt->edns || is_tls(upstream, attempt->server))
		return COOKIE_FINE;
	if (!reply->cookie)
		return server->server_cookie_size > 0 ? COOKIE_MISSING : COOKIE_FINE;
	if (reply->cookie_size < COOKIE_CLIENT_SIZE ||
		memcmp(reply->cookie, server->client_cookie, COOKIE_CLIENT_SIZE) != 0)
		return COOKIE_WRONG;
	if (size == 0)
		return COOKIE_FINE;
	if (size < COOKIE_SERVER_MIN || size > COOKIE_SERVER_MAX)
		return COOKIE_WRONG;
	memcpy(server->server_cookie, reply->cookie + COOKIE_CLIENT_SIZE, size);
	server->server_cookie_size = size;
	return COOKIE_FINE;
}

/* A datagram for no question that is out: perhaps of a server that was asked beside another. */
static void take_stray(struct upstream *upstream, unsigned number, unsigned socket,
	const uint8_t *bytes, size_t size, struct mono now)
{
	struct server *server = &upstream->servers[number];
	struct probe *probe = &server->probe;
	struct reader reader = reader_over(bytes, size);
	struct question_reply reply;
	bool was_down;

	if (probe->id == 0 || reader_u16(&reader) != probe->id || probe->socket != socket)
		return;
	question_read_reply(bytes, size, &probe->name, probe->type, probe->letters, &reply);
	if (reply.echo == ECHO_FOREIGN)
		return;
	probe->id = 0;
	was_down = health_answered(&server->health, mono_between(probe->at, now), now);
	note_alive(upstream, number, was_down);
}

void upstream_reply(struct upstream *upstream, unsigned server, unsigned socket,
	const uint8_t *bytes, size_t size, struct mono now)
{
	struct reader reader = reader_over(bytes, size);
	struct pending *pending = pending_by_id(upstream->table, reader_u16(&reader));
	struct attempt *attempt = pending && pending->state == PENDING_UPSTREAM
					  ? pending_datagram(pending, server, socket)
					  : NULL;
	struct question_reply reply;
	enum cookie cookie;

	if (!attempt) {
		take_stray(upstream, server, socket, bytes, size, now);
		return;
	}
	question_read_reply(bytes, size, &pending->name, pending->type,
		attempt->cased ? pending->letters : 0, &reply);
	cookie =
		reply.echo == ECHO_FOREIGN ? COOKIE_WRONG : check_cookie(upstream, attempt, &reply);
	if (cookie != COOKIE_WRONG && cookie != COOKIE_MISSING && reply.echo != ECHO_OTHER_CASE) {
		take_message(upstream, pending, attempt, &reply, bytes, size, now);
		return;
	}
	note_mismatch(upstream, server, now);
	if (cookie != COOKIE_WRONG && !find_open(pending, server, true))
		ask_stream(upstream, pending, attempt, now);
}

void upstream_stream_reply(struct upstream *upstream, unsigned server, uint32_t ticket,
	const uint8_t *bytes, size_t size, struct mono now)
{
	struct pending *pending = pending_by_ticket(upstream->table, ticket, PENDING_UPSTREAM);
	struct attempt *attempt = pending ? find_open(pending, server, true) : NULL;
	struct server *from = &upstream->servers[server];
	struct reader reader = reader_over(bytes, size);
	struct question_reply reply;

	from->failure = ENGINE_STREAM_BROKEN;
	if (!attempt) {
		note_alive(upstream, server, health_seen(&from->health, now));
		return;
	}
	question_read_reply(bytes, size, &pending->name, pending->type,
		attempt->cased ? pending->letters : 0, &reply);
	/* Nobody but the server can have sent that. */
	if (reply.echo == ECHO_FOREIGN || reader_u16(&reader) != pending->id) {
		note_mismatch(upstream, server, now);
		turn_away(upstream, pending, attempt, now);
		return;
	}
	if (reply.echo == ECHO_OTHER_CASE && !from->keeps_no_case) {
		from->keeps_no_case = true;
		report(upstream, ENGINE_SERVER_NO_CASE, server, 1);
	}
	if (check_cookie(upstream, attempt, &reply) == COOKIE_MISSING)
		from->server_cookie_size = 0;
	take_message(upstream, pending, attempt, &reply, bytes, size, now);
}

/* --- Failures --- */

static void note_failed(
	struct upstream *upstream, unsigned number, struct mono asked, struct mono now)
{
	if (health_failed(&upstream->servers[number].health, asked, now))
		report(upstream, ENGINE_SERVER_DOWN, number, 1);
}

void upstream_unreachable(
	struct upstream *upstream, unsigned server, unsigned socket, struct mono now)
{
	struct attempt *attempt;
	struct pending *pending;

	while ((pending = pending_on_socket(upstream->table, server, socket, &attempt))) {
		note_failed(upstream, server, attempt->at, now);
		turn_away(upstream, pending, attempt, now);
	}
}

void upstream_stream_failed(struct upstream *upstream, unsigned server, uint32_t ticket,
	enum engine_stream_failure why, struct mono now)
{
	struct pending *pending = pending_by_ticket(upstream->table, ticket, PENDING_UPSTREAM);
	struct attempt *attempt = pending ? find_open(pending, server, true) : NULL;

	upstream->servers[server].failure = why;
	/* That it has no TCP says nothing of its UDP. */
	if (is_tls(upstream, server) && why != ENGINE_STREAM_CLOSED)
		note_failed(upstream, server, attempt ? attempt->at : (struct mono){0}, now);
	if (!attempt)
		return;
	if (why == ENGINE_STREAM_CLOSED && !attempt->repeat) {
		struct attempt again = *attempt;

		attempt->over = true;
		again.at = now;
		again.blamed = false;
		again.repeat = true;
		ask_again(upstream, pending, &again, now);
	} else {
		turn_away(upstream, pending, attempt, now);
	}
}

/* Takes note of the servers that should have answered by now. */
static void blame(struct upstream *upstream, struct pending *pending, struct mono now)
{
	for (unsigned i = 0; i < pending->n_attempts; i++) {
		struct attempt *attempt = &pending->attempts[i];
		unsigned number = attempt->server;
		struct duration timeout = health_timeout(&upstream->servers[number].health);

		if (attempt->over || attempt->blamed ||
			(attempt->stream && !is_tls(upstream, number)) ||
			mono_between(attempt->at, now).ms < timeout.ms)
			continue;
		attempt->blamed = true;
		note_failed(upstream, number, attempt->at, now);
	}
}

void upstream_timed_out(struct upstream *upstream, struct pending *pending, struct mono now)
{
	blame(upstream, pending, now);
	ask_next(upstream, pending, true, now);
}
