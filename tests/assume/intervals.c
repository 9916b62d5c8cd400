/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What we believe of interval maps as the kernel has them, of what may be deleted, and of tables
 * with an owner. */

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/kernel/netlink.h"
#include "src/kernel/ruleset.h"
#include "tests/assume/wire.h"
#include "tests/kernel/space.h"

enum { SET_COUNT = 20 }; /* NFTA_SET_COUNT */

static struct netlink *kernel;

static void set_up(const char *text)
{
	wire_load(text);
	CHECK(netlink_open(1 << 16, &kernel) == 0);
}

static bool has(const char *text)
{
	char *ruleset;
	bool found;

	CHECK(ruleset_read("t", &ruleset) == 0);
	found = strstr(ruleset, text) != NULL;
	free(ruleset);
	return found;
}

/* --- Elements --- */

static const char map_text[] = "table inet t { map m { type ipv4_addr : mark; flags interval; }; }";

static void put_element(struct nlmsghdr *message, const char *address, uint32_t mark)
{
	struct nlattr *item = mnl_attr_nest_start(message, NFTA_LIST_ELEM), *data;
	uint8_t key[4];

	CHECK(inet_pton(AF_INET, address, key) == 1);
	data = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);
	mnl_attr_put(message, NFTA_DATA_VALUE, sizeof(key), key);
	mnl_attr_nest_end(message, data);
	if (mark != 0) {
		data = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
		mnl_attr_put(message, NFTA_DATA_VALUE, sizeof(mark), &mark);
		mnl_attr_nest_end(message, data);
	} else {
		mnl_attr_put_u32(message, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	}
	mnl_attr_nest_end(message, item);
}

/* Adds a beginning, or with mark 0 an end. */
static int add(const char *address, uint32_t mark)
{
	struct nlmsghdr *message;

	netlink_begin(kernel);
	message =
		netlink_list(kernel, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, "t", "m", 256);
	CHECK(message);
	put_element(message, address, mark);
	netlink_listed(kernel);
	return netlink_commit(kernel);
}

/* What the kernel answers with. */
struct found {
	uint8_t key[4];
	bool is_end;
	unsigned count;
};

static int get_key(const struct nlattr *part, void *context)
{
	struct found *found = context;

	if (mnl_attr_get_type(part) == NFTA_DATA_VALUE && mnl_attr_get_payload_len(part) == 4)
		memcpy(found->key, mnl_attr_get_payload(part), 4);
	return MNL_CB_OK;
}

static int get_part(const struct nlattr *part, void *context)
{
	struct found *found = context;

	if (mnl_attr_get_type(part) == NFTA_SET_ELEM_KEY)
		return mnl_attr_parse_nested(part, get_key, found);
	if (mnl_attr_get_type(part) == NFTA_SET_ELEM_FLAGS)
		found->is_end = (ntohl(mnl_attr_get_u32(part)) & NFT_SET_ELEM_INTERVAL_END) != 0;
	return MNL_CB_OK;
}

static int get_element(const struct nlattr *item, void *context)
{
	struct found *found = context;

	found->count++;
	return mnl_attr_parse_nested(item, get_part, found);
}

static int get_list(const struct nlattr *attribute, void *context)
{
	if (mnl_attr_get_type(attribute) == NFTA_SET_ELEM_LIST_ELEMENTS)
		return mnl_attr_parse_nested(attribute, get_element, context);
	return MNL_CB_OK;
}

static int take_elements(void *context, const struct nlmsghdr *reply)
{
	mnl_attr_parse(reply, sizeof(struct nfgenmsg), get_list, context);
	return 0;
}

/* Asks for a beginning or an end: whether that is what is found. */
static bool finds(const char *address, uint32_t mark)
{
	struct found found = {.count = 0};
	uint8_t key[4];
	int error;

	struct netlink_question bytes;
	struct nlmsghdr *question = netlink_question(kernel, &bytes, NFT_MSG_GETSETELEM, NLM_F_ACK);
	struct nlattr *list;

	mnl_attr_put_strz(question, NFTA_SET_ELEM_LIST_TABLE, "t");
	mnl_attr_put_strz(question, NFTA_SET_ELEM_LIST_SET, "m");
	list = mnl_attr_nest_start(question, NFTA_SET_ELEM_LIST_ELEMENTS);
	put_element(question, address, mark);
	mnl_attr_nest_end(question, list);
	error = netlink_ask(kernel, question, take_elements, &found);
	CHECK(error == 0 || error == -ENOENT);
	CHECK(inet_pton(AF_INET, address, key) == 1);
	return found.count == 1 && memcmp(found.key, key, 4) == 0 && found.is_end == (mark == 0);
}

/* So neighbours cannot share an edge: each interval has an end of its own. */
static void a_beginning_without_an_end(void)
{
	set_up(map_text);
	CHECK(add("10.0.0.0", 1) == 0);
	CHECK(add("10.0.0.8", 2) < 0);
	CHECK(add("10.0.0.8", 0) == 0);
	CHECK(add("10.0.0.8", 2) == 0);
	CHECK(add("10.0.0.16", 0) == 0);
	CHECK(has("{ 10.0.0.0/29 : 0x00000001, 10.0.0.8/29 : 0x00000002 }"));
}

/* It reaches up to the last address. */
static void no_end_at_all(void)
{
	set_up(map_text);
	CHECK(add("255.255.255.0", 1) == 0);
	CHECK(has("{ 255.255.255.0/24 : 0x00000001 }"));
}

static void overlaps(void)
{
	set_up(map_text);
	CHECK(add("10.0.0.0", 1) == 0);
	CHECK(add("10.0.0.8", 0) == 0);
	CHECK(add("10.0.0.0", 1) < 0);
	CHECK(add("10.0.0.4", 1) < 0);
}

static void asking_for_ends(void)
{
	set_up(map_text);
	CHECK(add("10.0.0.0", 1) == 0 && add("10.0.0.8", 0) == 0);
	CHECK(add("10.0.0.8", 2) == 0 && add("10.0.0.16", 0) == 0);
	CHECK(finds("10.0.0.0", 1) && finds("10.0.0.8", 2) && finds("10.0.0.16", 0));
	CHECK(!finds("10.0.0.24", 1) && !finds("10.0.0.24", 0) && !finds("10.0.0.0", 0));
	CHECK(!finds("10.0.0.4", 1) && !finds("10.0.0.4", 0));
	/* It is there, but hidden by the beginning. */
	CHECK(!finds("10.0.0.8", 0));
}

static int get_count(const struct nlattr *attribute, void *context)
{
	if (mnl_attr_get_type(attribute) == SET_COUNT)
		*(int64_t *)context = ntohl(mnl_attr_get_u32(attribute));
	return MNL_CB_OK;
}

static int take_count(void *context, const struct nlmsghdr *reply)
{
	mnl_attr_parse(reply, sizeof(struct nfgenmsg), get_count, context);
	return 0;
}

static int64_t count(void)
{
	struct netlink_question bytes;
	struct nlmsghdr *question = netlink_question(kernel, &bytes, NFT_MSG_GETSET, NLM_F_ACK);
	int64_t number = -1;

	mnl_attr_put_strz(question, NFTA_SET_TABLE, "t");
	mnl_attr_put_strz(question, NFTA_SET_NAME, "m");
	CHECK(netlink_ask(kernel, question, take_count, &number) == 0);
	return number;
}

/* Pairs are counted: what has no end isn't. */
static void the_number_of_intervals(void)
{
	set_up(map_text);
	if (count() < 0)
		space_skip_test("this kernel does not tell it");
	CHECK(count() == 0);
	CHECK(add("10.0.0.0", 1) == 0 && add("10.0.0.8", 0) == 0);
	CHECK(count() == 1);
	CHECK(add("10.0.0.8", 2) == 0 && add("10.0.0.16", 0) == 0);
	CHECK(count() == 2);
	CHECK(add("255.255.255.255", 2) == 0);
	CHECK(count() == 2);
}

/* --- Deleting --- */

static int change(uint16_t type, uint16_t flags, uint16_t name_type, const char *name)
{
	struct nlmsghdr *message;

	netlink_begin(kernel);
	message = netlink_change(kernel, type, flags, 1024);
	CHECK(message);
	mnl_attr_put_strz(message, NFTA_SET_TABLE, "t"); /* as in all messages */
	if (name)
		mnl_attr_put_strz(message, name_type, name);
	netlink_changed(kernel);
	return netlink_commit(kernel);
}

static void sets_in_use(void)
{
	set_up("table inet t {\n"
	       "	chain c { }\n"
	       "	map m { type ipv4_addr : verdict; flags interval;\n"
	       "		elements = { 10.0.0.0/8 : goto c } }\n"
	       "	map unused { type ipv4_addr : verdict; flags interval;\n"
	       "		elements = { 10.0.0.0/8 : goto c } }\n"
	       "	chain judge { ip daddr vmap @m; }\n"
	       "}\n");
	CHECK(change(NFT_MSG_DELSET, 0, NFTA_SET_NAME, "m") == -EBUSY);
	CHECK(change(NFT_MSG_DELCHAIN, 0, NFTA_CHAIN_NAME, "c") == -EBUSY);
	CHECK(change(NFT_MSG_DELSET, 0, NFTA_SET_NAME, "unused") == 0);
	CHECK(change(NFT_MSG_DELSET, 0, NFTA_SET_NAME, "unused") == -ENOENT);
	wire_load("flush chain inet t judge");
	CHECK(change(NFT_MSG_DELSET, 0, NFTA_SET_NAME, "m") == 0);
	CHECK(change(NFT_MSG_DELCHAIN, 0, NFTA_CHAIN_NAME, "c") == 0);
}

static void not_recursively(void)
{
	set_up("table inet t { chain c { accept; }; chain d { }; }");
	CHECK(change(NFT_MSG_DELCHAIN, NLM_F_NONREC, NFTA_CHAIN_NAME, "c") == -EBUSY);
	CHECK(change(NFT_MSG_DELCHAIN, NLM_F_NONREC, NFTA_CHAIN_NAME, "d") == 0);
	CHECK(change(NFT_MSG_DELTABLE, NLM_F_NONREC, 0, NULL) == -EBUSY);
	CHECK(change(NFT_MSG_DELCHAIN, 0, NFTA_CHAIN_NAME, "c") == 0);
	CHECK(change(NFT_MSG_DELTABLE, NLM_F_NONREC, 0, NULL) == 0);
}

/* --- Tables with an owner --- */

static int own(struct netlink *netlink)
{
	struct nlmsghdr *message;

	netlink_begin(netlink);
	message = netlink_change(netlink, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, 1024);
	CHECK(message);
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, "owned");
	mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(0x2)); /* NFT_TABLE_F_OWNER */
	netlink_changed(netlink);
	return netlink_commit(netlink);
}

static int find(void)
{
	struct netlink_question bytes;
	struct nlmsghdr *question = netlink_question(kernel, &bytes, NFT_MSG_GETTABLE, NLM_F_ACK);

	mnl_attr_put_strz(question, NFTA_TABLE_NAME, "owned");
	return netlink_ask(kernel, question, NULL, NULL);
}

static void an_owned_table(void)
{
	struct netlink *owner;
	char *message = NULL;

	set_up("table inet t { }");
	CHECK(netlink_open(1 << 16, &owner) == 0);
	CHECK(own(owner) == 0);
	CHECK(own(owner) == -EEXIST);
	CHECK(own(kernel) == -EPERM);
	CHECK(find() == 0);
	CHECK(ruleset_load("delete table inet owned", false, &message) == -EIO);
	free(message);
	CHECK(ruleset_load("flush ruleset", false, &message) == 0);
	CHECK(find() == 0);
	netlink_close(owner);
	CHECK(find() == -ENOENT);
	CHECK(own(kernel) == 0);
}

int main(void)
{
	const struct space_test tests[] = {
		{"a beginning behind one without an end", a_beginning_without_an_end, SPACE_USER},
		{"an interval without an end", no_end_at_all, SPACE_USER},
		{"overlapping intervals", overlaps, SPACE_USER},
		{"asking for ends", asking_for_ends, SPACE_USER},
		{"the number of intervals", the_number_of_intervals, SPACE_USER},
		{"sets and chains in use", sets_in_use, SPACE_USER},
		{"deleting what is empty only", not_recursively, SPACE_USER},
		{"a table with an owner", an_owned_table, SPACE_USER},
	};

	return space_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
