/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/channel.h"
#include "src/base/fd.h"

static int keeper_end;
static struct channel channel;
static struct channel_request requests[CHANNEL_OUT_MAX];

static int set_up(void **state)
{
	(void)state;
	memset(&channel, 0, sizeof(channel));
	return channel_make(&keeper_end, &channel.fd);
}

static int tear_down(void **state)
{
	(void)state;
	if (keeper_end >= 0)
		close(keeper_end);
	if (channel.fd >= 0)
		close(channel.fd);
	return 0;
}

static struct channel_request request_number(uint32_t number)
{
	struct channel_request request;

	memset(&request, 0, sizeof(request));
	request.op = CHANNEL_LEASE;
	request.ticket = number;
	request.lease.ttl = 300 + number;
	request.lease.count = number % CHANNEL_ADDRESSES_MAX + 1;
	request.lease.addresses[number % CHANNEL_ADDRESSES_MAX].bytes[15] = (uint8_t)number;
	request.lease.name.length = 3;
	memcpy(request.lease.name.wire, "\1a", 3);
	return request;
}

static void send_request(const struct channel_request *request)
{
	assert_int_equal(channel_send_request(&channel, request), 0);
	assert_int_equal(channel_flush(&channel), 0);
}

static void send_raw(const void *bytes, size_t size)
{
	assert_int_equal(send(channel.fd, bytes, size, 0), size);
}

/* Asks for CHANNEL_OUT_MAX leases, and gets them in `most` messages at most. */
static void ask_for_all(bool one_by_one, size_t addresses, size_t most)
{
	struct channel_request one_more = request_number(0);
	struct channel_reply replies[CHANNEL_OUT_MAX];
	size_t received = 0, messages = 0;

	memset(requests, 0, sizeof(requests));
	for (uint32_t i = 0; i < CHANNEL_OUT_MAX; i++) {
		struct channel_request request = request_number(i);

		request.lease.count = addresses ? (uint32_t)addresses : request.lease.count;
		assert_int_equal(channel_send_request(&channel, &request), 0);
		if (one_by_one)
			assert_int_equal(channel_flush(&channel), 0);
	}
	assert_int_equal(channel_send_request(&channel, &one_more), -EAGAIN);
	assert_int_equal(channel_flush(&channel), 0);
	assert_int_equal(channel.n_bytes, 0);
	for (; received < CHANNEL_OUT_MAX; messages++) {
		int count = channel_receive_requests(keeper_end, requests + received);

		assert_true(count > 0);
		received += (size_t)count;
	}
	assert_in_range(messages, 1, most);
	for (uint32_t i = 0; i < CHANNEL_OUT_MAX; i++) {
		struct channel_request expected = request_number(i);

		replies[i] = (struct channel_reply){.op = CHANNEL_LEASED, .ticket = i};
		expected.lease.count = addresses ? (uint32_t)addresses : expected.lease.count;
		if (addresses == 0)
			assert_memory_equal(&requests[i], &expected, sizeof(expected));
	}
	assert_int_equal(channel_send_replies(keeper_end, replies, CHANNEL_OUT_MAX), 0);
	for (uint32_t i = 0; i < CHANNEL_OUT_MAX; i++) {
		struct channel_reply reply;
		int fd;

		assert_int_equal(channel_receive_reply(&channel, &reply, &fd), 0);
		assert_int_equal(reply.ticket, i);
		assert_int_equal(fd, -1);
		assert_int_equal(channel.n_out, CHANNEL_OUT_MAX - 1 - i);
		assert_int_equal(channel_untaken(&channel), CHANNEL_OUT_MAX - 1 - i);
	}
	assert_int_equal(channel_send_request(&channel, &one_more), 0);
	channel.n_out = 0;
	channel.n_bytes = 0;
}

static void requests_go_together(void **state)
{
	(void)state;
	ask_for_all(false, 1, 1);
	ask_for_all(false, 0, CHANNEL_OUT_MAX / 6);
}

/* Also without the privilege to enlarge buffers, all that may be out finds room in both. */
static void as_many_requests_as_may_be_out_find_room(void **state)
{
	(void)state;
	ask_for_all(false, CHANNEL_ADDRESSES_MAX, CHANNEL_OUT_MAX / 6 + 1);
	ask_for_all(true, CHANNEL_ADDRESSES_MAX, CHANNEL_OUT_MAX);
}

static void replies_bring_descriptors(void **state)
{
	struct channel_reply sent = {CHANNEL_OPENED, 7, -5, 9, 0}, reply;
	struct stat there, here;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), fd;

	(void)state;
	assert_int_equal(channel_receive_reply(&channel, &reply, &fd), -EAGAIN);
	assert_int_equal(channel_send_reply(keeper_end, &sent, null), 0);
	assert_int_equal(channel_receive_reply(&channel, &reply, &fd), 0);
	assert_memory_equal(&reply, &sent, sizeof(sent));
	assert_true(fd >= 0 && fd != null);
	assert_int_equal(fstat(null, &there), 0);
	assert_int_equal(fstat(fd, &here), 0);
	assert_int_equal(here.st_rdev, there.st_rdev);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	close(null);
}

/* A process at its limit gets the reply, and is told why it gets no descriptor. */
static void replies_come_without_room_for_descriptors(void **state)
{
	struct channel_reply sent = {.op = CHANNEL_OPENED, .ticket = 7}, got = {.op = 0};
	struct rlimit before, least = {0};
	int passed = 0;

	(void)state;
	assert_int_equal(channel_send_reply(keeper_end, &sent, keeper_end), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	least.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &least), 0);
	assert_int_equal(channel_receive_reply(&channel, &got, &passed), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(got.ticket, 7);
	assert_int_equal(got.status, -EMFILE);
	assert_int_equal(passed, -1);
}

/* Each cut off at every length, and with bytes behind it; more of them than may be out. */
static void requests_in_parts_are_refused(void **state)
{
	struct channel_request request = request_number(2);
	uint8_t bytes[CHANNEL_BYTES + 1] = {0};
	size_t size;

	(void)state;
	assert_int_equal(channel_send_request(&channel, &request), 0);
	size = channel.n_bytes;
	memcpy(bytes, channel.bytes, size);
	for (size_t i = 1; i < size; i++) {
		send_raw(bytes, i);
		assert_int_equal(channel_receive_requests(keeper_end, requests), -EPROTO);
	}
	for (size_t i = 1; i < 16; i++) {
		send_raw((uint8_t[16]){0, 0, 0, CHANNEL_SOCKET}, i);
		assert_int_equal(channel_receive_requests(keeper_end, requests), -EPROTO);
	}
	send_raw(bytes, size + 1);
	assert_int_equal(channel_receive_requests(keeper_end, requests), -EPROTO);
	send_raw(bytes, size);
	assert_int_equal(channel_receive_requests(keeper_end, requests), 1);
	send_raw(bytes, sizeof(bytes));
	assert_int_equal(channel_receive_requests(keeper_end, requests), -EPROTO);
	for (size_t i = 0; i <= CHANNEL_OUT_MAX; i++)
		memcpy(bytes + 16 * i, (uint8_t[16]){0, 0, 0, CHANNEL_SOCKET}, 16);
	send_raw(bytes, (size_t)16 * CHANNEL_OUT_MAX);
	assert_int_equal(channel_receive_requests(keeper_end, requests), CHANNEL_OUT_MAX);
	send_raw(bytes, (size_t)16 * (CHANNEL_OUT_MAX + 1));
	assert_int_equal(channel_receive_requests(keeper_end, requests), -EPROTO);
	assert_int_equal(channel_receive_requests(keeper_end, requests), 0);
}

static void malformed_requests_are_refused(void **state)
{
	struct channel_request many = request_number(1), unknown = request_number(1);

	(void)state;
	many.lease.count = CHANNEL_ADDRESSES_MAX + 1;
	unknown.op = CHANNEL_LEASED;
	send_request(&many);
	assert_int_equal(channel_receive_requests(keeper_end, requests), -EPROTO);
	send_request(&unknown);
	assert_int_equal(channel_receive_requests(keeper_end, requests), -EPROTO);
}

/* A worker could else fill the keeper's table of descriptors. */
static void requests_bring_no_descriptors(void **state)
{
	struct channel_request request = request_number(1);
	union {
		struct cmsghdr head;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec part = {&request, sizeof(request)};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	int lowest, next;

	(void)state;
	memcpy(CMSG_DATA(&control.head), &keeper_end, sizeof(int));
	lowest = dup(0);
	close(lowest);
	assert_int_equal(sendmsg(channel.fd, &message, 0), sizeof(request));
	assert_int_equal(channel_receive_requests(keeper_end, requests), -EPROTO);
	next = dup(0);
	close(next);
	assert_int_equal(next, lowest);
}

static void replies_of_another_size_are_refused(void **state)
{
	uint8_t bytes[sizeof(struct channel_reply) + 1] = {0};
	struct channel_reply reply;
	int fd;

	(void)state;
	assert_int_equal(send(keeper_end, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(channel_receive_reply(&channel, &reply, &fd), -EPROTO);
	assert_int_equal(send(keeper_end, bytes, 3, 0), 3);
	assert_int_equal(channel_receive_reply(&channel, &reply, &fd), -EPROTO);
	assert_int_equal(channel_untaken(&channel), 0);
}

/* More of them than a keeper sends at once, or several with a descriptor that is one's only. */
static void replies_of_another_form_are_refused(void **state)
{
	struct channel_reply replies[CHANNEL_OUT_MAX + 1] = {{.op = CHANNEL_LEASED}}, reply;
	int lowest = dup(0), next, fd;

	(void)state;
	close(lowest);
	assert_int_equal(channel_send_replies(keeper_end, replies, CHANNEL_OUT_MAX + 1), 0);
	assert_int_equal(channel_receive_reply(&channel, &reply, &fd), -EPROTO);
	assert_int_equal(fd_send_passing(keeper_end, replies, 2 * sizeof(reply), keeper_end), 0);
	assert_int_equal(channel_receive_reply(&channel, &reply, &fd), -EPROTO);
	assert_int_equal(channel_untaken(&channel), 0);
	next = dup(0);
	close(next);
	assert_int_equal(next, lowest);
}

static void requests_wait_for_room(void **state)
{
	struct channel_request request = request_number(CHANNEL_ADDRESSES_MAX - 1);
	size_t kept;
	int error;

	(void)state;
	while (send(channel.fd, "", 1, 0) == 1)
		;
	assert_int_equal(errno, EAGAIN);
	do
		error = channel_send_request(&channel, &request);
	while (!error);
	assert_int_equal(error, -EAGAIN);
	kept = channel.n_out;
	assert_in_range(kept, 1, CHANNEL_OUT_MAX - 1);
	assert_int_equal(channel_flush(&channel), 0);
	assert_true(channel.n_bytes > 0);
	while (recv(keeper_end, requests, 1, 0) == 1)
		;
	assert_int_equal(channel_flush(&channel), 0);
	assert_int_equal(channel.n_bytes, 0);
	assert_int_equal(channel_receive_requests(keeper_end, requests), kept);
}

static void messages_of_the_parents_are_whole(void **state)
{
	struct control_request request;
	struct control_reply reply = {.op = CONTROL_LIST};

	(void)state;
	send_raw(&reply, sizeof(request) - 1);
	assert_int_equal(control_receive_request(keeper_end, &request), -EPROTO);
	send_raw(&reply, sizeof(request) + 1);
	assert_int_equal(control_receive_request(keeper_end, &request), -EPROTO);
	assert_int_equal(control_receive_request(keeper_end, &request), -EAGAIN);
	close(channel.fd);
	channel.fd = -1;
	assert_int_equal(control_send_reply(keeper_end, &reply), -EPIPE);
}

static void the_other_end_closed_is_told(void **state)
{
	struct channel_request request = request_number(1);
	struct channel_reply reply;
	int fd;

	(void)state;
	send_request(&request);
	close(channel.fd);
	channel.fd = -1;
	assert_int_equal(channel_receive_requests(keeper_end, requests), 1);
	assert_int_equal(channel_receive_requests(keeper_end, requests), -EPIPE);
	assert_int_equal(tear_down(NULL), 0);
	assert_int_equal(set_up(NULL), 0);
	close(keeper_end);
	keeper_end = -1;
	assert_int_equal(channel_receive_reply(&channel, &reply, &fd), -EPIPE);
	assert_int_equal(channel_send_request(&channel, &request), 0);
	assert_int_equal(channel_flush(&channel), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(requests_go_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			as_many_requests_as_may_be_out_find_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replies_bring_descriptors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			replies_come_without_room_for_descriptors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(requests_in_parts_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(malformed_requests_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(requests_bring_no_descriptors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			replies_of_another_size_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			replies_of_another_form_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(requests_wait_for_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			messages_of_the_parents_are_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_other_end_closed_is_told, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
