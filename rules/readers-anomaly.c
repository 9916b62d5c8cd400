/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/readers.h"

#include "rules/load.h"
#include "rules/reading.h"
#include "rules/value.h"
#include "rules/walk.h"

/* [anomaly]: what stands out in a session. What isn't written stays 0. */

int read_anomaly(struct load *load, const struct toml_node *value)
{
	return walk_table(load, "anomaly", value);
}

static const struct words sorts = {
	"a sort of anomaly",
	(const struct word[]){
		{"categories", ANOMALY_CATEGORIES},
		{"upload", ANOMALY_UPLOAD},
		{"upload-ratio", ANOMALY_UPLOAD_RATIO},
		{"upload-burst", ANOMALY_UPLOAD_BURST},
		{"encoded-names", ANOMALY_ENCODED_NAMES},
		{"beacon", ANOMALY_BEACON},
		{"refusals", ANOMALY_REFUSALS},
		{NULL, 0},
	},
};

int read_anomaly_off(struct load *load, const struct toml_node *value)
{
	for (size_t i = 0; i < value->n_children; i++) {
		uint64_t sort;

		if (reading_word(load, &value->children[i], &sorts, &sort))
			load->policy->anomaly.off |= 1u << sort;
	}
	return 0;
}

int read_anomaly_categories(struct load *load, const struct toml_node *value)
{
	load->policy->anomaly.categories = (uint32_t)value->value.integer;
	return 0;
}

int read_anomaly_upload(struct load *load, const struct toml_node *value)
{
	reading_bytes(load, value, &load->policy->anomaly.upload);
	return 0;
}

int read_anomaly_upload_ratio(struct load *load, const struct toml_node *value)
{
	load->policy->anomaly.upload_ratio = reading_points(value);
	return 0;
}

int read_anomaly_upload_burst(struct load *load, const struct toml_node *value)
{
	reading_bytes(load, value, &load->policy->anomaly.upload_burst);
	return 0;
}

int read_anomaly_encoded_names(struct load *load, const struct toml_node *value)
{
	load->policy->anomaly.encoded_names = (uint32_t)value->value.integer;
	return 0;
}

int read_anomaly_beacon(struct load *load, const struct toml_node *value)
{
	load->policy->anomaly.beacon = (uint32_t)value->value.integer;
	return 0;
}

int read_anomaly_refusals(struct load *load, const struct toml_node *value)
{
	load->policy->anomaly.refusals = (uint32_t)value->value.integer;
	return 0;
}
