/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_REPLAY_MESSAGE_H
#define EGRESS_TESTS_REPLAY_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/replay/script.h"

/* DNS messages from the words of a script, and back to text. Written apart from the resolver's own
 * reader and writer, with ldns for the records, so that one can't hide the other's mistakes. */

#define MESSAGE_MAX 70000 /* more than fits a DNS message, for hostile ones */

struct message {
	size_t size;
	uint8_t bytes[MESSAGE_MAX];
};

/* What a message that answers another repeats of it. */
struct message_asked {
	uint16_t id;
	const uint8_t *question;
	size_t question_size;
	const uint8_t *cookie; /* the client's part; NULL: none was sent */
};

/* A client's query: "NAME TYPE [option...]" from word `first` of the step on, or "hex ...". 0 or
 * -EINVAL with *fault. */
int message_query(const struct script_step *step, size_t first, uint16_t id,
	struct message *ret_message, struct fault *fault);

/* An upstream's reply to what was asked: "RCODE [option...]" and records, or "hex ...". 0 or
 * -EINVAL with *fault. */
int message_reply(const struct script_step *step, size_t first, const struct message_asked *asked,
	struct message *ret_message, struct fault *fault);

/* The text of the answer that a step expects: "RCODE [option...]" and records. `edns` is whether an
 * OPT record is expected where the step doesn't say. 0 or -EINVAL with *fault. */
int message_expected(
	const struct script_step *step, size_t first, bool edns, FILE *out, struct fault *fault);

/* The same text of a message. */
void message_describe(const uint8_t *bytes, size_t size, FILE *out);

/* "A", "TYPE65400": at most 32 bytes with the NUL. */
void message_type_text(uint16_t type, char *out);

#endif
