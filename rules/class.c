/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/class.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <threads.h>

/*
 * Theory of operation
 *
 * One table of facts, each row a prefix and the class it belongs to; where rows overlap, the
 * longest prefix names the class (169.254.169.254 is "metadata" within "link-local").
 *
 * private to reserved are the IANA IPv4 and IPv6 Special-Purpose Address Registries (both last
 * updated 2025-10-09), of which we take every block that isn't marked globally reachable. Blocks
 * that hold a few reachable exceptions (192.0.0.0/24 has two anycast services) are taken whole: an
 * entry with a longer prefix opens what is needed of them. Of 2001::/23 only what is assigned is
 * taken, since its assignments are of both kinds. Tunnels whose addresses carry an IPv4 address
 * (6to4, Teredo, IPv4-compatible) are "reserved" by the registries too.
 *
 * metadata is where clouds give credentials to whoever asks from an instance (the providers'
 * documentation, and cloud-init's data sources; collected 2026-11). doh are the addresses that
 * public resolvers publish for DNS over HTTPS or over TLS (the operators' set-up pages; collected
 * 2026-11), so that a broad prefix does not open a way around the resolver. Neither list can be
 * complete: they narrow what a broad entry opens by mistake.
 *
 * IPv4 addresses hide in IPv6 ones. NAT64 (RFC 6052) delivers 64:ff9b::10.0.0.1 to 10.0.0.1, so
 * each IPv4 row is there a second time in that form, for the kernel's sets as well; of the tunnels,
 * class_find() judges the address inside.
 *
 * Every address of every answer is looked up. Of two prefixes either one lies in the other or they
 * have nothing in common, so whatever covers an address is the last row, in the order of first
 * addresses, that begins at it or before it, or one that this row lies in. For IPv4 addresses it is
 * known where in that order each first byte begins: nearly all have a row or two, or none. The
 * table is written for its readers; its order is made by the first look-up of a process, without a
 * system call.
 */

/* clang-format off */
#define NAT64(class, a, b, c, d, length) \
	{CLASS_##class, {{{0, 0x64, 0xff, 0x9b, [12] = (a), (b), (c), (d)}}, 96 + (length)}}
#define IP4(class, a, b, c, d, length) \
	{CLASS_##class, {{{[10] = 0xff, 0xff, (a), (b), (c), (d)}}, (length)}}, \
	NAT64(class, a, b, c, d, length)
#define PAIR(word) (word) >> 8, (word) & 0xff
#define IP6(class, a, b, c, d, e, f, g, h, length) \
	{CLASS_##class, {{{PAIR(a), PAIR(b), PAIR(c), PAIR(d), \
			   PAIR(e), PAIR(f), PAIR(g), PAIR(h)}}, (length)}}

static const struct class_prefix prefixes[] = {
	/* IPv4 special-purpose registry */
	IP4(PRIVATE, 10, 0, 0, 0, 8),
	IP4(PRIVATE, 172, 16, 0, 0, 12),
	IP4(PRIVATE, 192, 168, 0, 0, 16),
	IP4(SHARED, 100, 64, 0, 0, 10),
	IP4(LINK_LOCAL, 169, 254, 0, 0, 16),
	IP4(LOOPBACK, 127, 0, 0, 0, 8),
	IP4(LOOPBACK, 0, 0, 0, 0, 32), /* "this host": Linux connects it to itself */
	IP4(MULTICAST, 224, 0, 0, 0, 4),
	IP4(RESERVED, 0, 0, 0, 0, 8),
	IP4(RESERVED, 192, 0, 0, 0, 24),
	IP4(RESERVED, 192, 0, 2, 0, 24),
	IP4(RESERVED, 192, 88, 99, 0, 24),
	IP4(RESERVED, 198, 18, 0, 0, 15),
	IP4(RESERVED, 198, 51, 100, 0, 24),
	IP4(RESERVED, 203, 0, 113, 0, 24),
	IP4(RESERVED, 240, 0, 0, 0, 4),

	/* IPv6 special-purpose registry, RFC 4291 section 2.7 (multicast), RFC 3879 (site-local) */
	IP6(LOOPBACK, 0, 0, 0, 0, 0, 0, 0, 0x1, 128),
	IP6(LOOPBACK, 0, 0, 0, 0, 0, 0, 0, 0, 128),
	IP6(RESERVED, 0, 0, 0, 0, 0, 0, 0, 0, 96),
	IP6(PRIVATE, 0x64, 0xff9b, 0x1, 0, 0, 0, 0, 0, 48),
	IP6(RESERVED, 0x100, 0, 0, 0, 0, 0, 0, 0, 64),
	IP6(RESERVED, 0x100, 0, 0, 0x1, 0, 0, 0, 0, 64),
	IP6(RESERVED, 0x2001, 0, 0, 0, 0, 0, 0, 0, 32),
	IP6(RESERVED, 0x2001, 0x2, 0, 0, 0, 0, 0, 0, 48),
	IP6(RESERVED, 0x2001, 0x10, 0, 0, 0, 0, 0, 0, 28),
	IP6(RESERVED, 0x2001, 0xdb8, 0, 0, 0, 0, 0, 0, 32),
	IP6(RESERVED, 0x2002, 0, 0, 0, 0, 0, 0, 0, 16),
	IP6(RESERVED, 0x3fff, 0, 0, 0, 0, 0, 0, 0, 20),
	IP6(RESERVED, 0x5f00, 0, 0, 0, 0, 0, 0, 0, 16),
	IP6(PRIVATE, 0xfc00, 0, 0, 0, 0, 0, 0, 0, 7),
	IP6(LINK_LOCAL, 0xfe80, 0, 0, 0, 0, 0, 0, 0, 10),
	IP6(PRIVATE, 0xfec0, 0, 0, 0, 0, 0, 0, 0, 10),
	IP6(MULTICAST, 0xff00, 0, 0, 0, 0, 0, 0, 0, 8),

	/* AWS, Azure, Google, Oracle, DigitalOcean and most others */
	IP4(METADATA, 169, 254, 169, 254, 32),

	/* AWS: instances, containers (ECS), pods (EKS) */
	IP4(METADATA, 169, 254, 170, 2, 32),
	IP4(METADATA, 169, 254, 170, 23, 32),
	IP6(METADATA, 0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254, 128),
	IP6(METADATA, 0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23, 128),

	/* Google: instances without IPv4 */
	IP6(METADATA, 0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254, 128),

	/* Oracle */
	IP4(METADATA, 192, 0, 0, 192, 32),
	IP6(METADATA, 0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe, 128),

	/* Azure: the host's own server */
	IP4(METADATA, 168, 63, 129, 16, 32),

	/* Alibaba */
	IP4(METADATA, 100, 100, 100, 200, 32),
	IP6(METADATA, 0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200, 128),

	/* Tencent */
	IP4(METADATA, 169, 254, 0, 23, 32),

	/* Scaleway */
	IP4(METADATA, 169, 254, 42, 42, 32),
	IP6(METADATA, 0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42, 128),

	/* Akamai (Linode) */
	IP6(METADATA, 0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 0x1, 128),

	/* OpenStack */
	IP6(METADATA, 0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe, 128),

	/* The addresses of rules/profiles/doh.txt, which has more of their sources */
	/* Cloudflare */
	IP4(DOH, 1, 0, 0, 1, 32),
	IP4(DOH, 1, 0, 0, 2, 32),
	IP4(DOH, 1, 0, 0, 3, 32),
	IP4(DOH, 1, 1, 1, 1, 32),
	IP4(DOH, 1, 1, 1, 2, 32),
	IP4(DOH, 1, 1, 1, 3, 32),
	IP4(DOH, 162, 159, 36, 1, 32),
	IP4(DOH, 162, 159, 46, 1, 32),
	IP4(DOH, 162, 159, 61, 3, 32),
	IP4(DOH, 162, 159, 61, 4, 32),
	IP4(DOH, 172, 64, 41, 3, 32),
	IP4(DOH, 172, 64, 41, 4, 32),
	IP6(DOH, 0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x64, 128),
	IP6(DOH, 0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1001, 128),
	IP6(DOH, 0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1002, 128),
	IP6(DOH, 0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1003, 128),
	IP6(DOH, 0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111, 128),
	IP6(DOH, 0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1112, 128),
	IP6(DOH, 0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1113, 128),
	IP6(DOH, 0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x6400, 128),
	IP6(DOH, 0x2803, 0xf800, 0x53, 0, 0, 0, 0, 0x3, 128),
	IP6(DOH, 0x2803, 0xf800, 0x53, 0, 0, 0, 0, 0x4, 128),
	IP6(DOH, 0x2a06, 0x98c1, 0x52, 0, 0, 0, 0, 0x3, 128),
	IP6(DOH, 0x2a06, 0x98c1, 0x52, 0, 0, 0, 0, 0x4, 128),

	/* Google */
	IP4(DOH, 8, 8, 4, 4, 32),
	IP4(DOH, 8, 8, 8, 8, 32),
	IP6(DOH, 0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x64, 128),
	IP6(DOH, 0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x6464, 128),
	IP6(DOH, 0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8844, 128),
	IP6(DOH, 0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888, 128),

	/* Quad9 */
	IP4(DOH, 9, 9, 9, 9, 32),
	IP4(DOH, 9, 9, 9, 10, 32),
	IP4(DOH, 9, 9, 9, 11, 32),
	IP4(DOH, 9, 9, 9, 12, 32),
	IP4(DOH, 149, 112, 112, 9, 32),
	IP4(DOH, 149, 112, 112, 10, 32),
	IP4(DOH, 149, 112, 112, 11, 32),
	IP4(DOH, 149, 112, 112, 12, 32),
	IP4(DOH, 149, 112, 112, 112, 32),
	IP6(DOH, 0x2620, 0xfe, 0, 0, 0, 0, 0, 0x9, 128),
	IP6(DOH, 0x2620, 0xfe, 0, 0, 0, 0, 0, 0x10, 128),
	IP6(DOH, 0x2620, 0xfe, 0, 0, 0, 0, 0, 0x11, 128),
	IP6(DOH, 0x2620, 0xfe, 0, 0, 0, 0, 0, 0x12, 128),
	IP6(DOH, 0x2620, 0xfe, 0, 0, 0, 0, 0, 0xfe, 128),
	IP6(DOH, 0x2620, 0xfe, 0, 0, 0, 0, 0xfe, 0x9, 128),
	IP6(DOH, 0x2620, 0xfe, 0, 0, 0, 0, 0xfe, 0x10, 128),
	IP6(DOH, 0x2620, 0xfe, 0, 0, 0, 0, 0xfe, 0x11, 128),
	IP6(DOH, 0x2620, 0xfe, 0, 0, 0, 0, 0xfe, 0x12, 128),

	/* OpenDNS (Cisco) */
	IP4(DOH, 146, 112, 41, 2, 32),
	IP4(DOH, 146, 112, 41, 3, 32),
	IP4(DOH, 146, 112, 41, 5, 32),
	IP4(DOH, 208, 67, 220, 2, 32),
	IP4(DOH, 208, 67, 220, 123, 32),
	IP4(DOH, 208, 67, 220, 220, 32),
	IP4(DOH, 208, 67, 220, 222, 32),
	IP4(DOH, 208, 67, 222, 2, 32),
	IP4(DOH, 208, 67, 222, 123, 32),
	IP4(DOH, 208, 67, 222, 220, 32),
	IP4(DOH, 208, 67, 222, 222, 32),
	IP6(DOH, 0x2620, 0, 0xccc, 0, 0, 0, 0, 0x2, 128),
	IP6(DOH, 0x2620, 0, 0xccd, 0, 0, 0, 0, 0x2, 128),
	IP6(DOH, 0x2620, 0x119, 0x35, 0, 0, 0, 0, 0x35, 128),
	IP6(DOH, 0x2620, 0x119, 0x35, 0, 0, 0, 0, 0x123, 128),
	IP6(DOH, 0x2620, 0x119, 0x53, 0, 0, 0, 0, 0x53, 128),
	IP6(DOH, 0x2620, 0x119, 0x53, 0, 0, 0, 0, 0x123, 128),
	IP6(DOH, 0x2620, 0x119, 0xfc, 0, 0, 0, 0, 0x2, 128),
	IP6(DOH, 0x2620, 0x119, 0xfc, 0, 0, 0, 0, 0x3, 128),
	IP6(DOH, 0x2620, 0x119, 0xfc, 0, 0, 0, 0, 0x5, 128),

	/* AdGuard */
	IP4(DOH, 94, 140, 14, 14, 32),
	IP4(DOH, 94, 140, 14, 15, 32),
	IP4(DOH, 94, 140, 14, 140, 32),
	IP4(DOH, 94, 140, 14, 141, 32),
	IP4(DOH, 94, 140, 15, 15, 32),
	IP4(DOH, 94, 140, 15, 16, 32),
	IP6(DOH, 0x2a10, 0x50c0, 0, 0, 0, 0, 0x1, 0xff, 128),
	IP6(DOH, 0x2a10, 0x50c0, 0, 0, 0, 0, 0x2, 0xff, 128),
	IP6(DOH, 0x2a10, 0x50c0, 0, 0, 0, 0, 0xad1, 0xff, 128),
	IP6(DOH, 0x2a10, 0x50c0, 0, 0, 0, 0, 0xad2, 0xff, 128),
	IP6(DOH, 0x2a10, 0x50c0, 0, 0, 0, 0, 0xbad1, 0xff, 128),
	IP6(DOH, 0x2a10, 0x50c0, 0, 0, 0, 0, 0xbad2, 0xff, 128),

	/* NextDNS */
	IP4(DOH, 45, 90, 28, 0, 24),
	IP4(DOH, 45, 90, 30, 0, 24),
	IP6(DOH, 0x2a07, 0xa8c0, 0, 0, 0, 0, 0, 0, 33),
	IP6(DOH, 0x2a07, 0xa8c1, 0, 0, 0, 0, 0, 0, 33),

	/* Mullvad */
	IP4(DOH, 194, 242, 2, 2, 32),
	IP4(DOH, 194, 242, 2, 3, 32),
	IP4(DOH, 194, 242, 2, 4, 32),
	IP4(DOH, 194, 242, 2, 5, 32),
	IP4(DOH, 194, 242, 2, 6, 32),
	IP4(DOH, 194, 242, 2, 9, 32),
	IP6(DOH, 0x2a07, 0xe340, 0, 0, 0, 0, 0, 0x2, 128),
	IP6(DOH, 0x2a07, 0xe340, 0, 0, 0, 0, 0, 0x3, 128),
	IP6(DOH, 0x2a07, 0xe340, 0, 0, 0, 0, 0, 0x4, 128),
	IP6(DOH, 0x2a07, 0xe340, 0, 0, 0, 0, 0, 0x5, 128),
	IP6(DOH, 0x2a07, 0xe340, 0, 0, 0, 0, 0, 0x6, 128),
	IP6(DOH, 0x2a07, 0xe340, 0, 0, 0, 0, 0, 0x9, 128),

	/* CleanBrowsing */
	IP4(DOH, 185, 228, 168, 9, 32),
	IP4(DOH, 185, 228, 168, 10, 32),
	IP4(DOH, 185, 228, 168, 168, 32),
	IP4(DOH, 185, 228, 169, 9, 32),
	IP4(DOH, 185, 228, 169, 11, 32),
	IP4(DOH, 185, 228, 169, 168, 32),
	IP6(DOH, 0x2a0d, 0x2a00, 0x1, 0, 0, 0, 0, 0, 128),
	IP6(DOH, 0x2a0d, 0x2a00, 0x1, 0, 0, 0, 0, 0x1, 128),
	IP6(DOH, 0x2a0d, 0x2a00, 0x1, 0, 0, 0, 0, 0x2, 128),
	IP6(DOH, 0x2a0d, 0x2a00, 0x2, 0, 0, 0, 0, 0, 128),
	IP6(DOH, 0x2a0d, 0x2a00, 0x2, 0, 0, 0, 0, 0x1, 128),
	IP6(DOH, 0x2a0d, 0x2a00, 0x2, 0, 0, 0, 0, 0x2, 128),

	/* Control D */
	IP4(DOH, 76, 76, 2, 11, 32),
	IP4(DOH, 76, 76, 2, 22, 32),
	IP4(DOH, 76, 76, 10, 11, 32),
	IP4(DOH, 76, 76, 10, 22, 32),
	IP6(DOH, 0x2606, 0x1a40, 0, 0, 0, 0, 0, 0x11, 128),
	IP6(DOH, 0x2606, 0x1a40, 0, 0, 0, 0, 0, 0x22, 128),
	IP6(DOH, 0x2606, 0x1a40, 0x1, 0, 0, 0, 0, 0x11, 128),
	IP6(DOH, 0x2606, 0x1a40, 0x1, 0, 0, 0, 0, 0x22, 128),

	/* DNS.SB */
	IP4(DOH, 45, 11, 45, 11, 32),
	IP4(DOH, 185, 222, 222, 222, 32),
	IP6(DOH, 0x2a09, 0, 0, 0, 0, 0, 0, 0, 128),
	IP6(DOH, 0x2a11, 0, 0, 0, 0, 0, 0, 0, 128),

	/* Alibaba */
	IP4(DOH, 223, 5, 5, 5, 32),
	IP4(DOH, 223, 6, 6, 6, 32),
	IP6(DOH, 0x2400, 0x3200, 0, 0, 0, 0, 0, 0x1, 128),
	IP6(DOH, 0x2400, 0x3200, 0xbaba, 0, 0, 0, 0, 0x1, 128),

	/* DNSPod (Tencent) */
	IP4(DOH, 1, 12, 12, 12, 32),
	IP4(DOH, 120, 53, 53, 53, 32),

	/* CFIEC */
	IP6(DOH, 0x240c, 0, 0, 0, 0, 0, 0, 0x6644, 128),
	IP6(DOH, 0x240c, 0, 0, 0, 0, 0, 0, 0x6666, 128),

	/* Yandex */
	IP4(DOH, 77, 88, 8, 1, 32),
	IP4(DOH, 77, 88, 8, 2, 32),
	IP4(DOH, 77, 88, 8, 3, 32),
	IP4(DOH, 77, 88, 8, 7, 32),
	IP4(DOH, 77, 88, 8, 8, 32),
	IP4(DOH, 77, 88, 8, 88, 32),
	IP6(DOH, 0x2a02, 0x6b8, 0, 0, 0, 0, 0xfeed, 0xa11, 128),
	IP6(DOH, 0x2a02, 0x6b8, 0, 0, 0, 0, 0xfeed, 0xbad, 128),
	IP6(DOH, 0x2a02, 0x6b8, 0, 0, 0, 0, 0xfeed, 0xff, 128),
	IP6(DOH, 0x2a02, 0x6b8, 0, 0x1, 0, 0, 0xfeed, 0xa11, 128),
	IP6(DOH, 0x2a02, 0x6b8, 0, 0x1, 0, 0, 0xfeed, 0xbad, 128),
	IP6(DOH, 0x2a02, 0x6b8, 0, 0x1, 0, 0, 0xfeed, 0xff, 128),

	/* CIRA Canadian Shield */
	IP4(DOH, 149, 112, 121, 10, 32),
	IP4(DOH, 149, 112, 121, 20, 32),
	IP4(DOH, 149, 112, 121, 30, 32),
	IP4(DOH, 149, 112, 122, 10, 32),
	IP4(DOH, 149, 112, 122, 20, 32),
	IP4(DOH, 149, 112, 122, 30, 32),
	IP6(DOH, 0x2620, 0x10a, 0x80bb, 0, 0, 0, 0, 0x10, 128),
	IP6(DOH, 0x2620, 0x10a, 0x80bb, 0, 0, 0, 0, 0x20, 128),
	IP6(DOH, 0x2620, 0x10a, 0x80bb, 0, 0, 0, 0, 0x30, 128),
	IP6(DOH, 0x2620, 0x10a, 0x80bc, 0, 0, 0, 0, 0x10, 128),
	IP6(DOH, 0x2620, 0x10a, 0x80bc, 0, 0, 0, 0, 0x20, 128),
	IP6(DOH, 0x2620, 0x10a, 0x80bc, 0, 0, 0, 0, 0x30, 128),

	/* DNS4EU */
	IP4(DOH, 86, 54, 11, 1, 32),
	IP4(DOH, 86, 54, 11, 11, 32),
	IP4(DOH, 86, 54, 11, 12, 32),
	IP4(DOH, 86, 54, 11, 13, 32),
	IP4(DOH, 86, 54, 11, 100, 32),
	IP4(DOH, 86, 54, 11, 200, 32),
	IP4(DOH, 86, 54, 11, 201, 32),
	IP4(DOH, 86, 54, 11, 211, 32),
	IP4(DOH, 86, 54, 11, 212, 32),
	IP4(DOH, 86, 54, 11, 213, 32),
	IP6(DOH, 0x2a13, 0x1001, 0, 0, 0x86, 0x54, 0x11, 0x1, 128),
	IP6(DOH, 0x2a13, 0x1001, 0, 0, 0x86, 0x54, 0x11, 0x11, 128),
	IP6(DOH, 0x2a13, 0x1001, 0, 0, 0x86, 0x54, 0x11, 0x12, 128),
	IP6(DOH, 0x2a13, 0x1001, 0, 0, 0x86, 0x54, 0x11, 0x13, 128),
	IP6(DOH, 0x2a13, 0x1001, 0, 0, 0x86, 0x54, 0x11, 0x100, 128),
	IP6(DOH, 0x2a13, 0x1001, 0, 0, 0x86, 0x54, 0x11, 0x200, 128),
	IP6(DOH, 0x2a13, 0x1001, 0, 0, 0x86, 0x54, 0x11, 0x201, 128),
	IP6(DOH, 0x2a13, 0x1001, 0, 0, 0x86, 0x54, 0x11, 0x211, 128),
	IP6(DOH, 0x2a13, 0x1001, 0, 0, 0x86, 0x54, 0x11, 0x212, 128),
	IP6(DOH, 0x2a13, 0x1001, 0, 0, 0x86, 0x54, 0x11, 0x213, 128),

	/* CZ.NIC */
	IP4(DOH, 185, 43, 135, 1, 32),
	IP4(DOH, 193, 17, 47, 1, 32),
	IP6(DOH, 0x2001, 0x148f, 0xfffe, 0, 0, 0, 0, 0x1, 128),
	IP6(DOH, 0x2001, 0x148f, 0xffff, 0, 0, 0, 0, 0x1, 128),

	/* Digitale Gesellschaft */
	IP4(DOH, 185, 95, 218, 42, 32),
	IP4(DOH, 185, 95, 218, 43, 32),
	IP6(DOH, 0x2a05, 0xfc84, 0, 0, 0, 0, 0, 0x42, 128),
	IP6(DOH, 0x2a05, 0xfc84, 0, 0, 0, 0, 0, 0x43, 128),

	/* SWITCH */
	IP4(DOH, 130, 59, 31, 248, 32),
	IP4(DOH, 130, 59, 31, 251, 32),
	IP6(DOH, 0x2001, 0x620, 0, 0xff, 0, 0, 0, 0x2, 128),
	IP6(DOH, 0x2001, 0x620, 0, 0xff, 0, 0, 0, 0x3, 128),

	/* Wikimedia */
	IP4(DOH, 185, 71, 138, 138, 32),
	IP6(DOH, 0x2001, 0x67c, 0x930, 0, 0, 0, 0, 0x1, 128),

	/* Hurricane Electric */
	IP4(DOH, 74, 82, 42, 42, 32),
	IP6(DOH, 0x2001, 0x470, 0x20, 0, 0, 0, 0, 0x2, 128),

	/* Quad101 (TWNIC) */
	IP4(DOH, 101, 101, 101, 101, 32),
	IP4(DOH, 101, 102, 103, 104, 32),
	IP6(DOH, 0x2001, 0xde4, 0, 0, 0, 0, 0, 0x101, 128),
	IP6(DOH, 0x2001, 0xde4, 0, 0, 0, 0, 0, 0x102, 128),

	/* Andrews & Arnold */
	IP4(DOH, 217, 169, 20, 22, 32),
	IP4(DOH, 217, 169, 20, 23, 32),
	IP6(DOH, 0x2001, 0x8b0, 0, 0, 0, 0, 0, 0x2022, 128),
	IP6(DOH, 0x2001, 0x8b0, 0, 0, 0, 0, 0, 0x2023, 128),

	/* Freifunk Munich */
	IP4(DOH, 5, 1, 66, 255, 32),
	IP4(DOH, 185, 150, 99, 255, 32),
	IP6(DOH, 0x2001, 0x678, 0xe68, 0xf000, 0, 0, 0, 0, 128),
	IP6(DOH, 0x2001, 0x678, 0xed0, 0xf000, 0, 0, 0, 0, 128),

	/* Njalla */
	IP4(DOH, 95, 215, 19, 53, 32),
	IP6(DOH, 0x2001, 0x67c, 0x2354, 0x2, 0, 0, 0, 0x53, 128),

	/* Restena */
	IP4(DOH, 158, 64, 1, 29, 32),
	IP6(DOH, 0x2001, 0xa18, 0x1, 0, 0, 0, 0, 0x29, 128),

	/* Levonet */
	IP4(DOH, 109, 236, 119, 2, 32),
	IP4(DOH, 109, 236, 120, 2, 32),
	IP6(DOH, 0x2a02, 0x6ca3, 0, 0x1, 0, 0, 0, 0x2, 128),
	IP6(DOH, 0x2a02, 0x6ca3, 0, 0x2, 0, 0, 0, 0x2, 128),

	/* Foundation for Applied Privacy */
	IP4(DOH, 146, 255, 56, 98, 32),

	/* LibreDNS */
	IP4(DOH, 116, 202, 176, 26, 32),

	/* DNS for Family */
	IP4(DOH, 78, 47, 64, 161, 32),
	IP4(DOH, 94, 130, 180, 225, 32),
	IP6(DOH, 0x2a01, 0x4f8, 0x1c0c, 0x40db, 0, 0, 0, 0x1, 128),
	IP6(DOH, 0x2a01, 0x4f8, 0x1c17, 0x4df8, 0, 0, 0, 0x1, 128),
};
/* clang-format on */

static const struct {
	const char *name;
	const char *rule;
} classes[CLASS_COUNT] = {
	[CLASS_PRIVATE] = {"private", "block-private"},
	[CLASS_SHARED] = {"shared", "block-shared"},
	[CLASS_LINK_LOCAL] = {"link-local", "block-link-local"},
	[CLASS_LOOPBACK] = {"loopback", "block-loopback"},
	[CLASS_METADATA] = {"metadata", "block-metadata"},
	[CLASS_MULTICAST] = {"multicast", "block-multicast"},
	[CLASS_RESERVED] = {"reserved", "block-reserved"},
	[CLASS_DOH] = {"doh", "block-doh"},
};

const char *class_name(enum address_class class)
{
	return classes[class].name;
}

const char *class_rule(enum address_class class)
{
	return classes[class].rule;
}

int class_from_text(struct text text, enum address_class *ret_class)
{
	for (unsigned i = 0; i < CLASS_COUNT; i++) {
		if (text_is(text, classes[i].name)) {
			*ret_class = (enum address_class)i;
			return 0;
		}
	}
	return -ENOENT;
}

const struct class_prefix *class_prefixes(size_t *ret_count)
{
	*ret_count = sizeof(prefixes) / sizeof(prefixes[0]);
	return prefixes;
}

/* The row's length over the 128 bits that both families are held in. Only IPv4 rows have ff there:
 * the test in tests/rules/test-class.c holds the table to it. */
static unsigned full_length(const struct prefix *prefix)
{
	return prefix->length + (prefix->address.bytes[10] == 0xff ? 96u : 0u);
}

/* Half of an address, as a number. */
static inline uint64_t half_of(const struct inaddr *address, unsigned half)
{
	uint64_t bytes;

	memcpy(&bytes, address->bytes + half * sizeof(bytes), sizeof(bytes));
	return be64toh(bytes);
}

static bool covers(const struct prefix *prefix, const struct inaddr *address)
{
	uint64_t high = half_of(&prefix->address, 0) ^ half_of(address, 0);
	uint64_t low = half_of(&prefix->address, 1) ^ half_of(address, 1);
	unsigned length = full_length(prefix);

	if (length <= 64)
		return length == 0 || high >> (64 - length) == 0;
	return high == 0 && low >> (128 - length) == 0;
}

/* --- The order of the rows --- */

enum { ROWS = sizeof(prefixes) / sizeof(prefixes[0]), NOWHERE = UINT16_MAX };

/* The rows by their first addresses, of those with the same one the shorter first; and for each
 * place in this order the place of the longest prefix that the row's lies in. */
static uint16_t order[ROWS];
static uint16_t around[ROWS];

/* How many rows come before the IPv4 addresses that begin with the byte. */
static uint16_t before_byte[257];
static once_flag ordered = ONCE_FLAG_INIT;

/* How many of the first `count` ordered rows come before a prefix, of which `place` at least: with
 * 128 bits, those that begin at the address or before it. */
static unsigned find_place(
	unsigned place, unsigned count, const struct inaddr *address, unsigned length)
{
	uint64_t high = half_of(address, 0), low = half_of(address, 1);

	while (place < count) {
		unsigned middle = place + (count - place) / 2;
		const struct prefix *row = &prefixes[order[middle]].prefix;
		uint64_t row_high = half_of(&row->address, 0), row_low = half_of(&row->address, 1);
		bool is_equal = row_high == high && row_low == low;

		if (is_equal ? full_length(row) <= length
			     : row_high < high || (row_high == high && row_low < low))
			place = middle + 1;
		else
			count = middle;
	}
	return place;
}

static void order_rows(void)
{
	for (unsigned i = 0; i < ROWS; i++) {
		const struct prefix *row = &prefixes[i].prefix;
		unsigned place = find_place(0, i, &row->address, full_length(row));

		memmove(&order[place + 1], &order[place], (i - place) * sizeof(order[0]));
		order[place] = (uint16_t)i;
	}
	for (unsigned i = 0; i < ROWS; i++) {
		unsigned outer = i > 0 ? i - 1 : NOWHERE;

		while (outer != NOWHERE &&
			!covers(&prefixes[order[outer]].prefix, &prefixes[order[i]].prefix.address))
			outer = around[outer];
		around[i] = (uint16_t)outer;
	}
	for (unsigned i = 0; i < 256; i++) {
		struct inaddr first = inaddr_from_ip4((const uint8_t[4]){(uint8_t)i});

		before_byte[i] = (uint16_t)find_place(0, ROWS, &first, 0);
	}
	before_byte[256] = ROWS;
}

/* --- Looking up --- */

/* Looks for a prefix in `mask` longer than *best that covers the address. */
static bool find_longer(
	const struct inaddr *address, unsigned mask, unsigned *best, enum address_class *ret_class)
{
	unsigned count = 0, byte = address->bytes[12];

	if (inaddr_is_ip4(address))
		count = find_place(before_byte[byte], before_byte[byte + 1], address, 128);
	else
		count = find_place(0, ROWS, address, 128);
	for (unsigned i = count > 0 ? count - 1 : NOWHERE; i != NOWHERE; i = around[i]) {
		const struct class_prefix *row = &prefixes[order[i]];
		unsigned length = full_length(&row->prefix);

		if (!(mask & 1u << row->class) || !covers(&row->prefix, address))
			continue;
		if (length <= *best)
			return false;
		*best = length;
		*ret_class = row->class;
		return true;
	}
	return false;
}

/* Where tunnels keep an IPv4 address in an IPv6 one; Teredo (RFC 4380 section 4) has its bits
 * inverted. */
static const struct {
	struct prefix prefix;
	uint8_t offset;
	uint8_t inverted;
} tunnels[] = {
	{{{{0x20, 0x02}}, 16}, 2, 0},     /* 6to4, RFC 3056 section 2 */
	{{{{0x20, 0x01}}, 32}, 12, 0xff}, /* Teredo */
	{{{{0}}, 96}, 12, 0},             /* IPv4-compatible, RFC 4291 section 2.5.5.1 */
};

static bool find_embedded(const struct inaddr *address, struct inaddr *ret_embedded)
{
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++) {
		uint8_t bytes[4];

		if (!covers(&tunnels[i].prefix, address))
			continue;
		for (unsigned j = 0; j < sizeof(bytes); j++)
			bytes[j] = address->bytes[tunnels[i].offset + j] ^ tunnels[i].inverted;
		*ret_embedded = inaddr_from_ip4(bytes);
		return true;
	}
	return false;
}

size_t class_embeddings(const struct prefix *ip4, struct prefix ret_prefixes[CLASS_EMBEDDINGS])
{
	size_t size, count = 0;
	const uint8_t *raw = inaddr_raw(&ip4->address, &size);

	for (; count < sizeof(tunnels) / sizeof(tunnels[0]); count++) {
		struct prefix *prefix = &ret_prefixes[count];

		*prefix = tunnels[count].prefix;
		if (prefix->length != 8 * tunnels[count].offset)
			continue;
		for (size_t i = 0; i < size; i++)
			prefix->address.bytes[tunnels[count].offset + i] =
				raw[i] ^ tunnels[count].inverted;
		prefix->length = (uint8_t)(prefix->length + ip4->length);
	}
	return count;
}

bool class_find(const struct inaddr *address, unsigned mask, enum address_class *ret_class)
{
	struct inaddr embedded;
	unsigned best = 0;
	bool found;

	call_once(&ordered, order_rows);
	found = find_longer(address, mask, &best, ret_class);
	if (!inaddr_is_ip4(address) && find_embedded(address, &embedded))
		found |= find_longer(&embedded, mask, &best, ret_class);
	return found;
}
