/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_JUDGE_H
#define EGRESS_RULES_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/class.h"
#include "rules/layers.h"

/*
 * What the layers say of one destination, entry by entry, as policy.md has it: the language's
 * meaning, written to be read. --explain shows it; rules/match.h and the kernel's sets are held
 * against it in tests.
 */

struct question {
	const struct name *name;      /* NULL: a bare address */
	const struct inaddr *address; /* NULL: a name whose addresses aren't known yet */
	bool embedded; /* [dns.hosts] gives the name this address: it is believed, whatever it is */
	enum protocol protocol;
	uint16_t port; /* 0 for protocols without ports */
};

enum finding_kind { FOUND_NOTHING, FOUND_HOST, FOUND_PATTERN, FOUND_ADDRESS, FOUND_CLASS };

/* Something that matches a destination. */
struct finding {
	enum finding_kind kind;
	const struct layer_entry *entry; /* NULL for a class and for nothing */
	enum address_class class;        /* of FOUND_CLASS; the reason of "public" to disbelieve */
	double score;
	enum verdict verdict;
	struct host host;              /* of FOUND_HOST: the one that matches */
	const struct pattern *pattern; /* of FOUND_PATTERN */
	struct range range;            /* of an address or a class */
	struct place place;            /* of the word that matches: in the policy, or in a list */
	bool disbelieved; /* a name's entry that does not believe the address: that refuses */
};

/* Whether the entry is about the port. */
bool judge_has_port(const struct entry *entry, enum protocol protocol, uint16_t port);

/* Whether an entry of the layer names the port: only there do its names open anything. */
bool judge_names_port(const struct layer *layer, enum protocol protocol, uint16_t port);

/* Whether the layer's entry believes that a name it matches has the address. If not, *ret_class is
 * the class that the address is in, where that is the reason. */
bool judge_believes(const struct layer *layer, const struct entry *entry,
	const struct inaddr *address, enum address_class *ret_class);

/* What one layer says. */
struct finding judge_layer(const struct layer *layer, const struct question *question);

/* All that matches in a layer: of each entry in order its best host, pattern and address, then each
 * prefix of a blocked class. */
void judge_visit(const struct layer *layer, const struct question *question,
	void (*visit)(void *context, const struct finding *finding), void *context);

/* Whether `a` beats `b`, both of one layer and one question. Two prefixes of classes may be equal:
 * then neither does, and the first visited has it. */
bool judge_beats(const struct finding *a, const struct finding *b);

/* Whether `a` matches more closely, whatever they decide. */
bool judge_is_closer(const struct finding *a, const struct finding *b);

struct judgement {
	enum verdict verdict;
	struct finding layers[LAYERS_MAX];
};

/* The strictest verdict of all layers. */
void judge(const struct layers *layers, const struct question *question,
	struct judgement *ret_judgement);

/* The layer that the judgement is put down to: the first that has the verdict when that is a
 * refusal or an observed one, else the first whose winner is an entry. False: there is none, all
 * layers permit what they say nothing about. */
bool judgement_layer(
	const struct layers *layers, const struct judgement *judgement, unsigned *ret_layer);

#define RULE_ID_MAX 96

/*
 * The rule id of what a layer says into `out` (RULE_ID_MAX bytes), which it returns: the entry
 * ("deny-1", "o1:allow-2"), the class ("o1:block-private"), or "default-deny" and "default-permit"
 * of what nothing matches; "allow-3:addresses" of an entry that refuses an address its `addresses`
 * do not have.
 */
const char *finding_rule(const struct layer *layer, const struct finding *finding, char *out);

/* The same of the judgement: of its judgement_layer(), or "default-permit". */
const char *judgement_rule(
	const struct layers *layers, const struct judgement *judgement, char *out);

#endif
