/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_KERNEL_PACKET_H
#define EGRESS_KERNEL_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/inaddr.h"

/* What the head of an IP packet says. */
struct packet {
	struct inaddr source;
	struct inaddr to;
	uint8_t protocol; /* IPPROTO_*: behind any extension headers */
	bool has_ports;   /* TCP, UDP and the like, in a first fragment */
	uint16_t source_port;
	uint16_t port;
};

/* Reads the beginning of a packet, from its IP header on. Where it ends early, or makes no sense,
 * ports are left out. 0, or -EPROTO when it is no IPv4 or IPv6 header. */
int packet_read(const uint8_t *bytes, size_t size, struct packet *ret_packet);

#endif
