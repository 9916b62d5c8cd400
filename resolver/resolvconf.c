/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/resolvconf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

#include "rules/dns-server.h"
#include "src/base/fd.h"

/*
 * Theory of operation
 *
 * Of resolv.conf(5) only `nameserver` counts. How long to wait, how often to try and whom to ask
 * first the resolver decides by itself, so `options` are not honoured; search lists are the
 * clients' own.
 *
 * A stub resolver on this host is a server like any other, as long as its own questions get out.
 * Those of systemd-resolved would be sent to us where all traffic of the host is in scope: the
 * servers it asks are asked in its place. Until it has some itself, which may be long after boot,
 * its stub is asked all the same: it may be another forwarder, or out of scope. So such servers are
 * for the time being, as having none is.
 */

enum { FILE_MAX = 65536 };

#define KEYWORD "nameserver"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The address of a `nameserver` line: false for any other line, and for addresses with a zone. */
static bool read_line(struct text line, struct dns_server *ret_server)
{
	size_t length = sizeof(KEYWORD) - 1, end;
	const char *problem;

	if (!text_starts(line, KEYWORD) || line.length == length || !is_blank(line.start[length]))
		return false;
	line = text_trim((struct text){line.start + length, line.length - length});
	for (end = 0; end < line.length && !is_blank(line.start[end]);)
		end++;
	line.length = end;
	/* No port, no scheme. */
	return inaddr_from_text(line, &ret_server->at.address) == 0 &&
	       dns_server_from_text(line, ret_server, &problem) == 0;
}

static bool has_server(
	const struct dns_server *servers, size_t count, const struct dns_server *wanted)
{
	for (size_t i = 0; i < count; i++)
		if (inaddr_compare(&servers[i].at.address, &wanted->at.address) == 0)
			return true;
	return false;
}

size_t resolvconf_parse(struct text text, struct dns_server ret_servers[DNS_SERVERS_MAX])
{
	struct dns_server server;
	struct text line;
	size_t count = 0;

	while (text.length > 0 && count < DNS_SERVERS_MAX) {
		text_cut(text, '\n', &line, &text);
		if (read_line(line, &server) && !has_server(ret_servers, count, &server))
			ret_servers[count++] = server;
	}
	return count;
}

static int read_file(
	const char *path, struct dns_server ret_servers[DNS_SERVERS_MAX], size_t *ret_count)
{
	static char bytes[FILE_MAX];
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t size = 0;
	ssize_t got = 1;

	if (fd < 0)
		return -errno;
	while (got > 0 && size < sizeof(bytes)) {
		got = read(fd, bytes + size, sizeof(bytes) - size);
		size += got > 0 ? (size_t)got : 0;
	}
	if (got < 0)
		return -errno;
	*ret_count = resolvconf_parse((struct text){bytes, size}, ret_servers);
	return 0;
}

/* Whether the server is the stub of systemd-resolved (systemd-resolved.service(8)). */
static bool is_stub(const struct dns_server *server)
{
	static const uint8_t stubs[][4] = {{127, 0, 0, 53}, {127, 0, 0, 54}};

	for (size_t i = 0; i < sizeof(stubs) / sizeof(stubs[0]); i++) {
		struct inaddr stub = inaddr_from_ip4(stubs[i]);

		if (inaddr_compare(&stub, &server->at.address) == 0)
			return true;
	}
	return false;
}

bool resolvconf_is_settled(const struct dns_server *servers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!is_stub(&servers[i]))
			return true;
	return false;
}

bool resolvconf_equal(
	const struct dns_server *a, size_t n_a, const struct dns_server *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (inaddr_compare(&a[i].at.address, &b[i].at.address) != 0)
			return false;
	return true;
}

int resolvconf_read(const char *path, const char *behind,
	struct dns_server ret_servers[DNS_SERVERS_MAX], size_t *ret_count)
{
	struct dns_server servers[DNS_SERVERS_MAX], behind_it[DNS_SERVERS_MAX];
	const struct dns_server *found = servers;
	size_t count = 0, n_behind = 0;
	int error = read_file(path, servers, &count);

	if (error)
		return error;
	if (count > 0 && !resolvconf_is_settled(servers, count) &&
		read_file(behind, behind_it, &n_behind) == 0 &&
		resolvconf_is_settled(behind_it, n_behind)) {
		found = behind_it;
		count = n_behind;
	}
	for (size_t i = 0; i < count; i++)
		ret_servers[i] = found[i];
	*ret_count = count;
	return 0;
}
