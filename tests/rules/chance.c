/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/rules/chance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "src/base/arena.h"
#include "tests/rules/layered.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct chance chance_new(void)
{
	const char *seed = getenv("EGRESS_TEST_SEED");
	struct timespec now;
	uint64_t state;

	clock_gettime(CLOCK_REALTIME, &now);
	state = seed ? strtoull(seed, NULL, 10)
		     : (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	print_message("EGRESS_TEST_SEED=%llu\n", (unsigned long long)state);
	return (struct chance){state};
}

/* splitmix64 */
static uint64_t draw(struct chance *chance)
{
	uint64_t word = chance->state += 0x9e3779b97f4a7c15;

	word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
	word = (word ^ word >> 27) * 0x94d049bb133111eb;
	return word ^ word >> 31;
}

unsigned chance_below(struct chance *chance, unsigned below)
{
	return (unsigned)(draw(chance) % below);
}

#define ONE_OF(chance, array) (array)[chance_below(chance, COUNT(array))]

static const char *const hosts[] = {"a.x.example", "b.x.example", "x.example", "a.b.x.example",
	"*.x.example", "**.x.example", "*.b.x.example", "a*.x.example", "*b.x.example",
	"a.*.example", "*.*.example", "**.a*.example", "**.*.example", "a.y.example",
	"**.y.example"};
static const char *const patterns[] = {"^a", "x[.]example$", "^[ab][.]", "b.*example", "."};
static const char *const ranges[] = {"10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3",
	"10.1.2.0-10.1.2.9", "10.1.1.250-10.1.2.4", "9.0.0.0/8", "9.1.0.0/16", "9.1.1.1",
	"0.0.0.0/0", "169.254.0.0/16", "169.254.169.254", "::/0", "2600::/16", "2600:1::/32",
	"2600:1::5", "fd00::/8", "64:ff9b::/96", "2001:db8::/32"};
static const char *const names[] = {"a.x.example", "b.x.example", "x.example", "a.b.x.example",
	"c.x.example", "ab.x.example", "a.b.example", "a.y.example", "z.example", "b.a.y.example"};
static const char *const addresses[] = {"10.0.0.1", "10.1.0.1", "10.1.2.0", "10.1.2.3", "10.1.2.4",
	"10.1.2.9", "10.1.2.10", "9.1.1.1", "9.1.1.2", "9.2.0.0", "7.7.7.7", "169.254.169.254",
	"169.254.0.1", "2600:1::5", "2600:1::6", "2600:2::", "2a00::1", "fd00::1",
	"64:ff9b::a01:203", "2002:a01:203::", "2001:db8::1"};
static const char *const ports[] = {"'443'", "'80'", "'tcp/79-81'", "'udp/443'", "'icmp/echo'",
	"'443', 'udp/443'", "'tcp/1-65535'"};

static void put_host(struct chance *chance, FILE *out)
{
	static const char over_a_suffix[] = "*.example";
	const char *host = ONE_OF(chance, hosts);
	size_t length = strlen(host), end = sizeof(over_a_suffix) - 1;

	fprintf(out, "host = '%s'\n", host);
	if (length >= end && strcmp(host + length - end, over_a_suffix) == 0)
		fputs("broad = true\n", out);
}

static void put_entry(struct chance *chance, FILE *out)
{
	static const char *const believed[] = {"'any'", "'public'", "['10.0.0.0/8', '9.1.0.0/16']"};
	static const char *const scores[] = {"-1", "0", "0.4", "0.7", "1", "2.5", "3", "10"};
	bool allows = chance_below(chance, 2), has_name = true;

	fputs(allows ? "[[allow]]\n" : "[[deny]]\n", out);
	switch (chance_below(chance, 4)) {
	case 0:
		put_host(chance, out);
		fprintf(out, "ip = '%s'\n", ONE_OF(chance, ranges));
		break;
	case 1:
		fprintf(out, "ip = '%s'\n", ONE_OF(chance, ranges));
		has_name = false;
		break;
	case 2:
		put_host(chance, out);
		break;
	default:
		fprintf(out, "host_pattern = '%s'\n", ONE_OF(chance, patterns));
	}
	if (chance_below(chance, 3) == 0)
		fprintf(out, "ports = [%s]\n", ONE_OF(chance, ports));
	if (chance_below(chance, 4) == 0)
		fprintf(out, "score = %s\n", ONE_OF(chance, scores));
	if (allows && chance_below(chance, 3) == 0)
		fputs("connections = '5/minute'\n", out);
	if (allows && has_name && chance_below(chance, 4) == 0)
		fprintf(out, "addresses = %s\n", ONE_OF(chance, believed));
}

const char *chance_policy(struct chance *chance, struct arena *arena, unsigned most)
{
	static const char *const heads[] = {
		"", "", "", "mode = 'denylist'\n", "enforcement = 'observe'\n", "allow = []\n"};
	static const char *const scores[] = {
		"", "", "[score]\nunknown = 0\n", "[score]\nrefuse_at = 2\nflag_at = 0\n"};
	static const char *const blocks[] = {
		"", "", "[network]\nblock = []\n", "[network]\nblock = ['private', 'metadata']\n"};
	const char *head = ONE_OF(chance, heads), *copy;
	unsigned n_entries = strncmp(head, "allow", 5) == 0 ? 0 : chance_below(chance, most + 1);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fputs(head, out);
	for (unsigned i = 0; i < n_entries; i++)
		put_entry(chance, out);
	fputs(ONE_OF(chance, scores), out);
	fputs(ONE_OF(chance, blocks), out);
	fclose(out);
	copy = arena_strndup(arena, text, size);
	free(text);
	assert_non_null(copy);
	return copy;
}

const struct layers *chance_layers(
	struct chance *chance, struct arena *arena, const char *texts[CHANCE_LAYERS + 1])
{
	const struct layers *layers = NULL;
	const char *said;

	for (unsigned tries = 0; tries < 1000; tries++) {
		unsigned count = 1 + chance_below(chance, CHANCE_LAYERS);

		for (unsigned i = 0; i < count; i++)
			texts[i] = chance_policy(chance, arena, 5);
		texts[count] = NULL;
		if (layered_try(arena, texts, &layers, &said) == 0)
			return layers;
	}
	fail_msg("none loads: %s", said);
	return NULL;
}

struct question chance_question(struct chance *chance, struct chance_room *room)
{
	static const uint16_t numbers[] = {443, 443, 80, 79, 22, 65535};
	enum protocol protocol = (enum protocol)chance_below(chance, PROTOCOL_OTHER + 1);
	unsigned what = chance_below(chance, 3);

	assert_int_equal(name_from_text(text_of(ONE_OF(chance, names)), &room->name), 0);
	assert_int_equal(inaddr_from_text(text_of(ONE_OF(chance, addresses)), &room->address), 0);
	return (struct question){
		.name = what == 0 ? NULL : &room->name,
		.address = what == 1 ? NULL : &room->address,
		.embedded = what == 2 && chance_below(chance, 8) == 0,
		.protocol = protocol,
		.port = protocol <= PROTOCOL_UDP ? ONE_OF(chance, numbers) : 0,
	};
}

const char *chance_question_text(struct arena *arena, const struct question *question)
{
	char name[NAME_TEXT] = "", address[INADDR_TEXT] = "";

	if (question->name)
		name_to_text(question->name, name);
	if (question->address)
		inaddr_to_text(question->address, address);
	return arena_printf(arena, "%s %s%s protocol %d port %u", name, address,
		question->embedded ? " (embedded)" : "", (int)question->protocol, question->port);
}
