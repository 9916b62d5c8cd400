/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/rendering.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/base/arena.h"

#define ARENA_MAX ((size_t)256 << 20)

/* --- What the policies bound --- */

static void add_ceiling(struct rendering *it, const struct rendering_ceiling *ceiling)
{
	if (ceiling->most > 0)
		it->ceilings[it->n_ceilings++] = *ceiling;
}

static void add_ceilings(struct rendering *it)
{
	const struct layers *layers = it->about->layers;
	const uint64_t sent = it->outcomes[DIGEST_REACHED].sum.bytes_out +
			      it->outcomes[DIGEST_OBSERVED].sum.bytes_out;
	const struct rendering_ceiling destinations = {
		.name = "[budget] destinations",
		.used = it->destinations,
		.most = layers->budget.destinations,
		.refuses = layers->budget.refuse,
	};
	const struct rendering_ceiling bytes = {
		.name = "[limits] bytes",
		.used = sent,
		.most = layers->limits.bytes,
		.bytes = true,
		.refuses = true,
	};

	/* Sessions that tell of their budgets know better what is used. */
	if (!it->has_budgets)
		add_ceiling(it, &destinations);
	add_ceiling(it, &bytes);
}

/* --- Categories --- */

static struct rendering_category *find_category(struct rendering *it, const char *name)
{
	for (size_t i = 0; i < it->n_categories; i++)
		if (strcmp(it->categories[i].name, name) == 0)
			return &it->categories[i];
	if (it->n_categories == RENDERING_CATEGORIES_MAX)
		return &it->categories[RENDERING_CATEGORIES_MAX - 1];
	it->categories[it->n_categories].name =
		it->n_categories + 1 == RENDERING_CATEGORIES_MAX ? "(others)" : name;
	return &it->categories[it->n_categories++];
}

static int compare_categories(const void *left, const void *right)
{
	const struct rendering_category *a = left, *b = right;
	uint64_t bytes_a = a->bytes_out + a->bytes_in, bytes_b = b->bytes_out + b->bytes_in;

	if (bytes_a != bytes_b)
		return bytes_a > bytes_b ? -1 : 1;
	if (a->times != b->times)
		return a->times > b->times ? -1 : 1;
	if (a->refused != b->refused)
		return a->refused > b->refused ? -1 : 1;
	return strcmp(a->name, b->name);
}

static void add_refused(struct rendering *it)
{
	const struct rendering_rows *refused = &it->outcomes[DIGEST_REFUSED];

	for (size_t i = 0; i < refused->count; i++)
		find_category(it, refused->rows[i]->category)->refused += refused->rows[i]->times;
}

static void add_categories(struct rendering *it)
{
	const struct rendering_rows *reached = &it->outcomes[DIGEST_REACHED];

	for (size_t i = 0; i < reached->count; i++) {
		const struct digest_row *row = reached->rows[i];
		struct rendering_category *category = find_category(it, row->category);

		category->times += row->times;
		category->bytes_out += row->bytes_out;
		category->bytes_in += row->bytes_in;
		category->rows++;
	}
	add_refused(it);
	qsort(it->categories, it->n_categories, sizeof(it->categories[0]), compare_categories);
}

/* --- Sessions --- */

static bool is_policy_new(const struct rendering *it, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(it->sessions[i]->policy, it->sessions[index]->policy) == 0)
			return false;
	return true;
}

/* As far as 64, beyond which nobody counts. */
size_t rendering_policies(const struct rendering *it)
{
	size_t count = 0;

	for (size_t i = 0; i < it->n_sessions && count < 64; i++)
		count += is_policy_new(it, i);
	return count;
}

static int add_sessions(struct rendering *it)
{
	const struct sessions *sessions = digest_sessions(it->digest);
	int error = sessions_list(sessions, &it->sessions);

	if (error)
		return error;
	error = arena_defer(it->arena, free, it->sessions);
	if (error) {
		free(it->sessions);
		return error;
	}
	it->n_sessions = sessions_count(sessions);
	for (size_t i = 0; i < it->n_sessions; i++)
		it->has_budgets |= it->sessions[i]->figures.n_budgets > 0;
	if (!it->about->unread)
		it->policy = it->about->layers->layers[0].policy->name;
	else if (rendering_policies(it) == 1)
		it->policy = it->sessions[0]->policy;
	return 0;
}

/* --- All of it --- */

static int add_rows(struct rendering *it, enum digest_outcome outcome)
{
	struct rendering_rows *rows = &it->outcomes[outcome];
	int error = digest_list(it->digest, outcome, &rows->rows, &rows->count);

	if (error)
		return error;
	error = arena_defer(it->arena, free, rows->rows);
	if (error) {
		free(rows->rows);
		return error;
	}
	rows->sum = digest_sum(it->digest, outcome);
	rows->advice = arena_array(it->arena, rows->count + 1, sizeof(*rows->advice));
	if (!rows->advice)
		return -ENOMEM;
	for (size_t i = 0; i < rows->count && !error; i++)
		error = advice_make(it->arena, it->about->layers, rows->rows[i], &rows->advice[i]);
	return error;
}

int rendering_make(const struct digest *digest, const struct rendering_about *about,
	struct rendering **ret_rendering)
{
	struct rendering *it;
	struct arena *arena;
	int error = arena_new(ARENA_MAX, &arena);

	if (error)
		return error;
	it = arena_alloc(arena, sizeof(*it));
	if (!it) {
		arena_free(arena);
		return -ENOMEM;
	}
	*it = (struct rendering){.arena = arena, .about = about, .digest = digest};
	for (size_t i = 0; i < DIGEST_OUTCOMES && !error; i++)
		error = add_rows(it, (enum digest_outcome)i);
	if (!error)
		error = add_sessions(it);
	if (!error)
		error = digest_destinations(digest, &it->destinations);
	if (error) {
		arena_free(arena);
		return error;
	}
	add_ceilings(it);
	add_categories(it);
	*ret_rendering = it;
	return 0;
}

void rendering_free(struct rendering *rendering)
{
	if (rendering)
		arena_free(rendering->arena);
}

/* --- Parts --- */

const char *rendering_bytes(uint64_t bytes, char *out)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	snprintf(out, RENDERING_BYTES, unit > 0 && value < 9.95 ? "%.1f %s" : "%.0f %s", value,
		units[unit]);
	return out;
}

const char *rendering_time(int64_t at, char *out)
{
	const time_t seconds = (time_t)(at / 1000000);
	struct tm tm;

	if (at < 0 || at == INT64_MAX || !gmtime_r(&seconds, &tm) ||
		strftime(out, RENDERING_TIME, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		snprintf(out, RENDERING_TIME, "-");
	return out;
}

const char *rendering_moment(const struct rendering *it, int64_t at, char *out)
{
	const int64_t day = (int64_t)86400 * 1000000;
	char whole[RENDERING_TIME];

	rendering_time(at, whole);
	if (strlen(whole) < 19)
		snprintf(out, RENDERING_TIME, "-");
	else if (it->about->started / day == it->about->ended / day)
		snprintf(out, RENDERING_TIME, "%.8s", whole + 11);
	else
		snprintf(out, RENDERING_TIME, "%.19s", whole);
	return out;
}

const char *rendering_span(int64_t microseconds, char *out)
{
	const double seconds = microseconds > 0 ? (double)microseconds / 1e6 : 0;

	if (seconds < 100)
		snprintf(out, RENDERING_SPAN, "%.0f s", seconds);
	else if (seconds < 6000)
		snprintf(out, RENDERING_SPAN, "%.0f min", seconds / 60);
	else if (seconds < 172800)
		snprintf(out, RENDERING_SPAN, "%.1f h", seconds / 3600);
	else
		snprintf(out, RENDERING_SPAN, "%.1f days", seconds / 86400);
	return out;
}

const char *rendering_port(const struct digest_row *row, char *out)
{
	if (row->asked)
		snprintf(out, RENDERING_PORT, "name");
	else if (row->port >= 0 && row->port <= UINT16_MAX)
		snprintf(out, RENDERING_PORT, "%s/%d", row->protocol, row->port);
	else
		snprintf(out, RENDERING_PORT, "%s", row->protocol);
	return out;
}

const char *rendering_where(const struct digest_row *row, char *out)
{
	if (*row->name != '\0')
		snprintf(out, RENDERING_WHERE, "%s", row->name);
	else
		inaddr_to_text(&row->address, out);
	return out;
}
