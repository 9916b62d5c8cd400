/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rules/host.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LABEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 63 */
#define NAME LABEL "." LABEL "." LABEL "."                                      /* and 61 */
#define SIXTY "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* A host with its own wire form. */
struct made {
	struct host host;
	struct name name;
};

static void make_host(struct made *made, const char *text)
{
	const char *problem = "";

	if (host_from_text(text_of(text), &made->host.kind, &made->name, &problem) < 0)
		fail_msg("'%s' %s", text, problem);
	made->host.wire = made->name.wire;
	made->host.length = made->name.length;
}

static struct name make_name(const char *text)
{
	struct name name;

	if (name_from_text(text_of(text), &name) < 0)
		fail_msg("'%s' is no name", text);
	return name;
}

static bool matches(const struct made *made, const struct name *name)
{
	return host_matches(made->host.kind, made->host.wire, made->host.length, name);
}

static const struct {
	const char *text;
	enum host_kind kind;
	const char *again; /* as it prints, if otherwise than written */
} good_hosts[] = {
	{"api.example.com", HOST_EXACT, NULL},
	{"API.Example.COM.", HOST_EXACT, "api.example.com"},
	{"localhost", HOST_EXACT, NULL},
	{"_dmarc.a-b.x", HOST_EXACT, NULL},
	{"xn--bcher-kva.example", HOST_EXACT, NULL},
	{"1.2.3.4a", HOST_EXACT, NULL},
	{"3com.com", HOST_EXACT, NULL},
	{"1.example", HOST_EXACT, NULL},
	{LABEL ".x", HOST_EXACT, NULL},
	{NAME SIXTY "a", HOST_EXACT, NULL},
	{NAME SIXTY "a.", HOST_EXACT, NAME SIXTY "a"},
	{"*.example.com", HOST_ONE_LABEL, NULL},
	{"*.Co.Uk.", HOST_ONE_LABEL, "*.co.uk"},
	{"*.com", HOST_ONE_LABEL, NULL},
	{"*", HOST_ONE_LABEL, NULL},
	{"*.", HOST_ONE_LABEL, "*"},
	{"**.example.com", HOST_ANY_DEPTH, NULL},
	{"**", HOST_ANY_DEPTH, NULL},
	{"**.", HOST_ANY_DEPTH, "**"},
	{"api-*.example.com", HOST_GLOB, NULL},
	{"s3.*.Example.com", HOST_GLOB, "s3.*.example.com"},
	{"**.s3-*.example.com", HOST_GLOB, NULL},
	{"**.*.com", HOST_GLOB, NULL},
	{"*.*", HOST_GLOB, NULL},
	{"*.*.com", HOST_GLOB, NULL},
	{"foo-*", HOST_GLOB, NULL},
	{"*a*b*.c", HOST_GLOB, NULL},
	{"a.*", HOST_GLOB, NULL},
	{"a1.1*", HOST_GLOB, NULL},
	{"1*.x", HOST_GLOB, NULL},
	{"*." NAME "aa.a", HOST_ONE_LABEL, NULL},
	{"b\u00fccher.example", HOST_EXACT, "xn--bcher-kva.example"},
	{"B\u00dcCHER.Example", HOST_EXACT, "xn--bcher-kva.example"},
	{"u\u0308ber.example", HOST_EXACT, "xn--ber-goa.example"},
	{"fa\u00df.de", HOST_EXACT, "xn--fa-hia.de"},
	{"\u4f8b\u3048.\u30c6\u30b9\u30c8", HOST_EXACT, "xn--r8jz45g.xn--zckzah"},
	{"\u4f8b\u3048\u3002\u30c6\u30b9\u30c8", HOST_EXACT, "xn--r8jz45g.xn--zckzah"},
	{"a\uff0eb\uff61c\u3002", HOST_EXACT, "a.b.c"},
	{"\uff45\uff58.com", HOST_EXACT, "ex.com"},
	{"*.b\u00fccher.example", HOST_ONE_LABEL, "*.xn--bcher-kva.example"},
	{"**.b\u00fccher.example", HOST_ANY_DEPTH, "**.xn--bcher-kva.example"},
	{"a*.b\u00fccher.example", HOST_GLOB, "a*.xn--bcher-kva.example"},
};

static void test_good_hosts(void **state)
{
	char out[NAME_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT(good_hosts); i++) {
		const char *text = good_hosts[i].text;
		const char *want = good_hosts[i].again ? good_hosts[i].again : text;
		struct made made, again;

		make_host(&made, text);
		assert_int_equal(made.host.kind, good_hosts[i].kind);
		assert_ptr_equal(
			host_to_text(made.host.kind, made.host.wire, made.host.length, out), out);
		assert_string_equal(out, want);
		make_host(&again, out);
		assert_int_equal(again.host.kind, made.host.kind);
		assert_true(name_equal(&again.name, &made.name));
	}
}

static void test_wire(void **state)
{
	static const uint8_t glob[] = "\3a*b\1*\3com";
	struct made made;

	(void)state;
	make_host(&made, "A*b.*.com");
	assert_int_equal(made.name.length, sizeof(glob));
	assert_memory_equal(made.name.wire, glob, sizeof(glob));
	make_host(&made, "**");
	assert_int_equal(made.name.length, 1);
	assert_int_equal(made.name.wire[0], 0);
}

static const struct {
	const char *text;
	const char *problem;
} bad_hosts[] = {
	{"", "is not a host name: labels of"},
	{".", "is not a host name: labels of"},
	{"..", "is not a host name: labels of"},
	{"a..b", "is not a host name: labels of"},
	{"a..", "is not a host name: labels of"},
	{".a", "is not a host name: labels of"},
	{"a b", "is not a host name: labels of"},
	{" a", "is not a host name: labels of"},
	{"-a.b", "is not a host name: labels of"},
	{"a-.b", "is not a host name: labels of"},
	{"*-.b", "is not a host name: labels of"},
	{"-*.b", "is not a host name: labels of"},
	{"a/b", "is not a host name: labels of"},
	{"a?.b", "is not a host name: labels of"},
	{"*..b", "is not a host name: labels of"},
	{"||example.com^", "is not a host name: labels of"},
	{"a_b.c:", "has a port: that belongs under 'ports'"},
	{"a.b:443", "has a port: that belongs under 'ports'"},
	{"*.a.b:443", "has a port: that belongs under 'ports'"},
	{"b\u00fccher.b:443", "has a port: that belongs under 'ports'"},
	{"a b:443", "is not a host name: labels of"},
	{"1.2.3", "its last label is a number"},
	{"a.1", "its last label is a number"},
	{"*.1", "several addresses are a prefix or a range under 'ip'"},
	{"a*.1", "its last label is a number"},
	{"a.\uff11", "its last label is a number"},
	{"999.999.999.999", "its last label is a number"},
	{"2130706433", "its last label is a number"},
	{"127.1", "its last label is a number"},
	{"0177.0.0.1", "its last label is a number"},
	{"0x7f000001", "its last label is a number"},
	{"0X7F00000A", "its last label is a number"},
	{"0x7f.0.0.0xa", "its last label is a number"},
	{"a.0x", "its last label is a number"},
	{"*.0xab", "its last label is a number"},
	{"a*.0xab.", "its last label is a number"},
	{"10.0.0.*", "several addresses are a prefix or a range under 'ip'"},
	{"10.*.*.*", "several addresses are a prefix or a range under 'ip'"},
	{"192.168.1*", "several addresses are a prefix or a range under 'ip'"},
	{"1.2.3.4", "is an address: it belongs under 'ip'"},
	{"1.2.3.4.", "is an address: it belongs under 'ip'"},
	{"10.0.0.0/8", "is an address: it belongs under 'ip'"},
	{"10.0.0.1/8", "is an address: it belongs under 'ip'"},
	{"10.0.0.1-10.0.0.9", "is an address: it belongs under 'ip'"},
	{"2001:db8::1", "is an address: it belongs under 'ip'"},
	{"*.1.2.3.4", "is an address: it belongs under 'ip'"},
	{"1.2.3.4:443", "is an address with a port"},
	{"[2001:db8::1]:443", "is an address with a port"},
	{"https://a.b/c", "is a URL"},
	{"https://*.a.b", "is a URL"},
	{"://", "is a URL"},
	{"***.b.c", "has stars side by side"},
	{"a**b.c", "has stars side by side"},
	{"**b.c", "has stars side by side"},
	{"b.a**", "has stars side by side"},
	{"a.**.c", "has '**' elsewhere than in front"},
	{"*.**.c", "has '**' elsewhere than in front"},
	{"**.**", "has '**' elsewhere than in front"},
	{LABEL "a.x", "is too long"},
	{LABEL "*.x", "is too long"},
	{NAME SIXTY "aa", "is too long"},
	{"*." NAME SIXTY, "is too long"},
	{"b\u00fccher-*.example", "has a '*' in a label that is not ASCII"},
	{"\uff0a.example", "is not a host name: labels of"},
	{"a\uff0a.example", "is not a host name: labels of"},
	{"\u2100.example", "is not a host name: labels of"},
	{"a.\u00ad.b", "is not a host name: labels of"},
	{"a.\u3002b", "is not a host name: labels of"},
	{"-\u00fc.b", "has a label that is not a host name's (IDNA 2008)"},
	{"\u00fc-.b", "has a label that is not a host name's (IDNA 2008)"},
	{"\u00fc\uff0d.b", "has a label that is not a host name's (IDNA 2008)"},
	{"ab--\u00fc.b", "has a label that is not a host name's (IDNA 2008)"},
	{"xn--\u00fc.b", "has a label that is not a host name's (IDNA 2008)"},
	{"a\u200db.c", "has a label that is not a host name's (IDNA 2008)"},
	{"\u2603.net", "has a character that no host name may have"},
	{"a\u05d0.b", "has a label that is written in both directions"},
	{"\xff.b", "is not UTF-8"},
	{"\xed\xa0\x80.b", "is not UTF-8"},
	{"\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc"
	 "\u00fc"
	 "\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc"
	 "\u00fc"
	 "\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc"
	 "\u00fc"
	 "\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc"
	 "\u00fc"
	 ".b",
		"is too long"},
};

static void expect_bad(struct text text, const char *part)
{
	enum host_kind kind = (enum host_kind)77;
	struct name name = {.length = 99};
	const char *problem = "nothing";
	int error = host_from_text(text, &kind, &name, &problem);

	if (error != -EINVAL || !strstr(problem, part))
		fail_msg("'%.*s': %d, %s", TEXT_ARG(text), error, problem);
	assert_int_equal(kind, 77);
	assert_int_equal(name.length, 99);
}

static void test_bad_hosts(void **state)
{
	static char text[5000];

	(void)state;
	for (size_t i = 0; i < COUNT(bad_hosts); i++)
		expect_bad(text_of(bad_hosts[i].text), bad_hosts[i].problem);

	expect_bad((struct text){"a\0b", 3}, "is not a host name");
	expect_bad((struct text){"\xc3\xbc\0b", 4}, "is not a host name");
	expect_bad((struct text){"\xc3\xbc.b\xc3", 5}, "is not UTF-8");
	memset(text, 'a', sizeof(text));
	expect_bad((struct text){text, sizeof(text)}, "is too long");
	text[0] = (char)0xc3;
	text[1] = (char)0xbc;
	expect_bad((struct text){text, sizeof(text)}, "is too long");
	expect_bad((struct text){text, NAME_TEXT - 1}, "is too long");
	expect_bad((struct text){text, NAME_TEXT}, "is too long");
}

static void test_names(void **state)
{
	static const char *const names[] = {
		"a.example", "a-1.example1", "_dmarc.x0", "single", "0x.x"};
	static const char *const others[] = {"a.1", "1", "a.0x", "a.0x1f", "1.2.3.4", "1.2.3.4.5",
		"", "*.example", "a..b", "a b.example"};
	struct name name = {.length = 0};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char text[NAME_TEXT];

		assert_int_equal(host_name_from_text(text_of(names[i]), &name), 0);
		assert_string_equal(name_to_text(&name, text), names[i]);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(host_name_from_text(text_of(others[i]), &name), -EINVAL);
}

static void test_meant_addresses(void **state)
{
	static const struct {
		const char *text;
		const char *address; /* NULL: none */
	} rows[] = {
		{"0x7f000001", "127.0.0.1"},
		{"0X7F.1", "127.0.0.1"},
		{"127.1", "127.0.0.1"},
		{"10.1.2", "10.1.0.2"},
		{"2130706433", "127.0.0.1"},
		{"0177.0.0.1", "127.0.0.1"},
		{"4294967295", "255.255.255.255"},
		{"4294967296", NULL},
		{"256.1", NULL},
		{"0189.1", NULL},
		{"1.2.3.4.5", NULL},
		{"127.0.0.1", NULL},
		{"127.1 ", NULL},
		{"127.1\n", NULL},
		{"a.1", NULL},
		{"", NULL},
	};
	struct inaddr address;
	char text[INADDR_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		bool meant = host_meant_address(text_of(rows[i].text), &address);

		if (meant != (rows[i].address != NULL))
			fail_msg("'%s': %d", rows[i].text, meant);
		if (meant)
			assert_string_equal(inaddr_to_text(&address, text), rows[i].address);
	}
	assert_false(host_meant_address((struct text){"1.2\0.3", 6}, &address));
}

static const struct {
	const char *host;
	const char *name;
	bool matches;
} pairs[] = {
	{"api.example.com", "api.example.com", true},
	{"api.example.com", "a.api.example.com", false},
	{"api.example.com", "example.com", false},
	{"*.example.com", "a.example.com", true},
	{"*.example.com", "example.com", false},
	{"*.example.com", "a.b.example.com", false},
	{"*.example.com", "a.xexample.com", false},
	{"*.example.com", "example.com.a", false},
	{"**.example.com", "a.example.com", true},
	{"**.example.com", "a.b.c.example.com", true},
	{"**.example.com", "example.com", false},
	{"**.example.com", "com", false},
	{"**.example.com", "xexample.com", false},
	{"*", "com", true},
	{"*", "a.com", false},
	{"**", "com", true},
	{"**", "a.b.com", true},
	{"api-*.example.com", "api-1.example.com", true},
	{"api-*.example.com", "api.example.com", false},
	{"api-*.example.com", "x.api-1.example.com", false},
	{"api-*.example.com", "api-1.x.example.com", false},
	{"api*.example.com", "api.example.com", true},
	{"s3.*.example.com", "s3.eu.example.com", true},
	{"s3.*.example.com", "s3.example.com", false},
	{"s3.*.example.com", "s3.a.b.example.com", false},
	{"**.s3-*.example.com", "a.s3-eu.example.com", true},
	{"**.s3-*.example.com", "a.b.s3-eu.example.com", true},
	{"**.s3-*.example.com", "s3-eu.example.com", false},
	{"**.s3-*.example.com", "example.com", false},
	{"**.s3-*.example.com", "a.s3.example.com", false},
	{"*.*.com", "a.b.com", true},
	{"*.*.com", "a.com", false},
	{"*.*.com", "a.b.c.com", false},
	{"**.*.com", "a.b.com", true},
	{"**.*.com", "a.b.c.com", true},
	{"**.*.com", "b.com", false},
	{"foo-*", "foo-x", true},
	{"foo-*", "foo-x.y", false},
	{"*ab*ab*", "ababx", true},
	{"*ab*ab*", "abxab", true},
	{"*ab*ab*", "aab", false},
	{"*aab", "aaab", true},
	{"*aab", "aabb", false},
	{"a*a", "a", false},
	{"a*a", "aa", true},
};

static void test_pairs(void **state)
{
	static const struct name odd = {.length = 18, .wire = "\4api-\7example\3com"};
	static const struct name root = {.length = 1};
	struct made made;

	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct name name = make_name(pairs[i].name);

		make_host(&made, pairs[i].host);
		if (matches(&made, &name) != pairs[i].matches)
			fail_msg("%s and %s", pairs[i].host, pairs[i].name);
	}
	/* '*' is no character too, and any byte that a name on the wire may have. */
	make_host(&made, "api-*.example.com");
	assert_true(matches(&made, &odd));
	assert_false(matches(&made, &root));
	make_host(&made, "*");
	assert_false(matches(&made, &root));
	make_host(&made, "**");
	assert_false(matches(&made, &root));
}

static void test_specificity(void **state)
{
	/* From the least specific to the most; those in one row are equal. */
	static const char *const order[][2] = {
		{"*.*", "**.*"},
		{"a*", "*a"},
		{"a*.b*", "*ab"},
		{"abc*", "*a.bc*"},
		{"*.com", "com.*"},
		{"api*.com", "*.com.api*"},
		{"*.x.com", "**.x.com"},
		{"*.example.com", "**.example.com"},
		{"a*.example.com", "**.*a.example.com"},
		{"*.b.example.com", "**.b.example.com"},
		{"a.example.com", "com"},
	};
	uint32_t before = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(order); i++) {
		struct made a, b;
		uint32_t first, second;

		make_host(&a, order[i][0]);
		make_host(&b, order[i][1]);
		first = host_specificity(a.host.kind, a.host.wire, a.host.length);
		second = host_specificity(b.host.kind, b.host.wire, b.host.length);
		if (first != second)
			fail_msg("%s and %s: %u and %u", order[i][0], order[i][1], first, second);
		if (first <= before && i > 0)
			fail_msg("%s: %u, not more than %u", order[i][0], first, before);
		before = first;
	}
}

static void test_suffix(void **state)
{
	static const char *const suffixes[][2] = {
		{"a.example.com", "a.example.com"},
		{"*.example.com", "example.com"},
		{"**.co.uk", "co.uk"},
		{"*", "."},
		{"**", "."},
		{"foo-*", "."},
		{"a.*", "."},
		{"s3.*.example.com", "example.com"},
		{"a*.b.*.c.d", "c.d"},
		{"**.s3-*.com", "com"},
		{"**.a.b*", "."},
	};
	char out[NAME_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT(suffixes); i++) {
		struct made made;
		struct name suffix;

		make_host(&made, suffixes[i][0]);
		suffix = host_suffix(made.host.kind, made.host.wire, made.host.length);
		assert_string_equal(name_to_text(&suffix, out), suffixes[i][1]);
	}
}

static const struct {
	const char *a, *b;
	bool overlap;
} overlaps[] = {
	{"a.b", "a.b", true},
	{"a.b", "a.c", false},
	{"a.b", "*.b", true},
	{"b", "*.b", false},
	{"a.b.c", "*.c", false},
	{"a.b.c", "**.c", true},
	{"a-1.c", "a-*.c", true},
	{"*.c", "**.c", true},
	{"*.c", "*.d", false},
	{"**.c", "**.d", false},
	{"**.c", "**.b.c", true},
	{"*.c", "**.b.c", false},
	{"*.*.c", "**.b.c", true},
	{"a.*.c", "**.b.c", true},
	{"a.*.c", "**.b.d", false},
	{"*", "*.c", false},
	{"*", "**", true},
	{"*", "a*", true},
	{"**", "a*.b", true},
	{"api-*.c", "web-*.c", false},
	{"api-*.c", "*-1.c", true},
	{"a*b", "b*a", false},
	{"a*", "*b", true},
	{"*ab", "*b", true},
	{"*ab", "*ba", false},
	{"**.a*.c", "x.*.c", true},
	{"**.a*.c", "*.c", false},
	{"**.a*.c", "**.b*.c", false},
	{"**.a*.c", "**.b*.*.c", true},
};

static void test_overlaps(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(overlaps); i++) {
		struct made a, b;

		make_host(&a, overlaps[i].a);
		make_host(&b, overlaps[i].b);
		if (host_overlaps(&a.host, &b.host) != overlaps[i].overlap ||
			host_overlaps(&b.host, &a.host) != overlaps[i].overlap)
			fail_msg("%s and %s", overlaps[i].a, overlaps[i].b);
	}
}

/* Numbers that are the same in every run (xorshift64). */
static uint64_t draw(uint64_t below)
{
	static uint64_t number = 88172645463325252;

	number ^= number << 13;
	number ^= number >> 7;
	number ^= number << 17;
	return number % below;
}

/* 1 to `most` characters of `alphabet`, no '*' beside another. */
static char *put_label(char *out, size_t most, const char *alphabet)
{
	size_t length = 1 + draw(most);
	char before = '\0';

	for (size_t i = 0; i < length; i++) {
		char c = alphabet[draw(strlen(alphabet))];

		if (c == '*' && before == '*')
			c = 'a';
		*out++ = before = c;
	}
	*out = '\0';
	return out;
}

static void draw_text(char *out, size_t most_labels, size_t most, const char *alphabet, bool deep)
{
	size_t labels = 1 + draw(most_labels);

	if (deep && draw(3) == 0)
		out = stpcpy(out, "**.");
	for (size_t i = 0; i < labels; i++) {
		if (i > 0)
			*out++ = '.';
		out = put_label(out, most, alphabet);
	}
}

/* The same by trying everything: '*' is nothing, or one character that is no dot and itself again.
 */
static bool naive_glob(const char *glob, const char *name)
{
	if (*glob == '*')
		return naive_glob(glob + 1, name) ||
		       (*name && *name != '.' && naive_glob(glob, name + 1));
	if (*glob != *name)
		return false;
	return !*glob || naive_glob(glob + 1, name + 1);
}

static bool naive_matches(const char *host, const char *name)
{
	if (strncmp(host, "**.", 3) != 0)
		return naive_glob(host, name);
	for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
		if (naive_glob(host + 3, dot + 1))
			return true;
	}
	return false;
}

static void matches_as_by_trying(void **state)
{
	enum { ROUNDS = 60000 };
	unsigned matched = 0;

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		char host[64], text[64];
		struct name name;
		struct made made;

		draw_text(host, 3, 5, "ab**", true);
		draw_text(text, 4, 6, "ab", false);
		make_host(&made, host);
		name = make_name(text);
		if (matches(&made, &name) != naive_matches(host, text))
			fail_msg("%s and %s", host, text);
		matched += matches(&made, &name);
	}
	assert_in_range(matched, ROUNDS / 100, ROUNDS / 2);
}

/* What would take for ever by trying. */
static void matches_at_once(void **state)
{
	struct name name = make_name(LABEL ".b");
	struct made made;

	(void)state;
	make_host(&made, "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*c.b");
	for (unsigned i = 0; i < 10000; i++)
		assert_false(matches(&made, &name));
}

static void a_common_name_overlaps(void **state)
{
	enum { ROUNDS = 200000 };
	unsigned common = 0, apart = 0;

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		char first[64], second[64], text[64];
		struct made a, b;
		struct name name;

		draw_text(first, 3, 3, "ab**", true);
		draw_text(second, 3, 3, "ab**", true);
		draw_text(text, 4, 3, "ab", false);
		make_host(&a, first);
		make_host(&b, second);
		name = make_name(text);
		apart += !host_overlaps(&a.host, &b.host);
		if (!matches(&a, &name) || !matches(&b, &name))
			continue;
		common++;
		if (!host_overlaps(&a.host, &b.host) || !host_overlaps(&b.host, &a.host))
			fail_msg("%s and %s have %s in common", first, second, text);
	}
	assert_true(common > ROUNDS / 500);
	assert_true(apart > ROUNDS / 10);
}

/* All texts of 1 to `most` characters of `alphabet`, by number; false when there are no more. */
static bool count_text(unsigned number, unsigned most, const char *alphabet, char *out)
{
	unsigned base = (unsigned)strlen(alphabet), length = 1, of_length = base;

	for (; number >= of_length; length++, of_length *= base)
		number -= of_length;
	for (unsigned i = 0; i < length; i++, number /= base)
		out[i] = alphabet[number % base];
	out[length] = '\0';
	return length <= most;
}

/* Labels that match two patterns of n and m characters exist with n + m characters, if at all. */
static bool have_common_label(const char *first, const char *second)
{
	char label[16];

	for (unsigned i = 0; count_text(i, 6, "ab", label); i++) {
		if (naive_glob(first, label) && naive_glob(second, label))
			return true;
	}
	return false;
}

static void labels_overlap_only_with_a_common_one(void **state)
{
	char first[16], second[16];
	struct made a, b;

	(void)state;
	for (unsigned i = 0; count_text(i, 3, "ab*", first); i++) {
		if (strstr(first, "**"))
			continue;
		make_host(&a, first);
		for (unsigned j = 0; count_text(j, 3, "ab*", second); j++) {
			if (strstr(second, "**"))
				continue;
			make_host(&b, second);
			if (host_overlaps(&a.host, &b.host) != have_common_label(first, second))
				fail_msg("%s and %s", first, second);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_hosts),
		cmocka_unit_test(test_wire),
		cmocka_unit_test(test_bad_hosts),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_meant_addresses),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_specificity),
		cmocka_unit_test(test_suffix),
		cmocka_unit_test(test_overlaps),
		cmocka_unit_test(matches_as_by_trying),
		cmocka_unit_test(matches_at_once),
		cmocka_unit_test(a_common_name_overlaps),
		cmocka_unit_test(labels_overlap_only_with_a_common_one),
	};

	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
