/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/svcb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "resolver/answer.h"
#include "rules/class.h"
#include "src/base/buf.h"

static struct name name_of(const char *text)
{
	struct name name;

	assert_int_equal(name_from_text(text_of(text), &name), 0);
	return name;
}

/* All but private addresses; they need a lease. */
static bool permits(
	void *context, const struct inaddr *address, bool *ret_leased, const char **ret_rule)
{
	enum address_class class;

	(void)context;
	*ret_leased = true;
	if (!class_find(address, 1u << CLASS_PRIVATE, &class))
		return true;
	*ret_rule = class_rule(class);
	return false;
}

static bool permits_name(void *context, const struct name *name)
{
	struct name good = name_of("good.example.net");

	(void)context;
	return name_equal(name, &good);
}

static bool permits_port(void *context, uint16_t port)
{
	(void)context;
	return port == 443;
}

static const struct answer_judge services = {NULL, permits, permits_name, permits_port};

/* What is left of a record's data; NULL: nothing. */
static void check_service(const char *data, size_t size, const char *left, size_t left_size)
{
	uint8_t out[1000];
	struct writer writer = writer_over(out, sizeof(out));
	struct name owner = name_of("www.example.com");
	struct answer_leases leases = {.count = 0};
	const char *rule = NULL;
	bool usable = svcb_rebuild(
		(const uint8_t *)data, size, &owner, &services, &writer, &leases, &rule);

	assert_int_equal(usable, left != NULL);
	if (!left)
		assert_int_equal(leases.count, 0);
	if (!left)
		return;
	assert_int_equal(writer.pos, left_size);
	assert_memory_equal(out, left, left_size);
}

#define CHECK_SERVICE(data, left) check_service(data, sizeof(data) - 1, left, sizeof(left) - 1)
#define CHECK_UNUSABLE(data) check_service(data, sizeof(data) - 1, NULL, 0)

#define GOOD "\4good\7example\3net\0"

static void services_are_rebuilt(void **state)
{
	(void)state;
	/* As it is: alpn, no-default-alpn, port, hints. */
	CHECK_SERVICE("\0\1\0\0\1\0\6\2h2\2h3\0\2\0\0\0\3\0\2\1\xbb\0\4\0\4\xc0\0\2\1",
		"\0\1\0\0\1\0\6\2h2\2h3\0\2\0\0\0\3\0\2\1\xbb\0\4\0\4\xc0\0\2\1");
	/* ech, dohpath and what is unknown are left out. */
	CHECK_SERVICE("\0\1\0\0\1\0\3\2h2\0\5\0\2xx\0\7\0\1/\0\x08\0\0\xff\0\0\3abc",
		"\0\1\0\0\1\0\3\2h2");
	/* Hints that are blocked; then the parameter. */
	CHECK_SERVICE("\0\1\0\0\4\0\x08\x0a\0\0\1\xc0\0\2\1", "\0\1\0\0\4\0\4\xc0\0\2\1");
	CHECK_SERVICE("\0\1\0\0\4\0\4\x0a\0\0\1", "\0\1\0");
	/* A mapped one in an IPv6 hint. */
	CHECK_SERVICE("\0\1\0\0\6\0\x10\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", "\0\1\0");
	/* ALPN ids that are none, and one of each sign that they have. */
	CHECK_SERVICE("\0\1\0\0\1\0\x0b\2h2\3A B\3\0\1\2", "\0\1\0\0\1\0\3\2h2");
	CHECK_SERVICE("\0\1\0\0\1\0\x0b\2h2\0\3h~2\2a\xe9", "\0\1\0\0\1\0\3\2h2");
	CHECK_SERVICE("\0\1\0\0\1\0\x09\x08http/1.1", "\0\1\0\0\1\0\x09\x08http/1.1");
	CHECK_SERVICE("\0\1\0\0\1\0\x11\x10"
		      "0123456789abcd-.",
		"\0\1\0\0\1\0\x11\x10"
		"0123456789abcd-.");
	CHECK_SERVICE("\0\1\0\0\1\0\x12\x11"
		      "0123456789abcdefg",
		"\0\1\0");
	/* An alias has no parameters. */
	CHECK_SERVICE("\0\0" GOOD "\0\1\0\3\2h2", "\0\0" GOOD);
	CHECK_SERVICE("\0\0\0", "\0\0\0");
	CHECK_SERVICE("\0\1\3WWW\7example\3com\0", "\0\1\3www\7example\3com\0");
	CHECK_SERVICE("\0\1\0\0\0\0\4\0\1\0\3\0\1\0\3\2h2\0\3\0\2\1\xbb",
		"\0\1\0\0\0\0\4\0\1\0\3\0\1\0\3\2h2\0\3\0\2\1\xbb");
}

static void services_that_would_mislead_are_dropped(void **state)
{
	(void)state;
	CHECK_UNUSABLE("\0\1\3bad\7example\3net\0");
	CHECK_UNUSABLE("\0\0\3bad\7example\3net\0");
	CHECK_UNUSABLE("\0\1\0\0\3\0\2\1\xbc");
	/* Mandatory, and dropped: ech, hints, unknown. Or not there at all. */
	CHECK_UNUSABLE("\0\1\0\0\0\0\2\0\5\0\5\0\2xx");
	CHECK_UNUSABLE("\0\1\0\0\0\0\2\0\4\0\4\0\4\x0a\0\0\1");
	CHECK_UNUSABLE("\0\1\0\0\0\0\2\xff\0\xff\0\0\3abc");
	CHECK_UNUSABLE("\0\1\0\0\0\0\2\0\1");
	/* No list, half a number, out of order, itself. */
	CHECK_UNUSABLE("\0\1\0\0\0\0\0");
	CHECK_UNUSABLE("\0\1\0\0\0\0\3\0\1\0\0\1\0\3\2h2");
	CHECK_UNUSABLE("\0\1\0\0\0\0\4\0\3\0\1\0\1\0\3\2h2\0\3\0\2\1\xbb");
	CHECK_UNUSABLE("\0\1\0\0\0\0\2\0\0");
	/* Parameters out of order or twice, sizes that don't fit. */
	CHECK_UNUSABLE("\0\1\0\0\3\0\2\1\xbb\0\1\0\3\2h2");
	CHECK_UNUSABLE("\0\1\0\0\1\0\3\2h2\0\1\0\3\2h2");
	CHECK_UNUSABLE("\0\1\0\0\3\0\3\1\xbb\0");
	CHECK_UNUSABLE("\0\1\0\0\3\0\1\1");
	CHECK_UNUSABLE("\0\1\0\0\4\0\5\xc0\0\2\1\0");
	CHECK_UNUSABLE("\0\1\0\0\1\0\3\3h2");
	CHECK_UNUSABLE("\0\1\0\0\2\0\0");
	CHECK_UNUSABLE("\0\1\0\0\1\0\3\2h2\0\2\0\1x");
	CHECK_UNUSABLE("\0\1\0\0\1\0\x09\2h2");
	CHECK_UNUSABLE("\0\1\0\0\1\0");
	CHECK_UNUSABLE("\0\1");
	CHECK_UNUSABLE("");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services_are_rebuilt),
		cmocka_unit_test(services_that_would_mislead_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
