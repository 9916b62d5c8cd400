/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "rules/explain.h"
#include "src/base/arena.h"
#include "tests/rules/explaining.h"
#include "tests/rules/layered.h"

static int setup(void **state)
{
	return arena_new(256 << 20, (struct arena **)state);
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

/* `text` starts with "DEST: permitted" or "DEST: refused". */
struct expectation {
	const char *destination;
	const char *text;
};

static void check(struct arena *arena, const struct layers *layers, const struct explain_as *as,
	const struct expectation *expectations, size_t count)
{
	struct compiled compiled = explaining_compile(arena, layers);

	for (size_t i = 0; i < count; i++) {
		const char *expected = strstr(expectations[i].text, ": permitted");
		bool permitted;
		const char *text = explaining_say(
			arena, &compiled, expectations[i].destination, as, false, &permitted);

		assert_string_equal(text, expectations[i].text);
		assert_int_equal(
			permitted, expected && expected < strchr(expectations[i].text, '\n'));
	}
}

#define CHECK_AS(layers, as, ...)                                                                  \
	do {                                                                                       \
		static const struct expectation expectations[] = {__VA_ARGS__};                    \
		check(*state, layers, as, expectations,                                            \
			sizeof(expectations) / sizeof(expectations[0]));                           \
	} while (0)
#define CHECK(layers, ...) CHECK_AS(layers, NULL, __VA_ARGS__)

static const char example[] =
	"[[allow]]\nhost = 'api.example.com'\n"
	"[[allow]]\nhost = '*.example.com'\nports = ['443', '80']\n"
	"[[allow]]\nhost = '**.example.com'\nports = ['1000-1999', 'icmp/echo']\n"
	"[[allow]]\nip = ['10.1.0.0/16', '2600:1::/48']\n"
	"[[allow]]\nip = '10.0.0.0/8'\nports = ['443', '22']\n"
	"[[allow]]\nip = ['10.1.2.0/24', '9.0.113.9']\nports = ['5432']\n"
	"[network]\nblock = ['private', 'link-local', 'loopback']\n"
	"[dns]\nlisten = ['127.0.0.1:5300', '[2001:db8::1]:5300']\nupstream = ['192.0.2.53:53']\n"
	"[dns.hosts]\n'db.example.com' = ['10.9.9.9', '2600:9::9']\n";

#define OPEN "  open while leased: the addresses that "
#define FROM_UPSTREAM OPEN "[dns] upstream answers, but for blocked classes\n"
#define FROM_SYSTEM OPEN "the system's DNS servers answer, but for blocked classes\n"
#define NO_SOURCE "[dns] upstream is empty, and [dns.hosts] does not have it\n"
#define SPENDS(rule)                                                                               \
	"  spends from " rule " in example.com: wildcard_bytes 2000/minute, "                      \
	"wildcard_answer_bytes 16000/minute\n"
#define UNOPENED(rule)                                                                             \
	"  on ports that no entry names, " rule                                                    \
	" opens none of them: each is judged there as an address without a name\n"
#define MAY_BE_ANSWERED "  but open while leased, if the answer for a permitted name has it\n"

static void test_names(void **state)
{
	CHECK(layered_base(*state, example),
		{"api.example.com:443",
			"api.example.com tcp/443: permitted\n"
			"  tcp/443: allow-1 (base.toml:2): api.example.com tcp/443\n"
			"    score -1.0: permitted\n"
			"    before allow-2 (base.toml:4), which is less specific\n" FROM_UPSTREAM
				SPENDS("allow-2") SPENDS("allow-3")},
		{"API.example.com.",
			"api.example.com: permitted\n"
			"  tcp/80: allow-2 (base.toml:4): *.example.com tcp/443, tcp/80\n"
			"    score -1.0: permitted\n"
			"  tcp/443: allow-1 (base.toml:2): api.example.com tcp/443\n"
			"    score -1.0: permitted\n"
			"    before allow-2 (base.toml:4), which is less specific\n"
			"  tcp/1000-1999, icmp/echo: allow-3 (base.toml:7): **.example.com "
			"tcp/1000-1999, icmp/echo\n"
			"    score -1.0: permitted\n"
			"  other ports: default-deny: no entry matches\n"
			"    score 1.0: refused\n" FROM_UPSTREAM SPENDS("allow-2")
				SPENDS("allow-3")},
		{"tcp/db.example.com:80",
			"db.example.com tcp/80: permitted\n"
			"  tcp/80: allow-2 (base.toml:4): *.example.com tcp/443, tcp/80\n"
			"    score -1.0: permitted\n"
			"  open while leased, from [dns.hosts] (base.toml:24): 10.9.9.9, "
			"2600:9::9\n" SPENDS("allow-2") SPENDS("allow-3")},
		{"icmp/a.b.example.com",
			"a.b.example.com icmp/echo: permitted\n"
			"  icmp/echo: allow-3 (base.toml:7): **.example.com tcp/1000-1999, "
			"icmp/echo\n"
			"    score -1.0: permitted\n" FROM_UPSTREAM SPENDS("allow-3")},
		{"a.b.example.com:443",
			"a.b.example.com tcp/443: refused\n"
			"  tcp/443: default-deny: no entry matches\n"
			"    score 1.0: refused\n"
			"  the name is permitted, but on other ports, by allow-3 (base.toml:7)\n"},
		{"udp/api.example.com",
			"api.example.com udp: refused\n"
			"  all udp ports: default-deny: no entry matches\n"
			"    score 1.0: refused\n"
			"  the name is permitted, but on other ports, by allow-2 (base.toml:4)\n"},
		{"tcp/a.b.example.com",
			"a.b.example.com tcp: permitted\n"
			"  tcp/1000-1999: allow-3 (base.toml:7): **.example.com tcp/1000-1999, "
			"icmp/echo\n"
			"    score -1.0: permitted\n"
			"  other tcp ports: default-deny: no entry matches\n"
			"    score 1.0: refused\n" FROM_UPSTREAM SPENDS("allow-3")},
		{"example.com", "example.com: refused\n"
				"  all ports: default-deny: no entry matches\n"
				"    score 1.0: refused\n"
				"  so the resolver does not answer for it\n"},
		{"udp/api.example.com:53",
			"api.example.com udp/53: refused\n"
			"  dns: goes to the resolver at 127.0.0.1:5300 instead, like all DNS\n"});
}

#define ALLOW_4                                                                                    \
	"allow-4 (base.toml:10): 10.1.0.0/16, 2600:1::/48 tcp/443\n"                               \
	"    score -1.0: permitted\n"
#define BLOCKED                                                                                    \
	"block-private: [network] block has 10.0.0.0/8\n"                                          \
	"    score 4.0: refused\n"

static void test_addresses(void **state)
{
	CHECK(layered_base(*state, example),
		{"10.1.0.1:443", "10.1.0.1 tcp/443: permitted\n"
				 "  tcp/443: " ALLOW_4 "    by 10.1.0.0/16 (base.toml:11)\n"
				 "    before allow-5 (base.toml:12), which is wider\n"
				 "    before block-private (10.0.0.0/8), which is wider\n"},
		{"::ffff:10.1.2.3",
			"10.1.2.3: permitted\n"
			"  tcp/22: " BLOCKED
			"    before allow-5 (base.toml:12), which is not narrower\n"
			"  tcp/443: " ALLOW_4 "    by 10.1.0.0/16 (base.toml:11)\n"
			"    before allow-5 (base.toml:12), which is wider\n"
			"    before block-private (10.0.0.0/8), which is wider\n"
			"  tcp/5432: allow-6 (base.toml:15): 10.1.2.0/24, 9.0.113.9 tcp/5432\n"
			"    score -1.0: permitted\n"
			"    by 10.1.2.0/24 (base.toml:16)\n"
			"    before block-private (10.0.0.0/8), which is wider\n"
			"  other ports: " BLOCKED},
		{"[2600:1::5]:443", "2600:1::5 tcp/443: permitted\n"
				    "  tcp/443: " ALLOW_4 "    by 2600:1::/48 (base.toml:11)\n"},
		{"10.2.0.1:22", "10.2.0.1 tcp/22: refused\n"
				"  tcp/22: " BLOCKED
				"    before allow-5 (base.toml:12), which is not narrower\n"},
		{"10.1.0.1:22", "10.1.0.1 tcp/22: refused\n"
				"  tcp/22: " BLOCKED
				"    before allow-5 (base.toml:12), which is not narrower\n"
				"  the address is permitted, but on other ports, by allow-4 "
				"(base.toml:10)\n"},
		{"10.9.9.9:80",
			"10.9.9.9 tcp/80: refused\n"
			"  tcp/80: " BLOCKED
			"  but open while leased to db.example.com (base.toml:24), by allow-2 "
			"(base.toml:4)\n"},
		{"9.51.100.1:80",
			"9.51.100.1 tcp/80: refused\n"
			"  tcp/80: default-deny: no entry matches\n"
			"    score 1.0: refused\n"
			"  but open while leased, if the answer for a permitted name has it\n"},
		{"9.51.100.1:81", "9.51.100.1 tcp/81: refused\n"
				  "  tcp/81: default-deny: no entry matches\n"
				  "    score 1.0: refused\n"},
		{"udp/9.0.113.9:5432", "9.0.113.9 udp/5432: refused\n"
				       "  udp/5432: default-deny: no entry matches\n"
				       "    score 1.0: refused\n"
				       "  the address is permitted, but on other ports, by allow-6 "
				       "(base.toml:15)\n"},
		{"icmp/9.0.113.9",
			"9.0.113.9 icmp/echo: refused\n"
			"  icmp/echo: default-deny: no entry matches\n"
			"    score 1.0: refused\n"
			"  the address is permitted, but on other ports, by allow-6 "
			"(base.toml:15)\n"
			"  but open while leased, if the answer for a permitted name has it\n"});
}

static void test_local(void **state)
{
	CHECK(layered_base(*state, example),
		{"127.0.0.1:80", "127.0.0.1 tcp/80: permitted\n"
				 "  loopback: never leaves this network namespace\n"},
		{"127.0.0.1:5300", "127.0.0.1 tcp/5300: permitted\n  dns: the resolver itself\n"},
		{"::1", "::1: permitted\n  loopback: never leaves this network namespace\n"},
		{"udp/[2001:db8::1]:5300",
			"2001:db8::1 udp/5300: permitted\n  dns: the resolver itself\n"},
		{"127.0.0.1:53",
			"127.0.0.1 tcp/53: refused\n"
			"  dns: goes to the resolver at 127.0.0.1:5300 instead, like all DNS\n"},
		{"udp/[2600:1::5]:53", "2600:1::5 udp/53: refused\n"
				       "  dns: goes to the resolver at [2001:db8::1]:5300 "
				       "instead, like all DNS\n"});
}

/* Without an upstream only embedded names have addresses; a resolver on the DNS port is reached
 * there; what may have addresses of a family that is not redirected is judged. */
static void test_dns(void **state)
{
	const struct layers *layers =
		layered_base(*state, "[[allow]]\nhost = ['a.example.com', 'b.example.com']\nports "
				     "= ['443', 'udp/5353']\n"
				     "[dns]\nlisten = ['192.0.2.1:53']\n");

	CHECK(layers,
		{"a.example.com:443",
			"a.example.com tcp/443: permitted\n"
			"  tcp/443: allow-1 (base.toml:2): a.example.com, b.example.com tcp/443, "
			"udp/5353\n"
			"    score -1.0: permitted\n"
			"    by a.example.com (base.toml:3)\n" FROM_SYSTEM},
		{"udp/192.0.2.1:53", "192.0.2.1 udp/53: permitted\n  dns: the resolver itself\n"},
		{"udp/192.0.2.2:53",
			"192.0.2.2 udp/53: refused\n"
			"  dns: goes to the resolver at 192.0.2.1:53 instead, like all DNS\n"},
		{"udp/a.example.com:53",
			"a.example.com udp/53: refused\n"
			"  udp/53: default-deny: no entry matches\n"
			"    score 1.0: refused\n"
			"  the name is permitted, but on other ports, by allow-1 (base.toml:2)\n"},
		{"9.9.1.1:443", "9.9.1.1 tcp/443: refused\n"
				"  tcp/443: default-deny: no entry matches\n"
				"    score 1.0: refused\n" MAY_BE_ANSWERED});
}

/* Where entries have all ports of a protocol there are no others. */
static void test_all_ports_of_a_protocol(void **state)
{
	CHECK(layered_base(*state, "[[allow]]\nhost = 'a.example.com'\nports = ['tcp/1-65535']\n"
				   "[dns]\nupstream = []\n"),
		{"tcp/a.example.com",
			"a.example.com tcp: permitted\n"
			"  tcp/1-65535: allow-1 (base.toml:2): a.example.com tcp/1-65535\n"
			"    score -1.0: permitted\n  but it has no addresses: " NO_SOURCE},
		{"udp/a.example.com",
			"a.example.com udp: refused\n"
			"  all udp ports: default-deny: no entry matches\n"
			"    score 1.0: refused\n"
			"  the name is permitted, but on other ports, by allow-1 (base.toml:2)\n"});
}

/* An entry is not preferred to itself. */
static void test_an_entry_that_matches_twice(void **state)
{
	CHECK(layered_base(*state, "[[allow]]\nhost = 'a.example.com'\nhost_pattern = '^a'\n"),
		{"a.example.com:443",
			"a.example.com tcp/443: permitted\n"
			"  tcp/443: allow-1 (base.toml:2): a.example.com, '^a' tcp/443\n"
			"    score -1.0: permitted\n"
			"    by a.example.com (base.toml:3)\n" FROM_SYSTEM});
}

/* A name that no answer is given for leads nowhere, even if all layers would take the address. */
static void test_embedded_but_not_answered(void **state)
{
	CHECK(layered_two(*state,
		      "[[allow]]\nhost = 'db.example.com'\n"
		      "[dns.hosts]\n'db.example.com' = ['10.1.0.1']\n",
		      "[[allow]]\nip = '10.1.0.1'\n"),
		{"10.1.0.1:443",
			"10.1.0.1 tcp/443: refused\n"
			"  tcp/443: refused by block-private\n"
			"    base (base.toml): block-private: [network] block has 10.0.0.0/8\n"
			"      score 4.0: refused\n"
			"    override 1 (o1.toml): o1:allow-1 (o1.toml:2): 10.1.0.1 tcp/443\n"
			"      score -1.0: permitted\n"});
}

/* Only what matches was preferred to. */
static void test_beaten_wildcards(void **state)
{
	CHECK(layered_base(*state,
		      "allow = [{host = 'a.b.example.com'}, {host = '*.example.com'},\n"
		      "{host = '**.example.com'}, {host = '*.b.example.com'},\n"
		      "{host = '**.a.b.example.com'}, {host = 'b.example.com'},\n"
		      "{host = 'a.b.example.com', ports = ['80']}, {host_pattern = '^a'},\n"
		      "{host = '*.b.example.com'}]\n"),
		{"a.b.example.com:443",
			"a.b.example.com tcp/443: permitted\n"
			"  tcp/443: allow-1 (base.toml:2): a.b.example.com tcp/443\n"
			"    score -1.0: permitted\n"
			"    before allow-3 (base.toml:3), which is less specific\n"
			"    before allow-4 (base.toml:3), which is less specific\n"
			"    before allow-8 (base.toml:5), which is a pattern\n"
			"    before allow-9 (base.toml:6), which is less specific\n" FROM_SYSTEM},
		{"x.b.example.com:443",
			"x.b.example.com tcp/443: permitted\n"
			"  tcp/443: allow-4 (base.toml:3): *.b.example.com tcp/443\n"
			"    score -1.0: permitted\n"
			"    before allow-3 (base.toml:3), which is less specific\n"
			"    before allow-9 (base.toml:6), which is no closer a match, and comes "
			"later\n" FROM_SYSTEM SPENDS("allow-4")});
}

static void test_denials(void **state)
{
	CHECK(layered_base(*state,
		      "[[allow]]\nhost = '*.example.com'\n[[allow]]\nip = '9.0.0.0/8'\n"
		      "[[deny]]\nhost = '**.example.com'\n[[deny]]\nip = ['9.1.0.0/16', "
		      "'9.2.0.0/16']\n"
		      "[[deny]]\nhost = 'odd.example.com'\nscore = 0.75\nports = 'udp/7'\n"),
		{"a.example.com:443",
			"a.example.com tcp/443: refused\n"
			"  tcp/443: deny-1 (base.toml:6): **.example.com all ports\n"
			"    score 4.0: refused\n"
			"    before allow-1 (base.toml:2), which is no closer a match, and deny "
			"goes first\n"
			"  so the resolver does not answer for it\n"},
		{"9.1.2.3", "9.1.2.3: refused\n"
			    "  tcp/443: deny-2 (base.toml:8): 9.1.0.0/16, 9.2.0.0/16 all ports\n"
			    "    score 4.0: refused\n"
			    "    by 9.1.0.0/16 (base.toml:9)\n"
			    "    before allow-2 (base.toml:4), which is wider\n"
			    "  other ports: deny-2 (base.toml:8): 9.1.0.0/16, 9.2.0.0/16 all "
			    "ports\n"
			    "    score 4.0: refused\n"
			    "    by 9.1.0.0/16 (base.toml:9)\n" MAY_BE_ANSWERED},
		{"udp/odd.example.com:7",
			"odd.example.com udp/7: permitted, and flagged\n"
			"  udp/7: deny-3 (base.toml:10): odd.example.com udp/7\n"
			"    score 0.75: flagged\n"
			"    before deny-1 (base.toml:6), which is less specific\n" FROM_SYSTEM});
}

static void test_denylist(void **state)
{
	const char *text = "mode = 'denylist'\n[[deny]]\nhost = '**.example.com'\n"
			   "[[allow]]\nhost = 'a.example.com'\n"
			   "[score]\nunknown = 0\n[dns]\nupstream = ['192.0.2.53:53']\n";

	CHECK(layered_base(*state, text),
		{"x.example.org:25",
			"x.example.org tcp/25: permitted\n"
			"  tcp/25: default-permit: no entry matches\n"
			"    score 0.0: permitted\n"
			"  resolved: the addresses that [dns] upstream answers, but for refused "
			"ones\n"},
		{"a.example.com:25",
			"a.example.com tcp/25: refused\n"
			"  tcp/25: deny-1 (base.toml:3): **.example.com all ports\n"
			"    score 4.0: refused\n"
			"  the name is permitted, but on other ports, by allow-1 (base.toml:5)\n"
			"  and its addresses can be reached here without it, unless they are "
			"refused as such\n"},
		{"7.7.7.7", "7.7.7.7: permitted\n"
			    "  all ports: default-permit: no entry matches\n"
			    "    score 0.0: permitted\n"});
	text = arena_printf(*state, "enforcement = 'observe'\n%s", text);
	CHECK(layered_base(*state, text),
		{"x.example.com:25",
			"x.example.com tcp/25: permitted, and observed\n"
			"  tcp/25: deny-1 (base.toml:4): **.example.com all ports\n"
			"    score 4.0: observed\n"
			"  resolved: the addresses that [dns] upstream answers, of whatever "
			"class\n" UNOPENED("deny-1") SPENDS("deny-1")});
}

static void test_layers(void **state)
{
	static const char *const texts[] = {
		"[[allow]]\nhost = '**.example.com'\n[[allow]]\nip = '10.1.0.0/16'\n"
		"[dns]\nupstream = ['192.0.2.53:53']\n"
		"[dns.hosts]\n'db.example.com' = ['10.1.0.1', '10.2.0.1']\n",
		"[[deny]]\nip = '10.1.0.0/24'\n",
		"[[allow]]\nhost = ['a.example.com', 'db.example.com']\n"
		"[[allow]]\nip = '10.0.0.0/8'\n",
		NULL};
	const struct layers *layers = layered(*state, texts);

	CHECK(layers,
		{"a.example.com:443",
			"a.example.com tcp/443: permitted\n"
			"  tcp/443: permitted by allow-1\n"
			"    base (base.toml): allow-1 (base.toml:2): **.example.com tcp/443\n"
			"      score -1.0: permitted\n"
			"    override 1 (o1.toml): o1:default-permit: no entry matches\n"
			"      it says nothing about others: permitted\n"
			"    override 2 (o2.toml): o2:allow-1 (o2.toml:2): a.example.com, "
			"db.example.com tcp/443\n"
			"      score -1.0: permitted\n"
			"      by a.example.com (o2.toml:3)\n" FROM_UPSTREAM
			"  override 1 (o1.toml) judges each as an address without a name\n" SPENDS(
				"allow-1")},
		{"b.example.com:443",
			"b.example.com tcp/443: refused\n"
			"  tcp/443: refused by o2:default-deny\n"
			"    base (base.toml): allow-1 (base.toml:2): **.example.com tcp/443\n"
			"      score -1.0: permitted\n"
			"    override 1 (o1.toml): o1:default-permit: no entry matches\n"
			"      it says nothing about others: permitted\n"
			"    override 2 (o2.toml): o2:default-deny: no entry matches\n"
			"      score 1.0: refused\n"
			"  so the resolver does not answer for it\n"},
		{"10.1.0.1:443",
			"10.1.0.1 tcp/443: refused\n"
			"  tcp/443: refused by o1:deny-1\n"
			"    base (base.toml): allow-2 (base.toml:4): 10.1.0.0/16 tcp/443\n"
			"      score -1.0: permitted\n"
			"      before block-private (10.0.0.0/8), which is wider\n"
			"    override 1 (o1.toml): o1:deny-1 (o1.toml:2): 10.1.0.0/24 all ports\n"
			"      score 4.0: refused\n"
			"    override 2 (o2.toml): o2:allow-2 (o2.toml:4): 10.0.0.0/8 tcp/443\n"
			"      score -1.0: permitted\n"});
	/* The override denies one of the addresses, whatever name it has. */
	{
		struct compiled compiled = explaining_compile(*state, layers);
		bool permitted;
		const char *text = explaining_say(
			*state, &compiled, "db.example.com:443", NULL, false, &permitted);

		assert_true(permitted);
		assert_non_null(strstr(text, "from [dns.hosts] (base.toml:9): 10.1.0.1 (refused: "
					     "o1:deny-1 (o1.toml:2)), 10.2.0.1\n"));
	}
}

#define IS_SPECIAL(name, what) "  special-name: '" name "' is special: " what "\n"
#define WHATEVER ", whatever the policy says\n"
#define NOT_NAMED ", as no entry names it or what is below it\n"
#define DENIED "  so the resolver itself answers that it does not exist"
#define NO_DATA "  so the resolver itself answers that it has no data"

/* What the resolver answers before it looks at the policy, and where it does look first. */
static void test_special_names(void **state)
{
	CHECK(layered_base(*state,
		      "[[allow]]\nhost = ['**.arpa', 'a.local', '*.b.test', 'x.onion']\n"
		      "broad = true\n[[allow]]\nip = '192.0.0.0/24'\nports = 80\n"
		      "[network]\nblock = []\n"),
		{"LOCALHOST.",
			"localhost: permitted\n" IS_SPECIAL("localhost",
				"this host (RFC 6761 section 6.3)") "  so the resolver "
								    "itself answers 127.0.0.1 and "
								    "::1" WHATEVER},
		{"a.localhost:7",
			"a.localhost tcp/7: permitted\n" IS_SPECIAL("localhost",
				"this host (RFC 6761 section 6.3)") "  so the resolver "
								    "itself answers 127.0.0.1 and "
								    "::1" WHATEVER},
		{"x.onion:443", "x.onion tcp/443: refused\n" IS_SPECIAL("onion",
					"Tor (RFC 7686 section 2, point 4)") DENIED WHATEVER},
		{"use-application-dns.net",
			"use-application-dns.net: refused\n" IS_SPECIAL("use-application-dns.net",
				"without it Firefox leaves DNS "
				"over HTTPS off") DENIED WHATEVER},
		{"_dns.resolver.arpa",
			"_dns.resolver.arpa: refused\n" IS_SPECIAL("resolver.arpa",
				"designated resolvers, of which there are none (RFC 9462 "
				"sections 4 and 6.4)") NO_DATA WHATEVER},
		{"home.arpa", "home.arpa: refused\n" IS_SPECIAL("home.arpa",
				      "homes (RFC 8375 section 4, point 4)") NO_DATA NOT_NAMED},
		{"b.local",
			"b.local: refused\n" IS_SPECIAL("local",
				"multicast DNS (RFC 6762 section 22.1, point 4)") DENIED NOT_NAMED},
		{"a.local:443", "a.local tcp/443: permitted\n"
				"  tcp/443: allow-1 (base.toml:2): **.arpa, a.local, *.b.test, "
				"x.onion tcp/443\n"
				"    score -1.0: permitted\n    by a.local (base.toml:3)\n" OPEN
				"the system's DNS servers answer, but for blocked classes\n"},
		{"1.0.0.10.in-addr.arpa",
			"1.0.0.10.in-addr.arpa: refused\n" IS_SPECIAL("in-addr.arpa",
				"addresses in reverse (RFC 6303)") "  so the resolver itself "
								   "answers with names that it "
								   "knows of the "
								   "address, or that there is "
								   "none" NOT_NAMED},
		{"ipv4only.arpa:80",
			"ipv4only.arpa tcp/80: permitted\n" IS_SPECIAL("ipv4only.arpa",
				"the prefix of NAT64, of which there is none (RFC 8880 "
				"section 7.1)") "  so the resolver itself answers "
						"192.0.0.170 and 192.0.0.171" WHATEVER},
		{"ipv4only.arpa:443",
			"ipv4only.arpa tcp/443: refused\n" IS_SPECIAL("ipv4only.arpa",
				"the prefix of NAT64, of which there is none (RFC 8880 "
				"section 7.1)") "  so the resolver itself answers "
						"192.0.0.170 and 192.0.0.171" WHATEVER});
}

/* What wildcards may spend, and what a name looks like. */
static void test_limits(void **state)
{
	const char *text =
		"[[allow]]\nhost = '*.example.com'\nwildcard_names = 7\nwildcard_bytes = '9/hour'\n"
		"[[allow]]\nhost = 'plain.example.com'\n"
		"[limits]\nwildcard_answer_bytes = '5/day'\n[budget]\nwildcard_names = 9\n";
	const char *refusing = arena_printf(*state, "%son_exceed = 'refuse'\n", text);

#define A_WILDCARD                                                                                 \
	"  tcp/443: allow-1 (base.toml:2): *.example.com tcp/443\n    score -1.0: "                \
	"permitted\n" FROM_SYSTEM "  spends from allow-1 in example.com: wildcard_bytes 9/hour, "  \
	"wildcard_answer_bytes 5/day, wildcard_names 7 "
	CHECK(layered_base(*state, text),
		{"a.example.com:443",
			"a.example.com tcp/443: permitted\n" A_WILDCARD "(then reported)\n"},
		{"x0x1x2x3x4x5x6x7x8x9a0a1a2a3a4.example.com:443",
			"x0x1x2x3x4x5x6x7x8x9a0a1a2a3a4.example.com tcp/443: permitted, and "
			"flagged\n" A_WILDCARD
			"(then reported)\n  allow-1 name-shape: looks like data, 1.5 "
			"points, score 0.5: flagged\n"},
		{"x0x1x2x3x4x5x6x7x8x9a0a1a2a3a4a5a6a7a8a9.example.com:443",
			"x0x1x2x3x4x5x6x7x8x9a0a1a2a3a4a5a6a7a8a9.example.com tcp/443: "
			"refused\n" A_WILDCARD
			"(then reported)\n  allow-1 name-shape: looks like data, 2 points, "
			"score 1: refused\n"},
		{"plain.example.com:443",
			"plain.example.com tcp/443: permitted\n"
			"  tcp/443: allow-2 (base.toml:6): plain.example.com tcp/443\n"
			"    score -1.0: permitted\n"
			"    before allow-1 (base.toml:2), which is less specific\n" FROM_SYSTEM});
	CHECK(layered_base(*state, refusing),
		{"a.example.com:443",
			"a.example.com tcp/443: permitted\n" A_WILDCARD "(then refused)\n"});
	/* What a session has, of all that is permitted. */
	CHECK(layered_base(*state,
		      "[[allow]]\nip = '192.0.2.1'\n[budget]\ndestinations = 20\nbytes = '2 KiB'\n"
		      "unknown_share = 0.5\n"),
		{"192.0.2.1:443",
			"192.0.2.1 tcp/443: permitted\n"
			"  tcp/443: allow-1 (base.toml:2): 192.0.2.1 tcp/443\n"
			"    score -1.0: permitted\n"
			"    before block-reserved (192.0.2.0/24), which is wider\n"
			"  counts towards [budget], of each session 20 destinations, 2048 bytes "
			"sent: beyond that there is an alert\n"});
	CHECK(layered_base(*state, "[[allow]]\nip = '192.0.2.1'\n[budget]\nconnections = 20\n"
				   "on_exceed = 'refuse'\n"),
		{"192.0.2.1:443",
			"192.0.2.1 tcp/443: permitted\n"
			"  tcp/443: allow-1 (base.toml:2): 192.0.2.1 tcp/443\n"
			"    score -1.0: permitted\n"
			"    before block-reserved (192.0.2.0/24), which is wider\n"
			"  counts towards [budget], of each session 20 connections: beyond that it "
			"is refused\n"});
	/* Where all is permitted there is only what [limits] have. */
	CHECK(layered_base(*state, "mode = 'denylist'\n[score]\nunknown = 0\n[limits]\n"
				   "wildcard_bytes = '7/second'\n"),
		{"x.a.example.com:443",
			"x.a.example.com tcp/443: permitted\n"
			"  tcp/443: default-permit: no entry matches\n    score 0.0: permitted\n"
			"  resolved: the addresses that the system's DNS servers answer, but for "
			"refused ones\n"
			"  spends from default-permit in example.com: wildcard_bytes 7/second, "
			"wildcard_answer_bytes no limit\n"});
}

static void test_search_lists(void **state)
{
	CHECK(layered_base(*state, "[dns]\nsearch = ['corp.example']\n"),
		{"www.example.org.corp.example:443",
			"www.example.org.corp.example tcp/443: refused\n"
			"  tcp/443: default-deny: no entry matches\n    score 1.0: refused\n"
			"  so the resolver does not answer for it\n"
			"  [dns] search has corp.example: it says at once that the name does not "
			"exist, and reports nothing\n"});
}

static const char scoped[] = "[scope]\nusers = [7, 'root']\ngroups = [8]\n"
			     "cgroups = ['system.slice/agent.service']\n"
			     "interfaces = ['docker0']\nsources = ['10.88.0.0/16']\n"
			     "[[allow]]\nhost = 'a.example.com'\n"
			     "[dns]\nlisten = ['127.0.0.1:5300']\n";

static void test_scope(void **state)
{
	static const struct explain_as in = {.user = "7"};
	static const struct explain_as out = {.user = "8", .interface = "eth\x1b"};
	static const struct explain_as nobody = {.user = "no-such-user-here"};
	const struct layers *layers = layered_base(*state, scoped);
	struct compiled compiled = explaining_compile(*state, layers);
	bool permitted = true;

	CHECK_AS(layers, &in,
		{"b.example.com:443", "b.example.com tcp/443: refused\n"
				      "  tcp/443: default-deny: no entry matches\n"
				      "    score 1.0: refused\n"
				      "  so the resolver does not answer for it\n"});
	CHECK_AS(layers, &out,
		{"b.example.com:443", "b.example.com tcp/443: permitted: not in scope (user 8, "
				      "interface eth?): [scope] is at base.toml:2\n"});
	CHECK(layers, {"b.example.com:443",
			      "b.example.com tcp/443: refused\n"
			      "  tcp/443: default-deny: no entry matches\n"
			      "    score 1.0: refused\n"
			      "  so the resolver does not answer for it\n"
			      "  this is about what is in scope: [scope] is at base.toml:2\n"});
	/* All is in the scope of a policy without one. */
	CHECK_AS(layered_base(*state, "allow = []\n"), &out,
		{"9.9.1.1:443", "9.9.1.1 tcp/443: refused\n"
				"  tcp/443: default-deny: no entry matches\n"
				"    score 1.0: refused\n"});
	assert_int_equal(
		explain(&compiled, "a.example.com", &nobody, false, stdout, &permitted), -ESRCH);
	assert_true(permitted);
}

/* This host's DNS goes to the resolver; what passes through goes to where it can be reached from
 * outside, or nowhere. */
static void test_forwarded_dns(void **state)
{
	static const struct explain_as local = {.user = "7"}, forwarded = {.interface = "docker0"};
	const struct layers *layers = layered_base(*state, scoped);

	CHECK_AS(layers, &local,
		{"udp/9.9.1.1:53",
			"9.9.1.1 udp/53: refused\n"
			"  dns: goes to the resolver at 127.0.0.1:5300 instead, like all DNS\n"});
	CHECK_AS(layers, &forwarded,
		{"udp/9.9.1.1:53", "9.9.1.1 udp/53: refused\n"
				   "  udp/53: default-deny: no entry matches\n"
				   "    score 1.0: refused\n"});
	/* Without a [scope] nothing that passes through is sent elsewhere. */
	CHECK_AS(layered_base(*state, "[dns]\nlisten = ['172.17.0.1:5300']\n"), &forwarded,
		{"udp/9.9.1.1:53", "9.9.1.1 udp/53: refused\n"
				   "  udp/53: default-deny: no entry matches\n"
				   "    score 1.0: refused\n"});
	layers = layered_base(*state, "[scope]\ninterfaces = ['docker0']\n"
				      "[dns]\nlisten = ['127.0.0.1:5300', '172.17.0.1:5300']\n");
	CHECK(layers,
		{"udp/9.9.1.1:53",
			"9.9.1.1 udp/53: refused\n"
			"  dns: goes to the resolver at 172.17.0.1:5300 instead, like all DNS\n"
			"  this is about what is in scope: [scope] is at base.toml:2\n"});
}

static void test_long_lists_are_cut(void **state)
{
	char text[4096] = "allow = [{host = '*.example.com'},";
	struct compiled compiled;
	bool permitted;
	const char *said;

	for (unsigned i = 0; i < 15; i++)
		strcat(text, "{host = 'a.example.com'},");
	strcat(text, "]\n[dns.hosts]\n");
	for (unsigned i = 0; i < 12; i++)
		sprintf(text + strlen(text), "'h%u.example.com' = ['10.9.9.9']\n", i);
	compiled = explaining_compile(*state, layered_base(*state, text));
	said = explaining_say(*state, &compiled, "a.example.com:443", NULL, false, &permitted);
	assert_non_null(strstr(said, "before allow-11 "));
	assert_null(strstr(said, "before allow-14 "));
	assert_non_null(strstr(said, "    and 5 more\n"));
	said = explaining_say(*state, &compiled, "10.9.9.9:443", NULL, false, &permitted);
	assert_non_null(strstr(said, "leased to h9.example.com "));
	assert_null(strstr(said, "leased to h10.example.com "));
	assert_non_null(strstr(said, "  and 2 more\n"));
}

static void test_lists(void **state)
{
	static const char lines[] = "a.example.com\n*.b.example.com\n";
	char path[] = "egress-list-XXXXXX";
	int fd = mkstemp(path);
	struct compiled compiled;
	bool permitted;
	const char *said, *expected;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, lines, sizeof(lines) - 1), sizeof(lines) - 1);
	close(fd);
	compiled = explaining_compile(*state,
		layered_base(*state, arena_printf(*state, "[[allow]]\nlist = '%s'\n", path)));
	unlink(path);
	said = explaining_say(*state, &compiled, "x.b.example.com:443", NULL, false, &permitted);
	expected = arena_printf(*state, "    by *.b.example.com (%s:2)\n", path);
	if (!strstr(said, expected))
		fail_msg("\"%s\" is not in:\n%s", expected, said);
}

/* A terminal gets no control characters of a policy. */
static void test_control_characters(void **state)
{
	struct compiled compiled = explaining_compile(
		*state, layered_base(*state, "[[allow]]\nhost_pattern = \"^a\\u001b?[.]\"\n"));
	bool permitted;
	const char *said =
		explaining_say(*state, &compiled, "a.example.com:443", NULL, false, &permitted);

	assert_null(strchr(said, '\x1b'));
	assert_non_null(strstr(said, "'^a??[.]'"));
	said = explaining_say(*state, &compiled, "a.example.com:443", NULL, true, &permitted);
	assert_null(strstr(said, "u001"));
}

static void test_no_destinations(void **state)
{
	static const char *const bad[] = {"", ":", "/", "tcp/", "a.example:", "a.example:0",
		"a.example:65536", "a.example:x", "a.example:443:443", ":443", "sctp/a.example",
		"10.0.0.0/8", "tcp/10.0.0.0/8", "icmp/a.example:443", "icmp/10.0.0.1:443",
		"10.0.0.256", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "[10.0.0.1]:443",
		"[2001:db8::1", "[2001:db8::1]", "2001:db8::1:g", "https://a.example", "a b",
		"*.example", "**.example", "a*.example", "-a.example", "a..example", ".",
		"a.example\n", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "0x7f000001:443",
		"2130706433", "127.1", "10.1:443"};
	struct compiled compiled = explaining_compile(*state, layered_base(*state, example));
	bool permitted = true;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (explain(&compiled, bad[i], NULL, false, stdout, &permitted) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
		assert_true(permitted);
	}
}

static void test_international_names(void **state)
{
	CHECK(layered_base(*state, "[[allow]]\nhost = 'bücher.example'\n"),
		{"BÜCHER.example:443",
			"xn--bcher-kva.example tcp/443: permitted\n"
			"  tcp/443: allow-1 (base.toml:2): xn--bcher-kva.example tcp/443\n"
			"    score -1.0: permitted\n" FROM_SYSTEM});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_local, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_ports_of_a_protocol, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_entry_that_matches_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_embedded_but_not_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_beaten_wildcards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_denials, setup, teardown),
		cmocka_unit_test_setup_teardown(test_denylist, setup, teardown),
		cmocka_unit_test_setup_teardown(test_layers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_special_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_search_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scope, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forwarded_dns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_lists_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_control_characters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_destinations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_international_names, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
