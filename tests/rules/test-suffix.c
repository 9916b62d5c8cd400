/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "rules/suffix.h"

static const struct {
	const char *name;
	enum suffix_kind kind;
	const char *registered; /* NULL: itself */
} names[] = {
	{"com", SUFFIX_PUBLIC, NULL},
	{"co.uk", SUFFIX_PUBLIC, NULL},
	{"dev", SUFFIX_PUBLIC, NULL},
	{"ck", SUFFIX_PUBLIC, NULL},
	{"anything.ck", SUFFIX_PUBLIC, NULL},
	{"www.ck", SUFFIX_NONE, NULL},
	{"a.www.ck", SUFFIX_NONE, "www.ck"},
	{"anything.kawasaki.jp", SUFFIX_PUBLIC, NULL},
	{"city.kawasaki.jp", SUFFIX_NONE, NULL},
	{"xn--p1ai", SUFFIX_PUBLIC, NULL},
	{"xn--55qx5d.cn", SUFFIX_PUBLIC, NULL},
	{"internal", SUFFIX_PUBLIC, NULL},
	{"cluster.local", SUFFIX_NONE, NULL},
	{"svc.cluster.local", SUFFIX_NONE, "cluster.local"},
	{"example.com", SUFFIX_NONE, NULL},
	{"a.b.example.com", SUFFIX_NONE, "example.com"},
	{"a.b.example.co.uk", SUFFIX_NONE, "example.co.uk"},
	{"github.io", SUFFIX_SHARED, NULL},
	{"githubusercontent.com", SUFFIX_SHARED, NULL},
	{"workers.dev", SUFFIX_SHARED, NULL},
	{"cloudfront.net", SUFFIX_SHARED, NULL},
	{"a.github.io", SUFFIX_NONE, NULL},
	{"b.a.github.io", SUFFIX_NONE, "a.github.io"},
	{"s3.amazonaws.com", SUFFIX_SHARED, NULL},
	{"us-west-2.compute.amazonaws.com", SUFFIX_SHARED, NULL},
	{"amazonaws.com", SUFFIX_SHARED, NULL},
	{"eu-west-1.amazonaws.com", SUFFIX_SHARED, "amazonaws.com"},
	{"a.s3.amazonaws.com", SUFFIX_NONE, NULL},
	{"xamazonaws.com", SUFFIX_NONE, NULL},
	{"digitaloceanspaces.com", SUFFIX_SHARED, NULL},
	{"blob.core.windows.net", SUFFIX_SHARED, "windows.net"},
	{"a.blob.core.windows.net", SUFFIX_NONE, "windows.net"},
};

static void test_names(void **state)
{
	char out[NAME_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *text = names[i].name;
		const char *registered = names[i].registered ? names[i].registered : text;
		struct name name, found;

		assert_int_equal(name_from_text(text_of(text), &name), 0);
		if (suffix_find(&name) != names[i].kind)
			fail_msg("%s: %d", text, suffix_find(&name));
		found = suffix_registered(&name);
		if (strcmp(name_to_text(&found, out), registered) != 0)
			fail_msg("%s is registered as %s", text, out);
	}
}

static void test_odd_names(void **state)
{
	/* A byte that is a dot is no label's end. */
	static const struct name dot = {.length = 12, .wire = "\5co.uk\4test"};
	static const struct name escaped = {.length = 7, .wire = "\5co.uk"};
	static const struct name root = {.length = 1};
	struct name found = suffix_registered(&root);

	(void)state;
	assert_int_equal(suffix_find(&root), SUFFIX_PUBLIC);
	assert_true(name_equal(&found, &root));
	assert_int_equal(suffix_find(&dot), SUFFIX_NONE);
	assert_int_equal(suffix_find(&escaped), SUFFIX_PUBLIC);
	found = suffix_registered(&dot);
	assert_true(name_equal(&found, &dot));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_odd_names),
	};

	return cmocka_run_group_tests_name("suffix", tests, NULL, NULL);
}
