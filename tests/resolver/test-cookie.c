/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <endian.h>
#include <string.h>

#include "resolver/cookie.h"

static struct hash_key key_of(const uint8_t bytes[16])
{
	struct hash_key key;

	memcpy(key.k, bytes, 16);
	key.k[0] = le64toh(key.k[0]);
	key.k[1] = le64toh(key.k[1]);
	return key;
}

/* RFC 9018 appendix A.1 and A.2. */
static void makes_the_cookies_of_the_standard(void **state)
{
	static const uint8_t secret[] = {0xe5, 0xe9, 0x73, 0xe5, 0xa6, 0xb2, 0xa4, 0x3f, 0x48, 0xe7,
		0xdc, 0x84, 0x9e, 0x37, 0xbf, 0xcf};
	static const struct {
		uint8_t address[4];
		int64_t time;
		uint8_t cookie[COOKIE_SIZE];
	} rows[] = {
		{{198, 51, 100, 100}, 1559731985,
			{0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57, 1, 0, 0, 0, 0x5c, 0xf7,
				0x9f, 0x11, 0x1f, 0x81, 0x30, 0xc3, 0xee, 0xe2, 0x94, 0x80}},
		{{198, 51, 100, 100}, 1559734385,
			{0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57, 1, 0, 0, 0, 0x5c, 0xf7,
				0xa8, 0x71, 0xd4, 0xa5, 0x64, 0xa1, 0x44, 0x2a, 0xca, 0x77}},
	};
	struct hash_key key = key_of(secret);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct inaddr address = inaddr_from_ip4(rows[i].address);
		uint8_t cookie[COOKIE_SIZE];

		memset(cookie, 0xa5, sizeof(cookie));
		memcpy(cookie, rows[i].cookie, COOKIE_CLIENT_SIZE);
		cookie_make(&key, &address, rows[i].time, cookie);
		assert_memory_equal(cookie, rows[i].cookie, COOKIE_SIZE);
	}
}

/* Each of what goes in changes what comes out, IPv6 addresses to their last byte. */
static void depends_on_all_that_goes_in(void **state)
{
	struct hash_key key = {{1, 2}}, other_key = {{1, 3}};
	struct inaddr address = inaddr_from_ip6((const uint8_t[16]){0x20, 1, [15] = 1});
	struct inaddr other = inaddr_from_ip6((const uint8_t[16]){0x20, 1, [15] = 2});
	uint8_t cookie[5][COOKIE_SIZE] = {{0}, {0}, {0}, {0}, {1}};

	(void)state;
	cookie_make(&key, &address, 1000, cookie[0]);
	cookie_make(&other_key, &address, 1000, cookie[1]);
	cookie_make(&key, &other, 1000, cookie[2]);
	cookie_make(&key, &address, 1001, cookie[3]);
	cookie_make(&key, &address, 1000, cookie[4]);
	for (unsigned i = 0; i < 5; i++)
		for (unsigned j = 0; j < i; j++)
			assert_memory_not_equal(cookie[i] + 16, cookie[j] + 16, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_the_cookies_of_the_standard),
		cmocka_unit_test(depends_on_all_that_goes_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
