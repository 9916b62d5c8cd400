/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_DESTINATION_H
#define EGRESS_RULES_DESTINATION_H

#include <stdbool.h>

#include "src/base/inaddr.h"
#include "src/base/name.h"

/* Any protocol, or any port. */
#define DESTINATION_ANY (-1)

/* What somebody asks about: a name or an address, and ports of it. */
struct destination {
	bool is_address;
	struct inaddr address;
	struct name name;
	int protocol; /* enum protocol, or DESTINATION_ANY */
	int port;     /* of TCP or UDP, or DESTINATION_ANY */
};

/*
 * NAME, NAME:PORT, ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT, each with an optional "tcp/", "udp/" or
 * "icmp/" before it ("udp/ntp.example.com:123", "icmp/192.0.2.1"); a port alone is one of TCP. What
 * programs may take for an address, but policies don't ("0x7f.1", "0177.0.0.1"), is neither. 0 or
 * -EINVAL.
 */
int destination_read(const char *string, struct destination *ret_destination);

/* "api.example.com tcp/443" into `out` (DESTINATION_TEXT bytes); returns `out`. */
#define DESTINATION_TEXT (NAME_TEXT + 32)
const char *destination_to_text(const struct destination *destination, char *out);

#endif
