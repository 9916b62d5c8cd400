/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/rules/layered.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rules/destination.h"
#include "rules/load.h"
#include "src/base/arena.h"
#include "src/base/diag.h"

static const char *print(struct arena *arena, const struct diag *diag)
{
	char *text = NULL;
	const char *copy;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	diag_print(diag, out);
	fclose(out);
	copy = arena_strndup(arena, text, size);
	free(text);
	assert_non_null(copy);
	return copy;
}

static int load(struct arena *arena, const char *text, size_t index, struct diag *diag,
	const struct policy **ret_policy)
{
	const struct load_options options = {.is_override = index > 0};
	const char *whole = arena_printf(arena, "version = 1\n%s", text);
	const char *file = index == 0 ? "base.toml" : arena_printf(arena, "o%zu.toml", index);

	assert_non_null(whole);
	assert_non_null(file);
	return policy_parse(arena, file, whole, strlen(whole), &options, diag, ret_policy);
}

int layered_try(struct arena *arena, const char *const *texts, const struct layers **ret_layers,
	const char **ret_said)
{
	const struct policy *policies[LAYERS_MAX + 1];
	struct diag *diag = diag_new(arena);
	size_t count = 0;
	int error = 0;

	assert_non_null(diag);
	for (; texts[count] && error == 0; count++)
		error = load(arena, texts[count], count, diag, &policies[count]);
	if (error == 0)
		error = layers_make(arena, policies, count, LAYERED_NOW, diag, ret_layers);
	assert_int_equal(error == -EINVAL, diag_failed(diag));
	*ret_said = print(arena, diag);
	return error;
}

const struct layers *layered(struct arena *arena, const char *const *texts)
{
	const struct layers *layers;
	const char *said;
	int error = layered_try(arena, texts, &layers, &said);

	if (error < 0 || *said)
		fail_msg("%s\nsaid of:\n%s", said, texts[0]);
	return layers;
}

const struct layers *layered_base(struct arena *arena, const char *base)
{
	const char *const texts[] = {base, NULL};

	return layered(arena, texts);
}

const struct layers *layered_two(struct arena *arena, const char *base, const char *override)
{
	const char *const texts[] = {base, override, NULL};

	return layered(arena, texts);
}

struct judgement layered_judge(
	const struct layers *layers, const char *destination, const char *address)
{
	struct judgement judgement;
	struct destination to;
	struct inaddr at;
	struct question question;

	if (destination_read(destination, &to) < 0 || to.protocol == DESTINATION_ANY)
		fail_msg("no destination: %s", destination);
	if (address && inaddr_from_text(text_of(address), &at) < 0)
		fail_msg("no address: %s", address);
	question = (struct question){
		.name = to.is_address ? NULL : &to.name,
		.address = to.is_address ? &to.address
			   : address     ? &at
					 : NULL,
		.protocol = (enum protocol)to.protocol,
		.port = (uint16_t)(to.port == DESTINATION_ANY ? 0 : to.port),
	};
	judge(layers, &question, &judgement);
	return judgement;
}

void layered_expect(const struct layers *layers, const char *destination, const char *address,
	enum verdict verdict, const char *rule)
{
	struct judgement judgement = layered_judge(layers, destination, address);
	char said[RULE_ID_MAX];

	judgement_rule(layers, &judgement, said);
	if (judgement.verdict != verdict || strcmp(said, rule) != 0)
		fail_msg("%s %s: %d by %s, not %d by %s", destination, address ? address : "",
			(int)judgement.verdict, said, (int)verdict, rule);
}
