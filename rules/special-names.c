/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/special-names.h"

#include <string.h>

#include "rules/host.h"

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

#define NAME(text) .wire = (text), .size = sizeof(text)

static const struct special specials[] = {
	{NAME("\x9localhost"), .depth = ANY, .ip4 = {"127.0.0.1"}, .ip6 = "::1",
		.what = "this host (RFC 6761 section 6.3)"},
	{NAME("\x7invalid"), .denied = true, .denied_below = true,
		.what = "never exists (RFC 6761 section 6.4)"},
	{NAME("\x4test"), .yields = true, .denied = true, .denied_below = true,
		.what = "for tests (RFC 6761 section 6.2)"},
	{NAME("\x5local"), .yields = true, .denied = true, .denied_below = true,
		.what = "multicast DNS (RFC 6762 section 22.1, point 4)"},
	{NAME("\x5onion"), .denied = true, .denied_below = true,
		.what = "Tor (RFC 7686 section 2, point 4)"},
	{NAME("\x3"
	      "alt"),
		.denied = true, .denied_below = true, .what = "no DNS at all (RFC 9476 section 3)"},
	{NAME("\x4home\x4"
	      "arpa"),
		.yields = true, .denied_below = true,
		.what = "homes (RFC 8375 section 4, point 4)"},
	/* Clients ask for _dns.resolver.arpa: there is no encrypted resolver beside this one. */
	{NAME("\x8resolver\x4"
	      "arpa"),
		.what = "designated resolvers, of which there are none (RFC 9462 sections 4 and "
			"6.4)"},
	/* There is no NAT64. */
	{NAME("\x8ipv4only\x4"
	      "arpa"),
		.denied_below = true, .ip4 = {"192.0.0.170", "192.0.0.171"},
		.what = "the prefix of NAT64, of which there is none (RFC 8880 section 7.1)"},
	/* No RFC: support.mozilla.org, "Canary domain - use-application-dns.net" */
	{NAME("\x13use-application-dns\x3net"), .denied = true, .denied_below = true,
		.what = "without it Firefox leaves DNS over HTTPS off"},
	{NAME("\x7in-addr\x4"
	      "arpa"),
		.kind = SPECIAL_REVERSE4, .yields = true, .denied_below = true,
		.what = "addresses in reverse (RFC 6303)"},
	{NAME("\x3ip6\x4"
	      "arpa"),
		.kind = SPECIAL_REVERSE6, .yields = true, .denied_below = true,
		.what = "addresses in reverse (RFC 6303)"},
};

/* The labels that the name has before the row's, or -1 where it isn't the row's or below it. A
 * label may have in it what looks like the row's name: its end has to begin where a label does. */
static int labels_before(const struct special *special, const struct name *name)
{
	int labels = 0;
	size_t end;

	if (name->length < special->size)
		return -1;
	end = name->length - special->size;
	/* The length of a label there is hardly ever the same by chance. */
	if (name->wire[end] != (uint8_t)special->wire[0] ||
		memcmp(name->wire + end, special->wire, special->size) != 0)
		return -1;
	for (size_t at = 0; at != end; at += 1U + name->wire[at], labels++)
		if (at > end)
			return -1;
	return labels;
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
	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++)
		if (labels_before(&specials[i], name) >= 0)
			return &specials[i];
	return NULL;
}

struct name special_name(const struct special *special)
{
	struct name name = {.length = special->size};

	memcpy(name.wire, special->wire, special->size);
	return name;
}

/* --- What a policy names --- */

/* Whether the entry has a wildcard at or below `above` that the name is below. */
static bool has_wildcard_below(
	const struct entry *entry, const struct name *name, const struct name *above)
{
	for (size_t i = 0; i < entry->n_hosts; i++) {
		const struct host *host = &entry->hosts[i];
		struct name suffix = host_suffix(host->kind, host->wire, host->length);

		if (name_is_below(&suffix, above) &&
			host_matches(host->kind, host->wire, host->length, name))
			return true;
	}
	return false;
}

bool special_yields(const struct special *special, const struct entry *entry,
	const struct name *name, bool by_wildcard)
{
	struct name top = special_name(special);

	return special->yields && (!by_wildcard || has_wildcard_below(entry, name, &top));
}

/* --- What is answered --- */

unsigned special_addresses(const struct special *special, const struct name *name,
	struct inaddr ret_addresses[SPECIAL_ADDRESSES_MAX])
{
	const char *const texts[SPECIAL_ADDRESSES_MAX] = {
		special->ip4[0], special->ip4[1], special->ip6};
	unsigned count = 0;

	if (labels_before(special, name) > special->depth)
		return 0;
	for (unsigned i = 0; i < SPECIAL_ADDRESSES_MAX; i++)
		if (texts[i] && inaddr_from_text(text_of(texts[i]), &ret_addresses[count]) == 0)
			count++;
	return count;
}

bool special_is_denied(const struct special *special, const struct name *name)
{
	return labels_before(special, name) == 0 ? special->denied : special->denied_below;
}
