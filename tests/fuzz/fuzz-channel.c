/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What our own processes say to each other, from one that was taken over: the first byte says whose
 * end reads the rest, the second in messages of which size it comes, in 32 bytes. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/channel.h"
#include "tests/fuzz/fuzz.h"

enum { REQUESTS_MAX = CHANNEL_OUT_MAX };

static bool is_known_error(int error)
{
	return error == -EAGAIN || error == -EPIPE || error == -EPROTO || error == -EMFILE;
}

/* The keeper's end, of a worker's messages. */
static void read_requests(int end)
{
	static struct channel_request requests[REQUESTS_MAX];
	int count;

	while ((count = channel_receive_requests(end, requests)) > 0) {
		fuzz_require(count <= REQUESTS_MAX, "there are no more than may be out");
		for (int i = 0; i < count; i++) {
			const struct channel_request *request = &requests[i];

			fuzz_require(request->op == CHANNEL_LEASE || request->op == CHANNEL_SOCKET,
				"a request is one that there is");
			if (request->op == CHANNEL_LEASE)
				fuzz_require(request->lease.count <= CHANNEL_ADDRESSES_MAX,
					"a lease has no more addresses than there is room for");
		}
	}
	fuzz_require(count == 0 || is_known_error(count), "a known error");
}

/* A worker's end, of the keeper's. */
static void read_replies(int end)
{
	static struct channel channel;
	struct channel_reply reply;
	int passed = -1, error;

	memset(&channel, 0, sizeof(channel));
	channel.fd = end;
	channel.n_out = CHANNEL_OUT_MAX;
	while ((error = channel_receive_reply(&channel, &reply, &passed)) == 0)
		fuzz_require(passed < 0, "no descriptor comes from nowhere");
	fuzz_require(is_known_error(error), "a known error");
	fuzz_require(channel.n_out <= CHANNEL_OUT_MAX, "none is answered that was not asked");
}

/* Both ends of the parent's. */
static void read_control(int end)
{
	struct control_request request;
	struct control_reply reply;
	int error;

	do
		error = control_receive_request(end, &request);
	while (error == 0);
	fuzz_require(is_known_error(error), "a known error");
	do
		error = control_receive_reply(end, &reply);
	while (error == 0);
	fuzz_require(is_known_error(error), "a known error");
}

/* Sends the bytes as messages of at most `step`, while the socket takes them. */
static void say(int end, const uint8_t *data, size_t size, size_t step)
{
	while (size > 0) {
		size_t part = size < step ? size : step;

		if (send(end, data, part, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return;
		data += part;
		size -= part;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(int end) = {read_requests, read_replies, read_control};
	int keeper = -1, worker = -1;

	if (size < 2)
		return 0;
	fuzz_require(channel_make(&keeper, &worker) == 0, "a channel can be made");
	say(worker, data + 2, size - 2, data[1] ? (size_t)data[1] * 32 : size);
	readers[data[0] % 3](keeper);
	close(worker);
	close(keeper);
	return 0;
}
