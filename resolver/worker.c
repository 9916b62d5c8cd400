/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "resolver/bucket.h"
#include "resolver/channel.h"
#include "resolver/counters.h"
#include "resolver/engine.h"
#include "resolver/loop.h"
#include "resolver/outgoing.h"
#include "resolver/preflight.h"
#include "resolver/streams.h"
#include "resolver/tcp.h"
#include "resolver/udp.h"
#include "rules/dns-server.h"
#include "src/base/fd.h"
#include "src/base/footprint.h"
#include "src/base/log.h"
#include "src/event/ring.h"

/*
 * Theory of operation
 *
 * The process that speaks with strangers: no capability, no files, no user of its own; what it may
 * ask of the keeper is all it can do. A turn of its loop: what is due, sending what that and the
 * turn before left to be sent, waiting, then each event handed to the part it belongs to. The parts
 * know the engine or a sink; the engine knows the parts as the io below.
 *
 * Every wait is bounded by what a part is due for, and every part by tables of fixed size. When the
 * keeper falls behind, so that another batch of answers may not find room in the channel, the
 * worker reads nothing but the channel: the queries wait in their sockets. From a keeper that says
 * nothing for long it gives up, and the parent starts all anew.
 *
 * A UDP socket that has a full batch of queries waiting is taken off the epoll descriptor, and
 * asked for more in each turn until it has none: while it is watched the kernel tells of room in it
 * for each reply that leaves, which costs a twentieth of all there is to do for a query.
 *
 * What clients can make it log is bounded: a few lines a second, and then how many were left out.
 * Of what is too much for wildcards the first is told of for each rule, and the others are counted;
 * once a minute, and when it is dismissed, some worker says how many those of all workers were.
 *
 * It answers from the moment that the keeper has been asked for every upstream socket. When the
 * parent dismisses it, it takes no more queries, finishes the ones it has, and ends; there is
 * another worker on the same sockets by then.
 */

enum {
	BATCH_LEASES = 64,  /* more than an event can lead to */
	BATCHES_MAX = 8,    /* of queries that are taken from a UDP socket in one turn */
	BUSY_MAX = 32,      /* sockets that may be busy: a bit each */
	DRAIN_MS = 3000,    /* to finish what has begun */
	SILENCE_MS = 10000, /* of a keeper that has been asked */
	EXCESS_MS = 60000,  /* how often the log has what was too much for wildcards */
};

static const struct rate reports_rate = {.count = 5, .seconds = 1};

struct worker {
	const struct dns_policy *dns;
	struct counters *counters;
	struct guard *guard;
	struct rings *rings;
	unsigned ring;
	int epoll;
	int ready;
	int leash;
	struct channel channel;
	struct engine *engine;
	struct udp *udp;
	struct tcp *tcp;
	struct outgoing *outgoing;
	struct streams *streams;
	struct bucket reports;
	unsigned n_unreported;
	const int *udp_sockets;
	size_t n_sockets;
	uint32_t busy;     /* bit 1 << index: the socket isn't watched, but asked in each turn */
	struct mono now;   /* when the loop's turn began */
	struct mono heard; /* the keeper, or that it owed nothing */
	struct mono excess_at; /* when to say what was too much */
	bool untold;           /* there are records that who reads them wasn't told of */
	bool answers;          /* clients are being listened to */
	bool ended;            /* to be ended at once */
	bool stopping;
	struct mono stop_at; /* while stopping: the latest */
	int error;           /* not 0: to be ended */
};

/* --- The engine's io --- */

static void io_reply(void *context, const struct client *client, const uint8_t *bytes, size_t size)
{
	struct worker *worker = context;

	if (client->stream)
		tcp_reply(worker->tcp, client, bytes, size);
	else
		udp_reply(worker->udp, client, bytes, size);
}

static int io_ask(
	void *context, unsigned upstream, const uint8_t *bytes, size_t size, unsigned *ret_socket)
{
	struct worker *worker = context;

	return outgoing_ask(worker->outgoing, upstream, bytes, size, ret_socket);
}

static int io_ask_stream(
	void *context, unsigned upstream, uint32_t ticket, const uint8_t *bytes, size_t size)
{
	struct worker *worker = context;

	return streams_ask(worker->streams, upstream, ticket, bytes, size);
}

static int io_lease(void *context, const struct channel_request *request)
{
	struct worker *worker = context;

	return channel_send_request(&worker->channel, request);
}

static int64_t io_time(void *context)
{
	(void)context;
	return (int64_t)time(NULL);
}

static void io_report(
	void *context, enum engine_report what, const struct name *name, const char *rule)
{
	struct worker *worker = context;
	char text[NAME_TEXT];

	name_to_text(name, text);
	/* This comes once for each rule. */
	if (what == ENGINE_WILDCARD) {
		log_warning("%s: more than the wildcards of this entry may have: %s", rule, text);
		return;
	}
	if (!bucket_take(&worker->reports, worker->now)) {
		worker->n_unreported++;
		return;
	}
	if (worker->n_unreported > 0)
		log_info("%u more names were observed", worker->n_unreported);
	worker->n_unreported = 0;
	log_info("%s: observed: %s would refuse it", text, rule);
}

static void io_record(void *context, const struct event *event)
{
	struct worker *worker = context;

	ring_add(worker->rings, worker->ring, event);
	worker->untold = true;
}

static void io_report_server(
	void *context, enum engine_server_report what, unsigned upstream, unsigned count)
{
	static const char *const reports[] = {
		[ENGINE_SERVER_DOWN] = "does not answer",
		[ENGINE_SERVER_UP] = "answers again",
		[ENGINE_SERVER_NO_CASE] = "changes the case of letters: it is no longer varied",
		[ENGINE_SERVER_NO_EDNS] = "does not take EDNS: it is asked without for an hour",
		[ENGINE_SERVER_MISMATCH] = "messages that are no answer to the question",
	};
	const struct worker *worker = context;
	char text[DNS_SERVER_TEXT];

	dns_server_to_text(&worker->dns->upstream[upstream], text);
	if (what == ENGINE_SERVER_DOWN || what == ENGINE_SERVER_UP)
		counters_note_server(worker->counters, upstream, what == ENGINE_SERVER_DOWN);
	if (what == ENGINE_SERVER_MISMATCH)
		log_warning("upstream %s: %s: %u", text, reports[what], count);
	else
		log_info("upstream %s: %s", text, reports[what]);
}

static void io_report_delay(void *context, unsigned upstream, struct duration delay)
{
	const struct worker *worker = context;

	counters_note_delay(worker->counters, upstream, delay);
}

static bool take_query(void *context, const struct client *client, const uint8_t *bytes,
	size_t size, struct mono now)
{
	struct worker *worker = context;

	return engine_query(worker->engine, client, bytes, size, now);
}

static void take_queries(
	void *context, struct engine_message *messages, unsigned count, struct mono now)
{
	struct worker *worker = context;

	engine_queries(worker->engine, messages, count, now);
}

/* --- Events --- */

/* Whether the channel may be too full for what one more event leads to. */
static bool is_behind(const struct worker *worker)
{
	return worker->channel.n_out > CHANNEL_OUT_MAX - BATCH_LEASES;
}

static void on_reply(struct worker *worker, const struct channel_reply *reply, int fd)
{
	switch (reply->op) {
	case CHANNEL_LEASED:
		fd_closep(&fd);
		engine_leased(worker->engine, reply, worker->now);
		break;
	case CHANNEL_FORGET:
		fd_closep(&fd);
		engine_forget(worker->engine);
		break;
	case CHANNEL_OPENED:
		if (reply->ticket & STREAMS_TICKET)
			streams_opened(worker->streams, reply, fd, worker->engine, worker->now);
		else
			outgoing_opened(worker->outgoing, reply, fd, worker->now);
		break;
	default:
		fd_closep(&fd);
		worker->error = -EPROTO;
	}
}

/* As many replies as may be out; a keeper that sent more would be at fault. */
static void on_channel(struct worker *worker, struct watch watch, uint32_t events)
{
	(void)watch;
	(void)events;
	for (unsigned i = 0; i < CHANNEL_OUT_MAX || channel_untaken(&worker->channel) > 0; i++) {
		struct channel_reply reply;
		int fd;
		int error = channel_receive_reply(&worker->channel, &reply, &fd);

		if (error == -EAGAIN)
			return;
		worker->heard = worker->now;
		if (error)
			worker->error = error;
		else
			on_reply(worker, &reply, fd);
		if (worker->error)
			return;
	}
}

static void on_leash(struct worker *worker, struct watch watch, uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR)) {
		worker->ended = true;
		return;
	}
	/* The byte stays for the other processes. */
	watch_change(worker->epoll, worker->leash, watch, 0);
	worker->stopping = true;
	worker->stop_at = mono_add(worker->now, (struct duration){DRAIN_MS});
	if (!worker->answers)
		return;
	for (size_t i = 0; i < worker->n_sockets; i++)
		watch_end(worker->epoll, worker->udp_sockets[i]);
	worker->busy = 0;
	tcp_stop(worker->tcp);
}

static void on_udp(struct worker *worker, struct watch watch, uint32_t events)
{
	(void)events;
	if (!udp_receive(worker->udp, watch.index, worker->now) || watch.index >= BUSY_MAX)
		return;
	watch_end(worker->epoll, worker->udp_sockets[watch.index]);
	worker->busy |= UINT32_C(1) << watch.index;
}

/* Takes queries until a socket has no more, or enough for a turn of the loop. Whether it may have
 * more. */
static bool take_batches(struct worker *worker, uint32_t index)
{
	for (unsigned i = 0; i < BATCHES_MAX; i++)
		if (is_behind(worker) || !udp_receive(worker->udp, index, worker->now))
			return is_behind(worker);
	return true;
}

/* Serves the sockets that are not watched; those that have become idle are again. */
static void serve_busy(struct worker *worker)
{
	for (uint32_t left = worker->busy; left != 0 && !worker->error; left &= left - 1) {
		uint32_t index = (uint32_t)__builtin_ctz(left);

		if (take_batches(worker, index))
			continue;
		worker->busy &= ~(UINT32_C(1) << index);
		worker->error = watch_start(worker->epoll, worker->udp_sockets[index],
			(struct watch){WATCH_UDP, index, 0}, EPOLLIN);
	}
}

static void on_accept(struct worker *worker, struct watch watch, uint32_t events)
{
	(void)events;
	tcp_accept(worker->tcp, watch.index, worker->now);
}

static void on_client(struct worker *worker, struct watch watch, uint32_t events)
{
	tcp_event(worker->tcp, watch, events, worker->now);
}

static void on_upstream(struct worker *worker, struct watch watch, uint32_t events)
{
	(void)events;
	outgoing_event(worker->outgoing, watch, worker->engine, worker->now);
}

static void on_stream(struct worker *worker, struct watch watch, uint32_t events)
{
	(void)events;
	streams_event(worker->streams, watch, worker->engine, worker->now);
}

static void (*const on_event[WATCH_KINDS])(
	struct worker *worker, struct watch watch, uint32_t events) = {
	[WATCH_CHANNEL] = on_channel,
	[WATCH_LEASH] = on_leash,
	[WATCH_UDP] = on_udp,
	[WATCH_ACCEPT] = on_accept,
	[WATCH_CLIENT] = on_client,
	[WATCH_UPSTREAM] = on_upstream,
	[WATCH_STREAM] = on_stream,
};

/* --- The loop --- */

/* Sees whether the keeper is still at work. Returns when to look again. */
static int check_keeper(struct worker *worker)
{
	struct mono until = mono_add(worker->heard, (struct duration){SILENCE_MS});

	if (worker->channel.n_out == 0) {
		worker->heard = worker->now;
		return -1;
	}
	if (!mono_before(worker->now, until))
		worker->error = -ETIMEDOUT;
	return wait_until(worker->now, until);
}

/* Listens to clients, once every upstream socket was asked for, and tells the parent. */
static int start_answering(struct worker *worker)
{
	int error = 0;

	if (worker->answers || worker->stopping || !outgoing_is_settled(worker->outgoing))
		return 0;
	for (size_t i = 0; i < worker->n_sockets && !error; i++)
		error = watch_start(worker->epoll, worker->udp_sockets[i],
			(struct watch){WATCH_UDP, (uint32_t)i, 0}, EPOLLIN);
	if (!error)
		error = tcp_listen(worker->tcp);
	if (!error)
		error = fd_write_all(worker->ready, "", 1);
	fd_closep(&worker->ready);
	worker->answers = true;
	return error;
}

static void report_excess(struct worker *worker)
{
	struct guard_excess excess;
	size_t at = 0;

	while (guard_take_excess(worker->guard, &at, &excess))
		log_warning("%s: %u more after that", excess.rule, excess.count);
	worker->excess_at = mono_add(worker->now, (struct duration){EXCESS_MS});
}

static void tell_of_records(struct worker *worker)
{
	if (worker->untold)
		ring_tell(worker->rings, worker->ring);
	worker->untold = false;
}

/* Does what is due and sends what there is to send. Returns how long the loop may wait. */
static int tick(struct worker *worker)
{
	int wait;
	bool taken;

	wait = engine_tick(worker->engine, worker->now);
	outgoing_tick(worker->outgoing, worker->now);
	wait = wait_sooner(wait, outgoing_wait(worker->outgoing, worker->now));
	wait = wait_sooner(wait, streams_tick(worker->streams, worker->engine, worker->now));
	wait = wait_sooner(wait, tcp_tick(worker->tcp, worker->now));
	taken = tcp_flush(worker->tcp, worker->now);
	udp_flush(worker->udp);
	tell_of_records(worker);
	if (!mono_before(worker->now, worker->excess_at))
		report_excess(worker);
	wait = wait_sooner(wait, wait_until(worker->now, worker->excess_at));
	if (worker->stopping)
		wait = wait_sooner(wait, wait_until(worker->now, worker->stop_at));
	return taken ? 0 : wait;
}

/* Nothing is owed to anybody, or there is no more time for it. */
static bool is_done(struct worker *worker)
{
	if (worker->ended || !worker->stopping)
		return worker->ended;
	return !mono_before(worker->now, worker->stop_at) ||
	       (engine_tick(worker->engine, worker->now) < 0 && tcp_is_idle(worker->tcp));
}

static void handle_events(struct worker *worker, int wait)
{
	struct watch watches[LOOP_EVENTS];
	uint32_t events[LOOP_EVENTS];
	int count = watch_wait(worker->epoll, wait, watches, events);

	worker->now = clock_now();
	if (worker->channel.n_out == 0)
		worker->heard = worker->now;
	if (count < 0)
		worker->error = count;
	/* What isn't handled is told again. */
	for (int i = 0; i < count && !worker->error; i++) {
		if (is_behind(worker) && watches[i].kind != WATCH_CHANNEL)
			continue;
		on_event[watches[i].kind](worker, watches[i], events[i]);
	}
	serve_busy(worker);
}

static void wait_for_keeper(struct worker *worker, int wait)
{
	struct pollfd pollers[] = {
		{.fd = worker->channel.fd, .events = POLLIN}, {.fd = worker->leash}};

	poll(pollers, 2, wait);
	worker->now = clock_now();
	if (pollers[1].revents)
		worker->ended = true;
	else if (pollers[0].revents)
		on_channel(worker, (struct watch){.kind = WATCH_CHANNEL}, 0);
}

static int run(struct worker *worker)
{
	worker->now = clock_now();
	worker->heard = worker->now;
	worker->excess_at = mono_add(worker->now, (struct duration){EXCESS_MS});
	while (!worker->error) {
		int wait = tick(worker);

		/* Not before what the last turn left has been sent. */
		if (is_done(worker))
			break;
		wait = wait_sooner(wait, check_keeper(worker));
		if (!worker->error)
			worker->error = start_answering(worker);
		if (!worker->error)
			worker->error = channel_flush(&worker->channel);
		if (worker->error)
			break;
		if (is_behind(worker))
			wait_for_keeper(worker, wait);
		else
			handle_events(worker, worker->busy ? 0 : wait);
	}
	tell_of_records(worker);
	report_excess(worker);
	if (worker->error == -EPIPE)
		log_error("giving up: the keeper is gone");
	else if (worker->error == -ETIMEDOUT)
		log_error("giving up: the keeper does not answer");
	else if (worker->error)
		log_error("giving up: %s", strerror(-worker->error));
	return worker->error;
}

/* --- The process --- */

static int make_engine(struct worker *worker, const struct worker_config *from)
{
	struct engine_config config = {
		.compiled = from->compiled,
		.guard = from->guard,
		.anchors = from->anchors,
		.cache_bytes = from->cache_bytes,
		.cookie_key = from->cookie_key,
		.counters = from->counters,
		.recording = from->rings ? from->recording : ENGINE_RECORD_NONE,
		.io = {.context = worker,
			.time = io_time,
			.report = io_report,
			.reply = io_reply,
			.ask = io_ask,
			.ask_stream = io_ask_stream,
			.report_server = io_report_server,
			.report_delay = io_report_delay,
			.record = io_record,
			.lease = io_lease},
	};
	int error = hash_key_draw(&config.key);

	return error ? error : engine_new(&config, &worker->engine);
}

static int make_parts(struct worker *worker, const struct worker_config *config)
{
	const struct query_sink sink = {
		.context = worker, .query = take_query, .queries = take_queries};
	const struct dns_policy *dns = &config->compiled.plan->policy->dns;
	struct hash_key key;
	int error = hash_key_draw(&key);

	if (!error)
		error = udp_new(config->udp, config->n_sockets, &sink, &worker->udp);
	if (!error)
		error = tcp_new(worker->epoll, config->tcp, config->n_sockets, &sink, &worker->tcp);
	if (!error)
		error = outgoing_new(worker->epoll, &worker->channel, dns, &key, &worker->outgoing);
	if (!error)
		error = streams_new(
			worker->epoll, &worker->channel, dns, config->trust, &worker->streams);
	if (!error)
		error = make_engine(worker, config);
	return error;
}

static int prepare(struct worker *worker, const struct worker_config *config)
{
	int error;

	worker->dns = &config->compiled.plan->policy->dns;
	worker->counters = config->counters;
	worker->guard = config->guard;
	worker->rings = config->rings;
	worker->ring = config->ring;
	worker->ready = config->ready;
	worker->leash = config->leash;
	worker->channel.fd = config->channel;
	worker->udp_sockets = config->udp;
	worker->n_sockets = config->n_sockets;
	bucket_init(&worker->reports, reports_rate);
	worker->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (worker->epoll < 0)
		return -errno;
	error = watch_start(
		worker->epoll, config->channel, (struct watch){.kind = WATCH_CHANNEL}, EPOLLIN);
	if (!error)
		error = watch_start(
			worker->epoll, config->leash, (struct watch){.kind = WATCH_LEASH}, EPOLLIN);
	if (!error)
		error = make_parts(worker, config);
	return error;
}

static void worker_free(struct worker *worker)
{
	engine_free(worker->engine);
	streams_free(worker->streams);
	outgoing_free(worker->outgoing);
	tcp_free(worker->tcp);
	udp_free(worker->udp);
	fd_closep(&worker->epoll);
	free(worker);
}

/* 0, or -errno, which has been logged. */
static int work(struct worker *worker, const struct worker_config *config)
{
	int error = preflight_become(&config->confine);

	if (error)
		return error;
	error = prepare(worker, config);
	if (error) {
		log_error("cannot start: %s", strerror(-error));
		return error;
	}
	footprint_trim();
	return run(worker);
}

int worker_run(const struct worker_config *config)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int error;

	if (!worker) {
		log_error("cannot start: out of memory");
		return 1;
	}
	worker->epoll = -1;
	error = work(worker, config);
	worker_free(worker);
	return error ? 1 : 0;
}
