/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*
 * What a program with CAP_NET_RAW and CAP_SETUID may try: each way out is a row of `ways`. What it
 * sends has a marker in it, by which "watch" knows it on the other side. A line of output says what
 * came of it: "sent", the name of an error, or what was learned. Exit status 0 unless it was called
 * wrongly.
 */

#define MARKER "egress-escape:"

enum {
	FRAME = 128,
	HEADERS = 64, /* of a frame, before the marker */
	BITS = 32,
	RING = 64,
	CHUNK = 4096,
	PORT = 443,
};

static int said(int error)
{
	puts(error == 0 ? "sent" : strerrorname_np(error));
	return EXIT_SUCCESS;
}

/* An Ethernet frame for everybody, of a protocol for experiments. */
static size_t make_frame(uint8_t frame[FRAME], uint16_t protocol, const char *way)
{
	memset(frame, 0, FRAME);
	memset(frame, 0xff, ETH_ALEN);
	frame[ETH_ALEN] = 2;
	frame[12] = (uint8_t)(protocol >> 8);
	frame[13] = (uint8_t)protocol;
	snprintf((char *)frame + HEADERS, FRAME - HEADERS, MARKER "%s", way);
	return FRAME;
}

static struct sockaddr_ll link_address(const char *interface, uint16_t protocol)
{
	return (struct sockaddr_ll){.sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
		.sll_ifindex = (int)if_nametoindex(interface),
		.sll_halen = ETH_ALEN,
		.sll_addr = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
}

/* --- Packet sockets --- */

static int send_frame(const char *interface, uint16_t protocol, bool bypass, const char *way)
{
	const struct sockaddr_ll to = link_address(interface, protocol);
	uint8_t frame[FRAME];
	size_t size = make_frame(frame, protocol, way);
	int fd = socket(AF_PACKET, SOCK_RAW, 0), one = 1, error = 0;

	if (fd < 0)
		return said(errno);
	if (bypass && setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) < 0)
		error = errno;
	if (error == 0 && sendto(fd, frame, size, 0, (const void *)&to, sizeof(to)) < 0)
		error = errno;
	close(fd);
	return said(error);
}

static int try_packet(char **arguments)
{
	return send_frame(arguments[0], ETH_P_IP, false, "packet");
}

static int try_bypass(char **arguments)
{
	return send_frame(arguments[0], ETH_P_IP, true, "bypass");
}

static int try_arp(char **arguments)
{
	return send_frame(arguments[0], ETH_P_ARP, false, "arp");
}

static int send_fence(char **arguments)
{
	return send_frame(arguments[0], ETH_P_IP, false, "fence");
}

/* Without the link's own head. */
static int try_datagram(char **arguments)
{
	const struct sockaddr_ll to = link_address(arguments[0], ETH_P_IPV6);
	int fd = socket(AF_PACKET, SOCK_DGRAM, 0), error = 0;

	if (fd < 0)
		return said(errno);
	if (sendto(fd, MARKER "datagram", sizeof(MARKER "datagram"), 0, (const void *)&to,
		    sizeof(to)) < 0)
		error = errno;
	close(fd);
	return said(error);
}

/* --- AF_XDP --- */

static int make_rings(int fd, void *memory, struct xdp_mmap_offsets *ret_offsets)
{
	const struct xdp_umem_reg region = {
		.addr = (uintptr_t)memory, .len = (size_t)RING * CHUNK, .chunk_size = CHUNK};
	static const int rings[] = {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_TX_RING};
	socklen_t size = sizeof(*ret_offsets);
	int count = RING;

	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &region, sizeof(region)) < 0)
		return errno;
	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++)
		if (setsockopt(fd, SOL_XDP, rings[i], &count, sizeof(count)) < 0)
			return errno;
	return getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, ret_offsets, &size) < 0 ? errno : 0;
}

static int send_by_ring(int fd, const char *interface, uint8_t *memory)
{
	const struct sockaddr_xdp address = {.sxdp_family = AF_XDP,
		.sxdp_ifindex = if_nametoindex(interface),
		.sxdp_flags = XDP_COPY};
	struct xdp_mmap_offsets offsets;
	int error = make_rings(fd, memory, &offsets);
	uint8_t *ring;
	struct xdp_desc *first;

	if (error)
		return error;
	ring = mmap(NULL, offsets.tx.desc + RING * sizeof(struct xdp_desc), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, fd, XDP_PGOFF_TX_RING);
	if (ring == MAP_FAILED || bind(fd, (const void *)&address, sizeof(address)) < 0)
		return errno;
	first = (struct xdp_desc *)(ring + offsets.tx.desc);
	first->len = (uint32_t)make_frame(memory, ETH_P_IP, "xdp");
	__atomic_store_n((uint32_t *)(ring + offsets.tx.producer), 1, __ATOMIC_RELEASE);
	/* What isn't taken at once is lost with the socket. */
	for (int tries = 0; tries < 5; tries++) {
		if (sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN &&
			errno != EBUSY)
			return errno;
		usleep(50000);
	}
	return 0;
}

static int try_xdp(char **arguments)
{
	void *memory = mmap(NULL, (size_t)RING * CHUNK, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = socket(AF_XDP, SOCK_RAW, 0);
	int error = fd < 0 ? errno : memory == MAP_FAILED ? ENOMEM : 0;

	return said(error ? error : send_by_ring(fd, arguments[0], memory));
}

/* --- Raw sockets --- */

/* A datagram with a head of one's own; `more`: the first fragment of it. */
static int send_raw4(const char *from, const char *to, bool more, const char *way)
{
	uint8_t packet[FRAME] = {0};
	struct ip *ip = (struct ip *)packet;
	struct udphdr *udp = (struct udphdr *)(ip + 1);
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), one = 1;

	if (fd < 0)
		return said(errno);
	*ip = (struct ip){.ip_v = 4,
		.ip_hl = 5,
		.ip_len = htons(FRAME),
		.ip_id = htons(7),
		.ip_off = htons(more ? IP_MF : 0),
		.ip_ttl = 64,
		.ip_p = IPPROTO_UDP};
	inet_pton(AF_INET, from, &ip->ip_src);
	inet_pton(AF_INET, to, &ip->ip_dst);
	address.sin_addr = ip->ip_dst;
	udp->source = htons(4000);
	udp->dest = htons(PORT);
	udp->len = htons(FRAME - sizeof(*ip));
	snprintf((char *)(udp + 1), FRAME - sizeof(*ip) - sizeof(*udp), MARKER "%s", way);
	if (more && setsockopt(fd, SOL_IP, IP_NODEFRAG, &one, sizeof(one)) < 0)
		return said(errno);
	if (sendto(fd, packet, FRAME, 0, (void *)&address, sizeof(address)) < 0)
		return said(errno);
	return said(0);
}

static int try_raw4(char **arguments)
{
	return send_raw4(arguments[0], arguments[1], false, "raw4");
}

static int try_fragment(char **arguments)
{
	return send_raw4(arguments[0], arguments[1], true, "fragment");
}

static int try_raw6(char **arguments)
{
	uint8_t packet[FRAME] = {0};
	struct ip6_hdr *ip = (struct ip6_hdr *)packet;
	struct udphdr *udp = (struct udphdr *)(ip + 1);
	struct sockaddr_in6 address = {.sin6_family = AF_INET6};
	int fd = socket(AF_INET6, SOCK_RAW, IPPROTO_RAW);

	if (fd < 0)
		return said(errno);
	ip->ip6_vfc = 6 << 4;
	ip->ip6_plen = htons(FRAME - sizeof(*ip));
	ip->ip6_nxt = IPPROTO_UDP;
	ip->ip6_hlim = 64;
	inet_pton(AF_INET6, arguments[0], &ip->ip6_src);
	inet_pton(AF_INET6, arguments[1], &ip->ip6_dst);
	address.sin6_addr = ip->ip6_dst;
	udp->source = htons(4000);
	udp->dest = htons(PORT);
	udp->len = htons(FRAME - sizeof(*ip));
	snprintf((char *)(udp + 1), FRAME - sizeof(*ip) - sizeof(*udp), MARKER "raw6");
	if (sendto(fd, packet, FRAME, 0, (void *)&address, sizeof(address)) < 0)
		return said(errno);
	return said(0);
}

/* --- Passing for the resolver --- */

/* UID COUNT SERVER: as many datagrams, each of another mark and another flow. */
static int try_guess(char **arguments)
{
	struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(53)};
	unsigned long count = strtoul(arguments[1], NULL, 0);

	inet_pton(AF_INET, arguments[2], &server.sin_addr);
	setfsuid((uid_t)strtoul(arguments[0], NULL, 0));
	for (uint32_t mark = 1; mark <= count; mark++) {
		int fd = socket(AF_INET, SOCK_DGRAM, 0);

		if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
			return said(errno);
		(void)!sendto(fd, "guess", 5, 0, (void *)&server, sizeof(server));
		close(fd);
	}
	return said(0);
}

/* A packet socket for IPv4 datagrams to port 53 whose mark has this bit; bit 32: all of them. */
static int peeking_socket(const char *interface, unsigned bit)
{
	struct sock_filter lines[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 7),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 36),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 53, 0, 5),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_MARK)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bit < BITS ? 1u << bit : 0, 0,
			bit < BITS ? 1 : 0),
		BPF_STMT(BPF_RET | BPF_K, FRAME),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog filter = {sizeof(lines) / sizeof(lines[0]), lines};
	const struct sockaddr_ll address = link_address(interface, ETH_P_ALL);
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
		bind(fd, (const void *)&address, sizeof(address)) < 0)
		return -1;
	return fd;
}

/* INTERFACE: the mark of the first datagram to a DNS server, bit by bit. */
static int try_peek(char **arguments)
{
	struct pollfd bits[BITS + 1];
	uint32_t mark = 0;

	for (unsigned i = 0; i <= BITS; i++) {
		bits[i] = (struct pollfd){peeking_socket(arguments[0], i), POLLIN, 0};
		if (bits[i].fd < 0)
			return said(errno);
	}
	puts("ready");
	fflush(stdout);
	if (poll(&bits[BITS], 1, 20000) == 0)
		return said(ETIMEDOUT);
	usleep(100000);
	poll(bits, BITS, 0);
	for (unsigned i = 0; i < BITS; i++)
		if (bits[i].revents & POLLIN)
			mark |= 1u << i;
	printf("0x%08x\n", mark);
	return EXIT_SUCCESS;
}

/* --- The other side --- */

/* INTERFACE: a line for each marker, until it is ended. */
static int watch(char **arguments)
{
	const struct sockaddr_ll address = link_address(arguments[0], ETH_P_ALL);
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || bind(fd, (const void *)&address, sizeof(address)) < 0)
		return said(errno);
	puts("ready");
	for (;;) {
		char frame[2048];
		ssize_t size = (fflush(stdout), recv(fd, frame, sizeof(frame) - 1, 0));
		const char *marker =
			size > 0 ? memmem(frame, (size_t)size, MARKER, strlen(MARKER)) : NULL;

		if (marker) {
			frame[size] = '\0';
			printf("%s\n", marker + strlen(MARKER));
		}
	}
}

static const struct {
	const char *name;
	int n_arguments;
	int (*run)(char **arguments);
} ways[] = {
	{"arp", 1, try_arp},
	{"bypass", 1, try_bypass},
	{"datagram", 1, try_datagram},
	{"fence", 1, send_fence}, /* behind what may not have come */
	{"fragment", 2, try_fragment},
	{"guess", 3, try_guess},
	{"packet", 1, try_packet},
	{"peek", 1, try_peek},
	{"raw4", 2, try_raw4},
	{"raw6", 2, try_raw6},
	{"watch", 1, watch},
	{"xdp", 1, try_xdp},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (argc > 1 && strcmp(argv[1], ways[i].name) == 0 &&
			argc - 2 == ways[i].n_arguments)
			return ways[i].run(argv + 2);
	fprintf(stderr, "usage: escape WAY ARGUMENT...\n");
	return EXIT_FAILURE;
}
