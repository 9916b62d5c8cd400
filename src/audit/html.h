/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_AUDIT_HTML_H
#define EGRESS_AUDIT_HTML_H

#include <stdint.h>
#include <stdio.h>

/* Pieces of a page: see digest-html.c. */

struct rendering;

/* The elements of <head>, but for the title: the style, and what forbids all else. */
extern const char html_head[];

/* Anybody's bytes as text. */
void html_put(const char *string, FILE *out);

/* The same as code. */
void html_code(const char *string, FILE *out);

/* "1.2 MiB" */
void html_bytes(uint64_t bytes, FILE *out);

/* Cells of a number, and of bytes; `label` is its column's, for where columns have no room. */
void html_number_cell(const char *label, uint64_t number, FILE *out);
void html_bytes_cell(const char *label, uint64_t bytes, FILE *out);

/* Sections, which write nothing where there is nothing to show. */
void html_timeline(const struct rendering *it, FILE *out);
void html_alerts(const struct rendering *it, FILE *out);
void html_budgets(const struct rendering *it, FILE *out);
void html_sessions(const struct rendering *it, FILE *out);

#endif
