/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_READERS_H
#define EGRESS_RULES_READERS_H

#include "rules/codes.h"
#include "rules/policy.h"
#include "rules/schema.h"

/* How values get into a policy: one reader for each key of the schema that is in use. */

struct arena;
struct diag;
struct load_options;
struct seen;

/* The entries of one profile. */
struct brought {
	struct entry *entries;
	size_t count;
};

/* A file being loaded: a policy, or a profile that one names. */
struct load {
	struct arena *arena;   /* the policy's */
	struct arena *scratch; /* ends with the file */
	struct diag *diag;
	const struct load_options *options;
	const char *file;
	const char *profile; /* the name of the profile that the file is, or NULL */
	struct policy *policy;
	struct entry *entries; /* the file's: room for its allows, then for its denies */
	size_t room_allow;
	size_t n_allow;          /* of the first, those that are read */
	size_t n_deny;           /* and behind their room */
	struct brought *brought; /* by each of `profiles` */
	size_t n_brought;
	struct entry *entry; /* the one being read */
	struct seen *hosts;  /* the names of [dns.hosts] */
	bool has_refuse_at;
	unsigned unknown; /* keys, so far */
	const struct toml_node *defaults[SCHEMA_ROWS_MAX];
};

/* Reads a file's text into load->policy and load->entries. What is wrong goes to the diag; with a
 * mistake that leaves the rest readable it is still 0. 0, -EINVAL or -ENOMEM. */
int load_text(struct load *load, const char *text, size_t size);

/* The tree of a file's text, in load->scratch, which the caller ends. Without a version it is given
 * out, and the diag has the error. 0, -EINVAL or -ENOMEM. */
int load_tree(struct load *load, const char *text, size_t size, const struct toml_node **ret_root);

/* A file's text in the arena. 0 or -errno, which load_reason() puts in words. */
int load_file(struct arena *arena, const char *path, const char **ret_text, size_t *ret_size);
const char *load_reason(int error);

/* Stores a value that keeps its row's kinds, counts and ranges; what else is wrong with it goes to
 * the diag. 0, -ENOMEM, or another -errno to stop at. */
typedef int reader(struct load *load, const struct toml_node *value);

/* The reader of a key, or NULL for one that is read before the others. */
reader *reader_of(enum schema_id id);

/* The readers of tables and keys that have files of their own. */
reader read_allow, read_deny;
reader read_entry_host, read_entry_ip, read_entry_host_pattern, read_entry_list, read_entry_ports,
	read_entry_category, read_entry_reason, read_entry_score, read_entry_addresses,
	read_entry_connections, read_entry_bytes, read_entry_wildcard_names,
	read_entry_wildcard_bytes, read_entry_wildcard_answer_bytes, read_entry_expires,
	read_entry_broad, read_entry_dnssec;
reader read_scope, read_scope_users, read_scope_groups, read_scope_cgroups, read_scope_interfaces,
	read_scope_sources;
reader read_dns, read_dns_listen, read_dns_upstream, read_dns_types, read_dns_refusal,
	read_dns_min_lease, read_dns_max_lease, read_dns_grace, read_dns_dnssec,
	read_dns_trust_anchor, read_dns_search, read_dns_hosts, read_dns_hosts_name;
reader read_profiles;
reader read_metrics, read_metrics_listen;
reader read_anomaly, read_anomaly_off, read_anomaly_categories, read_anomaly_upload,
	read_anomaly_upload_ratio, read_anomaly_upload_burst, read_anomaly_encoded_names,
	read_anomaly_beacon, read_anomaly_refusals;
reader read_audit, read_audit_path, read_audit_format, read_audit_allowed, read_audit_nflog_group;

#endif
