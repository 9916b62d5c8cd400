/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run/step.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "src/base/clock.h"

int step_pair(int ret_ends[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_ends) < 0 ? -errno : 0;
}

int step_send(int fd, const struct step *step)
{
	ssize_t sent;

	do
		sent = send(fd, step, sizeof(*step), MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* 1 when there is something to read, 0 when the time is over, or -errno. */
static int wait_for(int fd, struct mono end)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	int count;

	do {
		int64_t left = mono_between(clock_now(), end).ms;

		count = poll(&poller, 1, left > 0 ? (int)left : 0);
	} while (count < 0 && errno == EINTR);
	return count < 0 ? -errno : count;
}

int step_await(int fd, enum step_kind kind, int patience_ms, struct step *ret_step)
{
	const struct mono end = mono_add(clock_now(), (struct duration){patience_ms});
	int count = wait_for(fd, end);
	ssize_t size;

	if (count <= 0)
		return count < 0 ? count : -ETIMEDOUT;
	size = recv(fd, ret_step, sizeof(*ret_step), MSG_DONTWAIT | MSG_TRUNC);
	if (size < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (size == 0)
		return -EPIPE;
	if (size != sizeof(*ret_step))
		return -EPROTO;
	ret_step->text[STEP_TEXT - 1] = '\0';
	if (ret_step->kind == STEP_FAILED)
		return -ECANCELED;
	return ret_step->kind == kind ? 0 : -EPROTO;
}
