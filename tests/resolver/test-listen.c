/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "resolver/listen.h"
#include "tests/kernel/space.h"

enum { WORKERS = 3, CLIENTS = 100 };

static struct endpoint endpoint_of(const char *text)
{
	struct endpoint endpoint;

	assert_int_equal(endpoint_from_text(text_of(text), 0, &endpoint), 0);
	return endpoint;
}

static struct listeners *open_on(
	const char *text, unsigned workers, const struct listeners *old, int expected)
{
	struct endpoint endpoint = endpoint_of(text);
	struct listeners *listeners = NULL;
	size_t failed = 99;

	assert_int_equal(listeners_open(&endpoint, 1, workers, old, &listeners, &failed), expected);
	if (expected)
		assert_int_equal(failed, 0);
	return listeners;
}

/* A client that has sent a byte, or connected. */
static int reach(const char *text, int type)
{
	struct endpoint endpoint = endpoint_of(text);
	struct sockaddr_storage address;
	socklen_t size = endpoint_to_sockaddr(&endpoint, &address);
	int fd = socket(address.ss_family, type | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&address, size) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	if (type == SOCK_DGRAM)
		assert_int_equal(send(fd, "x", 1, 0), 1);
	return fd;
}

/* How many clients wait at the socket, at most `wanted`; waits for so many. */
static unsigned drain(int fd, int type, unsigned wanted, int wait_ms)
{
	unsigned count = 0;

	while (count < wanted) {
		struct pollfd poller = {.fd = fd, .events = POLLIN};
		char byte;

		if (poll(&poller, 1, wait_ms) == 0)
			break;
		if (type == SOCK_DGRAM) {
			assert_int_equal(recv(fd, &byte, 1, 0), 1);
		} else {
			int client = accept(fd, NULL, NULL);

			assert_true(client >= 0);
			close(client);
		}
		count++;
	}
	return count;
}

static void each_worker_gets_a_share(void **state)
{
	static const int types[] = {SOCK_DGRAM, SOCK_STREAM};
	struct listeners *listeners = open_on("127.0.0.1:5300", WORKERS, NULL, 0);
	int clients[CLIENTS];

	(void)state;
	for (unsigned t = 0; t < 2; t++) {
		unsigned shares[WORKERS] = {0}, sum = 0;

		for (unsigned i = 0; i < CLIENTS; i++)
			clients[i] = reach("127.0.0.1:5300", types[t]);
		while (sum < CLIENTS) {
			sum = 0;
			for (unsigned i = 0; i < WORKERS; i++) {
				int fd = t ? *listeners_tcp(listeners, i)
					   : *listeners_udp(listeners, i);

				shares[i] += drain(fd, types[t], CLIENTS, 0);
				sum += shares[i];
			}
		}
		for (unsigned i = 0; i < WORKERS; i++)
			assert_true(shares[i] > 0);
		for (unsigned i = 0; i < CLIENTS; i++)
			close(clients[i]);
	}
	listeners_close(listeners);
}

/* Neither one that shares its sockets nor one that doesn't gets between. */
static void an_address_is_not_shared_with_another_resolver(void **state)
{
	(void)state;
	for (unsigned workers = 1; workers <= WORKERS; workers += WORKERS - 1) {
		struct listeners *first = open_on("127.0.0.1:5300", workers, NULL, 0);

		open_on("127.0.0.1:5300", 1, NULL, -EADDRINUSE);
		open_on("127.0.0.1:5300", WORKERS, NULL, -EADDRINUSE);
		open_on("0.0.0.0:5300", WORKERS, NULL, -EADDRINUSE);
		listeners_close(first);
	}
	listeners_close(open_on("127.0.0.1:5300", 1, NULL, 0));
}

static void ip6_and_ip4_have_their_own(void **state)
{
	struct listeners *all4 = open_on("0.0.0.0:5300", 1, NULL, 0);
	struct listeners *all6 = open_on("[::]:5300", 1, NULL, 0);
	int client = reach("127.0.0.1:5300", SOCK_STREAM);

	(void)state;
	assert_int_equal(drain(*listeners_tcp(all4, 0), SOCK_STREAM, 1, -1), 1);
	assert_int_equal(drain(*listeners_tcp(all6, 0), SOCK_STREAM, 1, 0), 0);
	close(client);
	listeners_close(all4);
	listeners_close(all6);
}

/* What arrives while nobody listens for a moment is there for the next ones. */
static void a_reload_keeps_what_waits(void **state)
{
	const struct endpoint both[] = {
		endpoint_of("127.0.0.2:5300"), endpoint_of("127.0.0.1:5300")};
	struct listeners *old = open_on("127.0.0.1:5300", 1, NULL, 0), *new = NULL;
	int tcp = reach("127.0.0.1:5300", SOCK_STREAM), udp = reach("127.0.0.1:5300", SOCK_DGRAM);
	size_t failed;

	(void)state;
	assert_int_equal(listeners_open(both, 2, 1, old, &new, &failed), 0);
	assert_int_equal(listeners_count(new), 2);
	listeners_close(old);
	assert_int_equal(drain(listeners_tcp(new, 0)[1], SOCK_STREAM, 1, -1), 1);
	assert_int_equal(drain(listeners_udp(new, 0)[1], SOCK_DGRAM, 1, -1), 1);
	close(tcp);
	close(udp);
	listeners_close(new);
	assert_int_equal(reach("127.0.0.1:5300", SOCK_STREAM), -ECONNREFUSED);
}

static void a_failure_names_the_address_and_closes_the_others(void **state)
{
	const struct endpoint endpoints[] = {
		endpoint_of("127.0.0.1:5300"), endpoint_of("192.0.2.1:5300")};
	struct listeners *listeners = NULL;
	size_t failed = 0;

	(void)state;
	assert_int_equal(
		listeners_open(endpoints, 2, 1, NULL, &listeners, &failed), -EADDRNOTAVAIL);
	assert_int_equal(failed, 1);
	assert_null(listeners);
	assert_int_equal(reach("127.0.0.1:5300", SOCK_STREAM), -ECONNREFUSED);
}

static void without_ip6_its_loopback_is_left_out(void **state)
{
	const struct endpoint endpoints[] = {
		endpoint_of("[::1]:5300"), endpoint_of("127.0.0.1:5300")};
	struct listeners *listeners = NULL;
	size_t failed;

	(void)state;
	if (!space_run("echo 1 >/proc/sys/net/ipv6/conf/lo/disable_ipv6")) {
		print_message("# there is no IPv6 here\n");
		return;
	}
	assert_int_equal(listeners_open(endpoints, 2, 1, NULL, &listeners, &failed), 0);
	assert_int_equal(listeners_count(listeners), 1);
	close(reach("127.0.0.1:5300", SOCK_STREAM));
	listeners_close(listeners);
	assert_true(space_run("echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6"));
	listeners_close(open_on("[::1]:5300", 1, NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_worker_gets_a_share),
		cmocka_unit_test(an_address_is_not_shared_with_another_resolver),
		cmocka_unit_test(ip6_and_ip4_have_their_own),
		cmocka_unit_test(a_reload_keeps_what_waits),
		cmocka_unit_test(a_failure_names_the_address_and_closes_the_others),
		cmocka_unit_test(without_ip6_its_loopback_is_left_out),
	};
	int error = space_enter();

	if (error)
		return space_skip("no network namespace", error);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
