/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run-options.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#include "src/base/text.h"
#include "src/run/find.h"

static int take_word(void *context, const struct option_row *row, const char *argument)
{
	struct run_request *request = context;

	if (request->words[row->value]) {
		run_complain("--%s is given twice", row->name);
		return -EINVAL;
	}
	request->words[row->value] = argument;
	return 0;
}

static int take_item(void *context, const struct option_row *row, const char *argument)
{
	struct run_request *request = context;

	request->lists[row->value][request->n_lists[row->value]++] = argument;
	return 0;
}

static int take_flag(void *context, const struct option_row *row, const char *argument)
{
	struct run_request *request = context;

	(void)argument;
	request->flags[row->value] = true;
	return 0;
}

static const struct option_row rows[] = {
	{"policy", "FILE", "the policy; else " FIND_NAME " here or above, or the user's", take_word,
		RUN_POLICY, 'p'},
	{"override", "FILE", "a policy that narrows it; any number", take_item, RUN_OVERRIDE, 0},
	{"profile", "NAME", "a profile's entries are permitted, too", take_item, RUN_PROFILE, 0},
	{"profile-dir", "DIR", "look for profiles in DIR first", take_item, RUN_PROFILE_DIR, 0},
	{"allow", "DEST", "permit DEST as well: NAME or ADDRESS, with :PORT", take_item, RUN_ALLOW,
		'a'},
	{"publish", "PORT", "forward the host's PORT in; [ADDRESS:]PORT[:INNER],...", take_item,
		RUN_PUBLISH, 0},
	{"loopback", "PORT", "let it reach PORT of the host's loopback, and nothing else of it",
		take_item, RUN_LOOPBACK, 0},
	{"link", "HOW", "how it is linked: veth (root), pasta or any", take_word, RUN_LINK, 0},
	{"observe", NULL, "refuse nothing that the policy refuses, but tell of it", take_flag,
		RUN_OBSERVE, 0},
	{"pid", "PID", "observe a process that runs already, in place of a command", take_word,
		RUN_PID, 0},
	{"save-policy", "FILE", "write a policy of what was reached", take_word, RUN_SAVE, 0},
	{"report", "FILE", "write a report: FILE.html, FILE.json, else text", take_item, RUN_REPORT,
		0},
	{"fail-on-refusal", NULL, "end with status 77 if anything was refused", take_flag, RUN_FAIL,
		0},
	{"quiet", NULL, "no summary at the end", take_flag, RUN_QUIET, 'q'},
	{"user", "USER", "root: run as this user", take_word, RUN_USER, 'u'},
	{"wait", NULL, "wait for what the command leaves behind, too", take_flag, RUN_WAIT, 'w'},
	{"verbose", NULL, "show what the resolver logs", take_flag, RUN_VERBOSE, 'v'},
};

static const struct option_values values[] = {
	{"link", "any veth pasta", NULL},
	{"override", "POLICY", NULL},
	{"policy", "POLICY", NULL},
	{"profile", "PROFILE", NULL},
};

const struct command run_options = {
	.name = "egress-run",
	.operands = "[--] COMMAND [ARGUMENT]... | --pid PID",
	.runs = true,
	.about = "Run a command that reaches what an egress policy (egress-policy(5)) permits, "
		 "and nothing\n"
		 "else. Takes no privileges.\n",
	.notes = "Exit status: the command's, or 125 when it was not run, 126 when it can't be "
		 "executed,\n"
		 "127 when there is none; with --fail-on-refusal 77 when anything was refused.\n",
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(rows[0]),
	.values = values,
	.n_values = sizeof(values) / sizeof(values[0]),
};

/* What makes sense for a process that is only observed. */
static int take_process(struct run_request *request, bool has_command)
{
	const struct {
		bool given;
		const char *what;
	} others[] = {
		{has_command, "a command"},
		{request->words[RUN_USER], "--user"},
		{request->words[RUN_LINK], "--link"},
		{request->n_lists[RUN_PUBLISH] > 0, "--publish"},
		{request->n_lists[RUN_LOOPBACK] > 0, "--loopback"},
		{request->n_lists[RUN_OVERRIDE] > 0, "--override, which could refuse something"},
		{request->flags[RUN_WAIT], "--wait"},
	};
	uint64_t number;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (!others[i].given)
			continue;
		run_complain("--pid only observes: it does not go with %s", others[i].what);
		return -EINVAL;
	}
	if (text_to_number(text_of(request->words[RUN_PID]), INT_MAX, &number) < 0 || number == 0) {
		run_complain("--pid: '%s' is no number of a process", request->words[RUN_PID]);
		return -EINVAL;
	}
	request->process = (pid_t)number;
	request->flags[RUN_OBSERVE] = true;
	return 0;
}

int run_read_options(int argc, char **argv, struct run_request *ret_request)
{
	int first = 0, count = 0, result = 0;

	*ret_request = (struct run_request){.arguments = NULL};
	for (size_t i = 0; i < RUN_LISTS; i++) {
		ret_request->lists[i] = calloc((size_t)argc + 1, sizeof(char *));
		result = ret_request->lists[i] ? result : -ENOMEM;
	}
	if (result == 0)
		result = options_read_operands(
			&run_options, argc, argv, ret_request, &first, &count);
	ret_request->arguments = argv + first;
	if (result == 0 && ret_request->words[RUN_PID])
		return take_process(ret_request, count > 0);
	if (result == 0 && count == 0) {
		run_complain("no command given");
		result = -EINVAL;
	}
	return result;
}

void run_free_options(struct run_request *request)
{
	for (size_t i = 0; i < RUN_LISTS; i++)
		free(request->lists[i]);
}
