/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What an upstream server sent where the policy requires DNSSEC: validated as the answer to its own
 * question, and learned from as one about zones. Only who has the root's key is believed, and
 * nobody has. */

#include <string.h>

#include "resolver/denial.h"
#include "resolver/validate.h"
#include "src/base/buf.h"
#include "tests/fuzz/fuzz.h"

enum { TIME = 1800000000 };

static const uint8_t digest[32] = {1, 2, 3};
static const struct hash_key key = {{1, 2}};
static const struct mono now = {1000};

/* An anchor of which nobody knows the key. */
static void make_anchors(struct anchors *anchors)
{
	ldns_rr *ds = ldns_rr_new();

	ldns_rr_set_owner(ds, ldns_dname_new_frm_str("."));
	ldns_rr_set_type(ds, LDNS_RR_TYPE_DS);
	ldns_rr_push_rdf(ds, ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, 1));
	ldns_rr_push_rdf(ds, ldns_native2rdf_int8(LDNS_RDF_TYPE_ALG, LDNS_ECDSAP256SHA256));
	ldns_rr_push_rdf(ds, ldns_native2rdf_int8(LDNS_RDF_TYPE_INT8, LDNS_SHA256));
	ldns_rr_push_rdf(ds, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_HEX, sizeof(digest), digest));
	anchors->count = 1;
	anchors->anchors[0].ds = ds;
	anchors->anchors[0].zone = (struct name){.length = 1};
}

static bool read_question(
	const uint8_t *bytes, size_t size, struct name *ret_name, uint16_t *ret_type)
{
	struct reader reader = reader_over(bytes, size);

	reader_seek(&reader, MSG_HEADER_SIZE);
	name_read(&reader, ret_name);
	*ret_type = reader_u16(&reader);
	return !reader.failed;
}

/* The proofs of the message, taken by a key that has signed nothing, so that all but signatures is
 * looked at. */
static void deny(const uint8_t *bytes, size_t size, const struct name *name, uint16_t type)
{
	struct validate_budget budget = validate_budget();
	struct zone_keys keys = {.zone = {.length = 1}};
	struct denial_nsec3 *nsec3;
	struct denial denial;
	ldns_pkt *packet;
	bool cut;

	if (ldns_wire2pkt(&packet, bytes, size) != LDNS_STATUS_OK)
		return;
	denial_gather(ldns_pkt_authority(packet), &keys, TIME, &budget, &denial);
	fuzz_require(denial.n_nsec == 0 && denial.n_nsec3 == 0, "no proof without a key");
	/* As if one were there. */
	denial.n_nsec3 = 1;
	denial.iterations = size % 60;
	nsec3 = &denial.nsec3[0];
	memset(nsec3, 0, sizeof(*nsec3));
	if (ldns_rr_list_rr_count(ldns_pkt_authority(packet)) > 0)
		nsec3->types = ldns_rr_rdf(ldns_rr_list_rr(ldns_pkt_authority(packet), 0), 0);
	denial_of_name(&denial, name);
	denial_of_type(&denial, name, type);
	denial_of_ds(&denial, name, &cut);
	ldns_pkt_free(packet);
}

static void answer(struct zones *zones, const uint8_t *bytes, size_t size)
{
	struct validate_budget budget = validate_budget();
	struct validate_verdict verdict;
	struct name name = {.length = 0};
	uint16_t type;

	if (!read_question(bytes, size, &name, &type))
		return;
	validate(zones, bytes, size, &name, type, TIME, now, &budget, &verdict);
	fuzz_require(verdict.status == VALIDATE_ASK || verdict.status == VALIDATE_BOGUS,
		"nothing is secure, or provably not");
	if (verdict.status == VALIDATE_ASK)
		fuzz_require(verdict.ask.length == 1, "the root's keys are asked for first");
	deny(bytes, size, &name, type);
}

static void learn(struct zones *zones, const uint8_t *bytes, size_t size)
{
	static const struct name root = {.length = 1};
	struct name name = {.length = 0};
	uint16_t type;

	fuzz_require(
		zones_learn(zones, &root, LDNS_RR_TYPE_DNSKEY, bytes, size, TIME, now) != EDE_NONE,
		"a key without a match is not believed");
	if (!read_question(bytes, size, &name, &type))
		return;
	fuzz_require(zones_learn(zones, &name, LDNS_RR_TYPE_DS, bytes, size, TIME, now) != EDE_NONE,
		"nothing below a zone without keys is believed");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct anchors anchors;
	struct zones *zones;

	make_anchors(&anchors);
	if (zones_new(&anchors, &key, &zones) != 0)
		return 0;
	answer(zones, data, size);
	learn(zones, data, size);
	zones_free(zones);
	ldns_rr_free(anchors.anchors[0].ds);
	return 0;
}
