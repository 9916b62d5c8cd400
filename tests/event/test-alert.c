/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/alert.h"

#include <jansson.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Alerts, their lines, and what of hostile texts comes through. */

static const struct event_context context = {.policy = "agent", .session = "s-1"};

static const char *line_of(
	const struct alert *alert, const struct event_context *about, char line[EVENT_LINE + 1])
{
	size_t size = alert_to_json(alert, about, line);

	assert_in_range(size, 2, EVENT_LINE);
	assert_int_equal(line[size - 1], '\n');
	line[size - 1] = '\0';
	assert_int_equal(strlen(line), size - 1);
	return line;
}

static void test_rules(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ALERT_RULES; i++) {
		const struct alert_kind *kind = alert_kind((enum alert_rule)i);

		assert_non_null(kind->id);
		assert_non_null(kind->summary);
		assert_int_equal(alert_rule_of(kind->id), i);
	}
	assert_int_equal(alert_rule_of("default-deny"), ALERT_RULES);
	assert_int_equal(alert_rule_of(""), ALERT_RULES);
}

static void test_bare(void **state)
{
	char line[EVENT_LINE + 1];
	struct alert alert;

	(void)state;
	alert_begin(&alert, ALERT_CATEGORIES, 1763730302123456);
	alert.value = 0.00012;
	alert.threshold = 0.001;
	alert.p = 1.2e-9;
	assert_string_equal(line_of(&alert, &context, line),
		"{\"time\":\"2025-11-21T13:05:02.123456Z\",\"kind\":\"alert\",\"policy\":\"agent\","
		"\"session\":\"s-1\",\"verdict\":\"flag\",\"rule\":\"categories\",\"value\":0."
		"00012,"
		"\"threshold\":0.001,\"p\":1.2e-09}");
}

static void test_full(void **state)
{
	const struct event_context about = {
		.policy = "agent", .session = "s-1", .category = "docs", .reason = "what is read"};
	char line[EVENT_LINE + 1];
	struct alert alert;

	(void)state;
	alert_begin(&alert, ALERT_UPLOAD, 0);
	alert.refuses = true;
	assert_int_equal(name_from_text(text_of("relay.example"), &alert.name), 0);
	alert.has_address = true;
	alert.address = inaddr_from_ip4((const uint8_t[]){192, 0, 2, 1});
	alert.port = 443;
	alert.protocol = IPPROTO_TCP;
	alert.value = 20000000;
	alert.threshold = 16777216;
	alert.suppressed = 3;
	alert_add(&alert, "%d bytes in one flow", 20000000);
	alert_add(&alert, "second");
	assert_string_equal(line_of(&alert, &about, line),
		"{\"time\":\"1970-01-01T00:00:00.000000Z\",\"kind\":\"alert\",\"policy\":\"agent\","
		"\"session\":\"s-1\",\"verdict\":\"refuse\",\"rule\":\"upload\","
		"\"name\":\"relay.example\",\"address\":\"192.0.2.1\",\"port\":443,"
		"\"protocol\":\"tcp\",\"value\":20000000,\"threshold\":16777216,"
		"\"evidence\":[\"20000000 bytes in one flow\",\"second\"],\"suppressed\":3,"
		"\"category\":\"docs\",\"reason\":\"what is read\"}");
}

/* The longest of everything, in bytes that take most room. */
static void test_longest(void **state)
{
	char policy[4096], line[EVENT_LINE + 1], long_text[2 * ALERT_TEXT];
	struct event_context about = {
		.policy = policy, .session = policy, .category = policy, .reason = policy};
	struct alert alert;
	json_t *read;

	(void)state;
	memset(policy, '\x1b', sizeof(policy) - 1);
	policy[sizeof(policy) - 1] = '\0';
	memset(long_text, '"', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	alert_begin(&alert, ALERT_UNKNOWN_SHARE, INT64_MAX / 2000);
	alert.name.length = 0;
	for (unsigned i = 0; i < 4; i++) {
		unsigned size = i < 3 ? 63 : 61;

		alert.name.wire[alert.name.length] = (uint8_t)size;
		memset(&alert.name.wire[alert.name.length + 1], 0xff, size);
		alert.name.length = (uint8_t)(alert.name.length + size + 1);
	}
	alert.name.wire[alert.name.length++] = 0;
	assert_true(name_is_sound(&alert.name));
	alert.has_address = true;
	memset(&alert.address, 0xff, sizeof(alert.address));
	alert.port = 65535;
	alert.protocol = 255;
	alert.value = -1.23456e+300;
	alert.threshold = -1.23456e-300;
	alert.p = 1.23456e-300;
	alert.suppressed = UINT64_MAX;
	for (unsigned i = 0; i < 2 * ALERT_EVIDENCE; i++)
		alert_add(&alert, "%s", long_text);
	assert_int_equal(alert.n_evidence, ALERT_EVIDENCE);
	line_of(&alert, &about, line);
	for (const char *at = line; *at; at++)
		assert_in_range((unsigned char)*at, ' ', 0xf4);
	read = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(read);
	assert_int_equal(json_array_size(json_object_get(read, "evidence")), ALERT_EVIDENCE);
	assert_non_null(json_object_get(read, "reason"));
	json_decref(read);
}

static void test_evidence_is_ascii(void **state)
{
	struct alert alert;

	(void)state;
	alert_begin(&alert, ALERT_BEACON, 0);
	alert_add(&alert, "a\nb\x1b[2J\xff %s", "\xc3\xbc");
	assert_string_equal(alert.evidence[0], "a?b?[2J? ??");
}

static void test_no_number(void **state)
{
	char line[EVENT_LINE + 1];
	struct alert alert;
	json_t *read;

	(void)state;
	alert_begin(&alert, ALERT_RATIO, 0);
	alert.value = 1.0 / (double)(alert.time);
	alert.threshold = alert.value - alert.value;
	read = json_loads(line_of(&alert, &context, line), 0, NULL);
	assert_non_null(read);
	assert_int_equal(json_integer_value(json_object_get(read, "value")), 0);
	json_decref(read);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_bare),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_evidence_is_ascii),
		cmocka_unit_test(test_no_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
