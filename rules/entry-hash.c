/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/entry-hash.h"

#include <string.h>

#include "rules/list.h"
#include "rules/pattern.h"
#include "rules/ports.h"
#include "src/base/hash.h"

/* Any two numbers do, as long as they stay. */
static const struct hash_key entry_key = {{0x6567726573732d6d, 0x61726b2d76657231}};

uint64_t hash_pair(unsigned role, uint64_t a, uint64_t b)
{
	uint64_t words[3] = {role, a, b};

	return hash_bytes(&entry_key, words, sizeof(words));
}

/* A thing of some kind, of at most NAME_WIRE_MAX bytes. */
static uint64_t hash_item(char kind, const void *bytes, size_t size)
{
	uint8_t item[1 + NAME_WIRE_MAX];

	item[0] = (uint8_t)kind;
	if (size > 0)
		memcpy(item + 1, bytes, size);
	return hash_bytes(&entry_key, item, 1 + size);
}

uint64_t entry_hash_host(const struct host *host)
{
	static const char kinds[] = {[HOST_EXACT] = 'e',
		[HOST_ONE_LABEL] = 'o',
		[HOST_ANY_DEPTH] = 'd',
		[HOST_GLOB] = 'g'};

	return hash_item(kinds[host->kind], host->wire, host->length);
}

uint64_t entry_hash_range(const struct range *range)
{
	uint8_t both[32];

	memcpy(both, range->first.bytes, 16);
	memcpy(both + 16, range->last.bytes, 16);
	return hash_item('a', both, sizeof(both));
}

uint64_t entry_hash_pattern(const struct pattern *pattern)
{
	const char *text = pattern_text(pattern);
	uint64_t hash = hash_bytes(&entry_key, text, strlen(text));

	return hash_item('r', &hash, sizeof(hash));
}

uint64_t entry_hash_list(const struct list *list)
{
	return hash_item('l', &list->digest, sizeof(list->digest));
}

uint64_t entry_hash_ports(const struct entry *entry)
{
	uint64_t sum = 0;

	if (entry->all_ports)
		return hash_item('p', "*", 1);
	for (size_t i = 0; i < entry->n_ports; i++) {
		char text[PORTS_TEXT];

		port_range_to_text(&entry->ports[i], text);
		sum += hash_item('p', text, strlen(text));
	}
	return sum;
}

uint64_t entry_hash_believed(const struct entry *entry)
{
	uint64_t sum = 0;

	if (entry->believed == BELIEVED_PUBLIC)
		return 0;
	if (entry->believed == BELIEVED_ANY)
		return hash_item('b', "any", 3);
	for (size_t i = 0; i < entry->n_believed_ranges; i++)
		sum += entry_hash_range(&entry->believed_ranges[i]);
	return hash_item('b', &sum, sizeof(sum));
}

uint64_t entry_hash(const struct entry *entry)
{
	uint64_t sum = entry_hash_ports(entry) + entry_hash_believed(entry);

	for (size_t i = 0; i < entry->n_hosts; i++)
		sum += entry_hash_host(&entry->hosts[i]);
	for (size_t i = 0; i < entry->n_addresses; i++)
		sum += entry_hash_range(&entry->addresses[i].range);
	for (size_t i = 0; i < entry->n_patterns; i++)
		sum += entry_hash_pattern(entry->patterns[i]);
	for (size_t i = 0; i < entry->n_lists; i++)
		sum += entry_hash_list(entry->lists[i]);
	if (entry->dnssec)
		sum += hash_item('v', "", 0);
	if (entry->expires != INT64_MAX)
		sum += hash_item('x', &entry->expires, sizeof(entry->expires));
	return sum;
}
