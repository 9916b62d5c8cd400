/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_REPORT_H
#define EGRESS_REPORT_H

#include <stdio.h>

struct diag;

/* The diagnostics as one JSON object: {"diagnostics": [{"level", "code", "file", "line", "column",
 * "width", "message"}...]}; line and column are left out where there are none. 0 or -ENOMEM. */
int report_json(const struct diag *diag, FILE *out);

#endif
