/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_ANSWER_H
#define EGRESS_RESOLVER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/channel.h"
#include "resolver/msg.h"
#include "src/base/inaddr.h"
#include "src/base/name.h"

/* Alias steps followed from a question (architecture.md, invariant 3). */
#define ANSWER_ALIASES_MAX 8
#define ANSWER_DATA_MAX (ANSWER_ALIASES_MAX * NAME_WIRE_MAX + CHANNEL_ADDRESSES_MAX * 16)

/*
 * The answer to a question in packed form, as the cache keeps it: `data` holds the alias targets in
 * wire form, in the order of the chain, then the addresses, 4 or 16 bytes each. Only the `size`
 * bytes of data in use need to exist.
 */
struct answer {
	uint8_t rcode;
	uint8_t address_size; /* 4 or 16 */
	uint8_t n_aliases;
	uint8_t n_addresses;
	int16_t ede;      /* enum ede */
	uint16_t size;    /* of data */
	const char *rule; /* rule id for the Extended Error's text, of the policy's lifetime; may be
			     NULL */
	uint8_t data[];
};

/* Room for any answer, and which of its addresses may only leave under a lease: bit 1 << index. */
struct answer_buffer {
	_Alignas(struct answer) uint8_t bytes[sizeof(struct answer) + ANSWER_DATA_MAX];
	uint64_t leased;
};

_Static_assert(CHANNEL_ADDRESSES_MAX <= 64, "a bit for each address");

/* Who says whether an address may be in an answer. */
struct answer_judge {
	void *context;
	/* True with *ret_leased, whether it needs a lease; or false with the rule that takes it
	 * away. */
	bool (*permits)(void *context, const struct inaddr *address, bool *ret_leased,
		const char **ret_rule);
};

/* An answer without records: a refusal, an error, or NODATA with RCODE_NOERROR. */
struct answer *answer_empty(
	struct answer_buffer *buffer, enum rcode rcode, enum ede ede, const char *rule);

/* An answer of these addresses, those of the family that `type` asks for and the judge permits. */
struct answer *answer_of_addresses(struct answer_buffer *buffer, uint16_t type,
	const struct inaddr *addresses, size_t count, const struct answer_judge *judge);

/* Bytes of an answer in use: what a copy takes. */
size_t answer_size(const struct answer *answer);

/* The address `index` of an answer. */
struct inaddr answer_address(const struct answer *answer, unsigned index);

/* The next alias target of an answer: start with *at = 0. False at their end. */
bool answer_next_alias(const struct answer *answer, size_t *at, struct name *ret_target);

/* Writes the answer's records, and for a negative one its SOA, for a message whose question (of
 * `question_size` bytes) begins at MSG_HEADER_SIZE. Counts into the two outputs. */
void answer_write(const struct answer *answer, uint32_t ttl, size_t question_size,
	struct writer *writer, uint16_t *ret_answers, uint16_t *ret_authorities);

enum answer_status {
	ANSWER_READY,
	ANSWER_TRUNCATED, /* ask again over TCP */
	ANSWER_FAILED,    /* the server cannot, will not, or sends nonsense: ask another one */
	ANSWER_BOGUS,     /* not the answer to this question: as if it had not come */
};

/*
 * Reads what an upstream sent: only addresses reached from the question over an acyclic alias chain
 * count, and of those the ones that the judge does not permit are dropped. *ret_ttl is the smallest
 * TTL on the way, in seconds; of a negative answer that of RFC 2308 section 5. With ANSWER_READY
 * *ret_answer lies in `buffer`.
 */
enum answer_status answer_read(const uint8_t *bytes, size_t size, const struct name *name,
	uint16_t type, const struct answer_judge *judge, struct answer_buffer *buffer,
	struct answer **ret_answer, uint32_t *ret_ttl);

#endif
