/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_SENTENCE_H
#define EGRESS_EVENT_SENTENCE_H

#include <stddef.h>

#include "src/event/members.h"

/* A record in a few words for those who read: "refuse query: example.org A, NXDOMAIN
 * (default-deny)". */

#define SENTENCE 640

/* Writes it, without a NUL, and returns its length: printable ASCII, whatever is in the record;
 * what is long is cut. */
size_t sentence_write(const struct members *members, char out[SENTENCE]);

#endif
