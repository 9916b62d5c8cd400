/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/members.h"

#include <ctype.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "src/event/event-ecs.h"
#include "src/event/event-ocsf.h"
#include "src/event/journal.h"
#include "src/event/sentence.h"
#include "src/event/syslog.h"
#include "tests/event/specimens.h"

/*
 * What lines become for the journal, syslog, ECS and OCSF. Each is decoded again by its own rules,
 * written here a second time and strictly: what isn't said in the protocol is no message, and each
 * member of the line has to be found in it as it was, whatever its text is.
 */

static struct members read_line(const char *line, size_t size)
{
	struct members members;

	if (members_read(line, size, &members) != 0)
		fail_msg("not read: %.*s", (int)size, line);
	assert_int_equal(members.unknown, 0);
	return members;
}

static json_t *parse(const char *line, size_t size)
{
	json_error_t error;
	json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

	if (!object)
		fail_msg("%s: %.*s", error.text, (int)size, line);
	return object;
}

/* A member of the line as UTF-8: a string's text, or anything else as it is written there. */
static char *value_of(const json_t *object, const struct members *members, enum member member)
{
	const json_t *value = json_object_get(object, member_name(member));
	struct text raw = members->values[member];

	return json_is_string(value) ? strdup(json_string_value(value))
				     : strndup(raw.start, raw.length);
}

static void check_plain(const char *bytes, size_t size)
{
	size_t offset;

	assert_true(text_is_utf8((struct text){bytes, size}, &offset));
	for (size_t i = 0; i < size; i++)
		assert_true((uint8_t)bytes[i] >= ' ' && bytes[i] != 0x7f);
}

/* --- Reading --- */

static void check_members(void *context, const char *line, size_t size)
{
	struct members members = read_line(line, size);
	json_t *object = parse(line, size);
	size_t count = 0;

	(void)context;
	for (unsigned i = 0; i < MEMBERS; i++) {
		json_t *value = json_object_get(object, member_name((enum member)i));

		assert_int_equal(members.values[i].length > 0, value != NULL);
		count += value != NULL;
	}
	assert_int_equal(count, json_object_size(object));
	json_decref(object);
}

static void visit_all(specimens_visit *visit, void *context)
{
	specimens_plain(visit, context);
	for (unsigned byte = 1; byte < 256; byte++)
		specimens_hostile((uint8_t)byte, visit, context);
	specimens_mixed(visit, context);
}

static void test_members(void **state)
{
	(void)state;
	visit_all(check_members, NULL);
}

#define HEAD "{\"time\":\"2026-11-21T13:05:02.123456Z\",\"kind\":\"policy\""

#define NESTED                                                                                     \
	HEAD ",\"budget\":{},\"alerts\":[],\"baseline\":{\"a\":[{},[],{\"b\":-0.5e+10}],\"c\":"    \
	     "null},"                                                                              \
	     "\"live\":true,\"value\":0,\"p\":1E5,\"count\":[[[[[[[[false]]]]]]]]}"

static void test_foreign_lines(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"{}",
		"[]",
		"{",
		HEAD,
		HEAD "}x",
		HEAD "}\n\n",
		HEAD ",}",
		HEAD ",\"rule\"}",
		HEAD ",\"rule\":}",
		HEAD ",\"rule\":\"a}",
		HEAD ",\"rule\":\"a\nb\"}",
		HEAD ",\"rule\":\"\xff\"}",
		HEAD ",\"rule\":\"\\x\"}",
		HEAD ",\"rule\":\"\\u12\"}",
		HEAD ",\"rule\":\"\\u123g\"}",
		HEAD ",\"rule\":\"a\",\"rule\":\"b\"}",
		HEAD ",\"rule\":[[[[[}",
		HEAD ",\"rule\":[}",
		HEAD ",\"rule\":[}}",
		HEAD ",\"rule\":{]}",
		HEAD ",\"rule\":{\"a\":}}",
		HEAD ",\"rule\":{\"a\"}}",
		HEAD ",\"rule\":{\"a\":1,}}",
		HEAD ",\"rule\":{\"a\":1,2}}",
		HEAD ",\"rule\":[1,]}",
		HEAD ",\"rule\":[,1]}",
		HEAD ",\"rule\":[1 ,2]}",
		HEAD ",\"rule\":[[[[[[[[[1]]]]]]]]]}",
		HEAD ",\"rule\":01}",
		HEAD ",\"rule\":1.}",
		HEAD ",\"rule\":.5}",
		HEAD ",\"rule\":+1}",
		HEAD ",\"rule\":1e}",
		HEAD ",\"rule\":-}",
		HEAD ",\"rule\":1.2.3}",
		HEAD ",\"rule\":truth}",
		HEAD ",\"rule\":nul}",
		HEAD ",\"rule\":[\"]}",
		HEAD ", \"rule\":\"a\"}",
		"{\"kind\":\"policy\"}",
		"{\"time\":5,\"kind\":\"policy\"}",
		"{\"time\":\"x\",\"kind\":\"other\"}",
	};
	char deep[EVENT_LINE];
	struct members members;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (members_read(bad[i], strlen(bad[i]), &members) == 0)
			fail_msg("read: %s", bad[i]);
	memset(deep, '[', sizeof(deep));
	memcpy(deep, HEAD ",\"rule\":", strlen(HEAD ",\"rule\":"));
	assert_int_not_equal(members_read(deep, sizeof(deep), &members), 0);
	for (size_t size = 0; size < strlen(HEAD ",\"rule\":\"\\ud83d\\ude00\"}"); size++)
		assert_int_not_equal(
			members_read(HEAD ",\"rule\":\"\\ud83d\\ude00\"}", size, &members), 0);
	assert_int_equal(
		members_read(HEAD ",\"new\":[{\"a\":\"]\"},1],\"rule\":\"a\"}",
			strlen(HEAD ",\"new\":[{\"a\":\"]\"},1],\"rule\":\"a\"}"), &members),
		0);
	assert_int_equal(members.unknown, 1);
	assert_true(members_are(&members, MEMBER_RULE, "\"a\""));
	read_line(NESTED, strlen(NESTED));
}

static void test_escapes(void **state)
{
	static const char line[] =
		HEAD ",\"reason\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\ud83d\\ude00"
		     "\\ud83d\\ud83dx\\ude00\"}";
	struct members members = read_line(line, strlen(line));
	char got[64];
	struct writer out = writer_over(got, sizeof(got));

	(void)state;
	member_put_utf8(&out, members.values[MEMBER_REASON]);
	got[out.pos] = '\0';
	assert_string_equal(got, "\"\\/\b\f\n\r\t\xc3\xa4\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbdx"
				 "\xef\xbf\xbd");
	out = writer_over(got, sizeof(got));
	member_put_ascii(&out, members.values[MEMBER_REASON], 9);
	got[out.pos] = '\0';
	assert_string_equal(got, "\"\\/?????"
				 "?");
}

/* --- The journal --- */

/* An entry's fields, as systemd-journald has them. */
struct entry {
	unsigned count;
	struct {
		char name[64];
		const char *value;
		size_t size;
	} fields[64];
};

static void check_name(const char *name, size_t length)
{
	assert_in_range(length, 1, 63);
	assert_true(isupper((uint8_t)name[0]));
	for (size_t i = 0; i < length; i++)
		assert_true(
			isupper((uint8_t)name[i]) || isdigit((uint8_t)name[i]) || name[i] == '_');
}

static void decode_entry(const char *bytes, size_t size, struct entry *ret_entry)
{
	const char *end = bytes + size;

	ret_entry->count = 0;
	while (bytes < end) {
		const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
		const char *equals = memchr(bytes, '=', (size_t)(end - bytes));
		uint64_t length = 0;

		assert_non_null(newline);
		assert_in_range(ret_entry->count, 0, 63);
		if (equals && equals < newline) {
			check_name(bytes, (size_t)(equals - bytes));
			ret_entry->fields[ret_entry->count].value = equals + 1;
			ret_entry->fields[ret_entry->count].size = (size_t)(newline - equals - 1);
		} else {
			equals = newline;
			check_name(bytes, (size_t)(equals - bytes));
			assert_true(end - newline > 9);
			for (unsigned i = 0; i < 8; i++)
				length |= (uint64_t)(uint8_t)newline[1 + i] << 8 * i;
			assert_true(length < (uint64_t)(end - newline - 9));
			ret_entry->fields[ret_entry->count].value = newline + 9;
			ret_entry->fields[ret_entry->count].size = length;
			newline += 9 + length;
			assert_int_equal(*newline, '\n');
		}
		snprintf(ret_entry->fields[ret_entry->count].name, 64, "%.*s",
			(int)(equals - bytes), bytes);
		ret_entry->count++;
		bytes = newline + 1;
	}
}

/* The value of the one field of that name. */
static struct text field(const struct entry *entry, const char *name)
{
	struct text found = {NULL, 0};

	for (unsigned i = 0; i < entry->count; i++) {
		if (strcmp(entry->fields[i].name, name) != 0)
			continue;
		assert_null(found.start);
		found = (struct text){entry->fields[i].value, entry->fields[i].size};
	}
	assert_non_null(found.start);
	return found;
}

static void check_journal(void *context, const char *line, size_t size)
{
	static const char other[] = "{\"a\":1}";
	struct members members = read_line(line, size);
	json_t *object = parse(line, size);
	char message[JOURNAL_MESSAGE], name[64];
	struct entry entry;
	unsigned expected = 4;

	(void)context;
	decode_entry(message, journal_write(&members, (struct text){NULL, 0}, message), &entry);
	for (unsigned i = 0; i < MEMBERS; i++) {
		char *value;
		struct text got;

		if (members.values[i].length == 0)
			continue;
		expected++;
		snprintf(name, sizeof(name), "EGRESS_%s", member_name((enum member)i));
		for (char *at = name; *at; at++)
			*at = (char)toupper((uint8_t)*at);
		got = field(&entry, name);
		value = value_of(object, &members, (enum member)i);
		assert_int_equal(got.length, strlen(value));
		assert_memory_equal(got.start, value, got.length);
		free(value);
	}
	assert_int_equal(entry.count, expected);
	check_plain(field(&entry, "MESSAGE").start, field(&entry, "MESSAGE").length);
	assert_in_range(field(&entry, "PRIORITY").start[0], '3', '6');
	assert_true(text_is(field(&entry, "SYSLOG_IDENTIFIER"), "egress"));
	assert_true(text_is(field(&entry, "SYSLOG_FACILITY"), "3"));
	decode_entry(message, journal_write(&members, text_of(other), message), &entry);
	assert_true(text_is(field(&entry, "MESSAGE"), other));
	assert_int_equal(entry.count, expected);
	json_decref(object);
}

static void test_journal(void **state)
{
	(void)state;
	visit_all(check_journal, NULL);
}

/* --- syslog --- */

/* Passes over what has to be there. */
static void expect(const char **at, const char *text)
{
	if (strncmp(*at, text, strlen(text)) != 0)
		fail_msg("no %s: %s", text, *at);
	*at += strlen(text);
}

/* A value of printable ASCII without blanks, up to the next one. */
static void take_word(const char **at, char *word, size_t size)
{
	size_t length = strcspn(*at, " ");

	assert_in_range(length, 1, size - 1);
	for (size_t i = 0; i < length; i++)
		assert_true((*at)[i] > ' ' && (*at)[i] <= '~');
	memcpy(word, *at, length);
	word[length] = '\0';
	*at += length;
}

/* NAME="VALUE", with the value's backslashes taken away. */
static void take_parameter(const char **at, char name[33], char *value)
{
	size_t length = strcspn(*at, "=");

	assert_in_range(length, 1, 32);
	for (size_t i = 0; i < length; i++)
		assert_true(islower((uint8_t)(*at)[i]) || (*at)[i] == '_');
	memcpy(name, *at, length);
	name[length] = '\0';
	*at += length;
	expect(at, "=\"");
	while (**at != '"') {
		assert_true(**at != '\0' && **at != ']');
		if (**at == '\\') {
			(*at)++;
			assert_true(**at == '"' || **at == '\\' || **at == ']');
		}
		*value++ = *(*at)++;
	}
	*value = '\0';
	(*at)++;
}

/* With '?' in the place of what doesn't show. */
static void clean(const char *text, char *out)
{
	struct text rest = text_of(text);

	while (rest.length > 0) {
		uint32_t character;
		size_t size = text_char(rest, &character);

		assert_true(size > 0);
		if (text_shows(character)) {
			memcpy(out, rest.start, size);
			out += size;
		} else {
			*out++ = '?';
		}
		rest.start += size;
		rest.length -= size;
	}
	*out = '\0';
}

/* The head, up to the structured data. */
static const char *take_head(const char *at, const struct members *members)
{
	char word[256], expected[256];

	snprintf(expected, sizeof(expected),
		"<%d>1 2026-11-21T13:05:02.123456Z host.example egress "
		"4711 ",
		24 + members_severity(members));
	expect(&at, expected);
	take_word(&at, word, 33);
	assert_memory_equal(word, members->values[MEMBER_KIND].start + 1, strlen(word));
	expect(&at, " ");
	return at;
}

static const struct syslog_origin origin = {"host.example", 4711};

static void check_syslog(void *context, const char *line, size_t size)
{
	static char name[33], value[SYSLOG_MESSAGE], cleaned[SYSLOG_MESSAGE];
	static char message[SYSLOG_MESSAGE + 1];
	struct members members = read_line(line, size);
	json_t *object = parse(line, size);
	size_t length = syslog_write(&members, (struct text){NULL, 0}, &origin, message);
	const char *at;

	(void)context;
	check_plain(message, length);
	message[length] = '\0';
	at = take_head(message, &members);
	expect(&at, "[" SYSLOG_ID);
	for (unsigned i = 0; i < MEMBERS; i++) {
		char *whole;

		if (members.values[i].length == 0)
			continue;
		expect(&at, " ");
		take_parameter(&at, name, value);
		assert_string_equal(name, member_name((enum member)i));
		whole = value_of(object, &members, (enum member)i);
		clean(whole, cleaned);
		assert_string_equal(value, cleaned);
		free(whole);
	}
	expect(&at, "] ");
	while (*at)
		assert_true(*at >= ' ' && *at++ <= '~');
	json_decref(object);
}

static void test_syslog(void **state)
{
	static const char other[] = "{\"a\":1}", *const hosts[] = {
							 NULL, "", "a b", "a\nb", "\xc3\xa4"};
	char message[SYSLOG_MESSAGE + 1];
	struct members members = read_line(HEAD "}", strlen(HEAD "}"));
	const char *at = message;

	(void)state;
	visit_all(check_syslog, NULL);
	message[syslog_write(&members, text_of(other), &origin, message)] = '\0';
	at = take_head(at, &members);
	assert_string_equal(at, "- {\"a\":1}");
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		const struct syslog_origin odd = {hosts[i], 1};

		message[syslog_write(&members, text_of(other), &odd, message)] = '\0';
		assert_string_equal(
			message, "<30>1 2026-11-21T13:05:02.123456Z - egress 1 policy - {\"a\":1}");
	}
}

/* --- ECS and OCSF --- */

/* Whether the value is somewhere below. */
static bool is_somewhere(json_t *tree, json_t *value)
{
	const char *key;
	json_t *part;
	size_t index;

	if (json_equal(tree, value))
		return true;
	if (json_is_object(tree)) {
		json_object_foreach(tree, key, part) if (is_somewhere(part, value)) return true;
	} else {
		json_array_foreach(tree, index, part) if (is_somewhere(part, value)) return true;
	}
	return false;
}

/* Members that are there by other words, or in other units. */
static bool is_reworded(const char *format, enum member member)
{
	static const enum member both[] = {MEMBER_USER, MEMBER_GROUP, MEMBER_DURATION};
	static const enum member ocsf[] = {
		MEMBER_TIME, MEMBER_KIND, MEMBER_RCODE, MEMBER_SINCE, MEMBER_LIVE};

	for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++)
		if (both[i] == member)
			return true;
	for (size_t i = 0; i < sizeof(ocsf) / sizeof(ocsf[0]) && strcmp(format, "ocsf") == 0; i++)
		if (ocsf[i] == member)
			return true;
	return member == MEMBER_PROTOCOL;
}

struct rewriter {
	const char *name;
	size_t (*write)(const struct members *members, char out[EVENT_LINE]);
	bool whole; /* nothing may be missing */
};

static void check_rewritten(void *context, const char *line, size_t size)
{
	const struct rewriter *rewriter = context;
	struct members members = read_line(line, size);
	json_t *object = parse(line, size), *got;
	char out[EVENT_LINE];
	size_t length = rewriter->write(&members, out);

	assert_in_range(length, 2, EVENT_LINE);
	assert_int_equal(out[length - 1], '\n');
	check_plain(out, length - 1);
	got = parse(out, length);
	for (unsigned i = 0; i < MEMBERS && rewriter->whole; i++) {
		json_t *value = json_object_get(object, member_name((enum member)i));

		if (value && !is_reworded(rewriter->name, (enum member)i) &&
			!is_somewhere(got, value))
			fail_msg("%s is missing: %.*s", member_name((enum member)i), (int)length,
				out);
	}
	json_decref(object);
	json_decref(got);
}

static void check_format(struct rewriter rewriter)
{
	rewriter.whole = true;
	specimens_plain(check_rewritten, &rewriter);
	rewriter.whole = false;
	visit_all(check_rewritten, &rewriter);
}

static void expect_rewritten(size_t (*write)(const struct members *members, char out[EVENT_LINE]),
	const char *line, const char *expected)
{
	struct members members = read_line(line, strlen(line));
	char out[EVENT_LINE + 1];

	out[write(&members, out)] = '\0';
	assert_string_equal(out, expected);
}

#define QUERY                                                                                      \
	"{\"time\":\"2026-11-21T13:05:02.123456Z\",\"kind\":\"query\",\"policy\":\"agent\","       \
	"\"session\":\"s1\",\"verdict\":\"refuse\",\"rule\":\"default-deny\","                     \
	"\"name\":\"example.org\",\"type\":\"A\",\"rcode\":\"NXDOMAIN\",\"ede\":15,\"score\":1}\n"
#define FLOW                                                                                       \
	"{\"time\":\"2000-02-29T00:00:01.000999Z\",\"kind\":\"flow\",\"policy\":\"agent\","        \
	"\"session\":\"s1\",\"verdict\":\"permit\",\"rule\":\"allow-1\",\"address\":\"192.0.2."    \
	"1\","                                                                                     \
	"\"port\":443,\"protocol\":\"tcp\",\"bytes_out\":7,\"packets_out\":1,\"bytes_in\":8,"      \
	"\"packets_in\":2,\"duration\":121.002729,\"live\":true}\n"
#define ALERT                                                                                      \
	"{\"time\":\"2026-11-21T13:05:02.123456Z\",\"kind\":\"alert\",\"policy\":\"agent\","       \
	"\"session\":\"s1\",\"verdict\":\"flag\",\"rule\":\"upload\",\"name\":\"a.example\","      \
	"\"value\":20,\"threshold\":16,\"evidence\":[\"x\"]}\n"

static void test_ecs(void **state)
{
	(void)state;
	check_format((struct rewriter){"ecs", event_to_ecs, true});
	expect_rewritten(event_to_ecs, QUERY,
		"{\"@timestamp\":\"2026-11-21T13:05:02.123456Z\",\"ecs\":{\"version\":\"8.11.0\"},"
		"\"event\":{\"kind\":\"event\",\"category\":[\"network\"],"
		"\"type\":[\"protocol\",\"denied\"],\"action\":\"query\",\"outcome\":\"failure\","
		"\"module\":\"egress\",\"dataset\":\"egress.events\",\"risk_score\":1},"
		"\"log\":{\"level\":\"warning\"},"
		"\"rule\":{\"id\":\"default-deny\",\"ruleset\":\"agent\"},"
		"\"dns\":{\"type\":\"answer\",\"question\":{\"name\":\"example.org\",\"type\":"
		"\"A\"},"
		"\"response_code\":\"NXDOMAIN\"},\"network\":{\"protocol\":\"dns\"},"
		"\"observer\":{\"product\":\"egress\",\"type\":\"firewall\"},"
		"\"egress\":{\"session\":\"s1\",\"verdict\":\"refuse\",\"ede\":15},"
		"\"message\":\"refuse query: example.org A, NXDOMAIN (default-deny)\"}\n");
	expect_rewritten(event_to_ecs, FLOW,
		"{\"@timestamp\":\"2000-02-29T00:00:01.000999Z\",\"ecs\":{\"version\":\"8.11.0\"},"
		"\"event\":{\"kind\":\"event\",\"category\":[\"network\"],"
		"\"type\":[\"connection\",\"end\"],\"action\":\"flow\",\"outcome\":\"success\","
		"\"module\":\"egress\",\"dataset\":\"egress.events\",\"duration\":121002729000},"
		"\"log\":{\"level\":\"info\"},\"rule\":{\"id\":\"allow-1\",\"ruleset\":\"agent\"},"
		"\"network\":{\"direction\":\"egress\",\"transport\":\"tcp\",\"type\":\"ipv4\"},"
		"\"source\":{\"bytes\":7,\"packets\":1},\"destination\":{\"ip\":\"192.0.2.1\","
		"\"port\":443,\"bytes\":8,\"packets\":2},"
		"\"observer\":{\"product\":\"egress\",\"type\":\"firewall\"},"
		"\"egress\":{\"session\":\"s1\",\"verdict\":\"permit\",\"live\":true},"
		"\"message\":\"permit flow: 192.0.2.1 tcp port 443, 7 bytes out, 8 bytes in, "
		"121.002729 s (allow-1)\"}\n");
}

static void test_ocsf(void **state)
{
	(void)state;
	check_format((struct rewriter){"ocsf", event_to_ocsf, true});
	expect_rewritten(event_to_ocsf, FLOW,
		"{\"time\":951782401000,\"category_uid\":4,\"class_uid\":4001,\"activity_id\":6,"
		"\"type_uid\":400106,\"severity_id\":1,\"metadata\":{\"version\":\"1.3.0\","
		"\"product\":{\"name\":\"egress\",\"vendor_name\":\"egress\"},\"log_name\":"
		"\"agent\","
		"\"correlation_uid\":\"s1\",\"profiles\":[\"security_control\"]},\"action_id\":1,"
		"\"disposition_id\":1,\"policy\":{\"name\":\"agent\"},"
		"\"firewall_rule\":{\"uid\":\"allow-1\"},"
		"\"dst_endpoint\":{\"ip\":\"192.0.2.1\",\"port\":443},"
		"\"connection_info\":{\"direction_id\":2,\"protocol_name\":\"tcp\","
		"\"protocol_num\":6,\"protocol_ver_id\":4},\"duration\":121002,"
		"\"traffic\":{\"bytes_out\":7,\"packets_out\":1,\"bytes_in\":8,\"packets_in\":2},"
		"\"unmapped\":{\"verdict\":\"permit\"},\"message\":\"permit flow: 192.0.2.1 tcp "
		"port "
		"443, 7 bytes out, 8 bytes in, 121.002729 s (allow-1)\"}\n");
	expect_rewritten(event_to_ocsf, ALERT,
		"{\"time\":1795266302123,\"category_uid\":2,\"class_uid\":2004,\"activity_id\":1,"
		"\"type_uid\":200401,\"severity_id\":3,\"metadata\":{\"version\":\"1.3.0\","
		"\"product\":{\"name\":\"egress\",\"vendor_name\":\"egress\"},\"log_name\":"
		"\"agent\","
		"\"correlation_uid\":\"s1\",\"profiles\":[\"security_control\"]},\"action_id\":1,"
		"\"disposition_id\":15,\"policy\":{\"name\":\"agent\"},"
		"\"firewall_rule\":{\"uid\":\"upload\"},\"is_alert\":true,\"status_id\":1,"
		"\"finding_info\":{\"title\":\"upload\","
		"\"uid\":\"s1/upload/2026-11-21T13:05:02.123456Z\","
		"\"analytic\":{\"uid\":\"upload\",\"type_id\":1}},"
		"\"evidences\":[{\"dst_endpoint\":{\"hostname\":\"a.example\"},\"data\":{\"value\":"
		"20,"
		"\"threshold\":16,\"evidence\":[\"x\"]}}],\"unmapped\":{\"verdict\":\"flag\"},"
		"\"message\":\"flag alert: upload a.example, 20 of 16: [\\\"x\\\"]\"}\n");
}

static void test_sentence(void **state)
{
	struct members members = read_line(QUERY, strlen(QUERY));
	char out[SENTENCE + 1];

	(void)state;
	out[sentence_write(&members, out)] = '\0';
	assert_string_equal(out, "refuse query: example.org A, NXDOMAIN (default-deny)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_foreign_lines),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_syslog),
		cmocka_unit_test(test_ecs),
		cmocka_unit_test(test_ocsf),
		cmocka_unit_test(test_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
