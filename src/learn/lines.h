/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_LINES_H
#define EGRESS_LEARN_LINES_H

#include "src/learn/manifest.h"

/* Readers of declarations that are written line by line. */
typedef void lines_read(const struct manifest_context *context, struct text text);

lines_read lines_requirements; /* pip's */
lines_read lines_go_mod;
lines_read lines_gemfile;
lines_read lines_gemfile_lock;
lines_read lines_yarn_lock;
lines_read lines_dockerfile;
lines_read lines_gradle;
lines_read lines_cmake;
lines_read lines_properties; /* of build wrappers: "distributionUrl=https\://..." */
lines_read lines_terraform;
lines_read lines_environment; /* .env and its templates */

#endif
