/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "resolver/cache.h"

#define SMALL 16384 /* the least a cache has */

static const struct hash_key key = {{3, 4}};
static const struct mono start = {1000000};

static struct mono after(int64_t ms)
{
	return (struct mono){start.ms + ms};
}

static struct name name_of(const char *text)
{
	struct name name;

	assert_int_equal(name_from_text(text_of(text), &name), 0);
	return name;
}

static struct name numbered(unsigned number)
{
	char text[64];

	snprintf(text, sizeof(text), "n%u.example.com", number);
	return name_of(text);
}

/* A body that tells by its records which one it is. */
static struct cached body_number(uint8_t records[4], unsigned number)
{
	static const uint16_t ttls[] = {2, 3};

	for (unsigned i = 0; i < 4; i++)
		records[i] = (uint8_t)(number >> 8 * i);
	return (struct cached){.body = {.records = records, .size = 4, .n_ttls = 2, .ttls = ttls}};
}

static unsigned number_of(const struct cached *cached)
{
	unsigned number = 0;

	assert_int_equal(cached->body.size, 4);
	for (unsigned i = 0; i < 4; i++)
		number |= (unsigned)cached->body.records[i] << 8 * i;
	return number;
}

static struct cache *make(size_t bytes)
{
	struct cache *cache = NULL;

	assert_int_equal(cache_new(bytes, &cache), 0);
	return cache;
}

static uint64_t hash_of(const struct name *name)
{
	return hash_bytes(&key, name->wire, name->length);
}

static void store(struct cache *cache, const struct name *name, uint16_t type, unsigned number,
	struct mono expires)
{
	uint8_t records[4];
	struct cached cached = body_number(records, number);

	cached.expires = expires;
	cache_store(cache, hash_of(name), name, type, &cached);
}

static bool find(
	struct cache *cache, const struct name *name, uint16_t type, struct cached *ret_cached)
{
	struct cache_place place = cache_place(cache, hash_of(name), type);

	cache_fetch(cache, &place);
	if (!cache_find(cache, &place, name, type, ret_cached))
		return false;
	cache_given(ret_cached);
	return true;
}

static unsigned find_number(struct cache *cache, const struct name *name, uint16_t type)
{
	struct cached cached;

	assert_true(find(cache, name, type, &cached));
	return number_of(&cached);
}

static bool has(struct cache *cache, const struct name *name)
{
	struct cached cached;

	return find(cache, name, RRTYPE_A, &cached);
}

static void all_that_was_stored_is_found(void **state)
{
	static const char rule[] = "block-private";
	const uint16_t ttls[] = {1, 7, 9};
	const uint8_t records[] = "records and more";
	const struct cached in = {
		.expires = {123456789},
		.stale_seconds = 4711,
		.ahead_seconds = 815,
		.ask_policy = true,
		.body = {.rule = rule,
			.ede = EDE_FILTERED,
			.rcode = RCODE_NXDOMAIN,
			.n_ttls = 3,
			.n_answers = 258,
			.n_authorities = 772,
			.size = sizeof(records),
			.records = records,
			.ttls = ttls},
	};
	struct cache *cache = make(0);
	struct name name = name_of("x.example");
	struct cached out;

	(void)state;
	assert_false(find(cache, &name, RRTYPE_A, &out));
	cache_store(cache, hash_of(&name), &name, RRTYPE_A, &in);
	assert_true(find(cache, &name, RRTYPE_A, &out));
	assert_int_equal(out.expires.ms, in.expires.ms);
	assert_int_equal(out.stale_seconds, 4711);
	assert_int_equal(out.ahead_seconds, 815);
	assert_true(out.ask_policy);
	assert_ptr_equal(out.body.rule, rule);
	assert_int_equal(out.body.ede, EDE_FILTERED);
	assert_int_equal(out.body.rcode, RCODE_NXDOMAIN);
	assert_int_equal(out.body.n_answers, 258);
	assert_int_equal(out.body.n_authorities, 772);
	assert_int_equal(out.body.n_ttls, 3);
	assert_memory_equal(out.body.ttls, ttls, sizeof(ttls));
	assert_int_equal(out.body.size, sizeof(records));
	assert_memory_equal(out.body.records, records, sizeof(records));
	cache_free(cache);
	cache_free(NULL);
}

static void names_and_types_are_kept_apart(void **state)
{
	struct cache *cache = make(SMALL);
	struct name name = name_of("www.example.com");
	struct name other = name_of("www.example.co");
	struct cached cached;

	(void)state;
	store(cache, &name, RRTYPE_A, 1, after(1000));
	assert_false(find(cache, &name, RRTYPE_AAAA, &cached));
	assert_false(find(cache, &other, RRTYPE_A, &cached));
	store(cache, &name, RRTYPE_AAAA, 2, after(1000));
	store(cache, &other, RRTYPE_A, 3, after(1000));
	assert_int_equal(find_number(cache, &name, RRTYPE_A), 1);
	assert_int_equal(find_number(cache, &name, RRTYPE_AAAA), 2);
	assert_int_equal(find_number(cache, &other, RRTYPE_A), 3);
	cache_free(cache);
}

static void a_new_answer_takes_the_place_of_the_old(void **state)
{
	struct cache *cache = make(SMALL);
	struct name name = name_of("www.example.com");
	struct cached cached;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		store(cache, &name, RRTYPE_A, i, after(1000 + i));
		assert_true(find(cache, &name, RRTYPE_A, &cached));
		assert_int_equal(number_of(&cached), i);
		assert_int_equal(cached.expires.ms, after(1000 + i).ms);
		assert_false(cached.in_demand);
	}
	cache_free(cache);
}

/* What was given out twice since it was stored is in demand; it is asked for ahead once. */
static void what_is_in_demand_is_asked_for_ahead_once(void **state)
{
	struct cache *cache = make(SMALL);
	struct name name = name_of("www.example.com");
	uint8_t records[4];
	struct cached in = body_number(records, 1), out;

	(void)state;
	in.ahead_seconds = 30;
	cache_store(cache, hash_of(&name), &name, RRTYPE_A, &in);
	for (unsigned i = 0; i < 6; i++) {
		assert_true(find(cache, &name, RRTYPE_A, &out));
		assert_int_equal(out.in_demand, i >= 2);
		assert_int_equal(out.ahead_seconds, i <= 3 ? 30 : 0);
		if (i == 3)
			cache_asked_ahead(&out);
	}
	cache_store(cache, hash_of(&name), &name, RRTYPE_A, &in);
	assert_true(find(cache, &name, RRTYPE_A, &out));
	assert_false(out.in_demand);
	assert_int_equal(out.ahead_seconds, 30);
	cache_free(cache);
}

/* However much is stored, what is found is what was stored last under that name, and the youngest
 * are found. */
static void when_full_the_oldest_give_way(void **state)
{
	struct cache *cache = make(SMALL);
	unsigned found = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct name name = numbered(i);

		store(cache, &name, RRTYPE_A, i, after(1000));
		if (i % 3 == 0)
			assert_int_equal(find_number(cache, &name, RRTYPE_A), i);
	}
	for (unsigned i = 0; i < 20000; i++) {
		struct name name = numbered(i);

		if (!has(cache, &name))
			continue;
		assert_int_equal(find_number(cache, &name, RRTYPE_A), i);
		found++;
	}
	/* a record is 80 bytes; some of the ring is kept free, and some buckets are full */
	assert_true(found > SMALL / 80 * 3 / 4);
	assert_true(found <= SMALL / 32);
	cache_free(cache);
}

/* The index grows with what it holds, and hardly a bucket overflows. */
static void all_is_found_while_the_index_grows(void **state)
{
	enum { NAMES = 20000 };
	struct cache *cache = make((size_t)4 << 20);

	(void)state;
	for (unsigned stored = 1; stored <= NAMES; stored++) {
		struct name name = numbered(stored);
		unsigned found = 0;

		store(cache, &name, RRTYPE_A, stored, after(1000));
		if (stored % 500 != 0)
			continue;
		for (unsigned i = 1; i <= stored; i++) {
			name = numbered(i);
			found += has(cache, &name);
		}
		assert_true(found >= stored - stored / 200);
	}
	cache_free(cache);
}

/* A flood of names that are asked for once: those that are asked for again now and then stay. */
static void names_in_use_stay_in_a_flood_of_others(void **state)
{
	enum { IN_USE = 40, PER_ROUND = 100 };
	struct cache *cache = make(SMALL);

	(void)state;
	for (unsigned i = 0; i < IN_USE; i++) {
		struct name name = numbered(i);
		store(cache, &name, RRTYPE_A, i, after(1000));
	}
	for (unsigned i = 0; i < 20000; i++) {
		struct name name = numbered(1000 + i);

		store(cache, &name, RRTYPE_A, i, after(1000));
		if (i % PER_ROUND != 0)
			continue;
		for (unsigned j = 0; j < IN_USE; j++) {
			name = numbered(j);
			assert_int_equal(find_number(cache, &name, RRTYPE_A), j);
		}
	}
	/* And go when they are not. */
	for (unsigned i = 0; i < 20000; i++) {
		struct name name = numbered(100000 + i);
		store(cache, &name, RRTYPE_A, i, after(1000));
	}
	for (unsigned i = 0; i < IN_USE; i++) {
		struct name name = numbered(i);
		assert_false(has(cache, &name));
	}
	cache_free(cache);
}

/* With everything in use, something new is stored all the same. */
static void names_in_use_do_not_keep_out_new_ones(void **state)
{
	struct cache *cache = make(SMALL);

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		struct name name = numbered(i);

		store(cache, &name, RRTYPE_A, i, after(1000));
		for (unsigned j = 0; j < 5; j++)
			assert_int_equal(find_number(cache, &name, RRTYPE_A), i);
	}
	cache_free(cache);
}

/* A new record looks at a few of the oldest only: where all are in use it takes from the reserve,
 * and neither looks for long nor pushes out what is in use as long as there is some of that. */
static void a_new_name_uses_the_reserve_before_it_pushes_out_others(void **state)
{
	/* a record is 464 bytes; of the ring, 15 parts in 16 are not the reserve */
	enum { SIZE = 400, FITTING = SMALL / 464 };
	static uint8_t records[SIZE];
	static const uint16_t ttls[1];
	const struct cached cached = {.body = {.records = records, .size = SIZE, .ttls = ttls}};
	struct cache *cache = make(SMALL);

	(void)state;
	for (unsigned stored = 1; stored <= FITTING; stored++) {
		struct name name = numbered(stored - 1);

		cache_store(cache, hash_of(&name), &name, RRTYPE_A, &cached);
		for (unsigned i = 0; i < 4 * stored; i++) {
			name = numbered(i % stored);
			assert_true(has(cache, &name));
		}
	}
	cache_free(cache);
}

/* Names whose hashes agree where the cache looks are told apart: among so many there are some. */
static void names_of_equal_hash_are_kept_apart(void **state)
{
	struct cache *cache = make(SMALL);

	(void)state;
	for (unsigned i = 0; i < 400000; i++) {
		struct name name = numbered(i);

		assert_false(has(cache, &name));
		store(cache, &name, RRTYPE_A, i, after(1000));
	}
	cache_free(cache);
}

/* Bodies of all sizes wrap around the ring's end in every way. */
static void bodies_of_any_size_come_back_whole(void **state)
{
	static uint8_t records[MSG_MAX];
	static const uint16_t ttls[MSG_TTLS_MAX];
	struct cache *cache = make(1 << 18);
	uint32_t random = 1;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct name name = numbered(i);
		struct cached cached = {.body = {.records = records, .ttls = ttls}}, got;

		random = random * 1664525 + 1013904223;
		cached.body.size = (uint16_t)(random >> 16 >> (random % 8));
		cached.body.n_ttls = (uint8_t)(random >> 24);
		for (size_t j = 0; j < cached.body.size; j += 64)
			records[j] = (uint8_t)(i + j);
		cache_store(cache, hash_of(&name), &name, RRTYPE_AAAA, &cached);
		assert_true(find(cache, &name, RRTYPE_AAAA, &got));
		assert_int_equal(got.body.size, cached.body.size);
		assert_memory_equal(got.body.records, records, cached.body.size);
		if (i % 2 == 0 && i > 100) {
			name = numbered(i - 2);
			find(cache, &name, RRTYPE_AAAA, &got);
		}
	}
	cache_free(cache);
}

/* What could never be kept is not, and takes nothing along. */
static void a_body_too_large_is_not_stored(void **state)
{
	static uint8_t records[MSG_MAX];
	struct cached cached = {.body = {.records = records, .size = SMALL / 2}};
	struct cache *cache = make(SMALL);
	struct name name = name_of("a.example"), other = name_of("b.example");

	(void)state;
	store(cache, &other, RRTYPE_A, 1, after(1000));
	cache_store(cache, hash_of(&name), &name, RRTYPE_A, &cached);
	assert_false(has(cache, &name));
	assert_true(has(cache, &other));
	cache_free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_was_stored_is_found),
		cmocka_unit_test(names_and_types_are_kept_apart),
		cmocka_unit_test(a_new_answer_takes_the_place_of_the_old),
		cmocka_unit_test(what_is_in_demand_is_asked_for_ahead_once),
		cmocka_unit_test(when_full_the_oldest_give_way),
		cmocka_unit_test(all_is_found_while_the_index_grows),
		cmocka_unit_test(names_in_use_stay_in_a_flood_of_others),
		cmocka_unit_test(names_in_use_do_not_keep_out_new_ones),
		cmocka_unit_test(a_new_name_uses_the_reserve_before_it_pushes_out_others),
		cmocka_unit_test(names_of_equal_hash_are_kept_apart),
		cmocka_unit_test(bodies_of_any_size_come_back_whole),
		cmocka_unit_test(a_body_too_large_is_not_stored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
