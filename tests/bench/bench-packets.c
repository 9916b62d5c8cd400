/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rules/compile.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/text.h"
#include "src/kernel/ruleset.h"
#include "src/kernel/setlink.h"
#include "tests/bench/bench.h"
#include "tests/kernel/space.h"

/*
 * bench-packets WHAT COUNT: how many datagrams a second go out through a ruleset, from the top of a
 * build tree. WHAT is "egress", for a policy that permits a list of as many prefixes, with as many
 * leases in its map; or "plain", for a table that does nothing but accept established connections.
 *
 * "established": of 64 flows that were answered, half of them to leased addresses. "new": each
 * datagram is a flow of its own. They go over a wire to another namespace, which drops them as
 * early as it can.
 */

enum {
	FLOWS = 64,
	BURST = 64, /* datagrams a system call sends */
	PORT = 4242,
	SECONDS = 2,
	SETTLE_SECONDS = 2, /* the kernel is still at work on what was loaded, here or before */
	NEW_FLOWS = 100000, /* conntrack keeps 262144 on a machine of 4 GB */
};

static const char policy_text[] = "version = 1\n"
				  "name = \"bench\"\n"
				  "[network]\n"
				  "block = []\n"
				  "[[allow]]\n"
				  "host = \"leased.example.com\"\n"
				  "ports = [\"udp/4242\"]\n"
				  "[[allow]]\n"
				  "list = \"list.txt\"\n"
				  "ports = [\"udp/4242\"]\n";

static const char plain_text[] =
	"table inet plain {\n"
	"	chain output {\n"
	"		type filter hook output priority filter; policy accept;\n"
	"		ct state established accept\n"
	"	}\n"
	"}\n";

static size_t count;
static char payload[1];

static void must(bool well, const char *what)
{
	if (!well)
		bench_fail("%s: %s", what, strerror(errno));
}

static void load(const char *text)
{
	char *message = NULL;

	if (ruleset_load(text, false, &message) < 0)
		bench_fail("%s", message ? message : "cannot load a ruleset");
}

/* Address `index` of those in the list, or of those that are leased, which lie between them. */
static uint32_t address_of(size_t index, bool leased)
{
	const uint64_t first = UINT64_C(1) << 24, last = UINT64_C(126) << 24;
	uint32_t at = (uint32_t)(first + (last - first) * index / count) & ~15U;

	return at + (leased ? 9 : 1);
}

/* --- The ruleset --- */

static void write_policy(void)
{
	FILE *out = fopen("policy.toml", "we");

	must(out, "policy");
	fputs(policy_text, out);
	must(fclose(out) == 0, "policy");
}

static void write_list(void)
{
	FILE *out = fopen("list.txt", "we");

	must(out, "list");
	for (size_t i = 0; i < count; i++) {
		uint32_t at = address_of(i, false) - 1;

		fprintf(out, "%u.%u.%u.%u/29\n", at >> 24, at >> 16 & 255, at >> 8 & 255, at & 255);
	}
	must(fclose(out) == 0, "list");
}

/* The mark of the policy's name. */
static uint32_t name_mark(void)
{
	const struct compile_options options = {.policy = "policy.toml"};
	struct compiled compiled;
	struct arena *arena;
	struct diag *diag;
	uint32_t mark;

	if (arena_new((size_t)4 << 30, &arena) < 0)
		bench_fail("no memory");
	diag = diag_new(arena);
	if (!diag || compile_policy(arena, &options, diag, &compiled) < 0)
		bench_fail("the policy is wrong");
	mark = compiled.plan->rules[0].mark;
	arena_free(arena);
	return mark;
}

static void fill_leases(void)
{
	struct setlink_element lease = {
		.key_size = 4,
		.has_mark = true,
		.mark = name_mark(),
		.timeout = duration_seconds(3600),
	};
	struct setlink *link;

	must(setlink_open(&link) == 0, "netlink");
	setlink_begin(link, "egress-bench");
	for (size_t i = 0; i < count; i++) {
		uint32_t address = htonl(address_of(i, true));

		memcpy(lease.key, &address, sizeof(address));
		if (setlink_room(link) == 0) {
			must(setlink_commit(link) == 0, "leases");
			setlink_begin(link, "egress-bench");
		}
		setlink_add(link, "udp-4242-leases4", &lease);
	}
	must(setlink_commit(link) == 0, "leases");
	setlink_close(link);
}

static void load_egress(const char *compiler)
{
	write_policy();
	write_list();
	must(space_run("exec %s policy.toml --apply", compiler), "egress-compile --apply");
	fill_leases();
}

/* --- The wire --- */

static int here = -1;
static int world = -1;

static void enter(int space)
{
	must(setns(space, CLONE_NEWNET) == 0, "setns");
}

static void lay_wire(void)
{
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	must(here >= 0 && unshare(CLONE_NEWNET) == 0, "namespace");
	world = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	must(world >= 0, "namespace");
	enter(here);
	must(space_run("ip link add wire0 type veth peer name wire1 netns /proc/%d/fd/%d && "
		       "ip address add 192.0.2.1/24 dev wire0 && ip link set wire0 up",
		     getpid(), world),
		"ip");
	enter(world);
	must(space_run("ip address add 192.0.2.2/24 dev wire1 && ip link set wire1 up && "
		       "ip link set lo up && ip route add local 0.0.0.0/1 dev lo"),
		"ip");
	enter(here);
	must(space_run("ip route add default via 192.0.2.2"), "ip");
}

static int open_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(fd >= 0, "socket");
	return fd;
}

static struct sockaddr_in endpoint(size_t flow)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(address_of(flow * (count / FLOWS), flow % 2 == 0)),
	};
}

/* A flow that was answered: what is at its other end. */
static int open_flow(size_t flow)
{
	struct sockaddr_in there = endpoint(flow), from;
	socklen_t size = sizeof(from);
	struct pollfd answer = {.events = POLLIN};
	int near = open_socket(), far;
	char byte;

	enter(world);
	far = open_socket();
	must(bind(far, (struct sockaddr *)&there, sizeof(there)) == 0, "bind");
	enter(here);
	must(connect(near, (struct sockaddr *)&there, sizeof(there)) == 0, "connect");
	must(send(near, "x", 1, 0) == 1, "a permitted flow");
	must(recvfrom(far, &byte, 1, 0, (struct sockaddr *)&from, &size) == 1, "receive");
	must(sendto(far, "x", 1, 0, (struct sockaddr *)&from, size) == 1, "answer");
	answer.fd = near;
	must(poll(&answer, 1, 10000) == 1 && recv(near, &byte, 1, 0) == 1, "answer");
	close(far);
	return near;
}

/* --- The measurement --- */

static void prepare(struct mmsghdr *messages, struct iovec *byte)
{
	memset(messages, 0, BURST * sizeof(*messages));
	for (unsigned i = 0; i < BURST; i++) {
		messages[i].msg_hdr.msg_iov = byte;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
}

static void send_burst(int fd, struct mmsghdr *messages)
{
	int sent = sendmmsg(fd, messages, BURST, 0);

	if (sent != BURST)
		bench_fail("%d of %d were sent: %s", sent, BURST, strerror(errno));
}

static double established_rate(const int *flows)
{
	struct iovec byte = {.iov_base = payload, .iov_len = sizeof(payload)};
	struct mmsghdr messages[BURST];
	uint64_t start = bench_ns(), end = start, sent = 0;

	prepare(messages, &byte);
	while (end - start < SECONDS * UINT64_C(1000000000)) {
		for (unsigned i = 0; i < FLOWS; i++)
			send_burst(flows[i], messages);
		sent += (uint64_t)FLOWS * BURST;
		end = bench_ns();
	}
	return (double)sent * 1e9 / (double)(end - start);
}

/* Each to an address, of both kinds, that it wasn't sent to before. */
static double new_rate(void)
{
	struct iovec byte = {.iov_base = payload, .iov_len = sizeof(payload)};
	struct sockaddr_in names[BURST];
	struct mmsghdr messages[BURST];
	uint64_t start = bench_ns(), end = start, sent = 0;
	int fd = open_socket();

	prepare(messages, &byte);
	for (unsigned i = 0; i < BURST; i++) {
		names[i] = endpoint(0);
		messages[i].msg_hdr.msg_name = &names[i];
		messages[i].msg_hdr.msg_namelen = sizeof(names[i]);
	}
	while (sent < NEW_FLOWS) {
		for (unsigned i = 0; i < BURST; i++, sent++)
			names[i].sin_addr.s_addr =
				htonl(address_of(sent * 7919 % count, sent % 2 == 0));
		send_burst(fd, messages);
		end = bench_ns();
	}
	close(fd);
	return (double)sent * 1e9 / (double)(end - start);
}

static void measure(void)
{
	int flows[FLOWS];

	for (size_t i = 0; i < FLOWS; i++)
		flows[i] = open_flow(i);
	enter(world);
	load("table netdev sink {\n"
	     "	chain ingress { type filter hook ingress device wire1 priority 0; policy drop; }\n"
	     "}\n");
	enter(here);
	sleep(SETTLE_SECONDS);
	bench_print("established", established_rate(flows), "/s");
	bench_print("new", new_rate(), "/s");
}

int main(int argc, char **argv)
{
	char folder[] = "/tmp/bench-packets-XXXXXX", compiler[4096];
	size_t length;
	uint64_t number;

	bench_begin();
	if (argc != 3 || text_to_number(text_of(argv[2]), 4000000, &number) < 0 || number < FLOWS)
		bench_fail("usage: bench-packets egress|plain COUNT");
	count = (size_t)number;
	must(getcwd(compiler, sizeof(compiler) - 32) && mkdtemp(folder) && chdir(folder) == 0,
		"folder");
	length = strlen(compiler);
	snprintf(compiler + length, sizeof(compiler) - length, "/src/egress-compile");
	must(space_is_root() && space_enter_as_root() == 0, "needs root");
	lay_wire();
	if (strcmp(argv[1], "egress") == 0)
		load_egress(compiler);
	else
		load(plain_text);
	measure();
	must(chdir("/") == 0 && space_run("exec rm -rf '%s'", folder), "folder");
	return 0;
}
