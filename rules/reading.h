/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_READING_H
#define EGRESS_RULES_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/policy.h"
#include "rules/toml.h"

/* What several readers need. */

struct load;

/* A value that may be alone or an array: its elements. */
const struct toml_node *reading_items(const struct toml_node *value, size_t *ret_count);

/* An error at a string: its quoted text, and what is wrong with it. */
void reading_reject(
	struct load *load, unsigned code, const struct toml_node *string, const char *problem);

/* The same of what is no host: if programs would take it for an address, this says for which. */
void reading_reject_host(
	struct load *load, unsigned code, const struct toml_node *string, const char *problem);

/* An error at the second of two equal things, unless `first`, the place of the first, is NULL. */
void reading_reject_twice(
	struct load *load, const struct toml_node *second, const struct place *first);

/* A string into *ret_string, in the policy's arena, if `check` (rules/value.h) finds nothing wrong
 * with it. 0 or -ENOMEM. */
int reading_string(struct load *load, const struct toml_node *value,
	int (*check)(struct text, const char **), const char **ret_string);

/* The path of a file, as the policy's own file means it, into the policy's arena. 0 or -ENOMEM. */
int reading_path(struct load *load, const struct toml_node *string, const char **ret_path);

/* The words that a string may be. */
struct words {
	const char *what; /* "a mode" */
	const struct word {
		const char *text;
		uint64_t value;
	} * rows; /* ends with a row without text */
};

/* The value of the string's word; false with an error when it is none of them. */
bool reading_word(struct load *load, const struct toml_node *string, const struct words *words,
	uint64_t *ret_value);

/* The number of a float or an integer. */
double reading_points(const struct toml_node *number);

/* "60/minute", "2 GiB". False with an error when the string is none. */
bool reading_rate(struct load *load, const struct toml_node *string, struct rate *ret_rate);
bool reading_bytes(struct load *load, const struct toml_node *string, uint64_t *ret_bytes);

/* The same of a size that is in no policy. 0, -EINVAL or -ERANGE. */
int reading_size(struct text text, uint64_t *ret_bytes);

/* Addresses, prefixes and ranges, none of them twice, into the policy's arena; what is none is left
 * out, with an error. 0 or -errno as a reader. */
int reading_ranges(struct load *load, const struct toml_node *value,
	struct address_range **ret_ranges, size_t *ret_count);

/* The same without their places. */
int reading_plain_ranges(struct load *load, const struct toml_node *value,
	struct range **ret_ranges, size_t *ret_count);

#endif
