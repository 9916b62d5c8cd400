/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_SLATE_H
#define EGRESS_RESOLVER_SLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/event/event-json.h"
#include "src/event/session.h"

/*
 * The running session, in memory that the parent and the watchers share: a watcher puts there what
 * it knows, at moments of its choosing, and the parent takes it along to files and to the next
 * watcher. What is there may be anybody's bytes: the parent looks at sizes only.
 */
struct slate;

/* 0 or -ENOMEM. Memory is only taken by what is written. */
int slate_new(struct slate **ret_slate);

/* For this process alone. NULL is allowed. */
void slate_free(struct slate *slate);

/* --- A watcher's --- */

/* Where the session is to be written as text (SESSION_SAVED bytes), and its record. */
char *slate_text(struct slate *slate);
char *slate_record(struct slate *slate); /* EVENT_LINE bytes */

/* What was written there is the session now. A record of 0 bytes: it has none that is kept. */
void slate_publish(struct slate *slate, size_t text_size, size_t record_size,
	const struct session_figures *figures);

/* --- The parent's --- */

/* Which publication it is; 0: there was none since slate_clear(). */
uint32_t slate_round(const struct slate *slate);

/* Another session begins: no watcher may be there. */
void slate_clear(struct slate *slate);

/* Copies of what was published last, of at most SESSION_SAVED and EVENT_LINE bytes. 0, -EAGAIN: it
 * is being replaced all the time, or nothing is there; or -EPROTO: that can't be its size. */
int slate_get_text(const struct slate *slate, char *text, size_t *ret_size);
int slate_get_record(const struct slate *slate, char *record, size_t *ret_size);

/* The same of the figures, -EPROTO if they can't be. */
int slate_get_figures(const struct slate *slate, struct session_figures *ret_figures);

#endif
