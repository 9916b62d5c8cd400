/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_SESSION_H
#define EGRESS_RUN_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "src/run/stage.h"
#include "src/run/tend.h"

struct run_policies;
struct run_request;

/* What a run's command reaches: its event records are read while it runs, and told at the end. */
struct run_session;

/* The exit status that says that something was refused. */
#define RUN_REFUSED 77

/* 0 with NULL when nobody wants to know; or -errno, which has been said. */
int run_session_new(const struct run_request *request, const struct run_policies *policies,
	struct run_session **ret_session);

/* NULL is allowed, here and below. */
void run_session_free(struct run_session *session);

/* Where the records go, for the stage; -1: nowhere. */
int run_session_writer(const struct run_session *session);

/* The stage is set up, and the command about to start. */
void run_session_begin(struct run_session *session);

/* What is to be read while the command runs. */
struct tend_source run_session_source(struct run_session *session);

/* In place of a status: it was somebody else's process, or is there still. */
#define RUN_UNKNOWN (-1)

/*
 * The command has ended, with a status as waitpid(2) has it: tells what it was about, as the
 * request wants it. What goes wrong has been said. Whether something was refused, or may have been,
 * and the request makes a failure of that.
 */
bool run_session_finish(struct run_session *session, struct stage *stage, int status);

#endif
