/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_KUBE_NAMES_H
#define EGRESS_RULES_KUBE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/compile.h"
#include "rules/kube.h"

struct arena;
struct losses;

/* The names that a policy permits, for targets that know names. */

/* A host as a target has it. */
struct kube_name {
	const char *text;
	uint64_t groups; /* of ports, on which it is permitted: bit 1 << group */
};

struct kube_names {
	struct kube_name *names; /* in the order of `groups` */
	size_t n_names;
	struct kube_rules denied; /* addresses that no answer for them may have, on their ports */
};

/*
 * How a target writes a host: its text, which may be in the arena, and in *ret_kind the wildcard
 * that it is there, which may be wider than the host's own. NULL: it has no way to.
 */
typedef const char *kube_name_writer(
	struct arena *arena, const struct host *host, enum host_kind *ret_kind);

/*
 * What entries permit by name, as the target writes it, and the losses of that: hosts and patterns
 * that it cannot write, wildcards that are wider there, what is refused within one, and addresses
 * that some of the names on a port may have and others not. A policy
 * that permits what it doesn't mention has none, since its addresses are open without a name. 0,
 * -E2BIG (more wildcards cross each other than can be compared) or -ENOMEM.
 */
int kube_names_make(struct arena *arena, const struct compiled *compiled, kube_name_writer *write,
	struct losses *losses, struct kube_names *ret_names);

/* The first behind `first` that is permitted in other groups than that one, or their number. */
size_t kube_names_alike(const struct kube_names *names, size_t first);

/* Whether there are names that pods may ask for. */
bool kube_names_want_dns(const struct kube_names *names, const struct layers *layers);

#endif
