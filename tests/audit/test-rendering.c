/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <jansson.h>

#include "rules/compile.h"
#include "src/audit/lines.h"
#include "src/audit/rendering.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/fd.h"

/*
 * The session of session.jsonl under session.toml and operator.toml, in all forms. The summary and
 * the policy are compared with files: tests/audit/session.txt and session-saved.toml.
 */

struct fixture {
	struct arena *arena;
	const struct layers *layers;
	struct digest *digest;
	struct rendering_about about;
	struct rendering *it;
};

static char *fixture_text(const char *name)
{
	const char *folder = getenv("abs_top_srcdir");
	uint8_t *bytes;
	size_t size;
	char path[4096];

	snprintf(path, sizeof(path), "%s/tests/audit/%s", folder ? folder : ".", name);
	if (fd_read_file(path, 1 << 20, &bytes, &size) != 0)
		fail_msg("cannot read %s", path);
	return (char *)bytes;
}

/* Under the fixtures' folder, for their names to be short in what is compared. */
static void enter_folder(void)
{
	const char *folder = getenv("abs_top_srcdir");
	char path[4096];

	snprintf(path, sizeof(path), "%s/tests/audit", folder ? folder : ".");
	assert_int_equal(chdir(path), 0);
	setenv("abs_top_srcdir", "../..", 1);
}

static void compile(struct fixture *fixture, const char *policy, bool with_override)
{
	const char *const overrides[] = {"operator.toml"};
	const struct compile_options options = {
		.policy = policy,
		.overrides = overrides,
		.n_overrides = with_override ? 1 : 0,
	};
	struct diag *diag;

	assert_int_equal(arena_new((size_t)64 << 20, &fixture->arena), 0);
	diag = diag_new(fixture->arena);
	assert_non_null(diag);
	if (compile_layers(fixture->arena, &options, diag, &fixture->layers) != 0) {
		diag_print(diag, stderr);
		fail_msg("%s", policy);
	}
}

static void take_line(void *context, const char *line, size_t size)
{
	digest_take_line(context, line, size);
}

static void start(struct fixture *fixture, const char *policy, const char *events)
{
	struct lines *lines = calloc(1, sizeof(*lines));

	*fixture = (struct fixture){.arena = NULL};
	assert_non_null(lines);
	compile(fixture, policy, true);
	assert_int_equal(digest_new(&fixture->digest), 0);
	lines_take(lines, events, strlen(events), take_line, fixture->digest);
	free(lines);
	assert_int_equal(digest_finish(fixture->digest), 0);
	fixture->about = (struct rendering_about){
		.program = "egress-run",
		.command = "npm test; \"<b>\x1b[31m\"",
		.ending = "exit status 0",
		.layers = fixture->layers,
		.started = 1795266300000000,
		.ended = 1795266310000000,
	};
	assert_int_equal(rendering_make(fixture->digest, &fixture->about, &fixture->it), 0);
}

static void end(struct fixture *fixture)
{
	rendering_free(fixture->it);
	digest_free(fixture->digest);
	arena_free(fixture->arena);
}

static int set_up(void **state)
{
	struct fixture *fixture = malloc(sizeof(*fixture));
	char *events = fixture_text("session.jsonl");

	assert_non_null(fixture);
	start(fixture, "session.toml", events);
	free(events);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	end(*state);
	free(*state);
	return 0;
}

static char *text_of_form(struct fixture *fixture, int (*form)(const struct rendering *, FILE *))
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(form(fixture->it, out), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

static char *summary(struct fixture *fixture, bool colour, size_t most)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	digest_as_summary(fixture->it, colour, most, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void expect_in(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is missing in:\n%s", part, text);
}

static void expect_not_in(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" is in:\n%s", part, text);
}

static void expect_file(const char *text, const char *name)
{
	char *expected = fixture_text(name);

	if (strcmp(text, expected) != 0)
		fail_msg("%s differs:\n%s", name, text);
	free(expected);
}

/* No character that a terminal would obey, and lines of 80 columns. */
static void expect_plain(const char *text)
{
	size_t column = 0;

	for (; *text; text++) {
		if (*text == '\n')
			column = 0;
		else if (++column > 80)
			fail_msg("longer than 80 columns: %s", text);
		if ((unsigned char)*text < ' ' && *text != '\n')
			fail_msg("control character %d", *text);
	}
}

static void test_summary(void **state)
{
	char *text = summary(*state, false, 20);

	expect_plain(text);
	expect_file(text, "session.txt");
	free(text);
}

static void test_summary_of_much(void **state)
{
	char *text = summary(*state, false, 2);

	expect_in(text, "  and 1 more\n");
	expect_in(text, "  and 7 more\n");
	expect_in(text, "  not recorded: 12 of connections\n");
	free(text);
}

static void test_colour(void **state)
{
	char *text = summary(*state, true, 20);

	expect_in(text, "\033[1;31m  refused");
	free(text);
	text = summary(*state, false, 20);
	expect_not_in(text, "\033");
	free(text);
}

static void test_report(void **state)
{
	char *text = text_of_form(*state, digest_as_text);

	expect_in(text, "command   npm test; \"<b>?[31m\"\n");
	expect_in(text, "policy    session.toml\n");
	expect_in(text, "override  operator.toml\n");
	expect_in(text, "host = \"other.lab.example\"\n");
	expect_in(text, "session.toml:4\n");
	for (const char *at = text; *at; at++)
		assert_true(*at == '\n' || (unsigned char)*at >= ' ');
	free(text);
}

static const json_t *row_at(const json_t *root, const char *list, size_t index)
{
	return json_array_get(json_object_get(json_object_get(root, list), "rows"), index);
}

static const char *member_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "(none)";
}

static const json_t *row_named(const json_t *root, const char *list, const char *name)
{
	const json_t *row;

	for (size_t i = 0; (row = row_at(root, list, i)); i++)
		if (strcmp(member_of(row, "name"), name) == 0)
			return row;
	return NULL;
}

static void test_json(void **state)
{
	char *text = text_of_form(*state, digest_as_json);
	json_t *root = json_loads(text, 0, NULL);
	const json_t *row;

	assert_non_null(root);
	row = row_at(root, "reached", 0);
	assert_string_equal(member_of(row, "name"), "api.lab.example");
	assert_int_equal(json_integer_value(json_object_get(row, "bytes_out")), 3072);
	assert_int_equal(json_integer_value(json_object_get(row, "times")), 2);
	assert_string_equal(member_of(row, "first"), "2026-11-21T13:05:02.500000Z");
	assert_string_equal(member_of(row, "place"), "session.toml:4");
	row = row_named(root, "refused", "other.lab.example");
	assert_string_equal(member_of(row, "option"), "--allow other.lab.example");
	assert_string_equal(member_of(row, "entry"),
		"[[allow]]\nhost = \"other.lab.example\"\nports = [\"tcp/443\"]\n");
	row = row_named(root, "refused", "api.lab.example");
	assert_string_equal(member_of(row, "option"), "--allow api.lab.example:80");
	row = row_named(root, "refused", "bad.lab.example");
	assert_string_equal(member_of(row, "option"), "(none)");
	assert_string_equal(member_of(row, "says"), "denied at session.toml:12: throw-away names");
	row = row_named(root, "refused", "narrowed.lab.example");
	assert_string_equal(member_of(row, "option"), "(none)");
	assert_string_equal(member_of(row, "says"),
		"operator.toml decides, which narrows the policy (--override)");
	/* Nothing that a shell would run */
	row = row_named(root, "refused", "$(touch\\032x).lab.example");
	assert_non_null(row);
	assert_string_equal(member_of(row, "option"), "(none)");
	assert_string_equal(member_of(row, "entry"), "(none)");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(root, "lost"), "connections")),
		12);
	json_decref(root);
	free(text);
}

static void test_html(void **state)
{
	char *text = text_of_form(*state, digest_as_html);

	expect_in(text, "<!DOCTYPE html>\n<html lang=\"en\">");
	expect_in(text, "npm test; &quot;&lt;b&gt;?[31m&quot;");
	expect_in(text, "<caption>");
	expect_in(text, "<th scope=\"col\">");
	expect_in(text, "<th scope=\"row\"><code>api.lab.example</code>");
	expect_in(text, "prefers-color-scheme:dark");
	expect_in(text, "<svg ");
	expect_in(text, "role=\"img\"");
	expect_in(text, "--allow api.lab.example:80");
	expect_in(text, "<code>[budget] destinations</code>");
	/* It asks nobody for anything, and nothing in it runs. */
	expect_not_in(text, "<script");
	expect_not_in(text, "http://");
	expect_not_in(text, "https://");
	expect_not_in(text, "src=");
	expect_not_in(text, "url(");
	expect_not_in(text, "<b>?");
	free(text);
}

static void test_policy(void **state)
{
	char *text = text_of_form(*state, digest_as_policy);

	expect_file(text, "session-saved.toml");
	free(text);
}

/* What was saved is a policy. */
static void test_policy_compiles(void **state)
{
	struct fixture fixture = {.arena = NULL};

	(void)state;
	compile(&fixture, "session-saved.toml", false);
	assert_int_equal(fixture.layers->layers[0].n_entries, 4);
	arena_free(fixture.arena);
}

static void test_nothing(void **state)
{
	struct fixture fixture;
	char *text;

	(void)state;
	start(&fixture, "session.toml", "");
	text = summary(&fixture, false, 20);
	assert_string_equal(text, "egress-run: nothing was reached, and nothing refused\n"
				  "  [budget] destinations: 0 of 20\n"
				  "  [limits] bytes: 0 B of 1.0 MiB\n");
	free(text);
	free(text_of_form(&fixture, digest_as_html));
	free(text_of_form(&fixture, digest_as_json));
	text = text_of_form(&fixture, digest_as_policy);
	expect_not_in(text, "[[allow]]");
	free(text);
	end(&fixture);
}

/* Such a name may have been asked for, but is a host of no policy. */
static void test_policy_of_no_host(void **state)
{
	static const char line[] =
		"{\"time\":\"2026-11-21T13:05:02Z\",\"kind\":\"flow\",\"rule\":\"allow-1\","
		"\"verdict\":\"permit\",\"name\":\"api.lab.0\",\"address\":\"192.0.2.1\","
		"\"port\":443,\"protocol\":\"tcp\"}\n";
	struct fixture fixture;
	char *text;

	(void)state;
	start(&fixture, "session.toml", line);
	text = text_of_form(&fixture, digest_as_policy);
	expect_in(text, "# no host name, so that no entry can name it\n#[[allow]]\n"
			"#host = \"api.lab.0\"\n");
	free(text);
	end(&fixture);
}

/* Whatever is in the lines, no form has a character of it that does something. */
static void test_hostile(void **state)
{
	static const char line[] =
		"{\"time\":\"2026-11-21T13:05:02Z\",\"kind\":\"flow\",\"rule\":\"allow-1 <x>\","
		"\"name\":\"<script>\\\"'&\",\"address\":\"192.0.2.1\",\"port\":1,\"protocol\":"
		"\"<i>\",\"category\":\"\\u001b]0;x\\u0007\\u202e\\n<u>\"}\n"
		"{\"time\":\"2026-11-21T13:05:02Z\",\"kind\":\"flow\",\"name\":\"a\\\"]#.b\","
		"\"address\":\"192.0.2.1\",\"port\":1,\"protocol\":\"tcp\"}\n";
	int (*const forms[])(const struct rendering *, FILE *) = {
		digest_as_text, digest_as_json, digest_as_html, digest_as_policy};
	struct fixture fixture;

	(void)state;
	start(&fixture, "session.toml", line);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char *text = text_of_form(&fixture, forms[i]);

		for (const char *at = text; *at; at++)
			assert_true(*at == '\n' || *at == '\t' || (unsigned char)*at >= ' ');
		expect_not_in(text, "\xe2\x80\xae");
		if (forms[i] == digest_as_html) {
			expect_not_in(text, "<script");
			expect_not_in(text, "<u>");
			expect_not_in(text, "<i>");
			expect_not_in(text, "<x>");
			expect_in(text, "&lt;script&gt;&quot;&#39;&amp;");
		}
		if (forms[i] == digest_as_policy)
			expect_not_in(text, "\n[[allow]]");
		free(text);
	}
	end(&fixture);
}

/* What the session says of itself. */
static void test_session(void **state)
{
	static const char lines[] =
		"{\"time\":\"2026-11-21T13:05:02Z\",\"kind\":\"alert\",\"session\":\"s\","
		"\"policy\":\"session\",\"verdict\":\"refuse\",\"rule\":\"budget-bytes\","
		"\"value\":2048,\"threshold\":1024,\"evidence\":[\"a.example 1.0 KiB\"]}\n"
		"{\"time\":\"2026-11-21T13:05:03Z\",\"kind\":\"alert\",\"session\":\"s\","
		"\"policy\":\"session\",\"rule\":\"upload\",\"name\":\"<u>.example\","
		"\"value\":2048,\"threshold\":1024,\"evidence\":[\"<i>\"]}\n"
		"{\"time\":\"2026-11-21T13:05:04Z\",\"kind\":\"session\",\"session\":\"s\","
		"\"policy\":\"session\",\"phase\":\"end\",\"destinations\":3,\"alerts\":2,"
		"\"budget\":{\"destinations\":{\"used\":3,\"of\":20},\"bytes\":{\"used\":"
		"2048,\"of\":1024}},\"categories\":{\"\\u001b<u>\":3}}\n";
	struct fixture fixture;
	char *text;

	(void)state;
	start(&fixture, "session.toml", lines);
	text = summary(&fixture, false, 1);
	assert_string_equal(text, "egress-run: nothing was reached, and nothing refused; 2 alerts\n"
				  "  alerts\n"
				  "  budget-bytes\n"
				  "      more bytes sent than the budget has: 2.0 KiB, threshold "
				  "1.0 KiB; further\n"
				  "      destinations are refused\n"
				  "  and 1 more\n"
				  "  [budget] destinations: 3 of 20\n"
				  "  [budget] bytes: 2.0 KiB of 1.0 KiB\n"
				  "  [limits] bytes: 0 B of 1.0 MiB\n");
	free(text);
	text = text_of_form(&fixture, digest_as_html);
	expect_in(text, "<h2 id=\"alerts\"");
	expect_in(text, "<li>a.example 1.0 KiB</li>");
	expect_in(text, "&lt;u&gt;.example");
	expect_in(text, "<li>&lt;i&gt;</li>");
	expect_in(text, "2.0 KiB of 1.0 KiB</td><td class=\"n\">200 % (over)");
	expect_in(text, "<code>s</code>");
	expect_not_in(text, "<u>");
	expect_not_in(text, "<i>");
	free(text);
	text = text_of_form(&fixture, digest_as_json);
	expect_in(text, "\"?<u>\": 3");
	free(text);
	end(&fixture);
}

static void test_bytes(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {{0, "0 B"}, {999, "999 B"}, {1000, "1.0 KiB"}, {1024, "1.0 KiB"},
		{10189, "10 KiB"}, {1048575, "1.0 MiB"}, {UINT64_MAX, "16 EiB"}};
	char text[RENDERING_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(rendering_bytes(cases[i].bytes, text), cases[i].text);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_summary),
		TEST(test_summary_of_much),
		TEST(test_colour),
		TEST(test_report),
		TEST(test_json),
		TEST(test_html),
		TEST(test_policy),
		cmocka_unit_test(test_policy_compiles),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_policy_of_no_host),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_bytes),
	};

	enter_folder();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
