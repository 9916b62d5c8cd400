/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_LEASE_RECORD_H
#define EGRESS_RESOLVER_LEASE_RECORD_H

#include <stdint.h>

#include "resolver/channel.h"
#include "resolver/engine.h"
#include "rules/match.h"

struct rings;

/* Where a keeper records the leases it gives, if it does. */
struct lease_records {
	enum engine_recording recording;
	struct rings *rings; /* NULL: nowhere */
	unsigned ring;
};

/* Records that the request's address `index` was opened as `lease` says, for `seconds`. */
void lease_record(const struct lease_records *records, const struct plan *plan,
	const struct channel_request *request, uint32_t index, const struct match_lease *lease,
	uint32_t seconds);

/* Records that the name is opened though it is more than the budget, whose rule that is, has. */
void lease_record_over(
	const struct lease_records *records, const char *rule, const struct name *name);

#endif
