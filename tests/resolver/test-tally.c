/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/tally.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "resolver/reckoner.h"
#include "tests/kernel/space.h"

/* The kernel's counters as the parent reads them, and what a watcher makes of them. */

static struct tally *tally;
static struct tally_counts *counts;

/* A table whose counters have packets sent to ports from 1001 on. */
static bool load(const char *table, const char *first)
{
	return space_run("nft -f - <<-END\n"
			 "add table inet %s\n"
			 "flush table inet %s\n"
			 "table inet %s {\n"
			 "	counter deny-1 { packets %s bytes 70; }\n"
			 "	counter o1.default-deny { packets 0 bytes 0; }\n"
			 "	counter profile..7z.deny-2 { packets 0 bytes 0; }\n"
			 "	quota deny-1 { over 10 bytes; }\n"
			 "	chain out {\n"
			 "		type filter hook output priority 0;\n"
			 "		udp dport 1001 counter name deny-1\n"
			 "		udp dport 1002 counter name o1.default-deny\n"
			 "		udp dport 1003 counter name profile..7z.deny-2\n"
			 "	}\n"
			 "}\n"
			 "END\n",
		table, table, table, first);
}

static void send_packets(uint16_t port, unsigned count)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (unsigned i = 0; i < count; i++)
		CHECK(sendto(fd, "", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1);
	close(fd);
}

static uint64_t counted(const char *id)
{
	tally_look(tally, counts);
	for (size_t i = 0; i < counts->n_rules; i++)
		if (strcmp(counts->rules[i].id, id) == 0)
			return counts->rules[i].count;
	return UINT64_MAX;
}

static bool is_awake(void)
{
	struct pollfd poller = {tally_fd(tally), POLLIN, 0};

	return poll(&poller, 1, 0) > 0;
}

static void begin(void)
{
	CHECK(load("t", "7"));
	CHECK(tally_new(&tally) == 0);
	counts = calloc(1, sizeof(*counts));
	CHECK(counts);
	CHECK(tally_read(tally, "t") == 0);
}

static void end(void)
{
	tally_free(tally);
	free(counts);
}

/* What there was before is nobody's; a quota of the same name is no counter. */
static void test_counts(void)
{
	uint32_t round;

	begin();
	CHECK(counted("deny-1") == 0 && counted("o1:default-deny") == 0);
	CHECK(counted("7z:deny-2") == 0 && counts->n_rules == 3);
	CHECK(!is_awake());
	send_packets(1001, 5);
	send_packets(1002, 1);
	send_packets(1003, 2);
	round = tally_round(tally);
	CHECK(tally_read(tally, "t") == 0);
	CHECK(counted("deny-1") == 5 && counted("o1:default-deny") == 1);
	CHECK(counted("7z:deny-2") == 2);
	CHECK(tally_round(tally) == round + 1 && is_awake());
	tally_woken(tally);
	CHECK(tally_read(tally, "t") == 0 && !is_awake());
	end();
}

/* A ruleset that is loaded again keeps them; a table that is taken away starts them anew. */
static void test_made_anew(void)
{
	begin();
	send_packets(1001, 5);
	CHECK(load("t", "0"));
	send_packets(1001, 1);
	CHECK(tally_read(tally, "t") == 0 && counted("deny-1") == 6);
	CHECK(space_run("nft delete table inet t"));
	CHECK(tally_read(tally, "t") == 0 && counted("deny-1") == 6);
	CHECK(load("t", "0"));
	send_packets(1001, 2);
	CHECK(tally_read(tally, "t") == 0 && counted("deny-1") == 8);
	end();
}

/* What another table had before does not count. */
static void test_another_table(void)
{
	begin();
	send_packets(1001, 3);
	CHECK(tally_read(tally, "t") == 0 && counted("deny-1") == 3);
	CHECK(load("other", "100"));
	CHECK(tally_read(tally, "other") == 0 && counted("deny-1") == 3);
	send_packets(1001, 2);
	CHECK(tally_read(tally, "other") == 0 && counted("deny-1") == 5);
	end();
}

/* What was said of a rule. */
static struct {
	char id[COUNTER_ID];
	uint64_t count;
	unsigned times;
} said;

static void say(void *context, const char *id, uint64_t count)
{
	(void)context;
	snprintf(said.id, sizeof(said.id), "%s", id);
	said.count += count;
	said.times++;
}

static uint64_t settle(struct reckoner *reckoner)
{
	memset(&said, 0, sizeof(said));
	return reckoner_settle(reckoner, say, NULL);
}

static void test_what_is_missing(void)
{
	struct reckoner *reckoner;

	begin();
	CHECK(reckoner_new(tally, &reckoner) == 0);
	/* Six of ten came. */
	send_packets(1001, 10);
	CHECK(tally_read(tally, "t") == 0);
	reckoner_look(reckoner);
	for (unsigned i = 0; i < 6; i++)
		reckoner_record(reckoner, "deny-1");
	CHECK(settle(reckoner) == 0);
	CHECK(said.times == 1 && said.count == 4 && strcmp(said.id, "deny-1") == 0);
	/* It is said once. */
	reckoner_look(reckoner);
	CHECK(settle(reckoner) == 0 && said.times == 0);
	/* More have come than were counted when it looked: too little, and the rest later. */
	send_packets(1001, 5);
	CHECK(tally_read(tally, "t") == 0);
	reckoner_look(reckoner);
	for (unsigned i = 0; i < 7; i++)
		reckoner_record(reckoner, "deny-1");
	CHECK(settle(reckoner) == 0 && said.times == 0);
	send_packets(1001, 3);
	CHECK(tally_read(tally, "t") == 0);
	reckoner_look(reckoner);
	CHECK(settle(reckoner) == 0 && said.count == 1);
	reckoner_free(reckoner);
	end();
}

/* Another watcher goes on where the one before was. */
static void test_goes_on(void)
{
	struct reckoner *reckoner;
	pid_t pid;
	int status = 1;

	begin();
	send_packets(1002, 10);
	CHECK(tally_read(tally, "t") == 0);
	pid = fork();
	if (pid == 0) {
		struct reckoner *first;

		CHECK(reckoner_new(tally, &first) == 0);
		reckoner_look(first);
		for (unsigned i = 0; i < 3; i++)
			reckoner_record(first, "o1:default-deny");
		CHECK(settle(first) == 0 && said.count == 7);
		reckoner_record(first, "o1:default-deny");
		tally_add(tally, TALLY_FLOWS, 2);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(reckoner_new(tally, &reckoner) == 0);
	send_packets(1002, 2);
	CHECK(tally_read(tally, "t") == 0);
	reckoner_look(reckoner);
	CHECK(settle(reckoner) == 0 && said.count == 1);
	CHECK(tally_seen(tally, TALLY_FLOWS) == 2);
	reckoner_free(reckoner);
	end();
}

/* A message that is missing is one of those that counters tell of; one that they don't, is told by
 * itself after a while. */
static void test_missing_messages(void)
{
	struct reckoner *reckoner;

	begin();
	CHECK(reckoner_new(tally, &reckoner) == 0);
	send_packets(1001, 10);
	CHECK(tally_read(tally, "t") == 0);
	reckoner_look(reckoner);
	reckoner_miss(reckoner, 6);
	CHECK(settle(reckoner) == 0 && said.count == 10);
	reckoner_miss(reckoner, 3);
	for (unsigned i = 0; i < 2; i++) {
		CHECK(tally_read(tally, "t") == 0);
		reckoner_look(reckoner);
		CHECK(settle(reckoner) == (i == 0 ? 0 : 3) && said.count == 0);
	}
	CHECK(tally_read(tally, "t") == 0);
	reckoner_look(reckoner);
	CHECK(settle(reckoner) == 0);
	reckoner_free(reckoner);
	end();
}

/* More rules than are told apart: the others are counted together. */
static void test_many_rules(void)
{
	enum { RULES = TALLY_RULES + 100, AT_ONCE = 500 };
	struct reckoner *reckoner;

	CHECK(space_run("nft add table inet t"));
	CHECK(tally_new(&tally) == 0);
	counts = calloc(1, sizeof(*counts));
	CHECK(tally_read(tally, "t") == 0);
	for (unsigned i = 0; i < RULES; i += AT_ONCE)
		CHECK(space_run("for i in $(seq %u %u); do "
				"echo \"add counter inet t deny-$i { packets 1 bytes 1; }\"; "
				"done | nft -f -",
			i, i + AT_ONCE < RULES ? i + AT_ONCE - 1 : RULES - 1));
	CHECK(tally_read(tally, "t") == 0);
	CHECK(counted(TALLY_OTHER) == RULES - (TALLY_RULES - 1));
	CHECK(counts->n_rules == TALLY_RULES);
	CHECK(reckoner_new(tally, &reckoner) == 0);
	reckoner_look(reckoner);
	for (unsigned i = 0; i < 2 * RULES; i++) {
		char id[COUNTER_ID];

		snprintf(id, sizeof(id), "strange-%u", i);
		reckoner_record(reckoner, id);
	}
	settle(reckoner);
	CHECK(said.times <= TALLY_RULES);
	reckoner_free(reckoner);
	end();
}

int main(void)
{
	static const struct space_test tests[] = {
		{"the kernel's counters are read by rule", test_counts, SPACE_USER},
		{"counters that are made anew", test_made_anew, SPACE_USER},
		{"another table", test_another_table, SPACE_USER},
		{"what was counted and not recorded", test_what_is_missing, SPACE_USER},
		{"another process goes on", test_goes_on, SPACE_USER},
		{"messages that are missing", test_missing_messages, SPACE_USER},
		{"more rules than there is room for", test_many_rules, SPACE_USER},
	};

	return space_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
