/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Names in wire form anywhere in a message, and the bounded reader and writer under them: the first
 * two bytes say where the name begins. */

#include <string.h>

#include "src/base/buf.h"
#include "src/base/name.h"
#include "tests/fuzz/fuzz.h"

static void check_form(const struct name *name)
{
	unsigned labels = name_labels(name);
	struct name parent = name_parent(name);
	char text[NAME_TEXT];

	fuzz_require(name->length >= 1 && name->wire[name->length - 1] == 0, "a name ends");
	fuzz_require(labels <= 127, "at most 127 labels");
	fuzz_require(strlen(name_to_text(name, text)) < NAME_TEXT, "a name as text fits");
	fuzz_require(name_labels(&parent) == (labels ? labels - 1 : 0), "a parent is one shorter");
	fuzz_require(name_is_below(name, &parent), "a name is below its parent");
	fuzz_require(labels == 0 || !name_is_below(&parent, name), "and not the other way round");
	fuzz_require(name_label_offset(name, labels) == name->length - 1u, "the root's label");
}

/* Written and read again it is the same. */
static void check_round_trip(const struct name *name)
{
	uint8_t bytes[NAME_WIRE_MAX];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct reader reader;
	struct name again = {.length = 0};

	name_write(&writer, name);
	fuzz_require(!writer.failed && writer.pos == name->length, "a name is written whole");
	reader = reader_over(bytes, writer.pos);
	name_read(&reader, &again);
	fuzz_require(!reader.failed && reader_left(&reader) == 0, "a name is read whole");
	fuzz_require(name_equal(name, &again), "a name read again is the same");
}

static void check_text(const uint8_t *data, size_t size)
{
	struct text text = {.start = (const char *)data, .length = size};
	struct name name = {.length = 0};

	if (name_from_text(text, &name) < 0)
		return;
	check_form(&name);
	check_round_trip(&name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader reader = reader_over(data, size);
	struct name name = {.length = 0};
	size_t start = reader_u16(&reader), before;

	check_text(data, size);
	reader_seek(&reader, start);
	while (!reader.failed) {
		before = reader.pos;
		name_read(&reader, &name);
		if (reader.failed)
			break;
		fuzz_require(reader.pos > before && reader.pos <= size, "a read name moves on");
		check_form(&name);
		check_round_trip(&name);
		reader_u32(&reader);
	}
	fuzz_require(reader_left(&reader) == 0 && reader_bytes(&reader, 1) == NULL,
		"after an error there is nothing left");
	return 0;
}
