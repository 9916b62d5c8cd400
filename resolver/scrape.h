/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_SCRAPE_H
#define EGRESS_RESOLVER_SCRAPE_H

#include <poll.h>
#include <stddef.h>

#include "src/base/clock.h"

/*
 * Answers "GET /metrics" of HTTP/1.1 on a listening socket, and nothing else. It never waits: who
 * is slow, or says nothing, is sent away after a while, and only so many are served at a time.
 */
struct scrape;

#define SCRAPE_CONNECTIONS 8
#define SCRAPE_POLLED (1 + SCRAPE_CONNECTIONS)

/* Bytes of an answer's body. */
#define SCRAPE_BODY ((size_t)256 << 10)

/* Puts a body there; how many bytes, 0: it has no room. */
typedef size_t scrape_render(void *context, char *bytes, size_t size);

/* `listener` is not blocking, and stays the caller's. 0 or -ENOMEM. */
int scrape_new(int listener, scrape_render *render, void *context, struct scrape **ret_scrape);

/* NULL is allowed. */
void scrape_free(struct scrape *scrape);

/* What is to be polled; -1 for what isn't. */
void scrape_poll(const struct scrape *scrape, struct pollfd ret_fds[SCRAPE_POLLED]);

/* Does what poll(2) says there is to do, and what is due. */
void scrape_serve(struct scrape *scrape, const struct pollfd fds[SCRAPE_POLLED], struct mono now);

/* How long, in milliseconds, nothing will be due; -1: for ever. */
int scrape_wait(const struct scrape *scrape, struct mono now);

#endif
