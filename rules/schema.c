/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/schema.h"

#include <assert.h>
#include <string.h>

#include "rules/nearest.h"
#include "rules/policy.h"

/*
 * Theory of operation
 *
 * One row for each key of the language. The loader walks a file by this table: what has no row is
 * unknown, and of the rest kinds, counts and ranges are checked here before the key's own reader
 * sees a value. A default is TOML text that goes the same
 * way as what a user writes. Nothing else knows which keys there are.
 */

#define STRING (1u << TOML_STRING)
#define INTEGER (1u << TOML_INTEGER)
#define REAL (1u << TOML_REAL)
#define BOOLEAN (1u << TOML_BOOLEAN)
#define DATE (1u << TOML_DATE | 1u << TOML_DATE_TIME)
#define ARRAY (1u << TOML_ARRAY)
#define TABLE (1u << TOML_TABLE)

#define A_STRING .kinds = STRING, .expects = "a string"
#define A_TABLE .kinds = TABLE, .expects = "a table"
#define TABLES(header)                                                                             \
	.kinds = ARRAY, .items = TABLE, .expects = "an array of tables, each under " header
#define A_BOOLEAN .kinds = BOOLEAN, .expects = "true or false"
#define STRINGS .kinds = ARRAY, .items = STRING, .expects = "an array of strings"
#define SCORE                                                                                      \
	.kinds = REAL | INTEGER, .unit = SCHEMA_POINTS, .min = -1000, .max = 1000,                 \
	.expects = "a number from -1000 to 1000"
#define COUNT                                                                                      \
	.kinds = INTEGER, .unit = SCHEMA_NUMBER, .min = 1, .max = UINT32_MAX,                      \
	.expects = "an integer from 1 to 4294967295"
#define RATE .kinds = STRING, .expects = "a rate such as \"60/minute\""
#define BYTES .kinds = STRING, .expects = "a size such as \"2 GiB\""
#define STRING_OR_STRINGS                                                                          \
	.kinds = STRING | ARRAY, .items = STRING, .min_items = 1,                                  \
	.expects = "a string or an array of strings"
#define PORTS                                                                                      \
	.kinds = STRING | INTEGER | ARRAY, .items = STRING | INTEGER, .min_items = 1,              \
	.unit = SCHEMA_NUMBER, .min = 1, .max = UINT16_MAX,                                        \
	.expects = "a port, as \"tcp/443\", \"udp/8000-8100\" or 443, or an array of them"
#define LEASE                                                                                      \
	.kinds = STRING, .unit = SCHEMA_DURATION, .min = 1000, .max = 24 * 60 * 60 * 1000,         \
	.expects = "a duration from 1s to 1d, such as \"60s\""
#define DAY .kinds = DATE, .expects = "a date or a date-time"
/* An empty part of a scope would look like nobody, and mean everybody. */
#define SCOPED .kinds = ARRAY, .min_items = 1, .max_items = 1024
/* The number behind the last one stands for "no user". */
#define USERS                                                                                      \
	SCOPED, .items = STRING | INTEGER, .unit = SCHEMA_NUMBER, .min = 0, .max = UINT32_MAX - 1, \
		.expects = "an array of names and numbers (0 to 4294967294)"
#define SCOPED_STRINGS SCOPED, .items = STRING, .expects = "an array of strings"

static const struct schema_key keys[] = {
	{"", "version", SCHEMA_VERSION, SCHEMA_EVERY_FILE, .kinds = INTEGER,
		.expects = "the integer 1"},
	{"", "name", SCHEMA_NAME, SCHEMA_EVERY_FILE, A_STRING, .fallback = "\"default\""},
	{"", "mode", SCHEMA_MODE, A_STRING, .fallback = "\"allowlist\""},
	{"", "enforcement", SCHEMA_ENFORCEMENT, A_STRING, .fallback = "\"enforce\""},
	{"", "profiles", SCHEMA_PROFILES, STRINGS, .max_items = 64, .fallback = "[]"},
	{"", "scope", SCHEMA_SCOPE, SCHEMA_BASE_ONLY, A_TABLE},
	{"", "allow", SCHEMA_ALLOW, SCHEMA_EVERY_FILE, TABLES("[[allow]]")},
	{"", "deny", SCHEMA_DENY, SCHEMA_EVERY_FILE, TABLES("[[deny]]")},
	{"", "network", SCHEMA_NETWORK, A_TABLE, .fallback = "{}"},
	{"", "dns", SCHEMA_DNS, SCHEMA_BASE_ONLY, A_TABLE, .fallback = "{}"},
	{"", "limits", SCHEMA_LIMITS, A_TABLE},
	{"", "budget", SCHEMA_BUDGET, A_TABLE, .fallback = "{}"},
	{"", "score", SCHEMA_SCORE, A_TABLE, .fallback = "{}"},
	{"", "audit", SCHEMA_AUDIT, A_TABLE, .fallback = "{}"},
	{"", "metrics", SCHEMA_METRICS, SCHEMA_BASE_ONLY, A_TABLE},
	{"", "anomaly", SCHEMA_ANOMALY, A_TABLE},

	{"scope", "users", SCHEMA_SCOPE_USERS, USERS},
	{"scope", "groups", SCHEMA_SCOPE_GROUPS, USERS},
	{"scope", "cgroups", SCHEMA_SCOPE_CGROUPS, SCOPED_STRINGS},
	{"scope", "interfaces", SCHEMA_SCOPE_INTERFACES, SCOPED_STRINGS},
	{"scope", "sources", SCHEMA_SCOPE_SOURCES, SCOPED_STRINGS},

	{"allow", "host", SCHEMA_ENTRY_HOST, STRING_OR_STRINGS},
	{"allow", "ip", SCHEMA_ENTRY_IP, STRING_OR_STRINGS},
	{"allow", "host_pattern", SCHEMA_ENTRY_HOST_PATTERN, STRING_OR_STRINGS},
	{"allow", "list", SCHEMA_ENTRY_LIST, STRING_OR_STRINGS},
	{"allow", "ports", SCHEMA_ENTRY_PORTS, PORTS, .fallback = "[\"tcp/443\"]"},
	{"allow", "category", SCHEMA_ENTRY_CATEGORY, A_STRING},
	{"allow", "reason", SCHEMA_ENTRY_REASON, A_STRING},
	{"allow", "score", SCHEMA_ENTRY_SCORE, SCORE},
	{"allow", "addresses", SCHEMA_ENTRY_ADDRESSES, STRING_OR_STRINGS, .fallback = "\"public\""},
	{"allow", "connections", SCHEMA_ENTRY_CONNECTIONS, RATE},
	{"allow", "bytes", SCHEMA_ENTRY_BYTES, BYTES},
	{"allow", "wildcard_names", SCHEMA_ENTRY_WILDCARD_NAMES, COUNT},
	{"allow", "wildcard_bytes", SCHEMA_ENTRY_WILDCARD_BYTES, RATE},
	{"allow", "wildcard_answer_bytes", SCHEMA_ENTRY_WILDCARD_ANSWER_BYTES, RATE},
	{"allow", "expires", SCHEMA_ENTRY_EXPIRES, DAY},
	{"allow", "broad", SCHEMA_ENTRY_BROAD, A_BOOLEAN, .fallback = "false"},
	{"allow", "dnssec", SCHEMA_ENTRY_DNSSEC, A_STRING, .fallback = "\"off\""},

	{"deny", "host", SCHEMA_ENTRY_HOST, STRING_OR_STRINGS},
	{"deny", "ip", SCHEMA_ENTRY_IP, STRING_OR_STRINGS},
	{"deny", "host_pattern", SCHEMA_ENTRY_HOST_PATTERN, STRING_OR_STRINGS},
	{"deny", "list", SCHEMA_ENTRY_LIST, STRING_OR_STRINGS},
	{"deny", "ports", SCHEMA_ENTRY_PORTS, PORTS},
	{"deny", "category", SCHEMA_ENTRY_CATEGORY, A_STRING},
	{"deny", "reason", SCHEMA_ENTRY_REASON, A_STRING},
	{"deny", "score", SCHEMA_ENTRY_SCORE, SCORE},
	{"deny", "expires", SCHEMA_ENTRY_EXPIRES, DAY},
	{"deny", "broad", SCHEMA_ENTRY_BROAD, A_BOOLEAN, .fallback = "false"},

	{"network", "block", SCHEMA_NETWORK_BLOCK, STRINGS},
	{"network", "raw", SCHEMA_NETWORK_RAW, A_STRING, .fallback = "\"pass\""},

	{"dns", "listen", SCHEMA_DNS_LISTEN, STRINGS, .max_items = 16,
		.fallback = "[\"127.0.0.1:5300\", \"[::1]:5300\"]"},
	{"dns", "upstream", SCHEMA_DNS_UPSTREAM, STRINGS, .max_items = DNS_SERVERS_MAX},
	{"dns", "types", SCHEMA_DNS_TYPES, STRINGS, .fallback = "[\"A\", \"AAAA\", \"HTTPS\"]"},
	{"dns", "refusal", SCHEMA_DNS_REFUSAL, A_STRING, .fallback = "\"nxdomain\""},
	{"dns", "min_lease", SCHEMA_DNS_MIN_LEASE, LEASE, .fallback = "\"60s\""},
	{"dns", "max_lease", SCHEMA_DNS_MAX_LEASE, LEASE, .fallback = "\"1h\""},
	{"dns", "grace", SCHEMA_DNS_GRACE, LEASE, .fallback = "\"30s\""},
	{"dns", "dnssec", SCHEMA_DNS_DNSSEC, A_STRING, .fallback = "\"off\""},
	{"dns", "trust_anchor", SCHEMA_DNS_TRUST_ANCHOR, A_STRING},
	{"dns", "search", SCHEMA_DNS_SEARCH, STRINGS, .max_items = 64, .fallback = "[]"},
	{"dns", "hosts", SCHEMA_DNS_HOSTS, A_TABLE, .fallback = "{}"},
	{"dns.hosts", NULL, SCHEMA_DNS_HOSTS_NAME, .kinds = STRING | ARRAY | TABLE, .items = STRING,
		.min_items = 1, .expects = "an address or an array of addresses"},

	{"limits", "connections", SCHEMA_LIMITS_CONNECTIONS, RATE},
	{"limits", "connections_per_destination", SCHEMA_LIMITS_CONNECTIONS_PER_DESTINATION, RATE},
	{"limits", "queries", SCHEMA_LIMITS_QUERIES, RATE},
	{"limits", "queries_per_client", SCHEMA_LIMITS_QUERIES_PER_CLIENT, RATE},
	{"limits", "wildcard_bytes", SCHEMA_LIMITS_WILDCARD_BYTES, RATE},
	{"limits", "wildcard_answer_bytes", SCHEMA_LIMITS_WILDCARD_ANSWER_BYTES, RATE},
	{"limits", "bytes", SCHEMA_LIMITS_BYTES, BYTES},

	{"budget", "destinations", SCHEMA_BUDGET_DESTINATIONS, COUNT},
	{"budget", "unknown_share", SCHEMA_BUDGET_UNKNOWN_SHARE, .kinds = REAL | INTEGER,
		.unit = SCHEMA_POINTS, .min = 0, .max = 1, .expects = "a number from 0 to 1"},
	{"budget", "wildcard_names", SCHEMA_BUDGET_WILDCARD_NAMES, COUNT},
	{"budget", "bytes", SCHEMA_BUDGET_BYTES, BYTES},
	/* Each takes memory of the kernel's. */
	{"budget", "connections", SCHEMA_BUDGET_CONNECTIONS, .kinds = INTEGER,
		.unit = SCHEMA_NUMBER, .min = 1, .max = 1 << 24,
		.expects = "an integer from 1 to 16777216"},
	{"budget", "window", SCHEMA_BUDGET_WINDOW, .kinds = STRING, .unit = SCHEMA_DURATION,
		.min = 60 * 1000, .max = INT64_C(365) * 24 * 60 * 60 * 1000,
		.expects = "a duration from 60s to 365d, such as \"24h\""},
	{"budget", "on_exceed", SCHEMA_BUDGET_ON_EXCEED, A_STRING, .fallback = "\"flag\""},

	/* The default of refuse_at is the mode's. */
	{"score", "unknown", SCHEMA_SCORE_UNKNOWN, SCORE, .fallback = "1.0"},
	{"score", "flag_at", SCHEMA_SCORE_FLAG_AT, SCORE, .fallback = "0.5"},
	{"score", "refuse_at", SCHEMA_SCORE_REFUSE_AT, SCORE},

	{"audit", "path", SCHEMA_AUDIT_PATH, STRING_OR_STRINGS, .max_items = AUDIT_SINKS_MAX},
	{"audit", "format", SCHEMA_AUDIT_FORMAT, SCHEMA_BASE_ONLY, A_STRING,
		.fallback = "\"native\""},
	{"audit", "allowed", SCHEMA_AUDIT_ALLOWED, A_BOOLEAN, .fallback = "false"},
	{"audit", "nflog_group", SCHEMA_AUDIT_NFLOG_GROUP, SCHEMA_BASE_ONLY, .kinds = INTEGER,
		.unit = SCHEMA_NUMBER, .min = 1, .max = UINT16_MAX, .fallback = "5",
		.expects = "an integer from 1 to 65535"},

	{"metrics", "listen", SCHEMA_METRICS_LISTEN, SCHEMA_BASE_ONLY, A_STRING},

	{"anomaly", "off", SCHEMA_ANOMALY_OFF, SCHEMA_BASE_ONLY, STRINGS, .max_items = 16},
	{"anomaly", "categories", SCHEMA_ANOMALY_CATEGORIES, .kinds = INTEGER,
		.unit = SCHEMA_NUMBER, .min = 10, .max = 1000000,
		.expects = "an integer from 10 to 1000000"},
	{"anomaly", "upload", SCHEMA_ANOMALY_UPLOAD, BYTES},
	{"anomaly", "upload_ratio", SCHEMA_ANOMALY_UPLOAD_RATIO, .kinds = REAL | INTEGER,
		.unit = SCHEMA_POINTS, .min = 1, .max = 1000000,
		.expects = "a number from 1 to 1000000"},
	{"anomaly", "upload_burst", SCHEMA_ANOMALY_UPLOAD_BURST, BYTES},
	{"anomaly", "encoded_names", SCHEMA_ANOMALY_ENCODED_NAMES, COUNT},
	{"anomaly", "beacon", SCHEMA_ANOMALY_BEACON, .kinds = INTEGER, .unit = SCHEMA_NUMBER,
		.min = 6, .max = 32, .expects = "an integer from 6 to 32"},
	{"anomaly", "refusals", SCHEMA_ANOMALY_REFUSALS, COUNT},
};

enum { N_KEYS = sizeof(keys) / sizeof(keys[0]) };

static_assert(N_KEYS <= SCHEMA_ROWS_MAX, "a bound that callers count on");

const struct schema_key *schema_keys(size_t *ret_count)
{
	*ret_count = N_KEYS;
	return keys;
}

const struct schema_key *schema_find(const char *table, struct text key)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		if (strcmp(keys[i].table, table) != 0)
			continue;
		if (!keys[i].key || text_is(key, keys[i].key))
			return &keys[i];
	}
	return NULL;
}

const char *schema_nearest(const char *table, struct text key)
{
	struct nearest nearest = {.word = key};

	for (size_t i = 0; i < N_KEYS; i++) {
		if (keys[i].key && strcmp(keys[i].table, table) == 0)
			nearest_offer(&nearest, keys[i].key);
	}
	return nearest.found;
}

const struct schema_key *schema_elsewhere(const char *table, struct text key)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		if (keys[i].key && text_is(key, keys[i].key) && strcmp(keys[i].table, table) != 0)
			return &keys[i];
	}
	return NULL;
}

static const struct {
	const char *table;
	const char *title;
} titles[] = {
	{"", "the top of the file"},
	{"scope", "[scope]"},
	{"allow", "[[allow]]"},
	{"deny", "[[deny]]"},
	{"network", "[network]"},
	{"dns", "[dns]"},
	{"dns.hosts", "[dns.hosts]"},
	{"limits", "[limits]"},
	{"budget", "[budget]"},
	{"score", "[score]"},
	{"audit", "[audit]"},
	{"metrics", "[metrics]"},
	{"anomaly", "[anomaly]"},
};

const char *schema_table_title(const char *table)
{
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		if (strcmp(titles[i].table, table) == 0)
			return titles[i].title;
	}
	return table;
}
