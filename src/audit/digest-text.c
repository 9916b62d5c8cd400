/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/rendering.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/memstream.h"
#include "src/base/text.h"

/*
 * Tables of 80 columns:
 *
 *	egress-run: reached 1 destination, refused 2; sent 1.2 KiB, received 34 KiB
 *	  reached                           port       rule                sent received
 *	  api.example.com                   tcp/443    allow-1          1.2 KiB   34 KiB
 *	  refused                           port       rule                        times
 *	  other.example.com                 name       default-deny                    2
 *	      to permit it: --allow other.example.com
 *
 * A name that is too long loses its beginning: who it belongs to is told by its end.
 */

enum {
	COLUMNS = 80,
	WHERE = 33,
	PORT = 10,
	RULE = 15,
	INDENT = 6,
	WORDS = 2200, /* a reason of a policy, and what is said of it */
};

/* How it is shown. */
struct style {
	bool colour;
	bool full; /* a report, not a summary */
	size_t most;
};

enum paint { PAINT_NONE, PAINT_HEAD, PAINT_GOOD, PAINT_ODD, PAINT_BAD };

static const char *const paints[] = {
	[PAINT_NONE] = "\033[0m",
	[PAINT_HEAD] = "\033[1m",
	[PAINT_GOOD] = "\033[1;32m",
	[PAINT_ODD] = "\033[1;33m",
	[PAINT_BAD] = "\033[1;31m",
};

static void paint(const struct style *style, enum paint paint, FILE *out)
{
	if (style->colour)
		fputs(paints[paint], out);
}

static const char *plural(uint64_t count, const char *one, const char *more)
{
	return count == 1 ? one : more;
}

/* "12,345" */
static void put_count(uint64_t count, FILE *out)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, count);

	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			fputc(',', out);
		fputc(digits[i], out);
	}
}

/* Words from column INDENT on, none of them cut. */
static void put_words(const char *text, FILE *out)
{
	size_t column = 0;

	while (*text) {
		size_t length = strcspn(text, " ");

		if (column == 0)
			fprintf(out, "%*s", INDENT, "");
		else if (INDENT + column + 1 + length > COLUMNS)
			fprintf(out, "\n%*s", INDENT, "");
		else
			fputc(' ', out);
		column = column == 0 || INDENT + column + 1 + length > COLUMNS
				 ? length
				 : column + 1 + length;
		fwrite(text, 1, length, out);
		text += length;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

/* The end of a text that doesn't fit. */
static void put_end(const char *text, int width, FILE *out)
{
	size_t length = strlen(text);

	if (length <= (size_t)width)
		fprintf(out, "%-*s", width, text);
	else
		fprintf(out, "..%s", text + length - (size_t)width + 2);
}

/* The same of the last one on a line. */
static void put_last(const char *text, int width, FILE *out)
{
	const size_t length = strlen(text);

	if (width > 2 && length > (size_t)width)
		fprintf(out, "..%s", text + length - (size_t)width + 2);
	else if (width > 2)
		fputs(text, out);
}

static void put_start(const char *text, int width, FILE *out)
{
	if (strlen(text) <= (size_t)width)
		fprintf(out, "%-*s", width, text);
	else
		fprintf(out, "%.*s..", width - 2, text);
}

/* --- Rows --- */

static void put_place(const struct digest_row *row, FILE *out)
{
	char where[RENDERING_WHERE], port[RENDERING_PORT];

	rendering_where(row, where);
	fputs("  ", out);
	put_end(text_clean(where), WHERE, out);
	fputc(' ', out);
	put_start(rendering_port(row, port), PORT, out);
	fputc(' ', out);
	put_start(*row->rule ? row->rule : "-", RULE, out);
}

static void put_reached(const struct digest_row *row, FILE *out)
{
	char sent[RENDERING_BYTES], received[RENDERING_BYTES];

	put_place(row, out);
	fprintf(out, " %8s %8s\n", rendering_bytes(row->bytes_out, sent),
		rendering_bytes(row->bytes_in, received));
}

/* Where else the name led, why, and what would change it. */
static void put_advice(const struct digest_row *row, const struct advice *advice, FILE *out)
{
	char words[WORDS], text[INADDR_TEXT];
	bool has_both = !row->asked && *row->name != '\0' && row->has_address;

	snprintf(words, sizeof(words), "%s%s%s%s%s%s", has_both ? "at " : "",
		has_both ? inaddr_to_text(&row->address, text) : "",
		has_both && (advice->says || advice->option) ? "; " : "",
		advice->says ? advice->says : "", advice->says && advice->option ? "; " : "",
		advice->option ? "to permit it: " : "");
	if (advice->option)
		snprintf(
			words + strlen(words), sizeof(words) - strlen(words), "%s", advice->option);
	if (*words)
		put_words(text_clean(words), out);
}

static void put_times(const struct digest_row *row, const struct advice *advice, FILE *out)
{
	put_place(row, out);
	fprintf(out, " %17" PRIu64 "\n", row->times);
	put_advice(row, advice, out);
}

/* What a report has more of. */
static void put_details(const struct digest_row *row, const struct advice *advice, FILE *out)
{
	char first[RENDERING_TIME], last[RENDERING_TIME];
	const char *entry = advice->entry;

	fprintf(out, "%*s%" PRIu64 " %s, %s to %s", INDENT, "", row->times,
		plural(row->times, "time", "times"), rendering_time(row->first, first),
		rendering_time(row->last, last));
	if (advice->place)
		fprintf(out, "; %s", advice->place);
	fputc('\n', out);
	while (entry && *entry) {
		size_t length = strcspn(entry, "\n");

		fprintf(out, "%*s%.*s\n", INDENT + 4, "", (int)length, entry);
		entry += length + (entry[length] == '\n');
	}
}

struct section {
	enum digest_outcome outcome;
	const char *title;
	const char *columns;
	enum paint paint;
};

static const struct section sections[] = {
	{DIGEST_REACHED, "reached", "    sent received", PAINT_GOOD},
	{DIGEST_OBSERVED, "would have been refused", "            times", PAINT_ODD},
	{DIGEST_REFUSED, "refused", "            times", PAINT_BAD},
};

static void put_more(const struct rendering_rows *rows, size_t shown, FILE *out)
{
	if (rows->count > shown) {
		fputs("  and ", out);
		put_count(rows->count - shown, out);
		fputs(" more\n", out);
	}
	if (rows->sum.records > 0) {
		fputs("  and ", out);
		put_count(rows->sum.records, out);
		fputs(" records of destinations beyond those that are kept\n", out);
	}
}

static void put_section(const struct style *style, const struct rendering *it,
	const struct section *section, FILE *out)
{
	const struct rendering_rows *rows = &it->outcomes[section->outcome];
	size_t shown = rows->count < style->most ? rows->count : style->most;

	if (rows->count == 0 && rows->sum.records == 0)
		return;
	paint(style, section->paint, out);
	fprintf(out, "  %-*s %-*s %-*s %s", WHERE, section->title, PORT, "port", RULE, "rule",
		section->columns);
	paint(style, PAINT_NONE, out);
	fputc('\n', out);
	for (size_t i = 0; i < shown; i++) {
		if (section->outcome == DIGEST_REACHED)
			put_reached(rows->rows[i], out);
		else
			put_times(rows->rows[i], &rows->advice[i], out);
		if (style->full)
			put_details(rows->rows[i], &rows->advice[i], out);
	}
	put_more(rows, shown, out);
}

/* --- Alerts and sessions --- */

static void put_alert(const struct style *style, const struct alerts_row *row, FILE *out)
{
	const char *meaning = alerts_meaning(row->rule);
	char where[ALERTS_WHERE], numbers[ALERTS_NUMBERS], words[WORDS], time[RENDERING_TIME];

	fprintf(out, "  %s", row->rule);
	if (*alerts_where(row, where)) {
		fputc(' ', out);
		put_last(where, COLUMNS - (int)strlen(row->rule) - 3, out);
	}
	fputc('\n', out);
	snprintf(words, sizeof(words), "%s%s%s%s", meaning ? meaning : "", meaning ? ": " : "",
		alerts_numbers(row, numbers),
		row->refuses ? "; further destinations are refused" : "");
	put_words(words, out);
	if (!style->full)
		return;
	fprintf(out, "%*s%s, session %s\n", INDENT, "", rendering_time(row->at, time),
		*row->session ? row->session : "-");
	for (size_t i = 0; i < row->n_evidence; i++)
		put_words(row->evidence[i], out);
}

static void put_alerts(const struct style *style, const struct rendering *it, FILE *out)
{
	const struct alerts *alerts = digest_alerts(it->digest);
	const size_t count = alerts_count(alerts),
		     shown = count < style->most ? count : style->most;
	const uint64_t more = count - shown + alerts_more(alerts);

	if (count + more == 0)
		return;
	paint(style, PAINT_ODD, out);
	fputs("  alerts", out);
	paint(style, PAINT_NONE, out);
	fputc('\n', out);
	for (size_t i = 0; i < shown; i++)
		put_alert(style, alerts_at(alerts, i), out);
	if (more > 0) {
		fputs("  and ", out);
		put_count(more, out);
		fputs(" more\n", out);
	}
	if (alerts_suppressed(alerts) > 0) {
		fputs("  and ", out);
		put_count(alerts_suppressed(alerts), out);
		fputs(" of which no record was made\n", out);
	}
}

static void put_budget(const struct sessions_row *row, FILE *out)
{
	char use[SESSIONS_USE];

	for (size_t i = 0; i < row->figures.n_budgets; i++)
		fprintf(out, "%s%s %s", i > 0 ? ", " : "; ", row->figures.budgets[i].key,
			sessions_use(&row->figures.budgets[i], use));
}

static void put_session(const struct sessions_row *row, FILE *out)
{
	const struct record_budget *fullest = sessions_fullest(row);
	char began[RENDERING_TIME], sent[RENDERING_BYTES], received[RENDERING_BYTES];
	char span[RENDERING_SPAN], percent[16] = "-";
	char *words = NULL;
	size_t size;
	FILE *more;

	if (fullest)
		snprintf(percent, sizeof(percent), "%.0f %%", sessions_part(fullest) * 100);
	fprintf(out, "  %.19s ", rendering_time(row->first, began));
	put_start(*row->policy ? row->policy : "-", 11, out);
	fprintf(out, " %6" PRIu64 "%c %7" PRIu64 " %8s %8s %6" PRIu64 " %6s\n", row->destinations,
		row->at_least ? '+' : ' ', row->refused, rendering_bytes(row->bytes_out, sent),
		rendering_bytes(row->bytes_in, received), row->alerts, percent);
	more = memstream_open(&words, &size);
	if (!more) {
		fputs("  (no memory left for the rest)\n", out);
		return;
	}
	fprintf(more, "%s, %s%s", *row->id ? row->id : "-",
		rendering_span(row->last - row->first, span), row->ended ? "" : ", not ended");
	put_budget(row, more);
	if (*row->figures.baseline)
		fprintf(more, "; baseline %s (%" PRIu64 " %s)", row->figures.baseline,
			row->figures.baseline_sessions,
			plural(row->figures.baseline_sessions, "session", "sessions"));
	if (row->lost > 0)
		fprintf(more, "; %" PRIu64 " records lost", row->lost);
	if (fclose(more) == 0)
		put_words(text_clean(words), out);
	else
		fputs("  (no memory left for the rest)\n", out);
	free(words);
}

void digest_as_sessions(const struct rendering *it, bool colour, FILE *out)
{
	const struct style style = {.colour = colour};
	const uint64_t more = sessions_more(digest_sessions(it->digest));

	if (it->n_sessions == 0)
		return;
	paint(&style, PAINT_HEAD, out);
	fprintf(out, "  %-19s %-11s %6s %8s %8s %8s %6s %6s", "sessions, from", "policy", "places",
		"refused", "sent", "received", "alerts", "budget");
	paint(&style, PAINT_NONE, out);
	fputc('\n', out);
	for (size_t i = 0; i < it->n_sessions; i++)
		put_session(it->sessions[i], out);
	if (more > 0) {
		fputs("  and ", out);
		put_count(more, out);
		fputs(" records of sessions beyond those that are kept\n", out);
	}
}

/* --- Around them --- */

static void put_ceilings(const struct rendering *it, FILE *out)
{
	char used[RENDERING_BYTES], most[RENDERING_BYTES];

	for (size_t i = 0; i < it->n_ceilings; i++) {
		const struct rendering_ceiling *ceiling = &it->ceilings[i];

		if (ceiling->bytes)
			fprintf(out, "  %s: %s of %s\n", ceiling->name,
				rendering_bytes(ceiling->used, used),
				rendering_bytes(ceiling->most, most));
		else
			fprintf(out, "  %s: %" PRIu64 " of %" PRIu64 "\n", ceiling->name,
				ceiling->used, ceiling->most);
	}
}

static void put_loss(uint64_t count, const char *what, const char **comma, FILE *out)
{
	if (count == 0)
		return;
	fputs(*comma, out);
	put_count(count, out);
	fprintf(out, " %s", what);
	*comma = ", ";
}

static void put_losses(const struct rendering *it, FILE *out)
{
	const struct digest_lost *lost = digest_lost(it->digest);
	const char *comma = "  not recorded: ";
	const char *start = comma;

	put_loss(lost->queries, "of names", &comma, out);
	put_loss(lost->connections, "of connections", &comma, out);
	put_loss(lost->refused, "of refused connections", &comma, out);
	put_loss(lost->flows, "of what connections carried", &comma, out);
	put_loss(lost->others, "of other things", &comma, out);
	put_loss(lost->malformed, "that could not be read", &comma, out);
	if (comma != start)
		fputc('\n', out);
	if (it->about->incomplete)
		fputs("  records are missing: there may be more\n", out);
}

static bool has_any(const struct rendering_rows *rows)
{
	return rows->count > 0 || rows->sum.records > 0;
}

static void put_alert_count(const char *before, const struct alerts *alerts, FILE *out)
{
	const uint64_t count = alerts_count(alerts) + alerts_more(alerts);

	if (count == 0)
		return;
	fputs(before, out);
	put_count(count, out);
	fputs(plural(count, " alert", " alerts"), out);
}

/* What a summary has of the one session that it is of; reports have a table of them. */
static void put_budgets(const struct style *style, const struct rendering *it, FILE *out)
{
	char use[SESSIONS_USE];

	if (style->full) {
		digest_as_sessions(it, style->colour, out);
		return;
	}
	for (size_t i = 0; i < it->n_sessions; i++) {
		const struct record_session *figures = &it->sessions[i]->figures;

		for (size_t j = 0; j < figures->n_budgets; j++)
			fprintf(out, "  [budget] %s: %s\n", figures->budgets[j].key,
				sessions_use(&figures->budgets[j], use));
	}
}

static void put_headline(const struct style *style, const struct rendering *it, FILE *out)
{
	const struct rendering_rows *reached = &it->outcomes[DIGEST_REACHED];
	const struct rendering_rows *observed = &it->outcomes[DIGEST_OBSERVED];
	const struct rendering_rows *refused = &it->outcomes[DIGEST_REFUSED];
	char sent[RENDERING_BYTES], received[RENDERING_BYTES];

	paint(style, PAINT_HEAD, out);
	fprintf(out, "%s:", it->about->program);
	if (!has_any(reached) && !has_any(observed) && !has_any(refused)) {
		fputs(" nothing was reached, and nothing refused", out);
		put_alert_count("; ", digest_alerts(it->digest), out);
	} else {
		fputs(" reached ", out);
		put_count(it->destinations, out);
		fputs(plural(it->destinations, " destination", " destinations"), out);
		if (has_any(observed)) {
			fputs(", would have refused ", out);
			put_count(observed->count, out);
		}
		fputs(", refused ", out);
		put_count(refused->count, out);
		put_alert_count(", ", digest_alerts(it->digest), out);
		fprintf(out, "; sent %s, received %s",
			rendering_bytes(reached->sum.bytes_out + observed->sum.bytes_out, sent),
			rendering_bytes(reached->sum.bytes_in + observed->sum.bytes_in, received));
	}
	paint(style, PAINT_NONE, out);
	fputc('\n', out);
}

static void put_all(const struct style *style, const struct rendering *it, FILE *out)
{
	put_headline(style, it, out);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		put_section(style, it, &sections[i], out);
	put_alerts(style, it, out);
	put_budgets(style, it, out);
	put_ceilings(it, out);
	put_losses(it, out);
}

void digest_as_summary(const struct rendering *it, bool colour, size_t most, FILE *out)
{
	const struct style style = {.colour = colour, .most = most};

	put_all(&style, it, out);
}

/* A line of the report's head, of what may be anything. */
static int put_clean(const char *label, const char *text, FILE *out)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return -ENOMEM;
	if (copy)
		fprintf(out, "%-10s%s\n", label, text_clean(copy));
	free(copy);
	return 0;
}

int digest_as_text(const struct rendering *it, FILE *out)
{
	const struct style style = {.full = true, .most = SIZE_MAX};
	const struct layers *layers = it->about->layers;
	char time[RENDERING_TIME];
	int error = put_clean("command", it->about->command, out);

	for (size_t i = 0; i < layers->n_layers && !it->about->unread && !error; i++)
		error = put_clean(
			i == 0 ? "policy" : "override", layers->layers[i].policy->file, out);
	if (error)
		return error;
	fprintf(out, "%-10s%s\n", "started", rendering_time(it->about->started, time));
	fprintf(out, "%-10s%s", "ended", rendering_time(it->about->ended, time));
	fprintf(out, "%s%s\n\n", it->about->ending ? ", " : "",
		it->about->ending ? it->about->ending : "");
	put_all(&style, it, out);
	return 0;
}
