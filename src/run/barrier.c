/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/barrier.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rules/decide.h"
#include "src/base/buf.h"
#include "src/base/fd.h"

/*
 * Theory of operation
 *
 * The ruleset is read back by who loads it; here it is used. Addresses set aside for documentation
 * (RFC 5737, RFC 3849) are refused by most policies and lead nowhere. Where a policy permits them,
 * the first address is taken of something that it refuses; it gets a datagram of one byte if the
 * ruleset fails, which is what the trial is for.
 *
 * What is at the other end of the link refuses as well, and so does the network behind it. So it
 * has to be the ruleset's own refusal: an ICMP error "administratively prohibited" that this host
 * has sent itself.
 *
 * Whoever answers a query that was sent to port 53 of the loopback is our resolver, since nothing
 * else runs in the namespace. The name is below `invalid` (RFC 6761), which exists nowhere.
 */

enum {
	REFUSED_MS = 2000, /* a refusal takes less than one */
	DNS_PORT = 53,
	QUERY_MAX = 64,
};

static const char question[] = "\006egress\007invalid";

/* --- What is refused --- */

struct pick {
	const struct plan *plan;
	unsigned group;
	enum plan_family family;
	bool found;
	struct inaddr address;
};

static void consider(void *context, const struct inaddr *address)
{
	struct pick *pick = context;
	bool is_ip4 = inaddr_is_ip4(address);

	if (pick->found || is_ip4 != (pick->family == PLAN_IP4) ||
		decide(pick->plan, pick->group, address).verdict != VERDICT_REFUSE)
		return;
	pick->found = true;
	pick->address = *address;
}

bool barrier_pick(
	const struct plan *plan, enum plan_family family, uint16_t port, struct inaddr *ret_address)
{
	static const char *const nobodys[] = {
		"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "100::1"};
	struct pick pick = {.plan = plan, .family = family};

	if (!plan_find_group(plan, PROTOCOL_UDP, port, &pick.group))
		pick.group = DECIDE_REST;
	for (size_t i = 0; i < sizeof(nobodys) / sizeof(nobodys[0]); i++) {
		struct inaddr address;

		if (inaddr_from_text(text_of(nobodys[i]), &address) == 0)
			consider(&pick, &address);
	}
	if (!pick.found)
		decide_visit_edges(plan, pick.group, family, consider, &pick);
	if (pick.found)
		*ret_address = pick.address;
	return pick.found;
}

/* Makes the socket say who has refused what it sent (ip(7), ipv6(7)). */
static int ask_for_errors(int fd, bool is_ip4)
{
	const int on = 1;

	if (setsockopt(fd, is_ip4 ? IPPROTO_IP : IPPROTO_IPV6, is_ip4 ? IP_RECVERR : IPV6_RECVERR,
		    &on, sizeof(on)) < 0)
		return -errno;
	return 0;
}

/* "Administratively prohibited" (RFC 1812 section 5.2.7.1, RFC 4443 section 3.1). */
static bool is_prohibited(const struct sock_extended_err *error)
{
	if (error->ee_origin == SO_EE_ORIGIN_ICMP)
		return error->ee_type == ICMP_DEST_UNREACH && error->ee_code == ICMP_PKT_FILTERED;
	return error->ee_origin == SO_EE_ORIGIN_ICMP6 && error->ee_type == ICMP6_DST_UNREACH &&
	       error->ee_code == ICMP6_DST_UNREACH_ADMIN;
}

/* Whether the address is the socket's own. */
static bool is_own(int fd, const struct sockaddr *address)
{
	struct sockaddr_storage name;
	socklen_t size = sizeof(name);
	struct endpoint own, other;

	return getsockname(fd, (struct sockaddr *)&name, &size) == 0 &&
	       endpoint_from_sockaddr((struct sockaddr *)&name, &own) == 0 &&
	       endpoint_from_sockaddr(address, &other) == 0 &&
	       inaddr_compare(&own.address, &other.address) == 0;
}

/* The error that waits for the socket: whether it is this host's own refusal. */
static bool read_error(int fd)
{
	union {
		struct cmsghdr head; /* for its alignment */
		char bytes[512];
	} control;
	struct msghdr message = {
		.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *part;

	if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return false;
	for (part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
		struct {
			struct sock_extended_err error;
			struct sockaddr_in6 offender; /* room for either family's */
		} told = {.offender = {0}};

		if (part->cmsg_type != IP_RECVERR && part->cmsg_type != IPV6_RECVERR)
			continue;
		memcpy(&told, CMSG_DATA(part),
			part->cmsg_len - CMSG_LEN(0) < sizeof(told) ? part->cmsg_len - CMSG_LEN(0)
								    : sizeof(told));
		if (is_prohibited(&told.error) && is_own(fd, (struct sockaddr *)&told.offender))
			return true;
	}
	return false;
}

static int try_address(const struct inaddr *address)
{
	const struct endpoint at = {*address, BARRIER_PORT};
	struct sockaddr_storage name;
	socklen_t size = endpoint_to_sockaddr(&at, &name);
	CLEANUP_FD int fd = socket(name.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd poller = {.fd = fd};
	int error;

	if (fd < 0)
		return errno == EAFNOSUPPORT ? 0 : -errno;
	error = ask_for_errors(fd, inaddr_is_ip4(address));
	if (error)
		return error;
	if (connect(fd, (struct sockaddr *)&name, size) < 0)
		return errno == ENETUNREACH || errno == EADDRNOTAVAIL ? 0 : -errno;
	/* What the ruleset refuses may fail at once. */
	(void)send(fd, "", 1, MSG_NOSIGNAL);
	if (poll(&poller, 1, REFUSED_MS) <= 0 || !read_error(fd))
		return -ENOTCONN;
	return 0;
}

int barrier_try_refused(const struct plan *plan, struct inaddr *ret_address)
{
	for (unsigned family = 0; family < PLAN_FAMILIES; family++) {
		struct inaddr address;
		int error;

		if (!barrier_pick(plan, family, BARRIER_PORT, &address))
			continue;
		error = try_address(&address);
		if (error) {
			*ret_address = address;
			return error;
		}
	}
	return 0;
}

/* --- The resolver --- */

/* RFC 1035 section 4.1: one question, recursion desired. */
static size_t write_query(uint8_t query[QUERY_MAX], uint16_t id)
{
	struct writer writer = writer_over(query, QUERY_MAX);

	writer_u16(&writer, id);
	writer_u16(&writer, 0x0100);
	writer_u16(&writer, 1);
	for (int i = 0; i < 3; i++)
		writer_u16(&writer, 0);
	writer_bytes(&writer, question, sizeof(question));
	writer_u16(&writer, 1); /* A */
	writer_u16(&writer, 1); /* IN */
	return writer.pos;
}

static bool is_answer(const uint8_t *bytes, size_t size, uint16_t id)
{
	struct reader reader = reader_over(bytes, size);
	uint16_t got = reader_u16(&reader), flags = reader_u16(&reader);

	return !reader.failed && got == id && flags & 0x8000;
}

int barrier_ask(const struct endpoint *server, int patience_ms)
{
	struct sockaddr_storage name;
	socklen_t size = endpoint_to_sockaddr(server, &name);
	CLEANUP_FD int fd = socket(name.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	uint8_t bytes[512];
	uint16_t id;
	ssize_t got;

	if (fd < 0 || getrandom(&id, sizeof(id), 0) != sizeof(id))
		return -errno;
	if (connect(fd, (struct sockaddr *)&name, size) < 0 ||
		send(fd, bytes, write_query(bytes, id), MSG_NOSIGNAL) < 0)
		return -errno;
	if (poll(&poller, 1, patience_ms) <= 0)
		return -ETIMEDOUT;
	got = recv(fd, bytes, sizeof(bytes), 0);
	if (got < 0)
		return -errno;
	return is_answer(bytes, (size_t)got, id) ? 0 : -EPROTO;
}
