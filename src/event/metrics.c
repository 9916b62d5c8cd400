/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/metrics.h"

#include <stdbool.h>
#include <string.h>

#include "src/base/text.h"

enum {
	DECIMAL_MAX = 6,
	NUMBER_TEXT = 24,
};

struct metrics metrics_over(void *bytes, size_t size)
{
	return (struct metrics){.out = writer_over(bytes, size)};
}

static void put(struct metrics *metrics, const char *text)
{
	writer_bytes(&metrics->out, text, strlen(text));
}

/* "12.345" of 12345 with three digits behind the point; zeros at the end are left out, and so is a
 * point with nothing behind it. */
static const char *write_number(uint64_t value, unsigned digits, char out[NUMBER_TEXT])
{
	char *at = &out[NUMBER_TEXT - 1];
	bool shown = false;

	*at = '\0';
	for (unsigned i = 0; i < digits && i < DECIMAL_MAX; i++, value /= 10) {
		shown = shown || value % 10 != 0;
		if (shown)
			*--at = (char)('0' + value % 10);
	}
	if (shown)
		*--at = '.';
	do
		*--at = (char)('0' + value % 10);
	while (value /= 10);
	return at;
}

/* What stands for one character of a label's value; NULL: it stands for itself. */
static const char *escape(uint32_t character)
{
	switch (character) {
	case '\\':
		return "\\\\";
	case '"':
		return "\\\"";
	case '\n':
		return "\\n";
	default:
		return text_shows(character) ? NULL : "\xef\xbf\xbd";
	}
}

/* What isn't UTF-8, or doesn't show, is U+FFFD. */
static void put_value(struct metrics *metrics, const char *value)
{
	struct text rest = {value, strnlen(value, METRICS_VALUE)};

	while (rest.length > 0) {
		uint32_t character = 0;
		size_t size = text_char(rest, &character);
		const char *escaped = size > 0 ? escape(character) : "\xef\xbf\xbd";

		if (escaped)
			put(metrics, escaped);
		else
			writer_bytes(&metrics->out, rest.start, size);
		rest.start += size ? size : 1;
		rest.length -= size ? size : 1;
	}
}

void metrics_family(
	struct metrics *metrics, const char *name, enum metrics_type type, const char *help)
{
	static const char *const types[] = {
		[METRICS_COUNTER] = "counter",
		[METRICS_GAUGE] = "gauge",
		[METRICS_HISTOGRAM] = "histogram",
	};

	metrics->family = name;
	put(metrics, "# HELP ");
	put(metrics, name);
	put(metrics, " ");
	put(metrics, help);
	put(metrics, "\n# TYPE ");
	put(metrics, name);
	put(metrics, " ");
	put(metrics, types[type]);
	put(metrics, "\n");
}

static void put_labels(struct metrics *metrics, const struct metrics_label *labels, size_t n_labels)
{
	const char *before = "{";

	for (size_t i = 0; i < n_labels; i++) {
		if (!labels[i].name)
			continue;
		put(metrics, before);
		put(metrics, labels[i].name);
		put(metrics, "=\"");
		put_value(metrics, labels[i].value);
		put(metrics, "\"");
		before = ",";
	}
	if (*before == ',')
		put(metrics, "}");
}

void metrics_labelled(struct metrics *metrics, const char *suffix,
	const struct metrics_label *labels, size_t n_labels, uint64_t value, unsigned digits)
{
	char number[NUMBER_TEXT];

	put(metrics, metrics->family);
	put(metrics, suffix);
	put_labels(metrics, labels, n_labels);
	put(metrics, " ");
	put(metrics, write_number(value, digits, number));
	put(metrics, "\n");
}

void metrics_decimal(struct metrics *metrics, const char *suffix, struct metrics_label label,
	uint64_t value, unsigned digits)
{
	metrics_labelled(metrics, suffix, &label, 1, value, digits);
}

void metrics_count(
	struct metrics *metrics, const char *suffix, struct metrics_label label, uint64_t value)
{
	metrics_labelled(metrics, suffix, &label, 1, value, 0);
}

void metrics_histogram(struct metrics *metrics, struct metrics_label label, const unsigned *bounds,
	const uint64_t *counts, size_t n_bounds, uint64_t sum)
{
	uint64_t count = 0;

	for (size_t i = 0; i <= n_bounds; i++) {
		char number[NUMBER_TEXT];
		const char *bound = i < n_bounds ? write_number(bounds[i], 3, number) : "+Inf";
		const struct metrics_label labels[] = {label, {"le", bound}};

		count += counts[i];
		metrics_labelled(metrics, "_bucket", labels, 2, count, 0);
	}
	metrics_decimal(metrics, "_sum", label, sum, DECIMAL_MAX);
	metrics_count(metrics, "_count", label, count);
}

size_t metrics_end(const struct metrics *metrics)
{
	return metrics->out.failed ? 0 : metrics->out.pos;
}
