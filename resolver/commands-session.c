/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/commands-own.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "resolver/guard.h"
#include "resolver/watching.h"
#include "rules/reading.h"
#include "src/base/log.h"
#include "src/base/text.h"

/*
 * Theory of operation
 *
 * What a session has spent is known to three: the keeper has what the kernel counts, the guard the
 * names under wildcards, and the watcher what was recorded. A new session begins at the keeper;
 * when that has been done the others follow. A ceiling is raised by who holds to it, and the
 * watcher is told.
 *
 * Where [budget] has a window the keeper is asked when the session began, once for each crew, and
 * told to begin the next one when the time is over. When that fails it is tried again.
 */

enum { RETRY_MS = 10000 };

/* What can be extended. */
static const struct key {
	const char *word;
	enum session_key key;
	enum spent_key spent; /* SPENT_KEYS: the guard counts it */
	bool is_size;
} keys[] = {
	{"destinations", SESSION_KEY_DESTINATIONS, SPENT_DESTINATIONS, false},
	{"connections", SESSION_KEY_CONNECTIONS, SPENT_CONNECTIONS, false},
	{"bytes", SESSION_KEY_BYTES, SPENT_BYTES, true},
	{"wildcard-names", SESSION_KEY_WILDCARD_NAMES, SPENT_KEYS, false},
	{"wildcard_names", SESSION_KEY_WILDCARD_NAMES, SPENT_KEYS, false},
};

enum { N_KEYS = sizeof(keys) / sizeof(keys[0]) };

#define WHICH_KEYS "expected destinations, connections, bytes or wildcard-names, and an amount"

/* --- show --- */

static void begin_show(struct commands *commands, struct task *task,
	const struct commands_view *view, struct mono now)
{
	if (view->crew)
		task_ask_keeper(task, CONTROL_SESSION, now);
	else
		task->row->reply(commands, task, NULL, view);
}

static void reply_show(struct commands *commands, struct task *task,
	const struct control_reply *reply, const struct commands_view *view)
{
	task_answer(commands, task, CONSOLE_DONE,
		commands_session(view, reply ? &reply->session : NULL));
}

/* --- new --- */

static void begin_new(struct commands *commands, struct task *task,
	const struct commands_view *view, struct mono now)
{
	(void)commands;
	(void)view;
	task_ask_keeper(task, CONTROL_SESSION_NEW, now);
}

/* The kernel's part is done. */
static void follow(struct commands *commands, const struct control_reply *reply,
	const struct commands_view *view)
{
	guard_new_session(view->guard);
	watching_note_names(view->watching, view->guard);
	watching_new_session(view->watching);
	commands->began = reply->session.began;
}

static void reply_new(struct commands *commands, struct task *task,
	const struct control_reply *reply, const struct commands_view *view)
{
	if (!reply) {
		task_refuse(commands, task, CONSOLE_REFUSED, TASK_NO_KEEPER);
	} else if (reply->status != 0) {
		task_refuse_for(commands, task, "no new session begins", reply->status);
	} else {
		follow(commands, reply, view);
		task_answer(commands, task, CONSOLE_DONE, commands_new_session(reply));
	}
}

/* --- extend --- */

/* "destinations 20" or "bytes 2 GiB". False: it is neither. */
static bool read_extension(const char *argument, const struct key **ret_key, uint64_t *ret_amount)
{
	struct text word, amount;

	if (!text_cut(text_of(argument), ' ', &word, &amount))
		return false;
	for (size_t i = 0; i < N_KEYS; i++) {
		if (!text_is(word, keys[i].word))
			continue;
		*ret_key = &keys[i];
		return (keys[i].is_size ? reading_size(amount, ret_amount)
					: text_to_number(amount, UINT32_MAX, ret_amount)) == 0 &&
		       *ret_amount > 0;
	}
	return false;
}

/* It was done, or why not. */
static void end_extension(struct commands *commands, struct task *task, int error,
	const struct control_reply *reply, const struct commands_view *view)
{
	const struct key *key = NULL;
	char problem[256];
	uint64_t amount;

	/* It was read before. */
	if (!read_extension(task->call.argument, &key, &amount)) {
		task_refuse(commands, task, CONSOLE_WRONG, WHICH_KEYS);
	} else if (error == -ENODATA) {
		snprintf(problem, sizeof(problem),
			"the policy's [budget] has no ceiling for %s that could be raised",
			key->word);
		task_refuse(commands, task, CONSOLE_REFUSED, problem);
	} else if (error == -ERANGE) {
		task_refuse(commands, task, CONSOLE_REFUSED,
			"that is more than can be counted; nothing has changed");
	} else if (error == -EOPNOTSUPP) {
		task_refuse(commands, task, CONSOLE_REFUSED,
			"this kernel does not change the size of a set that is in use, as Linux "
			"6.5 and later do; nothing has changed");
	} else if (error) {
		task_refuse_for(commands, task, "the session is not extended", error);
	} else {
		watching_extend(view->watching, key->key, amount);
		watching_note_names(view->watching, view->guard);
		task_answer(commands, task, CONSOLE_DONE,
			commands_session(view, reply ? &reply->session : NULL));
	}
}

static void begin_extend(struct commands *commands, struct task *task,
	const struct commands_view *view, struct mono now)
{
	const struct key *key;
	uint64_t amount;

	if (!read_extension(task->call.argument, &key, &amount)) {
		task_refuse(commands, task, CONSOLE_WRONG, WHICH_KEYS);
	} else if (key->spent == SPENT_KEYS) {
		int error = guard_extend(view->guard, amount);

		if (!error)
			log_info("this session may have %llu more names under each wildcard",
				(unsigned long long)amount);
		/* Answers that were refused are remembered, and the figures are the keeper's. */
		if (error)
			end_extension(commands, task, error, NULL, view);
		else
			task_ask_keeper(task, CONTROL_FORGET, now);
	} else {
		task_ask_keeper(task, CONTROL_SESSION_EXTEND, now);
		task->request.key = key->spent;
		task->request.amount = amount;
	}
}

static void reply_extend(struct commands *commands, struct task *task,
	const struct control_reply *reply, const struct commands_view *view)
{
	bool done = task->request.op == CONTROL_FORGET;

	if (!reply && !done)
		task_refuse(commands, task, CONSOLE_REFUSED, TASK_NO_KEEPER);
	else
		end_extension(commands, task, done ? 0 : reply->status, reply, view);
}

const struct row commands_session_rows[] = {
	{CONSOLE_SESSION, false, false, true, false, begin_show, reply_show},
	{CONSOLE_SESSION_NEW, false, false, true, false, begin_new, reply_new},
	{CONSOLE_SESSION_EXTEND, false, false, false, true, begin_extend, reply_extend},
};

const size_t commands_n_session_rows =
	sizeof(commands_session_rows) / sizeof(commands_session_rows[0]);

/* --- The window --- */

static struct duration window_of(const struct commands_view *view)
{
	return view->compiled->layers->budget.window;
}

static void reply_began(struct commands *commands, struct task *task,
	const struct control_reply *reply, const struct commands_view *view)
{
	if (reply && reply->status == 0) {
		commands->began = reply->session.began;
		commands->began_crew = view->n_crews;
	}
	task_answer(commands, task, CONSOLE_DONE, NULL);
}

static void reply_over(struct commands *commands, struct task *task,
	const struct control_reply *reply, const struct commands_view *view)
{
	if (reply && reply->status == 0)
		follow(commands, reply, view);
	task_answer(commands, task, CONSOLE_DONE, NULL);
}

static const struct row began_row = {.reply = reply_began}, over_row = {.reply = reply_over};

/* Seconds until the session is over; 0: it is. */
static int64_t seconds_left(const struct commands *commands, const struct commands_view *view)
{
	int64_t left = commands->began + window_of(view).ms / 1000 - (int64_t)time(NULL);

	return left > 0 ? left : 0;
}

void commands_see_to_session(
	struct commands *commands, const struct commands_view *view, struct mono now)
{
	struct task *task = &commands->tasks[OWN_TASK];
	bool known = commands->began > 0 && commands->began_crew == view->n_crews;

	if (window_of(view).ms == 0 || !view->crew || task->state != RESTING ||
		mono_before(now, commands->retry_at) || (known && seconds_left(commands, view) > 0))
		return;
	task->row = known ? &over_row : &began_row;
	task_ask_keeper(task, known ? CONTROL_SESSION_NEW : CONTROL_SESSION, now);
	commands->retry_at = mono_add(now, (struct duration){RETRY_MS});
}

int commands_session_wait(
	const struct commands *commands, const struct commands_view *view, struct mono now)
{
	int64_t ms = mono_between(now, commands->retry_at).ms;

	/* A task has its own time. */
	if (window_of(view).ms == 0 || !view->crew || commands->tasks[OWN_TASK].state != RESTING)
		return -1;
	if (commands->began > 0 && commands->began_crew == view->n_crews) {
		int64_t left = seconds_left(commands, view) * 1000;

		ms = left > ms ? left : ms;
	}
	return ms < 0 ? 0 : ms < INT32_MAX ? (int)ms : INT32_MAX;
}
