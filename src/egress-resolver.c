/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/main.h"
#include "src/base/log.h"
#include "src/base/text.h"

#define PROGRAM "egress-resolver"

/* What a row does with its argument: 0, -EINVAL when that is wrong (which it has said), or 1 when
 * there is nothing more to do. */
typedef int option_taker(const char *argument, struct resolver_options *options);

static void __attribute__((format(printf, 1, 2))) complain(const char *format, ...)
{
	va_list args;

	fputs(PROGRAM ": ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static int take_user(const char *argument, struct resolver_options *options)
{
	options->user = argument;
	return 0;
}

/* The processors this process may run on. */
static unsigned count_processors(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return count < RESOLVER_WORKERS_MAX ? (unsigned)count : RESOLVER_WORKERS_MAX;
}

static int take_workers(const char *argument, struct resolver_options *options)
{
	uint64_t number;

	if (strcmp(argument, "auto") == 0) {
		options->workers = count_processors();
		return 0;
	}
	if (text_to_number(text_of(argument), RESOLVER_WORKERS_MAX, &number) < 0 || number == 0) {
		complain("--workers: expected 1 to %d, or auto, not '%s'", RESOLVER_WORKERS_MAX,
			argument);
		return -EINVAL;
	}
	options->workers = (unsigned)number;
	return 0;
}

static int take_verbose(const char *argument, struct resolver_options *options)
{
	(void)argument;
	options->verbose = true;
	return 0;
}

static option_taker show_help, show_version;

static const struct option_row {
	const char *name;
	char letter;
	const char *argument; /* NULL: none */
	option_taker *take;
	const char *help;
} rows[] = {
	{"user", 'u', "USER", take_user, "whom the processes become (egress)"},
	{"workers", 'w', "N", take_workers,
		"processes that answer queries (1); auto: one a processor"},
	{"verbose", 'v', NULL, take_verbose, "log more"},
	{"help", 'h', NULL, show_help, "show this"},
	{"version", 'V', NULL, show_version, "show the version"},
};

enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

/* What standard output took is known only once it is flushed. */
static int finish_stdout(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 1;
	complain("cannot write to standard output: %s", strerror(errno));
	return -EIO;
}

static int show_help(const char *argument, struct resolver_options *options)
{
	(void)argument;
	(void)options;
	fputs("Usage: " PROGRAM " [OPTION] POLICY\n"
	      "Answer DNS queries as an egress policy (egress-policy(5)) permits, and open what "
	      "is\n"
	      "answered in its loaded ruleset.\n\n",
		stdout);
	for (size_t i = 0; i < N_ROWS; i++)
		printf("  -%c, --%-8s%-6s%s\n", rows[i].letter, rows[i].name,
			rows[i].argument ? rows[i].argument : "", rows[i].help);
	fputs("\nSIGHUP reads the policy again; SIGTERM and SIGINT end it.\n"
	      "Exit status: 0 ended as told, 1 the policy is wrong, 2 usage, 3 the system "
	      "refused.\n",
		stdout);
	return finish_stdout();
}

static int show_version(const char *argument, struct resolver_options *options)
{
	(void)argument;
	(void)options;
	printf(PROGRAM " (egress) %s\n", PACKAGE_VERSION);
	return finish_stdout();
}

/* The rows as getopt_long(3) takes them. */
static void list_options(struct option long_options[N_ROWS + 1], char letters[2 * N_ROWS + 1])
{
	for (size_t i = 0; i < N_ROWS; i++) {
		long_options[i] = (struct option){
			.name = rows[i].name,
			.has_arg = rows[i].argument ? required_argument : no_argument,
			.val = rows[i].letter,
		};
		*letters++ = rows[i].letter;
		if (rows[i].argument)
			*letters++ = ':';
	}
	long_options[N_ROWS] = (struct option){0};
	*letters = '\0';
}

static int take_option(int letter, struct resolver_options *options)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (rows[i].letter == letter)
			return rows[i].take(optarg, options);
	return -EINVAL;
}

/* 0, -errno, or 1 when there is nothing more to do. */
static int read_options(int argc, char **argv, struct resolver_options *options)
{
	struct option long_options[N_ROWS + 1];
	char letters[2 * N_ROWS + 1];
	int letter;

	list_options(long_options, letters);
	while ((letter = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
		int result = take_option(letter, options);

		if (result != 0)
			return result;
	}
	if (argc - optind != 1) {
		complain(argc == optind ? "no policy given" : "more than one policy given");
		return -EINVAL;
	}
	options->policy = argv[optind];
	return 0;
}

int main(int argc, char **argv)
{
	struct resolver_options options = {.program = PROGRAM, .user = "egress", .workers = 1};
	int result = read_options(argc, argv, &options);

	if (result > 0)
		return EXIT_SUCCESS;
	if (result == -EINVAL)
		fputs("Try '" PROGRAM " --help'.\n", stderr);
	if (result < 0)
		return RESOLVER_USAGE;
	log_start(PROGRAM, NULL, options.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	return resolver_run(&options);
}
