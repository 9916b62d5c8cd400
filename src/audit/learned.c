/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/learned.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "src/audit/rendering.h"
#include "src/base/json-parts.h"
#include "src/base/text.h"
#include "src/event/baseline.h"

static struct learned_category *find_category(struct learned *learned, const char *name)
{
	for (size_t i = 0; i < learned->n_categories; i++)
		if (strcmp(learned->categories[i].name, name) == 0)
			return &learned->categories[i];
	if (learned->n_categories == LEARNED_CATEGORIES)
		return &learned->categories[LEARNED_CATEGORIES - 1];
	learned->categories[learned->n_categories].name =
		learned->n_categories + 1 == LEARNED_CATEGORIES ? "(others)" : name;
	return &learned->categories[learned->n_categories++];
}

static int compare_categories(const void *left, const void *right)
{
	const struct learned_category *a = left, *b = right;

	if (a->destinations != b->destinations)
		return a->destinations > b->destinations ? -1 : 1;
	return strcmp(a->name, b->name);
}

static void learn(struct learned *learned, const struct sessions_row *row)
{
	learned->sessions++;
	learned->first = row->first < learned->first ? row->first : learned->first;
	learned->last = row->last > learned->last ? row->last : learned->last;
	for (size_t i = 0; i < row->figures.n_categories; i++) {
		const struct record_category *category = &row->figures.categories[i];
		struct learned_category *sum = find_category(learned, category->name);

		learned->destinations += category->destinations;
		sum->destinations += category->destinations;
		sum->sessions += category->destinations > 0;
	}
}

int learned_from(const struct sessions *sessions, struct learned *ret_learned)
{
	struct learned learned = {.policy = "", .first = INT64_MAX, .last = INT64_MIN};
	const struct sessions_row **rows;
	int error = sessions_list(sessions, &rows);

	if (error)
		return error;
	for (size_t i = sessions_count(sessions); i-- > 0;) {
		const struct sessions_row *row = rows[i];

		if (*learned.policy == '\0')
			learned.policy = row->policy;
		if (row->alerts > 0)
			learned.with_alerts++;
		else if (!row->ended || row->figures.n_categories == 0)
			learned.without++;
		else if (learned.sessions == BASELINE_SESSIONS)
			learned.older++;
		else
			learn(&learned, row);
	}
	free(rows);
	learned.ready = learned.sessions >= BASELINE_SESSIONS_LEAST &&
			learned.destinations >= BASELINE_DESTINATIONS_LEAST;
	qsort(learned.categories, learned.n_categories, sizeof(learned.categories[0]),
		compare_categories);
	*ret_learned = learned;
	return 0;
}

static double share_of(const struct learned *learned, const struct learned_category *category)
{
	return learned->destinations > 0
		       ? (double)category->destinations / (double)learned->destinations
		       : 0;
}

static void put_category(
	const struct learned *learned, const struct learned_category *category, FILE *out)
{
	char *name = strdup(category->name);

	fprintf(out, "  %-40.40s %8.1f %% %12" PRIu64 " %5zu of %zu\n",
		name ? text_clean(name) : "-", share_of(learned, category) * 100,
		category->destinations, category->sessions, learned->sessions);
	free(name);
}

void learned_as_text(const struct learned *learned, FILE *out)
{
	char first[RENDERING_TIME], last[RENDERING_TIME];

	fprintf(out, "policy     %s\n", *learned->policy ? learned->policy : "-");
	if (learned->ready)
		fputs("state      ready\n", out);
	else
		fprintf(out, "state      cold: %d sessions and %d destinations are needed\n",
			BASELINE_SESSIONS_LEAST, BASELINE_DESTINATIONS_LEAST);
	fprintf(out, "sessions   %zu", learned->sessions);
	if (learned->sessions > 0)
		fprintf(out, ", %s to %s", rendering_time(learned->first, first),
			rendering_time(learned->last, last));
	fprintf(out,
		"\nleft out   %zu with alerts, %zu without an end or destinations, %zu older\n",
		learned->with_alerts, learned->without, learned->older);
	if (learned->n_categories == 0)
		return;
	fprintf(out, "\n  %-40s %10s %12s %s\n", "category", "share", "destinations", "  sessions");
	for (size_t i = 0; i < learned->n_categories; i++)
		put_category(learned, &learned->categories[i], out);
}

static json_t *object_of(const struct learned *learned)
{
	json_t *categories = json_array();

	for (size_t i = 0; i < learned->n_categories; i++) {
		const struct learned_category *category = &learned->categories[i];

		categories = json_parts_add(categories,
			json_pack("{s:o, s:f, s:o, s:o}", "name", json_parts_clean(category->name),
				"share", share_of(learned, category), "destinations",
				json_parts_count(category->destinations), "sessions",
				json_parts_count(category->sessions)));
	}
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "policy", learned->policy,
		"state", learned->ready ? "ready" : "cold", "sessions",
		json_parts_count(learned->sessions), "with_alerts",
		json_parts_count(learned->with_alerts), "without",
		json_parts_count(learned->without), "older", json_parts_count(learned->older),
		"destinations", json_parts_count(learned->destinations), "categories", categories);
}

int learned_as_json(const struct learned *learned, FILE *out)
{
	return json_parts_write(object_of(learned), out);
}
