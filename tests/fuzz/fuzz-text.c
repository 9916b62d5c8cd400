/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Addresses, prefixes, ranges, endpoints, numbers and times as people write them: what is printed
 * parses again and is the same. */

#include <string.h>

#include "src/base/inaddr.h"
#include "src/base/text.h"
#include "tests/fuzz/fuzz.h"

static bool same_range(const struct range *a, const struct range *b)
{
	return inaddr_compare(&a->first, &b->first) == 0 && inaddr_compare(&a->last, &b->last) == 0;
}

static void check_inaddr(struct text text)
{
	struct inaddr address, again;
	char out[INADDR_TEXT];

	if (inaddr_from_text(text, &address) < 0)
		return;
	fuzz_require(inaddr_from_text(text_of(inaddr_to_text(&address, out)), &again) == 0 &&
			     inaddr_compare(&address, &again) == 0,
		"an address prints as itself");
	if (inaddr_next(&address, &again))
		fuzz_require(
			inaddr_previous(&again, &again) && inaddr_compare(&address, &again) == 0,
			"what comes before the next is the same");
}

static void check_range(struct text text)
{
	struct prefix prefix;
	struct range range, again;
	char out[INADDR_TEXT];

	if (range_from_text(text, &range) < 0) {
		fuzz_require(prefix_from_text(text, &prefix) < 0, "a prefix is a range");
		return;
	}
	fuzz_require(inaddr_compare(&range.first, &range.last) <= 0, "a range is in order");
	fuzz_require(range_contains(&range, &range.first) && range_contains(&range, &range.last),
		"a range has its ends");
	fuzz_require(range_from_text(text_of(range_to_text(&range, out)), &again) == 0 &&
			     same_range(&range, &again),
		"a range prints as itself");
	if (prefix_from_text(text, &prefix) == 0) {
		again = prefix_to_range(&prefix);
		fuzz_require(same_range(&range, &again), "a prefix is the range it is");
	}
}

static void check_endpoint(struct text text)
{
	struct endpoint endpoint, again;
	struct sockaddr_storage storage;
	char out[INADDR_TEXT];

	if (endpoint_from_text(text, 53, &endpoint) < 0) {
		fuzz_require(endpoint_from_text(text, 0, &endpoint) < 0,
			"a default port takes nothing away");
		return;
	}
	fuzz_require(endpoint.port != 0, "a port is not 0");
	fuzz_require(
		endpoint_from_text(text_of(endpoint_to_text(&endpoint, out)), 0, &again) == 0 &&
			again.port == endpoint.port &&
			inaddr_compare(&again.address, &endpoint.address) == 0,
		"an endpoint prints as itself");
	endpoint_to_sockaddr(&endpoint, &storage);
	fuzz_require(endpoint_from_sockaddr((struct sockaddr *)&storage, &again) == 0 &&
			     again.port == endpoint.port &&
			     inaddr_compare(&again.address, &endpoint.address) == 0,
		"an endpoint is a socket's address");
}

static void check_numbers(struct text text)
{
	struct duration duration;
	uint64_t number;
	size_t offset;

	if (text_to_number(text, 1000, &number) == 0)
		fuzz_require(number <= 1000, "a number within its bound");
	if (text_to_duration(text, &duration) == 0)
		fuzz_require(duration.ms >= 0, "a time is not negative");
	if (!text_is_utf8(text, &offset))
		fuzz_require(offset < text.length, "a bad character is in the text");
}

static void check_cut(struct text text)
{
	struct text head, tail, trimmed = text_trim(text);
	uint32_t character;
	bool cut = text_cut(text, ',', &head, &tail);

	fuzz_require(trimmed.length <= text.length, "a trimmed text is no longer");
	fuzz_require(head.length + tail.length + cut == text.length, "two parts are the whole");
	fuzz_require(text_char(text, &character) <= 4, "a character has 4 bytes at most");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text text = {.start = (const char *)data, .length = size};

	check_inaddr(text);
	check_range(text);
	check_endpoint(text);
	check_numbers(text);
	check_cut(text);
	return 0;
}
