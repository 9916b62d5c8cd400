/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/anchor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/rrset.h"

/*
 * Theory of operation
 *
 * An anchor is kept as a DS record, whatever it was: a zone's keys are then believed at an anchor
 * as they are at a delegation. A file that a resolver keeps up to date (RFC 5011) has keys in it
 * that are trusted no longer, or not yet: their state is in a comment, as autotrust writes it, and
 * only valid ones (state 2) are taken.
 */

enum {
	LINE_MAX_BYTES = 4096,
	STATE_VALID = '2',
	FIELDS = 4, /* of DS and of DNSKEY; bytes (RFC 3597) may be of fewer */
};

/* Whether a comment says that the key isn't valid. */
static bool is_retired(const char *line)
{
	const char *state = strstr(line, ";;state=");

	return state && state[strlen(";;state=")] != STATE_VALID;
}

/* The record as a DS, which is new; NULL: it is of no use. */
static ldns_rr *ds_of(const ldns_rr *record)
{
	if (ldns_rr_get_type(record) == LDNS_RR_TYPE_DS)
		return rrset_knows_digest(ldns_rdf2native_int8(ldns_rr_rdf(record, 2))) &&
				       rrset_knows_algorithm(
					       ldns_rdf2native_int8(ldns_rr_rdf(record, 1)))
			       ? ldns_rr_clone(record)
			       : NULL;
	if (!rrset_key_is_usable(record) ||
		!(ldns_rdf2native_int16(ldns_rr_dnskey_flags(record)) & LDNS_KEY_SEP_KEY))
		return NULL;
	return ldns_key_rr2ds(record, LDNS_SHA256);
}

static int add(struct anchors *anchors, const ldns_rr *record)
{
	struct anchor *anchor = &anchors->anchors[anchors->count];
	ldns_rr_type type = ldns_rr_get_type(record);

	if ((type != LDNS_RR_TYPE_DS && type != LDNS_RR_TYPE_DNSKEY) ||
		ldns_rr_rd_count(record) != FIELDS)
		return -EINVAL;
	if (anchors->count == ANCHORS_MAX || !rrset_name(ldns_rr_owner(record), &anchor->zone))
		return -EINVAL;
	anchor->ds = ds_of(record);
	anchors->count += anchor->ds != NULL;
	return 0;
}

static int read_line(struct anchors *anchors, const char *line)
{
	ldns_rr *record;
	ldns_status status;
	int error;

	if (line[strspn(line, " \t\r\n")] == '\0' || line[0] == ';' || is_retired(line))
		return 0;
	status = ldns_rr_new_frm_str(&record, line, 0, NULL, NULL);
	if (status != LDNS_STATUS_OK)
		return -EINVAL;
	error = add(anchors, record);
	ldns_rr_free(record);
	return error;
}

static int read_lines(struct anchors *anchors, FILE *file, unsigned *ret_line)
{
	char line[LINE_MAX_BYTES];
	unsigned number = 0;

	while (fgets(line, sizeof(line), file)) {
		int error = strchr(line, '\n') || feof(file) ? 0 : -EINVAL;

		number++;
		if (!error)
			error = read_line(anchors, line);
		if (error) {
			*ret_line = number;
			return error;
		}
	}
	if (ferror(file))
		return -EIO;
	*ret_line = 0;
	return anchors->count > 0 ? 0 : -EINVAL;
}

int anchors_read(const char *path, struct anchors **ret_anchors, unsigned *ret_line)
{
	FILE *file = fopen(path, "re");
	struct anchors *anchors;
	int error;

	*ret_line = 0;
	if (!file)
		return -errno;
	anchors = calloc(1, sizeof(*anchors));
	error = anchors ? read_lines(anchors, file, ret_line) : -ENOMEM;
	fclose(file);
	if (error)
		anchors_free(anchors);
	else
		*ret_anchors = anchors;
	return error;
}

void anchors_free(struct anchors *anchors)
{
	if (!anchors)
		return;
	for (size_t i = 0; i < anchors->count; i++)
		ldns_rr_free(anchors->anchors[i].ds);
	free(anchors);
}

const struct name *anchors_above(const struct anchors *anchors, const struct name *name)
{
	const struct name *deepest = NULL;

	for (size_t i = 0; i < anchors->count; i++) {
		const struct name *zone = &anchors->anchors[i].zone;

		if (name_is_below(name, zone) && (!deepest || zone->length > deepest->length))
			deepest = zone;
	}
	return deepest;
}
