/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_MSG_H
#define EGRESS_RESOLVER_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/cookie.h"
#include "src/base/buf.h"
#include "src/base/hash.h"
#include "src/base/name.h"

struct answer;

/* DNS messages of clients, in and out (RFC 1035 section 4, RFC 6891, RFC 8914). The questions
 * that we send upstream are question.c's, and what comes from there is read by answer.c. */

#define MSG_HEADER_SIZE 12
#define MSG_MAX 65535
#define MSG_UDP_PLAIN 512      /* RFC 1035 section 4.2.1 */
#define MSG_UDP_EDNS 1232      /* RFC 9715 section 3: no fragments */
#define MSG_KEEPALIVE_MS 10000 /* what clients are told */
#define MSG_QUESTION_MAX (NAME_WIRE_MAX + 4)

/* In the header's flags. */
#define HEADER_QR 0x8000
#define HEADER_OPCODE 0x7800
#define HEADER_TC 0x0200
#define HEADER_RD 0x0100
#define HEADER_RA 0x0080
#define HEADER_AD 0x0020
#define HEADER_CD 0x0010

#define OPT_DO 0x8000 /* in an OPT record's flags */

#define MSG_OPTION_COOKIE 10 /* RFC 7873 section 4 */

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
	RRTYPE_PTR = 12,
	RRTYPE_AAAA = 28,
	RRTYPE_DNAME = 39,
	RRTYPE_OPT = 41,
	RRTYPE_SVCB = 64,
	RRTYPE_HTTPS = 65,
};

#define RRCLASS_IN 1

/* RFC 8914 section 4, the ones in use; 0 would be "Other", so none is -1. */
enum ede {
	EDE_NONE = -1,
	EDE_OTHER = 0,
	EDE_UNKNOWN_ALGORITHM = 1,
	EDE_UNKNOWN_DIGEST = 2,
	EDE_STALE = 3,
	EDE_INDETERMINATE = 5,
	EDE_BOGUS = 6,
	EDE_SIGNATURE_EXPIRED = 7,
	EDE_SIGNATURE_EARLY = 8,
	EDE_DNSKEY_MISSING = 9,
	EDE_RRSIGS_MISSING = 10,
	EDE_NSEC_MISSING = 12,
	EDE_CACHED_ERROR = 13,
	EDE_BLOCKED = 15,
	EDE_FILTERED = 17,
	EDE_NOT_READY = 14,
	EDE_NO_REACHABLE_AUTHORITY = 22,
	EDE_NSEC3_ITERATIONS = 27,
};

/* What a reply needs to know of its query, whoever it came from. */
struct msg_context {
	const uint8_t *question; /* name, type and class as they came: clients check the letter
				    case. In the message that was read, or a copy of it */
	uint16_t question_size;  /* 0: it could not be read, and isn't repeated */
	uint16_t limit;          /* longest reply the client takes, in bytes */
	uint16_t id;
	uint8_t opcode;
	bool recursion_desired;
	bool checking_disabled;
	bool wants_ad;   /* the client asked to be told whether all was validated (AD) */
	bool edns;       /* the client sent an OPT record */
	bool dnssec_ok;  /* with this bit: it is repeated (RFC 3225 section 3) */
	bool keepalive;  /* asks how long a connection may be idle (RFC 7828) */
	bool has_cookie; /* sent a cookie (RFC 7873): the client's part is in `cookie`. The server's
			    part is the caller's to add */
	uint8_t cookie[COOKIE_SIZE];
};

struct msg_query {
	struct msg_context context;
	uint16_t type;
	uint16_t class;
	struct name name;
};

/* All of a reply that doesn't depend on the query but for its question: what a cache keeps. */
struct msg_body {
	const char *rule; /* text of the Extended Error, or NULL */
	int16_t ede;      /* enum ede */
	uint8_t rcode;
	uint8_t n_ttls;
	bool authentic; /* all of it was validated */
	uint16_t n_answers;
	uint16_t n_authorities;
	uint16_t size;          /* of the records */
	const uint8_t *records; /* in wire form, as they follow the question */
	const uint16_t *ttls;   /* where in the records the TTLs are */
};

enum msg_status {
	MSG_QUERY,  /* a well-formed query */
	MSG_ERROR,  /* to be answered with *ret_rcode and nothing else */
	MSG_IGNORE, /* not to be answered: a response, or too short to have an ID */
};

/*
 * Reads a client's message. `stream`: it came over TCP, so a reply may be as long as it likes. On
 * MSG_ERROR the context is filled as far as the message could be read. The question stays where it
 * is in `bytes`.
 */
enum msg_status msg_read(const uint8_t *bytes, size_t size, bool stream,
	struct msg_query *ret_query, enum rcode *ret_rcode);

/*
 * Writes the reply with `answer`, its records living `ttl` seconds, into `out`, which has room for
 * context->limit bytes, and may be where the query lies. What is longer than the client takes
 * becomes a truncated reply without records (RFC 2181 section 9). Returns the size.
 */
size_t msg_write_reply(
	const struct msg_context *context, const struct answer *answer, uint32_t ttl, uint8_t *out);

/* The same with a body; `out` does not overlap it. */
size_t msg_write_body(
	const struct msg_context *context, const struct msg_body *body, uint32_t ttl, uint8_t *out);

/* What a body of an answer is made of, besides its records. */
#define MSG_TTLS_MAX 255
struct msg_layout {
	uint16_t ttls[MSG_TTLS_MAX];
	struct msg_body body; /* body.ttls is `ttls` */
};

/*
 * Lays out the body for an answer to the question of `name`, with the records written to `room`
 * (MSG_MAX bytes). A negative answer's SOA record has `ttl` for its minimum, however little of that
 * is left when the body is written. 0, or -E2BIG for one with more TTLs than can be kept.
 */
int msg_lay_out(const struct answer *answer, const struct name *name, uint32_t ttl, uint8_t *room,
	struct msg_layout *ret_layout);

/* What tables of questions find one by. */
uint64_t msg_hash_question(const struct hash_key *key, const struct name *name, uint16_t type);

#endif
