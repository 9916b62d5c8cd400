/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_EXPLAIN_H
#define EGRESS_RULES_EXPLAIN_H

#include <stdbool.h>
#include <stdio.h>

#include "rules/compile.h"

/* What a policy says of a destination, as text. DEST is NAME, NAME:PORT, ADDRESS, ADDRESS:PORT,
 * [ADDRESS]:PORT, each with an optional "tcp/", "udp/" or "icmp/" before it
 * ("udp/ntp.example.com:123", "icmp/192.0.2.1"). Without a port: permitted on any port? 0 with
 * *ret_permitted, or -EINVAL for a DEST that is none. */
int explain(
	const struct compiled *compiled, const char *destination, FILE *out, bool *ret_permitted);

#endif
