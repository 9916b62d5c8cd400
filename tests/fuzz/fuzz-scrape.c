/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Who asks for metrics: the first byte is the size of the pieces in which the rest, a request of
 * HTTP, comes; whatever it is, it gets one answer at most, and is let go. */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "resolver/scrape.h"
#include "tests/fuzz/fuzz.h"

enum { TURNS_MAX = 64, ANSWER_MAX = 4096, LONG_MS = 60000 };

static size_t render(void *context, char *bytes, size_t size)
{
	static const char body[] = "egress_policy_info 1\n";

	fuzz_require(size >= sizeof(body), "there is room for a body");
	memcpy(bytes, body, sizeof(body) - 1);
	++*(unsigned *)context;
	return sizeof(body) - 1;
}

/* A listener of a name that the kernel draws, and a connection to it. */
static int listen_anywhere(int *ret_client)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t size = sizeof(address.sun_family);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	fuzz_require(listener >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0 &&
			     listen(listener, 1) == 0,
		"a socket listens");
	size = sizeof(address);
	fuzz_require(
		getsockname(listener, (struct sockaddr *)&address, &size) == 0, "it has a name");
	*ret_client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	fuzz_require(
		*ret_client >= 0 && connect(*ret_client, (struct sockaddr *)&address, size) == 0,
		"a client connects");
	return listener;
}

static void turn(struct scrape *scrape, struct mono now)
{
	struct pollfd fds[SCRAPE_POLLED];

	scrape_poll(scrape, fds);
	/* By the fuzzer's own clock. */
	while (poll(fds, SCRAPE_POLLED, 0) < 0)
		fuzz_require(errno == EINTR, "poll");
	scrape_serve(scrape, fds, now);
}

static void check_answer(int client, unsigned n_rendered)
{
	char answer[ANSWER_MAX + 1];
	ssize_t got = recv(client, answer, ANSWER_MAX, 0);

	if (got <= 0) {
		fuzz_require(n_rendered == 0, "what was made is sent");
		return;
	}
	answer[got] = '\0';
	fuzz_require(strncmp(answer, "HTTP/1.1 ", 9) == 0, "an answer is one of HTTP");
	fuzz_require((strncmp(answer + 9, "200 ", 4) == 0) == (n_rendered == 1),
		"the body is made for who gets it");
	fuzz_require(!strstr(answer + 9, "HTTP/1.1 "), "there is one answer");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mono now = {1};
	struct scrape *scrape;
	unsigned n_rendered = 0;
	int client, listener;
	size_t step;

	if (size < 1)
		return 0;
	step = data[0] ? data[0] : size;
	listener = listen_anywhere(&client);
	fuzz_require(scrape_new(listener, render, &n_rendered, &scrape) == 0, "memory");
	turn(scrape, now);
	for (size_t at = 1, i = 0; at < size && i < TURNS_MAX; at += step, i++) {
		send(client, data + at, size - at < step ? size - at : step, MSG_NOSIGNAL);
		turn(scrape, now);
	}
	turn(scrape, now);
	check_answer(client, n_rendered);
	turn(scrape, mono_add(now, (struct duration){LONG_MS}));
	fuzz_require(scrape_wait(scrape, now) < 0, "nobody stays");
	scrape_free(scrape);
	close(client);
	close(listener);
	return 0;
}
