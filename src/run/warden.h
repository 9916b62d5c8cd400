/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RUN_WARDEN_H
#define EGRESS_RUN_WARDEN_H

#include "src/run/stage.h"

/*
 * The process that keeps the namespaces of a run: it makes them, has them given their ids, loads
 * the ruleset, starts the resolver, proves both, and ends them when the other end of `tender` is
 * closed, whatever has become of the tender. `asker` is what the resolver asks for sockets by.
 * Never returns.
 */
void warden_run(const struct stage_config *config, int tender, int asker) __attribute__((noreturn));

#endif
