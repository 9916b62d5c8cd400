/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_TCP_H
#define EGRESS_RESOLVER_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/loop.h"

struct client;
struct inaddr;

/* Clients that ask over TCP (RFC 7766): a table of connections of a fixed size. */
struct tcp;

#define TCP_CONNECTIONS_MAX 256
#define TCP_QUERY_MAX 4096   /* a longer one ends the connection */
#define TCP_IN_FLIGHT_MAX 16 /* queries of one connection that wait for their replies */

/* How long a connection may be without a whole query coming in or a reply going out: as a rule,
 * while the table is full, and after tcp_stop(). */
#define TCP_IDLE_MS 10000
#define TCP_IDLE_FULL_MS 1000
#define TCP_IDLE_STOP_MS 200

/* For `n_sockets` listening sockets, which stay the caller's; the loop's `epoll` tells of them
 * (WATCH_ACCEPT) once tcp_listen() was called, and of connections (WATCH_CLIENT). 0 or -errno. */
int tcp_new(int epoll, const int *sockets, size_t n_sockets, const struct query_sink *sink,
	struct tcp **ret_tcp);
void tcp_free(struct tcp *tcp);

/* Starts to accept connections. 0 or -errno. */
int tcp_listen(struct tcp *tcp);

/* No new connections from here on; those that there are end when they have their replies. */
void tcp_stop(struct tcp *tcp);

/* Whether no connection is left. */
bool tcp_is_idle(const struct tcp *tcp);

/* Accepts connections that wait at a listener. */
void tcp_accept(struct tcp *tcp, uint32_t listener, struct mono now);

/*
 * Takes a connected stream socket as the connection of a client at `peer`; it is closed when that
 * fails. A client that has as many connections as are free gets no more: its idlest one, of those
 * that no reply is owed to, ends for a new one. 0 or -errno: -ENFILE when the table is full,
 * -EUSERS when the client would have too many.
 */
int tcp_adopt(struct tcp *tcp, int fd, const struct inaddr *peer, struct mono now);

/* An event of WATCH_CLIENT. */
void tcp_event(struct tcp *tcp, struct watch watch, uint32_t events, struct mono now);

/* Keeps a reply to be sent by tcp_flush(). One to a connection that has ended is dropped. */
void tcp_reply(struct tcp *tcp, const struct client *client, const uint8_t *bytes, size_t size);

/* Sends what was kept, and hands queries to the sink that had to wait for it. Whether any were. */
bool tcp_flush(struct tcp *tcp, struct mono now);

/* Ends connections that are idle for too long. Returns in how many milliseconds it wants to be
 * called again, or -1. */
int tcp_tick(struct tcp *tcp, struct mono now);

#endif
