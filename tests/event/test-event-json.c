/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/event-json.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "src/base/text.h"
#include "src/event/event-lines.h"

static const struct event_context plain = {.policy = "agent", .session = "s1"};

static struct event begin(enum event_kind kind)
{
	struct event event;

	memset(&event, 0, sizeof(event));
	event_begin(&event, kind);
	event.time = INT64_C(1795266302123456);
	return event;
}

static void expect(
	const struct event *event, const struct event_context *context, const char *expected)
{
	char line[EVENT_LINE + 1];
	size_t size = event_to_json(event, context, line);

	line[size] = '\0';
	assert_string_equal(line, expected);
}

static struct inaddr address_of(const char *text)
{
	struct inaddr address;

	assert_int_equal(inaddr_from_text(text_of(text), &address), 0);
	return address;
}

static void test_query(void **state)
{
	struct event event = begin(EVENT_QUERY);

	(void)state;
	assert_int_equal(name_from_text(text_of("www.example.org"), &event.name), 0);
	event.has = EVENT_HAS_VERDICT;
	event.verdict = EVENT_REFUSE;
	event.type = 65280;
	event.rcode = 3;
	event.ede = 15;
	event_set_rule(&event, "default-deny");
	expect(&event, &plain,
		"{\"time\":\"2026-11-21T13:05:02.123456Z\",\"kind\":\"query\",\"policy\":\"agent\","
		"\"session\":\"s1\",\"verdict\":\"refuse\",\"rule\":\"default-deny\","
		"\"name\":\"www.example.org\",\"type\":\"TYPE65280\",\"rcode\":\"NXDOMAIN\","
		"\"ede\":15}\n");
}

static void test_lease(void **state)
{
	const struct event_context context = {"agent", "s1", "api", "model API", "-1.5", NULL};
	struct event event = begin(EVENT_LEASE);

	(void)state;
	event.has = EVENT_HAS_VERDICT | EVENT_HAS_ADDRESS;
	event.address = address_of("2001:db8::1");
	event_set_ports(&event, "tcp-443");
	event.ttl = 60;
	event.lease = 90;
	expect(&event, &context,
		"{\"time\":\"2026-11-21T13:05:02.123456Z\",\"kind\":\"lease\",\"policy\":\"agent\","
		"\"session\":\"s1\",\"verdict\":\"permit\",\"address\":\"2001:db8::1\","
		"\"ports\":\"tcp-443\",\"ttl\":60,\"lease\":90,\"score\":-1.5,\"category\":\"api\","
		"\"reason\":\"model API\"}\n");
}

static void test_connection(void **state)
{
	const struct event_context grouped = {
		.policy = "agent", .session = "s1", .cgroup = "/a.slice/b\\x2d.scope"};
	struct event event = begin(EVENT_CONNECTION);

	(void)state;
	event.has = EVENT_HAS_VERDICT | EVENT_HAS_ADDRESS | EVENT_HAS_PORT | EVENT_HAS_PROTOCOL |
		    EVENT_HAS_SOURCE | EVENT_HAS_SOURCE_PORT | EVENT_HAS_USER | EVENT_HAS_GROUP;
	event.verdict = EVENT_OBSERVE;
	event.address = address_of("192.0.2.1");
	event.source = address_of("10.0.0.2");
	event.port = 443;
	event.source_port = 40000;
	event.protocol = IPPROTO_TCP;
	event.user = 1000;
	event.group = 4294967294u;
	expect(&event, &plain,
		"{\"time\":\"2026-11-21T13:05:02.123456Z\",\"kind\":\"connection\","
		"\"policy\":\"agent\",\"session\":\"s1\",\"verdict\":\"observe\","
		"\"source\":\"10.0.0.2\",\"source_port\":40000,\"user\":1000,\"group\":4294967294,"
		"\"address\":\"192.0.2.1\",\"port\":443,\"protocol\":\"tcp\"}\n");
	event.has |= EVENT_HAS_CGROUP;
	event.cgroup = 4711;
	expect(&event, &grouped,
		"{\"time\":\"2026-11-21T13:05:02.123456Z\",\"kind\":\"connection\","
		"\"policy\":\"agent\",\"session\":\"s1\",\"verdict\":\"observe\","
		"\"source\":\"10.0.0.2\",\"source_port\":40000,\"user\":1000,\"group\":4294967294,"
		"\"cgroup\":\"/a.slice/b\\\\x2d.scope\",\"cgroup_id\":4711,"
		"\"address\":\"192.0.2.1\",\"port\":443,\"protocol\":\"tcp\"}\n");
	event.has = EVENT_HAS_PROTOCOL | EVENT_HAS_CGROUP;
	expect(&event, &plain,
		"{\"time\":\"2026-11-21T13:05:02.123456Z\",\"kind\":\"connection\","
		"\"policy\":\"agent\",\"session\":\"s1\",\"cgroup_id\":4711,\"protocol\":\"tcp\"}"
		"\n");
	event.has = EVENT_HAS_PROTOCOL;
	event.protocol = 132;
	expect(&event, &plain,
		"{\"time\":\"2026-11-21T13:05:02.123456Z\",\"kind\":\"connection\","
		"\"policy\":\"agent\",\"session\":\"s1\",\"protocol\":\"132\"}\n");
}

static void test_flow(void **state)
{
	struct event event = begin(EVENT_FLOW);

	(void)state;
	event.has = EVENT_HAS_BYTES | EVENT_HAS_DURATION | EVENT_IS_LIVE;
	event.bytes_out = UINT64_MAX;
	event.packets_out = 10;
	event.duration = 61000042;
	expect(&event, &plain,
		"{\"time\":\"2026-11-21T13:05:02.123456Z\",\"kind\":\"flow\",\"policy\":\"agent\","
		"\"session\":\"s1\",\"bytes_out\":9223372036854775807,\"packets_out\":10,"
		"\"bytes_in\":0,\"packets_in\":0,\"duration\":61.000042,\"live\":true}\n");
}

/* The days around the ends of months and of leap years. */
static void test_dates(void **state)
{
	static const struct {
		int64_t seconds;
		const char *date;
	} rows[] = {
		{0, "1970-01-01T00:00:00.000000Z"},
		{951782399, "2000-02-28T23:59:59.000000Z"},
		{951782400, "2000-02-29T00:00:00.000000Z"},
		{951868800, "2000-03-01T00:00:00.000000Z"},
		{1709164800, "2024-02-29T00:00:00.000000Z"},
		{1735689599, "2024-12-31T23:59:59.000000Z"},
		{4107542400, "2100-03-01T00:00:00.000000Z"},
		{-5, "1970-01-01T00:00:00.000000Z"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct event event = begin(EVENT_POLICY);
		char expected[128];

		event.time = rows[i].seconds * 1000000;
		snprintf(expected, sizeof(expected),
			"{\"time\":\"%s\",\"kind\":\"policy\",\"policy\":\"agent\","
			"\"session\":\"s1\"}\n",
			rows[i].date);
		expect(&event, &plain, expected);
	}
}

/* One line, UTF-8, and nothing in it that a terminal would act on. */
static void check_line(const char *line, size_t size)
{
	size_t offset;
	json_error_t error;
	json_t *object;

	assert_in_range(size, 2, EVENT_LINE);
	assert_int_equal(line[size - 1], '\n');
	for (size_t i = 0; i + 1 < size; i++)
		assert_true((uint8_t)line[i] >= ' ' && line[i] != 0x7f);
	assert_true(text_is_utf8((struct text){line, size}, &offset));
	object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
	if (!object)
		fail_msg("%s: %.*s", error.text, (int)size, line);
	json_decref(object);
}

static void fill_name(struct name *name, uint8_t byte)
{
	name->length = 0;
	for (unsigned i = 0; i < 4; i++) {
		unsigned label = i < 3 ? 63 : 61;

		name->wire[name->length++] = (uint8_t)label;
		memset(name->wire + name->length, byte, label);
		name->length = (uint8_t)(name->length + label);
	}
	name->wire[name->length++] = 0;
	assert_int_equal(name->length, 255);
}

/* The longest of everything, of every byte there is. */
static void test_injection(void **state)
{
	(void)state;
	for (unsigned byte = 1; byte < 256; byte++) {
		char text[2000], line[EVENT_LINE];
		const struct event_context context = {text, text, text, text, "-1000.125", text};

		memset(text, (int)byte, sizeof(text) - 1);
		text[sizeof(text) - 1] = '\0';
		for (unsigned kind = EVENT_QUERY; kind < EVENT_KINDS; kind++) {
			struct event event = begin((enum event_kind)kind);

			fill_name(&event.name, (uint8_t)byte);
			event.has = EVENT_PARTS;
			event.rcode = event.ede = INT16_MAX;
			event.type = UINT16_MAX;
			event.address = event.source =
				address_of("2001:db8:1111:2222:3333:4444:5555:6666");
			event.bytes_out = event.bytes_in = event.packets_out = event.packets_in =
				event.duration = event.count = UINT64_MAX;
			event.ttl = event.lease = event.user = event.group = UINT32_MAX;
			event.cgroup = UINT64_MAX;
			event.port = event.source_port = UINT16_MAX;
			event_set_rule(&event, text);
			event_set_ports(&event, text);
			check_line(line, event_to_json(&event, &context, line));
		}
	}
}

static void test_texts(void **state)
{
	const struct event_context context = {
		"p", "s", "a\"b\\c\n\x1b[2J\xff", "\xc3\xa4\xe2\x80\xae", NULL, NULL};
	struct event event = begin(EVENT_POLICY);
	const struct event_context emoji = {
		"p", "s", "\xf0\x9f\x98\x80", "\xf3\xa0\x81\x81", NULL, NULL};

	(void)state;
	event.time = 0;
	expect(&event, &context,
		"{\"time\":\"1970-01-01T00:00:00.000000Z\",\"kind\":\"policy\",\"policy\":\"p\","
		"\"session\":\"s\",\"category\":\"a\\\"b\\\\c\\u000a\\u001b[2J\\ufffd\","
		"\"reason\":\"\xc3\xa4\\u202e\"}\n");
	expect(&event, &emoji,
		"{\"time\":\"1970-01-01T00:00:00.000000Z\",\"kind\":\"policy\",\"policy\":\"p\","
		"\"session\":\"s\",\"category\":\"\xf0\x9f\x98\x80\","
		"\"reason\":\"\\udb40\\udc41\"}\n");
}

static void test_sound(void **state)
{
	struct event event = begin(EVENT_QUERY);

	(void)state;
	assert_true(event_is_sound(&event, EVENT_QUERY));
	assert_false(event_is_sound(&event, EVENT_LEASE));
	event.verdict = EVENT_VERDICTS;
	assert_false(event_is_sound(&event, EVENT_QUERY));
	event = begin(EVENT_QUERY);
	memset(event.rule, 'x', sizeof(event.rule));
	assert_false(event_is_sound(&event, EVENT_QUERY));
	event = begin(EVENT_QUERY);
	memset(event.ports, 'x', sizeof(event.ports));
	assert_false(event_is_sound(&event, EVENT_QUERY));
	event = begin(EVENT_QUERY);
	event.name = (struct name){3, {200, 'a', 0}};
	assert_false(event_is_sound(&event, EVENT_QUERY));
	event = begin(EVENT_QUERY);
	event.rcode = -2;
	assert_false(event_is_sound(&event, EVENT_QUERY));
	event = begin(EVENT_QUERY);
	event.loss = EVENT_LOSSES;
	assert_false(event_is_sound(&event, EVENT_QUERY));
}

/* One of many that are alike in more or less of what they have; the same of the same number. */
static struct event vary(unsigned number)
{
	static const char *const names[] = {
		"www.example.org", "a.b.c.d.example", "x_y-z.example", "example", "z.example"};
	struct event event = begin(number % 7 == 0 ? EVENT_LEASE : EVENT_QUERY);
	char rule[EVENT_RULE];

	event.time += number / 3 * 400000;
	event.has = number % 11 ? EVENT_HAS_VERDICT : 0;
	event.verdict = (uint8_t)(number / 2 % EVENT_VERDICTS);
	event.type = number % 5 ? 1 : 28;
	event.rcode = (int16_t)(number % 13 ? 0 : 3);
	event.ede = (int16_t)(number % 17 ? EVENT_NO_NUMBER : 15);
	snprintf(rule, sizeof(rule), "allow-%u", number * number % 150);
	event_set_rule(&event, number % 19 ? rule : "");
	if (number % 23 == 0) {
		memset(rule, '"', sizeof(rule) - 1);
		event_set_rule(&event, rule);
	}
	if (number % 29 == 0)
		fill_name(&event.name, (uint8_t)number);
	else if (number % 31 != 0)
		assert_int_equal(name_from_text(text_of(names[number % 5]), &event.name), 0);
	return event;
}

/* Lines are the same, whichever were written before. */
static void test_lines(void **state)
{
	static char score[8], longer[600];
	const struct event_context contexts[] = {
		{"p", "s", NULL, NULL, NULL, NULL},
		{"p", "s", "api", NULL, score, NULL},
		{"p", "t", "api", "why", score, NULL},
		{"p", "t", "web", "why \"so\"", score, NULL},
		{"p", "t", longer, longer, score, NULL},
	};
	struct event_lines *lines;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	assert_int_equal(event_lines_new(&lines), 0);
	for (unsigned i = 0; i < 20000; i++) {
		const struct event_context *context = &contexts[i / 64 % 5];
		const struct event event = vary(i % 3000);
		char expected[EVENT_LINE], line[EVENT_LINE];
		size_t size;

		snprintf(score, sizeof(score), "%u", i / 16 % 4);
		size = event_to_json(&event, context, expected);
		assert_int_equal(event_lines_write(lines, &event, context, line), size);
		assert_memory_equal(line, expected, size);
	}
	event_lines_free(lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_lease),
		cmocka_unit_test(test_connection),
		cmocka_unit_test(test_flow),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_injection),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_sound),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
