/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/detection/kinds.h"

#include <math.h>
#include <stdio.h>

/*
 * Theory of operation
 *
 * Each session of a kind draws its length, how many visits it makes and of what, and when: half of
 * those of one sort together, as work comes in phases. A visit asks for a name and opens some flows
 * to it, of sizes by what the name is for. What a kind does besides is in functions of its own: an
 * agent sends its whole conversation to a model with each request, pushes commits, and waits for
 * jobs by asking again and again; a job stores what it has made.
 *
 * Some of that looks like a leak, on purpose: a push of megabytes, an artifact that is larger than
 * the threshold, a loop that asks every half a minute. Alerts of these are the false ones that
 * people will see.
 */

enum { KIB = 1 << 10, MIB = 1 << 20 };

/* Flows of a visit, by what the name is for: how many at most, and medians of what they carry. */
static const struct {
	unsigned flows;
	double out, in, sigma;
} habits[POOLS] = {
	[POOL_DOCUMENTATION] = {3, 3 * KIB, 90 * KIB, 1},
	[POOL_SEARCH] = {1, 4 * KIB, 150 * KIB, 0.6},
	[POOL_SOURCE] = {2, 5 * KIB, 200 * KIB, 1.8},
	[POOL_PACKAGES] = {4, 3 * KIB, 800 * KIB, 1.8},
	[POOL_CONTAINERS] = {3, 5 * KIB, 15 * MIB, 1.3},
	[POOL_MODEL] = {1, 60 * KIB, 12 * KIB, 0.7},
	[POOL_DELIVERY] = {2, 2 * KIB, 120 * KIB, 1.2},
	[POOL_TELEMETRY] = {1, 8 * KIB, 5 * KIB, 0.8},
	[POOL_SOCIAL] = {2, 5 * KIB, 400 * KIB, 1.2},
	[POOL_API] = {2, 4 * KIB, 30 * KIB, 1},
	[POOL_CLOUD] = {2, 3 * KIB, 200 * KIB, 1.2},
	[POOL_CERTIFICATE] = {1, 2 * KIB, 6 * KIB, 0.4},
	[POOL_IDENTITY] = {1, 5 * KIB, 8 * KIB, 0.4},
	[POOL_STORAGE] = {2, 4 * KIB, 2 * MIB, 1.8},
	[POOL_RELAY] = {1, 4 * KIB, 20 * KIB, 1},
	[POOL_UNKNOWN] = {2, 3 * KIB, 150 * KIB, 1.2},
};

static void carry(
	struct script *script, double at, const char *name, double out, double in, double duration)
{
	/* Certificates come with each. */
	const struct load load = {out + 500, in + 4000, duration};

	script_flow(script, at, name, &load);
}

static void visit(struct script *script, enum pool pool, double at)
{
	struct chance *chance = script->chance;
	unsigned flows = 1 + chance_below(chance, habits[pool].flows);
	char name[NAME_ROOM];

	script_ask(script, at, names_draw(chance, pool, name));
	for (unsigned i = 0; i < flows; i++) {
		double out = draw_size(chance, habits[pool].out, 0.6);
		double in = draw_size(chance, habits[pool].in, habits[pool].sigma);

		carry(script, at + 0.01 + draw_wait(chance, 0.5), name, out, in,
			0.2 + draw_wait(chance, 5) + in / (4 * MIB));
	}
}

/* --- What kinds do besides --- */

/* Requests with all of the conversation, over connections that stay for a while. */
static void converse(struct script *script)
{
	struct chance *chance = script->chance;
	const char *name = chance_below(chance, 3) ? "api.anthropic.com" : "api.openai.com";
	double at = draw_wait(chance, 5);

	script_ask(script, at, name);
	while (at < script->length) {
		double duration = draw_between(chance, 120, 1500);
		double requests = 1 + duration / draw_between(chance, 12, 60);

		carry(script, at, name, requests * draw_size(chance, 120 * KIB, 0.6),
			requests * draw_size(chance, 9 * KIB, 0.4), duration);
		at += duration + draw_wait(chance, 60);
	}
}

static void push(struct script *script)
{
	struct chance *chance = script->chance;
	unsigned count = chance_below(chance, 6);

	for (unsigned i = 0; i < count; i++) {
		double at = draw_between(chance, 0, script->length);
		double out = draw_size(chance, 60 * KIB, 2);

		script_ask(script, at, "github.com");
		carry(script, at + 0.1, "github.com", out, 6 * KIB, 2 + out / MIB);
	}
}

/* Asks every so often, with a jitter: mostly of its own thinking, rarely of a bare loop. */
static void wait_for_jobs(struct script *script)
{
	struct chance *chance = script->chance;
	double every = draw_between(chance, 10, 60),
	       at = draw_between(chance, 0, script->length / 2);
	double jitter = chance_one_in(chance, 6) ? 0.05 : draw_between(chance, 0.4, 2);
	unsigned count = 4 + chance_below(chance, 24);

	for (unsigned i = 0; i < count; i++) {
		script_ask(script, at, "api.github.com");
		carry(script, at + 0.1, "api.github.com", 3 * KIB, 20 * KIB, 1);
		at += every * (1 + jitter * (draw_even(chance) + draw_even(chance) - 1)) + 1;
	}
}

static void report(struct script *script)
{
	struct chance *chance = script->chance;
	double every = draw_between(chance, 10, 60), at = 1;

	while (at < script->length) {
		script_ask(script, at, "statsig.anthropic.com");
		carry(script, at + 0.1, "statsig.anthropic.com", draw_size(chance, 6 * KIB, 0.8),
			600, 1);
		at += every * draw_between(chance, 0.98, 1.02);
	}
}

static void do_code(struct script *script)
{
	converse(script);
	push(script);
	if (chance_one_in(script->chance, 4))
		wait_for_jobs(script);
	if (chance_one_in(script->chance, 2))
		report(script);
}

/* Asks the model what to read next. */
static void do_read(struct script *script)
{
	converse(script);
}

/* One in ten stores what it has made; some of that is large. */
static void do_build(struct script *script)
{
	struct chance *chance = script->chance;
	double out = draw_size(chance, 2 * MIB, 1.2);
	char name[NAME_ROOM];

	if (!chance_one_in(chance, 10))
		return;
	snprintf(name, sizeof(name), "productionresultssa%u.blob.core.windows.net",
		chance_below(chance, 20));
	script_ask(script, script->length, name);
	carry(script, script->length + 0.1, name, out, 4 * KIB, 1 + out / (8 * MIB));
}

const struct kind kinds[KINDS] = {
	{"documentation reader", 40, 60, 0.5, 30,
		{
			[POOL_DOCUMENTATION] = 0.62,
			[POOL_SEARCH] = 0.08,
			[POOL_SOURCE] = 0.08,
			[POOL_DELIVERY] = 0.10,
			[POOL_SOCIAL] = 0.03,
			[POOL_CLOUD] = 0.02,
			[POOL_TELEMETRY] = 0.02,
			[POOL_API] = 0.01,
			[POOL_UNKNOWN] = 0.04,
		},
		do_read},
	{"CI job", 9, 45, 0.5, 20,
		{
			[POOL_PACKAGES] = 0.52,
			[POOL_SOURCE] = 0.20,
			[POOL_CONTAINERS] = 0.10,
			[POOL_STORAGE] = 0.03,
			[POOL_DELIVERY] = 0.03,
			[POOL_CERTIFICATE] = 0.05,
			[POOL_IDENTITY] = 0.03,
			[POOL_API] = 0.02,
			[POOL_TELEMETRY] = 0.01,
			[POOL_UNKNOWN] = 0.01,
		},
		do_build},
	{"coding agent", 70, 80, 0.6, 15,
		{
			[POOL_SOURCE] = 0.28,
			[POOL_PACKAGES] = 0.28,
			[POOL_DOCUMENTATION] = 0.22,
			[POOL_SEARCH] = 0.05,
			[POOL_CONTAINERS] = 0.04,
			[POOL_DELIVERY] = 0.04,
			[POOL_API] = 0.03,
			[POOL_CLOUD] = 0.01,
			[POOL_UNKNOWN] = 0.05,
		},
		do_code},
};

/* --- Leaks --- */

static void roam(struct script *script)
{
	struct chance *chance = script->chance;
	unsigned count = 30 + chance_below(chance, 90);

	for (unsigned i = 0; i < count; i++)
		visit(script, POOL_UNKNOWN, draw_between(chance, 0, script->length));
}

static void encode(struct script *script)
{
	struct chance *chance = script->chance;
	double bytes = draw_size(chance, 6 * KIB, 1), at = draw_between(chance, 0, script->length);
	unsigned most = 12 + chance_below(chance, 100);
	char domain[NAME_ROOM], name[NAME_ROOM];
	bool refused = chance_one_in(chance, 2);

	names_draw(chance, POOL_UNKNOWN, domain);
	while (bytes > 0) {
		names_carrier(chance, domain, most, name);
		if (refused)
			script_refused(script, at, name);
		else
			script_ask(script, at, name);
		bytes -= most;
		at += draw_wait(chance, 0.5);
	}
}

static void upload(struct script *script)
{
	struct chance *chance = script->chance;
	double out = draw_size(chance, 120 * MIB, 0.8),
	       at = draw_between(chance, 0, script->length);
	char name[NAME_ROOM];

	script_ask(script, at, names_draw(chance, POOL_RELAY, name));
	carry(script, at + 0.1, name, out, 4 * KIB, out / draw_between(chance, MIB, 30 * MIB));
}

static void upload_in_pieces(struct script *script)
{
	struct chance *chance = script->chance;
	double out = draw_size(chance, 120 * MIB, 0.8),
	       at = draw_between(chance, 0, script->length);
	double piece = draw_between(chance, 0.5 * MIB, 4 * MIB),
	       rate = draw_between(chance, MIB, 10 * MIB);
	char name[NAME_ROOM];

	script_ask(script, at, names_draw(chance, POOL_RELAY, name));
	while (out > 0) {
		carry(script, at + 0.1, name, piece, 2 * KIB, piece / rate);
		out -= piece;
		at += piece / rate + draw_wait(chance, 0.2);
	}
}

static void call_home(struct script *script)
{
	struct chance *chance = script->chance;
	double every = exp(draw_between(chance, log(20), log(300)));
	double jitter = draw_between(chance, 0, 0.5), at = draw_between(chance, 0, every);
	double until = fmax(script->length, 30 * every);
	char name[NAME_ROOM];

	names_draw(chance, chance_one_in(chance, 2) ? POOL_RELAY : POOL_CLOUD, name);
	while (at < until) {
		script_ask(script, at, name);
		carry(script, at + 0.1, name, draw_size(chance, 2 * KIB, 0.5),
			draw_size(chance, KIB, 0.5), 1);
		at += every * (1 + jitter * draw_between(chance, -1, 1));
	}
}

/* A little now and then, as if it were of use. */
static void seep(struct script *script)
{
	struct chance *chance = script->chance;
	double bytes = draw_size(chance, 6 * MIB, 0.7), at = 0;
	double wait = script->length / (bytes / (150 * KIB));
	char name[NAME_ROOM];

	names_draw(chance, POOL_RELAY, name);
	while (bytes > 0) {
		double out = draw_size(chance, 150 * KIB, 0.5);

		at += draw_wait(chance, wait);
		script_ask(script, at, name);
		carry(script, at + 0.1, name, out, 2 * KIB, 2);
		bytes -= out;
	}
}

const struct leak leaks[LEAKS] = {
	{"open-ended destinations", "30 to 120 names that nobody has heard of", roam},
	{"encoded names", "some KiB in names below one domain, of 12 to 111 bytes each", encode},
	{"one large upload", "some 120 MiB to a relay by one flow", upload},
	{"upload in pieces", "the same by flows of 0.5 to 4 MiB", upload_in_pieces},
	{"beacon", "every 20 to 300 s, jitter up to 50 %, a KiB each way", call_home},
	{"slow leak", "some 6 MiB in pieces of 150 KiB over the session", seep},
};

/* --- A session --- */

/* Half of what is visited for one purpose comes together, at a time of the session's own. */
static double draw_time(struct script *script, double centre)
{
	double at = draw_even(script->chance);

	if (chance_one_in(script->chance, 2))
		at = centre + draw_between(script->chance, -0.15, 0.15);
	return script->length * fmin(fmax(at, 0), 1);
}

void kinds_draw(const struct kind *kind, const struct leak *leak, struct chance *chance,
	struct script *ret_script)
{
	double visits = draw_size(chance, kind->visits, kind->sigma), shares[POOLS];
	double centres[POOLS];

	script_begin(ret_script, chance, 60 * draw_size(chance, kind->minutes, kind->sigma));
	draw_shares(chance, kind->means, POOLS, kind->concentration, shares);
	for (unsigned i = 0; i < POOLS; i++)
		centres[i] = draw_even(chance);
	for (unsigned i = 0; i < visits; i++) {
		unsigned pool = draw_index(chance, shares, POOLS);

		visit(ret_script, (enum pool)pool, draw_time(ret_script, centres[pool]));
	}
	if (kind->more)
		kind->more(ret_script);
	if (leak)
		leak->add(ret_script);
	script_sort(ret_script);
}
