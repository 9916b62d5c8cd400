/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_QUESTION_H
#define EGRESS_RESOLVER_QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/msg.h"
#include "src/base/name.h"

/* The questions we send to upstream servers, and what their replies say of the question, before
 * the answer in them is read (answer.h). */

/* RFC 7873 section 4: of the servers' part of a cookie; see cookie.h. */
#define COOKIE_SERVER_MIN 8
#define COOKIE_SERVER_MAX 32

/* What a question has besides the name and the type. */
struct question_form {
	uint64_t
		letters; /* which of the name's letters are capitals: bit i % 64 for the letter i */
	bool edns;
	bool dnssec; /* DO, with EDNS, and CD: we validate ourselves (RFC 6840 section 5.9) */
	bool padded; /* to a multiple of 128 octets, with EDNS (RFC 8467 section 4.1) */
	const uint8_t *client_cookie; /* with EDNS; NULL: none */
	const uint8_t *server_cookie;
	size_t server_cookie_size;
};

#define QUESTION_MAX 512

/* Writes a question with RD: nothing of a client's bytes is in it. Returns its size. */
size_t question_write(uint16_t id, const struct name *name, uint16_t type,
	const struct question_form *form, uint8_t out[QUESTION_MAX]);

enum question_echo {
	ECHO_SAME,
	ECHO_OTHER_CASE, /* the same but for the case of letters */
	ECHO_NONE,       /* FORMERR without a question */
	ECHO_FOREIGN,    /* no response, or to another question */
};

/* A reply without its records. */
struct question_reply {
	enum question_echo echo;
	unsigned rcode;        /* with the bits of the OPT record */
	bool edns;             /* it has an OPT record */
	const uint8_t *cookie; /* of the COOKIE option, in the message; NULL: none */
	size_t cookie_size;    /* client's and server's part */
};

/* Reads what came to a question of that name, type and letters. Whether its ID is right must be
 * known already. Records that can't be read are as if they weren't there. */
void question_read_reply(const uint8_t *bytes, size_t size, const struct name *name, uint16_t type,
	uint64_t letters, struct question_reply *ret_reply);

#endif
