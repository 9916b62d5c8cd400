/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/audit-tasks.h"
#include "src/audit/tail.h"
#include "src/audit/telling.h"
#include "src/output.h"

enum { PAUSE_MS = 200 };

struct following {
	const struct audit_request *request;
	struct tail **tails;
	struct pollfd *pollers;
	bool colour;
};

static void take_line(void *context, const char *line, size_t size)
{
	const struct following *following = context;
	const struct audit_request *request = following->request;
	struct record record;

	if (!line || record_read(line, size, &record) != 0) {
		fputs("(a line that is no record)\n", stdout);
		return;
	}
	if (filter_takes(&request->filter, &record))
		telling_put(&record, request->n_logs > 1, following->colour, stdout);
	record_free(&record);
}

/* Waits for what can be waited for, and a little for files. False: nothing more can come. */
static bool wait_for_more(const struct following *following)
{
	const size_t count = following->request->n_logs;
	bool is_over = true;

	for (size_t i = 0; i < count; i++) {
		const struct tail *tail = following->tails[i];

		following->pollers[i] = (struct pollfd){.fd = -1, .events = POLLIN};
		if (tail_has_ended(tail))
			continue;
		is_over = false;
		following->pollers[i].fd = tail_descriptor(tail);
	}
	if (!is_over)
		(void)poll(following->pollers, count, PAUSE_MS);
	return !is_over;
}

/* As tail_take(), of all. */
static int take_all(struct following *following)
{
	int more = 0;

	for (size_t i = 0; i < following->request->n_logs; i++) {
		int result = 0;

		if (tail_is_ready(following->tails[i]))
			result = tail_take(following->tails[i], take_line, following);
		if (result < 0) {
			audit_complain("%s: %s", following->request->logs[i], strerror(-result));
			return result;
		}
		more |= result;
	}
	return more;
}

static int follow(struct following *following)
{
	int result;

	do {
		result = take_all(following);
		if (result < 0 || options_finish_stdout(&audit_options) != 0)
			return AUDIT_EXIT_FAILED;
	} while (result > 0 || wait_for_more(following));
	return EXIT_SUCCESS;
}

int audit_follow(struct audit_request *request)
{
	/* Who names a time wants what there was since then. */
	const bool from_end = !request->words[AUDIT_WORD_SINCE];
	struct following following = {
		.request = request,
		.tails = calloc(request->n_logs, sizeof(*following.tails)),
		.pollers = calloc(request->n_logs, sizeof(*following.pollers)),
		.colour = output_has_colour(STDOUT_FILENO),
	};
	int status = AUDIT_EXIT_FAILED;
	int error = following.tails && following.pollers ? 0 : -ENOMEM;

	for (size_t i = 0; i < request->n_logs && !error; i++)
		error = audit_open(request->logs[i], from_end, &following.tails[i]);
	if (!error)
		status = follow(&following);
	for (size_t i = 0; following.tails && i < request->n_logs; i++)
		tail_close(following.tails[i]);
	free(following.tails);
	free(following.pollers);
	return status;
}
