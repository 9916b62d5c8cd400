/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rules/toml.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "tests/rules/toml/cases.h"

/*
 * Documents and what is none, section by section of the TOML 1.0.0 specification. A tree is written
 * as {key=value,...} in the order of the file; keys that aren't bare, and strings, in quotes, with
 * \" and \\, and bytes below a blank and DEL as \xNN; floats as r: and 17 digits; dates and
 * date-times as d: and s: with their seconds since 1970; times as they have no value.
 */

static void put_text(FILE *out, struct text text)
{
	fputc('"', out);
	for (size_t i = 0; i < text.length; i++) {
		uint8_t byte = (uint8_t)text.start[i];

		if (byte < ' ' || byte == 0x7f)
			fprintf(out, "\\x%02x", byte);
		else if (byte == '"' || byte == '\\')
			fprintf(out, "\\%c", byte);
		else
			fputc(byte, out);
	}
	fputc('"', out);
}

static void put_key(FILE *out, struct text key)
{
	static const char bare[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

	if (key.length > 0 && strspn(key.start, bare) == key.length)
		fprintf(out, "%.*s", TEXT_ARG(key));
	else
		put_text(out, key);
}

static void put_scalar(FILE *out, const struct toml_node *node)
{
	switch (node->kind) {
	case TOML_STRING:
		put_text(out, node->value.string);
		break;
	case TOML_INTEGER:
		fprintf(out, "%lld", (long long)node->value.integer);
		break;
	case TOML_REAL:
		if (isnan(node->value.real))
			fputs("r:nan", out);
		else
			fprintf(out, "r:%.17g", node->value.real);
		break;
	case TOML_BOOLEAN:
		fputs(node->value.boolean ? "true" : "false", out);
		break;
	case TOML_DATE:
		fprintf(out, "d:%lld", (long long)node->value.seconds);
		break;
	case TOML_DATE_TIME:
		fprintf(out, "s:%lld", (long long)node->value.seconds);
		break;
	default:
		fputs("time", out);
		break;
	}
}

static void put_node(FILE *out, const struct toml_node *node)
{
	bool is_table = node->kind == TOML_TABLE;

	if (!is_table && node->kind != TOML_ARRAY) {
		put_scalar(out, node);
		return;
	}
	fputc(is_table ? '{' : '[', out);
	for (size_t i = 0; i < node->n_children; i++) {
		if (i > 0)
			fputc(',', out);
		if (is_table) {
			put_key(out, node->children[i].key);
			fputc('=', out);
		}
		put_node(out, &node->children[i]);
	}
	fputc(is_table ? '}' : ']', out);
}

static void keep_message(void *context, const struct diag_message *message)
{
	struct diag_message *kept = context;

	*kept = *message;
}

/* The tree, or what is said of the text, malloced. */
static char *parse(struct text text, int *ret_error, struct diag_message *ret_message)
{
	const struct toml_node *root = NULL;
	struct arena *arena;
	struct diag *diag;
	char *said = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&said, &size);

	assert_non_null(out);
	assert_int_equal(arena_new(1 << 20, &arena), 0);
	diag = diag_new(arena);
	assert_non_null(diag);
	*ret_error = toml_parse(arena, "f", text, diag, &root);
	assert_int_equal(*ret_error < 0, diag_failed(diag));
	if (*ret_error == 0)
		put_node(out, root);
	diag_visit(diag, keep_message, ret_message);
	diag_print(diag, out);
	fclose(out);
	arena_free(arena);
	return said;
}

static void test_good(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < toml_n_good_cases; i++) {
		const struct toml_good_case *good = &toml_good_cases[i];
		struct diag_message message = {0};
		int error;
		char *said = parse((struct text){good->text, good->size}, &error, &message);

		if (error < 0 || strcmp(said, good->tree) != 0) {
			print_error("%s\nis\n%s\nnot\n%s\n", good->text, said, good->tree);
			wrong++;
		}
		free(said);
	}
	assert_int_equal(wrong, 0);
}

static void test_bad(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < toml_n_bad_cases; i++) {
		const struct toml_bad_case *bad = &toml_bad_cases[i];
		struct diag_message message = {0};
		int error;
		char *said = parse((struct text){bad->text, bad->size}, &error, &message);

		if (error != -EINVAL || message.place.line != bad->line ||
			message.place.column == 0) {
			print_error("%s\nat line %u:\n%s\n", bad->text, bad->line, said);
			wrong++;
		}
		free(said);
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
