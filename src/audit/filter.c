/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/filter.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "src/base/text.h"

#define DAY ((int64_t)86400 * 1000000)

static bool matches(const char *glob, const char *text)
{
	return !glob || fnmatch(glob, text, FNM_CASEFOLD) == 0;
}

static bool matches_where(const char *glob, const struct record *record)
{
	char address[INADDR_TEXT] = "";

	if (!glob)
		return true;
	if (*record->name == '\0' && record->has_address)
		inaddr_to_text(&record->address, address);
	return fnmatch(glob, *record->name ? record->name : address, FNM_CASEFOLD) == 0;
}

bool filter_takes(const struct filter *filter, const struct record *record)
{
	if (record->at < filter->since || record->at >= filter->until)
		return false;
	if (filter->kinds && !(filter->kinds >> record->kind & 1))
		return false;
	if (filter->verdicts && !(record->has_verdict && filter->verdicts >> record->verdict & 1))
		return false;
	return matches(filter->policy, record->policy) &&
	       matches(filter->session, record->session) && matches(filter->rule, record->rule) &&
	       matches(filter->cgroup, record->cgroup) && matches_where(filter->name, record);
}

/* --- Moments --- */

/* What is behind the beginning of a full one. */
static const char *rest_of_time(size_t given)
{
	static const char full[] = "0000-00-00T00:00:00Z";

	if (given == 10 || given == 13 || given == 16)
		return full + given;
	return given >= 19 ? "Z" : NULL;
}

static int read_date(const char *text, int64_t *ret_at)
{
	const size_t length = strlen(text);
	const bool has_zone = length > 0 && text[length - 1] == 'Z';
	const char *rest = has_zone ? "" : rest_of_time(length);
	char whole[48] = "";

	if (!rest || length > 30)
		return -EINVAL;
	snprintf(whole, sizeof(whole), "%s%s", text, rest);
	if (whole[10] == ' ')
		whole[10] = 'T';
	return record_time_from_text(whole, ret_at);
}

/* "13:05", "13:05:02": of the day of `now` */
static int read_hour(const char *text, int64_t now, int64_t *ret_at)
{
	const size_t length = strlen(text);
	char whole[32];
	int64_t at;
	int error;

	if (length != 5 && length != 8)
		return -EINVAL;
	snprintf(whole, sizeof(whole), "1970-01-01T%s%sZ", text, length == 5 ? ":00" : "");
	error = record_time_from_text(whole, &at);
	if (!error)
		*ret_at = now - now % DAY + at;
	return error;
}

int filter_time(const char *text, int64_t now, int64_t *ret_at)
{
	struct duration before;

	if (text_to_duration(text_of(text), &before) == 0) {
		*ret_at = before.ms < now / 1000 ? now - before.ms * 1000 : 0;
		return 0;
	}
	if (strchr(text, ':') && !strchr(text, '-'))
		return read_hour(text, now, ret_at);
	return read_date(text, ret_at);
}
