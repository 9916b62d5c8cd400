/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_YAML_H
#define EGRESS_RULES_YAML_H

#include <stdio.h>

/* YAML 1.1 documents, by libyaml. What goes wrong is remembered, and the rest does nothing. */
struct yaml;

/* NULL when there is no memory; `out` stays the caller's. */
struct yaml *yaml_new(FILE *out);

/* Frees it. 0; -EIO, or -ENOMEM when something went wrong since. */
int yaml_end(struct yaml *yaml);

void yaml_begin_document(struct yaml *yaml);
void yaml_end_document(struct yaml *yaml);

/* Mappings: between their beginning and end come keys, each followed by a value. */
void yaml_begin_map(struct yaml *yaml);
void yaml_end_map(struct yaml *yaml);
void yaml_begin_list(struct yaml *yaml);
void yaml_end_list(struct yaml *yaml);

/* A key that needs no quotes. */
void yaml_key(struct yaml *yaml, const char *key);

/* Values: a string, which is quoted; numbers; and words such as true, without quotes. */
void yaml_string(struct yaml *yaml, const char *text);
void yaml_number(struct yaml *yaml, long number);
void yaml_word(struct yaml *yaml, const char *word);

/* A key and its value. */
void yaml_pair(struct yaml *yaml, const char *key, const char *text);

#endif
