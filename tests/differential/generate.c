/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/differential/generate.h"

#include <string.h>

/*
 * Theory of operation
 *
 * Names are one to three of a few labels before one of a few domains; hosts are such names with
 * some labels turned into wildcards, so that many match. Addresses are the edges of a few nested
 * blocks, inside and outside of the blocked classes; prefixes are cut from the same blocks.
 */

static const char *const labels[] = {"a", "b", "api", "api-1", "api-1-internal", "x-internal", "w"};
static const char *const domains[] = {"example.com", "example.net", "s3.example.org"};

const char *generate_name(struct chance *chance, char out[256])
{
	unsigned count = chance_below(chance, 4);

	out[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		strcat(out, chance_of(chance, labels));
		strcat(out, ".");
	}
	strcat(out, chance_of(chance, domains));
	if (chance_one_in(chance, 16))
		out[0] = (char)(out[0] >= 'a' ? out[0] - 32 : out[0]);
	if (chance_one_in(chance, 16))
		strcat(out, ".");
	return out;
}

static void put_host(struct chance *chance, FILE *out)
{
	static const char *const stars[] = {"*", "api-*", "*-internal", "*-1*", "a*", "*i"};
	char name[256];
	unsigned depth = chance_below(chance, 3);

	if (chance_one_in(chance, 2)) {
		fputs(generate_name(chance, name), out);
		return;
	}
	if (chance_one_in(chance, 4))
		fputs("**.", out);
	for (unsigned i = 0; i < depth; i++)
		fprintf(out, "%s.",
			chance_one_in(chance, 2) ? chance_of(chance, stars)
						 : chance_of(chance, labels));
	if (depth == 0)
		fprintf(out, "%s.", chance_of(chance, stars));
	fputs(chance_of(chance, domains), out);
}

static const char *const patterns[] = {"^api-[0-9]\\.example\\.com$", "internal", "^a\\.",
	"^[^.]+\\.example\\.net$", "(^|\\.)w\\.", "^(a|b)+\\.s3\\.example\\.org$", "^$"};

/* Blocks: { first bits, length of the block } that prefixes are cut from. */
static const struct {
	const char *first;
	unsigned length;
} blocks[] = {
	{"198.41.0.0", 22},
	{"10.42.0.0", 22},
	{"100.64.0.0", 24},
	{"169.254.169.252", 30},
	{"192.0.2.0", 25},
	{"8.8.8.0", 29},
	{"224.0.0.0", 30},
	{"2600:1::", 118},
	{"fd00:ec2::250", 124},
	{"64:ff9b::a2a:0", 118},
	{"2002:a2a::", 118},
	{"2001:db8:7::", 116},
	{"::ffff:198.41.0.0", 118},
};

static struct inaddr block_address(struct chance *chance, unsigned block, unsigned *ret_bits)
{
	struct inaddr address;
	unsigned bits, full;

	inaddr_from_text(text_of(blocks[block].first), &address);
	full = inaddr_is_ip4(&address) && !strchr(blocks[block].first, ':') ? 32 : 128;
	bits = full - blocks[block].length;
	*ret_bits = bits;
	/* Few of the low bits, so that edges are hit. */
	for (unsigned i = 0; i < bits; i++)
		if (chance_one_in(chance, 3))
			address.bytes[15 - i / 8] |= (uint8_t)(1u << i % 8);
	return address;
}

static void clear_bits(struct inaddr *address, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		address->bytes[15 - i / 8] &= (uint8_t) ~(1u << i % 8);
}

static void put_range(struct chance *chance, FILE *out)
{
	unsigned block = chance_below(chance, sizeof(blocks) / sizeof(blocks[0])), bits;
	struct inaddr first = block_address(chance, block, &bits), last;
	unsigned host = chance_below(chance, bits + 1);
	unsigned full = inaddr_is_ip4(&first) ? 32 : 128;
	char text[INADDR_TEXT];

	if (chance_one_in(chance, 12)) {
		fputs(chance_one_in(chance, 2) ? "0.0.0.0/0" : "::/0", out);
		return;
	}
	if (chance_one_in(chance, 5)) {
		last = first;
		for (unsigned i = 0; i < host; i++)
			last.bytes[15 - i / 8] |= (uint8_t)(1u << i % 8);
		fprintf(out, "%s-", inaddr_to_text(&first, text));
		fputs(inaddr_to_text(&last, text), out);
		return;
	}
	clear_bits(&first, host);
	fprintf(out, "%s/%u", inaddr_to_text(&first, text), full - host);
}

struct inaddr generate_address(struct chance *chance)
{
	static const char *const others[] = {"1.2.3.4", "9.255.255.255", "11.0.0.0",
		"100.63.255.255", "2600:2::1", "172.31.255.255", "2a00::1", "2a01::"};
	struct inaddr address;
	unsigned bits;

	if (chance_one_in(chance, 8)) {
		inaddr_from_text(text_of(chance_of(chance, others)), &address);
		return address;
	}
	address = block_address(
		chance, chance_below(chance, sizeof(blocks) / sizeof(blocks[0])), &bits);
	if (chance_one_in(chance, 8))
		inaddr_next(&address, &address);
	else if (chance_one_in(chance, 8))
		inaddr_previous(&address, &address);
	return address;
}

static const char *const ports[] = {"tcp/443", "tcp/22", "udp/443", "tcp/1000-1003",
	"tcp/1002-1005", "udp/123", "icmp/echo", "443", "udp/1000-1001", "tcp/1"};
static const char *const port_probes[] = {"tcp/443", "tcp/443", "tcp/22", "udp/443", "tcp/999",
	"tcp/1000", "tcp/1001", "tcp/1002", "tcp/1003", "tcp/1004", "tcp/1005", "tcp/1006",
	"udp/123", "icmp/echo", "udp/1000", "udp/1001", "tcp/1", "other", "udp/9"};

const char *generate_port(struct chance *chance)
{
	return chance_of(chance, port_probes);
}

static void put_ports(struct chance *chance, FILE *out)
{
	unsigned first = chance_below(chance, sizeof(ports) / sizeof(ports[0]));

	if (chance_one_in(chance, 3))
		return;
	fprintf(out, "ports = [\"%s\"", ports[first]);
	if (chance_one_in(chance, 3))
		fprintf(out, ", \"%s\"", ports[(first + 4) % (sizeof(ports) / sizeof(ports[0]))]);
	fputs("]\n", out);
}

static void put_many(struct chance *chance, const char *key,
	void (*put)(struct chance *chance, FILE *out), FILE *out)
{
	unsigned count = 1 + chance_below(chance, 3);

	fprintf(out, "%s = [", key);
	for (unsigned i = 0; i < count; i++) {
		fputs(i > 0 ? ", \"" : "\"", out);
		put(chance, out);
		fputc('"', out);
	}
	fputs("]\n", out);
}

static void put_score(struct chance *chance, FILE *out)
{
	static const char *const scores[] = {
		"-3.0", "0", "0.4", "0.5", "0.7", "1.0", "2.9", "3.0", "4.0", "9.5"};

	fputs(chance_of(chance, scores), out);
}

static void put_allow_keys(struct chance *chance, bool has_hosts, FILE *out)
{
	if (chance_one_in(chance, 4)) {
		if (chance_one_in(chance, 2))
			fputs("addresses = \"any\"\n", out);
		else
			put_many(chance, "addresses", put_range, out);
	}
	if (chance_one_in(chance, 8))
		fputs("connections = \"1000000/second\"\n", out);
	if (chance_one_in(chance, 8))
		fputs("bytes = \"1 TB\"\n", out);
	if (has_hosts && chance_one_in(chance, 16))
		fputs("wildcard_names = 1000\n", out);
}

static void put_entry(struct chance *chance, bool allow, bool lists, FILE *out)
{
	unsigned subjects = 1 + chance_below(chance, 7);

	fprintf(out, "\n[[%s]]\n", allow ? "allow" : "deny");
	if (subjects & 1)
		put_many(chance, "host", put_host, out);
	if (subjects & 2)
		put_many(chance, "ip", put_range, out);
	if (subjects & 4 && chance_one_in(chance, 2))
		fprintf(out, "host_pattern = '%s'\n", chance_of(chance, patterns));
	else if (subjects == 4 || (lists && chance_one_in(chance, 4)))
		fprintf(out, lists ? "list = \"list-%u.txt\"\n" : "host_pattern = 'never%u'\n",
			chance_below(chance, 3));
	put_ports(chance, out);
	if (chance_one_in(chance, 5)) {
		fputs("score = ", out);
		put_score(chance, out);
		fputc('\n', out);
	}
	if (allow)
		put_allow_keys(chance, subjects & 1, out);
	if (chance_one_in(chance, 10))
		fprintf(out, "expires = %s\n",
			chance_one_in(chance, 2) ? "2001-01-01" : "2127-01-01");
	if (chance_one_in(chance, 12))
		fputs("reason = \"by chance\"\n", out);
}

void generate_entry(struct chance *chance, FILE *out)
{
	put_entry(chance, !chance_one_in(chance, 3), true, out);
}

static void put_scope(struct chance *chance, bool cgroups, FILE *out)
{
	fputs("\n[scope]\n", out);
	if (chance_one_in(chance, 2))
		fprintf(out, "users = [%u]\n", 4001 + chance_below(chance, 2));
	if (chance_one_in(chance, 3))
		fprintf(out, "groups = [%u]\n", 4001 + chance_below(chance, 2));
	if (cgroups && chance_one_in(chance, 3))
		fprintf(out, "cgroups = [\"egress-differential/group-%u\"]\n",
			chance_below(chance, 2));
	if (chance_one_in(chance, 3))
		fprintf(out, "interfaces = [\"in%u\"]\n", chance_below(chance, 2));
	if (chance_one_in(chance, 3))
		fprintf(out, "sources = [\"%s\"]\n",
			chance_one_in(chance, 2) ? "192.168.80.3" : "fd80::2/127");
}

static void put_block(struct chance *chance, FILE *out)
{
	static const char *const classes[] = {"private", "shared", "link-local", "loopback",
		"metadata", "multicast", "reserved", "doh"};
	const char *comma = "";

	fputs("\n[network]\nblock = [", out);
	for (unsigned i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (chance_one_in(chance, 2)) {
			fprintf(out, "%s\"%s\"", comma, classes[i]);
			comma = ", ";
		}
	fputs("]\n", out);
}

static void put_thresholds(struct chance *chance, FILE *out)
{
	static const char *const keys[] = {"unknown", "flag_at", "refuse_at"};

	fputs("\n[score]\n", out);
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (chance_one_in(chance, 2)) {
			fprintf(out, "%s = ", keys[i]);
			put_score(chance, out);
			fputc('\n', out);
		}
}

static void put_limits(struct chance *chance, FILE *out)
{
	fputs("\n[limits]\n", out);
	if (chance_one_in(chance, 2))
		fputs("connections = \"100000/second\"\n", out);
	if (chance_one_in(chance, 2))
		fputs("connections_per_destination = \"100000/second\"\n", out);
	if (chance_one_in(chance, 2))
		fputs("bytes = \"1 TiB\"\n", out);
	fputs("\n[budget]\n", out);
	if (chance_one_in(chance, 2))
		fputs("destinations = 60000\n", out);
	if (chance_one_in(chance, 2))
		fputs("on_exceed = \"refuse\"\n", out);
}

static void put_top(struct chance *chance, bool is_override, FILE *out)
{
	fputs("version = 1\n", out);
	fprintf(out, "name = \"%s\"\n", is_override ? "narrower" : "by-chance");
	if (chance_one_in(chance, 3))
		fprintf(out, "mode = \"%s\"\n",
			chance_one_in(chance, 3) ? "allowlist" : "denylist");
	if (chance_one_in(chance, 6))
		fputs("enforcement = \"observe\"\n", out);
	if (chance_one_in(chance, 4))
		fputs("profiles = [\"generated\"]\n", out);
}

void generate_policy(struct chance *chance, bool is_override, enum generate_scope scope, FILE *out)
{
	unsigned n_allow = chance_below(chance, 6), n_deny = chance_below(chance, 4);

	put_top(chance, is_override, out);
	if (n_allow == 0 && chance_one_in(chance, 2))
		fputs("allow = []\n", out);
	for (unsigned i = 0; i < n_allow; i++)
		put_entry(chance, true, true, out);
	for (unsigned i = 0; i < n_deny; i++)
		put_entry(chance, false, true, out);
	if (scope != GENERATE_NO_SCOPE)
		put_scope(chance, scope == GENERATE_SCOPE_CGROUPS, out);
	if (chance_one_in(chance, 3))
		put_block(chance, out);
	if (chance_one_in(chance, 4))
		put_thresholds(chance, out);
	if (chance_one_in(chance, 4))
		put_limits(chance, out);
	if (chance_one_in(chance, 6))
		fputs("\n[audit]\nallowed = true\n", out);
}

void generate_list(struct chance *chance, FILE *out)
{
	unsigned count = chance_below(chance, 12);

	fputs("# by chance\n", out);
	for (unsigned i = 0; i < count; i++) {
		if (chance_one_in(chance, 2))
			put_host(chance, out);
		else
			put_range(chance, out);
		fputs(chance_one_in(chance, 5) ? "  # a comment\r\n" : "\n", out);
	}
}

void generate_profile(struct chance *chance, FILE *out)
{
	fputs("version = 1\nname = \"generated\"\n", out);
	put_entry(chance, true, false, out);
	put_entry(chance, false, false, out);
	put_entry(chance, true, false, out);
}
