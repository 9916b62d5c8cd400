/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_CHILD_H
#define EGRESS_RESOLVER_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "src/base/log.h"

/* What the parent's children have in common. */

/*
 * In a child that was just forked: it logs under its role, keeps the standard descriptors and those
 * given, sorting them, and leaves signals to the parent. Ends the process if that fails. Both
 * strings must stay.
 */
void child_begin(
	const char *program, const char *role, enum log_level level, int *fds, size_t n_fds);

/* Processor time that a process has used, in milliseconds; 0 of one that is no more, or none. */
uint64_t child_cpu_ms(pid_t pid);

/* The same of this process and all children that have ended. */
uint64_t child_ended_cpu_ms(void);

/* Logs how a child ended that was not asked to. */
void child_log_end(const char *role, pid_t pid, int status);

#endif
