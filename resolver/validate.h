/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_VALIDATE_H
#define EGRESS_RESOLVER_VALIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/rrset.h"
#include "resolver/zones.h"

/*
 * Whether an upstream's answer is what the owners of its zones have signed (RFC 4035 section 5):
 * the aliases from the question on, and the records at their end or the proof that there are none.
 * Without sockets: what is missing of the chain of trust is said, to be asked, learned (zones.h),
 * and then validate() is called again.
 */

enum validate_status {
	VALIDATE_SECURE,
	VALIDATE_ASK,      /* an answer to (`ask`, `type`) is to be learned first */
	VALIDATE_INSECURE, /* it is provably unsigned: `ede` says why */
	VALIDATE_BOGUS,    /* it is not what it should be: `ede` says how */
};

struct validate_verdict {
	enum validate_status status;
	enum ede ede;
	struct name ask;
	uint16_t type;
	/* VALIDATE_SECURE */
	uint32_t ttl;   /* the most that it may live, in seconds */
	struct name at; /* the last alias's target, or the name */
	bool denied;    /* it was proved to have no records of the type, or not to exist */
};

/* What one answer may cost, all calls of validate() together. */
struct validate_budget validate_budget(void);

/*
 * Validates the answer to (`name`, `type`), a message that answer_read() took, at `time` (seconds
 * since 1970). Signatures are looked at only when the chain of trust is complete.
 */
void validate(struct zones *zones, const uint8_t *bytes, size_t size, const struct name *name,
	uint16_t type, int64_t time, struct mono now, struct validate_budget *budget,
	struct validate_verdict *ret_verdict);

#endif
