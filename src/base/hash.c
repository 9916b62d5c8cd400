/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/hash.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

struct sip {
	uint64_t v0, v1, v2, v3;
};

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

static inline uint64_t rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void sip_round(struct sip *sip)
{
	sip->v0 += sip->v1;
	sip->v2 += sip->v3;
	sip->v1 = rotate(sip->v1, 13) ^ sip->v0;
	sip->v3 = rotate(sip->v3, 16) ^ sip->v2;
	sip->v0 = rotate(sip->v0, 32);

	sip->v2 += sip->v1;
	sip->v0 += sip->v3;
	sip->v1 = rotate(sip->v1, 17) ^ sip->v2;
	sip->v3 = rotate(sip->v3, 21) ^ sip->v0;
	sip->v2 = rotate(sip->v2, 32);
}

static inline void sip_absorb(struct sip *sip, uint64_t word)
{
	sip->v3 ^= word;
	sip_round(sip);
	sip->v0 ^= word;
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
	struct sip sip = {
		.v0 = key->k[0] ^ 0x736f6d6570736575,
		.v1 = key->k[1] ^ 0x646f72616e646f6d,
		.v2 = key->k[0] ^ 0x6c7967656e657261,
		.v3 = key->k[1] ^ 0x7465646279746573,
	};
	size_t left = size;

	for (; left >= 8; at += 8, left -= 8)
		sip_absorb(&sip, load_word(at));
	sip_absorb(&sip, (uint64_t)size << 56 | load_tail(at, left));

	sip.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&sip);
	return sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
}
