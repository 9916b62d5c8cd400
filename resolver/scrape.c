/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/scrape.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/loop.h"
#include "src/base/fd.h"
#include "src/base/text.h"

/*
 * Theory of operation
 *
 * A connection is in one of these states, and has PATIENCE_MS for all of them together:
 *
 *	READING  until the empty line behind the head of a request, or HEAD_MAX bytes
 *	WRITING  the answer, which ends the connection: there is one request each
 *	LEAVING  all is written; the client's own end is waited for, since closing a socket with
 *	         unread bytes would take the answer back (TCP: a reset)
 *
 * Of a request its first line is looked at (RFC 9112 section 3), and of the rest only where it
 * ends. Without a free place nobody is accepted: who comes waits in the listening socket for a
 * place, which is free again after PATIENCE_MS at the latest.
 *
 * An answer is made when it is asked for, in memory that goes with the connection.
 */

enum {
	HEAD_MAX = 4096,
	PATIENCE_MS = 3000,
	PART_MAX = 1 << 16, /* written in a turn */
	ACCEPTED_MAX = 4,   /* in a turn */
	ANSWER_HEAD = 256,
};

enum state { READING, WRITING, LEAVING };

struct connection {
	int fd; /* -1: the place is free */
	enum state state;
	struct mono until;
	char head[HEAD_MAX];
	size_t n_read;
	char *answer;
	size_t size;
	size_t sent;
};

struct scrape {
	int listener;
	scrape_render *render;
	void *context;
	struct connection connections[SCRAPE_CONNECTIONS];
};

int scrape_new(int listener, scrape_render *render, void *context, struct scrape **ret_scrape)
{
	struct scrape *scrape = calloc(1, sizeof(*scrape));

	if (!scrape)
		return -ENOMEM;
	scrape->listener = listener;
	scrape->render = render;
	scrape->context = context;
	for (unsigned i = 0; i < SCRAPE_CONNECTIONS; i++)
		scrape->connections[i].fd = -1;
	*ret_scrape = scrape;
	return 0;
}

static void end_connection(struct connection *connection)
{
	fd_closep(&connection->fd);
	free(connection->answer);
	connection->answer = NULL;
}

void scrape_free(struct scrape *scrape)
{
	if (!scrape)
		return;
	for (unsigned i = 0; i < SCRAPE_CONNECTIONS; i++)
		end_connection(&scrape->connections[i]);
	free(scrape);
}

/* --- Answers --- */

enum status { STATUS_OK, STATUS_BAD, STATUS_NOT_FOUND, STATUS_METHOD, STATUS_LARGE, STATUS_FAILED };

static const struct {
	const char *line;
	const char *headers;
	const char *body;
} answers[] = {
	[STATUS_OK] = {"200 OK", "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n", ""},
	[STATUS_BAD] = {"400 Bad Request", "Content-Type: text/plain\r\n", "not understood\n"},
	[STATUS_NOT_FOUND] = {"404 Not Found", "Content-Type: text/plain\r\n",
		"there is only /metrics\n"},
	[STATUS_METHOD] = {"405 Method Not Allowed", "Content-Type: text/plain\r\nAllow: GET\r\n",
		"there is only GET\n"},
	[STATUS_LARGE] = {"431 Request Header Fields Too Large", "Content-Type: text/plain\r\n",
		"too long\n"},
	[STATUS_FAILED] = {"500 Internal Server Error", "Content-Type: text/plain\r\n",
		"no room\n"},
};

static bool is_token(struct text text)
{
	for (size_t i = 0; i < text.length; i++)
		if (text.start[i] < 'A' || text.start[i] > 'Z')
			return false;
	return text.length > 0;
}

static bool is_version(struct text text)
{
	return text_is(text, "HTTP/1.0") || text_is(text, "HTTP/1.1");
}

/* "GET /metrics?a=b HTTP/1.1" */
static enum status judge_line(struct text line)
{
	struct text method, target, rest, path;

	text_cut(line, ' ', &method, &rest);
	text_cut(rest, ' ', &target, &rest);
	if (!is_token(method) || !is_version(rest) || target.length == 0 || target.start[0] != '/')
		return STATUS_BAD;
	if (!text_is(method, "GET"))
		return STATUS_METHOD;
	text_cut(target, '?', &path, &rest);
	return text_is(path, "/metrics") ? STATUS_OK : STATUS_NOT_FOUND;
}

/* Puts the body behind where the head will be. How long it is; 0: there is none. */
static size_t render(const struct scrape *scrape, struct connection *connection)
{
	connection->answer = malloc(ANSWER_HEAD + SCRAPE_BODY);
	return connection->answer ? scrape->render(scrape->context,
					    connection->answer + ANSWER_HEAD, SCRAPE_BODY)
				  : 0;
}

static void put_error(struct connection *connection, enum status status)
{
	size_t length = strlen(answers[status].body);

	if (!connection->answer)
		connection->answer = malloc(ANSWER_HEAD + length);
	if (connection->answer)
		memcpy(connection->answer + ANSWER_HEAD, answers[status].body, length);
}

/* An answer whose body, of `size` bytes, is there: its head goes right before it. */
static void put_head(struct connection *connection, enum status status, size_t size)
{
	char head[ANSWER_HEAD];
	int length = snprintf(head, sizeof(head),
		"HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
		answers[status].line, answers[status].headers, size);

	memcpy(connection->answer + ANSWER_HEAD - length, head, (size_t)length);
	connection->sent = ANSWER_HEAD - (size_t)length;
	connection->size = ANSWER_HEAD + size;
	connection->state = WRITING;
}

static void answer(const struct scrape *scrape, struct connection *connection, enum status status)
{
	size_t size = 0;

	if (status == STATUS_OK) {
		size = render(scrape, connection);
		status = size > 0 ? STATUS_OK : STATUS_FAILED;
	}
	if (status != STATUS_OK) {
		put_error(connection, status);
		size = strlen(answers[status].body);
	}
	if (connection->answer)
		put_head(connection, status, size);
	else
		end_connection(connection);
}

/* --- A connection --- */

/* Whether the head is whole: its last line is empty. */
static bool is_whole(const struct connection *connection)
{
	return memmem(connection->head, connection->n_read, "\r\n\r\n", 4) != NULL;
}

static void read_head(const struct scrape *scrape, struct connection *connection)
{
	struct text line, rest = {connection->head, 0};
	ssize_t size = recv(connection->fd, connection->head + connection->n_read,
		HEAD_MAX - connection->n_read, 0);

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size <= 0) {
		end_connection(connection);
		return;
	}
	connection->n_read += (size_t)size;
	rest.length = connection->n_read;
	if (is_whole(connection)) {
		text_cut(rest, '\r', &line, &rest);
		answer(scrape, connection, judge_line(line));
	} else if (connection->n_read == HEAD_MAX) {
		answer(scrape, connection, STATUS_LARGE);
	}
}

static void write_answer(struct connection *connection)
{
	size_t left = connection->size - connection->sent;
	ssize_t size = send(connection->fd, connection->answer + connection->sent,
		left < PART_MAX ? left : PART_MAX, MSG_NOSIGNAL);

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size < 0) {
		end_connection(connection);
		return;
	}
	connection->sent += (size_t)size;
	if (connection->sent < connection->size)
		return;
	connection->state = LEAVING;
	if (shutdown(connection->fd, SHUT_WR) < 0)
		end_connection(connection);
}

static void wait_for_end(struct connection *connection)
{
	ssize_t size = recv(connection->fd, connection->head, HEAD_MAX, 0);

	if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
		end_connection(connection);
}

static void go_on(const struct scrape *scrape, struct connection *connection)
{
	switch (connection->state) {
	case READING:
		read_head(scrape, connection);
		break;
	case WRITING:
		write_answer(connection);
		break;
	case LEAVING:
		wait_for_end(connection);
		break;
	}
}

/* --- All of them --- */

static struct connection *free_place(struct scrape *scrape)
{
	for (unsigned i = 0; i < SCRAPE_CONNECTIONS; i++)
		if (scrape->connections[i].fd < 0)
			return &scrape->connections[i];
	return NULL;
}

static void take_in(struct scrape *scrape, struct mono now)
{
	for (unsigned i = 0; i < ACCEPTED_MAX; i++) {
		struct connection *connection = free_place(scrape);

		if (!connection)
			return;
		connection->fd =
			accept4(scrape->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (connection->fd < 0)
			return;
		connection->state = READING;
		connection->n_read = 0;
		connection->until = mono_add(now, (struct duration){PATIENCE_MS});
	}
}

static bool has_place(const struct scrape *scrape)
{
	for (unsigned i = 0; i < SCRAPE_CONNECTIONS; i++)
		if (scrape->connections[i].fd < 0)
			return true;
	return false;
}

void scrape_poll(const struct scrape *scrape, struct pollfd ret_fds[SCRAPE_POLLED])
{
	ret_fds[0] = (struct pollfd){has_place(scrape) ? scrape->listener : -1, POLLIN, 0};
	for (unsigned i = 0; i < SCRAPE_CONNECTIONS; i++) {
		const struct connection *connection = &scrape->connections[i];

		ret_fds[1 + i] = (struct pollfd){
			connection->fd, connection->state == WRITING ? POLLOUT : POLLIN, 0};
	}
}

void scrape_serve(struct scrape *scrape, const struct pollfd fds[SCRAPE_POLLED], struct mono now)
{
	for (unsigned i = 0; i < SCRAPE_CONNECTIONS; i++) {
		struct connection *connection = &scrape->connections[i];

		if (connection->fd >= 0 && connection->fd == fds[1 + i].fd && fds[1 + i].revents)
			go_on(scrape, connection);
		if (connection->fd >= 0 && !mono_before(now, connection->until))
			end_connection(connection);
	}
	if (fds[0].revents & POLLIN)
		take_in(scrape, now);
}

int scrape_wait(const struct scrape *scrape, struct mono now)
{
	int wait = -1;

	for (unsigned i = 0; i < SCRAPE_CONNECTIONS; i++)
		if (scrape->connections[i].fd >= 0)
			wait = wait_sooner(wait, wait_until(now, scrape->connections[i].until));
	return wait;
}
