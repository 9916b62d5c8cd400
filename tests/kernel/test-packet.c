/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/kernel/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* 192.0.2.1 port 4660 to 198.51.100.2 port 443 */
static const uint8_t tcp4[] = {0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, IPPROTO_TCP, 0, 0, 192, 0, 2, 1,
	198, 51, 100, 2, 0x12, 0x34, 0x01, 0xbb, 0, 0, 0, 0};

/* 2001:db8::1 port 4660 to 2001:db8::2 port 53 */
static const uint8_t udp6[] = {0x60, 0, 0, 0, 0, 8, IPPROTO_UDP, 64, 0x20, 0x01, 0x0d, 0xb8, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
	0x12, 0x34, 0, 53, 0, 8, 0, 0};

static struct packet read_packet(const uint8_t *bytes, size_t size)
{
	struct packet packet;

	assert_int_equal(packet_read(bytes, size, &packet), 0);
	return packet;
}

static void assert_ends(const struct packet *packet, const char *source, const char *to)
{
	char text[INADDR_TEXT];

	assert_string_equal(inaddr_to_text(&packet->source, text), source);
	assert_string_equal(inaddr_to_text(&packet->to, text), to);
}

static void test_ip4(void **state)
{
	struct packet packet = read_packet(tcp4, sizeof(tcp4));

	(void)state;
	assert_ends(&packet, "192.0.2.1", "198.51.100.2");
	assert_int_equal(packet.protocol, IPPROTO_TCP);
	assert_true(packet.has_ports);
	assert_int_equal(packet.source_port, 0x1234);
	assert_int_equal(packet.port, 443);
}

static void test_ip6(void **state)
{
	struct packet packet = read_packet(udp6, sizeof(udp6));

	(void)state;
	assert_ends(&packet, "2001:db8::1", "2001:db8::2");
	assert_int_equal(packet.protocol, IPPROTO_UDP);
	assert_true(packet.has_ports);
	assert_int_equal(packet.port, 53);
}

/* Options lie before the ports; where they say there are more than there are, no port is read. */
static void test_options(void **state)
{
	uint8_t bytes[64] = {0};
	struct packet packet;

	(void)state;
	memcpy(bytes, tcp4, 20);
	bytes[0] = 0x47;
	bytes[28] = 1;
	bytes[31] = 22;
	packet = read_packet(bytes, 36);
	assert_int_equal(packet.source_port, 256);
	assert_int_equal(packet.port, 22);
	assert_false(read_packet(bytes, 31).has_ports);
	bytes[0] = 0x4f;
	assert_false(read_packet(bytes, 36).has_ports);
	bytes[0] = 0x44;
	assert_int_equal(packet_read(bytes, 36, &packet), -EPROTO);
}

static void test_fragments(void **state)
{
	uint8_t bytes[sizeof(tcp4)];

	(void)state;
	memcpy(bytes, tcp4, sizeof(bytes));
	bytes[6] = 0x20; /* more of them: the first has the ports */
	assert_true(read_packet(bytes, sizeof(bytes)).has_ports);
	bytes[7] = 1;
	assert_false(read_packet(bytes, sizeof(bytes)).has_ports);
}

static void test_no_ports(void **state)
{
	uint8_t bytes[sizeof(tcp4)];

	(void)state;
	memcpy(bytes, tcp4, sizeof(bytes));
	bytes[9] = IPPROTO_ICMP;
	assert_false(read_packet(bytes, sizeof(bytes)).has_ports);
	assert_int_equal(read_packet(bytes, sizeof(bytes)).protocol, IPPROTO_ICMP);
}

/* Extension headers are passed over: hop-by-hop, destination options of 16 bytes, a first fragment.
 */
static void test_extensions(void **state)
{
	uint8_t bytes[128] = {0};
	struct packet packet;

	(void)state;
	memcpy(bytes, udp6, 40);
	bytes[6] = IPPROTO_HOPOPTS;
	bytes[40] = IPPROTO_DSTOPTS;
	bytes[48] = IPPROTO_FRAGMENT;
	bytes[49] = 1;
	bytes[64] = IPPROTO_TCP;
	bytes[67] = 1; /* more of them */
	bytes[74] = 0x01;
	bytes[75] = 0xbb;
	packet = read_packet(bytes, 80);
	assert_int_equal(packet.protocol, IPPROTO_TCP);
	assert_int_equal(packet.port, 443);
	bytes[66] = 1; /* not the first */
	assert_false(read_packet(bytes, 80).has_ports);
}

/* However many there are, it comes to an end. */
static void test_many_extensions(void **state)
{
	uint8_t bytes[1024] = {0};

	(void)state;
	memcpy(bytes, udp6, 40);
	bytes[6] = IPPROTO_HOPOPTS;
	assert_false(read_packet(bytes, sizeof(bytes)).has_ports);
}

/* Every beginning of a packet, and every byte of it as any other, is read or refused; the memory
 * behind it is the sanitizers'. */
static void test_hostile(void **state)
{
	static const struct {
		const uint8_t *bytes;
		size_t size;
	} packets[] = {{tcp4, sizeof(tcp4)}, {udp6, sizeof(udp6)}};
	struct packet packet;

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t size = 0; size <= packets[i].size; size++) {
			uint8_t *bytes = malloc(size ? size : 1);

			memcpy(bytes, packets[i].bytes, size);
			for (size_t at = 0; at < size; at++)
				for (unsigned byte = 0; byte < 256; byte++) {
					bytes[at] = (uint8_t)byte;
					packet_read(bytes, size, &packet);
					bytes[at] = packets[i].bytes[at];
				}
			assert_int_equal(packet_read(bytes, size, &packet),
				size < (i == 0 ? 20u : 40u) ? -EPROTO : 0);
			free(bytes);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ip4),
		cmocka_unit_test(test_ip6),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_no_ports),
		cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_many_extensions),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
