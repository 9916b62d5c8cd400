/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8

#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/arena.h"

/*
 * Theory of operation
 *
 * Expressions are the policy's, but what they are run on is chosen by whoever sends a query. So
 * their work is limited: a match takes at most MATCH_LIMIT steps from each place in the name that
 * it starts at, and memory that is there before it starts. Whoever asks is told of a match that was
 * given up, and takes it for the worse.
 *
 * The memory is a block of the pattern's own. Compiled code (JIT) has its stack on the caller's and
 * needs but a few bytes of the block, for PCRE2's record of the match. Where there is no JIT
 * (another machine, or a process that may not make memory executable) the interpreter keeps its
 * frames in the block as well. It asks for as many as it has needed so far, and at first for few;
 * when they don't suffice, for twice as many, and copies. Nothing is ever given back to the block,
 * since the record keeps the frames for the next match and all of them together take less than
 * twice the last. The pages are touched only when they are needed, and a process that inherited
 * them writes to its own copy (fork(2)).
 *
 * Letter case does not count for names, so it does not for expressions: one that is written in
 * upper case would else never match, and deny nothing. The classes of Perl are those of ASCII.
 */

enum {
	MATCH_LIMIT = 10000,
	DEPTH_LIMIT = 2000,
	FRAMES_KIB = 256,
	BLOCK_JIT = 4096,
	BLOCK_INTERPRETED = 3 * FRAMES_KIB * 1024,
	NEST_LIMIT = 50,
	ERROR_TEXT = 120, /* longer than any of PCRE2's messages */
};

#define OPTIONS                                                                                    \
	(PCRE2_CASELESS | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UCP |       \
		PCRE2_NEVER_UTF)

struct block {
	unsigned char *start;
	size_t size;
	size_t used;
};

struct pattern {
	const char *text;
	struct place place;
	pcre2_code *code;
	pcre2_match_context *limits;
	pcre2_match_data *data; /* in the block */
	struct block block;
};

/* PCRE2's malloc and free. */
static void *block_take(size_t size, void *block)
{
	struct block *from = block;
	size_t room = (size + 15) & ~(size_t)15;

	if (room < size || room > from->size - from->used)
		return NULL;
	from->used += room;
	return from->start + from->used - room;
}

static void block_keep(void *taken, void *block)
{
	(void)taken;
	(void)block;
}

static void release(void *pointer)
{
	struct pattern *pattern = pointer;

	pcre2_code_free(pattern->code);
	pcre2_match_context_free(pattern->limits);
	free(pattern->block.start);
}

/* Gives the pattern all that a match needs. 0 or -ENOMEM. */
static int prepare(struct pattern *pattern)
{
	struct block *block = &pattern->block;
	pcre2_general_context *memory;
	size_t jit = 0;

	/* Its result does not tell: what "(*NO_JIT)" asks to leave out is no failure. */
	pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);
	pcre2_pattern_info(pattern->code, PCRE2_INFO_JITSIZE, &jit);
	block->size = jit > 0 ? BLOCK_JIT : BLOCK_INTERPRETED;
	block->start = malloc(block->size);
	pattern->limits = pcre2_match_context_create(NULL);
	if (!block->start || !pattern->limits)
		return -ENOMEM;
	pcre2_set_match_limit(pattern->limits, MATCH_LIMIT);
	pcre2_set_depth_limit(pattern->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(pattern->limits, FRAMES_KIB);

	memory = pcre2_general_context_create(block_take, block_keep, block);
	if (!memory)
		return -ENOMEM;
	/* One pair of offsets: where it matched is of no interest. */
	pattern->data = pcre2_match_data_create(1, memory);
	return pattern->data ? 0 : -ENOMEM;
}

/* 0, -ENOMEM, or -EINVAL with the error of PCRE2 and its place. */
static int compile(struct pattern *pattern, int *ret_error, size_t *ret_offset)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	size_t offset;
	int error;

	if (!context)
		return -ENOMEM;
	pcre2_set_parens_nest_limit(context, NEST_LIMIT);
	pattern->code = pcre2_compile((PCRE2_SPTR)pattern->text, PCRE2_ZERO_TERMINATED, OPTIONS,
		&error, &offset, context);
	pcre2_compile_context_free(context);
	if (pattern->code)
		return 0;
	if (error == PCRE2_ERROR_HEAP_FAILED)
		return -ENOMEM;
	*ret_error = error;
	*ret_offset = offset;
	return -EINVAL;
}

/* What is wrong with a text before PCRE2 sees it, or NULL. */
static const char *text_problem(struct text text, size_t *ret_offset)
{
	*ret_offset = 0;
	if (text.length == 0)
		return "is empty: it would match every name";
	if (text.length > PATTERN_TEXT_MAX)
		return "is longer than 1024 bytes";
	for (size_t i = 0; i < text.length; i++) {
		uint8_t byte = (uint8_t)text.start[i];

		*ret_offset = i;
		if (byte >= 0x80)
			return "is not ASCII: names are matched in their form with xn--";
		if (byte == '\0')
			return "has a NUL";
	}
	return NULL;
}

/* -EINVAL with the problem in the arena, or -ENOMEM. */
static int explain(struct arena *arena, int error, const char **ret_problem)
{
	PCRE2_UCHAR message[ERROR_TEXT] = "";
	const char *problem;

	pcre2_get_error_message(error, message, sizeof(message));
	problem = arena_printf(arena, "is not a PCRE2 expression: %s", (const char *)message);
	if (!problem)
		return -ENOMEM;
	*ret_problem = problem;
	return -EINVAL;
}

int pattern_make(struct arena *arena, struct text text, struct place place,
	struct pattern **ret_pattern, const char **ret_problem, size_t *ret_offset)
{
	size_t offset;
	const char *problem = text_problem(text, &offset);
	struct pattern *pattern;
	int error, mistake = 0;

	if (problem) {
		*ret_problem = problem;
		*ret_offset = offset;
		return -EINVAL;
	}
	pattern = arena_alloc(arena, sizeof(*pattern));
	if (!pattern)
		return -ENOMEM;
	pattern->place = place;
	pattern->text = arena_strndup(arena, text.start, text.length);
	if (!pattern->text || arena_defer(arena, release, pattern) < 0)
		return -ENOMEM;

	error = compile(pattern, &mistake, &offset);
	if (error == -EINVAL) {
		error = explain(arena, mistake, ret_problem);
		*ret_offset = error == -EINVAL ? offset : *ret_offset;
		return error;
	}
	if (error == 0)
		error = prepare(pattern);
	if (error == 0)
		*ret_pattern = pattern;
	return error;
}

const char *pattern_text(const struct pattern *pattern)
{
	return pattern->text;
}

struct place pattern_place(const struct pattern *pattern)
{
	return pattern->place;
}

/* What a walk over an expression knows of the alternative it is in. */
struct alternative {
	unsigned depth; /* of groups */
	bool first;     /* nothing that matches was seen yet */
	bool starts;    /* with an anchor */
	bool ends;      /* with an anchor, as far as was seen: a group ends with its parenthesis */
};

/* The place behind a class: "[]a]", "[^]a]", "[[:alpha:]\]]". */
static const char *skip_class(const char *at)
{
	at += at[1] == '^' ? 2 : 1;
	at += *at == ']';
	while (*at && *at != ']') {
		const char *end = *at == '[' && at[1] == ':' ? strstr(at, ":]") : NULL;

		if (end)
			at = end + 1;
		else if (*at == '\\' && at[1])
			at++;
		at++;
	}
	return *at ? at + 1 : at;
}

/* The place behind a comment, a verb or a setting of options, which match nothing; `at` if there is
 * none. */
static const char *skip_silent(const char *at)
{
	const char *end = strchr(at, ')');

	if (!end)
		return at;
	if (strncmp(at, "(?#", 3) == 0 || strncmp(at, "(*", 2) == 0)
		return end + 1;
	if (strncmp(at, "(?", 2) == 0 && at + 2 + strspn(at + 2, "^imsxnJU-") == end)
		return end + 1;
	return at;
}

static const char *skip_escape(struct alternative *now, const char *at)
{
	const char *end;

	if (at[1] == 'A' && now->first && now->depth == 0)
		now->starts = true;
	now->ends = at[1] == 'z' || at[1] == 'Z';
	if (at[1] != 'Q')
		return at[1] ? at + 2 : at + 1;
	end = strstr(at, "\\E");
	return end ? end + 2 : at + strlen(at);
}

/* One item of the expression; returns the place behind it. */
static const char *walk(struct alternative *now, const char *at)
{
	const char *behind = *at == '(' ? skip_silent(at) : at;
	bool first = now->first;

	if (behind != at)
		return behind;
	now->first = false;
	if (*at == '\\') {
		now->first = first;
		behind = skip_escape(now, at);
		now->first = false;
		return behind;
	}
	now->ends = *at == '$';
	if (*at == '^' && first && now->depth == 0)
		now->starts = true;
	now->depth += *at == '(';
	now->depth -= *at == ')' && now->depth > 0;
	return *at == '[' ? skip_class(at) : at + 1;
}

bool pattern_is_anchored(const struct pattern *pattern)
{
	struct alternative now = {.first = true};

	for (const char *at = pattern->text; *at;) {
		if (*at != '|' || now.depth > 0) {
			at = walk(&now, at);
			continue;
		}
		if (!now.starts || !now.ends)
			return false;
		now = (struct alternative){.first = true};
		at++;
	}
	return now.starts && now.ends;
}

/* One byte of a label; returns where the next goes. */
static char *put_byte(char *out, uint8_t byte)
{
	if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
		byte == '_') {
		*out++ = (char)byte;
		return out;
	}
	*out++ = '\\';
	*out++ = (char)('0' + byte / 100);
	*out++ = (char)('0' + byte / 10 % 10);
	*out++ = (char)('0' + byte % 10);
	return out;
}

/* The text that is matched, into `out` (NAME_TEXT bytes); returns its length. The root's is empty.
 */
static size_t write_text(const struct name *name, char *out)
{
	char *at = out;

	for (const uint8_t *label = name->wire; *label != 0; label += 1 + *label) {
		if (at != out)
			*at++ = '.';
		for (unsigned i = 1; i <= *label; i++)
			at = put_byte(at, label[i]);
	}
	return (size_t)(at - out);
}

enum pattern_result pattern_match(const struct pattern *pattern, const struct name *name)
{
	char text[NAME_TEXT];
	size_t length = write_text(name, text);
	int found = pcre2_match(
		pattern->code, (PCRE2_SPTR)text, length, 0, 0, pattern->data, pattern->limits);

	if (found == PCRE2_ERROR_NOMATCH)
		return PATTERN_NO;
	return found >= 0 ? PATTERN_YES : PATTERN_LIMIT;
}
