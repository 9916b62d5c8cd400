/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "src/audit/lines.h"
#include "src/audit/telling.h"
#include "src/base/text.h"
#include "tests/fuzz/fuzz.h"

/* Any bytes as a log: each line is told as one line, which steers no terminal. */

struct telling {
	FILE *out;
	size_t lines;
};

static void take_line(void *context, const char *line, size_t size)
{
	struct telling *telling = context;
	struct record record;

	if (!line || record_read(line, size, &record) != 0)
		return;
	fuzz_require(strlen(record.name) <= size, "a name is part of its line");
	fuzz_require((record.figures != NULL) == (record.kind == RECORD_SESSION),
		"sessions have figures");
	telling_put(&record, true, false, telling->out);
	telling->lines++;
	record_free(&record);
}

static void check_text(const char *bytes, size_t size, size_t lines)
{
	struct text rest = {bytes, size};
	size_t seen = 0;

	while (rest.length > 0) {
		uint32_t character = 0;
		size_t length = text_char(rest, &character);

		fuzz_require(length > 0, "it is UTF-8");
		fuzz_require(character == '\n' || text_shows(character), "nothing steers");
		seen += character == '\n';
		rest.start += length;
		rest.length -= length;
	}
	fuzz_require(seen == lines, "a record is a line");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lines lines;
	struct telling telling = {.lines = 0};
	char *text = NULL;
	size_t length = 0;

	telling.out = open_memstream(&text, &length);
	if (!telling.out)
		return 0;
	lines_take(&lines, (const char *)data, size, take_line, &telling);
	lines_finish(&lines, take_line, &telling);
	if (fclose(telling.out) == 0)
		check_text(text, length, telling.lines);
	free(text);
	return 0;
}
