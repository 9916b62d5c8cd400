/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_ALLOW_H
#define EGRESS_RUN_ALLOW_H

#include <stddef.h>

/* What a command line adds to a policy: destinations, and profiles. */
struct allow {
	const char *const *destinations;
	size_t n_destinations;
	const char *const *profiles;
	size_t n_profiles;
};

/*
 * Writes it as a policy (to be freed): an entry for each destination, which is a host as
 * egress-policy(5) has it, an address, a prefix or a range of addresses, with "tcp/", "udp/" or
 * "icmp/" before it and ":PORTS" behind it where the default, tcp/443, is not meant; an IPv6
 * address with ports is in brackets. Whether the parts are well-formed is for who reads the policy,
 * but nothing in them can end their string. 0; -EINVAL with the word in *ret_bad that can't be
 * written; or -ENOMEM.
 */
int allow_write(const struct allow *allow, char **ret_text, size_t *ret_size, const char **ret_bad);

#endif
