/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "src/kernel/readback.h"

static const char written[] = "# a comment\n"
			      "add table inet t\n"
			      "flush table inet t\n"
			      "\n"
			      "table inet t {\n"
			      "\t# rules in force\n"
			      "\tset live {\n"
			      "\t\ttype mark\n"
			      "\t\telements = {\n"
			      "\t\t\t0x00000002 comment \"two\",\n"
			      "\t\t\t0x00000001 comment \"one\"\n"
			      "\t\t}\n"
			      "\t}\n"
			      "\n"
			      "\tmap leases {\n"
			      "\t\ttype ipv4_addr : mark\n"
			      "\t\tflags timeout\n"
			      "\t}\n"
			      "\n"
			      "\tchain output {\n"
			      "\t\ttype filter hook output priority filter; policy drop;\n"
			      "\t\toif lo accept comment \"loopback\"\n"
			      "\t\tmeta l4proto . th dport vmap {\n"
			      "\t\t\ttcp . 443 : jump c\n"
			      "\t\t} comment \"judge\"\n"
			      "\t}\n"
			      "}\n";

/* As nft lists it: elements in lines of its own and sorted, other words, leases there. */
#define TABLE(live, output)                                                                        \
	"table inet t {\n" live "\tmap leases {\n\t\ttype ipv4_addr : mark\n"                      \
	"\t\telements = { 192.0.2.1 timeout 1m expires 30s : 0x00000001 }\n\t}\n\n"                \
	"\tset old {\n\t\telements = { 1 comment \"old\" }\n\t}\n\n" output "}\n"
#define LIVE                                                                                       \
	"\tset live {\n\t\ttype mark\n\t\telements = { 0x00000001 comment \"one\", "               \
	"0x00000002 comment \"two\" }\n\t}\n\n"
#define HOOK "\tchain output {\n\t\ttype filter hook output priority filter; policy drop;\n"
#define LOOPBACK "\t\toif \"lo\" accept comment \"loopback\"\n"
#define JUDGE "\t\tmeta l4proto . th dport vmap { tcp . 443 : jump c } comment \"judge\"\n"
#define END "\t}\n"

static const struct {
	const char *held;
	const char *object; /* NULL: all is there */
} cases[] = {
	{TABLE(LIVE, HOOK LOOPBACK JUDGE END), NULL},
	{"", "set live"},
	{"table inet t {\n}\n", "set live"},
	{TABLE("", HOOK LOOPBACK JUDGE END), "set live"},
	{TABLE("\tset live {\n\t\telements = { 0x1 comment \"one\" }\n\t}\n\n",
		 HOOK LOOPBACK JUDGE END),
		"set live"},
	{TABLE("\tset live {\n\t\telements = { 0x1 comment \"one\", 0x2 comment \"two\", "
	       "0x3 comment \"three\" }\n\t}\n\n",
		 HOOK LOOPBACK JUDGE END),
		"set live"},
	{TABLE("\tset live {\n\t\telements = { 0x1 comment \"one\", 0x2 comment \"tow\" "
	       "}\n\t}\n\n",
		 HOOK LOOPBACK JUDGE END),
		"set live"},
	{TABLE(LIVE, ""), "chain output"},
	{TABLE(LIVE, HOOK JUDGE LOOPBACK END), "chain output"},
	{TABLE(LIVE, HOOK LOOPBACK END), "chain output"},
	{TABLE(LIVE, HOOK "\t\taccept\n" LOOPBACK JUDGE END), "chain output"},
	{TABLE(LIVE, HOOK "\t\taccept\n\t\taccept comment \"x\"\n" LOOPBACK JUDGE END),
		"chain output"},
	{TABLE(LIVE, HOOK LOOPBACK JUDGE JUDGE END), "chain output"},
	{TABLE(LIVE, "\tchain output {\n" LOOPBACK JUDGE END), "chain output"},
	{TABLE(LIVE, "\tchain output {\n\t\ttype filter hook output priority filter; policy "
		     "accept;\n" LOOPBACK JUDGE END),
		"chain output"},
	{TABLE(LIVE, HOOK LOOPBACK JUDGE END "\tchain more {\n\t\taccept\n\t}\n"), NULL},
};

static void test_compare(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *object = NULL;
		int error = readback_compare(written, cases[i].held, &object);

		if (error != (cases[i].object ? -ESTALE : 0))
			fail_msg("case %zu: %d", i, error);
		if (cases[i].object)
			assert_string_equal(object, cases[i].object);
		else
			assert_null(object);
		free(object);
	}
}

/* Texts that end in the middle of something are read to their end and no further. */
static void test_truncated(void **state)
{
	size_t size = strlen(cases[0].held);

	(void)state;
	for (size_t i = 0; i < size; i++) {
		char *held = strndup(cases[0].held, i), *object = NULL;
		int error = readback_compare(written, held, &object);
		/* Behind the last rule nothing of what is compared is missing. */
		bool behind = i + strlen("\n\t}\n}\n") >= size;

		free(object);
		free(held);
		assert_int_equal(error, behind ? 0 : -ESTALE);
	}
}

static void test_nothing_written(void **state)
{
	char *object = NULL;

	(void)state;
	assert_int_equal(readback_compare("", cases[0].held, &object), 0);
	assert_null(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_nothing_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
