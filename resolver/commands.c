/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "resolver/commands-own.h"
#include "resolver/crew.h"
#include "src/base/json-parts.h"
#include "src/base/log.h"
#include "src/base/memstream.h"

/*
 * Theory of operation
 *
 * A connection of the console has one task at most, and a task is in one of these states:
 *
 *	resting   it has been answered; a listing is there to be gone on with
 *	queued    the keeper is to be asked
 *	asked     its reply is to come
 *	wanting   a reload is to begin
 *	reloading a reload has begun
 *
 * The keeper is asked CONTROL_OUT_MAX things at once, whoever has given up waiting for them. When
 * the crew is replaced its keeper's replies won't come any more, so the next one is asked all that
 * is out; only a listing that has begun is void. A keeper that says nothing for long is no reason
 * to let anybody wait: the task is answered without it.
 *
 * The last of the tasks is nobody's: a session whose time is over is ended by it as by a command.
 *
 * While a crew starts, its keeper reads what is open, and would put back what another one takes
 * away: leases are taken back before that or after it, by one keeper alone.
 */

enum {
	PATIENCE_MS = 15000,
	SHOWN_MAX = 64, /* leases of what is explained */
};

/* --- Answers --- */

static void drop(struct task *task)
{
	json_decref(task->root);
	task->root = NULL;
	task->leases = NULL;
	task->state = RESTING;
}

/* Answers with the object, which is taken over. */
void task_answer(
	struct commands *commands, struct task *task, enum console_status status, json_t *root)
{
	char *text = root ? json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	json_decref(root);
	drop(task);
	if (task == &commands->tasks[OWN_TASK])
		free(text);
	else
		console_answer(commands->console, task->ticket, status, text);
}

void task_refuse(struct commands *commands, struct task *task, enum console_status status,
	const char *problem)
{
	task_answer(commands, task, status, json_pack("{s:s}", "error", problem));
}

static void answer_root(struct commands *commands, struct task *task, enum console_status status)
{
	json_t *root = task->root;

	task->root = NULL;
	task_answer(commands, task, status, root);
}

/* The same with one more member, or another value of one. */
static void answer_root_with(struct commands *commands, struct task *task,
	enum console_status status, const char *key, json_t *value)
{
	task->root = json_parts_set(task->root, key, value);
	answer_root(commands, task, status);
}

/* What it means that the keeper could not do it. */
void task_refuse_for(struct commands *commands, struct task *task, const char *what, int error)
{
	char problem[256];

	snprintf(problem, sizeof(problem), "%s: %s", what, strerror(-error));
	task_refuse(commands, task, CONSOLE_REFUSED, problem);
}

/* --- The keeper --- */

/* To be sent when there is room. */
void task_ask_keeper(struct task *task, enum control_op op, struct mono now)
{
	task->request = (struct control_request){.op = op};
	task->state = QUEUED;
	task->until = mono_add(now, (struct duration){PATIENCE_MS});
}

/* Whether it takes something back, or gives it. */
static bool is_change(uint32_t op)
{
	return op != CONTROL_LIST && op != CONTROL_SESSION;
}

/* Sends what is queued. */
static void send_queued(struct commands *commands, const struct commands_view *view)
{
	for (unsigned i = 0; i < TASKS; i++) {
		struct task *task = &commands->tasks[i];
		bool changes = is_change(task->request.op);

		if (task->state != QUEUED || commands->n_out >= CONTROL_OUT_MAX || !view->crew ||
			(changes && view->changing))
			continue;
		task->request.ticket = ++commands->tickets;
		if (control_send_request(crew_control(view->crew), &task->request) != 0)
			return;
		task->state = ASKED;
		commands->n_out++;
		commands->n_changes += changes;
	}
}

/* Whether to do it twice is more than to do it once. */
static bool adds_up(uint32_t op)
{
	return op == CONTROL_SESSION_EXTEND;
}

/* Another keeper is to be asked what the one before was, but for what that may have added. */
static void notice_crew(struct commands *commands, const struct commands_view *view)
{
	if (commands->crew == view->n_crews)
		return;
	commands->crew = view->n_crews;
	commands->n_out = 0;
	commands->n_changes = 0;
	for (unsigned i = 0; i < TASKS; i++) {
		struct task *task = &commands->tasks[i];

		if (task->state != ASKED && task->state != QUEUED)
			continue;
		if (task->state == ASKED && adds_up(task->request.op)) {
			task_refuse(commands, task, CONSOLE_REFUSED,
				"the keeper has ended: \"egress-ctl session\" tells whether it was "
				"done");
			continue;
		}
		task->state = QUEUED;
		if (task->request.cursor != 0)
			task_refuse(commands, task, CONSOLE_AGAIN, "the resolver was reloaded");
	}
}

static void take_reply(struct commands *commands, const struct control_reply *reply,
	const struct commands_view *view)
{
	if (commands->n_out > 0)
		commands->n_out--;
	if (commands->n_changes > 0 && is_change(reply->op))
		commands->n_changes--;
	for (unsigned i = 0; i < TASKS; i++) {
		struct task *task = &commands->tasks[i];

		if (task->state != ASKED || task->request.ticket != reply->ticket ||
			task->request.op != reply->op || reply->count > CONTROL_LEASES)
			continue;
		task->row->reply(commands, task, reply, view);
		return;
	}
}

static void take_replies(struct commands *commands, const struct commands_view *view)
{
	struct control_reply reply;

	for (unsigned i = 0; i < CONTROL_OUT_MAX && view->crew; i++) {
		if (control_receive_reply(crew_control(view->crew), &reply) != 0)
			return;
		take_reply(commands, &reply, view);
	}
}

/* --- status --- */

static void begin_status(struct commands *commands, struct task *task,
	const struct commands_view *view, struct mono now)
{
	if (view->crew)
		task_ask_keeper(task, CONTROL_LIST, now);
	else
		task->row->reply(commands, task, NULL, view);
}

static void reply_status(struct commands *commands, struct task *task,
	const struct control_reply *reply, const struct commands_view *view)
{
	int64_t leases = reply && reply->status == 0 ? (int64_t)reply->total : -1;

	task_answer(commands, task, CONSOLE_DONE,
		commands_status(view, leases, &commands->last, (int64_t)time(NULL)));
}

/* --- leases --- */

/* Whether the lease is one that was asked for. */
static bool is_wanted(const struct task *task, const struct control_lease *lease)
{
	if (task->about_all)
		return true;
	if (task->about.is_address)
		return inaddr_compare(&task->about.address, &lease->address) == 0;
	return lease->name.length > 0 && name_equal(&task->about.name, &lease->name);
}

/* Adds those of a page that are wanted. */
static int take_page(
	struct task *task, const struct control_reply *page, const struct commands_view *view)
{
	for (uint32_t i = 0; i < page->count; i++) {
		if (!is_wanted(task, &page->leases[i]))
			continue;
		if (json_array_append_new(
			    task->leases, commands_lease(view->compiled->plan, &page->leases[i],
						  task->flows_known)) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void next_page(struct task *task, uint64_t cursor)
{
	task->request.cursor = cursor;
	task->request.flows = 0;
	task->state = QUEUED;
}

/* 0: the page is taken; 1: it has to be asked for again; or -errno. */
static int try_page(
	struct task *task, const struct control_reply *reply, const struct commands_view *view)
{
	if (reply->status == 0)
		return take_page(task, reply, view);
	if (!task->flows_known || reply->status == -ESTALE)
		return reply->status;
	task->flows_known = false;
	next_page(task, 0);
	return 1;
}

/* A page of leases is an answer of its own. */
static int begin_page(struct task *task)
{
	task->leases = json_array();
	task->root = json_pack("{s:o}", "leases", task->leases);
	return task->root ? 0 : -ENOMEM;
}

static void begin_leases(struct commands *commands, struct task *task,
	const struct commands_view *view, struct mono now)
{
	task_ask_keeper(task, CONTROL_LIST, now);
	task->request.flows = 1;
	task->flows_known = true;
	task->crew = view->n_crews;
	if (begin_page(task) != 0)
		task_answer(commands, task, CONSOLE_REFUSED, NULL);
}

static void reply_leases(struct commands *commands, struct task *task,
	const struct control_reply *reply, const struct commands_view *view)
{
	int error = reply ? try_page(task, reply, view) : 0;

	if (!reply)
		task_refuse(commands, task, CONSOLE_REFUSED, TASK_NO_KEEPER);
	else if (error == -ESTALE)
		task_refuse(commands, task, CONSOLE_AGAIN, "the record was rearranged");
	else if (error < 0)
		task_refuse_for(commands, task, "the leases cannot be listed", error);
	if (!reply || error)
		return;
	task->request.cursor = reply->cursor;
	task->listing = reply->cursor != 0;
	if (task->listing && json_array_size(task->leases) == 0) {
		next_page(task, reply->cursor);
		return;
	}
	answer_root_with(commands, task, CONSOLE_DONE, "more", json_boolean(task->listing));
}

static void go_on(struct commands *commands, struct task *task, const struct commands_view *view,
	struct mono now)
{
	if (task->crew != view->n_crews) {
		task_refuse(commands, task, CONSOLE_AGAIN, "the resolver was reloaded");
		return;
	}
	task->until = mono_add(now, (struct duration){PATIENCE_MS});
	next_page(task, task->request.cursor);
	if (begin_page(task) != 0)
		task_answer(commands, task, CONSOLE_REFUSED, NULL);
}

/* --- why --- */

static void begin_why(struct commands *commands, struct task *task,
	const struct commands_view *view, struct mono now)
{
	bool permitted = false;
	json_t *why =
		commands_why(view->compiled, task->call.argument, task->call.json == 1, &permitted);

	task_ask_keeper(task, CONTROL_LIST, now);
	task->request.flows = 1;
	task->flows_known = true;
	task->denied = !permitted;
	task->leases = json_array();
	task->root = json_pack("{s:o, s:o}", task->call.json == 1 ? "explanation" : "text", why,
		"leases", task->leases);
	if (!task->root)
		task_answer(commands, task, CONSOLE_REFUSED, NULL);
}

static void reply_why(struct commands *commands, struct task *task,
	const struct control_reply *reply, const struct commands_view *view)
{
	int error = reply ? try_page(task, reply, view) : -ETIMEDOUT;
	enum console_status status = task->denied ? CONSOLE_DENIED : CONSOLE_DONE;

	if (error > 0)
		return;
	if (!error && reply->cursor != 0 && json_array_size(task->leases) < SHOWN_MAX) {
		next_page(task, reply->cursor);
		return;
	}
	/* What the policy says holds without. */
	if (error)
		answer_root_with(commands, task, status, "leases", json_null());
	else
		answer_root(commands, task, status);
}

/* --- revoke, flush --- */

static void begin_revoke(struct commands *commands, struct task *task,
	const struct commands_view *view, struct mono now)
{
	(void)commands;
	(void)view;
	task_ask_keeper(task, CONTROL_REVOKE, now);
	task->request.by = task->about.is_address ? CONTROL_BY_ADDRESS : CONTROL_BY_NAME;
	if (task->about.is_address)
		task->request.address = task->about.address;
	else
		task->request.name = task->about.name;
}

static void begin_flush(struct commands *commands, struct task *task,
	const struct commands_view *view, struct mono now)
{
	(void)commands;
	(void)view;
	task_ask_keeper(task, CONTROL_FLUSH, now);
}

static void reply_revoke(struct commands *commands, struct task *task,
	const struct control_reply *reply, const struct commands_view *view)
{
	(void)view;
	if (!reply)
		task_refuse(commands, task, CONSOLE_REFUSED, TASK_NO_KEEPER);
	else if (reply->status != 0)
		task_refuse_for(commands, task, "not all leases could be revoked", reply->status);
	else
		task_answer(commands, task, CONSOLE_DONE, commands_revoked(reply));
}

/* --- reload --- */

static void begin_reload(struct commands *commands, struct task *task,
	const struct commands_view *view, struct mono now)
{
	(void)view;
	(void)now;
	task->state = WANTING;
	commands->reload_wanted = true;
}

bool commands_want_reload(const struct commands *commands)
{
	return commands->reload_wanted;
}

bool commands_hold_crew(const struct commands *commands)
{
	return commands->n_changes > 0;
}

static void copy_line(void *context, enum log_level level, const char *line)
{
	struct commands *commands = context;

	if (commands->stream && level <= LOG_LEVEL_WARNING)
		fprintf(commands->stream, "%s\n", line);
}

FILE *commands_begin_reload(struct commands *commands)
{
	free(commands->text);
	commands->text = NULL;
	commands->stream = memstream_open(&commands->text, &commands->size);
	log_copy(copy_line, commands);
	commands->reload_wanted = false;
	for (unsigned i = 0; i < CONSOLE_CONNECTIONS; i++)
		if (commands->tasks[i].state == WANTING)
			commands->tasks[i].state = RELOADING;
	return commands->stream;
}

void commands_end_reload(struct commands *commands, bool done, const struct commands_view *view)
{
	const char *text = "";

	log_copy(NULL, NULL);
	if (commands->stream && fclose(commands->stream) == 0)
		text = commands->text;
	commands->stream = NULL;
	commands->last.count += done;
	commands->last.at = (int64_t)time(NULL);
	commands->last.done = done;
	for (unsigned i = 0; i < CONSOLE_CONNECTIONS; i++)
		if (commands->tasks[i].state == RELOADING)
			task_answer(commands, &commands->tasks[i],
				done ? CONSOLE_DONE : CONSOLE_REFUSED,
				commands_reloaded(view, done, text));
}

/* --- Calls --- */

static const struct row rows[] = {
	{CONSOLE_STATUS, false, false, true, false, begin_status, reply_status},
	{CONSOLE_LEASES, true, true, true, false, begin_leases, reply_leases},
	{CONSOLE_WHY, true, false, false, false, begin_why, reply_why},
	{CONSOLE_RELOAD, false, false, true, false, begin_reload, NULL},
	{CONSOLE_REVOKE, true, true, false, false, begin_revoke, reply_revoke},
	{CONSOLE_FLUSH, false, false, true, false, begin_flush, reply_revoke},
};

static const struct row *find_row(uint32_t command)
{
	for (size_t i = 0; i < commands_n_session_rows; i++)
		if (commands_session_rows[i].command == command)
			return &commands_session_rows[i];
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].command == command)
			return &rows[i];
	return NULL;
}

/* Reads what the command is about. What is wrong with it, or NULL. */
static const char *read_argument(struct task *task)
{
	const struct row *row = task->row;
	const char *argument = task->call.argument;

	task->about_all = argument[0] == '\0';
	if (row->words)
		return task->about_all ? "an argument is missing" : NULL;
	if (task->about_all)
		return row->all ? NULL : "a name or an address is missing";
	if (!row->names)
		return "the command takes no argument";
	if (destination_read(argument, &task->about) != 0)
		return row->alone ? "expected a name or an address"
				  : "expected a name or an address, with :PORT, and tcp/, udp/ or "
				    "icmp/ before it";
	if (row->alone &&
		(task->about.protocol != DESTINATION_ANY || task->about.port != DESTINATION_ANY))
		return "expected a name or an address, without a port";
	return NULL;
}

struct serving {
	struct commands *commands;
	const struct commands_view *view;
};

static void take_call(
	void *context, uint32_t ticket, const struct console_call *call, struct mono now)
{
	const struct serving *serving = context;
	struct commands *commands = serving->commands;
	struct task *task = &commands->tasks[console_index(ticket)];
	const char *problem;

	if (call->command == CONSOLE_MORE && task->ticket == ticket && task->listing) {
		task->listing = false;
		go_on(commands, task, serving->view, now);
		return;
	}
	drop(task);
	*task = (struct task){.ticket = ticket, .call = *call, .row = find_row(call->command)};
	problem = task->row ? read_argument(task) : "there is no such command";
	if (problem)
		task_refuse(commands, task, CONSOLE_WRONG, problem);
	else
		task->row->begin(commands, task, serving->view, now);
}

/* Forgets tasks that nobody waits for, and answers those that have waited for too long. */
static void see_to_tasks(
	struct commands *commands, const struct commands_view *view, struct mono now)
{
	for (unsigned i = 0; i < TASKS; i++) {
		struct task *task = &commands->tasks[i];

		if (task->state == RESTING)
			continue;
		/* A reload that was asked for takes place all the same. */
		if (i != OWN_TASK && !console_waits(commands->console, task->ticket))
			drop(task);
		else if ((task->state == QUEUED || task->state == ASKED) &&
			 !mono_before(now, task->until))
			task->row->reply(commands, task, NULL, view);
	}
}

void commands_serve(struct commands *commands, const struct pollfd *fds,
	const struct commands_view *view, struct mono now)
{
	struct serving serving = {commands, view};

	notice_crew(commands, view);
	if (fds[CONSOLE_POLLED].revents)
		take_replies(commands, view);
	if (commands->console)
		console_serve(commands->console, fds, now, take_call, &serving);
	see_to_tasks(commands, view, now);
	send_queued(commands, view);
}

/* --- Beginning and end --- */

int commands_new(struct commands **ret_commands)
{
	struct commands *commands = calloc(1, sizeof(*commands));

	if (!commands)
		return -ENOMEM;
	*ret_commands = commands;
	return 0;
}

void commands_free(struct commands *commands)
{
	if (!commands)
		return;
	for (unsigned i = 0; i < TASKS; i++)
		drop(&commands->tasks[i]);
	if (commands->stream)
		commands_end_reload(commands, false, NULL);
	console_close(commands->console);
	free(commands->text);
	free(commands);
}

int commands_listen(struct commands *commands, const char *path, const char *policy)
{
	char usual[sizeof(CONSOLE_FOLDER) + 256], problem[CONSOLE_PROBLEM];
	struct console *console;
	int error;

	if (path && strcmp(path, "none") == 0)
		return 0;
	snprintf(usual, sizeof(usual), "%s/%s%s", CONSOLE_FOLDER, policy, CONSOLE_SUFFIX);
	if (commands->console && (path || strcmp(console_path(commands->console), usual) == 0))
		return 0;
	error = console_open(path ? path : usual, geteuid(), !path, &console, problem);
	if (error && path)
		log_error("no control socket: %s", problem);
	else if (error)
		log_warning("no control socket, so egress-ctl cannot ask: %s", problem);
	if (error)
		return error;
	if (commands->console)
		for (unsigned i = 0; i < CONSOLE_CONNECTIONS; i++)
			drop(&commands->tasks[i]);
	console_close(commands->console);
	commands->console = console;
	return 0;
}

void commands_poll(
	struct commands *commands, const struct commands_view *view, struct pollfd *ret_fds)
{
	for (unsigned i = 0; i < COMMANDS_POLLED; i++)
		ret_fds[i] = (struct pollfd){.fd = -1};
	notice_crew(commands, view);
	commands_see_to_session(commands, view, clock_now());
	send_queued(commands, view);
	if (commands->console)
		console_poll(commands->console, ret_fds);
	if (view->crew && commands->n_out > 0)
		ret_fds[CONSOLE_POLLED] =
			(struct pollfd){.fd = crew_control(view->crew), .events = POLLIN};
}

int commands_wait(
	const struct commands *commands, const struct commands_view *view, struct mono now)
{
	int wait = commands_session_wait(commands, view, now);
	int console = commands->console ? console_wait(commands->console, now) : -1;

	if (console >= 0 && (wait < 0 || console < wait))
		wait = console;
	for (unsigned i = 0; i < TASKS; i++) {
		const struct task *task = &commands->tasks[i];
		int64_t left = mono_between(now, task->until).ms;

		if (task->state != QUEUED && task->state != ASKED)
			continue;
		left = left < 0 ? 0 : left;
		wait = wait < 0 || left < wait ? (int)left : wait;
	}
	return wait;
}
