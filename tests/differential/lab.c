/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/differential/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/icmp6.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/text.h"
#include "tests/differential/child.h"

/*
 * Theory of operation
 *
 * Raw sockets send a TCP SYN, a UDP datagram, an echo request or a packet of protocol 253 as it
 * comes from here; the packet's number is its source port or echo identifier, so that its flow is
 * found in conntrack's table again. What the output hook drops, sendto() reports as EPERM. A user
 * is who opened the socket (its fsuid), a control group the one the opener was in.
 *
 *	clients  c0 --- in0  rulesets  up0 --- down0  sink
 *	         c1 --- in1
 *
 * All neighbours are written down, so that nobody has to ask; the sink's link address is not the
 * one that is sent to, so that it throws everything away and answers nothing.
 */

enum { PROTOCOLS = 4, FAMILIES = 2, SENDERS_MAX = 12, OTHER_PROTOCOL = 253, NUMBER_BASE = 1024 };

struct lab {
	struct sender senders[SENDERS_MAX];
	struct inaddr sources[SENDERS_MAX][FAMILIES];
	int sockets[SENDERS_MAX][FAMILIES][PROTOCOLS];
	size_t n_senders;
	pid_t holders[2];
	struct mnl_socket *link;
	bool has_users;
	bool has_cgroups;
	_Alignas(8) char buffer[65536];
};

static const int protocol_numbers[PROTOCOLS][FAMILIES] = {
	[PROTOCOL_TCP] = {IPPROTO_TCP, IPPROTO_TCP},
	[PROTOCOL_UDP] = {IPPROTO_UDP, IPPROTO_UDP},
	[PROTOCOL_ICMP_ECHO] = {IPPROTO_ICMP, IPPROTO_ICMPV6},
	[PROTOCOL_OTHER] = {OTHER_PROTOCOL, OTHER_PROTOCOL},
};

/* --- Namespaces --- */

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t written;
	int error;

	if (fd < 0)
		return -errno;
	written = write(fd, text, strlen(text));
	error = written < 0 ? -errno : 0;
	close(fd);
	return error;
}

/* A child that holds a network namespace of its own; ends with this process. */
static pid_t hold_namespace(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) == 0 && write(ready[1], "", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(ready[1]);
	if (pid > 0 && read(ready[0], &byte, 1) != 1) {
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	close(ready[0]);
	return pid;
}

/* Root moves as it is; others become root of a user namespace. */
static int leave_namespaces(struct lab *lab)
{
	char map[32];
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int error;

	lab->has_users = unshare(CLONE_NEWNET | CLONE_NEWNS) == 0;
	if (lab->has_users)
		return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0)
		return -errno;
	error = write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (error == 0)
		error = write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	return error == 0 ? write_file("/proc/self/gid_map", map) : error;
}

static int connect_namespaces(const struct lab *lab)
{
	char script[4096];

	snprintf(script, sizeof(script),
		"set -e; sink=%d clients=%d\n"
		"in_sink() { nsenter -t $sink -n \"$@\"; }\n"
		"in_clients() { nsenter -t $clients -n \"$@\"; }\n"
		"ip link set lo up\n"
		"ip link add up0 type veth peer name down0 netns $sink\n"
		"ip address add 192.168.77.2/24 dev up0\n"
		"ip address add fd77::2/64 dev up0 nodad\n"
		"ip link set up0 up; in_sink ip link set down0 up\n"
		"ip neighbour add 192.168.77.1 lladdr 02:00:00:00:00:01 dev up0 nud permanent\n"
		"ip neighbour add fd77::1 lladdr 02:00:00:00:00:01 dev up0 nud permanent\n"
		"ip route add default via 192.168.77.1\n"
		"ip -6 route add default via fd77::1\n"
		"for i in 0 1; do\n"
		"  ip link add in$i address 02:00:00:00:01:0$i type veth peer name c$i netns "
		"$clients\n"
		"  ip address add 192.168.8$i.1/24 dev in$i\n"
		"  ip address add fd8$i::1/64 dev in$i nodad\n"
		"  ip link set in$i up; in_clients ip link set c$i up\n"
		"  for j in 2 3; do\n"
		"    in_clients ip address add 192.168.8$i.$j/24 dev c$i\n"
		"    in_clients ip address add fd8$i::$j/64 dev c$i nodad\n"
		"  done\n"
		"  in_clients ip neighbour add 192.168.8$i.1 lladdr 02:00:00:00:01:0$i dev c$i nud "
		"permanent\n"
		"  in_clients ip neighbour add fd8$i::1 lladdr 02:00:00:00:01:0$i dev c$i nud "
		"permanent\n"
		"  in_clients ip route add default via 192.168.8$i.1 dev c$i metric 1$i\n"
		"  in_clients ip -6 route add default via fd8$i::1 dev c$i metric 1$i\n"
		"done\n"
		"sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 "
		"net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.in0.rp_filter=0 "
		"net.ipv4.conf.in1.rp_filter=0 net.netfilter.nf_conntrack_max=262144 2>/dev/null "
		"|| :\n",
		lab->holders[0], lab->holders[1]);
	return child_script(script);
}

/* --- Senders --- */

#define CGROUPS "/sys/fs/cgroup/egress-differential"

/* The groups of generate.c, in the place where nft looks for them. Their names are the machine's:
 * whoever finds another lab at work, which holds the lock, goes without. */
static bool make_cgroups(void)
{
	int root;

	if (mount("none", "/sys/fs/cgroup", "cgroup2", 0, NULL) < 0)
		return false;
	root = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || flock(root, LOCK_EX | LOCK_NB) < 0) {
		if (root >= 0)
			close(root);
		return false;
	}
	return child_script("mkdir -p " CGROUPS "/group-0 " CGROUPS "/group-1") == 0;
}

static int join_cgroup(const char *path)
{
	char procs[256], pid[16];

	snprintf(procs, sizeof(procs), "/sys/fs/cgroup/%s/cgroup.procs", path);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	return write_file(procs, pid);
}

/* Where the kernel puts checksums that it knows how to. */
static void set_checksum(int fd, unsigned family, enum protocol protocol)
{
	int offset = protocol == PROTOCOL_TCP ? 16 : 6;

	if (family == 1 && (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP))
		setsockopt(fd, IPPROTO_IPV6, IPV6_CHECKSUM, &offset, sizeof(offset));
}

static int open_socket(
	const struct inaddr *source, unsigned family, enum protocol protocol, const char *device)
{
	const struct endpoint local = {.address = *source};
	struct sockaddr_storage storage;
	int fd = socket(family == 0 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		protocol_numbers[protocol][family]);
	int off = 0, large = 1 << 20;

	if (fd < 0)
		return -errno;
	set_checksum(fd, family, protocol);
	setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
	if ((device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
			       (socklen_t)strlen(device)) < 0) ||
		bind(fd, (struct sockaddr *)&storage, endpoint_to_sockaddr(&local, &storage)) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

static int open_sockets(struct lab *lab, size_t sender, const char *device)
{
	for (unsigned family = 0; family < FAMILIES; family++)
		for (unsigned protocol = 0; protocol < PROTOCOLS; protocol++) {
			int fd = open_socket(&lab->sources[sender][family], family,
				(enum protocol)protocol, device);

			if (fd < 0)
				return fd;
			lab->sockets[sender][family][protocol] = fd;
		}
	return 0;
}

static struct sender *add_sender(
	struct lab *lab, const char *what, const char *source4, const char *source6)
{
	struct sender *sender = &lab->senders[lab->n_senders];

	sender->what = what;
	inaddr_from_text(text_of(source4), &lab->sources[lab->n_senders][0]);
	inaddr_from_text(text_of(source6), &lab->sources[lab->n_senders][1]);
	lab->n_senders++;
	return sender;
}

/* The number of a user or group; nobody's when it is none. */
static uint32_t read_id(const char *text)
{
	uint64_t id;

	return text_to_number(text_of(text), UINT32_MAX - 1, &id) == 0 ? (uint32_t)id : UINT32_MAX;
}

/* Somebody here, with all of the sockets opened as him. */
static int add_local(
	struct lab *lab, const char *what, const char *user, const char *group, const char *cgroup)
{
	struct sender *sender = add_sender(lab, what, "192.168.77.2", "fd77::2");
	int error = cgroup ? join_cgroup(cgroup) : 0;

	for (unsigned family = 0; family < FAMILIES; family++)
		sender->as[family] =
			(struct explain_as){.user = user, .group = group, .cgroup = cgroup};
	if (error < 0)
		return error;
	setfsgid(read_id(group));
	setfsuid(read_id(user));
	error = open_sockets(lab, lab->n_senders - 1, NULL);
	setfsuid(0);
	setfsgid(0);
	return error;
}

static int add_client(struct lab *lab, const char *what, const char *interface, const char *device,
	const char *source4, const char *source6)
{
	struct sender *sender = add_sender(lab, what, source4, source6);

	sender->is_client = true;
	sender->as[0] = (struct explain_as){.interface = interface, .source = source4};
	sender->as[1] = (struct explain_as){.interface = interface, .source = source6};
	return open_sockets(lab, lab->n_senders - 1, device);
}

static int add_locals(struct lab *lab)
{
	int error = add_local(lab, "uid 0", "0", "0", NULL);

	if (error == 0 && lab->has_users)
		error = add_local(lab, "uid 4001", "4001", "0", NULL);
	if (error == 0 && lab->has_users)
		error = add_local(lab, "uid 4002, gid 4002", "4002", "4002", NULL);
	if (error == 0 && lab->has_users)
		error = add_local(lab, "uid 0, gid 4001", "0", "4001", NULL);
	if (error == 0 && lab->has_cgroups)
		error = add_local(lab, "group-0", "0", "0", "egress-differential/group-0");
	if (error == 0 && lab->has_cgroups)
		error = add_local(
			lab, "uid 4001 in group-1", "4001", "0", "egress-differential/group-1");
	if (lab->has_cgroups)
		join_cgroup("");
	return error;
}

/* The sockets of clients are opened in their namespace. */
static int add_clients(struct lab *lab)
{
	char path[64];
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), theirs, error;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", lab->holders[1]);
	theirs = open(path, O_RDONLY | O_CLOEXEC);
	if (own < 0 || theirs < 0 || setns(theirs, CLONE_NEWNET) < 0)
		return -errno;
	error = add_client(lab, "by in0", "in0", "c0", "192.168.80.2", "fd80::2");
	if (error == 0)
		error = add_client(lab, "by in0 from .3", "in0", "c0", "192.168.80.3", "fd80::3");
	if (error == 0)
		error = add_client(lab, "by in1", "in1", "c1", "192.168.81.2", "fd81::2");
	if (setns(own, CLONE_NEWNET) < 0)
		error = -errno;
	close(own);
	close(theirs);
	return error;
}

static int open_link(struct lab *lab)
{
	lab->link = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!lab->link || mnl_socket_bind(lab->link, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	return 0;
}

int lab_open(struct lab **ret_lab)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	int error = lab ? leave_namespaces(lab) : -ENOMEM;

	for (size_t i = 0; error == 0 && i < 2; i++) {
		lab->holders[i] = hold_namespace();
		if (lab->holders[i] < 0)
			error = -EPERM;
	}
	if (error == 0)
		error = connect_namespaces(lab);
	if (error == 0) {
		lab->has_cgroups = lab->has_users && make_cgroups();
		error = open_link(lab);
	}
	if (error == 0)
		error = add_locals(lab);
	if (error == 0)
		error = add_clients(lab);
	if (error < 0) {
		lab_close(lab);
		return error;
	}
	*ret_lab = lab;
	return 0;
}

void lab_close(struct lab *lab)
{
	if (!lab)
		return;
	for (size_t i = 0; i < 2; i++)
		if (lab->holders[i] > 0) {
			kill(lab->holders[i], SIGKILL);
			waitpid(lab->holders[i], NULL, 0);
		}
	if (lab->has_cgroups)
		child_script("rmdir " CGROUPS "/group-0 " CGROUPS "/group-1 " CGROUPS);
	if (lab->link)
		mnl_socket_close(lab->link);
	for (size_t i = 0; i < lab->n_senders; i++)
		for (unsigned j = 0; j < FAMILIES * PROTOCOLS; j++)
			if (lab->sockets[i][j / PROTOCOLS][j % PROTOCOLS] > 0)
				close(lab->sockets[i][j / PROTOCOLS][j % PROTOCOLS]);
	free(lab);
}

const struct sender *lab_senders(const struct lab *lab, size_t *ret_count)
{
	*ret_count = lab->n_senders;
	return lab->senders;
}

bool lab_has_cgroups(const struct lab *lab)
{
	return lab->has_cgroups;
}

/* --- Packets --- */

static uint32_t sum_words(uint32_t sum, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return sum;
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* RFC 1071; over the pseudo-header of IPv4 too, unless it is ICMP. */
static void put_checksum(uint8_t *bytes, size_t size, size_t offset, int protocol,
	const struct inaddr *from, const struct inaddr *to)
{
	uint32_t sum = sum_words(0, bytes, size);

	if (protocol != IPPROTO_ICMP) {
		sum = sum_words(sum, from->bytes + 12, 4);
		sum = sum_words(sum, to->bytes + 12, 4);
		sum += (uint32_t)protocol + (uint32_t)size;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(bytes + offset, ~sum & 0xffff);
}

/* The bytes behind the IP header; returns how many. */
static size_t make_packet(
	const struct packet *packet, const struct inaddr *from, unsigned family, uint8_t bytes[20])
{
	unsigned number = packet->number + NUMBER_BASE;

	memset(bytes, 0, 20);
	switch (packet->protocol) {
	case PROTOCOL_TCP:
		put16(bytes, number);
		put16(bytes + 2, packet->port);
		bytes[12] = 5 << 4;
		bytes[13] = 2; /* SYN */
		put16(bytes + 14, 1024);
		if (family == 0)
			put_checksum(bytes, 20, 16, IPPROTO_TCP, from, &packet->to);
		return 20;
	case PROTOCOL_UDP:
		put16(bytes, number);
		put16(bytes + 2, packet->port);
		put16(bytes + 4, 8);
		if (family == 0)
			put_checksum(bytes, 8, 6, IPPROTO_UDP, from, &packet->to);
		return 8;
	case PROTOCOL_ICMP_ECHO:
		bytes[0] = family == 0 ? 8 : ICMP6_ECHO_REQUEST;
		put16(bytes + 4, number);
		if (family == 0)
			put_checksum(bytes, 8, 2, IPPROTO_ICMP, from, &packet->to);
		return 8;
	case PROTOCOL_OTHER:
		break;
	}
	return 8;
}

int lab_send(struct lab *lab, const struct packet *packet)
{
	const struct endpoint to = {.address = packet->to};
	unsigned family = inaddr_is_ip4(&packet->to) ? 0 : 1;
	int fd = lab->sockets[packet->sender][family][packet->protocol];
	struct sockaddr_storage storage;
	socklen_t length = endpoint_to_sockaddr(&to, &storage);
	uint8_t bytes[20];
	size_t size = make_packet(packet, &lab->sources[packet->sender][family], family, bytes);

	if (sendto(fd, bytes, size, 0, (struct sockaddr *)&storage, length) >= 0)
		return 0;
	return -errno;
}

/* --- Flows --- */

static struct nlmsghdr *begin_message(struct lab *lab, uint8_t type, uint16_t flags)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(lab->buffer);
	struct nfgenmsg *message;

	header->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	message = mnl_nlmsg_put_extra_header(header, sizeof(*message));
	message->nfgen_family = AF_UNSPEC;
	message->version = NFNETLINK_V0;
	return header;
}

/* Sends what was begun and reads answers until the last. */
static int converse(struct lab *lab, const struct nlmsghdr *header, mnl_cb_t each, void *context)
{
	ssize_t size;
	int result = 1;

	if (mnl_socket_sendto(lab->link, header, header->nlmsg_len) < 0)
		return -errno;
	while (result > 0) {
		size = mnl_socket_recvfrom(lab->link, lab->buffer, sizeof(lab->buffer));
		if (size < 0)
			return -errno;
		result = mnl_cb_run(lab->buffer, (size_t)size, 0, mnl_socket_get_portid(lab->link),
			each, context);
	}
	return result < 0 ? -errno : 0;
}

int lab_forget(struct lab *lab)
{
	return converse(lab, begin_message(lab, IPCTNL_MSG_CT_DELETE, NLM_F_ACK), NULL, NULL);
}

struct attributes {
	const struct nlattr *list[CTA_MAX + 1];
};

static int note_attribute(const struct nlattr *attribute, void *context)
{
	struct attributes *attributes = context;

	if (mnl_attr_get_type(attribute) <= CTA_MAX)
		attributes->list[mnl_attr_get_type(attribute)] = attribute;
	return MNL_CB_OK;
}

static struct attributes nested(const struct nlattr *attribute)
{
	struct attributes attributes = {{NULL}};

	if (attribute)
		mnl_attr_parse_nested(attribute, note_attribute, &attributes);
	return attributes;
}

/* The original direction of a flow. */
struct tuple {
	struct inaddr from, to;
	int protocol;
	unsigned number; /* source port or echo identifier */
};

static struct inaddr address_of(const struct attributes *ip, unsigned ip4, unsigned ip6)
{
	if (ip->list[ip4])
		return inaddr_from_ip4(mnl_attr_get_payload(ip->list[ip4]));
	if (ip->list[ip6])
		return inaddr_from_ip6(mnl_attr_get_payload(ip->list[ip6]));
	return (struct inaddr){{0}};
}

static struct tuple read_tuple(const struct nlattr *attribute)
{
	struct attributes parts = nested(attribute), ip = nested(parts.list[CTA_TUPLE_IP]),
			  proto = nested(parts.list[CTA_TUPLE_PROTO]);
	const unsigned numbers[] = {CTA_PROTO_SRC_PORT, CTA_PROTO_ICMP_ID, CTA_PROTO_ICMPV6_ID};
	struct tuple tuple = {
		.from = address_of(&ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC),
		.to = address_of(&ip, CTA_IP_V4_DST, CTA_IP_V6_DST),
		.protocol =
			proto.list[CTA_PROTO_NUM] ? mnl_attr_get_u8(proto.list[CTA_PROTO_NUM]) : -1,
	};

	for (unsigned i = 0; i < 3; i++)
		if (proto.list[numbers[i]])
			tuple.number = ntohs(mnl_attr_get_u16(proto.list[numbers[i]]));
	return tuple;
}

struct search {
	struct lab *lab;
	const struct packet *packets;
	size_t n_packets;
	struct flow *flows;
};

static bool is_flow_of(
	const struct lab *lab, const struct packet *packet, const struct tuple *tuple)
{
	unsigned family = inaddr_is_ip4(&packet->to) ? 0 : 1;

	return protocol_numbers[packet->protocol][family] == tuple->protocol &&
	       inaddr_compare(&packet->to, &tuple->to) == 0 &&
	       inaddr_compare(&lab->sources[packet->sender][family], &tuple->from) == 0;
}

static int note_flow(const struct nlmsghdr *header, void *context)
{
	const struct search *search = context;
	struct attributes attributes = {{NULL}};
	struct tuple tuple;
	uint32_t mark = 0;

	mnl_attr_parse(header, sizeof(struct nfgenmsg), note_attribute, &attributes);
	if (!attributes.list[CTA_TUPLE_ORIG])
		return MNL_CB_OK;
	if (attributes.list[CTA_MARK])
		mark = ntohl(mnl_attr_get_u32(attributes.list[CTA_MARK]));
	tuple = read_tuple(attributes.list[CTA_TUPLE_ORIG]);
	for (size_t i = 0; i < search->n_packets; i++) {
		bool numbered = tuple.protocol != OTHER_PROTOCOL;

		/* Packets are numbered as they stand, but for those without a number. */
		if (numbered)
			i = tuple.number - NUMBER_BASE - search->packets[0].number;
		if (i >= search->n_packets)
			break;
		if (is_flow_of(search->lab, &search->packets[i], &tuple))
			search->flows[i] = (struct flow){true, mark};
		if (numbered)
			break;
	}
	return MNL_CB_OK;
}

int lab_flows(struct lab *lab, const struct packet *packets, size_t n_packets, struct flow *flows)
{
	struct search search = {lab, packets, n_packets, flows};

	memset(flows, 0, n_packets * sizeof(*flows));
	return converse(lab, begin_message(lab, IPCTNL_MSG_CT_GET, NLM_F_DUMP), note_flow, &search);
}
