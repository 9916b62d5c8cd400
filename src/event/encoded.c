/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/encoded.h"

#include <string.h>

/*
 * Theory of operation
 *
 * A name looks like data by the score that the guard of wildcards uses (rules/shape.c: runs of
 * base32, base64 and hexadecimal, odd bytes, great length), of all that lies below the domain at a
 * registry: SCORE_LEAST is a run of 16 characters, the shortest that counts. One such name is
 * nothing, as content networks have hashes in names; data that leaves takes many, below a domain
 * that somebody can see the queries of. So names are counted by domain. That is the registry's and
 * not a provider's, as whoever has data in the first label of a provider's name ("DATA.s3...") has
 * another domain of the provider with each.
 *
 * A name that was asked for lately isn't looked at again: that makes counts of distinct names, but
 * for those that come again after others took their place, and it makes looking cheap. Refused
 * names count, too: that it was tried is what is looked for.
 *
 * A domain that finds no room takes the place of the one with the fewest names. Who spreads names
 * over more domains than there is room for is found by the sum over all of them.
 */

static const double score_least = 0.8;

int encoded_begin(struct encoded *encoded)
{
	struct hash_key key;
	int error = hash_key_draw(&key);

	if (error)
		return error;
	memset(encoded, 0, sizeof(*encoded));
	encoded->key = key;
	return 0;
}

/* Whether the name was asked for lately; from now on it was. */
static bool was_seen(struct encoded *encoded, const struct name *name)
{
	uint64_t hash = hash_bytes(&encoded->key, name->wire, name->length);
	uint64_t *line = encoded->recent[hash % ENCODED_LINES];
	bool seen = false;

	for (unsigned i = 0; i < ENCODED_LINE; i++)
		seen |= line[i] == hash;
	if (seen)
		return true;
	memmove(&line[1], &line[0], (ENCODED_LINE - 1) * sizeof(line[0]));
	line[0] = hash;
	return false;
}

static struct encoded_domain *find_domain(struct encoded *encoded, const struct name *domain)
{
	struct encoded_domain *fewest = &encoded->domains[0];

	for (unsigned i = 0; i < ENCODED_DOMAINS; i++) {
		struct encoded_domain *row = &encoded->domains[i];

		if (row->domain.length > 0 && name_equal(&row->domain, domain))
			return row;
		if (row->names < fewest->names)
			fewest = row;
	}
	memset(fewest, 0, sizeof(*fewest));
	fewest->domain = *domain;
	return fewest;
}

struct encoded_domain *encoded_take(struct encoded *encoded, const struct encoded_means *means,
	const struct name *name, bool refused)
{
	struct encoded_domain *row;
	struct name domain;
	double score;

	/* Most names have no score whatever their domain is, and need no look at the list. */
	if (was_seen(encoded, name) || means->score(name, 0) < score_least)
		return NULL;
	domain = means->domain(name);
	score = means->score(name, domain.length);
	if (score < score_least)
		return NULL;
	encoded->names++;
	row = find_domain(encoded, &domain);
	row->names++;
	row->refused += refused;
	if (score > row->score) {
		row->score = score;
		row->example = *name;
	}
	return row;
}
