/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/sets-own.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "resolver/categorized.h"
#include "src/base/fd.h"
#include "src/base/log.h"

/*
 * Theory of operation
 *
 * The destinations of a session are elements of one set in the kernel: packets to bare addresses
 * put these in, the keeper puts in what stands for a name. Both take the last place in the same
 * way, so exactly one has it; by netlink the keeper could only come close to it, and would break
 * the set (rules/nft-limits.c). So it counts a name by sending a packet, which a rule of the table
 * turns into an element and drops. What came of it is not told, and another's firewall may be in
 * between; so the set is asked. What is known to be in it is remembered, and not sent again.
 *
 * A name is counted before its addresses are opened, and stays counted when that fails.
 *
 * The share of destinations without a category is judged when a name comes that has none, by what
 * there would be with it. Names are this keeper's to count; bare addresses are counted by the
 * kernel, and read when there are more elements in the set than are known, before that judgement.
 * Where there are many, that is done once a second; what is not read yet has no category.
 */

enum {
	LEARN_AT_ONCE = 4096, /* destinations, however often they have to be read */
	LEARN_AGAIN_MS = 1000,
	CLAIM_PORT = 9, /* rules/nft-hooks.c: put_count_names() */
};

/* --- What the kernel has counted --- */

int sets_record_destination(struct sets *sets, const struct setlink_element *element)
{
	struct destination destination;
	struct inaddr address;
	bool unknown;

	if (element->key_size != sizeof(destination.bytes))
		return -EPROTO;
	memcpy(destination.bytes, element->key, sizeof(destination.bytes));
	if (!destination_is_name(&destination, &unknown)) {
		address = destination_address(&destination);
		unknown = !categorized_address(sets->plan, &address);
	}
	destinations_add(sets->destinations, &destination, unknown);
	return 0;
}

static int take_destination(void *context, const struct setlink_element *element)
{
	return sets_record_destination(context, element);
}

void sets_learn_destinations(struct sets *sets)
{
	setlink_dump(sets->link, sets->plan->table, sets->plan->destinations_set, take_destination,
		sets);
}

/* How many the kernel has counted that are not on record, after reading them if that is due. */
static uint32_t unread(struct sets *sets, struct mono now)
{
	const struct plan *plan = sets->plan;
	uint32_t known = destinations_count(sets->destinations).all;
	size_t held = 0;
	int error = setlink_count(sets->link, plan->table, plan->destinations_set, &held);

	if (!error && held <= known)
		return 0;
	if (held <= LEARN_AT_ONCE || !mono_before(now, sets->destinations_at)) {
		sets_learn_destinations(sets);
		sets->destinations_at = mono_add(now, (struct duration){LEARN_AGAIN_MS});
		known = destinations_count(sets->destinations).all;
	}
	return held > known ? (uint32_t)(held - known) : 0;
}

/* Whether one more destination, without a category, makes their share too large. */
static bool exceeds_share(struct sets *sets, struct mono now)
{
	const struct budget *budget = &sets->plan->layers->budget;
	uint32_t others = unread(sets, now);
	struct destinations_count count = destinations_count(sets->destinations);
	uint64_t all = (uint64_t)count.all + others + 1,
		 unknown = (uint64_t)count.unknown + others + 1;

	return all >= BUDGET_SHARE_FROM && (double)unknown > budget->unknown_share * (double)all;
}

/* --- Names --- */

int sets_open_claims(uint32_t mark)
{
	CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		return -errno;
	return fd_steal(&fd);
}

/* Whether sending was refused, as it is when the rule has seen the packet. */
static bool send_claim(const struct sets *sets, const struct destination *destination)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(CLAIM_PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	return sendto(sets->claims, destination->bytes, sizeof(destination->bytes), 0,
		       (const struct sockaddr *)&to, sizeof(to)) < 0 &&
	       errno == EPERM;
}

/* 0: it is in the set; -EDQUOT: there is no room; -ENOENT: the table does not count; or -errno. */
static int claim(struct sets *sets, const struct destination *destination)
{
	const struct plan *plan = sets->plan;
	struct setlink_element wanted = {.key_size = DESTINATION_BYTES}, found;
	bool seen = send_claim(sets, destination);
	size_t held;
	int error;

	memcpy(wanted.key, destination->bytes, DESTINATION_BYTES);
	error = setlink_get(sets->link, plan->table, plan->destinations_set, &wanted, &found);
	if (error != -ENOENT || !seen)
		return error;
	error = setlink_count(sets->link, plan->table, plan->destinations_set, &held);
	/* Where the kernel does not tell, it is refused. */
	if (error == -EOPNOTSUPP || (!error && held >= sets_destinations_ceiling(sets)))
		return -EDQUOT;
	return error ? error : -ENOENT;
}

int sets_count_name(struct sets *sets, const struct name *name, bool unknown, struct mono now,
	bool *ret_over_share)
{
	const struct plan *plan = sets->plan;
	struct destination destination;
	bool over_share = false;
	int error;

	if (!sets->destinations)
		return 0;
	destination = destination_of_name(&sets->session.key, name, unknown);
	if (destinations_has(sets->destinations, &destination))
		return 0;
	/* What cannot be counted any more may be too much. */
	if (plan->layers->budget.has_unknown_share && unknown)
		over_share = sets->counting_stopped || exceeds_share(sets, now);
	if (over_share)
		*ret_over_share = true;
	if (over_share && plan->refuses_unknown_share)
		return -EDOM;
	if (sets->counting_stopped)
		return 0;
	error = claim(sets, &destination);
	if (!error)
		destinations_add(sets->destinations, &destination, unknown);
	if (error == -ENOENT && !sets->is_uncounted)
		log_error("names can't be counted in table inet %s: is it of this policy, and is "
			  "the loopback up?",
			plan->table);
	sets->is_uncounted = error == -ENOENT;
	return error;
}
