/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "src/base/buf.h"
#include "src/base/bytes.h"
#include "src/base/fd.h"

/* CHANNEL_OUT_MAX requests, in a message each, with what the kernel counts for its buffer, some
 * 2300 bytes at most; what it grants without privilege is usually just as much (net.core.wmem_max).
 */
#define BUFFER_BYTES 212992

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

/* --- Requests --- */

/* The longest: a lease with all addresses. */
#define REQUEST_MAX                                                                                \
	(4 * sizeof(uint32_t) + sizeof(struct name) + CHANNEL_ADDRESSES_MAX * sizeof(struct inaddr))

static void write_lease(struct writer *writer, const struct channel_request *request)
{
	uint32_t count = request->lease.count;

	writer_u32(writer, request->lease.ttl);
	writer_u32(writer, count);
	writer_u8(writer, request->lease.name.length);
	writer_bytes(writer, request->lease.name.wire, request->lease.name.length);
	count = count < CHANNEL_ADDRESSES_MAX ? count : CHANNEL_ADDRESSES_MAX;
	writer_bytes(writer, request->lease.addresses, count * sizeof(struct inaddr));
}

static void write_request(struct writer *writer, const struct channel_request *request)
{
	writer_u32(writer, request->op);
	writer_u32(writer, request->ticket);
	if (request->op == CHANNEL_LEASE) {
		write_lease(writer, request);
	} else {
		writer_u32(writer, request->socket.upstream);
		writer_u32(writer, request->socket.stream);
	}
}

/* 0 or -EPROTO. */
static int read_lease(struct reader *reader, struct channel_request *request)
{
	const uint8_t *wire, *addresses;

	request->lease.ttl = reader_u32(reader);
	request->lease.count = reader_u32(reader);
	if (request->lease.count > CHANNEL_ADDRESSES_MAX)
		return -EPROTO;
	request->lease.name.length = reader_u8(reader);
	wire = reader_bytes(reader, request->lease.name.length);
	addresses = reader_bytes(reader, request->lease.count * sizeof(struct inaddr));
	if (reader->failed)
		return -EPROTO;
	bytes_copy(request->lease.name.wire, wire, request->lease.name.length);
	memcpy(request->lease.addresses, addresses, request->lease.count * sizeof(struct inaddr));
	return 0;
}

static int read_request(struct reader *reader, struct channel_request *request)
{
	request->op = reader_u32(reader);
	request->ticket = reader_u32(reader);
	switch (request->op) {
	case CHANNEL_LEASE:
		return read_lease(reader, request);
	case CHANNEL_SOCKET:
		request->socket.upstream = reader_u32(reader);
		request->socket.stream = reader_u32(reader);
		return reader->failed ? -EPROTO : 0;
	default:
		return -EPROTO;
	}
}

/* 0; -EAGAIN when there is no room for it; or -errno. */
static int send_waiting(struct channel *channel)
{
	ssize_t sent;

	if (channel->n_bytes == 0)
		return 0;
	do
		sent = send(channel->fd, channel->bytes, channel->n_bytes, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	channel->n_bytes = 0;
	return 0;
}

int channel_flush(struct channel *channel)
{
	int error = send_waiting(channel);

	return error == -EAGAIN ? 0 : error;
}

int channel_send_request(struct channel *channel, const struct channel_request *request)
{
	struct writer writer;
	int error = 0;

	if (channel->n_out >= CHANNEL_OUT_MAX)
		return -EAGAIN;
	if (CHANNEL_BYTES - channel->n_bytes < REQUEST_MAX)
		error = send_waiting(channel);
	if (error)
		return error;
	writer = writer_over(channel->bytes, CHANNEL_BYTES);
	writer.pos = channel->n_bytes;
	write_request(&writer, request);
	channel->n_bytes = writer.pos;
	channel->n_out++;
	return 0;
}

/* The size of the next message, which may bring no descriptor: the kernel closes one for which
 * there is no room. -EAGAIN when none waits, -EPIPE at the end, where each read yields nothing. */
static ssize_t receive_message(int fd, void *bytes, size_t size)
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
	return message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EPROTO : got;
}

int channel_receive_requests(int keeper_end, struct channel_request *ret_requests)
{
	uint8_t bytes[CHANNEL_BYTES];
	ssize_t size = receive_message(keeper_end, bytes, sizeof(bytes));
	struct reader reader;
	int count = 0;

	if (size < 0)
		return size == -EAGAIN ? 0 : (int)size;
	reader = reader_over(bytes, (size_t)size);
	while (reader_left(&reader) > 0)
		if (count == CHANNEL_OUT_MAX || read_request(&reader, &ret_requests[count++]) != 0)
			return -EPROTO;
	return count;
}

/* --- Replies --- */

int channel_send_replies(int keeper_end, const struct channel_reply *replies, size_t count)
{
	ssize_t sent;

	do
		sent = send(keeper_end, replies, count * sizeof(*replies), MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

int channel_send_reply(int keeper_end, const struct channel_reply *reply, int passed)
{
	return fd_send_passing(keeper_end, reply, sizeof(*reply), passed);
}

/* Whether a message of that size, with or without a descriptor, is made up of replies. */
static bool are_replies(const struct msghdr *message, ssize_t size, int passed)
{
	if (size % (ssize_t)sizeof(struct channel_reply) != 0 || message->msg_flags & MSG_TRUNC)
		return false;
	return size == sizeof(struct channel_reply) ||
	       (passed < 0 && !(message->msg_flags & MSG_CTRUNC));
}

/* The next message. 0 with its descriptor or -1, or -errno. */
static int receive_replies(struct channel *channel, int *ret_passed)
{
	union fd_control control;
	struct iovec part = {channel->replies, sizeof(channel->replies)};
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
	passed = fd_take_passed(&message);
	if (!are_replies(&message, size, passed)) {
		fd_closep(&passed);
		return -EPROTO;
	}
	/* Without a descriptor of its own to spare this process gets none (net/core/scm.c). */
	if (message.msg_flags & MSG_CTRUNC) {
		fd_closep(&passed);
		channel->replies[0].status = -EMFILE;
	}
	channel->n_replies = (unsigned)((size_t)size / sizeof(channel->replies[0]));
	channel->n_taken = 0;
	*ret_passed = passed;
	return 0;
}

unsigned channel_untaken(const struct channel *channel)
{
	return channel->n_replies - channel->n_taken;
}

int channel_receive_reply(struct channel *channel, struct channel_reply *ret_reply, int *ret_passed)
{
	int passed = -1;
	int error = channel_untaken(channel) > 0 ? 0 : receive_replies(channel, &passed);

	if (error)
		return error;
	*ret_reply = channel->replies[channel->n_taken++];
	if (channel->n_out > 0 && ret_reply->op != CHANNEL_FORGET)
		channel->n_out--;
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

static int receive_whole(int fd, void *bytes, size_t size)
{
	ssize_t got = receive_message(fd, bytes, size);

	if (got < 0)
		return (int)got;
	return (size_t)got == size ? 0 : -EPROTO;
}

int control_send_request(int parent_end, const struct control_request *request)
{
	return send_message(parent_end, request, sizeof(*request));
}

int control_receive_reply(int parent_end, struct control_reply *ret_reply)
{
	return receive_whole(parent_end, ret_reply, sizeof(*ret_reply));
}

int control_receive_request(int keeper_end, struct control_request *ret_request)
{
	return receive_whole(keeper_end, ret_request, sizeof(*ret_request));
}

int control_send_reply(int keeper_end, const struct control_reply *reply)
{
	return send_message(keeper_end, reply, sizeof(*reply));
}
