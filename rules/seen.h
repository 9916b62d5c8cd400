/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_SEEN_H
#define EGRESS_RULES_SEEN_H

#include <stddef.h>
#include <stdint.h>

struct arena;
struct place;

/* What a list had so far, to find what is in it twice. */
struct seen;

/* Room for `count` things. 0, -ENOMEM, or another -errno when the kernel gives no random bytes. */
int seen_new(struct arena *arena, size_t count, struct seen **ret_seen);

/* Adds a thing; `bytes` and `place` are kept by reference. The place of an equal one (same kind,
 * same bytes) that was added before, or NULL. */
const struct place *seen_add(struct seen *seen, unsigned kind, const void *bytes, size_t size,
	const struct place *place);

/* The place of an equal thing that was added, or NULL. */
const struct place *seen_find(
	const struct seen *seen, unsigned kind, const void *bytes, size_t size);

#endif
