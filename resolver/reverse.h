/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_REVERSE_H
#define EGRESS_RESOLVER_REVERSE_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/clock.h"
#include "src/base/hash.h"
#include "src/base/inaddr.h"
#include "src/base/name.h"

/* By which names the addresses were opened that are open now, in memory of a fixed size that
 * processes may share. Memory of zeros knows of none. */
struct reverse;

/* Bytes that a table takes. */
size_t reverse_size(void);

/* The address was opened for the name, and stays open until then. When there are too many, those
 * that end first are forgotten. */
void reverse_note(struct reverse *reverse, const struct hash_key *key, const struct inaddr *address,
	const struct name *name, struct mono until);

/* The name that opened the address last. False: it is not open, or that is not known. */
bool reverse_find(const struct reverse *reverse, const struct hash_key *key,
	const struct inaddr *address, struct mono now, struct name *ret_name);

#endif
