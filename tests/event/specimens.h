/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TESTS_EVENT_SPECIMENS_H
#define EGRESS_TESTS_EVENT_SPECIMENS_H

#include <stddef.h>
#include <stdint.h>

/* Lines of every kind, for whoever reads or rewrites them. */

typedef void specimens_visit(void *context, const char *line, size_t size);

/* Ordinary ones: of each kind with few members and with all, of each verdict, loss and phase. */
void specimens_plain(specimens_visit *visit, void *context);

/* Of each kind the longest, with texts of nothing but that byte, which isn't 0, or, as `mixed`, of
 * what terminals, syslog, the journal and JSON mean something by. */
void specimens_hostile(uint8_t byte, specimens_visit *visit, void *context);
void specimens_mixed(specimens_visit *visit, void *context);

#endif
