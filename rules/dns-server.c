/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/dns-server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rules/host.h"
#include "rules/value.h"

enum { PORT_DNS = 53, PORT_TLS = 853, PIN_CHARACTERS = 44 };

#define SCHEME_UDP "udp://"
#define SCHEME_TLS "tls://"
#define PIN "pin-sha256="

static int fail(const char *problem, const char **ret_problem)
{
	*ret_problem = problem;
	return -EINVAL;
}

static struct text without(struct text text, const char *prefix)
{
	size_t length = strlen(prefix);

	return (struct text){text.start + length, text.length - length};
}

/* The six bits a character of base64 stands for (RFC 4648 section 4), or -1. */
static int sextet(char c)
{
	static const char characters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(characters, c) : NULL;

	return at ? (int)(at - characters) : -1;
}

/* 32 bytes in base64: 43 characters, of which the last has two bits to spare, and a '='. */
static int read_pin(struct text text, uint8_t pin[DNS_PIN_SIZE])
{
	uint32_t bits = 0;
	size_t put = 0;

	if (text.length != PIN_CHARACTERS || text.start[PIN_CHARACTERS - 1] != '=')
		return -EINVAL;
	for (size_t i = 0; i < PIN_CHARACTERS; i++) {
		int six = i == PIN_CHARACTERS - 1 ? 0 : sextet(text.start[i]);

		if (six < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)six;
		if (i % 4 != 3)
			continue;
		for (int shift = 16; shift >= 0 && put < DNS_PIN_SIZE; shift -= 8)
			pin[put++] = (uint8_t)(bits >> shift);
		if (put == DNS_PIN_SIZE && bits & 0xff)
			return -EINVAL;
		bits = 0;
	}
	return 0;
}

static int read_pins(struct text text, struct dns_server *server, const char **ret_problem)
{
	struct text pin, rest = text;
	bool more;

	do {
		more = text_cut(rest, ',', &pin, &rest);
		if (server->n_pins == DNS_PINS_MAX)
			return fail("has more pins than 4", ret_problem);
		if (!text_starts(pin, PIN) ||
			read_pin(without(pin, PIN), server->pins[server->n_pins]) < 0)
			return fail("has a pin that is not \"pin-sha256=\" and the SHA-256 of "
				    "a public key in base64, of 44 characters",
				ret_problem);
		server->n_pins++;
	} while (more);
	return 0;
}

/* How a server is known by TLS. */
static int read_identity(struct text text, struct dns_server *server, const char **ret_problem)
{
	enum host_kind kind;
	struct inaddr address;

	if (text.length == 0)
		return fail("does not say whose certificate to expect: add \"#NAME\", as in "
			    "\"tls://9.9.9.9#dns.quad9.net\", or \"#pin-sha256=BASE64\"",
			ret_problem);
	if (text_starts(text, PIN))
		return read_pins(text, server, ret_problem);
	if (inaddr_from_text(text, &address) == 0)
		return fail("has an address behind the '#', where the name in the server's "
			    "certificate belongs",
			ret_problem);
	if (host_from_text(text, &kind, &server->name, ret_problem) < 0)
		return -EINVAL;
	if (kind != HOST_EXACT)
		return fail("has a wildcard behind the '#', where a name belongs", ret_problem);
	return 0;
}

int dns_server_from_text(struct text text, struct dns_server *ret_server, const char **ret_problem)
{
	struct dns_server server = {.tls = text_starts(text, SCHEME_TLS)};
	struct text identity = {NULL, 0};
	uint16_t port = server.tls ? PORT_TLS : PORT_DNS;
	int error = 0;

	server.at.port = port;
	if (server.tls)
		text_cut(without(text, SCHEME_TLS), '#', &text, &identity);
	else if (text_starts(text, SCHEME_UDP))
		text = without(text, SCHEME_UDP);
	/* A bare IPv6 address needs no brackets. */
	if (inaddr_from_text(text, &server.at.address) < 0 &&
		endpoint_from_text(text, port, &server.at) < 0)
		return fail("is not a server: expected \"udp://ADDRESS\" or "
			    "\"tls://ADDRESS#NAME\", with \":PORT\" behind the address if it is "
			    "not 53, or 853 by TLS",
			ret_problem);
	if (!value_is_unicast(&server.at.address))
		return fail("is not an address that queries can be sent to", ret_problem);
	if (server.tls)
		error = read_identity(identity, &server, ret_problem);
	if (error == 0)
		*ret_server = server;
	return error;
}

const char *dns_server_to_text(const struct dns_server *server, char *out)
{
	char address[INADDR_TEXT], name[NAME_TEXT];
	bool named = server->name.length > 0;

	endpoint_to_text(&server->at, address);
	snprintf(out, DNS_SERVER_TEXT, "%s%s%s%s", server->tls ? SCHEME_TLS : "", address,
		named ? "#" : "", named ? name_to_text(&server->name, name) : "");
	return out;
}
