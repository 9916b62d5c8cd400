/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/setlink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/kernel/netlink.h"
#include "src/kernel/ruleset.h"
#include "tests/kernel/space.h"

static const char table_text[] = "add table inet t\n"
				 "delete table inet t\n"
				 "table inet t {\n"
				 "	map leases4 { type ipv4_addr : mark; flags timeout; }\n"
				 "	map leases6 { type ipv6_addr : mark; flags timeout; }\n"
				 "	map ranges { type ipv4_addr : mark; flags interval; }\n"
				 "	set live { type mark; }\n"
				 "	set plain { type ipv4_addr; }\n"
				 "	set upstream {\n"
				 "		type ipv4_addr . inet_proto . inet_service;\n"
				 "	}\n"
				 "	set resolver { typeof meta mark . meta skuid; }\n"
				 "}\n";

static struct setlink *kernel;
static int kernel_fd; /* the link's socket */

static void load(const char *text)
{
	char *message = NULL;

	if (ruleset_load(text, false, &message))
		fail_msg("%s", message);
}

static int set_up(void **state)
{
	(void)state;
	load(table_text);
	kernel_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(kernel_fd); /* the next one opened gets its number */
	return setlink_open(&kernel);
}

static int tear_down(void **state)
{
	(void)state;
	setlink_closep(&kernel);
	return kernel ? -1 : 0;
}

/* An element of leases4: 10.x.x.x by number. */
static struct setlink_element lease4(uint32_t number, uint32_t mark, int64_t seconds)
{
	struct setlink_element element = {
		.key = {10, (number >> 16) & 255, (number >> 8) & 255, number & 255},
		.key_size = 4,
		.has_mark = true,
		.mark = mark,
		.timeout = duration_seconds(seconds)};

	return element;
}

static struct setlink_element address(uint32_t number)
{
	struct setlink_element element = lease4(number, 0, 0);

	element.has_mark = false;
	return element;
}

static struct setlink_element live(uint32_t mark)
{
	struct setlink_element element = {.key_size = sizeof(mark)};

	memcpy(element.key, &mark, sizeof(mark));
	return element;
}

#define COLLECTED_MAX 8

struct collected {
	struct setlink_element element[COLLECTED_MAX];
	size_t count;
};

static int collect(void *context, const struct setlink_element *element)
{
	struct collected *collected = context;

	if (collected->count < COLLECTED_MAX)
		collected->element[collected->count] = *element;
	collected->count++;
	return 0;
}

static struct collected dump(const char *set)
{
	struct collected collected = {.count = 0};

	assert_int_equal(setlink_dump(kernel, "t", set, collect, &collected), 0);
	return collected;
}

static int add_one(const char *set, struct setlink_element element)
{
	setlink_begin(kernel, "t");
	setlink_add(kernel, set, &element);
	return setlink_commit(kernel);
}

static bool nft_shows(const char *text)
{
	char *ruleset;
	bool found;

	assert_int_equal(ruleset_read("t", &ruleset), 0);
	found = strstr(ruleset, text) != NULL;
	free(ruleset);
	return found;
}

static void leases_of_both_families(void **state)
{
	struct setlink_element four = lease4(0x010203, 0x7fffffff, 3600);
	struct setlink_element six = {.key = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x53},
		.key_size = 16,
		.has_mark = true,
		.mark = 12,
		.timeout = duration_seconds(86400)};
	struct collected got;

	(void)state;
	setlink_begin(kernel, "t");
	setlink_add(kernel, "leases4", &four);
	setlink_add(kernel, "leases6", &six);
	assert_int_equal(setlink_commit(kernel), 0);

	got = dump("leases4");
	assert_int_equal(got.count, 1);
	assert_int_equal(got.element[0].key_size, 4);
	assert_memory_equal(got.element[0].key, four.key, 4);
	assert_true(got.element[0].has_mark);
	assert_int_equal(got.element[0].mark, 0x7fffffff);
	assert_in_range(got.element[0].timeout.ms, 1, 3600 * 1000);
	got = dump("leases6");
	assert_int_equal(got.count, 1);
	assert_int_equal(got.element[0].key_size, 16);
	assert_memory_equal(got.element[0].key, six.key, 16);
	assert_int_equal(got.element[0].mark, 12);
	assert_true(nft_shows("10.1.2.3 timeout 1h expires"));
	assert_true(nft_shows(": 0x7fffffff }"));
	assert_true(nft_shows("2001:db8::53 timeout 1d expires"));
	assert_true(nft_shows(": 0x0000000c }"));
}

static void sets_of_marks(void **state)
{
	struct collected got;
	uint32_t mark;

	(void)state;
	assert_int_equal(add_one("live", live(0x1a2b3c)), 0);
	got = dump("live");
	assert_int_equal(got.count, 1);
	memcpy(&mark, got.element[0].key, sizeof(mark));
	assert_int_equal(mark, 0x1a2b3c);
	assert_false(got.element[0].has_mark);
	assert_int_equal(got.element[0].timeout.ms, 0);
	assert_true(nft_shows("elements = { 0x001a2b3c }"));
}

static void concatenated_keys(void **state)
{
	/* 192.0.2.53 . udp . 53 */
	struct setlink_element upstream = {
		.key = {192, 0, 2, 53, 17, 0, 0, 0, 0, 53}, .key_size = 12};
	struct setlink_element resolver = {.key_size = 8};
	uint32_t fields[2] = {0x42, 65534};

	(void)state;
	memcpy(resolver.key, fields, sizeof(fields));
	setlink_begin(kernel, "t");
	setlink_add(kernel, "upstream", &upstream);
	setlink_add(kernel, "resolver", &resolver);
	assert_int_equal(setlink_commit(kernel), 0);
	/* Without /etc/protocols nft prints the number. */
	assert_true(nft_shows("192.0.2.53 . udp . 53") || nft_shows("192.0.2.53 . 17 . 53"));
	assert_true(nft_shows("0x00000042 . 65534"));
	load("add element inet t resolver { 0x42 . 65534 }");
	assert_int_equal(dump("resolver").count, 1);
	assert_memory_equal(dump("resolver").element[0].key, fields, sizeof(fields));
}

static void adding_again(void **state)
{
	(void)state;
	assert_int_equal(add_one("leases4", lease4(1, 5, 100)), 0);
	assert_int_equal(add_one("leases4", lease4(1, 5, 100)), 0);
	assert_int_equal(dump("leases4").count, 1);
	assert_int_equal(add_one("leases4", lease4(1, 6, 100)), -EEXIST);
	assert_int_equal(dump("leases4").element[0].mark, 5);
}

static void delete_and_add_in_one(void **state)
{
	struct setlink_element element = lease4(1, 5, 100), other = lease4(1, 6, 3600);

	(void)state;
	assert_int_equal(add_one("leases4", element), 0);
	setlink_begin(kernel, "t");
	setlink_add(kernel, "leases4", &element);
	setlink_delete(kernel, "leases4", &element);
	setlink_add(kernel, "leases4", &other);
	assert_int_equal(setlink_commit(kernel), 0);
	assert_int_equal(dump("leases4").count, 1);
	assert_int_equal(dump("leases4").element[0].mark, 6);
	assert_true(nft_shows("timeout 1h expires"));
}

static void all_or_nothing(void **state)
{
	struct setlink_element there = lease4(1, 5, 100), missing = lease4(2, 5, 100);

	(void)state;
	setlink_begin(kernel, "t");
	setlink_add(kernel, "leases4", &there);
	setlink_delete(kernel, "leases4", &missing);
	assert_int_equal(setlink_commit(kernel), -ENOENT);
	assert_int_equal(dump("leases4").count, 0);

	/* The last change, which alone is acknowledged, is in order. */
	setlink_begin(kernel, "t");
	setlink_delete(kernel, "leases4", &missing);
	setlink_add(kernel, "leases4", &there);
	assert_int_equal(setlink_commit(kernel), -ENOENT);
	assert_int_equal(dump("leases4").count, 0);
	assert_int_equal(add_one("leases4", there), 0);
}

static void first_refusal_is_told(void **state)
{
	struct setlink_element taken = lease4(1, 6, 100), missing = lease4(2, 5, 100);

	(void)state;
	assert_int_equal(add_one("leases4", lease4(1, 5, 100)), 0);
	setlink_begin(kernel, "t");
	setlink_add(kernel, "leases4", &taken);
	setlink_delete(kernel, "leases4", &missing);
	assert_int_equal(setlink_commit(kernel), -EEXIST);
	setlink_begin(kernel, "t");
	setlink_delete(kernel, "leases4", &missing);
	setlink_add(kernel, "leases4", &taken);
	assert_int_equal(setlink_commit(kernel), -ENOENT);
}

static void what_is_not_there(void **state)
{
	struct setlink_element element = lease4(1, 5, 100);
	struct collected none = {.count = 0};

	(void)state;
	assert_int_equal(add_one("missing", element), -ENOENT);
	setlink_begin(kernel, "missing");
	setlink_add(kernel, "leases4", &element);
	assert_int_equal(setlink_commit(kernel), -ENOENT);
	assert_int_equal(setlink_dump(kernel, "t", "missing", collect, &none), -ENOENT);
	assert_int_equal(setlink_dump(kernel, "missing", "live", collect, &none), -ENOENT);
	assert_int_equal(none.count, 0);
	assert_int_equal(setlink_find(kernel, "t", "leases4"), 0);
	assert_int_equal(setlink_find(kernel, "t", "lease"), -ENOENT);
	assert_int_equal(setlink_find(kernel, "missing", "leases4"), -ENOENT);
}

static void flush(void **state)
{
	struct setlink_element element = lease4(3, 5, 100);

	(void)state;
	assert_int_equal(add_one("leases4", lease4(1, 5, 100)), 0);
	assert_int_equal(add_one("leases4", lease4(2, 5, 100)), 0);
	assert_int_equal(add_one("live", live(5)), 0);
	setlink_begin(kernel, "t");
	setlink_flush(kernel, "leases4");
	setlink_add(kernel, "leases4", &element);
	assert_int_equal(setlink_commit(kernel), 0);
	assert_int_equal(dump("leases4").count, 1);
	assert_memory_equal(dump("leases4").element[0].key, element.key, 4);
	setlink_begin(kernel, "t");
	setlink_flush(kernel, "leases4");
	assert_int_equal(setlink_commit(kernel), 0);
	assert_int_equal(dump("leases4").count, 0);
	assert_int_equal(dump("live").count, 1);
}

static void empty_and_forgotten(void **state)
{
	struct setlink_element element = lease4(1, 5, 100);

	(void)state;
	assert_int_equal(setlink_commit(kernel), 0);
	assert_int_equal(setlink_room(kernel), 0);
	setlink_begin(kernel, "t");
	assert_int_equal(setlink_commit(kernel), 0);
	setlink_begin(kernel, "t");
	setlink_add(kernel, "leases4", &element);
	setlink_begin(kernel, "t");
	assert_int_equal(setlink_commit(kernel), 0);
	assert_int_equal(dump("leases4").count, 0);
	setlink_add(kernel, "leases4", &element);
	assert_int_equal(setlink_commit(kernel), -EINVAL);
	assert_int_equal(add_one("leases4", element), 0);
	assert_int_equal(setlink_commit(kernel), 0);
}

static int commit_with_key_size(size_t size)
{
	struct setlink_element element = lease4(1, 5, 100);

	element.key_size = size;
	return add_one("leases4", element);
}

static void what_cannot_be_sent(void **state)
{
	struct setlink_element element = lease4(1, 5, -1), good = lease4(1, 5, 100);
	char name[300];

	(void)state;
	assert_int_equal(commit_with_key_size(0), -EINVAL);
	assert_int_equal(commit_with_key_size(SETLINK_KEY_MAX + 1), -EINVAL);
	assert_int_equal(commit_with_key_size(SETLINK_KEY_MAX), -EINVAL); /* the kernel's */
	assert_int_equal(add_one("leases4", element), -EINVAL);

	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(add_one(name, good), -ENAMETOOLONG);
	assert_int_equal(setlink_find(kernel, "t", name), -ENAMETOOLONG);
	setlink_begin(kernel, name);
	assert_int_equal(setlink_room(kernel), 0);
	setlink_add(kernel, "leases4", &good);
	assert_int_equal(setlink_commit(kernel), -ENAMETOOLONG);

	/* A mistake is kept, whatever is collected after it. */
	setlink_begin(kernel, "t");
	setlink_add(kernel, "leases4", &element);
	setlink_add(kernel, "leases4", &good);
	assert_int_equal(setlink_commit(kernel), -EINVAL);
	assert_int_equal(dump("leases4").count, 0);
	assert_int_equal(add_one("leases4", good), 0);
}

/* Adds to the sets in turn until there is no room; how many were added. */
static uint32_t fill(const char *const *sets, size_t count)
{
	uint32_t added = 0;

	setlink_begin(kernel, "t");
	while (setlink_room(kernel) > 0) {
		struct setlink_element element = lease4(added, 7, 1000);

		setlink_add(kernel, sets[added % count], &element);
		added++;
	}
	return added;
}

static void as_much_as_fits(void **state)
{
	const char *const one[] = {"leases4"};
	struct setlink_element extra = lease4(0xffffff, 7, 1000);
	uint32_t added;

	(void)state;
	setlink_begin(kernel, "t");
	assert_in_range(setlink_room(kernel), 500, 100000);
	added = fill(one, 1);
	assert_true(added > 5000); /* more than one list of 64 KiB */
	assert_int_equal(setlink_commit(kernel), 0);
	assert_int_equal(dump("leases4").count, added);

	added = fill(one, 1);
	setlink_add(kernel, "leases4", &extra);
	assert_int_equal(setlink_commit(kernel), -EMSGSIZE);
	assert_int_equal(dump("leases4").count, added);
	assert_int_equal(add_one("leases4", extra), 0);
	assert_int_equal(dump("leases4").count, added + 1);
}

/* A list is shared by neighbours only: what alternates takes a message each. */
static void neighbours_share_a_message(void **state)
{
	const char *const one[] = {"leases4"};
	const char *const two[] = {"leases4", "plain"};

	(void)state;
	assert_true(fill(one, 1) > fill(two, 2) * 3 / 2);
}

/* More errors than the socket's queue holds. */
static void many_refusals(void **state)
{
	struct setlink_element taken = lease4(1, 6, 100);
	uint32_t number = 2;

	(void)state;
	assert_int_equal(add_one("leases4", lease4(1, 5, 100)), 0);
	setlink_begin(kernel, "t");
	setlink_add(kernel, "leases4", &taken);
	for (; setlink_room(kernel) > 1; number += 2) {
		struct setlink_element missing = address(number);

		setlink_delete(kernel, "leases4", &missing);
		setlink_delete(kernel, "plain", &missing);
	}
	assert_true(number > 5000);
	assert_int_equal(setlink_commit(kernel), -EEXIST);
	assert_int_equal(add_one("leases4", lease4(2, 5, 100)), 0);
	assert_int_equal(add_one("leases4", lease4(2, 6, 100)), -EEXIST);
}

/* The kernel's error about a long message must not bring that message back. */
static void a_refused_long_list(void **state)
{
	struct setlink_element taken = lease4(0, 6, 100);

	(void)state;
	assert_int_equal(add_one("leases4", lease4(0, 5, 100)), 0);
	setlink_begin(kernel, "t");
	setlink_add(kernel, "leases4", &taken);
	for (uint32_t number = 1; number < 1500; number++) {
		struct setlink_element element = lease4(number, 5, 100);

		setlink_add(kernel, "leases4", &element);
	}
	assert_int_equal(setlink_commit(kernel), -EEXIST);
	assert_int_equal(dump("leases4").count, 1);
}

/* Leaves the error for a question with this sequence number in the link's queue. */
static void leave_reply(uint32_t sequence)
{
	uint8_t bytes[256] __attribute__((aligned(8)));
	struct nlmsghdr *message = mnl_nlmsg_put_header(bytes);
	struct nfgenmsg *generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));

	message->nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETSET;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message->nlmsg_seq = sequence;
	generic->nfgen_family = NFPROTO_INET;
	mnl_attr_put_strz(message, NFTA_SET_TABLE, "missing");
	mnl_attr_put_strz(message, NFTA_SET_NAME, "missing");
	assert_int_equal(
		send(kernel_fd, message, message->nlmsg_len, 0), (ssize_t)message->nlmsg_len);
}

static void stale_replies_are_passed_over(void **state)
{
	(void)state;
	assert_int_equal(add_one("live", live(1)), 0);
	leave_reply(1);          /* an earlier one's */
	leave_reply(0x80000000); /* nobody's */
	assert_int_equal(add_one("leases4", lease4(1, 5, 100)), 0);
	leave_reply(2);
	assert_int_equal(add_one("leases4", lease4(1, 6, 100)), -EEXIST);
	leave_reply(3);
	assert_int_equal(dump("leases4").count, 1);
	leave_reply(3);
	assert_int_equal(setlink_find(kernel, "t", "leases4"), 0);
}

static int stop_at_second(void *context, const struct setlink_element *element)
{
	int *seen = context;

	(void)element;
	return ++*seen == 2 ? 42 : 0;
}

static void a_walk_that_is_ended(void **state)
{
	const char *const one[] = {"leases4"};
	int seen = 0;

	(void)state;
	assert_true(fill(one, 1) > 5000); /* several datagrams */
	assert_int_equal(setlink_commit(kernel), 0);
	assert_int_equal(setlink_dump(kernel, "t", "leases4", stop_at_second, &seen), 42);
	assert_int_equal(seen, 2);
	assert_int_equal(add_one("live", live(1)), 0);
	assert_int_equal(dump("live").count, 1);
}

struct disturbance {
	struct setlink *other;
	size_t count;
};

static int disturb(void *context, const struct setlink_element *element)
{
	struct disturbance *disturbance = context;
	struct setlink_element mark = live(99);

	(void)element;
	if (disturbance->count++ > 0)
		return 0;
	setlink_begin(disturbance->other, "t");
	setlink_add(disturbance->other, "live", &mark);
	return setlink_commit(disturbance->other);
}

static void a_walk_with_changes_beneath(void **state)
{
	const char *const one[] = {"leases4"};
	struct disturbance disturbance = {.count = 0};

	(void)state;
	assert_true(fill(one, 1) > 5000);
	assert_int_equal(setlink_commit(kernel), 0);
	assert_int_equal(setlink_open(&disturbance.other), 0);
	assert_int_equal(setlink_dump(kernel, "t", "leases4", disturb, &disturbance), -EINTR);
	setlink_close(disturbance.other);
	assert_true(disturbance.count > 0);
	assert_int_equal(dump("live").count, 1);
}

/* The kernel keeps the end of an interval as an element of its own. */
static void one_element_is_found_by_its_key(void **state)
{
	struct setlink_element wanted = lease4(2, 0, 0), found;

	(void)state;
	assert_int_equal(setlink_get(kernel, "t", "leases4", &wanted, &found), -ENOENT);
	assert_int_equal(add_one("leases4", lease4(1, 5, 100)), 0);
	assert_int_equal(add_one("leases4", lease4(2, 6, 200)), 0);
	assert_int_equal(setlink_get(kernel, "t", "leases4", &wanted, &found), 0);
	assert_int_equal(found.mark, 6);
	assert_in_range(found.timeout.ms, 150000, 200000);
	wanted = lease4(3, 0, 0);
	assert_int_equal(setlink_get(kernel, "t", "leases4", &wanted, &found), -ENOENT);
	assert_int_equal(setlink_get(kernel, "t", "nothing", &wanted, &found), -ENOENT);
	assert_int_equal(setlink_get(kernel, "nothing", "leases4", &wanted, &found), -ENOENT);
	wanted.key_size = 0;
	assert_int_equal(setlink_get(kernel, "t", "leases4", &wanted, &found), -EINVAL);
}

static uint32_t generation_now(void)
{
	uint32_t generation = 0;

	assert_int_equal(setlink_generation(kernel, &generation), 0);
	assert_int_not_equal(generation, 0);
	return generation;
}

static int add_expecting(uint32_t generation, uint32_t number)
{
	struct setlink_element element = lease4(number, 5, 100);

	setlink_begin(kernel, "t");
	setlink_expect(kernel, generation);
	setlink_add(kernel, "leases4", &element);
	return setlink_commit(kernel);
}

static void a_transaction_expects_a_generation(void **state)
{
	uint32_t generation = generation_now();

	(void)state;
	assert_int_equal(add_expecting(generation, 1), 0);
	/* What one knows of one's own: no need to ask. */
	assert_int_equal(generation_now(), netlink_next_generation(generation));
	assert_int_equal(add_expecting(netlink_next_generation(generation), 2), 0);
	generation = generation_now();
	load("add table inet elsewhere\n");
	assert_int_equal(add_expecting(generation, 3), -ERESTART);
	assert_int_equal(dump("leases4").count, 2);
	assert_int_equal(add_expecting(0, 3), 0);
	assert_int_equal(add_expecting(generation_now(), 4), 0);
	assert_int_equal(dump("leases4").count, 4);
	load("delete table inet elsewhere\n");
	assert_int_equal(netlink_next_generation(UINT32_MAX), 1);
}

static void an_expectation_comes_first(void **state)
{
	struct setlink_element element = lease4(1, 5, 100);

	(void)state;
	setlink_begin(kernel, "t");
	setlink_add(kernel, "leases4", &element);
	setlink_expect(kernel, generation_now());
	assert_int_equal(setlink_commit(kernel), -EINVAL);
	assert_int_equal(dump("leases4").count, 0);
}

/* The same answer as trying it on a set of the test's. */
static void the_probe_tells_the_truth_and_leaves_nothing(void **state)
{
	bool refreshes = false;

	(void)state;
	assert_int_equal(add_one("leases4", lease4(1, 5, 100)), 0);
	assert_int_equal(add_one("leases4", lease4(1, 5, 1000)), 0);
	assert_int_equal(setlink_probe_refresh(kernel, "egress.probe", &refreshes), 0);
	assert_int_equal(refreshes, dump("leases4").element[0].timeout.ms > 100000);
	assert_int_equal(setlink_find(kernel, "egress.probe", "probe"), -ENOENT);
	assert_int_equal(setlink_probe_refresh(kernel, "t", &refreshes), -EEXIST);
	assert_int_equal(dump("leases4").count, 1);
}

static void intervals(void **state)
{
	struct collected got;
	uint8_t first[2][4] = {{10, 42, 0, 0}, {192, 0, 2, 10}};

	(void)state;
	load("add element inet t ranges { 10.42.0.0/16 : 0x7, 192.0.2.10-192.0.2.20 : 0x8 }");
	got = dump("ranges");
	assert_int_equal(got.count, 2);
	for (size_t i = 0; i < 2; i++) {
		size_t which = got.element[i].mark == 7 ? 0 : 1;

		assert_memory_equal(got.element[i].key, first[which], 4);
		assert_int_equal(got.element[i].mark, which ? 8 : 7);
	}
}

/* BATCH_BEGIN is answered, and nothing after it. */
static void another_namespace(void *context)
{
	struct setlink_element element = lease4(1, 5, 100);
	struct setlink *link;

	(void)context;
	CHECK(setlink_open(&link) == 0);
	CHECK(setresuid(0, 0, 0) == 0);
	setlink_begin(link, "t");
	setlink_add(link, "leases4", &element);
	CHECK(setlink_commit(link) == 0);
	CHECK(space_enter() == 0); /* in it this process has no right over the socket's */
	setlink_begin(link, "t");
	setlink_add(link, "leases4", &element);
	CHECK(setlink_commit(link) == -EPERM);
	CHECK(setlink_find(link, "t", "leases4") == -EPERM);
	setlink_close(link);
}

static void no_permission(void **state)
{
	(void)state;
	assert_true(space_child(another_namespace, NULL));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(leases_of_both_families),
		TEST(sets_of_marks),
		TEST(concatenated_keys),
		TEST(adding_again),
		TEST(delete_and_add_in_one),
		TEST(all_or_nothing),
		TEST(first_refusal_is_told),
		TEST(what_is_not_there),
		TEST(flush),
		TEST(empty_and_forgotten),
		TEST(what_cannot_be_sent),
		TEST(as_much_as_fits),
		TEST(neighbours_share_a_message),
		TEST(many_refusals),
		TEST(a_refused_long_list),
		TEST(stale_replies_are_passed_over),
		TEST(a_walk_that_is_ended),
		TEST(a_walk_with_changes_beneath),
		TEST(one_element_is_found_by_its_key),
		TEST(a_transaction_expects_a_generation),
		TEST(an_expectation_comes_first),
		TEST(the_probe_tells_the_truth_and_leaves_nothing),
		TEST(intervals),
		TEST(no_permission),
	};
	int error = space_enter();

	if (error)
		return space_skip("no user and network namespace of its own", error);
	return cmocka_run_group_tests_name("setlink", tests, NULL, NULL);
}
