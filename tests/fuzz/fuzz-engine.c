/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The engine over time: the input is a list of things that happen, each a byte that says which and
 * the bytes it takes: queries, what upstream servers and the keeper do about anything the engine
 * ever asked them for (again, too late, or wrong), and time. The ledger judges what comes out.
 */

#include <string.h>

#include "resolver/msg.h"
#include "src/base/buf.h"
#include "tests/fuzz/fuzz.h"

#define EVENTS_MAX 400

static const char *const names[] = {"www.example.com", "api.example.com", "a.example.net",
	"b.a.example.net", "db.internal", "a.short.example", "x.example.org", "b.short.example"};

static const uint16_t types[] = {RRTYPE_A, RRTYPE_AAAA, RRTYPE_A, 16};

static const uint16_t spans_ms[] = {0, 1, 500, 701, 2001, 10000, 61000, 65535};

static const uint32_t ttls[] = {0, 1, 60, 300, 3600, 86400, INT32_MAX, UINT32_MAX};

/* The output of a kind that `pick` chooses among all so far, or NULL. */
static const struct output *choose(
	struct world *world, enum world_output first, enum world_output last, uint8_t pick)
{
	size_t count, fitting = 0;
	const struct output *outputs = world_outputs(world, &count);

	for (size_t i = 0; i < count; i++)
		fitting += outputs[i].kind >= first && outputs[i].kind <= last;
	if (fitting == 0)
		return NULL;
	fitting = (pick & 0x80 ? fitting - 1 - (pick & 0x7f) % fitting : pick % fitting) + 1;
	for (size_t i = 0;; i++) {
		fitting -= outputs[i].kind >= first && outputs[i].kind <= last;
		if (fitting == 0)
			return &outputs[i];
	}
}

static void event_query(struct world *world, struct reader *input)
{
	uint8_t which = reader_u8(input), who = reader_u8(input), id = reader_u8(input);
	struct client client = {
		.stream = who & 8, .socket = who & 3, .generation = who >> 6, .size = 16};
	uint8_t bytes[MSG_QUESTION_MAX + 32];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct name name = {.length = 0};
	bool edns = who & 16;

	if (client.stream)
		client.size = 0;
	if (name_from_text(text_of(names[which & 7]), &name) < 0)
		return;
	if (who & 4)
		name.wire[1] &= 0xdf;
	writer_u16(&writer, id);
	writer_u16(&writer, who & 32 ? 0x0110 : 0x0100);
	writer_u16(&writer, 1);
	writer_u32(&writer, 0);
	writer_u16(&writer, edns);
	name_write(&writer, &name);
	writer_u16(&writer, types[which >> 3 & 3]);
	writer_u16(&writer, RRCLASS_IN);
	if (edns) {
		writer_u8(&writer, 0);
		writer_u16(&writer, RRTYPE_OPT);
		writer_u16(&writer, which & 64 ? 512 : 4096);
		writer_u32(&writer, which & 128 ? 0x00010000 : 0);
		writer_u16(&writer, 0);
	}
	world_query(world, &client, bytes, writer.pos);
}

/* Bytes of the input as a message: a length and as many. */
static void event_raw_query(struct world *world, struct reader *input)
{
	struct client client = {.socket = 9, .size = 16};
	uint8_t size = reader_u8(input);
	const uint8_t *bytes = reader_bytes(input, size);

	if (bytes)
		world_query(world, &client, bytes, size);
}

/* Changes a well-formed reply as the input says: flags, or any one byte. */
static void spoil(struct reader *input, uint8_t *bytes, size_t *size)
{
	uint8_t how = reader_u8(input), where = reader_u8(input);

	switch (how >> 5) {
	case 0:
	case 1:
		break;
	case 2:
		bytes[3] |= how & 7; /* RCODE */
		break;
	case 3:
		bytes[2] |= 2; /* TC */
		break;
	case 4:
		*size = where % (*size + 1);
		break;
	case 5:
		bytes[1] ^= 1; /* ID */
		break;
	default:
		bytes[where % *size] ^= how;
		break;
	}
}

static void give(struct world *world, const struct output *ask, const uint8_t *bytes, size_t size)
{
	if (ask->kind == OUTPUT_ASK)
		world_reply(world, ask->upstream, ask->socket, bytes, size);
	else
		world_stream_reply(world, ask->upstream, ask->ticket, bytes, size);
}

static void event_reply(struct world *world, struct reader *input)
{
	const struct output *ask = choose(world, OUTPUT_ASK, OUTPUT_ASK_STREAM, reader_u8(input));
	uint8_t shape = reader_u8(input);
	uint8_t bytes[1024];
	size_t size;

	if (!ask)
		return;
	size = fuzz_reply(ask->bytes, ask->size, shape % 21, ttls[shape >> 5], bytes);
	spoil(input, bytes, &size);
	give(world, ask, bytes, size);
}

/* The records are the input's, header and question are right. */
static void event_raw_reply(struct world *world, struct reader *input)
{
	const struct output *ask = choose(world, OUTPUT_ASK, OUTPUT_ASK_STREAM, reader_u8(input));
	uint8_t counts = reader_u8(input), more = reader_u8(input);
	const uint8_t *records = reader_bytes(input, more);
	uint8_t bytes[1024 + UINT8_MAX];
	size_t size;

	if (!ask || !records)
		return;
	size = fuzz_reply(ask->bytes, ask->size, 0, 0, bytes);
	memcpy(bytes + size, records, more);
	bytes[3] |= counts & 3;
	bytes[7] = counts >> 2 & 15;
	bytes[9] = counts >> 6;
	give(world, ask, bytes, size + more);
}

static void event_leased(struct world *world, struct reader *input)
{
	const struct output *lease = choose(world, OUTPUT_LEASE, OUTPUT_LEASE, reader_u8(input));
	uint8_t how = reader_u8(input);

	if (!lease)
		return;
	if (how & 1)
		world_leased(world, lease->request.ticket, -(how >> 1), 0);
	else if (how & 2)
		world_leased(world, lease->request.ticket + (how >> 7), 0, how >> 2);
	else
		world_leased(world, lease->request.ticket, 0, lease->request.lease.ttl + 30);
}

static void event_failure(struct world *world, struct reader *input)
{
	const struct output *ask = choose(world, OUTPUT_ASK, OUTPUT_ASK_STREAM, reader_u8(input));

	if (ask && ask->kind == OUTPUT_ASK)
		world_unreachable(world, ask->upstream, ask->socket);
	else if (ask)
		world_stream_failed(world, ask->upstream, ask->ticket,
			(enum engine_stream_failure)(reader_u8(input) % 3));
}

static void event_broken_io(struct world *world, struct reader *input)
{
	static const enum world_output kinds[] = {OUTPUT_ASK, OUTPUT_ASK_STREAM, OUTPUT_LEASE};
	uint8_t how = reader_u8(input);

	world_fail(world, kinds[how % 3], how & 0x80 ? -(how & 0x7f) : 0);
}

static void event_time(struct world *world, struct reader *input)
{
	world_wait(world, (struct duration){.ms = spans_ms[reader_u8(input) & 7]});
}

static void (*const events[])(struct world *world, struct reader *input) = {
	event_query,
	event_reply,
	event_leased,
	event_time,
	event_raw_reply,
	event_raw_query,
	event_failure,
	event_broken_io,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader input = reader_over(data, size);
	struct world *world = fuzz_world();

	for (unsigned i = 0; i < EVENTS_MAX && reader_left(&input) > 0; i++) {
		events[reader_u8(&input) & 7](world, &input);
		fuzz_require(!world_broken(world), world_broken(world));
	}
	fuzz_world_end(world);
	return 0;
}
