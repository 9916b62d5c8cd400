/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_POLICY_H
#define EGRESS_RULES_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "src/base/clock.h"
#include "src/base/diag.h"
#include "src/base/inaddr.h"
#include "src/base/name.h"

/*
 * A policy as it was written, checked key by key: the names of the file, nothing computed. All of
 * it lies in the arena it was loaded into.
 */

/* PROTOCOL_OTHER is whatever is none of the others: no entry names it, but one without `ports` may
 * have it. */
enum protocol { PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_ICMP_ECHO, PROTOCOL_OTHER };

/* Ports of one protocol, first to last; 0 to 0 for protocols without ports. */
struct port_range {
	enum protocol protocol;
	uint16_t first;
	uint16_t last;
};

enum host_kind {
	HOST_EXACT,     /* api.example.com */
	HOST_ONE_LABEL, /* *.example.com: exactly one label before `wire` */
	HOST_ANY_DEPTH, /* **.example.com: one label or more before `wire` */
	HOST_GLOB,      /* api-*.example.com, **.s3-*.example.com: see rules/host.h */
};

/*
 * A host of an entry. `wire` is in a name's wire form (src/base/name.h): the name; without the
 * wildcard label for HOST_ONE_LABEL and HOST_ANY_DEPTH; for HOST_GLOB all labels as written, with
 * the '*' in them.
 */
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

/* A host_pattern. */
struct pattern;

/* A file of destinations. */
struct list;

enum action { ACTION_ALLOW, ACTION_DENY };

/* "600/minute"; absent when count is 0. */
struct rate {
	uint32_t count;
	uint32_t seconds; /* 1, 60, 3600 or 86400 */
};

/* Which answers of a name are believed. */
enum believed {
	BELIEVED_PUBLIC, /* in no blocked class */
	BELIEVED_ANY,
	BELIEVED_LISTED, /* in one of the ranges */
};

/* One [[allow]] or [[deny]] table. */
struct entry {
	enum action action;
	const char *id;      /* "allow-3": the third of its file; "npm:allow-3" of a profile */
	const char *profile; /* that brought it, or NULL */
	struct host *hosts;
	size_t n_hosts;
	struct address_range *addresses;
	size_t n_addresses;
	struct pattern **patterns;
	size_t n_patterns;
	struct list **lists;
	size_t n_lists;
	bool all_ports;           /* a deny without `ports`: every port of every protocol */
	struct port_range *ports; /* empty only with all_ports */
	size_t n_ports;
	double score; /* as written, or the default of its action and origin */
	enum believed believed;
	struct range *believed_ranges;
	size_t n_believed_ranges;
	struct rate connections;
	uint64_t bytes;                    /* 0: no limit */
	uint32_t wildcard_names;           /* 0: no limit of its own */
	struct rate wildcard_bytes;        /* the same */
	struct rate wildcard_answer_bytes; /* the same */
	int64_t expires;                   /* seconds since 1970; INT64_MAX: never */
	bool broad;
	bool dnssec;          /* only answers that validate are believed */
	const char *category; /* NULL when absent */
	const char *reason;   /* NULL when absent */
	struct place place;   /* of the table's head */
	struct place expires_place;
};

/* [dns.hosts]: a name answered from the policy itself. */
struct embedded_host {
	struct name name;
	struct inaddr *addresses;
	size_t n_addresses;
	struct place place;
};

enum { DNS_SERVERS_MAX = 8, DNS_PINS_MAX = 4, DNS_PIN_SIZE = 32 };

/* A DNS server to ask: by UDP, with TCP as its fallback, or by TLS only, and then it is the one
 * that was meant if its certificate is for `name`, or its key is one of the pins (the SHA-256 of
 * the SubjectPublicKeyInfo; RFC 7858 section 4.2). */
struct dns_server {
	struct endpoint at;
	bool tls;
	struct name name; /* length 0: by the pins */
	size_t n_pins;
	uint8_t pins[DNS_PINS_MAX][DNS_PIN_SIZE];
};

/* How a refused name is answered. */
enum refusal { REFUSAL_NXDOMAIN, REFUSAL_REFUSED, REFUSAL_NODATA };

struct dns_policy {
	struct endpoint *listen;
	size_t n_listen;
	const struct dns_server *upstream;
	size_t n_upstream; /* at most DNS_SERVERS_MAX; may be none */
	bool has_upstream; /* written, if only empty; else the system's servers are asked */
	bool elsewhere;    /* they are asked from another network namespace: here nobody has a way
			      to them */
	struct embedded_host *hosts;
	size_t n_hosts;
	uint16_t *types; /* record types by number (RFC 1035 section 3.2.2) */
	size_t n_types;
	enum refusal refusal;
	struct name *search;
	size_t n_search;
	struct duration min_lease;
	struct duration max_lease;
	struct duration grace;
	bool dnssec;                   /* every name's answers are validated */
	const char *trust_anchor;      /* a file's path; NULL: the system's */
	const char *trust_anchor_path; /* the same as the policy has it */
};

/* Whose traffic; all of it when everything is empty. A packet is in scope if any part says so. */
struct scope {
	uid_t *users;
	size_t n_users;
	gid_t *groups;
	size_t n_groups;
	const char **cgroups; /* "system.slice/agent.service", without a slash at either end */
	size_t n_cgroups;
	const char **interfaces; /* forwarded traffic that came in here */
	size_t n_interfaces;
	struct range *sources; /* forwarded traffic from these addresses */
	size_t n_sources;
};

/* Absent: a count or a number of bytes of 0. */
struct limits {
	struct rate connections;
	struct rate connections_per_destination;
	struct rate queries;
	struct rate queries_per_client;
	struct rate wildcard_bytes;        /* of names asked, under each entry's wildcards */
	struct rate wildcard_answer_bytes; /* of the answers to them */
	uint64_t bytes;
};

/* Of one session; 0: no ceiling. */
struct budget {
	uint32_t destinations;
	uint32_t wildcard_names;
	uint32_t connections;
	uint64_t bytes; /* sent */
	bool has_unknown_share;
	double unknown_share;   /* 0 to 1 */
	struct duration window; /* after it the next session begins; 0: none */
	bool refuse;            /* on_exceed */
};

/* Below as many destinations a share says nothing. */
#define BUDGET_SHARE_FROM 10

struct thresholds {
	double unknown;
	double flag_at;
	double refuse_at;
};

/* What takes records. */
enum audit_kind {
	AUDIT_FILE,
	AUDIT_OUTPUT, /* the resolver's standard output */
	AUDIT_JOURNAL,
	AUDIT_SYSLOG,
};

/* What they look like there. */
enum audit_format { AUDIT_NATIVE, AUDIT_ECS, AUDIT_OCSF };

enum { AUDIT_SINKS_MAX = 8 };

struct audit_sink {
	enum audit_kind kind;
	const char *path; /* of a file; of others the word that the policy has */
	struct place place;
};

/* Where Prometheus may ask for numbers: at one of both, or nowhere. */
struct metrics_policy {
	const char *path; /* of a unix socket; NULL: there is none */
	bool has_endpoint;
	struct endpoint at;
	struct place place;
};

/* What stands out in a session; src/event/anomaly.h has the thresholds' defaults. */
enum anomaly_sort {
	ANOMALY_CATEGORIES,
	ANOMALY_UPLOAD,
	ANOMALY_UPLOAD_RATIO,
	ANOMALY_UPLOAD_BURST,
	ANOMALY_ENCODED_NAMES,
	ANOMALY_BEACON,
	ANOMALY_REFUSALS,
};

struct anomaly_policy {
	unsigned off; /* bits of enum anomaly_sort */
	/* Thresholds; 0: absent. */
	uint32_t categories; /* sessions with one false alarm among them */
	uint64_t upload;
	double upload_ratio;
	uint64_t upload_burst;
	uint32_t encoded_names;
	uint32_t beacon;
	uint32_t refusals;
};

struct policy {
	const char *file;
	const char *name; /* "default" when absent */
	bool denylist;
	bool has_mode; /* written, not the default */
	bool observe;
	bool has_allow;        /* an `allow` key is there, if only empty */
	struct entry *entries; /* own allows, own denies, then its profiles' in the same order */
	size_t n_entries;
	struct scope scope;
	unsigned block; /* bits of enum address_class */
	bool has_block; /* written, not the default */
	bool drops_raw; /* frames of packet sockets */
	struct dns_policy dns;
	struct limits limits;
	struct budget budget;
	struct thresholds score;
	uint16_t nflog_group;
	const struct audit_sink *audit_sinks; /* where records go, none twice */
	size_t n_audit_sinks;
	enum audit_format audit_format;
	bool audit_allowed;
	struct metrics_policy metrics;
	struct anomaly_policy anomaly;
	struct place scope_place; /* of the table's head; line 0 when absent */
	struct place dns_place;
};

#endif
