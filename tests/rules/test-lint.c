/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rules/lint.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "tests/rules/stack.h"

#define ARENA_MAX ((size_t)64 << 20)

struct found {
	char text[8192];
	size_t length;
};

/* "W061 base.toml:3:8: '*.github.io' is a relay..." */
static void note(void *context, const struct diag_message *message)
{
	struct found *found = context;

	found->length += (size_t)snprintf(found->text + found->length,
		sizeof(found->text) - found->length, "W%03u %s:%u: %s\n", message->code,
		message->place.file, message->place.line, message->text);
	assert_int_equal(message->level, DIAG_WARNING);
	assert_true(found->length < sizeof(found->text));
}

static struct found lint_of(const char *base, const char *override)
{
	char profiles[4096];
	const char *dirs[] = {profiles};
	struct found found = {.length = 0};
	struct arena *arena;
	struct compiled compiled;
	struct diag *diag;

	snprintf(profiles, sizeof(profiles), "%s/rules/profiles", getenv("abs_top_srcdir"));
	assert_int_equal(arena_new(ARENA_MAX, &arena), 0);
	compiled = stack_compile(arena, base, &override, override ? 1 : 0);
	diag = diag_new(arena);
	assert_int_equal(lint(arena, &compiled, dirs, 1, diag), 0);
	diag_visit(diag, note, &found);
	arena_free(arena);
	return found;
}

/* Something is found whose line starts so; NULL: nothing at all. */
static void check_stack(const char *base, const char *override, const char *start)
{
	struct found found = lint_of(base, override);
	char *at = start ? strstr(found.text, start) : NULL;

	if (!start && found.length > 0)
		fail_msg("nothing was expected for\n%s\nbut\n%s", base, found.text);
	if (start && (!at || (at > found.text && at[-1] != '\n')))
		fail_msg("'%s' was expected for\n%s\nnot\n%s", start, base, found.text);
}

static void check(const char *base, const char *start)
{
	check_stack(base, NULL, start);
}

/* Some part of what is found. */
static void check_part(const char *base, const char *override, const char *part)
{
	struct found found = lint_of(base, override);

	if (!strstr(found.text, part))
		fail_msg("'%s' was expected for\n%s\n-- found:\n%s", part, base, found.text);
}

static void check_says(const char *base, const char *part)
{
	check_part(base, NULL, part);
}

/* No part of it. */
static void check_says_not(const char *base, const char *part)
{
	struct found found = lint_of(base, NULL);

	if (strstr(found.text, part))
		fail_msg("'%s' was not expected for\n%s\n-- found:\n%s", part, base, found.text);
}

#define A_HOST(host) "[[allow]]\nhost = \"" host "\"\n"
#define A_DENY(host) "[[deny]]\nhost = \"" host "\"\n"
#define AN_IP(ip) "[[allow]]\nip = \"" ip "\"\n"

static void plain_policies_have_no_findings(void **state)
{
	(void)state;
	check("", NULL);
	check(A_HOST("api.example.com") AN_IP("198.41.0.0/24"), NULL);
	check(A_HOST("api.example.com") "[network]\nblock = []\n", NULL);
}

static void wide_wildcards(void **state)
{
	(void)state;
	check(A_HOST("*.com") "broad = true\n", "W060 base.toml:3: '*.com' is every name");
	check(A_HOST("**.co.uk") "broad = true\n", "W060 base.toml:3: ");
	check(A_HOST("*.github.io"), "W061 base.toml:3: '*.github.io' is a relay: ");
	check(A_HOST("*.amazonaws.com"), "W061 base.toml:3: ");
	check(A_DENY("*.github.io"), "W063 ");
	check(A_HOST("*.example.com"), "W068 base.toml:3: '*.example.com' lets at most ");
	/* What has a budget of its own in every domain. */
	check_says(A_HOST("*.com") "broad = true\n", "for each domain registered below it");
	check(A_HOST("*.github.io"),
		"W068 base.toml:3: '*.github.io' lets at most 976000 bits leave "
		"in an hour, and 7808000 come back; ");
}

/* A full bucket of 2000 bytes and 60 times as much again, 8 bits each; or as many questions of 64
 * bytes as may be asked; or names of 64 bytes, and questions for one of them. */
static void the_room_of_a_wildcard_is_what_is_enforced(void **state)
{
	(void)state;
	check(A_HOST("*.example.com"),
		"W068 base.toml:3: '*.example.com' lets at most 976000 bits leave in an hour, and "
		"7808000 come back; when each question is asked is not counted");
	check_says(A_HOST("*.example.com") "wildcard_bytes = \"36/hour\"\n"
					   "wildcard_answer_bytes = \"24/day\"\n",
		"lets at most 576 bits leave in an hour, and 200 come back; ");
	check_says(A_HOST("*.example.com") "[limits]\nwildcard_bytes = \"10/hour\"\n",
		"lets at most 160 bits leave in an hour, and 7808000 come back; ");
	check_says(A_HOST("*.example.com") "[limits]\nqueries = \"10/hour\"\n",
		"lets at most 10240 bits leave in an hour");
	check_says(A_HOST("*.example.com") "[budget]\nwildcard_names = 7\non_exceed = \"refuse\"\n",
		"lets at most 308584 bits leave in an hour");
	check_says(A_HOST("*.example.com") "[budget]\nwildcard_names = 7\n",
		"lets at most 976000 bits leave in an hour");
	check_says(A_HOST("*.example.com") "wildcard_names = 3\n[budget]\nwildcard_names = 7\n"
					   "on_exceed = \"refuse\"\n[limits]\nqueries = "
					   "\"1/second\"\n",
		"lets at most 15940 bits leave in an hour");
	/* 253 less the name and its dot; 60 left of the label. */
	check_says(A_HOST("**.example.com") "[limits]\nqueries = \"1/day\"\n",
		"lets at most 3856 bits leave in an hour");
	check_says(A_HOST("s3-*.example.com") "[limits]\nqueries = \"1/day\"\n",
		"lets at most 976 bits leave in an hour");
}

static void types_that_carry_data(void **state)
{
	(void)state;
	check("[dns]\ntypes = [\"A\", \"TXT\", \"NAPTR\"]\n",
		"W074 base.toml:2: records of type TXT bring any data in");
	check("[dns]\ntypes = [\"A\", \"AAAA\", \"HTTPS\", \"SVCB\", \"SRV\", \"MX\", \"PTR\"]\n",
		NULL);
}

static void names_that_others_point_to(void **state)
{
	(void)state;
	check(A_HOST("d111111abcdef8.cloudfront.net"), "W064 base.toml:3: ");
	check(A_HOST("e1.a.akamaiedge.net"), "W064 base.toml:3: ");
	check(A_HOST("www.akamai.com"), NULL);
}

static void what_never_decides(void **state)
{
	(void)state;
	check(A_HOST("a.example.com") A_HOST("a.example.com"),
		"W062 base.toml:5: 'a.example.com' never decides: allow-1 ");
	check(A_HOST("a.example.com") "ports = \"tcp/443\"\n" A_HOST(
		      "a.example.com") "ports = \"tcp/22\"\n",
		NULL);
	check(AN_IP("10.0.0.0/8"), "W062 base.toml:3: '10.0.0.0/8' never decides: block-private ");
	check(AN_IP("10.1.0.0/16"), NULL);
	check(A_HOST("**.example.com") A_HOST("a.example.com"),
		"W063 base.toml:5: 'a.example.com' changes nothing: allow-1 ");
	check(A_DENY("a.example.com"),
		"W063 base.toml:3: 'a.example.com' changes nothing: what holds for all");
	/* Another depth, and other answers. */
	check_says_not(A_HOST("**.example.com") A_DENY("*.example.com") A_DENY("*.*.example.com"),
		"base.toml:3: '**.example.com' never decides");
	check_says_not(
		A_HOST("**.example.com") A_HOST("a.example.com") "addresses = 'any'\n", "W063");
	check_says_not(A_HOST("**.example.com") "addresses = ['10.0.0.0/8']\n" A_HOST(
			       "a.example.com") "addresses = ['10.1.0.0/16']\n",
		"W063");
	check_says(A_HOST("**.example.com") "addresses = ['10.0.0.0/8']\n" A_HOST(
			   "a.example.com") "addresses = ['10.0.0.0/8']\n",
		"W063 base.toml:6: 'a.example.com' changes nothing: allow-1 ");
	check_says_not(
		"mode = \"denylist\"\n" A_HOST("a.example.com") "addresses = 'any'\n", "W063");
	check("mode = \"denylist\"\n" A_DENY("a.example.com"),
		"W075 base.toml:0: DNS is an open channel: of names that no entry matches nothing "
		"bounds what leaves in questions and what comes back; wildcard_bytes and "
		"wildcard_answer_bytes in [limits] would");
}

static void the_channel_of_a_denylist(void **state)
{
	const char *denylist = "mode = \"denylist\"\n";

	(void)state;
	check("mode = \"denylist\"\n[limits]\nwildcard_bytes = \"2000/minute\"\n"
	      "wildcard_answer_bytes = \"16000/minute\"\n",
		"W068 base.toml:0: what no entry matches lets at most 976000 bits leave in an "
		"hour, and 7808000 come back, for each domain registered below it; ");
	check("mode = \"denylist\"\n[limits]\nwildcard_bytes = \"2000/minute\"\n",
		"W075 base.toml:0: DNS is an open channel: of names that no entry matches nothing "
		"bounds what comes back in answers; wildcard_answer_bytes in [limits] would");
	check("mode = \"denylist\"\n[limits]\nwildcard_answer_bytes = \"2000/minute\"\n",
		"W075 base.toml:0: DNS is an open channel: of names that no entry matches nothing "
		"bounds what leaves in questions; wildcard_bytes in [limits] would");
	/* As many questions bound what they tell. */
	check("mode = \"denylist\"\n[limits]\nqueries = \"1/day\"\n"
	      "wildcard_answer_bytes = \"2000/minute\"\n",
		"W068 base.toml:0: what no entry matches lets at most 4064 bits leave in an hour");
	check_says("mode = \"denylist\"\n[limits]\nqueries = \"1/day\"\n",
		"nothing bounds what comes back in answers; ");
	/* An override that permits few names has made an allowlist of it. */
	check_stack(denylist, A_HOST("a.example.com"),
		"W068 base.toml:0: what no entry of the base matches lets at most 976000 bits "
		"leave");
	check_stack(denylist, A_DENY("a.example.com"), "W075 ");
}

static void overrides_without_effect(void **state)
{
	(void)state;
	check_stack(A_HOST("a.example.com"), A_HOST("b.example.com"),
		"W073 o1.toml:3: 'b.example.com' changes nothing");
	check_stack(A_HOST("a.example.com"), A_HOST("a.example.com"), NULL);
}

static void dns_over_https(void **state)
{
	(void)state;
	check(A_HOST("dns.google"), "W065 base.toml:2: allow-1 permits dns.google, ");
	check(AN_IP("8.8.8.8"), "W062 ");
	check(AN_IP("8.8.8.8") "[network]\nblock = []\n",
		"W065 base.toml:2: allow-1 permits 8.8.8.8, ");
}

/* An override's entry says so where nothing of the base has the name. */
static void dns_over_https_of_overrides(void **state)
{
	const char *base = "mode = \"denylist\"\n[limits]\nqueries = \"1/day\"\n"
			   "wildcard_answer_bytes = \"1/day\"\n";

	(void)state;
	check_part(base, A_HOST("a.example.com") A_HOST("dns.google"),
		"W065 o1.toml:4: o1:allow-2 permits dns.google, ");
	check_part(A_HOST("dns.google"), A_HOST("a.example.com") A_HOST("dns.google"),
		"W065 base.toml:2: allow-1 permits dns.google, ");
}

static void write_list(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

/* Found is `code`, in the list at `path`, in a line that `rest` begins with. */
static void check_listed(const char *policy, const char *path, const char *code, const char *rest)
{
	char want[256];

	snprintf(want, sizeof(want), "%s %s:%s", code, path, rest);
	check_says(policy, want);
}

/* Of each kind there is one finding for a list, at the first line of it. */
static void what_is_wide_in_lists(void **state)
{
	char path[] = "/tmp/egress-lint.XXXXXX", allow[128], deny[128];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	snprintf(allow, sizeof(allow), "[[allow]]\nbroad = true\nlist = \"%s\"\n", path);
	snprintf(deny, sizeof(deny), "[[deny]]\nbroad = true\nlist = \"%s\"\n", path);
	write_list(path, "*.example.com\n198.41.0.0/16\n198.40.0.0-198.40.255.255\n");
	check_says_not(allow, path);
	write_list(path, "a.b\n198.0.0.0/15\n*.github.io\n2600::/31\n**.com\n198.4.0.0/15\n");
	check_listed(allow, path, "W060",
		"5: '**.com' is every name that anybody registers under com\n");
	check_listed(allow, path, "W061", "3: '*.github.io' is a relay: names under github.io ");
	check_listed(allow, path, "W066",
		"2: 198.0.0.0/15 is more than a /16, and so are 2 further lines of the list: is ");
	check_says_not(deny, path);
	write_list(path, "192.0.0.0/2\n0.0.0.0/0\n::/0\n*.github.io\n**.gitlab.io\n");
	check_listed(allow, path, "W061", "4: '*.github.io' is a relay, and so is 1 further line ");
	check_listed(
		allow, path, "W066", "1: 192.0.0.0/2 is more than a /16: is all of it meant?\n");
	check_listed(allow, path, "W071",
		"2: 0.0.0.0/0 is every address there is, but for blocked classes, and so is 1 ");
	assert_int_equal(unlink(path), 0);
}

static void short_prefixes_and_plain_http(void **state)
{
	(void)state;
	check(AN_IP("198.0.0.0/15"), "W066 base.toml:3: 198.0.0.0/15 is more than a /16");
	check(AN_IP("2600::/31"), "W066 base.toml:3: ");
	check(AN_IP("2600::/32"), NULL);
	check(AN_IP("0.0.0.0/0"), "W071 base.toml:3: ");
	check(AN_IP("::/0"), "W071 base.toml:3: ");
	check(AN_IP("0.0.0.0-255.255.255.255"), "W071 base.toml:3: ");
	check(AN_IP("0.0.0.1-255.255.255.255"), "W066 base.toml:3: ");
	/* It is how many that counts, not where they lie. */
	check(AN_IP("198.40.0.1-198.41.0.0"), NULL);
	check(AN_IP("198.40.0.0-198.41.0.0"), "W066 base.toml:3: 198.40.0.0-198.41.0.0 is more");
	check(AN_IP("191.255.255.255-192.0.1.0"), NULL);
	check_says_not(AN_IP("127.255.255.255-128.0.0.0"), "W071");
	check(AN_IP("2600::1-2600:1::"), NULL);
	check(AN_IP("2600::-2600:1::"), "W066 base.toml:3: 2600::-2600:1:: is more than a /32");
	check(A_HOST("a.example.com") "ports = \"tcp/80\"\n",
		"W067 base.toml:2: allow-1 opens tcp/80");
	check(A_HOST("a.example.com") "ports = \"tcp/8000-9000\"\n", "W067 base.toml:2: ");
}

static void patterns_without_anchors(void **state)
{
	(void)state;
	check("[[allow]]\nhost_pattern = 'example'\n", "W072 base.toml:3: ");
	check("[[allow]]\nhost_pattern = '^a$'\n[limits]\nqueries = \"1/hour\"\n",
		"W068 base.toml:3: the pattern lets at most ");
}

static void thresholds_and_cgroups(void **state)
{
	(void)state;
	check("[score]\nrefuse_at = 5.0\n", "W069 base.toml:0: refuse_at is above 4.0");
	check("[score]\nunknown = 0.2\n", "W069 base.toml:0: an allowlist whose unknown");
	check("[scope]\ncgroups = [\"system.slice/agent.service\"]\n", "W070 base.toml:2: ");
	check("[scope]\ncgroups = [\"agents.slice\"]\n", NULL);
}

static void records_without_effect(void **state)
{
	(void)state;
	check("[audit]\nformat = \"ecs\"\n", "W076 base.toml:0: format of [audit] ");
	check("[audit]\nformat = \"ecs\"\npath = \"journal\"\n", NULL);
	check("[anomaly]\noff = [\"upload-ratio\"]\nupload_ratio = 5\n",
		"W076 base.toml:0: upload_ratio of [anomaly] has no effect: 'upload-ratio' is off");
	check("[anomaly]\noff = [\"upload-ratio\"]\nbeacon = 8\n", NULL);
	check("[budget]\non_exceed = \"refuse\"\n", "W076 base.toml:0: on_exceed of [budget] ");
	check("[budget]\non_exceed = \"refuse\"\nunknown_share = 0.0\n", NULL);
	check("[budget]\nbytes = \"2 MiB\"\n[limits]\nbytes = \"1 MiB\"\n",
		"W076 base.toml:0: bytes of [budget] is never reached: bytes of [limits] ");
	check("[budget]\nbytes = \"1 MiB\"\n[limits]\nbytes = \"1 MiB\"\n", NULL);
	check("[anomaly]\nupload = \"2 MiB\"\n[budget]\nbytes = \"1 MiB\"\n", NULL);
	check("[anomaly]\nupload = \"2 MiB\"\n[budget]\nbytes = \"1 MiB\"\n"
	      "on_exceed = \"refuse\"\n",
		"W076 base.toml:0: upload of [anomaly] is never reached: bytes of [budget] ");
	check("[anomaly]\nupload_burst = \"2 MiB\"\n[limits]\nbytes = \"1 MiB\"\n",
		"W076 base.toml:0: upload_burst of [anomaly] is never reached: bytes of [limits] ");
}

static void places_of_records(void **state)
{
	char folder[] = "/tmp/egress-lint.XXXXXX", file[64], policy[256];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(policy, sizeof(policy), "[audit]\npath = \"%s\"\n", folder);
	check(policy, "W077 base.toml:3: ");
	check_says(policy, "is a folder");
	snprintf(policy, sizeof(policy), "[audit]\npath = [\"-\", \"%s/log\"]\n", folder);
	check(policy, NULL);
	assert_int_equal(chmod(folder, 0777), 0);
	check_says(policy, "can make the file before the resolver does, or remove it");
	assert_int_equal(chmod(folder, 01777), 0);
	check_says(policy, "can make the file before the resolver does\n");
	assert_int_equal(chmod(folder, 0700), 0);
	snprintf(file, sizeof(file), "%s/file", folder);
	fd = creat(file, 0600);
	assert_true(fd >= 0);
	close(fd);
	snprintf(policy, sizeof(policy), "[audit]\npath = \"%s/log\"\n", file);
	check_says(policy, "is no folder");
	snprintf(policy, sizeof(policy), "[audit]\npath = \"%s/none/log\"\n", folder);
	check(policy, NULL);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_policies_have_no_findings),
		cmocka_unit_test(wide_wildcards),
		cmocka_unit_test(the_room_of_a_wildcard_is_what_is_enforced),
		cmocka_unit_test(types_that_carry_data),
		cmocka_unit_test(names_that_others_point_to),
		cmocka_unit_test(what_never_decides),
		cmocka_unit_test(the_channel_of_a_denylist),
		cmocka_unit_test(overrides_without_effect),
		cmocka_unit_test(dns_over_https),
		cmocka_unit_test(dns_over_https_of_overrides),
		cmocka_unit_test(what_is_wide_in_lists),
		cmocka_unit_test(short_prefixes_and_plain_http),
		cmocka_unit_test(patterns_without_anchors),
		cmocka_unit_test(thresholds_and_cgroups),
		cmocka_unit_test(records_without_effect),
		cmocka_unit_test(places_of_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
