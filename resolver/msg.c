/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/msg.h"

#include <errno.h>
#include <string.h>

#include "resolver/answer.h"

#define OPCODE(flags) (((flags) >> 11) & 0xf)

#define OPTION_KEEPALIVE 11 /* RFC 7828 section 3.1 */
#define OPTION_EDE 15       /* RFC 8914 section 2 */
#define OPTION_HEAD 4
#define OPT_FIXED 11     /* root, type, size, extended rcode and flags, length */
#define EDE_TEXT_MAX 120 /* bytes of a rule id, and what it is about, that travel */
#define RECORDS_MAX 16   /* additional records of a query that are looked at */

static uint16_t get_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put_u16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put_u32(uint8_t *at, uint32_t value)
{
	put_u16(at, value >> 16);
	put_u16(at + 2, value & 0xffff);
}

/* Bytes that are dealt with at once. */
typedef int8_t vector __attribute__((vector_size(16)));

/* Copies as many bytes with A to Z in lower case. The bytes of lengths in a name, below 64, stay as
 * they are. */
static inline void lower_vector(uint8_t *out, const uint8_t *bytes)
{
	vector in;

	memcpy(&in, bytes, sizeof(in));
	in |= (in >= 'A') & (in <= 'Z') & ('a' - 'A');
	memcpy(out, &in, sizeof(in));
}

static void copy_lower(uint8_t *out, const uint8_t *bytes, size_t size)
{
	size_t at = 0;

	for (; at + sizeof(vector) <= size; at += sizeof(vector))
		lower_vector(out + at, bytes + at);
	/* The last ones reach back to some that have been copied. */
	if (at > 0 && at < size)
		lower_vector(out + size - sizeof(vector), bytes + size - sizeof(vector));
	else
		for (; at < size; at++)
			out[at] = (uint8_t)text_lower((char)bytes[at]);
}

/* Bytes of the name at the reader's position, which moves behind it; it fails on one that is no
 * name, or is compressed: that can't be repeated byte by byte, and nobody sends one here. */
static size_t read_plain_name(struct reader *reader)
{
	size_t left = reader_left(reader), at = 0;
	const uint8_t *bytes = reader->start + reader->pos;

	while (at < left && bytes[at] != 0 && bytes[at] < 64)
		at += bytes[at] + 1u;
	if (at >= left || bytes[at] != 0 || at >= NAME_WIRE_MAX)
		reader->failed = true;
	else
		reader->pos += at + 1;
	return reader->failed ? 0 : at + 1;
}

static void read_question(struct reader *reader, struct msg_query *query)
{
	struct msg_context *context = &query->context;
	const uint8_t *start = reader->start + reader->pos;
	size_t size = read_plain_name(reader);
	const uint8_t *behind = reader_bytes(reader, 4);

	if (!behind)
		return;
	query->type = get_u16(behind);
	query->class = get_u16(behind + 2);
	copy_lower(query->name.wire, start, size);
	query->name.length = (uint8_t)size;
	context->question = start;
	context->question_size = (uint16_t)(size + 4);
}

/* RFC 7873 section 5.2: the client's part alone, or with one of a server, which isn't looked at. */
static bool take_cookie(const uint8_t *data, size_t size, struct msg_context *context)
{
	if (size != COOKIE_CLIENT_SIZE && (size < 16 || size > 40))
		return false;
	memcpy(context->cookie, data, COOKIE_CLIENT_SIZE);
	context->has_cookie = true;
	return true;
}

/* RFC 7828 section 3.2.1: over UDP it is ignored. */
static bool take_keepalive(const uint8_t *data, size_t size, struct msg_context *context)
{
	(void)data;
	context->keepalive = context->limit == MSG_MAX;
	return size == 0 || !context->keepalive;
}

static const struct option {
	uint16_t code;
	bool (*take)(const uint8_t *data, size_t size, struct msg_context *context);
} options[] = {
	{MSG_OPTION_COOKIE, take_cookie},
	{OPTION_KEEPALIVE, take_keepalive},
};

/* The options of an OPT record; those that are unknown are passed over (RFC 6891 section 6.1.2). */
static bool read_options(struct reader reader, struct msg_context *context)
{
	while (reader_left(&reader) > 0) {
		uint16_t code = reader_u16(&reader), size = reader_u16(&reader);
		const uint8_t *data = reader_bytes(&reader, size);

		for (unsigned i = 0; data && i < sizeof(options) / sizeof(options[0]); i++)
			if (options[i].code == code && !options[i].take(data, size, context))
				return false;
	}
	return !reader.failed;
}

/* The OPT record's owner and type have been read (RFC 6891 section 6.1.2). */
static void read_opt(struct reader *reader, struct msg_context *context, unsigned *ret_version)
{
	uint16_t payload = reader_u16(reader);
	uint32_t extended = reader_u32(reader);

	uint16_t size = reader_u16(reader);
	const uint8_t *data = reader_bytes(reader, size);

	if (context->edns) /* section 6.1.1: more than one is a format error */
		reader->failed = true;
	if (data && !read_options(reader_over(data, size), context))
		reader->failed = true;
	context->edns = true;
	context->dnssec_ok = extended & OPT_DO;
	*ret_version = (extended >> 16) & 0xff;
	if (context->limit != MSG_MAX) {
		if (payload > MSG_UDP_EDNS)
			payload = MSG_UDP_EDNS;
		if (payload > context->limit)
			context->limit = payload;
	}
}

static void read_additional(
	struct reader *reader, unsigned count, struct msg_context *context, unsigned *ret_version)
{
	if (count > RECORDS_MAX)
		reader->failed = true;
	for (unsigned i = 0; i < count && !reader->failed; i++) {
		struct name owner;
		owner.length = 0;
		name_read(reader, &owner);
		uint16_t type = reader_u16(reader);

		if (type == RRTYPE_OPT && owner.length == 1) {
			read_opt(reader, context, ret_version);
			continue;
		}
		reader_u16(reader);
		reader_u32(reader);
		reader_bytes(reader, reader_u16(reader));
	}
}

enum msg_status msg_read(const uint8_t *bytes, size_t size, bool stream,
	struct msg_query *ret_query, enum rcode *ret_rcode)
{
	struct reader reader = reader_over(bytes, size);
	struct msg_context *context = &ret_query->context;
	const uint8_t *head = reader_bytes(&reader, MSG_HEADER_SIZE);
	unsigned version = 0;

	if (!head || head[2] & HEADER_QR >> 8)
		return MSG_IGNORE;
	uint16_t flags = get_u16(head + 2);
	uint16_t questions = get_u16(head + 4);
	uint32_t records = (uint32_t)get_u16(head + 6) + get_u16(head + 8);
	uint16_t additional = get_u16(head + 10);

	context->id = get_u16(head);
	context->opcode = OPCODE(flags);
	context->recursion_desired = flags & HEADER_RD;
	context->checking_disabled = flags & HEADER_CD;
	context->wants_ad = flags & HEADER_AD;
	context->edns = false;
	context->dnssec_ok = false;
	context->has_cookie = false;
	context->keepalive = false;
	context->limit = stream ? MSG_MAX : MSG_UDP_PLAIN;
	context->question = NULL;
	context->question_size = 0;

	*ret_rcode = RCODE_NOTIMP;
	if (context->opcode != 0)
		return MSG_ERROR;
	*ret_rcode = RCODE_FORMERR;
	if (questions > 1 || records != 0)
		return MSG_ERROR;
	if (questions == 1)
		read_question(&reader, ret_query);
	read_additional(&reader, additional, context, &version);
	if (reader.failed || reader_left(&reader) != 0)
		return MSG_ERROR;
	if (version != 0)
		*ret_rcode = RCODE_BADVERS;
	else if (questions == 0 && context->has_cookie) /* RFC 7873 section 5.4 */
		*ret_rcode = RCODE_NOERROR;
	return questions == 1 && version == 0 ? MSG_QUERY : MSG_ERROR;
}

/* --- Replies --- */

static size_t ede_text_size(const struct msg_body *body)
{
	return body->rule ? strnlen(body->rule, EDE_TEXT_MAX) : 0;
}

static size_t opt_size(const struct msg_context *context, const struct msg_body *body)
{
	if (!context->edns)
		return 0;
	return OPT_FIXED + (context->has_cookie ? OPTION_HEAD + COOKIE_SIZE : 0) +
	       (context->keepalive ? OPTION_HEAD + 2 : 0) +
	       (body->ede == EDE_NONE ? 0 : OPTION_HEAD + 2 + ede_text_size(body));
}

static void write_option_head(struct writer *writer, uint16_t code, size_t size)
{
	writer_u16(writer, code);
	writer_u16(writer, (uint16_t)size);
}

static void write_opt(
	const struct msg_context *context, const struct msg_body *body, struct writer *writer)
{
	size_t size = opt_size(context, body);

	if (size == 0)
		return;
	writer_u8(writer, 0);
	writer_u16(writer, RRTYPE_OPT);
	writer_u16(writer, MSG_UDP_EDNS);
	writer_u32(writer, (uint32_t)(body->rcode >> 4) << 24 | (context->dnssec_ok ? OPT_DO : 0));
	writer_u16(writer, (uint16_t)(size - OPT_FIXED));
	if (context->has_cookie) {
		write_option_head(writer, MSG_OPTION_COOKIE, COOKIE_SIZE);
		writer_bytes(writer, context->cookie, COOKIE_SIZE);
	}
	if (context->keepalive) {
		write_option_head(writer, OPTION_KEEPALIVE, 2);
		writer_u16(writer, MSG_KEEPALIVE_MS / 100);
	}
	if (body->ede == EDE_NONE)
		return;
	write_option_head(writer, OPTION_EDE, 2 + ede_text_size(body));
	writer_u16(writer, (uint16_t)body->ede);
	writer_bytes(writer, body->rule, ede_text_size(body));
}

/* RFC 6840 sections 5.7 and 5.8 */
static bool is_told_authentic(const struct msg_context *context, const struct msg_body *body)
{
	return body->authentic && (context->wants_ad || context->dnssec_ok);
}

/* Everything but the records, which are there: `size` bytes behind the question, or that do not
 * fit. Returns the reply's size. */
static size_t finish_reply(
	const struct msg_context *context, const struct msg_body *body, bool fits, uint8_t *out)
{
	size_t records = MSG_HEADER_SIZE + (size_t)context->question_size;
	struct writer writer = writer_over(out, context->limit);

	if (context->question_size > 0 && context->question != out + MSG_HEADER_SIZE)
		memmove(out + MSG_HEADER_SIZE, context->question, context->question_size);
	put_u16(out, context->id);
	put_u16(out + 2,
		(unsigned)(HEADER_QR | HEADER_RA | context->opcode << 11 | (fits ? 0 : HEADER_TC) |
			   (context->recursion_desired ? HEADER_RD : 0) |
			   (context->checking_disabled ? HEADER_CD : 0) |
			   (is_told_authentic(context, body) ? HEADER_AD : 0) |
			   (body->rcode & 0xf)));
	put_u16(out + 4, context->question_size > 0);
	put_u16(out + 6, fits ? body->n_answers : 0);
	put_u16(out + 8, fits ? body->n_authorities : 0);
	put_u16(out + 10, context->edns);
	writer.pos = records + (fits ? body->size : 0);
	write_opt(context, body, &writer);
	return writer.pos;
}

size_t msg_write_body(
	const struct msg_context *context, const struct msg_body *body, uint32_t ttl, uint8_t *out)
{
	size_t start = MSG_HEADER_SIZE + (size_t)context->question_size;
	bool fits = start + body->size + opt_size(context, body) <= context->limit;

	if (fits) {
		/* The question may lie in `out` in front of them. */
		memcpy(out + start, body->records, body->size);
		for (unsigned i = 0; i < body->n_ttls; i++)
			put_u32(out + start + body->ttls[i], ttl);
	}
	return finish_reply(context, body, fits, out);
}

static struct msg_body body_of(const struct answer *answer)
{
	return (struct msg_body){.rule = answer->rule,
		.ede = answer->ede,
		.rcode = answer->rcode,
		.authentic = answer->authentic};
}

size_t msg_write_reply(
	const struct msg_context *context, const struct answer *answer, uint32_t ttl, uint8_t *out)
{
	struct msg_body body = body_of(answer);
	size_t start = MSG_HEADER_SIZE + (size_t)context->question_size;
	struct writer writer = writer_over(out, context->limit - opt_size(context, &body));

	/* A refusal: with all that may go with it, it fits the shortest limit. */
	if (ttl == 0 && answer_is_negative(answer))
		return finish_reply(context, &body, true, out);
	writer.pos = start;
	answer_write(
		answer, ttl, context->question_size, &writer, &body.n_answers, &body.n_authorities);
	body.size = (uint16_t)(writer.pos - start);
	return finish_reply(context, &body, !writer.failed, out);
}

/* Where the TTLs of the records are that were written from `start` on. The minimum of an SOA record
 * is none: it stays (RFC 2308 section 5). */
static int find_ttls(struct reader *reader, size_t start, struct msg_layout *layout)
{
	struct msg_body *body = &layout->body;

	for (unsigned i = 0; i < (unsigned)body->n_answers + body->n_authorities; i++) {
		reader_u16(reader); /* a pointer to the owner, as answer_write() writes it */
		reader_u16(reader);
		reader_u16(reader);
		if (body->n_ttls == MSG_TTLS_MAX)
			return -E2BIG;
		layout->ttls[body->n_ttls++] = (uint16_t)(reader->pos - start);
		reader_u32(reader);
		reader_bytes(reader, reader_u16(reader));
	}
	return reader->failed ? -E2BIG : 0;
}

int msg_lay_out(const struct answer *answer, const struct name *name, uint32_t ttl, uint8_t *room,
	struct msg_layout *ret_layout)
{
	size_t start = MSG_HEADER_SIZE + (size_t)name->length + 4;
	struct writer writer = writer_over(room, MSG_MAX);
	struct msg_body *body = &ret_layout->body;
	struct reader reader;

	/* The records point to the question's name, which the reader follows. */
	memset(room, 0, MSG_HEADER_SIZE);
	writer.pos = MSG_HEADER_SIZE;
	name_write(&writer, name);
	writer_u32(&writer, 0);
	*body = body_of(answer);
	/* A failure has no SOA record. */
	answer_write(answer, answer->rcode != RCODE_SERVFAIL ? ttl : 0, start - MSG_HEADER_SIZE,
		&writer, &body->n_answers, &body->n_authorities);
	if (writer.failed)
		return -E2BIG;
	body->size = (uint16_t)(writer.pos - start);
	body->records = room + start;
	body->ttls = ret_layout->ttls;
	reader = reader_over(room, writer.pos);
	reader_seek(&reader, start);
	return find_ttls(&reader, start, ret_layout);
}

/* --- Questions --- */

uint64_t msg_hash_question(const struct hash_key *key, const struct name *name, uint16_t type)
{
	struct hash_key of_type = {{key->k[0] ^ type, key->k[1]}};

	return hash_bytes(&of_type, name->wire, name->length);
}
