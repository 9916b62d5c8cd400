/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "resolver/msg.h"
#include "src/base/arena.h"
#include "src/base/buf.h"

#define ARENA_MAX ((size_t)64 << 20)

static const char override[] = "version = 1\n"
			       "[[deny]]\n"
			       "ip = \"192.0.2.3\"\n"
			       "[[deny]]\n"
			       "host = \"x.example.org\"\n";

static const char policy[] =
	"version = 1\n"
	"[[allow]]\n"
	"host = [\"www.example.com\", \"**.example.net\", \"*.example.org\", \"**.nic.example\",\n"
	"	\"**.random.example\", \"**.secure.example\", \"**.sub.tld2.test\", "
	"\"db.internal\"]\n"
	"[[allow]]\n"
	"host = \"api.example.com\"\n"
	"ports = [\"tcp/8443\", \"udp/443\"]\n"
	"[[allow]]\n"
	"host = \"*.short.example\"\n"
	"wildcard_names = 2\n"
	"expires = 2027-01-01T00:01:00Z\n"
	"[[deny]]\n"
	"host = [\"refused.example.com\", \"b.a.example.net\"]\n"
	"[budget]\n"
	"on_exceed = \"refuse\"\n"
	"[limits]\n"
	"queries = \"50/second\"\n"
	"[network]\n"
	"block = [\"private\", \"loopback\", \"link-local\", \"metadata\"]\n"
	"[dns]\n"
	"upstream = [\"udp://192.0.2.53\", \"udp://192.0.2.54\"]\n"
	"[dns.hosts]\n"
	"\"db.internal\" = [\"10.42.0.7\", \"fd00::7\"]\n";

void fuzz_require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "broken promise: %s\n", what);
	abort();
}

const struct compiled *fuzz_compiled(void)
{
	static struct arena *arena;
	static struct compiled compiled;

	if (arena)
		return &compiled;
	fuzz_require(arena_new(ARENA_MAX, &arena) == 0, "memory for a policy");
	const struct text overrides[] = {text_of(override)};
	const struct world_policy both = {"policy", text_of(policy), overrides, 1};

	fuzz_require(world_compile(arena, &both, stderr, &compiled) == 0, "the policy compiles");
	return &compiled;
}

struct world *fuzz_world(void)
{
	struct world *world = NULL;

	fuzz_require(world_new(fuzz_compiled(), &world) == 0, "memory for a world");
	return world;
}

void fuzz_world_end(struct world *world)
{
	world_wait(world, duration_seconds(3600));
	world_end(world);
	fuzz_require(!world_broken(world), world_broken(world));
	world_free(world);
}

size_t fuzz_reply(const uint8_t *asked, size_t size, unsigned count, uint32_t ttl, uint8_t *out)
{
	struct reader reader = reader_over(asked, size);
	struct writer writer = writer_over(out, 1024);
	struct name name = {.length = 0};

	writer_u16(&writer, reader_u16(&reader));
	writer_u16(&writer, 0x8180);
	writer_u16(&writer, 1);
	writer_u16(&writer, (uint16_t)count);
	writer_u32(&writer, 0);
	reader_seek(&reader, MSG_HEADER_SIZE);
	name_read(&reader, &name);
	uint16_t type = reader_u16(&reader);

	/* In the letters of the question. */
	writer_bytes(&writer, asked + MSG_HEADER_SIZE, name.length);
	writer_u16(&writer, type);
	writer_u16(&writer, RRCLASS_IN);
	for (unsigned i = 0; i < count; i++) {
		static const uint8_t front[15] = {0x20, 0x01, 0x0d, 0xb8};
		static const uint8_t front4[3] = {192, 0, 2};

		writer_u16(&writer, 0xc000 | MSG_HEADER_SIZE);
		writer_u16(&writer, type);
		writer_u16(&writer, RRCLASS_IN);
		writer_u32(&writer, ttl);
		writer_u16(&writer, type == RRTYPE_A ? 4 : 16);
		if (type == RRTYPE_A)
			writer_bytes(&writer, front4, sizeof(front4));
		else
			writer_bytes(&writer, front, sizeof(front));
		writer_u8(&writer, (uint8_t)(i + 1));
	}
	fuzz_require(!writer.failed, "room for a reply");
	return writer.pos;
}
