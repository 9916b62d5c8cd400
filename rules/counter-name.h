/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_COUNTER_NAME_H
#define EGRESS_RULES_COUNTER_NAME_H

/* How the kernel's counter of what a rule refuses, or reports, is called. */

/* As much of a rule id as there is in a log prefix, and in a counter's name. */
#define COUNTER_ID 81
#define COUNTER_NAME (COUNTER_ID + 16)

/* The counters of connections that a rule permits and that are reported: those that are flagged,
 * and all of them where [audit] says so. And of those that are permitted, reported or not. */
#define COUNTER_FLAG "flag"
#define COUNTER_ALLOW "allow"
#define COUNTER_PERMIT "permit"

/* "o1.default-deny" of the id "o1:default-deny", into `out`, which it returns. */
const char *counter_name(const char *id, char out[COUNTER_NAME]);

/* The id behind a counter's name, into `out`, which it returns. */
const char *counter_id(const char *name, char out[COUNTER_ID]);

#endif
