/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "rules/dns-server.h"

/* The SHA-256 of nothing, and of "abc", in base64. */
#define EMPTY "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define ABC "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="

static const struct {
	const char *text;
	const char *server; /* as text again; NULL: it is wrong */
	const char *problem;
} servers[] = {
	{"udp://192.0.2.53", "192.0.2.53:53", NULL},
	{"udp://192.0.2.53:5353", "192.0.2.53:5353", NULL},
	{"192.0.2.53", "192.0.2.53:53", NULL},
	{"192.0.2.53:5353", "192.0.2.53:5353", NULL},
	{"2001:db8::53", "[2001:db8::53]:53", NULL},
	{"udp://[2001:db8::53]", "[2001:db8::53]:53", NULL},
	{"[2001:db8::53]:5353", "[2001:db8::53]:5353", NULL},
	{"https://9.9.9.9", NULL, "is not a server"},
	{"udp://9.9.9.9#x", NULL, "is not a server"},
	{"udp://udp://9.9.9.9", NULL, "is not a server"},
	{"9.9.9.9:", NULL, "is not a server"},
	{"9.9.9.9:0", NULL, "is not a server"},
	{"dns.quad9.net", NULL, "is not a server"},
	{"", NULL, "is not a server"},
	{"0.0.0.0", NULL, "is not an address that queries can be sent to"},
	{"ff02::fb", NULL, "is not an address that queries can be sent to"},
	{"tls://9.9.9.9#dns.quad9.net", "tls://9.9.9.9:853#dns.quad9.net", NULL},
	{"tls://9.9.9.9:8853#DNS.Quad9.net.", "tls://9.9.9.9:8853#dns.quad9.net", NULL},
	{"tls://2620:fe::fe#dns.quad9.net", "tls://[2620:fe::fe]:853#dns.quad9.net", NULL},
	{"tls://[2620:fe::fe]:1#b\u00fccher.example", "tls://[2620:fe::fe]:1#xn--bcher-kva.example",
		NULL},
	{"tls://9.9.9.9#pin-sha256=" EMPTY, "tls://9.9.9.9:853", NULL},
	{"tls://9.9.9.9#pin-sha256=" EMPTY ",pin-sha256=" ABC, "tls://9.9.9.9:853", NULL},
	{"tls://9.9.9.9", NULL, "does not say whose certificate to expect"},
	{"tls://9.9.9.9#", NULL, "does not say whose certificate to expect"},
	{"tls://", NULL, "is not a server"},
	{"tls://#dns.quad9.net", NULL, "is not a server"},
	{"tls://dns.quad9.net#dns.quad9.net", NULL, "is not a server"},
	{"tls://0.0.0.0#dns.quad9.net", NULL, "is not an address that queries can be sent to"},
	{"tls://9.9.9.9#*.quad9.net", NULL, "has a wildcard behind the '#'"},
	{"tls://9.9.9.9#9.9.9.9", NULL, "has an address behind the '#'"},
	{"tls://9.9.9.9#a..b", NULL, ""},
	{"tls://9.9.9.9#pin-sha256=", NULL, "has a pin that is not"},
	{"tls://9.9.9.9#pin-sha256=" EMPTY ",", NULL, "has a pin that is not"},
	{"tls://9.9.9.9#pin-sha256=" EMPTY "," ABC, NULL, "has a pin that is not"},
	{"tls://9.9.9.9#pin-sha256=" EMPTY "=", NULL, "has a pin that is not"},
	{"tls://9.9.9.9#pin-sha256=47DEQpj8HBSa_/TImW-5JCeuQeRkm5NMpJWZG3hSuFU=", NULL,
		"has a pin that is not"},
	/* Bits behind the last byte. */
	{"tls://9.9.9.9#pin-sha256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=", NULL,
		"has a pin that is not"},
	{"tls://9.9.9.9#pin-sha256=" ABC ",pin-sha256=" ABC ",pin-sha256=" ABC ",pin-sha256=" ABC
	 ",pin-sha256=" ABC,
		NULL, "has more pins than 4"},
};

static void test_servers(void **state)
{
	char out[DNS_SERVER_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		const char *problem = "nothing", *text = servers[i].text;
		struct dns_server server;
		int error = dns_server_from_text(text_of(text), &server, &problem);

		if (!servers[i].server) {
			if (error != -EINVAL || !strstr(problem, servers[i].problem))
				fail_msg("'%s' %s", text, problem);
		} else if (error != 0 ||
			   strcmp(dns_server_to_text(&server, out), servers[i].server) != 0) {
			fail_msg("'%s' %s", text, problem);
		}
	}
}

static void test_identity(void **state)
{
	static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41,
		0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
		0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
	struct dns_server server;
	const char *problem;

	(void)state;
	assert_int_equal(
		dns_server_from_text(text_of("tls://9.9.9.9#pin-sha256=" EMPTY ",pin-sha256=" ABC),
			&server, &problem),
		0);
	assert_true(server.tls);
	assert_int_equal(server.name.length, 0);
	assert_int_equal(server.n_pins, 2);
	assert_memory_equal(server.pins[1], abc, DNS_PIN_SIZE);
	assert_int_equal(dns_server_from_text(text_of("udp://9.9.9.9"), &server, &problem), 0);
	assert_false(server.tls);
	assert_int_equal(server.n_pins, 0);
	assert_int_equal(dns_server_from_text(text_of("tls://9.9.9.9#a.b"), &server, &problem), 0);
	assert_int_equal(server.name.length, 5);
	assert_int_equal(server.n_pins, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
