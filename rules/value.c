/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/value.h"

#include <errno.h>
#include <string.h>

#include "rules/host.h"

enum {
	LABEL_MAX = 31,
	CATEGORY_MAX = 63,
	REASON_MAX = 255,
	CGROUP_MAX = 1023,
	INTERFACE_MAX = 15, /* IFNAMSIZ less the NUL */
};

static int fail(const char *problem, const char **ret_problem)
{
	*ret_problem = problem;
	return -EINVAL;
}

static bool has(struct text text, char c)
{
	return text.length > 0 && memchr(text.start, c, text.length);
}

static struct text drop(struct text text, size_t count)
{
	return (struct text){.start = text.start + count, .length = text.length - count};
}

/* Takes `prefix` off the front. */
static bool take(struct text *text, const char *prefix)
{
	if (!text_starts(*text, prefix))
		return false;
	*text = drop(*text, strlen(prefix));
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int value_range(struct text text, struct range *ret_range, const char **ret_problem)
{
	struct name name;

	switch (range_from_text(text, ret_range)) {
	case 0:
		return 0;
	case -EDOM:
		return fail("has bits set behind its prefix length", ret_problem);
	case -ERANGE:
		return fail("ends before it starts, or in the other family", ret_problem);
	default:
		break;
	}
	if (host_name_from_text(text, &name) == 0)
		return fail("is a name: names belong under 'host'", ret_problem);
	return fail("is not an address, a prefix or a range (first-last)", ret_problem);
}

static const struct {
	const char *prefix;
	enum protocol protocol;
} protocols[] = {
	{"tcp/", PROTOCOL_TCP},
	{"udp/", PROTOCOL_UDP},
};

/* 0, -EINVAL, or -ERANGE for a number that is no port's. */
static int port_number(struct text text, uint16_t *ret_port)
{
	uint64_t number;
	int error = text_to_number(text, UINT16_MAX, &number);

	if (error < 0)
		return error;
	if (number == 0)
		return -ERANGE;
	*ret_port = (uint16_t)number;
	return 0;
}

static int value_numbers(struct text text, struct port_range *ports, const char **ret_problem)
{
	struct text first, last;
	bool is_range_text = text_cut(text, '-', &first, &last);
	int error = port_number(first, &ports->first);

	if (error == 0)
		error = port_number(is_range_text ? last : first, &ports->last);
	if (error == -ERANGE)
		return fail("has a port outside of 1-65535", ret_problem);
	if (error < 0)
		return fail("is not a port: expected \"tcp/443\", \"udp/8000-8100\" or "
			    "\"icmp/echo\"",
			ret_problem);
	if (ports->last < ports->first)
		return fail("ends before it starts", ret_problem);
	return 0;
}

int value_ports(struct text text, struct port_range *ret_ports, const char **ret_problem)
{
	struct port_range ports = {.protocol = PROTOCOL_TCP};
	bool found = !has(text, '/');
	int error;

	if (text_is(text, "icmp/echo")) {
		*ret_ports = (struct port_range){.protocol = PROTOCOL_ICMP_ECHO};
		return 0;
	}
	if (text_starts(text, "icmp/"))
		return fail("is not known: of ICMP there is \"icmp/echo\"", ret_problem);
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]) && !found; i++) {
		found = take(&text, protocols[i].prefix);
		ports.protocol = protocols[i].protocol;
	}
	if (!found)
		return fail("has an unknown protocol: expected tcp, udp or icmp", ret_problem);
	error = value_numbers(text, &ports, ret_problem);
	if (error == 0)
		*ret_ports = ports;
	return error;
}

static const struct range no_unicast[] = {
	{{{[10] = 0xff, [11] = 0xff}}, {{[10] = 0xff, [11] = 0xff, 0, 255, 255, 255}}},
	{{{[10] = 0xff, [11] = 0xff, 224}}, {{[10] = 0xff, [11] = 0xff, 255, 255, 255, 255}}},
	{{{0}}, {{0}}},
	{{{0xff}}, {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			   0xff, 0xff, 0xff}}},
};

bool value_is_unicast(const struct inaddr *address)
{
	for (size_t i = 0; i < sizeof(no_unicast) / sizeof(no_unicast[0]); i++) {
		if (range_contains(&no_unicast[i], address))
			return false;
	}
	return true;
}

int value_listen(struct text text, struct endpoint *ret_endpoint, const char **ret_problem)
{
	struct endpoint endpoint;

	if (endpoint_from_text(text, 0, &endpoint) < 0)
		return fail("is not ADDRESS:PORT, as \"127.0.0.1:5300\" or \"[::1]:5300\"",
			ret_problem);
	if (!value_is_unicast(&endpoint.address))
		return fail("is not an address that queries can be sent to", ret_problem);
	*ret_endpoint = endpoint;
	return 0;
}

int value_address(struct text text, struct inaddr *ret_address, const char **ret_problem)
{
	if (inaddr_from_text(text, ret_address) < 0)
		return fail("is not an address", ret_problem);
	return 0;
}

/* Whether the text is 1 to `most` lower-case letters, digits, and characters of `others`; with
 * `upper` also upper-case letters. */
static bool is_word(struct text text, size_t most, bool upper, const char *others)
{
	if (text.length == 0 || text.length > most)
		return false;
	for (size_t i = 0; i < text.length; i++) {
		char c = upper ? text_lower(text.start[i]) : text.start[i];

		if (!(c >= 'a' && c <= 'z') && !is_digit(c) && (c == '\0' || !strchr(others, c)))
			return false;
	}
	return true;
}

int value_label(struct text text, const char **ret_problem)
{
	if (!is_word(text, LABEL_MAX, false, "-"))
		return fail("is not a policy's name: 1 to 31 of a-z, 0-9 and '-'", ret_problem);
	return 0;
}

int value_category(struct text text, const char **ret_problem)
{
	if (!is_word(text, CATEGORY_MAX, true, "._- ") || text_trim(text).length != text.length)
		return fail("is not a category: 1 to 63 letters, digits, '.', '_', '-' and blanks "
			    "between them",
			ret_problem);
	return 0;
}

int value_reason(struct text text, const char **ret_problem)
{
	struct text rest = text;

	if (text.length > REASON_MAX)
		return fail("is longer than 255 bytes", ret_problem);
	while (rest.length > 0) {
		uint32_t character;
		size_t size = text_char(rest, &character);

		if (size == 0 || !text_shows(character))
			return fail("has characters that cannot be shown in a line", ret_problem);
		rest = drop(rest, size);
	}
	return 0;
}

/* Whether all characters are of printable ASCII, and none of `others`. */
static bool is_plain(struct text text, const char *others)
{
	for (size_t i = 0; i < text.length; i++) {
		char c = text.start[i];

		if (c < ' ' || c > '~' || strchr(others, c))
			return false;
	}
	return true;
}

int value_cgroup(struct text text, const char **ret_problem)
{
	struct text rest = text, part;
	bool more = true;

	if (text.length > CGROUP_MAX)
		return fail("is longer than 1023 bytes", ret_problem);
	if (text_starts(text, "/"))
		return fail("starts with '/': it is relative to the root of the hierarchy, as "
			    "\"system.slice/agent.service\"",
			ret_problem);
	if (!is_plain(text, "\"*"))
		return fail("is not a control group: it has characters that none has", ret_problem);
	while (more) {
		more = text_cut(rest, '/', &part, &rest);
		if (part.length == 0 || text_is(part, ".") || text_is(part, ".."))
			return fail("is not a control group: a part of its path is empty, '.' or "
				    "'..'",
				ret_problem);
	}
	return 0;
}

int value_interface(struct text text, const char **ret_problem)
{
	struct text name = text;

	if (name.length > 0 && name.start[name.length - 1] == '*')
		name.length--;
	if (text.length > INTERFACE_MAX || name.length == 0 || text_is(name, ".") ||
		text_is(name, "..") || !is_plain(name, " \"*/:\\"))
		return fail(
			"is not an interface: 1 to 15 characters, of which only the last may be "
			"'*'",
			ret_problem);
	return 0;
}
