/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_NAMES_H
#define EGRESS_RUN_NAMES_H

#include <stddef.h>

#include "rules/policy.h"
#include "src/base/text.h"

/* What the C library of a confined command reads about the look-up of names. */

/* A resolv.conf(5) whose only server is this host's loopback, with the policy's search list. To be
 * freed. 0 or -ENOMEM. */
int names_resolv_conf(const struct dns_policy *dns, char **ret_text, size_t *ret_size);

/*
 * An nsswitch.conf(5) as it was, but that hosts are looked up in files, by myhostname if they were
 * before, and by DNS: no other service asks somebody outside. To be freed. 0 or -ENOMEM.
 */
int names_nsswitch(struct text before, char **ret_text, size_t *ret_size);

#endif
