/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/forward.h"

#include <errno.h>

#include "src/base/text.h"

/*
 * Theory of operation
 *
 * A service in the namespace is looked for on its loopback, where development servers listen unless
 * told otherwise; one that listens everywhere is there as well. It is the same for services of the
 * host. Which family they use is found out by trying.
 */

enum { DNS_PORT = 53 };

static struct endpoint at_loopback(bool is_ip4, uint16_t port)
{
	static const uint8_t ip4[4] = {127, 0, 0, 1}, ip6[16] = {[15] = 1};

	return (struct endpoint){is_ip4 ? inaddr_from_ip4(ip4) : inaddr_from_ip6(ip6), port};
}

/* Both addresses of the loopback, IPv4 first. */
static void put_loopback(struct endpoint endpoints[2], uint16_t port)
{
	endpoints[0] = at_loopback(true, port);
	endpoints[1] = at_loopback(false, port);
}

static int read_port(struct text text, uint16_t *ret_port)
{
	uint64_t number;

	if (text_to_number(text, UINT16_MAX, &number) != 0 || number == 0)
		return -EINVAL;
	*ret_port = (uint16_t)number;
	return 0;
}

/* Cuts "udp/" or "tcp/" off. */
static int cut_protocol(struct text *rest, bool *ret_stream)
{
	struct text head, tail;

	*ret_stream = true;
	if (!text_cut(*rest, '/', &head, &tail))
		return 0;
	if (!text_is(head, "tcp") && !text_is(head, "udp"))
		return -EINVAL;
	*ret_stream = text_is(head, "tcp");
	*rest = tail;
	return 0;
}

/* Cuts "ADDRESS:" off, if there is one: an IPv6 address in brackets, or what has a dot. */
static int cut_address(struct text *rest, bool *ret_is_given, struct inaddr *ret_address)
{
	struct text head, tail, ignored, other;

	*ret_is_given = false;
	if (text_starts(*rest, "[")) {
		const struct text inner = {rest->start + 1, rest->length - 1};

		if (!text_cut(inner, ']', &head, &tail) || !text_starts(tail, ":"))
			return -EINVAL;
		tail = (struct text){tail.start + 1, tail.length - 1};
	} else if (!text_cut(*rest, ':', &head, &tail) || !text_cut(head, '.', &ignored, &other)) {
		return 0;
	}
	*rest = tail;
	*ret_is_given = true;
	return inaddr_from_text(head, ret_address);
}

static int read_published(struct text rest, struct forward *ret_forward)
{
	struct forward forward = {.n_listen = 0};
	struct text outer, inner;
	struct inaddr address;
	uint16_t port = 0, inside;
	bool is_given, has_inner;
	int error = cut_protocol(&rest, &forward.stream);

	if (!error)
		error = cut_address(&rest, &is_given, &address);
	if (error)
		return error;
	has_inner = text_cut(rest, ':', &outer, &inner);
	error = read_port(outer, &port);
	inside = port;
	if (!error && has_inner)
		error = read_port(inner, &inside);
	if (error)
		return error;
	put_loopback(forward.listen, port);
	forward.n_listen = 2;
	if (is_given) {
		forward.listen[0] = (struct endpoint){address, port};
		forward.n_listen = 1;
	}
	put_loopback(forward.targets, inside);
	*ret_forward = forward;
	return 0;
}

static int read_loopback(struct text rest, struct forward *ret_forward)
{
	struct forward forward = {.n_listen = 2};
	uint16_t port;
	int error = cut_protocol(&rest, &forward.stream);

	if (!error)
		error = read_port(rest, &port);
	if (error)
		return error;
	if (port == DNS_PORT)
		return -EPERM;
	put_loopback(forward.listen, port);
	put_loopback(forward.targets, port);
	*ret_forward = forward;
	return 0;
}

static int add(struct forward_list *list, const char *word,
	int (*read)(struct text text, struct forward *ret_forward))
{
	struct text rest = text_of(word), item;
	bool more = true;

	while (more) {
		struct forward forward;
		int error;

		more = text_cut(rest, ',', &item, &rest);
		error = read(item, &forward);
		if (error)
			return error;
		if (list->count >= FORWARDS_MAX)
			return -ENOSPC;
		list->rows[list->count++] = forward;
	}
	return 0;
}

int forward_add_published(struct forward_list *list, const char *word)
{
	return add(list, word, read_published);
}

int forward_add_loopback(struct forward_list *list, const char *word)
{
	return add(list, word, read_loopback);
}
