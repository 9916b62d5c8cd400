/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_RULES_TOML_CASES_H
#define EGRESS_TESTS_RULES_TOML_CASES_H

#include <stddef.h>

/* Texts for the TOML parser, by the sections of the TOML 1.0.0 specification. */

/* A document and what is in it, in a form that test-toml-cases.c says. */
struct toml_good_case {
	const char *text;
	size_t size;
	const char *tree;
};

/* What is no document, and the line where that shows. */
struct toml_bad_case {
	const char *text;
	size_t size;
	unsigned line;
};

extern const struct toml_good_case toml_good_cases[];
extern const size_t toml_n_good_cases;
extern const struct toml_bad_case toml_bad_cases[];
extern const size_t toml_n_bad_cases;

#endif
