/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/hash.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

int hash_key_draw(struct hash_key *ret_key)
{
	struct hash_key key;
	ssize_t got;

	/* Up to 256 bytes come whole; only the wait for the pool at boot can be interrupted. */
	do
		got = getrandom(&key, sizeof(key), 0);
	while (got < 0 && errno == EINTR);

	if (got < 0)
		return -errno;
	if ((size_t)got != sizeof(key))
		return -EIO;
	*ret_key = key;
	return 0;
}

/* 8 bytes, the first the least significant. */
static inline uint64_t load_word(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return le64toh(word);
}

/* The same of fewer bytes. */
static inline uint64_t load_tail(const uint8_t *bytes, size_t size)
{
	uint64_t word = 0;

	for (size_t i = 0; i < size; i++)
		word |= (uint64_t)bytes[i] << (8 * i);
	return word;
}

uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	struct hash_state state = hash_begin(key);
	size_t left = size;

	for (; left >= 8; at += 8, left -= 8)
		state = hash_word(state, load_word(at));
	if (size < 8 || left == 0)
		return hash_end(state, load_tail(at, left), size);
	/* One load that reaches back is less work than one for each byte. */
	return hash_end(state, load_word(at + left - 8) >> 8 * (8 - left), size);
}
