/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/options.h"

/*
 * Theory of operation
 *
 * A program that is linked with this in place of src/options.c reads no command line: it writes its
 * table and ends. contrib/completion makes of the tables what shells complete with, so that no list
 * of options is kept by hand. Lines, whose fields have tabs between them:
 *
 *	command	NAME	RUNS	VALUES...		the operands, one field each; RUNS: 1 or 0
 *	task	WORDS	VALUES			VALUES of the operands behind it
 *	option	LETTER	NAME	ARGUMENT	VALUES	HELP
 *
 * An empty LETTER or ARGUMENT: there is none. VALUES are words, and kinds in capitals: FILE, DIR,
 * POLICY, USER, PID, COMMAND, and those that a program's own tables name.
 */

/* What the help calls things of which the kind is known. */
static const struct {
	const char *name;
	const char *kind;
} kinds[] = {
	{"COMMAND", "COMMAND"},
	{"DIR", "DIR"},
	{"FILE", "FILE"},
	{"FOLDER", "DIR"},
	{"LOG", "FILE"},
	{"OTHER", "POLICY"},
	{"PATH", "FILE"},
	{"PID", "PID"},
	{"POLICY", "POLICY"},
	{"USER", "USER"},
};

static const char *kind_of(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strlen(kinds[i].name) == length && memcmp(kinds[i].name, name, length) == 0)
			return kinds[i].kind;
	return NULL;
}

static const struct option_values *find_values(const struct command *command, const char *option)
{
	for (size_t i = 0; i < command->n_values; i++)
		if (strcmp(command->values[i].option, option) == 0)
			return &command->values[i];
	return NULL;
}

static void write_values(const struct command *command, const struct option_row *row)
{
	const struct option_values *values = find_values(command, row->name);
	const char *kind = row->argument ? kind_of(row->argument, strlen(row->argument)) : NULL;
	const char *word;

	if (!values) {
		fputs(kind ? kind : "", stdout);
		return;
	}
	fputs(values->words ? values->words : "", stdout);
	for (size_t i = 0; values->word && (word = values->word(i)); i++)
		printf("%s%s", i > 0 ? " " : "", word);
}

/* "POLICY LOG..." are two operands, the last of which may come again. Of a command with tasks: what
 * may stand in place of one, as "TASK|FILE" says. */
static void write_operands(const struct command *command)
{
	const char *operands = command->operands ? command->operands : "POLICY";

	if (command->task)
		operands += strcspn(operands, "|") + (strchr(operands, '|') != NULL);
	while (*operands && *operands != '|') {
		size_t length = strcspn(operands, " []|.");
		const char *kind = kind_of(operands, length);

		if (kind)
			printf("\t%s", kind);
		operands += length;
		operands += strspn(operands, " [].");
	}
}

static void write_tasks(const struct command *command)
{
	struct command_task task;

	for (size_t i = 0; command->task && (task = command->task(i)).word; i++)
		printf("task\t%s\t%s\n", task.word, task.values ? task.values : "");
}

/* The end of the program. */
static _Noreturn void write_table(const struct command *command)
{
	const struct option_row *row;

	printf("command\t%s\t%d", command->name, command->runs);
	write_operands(command);
	putchar('\n');
	write_tasks(command);
	for (size_t i = 0; (row = options_row(command, i)); i++) {
		printf("option\t");
		if (row->letter)
			putchar(row->letter);
		printf("\t%s\t%s\t", row->name, row->argument ? row->argument : "");
		write_values(command, row);
		printf("\t%s\n", row->help);
	}
	exit(fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE);
}

int options_read(const struct command *command, int argc, char **argv, void *request,
	const char **ret_policy)
{
	(void)argc, (void)argv, (void)request, (void)ret_policy;
	write_table(command);
}

int options_read_operands(const struct command *command, int argc, char **argv, void *request,
	int *ret_first, int *ret_operands)
{
	(void)argc, (void)argv, (void)request;
	*ret_first = *ret_operands = 0;
	write_table(command);
}

void options_complain(const struct command *command, const char *format, ...)
{
	(void)command, (void)format;
}

int options_finish_stdout(const struct command *command)
{
	(void)command;
	return 0;
}
