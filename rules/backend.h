/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RULES_BACKEND_H
#define EGRESS_RULES_BACKEND_H

#include <stdbool.h>
#include <stdio.h>

#include "rules/compile.h"

struct arena;
struct kube_options;
struct losses;

struct backend_request {
	struct arena *arena;
	const struct compiled *compiled;
	const struct kube_options *kube; /* NULL unless the target is of Kubernetes */
	struct losses *losses;           /* takes what the target cannot hold; the same */
};

/* What a target comes to that is no single stream: the files of a folder. */
struct bundle_file {
	const char *name;
	const char *text; /* of `size` bytes, any of them */
	size_t size;
};

struct bundle {
	struct bundle_file *files;
	size_t n_files;
};

/* A target that policies are written for. */
struct backend {
	const char *name;
	const char *summary;
	bool kube; /* written with kube options and losses, and only once those are known */
	/* 0, -EIO or -ENOMEM. NULL of one that makes a bundle. */
	int (*write)(const struct backend_request *request, FILE *out);
	/* A bundle in the request's arena; 0 or -ENOMEM. NULL of one that writes. */
	int (*make)(const struct backend_request *request, struct bundle *ret_bundle);
};

/* The row of that name, or NULL. */
const struct backend *backend_find(const char *name);

/* The name of the index-th; NULL behind the last. */
const char *backend_name(size_t index);

/* The names of all of them, "nft, networkpolicy, ...", into `out`, cut to `size`; returns `out`. */
const char *backend_names(char *out, size_t size);

#endif
