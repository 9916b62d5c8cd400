/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_CLASS_H
#define EGRESS_RULES_CLASS_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/inaddr.h"

/* Classes of addresses that no name and no broad prefix opens: [network] block. */
enum address_class {
	CLASS_PRIVATE,
	CLASS_SHARED,
	CLASS_LINK_LOCAL,
	CLASS_LOOPBACK,
	CLASS_METADATA,
	CLASS_MULTICAST,
	CLASS_RESERVED,
	CLASS_DOH,
	CLASS_COUNT,
};

/* A set of classes: bit 1 << class. */
#define CLASS_ALL ((1u << CLASS_COUNT) - 1)

/* One prefix of a class, with where the fact comes from. */
struct class_prefix {
	enum address_class class;
	struct prefix prefix;
};

/* The name in policies ("link-local"); never NULL for a class. */
const char *class_name(enum address_class class);

/* The rule id of refusals by the class ("block-link-local"). */
const char *class_rule(enum address_class class);

/* The class of that name. 0 or -ENOENT. */
int class_from_text(struct text text, enum address_class *ret_class);

/* All prefixes of all classes, sorted by nothing; *ret_count of them, for the program's life. */
const struct class_prefix *class_prefixes(size_t *ret_count);

/* Whether `address` lies in one of the classes in `mask`, and in which: the longest prefix names
 * it. An IPv4 address embedded in an IPv6 one (6to4, Teredo, NAT64 64:ff9b::/96, IPv4-compatible)
 * is judged as well. */
bool class_find(const struct inaddr *address, unsigned mask, enum address_class *ret_class);

/* The IPv6 addresses that have one of an IPv4 prefix embedded, as class_find() knows them. Where
 * other bits lie before it, which is Teredo, all of the tunnel's addresses. Returns how many. */
#define CLASS_EMBEDDINGS 8
size_t class_embeddings(const struct prefix *ip4, struct prefix ret_prefixes[CLASS_EMBEDDINGS]);

#endif
