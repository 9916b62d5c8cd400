/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/doc.h"

#include <errno.h>

#include "rules/toml.h"
#include "src/base/arena.h"
#include "src/base/diag.h"

#define ARENA_MAX ((size_t)512 << 20)

struct level {
	const struct toml_node *node;
	size_t next;
};

static void visit(const struct toml_node *node, const struct text *keys, size_t depth,
	const struct doc_visitor *visitor)
{
	struct doc_item item = {.keys = keys, .depth = depth, .line = node->at.line};

	if (node->kind == TOML_STRING)
		item.value = node->value.string;
	else if (node->kind == TOML_BOOLEAN && node->value.boolean)
		item.value = text_of("true");
	visitor->visit(visitor->context, &item);
}

static void walk(const struct toml_node *root, const struct doc_visitor *visitor)
{
	struct level levels[DOC_DEPTH_MAX] = {{.node = root}};
	struct text keys[DOC_DEPTH_MAX];
	size_t depth = 1;

	while (depth > 0) {
		struct level *level = &levels[depth - 1];
		const struct toml_node *node;

		if (level->next == level->node->n_children) {
			depth--;
			continue;
		}
		node = &level->node->children[level->next++];
		keys[depth - 1] = level->node->kind == TOML_ARRAY ? text_of("-") : node->key;
		if (node->kind != TOML_TABLE && node->kind != TOML_ARRAY)
			visit(node, keys, depth, visitor);
		else if (depth < DOC_DEPTH_MAX)
			levels[depth++] = (struct level){.node = node};
	}
}

int doc_toml(struct text text, const struct doc_visitor *visitor)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	const struct toml_node *root;
	struct diag *diag;
	int error = arena_new(ARENA_MAX, &arena);

	if (error)
		return error;
	diag = diag_new(arena);
	error = diag ? toml_parse(arena, "", text, diag, &root) : -ENOMEM;
	if (error == -EINVAL)
		return -EBADMSG;
	if (error == 0)
		walk(root, visitor);
	return error;
}
