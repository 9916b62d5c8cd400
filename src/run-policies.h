/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_POLICIES_H
#define EGRESS_RUN_POLICIES_H

#include <stddef.h>

#include "rules/compile.h"
#include "rules/policy.h"

struct run_request;

/* The policies of a run, where they come from and what came of them. */
struct run_policies {
	struct arena *arena;
	char *path;       /* the base's file; NULL: there is none, its text follows */
	const char *text; /* ended by a NUL */
	char *added;      /* what the command line adds, as a policy; NULL: nothing */
	size_t added_size;
	struct dns_server servers[DNS_SERVERS_MAX];
	size_t n_servers;
	struct compiled compiled;
};

/* Finds, reads and compiles them. 0, or -errno, which has been said; *ret_policies is to be freed
 * in each case. */
int run_read_policies(const struct run_request *request, struct run_policies *ret_policies);

void run_free_policies(struct run_policies *policies);

#endif
