/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_SIDECAR_FILES_H
#define EGRESS_RULES_SIDECAR_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct backend_request;

/* The files that a policy consists of, and where a pod has them. */

#define SIDECAR_FOLDER "/egress" /* where the pod's volume of them is */

struct sidecar_file {
	const char *key;  /* its name in a ConfigMap */
	const char *path; /* in the pod: below SIDECAR_FOLDER, or absolute */
	const char *text; /* of `size` bytes */
	size_t size;
	const char *from; /* where it was read */
};

struct sidecar_files {
	struct sidecar_file *files;
	size_t n_files;
	const char *policy;     /* in the pod, of the base */
	const char **overrides; /* the same */
	size_t n_overrides;
	bool has_profiles; /* in SIDECAR_FOLDER "/profiles" */
};

/*
 * Reads them all: the base and its overrides, the profiles and lists that they use, their trust
 * anchors. Each is in the pod where the one that names it looks for it. One that cannot be there is
 * a loss (LOSS_IMPOSSIBLE), and so are more bytes than a ConfigMap has. 0 or -ENOMEM.
 */
int sidecar_files_read(const struct backend_request *request, struct sidecar_files *ret_files);

#endif
