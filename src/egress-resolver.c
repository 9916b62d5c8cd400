/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/main.h"
#include "src/base/log.h"
#include "src/base/text.h"
#include "src/options.h"

static int take_user(void *context, const struct option_row *row, const char *argument);
static int take_workers(void *context, const struct option_row *row, const char *argument);
static int take_verbose(void *context, const struct option_row *row, const char *argument);

static const struct option_row rows[] = {
	{"user", "USER", "whom the processes become (egress)", take_user, 0, 'u'},
	{"workers", "N", "processes that answer queries (1); auto: one a processor", take_workers,
		0, 'w'},
	{"verbose", NULL, "log more", take_verbose, 0, 'v'},
};

static const struct command command = {
	.name = "egress-resolver",
	.about = "Answer DNS queries as an egress policy (egress-policy(5)) permits, and open what "
		 "is\n"
		 "answered in its loaded ruleset.\n",
	.notes = "SIGHUP reads the policy again; SIGTERM and SIGINT end it.\n"
		 "Exit status: 0 ended as told, 1 the policy is wrong, 2 usage, 3 the system "
		 "refused.\n",
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(rows[0]),
};

static int take_user(void *context, const struct option_row *row, const char *argument)
{
	struct resolver_options *options = context;

	(void)row;
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

static int take_workers(void *context, const struct option_row *row, const char *argument)
{
	struct resolver_options *options = context;
	uint64_t number;

	if (strcmp(argument, "auto") == 0) {
		options->workers = count_processors();
		return 0;
	}
	if (text_to_number(text_of(argument), RESOLVER_WORKERS_MAX, &number) < 0 || number == 0) {
		options_complain(&command, "--%s: expected 1 to %d, or auto, not '%s'", row->name,
			RESOLVER_WORKERS_MAX, argument);
		return -EINVAL;
	}
	options->workers = (unsigned)number;
	return 0;
}

static int take_verbose(void *context, const struct option_row *row, const char *argument)
{
	struct resolver_options *options = context;

	(void)row;
	(void)argument;
	options->verbose = true;
	return 0;
}

int main(int argc, char **argv)
{
	struct resolver_options options = {.program = command.name, .user = "egress", .workers = 1};
	int result = options_read(&command, argc, argv, &options, &options.policy);

	if (result != 0)
		return result == -EINVAL ? RESOLVER_USAGE
		       : result < 0      ? RESOLVER_KERNEL
					 : EXIT_SUCCESS;
	log_start(command.name, NULL, options.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	return resolver_run(&options);
}
