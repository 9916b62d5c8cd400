/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_PLAN_H
#define EGRESS_RULES_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/class.h"
#include "rules/layers.h"

/*
 * The one lowered form of a policy with its overrides: what the kernel objects are called and what
 * is in them, each with the rule it came from. Back-ends print it, the resolver leases by it.
 * Nobody else names a kernel object.
 */

#define PLAN_GROUPS_MAX 64

/* The rule id that refuses what no entry permits, and the one that permits it. */
#define PLAN_DEFAULT_DENY "default-deny"
#define PLAN_DEFAULT_PERMIT "default-permit"

/* A rule in force, which permits. `mark` is the connection mark of its flows: as long as it stays,
 * what the rule opens has not shrunk. Never 0. */
struct plan_rule {
	uint32_t mark;
	uint32_t flag_mark; /* of its flows that are to be reported; 0: there are none */
	const char *id;     /* "allow-3", "o1:allow-2", PLAN_DEFAULT_PERMIT */
	const char *text;   /* "api.example.com, *.example.net tcp/443": at most 100 bytes, for
			       comments */
	struct place place;
	int64_t expires; /* seconds since 1970, from when on it opens nothing; INT64_MAX: never */
	unsigned layer;
	const struct layer_entry *entry; /* NULL for PLAN_DEFAULT_PERMIT */
	uint32_t *limiters; /* entries of further layers whose limits hold for all that it opens */
	size_t n_limiters;
};

/* An entry of an override, as far as its limits (connections, bytes, expires) hold for rules that
 * are not its own. */
struct plan_limiter {
	const struct layer_entry *entry;
	unsigned layer;
	uint32_t tag; /* names its kernel objects; no rule's mark is the same */
};

/* A reason to refuse, with a chain of its own. */
struct plan_refusal {
	const char *id;    /* "deny-1", "block-private", "o1:default-deny" */
	const char *chain; /* its chain */
	const char *about; /* for comments */
	bool observed;     /* recorded, and let through */
	struct place place;
};

/* Addresses and what is decided about them; those of one list are sorted and disjoint. */
struct plan_span {
	struct range range;
	enum verdict verdict;
	uint32_t index; /* VERDICT_PERMIT, VERDICT_FLAG: of the rule; else of the refusal */
};

enum plan_family { PLAN_IP4, PLAN_IP6, PLAN_FAMILIES };

struct plan_spans {
	struct plan_span *spans;
	size_t n_spans;
};

/*
 * A port group: the ports that every entry either names all of or none of, so that a destination
 * belongs to one group and one set of maps decides. The lists hold what differs from the decision
 * on the rest of the ports (struct plan); an address is in one of them at most.
 */
struct plan_group {
	const char *name; /* "tcp-443": the first of its ports; also its chain */
	struct port_range *ports;
	size_t n_ports;
	struct {
		const char *leases;          /* map: address -> mark, each with a time-out; set by
						the resolver */
		const char *addresses;       /* interval map: address -> mark, from the policy */
		const char *refused;         /* interval map: address -> chain */
		struct plan_spans permitted; /* what `addresses` holds: mark, or flag_mark for
						VERDICT_FLAG */
		struct plan_spans denied;    /* what `refused` holds */
	} family[PLAN_FAMILIES];
};

/*
 * How a packet's destination is decided, first answer wins:
 *	1. in the chain of its port's group, if it has one: leases, addresses, refused;
 *	2. for all ports: the plan's addresses, then its refused;
 *	3. `otherwise`.
 * Without leases this is what judge() says of the bare address, with the rule id (rules/spans.c has
 * the proof). A list without spans needs no map.
 */
struct plan {
	const struct layers *layers;
	const struct policy *policy; /* the base */
	const char *table;           /* "egress-default", in family inet */
	const char *live_set;        /* marks in force */
	const char *flagged_set;     /* those of them whose flows are to be reported */
	const char *resolver_set;    /* mark . uid of the resolver's own sockets */
	/* What a session has spent. NULL: nobody asks for it. */
	const char *destinations_set; /* distinct destinations */
	uint32_t destinations_size;   /* of it: their ceiling, if there is one */
	const char *connections_set;  /* new connections, one by one */
	/* Both protocols of nfproto are in the first one when their ceilings were raised, and in
	 * the second one once that is in force with the ruleset that is loaded: rules/nft-limits.c.
	 * NULL: they have no ceiling. */
	const char *extended_set;
	const char *raised_set;
	const char *session_map; /* what the resolver has to know of it: see resolver/sets.h */
	bool drops_raw; /* frames of packet sockets, on every interface: rules/nft-link.h */
	bool refuses_destinations;  /* that are too many; else they are only reported */
	bool refuses_unknown_share; /* the same */
	bool refuses_connections;
	bool refuses_bytes;     /* what is above [budget] bytes */
	uint32_t observed_mark; /* of flows that only an observing layer would refuse; 0: none. It
				   is new whenever what refuses is */
	struct plan_rule *rules;
	size_t n_rules;
	uint64_t *rule_groups;         /* for each rule: bit 1 << group */
	struct plan_limiter *limiters; /* those that a rule names */
	size_t n_limiters;
	struct plan_refusal *refusals; /* those that a span or `otherwise` names */
	size_t n_refusals;
	struct plan_group *groups;
	size_t n_groups;
	/* What nothing matches, and how it is decided on all ports, those of no group included. */
	enum verdict otherwise;
	uint32_t otherwise_index; /* as in struct plan_span */
	struct {
		/* set: address . protocol . port of the servers that the resolver asks; filled by
		 * it when the policy names none */
		const char *upstream_set;
		/* For every port, behind the groups: all-port denies and classes. `permitted` has
		 * spans only under scores by which an all-port deny, or a class, permits. */
		const char *addresses; /* interval map: address -> mark */
		const char *refused;   /* interval map: address -> chain */
		struct plan_spans permitted;
		struct plan_spans denied;
		/* Where this host's DNS of the family is sent; NULL: refused. Never an unspecified
		 * address: for a resolver that listens on 0.0.0.0 or [::] this is the loopback. */
		const struct endpoint *listen;
		/* The same for DNS that passes through; NULL: not sent anywhere, but when
		 * redirect_port isn't 0 the resolver listens on all of this host's addresses, and
		 * `redirect to :redirect_port` finds it. */
		const struct endpoint *listen_forwarded;
		uint16_t redirect_port;
	} family[PLAN_FAMILIES];
};

/* Lowers a policy with its overrides. 0, -EINVAL (diag says why: too many port groups, or something
 * that no kernel object can hold) or -ENOMEM. */
int plan_make(struct arena *arena, const struct layers *layers, struct diag *diag,
	const struct plan **ret_plan);

/* The group that `port` of `protocol` belongs to. False: none, it is one of the rest. */
bool plan_find_group(
	const struct plan *plan, enum protocol protocol, uint16_t port, unsigned *ret_group);

/* The groups that the entry, of any layer, has: bit 1 << group. */
uint64_t plan_entry_groups(const struct plan *plan, const struct entry *entry);

#endif
