/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_AUDIT_BOARD_H
#define EGRESS_AUDIT_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/audit/digest.h"

/* A screen of what a digest has, as lines of printable ASCII: who shows them on a terminal need not
 * look at a byte of them. */

enum board_page {
	BOARD_DESTINATIONS,
	BOARD_REFUSED,
	BOARD_SESSIONS,
	BOARD_ALERTS,
	BOARD_HELP,
	BOARD_PAGES,
};

enum board_order {
	BOARD_BY_BYTES,
	BOARD_BY_TIMES,
	BOARD_BY_LAST,
	BOARD_BY_NAME,
	BOARD_ORDERS,
};

struct board_view {
	enum board_page page;
	enum board_order order;
	size_t first; /* of the page's lines that is shown; too large is cut */
	bool paused;
	int rows, columns; /* of the screen */
	int64_t now;       /* microseconds since 1970 */
};

enum board_paint {
	BOARD_PLAIN,
	BOARD_TITLE,
	BOARD_HEAD,
	BOARD_GOOD,
	BOARD_ODD,
	BOARD_BAD,
	BOARD_DIM,
};

#define BOARD_COLUMNS 240
#define BOARD_ROWS 200

struct board_line {
	char text[BOARD_COLUMNS + 1];
	enum board_paint paint;
};

struct board {
	struct board_line lines[BOARD_ROWS];
	int rows;
	size_t first; /* as it was cut */
	size_t total; /* lines of the page */
};

/* Smaller screens only say so. */
#define BOARD_ROWS_LEAST 8
#define BOARD_COLUMNS_LEAST 40

/* Of a finished digest. 0 or -ENOMEM. */
int board_draw(const struct digest *digest, const struct board_view *view, struct board *ret_board);

#endif
