/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/packet.h"

#include <errno.h>
#include <netinet/in.h>

#include "src/base/buf.h"

/*
 * Every byte is a stranger's, and how many there are too. Of IPv6's extension headers (RFC 8200
 * section 4) as many are passed over as a packet has use for; behind more, or behind one that isn't
 * known, nothing is read.
 */

enum {
	IP4_HEADER = 20,
	IP4_FRAGMENT = 0x1fff, /* its offset, RFC 791 section 3.1 */
	IP6_HEADER = 40,
	IP6_FRAGMENT = 0xfff8,
	EXTENSIONS_MAX = 8,
};

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ||
	       protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP;
}

static void read_ports(struct reader *reader, struct packet *packet)
{
	uint16_t source_port = reader_u16(reader), port = reader_u16(reader);

	if (reader->failed || !has_ports(packet->protocol))
		return;
	packet->has_ports = true;
	packet->source_port = source_port;
	packet->port = port;
}

static int read_ip4(const uint8_t *bytes, size_t size, struct packet *ret_packet)
{
	struct reader reader = reader_over(bytes, size);
	struct packet packet = {.has_ports = false};
	size_t length = (size_t)(bytes[0] & 0xf) * 4;
	uint16_t fragment;

	if (size < IP4_HEADER || length < IP4_HEADER)
		return -EPROTO;
	reader_seek(&reader, 6);
	fragment = reader_u16(&reader) & IP4_FRAGMENT;
	packet.protocol = bytes[9];
	packet.source = inaddr_from_ip4(bytes + 12);
	packet.to = inaddr_from_ip4(bytes + 16);
	reader_seek(&reader, length);
	if (fragment == 0)
		read_ports(&reader, &packet);
	*ret_packet = packet;
	return 0;
}

/* Passes over an extension header and reads which header comes behind it. False: it is none, or
 * ports don't follow. */
static bool pass_extension(struct reader *reader, uint8_t *protocol)
{
	uint8_t next, length;

	switch (*protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		next = reader_u8(reader);
		length = reader_u8(reader);
		reader_bytes(reader, (size_t)length * 8 + 6);
		break;
	case IPPROTO_AH:
		next = reader_u8(reader);
		length = reader_u8(reader);
		reader_bytes(reader, (size_t)length * 4 + 6);
		break;
	case IPPROTO_FRAGMENT:
		next = reader_u8(reader);
		reader_u8(reader);
		if (reader_u16(reader) & IP6_FRAGMENT)
			reader->failed = true;
		reader_u32(reader);
		/* What is carried is known in the first fragment only. */
		break;
	default:
		return false;
	}
	if (reader->failed)
		return false;
	*protocol = next;
	return true;
}

static int read_ip6(const uint8_t *bytes, size_t size, struct packet *ret_packet)
{
	struct reader reader = reader_over(bytes, size);
	struct packet packet = {.has_ports = false};

	if (size < IP6_HEADER)
		return -EPROTO;
	packet.protocol = bytes[6];
	packet.source = inaddr_from_ip6(bytes + 8);
	packet.to = inaddr_from_ip6(bytes + 24);
	reader_seek(&reader, IP6_HEADER);
	for (unsigned i = 0; i < EXTENSIONS_MAX; i++)
		if (!pass_extension(&reader, &packet.protocol))
			break;
	read_ports(&reader, &packet);
	*ret_packet = packet;
	return 0;
}

int packet_read(const uint8_t *bytes, size_t size, struct packet *ret_packet)
{
	if (size == 0)
		return -EPROTO;
	switch (bytes[0] >> 4) {
	case 4:
		return read_ip4(bytes, size, ret_packet);
	case 6:
		return read_ip6(bytes, size, ret_packet);
	default:
		return -EPROTO;
	}
}
