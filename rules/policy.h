/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_POLICY_H
#define EGRESS_RULES_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/clock.h"
#include "src/base/diag.h"
#include "src/base/inaddr.h"
#include "src/base/name.h"

/*
 * A policy as it was written, checked key by key: the names of the file, nothing computed. All of
 * it lies in the arena it was loaded into.
 */

enum protocol { PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_ICMP_ECHO };

/* Ports of one protocol, first to last; 0 to 0 for PROTOCOL_ICMP_ECHO. */
struct port_range {
	enum protocol protocol;
	uint16_t first;
	uint16_t last;
};

enum host_kind {
	HOST_EXACT,     /* api.example.com */
	HOST_ONE_LABEL, /* *.example.com: exactly one label before `wire` */
	HOST_ANY_DEPTH, /* **.example.com: one label or more before `wire` */
};

/* A host of an entry: `wire` is a name's wire form (src/base/name.h) without the wildcard label. */
struct host {
	enum host_kind kind;
	uint8_t length;
	const uint8_t *wire;
	struct place place;
};

struct address_range {
	struct range range;
	struct place place;
};

/* One [[allow]] table. */
struct entry {
	const char *id; /* "allow-3": the third of its file */
	struct host *hosts;
	size_t n_hosts;
	struct address_range *addresses;
	size_t n_addresses;
	struct port_range *ports; /* never empty */
	size_t n_ports;
	const char *category; /* NULL when absent */
	const char *reason;   /* NULL when absent */
	struct place place;   /* of the table's head */
};

/* [dns.hosts]: a name answered from the policy itself. */
struct embedded_host {
	struct name name;
	struct inaddr *addresses;
	size_t n_addresses;
	struct place place;
};

struct dns_policy {
	struct endpoint *listen;
	size_t n_listen;
	struct endpoint *upstream; /* UDP, with TCP as its fallback; may be none */
	size_t n_upstream;
	struct embedded_host *hosts;
	size_t n_hosts;
	struct duration min_lease;
	struct duration max_lease;
	struct duration grace;
};

struct policy {
	const char *file;
	const char *name; /* "default" when absent */
	struct entry *allow;
	size_t n_allow;
	unsigned block; /* bits of enum address_class */
	struct dns_policy dns;
	uint16_t nflog_group;
};

#endif
