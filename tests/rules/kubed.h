/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_RULES_KUBED_H
#define EGRESS_TESTS_RULES_KUBED_H

#include <stdbool.h>

/*
 * Objects of Kubernetes, read from their YAML and asked as their documentation has it: what a pod
 * that they select may send. It shares nothing with what wrote them: addresses are inet_pton()'s,
 * names are matched by regular expressions.
 */
struct kubed;

/* Objects of one kind: NetworkPolicy, CiliumNetworkPolicy or ClusterNetworkPolicy. Ends the test
 * when the text is anything else, or has a key that it does not know. */
struct kubed *kubed_read(const char *yaml);
void kubed_free(struct kubed *kubed);

struct kubed_packet {
	const char *address;  /* "192.0.2.1", "2001:db8::1" */
	const char *name;     /* that it is an answer for; or NULL */
	const char *protocol; /* "TCP", "UDP", "SCTP", "ICMP" (echo request) or "other" */
	unsigned port;
};

bool kubed_permits(const struct kubed *kubed, const struct kubed_packet *packet);

/* Whether the cluster's DNS may be asked for the name. */
bool kubed_asks(const struct kubed *kubed, const char *name);

unsigned kubed_objects(const struct kubed *kubed);

#endif
