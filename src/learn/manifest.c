/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn/manifest.h"

#include <errno.h>
#include <string.h>

#include "src/learn/glob.h"
#include "src/learn/lines.h"
#include "src/learn/manifest-rules.h"

/* A kind of file. Its name is a pattern of the path's last part, or of its last parts where it has
 * slashes. One reader of the two is set, or none where the file's being there says all. */
struct manifest {
	const char *name;
	doc_read *read;
	const struct take_rule *rules; /* for `read`; ends with a row without a path */
	lines_read *read_lines;
	const char *profile; /* that the file's being there asks for, or NULL */
	enum evidence_kind kind;
	bool is_source; /* look through all of it besides */
};

#define LINES(pattern, reader)                                                                     \
	{                                                                                          \
		.name = (pattern), .read_lines = (reader)                                          \
	}
#define DOC(pattern, reader, table)                                                                \
	{                                                                                          \
		.name = (pattern), .read = (reader), .rules = (table)                              \
	}

/* The first row that fits decides. */
static const struct manifest manifests[] = {
	/* JavaScript */
	DOC("package.json", doc_json, rules_package_json),
	DOC("package-lock.json", doc_json, rules_package_lock),
	DOC("npm-shrinkwrap.json", doc_json, rules_package_lock),
	DOC("pnpm-lock.yaml", doc_yaml, rules_pnpm_lock),
	LINES("yarn.lock", lines_yarn_lock),
	DOC("bun.lock", doc_json, rules_bun_lock),
	DOC(".npmrc", doc_ini, rules_npmrc),
	DOC("npmrc", doc_ini, rules_npmrc),
	DOC(".yarnrc.yml", doc_yaml, rules_yarnrc),
	DOC("bunfig.toml", doc_toml, rules_bunfig),
	{"bower.json", .profile = "github", .kind = EVIDENCE_MANIFEST},
	/* Python */
	LINES("requirements*.txt", lines_requirements),
	LINES("requirements*.in", lines_requirements),
	LINES("*requirements.txt", lines_requirements),
	LINES("constraints*.txt", lines_requirements),
	LINES("requirements/*.txt", lines_requirements),
	LINES("requirements/*.in", lines_requirements),
	DOC("pip.conf", doc_ini, rules_pip_conf),
	DOC("pip.ini", doc_ini, rules_pip_conf),
	DOC(".pypirc", doc_ini, rules_pypirc),
	DOC("pyproject.toml", doc_toml, rules_pyproject),
	DOC("poetry.lock", doc_toml, rules_python_lock),
	DOC("uv.lock", doc_toml, rules_python_lock),
	DOC("pdm.lock", doc_toml, rules_python_lock),
	DOC("pylock*.toml", doc_toml, rules_python_lock),
	DOC("uv.toml", doc_toml, rules_uv),
	DOC("Pipfile", doc_toml, rules_pipfile),
	DOC("Pipfile.lock", doc_json, rules_pipfile_lock),
	DOC("setup.cfg", doc_ini, rules_setup_cfg),
	{"setup.py", .profile = "pip", .kind = EVIDENCE_MANIFEST},
	DOC("environment.yml", doc_yaml, rules_conda),
	DOC("environment.yaml", doc_yaml, rules_conda),
	/* Rust */
	DOC("Cargo.toml", doc_toml, rules_cargo),
	DOC("Cargo.lock", doc_toml, rules_cargo_lock),
	DOC(".cargo/config.toml", doc_toml, rules_cargo_config),
	DOC(".cargo/config", doc_toml, rules_cargo_config),
	{"rust-toolchain*", .profile = "cargo", .kind = EVIDENCE_MANIFEST},
	/* Go */
	LINES("go.mod", lines_go_mod),
	LINES("go.sum", lines_go_mod),
	/* Java */
	DOC("pom.xml", doc_xml, rules_pom),
	DOC("settings.xml", doc_xml, rules_settings_xml),
	DOC(".mvn/extensions.xml", doc_xml, rules_pom),
	LINES("maven-wrapper.properties", lines_properties),
	{"gradle-wrapper.properties", .read_lines = lines_properties, .profile = "gradle",
		.kind = EVIDENCE_MANIFEST},
	{"gradle.lockfile", .profile = "maven", .kind = EVIDENCE_LOCK},
	{"*.gradle", .read_lines = lines_gradle, .is_source = true},
	{"*.gradle.kts", .read_lines = lines_gradle, .is_source = true},
	/* Ruby */
	LINES("Gemfile", lines_gemfile),
	LINES("gems.rb", lines_gemfile),
	LINES("Gemfile.lock", lines_gemfile_lock),
	LINES("gems.locked", lines_gemfile_lock),
	{"*.gemspec", .profile = "rubygems", .kind = EVIDENCE_MANIFEST},
	/* PHP */
	DOC("composer.json", doc_json, rules_composer),
	DOC("composer.lock", doc_json, rules_composer_lock),
	/* .NET */
	DOC("nuget.config", doc_xml, rules_nuget_config),
	DOC("NuGet.config", doc_xml, rules_nuget_config),
	DOC("NuGet.Config", doc_xml, rules_nuget_config),
	DOC("packages.lock.json", doc_json, rules_nuget_lock),
	DOC("packages.config", doc_xml, rules_project),
	DOC("*.csproj", doc_xml, rules_project),
	DOC("*.fsproj", doc_xml, rules_project),
	DOC("*.vbproj", doc_xml, rules_project),
	DOC("Directory.*.props", doc_xml, rules_project),
	/* git */
	DOC(".gitmodules", doc_ini, rules_git),
	DOC(".git/config", doc_ini, rules_git),
	/* CMake, Meson */
	{"CMakeLists.txt", .read_lines = lines_cmake, .is_source = true},
	{"*.cmake", .read_lines = lines_cmake, .is_source = true},
	DOC("subprojects/*.wrap", doc_ini, rules_wrap),
	/* Containers */
	LINES("Dockerfile", lines_dockerfile),
	LINES("Dockerfile.*", lines_dockerfile),
	LINES("*.Dockerfile", lines_dockerfile),
	LINES("*.dockerfile", lines_dockerfile),
	LINES("Containerfile", lines_dockerfile),
	DOC("docker-compose*.yml", doc_yaml, rules_compose),
	DOC("docker-compose*.yaml", doc_yaml, rules_compose),
	DOC("compose*.yml", doc_yaml, rules_compose),
	DOC("compose*.yaml", doc_yaml, rules_compose),
	DOC("devcontainer.json", doc_json, rules_devcontainer),
	DOC(".devcontainer.json", doc_json, rules_devcontainer),
	/* CI */
	DOC(".github/workflows/*.yml", doc_yaml, rules_workflow),
	DOC(".github/workflows/*.yaml", doc_yaml, rules_workflow),
	DOC("action.yml", doc_yaml, rules_action),
	DOC("action.yaml", doc_yaml, rules_action),
	DOC(".gitlab-ci.yml", doc_yaml, rules_gitlab),
	DOC(".circleci/config.yml", doc_yaml, rules_pipeline),
	DOC(".travis.yml", doc_yaml, rules_pipeline),
	DOC(".cirrus.yml", doc_yaml, rules_pipeline),
	DOC("appveyor.yml", doc_yaml, rules_pipeline),
	DOC(".appveyor.yml", doc_yaml, rules_pipeline),
	DOC(".buildkite/*.yml", doc_yaml, rules_pipeline),
	DOC("azure-pipelines*.yml", doc_yaml, rules_pipeline),
	DOC("bitbucket-pipelines.yml", doc_yaml, rules_pipeline),
	DOC(".drone.yml", doc_yaml, rules_pipeline),
	DOC(".woodpecker.yml", doc_yaml, rules_pipeline),
	DOC("cloudbuild.yaml", doc_yaml, rules_cloudbuild),
	DOC("cloudbuild.yml", doc_yaml, rules_cloudbuild),
	DOC(".pre-commit-config.yaml", doc_yaml, rules_pre_commit),
	/* Infrastructure */
	{"*.tf", .read_lines = lines_terraform, .is_source = true},
	LINES(".terraform.lock.hcl", lines_terraform),
	DOC("Chart.yaml", doc_yaml, rules_chart),
	DOC("Chart.lock", doc_yaml, rules_chart),
	DOC("requirements.yaml", doc_yaml, rules_chart),
	DOC("helmfile.yaml", doc_yaml, rules_chart),
	{"values*.yaml", doc_yaml, rules_values, .is_source = true},
	/* Agents */
	DOC("mcp.json", doc_json, rules_agent),
	DOC(".mcp.json", doc_json, rules_agent),
	DOC("mcp_config.json", doc_json, rules_agent),
	DOC("mcp_settings.json", doc_json, rules_agent),
	DOC("*_mcp_settings.json", doc_json, rules_agent),
	DOC("claude_desktop_config.json", doc_json, rules_agent),
	{".claude/settings*.json", doc_json, rules_agent, .profile = "claude-code",
		.kind = EVIDENCE_AGENT},
	{"CLAUDE.md", .profile = "claude-code", .kind = EVIDENCE_AGENT},
	{".codex/config.toml", doc_toml, rules_codex, .profile = "codex", .kind = EVIDENCE_AGENT},
	DOC(".gemini/settings.json", doc_json, rules_agent),
	DOC("opencode.json", doc_json, rules_agent),
	DOC(".continue/config.json", doc_json, rules_agent),
	DOC(".aider.conf.yml", doc_yaml, rules_aider),
	/* Environment */
	LINES(".env", lines_environment),
	LINES(".env.*", lines_environment),
	LINES("*.env", lines_environment),
	LINES("env.example", lines_environment),
	LINES("env.sample", lines_environment),
	LINES("env.template", lines_environment),
	LINES("*.env.*", lines_environment),
	LINES(".envrc", lines_environment),
	/* Anything that starts containers */
	{"*.yaml", doc_yaml, rules_yaml, .is_source = true},
	{"*.yml", doc_yaml, rules_yaml, .is_source = true},
};

static struct text last_parts(struct text path, const char *pattern)
{
	const char *at = path.start + path.length;
	size_t slashes = 0;

	for (const char *c = pattern; *c; c++)
		slashes += *c == '/';
	for (; at > path.start; at--)
		if (at[-1] == '/' && slashes-- == 0)
			break;
	return (struct text){at, (size_t)(path.start + path.length - at)};
}

/* Whether the last bytes are the same, or the pattern ends with a '*'. */
static bool ends_alike(const char *pattern, struct text name)
{
	char last = pattern[strlen(pattern) - 1];

	return last == '*' || (name.length > 0 && last == name.start[name.length - 1]);
}

const struct manifest *manifest_find(struct text path)
{
	struct text name = last_parts(path, "");

	for (size_t i = 0; i < sizeof(manifests) / sizeof(manifests[0]); i++) {
		const char *pattern = manifests[i].name;
		bool has_slash;

		/* Most rows are told by their first byte, or by their last ones. */
		if (*pattern == '*' && !ends_alike(pattern, name))
			continue;
		has_slash = strchr(pattern, '/') != NULL;
		if (!has_slash && *pattern != '*' && name.length > 0 && *pattern != *name.start)
			continue;
		if (has_slash ? glob_matches_path(text_of(pattern), last_parts(path, pattern))
			      : glob_matches(text_of(pattern), name))
			return &manifests[i];
	}
	return NULL;
}

bool manifest_is_source(const struct manifest *manifest)
{
	return manifest->is_source;
}

struct reading {
	const struct manifest *manifest;
	const struct manifest_context *context;
};

static void visit(void *context, const struct doc_item *seen)
{
	const struct reading *reading = context;
	struct doc_item item = *seen;

	if (!item.value.start)
		item.value = text_of("");
	for (const struct take_rule *rule = reading->manifest->rules; rule->path; rule++) {
		if (!doc_matches(&item, rule->path))
			continue;
		rule->take(reading->context, rule, &item);
		return;
	}
}

int manifest_read(
	const struct manifest *manifest, const struct manifest_context *context, struct text text)
{
	struct reading reading = {manifest, context};
	const struct doc_visitor visitor = {visit, &reading};

	if (manifest->profile)
		evidence_add_profile(context->evidence, manifest->profile, manifest->kind, 0);
	if (manifest->read_lines)
		manifest->read_lines(context, text);
	/* Of what has no names of its own, most is about something else. */
	if (manifest->rules == rules_yaml &&
		(text.length == 0 || !memmem(text.start, text.length, "image:", 6)))
		return 0;
	return manifest->read ? manifest->read(text, &visitor) : 0;
}
