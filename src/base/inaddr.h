/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_BASE_INADDR_H
#define EGRESS_BASE_INADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "src/base/text.h"

/*
 * One address type for both families: 16 bytes, an IPv4 address in its IPv4-mapped form (RFC 4291
 * section 2.5.5.2). So an IPv4-mapped IPv6 address *is* the IPv4 address it carries, everywhere.
 */
struct inaddr {
	uint8_t bytes[16];
};

/* An address and how many of its leading bits count, in its own family (0-32 or 0-128). */
struct prefix {
	struct inaddr address;
	uint8_t length;
};

/* First and last address, of one family, both included. */
struct range {
	struct inaddr first;
	struct inaddr last;
};

/* An address and a UDP or TCP port in host byte order. */
struct endpoint {
	struct inaddr address;
	uint16_t port;
};

/* Room for any of the texts below, with its NUL: "[ffff:...]:65535", a range, a prefix. */
#define INADDR_TEXT 100

/* What IPv4 addresses begin with. */
static const uint8_t inaddr_mapped[12] = {[10] = 0xff, [11] = 0xff};

static inline bool inaddr_is_ip4(const struct inaddr *address)
{
	return memcmp(address->bytes, inaddr_mapped, sizeof(inaddr_mapped)) == 0;
}

struct inaddr inaddr_from_ip4(const uint8_t bytes[4]);
struct inaddr inaddr_from_ip6(const uint8_t bytes[16]);

/* The 4 or 16 bytes that travel in packets and set keys; *ret_size says which. */
const uint8_t *inaddr_raw(const struct inaddr *address, size_t *ret_size);

/* Order as numbers, IPv4 (mapped) between ::fffe:ffff:ffff and ::1:0:0:0. <0, 0, >0. */
int inaddr_compare(const struct inaddr *a, const struct inaddr *b);

/* What stands for a client that has the address: of an IPv6 address its network, whose addresses
 * are one host's to choose; of this host's own nothing, as a process may send from any of
 * 127.0.0.0/8. */
struct inaddr inaddr_client(const struct inaddr *address);

static inline bool inaddr_equal(const struct inaddr *a, const struct inaddr *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* The next address of its family, false at the last; IPv6 steps over the IPv4-mapped block. The
 * output may be the input. */
bool inaddr_next(const struct inaddr *address, struct inaddr *ret_next);
bool inaddr_previous(const struct inaddr *address, struct inaddr *ret_previous);

/* Dotted quad or RFC 4291 text; no octal, no shortened IPv4, no zone. 0 or -EINVAL. */
int inaddr_from_text(struct text text, struct inaddr *ret_address);

/* "address/length" or a bare address; the length of an IPv4-mapped prefix counts 128 bits. 0,
 * -EINVAL, or -EDOM when host bits are set. */
int prefix_from_text(struct text text, struct prefix *ret_prefix);

/* A prefix, an address, or "first-last". 0, -EINVAL, -EDOM (host bits), -ERANGE (last before first
 * or of the other family). */
int range_from_text(struct text text, struct range *ret_range);

/* "192.0.2.53:53" or "[2001:db8::53]:53"; the port may be left out when default_port is not 0.
 * 0 or -EINVAL. */
int endpoint_from_text(struct text text, uint16_t default_port, struct endpoint *ret_endpoint);

/* RFC 5952 text into `out` (INADDR_TEXT bytes); returns `out`. A range that is a prefix prints as
 * one, a single address as itself. */
const char *inaddr_to_text(const struct inaddr *address, char *out);
const char *range_to_text(const struct range *range, char *out);
const char *endpoint_to_text(const struct endpoint *endpoint, char *out);

/* The addresses of the prefix's own family: ::/80, say, ends before the IPv4-mapped ones. */
struct range prefix_to_range(const struct prefix *prefix);

/* Never true for an address of the other family, even if its number lies between. */
bool range_contains(const struct range *range, const struct inaddr *address);

/* Bytes of a socket address for `endpoint` in *ret_storage; returns its length. */
socklen_t endpoint_to_sockaddr(
	const struct endpoint *endpoint, struct sockaddr_storage *ret_storage);

/* The endpoint of a socket address. 0 or -EAFNOSUPPORT. */
int endpoint_from_sockaddr(const struct sockaddr *address, struct endpoint *ret_endpoint);

#endif
