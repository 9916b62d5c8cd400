/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/special.h"

#include <string.h>

/*
 * Theory of operation
 *
 * A row for each name that has a meaning of its own, so that it must not be asked of DNS servers,
 * or is answered by whoever is asked first. Some of them are used as ordinary names within a site
 * ("svc.cluster.local"): those yield to a policy that names them, or what is below them; a wildcard
 * that merely happens to have them does not count.
 *
 * Addresses in reverse (PTR) are answered with the names that [dns.hosts] has for them, or that
 * opened them. Who looked up others would tell the owners of their networks, or for private
 * networks whoever the question gets to, which addresses it deals with (RFC 6303): there is no such
 * name.
 */

#define ANY UINT8_MAX

struct special {
	const char *wire; /* in wire form; the NUL at its end is the root's label */
	uint8_t size;
	bool yields;
	enum rcode at; /* at the name itself; RCODE_NOERROR: no data */
	enum rcode below;
	uint8_t depth; /* labels below it down to which `ip4` and `ip6` are answered */
	const char *ip4[2];
	const char *ip6;
	/* Takes the place of all that: NULL when it has no answer. */
	const struct answer *(*answer)(const struct special_sources *from, const struct name *name,
		uint16_t type, struct answer_buffer *buffer);
};

static const struct answer *answer_reverse4(const struct special_sources *from,
	const struct name *name, uint16_t type, struct answer_buffer *buffer);
static const struct answer *answer_reverse6(const struct special_sources *from,
	const struct name *name, uint16_t type, struct answer_buffer *buffer);

#define NAME(text) .wire = (text), .size = sizeof(text)

static const struct special specials[] = {
	/* RFC 6761 section 6.3 */
	{NAME("\x9localhost"), .depth = ANY, .ip4 = {"127.0.0.1"}, .ip6 = "::1"},
	/* RFC 6761 section 6.4 */
	{NAME("\x7invalid"), .at = RCODE_NXDOMAIN, .below = RCODE_NXDOMAIN},
	/* RFC 6761 section 6.2 */
	{NAME("\x4test"), .yields = true, .at = RCODE_NXDOMAIN, .below = RCODE_NXDOMAIN},
	/* RFC 6762 section 22.1, point 4: multicast DNS */
	{NAME("\x5local"), .yields = true, .at = RCODE_NXDOMAIN, .below = RCODE_NXDOMAIN},
	/* RFC 7686 section 2, point 4: Tor */
	{NAME("\x5onion"), .at = RCODE_NXDOMAIN, .below = RCODE_NXDOMAIN},
	/* RFC 9476 section 3: no DNS at all */
	{NAME("\x3"
	      "alt"),
		.at = RCODE_NXDOMAIN, .below = RCODE_NXDOMAIN},
	/* RFC 8375 section 4, point 4: homes */
	{NAME("\x4home\x4"
	      "arpa"),
		.yields = true, .below = RCODE_NXDOMAIN},
	/* RFC 9462 sections 4 and 6.4: no encrypted resolver beside this one. Clients ask for
	 * _dns.resolver.arpa. */
	{NAME("\x8resolver\x4"
	      "arpa")},
	/* RFC 8880 section 7.1: there is no NAT64 */
	{NAME("\x8ipv4only\x4"
	      "arpa"),
		.below = RCODE_NXDOMAIN, .ip4 = {"192.0.0.170", "192.0.0.171"}},
	/* No RFC: without the name Firefox leaves DNS over HTTPS off (support.mozilla.org, "Canary
	 * domain - use-application-dns.net") */
	{NAME("\x13use-application-dns\x3net"), .at = RCODE_NXDOMAIN, .below = RCODE_NXDOMAIN},
	/* RFC 6303 */
	{NAME("\x7in-addr\x4"
	      "arpa"),
		.yields = true, .below = RCODE_NXDOMAIN, .answer = answer_reverse4},
	{NAME("\x3ip6\x4"
	      "arpa"),
		.yields = true, .below = RCODE_NXDOMAIN, .answer = answer_reverse6},
};

static bool is_below(const struct name *name, const struct special *special)
{
	struct name top = special_name(special);

	return name_is_below(name, &top);
}

/* The rows' last letters: what most names don't end in. */
static bool may_be_special(const struct name *name)
{
	uint8_t last = name->length > 1 ? name->wire[name->length - 2] : 0;

	return last == 't' || last == 'd' || last == 'l' || last == 'n' || last == 'a';
}

const struct special *special_find(const struct name *name)
{
	if (!may_be_special(name))
		return NULL;
	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
		size_t size = specials[i].size;

		if (name->length >= size &&
			memcmp(name->wire + name->length - size, specials[i].wire, size) == 0 &&
			is_below(name, &specials[i]))
			return &specials[i];
	}
	return NULL;
}

bool special_yields(const struct special *special)
{
	return special->yields;
}

struct name special_name(const struct special *special)
{
	struct name name = {.length = special->size};

	memcpy(name.wire, special->wire, special->size);
	return name;
}

/* --- Addresses --- */

static bool permits_all(
	void *context, const struct inaddr *address, bool *ret_leased, const char **ret_rule)
{
	(void)context;
	(void)address;
	(void)ret_rule;
	*ret_leased = false;
	return true;
}

static const struct answer *answer_addresses(
	const struct special *special, uint16_t type, struct answer_buffer *buffer)
{
	static const struct answer_judge judge = {.permits = permits_all};
	const char *const texts[] = {special->ip4[0], special->ip4[1], special->ip6};
	struct inaddr addresses[3];
	size_t count = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i] && inaddr_from_text(text_of(texts[i]), &addresses[count]) == 0)
			count++;
	return answer_of_addresses(buffer, type, addresses, count, &judge);
}

/* --- Reverse --- */

/* The number that a label is: decimal without a leading zero, or one hexadecimal digit. */
static bool read_decimal(const uint8_t *label, uint8_t *ret_byte)
{
	unsigned value = 0;

	if (label[0] == 0 || label[0] > 3 || (label[0] > 1 && label[1] == '0'))
		return false;
	for (unsigned i = 1; i <= label[0]; i++) {
		if (label[i] < '0' || label[i] > '9')
			return false;
		value = value * 10 + (label[i] - '0');
	}
	*ret_byte = (uint8_t)value;
	return value <= UINT8_MAX;
}

static bool read_digit(const uint8_t *label, uint8_t *ret_digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = label[0] == 1 && label[1] ? strchr(digits, label[1]) : NULL;

	if (at)
		*ret_digit = (uint8_t)(at - digits);
	return at;
}

/* The name that [dns.hosts] gives the address to, or that opened it. */
static const struct answer *answer_opener(const struct special_sources *from,
	const struct inaddr *address, struct answer_buffer *buffer)
{
	const struct dns_policy *dns = from->dns;
	struct name name;

	for (size_t i = 0; i < dns->n_hosts; i++)
		for (size_t j = 0; j < dns->hosts[i].n_addresses; j++)
			if (inaddr_compare(&dns->hosts[i].addresses[j], address) == 0)
				return answer_of_name(buffer, RRTYPE_PTR, &dns->hosts[i].name);
	if (!guard_opener(from->guard, address, from->now, &name))
		return NULL;
	return answer_of_name(buffer, RRTYPE_PTR, &name);
}

/* RFC 1035 section 3.5: "4.3.2.1.in-addr.arpa". */
static const struct answer *answer_reverse4(const struct special_sources *from,
	const struct name *name, uint16_t type, struct answer_buffer *buffer)
{
	uint8_t bytes[4];
	struct inaddr address;

	if (type != RRTYPE_PTR || name_labels(name) != 4 + 2)
		return NULL;
	for (unsigned i = 0; i < 4; i++)
		if (!read_decimal(name->wire + name_label_offset(name, i), &bytes[3 - i]))
			return NULL;
	address = inaddr_from_ip4(bytes);
	return answer_opener(from, &address, buffer);
}

/* RFC 3596 section 2.5: 32 hexadecimal digits, the last one first. */
static const struct answer *answer_reverse6(const struct special_sources *from,
	const struct name *name, uint16_t type, struct answer_buffer *buffer)
{
	uint8_t bytes[16] = {0};
	struct inaddr address;

	if (type != RRTYPE_PTR || name_labels(name) != 32 + 2)
		return NULL;
	for (unsigned i = 0; i < 32; i++) {
		uint8_t digit = 0;

		if (!read_digit(name->wire + name_label_offset(name, i), &digit))
			return NULL;
		bytes[15 - i / 2] |= (uint8_t)(i % 2 ? digit << 4 : digit);
	}
	address = inaddr_from_ip6(bytes);
	return answer_opener(from, &address, buffer);
}

const struct answer *special_answer(const struct special *special,
	const struct special_sources *from, const struct name *name, uint16_t type,
	struct answer_buffer *buffer)
{
	unsigned below = name_labels(name);
	struct name top = special_name(special);
	const struct answer *answer =
		special->answer ? special->answer(from, name, type, buffer) : NULL;
	enum rcode rcode;

	if (answer)
		return answer;
	below -= name_labels(&top);
	if (below <= special->depth && (special->ip4[0] || special->ip6))
		return answer_addresses(special, type, buffer);
	rcode = below == 0 ? special->at : special->below;
	return answer_empty(buffer, rcode, EDE_BLOCKED, "special-name");
}
