/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_SVCB_H
#define EGRESS_RESOLVER_SVCB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/answer.h"

/*
 * Writes what a client may have of an SVCB or HTTPS record (RFC 9460) of `owner`, whose data is
 * `size` bytes in wire form: known parameters but `ech`, hints that the judge permits, a port and a
 * target that are the policy's. The hints that need a lease are added to `leases`. False, with
 * nothing added: the record must not be given out; if that is by a rule, *ret_rule is it.
 */
bool svcb_rebuild(const uint8_t *data, size_t size, const struct name *owner,
	const struct answer_judge *judge, struct writer *writer, struct answer_leases *leases,
	const char **ret_rule);

#endif
