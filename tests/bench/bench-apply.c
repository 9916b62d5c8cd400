/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/text.h"
#include "tests/bench/bench.h"
#include "tests/kernel/space.h"

/*
 * bench-apply WHAT LIST COUNT: a policy with a list of as many prefixes, from the top of a build
 * tree. WHAT is "text", for compiling it into a ruleset; "apply", for --apply; or "nft", for
 * compiling it and loading the text with nft -f, which comes to the same. LIST is "allow" or
 * "deny". Prints the time and the most memory that one of the processes had. The two that load need
 * root, in a network namespace of its own: a user namespace holds too little for nft.
 */

/* The ways of a list into a policy. */
static const struct {
	const char *name;
	const char *text;
} policies[] = {
	{"allow", "version = 1\n"
		  "[network]\n"
		  "block = []\n"
		  "[[allow]]\n"
		  "list = \"list.txt\"\n"},
	{"deny", "version = 1\n"
		 "mode = \"denylist\"\n"
		 "[network]\n"
		 "block = []\n"
		 "[[deny]]\n"
		 "list = \"list.txt\"\n"},
};

/* Prefixes of 8 addresses, evenly spread over what lies between 1.0.0.0 and 223.255.255.255, none
 * of which adjoins another. */
static void write_list(size_t count)
{
	const uint64_t first = UINT64_C(1) << 24, last = UINT64_C(223) << 24;
	FILE *out = fopen("list.txt", "we");

	if (!out)
		bench_fail("cannot write the list");
	for (size_t i = 0; i < count; i++) {
		uint32_t at = (uint32_t)(first + (last - first) * i / count) & ~7U;

		fprintf(out, "%u.%u.%u.%u/29\n", at >> 24, at >> 16 & 255, at >> 8 & 255, at & 255);
	}
	if (fclose(out) != 0)
		bench_fail("cannot write the list");
}

/* The policy's text; NULL: there is no such kind. */
static const char *policy_of(const char *list)
{
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
		if (strcmp(policies[i].name, list) == 0)
			return policies[i].text;
	return NULL;
}

static void write_policy(const char *text)
{
	FILE *out = fopen("policy.toml", "we");

	if (!out)
		bench_fail("cannot write the policy");
	fputs(text, out);
	if (fclose(out) != 0)
		bench_fail("cannot write the policy");
}

/* Runs a shell command; time and memory are added up. */
static void measure(const char *command, double *seconds, double *megabytes)
{
	uint64_t before = bench_ns();
	struct rusage used;
	int status;
	pid_t child = fork();

	if (child == 0) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &used) != child || status != 0)
		bench_fail("failed: %s", command);
	*seconds += (double)(bench_ns() - before) / 1e9;
	if ((double)used.ru_maxrss / 1024 > *megabytes)
		*megabytes = (double)used.ru_maxrss / 1024;
}

static void run(const char *what, const char *compiler)
{
	double seconds = 0, megabytes = 0;
	char command[4200];

	snprintf(command, sizeof(command), "exec %s policy.toml%s", compiler,
		strcmp(what, "apply") == 0 ? " --apply" : " >text.nft");
	measure(command, &seconds, &megabytes);
	if (strcmp(what, "nft") == 0)
		measure("exec nft -f text.nft", &seconds, &megabytes);
	bench_print("time", seconds, "s");
	bench_print("memory", megabytes, "MB");
}

int main(int argc, char **argv)
{
	char folder[] = "/tmp/bench-apply-XXXXXX", compiler[4096];
	uint64_t count;
	size_t length;

	bench_begin();
	if (argc != 4 || !policy_of(argv[2]) ||
		text_to_number(text_of(argv[3]), 10000000, &count) < 0)
		bench_fail("usage: bench-apply text|apply|nft allow|deny COUNT");
	if (strcmp(argv[1], "text") != 0 && (!space_is_root() || space_enter_as_root() < 0))
		bench_fail("needs root");
	if (!getcwd(compiler, sizeof(compiler) - 32) || !mkdtemp(folder) || chdir(folder) < 0)
		bench_fail("no folder");
	length = strlen(compiler);
	snprintf(compiler + length, sizeof(compiler) - length, "/src/egress-compile");
	write_list((size_t)count);
	write_policy(policy_of(argv[2]));
	run(argv[1], compiler);
	space_run("exec rm -rf '%s'", folder);
	return 0;
}
