/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/sidecar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/class.h"
#include "rules/kube.h"
#include "rules/losses.h"
#include "rules/scope.h"
#include "rules/sidecar-files.h"
#include "rules/yaml.h"
#include "src/base/arena.h"
#include "src/base/memstream.h"

/*
 * Theory of operation
 *
 * A component of kustomize is a folder that others name: what it has is done to their workloads.
 *
 *	kustomization.yaml   what follows, and the ConfigMap of the policy's files
 *	templates.yaml       the patch of a workload with a template of pods
 *	cronjob.yaml, pod.yaml   the same of one that has it elsewhere, or is a pod
 *	restrictions.yaml    values that are copied into every container; it is no object itself
 *	policy.toml, ...     the policy's files
 *
 * A pod's first init container loads the ruleset into the pod's network namespace, and the second
 * one, which goes on ("restartPolicy: Always", a native sidecar), is the resolver; the others start
 * once it answers. Patches put their containers before those that are there, so that nothing runs
 * unconfined. A patch cannot name all containers of a workload, whatever they are called;
 * replacements can.
 *
 * The resolver stays root, which the capability needs: a container's other users have none without
 * files that give it to them, and those do not count under no_new_privs.
 *
 * The image has a name that nobody can have: where it is not replaced, nothing is fetched from
 * strangers.
 */

#define IMAGE "egress.invalid/egress"
#define RESTRICTIONS "EgressRestrictions"
#define RUN_FOLDER "/run/egress"
#define STATE_FOLDER "/var/lib/egress"
#define NO_PLACE "a pod's resolver can write below /run, /srv, /tmp and /var only"

/* The image has no shell, and need not have a search path. */
#define COMPILER "/usr/bin/egress-compile"
#define CONTROL "/usr/bin/egress-ctl"
#define RESOLVER "/usr/sbin/egress-resolver"

enum { FOLDERS_MAX = AUDIT_SINKS_MAX + 3 }; /* and two of ours, and that of the metrics */

struct export
{
	const struct backend_request *request;
	struct sidecar_files files;
	const char *config;               /* the ConfigMap's name */
	const char *selector;             /* as kustomize has it, or NULL */
	const char *folders[FOLDERS_MAX]; /* that the resolver writes to */
	size_t n_folders;
	struct bundle bundle;
	int error;
};

/* What a workload is called, and where it has its pods. */
struct template
{
	const char *file;
	const char *version;
	const char *kinds[6];
	const char *way[4]; /* keys to the pod */
};

static const struct template templates[] = {
	{"templates.yaml", "apps/v1",
		{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"},
		{"spec", "template"}},
	{"cronjob.yaml", "batch/v1", {"CronJob"}, {"spec", "jobTemplate", "spec", "template"}},
	{"pod.yaml", "v1", {"Pod"}, {NULL}},
};

enum { N_TEMPLATES = sizeof(templates) / sizeof(templates[0]), WAY_MAX = 4, KINDS_MAX = 6 };

/* --- What it loses --- */

static bool is_loopback(const struct inaddr *address)
{
	enum address_class found;

	return class_find(address, 1U << CLASS_LOOPBACK, &found);
}

/* The folder of a file that the resolver writes; false if a pod cannot have it, as none beside the
 * policy, whose own folder is read-only there. */
static bool take_folder(struct export *export, const char *path, const char *policy)
{
	static const char *const roots[] = {"/run/", "/srv/", "/tmp/", "/var/"};
	const char *slash = strrchr(path, '/'), *own = strrchr(policy, '/'), *folder;
	bool good = false;

	if (own && strncmp(path, policy, (size_t)(own + 1 - policy)) == 0)
		return false;
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
		good |= strncmp(path, roots[i], strlen(roots[i])) == 0;
	if (!good || strstr(path, "/../"))
		return false;
	folder = arena_strndup(export->request->arena, path, (size_t)(slash - path));
	if (!folder) {
		export->error = -ENOMEM;
		return true;
	}
	for (size_t i = 0; i < export->n_folders; i++)
		if (strcmp(export->folders[i], folder) == 0)
			return true;
	export->folders[export->n_folders++] = folder;
	return true;
}

static void lose_sink(struct export *export, const struct audit_sink *sink)
{
	struct losses *losses = export->request->losses;

	if (sink->kind == AUDIT_JOURNAL || sink->kind == AUDIT_SYSLOG)
		losses_add(losses, LOSS_UNWATCHED, "[audit] path", sink->place,
			"a container has no %s: nothing is recorded there", sink->path);
	if (sink->kind != AUDIT_FILE)
		return;
	if (!take_folder(export, sink->path, sink->place.file))
		losses_add(losses, LOSS_IMPOSSIBLE, "[audit] path", sink->place, NO_PLACE);
	else
		losses_add(losses, LOSS_UNWATCHED, "[audit] path", sink->place,
			"the file is in the pod, and gone with it");
}

static void lose_metrics(struct export *export, const struct metrics_policy *metrics)
{
	struct losses *losses = export->request->losses;

	if (metrics->has_endpoint)
		losses_add(losses, LOSS_UNWATCHED, "[metrics] listen", metrics->place,
			"it is the pod's own: from outside it is reached by kubectl port-forward, "
			"or by what another container passes on");
	if (metrics->path && !take_folder(export, metrics->path, metrics->place.file))
		losses_add(losses, LOSS_IMPOSSIBLE, "[metrics] listen", metrics->place, NO_PLACE);
}

static void lose_listen(const struct dns_policy *dns, struct losses *losses, struct place place)
{
	static const struct inaddr none6 = {{0}};
	const struct inaddr none4 = inaddr_from_ip4((const uint8_t[4]){0});

	for (size_t i = 0; i < dns->n_listen; i++) {
		const struct inaddr *it = &dns->listen[i].address;

		if (!is_loopback(it) && memcmp(it, &none4, sizeof(none4)) != 0 &&
			memcmp(it, &none6, sizeof(none6)) != 0)
			losses_add(losses, LOSS_IMPOSSIBLE, "[dns] listen", place,
				"a pod has no address of its own that is known before it runs");
	}
}

static void lose(struct export *export)
{
	const struct layers *layers = export->request->compiled->layers;
	const struct policy *base = layers->layers[0].policy;

	if (scope_is_given(&base->scope))
		losses_add(export->request->losses, LOSS_WIDER, "[scope]", base->scope_place,
			"it is what the names in it mean within the pod: whoever is not in scope "
			"there is not confined");
	for (size_t i = 0; i < layers->n_audit_sinks; i++)
		lose_sink(export, &layers->audit_sinks[i]);
	lose_metrics(export, &base->metrics);
	lose_listen(&base->dns, export->request->losses, base->dns_place);
}

/* --- Values --- */

static void write_pairs(struct yaml *yaml, const char *const *pairs)
{
	for (size_t i = 0; pairs[i]; i += 2)
		yaml_pair(yaml, pairs[i], pairs[i + 1]);
}

static void write_flag(struct yaml *yaml, const char *key, bool value)
{
	yaml_key(yaml, key);
	yaml_word(yaml, value ? "true" : "false");
}

static void write_count(struct yaml *yaml, const char *key, long value)
{
	yaml_key(yaml, key);
	yaml_number(yaml, value);
}

static void write_list(struct yaml *yaml, const char *key, const char *const *texts)
{
	yaml_key(yaml, key);
	yaml_begin_list(yaml);
	for (size_t i = 0; texts[i]; i++)
		yaml_string(yaml, texts[i]);
	yaml_end_list(yaml);
}

static const char *const all_capabilities[] = {"ALL", NULL};

/* --- Containers --- */

static void write_security(struct yaml *yaml)
{
	static const char *const net_admin[] = {"NET_ADMIN", NULL};

	yaml_key(yaml, "securityContext");
	yaml_begin_map(yaml);
	write_count(yaml, "runAsUser", 0);
	write_count(yaml, "runAsGroup", 0);
	write_flag(yaml, "runAsNonRoot", false);
	write_flag(yaml, "privileged", false);
	write_flag(yaml, "allowPrivilegeEscalation", false);
	write_flag(yaml, "readOnlyRootFilesystem", true);
	yaml_key(yaml, "capabilities");
	yaml_begin_map(yaml);
	write_list(yaml, "drop", all_capabilities);
	write_list(yaml, "add", net_admin);
	yaml_end_map(yaml);
	yaml_end_map(yaml);
}

static void write_mount(struct yaml *yaml, const char *name, const char *path, const char *sub_path)
{
	yaml_begin_map(yaml);
	yaml_pair(yaml, "name", name);
	yaml_pair(yaml, "mountPath", path);
	if (sub_path)
		yaml_pair(yaml, "subPath", sub_path);
	yaml_end_map(yaml);
}

static void begin_read_only_mount(struct yaml *yaml, const char *path)
{
	yaml_begin_map(yaml);
	yaml_pair(yaml, "name", "egress-policy");
	yaml_pair(yaml, "mountPath", path);
	write_flag(yaml, "readOnly", true);
}

static void write_policy_mounts(struct yaml *yaml, const struct sidecar_files *files)
{
	begin_read_only_mount(yaml, SIDECAR_FOLDER);
	yaml_end_map(yaml);
	for (size_t i = 0; i < files->n_files; i++) {
		if (files->files[i].path[0] != '/')
			continue;
		begin_read_only_mount(yaml, files->files[i].path);
		yaml_pair(yaml, "subPath", files->files[i].key);
		yaml_end_map(yaml);
	}
}

/* "egress-files-2" */
static const char *folder_name(size_t index, char out[40])
{
	snprintf(out, 40, "egress-files-%zu", index + 1);
	return out;
}

static void write_argument(
	struct yaml *yaml, struct arena *arena, const char *option, const char *path)
{
	const char *text = arena_printf(arena, "%s%s/%s", option, SIDECAR_FOLDER, path);

	yaml_string(yaml, text ? text : "");
}

/* A program, its own options, and the policy. */
static void write_command(
	struct export *export, struct yaml *yaml, const char *program, const char *const *options)
{
	const struct sidecar_files *files = &export->files;
	struct arena *arena = export->request->arena;

	yaml_key(yaml, "command");
	yaml_begin_list(yaml);
	yaml_string(yaml, program);
	for (size_t i = 0; options[i]; i++)
		yaml_string(yaml, options[i]);
	if (files->has_profiles)
		write_argument(yaml, arena, "--profile-dir=", "profiles");
	for (size_t i = 0; i < files->n_overrides; i++)
		write_argument(yaml, arena, "--override=", files->overrides[i]);
	write_argument(yaml, arena, "", files->policy);
	yaml_end_list(yaml);
}

static void write_apply(struct export *export, struct yaml *yaml)
{
	static const char *const options[] = {"--apply", "--prove", NULL};

	yaml_begin_map(yaml);
	yaml_pair(yaml, "name", "egress-apply");
	yaml_pair(yaml, "image", IMAGE);
	write_command(export, yaml, COMPILER, options);
	write_security(yaml);
	yaml_key(yaml, "volumeMounts");
	yaml_begin_list(yaml);
	write_policy_mounts(yaml, &export->files);
	yaml_end_list(yaml);
	yaml_end_map(yaml);
}

/* Asks the resolver whether it serves. */
static void write_probe(
	struct export *export, struct yaml *yaml, const char *key, long period, long failures)
{
	const char *policy = export->request->compiled->plan->policy->name;
	const char *const command[] = {CONTROL, "-n", policy, "status", NULL};

	yaml_key(yaml, key);
	yaml_begin_map(yaml);
	yaml_key(yaml, "exec");
	yaml_begin_map(yaml);
	write_list(yaml, "command", command);
	yaml_end_map(yaml);
	write_count(yaml, "periodSeconds", period);
	write_count(yaml, "timeoutSeconds", 5);
	write_count(yaml, "failureThreshold", failures);
	yaml_end_map(yaml);
}

static void write_resolver(struct export *export, struct yaml *yaml)
{
	static const char *const options[] = {"--user=0", "--state=" STATE_FOLDER, NULL};
	char name[40];

	yaml_begin_map(yaml);
	yaml_pair(yaml, "name", "egress-resolver");
	yaml_pair(yaml, "image", IMAGE);
	yaml_pair(yaml, "restartPolicy", "Always");
	write_command(export, yaml, RESOLVER, options);
	write_security(yaml);
	write_probe(export, yaml, "startupProbe", 1, 60);
	write_probe(export, yaml, "readinessProbe", 10, 1);
	write_probe(export, yaml, "livenessProbe", 10, 3);
	yaml_key(yaml, "volumeMounts");
	yaml_begin_list(yaml);
	write_policy_mounts(yaml, &export->files);
	for (size_t i = 0; i < export->n_folders; i++)
		write_mount(yaml, folder_name(i, name), export->folders[i], NULL);
	yaml_end_list(yaml);
	yaml_end_map(yaml);
}

/* --- The pod --- */

static void write_volumes(struct export *export, struct yaml *yaml)
{
	const struct sidecar_files *files = &export->files;
	char name[40];

	yaml_key(yaml, "volumes");
	yaml_begin_list(yaml);
	yaml_begin_map(yaml);
	yaml_pair(yaml, "name", "egress-policy");
	yaml_key(yaml, "configMap");
	yaml_begin_map(yaml);
	yaml_pair(yaml, "name", export->config);
	yaml_key(yaml, "items");
	yaml_begin_list(yaml);
	for (size_t i = 0; i < files->n_files; i++) {
		const struct sidecar_file *file = &files->files[i];
		const char *pair[] = {"key", file->key, "path",
			file->path[0] == '/' ? file->key : file->path, NULL};

		yaml_begin_map(yaml);
		write_pairs(yaml, pair);
		yaml_end_map(yaml);
	}
	yaml_end_list(yaml);
	yaml_end_map(yaml);
	yaml_end_map(yaml);
	for (size_t i = 0; i < export->n_folders; i++) {
		yaml_begin_map(yaml);
		yaml_pair(yaml, "name", folder_name(i, name));
		yaml_key(yaml, "emptyDir");
		yaml_begin_map(yaml);
		yaml_end_map(yaml);
		yaml_end_map(yaml);
	}
	yaml_end_list(yaml);
}

/* The pod's own resolv.conf names the resolver, unless the resolver reads it. */
static void write_dns(const struct dns_policy *dns, struct yaml *yaml)
{
	static const char *const servers[] = {"127.0.0.1", NULL};

	if (!dns->has_upstream)
		return;
	yaml_pair(yaml, "dnsPolicy", "None");
	yaml_key(yaml, "dnsConfig");
	yaml_begin_map(yaml);
	write_list(yaml, "nameservers", servers);
	yaml_key(yaml, "searches");
	yaml_begin_list(yaml);
	for (size_t i = 0; i < dns->n_search; i++) {
		char text[NAME_TEXT];

		name_to_text(&dns->search[i], text);
		yaml_string(yaml, text);
	}
	yaml_end_list(yaml);
	yaml_end_map(yaml);
}

static void write_annotations(const struct metrics_policy *metrics, struct yaml *yaml)
{
	char port[8];
	const char *const pairs[] = {"prometheus.io/scrape", "true", "prometheus.io/port", port,
		"prometheus.io/path", "/metrics", NULL};

	if (!metrics->has_endpoint)
		return;
	snprintf(port, sizeof(port), "%u", metrics->at.port);
	yaml_key(yaml, "annotations");
	yaml_begin_map(yaml);
	write_pairs(yaml, pairs);
	yaml_end_map(yaml);
}

static void write_pod(struct export *export, struct yaml *yaml)
{
	const struct policy *policy = export->request->compiled->plan->policy;

	yaml_key(yaml, "spec");
	yaml_begin_map(yaml);
	/* The policy of a pod is not to become the node's. */
	write_flag(yaml, "hostNetwork", false);
	write_dns(&policy->dns, yaml);
	yaml_key(yaml, "initContainers");
	yaml_begin_list(yaml);
	write_apply(export, yaml);
	write_resolver(export, yaml);
	yaml_end_list(yaml);
	write_volumes(export, yaml);
	yaml_end_map(yaml);
}

static void write_patch(struct export *export, struct yaml *yaml, const void *of)
{
	const struct template *template = of;
	const struct metrics_policy *metrics = &export->request->compiled->plan->policy->metrics;
	bool is_pod = !template->way[0];
	size_t depth = 0;

	/* The name is not looked at: kustomization.yaml says what is patched. */
	yaml_pair(yaml, "apiVersion", template->version);
	yaml_pair(yaml, "kind", template->kinds[0]);
	yaml_key(yaml, "metadata");
	yaml_begin_map(yaml);
	yaml_pair(yaml, "name", "any");
	if (is_pod)
		write_annotations(metrics, yaml);
	yaml_end_map(yaml);
	for (; depth < WAY_MAX && template->way[depth]; depth++) {
		yaml_key(yaml, template->way[depth]);
		yaml_begin_map(yaml);
	}
	if (!is_pod && metrics->has_endpoint) {
		yaml_key(yaml, "metadata");
		yaml_begin_map(yaml);
		write_annotations(metrics, yaml);
		yaml_end_map(yaml);
	}
	write_pod(export, yaml);
	for (; depth > 0; depth--)
		yaml_end_map(yaml);
}

/* --- The component --- */

static void write_restrictions(struct export *export, struct yaml *yaml, const void *of)
{
	static const char *const local[] = {"config.kubernetes.io/local-config", "true", NULL};

	(void)export;
	(void)of;
	yaml_pair(yaml, "apiVersion", "egress.invalid/v1");
	yaml_pair(yaml, "kind", RESTRICTIONS);
	yaml_key(yaml, "metadata");
	yaml_begin_map(yaml);
	yaml_pair(yaml, "name", "egress-restrictions");
	yaml_key(yaml, "annotations");
	yaml_begin_map(yaml);
	write_pairs(yaml, local);
	yaml_end_map(yaml);
	yaml_end_map(yaml);
	write_flag(yaml, "allowPrivilegeEscalation", false);
	write_list(yaml, "drop", all_capabilities);
}

/* Which workloads: the rest of a selector that begins with their kind. */
static void write_selection(const struct export *export, struct yaml *yaml)
{
	const char *name_space = export->request->kube->name_space;

	if (name_space)
		yaml_pair(yaml, "namespace", name_space);
	if (export->selector)
		yaml_pair(yaml, "labelSelector", export->selector);
}

/* "(Deployment|Job)" into `out`. */
static const char *kinds_text(const struct template *template, char out[128])
{
	size_t length = 0;

	for (size_t i = 0; i < KINDS_MAX && template->kinds[i]; i++)
		length += (size_t)snprintf(
			out + length, 128 - length, "%s%s", i > 0 ? "|" : "(", template->kinds[i]);
	snprintf(out + length, 128 - length, ")");
	return out;
}

static void write_patches(const struct export *export, struct yaml *yaml)
{
	char kinds[128];

	yaml_key(yaml, "patches");
	yaml_begin_list(yaml);
	for (size_t i = 0; i < N_TEMPLATES; i++) {
		yaml_begin_map(yaml);
		yaml_pair(yaml, "path", templates[i].file);
		yaml_key(yaml, "target");
		yaml_begin_map(yaml);
		yaml_pair(yaml, "kind", kinds_text(&templates[i], kinds));
		write_selection(export, yaml);
		yaml_end_map(yaml);
		yaml_end_map(yaml);
	}
	yaml_end_list(yaml);
}

/* "spec.template.spec.containers.*.securityContext." and the field. */
static void write_field(struct yaml *yaml, const struct template *template, const char *containers,
	const char *field)
{
	char path[160];
	size_t length = 0;

	for (size_t i = 0; i < WAY_MAX && template->way[i]; i++)
		length += (size_t)snprintf(
			path + length, sizeof(path) - length, "%s.", template->way[i]);
	snprintf(path + length, sizeof(path) - length, "spec.%s.*.securityContext.%s", containers,
		field);
	yaml_string(yaml, path);
}

static void write_copies(const struct export *export, struct yaml *yaml, const char *field,
	const struct template *template)
{
	for (size_t i = 0; i < KINDS_MAX && template->kinds[i]; i++) {
		yaml_begin_map(yaml);
		yaml_key(yaml, "select");
		yaml_begin_map(yaml);
		yaml_pair(yaml, "kind", template->kinds[i]);
		write_selection(export, yaml);
		yaml_end_map(yaml);
		yaml_key(yaml, "fieldPaths");
		yaml_begin_list(yaml);
		write_field(yaml, template, "containers", field);
		write_field(yaml, template, "initContainers", field);
		yaml_end_list(yaml);
		yaml_key(yaml, "options");
		yaml_begin_map(yaml);
		write_flag(yaml, "create", true);
		yaml_end_map(yaml);
		yaml_end_map(yaml);
	}
}

static void write_replacements(const struct export *export, struct yaml *yaml)
{
	static const struct {
		const char *from;
		const char *to;
	} fields[] = {
		{"allowPrivilegeEscalation", "allowPrivilegeEscalation"},
		{"drop", "capabilities.drop"},
	};

	yaml_key(yaml, "replacements");
	yaml_begin_list(yaml);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *const source[] = {
			"kind", RESTRICTIONS, "fieldPath", fields[i].from, NULL};

		yaml_begin_map(yaml);
		yaml_key(yaml, "source");
		yaml_begin_map(yaml);
		write_pairs(yaml, source);
		yaml_end_map(yaml);
		yaml_key(yaml, "targets");
		yaml_begin_list(yaml);
		for (size_t j = 0; j < N_TEMPLATES; j++)
			write_copies(export, yaml, fields[i].to, &templates[j]);
		yaml_end_list(yaml);
		yaml_end_map(yaml);
	}
	yaml_end_list(yaml);
}

/* Its name gets the digest of what it has: another policy makes new pods. */
static void write_config(const struct export *export, struct yaml *yaml)
{
	const struct kube_options *kube = export->request->kube;

	yaml_key(yaml, "configMapGenerator");
	yaml_begin_list(yaml);
	yaml_begin_map(yaml);
	yaml_pair(yaml, "name", export->config);
	if (kube->name_space)
		yaml_pair(yaml, "namespace", kube->name_space);
	yaml_key(yaml, "files");
	yaml_begin_list(yaml);
	for (size_t i = 0; i < export->files.n_files; i++)
		yaml_string(yaml, export->files.files[i].key);
	yaml_end_list(yaml);
	if (kube->n_labels > 0) {
		yaml_key(yaml, "options");
		yaml_begin_map(yaml);
		kube_write_labels(yaml, "labels", kube->labels, kube->n_labels);
		yaml_end_map(yaml);
	}
	yaml_end_map(yaml);
	yaml_end_list(yaml);
}

static void write_component(struct export *export, struct yaml *yaml, const void *of)
{
	static const char *const resources[] = {"restrictions.yaml", NULL};

	(void)of;
	yaml_pair(yaml, "apiVersion", "kustomize.config.k8s.io/v1alpha1");
	yaml_pair(yaml, "kind", "Component");
	write_config(export, yaml);
	write_list(yaml, "resources", resources);
	write_patches(export, yaml);
	write_replacements(export, yaml);
}

/* --- Files --- */

static void add_file(struct export *export, const char *name, const char *text, size_t size)
{
	export->bundle.files[export->bundle.n_files++] = (struct bundle_file){name, text, size};
}

/* Adds a file of one document. */
static void add_document(struct export *export, const char *name,
	void (*write)(struct export *export, struct yaml *yaml, const void *of), const void *of)
{
	char *text = NULL;
	const char *copy = NULL;
	size_t size = 0;
	FILE *out = export->error == 0 ? memstream_open(&text, &size) : NULL;
	struct yaml *yaml = out ? yaml_new(out) : NULL;
	int error = yaml ? 0 : -ENOMEM;

	if (yaml) {
		yaml_begin_document(yaml);
		yaml_begin_map(yaml);
		write(export, yaml, of);
		yaml_end_map(yaml);
		yaml_end_document(yaml);
		error = yaml_end(yaml);
	}
	if (out && fclose(out) != 0)
		error = -ENOMEM;
	if (error == 0)
		copy = arena_strndup(export->request->arena, text, size);
	if (copy)
		add_file(export, name, copy, size);
	else if (export->error == 0)
		export->error = -ENOMEM;
	free(text);
}

/* "app=web,tier=front"; NULL: all. */
static int write_selector(struct export *export)
{
	const struct kube_options *kube = export->request->kube;
	const char *text = NULL;

	for (size_t i = 0; i < kube->n_selector; i++) {
		text = arena_printf(export->request->arena, "%s%s%s=%s", text ? text : "",
			text ? "," : "", kube->selector[i].key, kube->selector[i].value);
		if (!text)
			return -ENOMEM;
	}
	export->selector = text;
	return 0;
}

static int prepare(struct export *export)
{
	struct arena *arena = export->request->arena;
	int error = sidecar_files_read(export->request, &export->files);

	if (error == 0)
		error = write_selector(export);
	if (error < 0)
		return error;
	export->folders[export->n_folders++] = RUN_FOLDER;
	export->folders[export->n_folders++] = STATE_FOLDER;
	lose(export);
	export->config = arena_printf(arena, "egress-%s", export->request->kube->name);
	export->bundle.files = arena_array(
		arena, N_TEMPLATES + 2 + export->files.n_files, sizeof(*export->bundle.files));
	return export->config && export->bundle.files ? export->error : -ENOMEM;
}

int sidecar_make(const struct backend_request *request, struct bundle *ret_bundle)
{
	struct export export = {.request = request};
	int error = prepare(&export);

	if (error < 0)
		return error;
	*ret_bundle = (struct bundle){NULL, 0};
	if (losses_have(request->losses, LOSS_IMPOSSIBLE))
		return 0;
	add_document(&export, "kustomization.yaml", write_component, NULL);
	for (size_t i = 0; i < N_TEMPLATES; i++)
		add_document(&export, templates[i].file, write_patch, &templates[i]);
	add_document(&export, "restrictions.yaml", write_restrictions, NULL);
	for (size_t i = 0; i < export.files.n_files; i++)
		add_file(&export, export.files.files[i].key, export.files.files[i].text,
			export.files.files[i].size);
	if (export.error == 0)
		*ret_bundle = export.bundle;
	return export.error;
}
