/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_RESOLVCONF_H
#define EGRESS_RESOLVER_RESOLVCONF_H

#include <stdbool.h>
#include <stddef.h>

#include "rules/policy.h"

/* The system's own DNS servers (resolv.conf(5)), for policies that name none. */

#define RESOLVCONF_PATH "/etc/resolv.conf"

/* Where systemd-resolved lists the servers that it asks itself. */
#define RESOLVCONF_BEHIND_PATH "/run/systemd/resolve/resolv.conf"

/* The servers of a text in their order, each once; the first DNS_SERVERS_MAX. Returns how many. */
size_t resolvconf_parse(struct text text, struct dns_server ret_servers[DNS_SERVERS_MAX]);

/* The servers of the file `path`; in place of the stub resolver of systemd-resolved those of the
 * file `behind`, if it has any. 0 with the servers, or -errno of reading `path`. */
int resolvconf_read(const char *path, const char *behind,
	struct dns_server ret_servers[DNS_SERVERS_MAX], size_t *ret_count);

/* Whether there is a server that is no stub resolver of systemd-resolved: that one is asked only
 * while it lists none itself. */
bool resolvconf_is_settled(const struct dns_server *servers, size_t count);

/* Whether they are the same addresses in the same order. */
bool resolvconf_equal(
	const struct dns_server *a, size_t n_a, const struct dns_server *b, size_t n_b);

#endif
