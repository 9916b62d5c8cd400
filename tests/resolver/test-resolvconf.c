/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/resolvconf.h"
#include "rules/dns-server.h"

/* The system's servers, as resolv.conf(5) has them. */

static char folder[] = "/tmp/egress-test-resolvconf-XXXXXX";

/* The servers as text, with blanks between. */
static const char *list(const struct dns_server *servers, size_t count)
{
	static char text[DNS_SERVERS_MAX * DNS_SERVER_TEXT];
	char one[DNS_SERVER_TEXT];

	text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		strcat(text, i > 0 ? " " : "");
		strcat(text, dns_server_to_text(&servers[i], one));
	}
	return text;
}

static const char *parsed(const char *text)
{
	struct dns_server servers[DNS_SERVERS_MAX];
	char *copy = malloc(strlen(text) + 1);
	size_t count;

	memcpy(copy, text, strlen(text));
	count = resolvconf_parse((struct text){copy, strlen(text)}, servers);
	free(copy);
	return list(servers, count);
}

static void nameservers_are_read(void **state)
{
	(void)state;
	assert_string_equal(parsed(""), "");
	assert_string_equal(parsed("nameserver 192.0.2.1"), "192.0.2.1:53");
	assert_string_equal(parsed("nameserver\t192.0.2.1 \t# first\r\nnameserver 2001:db8::1\n"),
		"192.0.2.1:53 [2001:db8::1]:53");
	assert_string_equal(parsed("nameserver 192.0.2.1\nnameserver 192.0.2.1\n"), "192.0.2.1:53");
	assert_string_equal(parsed("domain example.com\nsearch a b\noptions ndots:2 rotate\n"
				   "; nameserver 192.0.2.2\n#nameserver 192.0.2.3\n"
				   "nameserver 127.0.0.53\n"),
		"127.0.0.53:53");
}

static void what_is_none_is_not(void **state)
{
	static const char *const none[] = {"nameserver", "nameserver ", "nameserver\n192.0.2.1",
		"nameserver192.0.2.1", " nameserver 192.0.2.1", "nameserver 192.0.2.1:53",
		"nameserver fe80::1%eth0", "nameserver localhost", "nameserver udp://192.0.2.1",
		"nameserver tls://192.0.2.1#a.example", "nameserver 0.0.0.0",
		"nameserver ::", "nameserver 224.0.0.1", "nameserver 192.0.2",
		"Nameserver 192.0.2.1"};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (strcmp(parsed(none[i]), "") != 0)
			fail_msg("%s", none[i]);
}

static void there_are_eight_at_most(void **state)
{
	char text[1000] = "";

	(void)state;
	for (int i = 1; i < 20; i++)
		sprintf(text + strlen(text), "nameserver 192.0.2.%d\n", i);
	assert_null(strstr(parsed(text), "192.0.2.9:"));
	assert_non_null(strstr(parsed(text), "192.0.2.8:"));
}

static const char *write_file(const char *name, const char *text)
{
	static char paths[4][100];
	static unsigned next;
	char *path = paths[next++ % 4];
	FILE *file;

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return path;
}

static const char *reading(const char *text, const char *behind)
{
	struct dns_server servers[DNS_SERVERS_MAX];
	size_t count = 99;

	assert_int_equal(
		resolvconf_read(write_file("resolv.conf", text), behind, servers, &count), 0);
	return list(servers, count);
}

static void the_stub_is_passed_by(void **state)
{
	const char *behind = write_file("behind", "nameserver 192.0.2.7\nnameserver 192.0.2.8\n");

	(void)state;
	assert_string_equal(
		reading("nameserver 127.0.0.53\n", behind), "192.0.2.7:53 192.0.2.8:53");
	assert_string_equal(reading("nameserver 127.0.0.53\n", "/nowhere/at.all"), "127.0.0.53:53");
	assert_string_equal(
		reading("nameserver 127.0.0.53\n", write_file("empty", "")), "127.0.0.53:53");
	/* It lists itself. */
	assert_string_equal(
		reading("nameserver 127.0.0.53\n", write_file("behind", "nameserver 127.0.0.54\n")),
		"127.0.0.53:53");
	behind = write_file("behind", "nameserver 192.0.2.7\nnameserver 192.0.2.8\n");
	/* Not where there is another one, or none. */
	assert_string_equal(reading("nameserver 127.0.0.53\nnameserver 192.0.2.1\n", behind),
		"127.0.0.53:53 192.0.2.1:53");
	assert_string_equal(reading("nameserver 127.0.0.1\n", behind), "127.0.0.1:53");
	assert_string_equal(reading("", behind), "");
}

static size_t parse(const char *text, struct dns_server servers[DNS_SERVERS_MAX])
{
	return resolvconf_parse(text_of(text), servers);
}

static void the_stub_alone_is_for_the_time_being(void **state)
{
	struct dns_server servers[DNS_SERVERS_MAX];

	(void)state;
	assert_false(resolvconf_is_settled(servers, parse("", servers)));
	assert_false(resolvconf_is_settled(servers, parse("nameserver 127.0.0.53\n", servers)));
	assert_false(resolvconf_is_settled(
		servers, parse("nameserver 127.0.0.54\nnameserver 127.0.0.53\n", servers)));
	assert_true(resolvconf_is_settled(servers, parse("nameserver 127.0.0.1\n", servers)));
	assert_true(resolvconf_is_settled(servers, parse("nameserver 192.0.2.1\n", servers)));
	assert_true(resolvconf_is_settled(
		servers, parse("nameserver 127.0.0.53\nnameserver 2001:db8::1\n", servers)));
}

static void other_servers_are_told_from_the_same(void **state)
{
	static const char *const texts[] = {"", "nameserver 192.0.2.1", "nameserver 192.0.2.2",
		"nameserver 192.0.2.1\nnameserver 192.0.2.2",
		"nameserver 192.0.2.2\nnameserver 192.0.2.1", "nameserver 2001:db8::1"};
	struct dns_server a[DNS_SERVERS_MAX], b[DNS_SERVERS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (size_t j = 0; j < sizeof(texts) / sizeof(texts[0]); j++) {
			size_t n_a = parse(texts[i], a), n_b = parse(texts[j], b);

			assert_int_equal(resolvconf_equal(a, n_a, b, n_b), i == j);
		}
	}
}

static void files_that_cannot_be_read(void **state)
{
	struct dns_server servers[DNS_SERVERS_MAX];
	size_t count = 99;
	char path[100];

	(void)state;
	assert_int_equal(resolvconf_read("/nowhere/at.all", "/", servers, &count), -ENOENT);
	assert_int_equal(resolvconf_read(folder, "/", servers, &count), -EISDIR);
	assert_int_equal(count, 99);
	/* Nobody is waited for. */
	snprintf(path, sizeof(path), "%s/fifo", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(resolvconf_read(path, "/", servers, &count), 0);
	assert_int_equal(count, 0);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nameservers_are_read),
		cmocka_unit_test(what_is_none_is_not),
		cmocka_unit_test(there_are_eight_at_most),
		cmocka_unit_test(the_stub_is_passed_by),
		cmocka_unit_test(the_stub_alone_is_for_the_time_being),
		cmocka_unit_test(other_servers_are_told_from_the_same),
		cmocka_unit_test(files_that_cannot_be_read),
	};
	static const char *const files[] = {"resolv.conf", "behind", "empty"};
	char path[100];
	int failed;

	if (!mkdtemp(folder))
		return 99;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		unlink(path);
	}
	rmdir(folder);
	return failed;
}
