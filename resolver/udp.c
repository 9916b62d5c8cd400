/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "resolver/engine.h"
#include "resolver/msg.h"

/*
 * Theory of operation
 *
 * One recvmmsg(2) takes what waits at a listener, up to a batch. What can be answered at once is,
 * in the place of the query, and leaves with one sendmmsg(2) by the same heads: neither addresses
 * nor messages are copied. Replies that come later are copied and sent at the end of the loop's
 * turn. All buffers are made at the start: the heads of the messages point into them for good, and
 * only lengths change. Queries lie a little more than their longest apart, so that their
 * beginnings don't fall into the same few lines of the cache.
 *
 * A listener on all addresses answers from the address that it was asked at: the reply's source
 * would else be the kernel's choice, and the client, or the address translation that sent the
 * query here, wouldn't know it.
 */

enum {
	BATCH = ENGINE_BATCH,
	QUERY_STRIDE = 1344, /* MSG_UDP_EDNS, of query or reply, and more; whole cache lines */
	OUT_BYTES = 1 << 17, /* of replies kept; more than MSG_MAX */
};

/* Where a packet came to, or is to come from. */
union packet_info {
	struct cmsghdr head;
	uint8_t ip4[CMSG_SPACE(sizeof(struct in_pktinfo))];
	uint8_t ip6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

union address {
	struct sockaddr any;
	struct sockaddr_in ip4;
	struct sockaddr_in6 ip6;
};

struct listener {
	int fd;
	bool on_all; /* addresses */
	unsigned n_replies;
	size_t used; /* of `bytes` */
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	union address addresses[BATCH];
	union packet_info infos[BATCH];
	uint8_t bytes[OUT_BYTES];
};

struct udp {
	struct query_sink sink;
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	struct mmsghdr answers[BATCH]; /* heads of replies, where not all have one */
	struct client clients[BATCH];
	struct engine_message queue[BATCH]; /* for the sink */
	union packet_info infos[BATCH];
	uint8_t queries[BATCH][QUERY_STRIDE];
	size_t n_listeners;
	struct listener listeners[];
};

/* Whether the socket listens on all addresses; then it is made to tell which one. */
static int check_address(int fd, bool *ret_on_all)
{
	static const struct in6_addr all6 = IN6ADDR_ANY_INIT;
	union address bound;
	socklen_t size = sizeof(bound);
	int error = 0, one = 1;
	bool on_all = false;

	memset(&bound, 0, sizeof(bound));
	if (getsockname(fd, &bound.any, &size) < 0)
		return -errno;
	if (bound.any.sa_family == AF_INET && bound.ip4.sin_addr.s_addr == htonl(INADDR_ANY)) {
		on_all = true;
		error = setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
	}
	if (bound.any.sa_family == AF_INET6 &&
		memcmp(&bound.ip6.sin6_addr, &all6, sizeof(all6)) == 0) {
		on_all = true;
		error = setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
	}
	if (error)
		return -errno;
	*ret_on_all = on_all;
	return 0;
}

/* No fragments, and nobody's word for it that a path is narrower than it is (RFC 9715 section 3.1).
 * A kernel that knows no such option sends as it did. */
static void forbid_fragments(int fd)
{
	int family, probe4 = IP_PMTUDISC_PROBE, probe6 = IPV6_PMTUDISC_PROBE;
	socklen_t size = sizeof(family);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0)
		return;
	if (family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe4, sizeof(probe4));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe6, sizeof(probe6));
}

static void point(struct msghdr *message, struct iovec *part, union address *address)
{
	message->msg_iov = part;
	message->msg_iovlen = 1;
	message->msg_name = &address->any;
}

static int prepare_listener(struct listener *listener, int fd)
{
	listener->fd = fd;
	forbid_fragments(fd);
	for (unsigned i = 0; i < BATCH; i++)
		point(&listener->messages[i].msg_hdr, &listener->parts[i], &listener->addresses[i]);
	return check_address(fd, &listener->on_all);
}

int udp_new(
	const int *sockets, size_t n_sockets, const struct query_sink *sink, struct udp **ret_udp)
{
	struct udp *udp = calloc(1, sizeof(*udp) + n_sockets * sizeof(udp->listeners[0]));

	if (!udp)
		return -ENOMEM;
	udp->sink = *sink;
	udp->n_listeners = n_sockets;
	for (unsigned i = 0; i < BATCH; i++) {
		udp->parts[i] = (struct iovec){udp->queries[i], MSG_UDP_EDNS};
		udp->messages[i].msg_hdr.msg_iov = &udp->parts[i];
		udp->messages[i].msg_hdr.msg_iovlen = 1;
		udp->messages[i].msg_hdr.msg_name = &udp->clients[i].address;
	}
	for (size_t i = 0; i < n_sockets; i++) {
		int error = prepare_listener(&udp->listeners[i], sockets[i]);

		if (error) {
			udp_free(udp);
			return error;
		}
	}
	*ret_udp = udp;
	return 0;
}

void udp_free(struct udp *udp)
{
	free(udp);
}

/* The address that a packet came to. */
static void read_info(struct msghdr *message, struct inaddr *ret_local)
{
	struct in6_pktinfo ip6;
	struct in_pktinfo ip4;

	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head;
		head = CMSG_NXTHDR(message, head)) {
		if (head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_PKTINFO) {
			memcpy(&ip4, CMSG_DATA(head), sizeof(ip4));
			*ret_local = inaddr_from_ip4((const uint8_t *)&ip4.ipi_spec_dst);
		}
		if (head->cmsg_level == IPPROTO_IPV6 && head->cmsg_type == IPV6_PKTINFO) {
			memcpy(&ip6, CMSG_DATA(head), sizeof(ip6));
			*ret_local = inaddr_from_ip6(ip6.ipi6_addr.s6_addr);
		}
	}
}

/* The address that a packet shall come from; the interface is the one that leads to the client. */
static void write_info(union packet_info *info, const struct client *client, struct msghdr *message)
{
	size_t size;
	const uint8_t *raw = inaddr_raw(&client->local, &size);
	struct in6_pktinfo ip6 = {.ipi6_ifindex = client->address.ip6.sin6_scope_id};
	struct in_pktinfo ip4 = {0};

	memset(info, 0, sizeof(*info));
	message->msg_control = info;
	if (client->address.any.sa_family == AF_INET) {
		memcpy(&ip4.ipi_spec_dst, raw, sizeof(ip4.ipi_spec_dst));
		info->head.cmsg_level = IPPROTO_IP;
		info->head.cmsg_type = IP_PKTINFO;
		info->head.cmsg_len = CMSG_LEN(sizeof(ip4));
		memcpy(CMSG_DATA(&info->head), &ip4, sizeof(ip4));
		message->msg_controllen = sizeof(info->ip4);
	} else {
		memcpy(&ip6.ipi6_addr, client->local.bytes, sizeof(ip6.ipi6_addr));
		info->head.cmsg_level = IPPROTO_IPV6;
		info->head.cmsg_type = IPV6_PKTINFO;
		info->head.cmsg_len = CMSG_LEN(sizeof(ip6));
		memcpy(CMSG_DATA(&info->head), &ip6, sizeof(ip6));
		message->msg_controllen = sizeof(info->ip6);
	}
}

/* What recvmmsg(2) changes of the heads, as it must be before the next one. */
static void reset_heads(struct udp *udp, bool on_all)
{
	for (unsigned i = 0; i < BATCH; i++) {
		struct msghdr *message = &udp->messages[i].msg_hdr;

		udp->parts[i].iov_len = MSG_UDP_EDNS;
		message->msg_namelen = sizeof(udp->clients[i].address);
		message->msg_control = on_all ? &udp->infos[i] : NULL;
		message->msg_controllen = on_all ? sizeof(udp->infos[i]) : 0;
	}
}

/* What was received, for the sink. Returns how many queries that makes. */
static unsigned gather(struct udp *udp, uint32_t listener, unsigned n_received)
{
	bool on_all = udp->listeners[listener].on_all;
	unsigned count = 0;

	for (unsigned i = 0; i < n_received; i++) {
		struct msghdr *message = &udp->messages[i].msg_hdr;
		struct client *client = &udp->clients[i];

		if (message->msg_flags & MSG_TRUNC)
			continue;
		client->socket = listener;
		client->size = message->msg_namelen;
		if (on_all)
			read_info(message, &client->local);
		udp->queue[count++] = (struct engine_message){
			.client = client,
			.bytes = udp->queries[i],
			.size = udp->messages[i].msg_len,
			.reply = udp->queries[i],
		};
	}
	return count;
}

/* Each message the kernel refuses is passed over; the ones behind it may still go. */
static void send_all(int fd, struct mmsghdr *messages, unsigned count)
{
	unsigned done = 0;

	while (done < count) {
		int sent = sendmmsg(fd, messages + done, count - done, MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		done += sent > 0 ? (unsigned)sent : 1;
	}
}

/* Makes the head of a query's reply from the query's own. */
static void turn_head(struct udp *udp, size_t index, bool on_all)
{
	struct msghdr *head = &udp->messages[index].msg_hdr;

	head->msg_control = NULL;
	head->msg_controllen = 0;
	if (on_all)
		write_info(&udp->infos[index], &udp->clients[index], head);
}

/* Sends the replies that lie where their queries did. */
static void answer(struct udp *udp, const struct listener *listener, unsigned count)
{
	unsigned n_answers = 0, n_in_place = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct engine_message *query = &udp->queue[i];
		size_t index = (size_t)(query->client - udp->clients);

		if (query->reply_size == 0)
			continue;
		turn_head(udp, index, listener->on_all);
		udp->parts[index].iov_len = query->reply_size;
		/* As long as all have an answer, their heads are in a row as they are. */
		if (index == n_in_place && n_answers == 0)
			n_in_place++;
		else
			udp->answers[n_answers++] = udp->messages[index];
	}
	send_all(listener->fd, udp->messages, n_in_place);
	send_all(listener->fd, udp->answers, n_answers);
}

bool udp_receive(struct udp *udp, uint32_t listener, struct mono now)
{
	struct listener *at = &udp->listeners[listener];
	unsigned n_queries;
	int count;

	reset_heads(udp, at->on_all);
	count = recvmmsg(at->fd, udp->messages, BATCH, MSG_DONTWAIT, NULL);
	if (count <= 0)
		return false;
	n_queries = gather(udp, listener, (unsigned)count);
	udp->sink.queries(udp->sink.context, udp->queue, n_queries, now);
	answer(udp, at, n_queries);
	return count == BATCH;
}

static void flush(struct listener *listener)
{
	send_all(listener->fd, listener->messages, listener->n_replies);
	listener->n_replies = 0;
	listener->used = 0;
}

void udp_reply(struct udp *udp, const struct client *client, const uint8_t *bytes, size_t size)
{
	struct listener *listener = &udp->listeners[client->socket];
	struct msghdr *message;
	unsigned at;

	if (listener->n_replies == BATCH || size > OUT_BYTES - listener->used)
		flush(listener);
	at = listener->n_replies++;
	message = &listener->messages[at].msg_hdr;
	memcpy(listener->bytes + listener->used, bytes, size);
	listener->parts[at] = (struct iovec){listener->bytes + listener->used, size};
	listener->used += size;
	memcpy(&listener->addresses[at], &client->address, sizeof(listener->addresses[at]));
	message->msg_namelen = client->size;
	if (listener->on_all)
		write_info(&listener->infos[at], client, message);
}

void udp_flush(struct udp *udp)
{
	for (size_t i = 0; i < udp->n_listeners; i++)
		if (udp->listeners[i].n_replies > 0)
			flush(&udp->listeners[i]);
}
