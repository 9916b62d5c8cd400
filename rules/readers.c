/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/readers.h"

#include <errno.h>

#include "rules/class.h"
#include "rules/load.h"
#include "rules/nearest.h"
#include "rules/quote.h"
#include "rules/reading.h"
#include "rules/value.h"
#include "rules/walk.h"
#include "src/base/diag.h"

/* The top of a file and its small tables; entries, [scope], [dns] and profiles have files of their
 * own. */

static int read_name(struct load *load, const struct toml_node *value)
{
	return reading_string(load, value, value_label, &load->policy->name);
}

static const struct words modes = {
	"a mode",
	(const struct word[]){{"allowlist", false}, {"denylist", true}, {NULL, 0}},
};

static int read_mode(struct load *load, const struct toml_node *value)
{
	uint64_t denylist;

	if (reading_word(load, value, &modes, &denylist))
		load->policy->denylist = denylist;
	return 0;
}

static const struct words enforcements = {
	"an enforcement",
	(const struct word[]){{"enforce", false}, {"observe", true}, {NULL, 0}},
};

static int read_enforcement(struct load *load, const struct toml_node *value)
{
	uint64_t observe;

	if (reading_word(load, value, &enforcements, &observe))
		load->policy->observe = observe;
	return 0;
}

static int read_network(struct load *load, const struct toml_node *value)
{
	struct policy *policy = load->policy;

	policy->has_block = walk_find(value, "block");
	if (!policy->has_block)
		policy->block = load->options->is_override ? 0 : CLASS_ALL;
	return walk_table(load, "network", value);
}

static void reject_class(struct load *load, const struct toml_node *item)
{
	struct nearest nearest = {.word = item->value.string};
	struct place place = walk_place(load, item->at);
	char quoted[QUOTE_TEXT];

	for (unsigned i = 0; i < CLASS_COUNT; i++)
		nearest_offer(&nearest, class_name((enum address_class)i));
	quote(item->value.string, quoted);
	if (nearest.found)
		diag_error(load->diag, CODE_VALUE, place,
			"%s is not a class of addresses, did you mean '%s'?", quoted,
			nearest.found);
	else
		diag_error(load->diag, CODE_VALUE, place, "%s is not a class of addresses", quoted);
}

static int read_network_block(struct load *load, const struct toml_node *value)
{
	for (size_t i = 0; i < value->n_children; i++) {
		enum address_class class;

		if (class_from_text(value->children[i].value.string, &class) < 0)
			reject_class(load, &value->children[i]);
		else
			load->policy->block |= 1u << class;
	}
	return 0;
}

static const struct words raws = {
	"what becomes of raw frames",
	(const struct word[]){{"pass", false}, {"drop", true}, {NULL, 0}},
};

static int read_network_raw(struct load *load, const struct toml_node *value)
{
	uint64_t drops;

	if (reading_word(load, value, &raws, &drops))
		load->policy->drops_raw = drops;
	return 0;
}

static int read_limits(struct load *load, const struct toml_node *value)
{
	return walk_table(load, "limits", value);
}

static int read_limits_connections(struct load *load, const struct toml_node *value)
{
	reading_rate(load, value, &load->policy->limits.connections);
	return 0;
}

static int read_limits_connections_per_destination(struct load *load, const struct toml_node *value)
{
	reading_rate(load, value, &load->policy->limits.connections_per_destination);
	return 0;
}

static int read_limits_queries(struct load *load, const struct toml_node *value)
{
	reading_rate(load, value, &load->policy->limits.queries);
	return 0;
}

static int read_limits_queries_per_client(struct load *load, const struct toml_node *value)
{
	reading_rate(load, value, &load->policy->limits.queries_per_client);
	return 0;
}

static int read_limits_wildcard_bytes(struct load *load, const struct toml_node *value)
{
	reading_rate(load, value, &load->policy->limits.wildcard_bytes);
	return 0;
}

static int read_limits_wildcard_answer_bytes(struct load *load, const struct toml_node *value)
{
	reading_rate(load, value, &load->policy->limits.wildcard_answer_bytes);
	return 0;
}

static int read_limits_bytes(struct load *load, const struct toml_node *value)
{
	reading_bytes(load, value, &load->policy->limits.bytes);
	return 0;
}

static int read_budget(struct load *load, const struct toml_node *value)
{
	return walk_table(load, "budget", value);
}

static int read_budget_destinations(struct load *load, const struct toml_node *value)
{
	load->policy->budget.destinations = (uint32_t)value->value.integer;
	return 0;
}

static int read_budget_wildcard_names(struct load *load, const struct toml_node *value)
{
	load->policy->budget.wildcard_names = (uint32_t)value->value.integer;
	return 0;
}

static int read_budget_unknown_share(struct load *load, const struct toml_node *value)
{
	load->policy->budget.has_unknown_share = true;
	load->policy->budget.unknown_share = reading_points(value);
	return 0;
}

static int read_budget_bytes(struct load *load, const struct toml_node *value)
{
	reading_bytes(load, value, &load->policy->budget.bytes);
	return 0;
}

static int read_budget_connections(struct load *load, const struct toml_node *value)
{
	load->policy->budget.connections = (uint32_t)value->value.integer;
	return 0;
}

static int read_budget_window(struct load *load, const struct toml_node *value)
{
	return text_to_duration(value->value.string, &load->policy->budget.window);
}

static const struct words excesses = {
	"an action on excess",
	(const struct word[]){{"flag", false}, {"refuse", true}, {NULL, 0}},
};

static int read_budget_on_exceed(struct load *load, const struct toml_node *value)
{
	uint64_t refuse;

	if (reading_word(load, value, &excesses, &refuse))
		load->policy->budget.refuse = refuse;
	return 0;
}

static int read_score(struct load *load, const struct toml_node *value)
{
	return walk_table(load, "score", value);
}

static int read_score_unknown(struct load *load, const struct toml_node *value)
{
	load->policy->score.unknown = reading_points(value);
	return 0;
}

static int read_score_flag_at(struct load *load, const struct toml_node *value)
{
	load->policy->score.flag_at = reading_points(value);
	return 0;
}

static int read_score_refuse_at(struct load *load, const struct toml_node *value)
{
	load->policy->score.refuse_at = reading_points(value);
	load->has_refuse_at = true;
	return 0;
}

static reader *const readers[SCHEMA_IDS] = {
	[SCHEMA_NAME] = read_name,
	[SCHEMA_MODE] = read_mode,
	[SCHEMA_ENFORCEMENT] = read_enforcement,
	[SCHEMA_PROFILES] = read_profiles,
	[SCHEMA_SCOPE] = read_scope,
	[SCHEMA_ALLOW] = read_allow,
	[SCHEMA_DENY] = read_deny,
	[SCHEMA_NETWORK] = read_network,
	[SCHEMA_DNS] = read_dns,
	[SCHEMA_LIMITS] = read_limits,
	[SCHEMA_BUDGET] = read_budget,
	[SCHEMA_SCORE] = read_score,
	[SCHEMA_AUDIT] = read_audit,
	[SCHEMA_METRICS] = read_metrics,
	[SCHEMA_ANOMALY] = read_anomaly,
	[SCHEMA_SCOPE_USERS] = read_scope_users,
	[SCHEMA_SCOPE_GROUPS] = read_scope_groups,
	[SCHEMA_SCOPE_CGROUPS] = read_scope_cgroups,
	[SCHEMA_SCOPE_INTERFACES] = read_scope_interfaces,
	[SCHEMA_SCOPE_SOURCES] = read_scope_sources,
	[SCHEMA_ENTRY_HOST] = read_entry_host,
	[SCHEMA_ENTRY_IP] = read_entry_ip,
	[SCHEMA_ENTRY_HOST_PATTERN] = read_entry_host_pattern,
	[SCHEMA_ENTRY_LIST] = read_entry_list,
	[SCHEMA_ENTRY_PORTS] = read_entry_ports,
	[SCHEMA_ENTRY_CATEGORY] = read_entry_category,
	[SCHEMA_ENTRY_REASON] = read_entry_reason,
	[SCHEMA_ENTRY_SCORE] = read_entry_score,
	[SCHEMA_ENTRY_ADDRESSES] = read_entry_addresses,
	[SCHEMA_ENTRY_CONNECTIONS] = read_entry_connections,
	[SCHEMA_ENTRY_BYTES] = read_entry_bytes,
	[SCHEMA_ENTRY_WILDCARD_NAMES] = read_entry_wildcard_names,
	[SCHEMA_ENTRY_WILDCARD_BYTES] = read_entry_wildcard_bytes,
	[SCHEMA_ENTRY_WILDCARD_ANSWER_BYTES] = read_entry_wildcard_answer_bytes,
	[SCHEMA_ENTRY_EXPIRES] = read_entry_expires,
	[SCHEMA_ENTRY_BROAD] = read_entry_broad,
	[SCHEMA_ENTRY_DNSSEC] = read_entry_dnssec,
	[SCHEMA_NETWORK_BLOCK] = read_network_block,
	[SCHEMA_NETWORK_RAW] = read_network_raw,
	[SCHEMA_DNS_LISTEN] = read_dns_listen,
	[SCHEMA_DNS_UPSTREAM] = read_dns_upstream,
	[SCHEMA_DNS_TYPES] = read_dns_types,
	[SCHEMA_DNS_REFUSAL] = read_dns_refusal,
	[SCHEMA_DNS_MIN_LEASE] = read_dns_min_lease,
	[SCHEMA_DNS_MAX_LEASE] = read_dns_max_lease,
	[SCHEMA_DNS_GRACE] = read_dns_grace,
	[SCHEMA_DNS_DNSSEC] = read_dns_dnssec,
	[SCHEMA_DNS_TRUST_ANCHOR] = read_dns_trust_anchor,
	[SCHEMA_DNS_SEARCH] = read_dns_search,
	[SCHEMA_DNS_HOSTS] = read_dns_hosts,
	[SCHEMA_DNS_HOSTS_NAME] = read_dns_hosts_name,
	[SCHEMA_LIMITS_CONNECTIONS] = read_limits_connections,
	[SCHEMA_LIMITS_CONNECTIONS_PER_DESTINATION] = read_limits_connections_per_destination,
	[SCHEMA_LIMITS_QUERIES] = read_limits_queries,
	[SCHEMA_LIMITS_QUERIES_PER_CLIENT] = read_limits_queries_per_client,
	[SCHEMA_LIMITS_WILDCARD_BYTES] = read_limits_wildcard_bytes,
	[SCHEMA_LIMITS_WILDCARD_ANSWER_BYTES] = read_limits_wildcard_answer_bytes,
	[SCHEMA_LIMITS_BYTES] = read_limits_bytes,
	[SCHEMA_BUDGET_DESTINATIONS] = read_budget_destinations,
	[SCHEMA_BUDGET_WILDCARD_NAMES] = read_budget_wildcard_names,
	[SCHEMA_BUDGET_UNKNOWN_SHARE] = read_budget_unknown_share,
	[SCHEMA_BUDGET_BYTES] = read_budget_bytes,
	[SCHEMA_BUDGET_CONNECTIONS] = read_budget_connections,
	[SCHEMA_BUDGET_WINDOW] = read_budget_window,
	[SCHEMA_BUDGET_ON_EXCEED] = read_budget_on_exceed,
	[SCHEMA_SCORE_UNKNOWN] = read_score_unknown,
	[SCHEMA_SCORE_FLAG_AT] = read_score_flag_at,
	[SCHEMA_SCORE_REFUSE_AT] = read_score_refuse_at,
	[SCHEMA_AUDIT_PATH] = read_audit_path,
	[SCHEMA_AUDIT_FORMAT] = read_audit_format,
	[SCHEMA_AUDIT_ALLOWED] = read_audit_allowed,
	[SCHEMA_AUDIT_NFLOG_GROUP] = read_audit_nflog_group,
	[SCHEMA_METRICS_LISTEN] = read_metrics_listen,
	[SCHEMA_ANOMALY_OFF] = read_anomaly_off,
	[SCHEMA_ANOMALY_CATEGORIES] = read_anomaly_categories,
	[SCHEMA_ANOMALY_UPLOAD] = read_anomaly_upload,
	[SCHEMA_ANOMALY_UPLOAD_RATIO] = read_anomaly_upload_ratio,
	[SCHEMA_ANOMALY_UPLOAD_BURST] = read_anomaly_upload_burst,
	[SCHEMA_ANOMALY_ENCODED_NAMES] = read_anomaly_encoded_names,
	[SCHEMA_ANOMALY_BEACON] = read_anomaly_beacon,
	[SCHEMA_ANOMALY_REFUSALS] = read_anomaly_refusals,
};

reader *reader_of(enum schema_id id)
{
	return readers[id];
}
