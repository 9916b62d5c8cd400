/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_MAIN_H
#define EGRESS_RESOLVER_MAIN_H

#include <stdbool.h>
#include <stddef.h>

#define RESOLVER_WORKERS_MAX 64

/* What the program ends with. */
enum resolver_status {
	RESOLVER_OK = 0,
	RESOLVER_POLICY = 1, /* the policy is wrong */
	RESOLVER_USAGE = 2,
	RESOLVER_KERNEL = 3, /* the system refused */
};

struct resolver_options {
	const char *program;          /* as it is called in the log */
	const char *policy;           /* path of the policy file */
	const char *const *overrides; /* paths, in order */
	size_t n_overrides;
	const char *const *profile_dirs; /* looked in before the installed profiles */
	size_t n_profile_dirs;
	const char *added;  /* path of a policy whose entries are added; NULL: none */
	bool own_namespace; /* rules/adapt.h: adapt_to_namespace(); never reads the policy again */
	const char *cgroup; /* rules/adapt.h: adapt_to_cgroup(); NULL: as the policy says */
	bool observe;       /* rules/adapt.h: adapt_to_observe() */
	int porter;         /* where upstream sockets come from (src/kernel/porter.h); 0: its own */
	const char *control; /* path of the control socket; "none"; NULL: the usual one */
	const char *user;    /* whom the children become */
	int events_fd;       /* where records of all kinds go; 0: nowhere */
	const char *session; /* what they name this run; NULL: one is made */
	const char *state;   /* the folder where sessions are kept; NULL: nowhere */
	unsigned workers;    /* 1 to RESOLVER_WORKERS_MAX */
	size_t cache_bytes;  /* of each worker; 0: as many as is usual */
	bool verbose;
};

/* Serves the policy until SIGTERM or SIGINT. What went wrong has been logged. */
enum resolver_status resolver_run(const struct resolver_options *options);

#endif
