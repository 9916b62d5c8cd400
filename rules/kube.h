/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_KUBE_H
#define EGRESS_RULES_KUBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/compile.h"
#include "rules/ranges.h"

struct arena;
struct losses;
struct yaml;

/* What the Kubernetes targets have in common: which pods, and what the policy comes to without a
 * resolver and a kernel of ours. */

/* "app=web": both parts as Kubernetes has them. */
struct kube_label {
	const char *key;
	const char *value;
};

#define KUBE_LABELS_MAX 32

struct kube_options {
	const char *name;                            /* of the objects */
	const char *name_space;                      /* NULL: the one they are applied in */
	struct kube_label selector[KUBE_LABELS_MAX]; /* of the pods; none: all in the namespace */
	size_t n_selector;
	struct kube_label labels[KUBE_LABELS_MAX]; /* of the objects */
	size_t n_labels;
};

/* "key=value" into a label whose strings lie in the arena. 0, -EINVAL or -ENOMEM. */
int kube_label_from_text(struct arena *arena, const char *text, struct kube_label *ret_label);

/* Whether it is a name that objects may have (RFC 1123 label). */
bool kube_is_name(const char *text);

/* Addresses that are open on some ports. */
struct kube_rule {
	struct ranges to[PLAN_FAMILIES];
	struct port_range *ports; /* TCP and UDP only */
	size_t n_ports;
	bool sctp; /* on all of its ports */
	bool echo; /* ICMP echo requests, too */
};

struct kube_rules {
	struct kube_rule *rules;
	size_t n_rules;
};

/* Adds a rule, for which there is room, to those there are: to the ports of one with the same
 * addresses, if there is one. 0 or -ENOMEM. */
int kube_rules_add(struct arena *arena, const struct kube_rule *rule, struct kube_rules *rules);

/*
 * What the policy permits without a name, and never DNS, which goes to a resolver whatever the
 * address. Where that is less than the policy has, or what watches over it is missing, it is a
 * loss. 0 or -ENOMEM.
 */
int kube_rules_make(struct arena *arena, const struct plan *plan, struct losses *losses,
	struct kube_rules *ret_rules);

/* The TCP and UDP ports of a group, DNS left out; false where none are left. */
int kube_group_ports(struct arena *arena, const struct plan *plan, unsigned group,
	struct port_range **ret_ports, size_t *ret_count);

/* The ports of some groups (bit 1 << group), as a rule to no address. 0 or -ENOMEM. */
int kube_groups_ports(
	struct arena *arena, const struct plan *plan, uint64_t groups, struct kube_rule *ret_rule);

/* For targets that have no ICMP. */
void kube_lose_echo(
	const struct compiled *compiled, const struct kube_rules *rules, struct losses *losses);

/* What none of the targets has: limits, budgets, records, scope, dates of expiry. */
void kube_lose_settings(const struct layers *layers, struct losses *losses);

/* Of a policy that permits what it doesn't mention: what its entries say of names. */
void kube_lose_names(const struct layers *layers, struct losses *losses);

/* Whether names that the layer's entry has may have any address. */
bool kube_believes_all(const struct layer *layer, const struct layer_entry *it);

/* The addresses that they may have. 0 or -ENOMEM. */
int kube_believed(struct arena *arena, const struct layer *layer, const struct layer_entry *it,
	enum plan_family family, struct ranges *ret_ranges);

/* Whether the policy has names that it permits, or permits all that it doesn't refuse. */
bool kube_wants_dns(const struct layers *layers);

/* --- Writing --- */

/* apiVersion, kind and metadata. */
void kube_write_head(struct yaml *yaml, const struct kube_options *options, const char *version,
	const char *kind, const char *name, bool namespaced);

/* The key, and a mapping of the labels. */
void kube_write_labels(
	struct yaml *yaml, const char *key, const struct kube_label *labels, size_t count);

/* {matchLabels: {...}} or {}. */
void kube_write_selector(struct yaml *yaml, const struct kube_label *labels, size_t count);

/* The keys "namespaceSelector" and "podSelector" of the cluster's DNS, as its add-on has been
 * labelled ever since. */
void kube_write_dns_pods(struct yaml *yaml);

/* Addresses as CIDR blocks have them: the prefixes, or, where that is shorter, all of the family
 * with exceptions. */
struct kube_block {
	const char *cidr;
	const char **except;
	size_t n_except;
};

/* 0 or -ENOMEM. */
int kube_blocks_make(struct arena *arena, const struct ranges to[PLAN_FAMILIES],
	struct kube_block **ret_blocks, size_t *ret_count);

/* The keys "cidr" and, if there are exceptions, "except". */
void kube_write_block(struct yaml *yaml, const struct kube_block *block);

/* The fewest prefixes, as texts: "192.0.2.0/24". 0 or -ENOMEM. */
int kube_prefix_texts(struct arena *arena, const struct ranges *ranges, const char ***ret_texts,
	size_t *ret_count);

#endif
