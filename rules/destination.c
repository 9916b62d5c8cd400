/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/destination.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rules/host.h"
#include "rules/ports.h"

/* Takes "tcp/", "udp/" or "icmp/" off the beginning; -EINVAL for another word before a slash. */
static int read_protocol(struct text *text, int *ret_protocol)
{
	struct text head, tail;

	if (!text_cut(*text, '/', &head, &tail))
		return 0;
	for (int protocol = PROTOCOL_TCP; protocol <= PROTOCOL_ICMP_ECHO; protocol++) {
		if (!text_is(head, protocol_name((enum protocol)protocol)))
			continue;
		*ret_protocol = protocol;
		*text = tail;
		return 0;
	}
	return -EINVAL;
}

static int read_name(struct text text, struct name *ret_name)
{
	enum host_kind kind;
	struct name name;
	const char *problem;

	if (host_from_text(text, &kind, &name, &problem) < 0 || kind != HOST_EXACT)
		return -EINVAL;
	*ret_name = name;
	return 0;
}

static int read_name_and_port(struct text text, struct destination *to)
{
	struct text name, digits;
	uint64_t port;

	if (text_cut(text, ':', &name, &digits)) {
		if (text_to_number(digits, UINT16_MAX, &port) < 0 || port == 0)
			return -EINVAL;
		to->port = (int)port;
	}
	return read_name(name, &to->name);
}

int destination_read(const char *string, struct destination *ret_destination)
{
	struct destination to = {.protocol = DESTINATION_ANY, .port = DESTINATION_ANY};
	struct text text = text_of(string);
	struct endpoint endpoint;

	if (read_protocol(&text, &to.protocol) < 0)
		return -EINVAL;
	if (inaddr_from_text(text, &to.address) == 0) {
		to.is_address = true;
	} else if (endpoint_from_text(text, 0, &endpoint) == 0) {
		to.is_address = true;
		to.address = endpoint.address;
		to.port = endpoint.port;
	} else if (read_name_and_port(text, &to) < 0) {
		return -EINVAL;
	}
	if (to.port != DESTINATION_ANY && to.protocol == PROTOCOL_ICMP_ECHO)
		return -EINVAL;
	if (to.port != DESTINATION_ANY && to.protocol == DESTINATION_ANY)
		to.protocol = PROTOCOL_TCP;
	*ret_destination = to;
	return 0;
}

const char *destination_to_text(const struct destination *destination, char *out)
{
	char *end;

	if (destination->is_address)
		inaddr_to_text(&destination->address, out);
	else
		name_to_text(&destination->name, out);
	end = out + strlen(out);
	if (destination->protocol == PROTOCOL_ICMP_ECHO)
		stpcpy(end, " icmp/echo");
	else if (destination->port != DESTINATION_ANY)
		sprintf(end, " %s/%d", protocol_name((enum protocol)destination->protocol),
			destination->port);
	else if (destination->protocol != DESTINATION_ANY)
		sprintf(end, " %s", protocol_name((enum protocol)destination->protocol));
	return out;
}
