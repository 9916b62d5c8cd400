/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>
#include <string.h>

#include "src/base/text.h"
#include "src/event/event-ecs.h"
#include "src/event/event-ocsf.h"
#include "src/event/journal.h"
#include "src/event/members.h"
#include "src/event/syslog.h"
#include "tests/fuzz/fuzz.h"

/* Any bytes as a line of a log: what is taken for a record is JSON, and becomes whole lines and
 * messages in every form there is. */

static void check_plain(const char *bytes, size_t size)
{
	size_t offset;

	fuzz_require(text_is_utf8((struct text){bytes, size}, &offset), "it is UTF-8");
	for (size_t i = 0; i < size; i++)
		fuzz_require((uint8_t)bytes[i] >= ' ', "it has no control characters");
}

static void check_json(const char *bytes, size_t size)
{
	json_error_t error;
	json_t *object = json_loadb(bytes, size, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);

	/* The library takes only numbers that have a place in its own, and no half of a surrogate
	 * pair. */
	fuzz_require(object || strstr(error.text, "real number overflow") ||
			     strstr(error.text, "invalid Unicode"),
		"it is JSON");
	json_decref(object);
}

static void check_line(const char *line, size_t size)
{
	fuzz_require(size >= 2 && size <= EVENT_LINE && line[size - 1] == '\n', "it is a line");
	check_plain(line, size - 1);
	check_json(line, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct syslog_origin origin = {"host", 1};
	static const struct text none;
	static char journal[JOURNAL_MESSAGE], message[SYSLOG_MESSAGE];
	char line[EVENT_LINE];
	struct members members;

	if (members_read((const char *)data, size, &members) != 0)
		return 0;
	check_json((const char *)data, size);
	check_line(line, event_to_ecs(&members, line));
	check_line(line, event_to_ocsf(&members, line));
	check_plain(message, syslog_write(&members, none, &origin, message));
	size = journal_write(&members, none, journal);
	fuzz_require(size == 0 || journal[size - 1] == '\n', "an entry ends");
	return 0;
}
