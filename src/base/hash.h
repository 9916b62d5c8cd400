/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_BASE_HASH_H
#define EGRESS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* A secret drawn at start, so that a stranger cannot choose what collides. */
struct hash_key {
	uint64_t k[2];
};

/* A key from getrandom(2). 0 or -errno. */
int hash_key_draw(struct hash_key *ret_key);

/* SipHash-1-3 (Aumasson and Bernstein, 2012) of `size` bytes. */
uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t size);

#endif
