/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/yaml.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct yaml {
	yaml_emitter_t emitter;
	int error;
};

struct yaml *yaml_new(FILE *out)
{
	struct yaml *yaml = calloc(1, sizeof(*yaml));
	yaml_event_t event;

	if (!yaml || !yaml_emitter_initialize(&yaml->emitter)) {
		free(yaml);
		return NULL;
	}
	yaml_emitter_set_output_file(&yaml->emitter, out);
	yaml_emitter_set_unicode(&yaml->emitter, 1);
	yaml_emitter_set_width(&yaml->emitter, -1);
	if (!yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) ||
		!yaml_emitter_emit(&yaml->emitter, &event))
		yaml->error = -ENOMEM;
	return yaml;
}

/* Takes the event over, if it was made. */
static void emit(struct yaml *yaml, yaml_event_t *event, int made)
{
	if (!made && yaml->error == 0)
		yaml->error = -ENOMEM;
	if (!made)
		return;
	if (yaml->error != 0) {
		yaml_event_delete(event);
		return;
	}
	if (!yaml_emitter_emit(&yaml->emitter, event))
		yaml->error = yaml->emitter.error == YAML_MEMORY_ERROR ? -ENOMEM : -EIO;
}

int yaml_end(struct yaml *yaml)
{
	yaml_event_t event;
	int error;

	emit(yaml, &event, yaml_stream_end_event_initialize(&event));
	if (yaml->error == 0 && !yaml_emitter_flush(&yaml->emitter))
		yaml->error = -EIO;
	error = yaml->error;
	yaml_emitter_delete(&yaml->emitter);
	free(yaml);
	return error;
}

void yaml_begin_document(struct yaml *yaml)
{
	yaml_event_t event;

	emit(yaml, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 0));
}

void yaml_end_document(struct yaml *yaml)
{
	yaml_event_t event;

	emit(yaml, &event, yaml_document_end_event_initialize(&event, 1));
}

void yaml_begin_map(struct yaml *yaml)
{
	yaml_event_t event;

	emit(yaml, &event,
		yaml_mapping_start_event_initialize(
			&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
}

void yaml_end_map(struct yaml *yaml)
{
	yaml_event_t event;

	emit(yaml, &event, yaml_mapping_end_event_initialize(&event));
}

void yaml_begin_list(struct yaml *yaml)
{
	yaml_event_t event;

	emit(yaml, &event,
		yaml_sequence_start_event_initialize(
			&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE));
}

void yaml_end_list(struct yaml *yaml)
{
	yaml_event_t event;

	emit(yaml, &event, yaml_sequence_end_event_initialize(&event));
}

static void emit_scalar(struct yaml *yaml, const char *text, yaml_scalar_style_t style)
{
	bool plain = style == YAML_PLAIN_SCALAR_STYLE;
	yaml_event_t event;

	emit(yaml, &event,
		yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
			(int)strlen(text), plain, !plain, style));
}

void yaml_key(struct yaml *yaml, const char *key)
{
	emit_scalar(yaml, key, YAML_PLAIN_SCALAR_STYLE);
}

void yaml_string(struct yaml *yaml, const char *text)
{
	emit_scalar(yaml, text, YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

void yaml_number(struct yaml *yaml, long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", number);
	emit_scalar(yaml, text, YAML_PLAIN_SCALAR_STYLE);
}

void yaml_word(struct yaml *yaml, const char *word)
{
	emit_scalar(yaml, word, YAML_PLAIN_SCALAR_STYLE);
}

void yaml_pair(struct yaml *yaml, const char *key, const char *text)
{
	yaml_key(yaml, key);
	yaml_string(yaml, text);
}
