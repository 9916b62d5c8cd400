/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/base/inaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Theory of operation
 *
 * The block ::ffff:0:0/96 is IPv4, everything else is IPv6: the families share one line of numbers,
 * on which IPv4 is a piece cut out of IPv6. So the IPv6 neighbours of that piece are each other's
 * next and previous, and an IPv6 range never holds an IPv4 address although it may lie around all
 * of them. A few short prefixes (::/80 to ::fffe:0:0/95) end with the last IPv4 address by their
 * bits; as ranges they end right before the first.
 */

enum {
	IP4_OFFSET = 12,
	IP4_BITS = 32,
	IP6_BITS = 128,
	MAPPED_BITS = 96,
};

/* The IPv6 addresses on both sides of the mapped block. */
static const struct inaddr before_mapped = {
	{[10] = 0xff, [11] = 0xfe, [12] = 0xff, [13] = 0xff, [14] = 0xff, [15] = 0xff}};
static const struct inaddr behind_mapped = {{[9] = 1}};

struct inaddr inaddr_from_ip4(const uint8_t bytes[4])
{
	struct inaddr address;

	memcpy(address.bytes, inaddr_mapped, sizeof(inaddr_mapped));
	memcpy(address.bytes + IP4_OFFSET, bytes, 4);
	return address;
}

struct inaddr inaddr_from_ip6(const uint8_t bytes[16])
{
	struct inaddr address;

	memcpy(address.bytes, bytes, sizeof(address.bytes));
	return address;
}

const uint8_t *inaddr_raw(const struct inaddr *address, size_t *ret_size)
{
	if (inaddr_is_ip4(address)) {
		*ret_size = 4;
		return address->bytes + IP4_OFFSET;
	}
	*ret_size = 16;
	return address->bytes;
}

int inaddr_compare(const struct inaddr *a, const struct inaddr *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* The number one more (step 1) or one less (step -1); wraps around. */
static struct inaddr step_number(struct inaddr address, int step)
{
	uint8_t carry_over = step > 0 ? 0xff : 0x00;

	for (int i = 15; i >= 0; i--) {
		bool carry = address.bytes[i] == carry_over;

		address.bytes[i] = (uint8_t)(address.bytes[i] + step);
		if (!carry)
			break;
	}
	return address;
}

struct inaddr inaddr_client(const struct inaddr *address)
{
	struct inaddr client = *address;

	if (inaddr_is_ip4(address) && address->bytes[12] == 127)
		return (struct inaddr){{0}};
	if (!inaddr_is_ip4(address))
		memset(client.bytes + 8, 0, 8);
	return client;
}

bool inaddr_next(const struct inaddr *address, struct inaddr *ret_next)
{
	struct inaddr next = step_number(*address, 1);

	if (inaddr_compare(address, &before_mapped) == 0)
		next = behind_mapped;
	if (inaddr_is_ip4(&next) != inaddr_is_ip4(address) || inaddr_compare(&next, address) < 0)
		return false;
	*ret_next = next;
	return true;
}

bool inaddr_previous(const struct inaddr *address, struct inaddr *ret_previous)
{
	struct inaddr previous = step_number(*address, -1);

	if (inaddr_compare(address, &behind_mapped) == 0)
		previous = before_mapped;
	if (inaddr_is_ip4(&previous) != inaddr_is_ip4(address) ||
		inaddr_compare(&previous, address) > 0)
		return false;
	*ret_previous = previous;
	return true;
}

/* inet_pton(3) on a text without NUL. It takes neither octal nor short IPv4 forms nor zones. */
static bool parse(int family, struct text text, uint8_t *ret_bytes)
{
	char string[INET6_ADDRSTRLEN];

	if (text.length == 0 || text.length >= sizeof(string) ||
		memchr(text.start, '\0', text.length))
		return false;
	memcpy(string, text.start, text.length);
	string[text.length] = '\0';
	return inet_pton(family, string, ret_bytes) == 1;
}

int inaddr_from_text(struct text text, struct inaddr *ret_address)
{
	uint8_t bytes[16];

	if (parse(AF_INET, text, bytes))
		*ret_address = inaddr_from_ip4(bytes);
	else if (parse(AF_INET6, text, bytes))
		*ret_address = inaddr_from_ip6(bytes);
	else
		return -EINVAL;
	return 0;
}

/* A decimal number without needless zeros, so that nobody can take it for octal. */
static int plain_number(struct text text, uint64_t max, uint64_t *ret_number)
{
	if (text.length > 1 && text.start[0] == '0')
		return -EINVAL;
	return text_to_number(text, max, ret_number) < 0 ? -EINVAL : 0;
}

static unsigned family_bits(const struct inaddr *address)
{
	return inaddr_is_ip4(address) ? IP4_BITS : IP6_BITS;
}

/* The prefix's length counted over all 128 bits. */
static unsigned full_length(const struct prefix *prefix)
{
	return prefix->length + (IP6_BITS - family_bits(&prefix->address));
}

/* The address with all bits from `length` (of 128) on cleared, or set. */
static struct inaddr fill_bits(struct inaddr address, unsigned length, bool set)
{
	for (unsigned i = length / 8; i < sizeof(address.bytes); i++) {
		uint8_t mask = i == length / 8 ? (uint8_t)(0xff >> length % 8) : 0xff;

		if (set)
			address.bytes[i] |= mask;
		else
			address.bytes[i] &= (uint8_t)~mask;
	}
	return address;
}

/* A length written behind an IPv6 text counts 128 bits, also when the address is a mapped one. */
static int prefix_length(struct text text, struct text digits, struct prefix *prefix)
{
	bool colons = memchr(text.start, ':', text.length) != NULL;
	bool is_mapped = colons && inaddr_is_ip4(&prefix->address);
	uint64_t length;

	if (plain_number(digits, colons ? IP6_BITS : IP4_BITS, &length) < 0)
		return -EINVAL;
	if (is_mapped && length < MAPPED_BITS)
		return -EDOM;
	prefix->length = (uint8_t)(is_mapped ? length - MAPPED_BITS : length);
	return 0;
}

int prefix_from_text(struct text text, struct prefix *ret_prefix)
{
	struct prefix prefix;
	struct text head, digits;
	struct inaddr lowest;
	bool has_length = text_cut(text, '/', &head, &digits);

	if (inaddr_from_text(head, &prefix.address) < 0)
		return -EINVAL;
	prefix.length = (uint8_t)family_bits(&prefix.address);
	if (has_length) {
		int error = prefix_length(head, digits, &prefix);

		if (error < 0)
			return error;
	}
	lowest = fill_bits(prefix.address, full_length(&prefix), false);
	if (inaddr_compare(&lowest, &prefix.address) != 0)
		return -EDOM;
	*ret_prefix = prefix;
	return 0;
}

int range_from_text(struct text text, struct range *ret_range)
{
	struct text first, last;
	struct prefix prefix;
	struct range range;
	int error;

	if (text_cut(text, '-', &first, &last)) {
		if (inaddr_from_text(first, &range.first) < 0 ||
			inaddr_from_text(last, &range.last) < 0)
			return -EINVAL;
		if (inaddr_is_ip4(&range.first) != inaddr_is_ip4(&range.last) ||
			inaddr_compare(&range.last, &range.first) < 0)
			return -ERANGE;
		*ret_range = range;
		return 0;
	}
	error = prefix_from_text(text, &prefix);
	if (error < 0)
		return error;
	*ret_range = prefix_to_range(&prefix);
	return 0;
}

/* Cuts "[address]:port", "[address]" and "address:port", "address" in two; `port` is empty where
 * there is none. Brackets are for addresses with colons, and those need them. */
static int cut_endpoint(struct text text, struct text *ret_address, struct text *ret_port)
{
	bool bracket = text_starts(text, "[");
	struct text address, port;
	bool has_port;

	if (bracket) {
		text.start++;
		text.length--;
		if (!text_cut(text, ']', &address, &port) ||
			!memchr(address.start, ':', address.length))
			return -EINVAL;
		has_port = port.length > 0;
		if (has_port && !text_starts(port, ":"))
			return -EINVAL;
		if (has_port) {
			port.start++;
			port.length--;
		}
	} else {
		has_port = text_cut(text, ':', &address, &port);
	}
	if (has_port && port.length == 0)
		return -EINVAL;
	*ret_address = address;
	*ret_port = port;
	return 0;
}

int endpoint_from_text(struct text text, uint16_t default_port, struct endpoint *ret_endpoint)
{
	struct endpoint endpoint;
	struct text address, digits;
	uint64_t port = default_port;

	if (cut_endpoint(text, &address, &digits) < 0)
		return -EINVAL;
	if (inaddr_from_text(address, &endpoint.address) < 0)
		return -EINVAL;
	if (digits.length > 0 && plain_number(digits, UINT16_MAX, &port) < 0)
		return -EINVAL;
	if (port == 0)
		return -EINVAL;
	endpoint.port = (uint16_t)port;
	*ret_endpoint = endpoint;
	return 0;
}

const char *inaddr_to_text(const struct inaddr *address, char *out)
{
	size_t size;
	const uint8_t *raw = inaddr_raw(address, &size);

	inet_ntop(size == 4 ? AF_INET : AF_INET6, raw, out, INET6_ADDRSTRLEN);
	return out;
}

/* Leading bits that two addresses share, of 128. */
static unsigned common_bits(const struct inaddr *a, const struct inaddr *b)
{
	unsigned bits = 0;

	while (bits < IP6_BITS && !((a->bytes[bits / 8] ^ b->bytes[bits / 8]) & (0x80 >> bits % 8)))
		bits++;
	return bits;
}

/* The prefix that is exactly `range`, if there is one. */
static bool range_as_prefix(const struct range *range, struct prefix *ret_prefix)
{
	unsigned spare = IP6_BITS - family_bits(&range->first);
	struct prefix prefix = {.address = range->first};
	struct inaddr lowest;
	struct range whole;

	prefix.length = (uint8_t)(common_bits(&range->first, &range->last) - spare);
	lowest = fill_bits(prefix.address, full_length(&prefix), false);
	whole = prefix_to_range(&prefix);
	if (inaddr_compare(&lowest, &range->first) != 0 ||
		inaddr_compare(&whole.last, &range->last) != 0)
		return false;
	*ret_prefix = prefix;
	return true;
}

const char *range_to_text(const struct range *range, char *out)
{
	char first[INET6_ADDRSTRLEN], last[INET6_ADDRSTRLEN];
	struct prefix prefix;

	inaddr_to_text(&range->first, first);
	inaddr_to_text(&range->last, last);
	if (inaddr_compare(&range->first, &range->last) == 0)
		snprintf(out, INADDR_TEXT, "%s", first);
	else if (range_as_prefix(range, &prefix))
		snprintf(out, INADDR_TEXT, "%s/%u", first, prefix.length);
	else
		snprintf(out, INADDR_TEXT, "%s-%s", first, last);
	return out;
}

const char *endpoint_to_text(const struct endpoint *endpoint, char *out)
{
	bool ip4 = inaddr_is_ip4(&endpoint->address);
	char address[INET6_ADDRSTRLEN];

	inaddr_to_text(&endpoint->address, address);
	snprintf(out, INADDR_TEXT, ip4 ? "%s:%u" : "[%s]:%u", address, endpoint->port);
	return out;
}

struct range prefix_to_range(const struct prefix *prefix)
{
	struct range range = {.first = prefix->address};

	range.last = fill_bits(prefix->address, full_length(prefix), true);
	if (inaddr_is_ip4(&range.last) && !inaddr_is_ip4(&range.first))
		range.last = before_mapped;
	return range;
}

bool range_contains(const struct range *range, const struct inaddr *address)
{
	return inaddr_is_ip4(address) == inaddr_is_ip4(&range->first) &&
	       inaddr_compare(&range->first, address) <= 0 &&
	       inaddr_compare(address, &range->last) <= 0;
}

socklen_t endpoint_to_sockaddr(
	const struct endpoint *endpoint, struct sockaddr_storage *ret_storage)
{
	struct sockaddr_in ip4 = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
	struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};
	size_t size;
	const uint8_t *raw = inaddr_raw(&endpoint->address, &size);

	memset(ret_storage, 0, sizeof(*ret_storage));
	if (size == 4) {
		memcpy(&ip4.sin_addr, raw, size);
		memcpy(ret_storage, &ip4, sizeof(ip4));
		return sizeof(ip4);
	}
	memcpy(&ip6.sin6_addr, raw, size);
	memcpy(ret_storage, &ip6, sizeof(ip6));
	return sizeof(ip6);
}

int endpoint_from_sockaddr(const struct sockaddr *address, struct endpoint *ret_endpoint)
{
	struct sockaddr_in ip4;
	struct sockaddr_in6 ip6;

	switch (address->sa_family) {
	case AF_INET:
		memcpy(&ip4, address, sizeof(ip4));
		ret_endpoint->address = inaddr_from_ip4((const uint8_t *)&ip4.sin_addr);
		ret_endpoint->port = ntohs(ip4.sin_port);
		return 0;
	case AF_INET6:
		memcpy(&ip6, address, sizeof(ip6));
		ret_endpoint->address = inaddr_from_ip6(ip6.sin6_addr.s6_addr);
		ret_endpoint->port = ntohs(ip6.sin6_port);
		return 0;
	default:
		return -EAFNOSUPPORT;
	}
}
