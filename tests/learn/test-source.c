/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/learn/probe.h"

#define ROW "tcp/443 api.tills.dev"

enum outcome { NOTHING, MENTIONED, TAKEN };

struct source_case {
	const char *file;
	const char *text;
	enum outcome outcome; /* of api.tills.dev on tcp/443 */
};

static const struct source_case cases[] = {
	/* Strings and comments */
	{"a.c", "const char *a = \"https://api.tills.dev/v1\";", TAKEN},
	{"a.c", "/* https://api.tills.dev/v1 */", MENTIONED},
	{"a.c", "// https://api.tills.dev/v1", MENTIONED},
	{"a.c", "char c = '\"'; char *a = \"https://api.tills.dev\";", TAKEN},
	{"a.c", "char *b = \"/*\"; char *a = \"https://api.tills.dev\";", TAKEN},
	{"a.c", "char *b = \"\\\"\"; // https://api.tills.dev", MENTIONED},
	{"a.rs", "fn a<'a>(x: &'a str) { get(\"https://api.tills.dev\"); }", TAKEN},
	{"a.py", "A = 'https://api.tills.dev/v1'", TAKEN},
	{"a.py", "A = f\"https://api.tills.dev/{path}\"", TAKEN},
	{"a.py", "# A = 'https://api.tills.dev/v1'", MENTIONED},
	{"a.py", "def f():\n    \"\"\"Uses https://api.tills.dev for it.\"\"\"", MENTIONED},
	{"a.py", "s = 'it' # isn't\nA = 'https://api.tills.dev'", TAKEN},
	{"a.js", "fetch(`https://api.tills.dev/${id}`)", TAKEN},
	{"a.js", "// it's\nfetch('https://api.tills.dev')", TAKEN},
	{"a.go", "const a = `https://api.tills.dev/`", TAKEN},
	{"a.lua", "-- https://api.tills.dev", MENTIONED},
	{"a.rb", "a = \"https://api.tills.dev\"", TAKEN},
	{"a.sql", "-- https://api.tills.dev", MENTIONED},
	{"a.el", "(get \"https://api.tills.dev\") ; why", TAKEN},
	{"a.pl", "my $u = 'https://api.tills.dev';", TAKEN},
	{"a.pl", "\n=pod\n\nhttps://api.tills.dev\n\n=cut\n", MENTIONED},
	/* Text for people */
	{"a.c", "puts(\"see https://api.tills.dev/x for more\");", MENTIONED},
	{"a.c", "puts(\"https://api.tills.dev/x has more\");", MENTIONED},
	{"a.py", "os.system('curl -s https://api.tills.dev/x')", TAKEN},
	{"a.sh", "curl -fsS https://api.tills.dev/x", TAKEN},
	{"a.sh", "echo \"ask at https://api.tills.dev\"", MENTIONED},
	{"a.sh", "curl https://x#y # https://api.tills.dev", MENTIONED},
	{"Makefile", "\tcurl https://api.tills.dev", TAKEN},
	/* Settings */
	{"a.yaml", "endpoint: https://api.tills.dev", TAKEN},
	{"a.ini", "; https://api.tills.dev", MENTIONED},
	{"a.properties", "url=https://api.tills.dev", TAKEN},
	{"a.json", "{\"endpoint\": \"https://api.tills.dev\"}", TAKEN},
	{"a.toml", "endpoint = \"https://api.tills.dev\"", TAKEN},
	{"a.xml", "<a><!-- https://api.tills.dev --></a>", MENTIONED},
	{"a.xml", "<url>https://api.tills.dev</url>", TAKEN},
	/* Keys for people, pages, namespaces */
	{"a.json", "{\"homepage\": \"https://api.tills.dev\"}", NOTHING},
	{"a.py", "__author__ = 'https://api.tills.dev'", NOTHING},
	{"a.xml", "<a xmlns:b=\"https://api.tills.dev\"/>", NOTHING},
	{"a.tsx", "<a href=\"https://api.tills.dev\">", NOTHING},
	{"a.c", "char *a = \"https://docs.tills.dev\";", NOTHING},
	{"a.c", "char *a = \"https://tills.dev/docs/api\";", NOTHING},
	{"a.php", "$a = '<a href=\"' . 'https://api.tills.dev/x' . '\">';", NOTHING},
	{"a.php", "$a = '<a href=\"/x\">'; get('https://api.tills.dev/x');", TAKEN},
	{"a.xml", "<info><ivyauthor name=\"a\" url=\"https://api.tills.dev\"/></info>", NOTHING},
	{"a.xml", "<info><repo name=\"a\" url=\"https://api.tills.dev\"/></info>", TAKEN},
	{"a.xml", "<vendor_url>https://api.tills.dev</vendor_url>", NOTHING},
	/* Templates, batch files, m4 */
	{"a.py.in", "A = 'https://api.tills.dev/v1'", TAKEN},
	{"a.py.in", "# A = 'https://api.tills.dev/v1'", MENTIONED},
	{"a.bat", "REM see https://api.tills.dev", MENTIONED},
	{"a.cmd", "@rem see https://api.tills.dev", MENTIONED},
	{"a.bat", ":: https://api.tills.dev", MENTIONED},
	{"a.bat", "curl -O https://api.tills.dev/x", TAKEN},
	{"configure.ac", "dnl see https://api.tills.dev/x", MENTIONED},
	{"configure.ac", "AC_INIT([a], [1], [a list: https://api.tills.dev/x])", MENTIONED},
	{"configure.ac", "U=\"https://api.tills.dev/x\"", TAKEN},
	/* Host and port */
	{"a.py", "A = 'api.tills.dev:443'", TAKEN},
	{"a.c", "a ? b.c : api.tills.dev:443;", NOTHING},
	{"a.ini", "server = api.tills.dev:443", TAKEN},
	{"a.py", "A = 'api.tills.dev:443:1'", NOTHING},
	{"a.py", "A = '/api.tills.dev:443'", NOTHING},
	{"a.py", "A = 'api.tills.dev:99999'", NOTHING},
};

static enum outcome scan(const char *file, const char *text, unsigned *ret_line)
{
	const struct language *language = language_of_name(text_of(file));
	enum outcome outcome = NOTHING;
	struct probe probe;

	probe_open(&probe);
	assert_non_null(language);
	source_scan(probe.evidence, NULL, text_of(text), language, language->kind, 1);
	if (probe_has(&probe, ROW))
		outcome = TAKEN;
	else if (probe_mentions(&probe, ROW))
		outcome = MENTIONED;
	if (ret_line)
		*ret_line = probe_line(&probe, ROW);
	probe_close(&probe);
	return outcome;
}

/* How many rows a line of Python comes to. */
static size_t rows_of(const char *text)
{
	struct probe probe;
	size_t count;

	probe_open(&probe);
	source_scan(probe.evidence, NULL, text_of(text), language_of_name(text_of("a.py")),
		EVIDENCE_LITERAL, 1);
	count = probe_rows(&probe);
	probe_close(&probe);
	return count;
}

static void tells_use_from_mention(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum outcome outcome = scan(cases[i].file, cases[i].text, NULL);

		if (outcome != cases[i].outcome)
			fail_msg("%s: %s: %d, not %d", cases[i].file, cases[i].text, (int)outcome,
				(int)cases[i].outcome);
	}
}

/* What is read by people, or is a name only. */
static void passes_over_pages(void **state)
{
	static const char *const pages[] = {"https://docs.tills.dev/v1",
		"https://blogs.tills.dev/x", "https://tills.dev/docs/api",
		"https://github.com/o/x/releases/tag/v1", "https://github.com/o/x/blob/main/a.c",
		"https://tills.dev/dtds/a.dtd", "http://xml.org/sax/features/b",
		"http://apache.org/xml/features/c", "https://liberapay.com/x",
		"https://www.npmjs.com/package/a",
		"https://cve.mitre.org/cgi-bin/cvename.cgi?name=x", "https://pkg.go.dev/x"};
	static const char *const used[] = {"https://tills.dev/api", "https://npmjs.com/-/v1",
		"https://github.com/o/x/releases/download/v1/a.tgz", "https://xml.org/x"};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		snprintf(text, sizeof(text), "a = '%s'", pages[i]);
		if (rows_of(text) != 0)
			fail_msg("%s is taken", pages[i]);
	}
	for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
		snprintf(text, sizeof(text), "a = '%s'", used[i]);
		if (rows_of(text) != 1)
			fail_msg("%s is not taken", used[i]);
	}
}

static void counts_lines(void **state)
{
	unsigned line;

	(void)state;
	scan("a.c", "int a;\n/* b\n */\nchar *c = \"https://api.tills.dev\";\n", &line);
	assert_int_equal(line, 4);
	scan("a.py", "\"\"\"a\nb\n\"\"\"\nx = 'https://api.tills.dev'\n", &line);
	assert_int_equal(line, 4);
}

static void finds_other_forms(void **state)
{
	struct probe probe;

	(void)state;
	probe_open(&probe);
	source_scan(probe.evidence, NULL,
		text_of("a = 'git@git.tills.dev:o/x.git'\n"
			"b = 'postgres://u:p@db.tills.dev/x'\n"
			"c = '10.1.2.3:5432'\n"
			"d = 'main.py:10'\n"
			"e = 'https://${x}.tills.dev/'\n"
			"f = 'http://db:80/'\n"
			"g = 'https://a.tills.dev/?u=https://b.tills.dev'\n"
			"h = 'std::io:80'\n"),
		language_of_name(text_of("a.py")), EVIDENCE_LITERAL, 1);
	assert_true(probe_has(&probe, "tcp/22 git.tills.dev"));
	assert_true(probe_has(&probe, "tcp/5432 db.tills.dev"));
	assert_true(probe_has(&probe, "tcp/5432 10.1.2.3"));
	assert_true(probe_mentions(&probe, "tcp/443 *.tills.dev"));
	assert_true(probe_mentions(&probe, "tcp/80 db"));
	assert_true(probe_has(&probe, "tcp/443 a.tills.dev"));
	assert_int_equal(probe_count(&probe, "tcp/443 a.tills.dev"), 1);
	assert_true(probe_has(&probe, "tcp/443 b.tills.dev"));
	assert_int_equal(probe_rows(&probe), 7);
	probe_close(&probe);
}

static void weighs_by_origin(void **state)
{
	static const char text[] = "a = 'https://api.tills.dev'\n";
	const struct language *language = language_of_name(text_of("a.py"));
	struct probe probe;

	(void)state;
	probe_open(&probe);
	evidence_file(probe.evidence, text_of("docs/a.py"), EVIDENCE_DOCS);
	source_scan(probe.evidence, NULL, text_of(text), language, EVIDENCE_LITERAL, 1);
	assert_int_equal(probe_rows(&probe), 0);
	for (int i = 0; i < 20; i++) {
		evidence_file(probe.evidence, text_of("tests/a.py"), EVIDENCE_TESTS);
		source_scan(probe.evidence, NULL, text_of(text), language, EVIDENCE_LITERAL, 1);
	}
	assert_true(probe_mentions(&probe, ROW));
	evidence_file(probe.evidence, text_of("a.py"), EVIDENCE_OWN);
	source_scan(probe.evidence, NULL, text_of(text), language, EVIDENCE_LITERAL, 1);
	assert_true(probe_has(&probe, ROW));
	probe_close(&probe);
}

static void knows_interpreters(void **state)
{
	(void)state;
	assert_ptr_equal(language_of_text(text_of("#!/bin/sh\n")), language_shell());
	assert_ptr_equal(language_of_text(text_of("#! /usr/bin/env bash\n")), language_shell());
	assert_ptr_equal(language_of_text(text_of("#!/usr/bin/env -S python3.11 -u\n")),
		language_of_name(text_of("a.py")));
	assert_null(language_of_text(text_of("#!/bin/true")));
	assert_null(language_of_text(text_of("#!")));
	assert_null(language_of_text(text_of("plain")));
	assert_null(language_of_name(text_of("a.md")));
	assert_null(language_of_name(text_of("a.")));
}

/* As large as a file may be, of what takes longest. */
static void is_bounded(void **state)
{
	static const char *const pieces[] = {"x://", "://", "a.b:1", "`https://a.b", "https://",
		"a@b:c", "\"", "https://a.tills.dev/ ", "${${${"};
	const size_t size = (size_t)1 << 18;
	char *text = malloc(size + 1);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		size_t length = strlen(pieces[i]);

		for (size_t at = 0; at < size; at++)
			text[at] = pieces[i][at % length];
		text[size] = '\0';
		scan("a.js", text, NULL);
		scan("a.sh", text, NULL);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_use_from_mention),
		cmocka_unit_test(passes_over_pages),
		cmocka_unit_test(counts_lines),
		cmocka_unit_test(finds_other_forms),
		cmocka_unit_test(weighs_by_origin),
		cmocka_unit_test(knows_interpreters),
		cmocka_unit_test(is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
