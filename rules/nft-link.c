/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/nft-link.h"

#include <ctype.h>
#include <errno.h>

#include "rules/nft-text.h"

/*
 * Theory of operation
 *
 * Who has CAP_NET_RAW opens a packet socket and writes whole frames, which pass no chain of family
 * inet. What comes to an interface by the way of those chains was routed: the packet still has its
 * route there, and `meta rtclassid` finds the realm of it, whichever that is. A frame of a packet
 * socket has none, and no way to get one (net/packet/af_packet.c), PACKET_QDISC_BYPASS included;
 * for such a packet the expression ends the rule. A mark, which would do as well, could be guessed
 * or seen.
 *
 * Of what the kernel itself sends without a route only ARP is needed. It has no socket, while a
 * packet socket's frame has one all the while it is sent, so ARP with a user is a program's.
 *
 * Frames that an interface hands to another one below it (a VLAN's, a bond's, a bridge's) have no
 * route any more: such interfaces cannot have this chain. Nor does it see what an AF_XDP socket
 * sends, which passes no hook at all.
 *
 * The chains stay when the ruleset is loaded again, each with its interface's name; only their
 * rules are replaced, so that at no time frames are let through or dropped that should not be. They
 * go with their interface (before Linux 6.16), or wait for one of the same name.
 */

/* "link-eth0": what nft doesn't read in a name is written by its number. */
static void put_chain_name(const char *interface, FILE *out)
{
	fputs("link-", out);
	for (const char *at = interface; *at; at++)
		if (isalnum((unsigned char)*at) || *at == '-' || *at == '.')
			fputc(*at, out);
		else
			fprintf(out, "_%02x", (unsigned char)*at);
}

static void put_frames(const struct nft *nft)
{
	nft_open_chain(
		nft, "frames that were routed have passed the chains of family inet", "frames");
	nft_rule(nft, "routed", "meta rtclassid 0-4294967295 accept");
	nft_rule(nft, "arp of programs", "meta protocol arp meta skuid 0-4294967295 counter drop");
	nft_rule(nft, "arp", "meta protocol arp accept");
	nft_rule(nft, "raw", "counter drop");
	nft_close_chain(nft);
}

static void put_interface(const struct nft *nft, const char *interface)
{
	fputs("\tchain ", nft->out);
	put_chain_name(interface, nft->out);
	fprintf(nft->out,
		" {\n\t\ttype filter hook egress device \"%s\" priority filter; policy drop;\n",
		interface);
	nft_rule(nft, "frames", "goto frames");
	nft_close_chain(nft);
}

int nft_write_link(const struct plan *plan, const char *const *interfaces, size_t count, FILE *out)
{
	const struct nft nft = {.plan = plan, .out = out};

	for (size_t i = 0; i < count; i++)
		if (!nft_is_quotable(interfaces[i]))
			return -EINVAL;
	fprintf(out, "\nadd table netdev %s\nflush table netdev %s\n\ntable netdev %s {\n",
		plan->table, plan->table, plan->table);
	put_frames(&nft);
	for (size_t i = 0; i < count; i++)
		put_interface(&nft, interfaces[i]);
	fputs("}\n", out);
	return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}
