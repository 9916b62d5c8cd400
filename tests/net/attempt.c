/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What a program without privileges can try so that a packet comes to where it may not, or so that
 * the system does it a favour. Each attempt is a line on standard output, "NAME: OUTCOME": the name
 * of the errno that it failed with; "TIMEOUT" when it did not fail and nothing came back; or what
 * came back, which for the lab's services begins with the address and port that were reached.
 *
 *	attempt packets PERMITTED4 REFUSED4 PERMITTED6 REFUSED6 DEVICE
 *	attempt calls PID
 *
 * PID is a process outside of the same user. Both addresses of a family serve TCP 443 and UDP 443.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <linux/perf_event.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "src/base/fd.h"
#include "src/base/inaddr.h"

#define EXIT_USAGE 64

enum { WAIT_MS = 700, LARGE = 65507, SPLIT = 1200 };

enum { PERMITTED4, REFUSED4, PERMITTED6, REFUSED6, ADDRESSES };

static struct inaddr addresses[ADDRESSES];
static const char *device;
static char bytes[LARGE];

static void show(const char *name, int error)
{
	if (error == -EAGAIN || error == -ETIMEDOUT)
		printf("%s: TIMEOUT\n", name);
	else
		printf("%s: %s\n", name, strerrorname_np(-error));
}

/* --- Packets --- */

struct attempt {
	const char *name;
	int which;      /* of the addresses; -1: the next one */
	const char *to; /* an address, "%" behind it: on the link */
	uint16_t port;
	int type;
	int protocol;
	/* NULL: nothing special. 0 or -errno. */
	int (*prepare)(int fd, const struct sockaddr_storage *to);
	/* NULL: connects and sends "hello". 0 or -errno. */
	int (*say)(int fd, const struct sockaddr_storage *to, socklen_t size);
};

static int set(int fd, int level, int name, const void *value, socklen_t size)
{
	return setsockopt(fd, level, name, value, size) < 0 ? -errno : 0;
}

static int set_number(int fd, int level, int name, int value)
{
	return set(fd, level, name, &value, sizeof(value));
}

static struct sockaddr_storage socket_address(const struct inaddr *address, uint16_t port)
{
	const struct endpoint at = {*address, port};
	struct sockaddr_storage name;

	endpoint_to_sockaddr(&at, &name);
	return name;
}

/* RFC 791 section 3.1: a loose source route by way of the permitted address. */
static int prepare_route4(int fd, const struct sockaddr_storage *to)
{
	uint8_t option[8] = {1 /* no operation */, 131, 7, 4};
	struct sockaddr_storage name = socket_address(&addresses[PERMITTED4], 0);

	(void)to;
	memcpy(option + 4, &((struct sockaddr_in *)&name)->sin_addr, 4);
	return set(fd, IPPROTO_IP, IP_OPTIONS, option, sizeof(option));
}

/* RFC 8754 section 2: the same of segments. */
static int prepare_route6(int fd, const struct sockaddr_storage *to)
{
	uint8_t header[40] = {0, 4, 4, 1, 1};
	struct sockaddr_storage name = socket_address(&addresses[PERMITTED6], 0);

	memcpy(header + 8, &((const struct sockaddr_in6 *)to)->sin6_addr, 16);
	memcpy(header + 24, &((struct sockaddr_in6 *)&name)->sin6_addr, 16);
	return set(fd, IPPROTO_IPV6, IPV6_RTHDR, header, sizeof(header));
}

static int prepare_loopback(int fd, const struct sockaddr_storage *to)
{
	(void)to;
	return set(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2);
}

static int prepare_device(int fd, const struct sockaddr_storage *to)
{
	(void)to;
	return set(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device));
}

static int prepare_interface(int fd, const struct sockaddr_storage *to)
{
	return to->ss_family == AF_INET
		       ? set_number(fd, IPPROTO_IP, IP_UNICAST_IF, (int)htonl(if_nametoindex("lo")))
		       : set_number(fd, IPPROTO_IPV6, IPV6_UNICAST_IF,
				 (int)htonl(if_nametoindex("lo")));
}

static int prepare_broadcast(int fd, const struct sockaddr_storage *to)
{
	(void)to;
	return set_number(fd, SOL_SOCKET, SO_BROADCAST, 1);
}

static int prepare_near(int fd, const struct sockaddr_storage *to)
{
	return to->ss_family == AF_INET ? set_number(fd, IPPROTO_IP, IP_TTL, 1)
					: set_number(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 1);
}

/* Fragments, since it is larger than any link's packets. */
static int prepare_large(int fd, const struct sockaddr_storage *to)
{
	int error = set_number(fd, SOL_SOCKET, SO_SNDBUF, 4 * LARGE);

	if (error)
		return error;
	return to->ss_family == AF_INET
		       ? set_number(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
		       : set_number(fd, IPPROTO_IPV6, IPV6_MTU, 1280);
}

static int prepare_segments(int fd, const struct sockaddr_storage *to)
{
	(void)to;
	return set_number(fd, IPPROTO_UDP, 103 /* UDP_SEGMENT */, SPLIT);
}

/* Has its source be the refused address, as if that had asked first. */
static int prepare_foreign(int fd, const struct sockaddr_storage *to)
{
	bool is_ip4 = to->ss_family == AF_INET;
	struct sockaddr_storage name =
		socket_address(&addresses[is_ip4 ? REFUSED4 : REFUSED6], 8443);
	socklen_t size = is_ip4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int error = is_ip4 ? set_number(fd, IPPROTO_IP, IP_FREEBIND, 1)
			   : set_number(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);

	if (error)
		return error;
	return bind(fd, (struct sockaddr *)&name, size) < 0 ? -errno : 0;
}

/* The option of IPv4 does the same for a socket of IPv6. */
static int prepare_foreign_other(int fd, const struct sockaddr_storage *to)
{
	(void)to;
	return set_number(fd, IPPROTO_IP, IP_FREEBIND, 1);
}

/* Somewhere permitted first, then nowhere, then where it is meant to go. */
static int prepare_again(int fd, const struct sockaddr_storage *to)
{
	bool is_ip4 = to->ss_family == AF_INET;
	struct sockaddr_storage name =
		socket_address(&addresses[is_ip4 ? PERMITTED4 : PERMITTED6], 443);
	const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

	if (connect(fd, (struct sockaddr *)&name, sizeof(struct sockaddr_in6)) < 0)
		return -errno;
	return connect(fd, &nowhere, sizeof(nowhere)) < 0 ? -errno : 0;
}

static int say_large(int fd, const struct sockaddr_storage *to, socklen_t size)
{
	return sendto(fd, bytes, sizeof(bytes) - (to->ss_family == AF_INET ? 0 : 48), 0,
		       (const struct sockaddr *)to, size) < 0
		       ? -errno
		       : 0;
}

static int say_segments(int fd, const struct sockaddr_storage *to, socklen_t size)
{
	return sendto(fd, bytes, (size_t)4 * SPLIT, 0, (const struct sockaddr *)to, size) < 0
		       ? -errno
		       : 0;
}

/* RFC 7413: data in the first packet. */
static int say_first(int fd, const struct sockaddr_storage *to, socklen_t size)
{
	return sendto(fd, "hello", 5, MSG_FASTOPEN | MSG_NOSIGNAL, (const struct sockaddr *)to,
		       size) < 0
		       ? -errno
		       : 0;
}

/* Without a connection; what comes of it is told by an error later on, or by nothing. */
static int say_loose(int fd, const struct sockaddr_storage *to, socklen_t size)
{
	return sendto(fd, "hello", 5, 0, (const struct sockaddr *)to, size) < 0 ? -errno : 0;
}

static int say_echo(int fd, const struct sockaddr_storage *to, socklen_t size)
{
	uint8_t request[512] = {to->ss_family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST};

	memset(request + 8, 's', sizeof(request) - 8);
	if (connect(fd, (const struct sockaddr *)to, size) < 0)
		return -errno;
	return send(fd, request, sizeof(request), 0) < 0 ? -errno : 0;
}

#define UDP SOCK_DGRAM, 0
#define TCP SOCK_STREAM, 0
#define R4 REFUSED4, NULL
#define R6 REFUSED6, NULL

static const struct attempt attempts[] = {
	{"udp4", R4, 443, UDP, NULL, NULL},
	{"udp6", R6, 443, UDP, NULL, NULL},
	{"tcp4", R4, 443, TCP, NULL, NULL},
	{"tcp6", R6, 443, TCP, NULL, NULL},
	{"permitted-tcp4", PERMITTED4, NULL, 443, TCP, NULL, NULL},
	{"permitted-tcp6", PERMITTED6, NULL, 443, TCP, NULL, NULL},
	{"permitted-udp4", PERMITTED4, NULL, 443, UDP, NULL, NULL},
	{"permitted-ping4", PERMITTED4, NULL, 0, SOCK_DGRAM, IPPROTO_ICMP, NULL, say_echo},
	{"dot4", -1, "198.18.0.53", 853, TCP, NULL, NULL},
	{"dot6", -1, "2001:db8:53::53", 853, TCP, NULL, NULL},
	{"doq4", -1, "198.18.0.53", 853, UDP, NULL, NULL},
	{"mdns-unicast", -1, "198.18.0.53", 5353, UDP, NULL, NULL},
	{"doh4", -1, "198.18.0.53", 443, TCP, NULL, NULL},
	{"doh6", -1, "2001:db8:53::53", 443, TCP, NULL, NULL},
	{"doh-quic", -1, "198.18.0.53", 443, UDP, NULL, NULL},
	{"fragments4", R4, 443, UDP, prepare_large, say_large},
	{"fragments6", R6, 443, UDP, prepare_large, say_large},
	{"permitted-fragments4", PERMITTED4, NULL, 443, UDP, prepare_large, say_large},
	{"permitted-fragments6", PERMITTED6, NULL, 443, UDP, prepare_large, say_large},
	{"segments4", R4, 443, UDP, prepare_segments, say_segments},
	{"segments6", R6, 443, UDP, prepare_segments, say_segments},
	{"source-route-udp4", R4, 443, UDP, prepare_route4, NULL},
	{"source-route-tcp4", R4, 443, TCP, prepare_route4, NULL},
	{"source-route-udp6", R6, 443, UDP, prepare_route6, NULL},
	{"source-route-tcp6", R6, 443, TCP, prepare_route6, NULL},
	{"fast-open4", R4, 443, TCP, NULL, say_first},
	{"fast-open6", R6, 443, TCP, NULL, say_first},
	{"again-udp4", R4, 443, UDP, prepare_again, NULL},
	{"again-udp6", R6, 443, UDP, prepare_again, NULL},
	{"again-tcp4", R4, 443, TCP, prepare_again, NULL},
	{"again-tcp6", R6, 443, TCP, prepare_again, NULL},
	{"loose-udp4", R4, 443, UDP, prepare_again, say_loose},
	{"lo-udp4", R4, 443, UDP, prepare_loopback, NULL},
	{"lo-udp6", R6, 443, UDP, prepare_loopback, NULL},
	{"lo-tcp4", R4, 443, TCP, prepare_loopback, NULL},
	{"lo-tcp6", R6, 443, TCP, prepare_loopback, NULL},
	{"interface-udp4", R4, 443, UDP, prepare_interface, NULL},
	{"interface-udp6", R6, 443, UDP, prepare_interface, NULL},
	{"device-udp4", R4, 443, UDP, prepare_device, NULL},
	{"device-tcp6", R6, 443, TCP, prepare_device, NULL},
	{"near-udp4", R4, 443, UDP, prepare_near, NULL},
	{"near-udp6", R6, 443, UDP, prepare_near, NULL},
	{"foreign-udp4", PERMITTED4, NULL, 443, UDP, prepare_foreign, say_loose},
	{"foreign-udp6", PERMITTED6, NULL, 443, UDP, prepare_foreign, say_loose},
	{"foreign-tcp6", PERMITTED6, NULL, 443, TCP, prepare_foreign, NULL},
	{"foreign-by-ip", R6, 443, UDP, prepare_foreign_other, NULL},
	{"echo4", R4, 0, SOCK_DGRAM, IPPROTO_ICMP, NULL, say_echo},
	{"echo6", R6, 0, SOCK_DGRAM, IPPROTO_ICMPV6, NULL, say_echo},
	{"udplite4", R4, 443, SOCK_DGRAM, IPPROTO_UDPLITE, NULL, NULL},
	{"mptcp4", R4, 443, SOCK_STREAM, IPPROTO_MPTCP, NULL, NULL},
	{"sctp4", R4, 443, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL},
	{"dccp4", R4, 443, 6 /* SOCK_DCCP */, IPPROTO_DCCP, NULL, NULL},
	{"smc4", R4, 443, SOCK_STREAM, 256, NULL, NULL},
	{"raw4", R4, 0, SOCK_RAW, IPPROTO_RAW, NULL, say_loose},
	{"raw6", R6, 0, SOCK_RAW, IPPROTO_ICMPV6, NULL, say_loose},
	{"tunnel4", R4, 0, SOCK_RAW, IPPROTO_GRE, NULL, say_loose},
	{"mapped-udp", -1, "::ffff:198.18.1.3", 443, UDP, NULL, NULL},
	{"mapped-tcp", -1, "::ffff:198.18.1.3", 443, TCP, NULL, NULL},
	{"translated", -1, "64:ff9b::198.18.1.3", 443, UDP, NULL, NULL},
	{"translated-local", -1, "64:ff9b:1::198.18.1.3", 443, TCP, NULL, NULL},
	{"6to4", -1, "2002:c612:103::1", 443, UDP, NULL, NULL},
	{"compatible", -1, "::198.18.1.3", 443, UDP, NULL, NULL},
	{"teredo", -1, "2001::c612:103", 443, UDP, NULL, NULL},
	{"broadcast", -1, "255.255.255.255", 67, UDP, prepare_broadcast, say_loose},
	{"broadcast-net", -1, "192.168.77.255", 9, UDP, prepare_broadcast, say_loose},
	{"multicast-dns4", -1, "224.0.0.251", 5353, UDP, NULL, say_loose},
	{"multicast-dns6", -1, "ff02::fb%", 5353, UDP, NULL, say_loose},
	{"multicast-4", -1, "239.1.2.3", 443, UDP, NULL, say_loose},
	{"multicast-nodes", -1, "ff02::1%", 443, UDP, NULL, say_loose},
	{"multicast-site", -1, "ff05::2", 443, UDP, NULL, say_loose},
	{"multicast-dhcp", -1, "ff02::1:2%", 547, UDP, NULL, say_loose},
	{"multicast-llmnr", -1, "224.0.0.252", 5355, UDP, NULL, say_loose},
	{"multicast-ssdp", -1, "239.255.255.250", 1900, UDP, NULL, say_loose},
	{"link-local-udp", -1, "fe80::1%", 443, UDP, NULL, NULL},
	{"link-local-tcp", -1, "fe80::1%", 443, TCP, NULL, NULL},
	{"link-local-metadata", -1, "169.254.169.254", 80, TCP, NULL, NULL},
	{"gateway4", -1, "192.168.77.1", 443, TCP, NULL, NULL},
	{"gateway6", -1, "fd77::1", 443, TCP, NULL, NULL},
};

/* The address that an attempt is about; of IPv6 also where an IPv4 address lies in it. */
static bool find_target(const struct attempt *attempt, struct sockaddr_storage *ret_to)
{
	struct endpoint at = {.port = attempt->port};
	char text[INADDR_TEXT];
	size_t length;
	bool on_link;

	if (attempt->which >= 0) {
		*ret_to = socket_address(&addresses[attempt->which], attempt->port);
		return true;
	}
	length = strcspn(attempt->to, "%");
	on_link = attempt->to[length] == '%';
	snprintf(text, sizeof(text), "%.*s", (int)length, attempt->to);
	if (strchr(text, ':')) {
		struct sockaddr_in6 name = {
			.sin6_family = AF_INET6, .sin6_port = htons(attempt->port)};

		if (on_link)
			name.sin6_scope_id = if_nametoindex(device);
		if (inet_pton(AF_INET6, text, &name.sin6_addr) != 1)
			return false;
		memcpy(ret_to, &name, sizeof(name));
		return true;
	}
	if (inaddr_from_text(text_of(text), &at.address) < 0)
		return false;
	endpoint_to_sockaddr(&at, ret_to);
	return true;
}

static int say_hello(int fd, const struct sockaddr_storage *to, socklen_t size)
{
	if (connect(fd, (const struct sockaddr *)to, size) < 0)
		return -errno;
	return send(fd, "hello", 5, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int make_attempt(const struct attempt *attempt, int fd, const struct sockaddr_storage *to)
{
	socklen_t size =
		to->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	const struct timeval wait = {.tv_usec = WAIT_MS * 1000};
	int error = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0)
		return -errno;
	if (attempt->prepare)
		error = attempt->prepare(fd, to);
	if (!error)
		error = (attempt->say ? attempt->say : say_hello)(fd, to, size);
	return error;
}

static void run_attempt(const struct attempt *attempt)
{
	struct sockaddr_storage to;
	char answer[256];
	CLEANUP_FD int fd = -1;
	ssize_t got;
	int error;

	if (!find_target(attempt, &to)) {
		printf("%s: bad address\n", attempt->name);
		return;
	}
	fd = socket(to.ss_family, attempt->type | SOCK_CLOEXEC, attempt->protocol);
	error = fd < 0 ? -errno : make_attempt(attempt, fd, &to);
	if (error) {
		show(attempt->name, error);
		return;
	}
	got = recv(fd, answer, sizeof(answer) - 1, 0);
	if (got < 0) {
		show(attempt->name, -errno);
		return;
	}
	answer[got] = '\0';
	for (char *c = answer; *c; c++)
		if (*c < ' ')
			*c = '?';
	printf("%s: %s\n", attempt->name, got > 0 ? answer : "CLOSED");
}

static int run_packets(char **arguments)
{
	for (size_t i = 0; i < ADDRESSES; i++)
		if (inaddr_from_text(text_of(arguments[i]), &addresses[i]) < 0)
			return EXIT_USAGE;
	device = arguments[ADDRESSES];
	memset(bytes, 's', sizeof(bytes));
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		run_attempt(&attempts[i]);
	return 0;
}

/* --- Calls --- */

static pid_t outside;

static int errno_of(long result)
{
	return result < 0 ? -errno : 0;
}

static int call_trace(void)
{
	return errno_of(ptrace(PTRACE_SEIZE, outside, NULL, NULL));
}

static int call_read_memory(void)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {(void *)(uintptr_t)&attempts, 1};

	return errno_of(process_vm_readv(outside, &here, 1, &there, 1, 0));
}

static int call_take_descriptor(void)
{
	CLEANUP_FD int process = (int)syscall(SYS_pidfd_open, outside, 0);

	return process < 0 ? -errno : errno_of(syscall(SYS_pidfd_getfd, process, 0, 0));
}

static int call_join_by_process(void)
{
	CLEANUP_FD int process = (int)syscall(SYS_pidfd_open, outside, 0);

	return process < 0 ? -errno : errno_of(setns(process, CLONE_NEWNET));
}

static int open_of(const char *name)
{
	char path[64];
	CLEANUP_FD int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)outside, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : 0;
}

static int call_open_network(void)
{
	return open_of("ns/net");
}

static int call_open_root(void)
{
	return open_of("root/etc");
}

static int call_open_descriptor(void)
{
	return open_of("fd/0");
}

static int call_compare(void)
{
	return errno_of(syscall(SYS_kcmp, getpid(), outside, 0, 0, 0));
}

static int call_watch(void)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK};

	return errno_of(syscall(SYS_perf_event_open, &attr, outside, -1, -1, 0));
}

static int call_new_network(void)
{
	return errno_of(unshare(CLONE_NEWNET));
}

static int call_new_mounts(void)
{
	return errno_of(unshare(CLONE_NEWNS));
}

static int call_file_system(void)
{
	return errno_of(fsopen("tmpfs", 0));
}

static int call_by_handle(void)
{
	uint32_t handle[4] = {8, 1};

	return errno_of(syscall(SYS_open_by_handle_at, AT_FDCWD, handle, O_RDONLY));
}

static int call_bpf(void)
{
	uint64_t instructions[] = {0x00000001000000b7, 0x0000000000000095}; /* r0 = 1; exit */
	union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_CGROUP_SKB,
		.insn_cnt = 2,
		.insns = (uintptr_t)instructions,
		.license = (uintptr_t) "GPL"};

	return errno_of(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
}

static int call_request_key(void)
{
	return errno_of(syscall(SYS_request_key, "dns_resolver", "www.lab.example", "", 0));
}

static int call_uring(void)
{
	uint8_t parameters[256] = "";

	return errno_of(syscall(SYS_io_uring_setup, 8, parameters));
}

static int call_outer_user(void)
{
	CLEANUP_FD int fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : errno_of(ioctl(fd, NS_GET_PARENT));
}

static int call_owner_of_network(void)
{
	CLEANUP_FD int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : errno_of(ioctl(fd, NS_GET_USERNS));
}

/* Options that take a capability over the network namespace. */
static int try_option(int family, int type, int level, int name)
{
	uint8_t value[256] = {1};
	CLEANUP_FD int fd = socket(family, type | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : set(fd, level, name, value, sizeof(value));
}

static int call_mark(void)
{
	return try_option(AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_MARK);
}

static int call_transparent(void)
{
	return try_option(AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_TRANSPARENT);
}

static int call_transparent6(void)
{
	return try_option(AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_TRANSPARENT);
}

static int call_policy(void)
{
	return try_option(AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_XFRM_POLICY);
}

static int call_repair(void)
{
	return try_option(AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_REPAIR);
}

static int call_tables(void)
{
	return try_option(AF_INET, SOCK_DGRAM, IPPROTO_IP, 64 /* IPT_SO_SET_REPLACE */);
}

static int call_hop_options(void)
{
	return try_option(AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_HOPOPTS);
}

static int call_low_port(void)
{
	const struct inaddr any = inaddr_from_ip4((const uint8_t[4]){0});
	struct sockaddr_storage name = socket_address(&any, 67);
	CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return errno_of(bind(fd, (struct sockaddr *)&name, sizeof(struct sockaddr_in)));
}

/* A mark for a packet, by what goes with it. */
static int call_mark_packet(void)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(uint32_t))];
	} control = {.head = {.cmsg_len = CMSG_LEN(sizeof(uint32_t)),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SO_MARK}};
	const struct inaddr loopback = inaddr_from_ip4((const uint8_t[4]){127, 0, 0, 1});
	struct sockaddr_storage name = socket_address(&loopback, 9);
	struct iovec piece = {bytes, 1};
	const struct msghdr message = {.msg_name = &name,
		.msg_namelen = sizeof(struct sockaddr_in),
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return errno_of(sendmsg(fd, &message, 0));
}

/* A message that another process would take for the kernel's. */
static int call_netlink(void)
{
	struct sockaddr_nl name = {.nl_family = AF_NETLINK, .nl_pid = (uint32_t)outside};
	struct nlmsghdr message = {.nlmsg_len = sizeof(message), .nlmsg_type = NLMSG_NOOP};
	CLEANUP_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	return fd < 0 ? -errno
		      : errno_of(sendto(fd, &message, sizeof(message), 0, (struct sockaddr *)&name,
				sizeof(name)));
}

static const struct {
	const char *name;
	int (*call)(void);
} calls[] = {
	{"trace", call_trace},
	{"read-memory", call_read_memory},
	{"take-descriptor", call_take_descriptor},
	{"join", call_join_by_process},
	{"open-network", call_open_network},
	{"open-root", call_open_root},
	{"open-descriptor", call_open_descriptor},
	{"compare", call_compare},
	{"watch", call_watch},
	{"outer-user", call_outer_user},
	{"owner-of-network", call_owner_of_network},
	{"new-network", call_new_network},
	{"new-mounts", call_new_mounts},
	{"file-system", call_file_system},
	{"by-handle", call_by_handle},
	{"bpf", call_bpf},
	{"request-key", call_request_key},
	{"uring", call_uring},
	{"mark", call_mark},
	{"mark-packet", call_mark_packet},
	{"transparent", call_transparent},
	{"transparent6", call_transparent6},
	{"policy", call_policy},
	{"repair", call_repair},
	{"tables", call_tables},
	{"hop-options", call_hop_options},
	{"low-port", call_low_port},
	{"netlink", call_netlink},
};

static int run_calls(char **arguments)
{
	outside = (pid_t)strtol(arguments[0], NULL, 10);
	if (outside <= 0)
		return EXIT_USAGE;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int error = calls[i].call();

		if (error)
			show(calls[i].name, error);
		else
			printf("%s: done\n", calls[i].name);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int status = EXIT_USAGE;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 + ADDRESSES + 1 && strcmp(argv[1], "packets") == 0)
		status = run_packets(argv + 2);
	else if (argc == 3 && strcmp(argv[1], "calls") == 0)
		status = run_calls(argv + 2);
	if (status == EXIT_USAGE)
		fputs("usage: attempt packets PERMITTED4 REFUSED4 PERMITTED6 REFUSED6 DEVICE\n"
		      "       attempt calls PID\n",
			stderr);
	return status;
}
