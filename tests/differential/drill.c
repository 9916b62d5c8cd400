/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/differential/drill.h"

#include <stdlib.h>
#include <string.h>

#include "tests/differential/generate.h"

enum { LISTS = 3 };

static bool add_text(struct drill *drill, const char *name, char *text)
{
	struct file *file = &drill->files[drill->n_files];

	if (!text || drill->n_files == DRILL_FILES_MAX || strlen(name) >= sizeof(file->name)) {
		free(text);
		return false;
	}
	strcpy(file->name, name);
	file->text = text;
	drill->n_files++;
	return true;
}

struct writing {
	struct chance *chance;
	const struct draw *draw;
	bool is_override;
};

static void write_policy(const struct writing *writing, FILE *out)
{
	bool scoped = !writing->is_override && chance_one_in(writing->chance, 3);

	generate_policy(writing->chance, writing->is_override,
		!scoped                  ? GENERATE_NO_SCOPE
		: writing->draw->cgroups ? GENERATE_SCOPE_CGROUPS
					 : GENERATE_SCOPE,
		out);
}

static void write_list(const struct writing *writing, FILE *out)
{
	generate_list(writing->chance, out);
}

static void write_profile(const struct writing *writing, FILE *out)
{
	generate_profile(writing->chance, out);
}

static bool add_drawn(struct drill *drill, const char *name, const struct writing *writing,
	void (*write)(const struct writing *writing, FILE *out))
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return false;
	write(writing, out);
	fclose(out);
	return add_text(drill, name, text);
}

/* Whether another probe, with a name, has the address: a lease would open it for both. */
static bool is_taken(const struct drill *drill, const struct probe *probe)
{
	for (size_t i = 0; i < drill->n_probes; i++) {
		const struct probe *other = &drill->probes[i];

		if (inaddr_compare(&other->address, &probe->address) == 0 &&
			(other->has_name || probe->has_name ||
				(strcmp(probe->port, "other") == 0 &&
					strcmp(other->port, "other") == 0)))
			return true;
	}
	return false;
}

static void draw_probe(struct chance *chance, const struct draw *draw, struct probe *ret_probe)
{
	char name[256];

	*ret_probe = (struct probe){
		.sender = chance_below(chance, (unsigned)draw->n_senders),
		.has_name = chance_one_in(chance, 2),
		.address = generate_address(chance),
	};
	strcpy(ret_probe->port, generate_port(chance));
	if (!ret_probe->has_name)
		return;
	name_from_text(text_of(generate_name(chance, name)), &ret_probe->name);
	/* An address of its own: bits of no consequence in a wide block. */
	if (chance_one_in(chance, 2))
		for (unsigned i = 13; i < 16; i++)
			ret_probe->address.bytes[i] = (uint8_t)chance_draw(chance);
}

bool drill_draw(struct chance *chance, const struct draw *draw, struct drill *ret_drill)
{
	struct drill drill = {.probes = calloc(draw->n_probes, sizeof(struct probe))};
	struct writing writing = {.chance = chance, .draw = draw};
	bool well = drill.probes && add_drawn(&drill, "base.toml", &writing, write_policy);
	char name[32];

	writing.is_override = true;
	drill.n_overrides = chance_one_in(chance, 2) ? chance_below(chance, 4) : 0;
	for (size_t i = 0; i < drill.n_overrides && well; i++) {
		snprintf(name, sizeof(name), "o%zu.toml", i + 1);
		well = add_drawn(&drill, name, &writing, write_policy);
	}
	for (unsigned i = 0; i < LISTS && well; i++) {
		snprintf(name, sizeof(name), "list-%u.txt", i);
		well = add_drawn(&drill, name, &writing, write_list);
	}
	well = well && add_drawn(&drill, "generated.toml", &writing, write_profile);
	for (size_t i = 0; i < draw->n_probes && well; i++) {
		draw_probe(chance, draw, &drill.probes[drill.n_probes]);
		if (!is_taken(&drill, &drill.probes[drill.n_probes]))
			drill.n_probes++;
	}
	if (!well) {
		drill_clear(&drill);
		return false;
	}
	*ret_drill = drill;
	return true;
}

void drill_clear(struct drill *drill)
{
	for (size_t i = 0; i < drill->n_files; i++)
		free(drill->files[i].text);
	free(drill->probes);
	*drill = (struct drill){.n_files = 0};
}

bool drill_unpack(const struct drill *drill, const char *folder)
{
	for (size_t i = 0; i < drill->n_files; i++) {
		char path[4096];
		FILE *out;

		snprintf(path, sizeof(path), "%s/%s", folder, drill->files[i].name);
		out = fopen(path, "we");
		if (!out)
			return false;
		fputs(drill->files[i].text, out);
		if (fclose(out) != 0)
			return false;
	}
	return true;
}

void drill_print(const struct drill *drill, FILE *out)
{
	char address[INADDR_TEXT], name[NAME_TEXT];

	for (size_t i = 0; i < drill->n_files; i++)
		fprintf(out, "== %s\n%s", drill->files[i].name, drill->files[i].text);
	fputs("== probes\n", out);
	for (size_t i = 0; i < drill->n_probes; i++) {
		const struct probe *probe = &drill->probes[i];

		fprintf(out, "%u %s %s %s\n", probe->sender,
			probe->has_name ? name_to_text(&probe->name, name) : "-",
			inaddr_to_text(&probe->address, address), probe->port);
	}
}

static bool read_probe(const char *line, struct drill *drill)
{
	struct probe probe = {.sender = 0}, *probes;
	char name[256], address[INADDR_TEXT];

	if (sscanf(line, "%u %255s %99s %15s", &probe.sender, name, address, probe.port) != 4 ||
		inaddr_from_text(text_of(address), &probe.address) < 0)
		return false;
	probe.has_name = strcmp(name, "-") != 0;
	if (probe.has_name && name_from_text(text_of(name), &probe.name) < 0)
		return false;
	probes = reallocarray(drill->probes, drill->n_probes + 1, sizeof(*probes));
	if (!probes)
		return false;
	drill->probes = probes;
	drill->probes[drill->n_probes++] = probe;
	return true;
}

/* One section's lines into a file of the drill. */
static bool read_file(FILE *in, const char *name, struct drill *drill, char *line, size_t room)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return false;
	line[0] = '\0';
	while (fgets(line, (int)room, in) && strncmp(line, "== ", 3) != 0) {
		fputs(line, out);
		line[0] = '\0';
	}
	fclose(out);
	drill->n_overrides += name[0] == 'o';
	return add_text(drill, name, text);
}

bool drill_read(FILE *in, struct drill *ret_drill)
{
	struct drill drill = {.n_files = 0};
	char line[4096] = "", name[32];
	bool well = fgets(line, sizeof(line), in) != NULL;

	while (well && sscanf(line, "== %31s", name) == 1 && strcmp(name, "probes") != 0)
		well = read_file(in, name, &drill, line, sizeof(line));
	while (well && fgets(line, sizeof(line), in))
		well = line[0] == '#' || read_probe(line, &drill);
	if (!well || drill.n_files == 0 || drill.n_probes == 0) {
		drill_clear(&drill);
		return false;
	}
	*ret_drill = drill;
	return true;
}

/* A copy in which the file at `index` has another text; NULL: is left out. */
static bool copy(const struct drill *drill, size_t index, const char *text, struct drill *ret_drill)
{
	struct drill other = {.n_overrides = drill->n_overrides};
	size_t size = drill->n_probes * sizeof(struct probe);
	bool well = true;

	other.probes = malloc(size > 0 ? size : 1);
	if (other.probes && size > 0)
		memcpy(other.probes, drill->probes, size);
	other.n_probes = drill->n_probes;
	for (size_t i = 0; i < drill->n_files && well; i++) {
		const char *kept = i == index ? text : drill->files[i].text;
		char name[32];

		if (!kept)
			continue;
		strcpy(name, drill->files[i].name);
		if (!text && name[0] == 'o' && i > index)
			snprintf(name, sizeof(name), "o%zu.toml", i - 1);
		well = add_text(&other, name, strdup(kept));
	}
	if (!text && drill->files[index].name[0] == 'o')
		other.n_overrides--;
	if (!well || !other.probes) {
		drill_clear(&other);
		return false;
	}
	*ret_drill = other;
	return true;
}

bool drill_without(const struct drill *drill, size_t index, struct drill *ret_drill)
{
	return copy(drill, index, NULL, ret_drill);
}

bool drill_with(const struct drill *drill, size_t index, const char *text, struct drill *ret_drill)
{
	return copy(drill, index, text, ret_drill);
}
