/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What the kernel tells of packets and flows. The first byte says what the rest is: a packet's
 * beginning, a message of NFLOG, or one of conntrack's; from 240 on one about sockets. */

#include <netinet/in.h>
#include <string.h>

#include "src/kernel/conntrack.h"
#include "src/kernel/nflog.h"
#include "src/kernel/packet.h"
#include "src/kernel/sockdiag.h"
#include "tests/fuzz/fuzz.h"

#define MESSAGE_MAX ((size_t)1 << 16)

enum { SOCKETS = 240 };

static void see_packet(void *context, const struct nflog_record *record)
{
	(void)context;
	fuzz_require(memchr(record->prefix, '\0', NFLOG_PREFIX), "a prefix ends");
}

static int see_flow(void *context, const struct conntrack_flow *flow)
{
	char text[INADDR_TEXT];

	(void)context;
	fuzz_require(strlen(inaddr_to_text(&flow->to, text)) > 1, "a flow goes somewhere");
	return 0;
}

static void read_packet(const uint8_t *bytes, size_t size)
{
	struct packet packet, again;

	if (packet_read(bytes, size, &packet) < 0)
		return;
	fuzz_require(size >= 20, "a packet has a header");
	if (!packet.has_ports)
		fuzz_require(packet.port == 0 && packet.source_port == 0, "no port is none");
	/* What was read first doesn't change when more is there. */
	fuzz_require(packet_read(bytes, size < 40 ? size : 40, &again) == 0 &&
			     inaddr_compare(&packet.to, &again.to) == 0,
		"the address is the header's");
}

static void read_socket(const uint8_t *bytes, size_t size)
{
	const struct packet packet = {
		.protocol = size % 2 ? IPPROTO_TCP : IPPROTO_UDP, .has_ports = true};
	struct sockdiag_owner owner = {.cgroup = 0};

	if (sockdiag_take(bytes, size, 0, &packet, &owner) == 0)
		fuzz_require(owner.cgroup != 0, "who is found has a control group");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The kernel's messages are aligned. */
	_Alignas(8) static uint8_t message[MESSAGE_MAX];
	uint64_t lost;

	if (size < 1 || size > MESSAGE_MAX)
		return 0;
	memcpy(message, data + 1, size - 1);
	if (data[0] >= SOCKETS) {
		read_socket(message, size - 1);
		return 0;
	}
	switch (data[0] % 3) {
	case 0:
		read_packet(message, size - 1);
		break;
	case 1:
		nflog_take(NULL, message, size - 1, see_packet, NULL, &lost);
		break;
	default:
		conntrack_take_ends(message, size - 1, see_flow, NULL);
	}
	return 0;
}
