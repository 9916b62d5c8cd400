/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_SCHEMA_H
#define EGRESS_RULES_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/toml.h"

/* The keys of the policy language, all of them. */

/* The keys in use. */
enum schema_id {
	SCHEMA_LATER, /* part of the language, and not supported yet */
	SCHEMA_VERSION,
	SCHEMA_NAME,
	SCHEMA_MODE,
	SCHEMA_ALLOW,
	SCHEMA_NETWORK,
	SCHEMA_DNS,
	SCHEMA_AUDIT,
	SCHEMA_ALLOW_HOST,
	SCHEMA_ALLOW_IP,
	SCHEMA_ALLOW_PORTS,
	SCHEMA_ALLOW_CATEGORY,
	SCHEMA_ALLOW_REASON,
	SCHEMA_NETWORK_BLOCK,
	SCHEMA_DNS_LISTEN,
	SCHEMA_DNS_UPSTREAM,
	SCHEMA_DNS_MIN_LEASE,
	SCHEMA_DNS_MAX_LEASE,
	SCHEMA_DNS_GRACE,
	SCHEMA_DNS_HOSTS,
	SCHEMA_DNS_HOSTS_NAME,
	SCHEMA_AUDIT_NFLOG_GROUP,
	SCHEMA_IDS,
};

/* What the strings and numbers of a key are. */
enum schema_unit {
	SCHEMA_WORD,     /* its reader looks at it */
	SCHEMA_NUMBER,   /* integers from min to max */
	SCHEMA_DURATION, /* "60s"; min and max are milliseconds */
};

struct schema_key {
	const char *table; /* "" is the top, "allow" each [[allow]], "dns.hosts" */
	const char *key;   /* NULL: any */
	enum schema_id id;
	unsigned kinds; /* bits 1 << enum toml_kind of the value */
	unsigned items; /* and of an array's elements */
	enum schema_unit unit;
	size_t min_items;
	size_t max_items; /* 0: no limit */
	int64_t min, max;
	const char *fallback; /* the default, as TOML; NULL: none */
	const char *expects;  /* what it must be, for diagnostics: "a string" */
};

/* All rows, *ret_count of them. */
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
