/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_JOURNAL_H
#define EGRESS_EVENT_JOURNAL_H

#include <stddef.h>

#include "src/event/event-json.h"
#include "src/event/members.h"

/* A record as a datagram for systemd-journald(8), in its native protocol
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL). */

/* No datagram is longer, which is far from where a memfd would have to be sent instead. */
#define JOURNAL_MESSAGE 16384

/* Writes it; its length. `line` is what MESSAGE= is, without a newline; length 0: a sentence. Each
 * member has a field of its own, EGRESS_RULE= and so on, whatever the line is. */
size_t journal_write(const struct members *members, struct text line, char out[JOURNAL_MESSAGE]);

#endif
