/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/differential/drill.h"

#include <stdlib.h>
#include <string.h>

#include "tests/differential/generate.h"

/*
 * Theory of operation
 *
 * A policy before is drawn like any other, or is the base with a block more or less, so that many
 * of the rules, and of the leases given under them, are those of the base too. What narrows it is
 * made of the first override in the same way.
 */

enum { LISTS = 3 };

/* What a layer alone narrows. */
#define PERMISSIVE                                                                                 \
	"version = 1\nname = \"by-chance\"\nmode = \"denylist\"\n\n[score]\nunknown = 0\n\n"       \
	"[network]\nblock = []\n"

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

/* Bits of no consequence in a wide block: an address of its own. */
static void scatter(struct chance *chance, struct inaddr *address)
{
	for (unsigned i = 13; i < 16; i++)
		address->bytes[i] = (uint8_t)chance_draw(chance);
}

/* What many policies give leases for: a short name on the usual port, mostly with a public address.
 */
static void draw_leased(struct chance *chance, char name[256], struct probe *probe)
{
	static const char *const blocks[] = {"198.41.0.0", "2600:1::", "10.42.0.0"};

	while (strlen(generate_name(chance, name)) > strlen("api-1-internal.example.com"))
		continue;
	inaddr_from_text(text_of(chance_of(chance, blocks)), &probe->address);
	scatter(chance, &probe->address);
	strcpy(probe->port, "tcp/443");
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
	generate_name(chance, name);
	if (chance_one_in(chance, 2))
		draw_leased(chance, name, ret_probe);
	else if (chance_one_in(chance, 2))
		scatter(chance, &ret_probe->address);
	name_from_text(text_of(name), &ret_probe->name);
}

/* The text without one of its blocks, but for the first. */
static char *without_block(struct chance *chance, const char *text)
{
	char *copied = strdup(text), *at = copied, *end;
	unsigned blocks = 0, which;

	for (const char *next = text; (next = strstr(next, "\n\n")) != NULL; next += 2)
		blocks++;
	if (!copied || blocks == 0)
		return copied;
	which = chance_below(chance, blocks);
	for (unsigned i = 0; i <= which; i++)
		at = strstr(at, "\n\n") + 2;
	end = strstr(at, "\n\n");
	if (end)
		memmove(at, end + 2, strlen(end + 2) + 1);
	else
		*at = '\0';
	return copied;
}

static char *with_entry(struct chance *chance, const char *text)
{
	char *longer = NULL;
	size_t size;
	FILE *out = open_memstream(&longer, &size);

	if (!out)
		return NULL;
	fputs(text, out);
	generate_entry(chance, out);
	fclose(out);
	return longer;
}

/* The text as it is, or with a little less or more in it. */
static char *vary(struct chance *chance, const char *text)
{
	switch (chance_below(chance, 4)) {
	case 0:
		return with_entry(chance, text);
	case 1:
		return strdup(text);
	default:
		return without_block(chance, text);
	}
}

/* One of the policies before, and what narrows it. */
static bool add_before(struct drill *drill, const struct writing *writing)
{
	struct chance *chance = writing->chance;
	char name[32];
	bool well;

	snprintf(name, sizeof(name), "p%zu.toml", ++drill->n_before);
	if (chance_one_in(chance, 6))
		well = add_drawn(drill, name, writing, write_policy);
	else
		well = add_text(drill, name, vary(chance, drill->files[0].text));
	name[0] = 'q';
	if (drill->n_overrides > 0 && chance_one_in(chance, 2))
		well = well && add_text(drill, name, vary(chance, drill->files[1].text));
	return well;
}

bool drill_draw(struct chance *chance, const struct draw *draw, struct drill *ret_drill)
{
	struct drill drill = {
		.applied = draw->applied,
		.probes = calloc(draw->n_probes + 1, sizeof(struct probe)),
	};
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
	writing.is_override = false;
	for (unsigned i = draw->before ? chance_below(chance, DRILL_BEFORE_MAX + 1) : 0;
		i > 0 && well; i--)
		well = add_before(&drill, &writing);
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
	if (drill->applied)
		fputs("== applied\n", out);
	if (drill->by_layers)
		fputs("== layers\n", out);
	fputs("== probes\n", out);
	for (size_t i = 0; i < drill->n_probes; i++) {
		const struct probe *probe = &drill->probes[i];

		fprintf(out, "%u %s %s %s\n", probe->sender,
			probe->has_name ? name_to_text(&probe->name, name) : "-",
			inaddr_to_text(&probe->address, address), probe->port);
	}
}

/* The next word of the line, which is cut. */
static struct text next_word(char **rest)
{
	char *word;

	do
		word = strsep(rest, " \n");
	while (word && !*word);
	return text_of(word ? word : "");
}

static bool read_probe(char *line, struct drill *drill)
{
	struct text sender = next_word(&line), name = next_word(&line), address = next_word(&line),
		    port = next_word(&line);
	struct probe probe = {.has_name = !text_is(name, "-")}, *probes;
	uint64_t number;

	if (text_to_number(sender, UINT32_MAX, &number) < 0 ||
		inaddr_from_text(address, &probe.address) < 0 ||
		(probe.has_name && name_from_text(name, &probe.name) < 0) || port.length == 0 ||
		port.length >= sizeof(probe.port) || next_word(&line).length > 0)
		return false;
	probe.sender = (unsigned)number;
	memcpy(probe.port, port.start, port.length);
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
	drill->n_before += name[0] == 'p';
	return drill->n_overrides <= DRILL_OVERRIDES_MAX && drill->n_before <= DRILL_BEFORE_MAX &&
	       add_text(drill, name, text);
}

/* A section that says how the drill is tried. */
static bool *find_flag(struct drill *drill, const char *name)
{
	if (strcmp(name, "applied") == 0)
		return &drill->applied;
	return strcmp(name, "layers") == 0 ? &drill->by_layers : NULL;
}

static bool read_section(FILE *in, const char *name, struct drill *drill, char *line, size_t room)
{
	bool *flag = find_flag(drill, name);

	if (!flag)
		return read_file(in, name, drill, line, room);
	*flag = true;
	return fgets(line, (int)room, in) != NULL;
}

bool drill_read(FILE *in, struct drill *ret_drill)
{
	struct drill drill = {.n_files = 0};
	char line[4096] = "", name[32];
	bool well = fgets(line, sizeof(line), in) != NULL;

	while (well && sscanf(line, "== %31s", name) == 1 && strcmp(name, "probes") != 0)
		well = read_section(in, name, &drill, line, sizeof(line));
	while (well && fgets(line, sizeof(line), in))
		well = line[0] == '#' || read_probe(line, &drill);
	if (!well || drill.n_files == 0 || drill.n_probes == 0) {
		drill_clear(&drill);
		return false;
	}
	*ret_drill = drill;
	return true;
}

/* Overrides and policies before have numbers. */
static bool is_numbered(const struct file *file)
{
	return file->name[0] == 'o' || file->name[0] == 'p';
}

/* A copy in which the file at `index` has another text; NULL: is left out. */
static bool copy(const struct drill *drill, size_t index, const char *text, struct drill *ret_drill)
{
	const char *left = text ? "" : drill->files[index].name;
	struct drill other = *drill;
	size_t size = drill->n_probes * sizeof(struct probe);
	bool well = true;

	other.n_files = 0;
	other.n_overrides -= left[0] == 'o';
	other.n_before -= left[0] == 'p';
	other.probes = malloc(size > 0 ? size : 1);
	if (other.probes && size > 0)
		memcpy(other.probes, drill->probes, size);
	for (size_t i = 0; i < drill->n_files && well; i++) {
		const char *kept = i == index ? text : drill->files[i].text;
		char name[32];

		if (!kept)
			continue;
		strcpy(name, drill->files[i].name);
		if (i > index && is_numbered(&drill->files[i]) && name[0] == left[0])
			name[1]--;
		well = add_text(&other, name, strdup(kept));
	}
	if (!well || !other.probes) {
		drill_clear(&other);
		return false;
	}
	*ret_drill = other;
	return true;
}

bool drill_has(const struct drill *drill, const char *name)
{
	for (size_t i = 0; i < drill->n_files; i++)
		if (strcmp(drill->files[i].name, name) == 0)
			return true;
	return false;
}

bool drill_without(const struct drill *drill, size_t index, struct drill *ret_drill)
{
	return copy(drill, index, NULL, ret_drill);
}

bool drill_with(const struct drill *drill, size_t index, const char *text, struct drill *ret_drill)
{
	return copy(drill, index, text, ret_drill);
}

bool drill_layer(const struct drill *drill, size_t layer, struct drill *ret_drill)
{
	const char *text = layer > 0 ? PERMISSIVE : drill->files[0].text;
	struct drill other, less;

	if (!drill_with(drill, 0, text, &other))
		return false;
	other.applied = other.by_layers = false;
	for (size_t i = other.n_files; i-- > 0;) {
		const char *name = other.files[i].name;

		/* From behind, so that what is still to come has the number that it had. */
		if (name[0] != 'p' && name[0] != 'q' &&
			(name[0] != 'o' || (size_t)(name[1] - '0') == layer))
			continue;
		if (!drill_without(&other, i, &less)) {
			drill_clear(&other);
			return false;
		}
		drill_clear(&other);
		other = less;
	}
	*ret_drill = other;
	return true;
}
