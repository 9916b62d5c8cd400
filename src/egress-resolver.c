/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/main.h"
#include "rules/value.h"
#include "src/base/log.h"
#include "src/base/text.h"
#include "src/kernel/porter.h"
#include "src/options.h"

static int take_file(void *context, const struct option_row *row, const char *argument);
static int take_user(void *context, const struct option_row *row, const char *argument);
static int take_workers(void *context, const struct option_row *row, const char *argument);
static int take_cache(void *context, const struct option_row *row, const char *argument);
static int take_control(void *context, const struct option_row *row, const char *argument);
static int take_verbose(void *context, const struct option_row *row, const char *argument);
static int take_added(void *context, const struct option_row *row, const char *argument);
static int take_own_namespace(void *context, const struct option_row *row, const char *argument);
static int take_cgroup(void *context, const struct option_row *row, const char *argument);
static int take_observe(void *context, const struct option_row *row, const char *argument);
static int take_upstream(void *context, const struct option_row *row, const char *argument);
static int take_events(void *context, const struct option_row *row, const char *argument);
static int take_session(void *context, const struct option_row *row, const char *argument);
static int take_state(void *context, const struct option_row *row, const char *argument);

enum { OVERRIDE, PROFILE_DIR };

enum { CACHE_MIB_MAX = 8192, SESSION_MAX = 63 };

#define SESSION_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:_-"

static const struct option_row rows[] = {
	{"override", "FILE", "a policy that narrows POLICY; any number", take_file, OVERRIDE, 0},
	{"profile-dir", "DIR", "where profiles are looked for first; any number", take_file,
		PROFILE_DIR, 0},
	{"user", "USER", "whom the processes become (egress)", take_user, 0, 'u'},
	{"workers", "N", "processes that answer queries (1); auto: one a processor", take_workers,
		0, 'w'},
	{"cache", "MIB", "how much each of them remembers (16)", take_cache, 0, 'c'},
	{"control", "PATH", "where egress-ctl asks (/run/egress/NAME.sock); none: nowhere",
		take_control, 0, 0},
	{"add", "FILE", "a policy whose entries are added to POLICY's", take_added, 0, 0},
	{"own-namespace", NULL, "all of this network namespace is in scope", take_own_namespace, 0,
		0},
	{"scope-cgroup", "PATH", "one control group is in scope", take_cgroup, 0, 0},
	{"observe", NULL, "refuse nothing that POLICY refuses: record it", take_observe, 0, 0},
	{"upstream-fd", "FD", "whom to ask for sockets to upstream servers", take_upstream, 0, 0},
	{"events-fd", "FD", "where to record everything", take_events, 0, 0},
	{"session", "NAME", "what records name this run", take_session, 0, 0},
	{"state", "DIR", "where sessions are kept, or none", take_state, 0, 0},
	{"verbose", NULL, "log more", take_verbose, 0, 'v'},
};

static const struct option_values values[] = {
	{"add", "POLICY", NULL},
	{"control", "none FILE", NULL},
	{"override", "POLICY", NULL},
	{"scope-cgroup", "", NULL},
	{"state", "none DIR", NULL},
	{"workers", "auto", NULL},
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
	.values = values,
	.n_values = sizeof(values) / sizeof(values[0]),
};

/* What the options are read into; both lists have room for all arguments. */
struct request {
	struct resolver_options options;
	const char **files[2];
	size_t n_files[2];
};

static int take_file(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;

	request->files[row->value][request->n_files[row->value]++] = argument;
	return 0;
}

static int take_user(void *context, const struct option_row *row, const char *argument)
{
	struct resolver_options *options = &((struct request *)context)->options;

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
	struct resolver_options *options = &((struct request *)context)->options;
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

static int take_cache(void *context, const struct option_row *row, const char *argument)
{
	struct resolver_options *options = &((struct request *)context)->options;
	uint64_t number;

	if (text_to_number(text_of(argument), CACHE_MIB_MAX, &number) < 0 || number == 0) {
		options_complain(&command, "--%s: expected 1 to %d, not '%s'", row->name,
			CACHE_MIB_MAX, argument);
		return -EINVAL;
	}
	options->cache_bytes = (size_t)number << 20;
	return 0;
}

static int take_control(void *context, const struct option_row *row, const char *argument)
{
	struct resolver_options *options = &((struct request *)context)->options;

	(void)row;
	options->control = argument;
	return 0;
}

static int take_verbose(void *context, const struct option_row *row, const char *argument)
{
	struct resolver_options *options = &((struct request *)context)->options;

	(void)row;
	(void)argument;
	options->verbose = true;
	return 0;
}

static int take_added(void *context, const struct option_row *row, const char *argument)
{
	struct resolver_options *options = &((struct request *)context)->options;

	(void)row;
	options->added = argument;
	return 0;
}

static int take_own_namespace(void *context, const struct option_row *row, const char *argument)
{
	struct resolver_options *options = &((struct request *)context)->options;

	(void)row;
	(void)argument;
	options->own_namespace = true;
	return 0;
}

static int take_cgroup(void *context, const struct option_row *row, const char *argument)
{
	struct resolver_options *options = &((struct request *)context)->options;
	const char *problem;

	if (value_cgroup(text_of(argument), &problem) < 0) {
		options_complain(&command, "--%s: '%s' %s", row->name, argument, problem);
		return -EINVAL;
	}
	options->cgroup = argument;
	return 0;
}

static int take_observe(void *context, const struct option_row *row, const char *argument)
{
	struct resolver_options *options = &((struct request *)context)->options;

	(void)row;
	(void)argument;
	options->observe = true;
	return 0;
}

static int take_upstream(void *context, const struct option_row *row, const char *argument)
{
	struct resolver_options *options = &((struct request *)context)->options;
	uint64_t number;

	if (text_to_number(text_of(argument), INT_MAX, &number) < 0 || number <= STDERR_FILENO ||
		porter_adopt((int)number) < 0) {
		options_complain(&command, "--%s: '%s' is no descriptor of a socket to ask",
			row->name, argument);
		return -EINVAL;
	}
	options->porter = (int)number;
	return 0;
}

/* Whether something can be written there. */
static bool is_writable(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

static int take_events(void *context, const struct option_row *row, const char *argument)
{
	struct resolver_options *options = &((struct request *)context)->options;
	uint64_t number;

	if (text_to_number(text_of(argument), INT_MAX, &number) < 0 || number == 0 ||
		!is_writable((int)number)) {
		options_complain(
			&command, "--%s: '%s' is no descriptor to write to", row->name, argument);
		return -EINVAL;
	}
	options->events_fd = (int)number;
	return 0;
}

/* It stands in records, and has to be told apart from others by people. */
static int take_session(void *context, const struct option_row *row, const char *argument)
{
	struct resolver_options *options = &((struct request *)context)->options;
	size_t length = strlen(argument);

	if (length == 0 || length > SESSION_MAX || strspn(argument, SESSION_CHARS) != length) {
		options_complain(&command, "--%s: expected 1 to %d letters, digits or '.:_-'",
			row->name, SESSION_MAX);
		return -EINVAL;
	}
	options->session = argument;
	return 0;
}

static int take_state(void *context, const struct option_row *row, const char *argument)
{
	struct resolver_options *options = &((struct request *)context)->options;

	(void)row;
	options->state = argument;
	return 0;
}

/* The folder that the service manager has made for it, the first of them, malloc'ed; NULL if there
 * is none. 0 or -ENOMEM. */
static int given_state(char **ret_folder)
{
	const char *folders = getenv("STATE_DIRECTORY");

	*ret_folder = folders && *folders ? strndup(folders, strcspn(folders, ":")) : NULL;
	return folders && *folders && !*ret_folder ? -ENOMEM : 0;
}

static enum resolver_status serve(struct request *request)
{
	struct resolver_options *options = &request->options;
	char *given = NULL;
	enum resolver_status status;

	if (!options->state && given_state(&given) != 0) {
		options_complain(&command, "out of memory");
		return RESOLVER_KERNEL;
	}
	if (given)
		options->state = given;
	else if (options->state && strcmp(options->state, "none") == 0)
		options->state = NULL;
	options->overrides = request->files[OVERRIDE];
	options->n_overrides = request->n_files[OVERRIDE];
	options->profile_dirs = request->files[PROFILE_DIR];
	options->n_profile_dirs = request->n_files[PROFILE_DIR];
	log_start(command.name, NULL, options->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	status = resolver_run(options);
	free(given);
	return status;
}

int main(int argc, char **argv)
{
	struct request request = {
		.options = {.program = command.name, .user = "egress", .workers = 1}};
	int result = 0;

	for (unsigned i = 0; i < 2; i++) {
		request.files[i] = calloc((size_t)argc + 1, sizeof(char *));
		result = request.files[i] ? result : -ENOMEM;
	}
	if (result != 0)
		options_complain(&command, "out of memory");
	else
		result = options_read(&command, argc, argv, &request, &request.options.policy);
	if (result == 0)
		result = (int)serve(&request);
	else
		result = result == -EINVAL ? RESOLVER_USAGE
			 : result < 0      ? RESOLVER_KERNEL
					   : RESOLVER_OK;
	for (unsigned i = 0; i < 2; i++)
		free(request.files[i]);
	return result;
}
