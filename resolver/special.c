/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/special.h"

#include <string.h>

/*
 * Theory of operation
 *
 * What the rows of rules/special-names.c say, as answers: addresses that are open anyway or lead
 * nowhere; for addresses in reverse the name that [dns.hosts] gives them or that opened them; else
 * that there is no such name, or that it has no data.
 */

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

/* The answer to a question for an address in reverse; NULL: it is none, or no name is known. */
static const struct answer *answer_reverse(const struct special *special,
	const struct special_sources *from, const struct name *name, uint16_t type,
	struct answer_buffer *buffer)
{
	switch (special->kind) {
	case SPECIAL_REVERSE4:
		return answer_reverse4(from, name, type, buffer);
	case SPECIAL_REVERSE6:
		return answer_reverse6(from, name, type, buffer);
	case SPECIAL_FIXED:
		break;
	}
	return NULL;
}

const struct answer *special_answer(const struct special *special,
	const struct special_sources *from, const struct name *name, uint16_t type,
	struct answer_buffer *buffer)
{
	static const struct answer_judge judge = {.permits = permits_all};
	const struct answer *answer = answer_reverse(special, from, name, type, buffer);
	struct inaddr addresses[SPECIAL_ADDRESSES_MAX];
	unsigned count;

	if (answer)
		return answer;
	count = special_addresses(special, name, addresses);
	if (count > 0)
		return answer_of_addresses(buffer, type, addresses, count, &judge);
	return answer_empty(buffer,
		special_is_denied(special, name) ? RCODE_NXDOMAIN : RCODE_NOERROR, EDE_BLOCKED,
		SPECIAL_RULE);
}
