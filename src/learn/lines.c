/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/lines.h"

#include <ctype.h>
#include <string.h>

#include "src/learn/take.h"

/* A file's lines, one after the other. */
struct cursor {
	struct text rest;
	unsigned line; /* number of the one that was read last */
};

static bool next_line(struct cursor *cursor, struct text *ret_line)
{
	if (cursor->rest.length == 0)
		return false;
	cursor->line++;
	text_cut(cursor->rest, '\n', ret_line, &cursor->rest);
	*ret_line = text_trim(*ret_line);
	return true;
}

static struct text behind(struct text text, size_t length)
{
	return text_trim(text_behind(text, length));
}

/* The next word of the text, which it is taken from. */
static struct text next_word(struct text *text)
{
	struct text word = *text = text_trim(*text);
	size_t length = 0;

	while (length < text->length && text->start[length] != ' ' && text->start[length] != '\t')
		length++;
	word.length = length;
	*text = behind(*text, length);
	return word;
}

/* What is in the first quotes from `at` on; empty if there are none. */
static struct text quoted(struct text text)
{
	for (size_t i = 0; i < text.length; i++) {
		const char *end;

		if (text.start[i] != '"' && text.start[i] != '\'')
			continue;
		end = memchr(text.start + i + 1, text.start[i], text.length - i - 1);
		if (end)
			return (struct text){
				text.start + i + 1, (size_t)(end - text.start - i - 1)};
		break;
	}
	return (struct text){text.start, 0};
}

static bool has(struct text text, const char *word)
{
	return text.length > 0 && memmem(text.start, text.length, word, strlen(word));
}

static void need(const struct manifest_context *context, const char *profile,
	enum evidence_kind kind, unsigned line)
{
	evidence_add_profile(context->evidence, profile, kind, line);
}

/* --- pip --- */

static const struct {
	const char *name;
	bool replaces;
} pip_options[] = {{"--extra-index-url", false}, {"--find-links", false}, {"--index-url", true},
	{"-e", false}, {"--editable", false}, {"-f", false}, {"-i", true}};

/* Whether the line is an option, which has then been taken. */
static bool take_pip_option(
	const struct manifest_context *context, struct text line, unsigned number)
{
	struct text word = next_word(&line), name, value;
	struct target target;

	if (word.length == 0 || word.start[0] != '-')
		return false;
	if (!text_cut(word, '=', &name, &value))
		value = next_word(&line);
	for (size_t i = 0; i < sizeof(pip_options) / sizeof(pip_options[0]); i++) {
		if (!text_is(name, pip_options[i].name))
			continue;
		if (!pip_options[i].replaces)
			take_place(context, value, EVIDENCE_REGISTRY, number);
		else if (target_from_url(value, &target, NULL) == 0)
			take_instead(context, "pip", &target, EVIDENCE_REGISTRY, number);
	}
	return true;
}

void lines_requirements(const struct manifest_context *context, struct text text)
{
	struct cursor cursor = {text, 0};
	struct text line, name, source;

	while (next_line(&cursor, &line)) {
		if (line.length == 0 || line.start[0] == '#' ||
			take_pip_option(context, line, cursor.line))
			continue;
		if (!text_cut(line, '@', &name, &source) || !has(source, "://"))
			source = line;
		source = text_trim(source);
		if (has(source, "://"))
			take_place(context, next_word(&source), EVIDENCE_MANIFEST, cursor.line);
		else if (isalnum((unsigned char)line.start[0]))
			need(context, "pip", EVIDENCE_MANIFEST, cursor.line);
	}
}

/* --- Go --- */

void lines_go_mod(const struct manifest_context *context, struct text text)
{
	struct cursor cursor = {text, 0};
	struct text line;

	while (next_line(&cursor, &line))
		if (text_starts(line, "require ") || text_starts(line, "toolchain ") ||
			has(line, " h1:"))
			need(context, "go", EVIDENCE_MANIFEST, cursor.line);
}

/* --- Ruby --- */

void lines_gemfile(const struct manifest_context *context, struct text text)
{
	struct cursor cursor = {text, 0};
	struct text line;

	while (next_line(&cursor, &line)) {
		const char *git = has(line, "git:") ? "git:" : ":git";

		if (text_starts(line, "source "))
			take_place(context, quoted(line), EVIDENCE_REGISTRY, cursor.line);
		else if (text_starts(line, "gem ") && has(line, "github:"))
			need(context, "github", EVIDENCE_MANIFEST, cursor.line);
		else if (text_starts(line, "gem ") && has(line, git))
			take_place(context,
				quoted(behind(
					line, (size_t)((const char *)memmem(line.start, line.length,
							       git, strlen(git)) -
						       line.start))),
				EVIDENCE_MANIFEST, cursor.line);
		else if (text_starts(line, "gem ") || text_starts(line, "gemspec"))
			need(context, "rubygems", EVIDENCE_MANIFEST, cursor.line);
	}
}

void lines_gemfile_lock(const struct manifest_context *context, struct text text)
{
	struct cursor cursor = {text, 0};
	struct text line;

	while (next_line(&cursor, &line))
		if (text_starts(line, "remote: "))
			take_place(context, behind(line, 8), EVIDENCE_LOCK, cursor.line);
}

/* --- yarn --- */

/* "c@https://files.example.com/c.tgz". */
static void take_resolution(
	const struct manifest_context *context, struct text resolution, unsigned line)
{
	const char *at = resolution.length > 0
				 ? memmem(resolution.start, resolution.length, "@http", 5)
				 : NULL;

	if (at)
		take_place(context, behind(resolution, (size_t)(at + 1 - resolution.start)),
			EVIDENCE_LOCK, line);
}

void lines_yarn_lock(const struct manifest_context *context, struct text text)
{
	struct cursor cursor = {text, 0};
	struct text line;

	while (next_line(&cursor, &line)) {
		if (text_starts(line, "resolved "))
			take_place(context, quoted(line), EVIDENCE_LOCK, cursor.line);
		else if (text_starts(line, "resolution: ") && has(line, "@npm:"))
			need(context, "npm", EVIDENCE_LOCK, cursor.line);
		else if (text_starts(line, "resolution: "))
			take_resolution(context, quoted(line), cursor.line);
	}
}

/* --- Dockerfile --- */

enum { STAGES_MAX = 64 };

struct dockerfile {
	const struct manifest_context *context;
	struct text stages[STAGES_MAX];
	size_t n_stages;
};

static bool is_stage(const struct dockerfile *file, struct text name)
{
	for (size_t i = 0; i < file->n_stages; i++)
		if (name.length == file->stages[i].length &&
			strncasecmp(name.start, file->stages[i].start, name.length) == 0)
			return true;
	return false;
}

/* FROM [--platform=...] IMAGE [AS NAME] */
static void take_from(struct dockerfile *file, struct text line, unsigned number)
{
	struct text image = next_word(&line), as;

	while (text_starts(image, "--"))
		image = next_word(&line);
	if (!is_stage(file, image))
		take_image_name(file->context, image, EVIDENCE_IMAGE, number);
	as = next_word(&line);
	if (as.length == 2 && strncasecmp(as.start, "as", 2) == 0 && file->n_stages < STAGES_MAX)
		file->stages[file->n_stages++] = next_word(&line);
}

static void take_copy(struct dockerfile *file, struct text line, unsigned number)
{
	struct text word;

	while ((word = next_word(&line)).length > 0) {
		if (text_starts(word, "--from=")) {
			struct text from = behind(word, 7);

			if (!is_stage(file, from) && from.length > 0 &&
				!isdigit((unsigned char)from.start[0]))
				take_image_name(file->context, from, EVIDENCE_IMAGE, number);
		} else if (has(word, "://")) {
			take_place(file->context, word, EVIDENCE_IMAGE, number);
		}
	}
}

static bool is_word(struct text text, const char *word)
{
	return text.length == strlen(word) && strncasecmp(text.start, word, text.length) == 0;
}

/* KEY=VALUE, perhaps more of them, or the old form without the '='. */
static void take_env(const struct manifest_context *context, struct text line, unsigned number)
{
	struct text rest = line, word = next_word(&rest), key, value;

	if (!text_cut(word, '=', &key, &value)) {
		take_assignment(context, word, rest, EVIDENCE_ENVIRONMENT, number);
		return;
	}
	while (word.length > 0) {
		if (text_cut(word, '=', &key, &value))
			take_assignment(context, key,
				quoted(value).length > 0 ? quoted(value) : value,
				EVIDENCE_ENVIRONMENT, number);
		word = next_word(&rest);
	}
}

static void take_instruction(struct dockerfile *file, struct text line, unsigned number)
{
	struct text word = next_word(&line);

	if (is_word(word, "FROM"))
		take_from(file, line, number);
	else if (is_word(word, "COPY") || is_word(word, "ADD"))
		take_copy(file, line, number);
	else if (is_word(word, "ENV") || is_word(word, "ARG"))
		take_env(file->context, line, number);
	else if (!text_starts(word, "#") && !is_word(word, "LABEL") && !is_word(word, "MAINTAINER"))
		take_commands(file->context, line, EVIDENCE_COMMAND, number);
}

void lines_dockerfile(const struct manifest_context *context, struct text text)
{
	struct dockerfile file = {.context = context};
	struct cursor cursor = {text, 0};
	struct text line;
	bool goes_on = false;

	while (next_line(&cursor, &line)) {
		if (line.length == 0 || line.start[0] == '#')
			continue;
		if (goes_on)
			take_commands(context, line, EVIDENCE_COMMAND, cursor.line);
		else
			take_instruction(&file, line, cursor.line);
		goes_on = line.start[line.length - 1] == '\\';
	}
}

/* --- Gradle --- */

static const struct {
	const char *word;
	const char *profile;
} gradle_words[] = {
	{"google()", "gradle"},
	{"gradlePluginPortal()", "gradle"},
	{"mavenCentral()", "maven"},
	{"plugins {", "gradle"},
};

void lines_gradle(const struct manifest_context *context, struct text text)
{
	struct cursor cursor = {text, 0};
	struct text line;

	while (next_line(&cursor, &line)) {
		if (text_starts(line, "//"))
			continue;
		for (size_t i = 0; i < sizeof(gradle_words) / sizeof(gradle_words[0]); i++)
			if (has(line, gradle_words[i].word))
				need(context, gradle_words[i].profile, EVIDENCE_MANIFEST,
					cursor.line);
		if (has(line, "jcenter()"))
			take_well_known(
				context, "jcenter.bintray.com", EVIDENCE_MANIFEST, cursor.line);
	}
}

/* --- CMake --- */

/* Calls that fetch, and the words in them behind which there is where from. */
static const char *const cmake_calls[] = {"ExternalProject_Add", "FetchContent_Declare",
	"FetchContent_Populate", "externalproject_add", "fetchcontent_declare",
	"fetchcontent_populate", "file", "FILE"};
static const char *const cmake_places[] = {
	"DOWNLOAD", "GIT_REPOSITORY", "HG_REPOSITORY", "SVN_REPOSITORY", "URL"};

/* The next word or parenthesis of a line, without quotes; empty at its end or before a comment. */
static struct text cmake_word(struct text *line)
{
	struct text word = *line = text_trim(*line);
	size_t length = 0;

	if (line->length == 0 || *line->start == '#')
		return (struct text){line->start, 0};
	if (*line->start == '"') {
		word = quoted(*line);
		*line = behind(*line, word.length > 0 ? word.length + 2 : 1);
		return word.length > 0 ? word : (struct text){"\"", 1};
	}
	while (length < line->length && !strchr(" \t\"()", line->start[length]))
		length++;
	word.length = length > 0 ? length : 1;
	*line = behind(*line, word.length);
	return word;
}

/* Words without quotes, which source code has as little else than text. */
void lines_cmake(const struct manifest_context *context, struct text text)
{
	struct cursor cursor = {text, 0};
	bool fetches = false, is_place = false;
	struct text line, word;

	while (next_line(&cursor, &line)) {
		while ((word = cmake_word(&line)).length > 0) {
			if (text_is(word, ")"))
				fetches = is_place = false;
			else if (TEXT_IS_ANY(word, cmake_calls))
				fetches = true;
			else if (fetches && TEXT_IS_ANY(word, cmake_places))
				is_place = true;
			/* There may be several URLs. */
			else if (is_place && (memmem(word.start, word.length, "://", 3) ||
						     text_starts(word, "git@")))
				take_place(context, word, EVIDENCE_MANIFEST, cursor.line);
			else
				is_place = false;
		}
	}
}

/* A value with its backslashes taken out, cut to what an URL may have. */
void lines_properties(const struct manifest_context *context, struct text text)
{
	struct cursor cursor = {text, 0};
	struct text line, key, value;
	char plain[TARGET_TEXT_MAX];

	while (next_line(&cursor, &line)) {
		size_t length = 0;

		if (line.length == 0 || line.start[0] == '#' || !text_cut(line, '=', &key, &value))
			continue;
		for (size_t i = 0; i < value.length && length < sizeof(plain); i++)
			if (value.start[i] != '\\')
				plain[length++] = value.start[i];
		take_place(context, (struct text){plain, length}, EVIDENCE_MANIFEST, cursor.line);
	}
}

/* --- Terraform --- */

/* "registry.terraform.io/hashicorp/aws", "hashicorp/aws", "app.terraform.io/org/name/aws". */
static void take_provider(const struct manifest_context *context, struct text source, unsigned line)
{
	struct text host, rest;
	struct target target;

	text_cut(source, '/', &host, &rest);
	if (rest.length == 0 || has(source, "://") || source.start[0] == '.' ||
		source.start[0] == '/')
		return;
	if (!memchr(host.start, '.', host.length))
		host = text_of("registry.terraform.io");
	/* Providers of others than HashiCorp are releases at GitHub. */
	if (text_is(host, "registry.terraform.io") && !has(source, "hashicorp/"))
		need(context, "github", EVIDENCE_TERRAFORM, line);
	if (target_from_authority(host, 443, &target) == 0)
		take_target(context, &target, EVIDENCE_TERRAFORM, line);
}

void lines_terraform(const struct manifest_context *context, struct text text)
{
	struct cursor cursor = {text, 0};
	struct text line;

	while (next_line(&cursor, &line)) {
		struct text value = quoted(line), key = line;
		struct text word = next_word(&key);

		bool has_slash = memchr(value.start, '/', value.length);

		if ((text_is(word, "provider") || text_is(word, "source")) && has_slash)
			take_provider(context, value, cursor.line);
		else if (text_is(word, "provider"))
			take_provider(context, text_of("hashicorp/default"), cursor.line);
	}
}

/* --- .env --- */

void lines_environment(const struct manifest_context *context, struct text text)
{
	struct cursor cursor = {text, 0};
	struct text line, key, value;

	while (next_line(&cursor, &line)) {
		if (text_starts(line, "export "))
			line = behind(line, 7);
		if (line.length == 0 || line.start[0] == '#' || !text_cut(line, '=', &key, &value))
			continue;
		if (quoted(value).length > 0)
			value = quoted(value);
		take_assignment(context, text_trim(key), text_trim(value), EVIDENCE_ENVIRONMENT,
			cursor.line);
	}
}
