/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_MSG_H
#define EGRESS_RESOLVER_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/hash.h"
#include "src/base/name.h"

struct answer;

/* DNS messages of clients, in and out (RFC 1035 section 4, RFC 6891, RFC 8914), and the questions
 * we send upstream. What comes from upstream is read by answer.c. */

#define MSG_HEADER_SIZE 12
#define MSG_MAX 65535
#define MSG_UDP_PLAIN 512 /* RFC 1035 section 4.2.1 */
#define MSG_UDP_EDNS 1232 /* RFC 9715 section 3: no fragments */
#define MSG_QUESTION_MAX (NAME_WIRE_MAX + 4)

enum rcode {
	RCODE_NOERROR = 0,
	RCODE_FORMERR = 1,
	RCODE_SERVFAIL = 2,
	RCODE_NXDOMAIN = 3,
	RCODE_NOTIMP = 4,
	RCODE_REFUSED = 5,
	RCODE_BADVERS = 16,
};

enum rrtype {
	RRTYPE_A = 1,
	RRTYPE_CNAME = 5,
	RRTYPE_SOA = 6,
	RRTYPE_AAAA = 28,
	RRTYPE_DNAME = 39,
	RRTYPE_OPT = 41,
};

#define RRCLASS_IN 1

/* RFC 8914 section 4, the ones in use; 0 would be "Other", so none is -1. */
enum ede {
	EDE_NONE = -1,
	EDE_OTHER = 0,
	EDE_BLOCKED = 15,
	EDE_FILTERED = 17,
	EDE_NOT_READY = 14,
	EDE_NO_REACHABLE_AUTHORITY = 22,
};

/* What a reply needs to know of its query, whoever it came from. */
struct msg_context {
	uint16_t id;
	uint8_t opcode;
	bool recursion_desired;
	bool checking_disabled;
	bool edns;              /* the client sent an OPT record */
	uint16_t limit;         /* longest reply the client takes, in bytes */
	uint16_t question_size; /* 0: the question could not be read, and isn't repeated */
	uint8_t question[MSG_QUESTION_MAX]; /* name, type and class as they came: clients check the
					       letter case */
};

struct msg_query {
	struct msg_context context;
	struct name name;
	uint16_t type;
	uint16_t class;
};

enum msg_status {
	MSG_QUERY,  /* a well-formed query */
	MSG_ERROR,  /* to be answered with *ret_rcode and nothing else */
	MSG_IGNORE, /* not to be answered: a response, or too short to have an ID */
};

/*
 * Reads a client's message. `stream`: it came over TCP, so a reply may be as long as it likes. On
 * MSG_ERROR the context is filled as far as the message could be read.
 */
enum msg_status msg_read(const uint8_t *bytes, size_t size, bool stream,
	struct msg_query *ret_query, enum rcode *ret_rcode);

/*
 * Writes the reply with `answer`, its records living `ttl` seconds, into `out` (MSG_MAX bytes).
 * What is longer than the client takes becomes a truncated reply without records (RFC 2181 section
 * 9). Returns the size.
 */
size_t msg_write_reply(
	const struct msg_context *context, const struct answer *answer, uint32_t ttl, uint8_t *out);

/* What tables of questions find one by. */
uint64_t msg_hash_question(const struct hash_key *key, const struct name *name, uint16_t type);

/* The question sent upstream: canonical name, our ID, our EDNS; nothing of the client's bytes.
 * Returns its size; `out` has room for MSG_QUESTION_MAX + 32. */
size_t msg_write_question(uint16_t id, const struct name *name, uint16_t type, uint8_t *out);

#endif
