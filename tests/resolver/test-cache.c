/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "resolver/answer.h"
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

static bool permits(
	void *context, const struct inaddr *address, bool *ret_leased, const char **ret_rule)
{
	(void)context;
	(void)address;
	(void)ret_rule;
	*ret_leased = true;
	return true;
}

static const struct answer_judge all = {NULL, permits};

/* An answer that tells by its address which one it is. */
static const struct answer *answer_number(struct answer_buffer *buffer, unsigned number)
{
	struct inaddr address = inaddr_from_ip4(
		(uint8_t[]){10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number});

	return answer_of_addresses(buffer, RRTYPE_A, &address, 1, &all);
}

static unsigned number_of(const struct answer *answer)
{
	struct inaddr address = answer_address(answer, 0);

	return (unsigned)address.bytes[13] << 16 | (unsigned)address.bytes[14] << 8 |
	       address.bytes[15];
}

static struct cache *make(size_t bytes)
{
	struct cache *cache = NULL;

	assert_int_equal(cache_new(bytes, &key, &cache), 0);
	return cache;
}

static void store(struct cache *cache, const struct name *name, uint16_t type, unsigned number,
	struct mono now, struct mono expires)
{
	struct answer_buffer buffer;

	cache_store(cache, name, type, answer_number(&buffer, number), now, expires);
}

static void finds_what_was_stored_until_it_expires(void **state)
{
	struct cache *cache = make(SMALL);
	struct name name = name_of("www.example.com");
	struct mono expires = {0};
	const struct answer *answer;

	(void)state;
	assert_null(cache_find(cache, &name, RRTYPE_A, start, &expires));
	store(cache, &name, RRTYPE_A, 7, start, after(5000));
	for (int64_t ms = 0; ms < 5000; ms += 4999) {
		answer = cache_find(cache, &name, RRTYPE_A, after(ms), &expires);
		assert_non_null(answer);
		assert_int_equal(number_of(answer), 7);
		assert_int_equal(expires.ms, after(5000).ms);
	}
	assert_null(cache_find(cache, &name, RRTYPE_A, after(5000), &expires));
	assert_null(cache_find(cache, &name, RRTYPE_A, after(9999999), &expires));
	cache_free(cache);
}

static void names_and_types_are_kept_apart(void **state)
{
	struct cache *cache = make(SMALL);
	struct name name = name_of("www.example.com");
	struct name other = name_of("www.example.co");
	struct mono expires;

	(void)state;
	store(cache, &name, RRTYPE_A, 1, start, after(1000));
	assert_null(cache_find(cache, &name, RRTYPE_AAAA, start, &expires));
	assert_null(cache_find(cache, &other, RRTYPE_A, start, &expires));
	store(cache, &name, RRTYPE_AAAA, 2, start, after(1000));
	store(cache, &other, RRTYPE_A, 3, start, after(1000));
	assert_int_equal(number_of(cache_find(cache, &name, RRTYPE_A, start, &expires)), 1);
	assert_int_equal(number_of(cache_find(cache, &name, RRTYPE_AAAA, start, &expires)), 2);
	assert_int_equal(number_of(cache_find(cache, &other, RRTYPE_A, start, &expires)), 3);
	cache_free(cache);
}

static void a_new_answer_takes_the_place_of_the_old(void **state)
{
	struct cache *cache = make(SMALL);
	struct name name = name_of("www.example.com");
	struct mono expires;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		store(cache, &name, RRTYPE_A, i, start, after(1000 + i));
		assert_int_equal(number_of(cache_find(cache, &name, RRTYPE_A, start, &expires)), i);
		assert_int_equal(expires.ms, after(1000 + i).ms);
	}
	cache_free(cache);
}

static void what_is_already_over_is_not_stored(void **state)
{
	struct cache *cache = make(SMALL);
	struct name name = name_of("www.example.com");
	struct mono expires;

	(void)state;
	store(cache, &name, RRTYPE_A, 1, start, start);
	store(cache, &name, RRTYPE_A, 1, start, after(-1));
	assert_null(cache_find(cache, &name, RRTYPE_A, after(-100), &expires));
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
		struct mono expires;

		store(cache, &name, RRTYPE_A, i, start, after(1000));
		const struct answer *answer = cache_find(cache, &name, RRTYPE_A, start, &expires);
		assert_non_null(answer);
		assert_int_equal(number_of(answer), i);
	}
	for (unsigned i = 0; i < 20000; i++) {
		struct name name = numbered(i);
		struct mono expires;
		const struct answer *answer = cache_find(cache, &name, RRTYPE_A, start, &expires);

		if (!answer)
			continue;
		assert_int_equal(number_of(answer), i);
		found++;
	}
	assert_true(found > SMALL / 128 / 2);
	assert_true(found <= SMALL / 32);
	cache_free(cache);
}

/* Names whose hashes agree where the cache looks are told apart: among so many there are some. */
static void names_of_equal_hash_are_kept_apart(void **state)
{
	struct cache *cache = make(SMALL);

	(void)state;
	for (unsigned i = 0; i < 400000; i++) {
		struct name name = numbered(i);
		struct mono expires;

		assert_null(cache_find(cache, &name, RRTYPE_A, start, &expires));
		store(cache, &name, RRTYPE_A, i, start, after(1000));
	}
	cache_free(cache);
}

/* Answers of all sizes wrap around the ring's end in every way. */
static void answers_of_any_size_come_back_whole(void **state)
{
	struct cache *cache = make(SMALL);
	uint32_t random = 1;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct inaddr addresses[CHANNEL_ADDRESSES_MAX];
		struct name name = numbered(i);
		struct answer_buffer buffer;
		struct mono expires;

		random = random * 1664525 + 1013904223;
		size_t count = (random >> 16) % (CHANNEL_ADDRESSES_MAX + 1);
		for (size_t j = 0; j < count; j++) {
			memset(addresses[j].bytes, 0x20, sizeof(addresses[j].bytes));
			addresses[j].bytes[14] = (uint8_t)i;
			addresses[j].bytes[15] = (uint8_t)j;
		}
		const struct answer *answer =
			answer_of_addresses(&buffer, RRTYPE_AAAA, addresses, count, &all);
		cache_store(cache, &name, RRTYPE_AAAA, answer, start, after(1));
		const struct answer *got = cache_find(cache, &name, RRTYPE_AAAA, start, &expires);
		assert_non_null(got);
		assert_int_equal(answer_size(got), answer_size(answer));
		assert_memory_equal(got, answer, answer_size(answer));
	}
	cache_free(cache);
}

static void refusals_and_their_rules_are_kept(void **state)
{
	static const char rule[] = "block-private";
	struct cache *cache = make(0);
	struct name name = name_of("x.example");
	struct answer_buffer buffer;
	struct mono expires;
	const struct answer *answer = answer_empty(&buffer, RCODE_NXDOMAIN, EDE_FILTERED, rule);

	(void)state;
	cache_store(cache, &name, RRTYPE_A, answer, start, after(10));
	answer = cache_find(cache, &name, RRTYPE_A, start, &expires);
	assert_non_null(answer);
	assert_int_equal(answer->rcode, RCODE_NXDOMAIN);
	assert_int_equal(answer->ede, EDE_FILTERED);
	assert_ptr_equal(answer->rule, rule);
	assert_int_equal(answer->n_addresses, 0);
	cache_free(cache);
	cache_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_stored_until_it_expires),
		cmocka_unit_test(names_and_types_are_kept_apart),
		cmocka_unit_test(a_new_answer_takes_the_place_of_the_old),
		cmocka_unit_test(what_is_already_over_is_not_stored),
		cmocka_unit_test(when_full_the_oldest_give_way),
		cmocka_unit_test(names_of_equal_hash_are_kept_apart),
		cmocka_unit_test(answers_of_any_size_come_back_whole),
		cmocka_unit_test(refusals_and_their_rules_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
