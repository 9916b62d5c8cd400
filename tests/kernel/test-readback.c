/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/readback.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "src/kernel/ruleset.h"
#include "tests/kernel/space.h"

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
			      "\tmap refused {\n"
			      "\t\ttype ipv4_addr : verdict\n"
			      "\t\tflags interval\n"
			      "\t\telements = {\n"
			      "\t\t\t10.0.0.0/8 comment \"deny\" : drop\n"
			      "\t\t}\n"
			      "\t}\n"
			      "\n"
			      "\tchain c {\n"
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

/* What the kernel is given in its place. The set's elements and the chain vary. */
#define TABLE(live, output)                                                                        \
	"table inet other { chain output { oif lo accept; }; chain more { accept; }; }\n"          \
	"table inet t {\n" live "	map leases {\n"                                                  \
	"		type ipv4_addr : mark; flags timeout;\n"                                                \
	"		elements = { 192.0.2.1 timeout 1m : 0x00000001 }\n"                                     \
	"	}\n"                                                                                     \
	"	set old { type mark; elements = { 1 comment \"old\" }; }\n"                              \
	"	chain c { }\n" REFUSED output "}\n"                                                \
	"table inet u { chain output { oif lo accept; }; set live { type mark; }; }\n"
#define REFUSED                                                                                    \
	"	map refused { type ipv4_addr : verdict; flags interval;\n"                               \
	"		elements = { 10.0.0.0/8 comment \"deny\" : drop } }\n"
#define ELEMENTS(elements) "	set live { type mark; elements = { " elements " }; }\n"
#define LIVE ELEMENTS("1 comment \"one\", 2 comment \"two\"")
#define HOOK                                                                                       \
	"	chain output {\n		type filter hook output priority filter; policy "                      \
	"drop;\n"
#define LOOPBACK "		oif \"lo\" accept comment \"loopback\"\n"
#define JUDGE "		meta l4proto . th dport vmap { tcp . 443 : jump c } comment \"judge\"\n"
#define END "	}\n"

static const struct {
	const char *held;
	const char *object; /* NULL: all is there */
} cases[] = {
	{TABLE(LIVE, HOOK LOOPBACK JUDGE END), NULL},
	{"", "set live"},
	{"table inet t { }", "set live"},
	{TABLE("", HOOK LOOPBACK JUDGE END), "set live"},
	{TABLE("	set live { type mark; }\n", HOOK LOOPBACK JUDGE END), "set live"},
	{TABLE(ELEMENTS("1 comment \"one\""), HOOK LOOPBACK JUDGE END), "set live"},
	{TABLE(ELEMENTS("1 comment \"one\", 2 comment \"two\", 3 comment \"three\""),
		 HOOK LOOPBACK JUDGE END),
		"set live"},
	{TABLE(ELEMENTS("1 comment \"one\", 2 comment \"two\", 3"), HOOK LOOPBACK JUDGE END),
		"set live"},
	{TABLE(ELEMENTS("1 comment \"one\", 2 comment \"tow\""), HOOK LOOPBACK JUDGE END),
		"set live"},
	{TABLE("	map live { type mark : mark; elements = { 1 comment \"one\" : 1, "
	       "2 comment \"two\" : 1 }; }\n",
		 HOOK LOOPBACK JUDGE END),
		"set live"},
	{TABLE(LIVE, ""), "chain output"},
	{TABLE(LIVE, HOOK JUDGE LOOPBACK END), "chain output"},
	{TABLE(LIVE, HOOK LOOPBACK END), "chain output"},
	{TABLE(LIVE, HOOK "		accept\n" LOOPBACK JUDGE END), "chain output"},
	{TABLE(LIVE,
		 HOOK "		accept\n		accept comment \"x\"\n" LOOPBACK JUDGE END),
		"chain output"},
	{TABLE(LIVE, HOOK LOOPBACK JUDGE JUDGE END), "chain output"},
	{TABLE(LIVE, "	chain output {\n" LOOPBACK JUDGE END), "chain output"},
	{TABLE(LIVE, "	chain output {\n		type filter hook output priority filter; "
		     "policy accept;\n" LOOPBACK JUDGE END),
		"chain output"},
	{TABLE(LIVE, HOOK LOOPBACK JUDGE END "	chain more {\n		accept\n	}\n"),
		NULL},
};

static struct netlink *kernel;

static void change(const char *text)
{
	char *message = NULL;

	if (ruleset_load(text, false, &message))
		fail_msg("%s", message ? message : text);
}

static void load(const char *text)
{
	change("flush ruleset");
	change(text);
}

static void compares(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *object = NULL;
		int error;

		load(cases[i].held);
		error = readback_compare(kernel, "t", written, &object);
		if (error != (cases[i].object ? -ESTALE : 0))
			fail_msg("case %zu: %d", i, error);
		if (cases[i].object && strcmp(object, cases[i].object) != 0)
			fail_msg("case %zu: %s", i, object);
		if (!cases[i].object)
			assert_null(object);
		free(object);
	}
}

static void what_was_loaded(void **state)
{
	char *object = NULL;

	(void)state;
	load(written);
	assert_int_equal(readback_compare(kernel, "t", written, &object), 0);
	assert_int_equal(readback_compare(kernel, "other", written, &object), -ESTALE);
	assert_string_equal(object, "set live");
	free(object);
}

/* Texts that end in the middle of something are read to their end and no further. */
static void truncated(void **state)
{
	(void)state;
	load(written);
	for (size_t i = 0; i < strlen(written); i++) {
		char *text = strndup(written, i), *object = NULL;
		int error = readback_compare(kernel, "t", text, &object);

		assert_true(error == 0 || error == -ESTALE);
		assert_true((error == 0) == (object == NULL));
		free(object);
		free(text);
	}
}

static const char link_written[] = "table netdev t {\n"
				   "\tchain frames {\n"
				   "\t\tdrop comment \"raw\"\n"
				   "\t}\n"
				   "\n"
				   "\tchain link-lo {\n"
				   "\t\ttype filter hook egress device \"lo\" priority filter; "
				   "policy drop;\n"
				   "\t\tgoto frames comment \"frames\"\n"
				   "\t}\n"
				   "}\n";

/* A table of the other family has nothing to do with one of the same name. */
static void link_loaded(void **state)
{
	char *object = NULL, *message = NULL;

	(void)state;
	load(written);
	assert_int_equal(readback_compare_link(kernel, "t", link_written, &object), -ESTALE);
	assert_string_equal(object, "chain frames");
	free(object);
	object = NULL;
	assert_int_equal(ruleset_load(link_written, false, &message), 0);
	assert_int_equal(readback_compare_link(kernel, "t", link_written, &object), 0);
	assert_int_equal(readback_compare(kernel, "t", written, &object), 0);
	assert_int_equal(ruleset_load("flush chain netdev t link-lo", false, &message), 0);
	assert_int_equal(readback_compare_link(kernel, "t", link_written, &object), -ESTALE);
	assert_string_equal(object, "chain link-lo");
	free(object);
	object = NULL;
	assert_true(readback_has_link(kernel, "t"));
	assert_int_equal(ruleset_remove_link("t", &message), 0);
	assert_false(readback_has_link(kernel, "t"));
	assert_int_equal(ruleset_remove_link("t;", &message), -EINVAL);
	assert_int_equal(readback_compare_link(kernel, "t", link_written, &object), -ESTALE);
	free(object);
	object = NULL;
	assert_int_equal(readback_compare(kernel, "t", written, &object), 0);
}

static void nothing_written(void **state)
{
	char *object = NULL;

	(void)state;
	load(cases[0].held);
	assert_int_equal(readback_compare(kernel, "t", "", &object), 0);
	assert_null(object);
}

/* Many chains with a rule each: the answers take many parts. */
#define MANY 1500

static char *many_chains(void)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fputs("table inet t {\n", out);
	for (unsigned i = 0; i < MANY; i++)
		fprintf(out, "\tchain deny-%u {\n\t\tdrop comment \"deny-%u\"\n\t}\n\n", i, i);
	fputs("}\n", out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void many(void **state)
{
	char *text = many_chains(), *object = NULL, *message;

	(void)state;
	load(text);
	assert_int_equal(readback_compare(kernel, "t", text, &object), 0);
	assert_int_equal(ruleset_load("flush chain inet t deny-1498", false, &message), 0);
	assert_int_equal(readback_compare(kernel, "t", text, &object), -ESTALE);
	assert_string_equal(object, "chain deny-1498");
	free(object);
	free(text);
}

/* What somebody else loads when the first part of the rules has come; NULL: nothing. */
static const char *meanwhile;
static unsigned rule_lists;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names, ld(1), --wrap */
ssize_t __wrap_recvfrom(
	int fd, void *bytes, size_t size, int flags, __SOCKADDR_ARG from, socklen_t *from_size);
ssize_t __real_recvfrom(
	int fd, void *bytes, size_t size, int flags, __SOCKADDR_ARG from, socklen_t *from_size);

ssize_t __wrap_recvfrom(
	int fd, void *bytes, size_t size, int flags, __SOCKADDR_ARG from, socklen_t *from_size)
{
	static uint32_t seen;
	ssize_t got = __real_recvfrom(fd, bytes, size, flags, from, from_size);
	const struct nlmsghdr *first = bytes;

	if (got < (ssize_t)sizeof(*first) || first->nlmsg_type != netlink_type(NFT_MSG_NEWRULE) ||
		first->nlmsg_seq == seen)
		return got;
	seen = first->nlmsg_seq;
	rule_lists++;
	if (meanwhile)
		change(meanwhile);
	return got;
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* Somebody mends the ruleset while it is read: it is read again. */
static void mended_meanwhile(void **state)
{
	char *text = many_chains(), *object = NULL;

	(void)state;
	load(text);
	change("flush chain inet t deny-0\nadd rule inet t deny-0 drop comment \"other\"");
	meanwhile = "flush chain inet t deny-0\nadd rule inet t deny-0 drop comment \"deny-0\"";
	rule_lists = 0;
	assert_int_equal(readback_compare(kernel, "t", text, &object), 0);
	assert_null(object);
	assert_int_equal(rule_lists, 2);
	/* It is right no more, and changes all the time: that has an end. */
	change("flush chain inet t deny-1");
	rule_lists = 0;
	assert_int_equal(readback_compare(kernel, "t", text, &object), -ESTALE);
	assert_string_equal(object, "chain deny-1");
	assert_in_range(rule_lists, 2, 100);
	meanwhile = NULL;
	free(object);
	free(text);
}

static int open_kernel(void **state)
{
	(void)state;
	return netlink_open(4096, &kernel);
}

static int close_kernel(void **state)
{
	(void)state;
	netlink_closep(&kernel);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares),
		cmocka_unit_test(what_was_loaded),
		cmocka_unit_test(truncated),
		cmocka_unit_test(link_loaded),
		cmocka_unit_test(nothing_written),
		cmocka_unit_test(many),
		cmocka_unit_test(mended_meanwhile),
	};
	int error = space_enter();

	if (error)
		return space_skip("no user and network namespace of its own", error);
	return cmocka_run_group_tests_name("readback", tests, open_kernel, close_kernel);
}
