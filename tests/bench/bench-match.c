/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rules/compile.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "tests/bench/bench.h"
#include "tests/bench/table.h"

/*
 * bench-match COUNT: a list of as many denied names, three quarters of them exact and a quarter
 * "**.NAME": how long it takes to load, what it takes, and what a look-up costs of a name that is
 * there, of one below a wildcard, and of one that is not there. The questions are drawn at random
 * from all names, and lie packed one behind the other, so that reading them costs the same
 * whatever the list.
 *
 * bench-match hsearch COUNT: the same names and questions to the C library's hash table, which
 * knows no wildcards: what a look-up costs of which nothing but the name's own memory is read, and
 * how that grows with the memory.
 *
 * Both also say what the memory alone costs: `read` is one line chosen at random of as much as the
 * names' table takes, all of a batch fetched first, as look-ups do it; `chase` the same where each
 * line says which is next, so that no two reads overlap.
 *
 * bench-match once COUNT: fewer questions and one pass, for tests/bench/work to count what a
 * look-up does.
 */

enum { QUESTIONS = 1 << 20, QUESTIONS_ONCE = 1 << 16, PASSES = 5, BATCH = 32, LINE = 64 };

static size_t n_questions = QUESTIONS;
static unsigned n_passes = PASSES;

/* Wire forms, each behind its length. */
struct packed {
	uint8_t *bytes;
	size_t size;
};

static void *allocate(size_t size)
{
	void *memory = malloc(size);

	if (!memory)
		bench_fail("no memory");
	return memory;
}

/* A made-up name, its wire form appended to `out`: two to four labels, 20 bytes or so as lists of
 * tracking hosts have them. */
static size_t put_name(uint8_t *out)
{
	static const char *const tops[] = {"com", "net", "org", "io", "info", "de"};
	unsigned n_labels = 1 + (bench_random(10) > 5) + (bench_random(10) > 7);
	const char *top = tops[bench_random(6)];
	size_t at = 1;

	for (unsigned i = 0; i < n_labels; i++) {
		unsigned length = 4 + bench_random(i + 1 == n_labels ? 9 : 5);

		out[at++] = (uint8_t)length;
		while (length-- > 0)
			out[at++] = (uint8_t)('a' + bench_random(26));
	}
	out[at] = (uint8_t)strlen(top);
	memcpy(out + at + 1, top, strlen(top) + 1);
	at += strlen(top) + 2;
	out[0] = (uint8_t)(at - 1);
	return at;
}

static bool is_wildcard(size_t index)
{
	return index % 4 == 3;
}

/* The names, and where each begins. */
static struct packed make_names(size_t count, size_t *starts)
{
	struct packed names = {.bytes = allocate(count * 64)};

	for (size_t i = 0; i < count; i++) {
		starts[i] = names.size;
		names.size += put_name(names.bytes + names.size);
	}
	return names;
}

static void write_list(const struct packed *names, const size_t *starts, size_t count, FILE *out)
{
	for (size_t i = 0; i < count; i++) {
		const uint8_t *label = names->bytes + starts[i] + 1;

		fputs(is_wildcard(i) ? "**." : "", out);
		for (; label[0] > 0; label += 1 + label[0])
			fprintf(out, "%.*s%s", label[0], (const char *)label + 1,
				label[1 + label[0]] > 0 ? "." : "\n");
	}
}

enum kind { EXACT, BELOW, MISSING };

/* Questions of one kind. */
static struct packed ask(
	const struct packed *names, const size_t *starts, size_t count, enum kind kind)
{
	struct packed questions = {.bytes = allocate(n_questions * 64)};

	for (size_t i = 0; i < n_questions; i++) {
		uint8_t *out = questions.bytes + questions.size;
		const uint8_t *name;
		size_t index;

		if (kind == MISSING) {
			questions.size += put_name(out);
			continue;
		}
		do
			index = bench_random((uint32_t)count);
		while (is_wildcard(index) != (kind == BELOW));
		name = names->bytes + starts[index];
		if (kind == BELOW)
			memcpy(out + 1, "\3www", 4);
		memcpy(out + (kind == BELOW ? 5 : 1), name + 1, name[0]);
		out[0] = (uint8_t)(name[0] + (kind == BELOW ? 4 : 0));
		questions.size += 1u + out[0];
	}
	return questions;
}

/* A batch of questions; what was just written is slow to read. */
static size_t unpack(const struct packed *questions, size_t *at, struct name batch[BATCH])
{
	size_t count = 0;

	for (; count < BATCH && *at < questions->size; count++) {
		batch[count].length = questions->bytes[*at];
		memcpy(batch[count].wire, questions->bytes + *at + 1, batch[count].length);
		*at += 1u + batch[count].length;
	}
	return count;
}

/* How many names of the batch are there, asked as the resolver asks about what came together.
 * tests/bench/work counts what is done in here, and begins anew after run(). */
static __attribute__((noinline)) size_t count_refused(
	const struct match *match, const struct name batch[BATCH], size_t count)
{
	struct names_walk walks[BATCH];
	struct match_result result;
	size_t n_refused = 0;

	for (size_t i = 0; i < count; i++)
		match_begin(match, &batch[i], &walks[i]);
	for (size_t i = 0; i < count; i++)
		match_prepare(match, &walks[i]);
	for (size_t i = 0; i < count; i++)
		n_refused += !match_prepared(match, &walks[i], &result);
	return n_refused;
}

static size_t count_found(const struct name batch[BATCH], size_t count)
{
	size_t n_found = 0;

	for (size_t i = 0; i < count; i++)
		n_found += table_has(batch[i].wire);
	return n_found;
}

/* Without `match`, the hash table is asked. */
static __attribute__((noinline)) uint64_t run(
	const struct match *match, const struct packed *questions, size_t *ret_refused)
{
	uint64_t start = bench_ns();
	struct name batch[BATCH];
	size_t at = 0, count;

	*ret_refused = 0;
	while ((count = unpack(questions, &at, batch)) > 0)
		*ret_refused +=
			match ? count_refused(match, batch, count) : count_found(batch, count);
	return bench_ns() - start;
}

/* The best of some passes over the questions, of which the given share must be refused. */
static void measure(
	const struct match *match, const struct packed *questions, const char *what, bool refused)
{
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < n_passes; i++) {
		size_t n_refused;
		uint64_t took = run(match, questions, &n_refused);

		if (refused != (n_refused > n_questions / 100))
			bench_fail("%s: %zu of %zu refused", what, n_refused, n_questions);
		best = took < best ? took : best;
	}
	bench_print(what, (double)best / (double)n_questions, "ns");
}

/* --- Memory alone --- */

/* Lines, the first four bytes of each the number of the one that is read after it: one circle of
 * them all. */
static uint8_t *make_lines(uint32_t count)
{
	uint8_t *lines = NULL;
	size_t size = (size_t)count * LINE;
	uint32_t *order = allocate(count * sizeof(*order));

	/* As the arena has it: a table of several large pages lies on such. */
	if (posix_memalign((void **)&lines, (size_t)1 << 21, size) != 0)
		bench_fail("no memory");
	if (size >= (size_t)1 << 22)
		madvise(lines, size, MADV_HUGEPAGE);
	memset(lines, 0, size);
	for (uint32_t i = 0; i < count; i++)
		order[i] = i;
	for (uint32_t i = count - 1; i > 0; i--) {
		uint32_t other = bench_random(i + 1), kept = order[i];

		order[i] = order[other];
		order[other] = kept;
	}
	for (uint32_t i = 0; i < count; i++)
		memcpy(lines + (size_t)order[i] * LINE, &order[(i + 1) % count], sizeof(*order));
	free(order);
	return lines;
}

static uint32_t read_line(const uint8_t *lines, uint32_t line)
{
	uint32_t next;

	memcpy(&next, lines + (size_t)line * LINE, sizeof(next));
	return next;
}

/* As many reads as there are questions. What was read decides nothing, and must be read. */
static uint64_t read_lines(const uint8_t *lines, uint32_t count, bool chase)
{
	uint64_t start = bench_ns();
	uint32_t batch[BATCH], at = 0;
	volatile uint32_t sum = 0;

	for (size_t i = 0; i < n_questions && chase; i++)
		at = read_line(lines, at);
	for (size_t i = 0; i < n_questions && !chase; i += BATCH) {
		for (size_t j = 0; j < BATCH; j++) {
			batch[j] = bench_random(count);
			__builtin_prefetch(lines + (size_t)batch[j] * LINE);
		}
		for (size_t j = 0; j < BATCH; j++)
			at += read_line(lines, batch[j]);
	}
	sum = at;
	(void)sum;
	return bench_ns() - start;
}

/* For so many names: a line for five or six of them (rules/names.c). */
static void measure_memory(size_t n_names)
{
	uint32_t count = (uint32_t)(n_names * 5 / 28 + 1);
	uint8_t *lines = make_lines(count);

	for (unsigned chase = 0; chase < 2; chase++) {
		uint64_t best = UINT64_MAX;

		for (unsigned i = 0; i < n_passes; i++) {
			uint64_t took = read_lines(lines, count, chase);

			best = took < best ? took : best;
		}
		bench_print(chase ? "chase" : "read", (double)best / (double)n_questions, "ns");
	}
	free(lines);
}

static struct compiled load(struct arena *arena, const char *list)
{
	const char *text = arena_printf(arena,
		"version = 1\nmode = \"denylist\"\n[[deny]]\nlist = \"%s\"\nbroad = true\n", list);
	const struct compile_options options = {
		.policy = "bench.toml", .text = text, .size = strlen(text)};
	struct diag *diag = diag_new(arena);
	struct compiled compiled;

	if (compile_policy(arena, &options, diag, &compiled) < 0) {
		diag_print(diag, stderr);
		bench_fail("the policy does not compile");
	}
	return compiled;
}

/* Loads the names from a file of its own. */
static struct compiled load_names(
	struct arena *arena, const struct packed *names, const size_t *starts, size_t count)
{
	char path[] = "/tmp/bench-match-XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	struct compiled compiled;
	uint64_t start;

	if (!file)
		bench_fail("cannot make %s", path);
	write_list(names, starts, count, file);
	if (fclose(file) != 0)
		bench_fail("cannot write %s", path);
	start = bench_ns();
	compiled = load(arena, path);
	bench_print("load", (double)(bench_ns() - start) / 1e6, "ms");
	unlink(path);
	return compiled;
}

static const struct match *make_match(
	struct arena *arena, const struct packed *names, const size_t *starts, size_t count)
{
	struct compiled compiled = load_names(arena, names, starts, count);
	size_t bytes, n_names;

	match_measure(compiled.match, &bytes, &n_names);
	bench_print("memory", (double)bytes / (double)n_names, "bytes/name");
	return compiled.match;
}

static void fill_table(const struct packed *names, const size_t *starts, size_t count)
{
	uint64_t start = bench_ns();

	table_make(count);
	for (size_t i = 0; i < count; i++)
		table_add(names->bytes + starts[i] + 1);
	bench_print("load", (double)(bench_ns() - start) / 1e6, "ms");
}

static bool is_mode(int argc, char **argv, const char *mode)
{
	return argc > 1 && strcmp(argv[1], mode) == 0;
}

int main(int argc, char **argv)
{
	static const struct {
		enum kind kind;
		const char *what;
		bool refused;
	} rows[] = {{EXACT, "exact", true}, {MISSING, "miss", false}, {BELOW, "wildcard", true}};
	bool plain = is_mode(argc, argv, "hsearch"), once = is_mode(argc, argv, "once");
	int n_modes = plain || once;
	size_t count = bench_count(argc - n_modes, argv + n_modes);
	size_t n_rows = sizeof(rows) / sizeof(rows[0]) - plain;
	size_t *starts = allocate(count * sizeof(*starts));
	const struct match *match = NULL;
	struct packed names;
	struct arena *arena;

	bench_begin();
	if (once) {
		n_questions = QUESTIONS_ONCE;
		n_passes = 1;
	}
	if (arena_new((size_t)4 << 30, &arena) < 0)
		bench_fail("no memory");
	names = make_names(count, starts);
	if (plain)
		fill_table(&names, starts, count);
	else
		match = make_match(arena, &names, starts, count);
	for (size_t i = 0; i < n_rows; i++) {
		struct packed questions = ask(&names, starts, count, rows[i].kind);

		measure(match, &questions, rows[i].what, rows[i].refused);
		free(questions.bytes);
	}
	if (!once)
		measure_memory(count);
	free(names.bytes);
	free(starts);
	arena_free(arena);
	return 0;
}
