/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/suffix.h"

#include <libpsl.h>
#include <string.h>

/*
 * Theory of operation
 *
 * The list has two sections, of registries and of providers, and libpsl is asked for one at a time.
 * Its default rule, by which any single label is a suffix, belongs to the first: a name with one
 * label is never asked about in the second. Labels with odd bytes are escaped in the text that
 * libpsl gets, and so are in no list.
 *
 * A wildcard over the name that all suffixes of a provider lie below is as wide as one over each of
 * them, yet the list does not have that name, and libpsl cannot be asked what lies below a name.
 * Hence the table here.
 */

/*
 * Where names of strangers lie deeper than one label, or that the list lacks: parents of suffixes
 * in the list's section of providers (version of 2023-02-09), and object stores and the like by
 * their providers' documentation. `regions`: so is what lies between the name and those suffixes
 * ("eu-west-1.amazonaws.com").
 */
static const struct {
	const char *name;
	bool regions;
} shared[] = {
	{"aliyuncs.com", false},
	{"amazonaws.com", true},
	{"amazonaws.com.cn", true},
	{"azurecontainer.io", false},
	{"backblazeb2.com", false},
	{"blob.core.windows.net", false},
	{"cdn77.org", false},
	{"cloudapp.azure.com", false},
	{"core.windows.net", false},
	{"digitaloceanspaces.com", false},
	{"fastly.net", false},
	{"linodeobjects.com", false},
	{"linodeusercontent.com", false},
	{"myqcloud.com", false},
	{"ovh.net", false},
	{"platformsh.site", false},
	{"r2.cloudflarestorage.com", false},
	{"scw.cloud", false},
	{"servicebus.windows.net", false},
	{"sharepoint.com", false},
	{"usercontent.goog", false},
	{"vultrobjects.com", false},
	{"wasabisys.com", false},
	{"web.core.windows.net", false},
	{"windows.net", false},
};

static bool is_suffix(const char *text, int section)
{
	const psl_ctx_t *list = psl_builtin();

	return list && psl_is_public_suffix2(list, text, section);
}

/* Labels of what was registered; 0 for a suffix. */
static unsigned registered_labels(const struct name *name)
{
	char text[NAME_TEXT];
	const char *registered = psl_registrable_domain(psl_builtin(), name_to_text(name, text));
	unsigned labels = registered ? 1 : 0;

	for (; registered && *registered; registered++)
		labels += *registered == '.';
	return labels;
}

static bool is_shared(const struct name *name)
{
	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
		struct name row;

		if (name_from_text(text_of(shared[i].name), &row) < 0)
			continue;
		if (name_equal(name, &row))
			return true;
		if (shared[i].regions && name_is_below(name, &row) &&
			registered_labels(name) == name_labels(&row))
			return true;
	}
	return false;
}

bool suffix_is_public(const struct name *name)
{
	char text[NAME_TEXT];

	return name_labels(name) <= 1 || is_suffix(name_to_text(name, text), PSL_TYPE_ICANN);
}

enum suffix_kind suffix_find(const struct name *name)
{
	char text[NAME_TEXT];

	if (suffix_is_public(name))
		return SUFFIX_PUBLIC;
	name_to_text(name, text);
	return is_suffix(text, PSL_TYPE_PRIVATE) || is_shared(name) ? SUFFIX_SHARED : SUFFIX_NONE;
}

struct name suffix_registered(const struct name *name)
{
	struct name registered = *name;
	unsigned labels = registered_labels(name);

	while (labels > 0 && name_labels(&registered) > labels)
		registered = name_parent(&registered);
	return registered;
}

struct name suffix_domain(const struct name *name)
{
	unsigned labels = name_labels(name);
	struct name domain = *name;

	for (unsigned kept = 2; kept < labels; kept++) {
		unsigned cut = name_label_offset(name, labels - kept);

		domain.length = (uint8_t)(name->length - cut);
		memcpy(domain.wire, name->wire + cut, domain.length);
		if (!suffix_is_public(&domain))
			return domain;
	}
	return *name;
}
