/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/cookie.h"

#include <endian.h>
#include <string.h>

/*
 * Theory of operation
 *
 * A server's cookie is a version, the time, and a keyed hash of both, the client's cookie and its
 * address. It is made anew for each reply, and one that a client sends back is not checked: a query
 * without a good one is answered all the same (RFC 7873 section 5.2.3), since replies are small and
 * the clients are our own. The key is the same in all workers, so that a client's cookie doesn't
 * change with the worker that its queries come to.
 */

enum { COOKIE_VERSION = 1, HASHED_MAX = 32, WORD = 8 };

/* SipHash-2-4 of whole words and what is left, 32 bytes at most. */
static uint64_t hash(const struct hash_key *key, const uint8_t *bytes, size_t size)
{
	uint8_t padded[HASHED_MAX + WORD] = {0};
	struct hash_state state = hash_begin(key);
	uint64_t word;

	memcpy(padded, bytes, size);
	padded[size / WORD * WORD + WORD - 1] = (uint8_t)size;
	for (size_t at = 0; at <= size; at += WORD) {
		memcpy(&word, padded + at, sizeof(word));
		word = le64toh(word);
		state.v3 ^= word;
		state = hash_round(hash_round(state));
		state.v0 ^= word;
	}
	state.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		state = hash_round(state);
	return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

void cookie_make(const struct hash_key *key, const struct inaddr *address, int64_t time,
	uint8_t cookie[COOKIE_SIZE])
{
	uint8_t *server = cookie + COOKIE_CLIENT_SIZE, hashed[HASHED_MAX];
	uint32_t stamp = htobe32((uint32_t)time);
	uint64_t value;
	size_t size;
	const uint8_t *raw = inaddr_raw(address, &size);

	memset(server, 0, COOKIE_SERVER_SIZE);
	server[0] = COOKIE_VERSION;
	memcpy(server + 4, &stamp, sizeof(stamp));
	memcpy(hashed, cookie, 16);
	memcpy(hashed + 16, raw, size);
	value = htole64(hash(key, hashed, 16 + size));
	memcpy(server + 8, &value, sizeof(value));
}
