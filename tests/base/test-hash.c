/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "src/base/hash.h"

/*
 * The reference: SipHash-c-d as the paper's pseudo-code has it (section 2), on an array of words,
 * with the message padded in a copy. It is checked with the one vector printed in the paper
 * (appendix A, SipHash-2-4), and then stands for SipHash-1-3.
 */
static uint64_t left(uint64_t word, int bits)
{
	return (word << bits) + (word >> (64 - bits));
}

static void reference_rounds(uint64_t v[4], int rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[1] = left(v[1], 13);
		v[1] ^= v[0];
		v[0] = left(v[0], 32);
		v[2] += v[3];
		v[3] = left(v[3], 16);
		v[3] ^= v[2];
		v[0] += v[3];
		v[3] = left(v[3], 21);
		v[3] ^= v[0];
		v[2] += v[1];
		v[1] = left(v[1], 17);
		v[1] ^= v[2];
		v[2] = left(v[2], 32);
	}
}

static uint64_t mix(const uint64_t v[4])
{
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* With `ret_second`, the output has 128 bits, as the authors' reference implementation has it. */
static uint64_t reference_of(int c, int d, const struct hash_key *key, const uint8_t *bytes,
	size_t size, uint64_t *ret_second)
{
	static const char words[] = "somepseudorandomlygeneratedbytes";
	uint8_t padded[256] = {0};
	size_t blocks = size / 8 + 1;
	uint64_t v[4] = {0};

	assert_true(blocks * 8 <= sizeof(padded));
	memcpy(padded, bytes, size);
	padded[blocks * 8 - 1] = (uint8_t)(size % 256);

	for (int i = 0; i < 32; i++)
		v[i / 8] = v[i / 8] << 8 | (uint8_t)words[i];
	for (int i = 0; i < 4; i++)
		v[i] ^= key->k[i % 2];
	v[1] ^= ret_second ? 0xee : 0;
	for (size_t block = 0; block < blocks; block++) {
		uint64_t m = 0;

		for (size_t i = 8; i > 0; i--)
			m = m * 256 + padded[block * 8 + i - 1];
		v[3] ^= m;
		reference_rounds(v, c);
		v[0] ^= m;
	}
	v[2] ^= ret_second ? 0xee : 0xff;
	reference_rounds(v, d);
	uint64_t first = mix(v);
	if (ret_second) {
		v[1] ^= 0xdd;
		reference_rounds(v, d);
		*ret_second = mix(v);
	}
	return first;
}

static uint64_t reference(
	int c, int d, const struct hash_key *key, const uint8_t *bytes, size_t size)
{
	return reference_of(c, d, key, bytes, size, NULL);
}

static const struct hash_key paper_key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};

static void fill(uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)i;
}

static void the_reference_is_the_papers(void **state)
{
	uint8_t bytes[15];

	(void)state;
	fill(bytes, sizeof(bytes));
	assert_true(reference(2, 4, &paper_key, bytes, sizeof(bytes)) == 0xa129ca6149be45e5);
}

static void equals_the_reference(void **state)
{
	uint8_t bytes[200];
	struct hash_key keys[] = {paper_key, {{0, 0}}, {{UINT64_MAX, 1}}};

	(void)state;
	fill(bytes, sizeof(bytes));
	for (size_t key = 0; key < 3; key++) {
		for (size_t size = 0; size <= sizeof(bytes); size++)
			assert_true(hash_bytes(&keys[key], bytes, size) ==
				    reference(1, 3, &keys[key], bytes, size));
	}
}

/* What CPython 3.11 (sys.hash_info.algorithm: siphash13) answers for hash(bytes(range(size))) with
 * PYTHONHASHSEED=0, whose key is zero, and with 20100, whose key its generator gives. */
static void equals_another_implementation(void **state)
{
	static const struct {
		struct hash_key key;
		size_t size;
		uint64_t hash;
	} vectors[] = {
		{{{0, 0}}, 1, 0x68a914128e01e473},
		{{{0, 0}}, 8, 0xead411e67ebe2eea},
		{{{0, 0}}, 31, 0x169739443111d49b},
		{{{0x4cb6bbd9a38cff8c, 0x3bba3b201eeb33a7}}, 7, 0x201c3dcec652d2b6},
		{{{0x4cb6bbd9a38cff8c, 0x3bba3b201eeb33a7}}, 9, 0x9cc7ccf8e0f040b1},
		{{{0x4cb6bbd9a38cff8c, 0x3bba3b201eeb33a7}}, 16, 0xefd1574b20965370},
		{{{0x4cb6bbd9a38cff8c, 0x3bba3b201eeb33a7}}, 63, 0x76eff06c4e570255},
	};
	uint8_t bytes[64];

	(void)state;
	fill(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		assert_true(hash_bytes(&vectors[i].key, bytes, vectors[i].size) == vectors[i].hash);
}

static void does_not_care_for_alignment(void **state)
{
	uint8_t bytes[40];
	uint64_t hash;

	(void)state;
	fill(bytes, 24);
	hash = hash_bytes(&paper_key, bytes, 24);
	for (size_t shift = 1; shift < 9; shift++) {
		fill(bytes + shift, 24);
		assert_true(hash_bytes(&paper_key, bytes + shift, 24) == hash);
	}
}

/* Word by word, and ended in the middle as well. */
static void goes_word_by_word(void **state)
{
	uint8_t bytes[27];
	struct hash_state hash = hash_begin(&paper_key);

	(void)state;
	fill(bytes, sizeof(bytes));
	hash = hash_word(hash, 0x0706050403020100);
	assert_true(hash_end(hash, 0, 8) == hash_bytes(&paper_key, bytes, 8));
	hash = hash_word(hash, 0x0f0e0d0c0b0a0908);
	assert_true(hash_end(hash, 0x10, 17) == hash_bytes(&paper_key, bytes, 17));
	hash = hash_word(hash, 0x1716151413121110);
	assert_true(hash_end(hash, 0x1a1918, 27) == hash_bytes(&paper_key, bytes, 27));
}

/* The reference first: the vector of no bytes that comes with the authors' implementation
 * (SipHash-2-4, 128 bits). */
static void has_128_bits(void **state)
{
	uint8_t bytes[27];
	uint64_t second;

	(void)state;
	fill(bytes, sizeof(bytes));
	assert_true(reference_of(2, 4, &paper_key, bytes, 0, &second) == 0xe6a825ba047f81a3);
	assert_true(second == 0x930255c71472f66d);
	for (uint64_t size = 8, tail = 0; size < 16; size++) {
		struct hash_state hash = hash_word(hash_wide_begin(&paper_key), 0x0706050403020100);
		struct hash_state end = hash_wide_end(hash, tail, size);

		assert_true(hash_wide_first(&end) ==
			    reference_of(1, 3, &paper_key, bytes, size, &second));
		assert_true(hash_wide_second(&end) == second);
		tail |= size << 8 * (size - 8); /* the byte of that number has that value */
	}
}

static void keys_are_drawn(void **state)
{
	struct hash_key a = {{0, 0}}, b = {{0, 0}};

	(void)state;
	assert_int_equal(hash_key_draw(&a), 0);
	assert_int_equal(hash_key_draw(&b), 0);
	assert_memory_not_equal(&a, &b, sizeof(a));
	assert_true(a.k[0] != a.k[1]);
	assert_true(a.k[0] != 0 && a.k[1] != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reference_is_the_papers),
		cmocka_unit_test(equals_the_reference),
		cmocka_unit_test(equals_another_implementation),
		cmocka_unit_test(does_not_care_for_alignment),
		cmocka_unit_test(goes_word_by_word),
		cmocka_unit_test(has_128_bits),
		cmocka_unit_test(keys_are_drawn),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
