/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "rules/nft.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "tests/fuzz/fuzz.h"

/* Any bytes as a policy file: an error that can be shown, or a policy that keeps what its header
 * promises, and a ruleset. */

#define ARENA_MAX ((size_t)256 << 20)
#define NOW INT64_C(1798761600) /* 2027-01-01 */

static void check_host(const struct host *host, bool broad)
{
	struct reader reader = reader_over(host->wire, host->length);
	struct name name;

	name_read(&reader, &name);
	fuzz_require(!reader.failed && reader_left(&reader) == 0, "a host is a name");
	fuzz_require(broad || name_labels(&name) > 0, "a host has labels");
}

static void check_entry(const struct entry *entry)
{
	fuzz_require(entry->id && entry->place.line > 0, "an entry has an id and a place");
	fuzz_require(entry->n_hosts + entry->n_addresses + entry->n_patterns + entry->n_lists > 0,
		"an entry is about something");
	fuzz_require(entry->all_ports ? entry->n_ports == 0 && entry->action == ACTION_DENY
				      : entry->n_ports > 0,
		"an entry has ports, or is a deny and has all");
	for (size_t i = 0; i < entry->n_hosts; i++)
		check_host(&entry->hosts[i], entry->broad);
	for (size_t i = 0; i < entry->n_addresses; i++) {
		const struct range *range = &entry->addresses[i].range;

		fuzz_require(
			range_contains(range, &range->first) && range_contains(range, &range->last),
			"a range is in order");
	}
	for (size_t i = 0; i < entry->n_ports; i++) {
		const struct port_range *ports = &entry->ports[i];

		fuzz_require(ports->first <= ports->last, "ports are in order");
		fuzz_require((ports->first > 0) == (ports->protocol != PROTOCOL_ICMP_ECHO),
			"ports have numbers");
	}
}

static void check_policy(const struct policy *policy)
{
	const struct dns_policy *dns = &policy->dns;

	fuzz_require(policy->name && policy->file && policy->nflog_group > 0,
		"a policy has its scalars");
	fuzz_require(dns->n_listen <= 16 && dns->n_upstream <= 8, "endpoints are few");
	fuzz_require(dns->min_lease.ms >= 1000 && dns->min_lease.ms <= dns->max_lease.ms,
		"leases are in order");
	fuzz_require(dns->grace.ms >= 1000, "there is a grace");
	for (size_t i = 0; i < policy->n_entries; i++)
		check_entry(&policy->entries[i]);
	for (size_t i = 0; i < dns->n_hosts; i++)
		fuzz_require(dns->hosts[i].n_addresses > 0, "a host has addresses");
}

/* An error that was said, or none. */
static void try_policy(struct arena *arena, const uint8_t *data, size_t size, FILE *nowhere)
{
	struct diag *diag = diag_new(arena);
	struct compiled compiled;
	const struct compile_options options = {
		.policy = "policy.toml", .text = (const char *)data, .size = size, .now = NOW};
	int error;

	fuzz_require(diag != NULL, "memory for a diag");
	error = compile_policy(arena, &options, diag, &compiled);
	fuzz_require(error == 0 || error == -EINVAL || error == -ENOMEM, "a known error");
	fuzz_require((error == -EINVAL) == diag_failed(diag), "a bad policy has a message");
	if (error == 0) {
		check_policy(compiled.plan->policy);
		fuzz_require(nft_write(compiled.plan, NULL, nowhere) == 0, "the plan prints");
	}
	diag_print(diag, nowhere);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	struct arena *arena;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	fuzz_require(nowhere != NULL, "/dev/null opens");
	fuzz_require(arena_new(ARENA_MAX, &arena) == 0, "memory for an arena");
	try_policy(arena, data, size, nowhere);
	arena_free(arena);
	return 0;
}
