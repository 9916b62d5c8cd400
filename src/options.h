/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_OPTIONS_H
#define EGRESS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Command lines: each command is a const table of options, and takes one operand, the policy,
 * unless it says otherwise.
 * --help and --version are every command's. */

struct option_row {
	const char *name;     /* "output" for --output */
	const char *argument; /* what the help calls it; NULL: takes none */
	const char *help;
	/* Takes the option into the command's own `request`. 0, or -EINVAL when it is wrong, which
	 * it has said. */
	int (*take)(void *request, const struct option_row *row, const char *argument);
	int value;   /* for `take` */
	char letter; /* "o" for -o; 0: none */
};

/* What an option's argument can be, for those who complete it, where what the help calls it doesn't
 * say so (src/options-table.c). */
struct option_values {
	const char *option; /* its long name */
	/* Words, and kinds of things in capital letters, with a space between; or each word. */
	const char *words;
	const char *(*word)(size_t index); /* NULL behind the last */
};

/* What the first operand asks for. */
struct command_task {
	const char *word;   /* or two, with a space between */
	const char *values; /* of the operands behind it, as words of an option; NULL: none */
};

struct command {
	const char *name;
	const char *about; /* lines of the help above the options */
	const char *notes; /* and below them */
	const struct option_row *rows;
	size_t n_rows;        /* at most OPTIONS_MAX */
	const char *operands; /* what the help calls them; NULL: "POLICY" */
	bool runs;            /* the operands are a command: its options are its own */
	const struct option_values *values;
	size_t n_values;
	/* Without a word behind the last. NULL: nothing is asked for so. */
	struct command_task (*task)(size_t index);
};

#define OPTIONS_MAX 32
#define OPTIONS_COMMON 2 /* of every command */

/*
 * Reads a command line. 0 with the policy's name in *ret_policy; 1 when --help or --version has
 * been shown and nothing is left to do; -EINVAL when it is wrong, or -EIO when standard output took
 * nothing: both have been said.
 */
int options_read(const struct command *command, int argc, char **argv, void *request,
	const char **ret_policy);

/* The same for a command that takes any operands: *ret_operands of them, in argv[*ret_first] and
 * behind it. */
int options_read_operands(const struct command *command, int argc, char **argv, void *request,
	int *ret_first, int *ret_operands);

/* The command's own options, then those of all commands; NULL behind the last. */
const struct option_row *options_row(const struct command *command, size_t index);

/* A line on standard error, the command's name before it. */
void options_complain(const struct command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What standard output took is known only once it is flushed. 0, or -EIO, which has been said. */
int options_finish_stdout(const struct command *command);

#endif
