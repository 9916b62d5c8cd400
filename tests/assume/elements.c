/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What we believe of set elements, transactions and time-outs. */

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/kernel/ruleset.h"
#include "src/kernel/setlink.h"
#include "tests/assume/wire.h"
#include "tests/kernel/space.h"

static struct setlink *kernel;

static const char table_text[] =
	"table inet t {\n"
	"	map leases { type ipv4_addr : mark; flags timeout; }\n"
	"	set live { type mark; }\n"
	"	chain output {\n"
	"		type filter hook output priority filter; policy accept;\n"
	"		ip daddr 127.0.0.0/8 ct mark set ip daddr map @leases counter comment "
	"\"there\"\n"
	"		ip daddr 127.0.0.0/8 meta l4proto udp ct mark 0 counter comment "
	"\"missing\"\n"
	"	}\n"
	"}\n";

static void set_up(void)
{
	wire_load(table_text);
	CHECK(setlink_open(&kernel) == 0);
}

static struct setlink_element lease(int64_t seconds)
{
	return wire_lease("127.0.0.1", 5, duration_seconds(seconds));
}

static void must_be_refused(const char *text, const char *reason)
{
	char *message = NULL;

	CHECK(ruleset_load(text, false, &message) == -EIO);
	CHECK(message && strstr(message, reason));
	free(message);
}

static void adding_again(void)
{
	set_up();
	wire_load("add element inet t live { 1 }");
	wire_load("add element inet t live { 1 }");
	CHECK(wire_add(kernel, "live", wire_mark(1)) == 0);
	/* "create" is "add" with NLM_F_EXCL */
	must_be_refused("create element inet t live { 1 }", "File exists");
	wire_only(kernel, "live", NULL);
}

static void adding_with_another_value(void)
{
	struct setlink_element other = lease(100);

	set_up();
	other.mark = 6;
	CHECK(wire_add(kernel, "leases", lease(100)) == 0);
	CHECK(wire_add(kernel, "leases", other) == -EEXIST);
	CHECK(wire_only(kernel, "leases", NULL).mark == 5);
}

static void all_or_nothing(void)
{
	struct setlink_element added = lease(100), missing = wire_mark(2);
	unsigned count;

	set_up();
	setlink_begin(kernel, "t");
	setlink_add(kernel, "leases", &added);
	setlink_delete(kernel, "live", &missing);
	setlink_add(kernel, "live", &missing);
	CHECK(setlink_commit(kernel) == -ENOENT);
	wire_only(kernel, "leases", &count);
	CHECK(count == 0);
	wire_only(kernel, "live", &count);
	CHECK(count == 0);
}

/* Adds again an element that has 100 s left of `first` seconds, with `second`: what is left then.
 */
static struct duration add_again(int64_t first, int64_t second)
{
	char text[128];

	set_up();
	snprintf(text, sizeof(text),
		"add element inet t leases { 127.0.0.1 timeout %ds expires 100s : 5 }", (int)first);
	wire_load(text);
	CHECK(wire_only(kernel, "leases", NULL).timeout.ms <= 100000);
	CHECK(wire_add(kernel, "leases", lease(second)) == 0);
	return wire_only(kernel, "leases", NULL).timeout;
}

static void skip_unless_kernel_refreshes(void)
{
	if (add_again(100, 1000).ms <= 100000)
		space_skip_test("this kernel keeps the old time-out (before 6.12)");
	wire_load("delete table inet t");
}

static void adding_again_refreshes(void)
{
	skip_unless_kernel_refreshes();
	CHECK(add_again(100, 10).ms <= 10000);
}

static void adding_the_same_again_refreshes(void)
{
	skip_unless_kernel_refreshes();
	CHECK(add_again(1000, 1000).ms > 100000);
}

/* nft sends the expiration only when it is written out; the link always does. */
static void adding_the_same_without_expiration(void)
{
	set_up();
	wire_load("add element inet t leases { 127.0.0.1 timeout 1000s expires 100s : 5 }");
	wire_load("add element inet t leases { 127.0.0.1 timeout 1000s : 5 }");
	if (wire_only(kernel, "leases", NULL).timeout.ms > 100000)
		space_skip_test("this kernel refreshes even so");
}

static void refresh(int64_t seconds)
{
	struct setlink_element element = lease(seconds);

	setlink_begin(kernel, "t");
	setlink_add(kernel, "leases", &element);
	setlink_delete(kernel, "leases", &element);
	setlink_add(kernel, "leases", &element);
	CHECK(setlink_commit(kernel) == 0);
}

static void add_delete_add_refreshes(void)
{
	unsigned count;

	set_up();
	wire_only(kernel, "leases", &count);
	CHECK(count == 0);
	refresh(100); /* when it isn't there yet, too */
	CHECK(wire_only(kernel, "leases", NULL).timeout.ms > 10000);
	refresh(1000);
	CHECK(wire_only(kernel, "leases", NULL).timeout.ms > 100000);
	refresh(10);
	CHECK(wire_only(kernel, "leases", NULL).timeout.ms <= 10000);
	refresh(10);
	wire_only(kernel, "leases", NULL);
}

#define PACKETS 30000

/* Sends datagrams, each in a flow of its own so that none inherits a mark. */
static void send_stream(atomic_ulong *sent)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK(inet_pton(AF_INET, "127.0.0.1", &to.sin_addr) == 1);
	while (*sent < PACKETS) {
		to.sin_port = htons((uint16_t)(1024 + *sent));
		/* There is no listener: a previous datagram's error is told here. */
		if (sendto(fd, "", 0, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) == 0)
			++*sent;
		else
			CHECK(errno == ECONNREFUSED);
	}
	_exit(0);
}

static void add_delete_add_never_misses(void)
{
	atomic_ulong *sent = mmap(
		NULL, sizeof(*sent), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long transactions = 0;
	pid_t child;
	int status;

	CHECK(sent != MAP_FAILED);
	set_up();
	refresh(100);
	child = fork();
	CHECK(child >= 0);
	if (child == 0)
		send_stream(sent);
	while (waitpid(child, &status, WNOHANG) == 0) {
		refresh(100);
		transactions++;
	}
	CHECK(status == 0);
	CHECK(transactions > 0);
	CHECK(wire_packets("there") >= PACKETS);
	CHECK(wire_packets("missing") == 0);
}

static void flush_table_keeps_elements(void)
{
	set_up();
	CHECK(wire_add(kernel, "leases", lease(100)) == 0);
	CHECK(wire_add(kernel, "live", wire_mark(5)) == 0);
	wire_load("flush table inet t");
	CHECK(wire_only(kernel, "leases", NULL).mark == 5);
	wire_only(kernel, "live", NULL);
	/* Rules are gone, chains and sets stay; declaring them again changes nothing. */
	must_be_refused("delete chain inet t nowhere", "No such file");
	wire_load("flush chain inet t output");
	wire_load("table inet t { map leases { type ipv4_addr : mark; flags timeout; }; }");
	CHECK(wire_only(kernel, "leases", NULL).mark == 5);
}

static void declaring_again_with_other_flags(void)
{
	set_up();
	must_be_refused(
		"table inet t { map leases { type ipv6_addr : mark; flags timeout; }; }", "");
	must_be_refused("table inet t { set live { type mark; flags interval; }; }", "");
}

static void a_full_set(void)
{
	set_up();
	wire_load("add map inet t small { type ipv4_addr : mark; size 1; flags timeout; }");
	CHECK(wire_add(kernel, "small", wire_lease("10.0.0.1", 5, duration_seconds(100))) == 0);
	CHECK(wire_add(kernel, "small", wire_lease("10.0.0.1", 5, duration_seconds(100))) == 0);
	CHECK(wire_add(kernel, "small", wire_lease("10.0.0.2", 5, duration_seconds(100))) ==
		-ENFILE);
	wire_only(kernel, "small", NULL);
}

/* add; delete; add needs no room of its own in a full set. */
static void refresh_in_a_full_set(void)
{
	struct setlink_element element = wire_lease("10.0.0.1", 5, duration_seconds(100));

	set_up();
	wire_load("add map inet t small { type ipv4_addr : mark; size 1; flags timeout; }");
	CHECK(wire_add(kernel, "small", element) == 0);
	setlink_begin(kernel, "t");
	setlink_add(kernel, "small", &element);
	setlink_delete(kernel, "small", &element);
	setlink_add(kernel, "small", &element);
	CHECK(setlink_commit(kernel) == 0);
}

static void an_element_ends_by_itself(void)
{
	unsigned count = 1;

	set_up();
	CHECK(wire_add(kernel, "leases", wire_lease("127.0.0.1", 5, (struct duration){20})) == 0);
	for (int i = 0; i < 1000 && count > 0; i++) {
		wire_only(kernel, "leases", &count);
		usleep(10000);
	}
	CHECK(count == 0);
	CHECK(wire_delete(kernel, "leases", lease(1)) == -ENOENT);
	CHECK(wire_add(kernel, "leases", lease(100)) == 0);
}

static void typeof_sets(void)
{
	/* 127.0.0.1 . udp . 4242 */
	struct setlink_element element = {.key = {127, 0, 0, 1, IPPROTO_UDP, 0, 0, 0, 16, 146},
		.key_size = 12,
		.timeout = duration_seconds(100)};
	int fd;

	set_up();
	wire_load("table inet t {\n"
		  "	set open { typeof ip daddr . meta l4proto . th dport; flags timeout; }\n"
		  "	chain output {\n"
		  "		ip daddr . meta l4proto . th dport @open counter comment \"open\"\n"
		  "	}\n"
		  "}\n");
	fd = wire_connect(SOCK_DGRAM, "127.0.0.1", 4242);
	CHECK(fd >= 0 && send(fd, "", 0, 0) == 0);
	CHECK(wire_packets("open") == 0);
	CHECK(wire_add(kernel, "open", element) == 0);
	close(fd);
	fd = wire_connect(SOCK_DGRAM, "127.0.0.1", 4242);
	CHECK(fd >= 0 && send(fd, "", 0, 0) == 0);
	CHECK(wire_packets("open") == 1);
}

static void objects_that_load(void)
{
	static const char *const texts[] = {
		"map m { type ipv4_addr : ipv4_addr; flags timeout; }\n"
		"chain c { type nat hook output priority -100; dnat ip to ip daddr map @m; }",
		"set s { type ipv4_addr; flags timeout; counter; elements = { 10.0.0.1 timeout 1h "
		"}; }",
		"quota q { over 100 mbytes; }\n"
		"map m { type ipv4_addr : quota; elements = { 10.0.0.1 : \"q\" }; }\n"
		"chain c { quota name ip daddr map @m drop; }",
		"set s { type ipv4_addr; size 1024; flags dynamic,timeout; timeout 1m; }\n"
		"chain c { add @s { ip daddr limit rate over 10/second } drop; }",
		"chain c { reject with icmpx admin-prohibited; }",
		"map m { type ipv4_addr : verdict; flags interval; "
		"elements = { 10.0.0.0/8 : goto d }; }\n"
		"chain d { drop; }\n"
		"chain c { ip daddr vmap @m; }",
	};
	char text[512];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(text, sizeof(text), "table inet t%zu {\n%s\n}\n", i, texts[i]);
		wire_load(text);
	}
}

int main(void)
{
	const struct space_test tests[] = {
		{"adding what exists succeeds, but not with NLM_F_EXCL", adding_again, SPACE_USER},
		{"adding it with another value is EEXIST", adding_with_another_value, SPACE_USER},
		{"a transaction is all or nothing", all_or_nothing, SPACE_USER},
		{"adding again with another time-out sets it", adding_again_refreshes, SPACE_USER},
		{"adding again with the same time-out refreshes", adding_the_same_again_refreshes,
			SPACE_USER},
		{"adding again without the expiration does not", adding_the_same_without_expiration,
			SPACE_USER},
		{"add, delete, add in one transaction refreshes", add_delete_add_refreshes,
			SPACE_USER},
		{"add, delete, add: no packet sees it missing", add_delete_add_never_misses,
			SPACE_USER},
		{"flush table keeps the elements", flush_table_keeps_elements, SPACE_USER},
		{"a set can't be declared again as another", declaring_again_with_other_flags,
			SPACE_USER},
		{"a full set is ENFILE", a_full_set, SPACE_USER},
		{"add, delete, add in a full set", refresh_in_a_full_set, SPACE_USER},
		{"an element ends by itself", an_element_ends_by_itself, SPACE_USER},
		{"typeof sets", typeof_sets, SPACE_USER},
		{"objects that load", objects_that_load, SPACE_USER},
	};

	return space_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
