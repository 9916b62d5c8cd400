/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What getopt_long(3) returns for options without a letter: their row, beyond all letters. */
#define LONG_ONLY 256

/* A '+', each letter with its colon, and the NUL. */
enum { LETTERS_MAX = 2 * (OPTIONS_MAX + OPTIONS_COMMON) + 2 };

void options_complain(const struct command *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", command->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

int options_finish_stdout(const struct command *command)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	options_complain(command, "cannot write to standard output: %s", strerror(errno));
	return -EIO;
}

static int option_value(const struct command *command, size_t index)
{
	char letter = options_row(command, index)->letter;

	return letter ? letter : LONG_ONLY + (int)index;
}

static void show_row(const struct option_row *row)
{
	char names[64];

	snprintf(names, sizeof(names), "%s %s", row->name, row->argument ? row->argument : "");
	if (row->letter)
		printf("  -%c, --%-18s%s\n", row->letter, names, row->help);
	else
		printf("      --%-18s%s\n", names, row->help);
}

static int show_help(const struct command *command)
{
	printf("Usage: %s [OPTION] %s\n%s\n", command->name,
		command->operands ? command->operands : "POLICY", command->about);
	for (size_t i = 0; i < command->n_rows + OPTIONS_COMMON; i++)
		show_row(options_row(command, i));
	printf("\n%s", command->notes);
	return options_finish_stdout(command);
}

static int show_version(const struct command *command)
{
	printf("%s (egress) %s\n", command->name, PACKAGE_VERSION);
	return options_finish_stdout(command);
}

/* The rows as getopt_long(3) takes them. */
static void list_options(const struct command *command,
	struct option long_options[OPTIONS_MAX + OPTIONS_COMMON + 1], char letters[LETTERS_MAX])
{
	size_t count = command->n_rows + OPTIONS_COMMON;

	if (command->runs)
		*letters++ = '+'; /* getopt(3): nothing behind the first operand is an option */
	for (size_t i = 0; i < count; i++) {
		const struct option_row *row = options_row(command, i);

		long_options[i] = (struct option){
			.name = row->name,
			.has_arg = row->argument ? required_argument : no_argument,
			.val = option_value(command, i),
		};
		if (!row->letter)
			continue;
		*letters++ = row->letter;
		if (row->argument)
			*letters++ = ':';
	}
	long_options[count] = (struct option){0};
	*letters = '\0';
}

/* 0, 1 when there is nothing more to do, or -errno. */
static int take_option(const struct command *command, int value, void *request)
{
	size_t index = 0;
	int error;

	while (index < command->n_rows && option_value(command, index) != value)
		index++;
	if (index < command->n_rows)
		return command->rows[index].take(request, &command->rows[index], optarg);
	if (value != 'h' && value != 'V')
		return -EINVAL;
	error = value == 'h' ? show_help(command) : show_version(command);
	return error ? error : 1;
}

static int read_line(const struct command *command, int argc, char **argv, void *request)
{
	struct option long_options[OPTIONS_MAX + OPTIONS_COMMON + 1];
	char letters[LETTERS_MAX];
	int value;

	list_options(command, long_options, letters);
	while ((value = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
		int result = take_option(command, value, request);

		if (result != 0)
			return result;
	}
	return 0;
}

static int end_reading(const struct command *command, int result)
{
	if (result == -EINVAL)
		fprintf(stderr, "Try '%s --help'.\n", command->name);
	return result;
}

int options_read(const struct command *command, int argc, char **argv, void *request,
	const char **ret_policy)
{
	int result = read_line(command, argc, argv, request);

	if (result == 0 && argc - optind != 1) {
		options_complain(
			command, argc == optind ? "no policy given" : "more than one policy given");
		result = -EINVAL;
	}
	if (result == 0)
		*ret_policy = argv[optind];
	return end_reading(command, result);
}

int options_read_operands(const struct command *command, int argc, char **argv, void *request,
	int *ret_first, int *ret_operands)
{
	int result = read_line(command, argc, argv, request);

	if (result == 0) {
		*ret_first = optind;
		*ret_operands = argc - optind;
	}
	return end_reading(command, result);
}
