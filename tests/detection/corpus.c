/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * corpus COLUMN
 *
 * Takes the names in a column (from 1) of a table with tabs on standard input for the queries of
 * one session. Prints how many names there are, how many alerts of names that look like data they
 * raise, and of how many names the first one is; 0: none.
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/shape.h"
#include "rules/suffix.h"
#include "src/event/anomaly.h"

struct told {
	unsigned long names;
	unsigned long alerts;
	unsigned long first;
};

static void on_alert(void *context, const struct alert *alert)
{
	struct told *told = context;

	if (alert->rule != ALERT_ENCODED_NAMES)
		return;
	if (told->alerts++ == 0)
		told->first = told->names;
	fprintf(stderr, "%s: %s\n", alert->evidence[0], alert->evidence[1]);
}

/* The next byte of a text in which some are written as \DDD; false: there is none. */
static bool next_byte(const char **text, uint8_t *ret_byte, bool *ret_dot)
{
	char digits[4] = "";

	if (**text == '\0')
		return false;
	*ret_dot = **text == '.';
	*ret_byte = (uint8_t)tolower((unsigned char)**text);
	if (**text == '\\' && strnlen(*text, 4) == 4) {
		memcpy(digits, *text + 1, 3);
		*ret_byte = (uint8_t)strtoul(digits, NULL, 10);
		*text += 3;
	}
	(*text)++;
	return true;
}

/* Names of tunnels have any bytes. False: it is none. */
static bool read_name(const char *text, struct name *ret_name)
{
	uint8_t wire[NAME_WIRE_MAX + 1], byte;
	struct reader reader;
	size_t at = 1, label = 0;
	bool dot;

	while (next_byte(&text, &byte, &dot)) {
		if (at >= NAME_WIRE_MAX)
			return false;
		if (dot) {
			wire[label] = (uint8_t)(at - label - 1);
			label = at++;
		} else {
			wire[at++] = byte;
		}
	}
	wire[label] = (uint8_t)(at - label - 1);
	wire[at++] = 0;
	reader = reader_over(wire, at);
	name_read(&reader, ret_name);
	return !reader.failed && reader.pos == at;
}

static void take(struct anomaly *anomaly, const struct name *name)
{
	struct event event;

	event_begin_at(&event, EVENT_QUERY, 1);
	event.has = EVENT_HAS_VERDICT;
	event_set_name(&event, name);
	anomaly_take(anomaly, &event, NULL);
}

int main(int argc, char **argv)
{
	unsigned long column = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	struct told told = {0};
	struct anomaly_config config = {
		.names = {shape_score, suffix_domain}, .on_alert = on_alert, .context = &told};
	struct anomaly *anomaly;
	char line[4096];

	if (column == 0 || anomaly_new(&config, &anomaly) < 0) {
		fprintf(stderr, "usage: corpus COLUMN\n");
		return 2;
	}
	while (fgets(line, sizeof(line), stdin)) {
		char *rest = line, *field = NULL;
		struct name name;

		for (unsigned long i = 0; i < column; i++)
			field = strsep(&rest, "\t\r\n");
		if (!field || !read_name(field, &name))
			continue;
		told.names++;
		take(anomaly, &name);
	}
	printf("%lu %lu %lu\n", told.names, told.alerts, told.first);
	anomaly_free(anomaly);
	return 0;
}
