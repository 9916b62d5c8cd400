/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/manifest-rules.h"

/*
 * Theory of operation
 *
 * One table for each kind of document; the first row whose path matches takes the value. What has
 * no row (homepages, authors, where bugs are reported) is nothing to a build.
 */

#define RULES const struct take_rule
#define END                                                                                        \
	{                                                                                          \
		NULL, NULL, 0, NULL                                                                \
	}

/* --- JavaScript --- */

RULES rules_package_json[] = {
	{"dependencies/*", take_need, EVIDENCE_MANIFEST, "npm"},
	{"*Dependencies/*", take_need, EVIDENCE_MANIFEST, "npm"},
	{"resolutions/*", take_need, EVIDENCE_MANIFEST, "npm"},
	{"overrides/**", take_need, EVIDENCE_MANIFEST, "npm"},
	{"pnpm/overrides/*", take_need, EVIDENCE_MANIFEST, "npm"},
	{"packageManager", take_need, EVIDENCE_MANIFEST, "npm"},
	{"publishConfig/registry", take_url, EVIDENCE_REGISTRY, NULL},
	{"scripts/*", take_shell, EVIDENCE_COMMAND, NULL},
	{"binary/host", take_url, EVIDENCE_MANIFEST, NULL},
	{"config/**", take_text, EVIDENCE_SETTING, NULL},
	{"proxy", take_url, EVIDENCE_SETTING, NULL},
	END,
};

RULES rules_package_lock[] = {
	{"**/resolved", take_source, EVIDENCE_LOCK, NULL},
	{"dependencies/**/version", take_source, EVIDENCE_LOCK, NULL},
	{"**/integrity", take_presence, EVIDENCE_LOCK, "npm"},
	END,
};

RULES rules_pnpm_lock[] = {
	{"packages/*/resolution/tarball", take_source, EVIDENCE_LOCK, NULL},
	{"packages/*/resolution/repo", take_source, EVIDENCE_LOCK, NULL},
	{"packages/*/resolution/integrity", take_presence, EVIDENCE_LOCK, "npm"},
	{"**/specifier", take_source, EVIDENCE_LOCK, NULL},
	END,
};

RULES rules_bun_lock[] = {
	{"packages/*/-", take_source, EVIDENCE_LOCK, NULL},
	{"workspaces/**", take_need, EVIDENCE_LOCK, "npm"},
	END,
};

RULES rules_npmrc[] = {
	{"registry", take_mirror, EVIDENCE_REGISTRY, "npm"},
	{"*:registry", take_url, EVIDENCE_REGISTRY, NULL},
	{"*proxy", take_url, EVIDENCE_SETTING, NULL},
	{"*url", take_url, EVIDENCE_REGISTRY, NULL},
	{"*host*", take_url, EVIDENCE_REGISTRY, NULL},
	{"*mirror", take_url, EVIDENCE_REGISTRY, NULL},
	END,
};

RULES rules_yarnrc[] = {
	{"npmRegistryServer", take_mirror, EVIDENCE_REGISTRY, "npm"},
	{"npmScopes/*/npmRegistryServer", take_url, EVIDENCE_REGISTRY, NULL},
	{"*Proxy", take_url, EVIDENCE_SETTING, NULL},
	END,
};

RULES rules_bunfig[] = {
	{"install/registry", take_mirror, EVIDENCE_REGISTRY, "npm"},
	{"install/registry/url", take_mirror, EVIDENCE_REGISTRY, "npm"},
	{"install/scopes/*", take_url, EVIDENCE_REGISTRY, NULL},
	{"install/scopes/*/url", take_url, EVIDENCE_REGISTRY, NULL},
	END,
};

/* --- Python --- */

RULES rules_pip_conf[] = {
	{"*/index-url", take_mirror, EVIDENCE_REGISTRY, "pip"},
	{"*/index_url", take_mirror, EVIDENCE_REGISTRY, "pip"},
	{"*/index", take_url, EVIDENCE_REGISTRY, NULL},
	{"*/extra-index-url", take_url, EVIDENCE_REGISTRY, NULL},
	{"*/find-links", take_url, EVIDENCE_REGISTRY, NULL},
	{"*/proxy", take_host, EVIDENCE_SETTING, NULL},
	END,
};

RULES rules_pypirc[] = {
	{"*/repository", take_url, EVIDENCE_REGISTRY, NULL},
	END,
};

RULES rules_pyproject[] = {
	{"project/dependencies/-", take_need, EVIDENCE_MANIFEST, "pip"},
	{"project/optional-dependencies/*/-", take_need, EVIDENCE_MANIFEST, "pip"},
	{"dependency-groups/*/-", take_need, EVIDENCE_MANIFEST, "pip"},
	{"build-system/requires/-", take_need, EVIDENCE_MANIFEST, "pip"},
	{"tool/uv/index/-/default", take_replace, EVIDENCE_REGISTRY, "pip"},
	{"tool/uv/index/-/url", take_url, EVIDENCE_REGISTRY, NULL},
	{"tool/uv/index-url", take_mirror, EVIDENCE_REGISTRY, "pip"},
	{"tool/uv/extra-index-url/-", take_url, EVIDENCE_REGISTRY, NULL},
	{"tool/uv/sources/**", take_source, EVIDENCE_MANIFEST, NULL},
	{"tool/poetry/source/-/url", take_url, EVIDENCE_REGISTRY, NULL},
	{"tool/pdm/source/-/url", take_url, EVIDENCE_REGISTRY, NULL},
	{"tool/poetry/**/git", take_source, EVIDENCE_MANIFEST, NULL},
	{"tool/poetry/**/url", take_source, EVIDENCE_MANIFEST, NULL},
	{"tool/poetry/dependencies/python", take_nothing, EVIDENCE_MANIFEST, NULL},
	{"tool/poetry/**/*dependencies/*", take_presence, EVIDENCE_MANIFEST, "pip"},
	{"tool/poetry/**/*dependencies/*/version", take_presence, EVIDENCE_MANIFEST, "pip"},
	END,
};

RULES rules_python_lock[] = {
	{"package/-/source/reference", take_source, EVIDENCE_LOCK, NULL},
	{"package/-/source/*", take_source, EVIDENCE_LOCK, NULL},
	{"package/-/sdist/url", take_source, EVIDENCE_LOCK, NULL},
	{"package/-/wheels/-/url", take_source, EVIDENCE_LOCK, NULL},
	{"package/-/git", take_source, EVIDENCE_LOCK, NULL},
	{"package/-/url", take_source, EVIDENCE_LOCK, NULL},
	{"package*/-/name", take_presence, EVIDENCE_LOCK, "pip"},
	{"packages/-/**", take_source, EVIDENCE_LOCK, NULL},
	END,
};

RULES rules_uv[] = {
	{"index/-/default", take_replace, EVIDENCE_REGISTRY, "pip"},
	{"index/-/url", take_url, EVIDENCE_REGISTRY, NULL},
	{"index-url", take_mirror, EVIDENCE_REGISTRY, "pip"},
	{"**/index-url", take_url, EVIDENCE_REGISTRY, NULL},
	{"extra-index-url/-", take_url, EVIDENCE_REGISTRY, NULL},
	END,
};

RULES rules_pipfile[] = {
	{"source/-/url", take_url, EVIDENCE_REGISTRY, NULL},
	{"*packages/*/git", take_source, EVIDENCE_MANIFEST, NULL},
	{"*packages/*/file", take_source, EVIDENCE_MANIFEST, NULL},
	{"*packages/*", take_presence, EVIDENCE_MANIFEST, "pip"},
	{"*packages/*/version", take_presence, EVIDENCE_MANIFEST, "pip"},
	END,
};

RULES rules_pipfile_lock[] = {
	{"_meta/sources/-/url", take_url, EVIDENCE_REGISTRY, NULL},
	{"*/*/git", take_source, EVIDENCE_LOCK, NULL},
	{"*/*/file", take_source, EVIDENCE_LOCK, NULL},
	{"*/*/version", take_presence, EVIDENCE_LOCK, "pip"},
	END,
};

RULES rules_setup_cfg[] = {
	{"options*/install_requires", take_need, EVIDENCE_MANIFEST, "pip"},
	{"options.extras_require/*", take_need, EVIDENCE_MANIFEST, "pip"},
	{"*/index_url", take_url, EVIDENCE_REGISTRY, NULL},
	END,
};

RULES rules_conda[] = {
	{"channels/-", take_channel, EVIDENCE_REGISTRY, NULL},
	{"dependencies/-/pip/-", take_need, EVIDENCE_MANIFEST, "pip"},
	END,
};

/* --- Rust --- */

RULES rules_cargo[] = {
	{"**/git", take_source, EVIDENCE_MANIFEST, NULL},
	{"**/registry-index", take_source, EVIDENCE_REGISTRY, NULL},
	{"**/*dependencies/*", take_presence, EVIDENCE_MANIFEST, "cargo"},
	{"**/*dependencies/*/version", take_presence, EVIDENCE_MANIFEST, "cargo"},
	END,
};

RULES rules_cargo_lock[] = {
	{"package/-/source", take_crate, EVIDENCE_LOCK, "cargo"},
	END,
};

RULES rules_cargo_config[] = {
	{"source/crates-io/replace-with", take_replace, EVIDENCE_REGISTRY, "cargo"},
	{"source/*/registry", take_source, EVIDENCE_REGISTRY, NULL},
	{"source/*/git", take_source, EVIDENCE_REGISTRY, NULL},
	{"registries/*/index", take_source, EVIDENCE_REGISTRY, NULL},
	{"http/proxy", take_host, EVIDENCE_SETTING, NULL},
	{"env/*", take_variable, EVIDENCE_ENVIRONMENT, NULL},
	END,
};

/* --- Java --- */

RULES rules_pom[] = {
	{"**/repositories/repository/url", take_url, EVIDENCE_REGISTRY, NULL},
	{"**/pluginRepositories/pluginRepository/url", take_url, EVIDENCE_REGISTRY, NULL},
	{"**/dependency/artifactId", take_presence, EVIDENCE_MANIFEST, "maven"},
	{"**/plugin/artifactId", take_presence, EVIDENCE_MANIFEST, "maven"},
	{"**/extension/artifactId", take_presence, EVIDENCE_MANIFEST, "maven"},
	{"**/parent/artifactId", take_presence, EVIDENCE_MANIFEST, "maven"},
	END,
};

RULES rules_settings_xml[] = {
	{"settings/mirrors/mirror/url", take_url, EVIDENCE_REGISTRY, NULL},
	{"settings/mirrors/mirror/mirrorOf", take_mirrored, EVIDENCE_REGISTRY, "maven"},
	{"**/repository/url", take_url, EVIDENCE_REGISTRY, NULL},
	{"**/pluginRepository/url", take_url, EVIDENCE_REGISTRY, NULL},
	{"settings/proxies/proxy/host", take_host, EVIDENCE_SETTING, NULL},
	END,
};

/* --- PHP --- */

RULES rules_composer[] = {
	{"repositories/*/url", take_source, EVIDENCE_REGISTRY, NULL},
	{"repositories/*/package/*/url", take_source, EVIDENCE_REGISTRY, NULL},
	{"require/*", take_package, EVIDENCE_MANIFEST, NULL},
	{"require-dev/*", take_package, EVIDENCE_MANIFEST, NULL},
	END,
};

RULES rules_composer_lock[] = {
	{"packages*/-/dist/url", take_source, EVIDENCE_LOCK, NULL},
	{"packages*/-/source/url", take_source, EVIDENCE_LOCK, NULL},
	{"packages*/-/notification-url", take_url, EVIDENCE_LOCK, NULL},
	END,
};

/* --- .NET --- */

RULES rules_nuget_config[] = {
	{"configuration/packageSources/add/@value", take_url, EVIDENCE_REGISTRY, NULL},
	END,
};

RULES rules_nuget_lock[] = {
	{"dependencies/**/resolved", take_presence, EVIDENCE_LOCK, "nuget"},
	END,
};

RULES rules_project[] = {
	{"**/PackageReference/@*", take_presence, EVIDENCE_MANIFEST, "nuget"},
	{"**/PackageVersion/@*", take_presence, EVIDENCE_MANIFEST, "nuget"},
	{"packages/package/@id", take_presence, EVIDENCE_MANIFEST, "nuget"},
	{"Project/@Sdk", take_presence, EVIDENCE_MANIFEST, "nuget"},
	{"**/Restore*Sources", take_text, EVIDENCE_REGISTRY, NULL},
	END,
};

/* --- git --- */

RULES rules_git[] = {
	{"submodule*/url", take_source, EVIDENCE_GIT, NULL},
	{"remote*/url", take_source, EVIDENCE_GIT, NULL},
	{"remote*/pushurl", take_source, EVIDENCE_GIT, NULL},
	{"lfs/url", take_source, EVIDENCE_GIT, NULL},
	{"http/proxy", take_host, EVIDENCE_SETTING, NULL},
	END,
};

/* --- Meson --- */

/* A subproject: a repository, or an archive and a patch of the wrap database, each with another
 * place to look for it. */
RULES rules_wrap[] = {
	{"wrap-*/url", take_source, EVIDENCE_GIT, NULL},
	{"wrap-file/*_url", take_source, EVIDENCE_MANIFEST, NULL},
	END,
};

/* --- Containers --- */

RULES rules_compose[] = {
	{"services/*/image", take_image, EVIDENCE_IMAGE, NULL},
	{"services/*/environment/*", take_variable, EVIDENCE_SERVICE, NULL},
	{"services/*/command", take_shell, EVIDENCE_SERVICE, NULL},
	{"services/*/command/-", take_shell, EVIDENCE_SERVICE, NULL},
	{"services/*/entrypoint", take_shell, EVIDENCE_SERVICE, NULL},
	{"services/*/entrypoint/-", take_shell, EVIDENCE_SERVICE, NULL},
	{"services/*/build/args/*", take_variable, EVIDENCE_SERVICE, NULL},
	{"services/*/build", take_source, EVIDENCE_SERVICE, NULL},
	{"services/*/build/context", take_source, EVIDENCE_SERVICE, NULL},
	{"services/*/logging/options/*", take_text, EVIDENCE_SERVICE, NULL},
	{"*/environment/*", take_variable, EVIDENCE_SERVICE, NULL},
	{"*/image", take_image, EVIDENCE_IMAGE, NULL},
	END,
};

RULES rules_devcontainer[] = {
	{"image", take_image, EVIDENCE_IMAGE, NULL},
	{"features/**", take_feature, EVIDENCE_IMAGE, NULL},
	{"*Command", take_shell, EVIDENCE_COMMAND, NULL},
	{"*Command/*", take_shell, EVIDENCE_COMMAND, NULL},
	{"*Env/*", take_variable, EVIDENCE_ENVIRONMENT, NULL},
	END,
};

/* --- CI --- */

RULES rules_workflow[] = {
	{"jobs/*/steps/-/uses", take_action, EVIDENCE_CI, NULL},
	{"jobs/*/uses", take_action, EVIDENCE_CI, NULL},
	{"jobs/*/container", take_image, EVIDENCE_CI, NULL},
	{"jobs/*/container/image", take_image, EVIDENCE_CI, NULL},
	{"jobs/*/services/*/image", take_image, EVIDENCE_CI, NULL},
	{"**/run", take_shell, EVIDENCE_CI, NULL},
	{"**/env/*", take_variable, EVIDENCE_CI, NULL},
	{"**/with/registry", take_host, EVIDENCE_CI, NULL},
	{"**/with/*", take_variable, EVIDENCE_CI, NULL},
	END,
};

RULES rules_action[] = {
	{"runs/steps/-/uses", take_action, EVIDENCE_CI, NULL},
	{"runs/steps/-/run", take_shell, EVIDENCE_CI, NULL},
	{"runs/steps/-/env/*", take_variable, EVIDENCE_CI, NULL},
	{"runs/steps/-/with/*", take_variable, EVIDENCE_CI, NULL},
	{"runs/image", take_action, EVIDENCE_CI, NULL},
	END,
};

RULES rules_gitlab[] = {
	{"image", take_image, EVIDENCE_CI, NULL},
	{"image/name", take_image, EVIDENCE_CI, NULL},
	{"*/image", take_image, EVIDENCE_CI, NULL},
	{"*/image/name", take_image, EVIDENCE_CI, NULL},
	{"services/-", take_image, EVIDENCE_CI, NULL},
	{"*/services/-", take_image, EVIDENCE_CI, NULL},
	{"*/services/-/name", take_image, EVIDENCE_CI, NULL},
	{"include/-/remote", take_url, EVIDENCE_CI, NULL},
	{"include/remote", take_url, EVIDENCE_CI, NULL},
	{"**/variables/*", take_variable, EVIDENCE_CI, NULL},
	{"**/script/**", take_shell, EVIDENCE_CI, NULL},
	{"**/script", take_shell, EVIDENCE_CI, NULL},
	{"**/before_script/**", take_shell, EVIDENCE_CI, NULL},
	{"**/after_script/**", take_shell, EVIDENCE_CI, NULL},
	END,
};

RULES rules_pipeline[] = {
	{"**/image", take_image, EVIDENCE_CI, NULL},
	{"**/image/name", take_image, EVIDENCE_CI, NULL},
	{"**", take_shell, EVIDENCE_CI, NULL},
	END,
};

RULES rules_cloudbuild[] = {
	{"steps/-/name", take_image, EVIDENCE_CI, NULL},
	{"**", take_shell, EVIDENCE_CI, NULL},
	END,
};

RULES rules_pre_commit[] = {
	{"repos/-/repo", take_source, EVIDENCE_CI, NULL},
	END,
};

/* --- Infrastructure --- */

RULES rules_chart[] = {
	{"dependencies/-/repository", take_url, EVIDENCE_HELM, NULL},
	{"repositories/-/url", take_url, EVIDENCE_HELM, NULL},
	{"releases/-/chart", take_repository, EVIDENCE_HELM, NULL},
	END,
};

RULES rules_values[] = {
	{"**/image", take_image, EVIDENCE_HELM, NULL},
	{"**/registry", take_host, EVIDENCE_HELM, NULL},
	{"**/repository", take_repository, EVIDENCE_HELM, NULL},
	END,
};

RULES rules_yaml[] = {
	{"**/containers/-/image", take_image, EVIDENCE_IMAGE, NULL},
	{"**/initContainers/-/image", take_image, EVIDENCE_IMAGE, NULL},
	{"**/image", take_repository, EVIDENCE_IMAGE, NULL},
	END,
};

/* --- Agents --- */

RULES rules_agent[] = {
	{"mcpServers/*/command", take_command, EVIDENCE_AGENT, NULL},
	{"servers/*/command", take_command, EVIDENCE_AGENT, NULL},
	{"mcp/*/command/-", take_command, EVIDENCE_AGENT, NULL},
	{"**/args/-", take_argument, EVIDENCE_AGENT, NULL},
	{"permissions/*/-", take_permission, EVIDENCE_AGENT, NULL},
	{"sandbox/network/allow*/-", take_host, EVIDENCE_AGENT, NULL},
	{"**/allowedDomains/-", take_host, EVIDENCE_AGENT, NULL},
	{"**/hooks/**/command", take_shell, EVIDENCE_AGENT, NULL},
	{"**/env/*", take_variable, EVIDENCE_AGENT, NULL},
	{"$schema", take_nothing, EVIDENCE_AGENT, NULL},
	{"**/*[uU][rR][lL]", take_url, EVIDENCE_AGENT, NULL},
	{"**/apiBase", take_url, EVIDENCE_AGENT, NULL},
	{"**/headers/*", take_nothing, EVIDENCE_AGENT, NULL},
	END,
};

RULES rules_codex[] = {
	{"mcp_servers/*/command", take_command, EVIDENCE_AGENT, NULL},
	{"mcp_servers/*/args/-", take_argument, EVIDENCE_AGENT, NULL},
	{"mcp_servers/*/env/*", take_variable, EVIDENCE_AGENT, NULL},
	{"**/*url", take_url, EVIDENCE_AGENT, NULL},
	END,
};

RULES rules_aider[] = {
	{"*", take_text, EVIDENCE_AGENT, NULL},
	END,
};
