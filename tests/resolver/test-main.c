/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "resolver/destinations.h"
#include "resolver/main.h"
#include "resolver/msg.h"
#include "resolver/question.h"
#include "rules/nft.h"
#include "rules/compile.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/fd.h"
#include "src/base/log.h"
#include "src/kernel/setlink.h"
#include "tests/kernel/space.h"

/* The whole resolver, with [dns.hosts] and no upstream servers, in a namespace of its own. The test
 * is its administrator, its service manager and its client. */

enum { PATIENCE_MS = 30000, TRY_MS = 500, CHILDREN_MAX = 8 };

#define HEAD "version = 1\nname = \"m\"\n"
#define ALLOW "[[allow]]\nhost = [\"a.test\", \"b.test\"]\n[network]\nblock = []\n"
#define DNS "[dns]\nupstream = []\nlisten = [\"127.0.0.1:5300\"]\n[dns.hosts]\n"

static const char policy[] = HEAD ALLOW DNS "\"a.test\" = [\"192.0.2.1\"]\n";

static char folder[] = "/tmp/egress-test-XXXXXX";
static char path[64], override_path[64], log_path[64];
static const char *const overrides[] = {override_path};
static size_t n_overrides;
static struct setlink *kernel;
static int notify_socket;
static pid_t resolver;

/* --- Administration --- */

static void write_file(const char *file, const char *text)
{
	FILE *out = fopen(file, "we");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static void write_policy(const char *text)
{
	write_file(path, text);
}

static void write_override(const char *text)
{
	write_file(override_path, text);
	n_overrides = 1;
}

/* By nft(8): this program links OpenSSL, through ldns, and so not libnftables. */
static void load_text(const char *text)
{
	/* NOLINTNEXTLINE(cert-env33-c): no text of others' is in the command */
	FILE *out = popen("nft -f -", "we");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(pclose(out), 0);
}

/* What `egress-compile POLICY | nft -f -` does. */
static void load_policy(void)
{
	const struct compile_options options = {
		.policy = path, .overrides = overrides, .n_overrides = n_overrides};
	struct compiled compiled;
	struct arena *arena;
	char *text;
	size_t size;
	FILE *out;

	assert_int_equal(arena_new(64 << 20, &arena), 0);
	assert_int_equal(compile_policy(arena, &options, diag_new(arena), &compiled), 0);
	out = open_memstream(&text, &size);
	assert_int_equal(nft_write(compiled.plan, NULL, out), 0);
	fclose(out);
	load_text(text);
	free(text);
	arena_free(arena);
}

static void launch(const char *user)
{
	struct resolver_options options = {.program = "egress-resolver",
		.policy = path,
		.overrides = overrides,
		.n_overrides = n_overrides,
		.user = user,
		.control = "none",
		.workers = 2};
	pid_t parent = getpid();
	int log_fd;

	fflush(NULL);
	resolver = fork();
	assert_true(resolver >= 0);
	if (resolver > 0)
		return;
	log_fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (log_fd < 0 || dup2(log_fd, STDERR_FILENO) < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) ||
		getppid() != parent)
		_exit(99);
	log_start(options.program, NULL, LOG_LEVEL_INFO);
	_exit(resolver_run(&options));
}

static int status_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (pid == resolver)
		resolver = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Whether what was logged contains the text. */
static bool logged(const char *text)
{
	uint8_t *bytes;
	size_t size;
	bool found;

	assert_int_equal(fd_read_file(log_path, 1 << 20, &bytes, &size), 0);
	found = strstr((const char *)bytes, text) != NULL;
	if (!found)
		fprintf(stderr, "# logged:\n%s", (const char *)bytes);
	free(bytes);
	return found;
}

/* The next notification that contains the text; those before are passed over. */
static void wait_notified(const char *text)
{
	char got[1024];

	do {
		struct pollfd poller = {.fd = notify_socket, .events = POLLIN};
		ssize_t size;

		assert_int_equal(poll(&poller, 1, PATIENCE_MS), 1);
		size = recv(notify_socket, got, sizeof(got) - 1, 0);
		assert_true(size > 0);
		got[size] = '\0';
	} while (!strstr(got, text));
}

static void start(void)
{
	launch("0");
	wait_notified("READY=1");
}

static void stop(void)
{
	assert_int_equal(kill(resolver, SIGTERM), 0);
	wait_notified("STOPPING=1");
	assert_int_equal(status_of(resolver), 0);
}

static unsigned list_children(pid_t ret_pids[CHILDREN_MAX])
{
	char file[64];
	FILE *in;
	unsigned count = 0;

	snprintf(file, sizeof(file), "/proc/%d/task/%d/children", (int)resolver, (int)resolver);
	in = fopen(file, "re");
	assert_non_null(in);
	/* NOLINTNEXTLINE(cert-err34-c): the kernel's numbers */
	while (count < CHILDREN_MAX && fscanf(in, "%d", &ret_pids[count]) == 1)
		count++;
	fclose(in);
	return count;
}

static void wait_gone(const pid_t *pids, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		while (kill(pids[i], 0) == 0)
			poll(NULL, 0, 10);
}

/* --- Clients --- */

static int dial(const char *text)
{
	struct endpoint endpoint;
	struct sockaddr_storage address;
	socklen_t size;
	int fd;

	assert_int_equal(endpoint_from_text(text_of(text), 0, &endpoint), 0);
	size = endpoint_to_sockaddr(&endpoint, &address);
	fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
	return fd;
}

static size_t question(const char *text, uint8_t *out)
{
	struct name name;

	assert_int_equal(name_from_text(text_of(text), &name), 0);
	return question_write(4711, &name, RRTYPE_A, &(struct question_form){.edns = true}, out);
}

/* Asks once; the rcode, or -1 when no answer comes within `wait_ms`. */
static int try_at(const char *server, const char *name, int wait_ms)
{
	uint8_t bytes[QUESTION_MAX], got[MSG_UDP_EDNS];
	struct pollfd poller = {.fd = dial(server), .events = POLLIN};
	size_t size = question(name, bytes);
	ssize_t received = -1;

	if (send(poller.fd, bytes, size, 0) == (ssize_t)size && poll(&poller, 1, wait_ms) == 1)
		received = recv(poller.fd, got, sizeof(got), 0);
	close(poller.fd);
	return received >= MSG_HEADER_SIZE ? got[3] & 0xf : -1;
}

/* As a stub resolver does: again and again. */
static int ask(const char *name)
{
	for (unsigned i = 0; i < PATIENCE_MS / TRY_MS; i++) {
		int rcode = try_at("127.0.0.1:5300", name, TRY_MS);

		if (rcode >= 0)
			return rcode;
		poll(NULL, 0, 10);
	}
	return -1;
}

static int set_up(void **state)
{
	char drained[1024];

	(void)state;
	while (recv(notify_socket, drained, sizeof(drained), MSG_DONTWAIT) > 0)
		;
	load_text("add table inet egress-m\ndelete table inet egress-m\n");
	write_policy(policy);
	n_overrides = 0;
	return 0;
}

/* What a test that failed left. */
static int tear_down(void **state)
{
	pid_t children[CHILDREN_MAX];
	unsigned count;

	(void)state;
	if (resolver <= 0)
		return 0;
	count = list_children(children);
	kill(resolver, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	wait_gone(children, count);
	return 0;
}

/* --- Tests --- */

static void it_serves_until_told_to_end(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT};
	pid_t children[CHILDREN_MAX];

	(void)state;
	load_policy();
	for (unsigned i = 0; i < 2; i++) {
		start();
		assert_int_equal(ask("a.test"), RCODE_NOERROR);
		assert_int_equal(ask("a.other"), RCODE_NXDOMAIN);
		assert_int_equal(list_children(children), 3);
		assert_int_equal(kill(resolver, signals[i]), 0);
		wait_notified("STOPPING=1");
		assert_int_equal(status_of(resolver), 0);
		for (unsigned j = 0; j < 3; j++)
			assert_int_equal(kill(children[j], 0), -1);
	}
}

static void what_keeps_it_from_starting_is_told(void **state)
{
	int taken;

	(void)state;
	launch("0");
	assert_int_equal(status_of(resolver), RESOLVER_KERNEL);
	assert_true(logged("table inet egress-m is not loaded; load it with: egress-compile /"));

	write_policy("version = 1\nnmae = \"m\"\n");
	launch("0");
	assert_int_equal(status_of(resolver), RESOLVER_POLICY);
	assert_true(logged(":2:1: error: "));

	assert_int_equal(unlink(path), 0);
	launch("0");
	assert_int_equal(status_of(resolver), RESOLVER_POLICY);

	launch("no-such-user");
	assert_int_equal(status_of(resolver), RESOLVER_USAGE);
	assert_true(logged("useradd"));

	launch("65534"); /* isn't mapped into this user namespace */
	assert_int_equal(status_of(resolver), RESOLVER_USAGE);
	assert_true(logged("--user"));

	write_policy(policy);
	load_policy();
	taken = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(taken,
				 (struct sockaddr *)&(struct sockaddr_in){
					 .sin_family = AF_INET, .sin_port = htons(5300)},
				 sizeof(struct sockaddr_in)),
		0);
	launch("0");
	assert_int_equal(status_of(resolver), RESOLVER_KERNEL);
	assert_true(logged("cannot listen on 127.0.0.1:5300: Address already in use"));
	close(taken);
}

static void a_ruleset_of_another_policy_is_told(void **state)
{
	(void)state;
	load_policy();
	write_policy(HEAD "[[allow]]\nhost = \"x.test\"\nports = [\"tcp/1\"]\n" DNS
			  "\"a.test\" = [\"192.0.2.1\"]\n");
	launch("0");
	assert_int_equal(status_of(resolver), RESOLVER_KERNEL);
	assert_true(logged("it has no \"tcp-1-leases4\""));
	/* The same groups: it serves, and warns. */
	write_policy(
		HEAD ALLOW "[[allow]]\nhost = \"a.more\"\n" DNS "\"a.test\" = [\"192.0.2.1\"]\n");
	start();
	assert_true(logged("lacks 1 of the policy's rules, from allow-2 on"));
	assert_int_equal(ask("a.test"), RCODE_NOERROR);
	stop();
}

static void whoever_dies_the_service_comes_back(void **state)
{
	(void)state;
	load_policy();
	start();
	for (unsigned i = 0; i < 3; i++) {
		pid_t children[CHILDREN_MAX];

		assert_int_equal(ask("a.test"), RCODE_NOERROR);
		/* All of them, so that it is this one that is missing. */
		while (list_children(children) != 3)
			poll(NULL, 0, 10);
		assert_int_equal(kill(children[i], SIGKILL), 0);
		wait_gone(&children[i], 1);
		assert_int_equal(ask("a.test"), RCODE_NOERROR);
		assert_int_equal(waitpid(resolver, NULL, WNOHANG), 0);
	}
	stop();
}

/* pkill(1) sends to all processes of a name. */
static void a_reload_sent_to_all_is_the_parents(void **state)
{
	pid_t children[CHILDREN_MAX], after[CHILDREN_MAX];
	unsigned count;

	(void)state;
	load_policy();
	start();
	count = list_children(children);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(kill(children[i], SIGHUP), 0);
	assert_int_equal(ask("a.test"), RCODE_NOERROR);
	assert_int_equal(list_children(after), count);
	assert_memory_equal(after, children, count * sizeof(*children));
	stop();
}

static void children_go_with_their_parent(void **state)
{
	pid_t children[CHILDREN_MAX];
	unsigned count;

	(void)state;
	load_policy();
	start();
	count = list_children(children);
	assert_int_equal(kill(resolver, SIGKILL), 0);
	assert_int_equal(status_of(resolver), -SIGKILL);
	/* They are this process's now (main() is their reaper). */
	for (unsigned i = 0; i < count; i++)
		status_of(children[i]);
	start();
	assert_int_equal(ask("a.test"), RCODE_NOERROR);
	stop();
}

static void a_reload_changes_the_policy(void **state)
{
	pid_t children[CHILDREN_MAX];
	unsigned count;

	(void)state;
	load_policy();
	start();
	count = list_children(children);
	assert_int_equal(ask("b.test"), RCODE_SERVFAIL);
	write_policy(HEAD ALLOW DNS "\"b.test\" = [\"192.0.2.2\"]\n");
	assert_int_equal(kill(resolver, SIGHUP), 0);
	wait_notified("RELOADING=1\nMONOTONIC_USEC=");
	wait_notified("READY=1");
	/* The processes of before may still take a query or two. */
	wait_gone(children, count);
	assert_int_equal(ask("b.test"), RCODE_NOERROR);
	assert_int_equal(list_children(children), count);
	stop();
}

/* Whatever is wrong with what is to come, nothing changes. */
static void a_reload_that_fails_changes_nothing(void **state)
{
	static const char *const policies[] = {
		"version = 1\nnmae = \"m\"\n",
		HEAD "[[allow]]\nhost = \"a.test\"\nports = [\"udp/77\"]\n" DNS
		     "\"a.test\" = [\"192.0.2.1\"]\n",
		HEAD ALLOW "[budget]\ndestinations = 2\non_exceed = \"refuse\"\n" DNS
			   "\"a.test\" = [\"192.0.2.1\"]\n",
		"version = 1\nname = \"absent\"\n" ALLOW DNS "\"a.test\" = [\"192.0.2.1\"]\n",
		HEAD ALLOW "[dns]\nlisten = [\"203.0.113.1:53\"]\nupstream = []\n",
	};
	static const char *const reasons[] = {":2:1: error", "it has no \"udp-77-leases4\"",
		"it has no \"destinations-2\"", "table inet egress-absent is not loaded",
		"cannot listen on 203.0.113.1:53"};
	pid_t children[CHILDREN_MAX], after[CHILDREN_MAX];
	unsigned count;

	(void)state;
	load_policy();
	start();
	count = list_children(children);
	for (unsigned i = 0; i < 5; i++) {
		write_policy(policies[i]);
		assert_int_equal(kill(resolver, SIGHUP), 0);
		wait_notified("RELOADING=1");
		wait_notified("READY=1");
		assert_true(logged(reasons[i]));
		assert_true(logged("stays in force"));
		assert_int_equal(ask("a.test"), RCODE_NOERROR);
		assert_int_equal(list_children(after), count);
		assert_memory_equal(after, children, count * sizeof(*children));
	}
	stop();
}

static void a_reload_may_change_name_and_addresses(void **state)
{
	pid_t children[CHILDREN_MAX];
	unsigned count;

	(void)state;
	load_policy();
	start();
	count = list_children(children);
	write_policy("version = 1\nname = \"m2\"\n" ALLOW
		     "[dns]\nupstream = []\nlisten = [\"127.0.0.2:5300\"]\n"
		     "[dns.hosts]\n\"a.test\" = [\"192.0.2.1\"]\n");
	load_policy();
	assert_int_equal(kill(resolver, SIGHUP), 0);
	wait_notified("RELOADING=1");
	wait_notified("READY=1");
	assert_int_equal(try_at("127.0.0.2:5300", "a.test", PATIENCE_MS), RCODE_NOERROR);
	/* Until the processes of before have ended they keep the old address. */
	wait_gone(children, count);
	assert_int_equal(try_at("127.0.0.1:5300", "a.test", TRY_MS), -1);
	load_text("delete table inet egress-m2\n");
	stop();
}

/* Reloads do not lose a query: as many answers as questions. */
static void reloads_lose_no_query(void **state)
{
	enum { QUERIES = 3000, WINDOW = 50 };
	uint8_t bytes[MSG_QUESTION_MAX + 32], got[MSG_UDP_EDNS];
	unsigned sent = 0, answered = 0;
	size_t size = question("a.test", bytes);
	int fd;

	(void)state;
	load_policy();
	start();
	fd = dial("127.0.0.1:5300");
	while (answered < QUERIES) {
		struct pollfd poller = {.fd = fd, .events = POLLIN};

		while (sent < QUERIES && sent < answered + WINDOW) {
			assert_int_equal(send(fd, bytes, size, 0), size);
			if (++sent % 300 == 0)
				assert_int_equal(kill(resolver, SIGHUP), 0);
		}
		assert_int_equal(poll(&poller, 1, PATIENCE_MS), 1);
		assert_true(recv(fd, got, sizeof(got), 0) >= MSG_HEADER_SIZE);
		answered++;
	}
	close(fd);
	stop();
}

static void reload(void)
{
	pid_t children[CHILDREN_MAX];
	unsigned count = list_children(children);

	assert_int_equal(kill(resolver, SIGHUP), 0);
	wait_notified("RELOADING=1");
	wait_notified("READY=1");
	/* The processes of before may still take a query or two. */
	wait_gone(children, count);
}

static void an_override_narrows_and_is_read_again(void **state)
{
	(void)state;
	write_policy(HEAD ALLOW DNS "\"a.test\" = [\"192.0.2.1\"]\n\"b.test\" = [\"192.0.2.2\"]\n");
	write_override("version = 1\n[[deny]]\nhost = \"a.test\"\n");
	launch("0");
	assert_int_equal(status_of(resolver), RESOLVER_KERNEL);
	assert_true(logged(" --override /"));
	load_policy();
	start();
	assert_int_equal(ask("a.test"), RCODE_NXDOMAIN);
	assert_int_equal(ask("b.test"), RCODE_NOERROR);
	write_override("version = 1\n[[deny]]\nhost = \"b.test\"\n");
	load_policy();
	reload();
	assert_int_equal(ask("a.test"), RCODE_NOERROR);
	assert_int_equal(ask("b.test"), RCODE_NXDOMAIN);
	write_override("version = 1\n[[deny]]\nhots = \"b.test\"\n");
	assert_int_equal(kill(resolver, SIGHUP), 0);
	wait_notified("RELOADING=1");
	wait_notified("READY=1");
	assert_true(logged("override.toml:3:1: error"));
	assert_int_equal(ask("b.test"), RCODE_NXDOMAIN);
	stop();
}

/* Each from a socket of its own, so that all workers get some. */
static unsigned count_rcode(enum rcode rcode, char first, const char *domain, unsigned count)
{
	unsigned fitting = 0;

	for (unsigned i = 0; i < count; i++) {
		char name[64];

		snprintf(name, sizeof(name), "%c%u.%s", first, i, domain);
		fitting += ask(name) == (int)rcode;
	}
	return fitting;
}

/* Nobody is there where they are asked for: SERVFAIL. */
static void workers_spend_from_one_budget_of_names(void **state)
{
	pid_t children[CHILDREN_MAX];

	(void)state;
	write_policy(HEAD "[[allow]]\nhost = \"*.wild.test\"\nwildcard_names = 7\n"
			  "[budget]\non_exceed = \"refuse\"\n[dns]\nupstream = [\"127.0.0.1:9\"]\n"
			  "listen = [\"127.0.0.1:5300\"]\n");
	load_policy();
	start();
	assert_int_equal(count_rcode(RCODE_SERVFAIL, 'n', "wild.test", 7), 7);
	assert_int_equal(count_rcode(RCODE_NXDOMAIN, 'm', "wild.test", 60), 60);
	assert_int_equal(count_rcode(RCODE_SERVFAIL, 'n', "wild.test", 7), 7);
	assert_true(logged("allow-1 wildcard_names"));
	/* Other processes, the same account. */
	assert_int_equal(list_children(children), 3);
	assert_int_equal(kill(children[2], SIGKILL), 0);
	wait_gone(&children[2], 1);
	assert_int_equal(count_rcode(RCODE_SERVFAIL, 'n', "wild.test", 7), 7);
	assert_int_equal(count_rcode(RCODE_NXDOMAIN, 'm', "wild.test", 60), 60);
	/* The same when it is read anew. */
	reload();
	assert_int_equal(count_rcode(RCODE_SERVFAIL, 'n', "wild.test", 7), 7);
	assert_int_equal(count_rcode(RCODE_NXDOMAIN, 'm', "wild.test", 60), 60);
	stop();
}

static void workers_spend_from_one_rate_of_queries(void **state)
{
	(void)state;
	write_policy(
		HEAD ALLOW "[limits]\nqueries = \"40/day\"\n" DNS "\"a.test\" = [\"192.0.2.1\"]\n");
	load_policy();
	start();
	assert_int_equal(count_rcode(RCODE_NXDOMAIN, 'n', "test", 40), 40);
	assert_int_equal(count_rcode(RCODE_SERVFAIL, 'n', "test", 40), 40);
	assert_int_equal(ask("a.test"), RCODE_SERVFAIL);
	stop();
}

/* None stands for its name by a key that could be guessed. */
static int count_element(void *context, const struct setlink_element *element)
{
	const struct hash_key none = {{0, 0}};
	unsigned *count = context;
	struct destination guessed;
	struct name name;

	assert_int_equal(name_from_text(text_of("a.test"), &name), 0);
	guessed = destination_of_name(&none, &name, false);
	assert_memory_not_equal(element->key, guessed.bytes, sizeof(guessed.bytes));
	++*count;
	return 0;
}

static unsigned count_destinations(void)
{
	unsigned count = 0;

	assert_int_equal(
		setlink_dump(kernel, "egress-m", "destinations-2", count_element, &count), 0);
	return count;
}

/* A session goes on: resolvers, crews and policies change, the names that count are the same. */
static void destinations_are_counted_whoever_serves(void **state)
{
	pid_t children[CHILDREN_MAX];

	(void)state;
	write_policy(HEAD ALLOW "[budget]\ndestinations = 2\non_exceed = \"refuse\"\n" DNS
				"\"a.test\" = [\"192.0.2.1\"]\n\"b.test\" = [\"192.0.2.2\"]\n");
	load_policy();
	start();
	assert_int_equal(count_destinations(), 0);
	assert_int_equal(ask("a.test"), RCODE_NOERROR);
	assert_int_equal(count_destinations(), 1);
	load_text("add element inet egress-m destinations-2 { ::ffff:192.0.2.9 }\n");
	/* The first is the keeper; one watches the session. */
	assert_int_equal(list_children(children), 4);
	assert_int_equal(kill(children[0], SIGKILL), 0);
	wait_gone(&children[0], 1);
	assert_int_equal(ask("a.test"), RCODE_NOERROR);
	assert_int_equal(ask("b.test"), RCODE_NXDOMAIN);
	reload();
	assert_int_equal(ask("a.test"), RCODE_NOERROR);
	assert_int_equal(ask("b.test"), RCODE_NXDOMAIN);
	assert_int_equal(count_destinations(), 2);
	stop();
	start();
	assert_int_equal(ask("a.test"), RCODE_NOERROR);
	assert_int_equal(ask("b.test"), RCODE_NXDOMAIN);
	assert_int_equal(count_destinations(), 2);
	stop();
}

static void a_second_resolver_does_not_get_between(void **state)
{
	pid_t first;

	(void)state;
	load_policy();
	start();
	first = resolver;
	launch("0");
	assert_int_equal(status_of(resolver), RESOLVER_KERNEL);
	resolver = first;
	assert_int_equal(ask("a.test"), RCODE_NOERROR);
	stop();
}

/* --- */

static int make_notify_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length;

	notify_socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	length = (size_t)snprintf(
		address.sun_path + 1, sizeof(address.sun_path) - 1, "egress-test-main");
	if (bind(notify_socket, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)) < 0)
		return -errno;
	return setenv("NOTIFY_SOCKET", "@egress-test-main", 1) == 0 ? 0 : -errno;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_serves_until_told_to_end),
		TEST(what_keeps_it_from_starting_is_told),
		TEST(a_ruleset_of_another_policy_is_told),
		TEST(whoever_dies_the_service_comes_back),
		TEST(a_reload_sent_to_all_is_the_parents),
		TEST(children_go_with_their_parent),
		TEST(a_reload_changes_the_policy),
		TEST(a_reload_that_fails_changes_nothing),
		TEST(a_reload_may_change_name_and_addresses),
		TEST(reloads_lose_no_query),
		TEST(an_override_narrows_and_is_read_again),
		TEST(workers_spend_from_one_budget_of_names),
		TEST(workers_spend_from_one_rate_of_queries),
		TEST(destinations_are_counted_whoever_serves),
		TEST(a_second_resolver_does_not_get_between),
	};
	int error = space_enter(), failed;

	if (error)
		return space_skip("no network namespace", error);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) || make_notify_socket() || !mkdtemp(folder) ||
		setlink_open(&kernel) != 0)
		return 1;
	snprintf(path, sizeof(path), "%s/policy.toml", folder);
	snprintf(override_path, sizeof(override_path), "%s/override.toml", folder);
	snprintf(log_path, sizeof(log_path), "%s/log", folder);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	setlink_close(kernel);
	unlink(path);
	unlink(override_path);
	unlink(log_path);
	rmdir(folder);
	return failed;
}
