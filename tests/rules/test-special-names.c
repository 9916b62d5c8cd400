/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "rules/special-names.h"

/* Which row a name falls under, against the definition: the name is that of the row, or below it.
 */

enum { DRAWN = 200000, LABELS_MAX = 5 };

/* In the order of the table; none is below another one. */
static const char *const tops[] = {"localhost", "invalid", "test", "local", "onion", "alt",
	"home.arpa", "resolver.arpa", "ipv4only.arpa", "use-application-dns.net", "in-addr.arpa",
	"ip6.arpa"};

/* Labels that are some row's, nearly so, or have one in them behind what would be its length. */
static const char *const labels[] = {"localhost", "invalid", "test", "local", "onion", "alt",
	"home", "arpa", "resolver", "ipv4only", "use-application-dns", "net", "in-addr", "ip6", "a",
	"com", "lt", "xlocalhost", "\011localhost", "x\005onion", "\003alt", "\004home\004arpa",
	"x\010resolver\004arpa", "\004", "\005local"};

static uint32_t drawn = 1;

/* Below `count`; the same ones each time. */
static unsigned below(unsigned count)
{
	drawn = drawn * 1664525 + 1013904223;
	return (drawn >> 16) % count;
}

static void append(struct name *name, const char *label)
{
	size_t length = strlen(label);

	name->wire[name->length - 1] = (uint8_t)length;
	memcpy(name->wire + name->length, label, length);
	name->length = (uint8_t)(name->length + length + 1);
	name->wire[name->length - 1] = 0;
}

static struct name draw(void)
{
	struct name name = {.length = 1};
	unsigned count = below(LABELS_MAX);

	for (unsigned i = 0; i < count; i++)
		append(&name, labels[below(sizeof(labels) / sizeof(labels[0]))]);
	return name;
}

static struct name named(const char *text)
{
	struct name name;

	assert_int_equal(name_from_text(text_of(text), &name), 0);
	return name;
}

static void names_fall_under_the_row_that_they_are_below(void **state)
{
	struct name rows[sizeof(tops) / sizeof(tops[0])];
	unsigned found[sizeof(tops) / sizeof(tops[0])] = {0};
	unsigned n_none = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++)
		rows[i] = named(tops[i]);
	for (int i = 0; i < DRAWN; i++) {
		struct name name = draw(), top = {0};
		const struct special *special = special_find(&name);
		size_t row = 0;

		while (row < sizeof(tops) / sizeof(tops[0]) && !name_is_below(&name, &rows[row]))
			row++;
		if (special)
			top = special_name(special);
		if (row == sizeof(tops) / sizeof(tops[0])) {
			assert_null(special);
			n_none++;
		} else {
			assert_non_null(special);
			assert_true(name_equal(&top, &rows[row]));
			found[row]++;
		}
	}
	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++)
		assert_true(found[i] > 10);
	assert_true(n_none > 10);
}

static void labels_below_a_row_decide_what_is_answered(void **state)
{
	static const struct {
		const char *name;
		unsigned addresses;
		bool denied;
	} wanted[] = {
		{"localhost", 2, false},
		{"a.b.c.localhost", 2, false},
		{"ipv4only.arpa", 2, false},
		{"a.ipv4only.arpa", 0, true},
		{"onion", 0, true},
		{"a.b.onion", 0, true},
		{"home.arpa", 0, false},
		{"a.home.arpa", 0, true},
		{"resolver.arpa", 0, false},
		{"_dns.resolver.arpa", 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct name name = named(wanted[i].name);
		const struct special *special = special_find(&name);
		struct inaddr addresses[SPECIAL_ADDRESSES_MAX];

		assert_non_null(special);
		assert_int_equal(special_addresses(special, &name, addresses), wanted[i].addresses);
		if (wanted[i].addresses == 0)
			assert_int_equal(special_is_denied(special, &name), wanted[i].denied);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_fall_under_the_row_that_they_are_below),
		cmocka_unit_test(labels_below_a_row_decide_what_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
