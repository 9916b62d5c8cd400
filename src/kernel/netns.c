/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/fd.h"

/*
 * Theory of operation
 *
 * The files of /proc/PID take one write(2) each, as a whole. The group map of somebody without
 * privileges is taken only when setgroups(2) has been given up before (CVE-2014-8989); kernels
 * before 3.19 have no such file, and no such rule.
 */

/* One line, in one write. 0 or -errno. */
static int write_file(const char *path, const char *line)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t length = (ssize_t)strlen(line);

	if (fd < 0 || write(fd, line, (size_t)length) != length)
		return errno ? -errno : -EIO;
	return 0;
}

static int write_proc(pid_t pid, const char *file, const char *line)
{
	char path[64];

	if (pid == 0)
		snprintf(path, sizeof(path), "/proc/self/%s", file);
	else
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return write_file(path, line);
}

static int write_map(pid_t pid, const char *file, unsigned all, unsigned inside, unsigned outside)
{
	char line[64];

	if (all > 0)
		snprintf(line, sizeof(line), "0 0 %u\n", all);
	else
		snprintf(line, sizeof(line), "%u %u 1\n", inside, outside);
	return write_proc(pid, file, line);
}

int netns_map_ids(pid_t pid, const struct netns_ids *ids)
{
	int error = ids->all > 0 ? 0 : write_proc(pid, "setgroups", "deny");

	if (error && error != -ENOENT)
		return error;
	error = write_map(pid, "gid_map", ids->all, ids->inside_gid, ids->outside_gid);
	if (!error)
		error = write_map(pid, "uid_map", ids->all, ids->inside_uid, ids->outside_uid);
	return error;
}

unsigned netns_roots_ids(void)
{
	FILE *map = geteuid() == 0 ? fopen("/proc/self/uid_map", "re") : NULL;
	unsigned long numbers[3] = {1, 0, 0}; /* the first inside, the first outside, how many */
	char line[128] = "", *rest = line;

	if (!map)
		return 0;
	if (fgets(line, sizeof(line), map))
		for (size_t i = 0; i < 3; i++)
			numbers[i] = strtoul(rest, &rest, 10);
	fclose(map);
	return numbers[0] == 0 && numbers[2] > 1 ? (unsigned)numbers[2] : 0;
}

int netns_raise_loopback(void)
{
	CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo"};

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return -errno;
	request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

int netns_set(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	return write_file(path, value);
}
