/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_MANIFEST_RULES_H
#define EGRESS_LEARN_MANIFEST_RULES_H

#include "src/learn/doc.h"
#include "src/learn/take.h"

/* Where in documents of each kind a destination stands; each ends with a row without a path. */
extern const struct take_rule rules_package_json[], rules_package_lock[], rules_pnpm_lock[],
	rules_bun_lock[], rules_npmrc[], rules_yarnrc[], rules_bunfig[];
extern const struct take_rule rules_pip_conf[], rules_pypirc[], rules_pyproject[],
	rules_python_lock[], rules_uv[], rules_pipfile[], rules_pipfile_lock[], rules_setup_cfg[],
	rules_conda[];
extern const struct take_rule rules_cargo[], rules_cargo_lock[], rules_cargo_config[];
extern const struct take_rule rules_pom[], rules_settings_xml[];
extern const struct take_rule rules_composer[], rules_composer_lock[];
extern const struct take_rule rules_nuget_config[], rules_nuget_lock[], rules_project[];
extern const struct take_rule rules_git[], rules_wrap[], rules_compose[], rules_devcontainer[];
extern const struct take_rule rules_workflow[], rules_action[], rules_gitlab[], rules_pipeline[],
	rules_cloudbuild[], rules_pre_commit[];
extern const struct take_rule rules_chart[], rules_values[], rules_yaml[];
extern const struct take_rule rules_agent[], rules_codex[], rules_aider[];

#endif
