/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_ANCHOR_H
#define EGRESS_RESOLVER_ANCHOR_H

#include <ldns/ldns.h>
#include <stddef.h>

#include "src/base/name.h"

/* The keys that are trusted without proof (RFC 4033 section 2, "trust anchor"). */

#define ANCHORS_MAX 32
#define ANCHORS_PATH "/usr/share/dns/root.key" /* of the root; Debian's dns-root-data */

struct anchor {
	struct name zone;
	ldns_rr *ds;
};

struct anchors {
	size_t count;
	struct anchor anchors[ANCHORS_MAX];
};

/*
 * Reads DS and DNSKEY records, one a line as in a zone file; of keys only those that are secure
 * entry points. 0, -errno when the file can't be read, -EINVAL when a line is no such record, or
 * there is none that can be used, or too many; *ret_line is that line, or 0.
 */
int anchors_read(const char *path, struct anchors **ret_anchors, unsigned *ret_line);
void anchors_free(struct anchors *anchors);

/* The deepest zone with an anchor that is `name` or above it; NULL: there is none. */
const struct name *anchors_above(const struct anchors *anchors, const struct name *name);

#endif
