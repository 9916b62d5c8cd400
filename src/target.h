/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_TARGET_H
#define EGRESS_TARGET_H

#include <stdbool.h>

#include "rules/backend.h"
#include "rules/kube.h"

struct arena;
struct diag;

/* What egress-compile's options say of what is written. */
struct target {
	const struct backend *backend; /* NULL: nft */
	const char *name;              /* of the objects; NULL: the policy's */
	const char *name_space;
	const char *selector; /* "app=web,tier=front"; NULL: all pods */
	const char *labels;
	const char *losses; /* the file for them; NULL: none */
	bool lossy;
};

enum target_option {
	TARGET_BACKEND,
	TARGET_NAME,
	TARGET_NAMESPACE,
	TARGET_SELECTOR,
	TARGET_LABELS,
	TARGET_LOSSES,
	TARGET_LOSSY,
};

/* Takes one of the options. NULL, or what is wrong with it. */
const char *target_take(struct target *target, enum target_option option, const char *argument);

/* Whether it is one that is written as a whole and may lose something. */
bool target_is_kube(const struct target *target);

/*
 * Makes the objects in memory, to be freed; what the target cannot hold goes to the diag and, if
 * one was asked for, to the file. 0; -EINVAL (the diag has why), -ENOMEM, -E2BIG as
 * kube_names_make(), or the errno of the file.
 */
int target_make(const struct target *target, struct arena *arena, const struct compiled *compiled,
	struct diag *diag, char **ret_text);

#endif
