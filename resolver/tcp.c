/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/engine.h"
#include "resolver/framing.h"
#include "src/base/fd.h"

/*
 * Theory of operation
 *
 * A connection has a place in the table and two buffers that belong to the place. It is only read
 * while there is room for its query, while few of its queries wait, and while little of its replies
 * does; so a client that sends much and reads nothing is stopped by TCP itself, and costs its
 * place. The outbox holds the replies to all that may be in flight; who lets so much wait that they
 * find no room there loses the connection.
 *
 * A connection lives for TCP_IDLE_MS from its last whole query or whole reply, not from its last
 * byte: who sends a byte now and then, or what is no query, or reads one, doesn't stay. While the
 * table is full nothing is accepted, and that time is a tenth, so that others get their turn soon.
 *
 * A client has no more connections than are free: one alone may have half of the table, two a third
 * each, and there is always room for another one (RFC 7766 section 6.2.2, RFC 9210).
 * For one more than that its own idlest gives way. What is one client is seen by its address, see
 * inaddr_client().
 *
 * All connections have the same time, so the list from the longest to the shortest idle one is the
 * order in which they end. What has something to send or was read from is on the list `dirty`
 * until tcp_flush(), where connections end too: nothing that is at work on one can lose it.
 */

enum {
	INBOX_BYTES = FRAMING_LENGTH + TCP_QUERY_MAX,
	OUTBOX_BYTES = 1 << 17,  /* more than 65537, the longest reply */
	PENDING_BYTES = 1 << 15, /* of replies not sent, with which no more queries are taken */
	ACCEPT_BATCH = 16,       /* connections accepted in one turn of the loop */
	RETRY_MS = 1000,         /* after accept() failed for want of memory or descriptors */
	NOBODY = TCP_CONNECTIONS_MAX, /* an index of none; the idle list's head */
};

struct connection {
	int fd;
	bool open;
	bool dirty;
	bool asked;  /* a query came by it */
	bool ended;  /* nothing more is read */
	bool broken; /* to be closed at the next flush */
	uint32_t events;
	uint32_t generation;
	struct inaddr peer, client; /* its address, and what stands for the client */
	unsigned in_flight;
	struct mono since;        /* its last whole query or reply */
	uint16_t longer, shorter; /* idle */
	uint16_t next;            /* free or dirty */
	struct inbox inbox;
	struct outbox outbox;
};

struct buffers {
	uint8_t inbox[INBOX_BYTES];
	uint8_t outbox[OUTBOX_BYTES];
};

struct tcp {
	int epoll;
	struct query_sink sink;
	bool listens; /* from tcp_listen() to tcp_stop() */
	bool stopping;
	bool accepting; /* the listeners are watched */
	struct mono retry_at;
	uint16_t free;
	uint16_t dirty;
	unsigned n_open;
	struct connection connections[TCP_CONNECTIONS_MAX + 1];
	struct buffers *buffers;
	size_t n_listeners;
	int listeners[];
};

static bool is_full(const struct tcp *tcp)
{
	return tcp->n_open == TCP_CONNECTIONS_MAX;
}

/* Watches the listeners or leaves them alone, as things stand. */
static void update_accepting(struct tcp *tcp, struct mono now)
{
	bool wanted = tcp->listens && !is_full(tcp) && !mono_before(now, tcp->retry_at);

	if (wanted == tcp->accepting)
		return;
	tcp->accepting = wanted;
	for (size_t i = 0; i < tcp->n_listeners; i++)
		watch_change(tcp->epoll, tcp->listeners[i],
			(struct watch){WATCH_ACCEPT, (uint32_t)i, 0}, wanted ? EPOLLIN : 0);
}

int tcp_new(int epoll, const int *sockets, size_t n_sockets, const struct query_sink *sink,
	struct tcp **ret_tcp)
{
	const size_t bytes = TCP_CONNECTIONS_MAX * sizeof(struct buffers);
	struct tcp *tcp = calloc(1, sizeof(*tcp) + n_sockets * sizeof(tcp->listeners[0]));

	if (!tcp)
		return -ENOMEM;
	/* Pages are taken as connections use them. */
	tcp->buffers = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (tcp->buffers == MAP_FAILED) {
		free(tcp);
		return -ENOMEM;
	}
	tcp->epoll = epoll;
	tcp->sink = *sink;
	tcp->dirty = NOBODY;
	tcp->free = NOBODY;
	for (uint16_t i = TCP_CONNECTIONS_MAX; i-- > 0;) {
		tcp->connections[i].next = tcp->free;
		tcp->free = i;
	}
	tcp->connections[NOBODY].longer = NOBODY;
	tcp->connections[NOBODY].shorter = NOBODY;
	tcp->n_listeners = n_sockets;
	for (size_t i = 0; i < n_sockets; i++)
		tcp->listeners[i] = sockets[i];
	*ret_tcp = tcp;
	return 0;
}

void tcp_free(struct tcp *tcp)
{
	if (!tcp)
		return;
	for (unsigned i = 0; i < TCP_CONNECTIONS_MAX; i++)
		if (tcp->connections[i].open)
			close(tcp->connections[i].fd);
	munmap(tcp->buffers, TCP_CONNECTIONS_MAX * sizeof(struct buffers));
	free(tcp);
}

int tcp_listen(struct tcp *tcp)
{
	for (size_t i = 0; i < tcp->n_listeners; i++) {
		struct watch watch = {WATCH_ACCEPT, (uint32_t)i, 0};
		int error = watch_start(tcp->epoll, tcp->listeners[i], watch, EPOLLIN);

		if (error)
			return error;
	}
	tcp->listens = true;
	tcp->accepting = true;
	return 0;
}

bool tcp_is_idle(const struct tcp *tcp)
{
	return tcp->n_open == 0;
}

static void mark_dirty(struct tcp *tcp, struct connection *connection)
{
	if (connection->dirty)
		return;
	connection->dirty = true;
	connection->next = tcp->dirty;
	tcp->dirty = (uint16_t)(connection - tcp->connections);
}

static void break_off(struct tcp *tcp, struct connection *connection)
{
	connection->broken = true;
	mark_dirty(tcp, connection);
}

static void leave_idle_list(struct tcp *tcp, const struct connection *connection)
{
	tcp->connections[connection->longer].shorter = connection->shorter;
	tcp->connections[connection->shorter].longer = connection->longer;
}

/* As of now the shortest idle of all. */
static void enter_idle_list(struct tcp *tcp, struct connection *connection, struct mono now)
{
	struct connection *head = &tcp->connections[NOBODY];
	uint16_t index = (uint16_t)(connection - tcp->connections);

	connection->since = now;
	connection->longer = head->longer;
	connection->shorter = NOBODY;
	tcp->connections[head->longer].shorter = index;
	head->longer = index;
}

static void touch(struct tcp *tcp, struct connection *connection, struct mono now)
{
	leave_idle_list(tcp, connection);
	enter_idle_list(tcp, connection, now);
}

static struct watch watch_of(const struct tcp *tcp, const struct connection *connection)
{
	return (struct watch){
		WATCH_CLIENT, (uint32_t)(connection - tcp->connections), connection->generation};
}

/* Sees to it that the client may have one connection more. Whether it may. */
static bool make_way(struct tcp *tcp, const struct inaddr *client)
{
	struct connection *connection, *idlest = NULL;
	unsigned n_own = 0;

	for (uint16_t i = tcp->connections[NOBODY].shorter; i != NOBODY; i = connection->shorter) {
		connection = &tcp->connections[i];
		if (connection->broken || inaddr_compare(&connection->client, client) != 0)
			continue;
		n_own++;
		if (!idlest && connection->in_flight == 0)
			idlest = connection;
	}
	if (n_own < TCP_CONNECTIONS_MAX - tcp->n_open)
		return true;
	if (idlest)
		break_off(tcp, idlest);
	return idlest != NULL;
}

int tcp_adopt(struct tcp *tcp, int fd, const struct inaddr *peer, struct mono now)
{
	struct connection *connection = &tcp->connections[tcp->free];
	struct buffers *buffers = &tcp->buffers[tcp->free];
	struct inaddr client = inaddr_client(peer);
	int error = tcp->free == NOBODY ? -ENFILE : 0;
	int one = 1;

	if (!error && !make_way(tcp, &client))
		error = -EUSERS;
	if (!error)
		error = watch_start(tcp->epoll, fd, watch_of(tcp, connection), EPOLLIN);
	if (error) {
		fd_closep(&fd);
		return error;
	}
	/* Replies are whole when they are sent: nothing is gained by waiting for more. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	tcp->free = connection->next;
	tcp->n_open++;
	*connection = (struct connection){
		.fd = fd,
		.open = true,
		.events = EPOLLIN,
		.generation = connection->generation,
		.peer = *peer,
		.client = client,
		.inbox = {.bytes = buffers->inbox, .size = sizeof(buffers->inbox)},
		.outbox = {.bytes = buffers->outbox, .size = sizeof(buffers->outbox)},
	};
	enter_idle_list(tcp, connection, now);
	update_accepting(tcp, now);
	return 0;
}

static void close_connection(struct tcp *tcp, struct connection *connection, struct mono now)
{
	leave_idle_list(tcp, connection);
	close(connection->fd);
	connection->open = false;
	connection->generation++;
	connection->next = tcp->free;
	tcp->free = (uint16_t)(connection - tcp->connections);
	tcp->n_open--;
	update_accepting(tcp, now);
}

/* Errors of accept(2) that last; the others are of the one connection that waited. */
static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Who is at the other end; nobody in particular where that cannot be said. */
static int accept_from(int listener, struct inaddr *ret_peer)
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	socklen_t size = sizeof(address);
	struct endpoint endpoint = {.port = 0};
	int fd =
		accept4(listener, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);

	endpoint_from_sockaddr((struct sockaddr *)&address, &endpoint);
	*ret_peer = endpoint.address;
	return fd;
}

void tcp_accept(struct tcp *tcp, uint32_t listener, struct mono now)
{
	for (unsigned i = 0; i < ACCEPT_BATCH && tcp->accepting; i++) {
		struct inaddr peer;
		int fd = accept_from(tcp->listeners[listener], &peer);

		if (fd >= 0) {
			tcp_adopt(tcp, fd, &peer, now);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (is_shortage(errno)) {
			tcp->retry_at = mono_add(now, (struct duration){RETRY_MS});
			update_accepting(tcp, now);
		}
	}
}

/* Whether another query of the connection may be taken. */
static bool takes_queries(const struct connection *connection)
{
	return !connection->broken && connection->in_flight < TCP_IN_FLIGHT_MAX &&
	       outbox_pending(&connection->outbox) < PENDING_BYTES;
}

/* Hands a message to the sink. Whether it is a query: a reply is owed to it then. */
static bool hand_on(struct tcp *tcp, struct connection *connection, const struct client *client,
	const uint8_t *bytes, size_t size, struct mono now)
{
	/* The reply may come at once. */
	connection->in_flight++;
	if (!tcp->sink.query(tcp->sink.context, client, bytes, size, now)) {
		connection->in_flight--;
		return false;
	}
	connection->asked = true;
	touch(tcp, connection, now);
	return true;
}

/* Hands the whole queries that are in the inbox to the sink. Whether there were any. */
static bool take_queries(struct tcp *tcp, struct connection *connection, struct mono now)
{
	struct client client = {
		.stream = true,
		.socket = (uint32_t)(connection - tcp->connections),
		.generation = connection->generation,
		.peer = connection->peer,
	};
	bool taken = false;

	while (takes_queries(connection)) {
		const uint8_t *query;
		size_t size;
		int error = inbox_next(&connection->inbox, &query, &size);

		if (error == -EAGAIN)
			break;
		if (error) {
			break_off(tcp, connection);
			break;
		}
		taken |= hand_on(tcp, connection, &client, query, size, now);
	}
	return taken;
}

void tcp_event(struct tcp *tcp, struct watch watch, uint32_t events, struct mono now)
{
	struct connection *connection = &tcp->connections[watch.index];
	int got = -EAGAIN;

	if (!connection->open || connection->generation != watch.generation)
		return;
	mark_dirty(tcp, connection);
	if (events & (EPOLLERR | EPOLLHUP)) {
		connection->broken = true;
		return;
	}
	if (events & EPOLLIN)
		got = inbox_fill(&connection->inbox, connection->fd);
	if (got == 0)
		connection->ended = true;
	else if (got < 0 && got != -EAGAIN && got != -ENOBUFS)
		connection->broken = true;
	take_queries(tcp, connection, now);
}

void tcp_reply(struct tcp *tcp, const struct client *client, const uint8_t *bytes, size_t size)
{
	struct connection *connection = &tcp->connections[client->socket];

	if (!connection->open || connection->generation != client->generation)
		return;
	connection->in_flight--;
	if (outbox_put(&connection->outbox, bytes, size) != 0)
		connection->broken = true;
	mark_dirty(tcp, connection);
}

static void update_events(struct tcp *tcp, struct connection *connection)
{
	uint32_t events = 0;

	if (!connection->ended && takes_queries(connection) && inbox_room(&connection->inbox) > 0)
		events |= EPOLLIN;
	if (outbox_pending(&connection->outbox) > 0)
		events |= EPOLLOUT;
	if (events == connection->events)
		return;
	connection->events = events;
	if (watch_change(tcp->epoll, connection->fd, watch_of(tcp, connection), events) != 0)
		break_off(tcp, connection);
}

static void send_pending(struct tcp *tcp, struct connection *connection, struct mono now)
{
	int error;

	if (outbox_pending(&connection->outbox) == 0)
		return;
	error = outbox_send(&connection->outbox, connection->fd);
	if (error == 0)
		touch(tcp, connection, now);
	else if (error != -EAGAIN)
		connection->broken = true;
}

static bool flush(struct tcp *tcp, struct connection *connection, struct mono now)
{
	bool taken = false;

	if (!connection->broken)
		send_pending(tcp, connection, now);
	if (!connection->broken)
		taken = take_queries(tcp, connection, now);
	if (connection->ended && connection->in_flight == 0 &&
		outbox_pending(&connection->outbox) == 0)
		connection->broken = true;
	if (!connection->broken)
		update_events(tcp, connection);
	else if (!connection->dirty)
		close_connection(tcp, connection, now);
	return taken;
}

bool tcp_flush(struct tcp *tcp, struct mono now)
{
	bool taken = false;

	while (tcp->dirty != NOBODY) {
		struct connection *connection = &tcp->connections[tcp->dirty];

		tcp->dirty = connection->next;
		connection->dirty = false;
		taken |= flush(tcp, connection, now);
	}
	return taken;
}

static struct duration idle_limit(const struct tcp *tcp)
{
	if (tcp->stopping)
		return (struct duration){TCP_IDLE_STOP_MS};
	return (struct duration){is_full(tcp) ? TCP_IDLE_FULL_MS : TCP_IDLE_MS};
}

int tcp_tick(struct tcp *tcp, struct mono now)
{
	struct duration limit = idle_limit(tcp);
	uint16_t index = tcp->connections[NOBODY].shorter;
	int wait = -1;

	update_accepting(tcp, now);
	if (mono_before(now, tcp->retry_at))
		wait = wait_until(now, tcp->retry_at);
	for (; index != NOBODY; index = tcp->connections[index].shorter) {
		struct mono end = mono_add(tcp->connections[index].since, limit);

		if (mono_before(now, end))
			return wait_sooner(wait, wait_until(now, end));
		break_off(tcp, &tcp->connections[index]);
	}
	return wait;
}

void tcp_stop(struct tcp *tcp)
{
	for (size_t i = 0; i < tcp->n_listeners; i++)
		watch_end(tcp->epoll, tcp->listeners[i]);
	tcp->listens = false;
	tcp->accepting = false;
	tcp->stopping = true;
	for (unsigned i = 0; i < TCP_CONNECTIONS_MAX; i++) {
		struct connection *connection = &tcp->connections[i];

		if (!connection->open)
			continue;
		/* What has been sent is still answered; a client that has just come may ask. */
		inbox_fill(&connection->inbox, connection->fd);
		connection->ended |= connection->asked || inbox_pending(&connection->inbox) > 0;
		mark_dirty(tcp, connection);
	}
}
