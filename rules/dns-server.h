/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_DNS_SERVER_H
#define EGRESS_RULES_DNS_SERVER_H

#include "rules/policy.h"

/*
 * A server of [dns] upstream: "udp://ADDRESS:PORT", without the port (53) and the scheme too, or
 * "tls://ADDRESS:PORT#WHO", without the port (853) too, where WHO is the name in the server's
 * certificate, or "pin-sha256=BASE64" up to DNS_PINS_MAX times with commas between. 0, or -EINVAL
 * with *ret_problem, to be put after the quoted string.
 */
int dns_server_from_text(struct text text, struct dns_server *ret_server, const char **ret_problem);

/* "192.0.2.53:53", "tls://9.9.9.9:853#dns.quad9.net", as logs call it; into `out`
 * (DNS_SERVER_TEXT bytes); returns `out`. */
#define DNS_SERVER_TEXT (INADDR_TEXT + NAME_TEXT + 8)
const char *dns_server_to_text(const struct dns_server *server, char *out);

#endif
