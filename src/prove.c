/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/prove.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "rules/judge.h"
#include "src/base/fd.h"
#include "src/base/inaddr.h"

/*
 * Theory of operation
 *
 * That the kernel holds the rules is known when they have been read back. That packets meet them is
 * tried: addresses for documentation (RFC 5737, 3849, 9637) lead nowhere, so who is refused there
 * within no time was refused here. Which of them the policy refuses it says itself, port by port,
 * and of an observing one there is none.
 */

enum {
	PATIENCE_MS = 3000,
	PORT = 9, /* discard */
};

static const struct {
	const char *family;
	const char *addresses[3];
} families[] = {
	{"IPv4", {"192.0.2.1", "198.51.100.1", "203.0.113.1"}},
	{"IPv6", {"2001:db8::1", "2001:db8:ffff::1", "3fff::1"}},
};

static const struct {
	const char *name;
	enum protocol protocol;
	int type;
} transports[] = {
	{"TCP", PROTOCOL_TCP, SOCK_STREAM},
	{"UDP", PROTOCOL_UDP, SOCK_DGRAM},
};

enum {
	N_FAMILIES = sizeof(families) / sizeof(families[0]),
	N_TRANSPORTS = sizeof(transports) / sizeof(transports[0]),
	N_ADDRESSES = sizeof(families[0].addresses) / sizeof(families[0].addresses[0]),
};

/* What a rejection is for a program, whatever it spoke; the last ones say that there is no way. */
static bool is_refusal(int error)
{
	static const int refusals[] = {ECONNREFUSED, EHOSTUNREACH, EACCES, EPERM, ECONNRESET,
		ENETUNREACH, EADDRNOTAVAIL, EAFNOSUPPORT};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (error == refusals[i])
			return true;
	return false;
}

/* What comes of sending there: an errno, ETIMEDOUT for silence, 0 when somebody answers. */
static int try(const struct endpoint *to, int type)
{
	struct sockaddr_storage address;
	socklen_t size = endpoint_to_sockaddr(to, &address), length = sizeof(int);
	CLEANUP_FD int fd = socket(address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd waiting = {.fd = fd, .events = type == SOCK_STREAM ? POLLOUT : POLLIN};
	int error = 0;

	if (fd < 0)
		return errno;
	if (connect(fd, (struct sockaddr *)&address, size) < 0 && errno != EINPROGRESS)
		return errno;
	if (type == SOCK_DGRAM && send(fd, "", 1, MSG_NOSIGNAL) < 0)
		return errno;
	if (poll(&waiting, 1, PATIENCE_MS) == 0)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

/* One of the addresses that the policy refuses; false: there is none. */
static bool choose(const struct plan *plan, unsigned family, unsigned transport,
	struct endpoint *ret_to, const char **ret_text)
{
	for (unsigned i = 0; i < N_ADDRESSES; i++) {
		const char *text = families[family].addresses[i];
		struct endpoint to = {.port = PORT};
		struct question question = {.address = &to.address,
			.protocol = transports[transport].protocol,
			.port = PORT};
		struct judgement judgement;

		if (inaddr_from_text(text_of(text), &to.address) < 0)
			continue;
		judge(plan->layers, &question, &judgement);
		if (judgement.verdict != VERDICT_REFUSE)
			continue;
		*ret_to = to;
		*ret_text = text;
		return true;
	}
	return false;
}

static int prove(const struct plan *plan, unsigned family, unsigned transport, char **ret_message)
{
	struct endpoint to;
	const char *text;
	int error;

	if (!choose(plan, family, transport, &to, &text))
		return 0;
	error = try(&to, transports[transport].type);
	if (is_refusal(error))
		return 0;
	if (asprintf(ret_message, "%s to %s port %d was not refused: %s",
		    transports[transport].name, text, PORT,
		    error == 0           ? "there was an answer"
		    : error == ETIMEDOUT ? "there was no answer at all"
					 : strerror(error)) < 0)
		*ret_message = NULL;
	return -ESTALE;
}

int prove_plan(const struct plan *plan, char **ret_message)
{
	const struct scope *scope = &plan->policy->scope;
	int error = 0;

	if (scope->n_users + scope->n_groups + scope->n_cgroups + scope->n_interfaces +
			scope->n_sources >
		0) {
		if (asprintf(ret_message,
			    "it has a [scope], and who is in it cannot be told here") < 0)
			*ret_message = NULL;
		return -EOPNOTSUPP;
	}
	for (unsigned i = 0; i < N_FAMILIES * N_TRANSPORTS && error == 0; i++)
		error = prove(plan, i / N_TRANSPORTS, i % N_TRANSPORTS, ret_message);
	return error;
}
