/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_CONSOLE_H
#define EGRESS_RESOLVER_CONSOLE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "resolver/console-wire.h"
#include "src/base/clock.h"

/* The socket that an administrator's commands come in by. It knows nothing of what they are. */
struct console;

#define CONSOLE_CONNECTIONS 8
#define CONSOLE_POLLED (CONSOLE_CONNECTIONS + 1)

/* Why there is none. */
#define CONSOLE_PROBLEM 256

/*
 * Listens at `path`, for uid 0 and `uid`. With `with_folder` the folder it is in is made if it is
 * missing. What a dead process left there is replaced; -EADDRINUSE when a living one listens.
 * -errno, with what failed in ret_problem (CONSOLE_PROBLEM bytes).
 */
int console_open(const char *path, uid_t uid, bool with_folder, struct console **ret_console,
	char *ret_problem);

/* Takes the socket away, unless it is another's by now. NULL is allowed. */
void console_close(struct console *console);

const char *console_path(const struct console *console);

/* What to poll, CONSOLE_POLLED of them, and for how many milliseconds at most; -1: for any time. */
void console_poll(const struct console *console, struct pollfd *ret_fds);
int console_wait(const struct console *console, struct mono now);

/* A command. `ticket` names the connection until it has been answered. console_answer() may be
 * called from here. */
typedef void console_handler(
	void *context, uint32_t ticket, const struct console_call *call, struct mono now);

/* Takes what has come in, for each command once, and ends connections that were silent for long. */
void console_serve(struct console *console, const struct pollfd *fds, struct mono now,
	console_handler *handler, void *context);

/* Answers a command with `text`, of malloc(3), which is taken over; NULL is an answer too: that
 * there was no memory for one. A ticket whose connection has ended is ignored. */
void console_answer(
	struct console *console, uint32_t ticket, enum console_status status, char *text);

/* Whether the one who asked is still there. */
bool console_waits(const struct console *console, uint32_t ticket);

/* The connection's number, below CONSOLE_CONNECTIONS. */
static inline unsigned console_index(uint32_t ticket)
{
	return ticket % CONSOLE_CONNECTIONS;
}

#endif
