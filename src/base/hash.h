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

/* The same, word by word, so that what begins alike is hashed once. A copy of the state may be
 * ended at any point, and the other go on. */
struct hash_state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t hash_rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static inline struct hash_state hash_round(struct hash_state state)
{
	state.v0 += state.v1;
	state.v2 += state.v3;
	state.v1 = hash_rotate(state.v1, 13) ^ state.v0;
	state.v3 = hash_rotate(state.v3, 16) ^ state.v2;
	state.v0 = hash_rotate(state.v0, 32);

	state.v2 += state.v1;
	state.v0 += state.v3;
	state.v1 = hash_rotate(state.v1, 17) ^ state.v2;
	state.v3 = hash_rotate(state.v3, 21) ^ state.v0;
	state.v2 = hash_rotate(state.v2, 32);
	return state;
}

static inline struct hash_state hash_begin(const struct hash_key *key)
{
	return (struct hash_state){
		.v0 = key->k[0] ^ 0x736f6d6570736575,
		.v1 = key->k[1] ^ 0x646f72616e646f6d,
		.v2 = key->k[0] ^ 0x6c7967656e657261,
		.v3 = key->k[1] ^ 0x7465646279746573,
	};
}

/* The next 8 bytes, the first of them the least significant. */
static inline struct hash_state hash_word(struct hash_state state, uint64_t word)
{
	state.v3 ^= word;
	state = hash_round(state);
	state.v0 ^= word;
	return state;
}

/* The hash of all bytes, of which the words were all but the last size % 8, which are in `tail`. */
static inline uint64_t hash_end(struct hash_state state, uint64_t tail, size_t size)
{
	state = hash_word(state, (uint64_t)size << 56 | tail);
	state.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		state = hash_round(state);
	return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

/* The same with 128 bits of output, as the authors' reference implementation doubles it. What was
 * begun so is ended so; either half of the output can be had of the end, the second at the price of
 * three rounds. */
static inline struct hash_state hash_wide_begin(const struct hash_key *key)
{
	struct hash_state state = hash_begin(key);

	state.v1 ^= 0xee;
	return state;
}

static inline struct hash_state hash_wide_end(struct hash_state state, uint64_t tail, size_t size)
{
	state = hash_word(state, (uint64_t)size << 56 | tail);
	state.v2 ^= 0xee;
	for (int i = 0; i < 3; i++)
		state = hash_round(state);
	return state;
}

static inline uint64_t hash_wide_first(const struct hash_state *end)
{
	return end->v0 ^ end->v1 ^ end->v2 ^ end->v3;
}

static inline uint64_t hash_wide_second(const struct hash_state *end)
{
	struct hash_state state = *end;

	state.v1 ^= 0xdd;
	for (int i = 0; i < 3; i++)
		state = hash_round(state);
	return hash_wide_first(&state);
}

#endif
