/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/allow.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/inaddr.h"
#include "src/base/memstream.h"
#include "src/base/text.h"

/* The parts of a destination. */
struct destination_parts {
	struct text host;
	bool is_address;
	struct text protocol; /* "tcp", "udp", "icmp", or empty */
	struct text ports;    /* "443", "8000-8100", or empty */
};

/* Whether it may stand in a literal string of TOML: printable ASCII, none of which ends it. */
static bool is_plain(const char *word)
{
	for (; *word; word++)
		if (*word <= ' ' || *word > '~' || *word == '\'')
			return false;
	return true;
}

static bool is_address(struct text text)
{
	struct range range;
	int error = range_from_text(text, &range);

	return error == 0 || error == -EDOM || error == -ERANGE;
}

/* Cuts "tcp/" off, unless it is a prefix that has the slash. */
static void cut_protocol(struct text *rest, struct destination_parts *parts)
{
	static const char *const protocols[] = {"tcp", "udp", "icmp"};
	struct text head, tail;

	if (!text_cut(*rest, '/', &head, &tail))
		return;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (!text_is(head, protocols[i]))
			continue;
		parts->protocol = head;
		*rest = tail;
	}
}

/* Cuts the host off what is left; "[2001:db8::1]:443" has brackets for its ports. */
static int cut_host(struct text rest, struct destination_parts *parts)
{
	struct text tail;

	if (is_address(rest)) {
		parts->host = rest;
		parts->is_address = true;
		return 0;
	}
	if (text_starts(rest, "[")) {
		rest.start++;
		rest.length--;
		if (!text_cut(rest, ']', &parts->host, &tail) ||
			(tail.length > 0 && !text_starts(tail, ":")))
			return -EINVAL;
		if (tail.length > 0)
			parts->ports = (struct text){tail.start + 1, tail.length - 1};
		parts->is_address = true;
		return tail.length == 1 ? -EINVAL : 0;
	}
	if (text_cut(rest, ':', &parts->host, &parts->ports) && parts->ports.length == 0)
		return -EINVAL;
	parts->is_address = is_address(parts->host);
	return 0;
}

static int read_parts(const char *word, struct destination_parts *ret_parts)
{
	struct destination_parts parts = {.is_address = false};
	struct text rest = text_of(word);
	bool is_icmp;
	int error;

	if (!is_plain(word))
		return -EINVAL;
	cut_protocol(&rest, &parts);
	error = cut_host(rest, &parts);
	is_icmp = text_is(parts.protocol, "icmp");
	if (error || parts.host.length == 0 || (is_icmp && parts.ports.length > 0) ||
		(text_is(parts.protocol, "udp") && parts.ports.length == 0))
		return -EINVAL;
	*ret_parts = parts;
	return 0;
}

static void write_ports(const struct destination_parts *parts, FILE *out)
{
	if (text_is(parts->protocol, "icmp"))
		fputs("ports = ['icmp/echo']\n", out);
	else if (parts->ports.length > 0)
		fprintf(out, "ports = ['%s/%.*s']\n",
			text_is(parts->protocol, "udp") ? "udp" : "tcp", TEXT_ARG(parts->ports));
}

static int write_destination(const char *word, FILE *out)
{
	struct destination_parts parts;
	int error = read_parts(word, &parts);

	if (error)
		return error;
	fprintf(out, "[[allow]]\n%s = ['%.*s']\n", parts.is_address ? "ip" : "host",
		TEXT_ARG(parts.host));
	write_ports(&parts, out);
	fprintf(out, "reason = '--allow %s'\n", word);
	return 0;
}

static int write_profiles(const struct allow *allow, FILE *out, const char **ret_bad)
{
	for (size_t i = 0; i < allow->n_profiles; i++) {
		if (!is_plain(allow->profiles[i])) {
			*ret_bad = allow->profiles[i];
			return -EINVAL;
		}
		fprintf(out, "%s'%s'", i == 0 ? "profiles = [" : ", ", allow->profiles[i]);
	}
	if (allow->n_profiles > 0)
		fputs("]\n", out);
	return 0;
}

static int write_all(const struct allow *allow, FILE *out, const char **ret_bad)
{
	int error;

	fputs("version = 1\n", out);
	error = write_profiles(allow, out, ret_bad);
	for (size_t i = 0; i < allow->n_destinations && !error; i++) {
		error = write_destination(allow->destinations[i], out);
		if (error)
			*ret_bad = allow->destinations[i];
	}
	return error;
}

int allow_write(const struct allow *allow, char **ret_text, size_t *ret_size, const char **ret_bad)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = memstream_open(&text, &size);
	int error;

	if (!out)
		return -ENOMEM;
	error = write_all(allow, out, ret_bad);
	if (fclose(out) != 0 && !error)
		error = -ENOMEM;
	if (error) {
		free(text);
		return error;
	}
	*ret_text = text;
	*ret_size = size;
	return 0;
}
