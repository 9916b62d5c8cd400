/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "src/base/fd.h"

enum { BATCH = 64 };

/* CHANNEL_OUT_MAX requests with what the kernel counts for each buffer of theirs, some 2300 bytes;
 * what it grants without privilege is usually just as much (net.core.wmem_max). */
#define BUFFER_BYTES 212992

/* One descriptor with its head, aligned for it. */
union passed {
	struct cmsghdr head;
	uint8_t bytes[CMSG_SPACE(sizeof(int))];
};

int channel_make(int *ret_keeper_end, int *ret_worker_end)
{
	int ends[2], bytes = BUFFER_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -errno;
	for (unsigned i = 0; i < 2; i++)
		setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	*ret_keeper_end = ends[0];
	*ret_worker_end = ends[1];
	return 0;
}

int channel_send_request(struct channel *channel, const struct channel_request *request)
{
	ssize_t sent;

	if (channel->n_out >= CHANNEL_OUT_MAX)
		return -EAGAIN;
	do
		sent = send(channel->fd, request, sizeof(*request), MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	channel->n_out++;
	return 0;
}

/* How many of the `count` messages received come before the end, where each read yields nothing. */
static int count_requests(const struct mmsghdr *messages, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (messages[i].msg_len == 0)
			return i > 0 ? (int)i : -EPIPE;
		if (messages[i].msg_len != sizeof(struct channel_request) ||
			messages[i].msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
			return -EPROTO;
	}
	return (int)count;
}

int channel_receive_requests(int keeper_end, struct channel_request *ret_requests, size_t count)
{
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	int received;

	count = count < BATCH ? count : BATCH;
	memset(messages, 0, count * sizeof(*messages));
	for (size_t i = 0; i < count; i++) {
		parts[i] = (struct iovec){&ret_requests[i], sizeof(ret_requests[i])};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	do
		received = recvmmsg(keeper_end, messages, (unsigned)count, MSG_DONTWAIT, NULL);
	while (received < 0 && errno == EINTR);
	if (received < 0 && errno == EAGAIN)
		return 0;
	if (received < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return count_requests(messages, (unsigned)received);
}

int channel_send_replies(int keeper_end, const struct channel_reply *replies, size_t count)
{
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];

	while (count > 0) {
		size_t some = count < BATCH ? count : BATCH;
		int sent;

		memset(messages, 0, some * sizeof(*messages));
		for (size_t i = 0; i < some; i++) {
			parts[i] =
				(struct iovec){(void *)(uintptr_t)&replies[i], sizeof(replies[i])};
			messages[i].msg_hdr.msg_iov = &parts[i];
			messages[i].msg_hdr.msg_iovlen = 1;
		}
		sent = sendmmsg(keeper_end, messages, (unsigned)some, MSG_NOSIGNAL);
		if (sent < 0 && errno != EINTR)
			return -errno;
		sent = sent < 0 ? 0 : sent;
		replies += sent;
		count -= (size_t)sent;
	}
	return 0;
}

int channel_send_reply(int keeper_end, const struct channel_reply *reply, int passed)
{
	struct channel_reply copy = *reply;
	struct iovec part = {&copy, sizeof(copy)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	union passed control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
					.cmsg_level = SOL_SOCKET,
					.cmsg_type = SCM_RIGHTS}};
	ssize_t sent;

	if (passed >= 0) {
		memcpy(CMSG_DATA(&control.head), &passed, sizeof(passed));
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
	}
	do
		sent = sendmsg(keeper_end, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

static int take_passed(struct msghdr *message)
{
	const struct cmsghdr *head = CMSG_FIRSTHDR(message);
	int passed = -1;

	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
		head->cmsg_len == CMSG_LEN(sizeof(passed)))
		memcpy(&passed, CMSG_DATA(head), sizeof(passed));
	return passed;
}

int channel_receive_reply(struct channel *channel, struct channel_reply *ret_reply, int *ret_passed)
{
	struct channel_reply reply;
	union passed control;
	struct iovec part = {&reply, sizeof(reply)};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	ssize_t size;
	int passed;

	do
		size = recvmsg(channel->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (size < 0 && errno == EINTR);
	if (size < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (size == 0)
		return -EPIPE;
	passed = take_passed(&message);
	if (size != sizeof(reply) || message.msg_flags & MSG_TRUNC) {
		fd_closep(&passed);
		return -EPROTO;
	}
	/* Without a descriptor of its own to spare this process gets none (net/core/scm.c). */
	if (message.msg_flags & MSG_CTRUNC) {
		fd_closep(&passed);
		reply.status = -EMFILE;
	}
	if (channel->n_out > 0 && reply.op != CHANNEL_FORGET)
		channel->n_out--;
	*ret_reply = reply;
	*ret_passed = passed;
	return 0;
}

/* --- The parent and the keeper --- */

static int send_message(int fd, const void *bytes, size_t size)
{
	ssize_t sent;

	do
		sent = send(fd, bytes, size, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* Descriptors that come along are closed by the kernel: there is no room for them. */
static int receive_message(int fd, void *bytes, size_t size)
{
	struct iovec part = {bytes, size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t got;

	do
		got = recvmsg(fd, &message, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (got == 0)
		return -EPIPE;
	return (size_t)got != size || message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EPROTO : 0;
}

int control_send_request(int parent_end, const struct control_request *request)
{
	return send_message(parent_end, request, sizeof(*request));
}

int control_receive_reply(int parent_end, struct control_reply *ret_reply)
{
	return receive_message(parent_end, ret_reply, sizeof(*ret_reply));
}

int control_receive_request(int keeper_end, struct control_request *ret_request)
{
	return receive_message(keeper_end, ret_request, sizeof(*ret_request));
}

int control_send_reply(int keeper_end, const struct control_reply *reply)
{
	return send_message(keeper_end, reply, sizeof(*reply));
}
