/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/language.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
	C_LIKE,
	SCRIPT,
	GO,
	PYTHON,
	SHELL,
	BATCH,
	M4,
	HASH,
	PERL,
	PHP,
	DASHES,
	LISP,
	PERCENT,
	POWERSHELL,
	SETTINGS,
	YAML,
	JSON,
	XML,
	HCL,
};

static const struct language languages[] = {
	[C_LIKE] = {"C and its kin", {"//"}, {"/*", "*/"}, "\"", .chars = true,
		.kind = EVIDENCE_LITERAL},
	[SCRIPT] = {"JavaScript and its kin", {"//"}, {"/*", "*/"}, "\"'", .ticks = true,
		.kind = EVIDENCE_LITERAL},
	[GO] = {"Go", {"//"}, {"/*", "*/"}, "\"", .ticks = true, .chars = true,
		.kind = EVIDENCE_LITERAL},
	[PYTHON] = {"Python", {"#"}, {NULL}, "\"'", .triple = true, .kind = EVIDENCE_LITERAL},
	[SHELL] = {"shell", {"#"}, {NULL}, "\"'", .bare = true, .kind = EVIDENCE_COMMAND},
	[BATCH] = {"batch files", {"REM ", "rem ", "::"}, {NULL}, "\"", .bare = true,
		.kind = EVIDENCE_COMMAND},
	/* Most of it goes to others: what a word says is in the strings. */
	[M4] = {"m4", {"dnl", "#"}, {NULL}, "\"", .kind = EVIDENCE_COMMAND},
	[HASH] = {"Ruby and its kin", {"#"}, {NULL}, "\"'", .ticks = true,
		.kind = EVIDENCE_LITERAL},
	[PERL] = {"Perl", {"#"}, {"\n=", "\n=cut"}, "\"'", .kind = EVIDENCE_LITERAL},
	[PHP] = {"PHP", {"//", "#"}, {"/*", "*/"}, "\"'", .kind = EVIDENCE_LITERAL},
	[DASHES] = {"Lua, Haskell and SQL", {"--"}, {"{-", "-}"}, "\"'", .kind = EVIDENCE_LITERAL},
	[LISP] = {"Lisp", {";"}, {"#|", "|#"}, "\"", .kind = EVIDENCE_LITERAL},
	[PERCENT] = {"Erlang", {"%"}, {NULL}, "\"", .kind = EVIDENCE_LITERAL},
	[POWERSHELL] = {"PowerShell", {"#"}, {"<#", "#>"}, "\"'", .bare = true,
		.kind = EVIDENCE_COMMAND},
	[SETTINGS] = {"settings", {"#", ";"}, {NULL}, "\"'", .bare = true,
		.kind = EVIDENCE_SETTING},
	[YAML] = {"YAML", {"#"}, {NULL}, "\"'", .bare = true, .kind = EVIDENCE_SETTING},
	[JSON] = {"JSON", {"//"}, {"/*", "*/"}, "\"", .kind = EVIDENCE_SETTING},
	[XML] = {"XML", {NULL}, {"<!--", "-->"}, "\"'", .bare = true, .kind = EVIDENCE_SETTING},
	[HCL] = {"HCL", {"#", "//"}, {"/*", "*/"}, "\"", .kind = EVIDENCE_TERRAFORM},
};

struct row {
	const char *ending;
	int language;
};

/* By what is behind the last dot, sorted. What is prose or a picture is not here. */
static const struct row endings[] = {
	{"ac", M4},
	{"am", SHELL},
	{"bash", SHELL},
	{"bat", BATCH},
	{"bazel", PYTHON},
	{"bzl", PYTHON},
	{"c", C_LIKE},
	{"cc", C_LIKE},
	{"cfg", SETTINGS},
	{"cjs", SCRIPT},
	{"clj", LISP},
	{"cmake", HASH},
	{"cmd", BATCH},
	{"cnf", SETTINGS},
	{"conf", SETTINGS},
	{"config", SETTINGS},
	{"cpp", C_LIKE},
	{"cr", HASH},
	{"cs", C_LIKE},
	{"csx", C_LIKE},
	{"cts", SCRIPT},
	{"cxx", C_LIKE},
	{"d", C_LIKE},
	{"dart", SCRIPT},
	{"el", LISP},
	{"env", SETTINGS},
	{"erl", PERCENT},
	{"ex", HASH},
	{"exs", HASH},
	{"fish", SHELL},
	{"fs", C_LIKE},
	{"fsx", C_LIKE},
	{"go", GO},
	{"gradle", SCRIPT},
	{"groovy", SCRIPT},
	{"h", C_LIKE},
	{"hcl", HCL},
	{"hh", C_LIKE},
	{"hpp", C_LIKE},
	{"hs", DASHES},
	{"hxx", C_LIKE},
	{"ini", SETTINGS},
	{"java", C_LIKE},
	{"jl", HASH},
	{"js", SCRIPT},
	{"json", JSON},
	{"json5", JSON},
	{"jsonc", JSON},
	{"jsx", SCRIPT},
	{"ksh", SHELL},
	{"kt", C_LIKE},
	{"kts", C_LIKE},
	{"lua", DASHES},
	{"m", C_LIKE},
	{"m4", M4},
	{"mjs", SCRIPT},
	{"mk", SHELL},
	{"ml", C_LIKE},
	{"mm", C_LIKE},
	{"mts", SCRIPT},
	{"nim", PYTHON},
	{"nix", HASH},
	{"php", PHP},
	{"pl", PERL},
	{"pm", PERL},
	{"properties", SETTINGS},
	{"ps1", POWERSHELL},
	{"psm1", POWERSHELL},
	{"py", PYTHON},
	{"pyi", PYTHON},
	{"pyw", PYTHON},
	{"pyx", PYTHON},
	{"r", HASH},
	{"rake", HASH},
	{"rb", HASH},
	{"rs", C_LIKE},
	{"scala", C_LIKE},
	{"sh", SHELL},
	{"sql", DASHES},
	{"svelte", SCRIPT},
	{"swift", C_LIKE},
	{"tcl", HASH},
	{"tf", HCL},
	{"tfvars", HCL},
	{"toml", SETTINGS},
	{"ts", SCRIPT},
	{"tsx", SCRIPT},
	{"vb", C_LIKE},
	{"vue", SCRIPT},
	{"xml", XML},
	{"yaml", YAML},
	{"yml", YAML},
	{"zig", C_LIKE},
	{"zsh", SHELL},
};

/* Files that are known by their whole name, sorted. */
static const struct row names[] = {
	{".bashrc", SHELL},
	{".profile", SHELL},
	{"BUILD", PYTHON},
	{"CMakeLists.txt", HASH},
	{"Caddyfile", SETTINGS},
	{"GNUmakefile", SHELL},
	{"Guardfile", HASH},
	{"Jenkinsfile", SCRIPT},
	{"Justfile", SHELL},
	{"Makefile", SHELL},
	{"Procfile", SHELL},
	{"Rakefile", HASH},
	{"Tiltfile", PYTHON},
	{"Vagrantfile", HASH},
	{"WORKSPACE", PYTHON},
	{"configure", SHELL},
	{"configure.ac", M4},
	{"justfile", SHELL},
	{"makefile", SHELL},
	{"meson.build", PYTHON},
	{"rules", SHELL},
};

/* By the last part of the interpreter's name. */
static const struct row interpreters[] = {
	{"bash", SHELL},
	{"dash", SHELL},
	{"ksh", SHELL},
	{"node", SCRIPT},
	{"perl", PERL},
	{"php", PHP},
	{"python", PYTHON},
	{"ruby", HASH},
	{"sh", SHELL},
	{"zsh", SHELL},
};

static int compare(const void *key, const void *member)
{
	const struct text *text = key;
	const struct row *row = member;
	size_t length = strlen(row->ending);
	int order = memcmp(text->start, row->ending, text->length < length ? text->length : length);

	return order ? order : (text->length > length) - (text->length < length);
}

static const struct language *find(struct text text, const struct row *rows, size_t count)
{
	const struct row *row = bsearch(&text, rows, count, sizeof(*rows), compare);

	return row ? &languages[row->language] : NULL;
}

#define FIND(text, rows) find(text, rows, sizeof(rows) / sizeof((rows)[0]))

const struct language *language_of_name(struct text name)
{
	const char *dot = memrchr(name.start, '.', name.length);
	const struct language *language = FIND(name, names);
	char lower[16];
	struct text ending;

	if (language || !dot)
		return language;
	if (text_starts(name, "Makefile."))
		return &languages[SHELL];
	ending = (struct text){dot + 1, (size_t)(name.start + name.length - dot - 1)};
	/* A template is of the language of what is made from it. */
	if (text_is(ending, "in") && dot > name.start)
		return language_of_name((struct text){name.start, (size_t)(dot - name.start)});
	if (ending.length == 0 || ending.length > sizeof(lower))
		return NULL;
	for (size_t i = 0; i < ending.length; i++)
		lower[i] = text_lower(ending.start[i]);
	return FIND(((struct text){lower, ending.length}), endings);
}

const struct language *language_of_text(struct text text)
{
	struct text line, rest, word, last = {NULL, 0};

	if (!text_starts(text, "#!"))
		return NULL;
	text_cut(text, '\n', &line, &rest);
	line = text_trim((struct text){line.start + 2, line.length - 2});
	/* "/usr/bin/env -S python3 -u": the first word that is neither an option nor env. */
	while (line.length > 0) {
		const char *slash;

		text_cut(line, ' ', &word, &line);
		slash = memrchr(word.start, '/', word.length);
		if (slash) {
			word.length -= (size_t)(slash + 1 - word.start);
			word.start = slash + 1;
		}
		if (word.length == 0 || word.start[0] == '-' || text_is(word, "env"))
			continue;
		last = word;
		break;
	}
	while (last.length > 0 && strchr("0123456789.", last.start[last.length - 1]))
		last.length--;
	return last.length > 0 ? FIND(last, interpreters) : NULL;
}

const struct language *language_shell(void)
{
	return &languages[SHELL];
}

const struct language *language_settings(void)
{
	return &languages[SETTINGS];
}
