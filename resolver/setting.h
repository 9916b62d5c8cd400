/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_SETTING_H
#define EGRESS_RESOLVER_SETTING_H

#include <stdbool.h>
#include <stdio.h>

#include "resolver/main.h"
#include "resolver/outlet.h"
#include "rules/compile.h"

struct anchors;
struct arena;
struct guard;
struct listeners;
struct scrape_socket;
struct system_servers;
struct tls_trust;

/* A policy as it was in its files at one moment, with all that serving it takes, and the sockets it
 * is served on. */
struct setting {
	struct arena *arena;
	struct compiled compiled;
	struct guard *guard;
	struct tls_trust *trust;
	struct anchors *anchors; /* NULL: none are needed */
	struct listeners *listeners;
	struct system_servers *servers; /* NULL: the policy is not short of any */
	struct outlets outlets;         /* of [audit] */
	struct scrape_socket *scraped;  /* of [metrics]; NULL: there is none */
};

/*
 * Reads the policy, opens its sockets and finds its ruleset. Of `old`, which may be NULL, listening
 * sockets are kept that both have, and what has been spent of budgets that both have. What is wrong
 * is logged; what the compiler has to say goes to `copy` as well, unless that is NULL.
 */
enum resolver_status setting_make(const struct resolver_options *options, const struct setting *old,
	FILE *copy, struct setting **ret_setting);

/* NULL is allowed. */
void setting_free(struct setting *setting);

/* Whether it asks the system's servers, and there were none yet but systemd-resolved's stub. */
bool setting_awaits_servers(const struct setting *setting);

/* Of one that awaits some: whether the system has others than it had, once for each change. */
bool setting_has_new_servers(struct setting *setting);

#endif
