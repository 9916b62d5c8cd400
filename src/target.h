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

/* Whether it comes to a folder of files. */
bool target_is_bundle(const struct target *target);

/* The objects: one of both, as target_is_bundle() has it. */
struct target_objects {
	char *text;                  /* to be freed; or NULL */
	const struct bundle *bundle; /* in the arena; or NULL */
};

/*
 * Makes the objects in memory; what the target cannot hold goes to the diag and, if one was asked
 * for, to the file. 0; -EINVAL (the diag has why), -ENOMEM, or the errno of the file.
 */
int target_make(const struct target *target, struct arena *arena, const struct compiled *compiled,
	struct diag *diag, struct target_objects *ret_objects);

/*
 * Writes the files into the folder, which is made if it isn't there. Each takes the place of the
 * one before as a whole, the first of the bundle last, which names the others; what else is in the
 * folder stays. 0 or the errno of what went wrong.
 */
int target_write_bundle(const struct bundle *bundle, const char *folder);

#endif
