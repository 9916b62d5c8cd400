/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/replay/message.h"

#include <errno.h>
#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/base/buf.h"

enum {
	HEADER_SIZE = 12,
	TYPE_OPT = 41,
	CLASS_IN = 1,
	OPTION_COOKIE = 10,
	OPTION_EDE = 15,
	CLIENT_COOKIE = 8,
	UPSTREAM_EDNS = 1232,
};

enum section { QUESTION, ANSWER, AUTHORITY, ADDITIONAL, SECTIONS };

static const char *const section_names[SECTIONS] = {
	"question", "answer", "authority", "additional"};

static const struct {
	const char *name;
	unsigned value;
} rcodes[] = {
	{"NOERROR", 0},
	{"FORMERR", 1},
	{"SERVFAIL", 2},
	{"NXDOMAIN", 3},
	{"NOTIMP", 4},
	{"REFUSED", 5},
	{"NOTAUTH", 9},
	{"BADVERS", 16},
	{"BADCOOKIE", 23},
};

#define N_RCODES (sizeof(rcodes) / sizeof(rcodes[0]))

/* Flags as words: set by a word of their name, in queries and in replies. */
static const struct {
	const char *name;
	uint16_t bit;
} flags[] = {
	{"qr", 0x8000},
	{"aa", 0x0400},
	{"tc", 0x0200},
	{"rd", 0x0100},
	{"ra", 0x0080},
	{"z", 0x0040},
	{"ad", 0x0020},
	{"cd", 0x0010},
};

#define N_FLAGS (sizeof(flags) / sizeof(flags[0]))
#define FLAG_RD 0x0100
#define FLAGS_REPLY 0x8180
#define FLAGS_SHOWN 0x0660 /* of a reply: aa, tc, z, ad; the others depend on the query */

/* A message being written. */
struct draft {
	struct writer writer;
	unsigned counts[SECTIONS];
	struct fault *fault;
	const uint8_t *cookie; /* of the question that is answered */
	unsigned rcode;
};

static int number_of(const struct script_line *line, size_t first, const char *key, uint64_t max,
	uint64_t *number, struct fault *fault)
{
	struct text value;

	if (!script_value(line, first, key, &value))
		return 0;
	if (text_to_number(value, max, number) < 0)
		return fault_set(fault, line->number, "'%s=%.*s' is not a number up to %llu", key,
			TEXT_ARG(value), (unsigned long long)max);
	return 0;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = strchr(digits, text_lower(c));

	return c && at ? (int)(at - digits) : -1;
}

static int write_hex(struct draft *draft, unsigned number, struct text word)
{
	for (size_t i = 0; i < word.length; i += 2) {
		int high = hex_digit(word.start[i]);
		int low = i + 1 < word.length ? hex_digit(word.start[i + 1]) : -1;

		if (high < 0 || low < 0)
			return fault_set(draft->fault, number, "'%.*s' is not hex", TEXT_ARG(word));
		writer_u8(&draft->writer, (uint8_t)(high << 4 | low));
	}
	return 0;
}

/* "00*300": a byte many times. */
static int write_repeated(struct draft *draft, unsigned number, struct text byte, struct text times)
{
	uint64_t count;

	if (text_to_number(times, MESSAGE_MAX, &count) < 0)
		return fault_set(draft->fault, number, "'%.*s' is not a count", TEXT_ARG(times));
	for (uint64_t i = 0; i < count; i++) {
		int error = write_hex(draft, number, byte);
		if (error < 0)
			return error;
	}
	return 0;
}

/* The words of a line from `first` on: hex digits, "id" and "question" of what was asked. */
static int write_hex_line(struct draft *draft, const struct script_line *line, size_t first,
	const struct message_asked *asked)
{
	for (size_t i = first; i < line->n_words; i++) {
		struct text word = line->words[i];
		struct text byte, times;
		int error = 0;

		if (text_is(word, "id"))
			writer_u16(&draft->writer, asked->id);
		else if (text_is(word, "question"))
			writer_bytes(&draft->writer, asked->question, asked->question_size);
		else if (text_cut(word, '*', &byte, &times))
			error = write_repeated(draft, line->number, byte, times);
		else if (!text_cut(word, '=', &byte, &times) && !text_is(word, "tcp"))
			error = write_hex(draft, line->number, word);
		if (error < 0)
			return error;
	}
	return 0;
}

static int write_hex_step(struct draft *draft, const struct script_step *step, size_t first,
	const struct message_asked *asked)
{
	int error = write_hex_line(draft, &step->head, first, asked);

	for (size_t i = 0; i < step->n_lines && error == 0; i++)
		error = write_hex_line(draft, &step->lines[i], 0, asked);
	return error;
}

static int type_of(struct text text, uint16_t *ret_type)
{
	char name[32];
	ldns_rr_type type;

	if (text.length == 0 || text.length >= sizeof(name))
		return -EINVAL;
	memcpy(name, text.start, text.length);
	name[text.length] = '\0';
	type = ldns_get_rr_type_by_name(name);
	if (type == 0 && !text_is(text, "TYPE0"))
		return -EINVAL;
	*ret_type = (uint16_t)type;
	return 0;
}

void message_type_text(uint16_t type, char *out)
{
	char *text = ldns_rr_type2str((ldns_rr_type)type);

	snprintf(out, 32, "%s", text);
	free(text);
}

/* A name in the letter case in which it is written. */
static int write_name(struct draft *draft, unsigned number, struct text text)
{
	char name[1100];
	ldns_rdf *rdf;

	if (text.length == 0 || text.length >= sizeof(name))
		return fault_set(draft->fault, number, "a name is missing");
	memcpy(name, text.start, text.length);
	name[text.length] = '\0';
	rdf = ldns_dname_new_frm_str(name);
	if (!rdf)
		return fault_set(draft->fault, number, "'%s' is not a name", name);
	writer_bytes(&draft->writer, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
	ldns_rdf_deep_free(rdf);
	return 0;
}

/* "NAME TYPE [class=N]" from word `first` of a line on. */
static int write_question(struct draft *draft, const struct script_line *line, size_t first)
{
	uint64_t class = CLASS_IN;
	uint16_t type;
	int error;

	if (line->n_words < first + 2 || type_of(line->words[first + 1], &type) < 0)
		return fault_set(draft->fault, line->number, "a question is a name and a type");
	error = write_name(draft, line->number, line->words[first]);
	if (error == 0)
		error = number_of(line, first, "class", UINT16_MAX, &class, draft->fault);
	writer_u16(&draft->writer, type);
	writer_u16(&draft->writer, (uint16_t) class);
	draft->counts[QUESTION]++;
	return error;
}

/* The section that a line names with its first word (an answer where it names none), and the text
 * of its record. */
static enum section section_of(const struct script_line *line, struct text *ret_record)
{
	*ret_record = line->all;
	for (unsigned i = ANSWER; i < SECTIONS; i++) {
		if (text_is(line->words[0], section_names[i])) {
			ret_record->start += line->words[0].length;
			ret_record->length -= line->words[0].length;
			*ret_record = text_trim(*ret_record);
			return (enum section)i;
		}
	}
	return ANSWER;
}

/* A record as in a zone file, every name absolute. NULL with *fault. */
static ldns_rr *parse_record(const struct script_line *line, struct text text, struct fault *fault)
{
	char *string = strndup(text.start, text.length);
	ldns_rdf *root = ldns_dname_new_frm_str(".");
	ldns_rr *record = NULL;
	ldns_status status = ldns_rr_new_frm_str(&record, string, 0, root, NULL);

	ldns_rdf_deep_free(root);
	free(string);
	if (status == LDNS_STATUS_OK)
		return record;
	fault_set(
		fault, line->number, "'%.*s': %s", TEXT_ARG(text), ldns_get_errorstr_by_id(status));
	return NULL;
}

static int write_record(struct draft *draft, const struct script_line *line)
{
	struct text text;
	enum section section = section_of(line, &text);
	ldns_rr *record = parse_record(line, text, draft->fault);
	uint8_t *bytes = NULL;
	size_t size = 0;

	if (!record)
		return -EINVAL;
	if (ldns_rr2wire(&bytes, record, LDNS_SECTION_ANSWER, &size) != LDNS_STATUS_OK)
		size = 0;
	writer_bytes(&draft->writer, bytes, size);
	draft->counts[section]++;
	free(bytes);
	ldns_rr_free(record);
	return 0;
}

/* An OPT record where the line says edns=SIZE: version=N, do, option=CODE:HEX, opts=N of it. */
static int write_opt(struct draft *draft, const struct script_line *line, size_t first)
{
	uint64_t size = 0, version = 0, copies = 1, code = 0;
	struct text value, code_text, data = {.start = ""};
	bool has_option = script_value(line, first, "option", &value);
	int error = number_of(line, first, "edns", UINT16_MAX, &size, draft->fault);

	if (!script_value(line, first, "edns", &code_text))
		return error;
	if (error == 0)
		error = number_of(line, first, "version", UINT8_MAX, &version, draft->fault);
	if (error == 0)
		error = number_of(line, first, "opts", 9, &copies, draft->fault);
	if (has_option && (!text_cut(value, ':', &code_text, &data) ||
				  text_to_number(code_text, UINT16_MAX, &code) < 0))
		error = fault_set(draft->fault, line->number, "an option is CODE:HEX");
	for (uint64_t i = 0; i < copies && error == 0; i++) {
		writer_u8(&draft->writer, 0);
		writer_u16(&draft->writer, TYPE_OPT);
		writer_u16(&draft->writer, (uint16_t)size);
		writer_u16(&draft->writer, (uint16_t)version);
		writer_u16(&draft->writer, script_has(line, first, "do") ? 0x8000 : 0);
		writer_u16(&draft->writer, (uint16_t)(has_option ? 4 + data.length / 2 : 0));
		if (has_option) {
			writer_u16(&draft->writer, (uint16_t)code);
			writer_u16(&draft->writer, (uint16_t)(data.length / 2));
			error = write_hex(draft, line->number, data);
		}
		draft->counts[ADDITIONAL]++;
	}
	return error;
}

/* An OPT record with a COOKIE option where the line says cookie=HEX, the server's part: behind the
 * client's part of the question, or behind another one (cookie-of-another=HEX). */
static int write_cookie(struct draft *draft, const struct script_line *line, size_t first)
{
	uint8_t client[CLIENT_COOKIE] = {0};
	struct text value;
	bool own = script_value(line, first, "cookie", &value);

	if (!own && !script_value(line, first, "cookie-of-another", &value))
		return 0;
	if (own && !draft->cookie)
		return fault_set(draft->fault, line->number, "the question has no cookie");
	if (own)
		memcpy(client, draft->cookie, CLIENT_COOKIE);
	writer_u8(&draft->writer, 0);
	writer_u16(&draft->writer, TYPE_OPT);
	writer_u16(&draft->writer, UPSTREAM_EDNS);
	writer_u8(&draft->writer, (uint8_t)(draft->rcode >> 4));
	writer_u8(&draft->writer, 0);
	writer_u16(&draft->writer, 0);
	writer_u16(&draft->writer, (uint16_t)(4 + CLIENT_COOKIE + value.length / 2));
	writer_u16(&draft->writer, OPTION_COOKIE);
	writer_u16(&draft->writer, (uint16_t)(CLIENT_COOKIE + value.length / 2));
	writer_bytes(&draft->writer, client, CLIENT_COOKIE);
	draft->counts[ADDITIONAL]++;
	return write_hex(draft, line->number, value);
}

/* Everything behind the question, then the header's counts and the bytes behind the end. */
static int finish(
	struct draft *draft, const struct script_step *step, size_t first, struct message *message)
{
	const struct script_line *line = &step->head;
	uint64_t questions = draft->counts[QUESTION], cut = MESSAGE_MAX;
	struct text tail;
	int error = 0;

	for (size_t i = 0; i < step->n_lines && error == 0; i++) {
		if (!text_is(step->lines[i].words[0], section_names[QUESTION]))
			error = write_record(draft, &step->lines[i]);
	}
	if (error == 0)
		error = write_opt(draft, line, first);
	if (error == 0)
		error = write_cookie(draft, line, first);
	if (error == 0)
		error = number_of(line, first, "count", UINT16_MAX, &questions, draft->fault);
	if (error == 0)
		error = number_of(line, first, "cut", MESSAGE_MAX, &cut, draft->fault);
	if (error == 0 && script_value(line, first, "tail", &tail))
		error = write_hex(draft, line->number, tail);
	if (error == 0 && draft->writer.failed)
		error = fault_set(draft->fault, line->number, "the message is too long");
	if (error < 0)
		return error;
	writer_u16_at(&draft->writer, 4, (uint16_t)questions);
	for (unsigned i = ANSWER; i < SECTIONS; i++)
		writer_u16_at(&draft->writer, 4 + 2 * i, (uint16_t)draft->counts[i]);
	message->size = draft->writer.pos < cut ? draft->writer.pos : cut;
	return 0;
}

/* Flags named by a line's words, "no-" before a name clears one; and opcode=N. */
static int read_flags(
	const struct script_line *line, size_t first, struct fault *fault, uint16_t *value)
{
	uint64_t opcode = 0;
	int error = number_of(line, first, "opcode", 15, &opcode, fault);

	for (size_t i = 0; i < N_FLAGS; i++) {
		char no[8];

		snprintf(no, sizeof(no), "no-%s", flags[i].name);
		if (script_has(line, first, flags[i].name))
			*value |= flags[i].bit;
		if (script_has(line, first, no))
			*value &= (uint16_t)~flags[i].bit;
	}
	*value |= (uint16_t)(opcode << 11);
	return error;
}

static void write_header(struct draft *draft, uint16_t id, uint16_t value)
{
	writer_u16(&draft->writer, id);
	writer_u16(&draft->writer, value);
	for (unsigned i = 0; i < SECTIONS; i++)
		writer_u16(&draft->writer, 0);
}

/* The question lines of a step; how many there are goes to *ret_lines. */
static int write_question_lines(
	struct draft *draft, const struct script_step *step, unsigned *ret_lines)
{
	*ret_lines = 0;
	for (size_t i = 0; i < step->n_lines; i++) {
		int error;

		if (!text_is(step->lines[i].words[0], section_names[QUESTION]))
			continue;
		error = write_question(draft, &step->lines[i], 1);
		if (error < 0)
			return error;
		*ret_lines += 1;
	}
	return 0;
}

int message_query(const struct script_step *step, size_t first, uint16_t id,
	struct message *ret_message, struct fault *fault)
{
	const struct script_line *line = &step->head;
	struct draft draft = {.fault = fault};
	uint64_t own_id = id;
	uint16_t value = FLAG_RD;
	unsigned more;
	int error;

	draft.writer = writer_over(ret_message->bytes, sizeof(ret_message->bytes));
	if (line->n_words > first && text_is(line->words[first], "hex")) {
		error = write_hex_step(&draft, step, first + 1, &(struct message_asked){.id = id});
		ret_message->size = draft.writer.pos;
		return error;
	}
	error = number_of(line, first, "id", UINT16_MAX, &own_id, fault);
	if (error == 0)
		error = read_flags(line, first, fault, &value);
	if (error < 0)
		return error;
	write_header(&draft, (uint16_t)own_id, value);
	if (!script_has(line, first, "no-question")) {
		error = write_question(&draft, line, first);
		if (error == 0)
			error = write_question_lines(&draft, step, &more);
	}
	return error < 0 ? error : finish(&draft, step, first, ret_message);
}

static int rcode_of(
	const struct script_line *line, size_t first, struct fault *fault, unsigned *ret_rcode)
{
	for (size_t i = 0; i < N_RCODES && line->n_words > first; i++) {
		if (text_is(line->words[first], rcodes[i].name)) {
			*ret_rcode = rcodes[i].value;
			return 0;
		}
	}
	return fault_set(fault, line->number, "an RCODE is missing (NOERROR, NXDOMAIN...)");
}

/* The question that was asked, in its letters or all of them in the other case. */
static void write_echo(struct draft *draft, const struct message_asked *asked, bool other_case)
{
	for (size_t i = 0; i < asked->question_size; i++) {
		uint8_t c = asked->question[i];
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

		/* Not in the type and the class. */
		writer_u8(&draft->writer,
			other_case && letter && i + 4 < asked->question_size ? c ^ 0x20 : c);
	}
}

int message_reply(const struct script_step *step, size_t first, const struct message_asked *asked,
	struct message *ret_message, struct fault *fault)
{
	const struct script_line *line = &step->head;
	struct draft draft = {.fault = fault};
	uint64_t id = asked->id;
	uint16_t value = FLAGS_REPLY;
	unsigned rcode, lines;
	int error;

	draft.writer = writer_over(ret_message->bytes, sizeof(ret_message->bytes));
	if (line->n_words > first && text_is(line->words[first], "hex")) {
		error = write_hex_step(&draft, step, first + 1, asked);
		ret_message->size = draft.writer.pos;
		return error;
	}
	error = rcode_of(line, first, fault, &rcode);
	if (error == 0)
		error = read_flags(line, first, fault, &value);
	if (error < 0)
		return error;
	if (script_has(line, first, "wrong-id"))
		id ^= 1;
	write_header(&draft, (uint16_t)id, (uint16_t)(value | (rcode & 15)));
	error = write_question_lines(&draft, step, &lines);
	draft.cookie = asked->cookie;
	draft.rcode = rcode;
	if (error == 0 && lines == 0 && !script_has(line, first, "no-question")) {
		write_echo(&draft, asked, script_has(line, first, "other-case"));
		draft.counts[QUESTION] = 1;
	}
	return error < 0 ? error : finish(&draft, step, first, ret_message);
}

/* One record as text in lower case with single blanks. */
static void print_record(const ldns_rr *record, enum section section, FILE *out)
{
	char *text = ldns_rr2str(record);

	fprintf(out, "%s ", section_names[section]);
	for (const char *at = text; *at && *at != '\n'; at++)
		fputc(*at == '\t' ? ' ' : text_lower(*at), out);
	fputc('\n', out);
	free(text);
}

static void print_head(unsigned rcode, uint16_t value, bool question, bool edns, FILE *out)
{
	const char *name = "RCODE?";

	for (size_t i = 0; i < N_RCODES; i++) {
		if (rcodes[i].value == rcode)
			name = rcodes[i].name;
	}
	fprintf(out, "%s", name);
	for (size_t i = 0; i < N_FLAGS; i++) {
		if (value & flags[i].bit & FLAGS_SHOWN)
			fprintf(out, " %s", flags[i].name);
	}
	fprintf(out, "%s%s\n", question ? "" : " no-question", edns ? " edns" : "");
}

int message_expected(
	const struct script_step *step, size_t first, bool edns, FILE *out, struct fault *fault)
{
	const struct script_line *line = &step->head;
	struct text value, record_text;
	uint16_t bits = 0;
	unsigned rcode;
	int error = rcode_of(line, first, fault, &rcode);

	if (error == 0)
		error = read_flags(line, first, fault, &bits);
	if (error < 0)
		return error;
	edns = (edns || script_has(line, first, "edns")) && !script_has(line, first, "no-edns");
	print_head(rcode, bits, !script_has(line, first, "no-question"), edns, out);
	if (script_value(line, first, "option", &value))
		fprintf(out, "option %.*s\n", TEXT_ARG(value));
	if (script_value(line, first, "ede", &value)) {
		fprintf(out, "ede %.*s", TEXT_ARG(value));
		if (script_value(line, first, "text", &value))
			fprintf(out, " \"%.*s\"", TEXT_ARG(value));
		fputc('\n', out);
	}
	for (size_t i = 0; i < step->n_lines; i++) {
		enum section section = section_of(&step->lines[i], &record_text);
		ldns_rr *record = parse_record(&step->lines[i], record_text, fault);

		if (!record)
			return -EINVAL;
		print_record(record, section, out);
		ldns_rr_free(record);
	}
	return 0;
}

/* The options of an OPT record: an Extended Error as one reads it, others by number. */
static void print_options(const ldns_rdf *data, FILE *out)
{
	struct reader reader;

	if (!data)
		return;
	reader = reader_over(ldns_rdf_data(data), ldns_rdf_size(data));
	while (reader_left(&reader) > 0) {
		uint16_t code = reader_u16(&reader);
		uint16_t size = reader_u16(&reader);
		struct reader option = reader_over(reader_bytes(&reader, size), size);

		if (reader.failed)
			break;
		if (code != OPTION_EDE) {
			fprintf(out, "option %u\n", code);
			continue;
		}
		fprintf(out, "ede %u", reader_u16(&option));
		if (reader_left(&option) > 0)
			fprintf(out, " \"%.*s\"", (int)reader_left(&option),
				(const char *)option.start + option.pos);
		fputc('\n', out);
	}
}

static void print_section(const ldns_rr_list *records, enum section section, FILE *out)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(records); i++)
		print_record(ldns_rr_list_rr(records, i), section, out);
}

void message_describe(const uint8_t *bytes, size_t size, FILE *out)
{
	ldns_pkt *packet = NULL;
	ldns_status status = ldns_wire2pkt(&packet, bytes, size);
	unsigned rcode;

	if (status != LDNS_STATUS_OK) {
		fprintf(out, "not a message: %s\n", ldns_get_errorstr_by_id(status));
		return;
	}
	rcode = ldns_pkt_get_rcode(packet) | (unsigned)ldns_pkt_edns_extended_rcode(packet) << 4;
	print_head(rcode, (uint16_t)(bytes[2] << 8 | bytes[3]), ldns_pkt_qdcount(packet) == 1,
		ldns_pkt_edns(packet), out);
	print_options(ldns_pkt_edns_data(packet), out);
	print_section(ldns_pkt_answer(packet), ANSWER, out);
	print_section(ldns_pkt_authority(packet), AUTHORITY, out);
	print_section(ldns_pkt_additional(packet), ADDITIONAL, out);
	ldns_pkt_free(packet);
}
