/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_NET_QUESTION_H
#define EGRESS_TESTS_NET_QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/inaddr.h"
#include "src/base/name.h"

/* A DNS client's two ends: a question as bytes, and what a test wants to know of an answer. */

#define REPLY_ADDRESSES_MAX 64
#define REPLY_ERROR_TEXT 256

enum question_type { QUESTION_A = 1, QUESTION_AAAA = 28 };

struct reply {
	uint16_t id;
	unsigned rcode; /* of the header: 0-15 */
	bool truncated;
	size_t n_addresses; /* of the type asked; beyond REPLY_ADDRESSES_MAX they are not kept */
	struct inaddr addresses[REPLY_ADDRESSES_MAX];
	uint32_t ttl;   /* the least of them */
	bool has_error; /* an Extended DNS Error, RFC 8914 */
	uint16_t error;
	char error_text[REPLY_ERROR_TEXT]; /* NUL-terminated, cut where it is too long */
};

/* Writes a query with recursion desired and EDNS (RFC 6891) for 1232 bytes. */
void question_write(struct writer *writer, uint16_t id, const struct name *name, uint16_t type);

/* Reads the answer to a question for `type` (enum question_type). 0 or -EBADMSG. */
int reply_read(const void *bytes, size_t size, uint16_t type, struct reply *ret_reply);

#endif
