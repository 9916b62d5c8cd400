/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/console-wire.h"
#include "src/base/fd.h"
#include "src/ctl-call.h"
#include "src/ctl-show.h"
#include "src/options.h"

enum {
	EXIT_NO = 1, /* the resolver says no */
	EXIT_USAGE = 2,
	EXIT_UNREACHED = 3,
	EXIT_DENIED = 4, /* why: the destination is not permitted */
};

enum { TRIES = 5 }; /* of a listing, when leases are being rearranged */

struct request {
	const char *path;
	const char *name;
	bool json;
	const struct task *task;
	char argument[CONSOLE_ARGUMENT]; /* "": none */
};

/* What can be asked. */
struct task {
	const char *word;     /* or two, with a space between */
	const char *argument; /* what it is called; NULL: takes none */
	const char *values;   /* and what it can be, as of struct command_task */
	int least, most;      /* arguments */
	enum console_command command;
	void (*show)(const json_t *answer, FILE *out); /* NULL: in pages, as leases */
};

#define EXTENDED "destinations connections bytes wildcard-names"

static const struct task tasks[] = {
	{"status", NULL, NULL, 0, 0, CONSOLE_STATUS, show_status},
	{"leases", "NAME or ADDRESS", "LEASE", 0, 1, CONSOLE_LEASES, NULL},
	{"why", "a DEST", "LEASE", 1, 1, CONSOLE_WHY, show_why},
	{"reload", NULL, NULL, 0, 0, CONSOLE_RELOAD, show_reload},
	{"revoke", "NAME or ADDRESS", "LEASE", 1, 1, CONSOLE_REVOKE, show_revoked},
	{"flush", NULL, NULL, 0, 0, CONSOLE_FLUSH, show_revoked},
	{"session show", NULL, NULL, 0, 0, CONSOLE_SESSION, show_session},
	{"session new", NULL, NULL, 0, 0, CONSOLE_SESSION_NEW, show_new_session},
	{"session extend", "KEY and AMOUNT", EXTENDED, 2, 3, CONSOLE_SESSION_EXTEND, show_session},
};

enum { N_TASKS = sizeof(tasks) / sizeof(tasks[0]) };

static int take_path(void *context, const struct option_row *row, const char *argument);
static int take_name(void *context, const struct option_row *row, const char *argument);
static int take_json(void *context, const struct option_row *row, const char *argument);

static const struct option_row rows[] = {
	{"socket", "PATH", "the resolver's control socket", take_path, 0, 's'},
	{"name", "NAME", "the policy's name; needed where there are several", take_name, 0, 'n'},
	{"json", NULL, "answers as JSON", take_json, 0, 'j'},
};

static const struct option_values values[] = {
	{"name", "RESOLVER", NULL},
};

static struct command_task task_at(size_t index);

static const struct command command = {
	.name = "egress-ctl",
	.operands = "COMMAND",
	.about = "Ask a running egress-resolver(8), or have it do something.\n\n"
		 "  status                  what is in force, and how the resolver is\n"
		 "  leases [NAME|ADDRESS]   which addresses are open, for what and how long\n"
		 "  why DEST                what the policy decides about DEST, and what is open\n"
		 "  reload                  read the policy again, and say what came of it\n"
		 "  revoke NAME|ADDRESS     close its addresses now, end connections to them\n"
		 "  flush                   close all addresses of names, forget all answers\n"
		 "  session show            what the running session has spent of its budget\n"
		 "  session new             end it, and begin the next one with a whole budget\n"
		 "  session extend KEY AMOUNT   more for this session: destinations,\n"
		 "                          wildcard-names, connections or bytes (\"2 GiB\")\n",
	.notes = "Exit status: 0 done, 1 the resolver says no, 2 usage, 3 no resolver reached;\n"
		 "with why 0 permitted, 4 refused.\n",
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(rows[0]),
	.values = values,
	.n_values = sizeof(values) / sizeof(values[0]),
	.task = task_at,
};

#define complain(...) options_complain(&command, __VA_ARGS__)

static int take_path(void *context, const struct option_row *row, const char *argument)
{
	(void)row;
	((struct request *)context)->path = argument;
	return 0;
}

static int take_name(void *context, const struct option_row *row, const char *argument)
{
	(void)row;
	((struct request *)context)->name = argument;
	return 0;
}

static int take_json(void *context, const struct option_row *row, const char *argument)
{
	(void)row;
	(void)argument;
	((struct request *)context)->json = true;
	return 0;
}

static struct command_task task_at(size_t index)
{
	if (index >= N_TASKS)
		return (struct command_task){NULL, NULL};
	return (struct command_task){tasks[index].word, tasks[index].values};
}

/* --- The command line --- */

/* How many of the operands are the task's words; 0: it is not asked for. */
static int match_task(const struct task *task, char **operands, int count)
{
	const char *space = strchr(task->word, ' ');
	size_t length = space ? (size_t)(space - task->word) : strlen(task->word);

	if (strlen(operands[0]) != length || memcmp(operands[0], task->word, length) != 0)
		return 0;
	if (!space)
		return 1;
	return count > 1 && strcmp(operands[1], space + 1) == 0 ? 2 : 0;
}

static const struct task *find_task(char **operands, int count, int *ret_words)
{
	for (size_t i = 0; i < N_TASKS; i++) {
		*ret_words = match_task(&tasks[i], operands, count);
		if (*ret_words > 0)
			return &tasks[i];
	}
	return NULL;
}

/* The arguments, with a space between. False: they have no room, or one is empty. */
static bool join(char *const *arguments, int count, char out[CONSOLE_ARGUMENT])
{
	size_t at = 0;

	out[0] = '\0';
	for (int i = 0; i < count; i++) {
		int length = snprintf(
			out + at, CONSOLE_ARGUMENT - at, "%s%s", i > 0 ? " " : "", arguments[i]);

		if (*arguments[i] == '\0' || length < 0 || (size_t)length >= CONSOLE_ARGUMENT - at)
			return false;
		at += (size_t)length;
	}
	return true;
}

/* 0 or -EINVAL, which has been said. */
static int take_operands(struct request *request, char **operands, int count)
{
	int n_words = 0;
	const struct task *task = count > 0 ? find_task(operands, count, &n_words) : NULL;
	int n_arguments = count - n_words;

	if (count == 0)
		complain("no command given");
	else if (!task && strcmp(operands[0], "session") == 0)
		complain("session takes show, new or extend");
	else if (!task)
		complain("there is no command '%s'", operands[0]);
	else if (n_arguments > 0 && !task->argument)
		complain("%s takes no argument", task->word);
	else if (n_arguments > task->most && task->most == 1)
		complain("%s takes one argument", task->word);
	else if (n_arguments > task->most || n_arguments < task->least)
		complain("%s takes %s", task->word, task->argument);
	else if (!join(operands + n_words, n_arguments, request->argument))
		complain("'%s' is no %s", operands[n_words],
			task->most == 1 ? "name and no address" : "argument");
	else if (request->path && request->name)
		complain("--socket and --name do not go together");
	else {
		request->task = task;
		return 0;
	}
	return -EINVAL;
}

/* --- The resolver --- */

/* 0 with the connection, or the status to end with. */
static int reach(const struct request *request, int *ret_fd)
{
	const char *path = request->path;
	char found[CTL_PATH], *names = NULL;
	int error = path ? 0 : ctl_find(request->name, found, &names);

	if (error == -ENOTUNIQ) {
		complain("there are several resolvers; --name says which one:\n%s", names);
		free(names);
		return EXIT_USAGE;
	}
	if (error == -EINVAL) {
		complain("'%s' is no policy's name", request->name ? request->name : "");
		return EXIT_USAGE;
	}
	if (error) {
		complain("there is no resolver's socket in %s", CONSOLE_FOLDER);
		return EXIT_UNREACHED;
	}
	path = path ? path : found;
	error = ctl_connect(path, ret_fd);
	if (error)
		complain("%s: %s", path,
			error == -ECONNREFUSED ? "no resolver listens there any more"
					       : strerror(-error));
	return error ? EXIT_UNREACHED : 0;
}

/* What the status of an answer means. */
static int exit_status(enum console_status status)
{
	static const int statuses[] = {
		[CONSOLE_DONE] = EXIT_SUCCESS,
		[CONSOLE_REFUSED] = EXIT_NO,
		[CONSOLE_WRONG] = EXIT_USAGE,
		[CONSOLE_AGAIN] = EXIT_NO,
		[CONSOLE_DENIED] = EXIT_DENIED,
	};

	return statuses[status];
}

static int complain_of_call(int error)
{
	complain("%s", error == -EPROTO   ? "what came is no answer; is the resolver of another "
					    "version?"
		       : error == -EAGAIN ? "the resolver does not answer"
					  : strerror(-error));
	return EXIT_UNREACHED;
}

static struct console_call call_of(const struct request *request, enum console_command wanted)
{
	struct console_call call = {
		.version = CONSOLE_VERSION, .command = wanted, .json = request->json};

	if (wanted != CONSOLE_MORE)
		memcpy(call.argument, request->argument, sizeof(call.argument));
	return call;
}

static int complain_of_memory(void)
{
	complain("%s", strerror(ENOMEM));
	return EXIT_NO;
}

/* The exit status: `status`, unless memory runs out. */
static int write_json(const json_t *answer, int status)
{
	const size_t flags = JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15);

	if (json_dumpf(answer, stdout, flags) != 0)
		return complain_of_memory();
	fputc('\n', stdout);
	return status;
}

/* Shows an answer that says no. The diagnostics of a reload speak for themselves. */
static int show_refusal(const struct request *request, const json_t *answer, int status)
{
	if (request->json)
		return write_json(answer, status);
	if (!json_object_get(answer, "said"))
		fprintf(stderr, "%s: ", command.name);
	show_error(answer, stderr);
	if (!json_object_get(answer, "said"))
		fputc('\n', stderr);
	return status;
}

static int run_once(const struct request *request, int fd)
{
	const struct console_call call = call_of(request, request->task->command);
	enum console_status status;
	json_t *answer;
	int error = ctl_call(fd, &call, &status, &answer), ended;

	if (error)
		return complain_of_call(error);
	ended = exit_status(status);
	if (status != CONSOLE_DONE && status != CONSOLE_DENIED)
		ended = show_refusal(request, answer, ended);
	else if (request->json)
		ended = write_json(answer, ended);
	else
		request->task->show(answer, stdout);
	json_decref(answer);
	return ended;
}

/* Pages until the last one. *ret_again: the listing was disturbed before anything of it was shown.
 */
static int list_pages(
	const struct request *request, int fd, struct lease_table *table, bool *ret_again)
{
	struct console_call call = call_of(request, request->task->command);
	bool more = true;

	while (more) {
		enum console_status status;
		json_t *answer;
		int error = ctl_call(fd, &call, &status, &answer);

		if (error)
			return complain_of_call(error);
		if (status != CONSOLE_DONE) {
			int ended = exit_status(status);

			*ret_again = status == CONSOLE_AGAIN && table->count == 0;
			if (!*ret_again)
				ended = show_refusal(request, answer, ended);
			json_decref(answer);
			return ended;
		}
		error = show_leases(table, answer, stdout);
		more = json_is_true(json_object_get(answer, "more"));
		json_decref(answer);
		if (error)
			return complain_of_memory();
		call = call_of(request, CONSOLE_MORE);
	}
	show_leases_end(table, stdout);
	return EXIT_SUCCESS;
}

static int run_listing(const struct request *request, int fd)
{
	int status = EXIT_NO;
	bool again = true;

	for (unsigned i = 0; i < TRIES && again; i++) {
		struct lease_table table = {.json = request->json};

		again = false;
		status = list_pages(request, fd, &table, &again);
		json_decref(table.held);
	}
	if (again)
		complain("the leases are being rearranged; try again");
	return status;
}

static int run(const struct request *request)
{
	CLEANUP_FD int fd = -1;
	int status = reach(request, &fd);

	if (status != 0)
		return status;
	status = request->task->show ? run_once(request, fd) : run_listing(request, fd);
	return options_finish_stdout(&command) == 0 ? status : EXIT_NO;
}

int main(int argc, char **argv)
{
	struct request request = {.json = false};
	int first = 0, count = 0;
	int result = options_read_operands(&command, argc, argv, &request, &first, &count);

	if (result == 0)
		result = take_operands(&request, argv + first, count);
	if (result == 0)
		return run(&request);
	return result == -EINVAL ? EXIT_USAGE : result < 0 ? EXIT_NO : EXIT_SUCCESS;
}
