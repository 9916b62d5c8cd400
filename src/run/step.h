/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_STEP_H
#define EGRESS_RUN_STEP_H

#include <stdint.h>

/* What the tender and the warden say to each other while a run is set up, over a SOCK_SEQPACKET
 * pair, in this order. */
enum step_kind {
	STEP_ENTERED = 1, /* warden: the namespaces are there, without ids */
	STEP_MAPPED = 2,  /* tender: they have their ids */
	STEP_LINKING = 3, /* tender: `process` is about to make a link; 0: it is there */
	STEP_LINKED = 4,  /* tender: it has */
	STEP_READY = 5,   /* warden: the ruleset and the resolver are proven to work */
	STEP_FAILED = 6,  /* warden, in place of any of its own, or later: why */
	STEP_FINISH = 7,  /* tender, after STEP_READY: the resolver is to end and finish its
			     records */
};

#define STEP_TEXT 4000

struct step {
	uint32_t kind;
	int32_t process;
	char text[STEP_TEXT];
};

/* Two ends, closed on exec. 0 or -errno. */
int step_pair(int ret_ends[2]);

/* 0 or -errno: -EPIPE when the other side is gone. */
int step_send(int fd, const struct step *step);

/*
 * Waits at most `patience_ms` for the other side to say `kind`. 0; -ECANCELED when it said
 * STEP_FAILED, with its text in *ret_step; -EPIPE when it is gone; -ETIMEDOUT; -EPROTO for anything
 * else; or another -errno.
 */
int step_await(int fd, enum step_kind kind, int patience_ms, struct step *ret_step);

#endif
