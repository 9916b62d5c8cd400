/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/anchor.h"
#include "tests/resolver/signed.h"

/* Files of trust anchors, as people and other resolvers write them. */

enum { TEXT_MAX = 16384 };

static char path[] = "/tmp/egress-test-anchor-XXXXXX";
static struct anchors *anchors;
static unsigned line;

static int tear_down(void **state)
{
	(void)state;
	anchors_free(anchors);
	anchors = NULL;
	return 0;
}

static int read_bytes(const char *bytes, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	anchors_free(anchors);
	anchors = NULL;
	line = 77;
	return anchors_read(path, &anchors, &line);
}

static int read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DS(zone) zone " IN DS 1 8 2 " DIGEST "\n"
#define ED25519 "zkwEXYsc2ydpMEuOAAfQ4gU7tW2BMRgCwCM3/kGzPno="
#define KEY(flags) "key.test. 3600 IN DNSKEY " flags " 3 15 " ED25519

static void what_is_no_record_is_passed_over(void **state)
{
	(void)state;
	assert_int_equal(read_text("; autotrust trust anchor file\n\n \t\r\n;;id: . 1\n" DS(
				 ".") "  \n" DS("example.test.") "; the end"),
		0);
	assert_int_equal(line, 0);
	assert_int_equal(anchors->count, 2);
	assert_int_equal(anchors->anchors[0].zone.length, 1);
	/* The last line needs no end. */
	assert_int_equal(read_text(". IN DS 1 8 2 " DIGEST), 0);
	assert_int_equal(anchors->count, 1);
}

/* Of keys, zones' own entry points: what DS records of them would be. */
static void keys_become_ds_records(void **state)
{
	ldns_rr *key, *ds;

	(void)state;
	assert_int_equal(ldns_rr_new_frm_str(&key, KEY("257"), 0, NULL, NULL), 0);
	ds = ldns_key_rr2ds(key, LDNS_SHA256);
	assert_int_equal(
		read_text(KEY("257") " ; comment\n" KEY("256") "\n" KEY("385") "\n" KEY("1") "\n"),
		0);
	assert_int_equal(anchors->count, 1);
	assert_int_equal(ldns_rr_compare(anchors->anchors[0].ds, ds), 0);
	ldns_rr_free(key);
	ldns_rr_free(ds);
}

/* As autotrust writes them (RFC 5011): only those that are valid now are trusted. */
static void keys_in_other_states_are_not_trusted(void **state)
{
	(void)state;
	assert_int_equal(
		read_text(KEY("257") " ;{id = 1 (ksk)} ;;state=1 [ ADDPEND ] ;;count=0\n" DS(".")
				KEY("257") " ;{id = 1 (ksk)} ;;state=2 [  VALID  ] ;;count=0\n" KEY(
					"257") " ;;state=3 [ MISSING ]\n" KEY("257") " ;;state=4 [ "
										     "REVOKED "
										     "]\n" KEY(
											     "25"
											     "7") " ;;state=\n"),
		0);
	assert_int_equal(anchors->count, 2);
	assert_int_equal(anchors->anchors[0].zone.length, 1);
	assert_int_equal(anchors->anchors[1].zone.length, sizeof("key.test."));
	assert_int_equal(read_text(KEY("257") " ;;state=4 [ REVOKED ]\n"), -EINVAL);
	assert_int_equal(line, 0);
}

/* They are not mistakes, but there has to be another. */
static void anchors_of_no_use(void **state)
{
	static const char *const texts[] = {
		". IN DS 1 5 2 " DIGEST "\n",
		". IN DS 1 8 1 0123456789abcdef0123456789abcdef01234567\n",
		KEY("256") "\n",
		"key.test. IN DNSKEY 257 3 5 " ED25519 "\n",
		"; nothing\n",
		"",
	};
	char text[TEXT_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(read_text(texts[i]), -EINVAL);
		assert_int_equal(line, 0);
		snprintf(text, sizeof(text), "%s" DS("."), texts[i]);
		assert_int_equal(read_text(text), 0);
		assert_int_equal(anchors->count, 1);
	}
}

/* Between two lines that are none. */
static void expect_mistake(const char *bytes, size_t size)
{
	char text[TEXT_MAX] = DS(".") "\n";
	size_t length = strlen(text);

	memcpy(text + length, bytes, size);
	memcpy(text + length + size, DS("."), strlen(DS(".")));
	assert_int_equal(read_bytes(text, length + size + strlen(DS("."))), -EINVAL);
	assert_int_equal(line, 3);
}

static void mistakes_have_their_line(void **state)
{
	static const char *const lines[] = {
		"example.test. IN A 192.0.2.1\n",
		"example.test. IN SRV 1 8 2 www.test.\n",
		"example.test. IN DS 1 8 2\n",
		"example.test. IN DS \\# 0\n",
		"example.test. IN DS \\# 2 0001\n",
		"example.test. IN DS \\# 3 000108\n",
		"example.test. IN DS \\# 4 00010802\n",
		"example.test. IN DNSKEY \\# 4 01010308\n",
		"$TTL 3600\n",
		"hello\n",
	};
	static const char nul[] = "example.test. IN DS 1 8 2 \0" DIGEST "\n";

	(void)state;
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		expect_mistake(lines[i], strlen(lines[i]));
	expect_mistake(nul, sizeof(nul) - 1);
}

static void files_have_bounds(void **state)
{
	char text[TEXT_MAX] = "";

	(void)state;
	memset(text, ' ', 5000);
	memcpy(text + 5000, DS("."), sizeof(DS(".")));
	assert_int_equal(read_text(text), -EINVAL);
	assert_int_equal(line, 1);
	text[0] = '\0';
	for (unsigned i = 0; i < ANCHORS_MAX; i++)
		strcat(text, DS("."));
	assert_int_equal(read_text(text), 0);
	assert_int_equal(anchors->count, ANCHORS_MAX);
	strcat(text, DS("."));
	assert_int_equal(read_text(text), -EINVAL);
	assert_int_equal(line, ANCHORS_MAX + 1);
}

static void files_that_cannot_be_read(void **state)
{
	(void)state;
	assert_int_equal(anchors_read("/nowhere/at.all", &anchors, &line), -ENOENT);
	assert_int_equal(line, 0);
	assert_int_equal(anchors_read("/tmp", &anchors, &line), -EIO);
	assert_null(anchors);
}

static void the_deepest_anchor_counts(void **state)
{
	static const struct {
		const char *name, *zone;
	} rows[] = {
		{"www.a.test.", "a.test."},
		{"a.test.", "a.test."},
		{"ba.test.", "test."},
		{"test.", "test."},
		{"other.", NULL},
		{".", NULL},
	};

	(void)state;
	assert_int_equal(read_text(DS("test.") DS("a.test.") DS("b.a.test.") DS("test.")), 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct name name = signed_name(rows[i].name);
		const struct name *found = anchors_above(anchors, &name);
		struct name wanted = signed_name(rows[i].zone ? rows[i].zone : ".");

		assert_int_equal(found != NULL, rows[i].zone != NULL);
		assert_true(!found || name_equal(found, &wanted));
	}
}

#define TEST(function) cmocka_unit_test_teardown(function, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_no_record_is_passed_over),
		TEST(keys_become_ds_records),
		TEST(keys_in_other_states_are_not_trusted),
		TEST(anchors_of_no_use),
		TEST(mistakes_have_their_line),
		TEST(files_have_bounds),
		TEST(files_that_cannot_be_read),
		TEST(the_deepest_anchor_counts),
	};
	int failed, fd = mkstemp(path);

	if (fd < 0)
		return 99;
	close(fd);
	failed = cmocka_run_group_tests_name("anchor", tests, NULL, NULL);
	unlink(path);
	return failed;
}
