/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_COMMANDS_OWN_H
#define EGRESS_RESOLVER_COMMANDS_OWN_H

#include <jansson.h>
#include <stdbool.h>

#include "resolver/channel.h"
#include "resolver/commands-json.h"
#include "resolver/commands.h"
#include "rules/destination.h"

/* What the files of struct commands share: commands.c, tasks and most of them; commands-session.c,
 * those about the running session. */

enum state { RESTING, QUEUED, ASKED, WANTING, RELOADING };

/* Those of the console, and the last one is the resolver's own. */
enum { OWN_TASK = CONSOLE_CONNECTIONS, TASKS };

struct task {
	enum state state;
	uint32_t ticket; /* the console's; 0: none yet */
	const struct row *row;
	struct mono until;
	struct console_call call;
	struct destination about; /* what the argument names */
	bool about_all;           /* it names nothing */
	struct control_request request;
	bool listing;     /* there are more pages */
	unsigned crew;    /* whose pages they are */
	json_t *root;     /* the answer so far */
	json_t *leases;   /* part of it */
	bool denied;      /* CONSOLE_WHY */
	bool flows_known; /* the system tells connections */
};

struct commands {
	struct console *console; /* NULL: there is none */
	struct task tasks[TASKS];
	uint32_t tickets;   /* the keeper's */
	unsigned n_out;     /* that the keeper has not answered */
	unsigned n_changes; /* of these, those that take leases back */
	unsigned crew;      /* that was asked */
	bool reload_wanted;
	int64_t began;        /* the running session, in seconds since 1970; 0: not known */
	unsigned began_crew;  /* that has said so */
	struct mono retry_at; /* nothing is done about a session that is over before */

	/* The reload that is going on, or was last. */
	FILE *stream;
	char *text;
	size_t size;
	struct reload_record last;
};

/* How a command is served. */
struct row {
	enum console_command command;
	bool names; /* the argument names something; else it is empty */
	bool alone; /* that has no port and no protocol */
	bool all;   /* or it may be empty */
	bool words; /* the argument is read by `begin` */
	/* Makes the keeper's request, or answers at once. */
	void (*begin)(struct commands *commands, struct task *task,
		const struct commands_view *view, struct mono now);
	/* Takes the keeper's reply, or NULL when none will come. */
	void (*reply)(struct commands *commands, struct task *task,
		const struct control_reply *reply, const struct commands_view *view);
};

#define TASK_NO_KEEPER "the processes that serve the policy do not answer; try again"

/* Answer with the object, which is taken over; or that it was not done. */
void task_answer(
	struct commands *commands, struct task *task, enum console_status status, json_t *root);
void task_refuse(struct commands *commands, struct task *task, enum console_status status,
	const char *problem);

/* What it means that the keeper could not do it. */
void task_refuse_for(struct commands *commands, struct task *task, const char *what, int error);

/* To be sent when there is room. */
void task_ask_keeper(struct task *task, enum control_op op, struct mono now);

/* The commands about the running session. */
extern const struct row commands_session_rows[];
extern const size_t commands_n_session_rows;

/* Does what is due: a session that is over, by [budget] window, is followed by the next one. How
 * long, in milliseconds, nothing will be; -1: for ever. */
void commands_see_to_session(
	struct commands *commands, const struct commands_view *view, struct mono now);
int commands_session_wait(
	const struct commands *commands, const struct commands_view *view, struct mono now);

#endif
