/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "rules/class.h"
#include "rules/load.h"
#include "rules/policy.h"
#include "src/base/arena.h"
#include "src/base/fd.h"
#include "tests/rules/parse.h"

static const struct load_options base;

static int setup(void **state)
{
	return arena_new((size_t)512 << 20, (struct arena **)state);
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static void expect_endpoint(const struct endpoint *endpoint, const char *text)
{
	char out[INADDR_TEXT];

	assert_string_equal(endpoint_to_text(endpoint, out), text);
}

static void expect_range(const struct address_range *range, const char *text)
{
	char out[INADDR_TEXT];

	assert_string_equal(range_to_text(&range->range, out), text);
}

static void expect_host(const struct host *host, enum host_kind kind, const char *text)
{
	struct reader reader = reader_over(host->wire, host->length);
	struct name name;
	char out[NAME_TEXT];

	name_read(&reader, &name);
	assert_false(reader.failed);
	assert_int_equal(reader_left(&reader), 0);
	assert_int_equal(host->kind, kind);
	assert_string_equal(name_to_text(&name, out), text);
}

static void expect_ports(
	const struct port_range *ports, enum protocol protocol, unsigned first, unsigned last)
{
	assert_int_equal(ports->protocol, protocol);
	assert_int_equal(ports->first, first);
	assert_int_equal(ports->last, last);
}

static void expect_place(const struct place *place, unsigned line, unsigned column, unsigned width)
{
	assert_string_equal(place->file, "policy.toml");
	assert_int_equal(place->line, line);
	assert_int_equal(place->column, column);
	assert_int_equal(place->width, width);
}

static void test_defaults(void **state)
{
	const struct policy *policy = parse_good(*state, "version = 1\n");

	assert_string_equal(policy->file, "policy.toml");
	assert_string_equal(policy->name, "default");
	assert_int_equal(policy->n_entries, 0);
	assert_int_equal(policy->block, CLASS_ALL);
	assert_int_equal(policy->nflog_group, 5);
	assert_int_equal(policy->dns.n_listen, 2);
	expect_endpoint(&policy->dns.listen[0], "127.0.0.1:5300");
	expect_endpoint(&policy->dns.listen[1], "[::1]:5300");
	assert_int_equal(policy->dns.n_upstream, 0);
	assert_int_equal(policy->dns.n_hosts, 0);
	assert_int_equal(policy->dns.min_lease.ms, 60 * 1000);
	assert_int_equal(policy->dns.max_lease.ms, 3600 * 1000);
	assert_int_equal(policy->dns.grace.ms, 30 * 1000);
	assert_false(policy->dns.dnssec);
	assert_null(policy->dns.trust_anchor);
	assert_int_equal(policy->dns.n_types, 3);
	assert_int_equal(policy->dns.types[0], 1);
	assert_int_equal(policy->dns.types[1], 28);
	assert_int_equal(policy->dns.types[2], 65);
	assert_int_equal(policy->dns.refusal, REFUSAL_NXDOMAIN);
	assert_int_equal(policy->dns.n_search, 0);
	assert_false(policy->denylist || policy->has_mode || policy->observe);
	assert_false(policy->has_allow || policy->has_block || policy->audit_allowed);
	assert_false(policy->budget.refuse);
	assert_int_equal(policy->budget.destinations, 0);
	assert_int_equal(policy->limits.connections.count, 0);
	assert_int_equal(policy->limits.bytes, 0);
	assert_true(policy->score.unknown == 1.0);
	assert_true(policy->score.flag_at == 0.5);
	assert_true(policy->score.refuse_at == 1.0);
	assert_int_equal(policy->scope_place.line, 0);
	assert_int_equal(policy->dns_place.line, 0);
	policy =
		parse_good(*state, "mode = \"denylist\"\nversion = 1\nenforcement = \"observe\"\n");
	assert_true(policy->score.refuse_at == 3.0);
	assert_true(policy->observe);
}

/* Every key there is but those that need files. */
static const char whole[] =
	"version = 1\n"
	"name = \"build-agent\"\n"
	"mode = \"denylist\"\n"
	"[[allow]]\n"
	"host = [\"API.example.com.\", \"*.example.net\", \"**.Example.org\"]\n"
	"category = \"api\"\n"
	"reason = \"model API, and assets\"\n"
	"\n"
	"  [[allow]]\n"
	"  ip = [\"10.42.0.0/16\", \"2001:db8:7::/48\",\n"
	"        \"192.0.2.10-192.0.2.20\", \"::ffff:192.0.2.1\"]\n"
	"  ports = [\"443\", 22, \"tcp/8000-8100\", \"udp/443\", \"icmp/echo\"]\n"
	"[[allow]]\n"
	"host = \"one.example.com\"\n"
	"ip = \"192.0.2.1\"\n"
	"ports = 8443\n"
	"[network]\n"
	"block = [\"private\", \"doh\", \"private\"]\n"
	"[dns]\n"
	"listen = [\"10.0.0.1:53\"]\n"
	"upstream = [\"udp://192.0.2.53\", \"[2001:db8::53]:5353\"]\n"
	"min_lease = \"1m\"\n"
	"max_lease = \"2h\"\n"
	"grace = \"1500ms\"\n"
	"dnssec = \"require\"\n"
	"trust_anchor = \"/etc/anchor\"\n"
	"[dns.hosts]\n"
	"\"Db.internal\" = [\"10.42.0.7\", \"2001:db8:7::7\"]\n"
	"\"one.internal.\" = \"10.42.0.8\"\n"
	"[audit]\n"
	"nflog_group = 65535\n"
	"allowed = true\n"
	"path = [\"journal\", \"/var/log/e.jsonl\", \"syslog\", \"-\"]\n"
	"format = \"ocsf\"\n"
	"[scope]\n"
	"users = [\"root\", 1001]\n"
	"groups = [4294967294, \"root\"]\n"
	"cgroups = [\"system.slice/agent.service\", \"a\\\\x2db\"]\n"
	"interfaces = [\"docker0\", \"veth*\", \"abcdefghijklmno\"]\n"
	"sources = [\"10.88.0.0/16\", \"2001:db8::1\"]\n"
	"[limits]\n"
	"connections = \"600/minute\"\n"
	"connections_per_destination = \"60/hour\"\n"
	"queries = \"100/second\"\n"
	"bytes = \"2 GiB\"\n"
	"[budget]\n"
	"destinations = 200\n"
	"wildcard_names = 64\n"
	"on_exceed = \"refuse\"\n"
	"[score]\n"
	"unknown = 2\n"
	"flag_at = -0.5\n"
	"refuse_at = 1e3\n";

static void test_scalars(void **state)
{
	const struct policy *policy = parse_good(*state, whole);

	assert_string_equal(policy->name, "build-agent");
	assert_true(policy->denylist && policy->has_mode);
	assert_true(policy->has_allow);
	assert_int_equal(policy->block, 1u << CLASS_PRIVATE | 1u << CLASS_DOH);
	assert_true(policy->has_block);
	assert_int_equal(policy->nflog_group, 65535);
	assert_true(policy->audit_allowed);
	assert_int_equal(policy->dns.min_lease.ms, 60 * 1000);
	assert_int_equal(policy->dns.max_lease.ms, 7200 * 1000);
	assert_int_equal(policy->dns.grace.ms, 1500);
	assert_true(policy->dns.dnssec);
	assert_string_equal(policy->dns.trust_anchor, "/etc/anchor");
	expect_place(&policy->scope_place, 35, 1, 7);
	expect_place(&policy->dns_place, 19, 1, 5);
}

static void test_audit(void **state)
{
	static const struct {
		enum audit_kind kind;
		const char *path;
	} expected[] = {
		{AUDIT_JOURNAL, "journal"},
		{AUDIT_FILE, "/var/log/e.jsonl"},
		{AUDIT_SYSLOG, "syslog"},
		{AUDIT_OUTPUT, "-"},
	};
	const struct policy *policy = parse_good(*state, whole);

	assert_int_equal(policy->n_audit_sinks, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(policy->audit_sinks[i].kind, expected[i].kind);
		assert_string_equal(policy->audit_sinks[i].path, expected[i].path);
		assert_int_equal(policy->audit_sinks[i].place.line, 33);
	}
	assert_int_equal(policy->audit_format, AUDIT_OCSF);
	policy = parse_good(*state, "version = 1\n[audit]\npath = \"./journal\"\n");
	assert_int_equal(policy->n_audit_sinks, 1);
	assert_int_equal(policy->audit_sinks[0].kind, AUDIT_FILE);
	assert_int_equal(policy->audit_format, AUDIT_NATIVE);
	assert_int_equal(parse_good(*state, "version = 1\n")->n_audit_sinks, 0);
}

static void test_metrics(void **state)
{
	static const struct {
		const char *at, *said;
	} bad[] = {
		{"", "is not a place to listen at"},
		{"127.0.0.1", "is not a place to listen at"},
		{"127.0.0.1:0", "is not a place to listen at"},
		{"127.0.0.1:65536", "is not a place to listen at"},
		{"localhost:9533", "is not a place to listen at"},
		{"/run/egress/m", "is not a place to listen at"},
		{"192.0.2.1:9533", "is not a loopback address"},
		{"0.0.0.0:9533", "is not a loopback address"},
		{"[::]:9533", "is not a loopback address"},
		{"[2001:db8::1]:9533", "is not a loopback address"},
		{"128.0.0.1:9533", "is not a loopback address"},
		{"unix:", "has no absolute path behind \"unix:\""},
		{"unix:run/m", "has no absolute path behind \"unix:\""},
		{"unix:@m", "has no absolute path behind \"unix:\""},
	};
	const char *said;
	static const char head[] = "version = 1\n[metrics]\nlisten = ";
	const struct policy *policy = parse_good(*state, "version = 1\n");

	assert_false(policy->metrics.path || policy->metrics.has_endpoint);
	policy = parse_good(*state, arena_printf(*state, "%s\"127.1.2.3:9533\"\n", head));
	assert_true(policy->metrics.has_endpoint);
	expect_endpoint(&policy->metrics.at, "127.1.2.3:9533");
	policy = parse_good(*state, arena_printf(*state, "%s\"[::1]:1\"\n", head));
	expect_endpoint(&policy->metrics.at, "[::1]:1");
	expect_place(&policy->metrics.place, 3, 10, 9);
	policy = parse_good(*state, arena_printf(*state, "%s\"unix:/run/a b.metrics\"\n", head));
	assert_string_equal(policy->metrics.path, "/run/a b.metrics");
	assert_false(policy->metrics.has_endpoint);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		parse_expect(parse_bad(*state, arena_printf(*state, "%s\"%s\"\n", head, bad[i].at)),
			"3:10", arena_printf(*state, "'%s' %s", bad[i].at, bad[i].said));
	said = parse_bad(*state, arena_printf(*state, "%s\"unix:/run/m\\u0000x\"\n", head));
	parse_expect(said, "3:10", "'unix:/run/m?x' has no absolute path behind");
	parse_expect(parse_bad(*state, arena_printf(*state, "%s\"unix:/%0107d\"\n", head, 1)),
		"3:10",
		arena_printf(
			*state, "'unix:/%074d...' has a path that is too long for a socket", 0));
	policy = parse_good(*state, arena_printf(*state, "%s\"unix:/%0106d\"\n", head, 1));
	assert_int_equal(strlen(policy->metrics.path), 107);
}

static void expect_rate(struct rate rate, uint32_t count, uint32_t seconds)
{
	assert_int_equal(rate.count, count);
	assert_int_equal(rate.seconds, seconds);
}

static void test_numbers(void **state)
{
	const struct policy *policy = parse_good(*state, whole);

	expect_rate(policy->limits.connections, 600, 60);
	expect_rate(policy->limits.connections_per_destination, 60, 3600);
	expect_rate(policy->limits.queries, 100, 1);
	assert_int_equal(policy->limits.bytes, UINT64_C(2) << 30);
	assert_int_equal(policy->budget.destinations, 200);
	assert_int_equal(policy->budget.wildcard_names, 64);
	assert_true(policy->budget.refuse);
	assert_true(policy->score.unknown == 2.0);
	assert_true(policy->score.flag_at == -0.5);
	assert_true(policy->score.refuse_at == 1000.0);
}

static void test_scope(void **state)
{
	const struct scope *scope = &parse_good(*state, whole)->scope;
	char out[INADDR_TEXT];

	assert_int_equal(scope->n_users, 2);
	assert_int_equal(scope->users[0], 0);
	assert_int_equal(scope->users[1], 1001);
	assert_int_equal(scope->n_groups, 2);
	assert_int_equal(scope->groups[0], UINT32_MAX - 1);
	assert_int_equal(scope->groups[1], 0);
	assert_int_equal(scope->n_cgroups, 2);
	assert_string_equal(scope->cgroups[0], "system.slice/agent.service");
	assert_string_equal(scope->cgroups[1], "a\\x2db");
	assert_int_equal(scope->n_interfaces, 3);
	assert_string_equal(scope->interfaces[1], "veth*");
	assert_int_equal(scope->n_sources, 2);
	assert_string_equal(range_to_text(&scope->sources[0], out), "10.88.0.0/16");
	assert_string_equal(range_to_text(&scope->sources[1], out), "2001:db8::1");
}

static void test_entries(void **state)
{
	const struct policy *policy = parse_good(*state, whole);
	const struct entry *entry = policy->entries;

	assert_int_equal(policy->n_entries, 3);
	assert_string_equal(entry->id, "allow-1");
	expect_place(&entry->place, 4, 1, 9);
	assert_int_equal(entry->n_hosts, 3);
	assert_int_equal(entry->n_addresses, 0);
	expect_host(&entry->hosts[0], HOST_EXACT, "api.example.com");
	expect_host(&entry->hosts[1], HOST_ONE_LABEL, "example.net");
	expect_host(&entry->hosts[2], HOST_ANY_DEPTH, "example.org");
	expect_place(&entry->hosts[2].place, 5, 46, 16);
	assert_int_equal(entry->n_ports, 1);
	expect_ports(&entry->ports[0], PROTOCOL_TCP, 443, 443);
	assert_string_equal(entry->category, "api");
	assert_string_equal(entry->reason, "model API, and assets");

	entry++;
	assert_string_equal(entry->id, "allow-2");
	expect_place(&entry->place, 9, 3, 9);
	assert_int_equal(entry->n_hosts, 0);
	assert_int_equal(entry->n_addresses, 4);
	expect_range(&entry->addresses[0], "10.42.0.0/16");
	expect_range(&entry->addresses[1], "2001:db8:7::/48");
	expect_range(&entry->addresses[2], "192.0.2.10-192.0.2.20");
	expect_range(&entry->addresses[3], "192.0.2.1");
	expect_place(&entry->addresses[2].place, 11, 9, 23);
	assert_int_equal(entry->n_ports, 5);
	expect_ports(&entry->ports[0], PROTOCOL_TCP, 443, 443);
	expect_ports(&entry->ports[1], PROTOCOL_TCP, 22, 22);
	expect_ports(&entry->ports[2], PROTOCOL_TCP, 8000, 8100);
	expect_ports(&entry->ports[3], PROTOCOL_UDP, 443, 443);
	expect_ports(&entry->ports[4], PROTOCOL_ICMP_ECHO, 0, 0);
	assert_null(entry->category);
	assert_null(entry->reason);

	entry++;
	assert_int_equal(entry->n_hosts, 1);
	assert_int_equal(entry->n_addresses, 1);
	assert_int_equal(entry->n_ports, 1);
	expect_ports(&entry->ports[0], PROTOCOL_TCP, 8443, 8443);
}

static void test_dns(void **state)
{
	const struct dns_policy *dns = &parse_good(*state, whole)->dns;
	char out[NAME_TEXT];

	assert_int_equal(dns->n_listen, 1);
	expect_endpoint(&dns->listen[0], "10.0.0.1:53");
	assert_int_equal(dns->n_upstream, 2);
	expect_endpoint(&dns->upstream[0].at, "192.0.2.53:53");
	expect_endpoint(&dns->upstream[1].at, "[2001:db8::53]:5353");
	assert_int_equal(dns->n_hosts, 2);
	assert_string_equal(name_to_text(&dns->hosts[0].name, out), "db.internal");
	expect_place(&dns->hosts[0].place, 28, 1, 13);
	assert_int_equal(dns->hosts[0].n_addresses, 2);
	assert_string_equal(inaddr_to_text(&dns->hosts[0].addresses[0], out), "10.42.0.7");
	assert_string_equal(inaddr_to_text(&dns->hosts[0].addresses[1], out), "2001:db8:7::7");
	assert_string_equal(name_to_text(&dns->hosts[1].name, out), "one.internal");
	assert_int_equal(dns->hosts[1].n_addresses, 1);
}

/* Whatever is empty permits nothing, and is no mistake. */
static void test_deny_all(void **state)
{
	const struct policy *policy =
		parse_good(*state, "version = 1\nallow = []\n[dns]\nlisten = []\nupstream = []\n"
				   "[dns.hosts]\n[network]\nblock = []\n[audit]\n");

	assert_int_equal(policy->n_entries, 0);
	assert_int_equal(policy->dns.n_listen, 0);
	assert_int_equal(policy->dns.n_upstream, 0);
	assert_int_equal(policy->block, 0);
}

/* Other ways to write the same. */
static void test_inline_tables(void **state)
{
	const struct policy *policy = parse_good(*state,
		"\xef\xbb\xbfversion = 1\r\n"
		"dns.listen = [\"127.0.0.1:53\"]\r\n"
		"dns.hosts = {\"a.b\" = \"192.0.2.1\"}\r\n"
		"allow = [{host = \"a.b\"},\r\n  {ip = '''192.0.2.1''', \"ports\" = 1}]\r\n"
		"audit = {nflog_group = 0x10}\r\n");

	assert_int_equal(policy->n_entries, 2);
	expect_place(&policy->entries[0].place, 4, 10, 14);
	expect_place(&policy->entries[1].place, 5, 3, 35);
	assert_string_equal(policy->entries[1].id, "allow-2");
	assert_int_equal(policy->dns.n_hosts, 1);
	assert_int_equal(policy->nflog_group, 16);
}

static void test_version(void **state)
{
	const char *said;

	parse_expect(parse_bad(*state, ""), "",
		"'version' is missing: a policy starts with 'version = 1' [E004]\n");
	parse_expect(parse_bad(*state, "name = \"a\""), "", "'version' is missing");
	parse_expect(parse_bad(*state, "version = \"1\""), "1:11",
		"'version' must be the integer 1, not a string [E012]\n");
	said = parse_bad(*state, "foo = 1\nversion = 2\nname = 3\n");
	parse_expect(said, "2:11", "version 2 is unknown: this program reads version 1 [E004]\n");
	/* The rest is another language. */
	assert_null(strstr(said, "foo"));
	assert_null(strstr(said, "name"));
	parse_expect(parse_bad(*state, "version = -1"), "1:11", "version -1 is unknown");
	/* A byte order mark is no part of the line. */
	parse_expect(parse_bad(*state, "\xef\xbb\xbfversion = 3"), "1:11",
		"version 3 is unknown: this program reads version 1 [E004]\n"
		"    1 | version = 3\n"
		"      |           ^\n");
}

static void test_words(void **state)
{
	parse_expect(parse_bad(*state, "version = 1\nmode = \"Allowlist\"\n"), "2:8",
		"'Allowlist' is not a mode, did you mean 'allowlist'? [E015]\n");
	parse_expect(parse_bad(*state, "version = 1\nmode = \"x\"\n"), "2:8",
		"'x' is not a mode: expected \"allowlist\" or \"denylist\" [E015]\n");
	parse_expect(parse_bad(*state, "version = 1\nmode = \"allowlist\\u0000\"\n"), "2:8",
		"'allowlist?' is not a mode, did you mean 'allowlist'? [E015]\n");
	parse_expect(parse_bad(*state, "version = 1\nenforcement = \"observed\"\n"), "2:15",
		"'observed' is not an enforcement, did you mean 'observe'? [E015]\n");
	parse_expect(parse_bad(*state, "version = 1\n[dns]\nrefusal = \"drop\"\n"), "3:11",
		"'drop' is not a refusal: expected \"nxdomain\", \"refused\" or \"nodata\" "
		"[E015]\n");
	parse_expect(parse_bad(*state, "version = 1\n[budget]\non_exceed = \"refused\"\n"), "3:13",
		"'refused' is not an action on excess, did you mean 'refuse'? [E015]\n");
	parse_expect(parse_bad(*state, "version = 1\n[dns]\ntypes = [\"AAAAA\", \"ANY\"]\n"),
		"3:10", "'AAAAA' is not a record type, did you mean 'AAAA'? [E015]\n");
}

static void test_all_errors_are_collected(void **state)
{
	const char *said = parse_bad(*state, "name = \"A\"\n"
					     "[[allow]]\n"
					     "host = [\"a..b\", 7, \"*.com\"]\n"
					     "ports = [0, \"x\"]\n"
					     "[[allow]]\n"
					     "ip = [true, \"10.0.0.1/8\"]\n"
					     "[dns]\n"
					     "grace = \"0s\"\n");

	parse_expect(said, "", "'version' is missing");
	parse_expect(said, "1:8", "'A' is not a policy's name");
	parse_expect(said, "3:9", "'a..b' is not a host name");
	parse_expect(
		said, "3:17", "an element of 'host' must be a string, not an integer [E012]\n");
	parse_expect(said, "3:20", "'*.com' is a wildcard over the public suffix 'com'");
	parse_expect(said, "4:10", "'ports' must be a port, as ");
	parse_expect(said, "4:13", "'x' is not a port");
	parse_expect(said, "6:7", "an element of 'ip' must be a string, not a boolean [E012]\n");
	parse_expect(said, "6:13", "'10.0.0.1/8' has bits set behind its prefix length [E021]\n");
	parse_expect(said, "8:9", "'grace' must be a duration from 1s to 1d");
}

static void test_entry_needs_a_subject(void **state)
{
	const char *said = parse_bad(*state, "version = 1\n[[allow]]\nports = 1\n[[allow]]\n");

	parse_expect(said, "2:1",
		"this entry names no destination: it needs 'host', 'ip', 'host_pattern' or 'list' "
		"[E017]\n");
	parse_expect(said, "4:1",
		"this entry names no destination: it needs 'host', 'ip', 'host_pattern' or 'list' "
		"[E017]\n");
	said = parse_bad(*state, "version = 1\nallow = [{}, {list = \"x\"}]\n");
	parse_expect(said, "2:10",
		"this entry names no destination: it needs 'host', 'ip', 'host_pattern' or 'list' "
		"[E017]\n");
	parse_expect(said, "2:22", "cannot read the list 'x': there is no such file [E001]\n");
	assert_null(strstr(said, "2:14"));
}

static void test_duplicates(void **state)
{
	const char *said = parse_bad(*state,
		"version = 1\n"
		"[[allow]]\n"
		"host = [\"a.b\", \"*.a.b\", \"A.B.\",\n"
		" \"**.a.b\", \"*.A.b\"]\n"
		"[[allow]]\n"
		"host = \"a.b\"\n"
		"[dns]\n"
		"listen = [\"127.0.0.1:53\", \"127.0.0.1:54\", \"[::ffff:127.0.0.1]:53\"]\n"
		"upstream = [\"192.0.2.1\", \"udp://192.0.2.1:53\"]\n"
		"[dns.hosts]\n"
		"\"x.y\" = \"192.0.2.1\"\n"
		"\"X.Y.\" = \"192.0.2.1\"\n");

	parse_expect(said, "3:25", "'A.B.' is given twice, first in line 3, column 9 [E016]\n");
	parse_expect(said, "4:12", "'*.A.b' is given twice, first in line 3, column 16 [E016]\n");
	parse_expect(said, "8:43",
		"'[::ffff:127.0.0.1]:53' is given twice, first in line 8, column 11 [E016]\n");
	parse_expect(said, "9:26",
		"'udp://192.0.2.1:53' is given twice, first in line 9, column 13 [E016]\n");
	parse_expect(said, "12:1", "'X.Y.' is given twice, first in line 11, column 1 [E016]\n");
	assert_null(strstr(said, "toml:6:"));
}

static void test_leases_fit(void **state)
{
	parse_expect(parse_bad(*state, "version = 1\n[dns]\nmin_lease = \"2h\"\n"), "3:13",
		"'min_lease' (7200s) is more than 'max_lease' (3600s) [E013]\n");
	parse_expect(parse_bad(*state, "version = 1\n[dns]\nmax_lease = \"59s\"\n"), "3:13",
		"'min_lease' (60s) is more than 'max_lease' (59s) [E013]\n");
	parse_expect(
		parse_bad(*state, "version = 1\n[dns]\nmax_lease = \"2m\"\nmin_lease = \"3m\"\n"),
		"3:13", "'min_lease' (180s) is more than 'max_lease' (120s) [E013]\n");
	parse_good(*state, "version = 1\n[dns]\nmax_lease = \"60s\"\n");
	assert_null(
		strstr(parse_bad(*state, "version = 1\n[dns]\nmax_lease = \"\"\n"), "more than"));
}

static void test_hosts_table(void **state)
{
	const char *said = parse_bad(*state, "version = 1\n"
					     "[dns.hosts]\n"
					     "db.internal = \"10.0.0.1\"\n"
					     "\"*.x.y\" = \"10.0.0.1\"\n"
					     "\"a b\" = \"10.0.0.1\"\n"
					     "\"\" = \"10.0.0.1\"\n"
					     "c = [\"10.0.0.1\", \"10.0.0.0/8\", 7]\n"
					     "\"10.0.0.1\" = \"10.0.0.1\"\n");

	parse_expect(said, "3:1", "a name with dots needs quotes, as \"db.internal\" [E026]\n");
	parse_expect(said, "4:1", "'*.x.y' is a wildcard: it takes a name here [E026]\n");
	parse_expect(said, "5:1", "'a b' is not a host name");
	parse_expect(said, "6:1", "'' is not a host name");
	parse_expect(said, "7:18", "'10.0.0.0/8' is not an address [E021]\n");
	parse_expect(said, "7:32", "an element of 'c' must be a string, not an integer [E012]\n");
	parse_expect(said, "8:1", "'10.0.0.1' is an address");
}

static void test_classes(void **state)
{
	const char *said = parse_bad(
		*state, "version = 1\n[network]\nblock = [\"privat\", \"doh\", \"all\"]\n");

	parse_expect(said, "3:10",
		"'privat' is not a class of addresses, did you mean 'private'? [E015]\n");
	parse_expect(said, "3:27", "'all' is not a class of addresses [E015]\n");
}

/* Hostile sizes end in an error or a policy, with memory within the limits. */
static void test_many(void **state)
{
	enum { N = 200000 };
	char *text = arena_alloc(*state, N * 40 + 100), *at = text;
	const struct policy *policy;
	const char *said;

	at = stpcpy(at, "version = 1\n");
	for (unsigned i = 0; i < N; i++)
		at += sprintf(at, "k%u = 1\n", i);
	said = parse_bad(*state, text);
	parse_expect(said, "2:1", "unknown key 'k0' [E010]\n");
	assert_non_null(strstr(said, "199900 more messages are not shown\n"));

	at = stpcpy(text, "version = 1\n[[allow]]\nhost = [\n");
	for (unsigned i = 0; i < N; i++)
		at += sprintf(at, "\"host-%u.example.com\",\n", i);
	stpcpy(at, "]\n");
	policy = parse_good(*state, text);
	assert_int_equal(policy->entries->n_hosts, N);
	expect_host(&policy->entries->hosts[N - 1], HOST_EXACT, "host-199999.example.com");
}

static void test_memory_is_the_limit(void **state)
{
	/* From nothing up to what it takes, each allocation fails once. */
	for (size_t limit = 0;; limit += 64) {
		const struct policy *policy;
		struct arena *small;
		struct diag *diag;
		int error;

		assert_int_equal(arena_new(limit, &small), 0);
		diag = diag_new(*state);
		error = policy_parse(
			small, "policy.toml", whole, strlen(whole), &base, diag, &policy);
		arena_free(small);
		if (error == 0)
			break;
		assert_int_equal(error, -ENOMEM);
		assert_true(limit < 16384);
	}
}

static char folder[] = "/tmp/test-load-XXXXXX";

static int make_folder(void **state)
{
	return mkdtemp(folder) ? setup(state) : -1;
}

static int drop_folder(void **state)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/policy.toml", folder);
	unlink(path);
	rmdir(folder);
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	return teardown(state);
}

/* A file of `size` bytes that starts with `bytes`. */
static const char *make_file(struct arena *arena, const void *bytes, size_t count, off_t size)
{
	const char *path = arena_printf(arena, "%s/policy.toml", folder);
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, bytes, count), 0);
	assert_int_equal(ftruncate(fd, size), 0);
	return path;
}

static void expect_load_error(struct arena *arena, const char *path, const char *message)
{
	static const struct policy untouched;
	const struct policy *policy = &untouched;
	struct diag *diag = diag_new(arena);
	char *said = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&said, &size);

	assert_non_null(out);
	assert_int_equal(policy_load(arena, path, &base, diag, &policy), -EINVAL);
	assert_ptr_equal(policy, &untouched);
	assert_true(diag_failed(diag));
	diag_print(diag, out);
	fclose(out);
	assert_int_equal(strncmp(said, path, strlen(path)), 0);
	if (strncmp(said + strlen(path), message, strlen(message)) != 0)
		fail_msg("\"%s\" is not said in:\n%s", message, said);
	free(said);
}

static void test_load(void **state)
{
	const char *path = make_file(*state, whole, strlen(whole), (off_t)strlen(whole));
	struct diag *diag = diag_new(*state);
	const struct policy *policy;

	assert_int_equal(policy_load(*state, path, &base, diag, &policy), 0);
	assert_string_equal(policy->file, path);
	assert_string_equal(policy->entries->place.file, path);
	assert_int_equal(policy->n_entries, 3);
}

static void test_files_that_are_none(void **state)
{
	expect_load_error(*state, folder, ": error: cannot read it: it is a directory [E001]\n");
	expect_load_error(*state, arena_printf(*state, "%s/x", folder),
		": error: cannot read it: there is no such file [E001]\n");
	expect_load_error(*state, arena_printf(*state, "%s/x/y/", folder),
		": error: cannot read it: there is no such file [E001]\n");
	expect_load_error(*state, "", ": error: cannot read it: there is no such file [E001]\n");
	expect_load_error(*state, make_file(*state, "", 0, 100 << 20),
		": error: cannot read it: it is larger than 64 MiB [E003]\n");
	expect_load_error(*state, make_file(*state, "", 0, 0),
		": error: 'version' is missing: a policy starts with 'version = 1' [E004]\n");
}

static void test_files_that_are_no_text(void **state)
{
	static const char elf[] = "\x7f"
				  "ELF\2\1\1\0\0\0\0";

	expect_load_error(*state, make_file(*state, elf, sizeof(elf), 4096),
		":1:8: error: the file is not text: it has a NUL byte [E002]\n");
	expect_load_error(*state, make_file(*state, "version = 1\n\x89PNG", 16, 16),
		":2:1: error: the file is not text in UTF-8 [E002]\n");
	expect_load_error(*state, make_file(*state, "version = 1\n", 12, 64 << 20),
		":2:1: error: the file is not text: it has a NUL byte [E002]\n");
	expect_load_error(*state, make_file(*state, "\xff\xfev\0", 4, 4),
		":1:1: error: the file is not text in UTF-8 [E002]\n");
}

/* A policy with so many globs under one suffix in each of two entries, a line each. */
static const char *many_globs(struct arena *arena, unsigned first, unsigned second)
{
	char *text = NULL;
	const char *copy;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fputs("version = 1\n[[allow]]\nhost = [\n", out);
	for (unsigned i = 0; i < first; i++)
		fprintf(out, "'a%u-*.x.example', 'a-*.x%u.example', '*.x%u.example',\n", i, i, i);
	fputs("]\n[[deny]]\nhost = [\n", out);
	for (unsigned i = 0; i < second; i++)
		fprintf(out, "'**.b%u-*.x.example',\n", i);
	fputs("]\n", out);
	fclose(out);
	copy = arena_strndup(arena, text, size);
	free(text);
	return copy;
}

static void test_too_many_globs(void **state)
{
	const char *said;

	parse_good(*state, many_globs(*state, 1000, 24));
	said = parse_bad(*state, many_globs(*state, 1000, 27));
	parse_expect(said, "1031:1",
		"more than 1024 wildcards with a '*' that isn't alone in front end in 'x.example': "
		"a name would be held against each of them [E003]\n");
	assert_null(strstr(said, "1032:"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scalars, setup, teardown),
		cmocka_unit_test_setup_teardown(test_metrics, setup, teardown),
		cmocka_unit_test_setup_teardown(test_audit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scope, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entries, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deny_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inline_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(test_version, setup, teardown),
		cmocka_unit_test_setup_teardown(test_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_errors_are_collected, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entry_needs_a_subject, setup, teardown),
		cmocka_unit_test_setup_teardown(test_duplicates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leases_fit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hosts_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_classes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_is_the_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_load, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_files_that_are_none, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(
			test_files_that_are_no_text, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_too_many_globs, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
