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
/* Records that are no addresses, and bytes of them; more are cut off. */
#define ANSWER_RECORDS_MAX 64
#define ANSWER_RECORDS_BYTES 4096
#define ANSWER_DATA_MAX (ANSWER_ALIASES_MAX * NAME_WIRE_MAX + ANSWER_RECORDS_BYTES)

/*
 * The answer to a question in packed form: `data` holds the alias targets in wire form, in the
 * order of the chain, then the addresses, 4 or 16 bytes each, or the data of records of another
 * type, each behind its length in 2 bytes. Only the `size` bytes of data in use need to exist.
 */
struct answer {
	uint8_t rcode;
	uint8_t address_size; /* 4 or 16 */
	uint8_t n_aliases;
	uint8_t n_addresses;
	uint8_t n_records;     /* others */
	bool authentic;        /* it was validated, and nothing was changed in it */
	bool partial;          /* records were left out */
	int16_t ede;           /* enum ede */
	uint16_t type;         /* of the records */
	uint16_t aliases_size; /* of data */
	uint16_t size;
	const char *rule; /* rule id for the Extended Error's text, of the policy's lifetime; may be
			     NULL */
	uint8_t data[];
};

/* Addresses that an answer may only leave with under a lease. */
struct answer_leases {
	unsigned count;
	struct inaddr addresses[CHANNEL_ADDRESSES_MAX];
};

/* Room for any answer, and what of it needs a lease. */
struct answer_buffer {
	_Alignas(struct answer) uint8_t bytes[sizeof(struct answer) + ANSWER_DATA_MAX];
	struct answer_leases leases;
};

_Static_assert(CHANNEL_ADDRESSES_MAX * 16 <= ANSWER_RECORDS_BYTES, "addresses have room");

/* Who says what may be in an answer. */
struct answer_judge {
	void *context;
	/* True with *ret_leased, whether the address needs a lease; or false with the rule that
	 * takes it away. */
	bool (*permits)(void *context, const struct inaddr *address, bool *ret_leased,
		const char **ret_rule);
	/* Whether another name may be asked for, and whether the one that was asked for has a port.
	 * NULL: not. */
	bool (*permits_name)(void *context, const struct name *name);
	bool (*permits_port)(void *context, uint16_t port);
};

/* An answer without records: a refusal, an error, or NODATA with RCODE_NOERROR. */
struct answer *answer_empty(
	struct answer_buffer *buffer, enum rcode rcode, enum ede ede, const char *rule);

/* An answer of these addresses, those of the family that `type` asks for and the judge permits;
 * none for another type. */
struct answer *answer_of_addresses(struct answer_buffer *buffer, uint16_t type,
	const struct inaddr *addresses, size_t count, const struct answer_judge *judge);

/* An answer of one record that is a name. */
struct answer *answer_of_name(
	struct answer_buffer *buffer, uint16_t type, const struct name *target);

/* Notes that an address needs a lease, once. False: there are too many. */
bool answer_add_lease(struct answer_leases *leases, const struct inaddr *address);

/* Takes the addresses out of the answer that are among the leases and were not opened; `opened` has
 * bit 1 << index for those that were. False: that leaves nothing that could be given out. */
bool answer_keep_opened(struct answer *answer, const struct answer_leases *leases, uint64_t opened);

/* Whether the answer has no records. */
bool answer_is_negative(const struct answer *answer);

/* Bytes by which an answer can tell something to whoever asked: its records, TTL and rcode. */
size_t answer_told(const struct answer *answer);

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
 * Reads what an upstream sent: only records reached from the question over an acyclic alias chain
 * count. Of addresses those are dropped that the judge does not permit; records of another type are
 * rebuilt from what they say. *ret_ttl is the smallest TTL on the way, in seconds; of a negative
 * answer that of RFC 2308 section 5. With ANSWER_READY *ret_answer lies in `buffer`.
 */
enum answer_status answer_read(const uint8_t *bytes, size_t size, const struct name *name,
	uint16_t type, const struct answer_judge *judge, struct answer_buffer *buffer,
	struct answer **ret_answer, uint32_t *ret_ttl);

#endif
