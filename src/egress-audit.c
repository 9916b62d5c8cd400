/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rules/compile.h"
#include "src/audit-tasks.h"
#include "src/audit/tail.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/event/event.h"

#define ARENA_MAX ((size_t)8 << 30)

/* Of what a command may be given. */
enum audit_option {
	GIVES_FORM = 1 << 0,
	GIVES_HTML = 1 << 1,
	GIVES_OUTPUT = 1 << 2,
	GIVES_FILTER = 1 << 3,
	GIVES_POLICY = 1 << 4,
	GIVES_FILES = 1 << 5,
	GIVES_UNTIL = 1 << 6,
};

struct audit_task {
	const char *word;
	unsigned options; /* that it takes */
	bool single;      /* one file only */
	int (*run)(struct audit_request *request);
};

static const struct audit_task tasks[] = {
	{"report",
		GIVES_FORM | GIVES_HTML | GIVES_OUTPUT | GIVES_FILTER | GIVES_UNTIL | GIVES_POLICY |
			GIVES_FILES,
		false, audit_report},
	{"sessions", GIVES_FORM | GIVES_OUTPUT | GIVES_FILTER | GIVES_UNTIL | GIVES_POLICY, false,
		audit_sessions},
	{"follow", GIVES_FILTER | GIVES_POLICY, false, audit_follow},
	{"top", GIVES_FILTER | GIVES_POLICY, false, audit_top},
	{"baseline", GIVES_FORM | GIVES_OUTPUT, true, audit_baseline},
};

enum { N_TASKS = sizeof(tasks) / sizeof(tasks[0]) };

/* --- Options --- */

static int take_form(void *context, const struct option_row *row, const char *argument)
{
	struct audit_request *request = context;

	(void)argument;
	request->form = (enum audit_form)row->value;
	request->forms |= 1u << row->value;
	request->given |= row->value == AUDIT_HTML ? GIVES_HTML : GIVES_FORM;
	return 0;
}

static const unsigned options_of_words[AUDIT_WORDS] = {
	[AUDIT_WORD_SINCE] = GIVES_FILTER,
	[AUDIT_WORD_UNTIL] = GIVES_UNTIL,
	[AUDIT_WORD_POLICY] = GIVES_POLICY,
	[AUDIT_WORD_OUTPUT] = GIVES_OUTPUT,
};

static int take_word(void *context, const struct option_row *row, const char *argument)
{
	struct audit_request *request = context;

	if (request->words[row->value]) {
		audit_complain("--%s is given twice", row->name);
		return -EINVAL;
	}
	request->words[row->value] = argument;
	request->given |= options_of_words[row->value];
	return 0;
}

static int take_item(void *context, const struct option_row *row, const char *argument)
{
	struct audit_request *request = context;

	request->lists[row->value][request->n_lists[row->value]++] = argument;
	request->given |= GIVES_FILES;
	return 0;
}

enum { GLOB_SESSION, GLOB_NAME, GLOB_RULE, GLOB_CGROUP };

static int take_glob(void *context, const struct option_row *row, const char *argument)
{
	struct audit_request *request = context;
	const char **globs[] = {
		[GLOB_SESSION] = &request->filter.session,
		[GLOB_NAME] = &request->filter.name,
		[GLOB_RULE] = &request->filter.rule,
		[GLOB_CGROUP] = &request->filter.cgroup,
	};

	if (*globs[row->value]) {
		audit_complain("--%s is given twice", row->name);
		return -EINVAL;
	}
	*globs[row->value] = argument;
	request->given |= GIVES_FILTER;
	return 0;
}

static int take_kind(void *context, const struct option_row *row, const char *argument)
{
	struct audit_request *request = context;
	enum record_kind kind = argument ? record_kind_of(argument) : RECORD_ALERT;

	if (kind == RECORD_OTHER) {
		audit_complain("--%s: there is no kind '%s'", row->name, argument);
		return -EINVAL;
	}
	request->filter.kinds |= 1u << kind;
	request->given |= GIVES_FILTER;
	return 0;
}

static int take_verdict(void *context, const struct option_row *row, const char *argument)
{
	struct audit_request *request = context;
	enum verdict verdict;

	if (record_verdict_of(argument, &verdict) < 0) {
		audit_complain("--%s: '%s' is none of permit, flag, observe and refuse", row->name,
			argument);
		return -EINVAL;
	}
	request->filter.verdicts |= 1u << verdict;
	request->given |= GIVES_FILTER;
	return 0;
}

static const struct option_row rows[] = {
	{"html", NULL, "report as HTML: one file that needs nothing else", take_form, AUDIT_HTML,
		0},
	{"json", NULL, "as JSON", take_form, AUDIT_JSON, 'j'},
	{"text", NULL, "as text, which is the default", take_form, AUDIT_TEXT, 0},
	{"output", "FILE", "write to FILE; .html and .json say which form", take_word,
		AUDIT_WORD_OUTPUT, 'o'},
	{"policy", "POLICY", "only of this policy: its file, or its name", take_word,
		AUDIT_WORD_POLICY, 'p'},
	{"override", "FILE", "a policy that narrowed it; any number", take_item,
		AUDIT_LIST_OVERRIDE, 0},
	{"profile-dir", "DIR", "look for profiles in DIR first", take_item, AUDIT_LIST_PROFILE_DIR,
		0},
	{"since", "TIME", "only from TIME on: 2026-11-21T13:05, 13:05, 2h (ago); UTC", take_word,
		AUDIT_WORD_SINCE, 0},
	{"until", "TIME", "only before TIME", take_word, AUDIT_WORD_UNTIL, 0},
	{"session", "GLOB", "only of these sessions", take_glob, GLOB_SESSION, 's'},
	{"name", "GLOB", "only of these names, or addresses without a name", take_glob, GLOB_NAME,
		'n'},
	{"rule", "GLOB", "only by these rules", take_glob, GLOB_RULE, 'r'},
	{"cgroup", "GLOB", "only connections of these control groups", take_glob, GLOB_CGROUP, 0},
	{"kind", "KIND", "only such records: query, lease, connection, flow...", take_kind, 0, 'k'},
	{"verdict", "VERDICT", "only permit, flag, observe or refuse; any number", take_verdict, 0,
		0},
	{"alerts", NULL, "only alerts: --kind alert", take_kind, 0, 'a'},
};

static const char *kind_word(size_t index)
{
	return index < RECORD_OTHER ? record_kind_name((enum record_kind)index) : NULL;
}

static const struct option_values values[] = {
	{"kind", NULL, kind_word},
	{"override", "POLICY", NULL},
	{"verdict", "permit flag observe refuse", NULL},
};

static struct command_task task_at(size_t index)
{
	return (struct command_task){index < N_TASKS ? tasks[index].word : NULL, "FILE"};
}

const struct command audit_options = {
	.name = "egress-audit",
	.operands = "COMMAND LOG...",
	.about = "Show what event logs (egress-events(5)) tell; a LOG of - is standard input.\n\n"
		 "  report LOG...     what was reached and refused, by which rule, alerts, "
		 "budgets\n"
		 "  sessions LOG...   a table of sessions\n"
		 "  follow LOG...     records as they come, a line each\n"
		 "  top LOG...        the same as a screen of destinations, refusals, sessions\n"
		 "  baseline FILE     what a policy's earlier sessions are known for\n",
	.notes = "Exit status: 0 done, 1 something could not be read or written, 2 usage.\n",
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(rows[0]),
	.values = values,
	.n_values = sizeof(values) / sizeof(values[0]),
	.task = task_at,
};

/* --- What is asked --- */

static const struct audit_task *find_task(const char *word)
{
	for (size_t i = 0; i < N_TASKS; i++)
		if (strcmp(tasks[i].word, word) == 0)
			return &tasks[i];
	return NULL;
}

/* The name of an option that the command doesn't take; NULL: it takes all that were given. */
static const char *find_stray(const struct audit_request *request)
{
	static const struct {
		unsigned option;
		const char *name;
	} names[] = {
		{GIVES_FORM, "--json and --text"},
		{GIVES_HTML, "--html"},
		{GIVES_OUTPUT, "--output"},
		{GIVES_FILTER, "--since and other filters"},
		{GIVES_UNTIL, "--until"},
		{GIVES_POLICY, "--policy"},
		{GIVES_FILES, "--override and --profile-dir"},
	};
	const unsigned strays = request->given & ~request->task->options;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strays & names[i].option)
			return names[i].name;
	return NULL;
}

static int take_operands(struct audit_request *request, char **operands, int count)
{
	const struct audit_task *task = count > 0 ? find_task(operands[0]) : NULL;
	const char *stray;

	request->task = task;
	stray = task ? find_stray(request) : NULL;
	if (count == 0)
		audit_complain("no command given");
	else if (!task)
		audit_complain("there is no command '%s'", operands[0]);
	else if (count == 1)
		audit_complain("%s: no %s given", task->word, task->single ? "file" : "log");
	else if (task->single && count > 2)
		audit_complain("%s takes one file", task->word);
	else if (stray)
		audit_complain("%s does not take %s", task->word, stray);
	else if (request->forms & (request->forms - 1))
		audit_complain("--html, --json and --text do not go together");
	else if ((request->given & GIVES_FILES) && !request->words[AUDIT_WORD_POLICY])
		audit_complain("--override and --profile-dir go with --policy only");
	else {
		request->logs = operands + 1;
		request->n_logs = (size_t)count - 1;
		return 0;
	}
	return -EINVAL;
}

static int read_times(struct audit_request *request)
{
	const struct {
		enum audit_word word;
		const char *name;
		int64_t *at;
	} times[] = {
		{AUDIT_WORD_SINCE, "since", &request->filter.since},
		{AUDIT_WORD_UNTIL, "until", &request->filter.until},
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		const char *text = request->words[times[i].word];

		if (text && filter_time(text, request->now, times[i].at) < 0) {
			audit_complain("--%s: '%s' is no time: expected 2026-11-21, "
				       "2026-11-21T13:05:02, 13:05, or 90s, 2h, 7d ago",
				times[i].name, text);
			return -EINVAL;
		}
	}
	return 0;
}

/* What the name of the file that is written says. */
static void choose_form(struct audit_request *request)
{
	static const struct {
		const char *suffix;
		enum audit_form form;
	} forms[] = {{".html", AUDIT_HTML}, {".json", AUDIT_JSON}};
	const char *path = request->words[AUDIT_WORD_OUTPUT];
	const char *suffix = path ? strrchr(path, '.') : NULL;

	for (size_t i = 0; suffix && request->forms == 0 && i < sizeof(forms) / sizeof(forms[0]);
		i++)
		if (strcmp(suffix, forms[i].suffix) == 0 &&
			(forms[i].form != AUDIT_HTML || (request->task->options & GIVES_HTML)))
			request->form = forms[i].form;
}

/* --- The policy --- */

/* For records whose policy isn't at hand. */
static const char nobodys[] = "version = 1\nname = \"any\"\n";

static int compile(struct audit_request *request, const char *path)
{
	const struct compile_options options = {
		.policy = path ? path : "the policy",
		.text = path ? NULL : nobodys,
		.size = path ? 0 : sizeof(nobodys) - 1,
		.overrides = request->lists[AUDIT_LIST_OVERRIDE],
		.n_overrides = request->n_lists[AUDIT_LIST_OVERRIDE],
		.profile_dirs = request->lists[AUDIT_LIST_PROFILE_DIR],
		.n_profile_dirs = request->n_lists[AUDIT_LIST_PROFILE_DIR],
	};
	struct diag *diag = diag_new(request->arena);
	int error =
		diag ? compile_layers(request->arena, &options, diag, &request->layers) : -ENOMEM;

	if (diag && error)
		diag_print(diag, stderr);
	if (error && error != -EINVAL)
		audit_complain("%s: %s", options.policy, strerror(-error));
	request->unread = !path;
	return error;
}

static bool is_file_name(const char *policy)
{
	const char *suffix = strrchr(policy, '.');

	return strchr(policy, '/') || (suffix && strcmp(suffix, ".toml") == 0);
}

/* A name stands for the file that has it among the system's policies, if there is one. 0, or
 * -errno, which has been said. */
static int read_policy(struct audit_request *request)
{
	const char *policy = request->words[AUDIT_WORD_POLICY];
	const bool is_file = policy && is_file_name(policy);
	char path[PATH_MAX];
	int error = arena_new(ARENA_MAX, &request->arena);

	if (error) {
		audit_complain("%s", strerror(-error));
		return error;
	}
	if (policy && !is_file) {
		request->filter.policy = policy;
		snprintf(path, sizeof(path), "%s/%s.toml", EGRESS_POLICY_DIR, policy);
		if (access(path, R_OK) < 0)
			policy = NULL;
		else
			policy = path;
	}
	error = compile(request, policy);
	if (!error && is_file)
		request->filter.policy = request->layers->layers[0].policy->name;
	return error;
}

/* --- For all commands --- */

int audit_open(const char *path, bool from_end, struct tail **ret_tail)
{
	int error = tail_open(path, from_end, ret_tail);

	if (error)
		audit_complain("%s: %s", path, strerror(-error));
	return error;
}

static int read_request(int argc, char **argv, struct audit_request *request)
{
	int first = 0, count = 0, result;

	for (size_t i = 0; i < AUDIT_LISTS; i++) {
		request->lists[i] = calloc((size_t)argc + 1, sizeof(char *));
		if (!request->lists[i]) {
			audit_complain("%s", strerror(ENOMEM));
			return -ENOMEM;
		}
	}
	result = options_read_operands(&audit_options, argc, argv, request, &first, &count);
	if (result == 0)
		result = take_operands(request, argv + first, count);
	if (result == 0)
		result = read_times(request);
	if (result == 0)
		choose_form(request);
	return result;
}

int main(int argc, char **argv)
{
	struct audit_request request = {.filter.until = INT64_MAX, .now = event_time()};
	int result = read_request(argc, argv, &request);
	int status = result == -EINVAL ? AUDIT_EXIT_USAGE
		     : result < 0      ? AUDIT_EXIT_FAILED
				       : EXIT_SUCCESS;

	if (result == 0)
		status = read_policy(&request) == 0 ? request.task->run(&request)
						    : AUDIT_EXIT_FAILED;
	arena_free(request.arena);
	for (size_t i = 0; i < AUDIT_LISTS; i++)
		free(request.lists[i]);
	return status;
}
