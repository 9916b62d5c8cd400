/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/losses.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>

#include "rules/codes.h"
#include "src/base/arena.h"
#include "src/base/json-parts.h"
#include "src/base/text.h"

struct loss {
	enum loss_kind kind;
	const char *what;
	const char *text;
	struct place place;
	struct loss *next;
};

struct losses {
	struct arena *arena;
	struct loss *first;
	struct loss **end;
	bool failed;
};

static const struct {
	const char *name;
	enum code code; /* of the warning, or of what is always an error */
} kinds[LOSS_KINDS] = {
	[LOSS_WIDER] = {"wider", CODE_LOSS_WIDER},
	[LOSS_NARROWER] = {"narrower", CODE_LOSS_NARROWER},
	[LOSS_UNWATCHED] = {"unwatched", CODE_LOSS_UNWATCHED},
	[LOSS_IMPOSSIBLE] = {"impossible", CODE_TARGET_CANNOT},
};

struct losses *losses_new(struct arena *arena)
{
	struct losses *losses = arena_alloc(arena, sizeof(*losses));

	if (!losses)
		return NULL;
	losses->arena = arena;
	losses->end = &losses->first;
	return losses;
}

void losses_add(struct losses *losses, enum loss_kind kind, const char *what, struct place place,
	const char *format, ...)
{
	struct loss *loss = arena_alloc(losses->arena, sizeof(*loss));
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = arena_vprintf(losses->arena, format, arguments);
	va_end(arguments);
	if (!loss || !text) {
		losses->failed = true;
		return;
	}
	*loss = (struct loss){kind, what, text_clean(text), place, NULL};
	*losses->end = loss;
	losses->end = &loss->next;
}

bool losses_have(const struct losses *losses, enum loss_kind kind)
{
	for (const struct loss *loss = losses->first; loss; loss = loss->next)
		if (loss->kind == kind)
			return true;
	return false;
}

bool losses_failed(const struct losses *losses)
{
	return losses->failed;
}

void losses_to_diag(const struct losses *losses, bool lossy, struct diag *diag)
{
	for (const struct loss *loss = losses->first; loss; loss = loss->next) {
		if (loss->kind == LOSS_IMPOSSIBLE)
			diag_error(diag, kinds[loss->kind].code, loss->place, "%s: %s", loss->what,
				loss->text);
		else if (loss->kind == LOSS_WIDER && !lossy)
			diag_error(
				diag, CODE_TARGET, loss->place, "%s: %s", loss->what, loss->text);
		else
			diag_warning(diag, kinds[loss->kind].code, loss->place, "%s: %s",
				loss->what, loss->text);
	}
}

void losses_to_comments(const struct losses *losses, FILE *out)
{
	for (const struct loss *loss = losses->first; loss; loss = loss->next)
		fprintf(out, "# %s: %s: %s\n", kinds[loss->kind].name, loss->what, loss->text);
}

static json_t *loss_object(const struct loss *loss)
{
	json_t *object = json_pack("{s:s, s:s, s:s}", "kind", kinds[loss->kind].name, "what",
		loss->what, "text", loss->text);

	if (!object || loss->place.line == 0)
		return object;
	object = json_parts_set(object, "file", json_parts_clean(loss->place.file));
	return json_parts_set(object, "line", json_integer(loss->place.line));
}

int losses_to_json(const struct losses *losses, const char *target, const char *policy, FILE *out)
{
	json_t *array = json_array(), *root;
	int error = -ENOMEM;

	for (const struct loss *loss = losses->first; loss; loss = loss->next)
		array = json_parts_add(array, loss_object(loss));
	root = json_pack("{s:s, s:s, s:o}", "target", target, "policy", policy, "losses", array);
	if (root && json_dumpf(root, out, JSON_INDENT(2)) == 0)
		error = 0;
	if (error == 0)
		fputc('\n', out);
	json_decref(root);
	return error;
}
