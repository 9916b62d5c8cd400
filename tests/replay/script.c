/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/replay/script.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fault_set(struct fault *fault, unsigned line, const char *format, ...)
{
	va_list arguments;

	fault->line = line;
	va_start(arguments, format);
	vsnprintf(fault->text, sizeof(fault->text), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next word of `rest`; false at its end. */
static bool next_word(struct text *rest, struct text *ret_word)
{
	size_t length = 0;
	bool quoted = false;

	*rest = text_trim(*rest);
	if (rest->length == 0)
		return false;
	for (; length < rest->length && (quoted || !is_blank(rest->start[length])); length++) {
		if (rest->start[length] == '"')
			quoted = !quoted;
	}
	*ret_word = (struct text){.start = rest->start, .length = length};
	rest->start += length;
	rest->length -= length;
	return true;
}

static int cut_line(
	struct text text, unsigned number, struct script_line *ret_line, struct fault *fault)
{
	struct text word, rest = text;

	*ret_line = (struct script_line){.number = number, .all = text_trim(text)};
	while (next_word(&rest, &word)) {
		if (ret_line->n_words == SCRIPT_WORDS_MAX)
			return fault_set(fault, number, "more than %d words", SCRIPT_WORDS_MAX);
		ret_line->words[ret_line->n_words++] = word;
	}
	return 0;
}

/* Takes the lines of the policy, which are indented or empty, off `rest`. */
static int take_policy(struct arena *arena, struct text *rest, unsigned *number, struct text *ret)
{
	size_t room = *number + rest->length + 1;
	char *policy = arena_alloc(arena, room);
	struct text line, tail;
	size_t length = *number;

	if (!policy)
		return -ENOMEM;
	memset(policy, '\n', length);
	while (rest->length > 0 && (rest->start[0] == '\t' || rest->start[0] == '\n')) {
		text_cut(*rest, '\n', &line, &tail);
		*rest = tail;
		*number += 1;
		if (line.length > 0) {
			memcpy(policy + length, line.start + 1, line.length - 1);
			length += line.length - 1;
		}
		policy[length++] = '\n';
	}
	*ret = (struct text){.start = policy, .length = length};
	return 0;
}

static int take_override(struct arena *arena, struct text *rest, unsigned *number,
	struct script *script, struct fault *fault)
{
	if (script->n_overrides == SCRIPT_OVERRIDES_MAX)
		return fault_set(fault, *number, "too many overrides");
	return take_policy(arena, rest, number, &script->overrides[script->n_overrides++]);
}

static bool is_comment(struct text line)
{
	struct text trimmed = text_trim(line);

	return trimmed.length == 0 || trimmed.start[0] == '#';
}

static int add_line(struct script *script, struct text line, unsigned number, struct fault *fault)
{
	struct script_step *step;

	if (!is_blank(line.start[0])) {
		step = &script->steps[script->n_steps++];
		step->lines = script->n_steps > 1 ? step[-1].lines + step[-1].n_lines : step->lines;
		return cut_line(line, number, &step->head, fault);
	}
	if (script->n_steps == 0)
		return fault_set(fault, number, "an indented line belongs to a step");
	step = &script->steps[script->n_steps - 1];
	return cut_line(line, number, &step->lines[step->n_lines++], fault);
}

static size_t count_lines(struct text text)
{
	size_t lines = 1;

	for (size_t i = 0; i < text.length; i++)
		lines += text.start[i] == '\n';
	return lines;
}

int script_parse(struct arena *arena, const char *path, struct text text, struct script *ret_script,
	struct fault *fault)
{
	size_t room = count_lines(text);
	struct script script = {.path = path};
	struct text line, rest = text;
	unsigned number = 0;
	int error = 0;

	script.steps = arena_array(arena, room, sizeof(*script.steps));
	if (!script.steps)
		return -ENOMEM;
	script.steps[0].lines = arena_array(arena, room, sizeof(*script.steps[0].lines));
	if (!script.steps[0].lines)
		return -ENOMEM;

	while (rest.length > 0 && error == 0) {
		text_cut(rest, '\n', &line, &rest);
		number++;
		if (script.title.length == 0 && text_starts(line, "# "))
			script.title = (struct text){line.start + 2, line.length - 2};
		else if (text_is(line, "policy"))
			error = take_policy(arena, &rest, &number, &script.policy);
		else if (text_is(line, "override"))
			error = take_override(arena, &rest, &number, &script, fault);
		else if (!is_comment(line))
			error = add_line(&script, line, number, fault);
	}
	if (error == 0 && (script.title.length == 0 || script.policy.length == 0))
		error = fault_set(fault, 1, "a script begins with a comment line and a policy");
	if (error == 0)
		*ret_script = script;
	return error;
}

/* The word without its quotes at both ends of it. */
static struct text unquoted(struct text word)
{
	if (word.length >= 2 && word.start[0] == '"' && word.start[word.length - 1] == '"')
		return (struct text){word.start + 1, word.length - 2};
	return word;
}

bool script_value(
	const struct script_line *line, size_t first, const char *key, struct text *ret_value)
{
	struct text name, value;

	for (size_t i = first; i < line->n_words; i++) {
		if (text_cut(line->words[i], '=', &name, &value) && text_is(name, key)) {
			*ret_value = unquoted(value);
			return true;
		}
	}
	return false;
}

bool script_has(const struct script_line *line, size_t first, const char *word)
{
	for (size_t i = first; i < line->n_words; i++) {
		if (text_is(line->words[i], word))
			return true;
	}
	return false;
}
