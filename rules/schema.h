/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_SCHEMA_H
#define EGRESS_RULES_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/toml.h"

/* The keys of the policy language, all of them. */

/* The keys in use; [[allow]] and [[deny]] share those of their entries. */
enum schema_id {
	SCHEMA_VERSION,
	SCHEMA_NAME,
	SCHEMA_MODE,
	SCHEMA_ENFORCEMENT,
	SCHEMA_PROFILES,
	SCHEMA_SCOPE,
	SCHEMA_ALLOW,
	SCHEMA_DENY,
	SCHEMA_NETWORK,
	SCHEMA_DNS,
	SCHEMA_LIMITS,
	SCHEMA_BUDGET,
	SCHEMA_SCORE,
	SCHEMA_AUDIT,
	SCHEMA_METRICS,
	SCHEMA_ANOMALY,
	SCHEMA_SCOPE_USERS,
	SCHEMA_SCOPE_GROUPS,
	SCHEMA_SCOPE_CGROUPS,
	SCHEMA_SCOPE_INTERFACES,
	SCHEMA_SCOPE_SOURCES,
	SCHEMA_ENTRY_HOST,
	SCHEMA_ENTRY_IP,
	SCHEMA_ENTRY_HOST_PATTERN,
	SCHEMA_ENTRY_LIST,
	SCHEMA_ENTRY_PORTS,
	SCHEMA_ENTRY_CATEGORY,
	SCHEMA_ENTRY_REASON,
	SCHEMA_ENTRY_SCORE,
	SCHEMA_ENTRY_ADDRESSES,
	SCHEMA_ENTRY_CONNECTIONS,
	SCHEMA_ENTRY_BYTES,
	SCHEMA_ENTRY_WILDCARD_NAMES,
	SCHEMA_ENTRY_WILDCARD_BYTES,
	SCHEMA_ENTRY_WILDCARD_ANSWER_BYTES,
	SCHEMA_ENTRY_EXPIRES,
	SCHEMA_ENTRY_BROAD,
	SCHEMA_ENTRY_DNSSEC,
	SCHEMA_NETWORK_BLOCK,
	SCHEMA_NETWORK_RAW,
	SCHEMA_DNS_LISTEN,
	SCHEMA_DNS_UPSTREAM,
	SCHEMA_DNS_TYPES,
	SCHEMA_DNS_REFUSAL,
	SCHEMA_DNS_MIN_LEASE,
	SCHEMA_DNS_MAX_LEASE,
	SCHEMA_DNS_GRACE,
	SCHEMA_DNS_DNSSEC,
	SCHEMA_DNS_TRUST_ANCHOR,
	SCHEMA_DNS_SEARCH,
	SCHEMA_DNS_HOSTS,
	SCHEMA_DNS_HOSTS_NAME,
	SCHEMA_LIMITS_CONNECTIONS,
	SCHEMA_LIMITS_CONNECTIONS_PER_DESTINATION,
	SCHEMA_LIMITS_QUERIES,
	SCHEMA_LIMITS_QUERIES_PER_CLIENT,
	SCHEMA_LIMITS_WILDCARD_BYTES,
	SCHEMA_LIMITS_WILDCARD_ANSWER_BYTES,
	SCHEMA_LIMITS_BYTES,
	SCHEMA_BUDGET_DESTINATIONS,
	SCHEMA_BUDGET_WILDCARD_NAMES,
	SCHEMA_BUDGET_UNKNOWN_SHARE,
	SCHEMA_BUDGET_BYTES,
	SCHEMA_BUDGET_CONNECTIONS,
	SCHEMA_BUDGET_WINDOW,
	SCHEMA_BUDGET_ON_EXCEED,
	SCHEMA_SCORE_UNKNOWN,
	SCHEMA_SCORE_FLAG_AT,
	SCHEMA_SCORE_REFUSE_AT,
	SCHEMA_AUDIT_PATH,
	SCHEMA_AUDIT_FORMAT,
	SCHEMA_AUDIT_ALLOWED,
	SCHEMA_AUDIT_NFLOG_GROUP,
	SCHEMA_METRICS_LISTEN,
	SCHEMA_ANOMALY_OFF,
	SCHEMA_ANOMALY_CATEGORIES,
	SCHEMA_ANOMALY_UPLOAD,
	SCHEMA_ANOMALY_UPLOAD_RATIO,
	SCHEMA_ANOMALY_UPLOAD_BURST,
	SCHEMA_ANOMALY_ENCODED_NAMES,
	SCHEMA_ANOMALY_BEACON,
	SCHEMA_ANOMALY_REFUSALS,
	SCHEMA_IDS,
};

/* What the strings and numbers of a key are. */
enum schema_unit {
	SCHEMA_WORD,     /* its reader looks at it */
	SCHEMA_NUMBER,   /* integers from min to max */
	SCHEMA_POINTS,   /* integers and floats from min to max */
	SCHEMA_DURATION, /* "60s"; min and max are milliseconds */
};

/* Which files may have a key. */
enum schema_files {
	SCHEMA_ANY_POLICY, /* the base and its overrides */
	SCHEMA_BASE_ONLY,
	SCHEMA_EVERY_FILE, /* profiles too */
};

struct schema_key {
	const char *table; /* "" is the top, "allow" each [[allow]], "dns.hosts" */
	const char *key;   /* NULL: any */
	enum schema_id id;
	enum schema_files files; /* of keys in tables: what their table may, unless it is less */
	unsigned kinds;          /* bits 1 << enum toml_kind of the value */
	unsigned items;          /* and of an array's elements */
	enum schema_unit unit;
	size_t min_items;
	size_t max_items; /* 0: no limit */
	int64_t min, max;
	const char *fallback; /* the default, as TOML; NULL: none */
	const char *expects;  /* what it must be, for diagnostics: "a string" */
};

#define SCHEMA_ROWS_MAX 128

/* All rows, *ret_count of them, at most SCHEMA_ROWS_MAX. */
const struct schema_key *schema_keys(size_t *ret_count);

/* The row for `key` in `table`, or NULL. */
const struct schema_key *schema_find(const char *table, struct text key);

/* The key of `table` that somebody who wrote `key` may have meant, or NULL. */
const char *schema_nearest(const char *table, struct text key);

/* A row of the same key in another table, or NULL. */
const struct schema_key *schema_elsewhere(const char *table, struct text key);

/* How a policy begins the table: "[[allow]]", "[dns]", or "the top of the file". */
const char *schema_table_title(const char *table);

#endif
