/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/baseline.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Theory of operation
 *
 * A session draws each of its destinations from categories. Sessions of one policy have different
 * tasks, so their shares vary more than draws from one distribution would: shares are themselves
 * drawn, for each session, from a Dirichlet distribution around the policy's mean. Its one
 * parameter besides the mean is how much two destinations of one session are alike, rho, from 0
 * (draws from one distribution) to 1 (all of a session are of one category). What a session then
 * has is Dirichlet-multinomial, with the concentration (1 - rho) / rho.
 *
 * The mean is that of the sessions, each with the weight n / (1 + (n - 1) rho) of so many
 * independent draws, with half a destination added to each category and to one that was never seen.
 * rho is fitted by moments: the expected sum over categories of (x - n p)^2 / n is
 * (1 + (n - 1) rho) * sum p (1 - p). Since few sessions tell little of how much they vary, what is
 * used is the upper end of its 95 % interval, with the variance of the mean itself added; and it is
 * RHO_LEAST at least, since within a session destinations of a kind come together, and what comes
 * first must not look like all there is.
 *
 * The test. Let P be the probability of a session's destinations so far under that, and Q under an
 * alternative that was chosen beforehand. Q / P is a martingale of mean 1 while the session is as
 * those before, so that it ever reaches 1 / alpha in the whole of a session has a probability
 * of at most alpha (Ville's inequality): it may be looked at after every destination, and no
 * correction for that is needed. P is exchangeable and so is Q, hence both depend on the counts
 * alone and no state is kept. Q is a mixture of "one category has any other share, the rest are as
 * before", over all categories, and "all shares are others" (Krichevsky-Trofimov). The weights are
 * half for the share of destinations without a category, as that is what open-ended ones change, a
 * quarter for the other categories in equal parts, and a quarter for everything at once. What is
 * told is p = min(1, P / Q).
 *
 * That holds as far as sessions are what the model says; egress-anomalies(7) has what was measured.
 *
 * Without BASELINE_SESSIONS_LEAST sessions and BASELINE_DESTINATIONS_LEAST destinations in them
 * nothing is said, and who asks is told so: baseline_is_ready().
 */

#define UNKNOWN "unknown"
#define OTHER "other"
#define COUNT_MAX 1000000 /* destinations of one category in one session */

static const double rho_least = 1.0 / 21, rho_most = 0.9;
static const double added = 0.5;                             /* destinations, to each category */
static const double weight_all = 0.25, weight_unknown = 0.5; /* of alternatives */

struct baseline {
	struct census sessions[BASELINE_SESSIONS];
	unsigned n_sessions;
	unsigned next; /* where the next one goes */
	/* What was fitted to them. */
	struct census all;
	double shares[CENSUS_ROWS]; /* of the rows of `all` */
	double means[CENSUS_ROWS];  /* the same with what was added */
	double mean_new;            /* of all categories that aren't there */
	double concentration;
};

/* --- Censuses --- */

static struct census_row *find_row(struct census *census, const char *word)
{
	for (unsigned i = 0; i < census->n_rows; i++)
		if (strcmp(census->rows[i].word, word) == 0)
			return &census->rows[i];
	return NULL;
}

static void set_word(char out[CENSUS_WORD], const char *word)
{
	size_t length = strnlen(word, CENSUS_WORD - 1);

	memcpy(out, word, length);
	out[length] = '\0';
}

void census_add(struct census *census, const char *category, uint32_t count)
{
	char word[CENSUS_WORD];
	struct census_row *row;

	set_word(word, category && *category ? category : UNKNOWN);
	row = find_row(census, word);
	/* The last row is kept for the others. */
	if (!row && census->n_rows >= CENSUS_ROWS - 1) {
		set_word(word, OTHER);
		row = find_row(census, word);
	}
	if (!row) {
		row = &census->rows[census->n_rows++];
		memcpy(row->word, word, sizeof(word));
		row->count = 0;
	}
	if (count > UINT32_MAX - census->total)
		count = UINT32_MAX - census->total;
	row->count += count;
	census->total += count;
}

uint32_t census_count(const struct census *census, const char *category)
{
	if (!category || !*category)
		category = UNKNOWN;
	for (unsigned i = 0; i < census->n_rows; i++)
		if (strcmp(census->rows[i].word, category) == 0)
			return census->rows[i].count;
	return 0;
}

/* --- Fitting --- */

/* The weighted mean of the sessions' shares, in `shares`; the sum of weights. */
static double average(const struct baseline *baseline, double rho, double shares[CENSUS_ROWS])
{
	double weights = 0;

	memset(shares, 0, CENSUS_ROWS * sizeof(shares[0]));
	for (unsigned i = 0; i < baseline->n_sessions; i++) {
		const struct census *session = &baseline->sessions[i];
		double n = session->total, weight = n / (1 + (n - 1) * rho);

		weights += weight;
		for (unsigned j = 0; j < baseline->all.n_rows; j++)
			shares[j] += weight * census_count(session, baseline->all.rows[j].word) / n;
	}
	for (unsigned j = 0; j < baseline->all.n_rows; j++)
		shares[j] /= weights;
	return weights;
}

/* sum (x - n p)^2 / n over the categories. */
static double distance(
	const struct baseline *baseline, const struct census *session, const double *shares)
{
	double n = session->total, sum = 0;

	for (unsigned j = 0; j < baseline->all.n_rows; j++) {
		double off = census_count(session, baseline->all.rows[j].word) - n * shares[j];

		sum += off * off / n;
	}
	return sum;
}

/* What chi-squared with `degrees` is below in 5 of 100 cases (Wilson and Hilferty, 1931). */
static double chi_squared_low(double degrees)
{
	double ninth = 2 / (9 * degrees), root = 1 - ninth - 1.645 * sqrt(ninth);

	return root > 0 ? degrees * root * root * root : 0;
}

/* The upper end of what rho may be, by the shares with which it was fitted. */
static double fit_rho(const struct baseline *baseline, const double *shares)
{
	double sessions = baseline->n_sessions, spread = 0, squares = 0, distances = 0, pairs = 0;
	double degrees, low, rise;

	for (unsigned j = 0; j < baseline->all.n_rows; j++) {
		spread += shares[j] * (1 - shares[j]);
		squares += shares[j] * shares[j];
	}
	for (unsigned i = 0; i < baseline->n_sessions; i++) {
		distances += distance(baseline, &baseline->sessions[i], shares);
		pairs += baseline->sessions[i].total - 1.0;
	}
	if (pairs < 1 || spread < 1e-9)
		return rho_least;
	/* As many independent categories as would have the same squares. */
	degrees = (sessions - 1) * fmax(1, 1 / squares - 1);
	low = chi_squared_low(degrees);
	if (low <= 0)
		return rho_most;
	/* 1 + (n - 1) rho, of the mean session. */
	rise = distances / spread / (sessions - 1) * (degrees / low);
	return (rise - 1) / (pairs / sessions);
}

static double clamp(double value, double least, double most)
{
	return value > least ? (value < most ? value : most) : least;
}

static void fit(struct baseline *baseline)
{
	double rho = rho_least, weights = 0, total;

	memset(&baseline->all, 0, sizeof(baseline->all));
	census_add(&baseline->all, UNKNOWN, 0);
	for (unsigned i = 0; i < baseline->n_sessions; i++)
		for (unsigned j = 0; j < baseline->sessions[i].n_rows; j++)
			census_add(&baseline->all, baseline->sessions[i].rows[j].word,
				baseline->sessions[i].rows[j].count);
	if (!baseline_is_ready(baseline))
		return;
	/* The weights need rho, and rho the mean. */
	for (unsigned round = 0; round < 3; round++) {
		weights = average(baseline, rho, baseline->shares);
		rho = clamp(fit_rho(baseline, baseline->shares), rho_least, rho_most);
	}
	total = weights + added * (baseline->all.n_rows + 1);
	for (unsigned j = 0; j < baseline->all.n_rows; j++)
		baseline->means[j] = (weights * baseline->shares[j] + added) / total;
	baseline->mean_new = added / total;
	rho = clamp(rho + 1 / weights, rho_least, rho_most);
	baseline->concentration = (1 - rho) / rho;
}

/* --- The store --- */

int baseline_new(struct baseline **ret_baseline)
{
	struct baseline *baseline = calloc(1, sizeof(*baseline));

	if (!baseline)
		return -ENOMEM;
	*ret_baseline = baseline;
	return 0;
}

void baseline_free(struct baseline *baseline)
{
	free(baseline);
}

static void keep(struct baseline *baseline, const struct census *census)
{
	if (census->total == 0)
		return;
	baseline->sessions[baseline->next] = *census;
	baseline->next = (baseline->next + 1) % BASELINE_SESSIONS;
	if (baseline->n_sessions < BASELINE_SESSIONS)
		baseline->n_sessions++;
}

void baseline_add(struct baseline *baseline, const struct census *census)
{
	keep(baseline, census);
	fit(baseline);
}

static bool is_word(const json_t *record, const char *key, const char *word)
{
	const char *text = json_string_value(json_object_get(record, key));

	return text && strcmp(text, word) == 0;
}

/* 0, or -EINVAL. */
static int read_categories(json_t *categories, struct census *ret_census)
{
	const char *word;
	json_t *count;

	json_object_foreach(categories, word, count)
	{
		json_int_t number = json_integer_value(count);

		if (!json_is_integer(count) || number < 0 || number > COUNT_MAX)
			return -EINVAL;
		if (number > 0)
			census_add(ret_census, word, (uint32_t)number);
	}
	return 0;
}

/* As baseline_read(), into a census. */
static int read_record(const json_t *record, struct census *ret_census)
{
	json_t *categories = json_object_get(record, "categories");
	const json_t *alerts = json_object_get(record, "alerts");

	if (!is_word(record, "kind", "session") || !is_word(record, "phase", "end") ||
		(alerts && !json_is_integer(alerts)) || (categories && !json_is_object(categories)))
		return -EINVAL;
	if (alerts && json_integer_value(alerts) != 0)
		return 1;
	if (categories && read_categories(categories, ret_census) < 0)
		return -EINVAL;
	return ret_census->total > 0 ? 0 : 1;
}

static int read_line(struct baseline *baseline, const char *line, size_t size)
{
	struct census census = {.n_rows = 0};
	json_t *record;
	int result;

	if (size > BASELINE_LINE)
		return -EINVAL;
	record = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
	if (!record)
		return -EINVAL;
	result = read_record(record, &census);
	json_decref(record);
	if (result == 0)
		keep(baseline, &census);
	return result;
}

int baseline_read(struct baseline *baseline, const char *line, size_t size)
{
	int result = read_line(baseline, line, size);

	if (result == 0)
		fit(baseline);
	return result;
}

void baseline_read_all(struct baseline *baseline, const char *text, size_t size, unsigned *ret_bad)
{
	unsigned bad = 0;

	while (size > 0) {
		const char *newline = memchr(text, '\n', size);
		size_t length = newline ? (size_t)(newline - text) : size;
		size_t taken = newline ? length + 1 : length;

		if (length > 0 && read_line(baseline, text, length) < 0)
			bad++;
		text += taken;
		size -= taken;
	}
	fit(baseline);
	*ret_bad = bad;
}

unsigned baseline_sessions(const struct baseline *baseline)
{
	return baseline->n_sessions;
}

bool baseline_is_ready(const struct baseline *baseline)
{
	return baseline->n_sessions >= BASELINE_SESSIONS_LEAST &&
	       baseline->all.total >= BASELINE_DESTINATIONS_LEAST;
}

/* --- The test --- */

static double log_gamma(double x)
{
	int sign;

	return lgamma_r(x, &sign);
}

/* Of Gamma(x + n) / Gamma(x). */
static double log_rising(double x, double n)
{
	return log_gamma(x + n) - log_gamma(x);
}

/* A session's counts beside the baseline's categories. */
struct cells {
	unsigned count;
	double total;
	double seen[CENSUS_ROWS + 1]; /* the last cell has all categories that are new */
	double means[CENSUS_ROWS + 1];
};

static void fill_cells(
	const struct baseline *baseline, const struct census *census, struct cells *ret_cells)
{
	unsigned rows = baseline->all.n_rows;
	double known = 0;

	ret_cells->count = rows + 1;
	ret_cells->total = census->total;
	for (unsigned j = 0; j < rows; j++) {
		ret_cells->seen[j] = census_count(census, baseline->all.rows[j].word);
		ret_cells->means[j] = baseline->means[j];
		known += ret_cells->seen[j];
	}
	ret_cells->seen[rows] = census->total - known;
	ret_cells->means[rows] = baseline->mean_new;
}

/* log Q / P of "all shares are others". */
static double weigh_all(const struct cells *cells, double concentration)
{
	double sum = log_rising(concentration, cells->total) -
		     log_rising(added * cells->count, cells->total);

	for (unsigned j = 0; j < cells->count; j++)
		sum += log_rising(added, cells->seen[j]) -
		       log_rising(concentration * cells->means[j], cells->seen[j]);
	return sum;
}

/* The same of "this one's share is another": what the others have among them is as likely either
 * way. */
static double weigh_one(const struct cells *cells, double concentration, unsigned j)
{
	double seen = cells->seen[j], rest = cells->total - seen;
	double mean = concentration * cells->means[j];
	double alternative = log_rising(added, seen) + log_rising(added, rest) -
			     log_rising(2 * added, cells->total);
	double null = log_rising(mean, seen) + log_rising(concentration - mean, rest) -
		      log_rising(concentration, cells->total);

	return alternative - null;
}

/* What an alternative weighs among all of them. */
static double weight_of(const struct baseline *baseline, const struct cells *cells, unsigned j)
{
	if (j == cells->count)
		return weight_all;
	if (j < baseline->all.n_rows && strcmp(baseline->all.rows[j].word, UNKNOWN) == 0)
		return weight_unknown;
	return (1 - weight_all - weight_unknown) / (cells->count - 1);
}

double baseline_likelihood(const struct baseline *baseline, const struct census *census)
{
	double logs[CENSUS_ROWS + 2], most = -INFINITY, sum = 0;
	struct cells cells;

	if (!baseline_is_ready(baseline) || census->total < BASELINE_LOOK_FROM)
		return 1;
	fill_cells(baseline, census, &cells);
	for (unsigned j = 0; j <= cells.count; j++) {
		double weight = weight_of(baseline, &cells, j);

		logs[j] = log(weight) +
			  (j < cells.count ? weigh_one(&cells, baseline->concentration, j)
					   : weigh_all(&cells, baseline->concentration));
		most = fmax(most, logs[j]);
	}
	for (unsigned j = 0; j <= cells.count; j++)
		sum += exp(logs[j] - most);
	return fmin(1, exp(-most - log(sum)));
}

/* --- What is said of it --- */

double baseline_share(const struct baseline *baseline, const char *category)
{
	for (unsigned j = 0; j < baseline->all.n_rows; j++)
		if (strcmp(baseline->all.rows[j].word, category) == 0)
			return baseline->shares[j];
	return 0;
}

static double size_of(const struct baseline_change *change)
{
	return fabs(change->now - change->before);
}

/* Keeps it in its place among the first `most`, the biggest first. */
static unsigned offer(struct baseline_change *changes, unsigned count, unsigned most,
	const struct baseline_change *change)
{
	unsigned at = count;

	while (at > 0 && size_of(&changes[at - 1]) < size_of(change))
		at--;
	if (at == most)
		return count;
	if (count < most)
		count++;
	memmove(&changes[at + 1], &changes[at], (count - at - 1) * sizeof(*changes));
	changes[at] = *change;
	return count;
}

static void set_change(const struct baseline *baseline, const struct census *census,
	const char *word, struct baseline_change *ret_change)
{
	memcpy(ret_change->word, word, CENSUS_WORD);
	ret_change->before = baseline_share(baseline, word);
	ret_change->now = (double)census_count(census, word) / census->total;
}

unsigned baseline_changes(const struct baseline *baseline, const struct census *census,
	struct baseline_change *changes, unsigned most)
{
	struct baseline_change change;
	unsigned count = 0;

	if (census->total == 0)
		return 0;
	for (unsigned j = 0; j < baseline->all.n_rows; j++) {
		set_change(baseline, census, baseline->all.rows[j].word, &change);
		count = offer(changes, count, most, &change);
	}
	for (unsigned j = 0; j < census->n_rows; j++) {
		if (census_count(&baseline->all, census->rows[j].word) > 0)
			continue;
		set_change(baseline, census, census->rows[j].word, &change);
		count = offer(changes, count, most, &change);
	}
	return count;
}
