/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_RESOLVER_KEEPING_H
#define EGRESS_TESTS_RESOLVER_KEEPING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "resolver/channel.h"
#include "rules/compile.h"
#include "src/base/hash.h"
#include "src/kernel/setlink.h"

struct arena;

/* A keeper with a real ruleset, of a policy with the name "k", in a namespace that the test has
 * entered; the test is its workers. Whatever goes wrong fails the test. */

enum { KEEPING_WORKERS = 2, KEEPING_PATIENCE_MS = 30000, KEEPING_MARK = 0x5eed1234 };

struct keeping {
	struct compiled compiled;
	char *ruleset;
	struct setlink *kernel;
	struct channel channels[KEEPING_WORKERS];
	int keeper_ends[KEEPING_WORKERS];
	int control;
	int control_end;
	int leash[2];
	pid_t keeper;
	uint32_t tickets;
	struct hash_key destinations_key;
	struct namering *names;         /* made anew for each test, and shared by its keepers */
	struct counter_pages *counters; /* one page, of the keepers to come; made anew as well */
	size_t leases_max;              /* of the keepers to come; 0: as usual */
	bool never_in_place;            /* the same */
	int porter; /* the same: where their sockets come from; 0: they open them */
};

extern struct keeping keeping;

/* A policy with a.test and names below wild.test as rule 0, both.test as rule 1, which has two
 * groups of ports; and the maps of the first. */
extern const char keeping_policy[];

#define KEEPING_MAP4 "tcp-443-leases4"
#define KEEPING_MAP6 "tcp-443-leases6"

/* Rows of a test program: with a keeper, or without one at first. */
#define KEEPING_TEST(name)                                                                         \
	cmocka_unit_test_setup_teardown(name, keeping_set_up_and_start, keeping_tear_down)
#define KEEPING_TEST_ALONE(name)                                                                   \
	cmocka_unit_test_setup_teardown(name, keeping_set_up, keeping_tear_down)

/* A whole program: main()'s result, `run` running the tests in a namespace, with the policy. */
int keeping_run(const char *policy, int (*run)(void));

/* Compiles a policy and, unless NULL, an override of it. 0, or -errno, which has been said. */
int keeping_compile(struct arena *arena, const char *policy, const char *override);

/* For the whole program. 0 or -errno. */
int keeping_open(void);
void keeping_close(void);

/* For a test: the ruleset is loaded, and channels are there; a keeper may be started with them. */
int keeping_set_up(void **state);
int keeping_set_up_and_start(void **state);
int keeping_tear_down(void **state);

void keeping_make_channels(void);
void keeping_start(bool alone);
void keeping_hang_up(unsigned worker);

/* Waits for its end. */
int keeping_status(void);
void keeping_stop(void);

/* The kernel's state. */
void keeping_load(const char *text);
unsigned keeping_count(const char *map);
uint32_t keeping_mark(unsigned rule);
bool keeping_has_mark(void);
void keeping_put(const char *map, const char *address, uint32_t mark, int64_t seconds);

/* The lease of the address; its mark is 0 when there is none. */
struct setlink_element keeping_lease_in(const char *map, const char *address);
void keeping_assert_lasts(const char *map, const char *address, uint32_t mark, int64_t seconds);

/* Requests, for addresses with blanks between them. */
struct channel_request keeping_request(const char *name, uint32_t ttl, const char *addresses);
void keeping_send(unsigned worker, const struct channel_request *request);
struct channel_reply keeping_receive(unsigned worker, uint32_t ticket, int *ret_fd);
struct channel_reply keeping_ask(const struct channel_request *request);
struct channel_reply keeping_ask_lease(const char *name, uint32_t ttl, const char *addresses);

/* What the parent asks. */
struct control_request keeping_control(uint32_t op);
struct control_reply keeping_ask_control(const struct control_request *request);

/* That the number of leases that the keeper tells the metrics becomes `count`, before long. */
void keeping_await_gauge(uint64_t count);

/* That it was leased for so many seconds, less what a slow machine takes. */
void keeping_assert_leased(struct channel_reply reply, uint32_t seconds);

#endif
