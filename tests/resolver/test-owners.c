/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/owners.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/roster.h"
#include "resolver/tally.h"
#include "src/kernel/sockdiag.h"

static const struct mono start = {1000000};

static struct roster *roster;
static struct tally *tally;
static struct sockdiag *sockdiag;
static struct owners *owners;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(roster_new(&roster), 0);
	assert_int_equal(tally_new(&tally), 0);
	assert_int_equal(sockdiag_open(&sockdiag), 0);
	return owners_new(sockdiag, roster, tally, &owners);
}

static int tear_down(void **state)
{
	(void)state;
	owners_free(owners);
	sockdiag_close(sockdiag);
	tally_free(tally);
	roster_free(roster);
	return 0;
}

static struct event begin(uint64_t cgroup, uint16_t port)
{
	struct event event;

	memset(&event, 0, sizeof(event));
	event_begin_at(&event, EVENT_CONNECTION, 1);
	event.port = port;
	if (cgroup > 0) {
		event.has = EVENT_HAS_CGROUP;
		event.cgroup = cgroup;
	}
	return event;
}

/* --- Who has sent it --- */

static int open_socket(uint16_t *ret_port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static struct nflog_record record_from(uint16_t port, uint32_t user)
{
	const struct in_addr here = {htonl(INADDR_LOOPBACK)};
	struct nflog_record record = {.has_user = true, .user = user};

	record.packet.source = record.packet.to = inaddr_from_ip4((const uint8_t *)&here);
	record.packet.protocol = IPPROTO_UDP;
	record.packet.has_ports = true;
	record.packet.source_port = port;
	record.packet.port = 9;
	return record;
}

static bool has_cgroup(const struct nflog_record *record, struct mono now)
{
	struct event event = begin(0, 9);

	owners_add(owners, record, &event, now);
	assert_true(!(event.has & EVENT_HAS_CGROUP) || event.cgroup > 0);
	return event.has & EVENT_HAS_CGROUP;
}

static void test_found(void **state)
{
	uint16_t port;
	int fd = open_socket(&port);
	struct nflog_record record = record_from(port, geteuid());

	(void)state;
	assert_true(has_cgroup(&record, start));
	assert_int_equal(tally_seen(tally, TALLY_SOCKETS_FOUND), 1);
	close(fd);
	assert_false(has_cgroup(&record, start));
	assert_int_equal(tally_seen(tally, TALLY_SOCKETS_GONE), 1);
}

/* A packet of another machine, or of another user, is not this socket's. */
static void test_others(void **state)
{
	uint16_t port;
	int fd = open_socket(&port);
	struct nflog_record record = record_from(port, geteuid() + 1);

	(void)state;
	assert_false(has_cgroup(&record, start));
	assert_int_equal(tally_seen(tally, TALLY_SOCKETS_GONE), 1);
	record.user = geteuid();
	record.has_user = false;
	assert_false(has_cgroup(&record, start));
	assert_int_equal(tally_seen(tally, TALLY_SOCKETS_FOUND), 0);
	assert_int_equal(tally_seen(tally, TALLY_SOCKETS_GONE), 1);
	record.has_user = true;
	assert_true(has_cgroup(&record, start));
	close(fd);
}

static void test_rate(void **state)
{
	uint16_t port;
	int fd = open_socket(&port);
	struct nflog_record record = record_from(port, geteuid());

	(void)state;
	for (unsigned i = 0; i < OWNERS_RATE + 10; i++)
		assert_true(has_cgroup(&record, start) == (i < OWNERS_RATE));
	assert_int_equal(tally_seen(tally, TALLY_SOCKETS_LIMITED), 10);
	assert_true(has_cgroup(&record, mono_add(start, (struct duration){1000})));
	close(fd);
}

/* --- Paths --- */

static void test_kept(void **state)
{
	struct event event = begin(99999, 1), other = begin(0, 2), released;
	char path[CGROUPS_PATH] = "?";

	(void)state;
	assert_int_equal(owners_wait(owners), -1);
	assert_false(owners_keep(owners, &other, start));
	assert_true(owners_keep(owners, &event, start));
	assert_true(owners_wait(owners) > 0);
	assert_false(owners_release(owners, false, start, &released));
	/* The parent finds no such group. */
	roster_serve(roster, clock_now());
	assert_int_equal(roster_get(roster, 99999, path), ROSTER_NONE);
	assert_string_equal(path, "?");
	assert_true(owners_release(owners, false, start, &released));
	assert_int_equal(released.port, 1);
	assert_null(owners_path(owners, &released));
	assert_int_equal(owners_wait(owners), -1);
	/* It is known of the next one. */
	assert_false(owners_keep(owners, &event, start));
}

/* Nobody looks: records wait as long as they may, and come in their order. */
static void test_patience(void **state)
{
	const struct mono later = mono_add(start, (struct duration){OWNERS_KEPT_MS});
	struct event released;

	(void)state;
	for (uint16_t i = 0; i < OWNERS_KEPT; i++) {
		struct event event = begin(1000 + i % ROSTER_ASKED, i);

		assert_true(owners_keep(owners, &event, start));
	}
	released = begin(1000, 0);
	assert_false(owners_keep(owners, &released, start));
	assert_false(owners_release(
		owners, false, mono_add(start, (struct duration){OWNERS_KEPT_MS - 1}), &released));
	for (uint16_t i = 0; i < OWNERS_KEPT; i++) {
		assert_true(owners_release(owners, i % 2, later, &released));
		assert_int_equal(released.port, i);
	}
	assert_false(owners_release(owners, true, later, &released));
}

/* More groups than may be asked for at a time are not waited for. */
static void test_full(void **state)
{
	char path[CGROUPS_PATH];

	(void)state;
	for (uint64_t i = 1; i <= ROSTER_ASKED; i++)
		assert_int_equal(roster_get(roster, 5000 + i, path), ROSTER_AWAITED);
	assert_int_equal(roster_get(roster, 4000, path), ROSTER_NONE);
	assert_int_equal(roster_get(roster, 5001, path), ROSTER_AWAITED);
	roster_serve(roster, clock_now());
	for (uint64_t i = 1; i <= ROSTER_ASKED; i++)
		assert_int_equal(roster_get(roster, 5000 + i, path), ROSTER_NONE);
	assert_int_equal(roster_get(roster, 4000, path), ROSTER_AWAITED);
}

/* Rows give way to later ones. */
static void test_turnover(void **state)
{
	char path[CGROUPS_PATH];
	struct mono now = clock_now();

	(void)state;
	for (uint64_t i = 1; i <= ROSTER_ROWS + 1; i++) {
		assert_int_equal(roster_get(roster, 1000000 + i, path), ROSTER_AWAITED);
		now = mono_add(now, (struct duration){3600000});
		roster_serve(roster, now);
		assert_int_equal(roster_get(roster, 1000000 + i, path), ROSTER_NONE);
	}
	assert_int_equal(roster_get(roster, 1000002, path), ROSTER_NONE);
	assert_int_equal(roster_get(roster, 1000001, path), ROSTER_AWAITED);
}

/* What was answered is not looked for again, although nobody has read the answer. */
static void test_once(void **state)
{
	char path[CGROUPS_PATH];
	struct mono now = clock_now();

	(void)state;
	assert_int_equal(roster_get(roster, 1000001, path), ROSTER_AWAITED);
	roster_serve(roster, now);
	assert_int_equal(roster_get(roster, 1000001, path), ROSTER_NONE);
	assert_int_equal(roster_get(roster, 1000002, path), ROSTER_AWAITED);
	for (unsigned i = 0; i < ROSTER_ROWS; i++) {
		now = mono_add(now, (struct duration){3600000});
		roster_serve(roster, now);
	}
	assert_int_equal(roster_get(roster, 1000001, path), ROSTER_NONE);
}

/* The top of the tree, where there is one. */
static void test_path(void **state)
{
	struct event event = begin(1, 1);
	struct cgroups_wanted top = {.id = 1};

	(void)state;
	if (cgroups_find(&top, 1) != 0 || top.path[0] == '\0')
		return;
	assert_true(owners_keep(owners, &event, start));
	roster_serve(roster, clock_now());
	assert_string_equal(owners_path(owners, &event), "/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rate, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_patience, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_turnover, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_path, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
