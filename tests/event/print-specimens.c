/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "src/event/event-ecs.h"
#include "src/event/event-ocsf.h"
#include "src/event/members.h"
#include "tests/event/specimens.h"

/* print-specimens [native|ecs|ocsf]: lines of every kind, ordinary and hostile ones. */

static size_t native(const char *line, size_t size, char out[EVENT_LINE])
{
	memcpy(out, line, size);
	return size;
}

static size_t ecs(const char *line, size_t size, char out[EVENT_LINE])
{
	struct members members;

	return members_read(line, size, &members) == 0 ? event_to_ecs(&members, out) : 0;
}

static size_t ocsf(const char *line, size_t size, char out[EVENT_LINE])
{
	struct members members;

	return members_read(line, size, &members) == 0 ? event_to_ocsf(&members, out) : 0;
}

static struct format {
	const char *name;
	size_t (*write)(const char *line, size_t size, char out[EVENT_LINE]);
} formats[] = {{"native", native}, {"ecs", ecs}, {"ocsf", ocsf}};

static void print(void *context, const char *line, size_t size)
{
	const struct format *format = context;
	char out[EVENT_LINE];

	fwrite(out, 1, format->write(line, size, out), stdout);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (argc > 1 && strcmp(argv[1], formats[i].name) != 0)
			continue;
		specimens_plain(print, &formats[i]);
		for (unsigned byte = 1; byte < 256; byte++)
			specimens_hostile((uint8_t)byte, print, &formats[i]);
		specimens_mixed(print, &formats[i]);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	return 2;
}
