/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/nft-text.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "rules/counter-name.h"

/*
 * Theory of operation
 *
 * nft's own limits: a comment has at most 127 bytes, and neither strings nor `#` lines have an
 * escape, so text from the policy is cut and cleaned before it is written.
 *
 * A policy may have a million addresses, so those are written by hand: 0.1 s, where inet_ntop() and
 * printf() take more than one.
 */

enum { IP6_WORDS = 8 };

const struct nft_family nft_families[PLAN_FAMILIES] = {
	[PLAN_IP4] = {"ip daddr", "ip saddr", "ipv4", "dnat ip to", "ipv4_addr"},
	[PLAN_IP6] = {"ip6 daddr", "ip6 saddr", "ipv6", "dnat ip6 to", "ipv6_addr"},
};

static bool is_plain(char c)
{
	return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

const char *nft_clean(const char *text, char *out)
{
	size_t i;

	for (i = 0; i < NFT_COMMENT_MAX && text[i]; i++)
		out[i] = text[i];
	for (size_t j = 0; j < i; j++)
		if (!is_plain(out[j]))
			out[j] = '?';
	out[i] = '\0';
	return out;
}

bool nft_is_quotable(const char *name)
{
	for (; *name; name++)
		if (!is_plain(*name) && *name != '\\')
			return false;
	return true;
}

enum plan_family nft_family_of(const struct inaddr *address)
{
	return inaddr_is_ip4(address) ? PLAN_IP4 : PLAN_IP6;
}

static char *put_char(char *at, char c)
{
	*at = c;
	return at + 1;
}

/* At most three digits. */
static char *put_decimal(char *at, unsigned number)
{
	if (number >= 100)
		at = put_char(at, (char)('0' + number / 100));
	if (number >= 10)
		at = put_char(at, (char)('0' + number / 10 % 10));
	return put_char(at, (char)('0' + number % 10));
}

/* Without leading zeros, but at least `least` digits. */
static char *put_hex(char *at, uint32_t number, unsigned least)
{
	static const char digits[] = "0123456789abcdef";
	unsigned count = 8;

	while (count > least && number >> (4 * (count - 1)) == 0)
		count--;
	while (count-- > 0)
		at = put_char(at, digits[number >> (4 * count) & 15]);
	return at;
}

char *nft_put_mark(char *at, uint32_t mark)
{
	return put_hex(put_char(put_char(at, '0'), 'x'), mark, 8);
}

static char *put_ip4(char *at, const uint8_t bytes[4])
{
	for (int i = 0; i < 4; i++) {
		if (i > 0)
			at = put_char(at, '.');
		at = put_decimal(at, bytes[i]);
	}
	return at;
}

/* The longest run of zero words, the first of several, and none of a single word: RFC 5952 section
 * 4.2. Returns its length. */
static int zero_run(const uint16_t words[IP6_WORDS], int *ret_start)
{
	int longest = 1, run = 0;

	for (int i = 0; i < IP6_WORDS; i++) {
		run = words[i] == 0 ? run + 1 : 0;
		if (run > longest) {
			longest = run;
			*ret_start = i + 1 - run;
		}
	}
	return longest > 1 ? longest : 0;
}

static char *put_ip6(char *at, const uint8_t bytes[16])
{
	uint16_t words[IP6_WORDS];
	int start = IP6_WORDS, length;

	for (int i = 0; i < IP6_WORDS; i++)
		words[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
	length = zero_run(words, &start);
	for (int i = 0; i < IP6_WORDS; i++) {
		if (i == start) {
			at = put_char(put_char(at, ':'), ':');
			i += length - 1;
			continue;
		}
		if (i > 0 && i != start + length)
			at = put_char(at, ':');
		at = put_hex(at, words[i], 1);
	}
	return at;
}

static char *put_address(char *at, const struct inaddr *address)
{
	size_t size;
	const uint8_t *raw = inaddr_raw(address, &size);

	return size == 4 ? put_ip4(at, raw) : put_ip6(at, raw);
}

/* How many leading bits first and last share, if all bits behind those are zeros and ones: then
 * the range is a prefix. -1: it is none. */
static int prefix_length(const uint8_t *first, const uint8_t *last, size_t size)
{
	size_t at = 0;
	unsigned differ;

	while (at < size && first[at] == last[at])
		at++;
	if (at == size)
		return (int)(8 * size);
	differ = first[at] ^ last[at];
	if ((differ & (differ + 1)) != 0 || (first[at] & differ) != 0)
		return -1;
	for (size_t i = at + 1; i < size; i++)
		if (first[i] != 0 || last[i] != UINT8_MAX)
			return -1;
	return (int)(8 * at) + __builtin_clz(differ) - 24;
}

/* src/base/inaddr.c takes a range that ends before the IPv4-mapped block for the prefix it was cut
 * from; nft would have that go on over the block, so it is none here. */
char *nft_put_range(char *at, const struct range *range)
{
	size_t size;
	const uint8_t *first = inaddr_raw(&range->first, &size);
	const uint8_t *last = inaddr_raw(&range->last, &size);
	int length = prefix_length(first, last, size);

	at = put_address(at, &range->first);
	if (length == (int)(8 * size))
		return at;
	if (length >= 0)
		return put_decimal(put_char(at, '/'), (unsigned)length);
	return put_address(put_char(at, '-'), &range->last);
}

const char *nft_range_text(const struct range *range, char *out)
{
	*nft_put_range(out, range) = '\0';
	return out;
}

void nft_open_chain(const struct nft *nft, const char *about, const char *name)
{
	char clean[NFT_COMMENT_MAX + 1];

	fprintf(nft->out, "\t# %s\n\tchain %s {\n", nft_clean(about, clean), name);
}

void nft_close_chain(const struct nft *nft)
{
	fputs("\t}\n\n", nft->out);
}

void nft_rule(const struct nft *nft, const char *comment, const char *format, ...)
{
	char clean[NFT_COMMENT_MAX + 1];
	va_list args;

	fputs("\t\t", nft->out);
	va_start(args, format);
	vfprintf(nft->out, format, args);
	va_end(args);
	fprintf(nft->out, " comment \"%s\"\n", nft_clean(comment, clean));
}

void nft_log_rule(const struct nft *nft, const char *id, const char *condition)
{
	char clean[NFT_COMMENT_MAX + 1];

	nft_rule(nft, id,
		"%slimit rate 20/second burst 50 packets log prefix \"%s %.80s \" group %u",
		condition, nft->plan->table, nft_clean(id, clean), nft->plan->policy->nflog_group);
}

void nft_put_counter(const struct nft *nft, const char *id)
{
	char name[COUNTER_NAME];

	fprintf(nft->out, "\tcounter %s {\n\t\tpackets 0 bytes 0\n\t}\n\n", counter_name(id, name));
}

void nft_put_refusal(const struct nft *nft, const char *chain, const char *id, const char *about,
	const char *end)
{
	char name[COUNTER_NAME];

	nft_put_counter(nft, id);
	nft_open_chain(nft, about, chain);
	nft_log_rule(nft, id, "");
	nft_rule(nft, id, "counter name \"%s\" %s", counter_name(id, name), end);
	nft_close_chain(nft);
}
