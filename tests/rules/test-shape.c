/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "rules/shape.h"
#include "src/base/text.h"

/* Points from which on a name is told of under an entry with the default score. */
#define FLAGGED 1.5
#define REFUSED 2.0

static uint32_t seed;

/* Numbers that look like chance, and are the same in each run. */
static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)seed * below >> 32);
}

/* Of everything but "example.com". */
static double score_of(const char *text)
{
	struct name name, domain;

	assert_int_equal(name_from_text(text_of("example.com"), &domain), 0);
	assert_int_equal(name_from_text(text_of(text), &name), 0);
	return shape_score(&name, domain.length);
}

static void what_is_fixed_does_not_count(void **state)
{
	struct name name;

	(void)state;
	assert_int_equal(
		name_from_text(text_of("www.0f9601708c09a2a91e11272da4ab79fc949f1aa8.com"), &name),
		0);
	assert_true(shape_score(&name, name.length) == 0);
	assert_true(shape_score(&name, (unsigned)name.length - 4) == 0);
	assert_true(shape_score(&name, 5) >= REFUSED);
	assert_true(shape_score(&name, 255) == 0);
}

static void hosts_are_no_data(void **state)
{
	static const char *const names[] = {
		"www.example.com",
		"a.example.com",
		"ec2-198-51-100-7.eu-west-1.compute.example.com",
		"my-very-long-application-name-for-testing-prod-2024.example.com",
		"functional.events.data.example.com",
		"array505.prod.do.dsp.mp.example.com",
		"r3---sn-4g5e6nsz.example.com",
		"d111111abcdef8.example.com",
		"internationalisation-documentation.example.com",
		"xn--bcher-kva.example.com",
		"_sip._tcp.example.com",
		"ip-10-0-12-34.us-west-2.internal.example.com",
		"rr1.sn-25ge7nzk.c.example.com",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (score_of(names[i]) > 0)
			fail_msg("%s: %g", names[i], score_of(names[i]));
}

static void data_is(void **state)
{
	(void)state;
	assert_true(score_of("002d734450b3be6f5d0cb4939aa0a4bc.example.com") >= FLAGGED);
	assert_true(score_of("002d734450b3be6f5d0cb4939aa0a4bc.example.com") < REFUSED);
	assert_true(score_of("58390165e6e1fb2aff24b30e286a5e526e01c9f1.example.com") >= REFUSED);
	assert_true(score_of("mzxw6ytboi4dgnbvgy3tqojqgezdgnbvgy3tqojq.example.com") >= REFUSED);
	assert_true(score_of("002d734450b3be6f5d0cb4939aa0.4bc5d0cb4939aa0a4bc1.example.com") >=
		    REFUSED);
	assert_true(score_of("kjhgfdsqwrtzpxcvbnmlkjhgfdsqwrtzpxcvbnmlkjh.example.com") >= REFUSED);
}

static void bytes_that_no_host_name_has(void **state)
{
	struct name name = {.length = 7, .wire = {2, 0xc3, 0xa4, 2, 'd', 'e', 0}};

	(void)state;
	assert_true(shape_score(&name, 0) >= REFUSED);
	assert_true(shape_score(&name, 4) >= REFUSED);
	memcpy(name.wire + 1, "ab", 2);
	assert_true(shape_score(&name, 0) == 0);
}

/* Host names in the forms that programs and people make them of: words, numbers, regions, short
 * hashes. */
static void write_host(char *out, size_t size)
{
	static const char *const words[] = {"api", "cdn", "static", "images", "login", "mail",
		"edge", "cache", "prod", "staging", "eu-west-1", "us-east-2", "data", "events",
		"telemetry", "assets", "media", "video", "download", "update", "mirror", "shop",
		"account", "checkout", "search", "tracking", "analytics", "metrics", "registry",
		"storage", "bucket", "internal", "customer", "support", "files", "packages"};
	static const char digits[] = "0123456789abcdef";
	enum { WORDS = sizeof(words) / sizeof(words[0]) };
	char hash[16] = "";
	unsigned length = draw(13);

	for (unsigned i = 0; i < length; i++)
		hash[i] = digits[draw(16)];
	switch (draw(4)) {
	case 0:
		snprintf(out, size, "%s%u.example.com", words[draw(WORDS)], draw(1000));
		break;
	case 1:
		snprintf(out, size, "%s-%s-%u.%s.example.com", words[draw(WORDS)],
			words[draw(WORDS)], draw(100), words[draw(WORDS)]);
		break;
	case 2:
		snprintf(out, size, "%s-%sx.%s.example.com", words[draw(WORDS)], hash,
			words[draw(WORDS)]);
		break;
	default:
		snprintf(out, size, "%s%s%s.%s.%s.example.com", words[draw(WORDS)],
			words[draw(WORDS)], words[draw(WORDS)], words[draw(WORDS)],
			words[draw(WORDS)]);
	}
}

static void fewer_than_one_host_in_10000_is_flagged(void **state)
{
	enum { HOSTS = 100000 };
	unsigned flagged = 0;
	char text[256];

	(void)state;
	seed = 1;
	for (unsigned i = 0; i < HOSTS; i++) {
		write_host(text, sizeof(text));
		flagged += score_of(text) >= FLAGGED;
	}
	assert_true(flagged < HOSTS / 10000);
}

/* Labels of so many characters out of an alphabet. */
static unsigned count_refused(const char *alphabet, unsigned length, unsigned labels)
{
	unsigned refused = 0;

	for (unsigned i = 0; i < 1000; i++) {
		char text[256];
		size_t at = 0;

		for (unsigned j = 0; j < labels; j++) {
			for (unsigned k = 0; k < length; k++)
				text[at++] = alphabet[draw((uint32_t)strlen(alphabet))];
			text[at++] = '.';
		}
		memcpy(text + at, "example.com", sizeof("example.com"));
		refused += score_of(text) >= REFUSED;
	}
	return refused;
}

static void encodings_are_refused(void **state)
{
	static const char base64[] =
		"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789";

	(void)state;
	seed = 2;
	assert_true(count_refused("0123456789abcdef", 60, 3) == 1000);
	assert_true(count_refused("0123456789abcdef", 48, 1) == 1000);
	assert_true(count_refused("abcdefghijklmnopqrstuvwxyz234567", 60, 1) >= 990);
	assert_true(count_refused("abcdefghijklmnopqrstuvwxyz234567", 57, 3) >= 999);
	assert_true(count_refused(base64, 60, 1) >= 900);
	assert_true(count_refused(base64, 57, 3) >= 990);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_fixed_does_not_count),
		cmocka_unit_test(hosts_are_no_data),
		cmocka_unit_test(data_is),
		cmocka_unit_test(bytes_that_no_host_name_has),
		cmocka_unit_test(fewer_than_one_host_in_10000_is_flagged),
		cmocka_unit_test(encodings_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
