/* SPDX-License-Identifier: GPL-2.0-or-later */
extern "C" {
#include "rules/toml.h"
}

#include <algorithm>
#include <cerrno>
#include <exception>
#include <new>
#include <string>
#include <string_view>

#include <toml++/toml.h>

extern "C" {
#include "rules/codes.h"
#include "rules/lex.h"
#include "rules/quote.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
}

/*
 * Theory of operation
 *
 * The only C++ of the tree: tomlplusplus parses, and its tree is copied into plain nodes at once,
 * so that nothing of it outlives a call. No exception leaves this file. The copy recurses as deep
 * as the document, which lex_is_bounded() has limited before.
 *
 * The library stops at the first error. Where its message or its place would puzzle somebody who
 * writes a policy (a word without quotes, a key given twice, a string that isn't closed), they are
 * replaced by ours: explain() is the list.
 */

namespace
{

using std::string_view;

struct text text_of_view(string_view view)
{
	struct text text = {view.data(), view.size()};

	return text;
}

string_view view_of(struct text text)
{
	return string_view(text.start, text.length);
}

struct toml_span span_of(const toml::source_region &region)
{
	struct toml_span span = {region.begin.line, region.begin.column, 1};

	if (region.end.line == region.begin.line && region.end.column > region.begin.column)
		span.width = region.end.column - region.begin.column;
	return span;
}

/* The library's kinds, each with ours. */
enum toml_kind kind_of(const toml::node &node)
{
	switch (node.type()) {
	case toml::node_type::string:
		return TOML_STRING;
	case toml::node_type::integer:
		return TOML_INTEGER;
	case toml::node_type::floating_point:
		return TOML_REAL;
	case toml::node_type::boolean:
		return TOML_BOOLEAN;
	case toml::node_type::date:
		return TOML_DATE;
	case toml::node_type::time:
		return TOML_TIME;
	case toml::node_type::date_time:
		return TOML_DATE_TIME;
	case toml::node_type::array:
		return TOML_ARRAY;
	default:
		return TOML_TABLE;
	}
}

/* A copy of the text in the arena; throws when that is full. */
struct text copy_text(struct arena *arena, string_view from)
{
	const char *copy = arena_strndup(arena, from.data(), from.size());

	if (!copy)
		throw std::bad_alloc();
	return text_of_view(string_view(copy, from.size()));
}

struct toml_node *new_children(struct arena *arena, struct toml_node &parent, size_t count)
{
	void *memory = arena_array(arena, count, sizeof(struct toml_node));

	if (!memory)
		throw std::bad_alloc();
	parent.n_children = count;
	parent.children = static_cast<struct toml_node *>(memory);
	return static_cast<struct toml_node *>(memory);
}

void copy_node(struct arena *arena, const toml::node &from, struct toml_node &to);

void copy_array(struct arena *arena, const toml::array &from, struct toml_node &to)
{
	struct toml_node *child = new_children(arena, to, from.size());

	for (const toml::node &element : from)
		copy_node(arena, element, *child++);
}

/* The library sorts a table by its keys: back into the order of the file. */
void copy_table(struct arena *arena, const toml::table &from, struct toml_node &to)
{
	struct toml_node *children = new_children(arena, to, from.size());
	struct toml_node *child = children;

	for (auto &&[key, value] : from) {
		copy_node(arena, value, *child);
		child->key = copy_text(arena, key.str());
		child->key_at = span_of(key.source());
		child++;
	}
	std::sort(children, child, [](const toml_node &a, const toml_node &b) {
		if (a.key_at.line != b.key_at.line)
			return a.key_at.line < b.key_at.line;
		return a.key_at.column < b.key_at.column;
	});
}

/* Days from 1970-01-01, in the Gregorian calendar (H. Hinnant, "chrono-compatible low-level date
 * algorithms", days_from_civil). */
int64_t days_of(const toml::date &date)
{
	int64_t year = date.year - (date.month <= 2);
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year =
		(153 * (date.month + (date.month > 2 ? -3 : 9)) + 2) / 5 + date.day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

int64_t seconds_of(const toml::date_time &at)
{
	int64_t seconds = days_of(at.date) * 86400 + at.time.hour * 3600 + at.time.minute * 60 +
			  at.time.second;

	return at.offset ? seconds - at.offset->minutes * 60 : seconds;
}

void copy_node(struct arena *arena, const toml::node &from, struct toml_node &to)
{
	to.kind = kind_of(from);
	to.at = span_of(from.source());
	if (auto string = from.as_string())
		to.value.string = copy_text(arena, string->get());
	else if (auto integer = from.as_integer())
		to.value.integer = integer->get();
	else if (auto real = from.as_floating_point())
		to.value.real = real->get();
	else if (auto boolean = from.as_boolean())
		to.value.boolean = boolean->get();
	else if (auto date = from.as_date())
		to.value.seconds = days_of(date->get()) * 86400;
	else if (auto date_time = from.as_date_time())
		to.value.seconds = seconds_of(date_time->get());
	else if (auto array = from.as_array())
		copy_array(arena, *array, to);
	else if (auto table = from.as_table())
		copy_table(arena, *table, to);
}

/* A document being parsed, for its errors. */
struct document {
	const char *file;
	struct text text;
	struct diag *diag;
};

/* An error about the text from one offset to another, or the character at `from`. */
void report(const document &document, size_t from, size_t to, const std::string &message,
	enum code code = CODE_TOML)
{
	struct place place = {document.file, 0, 0, 1};

	lex_place(document.text, from, &place.line, &place.column);
	if (to > from)
		place.width =
			lex_width(text_of_view(view_of(document.text).substr(from, to - from)));
	diag_error(document.diag, code, place, "%s", message.c_str());
}

std::string quoted(string_view view)
{
	char out[QUOTE_TEXT];

	return quote(text_of_view(view), out);
}

/* What the library says: "Error while parsing SCOPE: REASON", and where. */
struct complaint {
	string_view scope;
	string_view reason;
	size_t offset;
};

complaint complaint_of(const document &document, const toml::parse_error &error)
{
	constexpr string_view head = "Error while parsing ";
	const toml::source_position &at = error.source().begin;
	complaint complaint = {"document", error.description(), 0};
	size_t colon = complaint.reason.find(": ");

	complaint.offset = lex_offset(document.text, at.line, at.column);
	if (complaint.reason.substr(0, head.size()) == head && colon != string_view::npos) {
		complaint.scope = complaint.reason.substr(head.size(), colon - head.size());
		complaint.reason.remove_prefix(colon + 2);
	}
	return complaint;
}

/* The text without the blanks at its end. */
string_view trim_end(string_view view)
{
	size_t end = view.find_last_not_of(" \t\r\n");

	return view.substr(0, end == string_view::npos ? 0 : end + 1);
}

/* A key given a second time: the library's place is that of its value. */
bool explain_key_twice(const document &document, const complaint &complaint)
{
	string_view text = view_of(document.text);
	size_t start = lex_item(document.text, complaint.offset);
	string_view key = trim_end(text.substr(start, complaint.offset - start));

	if (complaint.scope != "key-value pair" ||
		complaint.reason.substr(0, 25) != "cannot redefine existing " || key.empty() ||
		key.back() != '=')
		return false;
	key = trim_end(key.substr(0, key.size() - 1));
	report(document, start, start + key.size(), "the key " + quoted(key) + " is given twice");
	return true;
}

/* A table's header a second time. */
bool explain_table_twice(const document &document, const complaint &complaint)
{
	string_view rest = view_of(document.text).substr(complaint.offset);
	string_view header = rest.substr(0, rest.find_first_of("\r\n#"));

	if (complaint.scope != "table header" ||
		complaint.reason.substr(0, 31) != "cannot redefine existing table " ||
		complaint.reason.find("' as ") != string_view::npos)
		return false;
	header = trim_end(header);
	report(document, complaint.offset, complaint.offset + header.size(),
		"the table " + quoted(header) + " is given twice");
	return true;
}

/* A value that is none: most often text without quotes. */
bool explain_value(const document &document, const complaint &complaint)
{
	static constexpr string_view scopes[] = {"value", "boolean", "decimal integer",
		"hexadecimal integer", "octal integer", "binary integer", "floating-point",
		"hexadecimal floating-point", "date", "time", "date-time"};
	constexpr string_view ends = " \t\r\n,=#[]{}\"'";
	string_view text = view_of(document.text);
	size_t start = complaint.offset, end;
	std::string reason;

	if (std::find(std::begin(scopes), std::end(scopes), complaint.scope) == std::end(scopes))
		return false;
	while (start > 0 && ends.find(text[start - 1]) == string_view::npos)
		start--;
	end = std::min(text.find_first_of(ends, start), text.size());
	if (start == end)
		return false;
	/* What starts like a number may have been meant as one. */
	if (string_view("+-0123456789").find(text[start]) != string_view::npos)
		reason = " (" + std::string(complaint.reason) + ")";
	report(document, start, end,
		quoted(text.substr(start, end - start)) + " is not a value" + reason +
			"; text needs quotes around it");
	return true;
}

/* A string, or the whole file, that ends too early. */
bool explain_end(const document &document, const complaint &complaint)
{
	string_view text = view_of(document.text);
	bool at_end = complaint.offset >= text.size();

	if (complaint.reason == "encountered end-of-file") {
		report(document, complaint.offset, 0,
			"the file ends before the " + std::string(complaint.scope) + " does");
		return true;
	}
	if (complaint.scope.find("string") == string_view::npos || at_end ||
		(text[complaint.offset] != '\n' && text[complaint.offset] != '\r'))
		return false;
	report(document, complaint.offset, 0,
		"the " + std::string(complaint.scope) + " is not closed on its line");
	return true;
}

void explain(const document &document, const complaint &complaint)
{
	if (explain_key_twice(document, complaint) || explain_table_twice(document, complaint) ||
		explain_value(document, complaint) || explain_end(document, complaint))
		return;
	report(document, complaint.offset, 0, std::string(complaint.reason));
}

/* A text with a fault, which the parser must not see: an error before the fault's line is the one
 * to be told of. */
void explain_fault(const document &document, const struct lex_fault &fault)
{
	string_view before = view_of(document.text).substr(0, fault.offset);
	size_t line = before.find_last_of('\n');

	try {
		(void)toml::parse(before);
	} catch (const toml::parse_error &error) {
		complaint complaint = complaint_of(document, error);

		if (line != string_view::npos && complaint.offset <= line) {
			explain(document, complaint);
			return;
		}
	}
	report(document, fault.offset, 0, fault.problem, CODE_TOO_LARGE);
}

/* Memory ran out while the library was at work. Its streams keep that to themselves, and it then
 * takes a number for a word: what it objects to is not the document's fault. */
bool is_starved;

[[noreturn]] void starve()
{
	is_starved = true;
	throw std::bad_alloc();
}

/* Has memory that runs out be noticed for as long as it lives. */
class starvation
{
	std::new_handler before = std::set_new_handler(starve);

      public:
	starvation()
	{
		is_starved = false;
	}
	~starvation()
	{
		std::set_new_handler(before);
	}
	starvation(const starvation &) = delete;
	starvation &operator=(const starvation &) = delete;
};

int parse(struct arena *arena, const document &document, struct toml_node &root)
{
	struct lex_fault fault;

	if (document.text.length > LEX_SIZE_MAX) {
		diag_error(document.diag, CODE_TOO_LARGE, {document.file, 0, 0, 0},
			"larger than 64 MiB");
		return -EINVAL;
	}
	if (!lex_is_text(document.text, &fault)) {
		report(document, fault.offset, 0, fault.problem);
		return -EINVAL;
	}
	if (!lex_is_bounded(document.text, &fault)) {
		explain_fault(document, fault);
		return -EINVAL;
	}
	try {
		copy_node(arena, toml::parse(view_of(document.text)), root);
	} catch (const toml::parse_error &error) {
		if (is_starved)
			return -ENOMEM;
		explain(document, complaint_of(document, error));
		return -EINVAL;
	}
	return is_starved ? -ENOMEM : 0;
}

} // namespace

extern "C" int toml_parse(struct arena *arena, const char *file, struct text text,
	struct diag *diag, const struct toml_node **ret_root)
{
	void *memory = arena_alloc(arena, sizeof(struct toml_node));
	struct toml_node *root = static_cast<struct toml_node *>(memory);
	int error;

	if (!root)
		return -ENOMEM;

	starvation noticed;

	try {
		error = parse(arena, {file, text, diag}, *root);
	} catch (const std::bad_alloc &) {
		return -ENOMEM;
	} catch (const std::exception &exception) {
		diag_error(diag, CODE_TOML, {file, 0, 0, 0}, "the TOML parser fails: %s",
			exception.what());
		return -EINVAL;
	}
	if (error == 0)
		*ret_root = root;
	return error;
}

extern "C" const char *toml_kind_name(enum toml_kind kind)
{
	static const char *const names[TOML_KINDS] = {"a string", "an integer", "a float",
		"a boolean", "a date", "a time", "a date-time", "an array", "a table"};

	return names[kind];
}
