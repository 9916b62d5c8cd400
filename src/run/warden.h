/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_WARDEN_H
#define EGRESS_RUN_WARDEN_H

#include "src/run/stage.h"

/* Its ends of what it speaks to other processes by; it closes them. -1: none. */
struct warden_ends {
	int tender;              /* src/run/step.h */
	int asker;               /* what the resolver asks for sockets by (src/kernel/porter.h) */
	int published_porter;    /* where it is asked for sockets to what is published */
	int loopback_asker;      /* what those to the host's loopback are asked for by */
	const struct veth *veth; /* the link, if it is one */
};

/*
 * The process that keeps the namespaces of a run: it makes them, has them given their ids, loads
 * the ruleset, starts the resolver, proves both, and ends them when the other end of `tender` is
 * closed, whatever has become of the tender. Never returns.
 */
void warden_run(const struct stage_config *config, const struct warden_ends *ends)
	__attribute__((noreturn));

#endif
