/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/answer.h"

#include <ldns/ldns.h>
#include <string.h>

#include "resolver/rrset.h"
#include "resolver/svcb.h"
#include "rules/class.h"

/*
 * Theory of operation
 *
 * What an upstream sends is read twice. The header and the question are read here, bounded, before
 * anything else is believed: they tell whether this is the answer to our question at all. The
 * records are then parsed by ldns, and of them only those count that the question leads to: from
 * its name along CNAME (or DNAME) records, never to a name already passed, at most
 * ANSWER_ALIASES_MAX steps, to the addresses of the last name. An answer without an address carries
 * no alias to the client either: an alias is then nothing but a way to move data.
 *
 * Records of other types are written anew, field by field, as ldns has read them: names in our own
 * form, uncompressed and in lower case, everything else byte by byte, and nothing of a record that
 * ldns does not know. Their names are names: whoever wants the addresses asks for them, and needs
 * an entry for that. SVCB and HTTPS records are parsed further (svcb.c).
 *
 * The SOA of a negative answer is our own: the client needs the TTL in it, and nothing else of what
 * the zone's owner may have written there.
 */

#define TTL_NEGATIVE_MAX 300 /* RFC 2308 section 5 leaves the bound to us */

static uint16_t address_type(const struct answer *answer)
{
	return answer->address_size == 4 ? RRTYPE_A : RRTYPE_AAAA;
}

struct answer *answer_empty(
	struct answer_buffer *buffer, enum rcode rcode, enum ede ede, const char *rule)
{
	struct answer *answer = (struct answer *)buffer->bytes;

	*answer = (struct answer){.rcode = rcode, .ede = ede, .rule = rule};
	buffer->leases.count = 0;
	return answer;
}

bool answer_is_negative(const struct answer *answer)
{
	return answer->n_addresses == 0 && answer->n_records == 0;
}

bool answer_add_lease(struct answer_leases *leases, const struct inaddr *address)
{
	for (unsigned i = 0; i < leases->count; i++)
		if (inaddr_compare(&leases->addresses[i], address) == 0)
			return true;
	if (leases->count == CHANNEL_ADDRESSES_MAX)
		return false;
	leases->addresses[leases->count++] = *address;
	return true;
}

static void add_address(struct answer_buffer *buffer, const struct inaddr *address, bool leased)
{
	struct answer *answer = (struct answer *)buffer->bytes;
	size_t raw_size;
	const uint8_t *raw = inaddr_raw(address, &raw_size);

	for (unsigned i = 0; i < answer->n_addresses; i++) {
		size_t at = answer->size - (size_t)(i + 1) * answer->address_size;
		if (memcmp(answer->data + at, raw, answer->address_size) == 0)
			return;
	}
	if (answer->n_addresses == CHANNEL_ADDRESSES_MAX) {
		answer->partial = true;
		return;
	}
	memcpy(answer->data + answer->size, raw, answer->address_size);
	answer->size += answer->address_size;
	answer->n_addresses++;
	if (leased)
		answer_add_lease(&buffer->leases, address);
}

struct answer *answer_of_addresses(struct answer_buffer *buffer, uint16_t type,
	const struct inaddr *addresses, size_t count, const struct answer_judge *judge)
{
	struct answer *answer = answer_empty(buffer, RCODE_NOERROR, EDE_NONE, NULL);
	const char *refused = NULL;

	answer->address_size = type == RRTYPE_A ? 4 : 16;
	for (size_t i = 0; i < count; i++) {
		uint16_t own_type = inaddr_is_ip4(&addresses[i]) ? RRTYPE_A : RRTYPE_AAAA;
		bool leased;

		if (own_type == type &&
			judge->permits(judge->context, &addresses[i], &leased, &refused))
			add_address(buffer, &addresses[i], leased);
	}
	if (answer->n_addresses == 0 && refused)
		answer = answer_empty(buffer, RCODE_NOERROR, EDE_FILTERED, refused);
	return answer;
}

struct answer *answer_of_name(
	struct answer_buffer *buffer, uint16_t type, const struct name *target)
{
	struct answer *answer = answer_empty(buffer, RCODE_NOERROR, EDE_NONE, NULL);
	struct writer writer = writer_over(answer->data, ANSWER_DATA_MAX);

	answer->type = type;
	answer->n_records = 1;
	writer_u16(&writer, target->length);
	name_write(&writer, target);
	answer->size = (uint16_t)writer.pos;
	return answer;
}

size_t answer_told(const struct answer *answer)
{
	return (size_t)answer->size + sizeof(uint32_t) + 1;
}

static const uint8_t *raw_address(const struct answer *answer, unsigned index)
{
	size_t from_end = (size_t)(answer->n_addresses - index) * answer->address_size;

	return answer->data + answer->size - from_end;
}

struct inaddr answer_address(const struct answer *answer, unsigned index)
{
	const uint8_t *raw = raw_address(answer, index);

	return answer->address_size == 4 ? inaddr_from_ip4(raw) : inaddr_from_ip6(raw);
}

static bool is_opened(
	const struct answer_leases *leases, uint64_t opened, const struct inaddr *address)
{
	for (unsigned i = 0; i < leases->count; i++)
		if (inaddr_compare(&leases->addresses[i], address) == 0)
			return opened >> i & 1;
	return true;
}

/* Records of other types carry their addresses within: those stay as a whole, or not at all. */
bool answer_keep_opened(struct answer *answer, const struct answer_leases *leases, uint64_t opened)
{
	uint8_t *addresses = answer->data + answer->aliases_size;
	uint64_t all = leases->count > 0 ? UINT64_MAX >> (64 - leases->count) : 0;
	unsigned kept = 0;

	if ((opened & all) == all)
		return true;
	if (answer->n_records > 0)
		return false;
	for (unsigned i = 0; i < answer->n_addresses; i++) {
		struct inaddr address = answer_address(answer, i);

		if (!is_opened(leases, opened, &address))
			continue;
		memmove(addresses + (size_t)kept * answer->address_size,
			addresses + (size_t)i * answer->address_size, answer->address_size);
		kept++;
	}
	answer->size -= (uint16_t)((answer->n_addresses - kept) * answer->address_size);
	answer->n_addresses = (uint8_t)kept;
	return kept > 0;
}

bool answer_next_alias(const struct answer *answer, size_t *at, struct name *ret_target)
{
	struct reader reader = reader_over(answer->data, answer->aliases_size);

	if (*at >= answer->aliases_size)
		return false;
	reader_seek(&reader, *at);
	name_read(&reader, ret_target);
	*at = reader.pos;
	return !reader.failed;
}

/* A record up to its data; its owner is the name at `owner` in the message (RFC 1035
 * section 4.1.4). */
static void write_record(
	struct writer *writer, size_t owner, uint16_t type, uint32_t ttl, size_t data_size)
{
	writer_u16(writer, (uint16_t)(0xc000 | owner));
	writer_u16(writer, type);
	writer_u16(writer, RRCLASS_IN);
	writer_u32(writer, ttl);
	writer_u16(writer, (uint16_t)data_size);
}

static void write_soa(struct writer *writer, uint32_t ttl)
{
	write_record(writer, MSG_HEADER_SIZE, RRTYPE_SOA, ttl, 22);
	writer_u8(writer, 0);      /* MNAME */
	writer_u8(writer, 0);      /* RNAME */
	writer_u32(writer, 1);     /* serial */
	writer_u32(writer, 3600);  /* refresh */
	writer_u32(writer, 600);   /* retry */
	writer_u32(writer, 86400); /* expire */
	writer_u32(writer, ttl);   /* minimum: RFC 2308 section 4 */
}

/* Records that are no addresses. */
static void write_others(
	const struct answer *answer, size_t owner, uint32_t ttl, struct writer *writer)
{
	struct reader reader = reader_over(answer->data, answer->size);

	reader_seek(&reader, answer->aliases_size);
	for (unsigned i = 0; i < answer->n_records; i++) {
		uint16_t size = reader_u16(&reader);

		write_record(writer, owner, answer->type, ttl, size);
		writer_bytes(writer, reader_bytes(&reader, size), size);
	}
}

void answer_write(const struct answer *answer, uint32_t ttl, size_t question_size,
	struct writer *writer, uint16_t *ret_answers, uint16_t *ret_authorities)
{
	struct name target = {.length = 0};
	size_t owner = MSG_HEADER_SIZE;
	size_t at = 0;

	*ret_answers = (uint16_t)(answer->n_aliases + answer->n_addresses + answer->n_records);
	*ret_authorities = 0;
	if (answer_is_negative(answer)) {
		if (ttl > 0 && question_size > 0) {
			write_soa(writer, ttl);
			*ret_authorities = 1;
		}
		return;
	}
	while (answer_next_alias(answer, &at, &target)) {
		write_record(writer, owner, RRTYPE_CNAME, ttl, target.length);
		owner = writer->pos;
		name_write(writer, &target);
	}
	for (unsigned i = 0; i < answer->n_addresses; i++) {
		write_record(writer, owner, address_type(answer), ttl, answer->address_size);
		writer_bytes(writer, raw_address(answer, i), answer->address_size);
	}
	write_others(answer, owner, ttl, writer);
}

/* The walk from a question to its addresses. */
struct walk {
	const ldns_rr_list *records;
	struct name passed[ANSWER_ALIASES_MAX + 1]; /* the question's name first */
	unsigned n_aliases;
	uint32_t ttl;        /* the smallest of what is given to the client */
	const char *refused; /* the rule that took an address away, or NULL */
	uint32_t refused_ttl;
};

static void keep_smaller(uint32_t *ttl, uint32_t other)
{
	if (other < *ttl)
		*ttl = other;
}

static const struct name *walk_at(const struct walk *walk)
{
	return &walk->passed[walk->n_aliases];
}

/* RFC 2181 section 8: with its highest bit set a TTL is 0. */
static uint32_t record_ttl(const ldns_rr *record)
{
	uint32_t ttl = ldns_rr_ttl(record);

	return ttl > INT32_MAX ? 0 : ttl;
}

static bool record_is(
	const ldns_rr *record, ldns_rr_type type, const struct name *owner, uint32_t *ret_ttl)
{
	struct name name;

	if (ldns_rr_get_type(record) != type || ldns_rr_get_class(record) != LDNS_RR_CLASS_IN ||
		ldns_rr_rd_count(record) < 1 || !rrset_name(ldns_rr_owner(record), &name) ||
		!name_equal(&name, owner))
		return false;
	*ret_ttl = record_ttl(record);
	return true;
}

/* The target of the CNAME at `owner`. */
static bool find_cname(const struct walk *walk, const struct name *owner, struct name *ret_target,
	uint32_t *ret_ttl)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(walk->records); i++) {
		const ldns_rr *record = ldns_rr_list_rr(walk->records, i);
		if (record_is(record, LDNS_RR_TYPE_CNAME, owner, ret_ttl))
			return rrset_name(ldns_rr_rdf(record, 0), ret_target);
	}
	return false;
}

/* The target of `name` by a DNAME of a name above it, where the server left the CNAME to us. */
static bool find_dname(const struct walk *walk, const struct name *name, struct name *ret_target,
	uint32_t *ret_ttl)
{
	for (struct name above = *name; above.length > 1;) {
		above = name_parent(&above);
		for (size_t i = 0; i < ldns_rr_list_rr_count(walk->records); i++) {
			const ldns_rr *record = ldns_rr_list_rr(walk->records, i);
			if (record_is(record, LDNS_RR_TYPE_DNAME, &above, ret_ttl))
				return rrset_substitute(record, &above, name, ret_target);
		}
	}
	return false;
}

/* Follows the aliases to their end. False when they turn in a circle or are too many. */
static bool walk_aliases(struct walk *walk)
{
	struct name target;
	uint32_t ttl;

	while (find_cname(walk, walk_at(walk), &target, &ttl) ||
		find_dname(walk, walk_at(walk), &target, &ttl)) {
		if (walk->n_aliases == ANSWER_ALIASES_MAX)
			return false;
		for (unsigned i = 0; i <= walk->n_aliases; i++) {
			if (name_equal(&walk->passed[i], &target))
				return false;
		}
		walk->passed[++walk->n_aliases] = target;
		keep_smaller(&walk->ttl, ttl);
	}
	return true;
}

/* Whether an address may be in an answer of `type`. An IPv4-mapped one has no business in an AAAA
 * record (RFC 4038 section 4.2). */
static bool is_permitted(const struct inaddr *address, uint16_t type,
	const struct answer_judge *judge, bool *ret_leased, const char **ret_rule)
{
	if (inaddr_is_ip4(address) == (type == RRTYPE_A))
		return judge->permits(judge->context, address, ret_leased, ret_rule);
	*ret_rule = class_rule(CLASS_RESERVED);
	return false;
}

/* Adds the addresses of the last name that may be given out. */
static void take_addresses(struct walk *walk, uint16_t type, const struct answer_judge *judge,
	struct answer_buffer *buffer)
{
	struct answer *answer = (struct answer *)buffer->bytes;

	answer->address_size = type == RRTYPE_A ? 4 : 16;
	for (size_t i = 0; i < ldns_rr_list_rr_count(walk->records); i++) {
		const ldns_rr *record = ldns_rr_list_rr(walk->records, i);
		uint32_t ttl;

		if (!record_is(record, (ldns_rr_type)type, walk_at(walk), &ttl) ||
			ldns_rdf_size(ldns_rr_rdf(record, 0)) != answer->address_size)
			continue;
		const uint8_t *raw = ldns_rdf_data(ldns_rr_rdf(record, 0));
		struct inaddr address =
			type == RRTYPE_A ? inaddr_from_ip4(raw) : inaddr_from_ip6(raw);
		bool leased;
		if (!is_permitted(&address, type, judge, &leased, &walk->refused)) {
			keep_smaller(&walk->refused_ttl, ttl);
			answer->partial = true;
			continue;
		}
		add_address(buffer, &address, leased);
		keep_smaller(&walk->ttl, ttl);
	}
}

static void put_aliases(const struct walk *walk, struct answer *answer)
{
	for (unsigned i = 1; i <= walk->n_aliases; i++) {
		memcpy(answer->data + answer->size, walk->passed[i].wire, walk->passed[i].length);
		answer->size += walk->passed[i].length;
	}
	answer->n_aliases = (uint8_t)walk->n_aliases;
	answer->aliases_size = answer->size;
}

/* A record's data as ldns has it: names in our form, the other fields as they came. */
static bool rebuild_plain(const ldns_rr *record, struct writer *writer)
{
	for (size_t i = 0; i < ldns_rr_rd_count(record); i++) {
		const ldns_rdf *field = ldns_rr_rdf(record, i);
		struct name name;

		if (!field)
			return false;
		if (ldns_rdf_get_type(field) != LDNS_RDF_TYPE_DNAME)
			writer_bytes(writer, ldns_rdf_data(field), ldns_rdf_size(field));
		else if (rrset_name(field, &name))
			name_write(writer, &name);
		else
			return false;
	}
	return !writer->failed;
}

/* The data of a record at the last name as a client may have it. */
static bool rebuild(struct walk *walk, const ldns_rr *record, const struct answer_judge *judge,
	struct answer_buffer *buffer, struct writer *writer)
{
	uint8_t plain[ANSWER_RECORDS_BYTES];
	struct writer raw = writer_over(plain, sizeof(plain));
	const ldns_rr_type type = ldns_rr_get_type(record);

	if (type != LDNS_RR_TYPE_SVCB && type != LDNS_RR_TYPE_HTTPS)
		return rebuild_plain(record, writer);
	return rebuild_plain(record, &raw) && svcb_rebuild(plain, raw.pos, walk_at(walk), judge,
						      writer, &buffer->leases, &walk->refused);
}

/* Adds the records of a type other than addresses that the last name has, as far as there is
 * room. */
static void take_others(struct walk *walk, uint16_t type, const struct answer_judge *judge,
	struct answer_buffer *buffer)
{
	struct answer *answer = (struct answer *)buffer->bytes;

	answer->type = type;
	for (size_t i = 0; i < ldns_rr_list_rr_count(walk->records); i++) {
		const ldns_rr *record = ldns_rr_list_rr(walk->records, i);
		uint8_t data[ANSWER_RECORDS_BYTES];
		struct writer writer = writer_over(data, sizeof(data));
		struct writer all = {.start = answer->data,
			.size = answer->aliases_size + ANSWER_RECORDS_BYTES,
			.pos = answer->size};
		unsigned n_leases = buffer->leases.count;
		uint32_t ttl;

		if (!record_is(record, (ldns_rr_type)type, walk_at(walk), &ttl))
			continue;
		if (answer->n_records == ANSWER_RECORDS_MAX ||
			!rebuild(walk, record, judge, buffer, &writer)) {
			answer->partial = true;
			continue;
		}
		writer_u16(&all, (uint16_t)writer.pos);
		writer_bytes(&all, data, writer.pos);
		if (all.failed) {
			answer->partial = true;
			buffer->leases.count = n_leases;
			return;
		}
		answer->size = (uint16_t)all.pos;
		answer->n_records++;
		keep_smaller(&walk->ttl, ttl);
	}
}

/* The smaller of the SOA's TTL and its minimum (RFC 2308 section 5); 0, so not to be kept, without
 * an SOA. */
static uint32_t negative_ttl(const ldns_pkt *packet)
{
	const ldns_rr_list *authority = ldns_pkt_authority(packet);

	for (size_t i = 0; i < ldns_rr_list_rr_count(authority); i++) {
		const ldns_rr *record = ldns_rr_list_rr(authority, i);
		if (ldns_rr_get_type(record) != LDNS_RR_TYPE_SOA || ldns_rr_rd_count(record) < 7)
			continue;
		uint32_t minimum = ldns_rdf2native_int32(ldns_rr_rdf(record, 6));
		uint32_t ttl = record_ttl(record) < minimum ? record_ttl(record) : minimum;
		return ttl < TTL_NEGATIVE_MAX ? ttl : TTL_NEGATIVE_MAX;
	}
	return 0;
}

/* Whether the server sends us elsewhere instead of answering (RFC 2308 section 2.2), as one does
 * that does not recurse. */
static bool is_referral(const ldns_pkt *packet)
{
	const ldns_rr_list *authority = ldns_pkt_authority(packet);
	bool has_server = false;

	if (ldns_pkt_get_rcode(packet) != LDNS_RCODE_NOERROR)
		return false;
	for (size_t i = 0; i < ldns_rr_list_rr_count(authority); i++) {
		ldns_rr_type type = ldns_rr_get_type(ldns_rr_list_rr(authority, i));

		if (type == LDNS_RR_TYPE_SOA)
			return false;
		has_server |= type == LDNS_RR_TYPE_NS;
	}
	return has_server;
}

/* A question for an alias is answered by it. */
static bool follows_aliases(uint16_t type)
{
	return type != RRTYPE_CNAME && type != RRTYPE_DNAME;
}

static enum answer_status read_records(const ldns_pkt *packet, const struct name *name,
	uint16_t type, const struct answer_judge *judge, struct answer_buffer *buffer,
	struct answer **ret_answer, uint32_t *ret_ttl)
{
	struct walk walk = {.records = ldns_pkt_answer(packet),
		.ttl = INT32_MAX,
		.refused_ttl = TTL_NEGATIVE_MAX};

	walk.passed[0] = *name;
	if (follows_aliases(type) && !walk_aliases(&walk))
		return ANSWER_FAILED;
	struct answer *answer = answer_empty(buffer, RCODE_NOERROR, EDE_NONE, NULL);
	put_aliases(&walk, answer);
	if (type == RRTYPE_A || type == RRTYPE_AAAA)
		take_addresses(&walk, type, judge, buffer);
	else
		take_others(&walk, type, judge, buffer);
	if (answer_is_negative(answer)) {
		if (!walk.refused && is_referral(packet))
			return ANSWER_FAILED;
		enum rcode rcode = ldns_pkt_get_rcode(packet) == LDNS_RCODE_NXDOMAIN
					   ? RCODE_NXDOMAIN
					   : RCODE_NOERROR;
		keep_smaller(&walk.ttl, walk.refused ? walk.refused_ttl : negative_ttl(packet));
		answer = answer_empty(
			buffer, rcode, walk.refused ? EDE_FILTERED : EDE_NONE, walk.refused);
	}
	*ret_ttl = walk.ttl;
	*ret_answer = answer;
	return ANSWER_READY;
}

/* Whether the message is a response to our question, and what its header says of it. */
static enum answer_status read_header(
	const uint8_t *bytes, size_t size, const struct name *name, uint16_t type)
{
	struct reader reader = reader_over(bytes, size);
	struct name question = {.length = 0};

	reader_u16(&reader);
	uint16_t flags = reader_u16(&reader);
	uint16_t questions = reader_u16(&reader);
	reader_seek(&reader, MSG_HEADER_SIZE);
	name_read(&reader, &question);
	bool same_type = reader_u16(&reader) == type;
	bool same_class = reader_u16(&reader) == RRCLASS_IN;
	if (reader.failed || !(flags & HEADER_QR) || flags & HEADER_OPCODE || questions != 1 ||
		!same_type || !same_class || !name_equal(&question, name))
		return ANSWER_BOGUS;
	if (flags & HEADER_TC)
		return ANSWER_TRUNCATED;
	unsigned rcode = flags & 0xf;
	return rcode == RCODE_NOERROR || rcode == RCODE_NXDOMAIN ? ANSWER_READY : ANSWER_FAILED;
}

enum answer_status answer_read(const uint8_t *bytes, size_t size, const struct name *name,
	uint16_t type, const struct answer_judge *judge, struct answer_buffer *buffer,
	struct answer **ret_answer, uint32_t *ret_ttl)
{
	ldns_pkt *packet;

	enum answer_status status = read_header(bytes, size, name, type);
	if (status != ANSWER_READY)
		return status;
	if (ldns_wire2pkt(&packet, bytes, size) != LDNS_STATUS_OK)
		return ANSWER_FAILED;
	status = read_records(packet, name, type, judge, buffer, ret_answer, ret_ttl);
	ldns_pkt_free(packet);
	return status;
}
