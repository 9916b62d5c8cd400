/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/svcb.h"

#include "rules/class.h"

/*
 * Theory of operation
 *
 * A record is read parameter by parameter in the order that it must have (RFC 9460 section 2.2),
 * and each is rebuilt by its row: what has no row is dropped. Dropped is `ech`, since a name in an
 * encrypted ClientHello is not the one that was permitted; `dohpath` and what else configures DNS;
 * and whatever is not known. A record that says that a dropped parameter is mandatory is of no use
 * to the client (section 8), and goes with it. So does one with a port that the policy does not
 * permit, and one whose target is another name that it does not permit: the client could not
 * resolve that.
 *
 * An alias (priority 0) has no parameters (section 2.4.2). A target "." in one says that there is
 * no such service.
 */

enum key {
	KEY_MANDATORY = 0,
	KEY_ALPN = 1,
	KEY_NO_DEFAULT_ALPN = 2,
	KEY_PORT = 3,
	KEY_IPV4HINT = 4,
	KEY_IPV6HINT = 6,
	KEYS = 7, /* those that may be kept are below */
};

enum { ALPN_MAX = 16 }; /* of an ALPN id: "http/1.1" */

/* A record on its way through. */
struct rebuilding {
	const struct name *owner;
	const struct answer_judge *judge;
	struct writer *writer;
	struct answer_leases *leases;
	const char *rule; /* that something was dropped by */
	unsigned kept;    /* bits 1 << key */
	bool unusable;    /* the whole record has to go */
	size_t mandatory; /* where the value is in the data, and its size */
	size_t n_mandatory;
};

static void begin_parameter(struct rebuilding *it, enum key key, size_t size)
{
	writer_u16(it->writer, (uint16_t)key);
	writer_u16(it->writer, (uint16_t)size);
	it->kept |= 1u << key;
}

/* Whether this looks like one of the registry's, and not like data. */
static bool is_alpn(const uint8_t *id, uint8_t size)
{
	for (unsigned i = 0; i < size; i++)
		if (!(id[i] >= 'a' && id[i] <= 'z') && !(id[i] >= '0' && id[i] <= '9') &&
			id[i] != '/' && id[i] != '.' && id[i] != '-')
			return false;
	return size > 0 && size <= ALPN_MAX;
}

static void rebuild_alpn(struct rebuilding *it, struct reader *value)
{
	size_t before = it->writer->pos;

	begin_parameter(it, KEY_ALPN, 0);
	while (reader_left(value) > 0) {
		uint8_t size = reader_u8(value);
		const uint8_t *id = reader_bytes(value, size);

		if (!id || !is_alpn(id, size))
			continue;
		writer_u8(it->writer, size);
		writer_bytes(it->writer, id, size);
	}
	writer_u16_at(it->writer, before + 2, (uint16_t)(it->writer->pos - before - 4));
	if (it->writer->pos == before + 4) {
		it->writer->pos = before;
		it->kept &= ~(1u << KEY_ALPN);
	}
}

/* Without `alpn` it has no meaning (section 7.1.1). */
static void rebuild_no_default_alpn(struct rebuilding *it, struct reader *value)
{
	it->unusable |= reader_left(value) > 0 || !(it->kept & 1u << KEY_ALPN);
	begin_parameter(it, KEY_NO_DEFAULT_ALPN, 0);
}

static void rebuild_port(struct rebuilding *it, struct reader *value)
{
	uint16_t port = reader_u16(value);

	if (!it->judge->permits_port || !it->judge->permits_port(it->judge->context, port)) {
		it->unusable = true;
		it->rule = "svcb-port";
	}
	begin_parameter(it, KEY_PORT, 2);
	writer_u16(it->writer, port);
}

/* Whether the hint may be given out; then its lease, if it needs one, has been noted. */
static bool take_hint(struct rebuilding *it, const struct inaddr *address)
{
	bool leased;

	if (!it->judge->permits(it->judge->context, address, &leased, &it->rule))
		return false;
	return !leased || answer_add_lease(it->leases, address);
}

static void rebuild_hints(struct rebuilding *it, enum key key, struct reader *value)
{
	size_t before = it->writer->pos, size = key == KEY_IPV4HINT ? 4 : 16;

	begin_parameter(it, key, 0);
	while (reader_left(value) > 0) {
		const uint8_t *raw = reader_bytes(value, size);
		struct inaddr address;

		if (!raw)
			break;
		address = size == 4 ? inaddr_from_ip4(raw) : inaddr_from_ip6(raw);
		/* No IPv4-mapped ones (RFC 4038 section 4.2). */
		if (inaddr_is_ip4(&address) == (size == 4) && take_hint(it, &address))
			writer_bytes(it->writer, raw, size);
	}
	writer_u16_at(it->writer, before + 2, (uint16_t)(it->writer->pos - before - 4));
	if (it->writer->pos == before + 4) {
		it->writer->pos = before;
		it->kept &= ~(1u << key);
	}
}

static void rebuild_ipv4hint(struct rebuilding *it, struct reader *value)
{
	rebuild_hints(it, KEY_IPV4HINT, value);
}

static void rebuild_ipv6hint(struct rebuilding *it, struct reader *value)
{
	rebuild_hints(it, KEY_IPV6HINT, value);
}

/* What else there must be is only known at the end. */
static void rebuild_mandatory(struct rebuilding *it, struct reader *value)
{
	size_t size = reader_left(value);

	begin_parameter(it, KEY_MANDATORY, size);
	it->mandatory = it->writer->pos;
	it->n_mandatory = size / 2;
	it->unusable |= size == 0 || size % 2 != 0;
	writer_bytes(it->writer, reader_bytes(value, size), size);
}

static void (*const rebuilders[KEYS])(struct rebuilding *it, struct reader *value) = {
	[KEY_MANDATORY] = rebuild_mandatory,
	[KEY_ALPN] = rebuild_alpn,
	[KEY_NO_DEFAULT_ALPN] = rebuild_no_default_alpn,
	[KEY_PORT] = rebuild_port,
	[KEY_IPV4HINT] = rebuild_ipv4hint,
	[KEY_IPV6HINT] = rebuild_ipv6hint,
};

/* Whether all that is mandatory is there, each once and in order (section 8). */
static bool has_mandatory(const struct rebuilding *it)
{
	struct reader list = reader_over(it->writer->start, it->writer->pos);
	unsigned last = KEY_MANDATORY;

	reader_seek(&list, it->mandatory);
	for (size_t i = 0; i < it->n_mandatory; i++) {
		unsigned key = reader_u16(&list);

		if (key <= last || key >= KEYS || !(it->kept & 1u << key))
			return false;
		last = key;
	}
	return !list.failed;
}

static void rebuild_parameters(struct rebuilding *it, struct reader *reader)
{
	int last = -1;

	while (reader_left(reader) > 0 && !it->unusable) {
		uint16_t key = reader_u16(reader), size = reader_u16(reader);
		const uint8_t *bytes = reader_bytes(reader, size);
		struct reader value = reader_over(bytes, size);

		if (!bytes || key <= last) {
			it->unusable = true;
			return;
		}
		last = key;
		if (key >= KEYS || !rebuilders[key])
			continue;
		rebuilders[key](it, &value);
		it->unusable |= value.failed || reader_left(&value) > 0;
	}
	if (it->n_mandatory > 0 && !has_mandatory(it))
		it->unusable = true;
}

/* The owner itself, which it is called "." as well, or a name that the policy permits. */
static bool is_target(struct rebuilding *it, const struct name *target)
{
	if (target->length <= 1 || name_equal(target, it->owner))
		return true;
	if (it->judge->permits_name && it->judge->permits_name(it->judge->context, target))
		return true;
	it->rule = "svcb-target";
	return false;
}

bool svcb_rebuild(const uint8_t *data, size_t size, const struct name *owner,
	const struct answer_judge *judge, struct writer *writer, struct answer_leases *leases,
	const char **ret_rule)
{
	struct rebuilding it = {.owner = owner, .judge = judge, .writer = writer, .leases = leases};
	struct reader reader = reader_over(data, size);
	struct name target = {.length = 0};
	unsigned n_leases = leases->count;
	uint16_t priority;
	bool usable;

	priority = reader_u16(&reader);
	name_read(&reader, &target);
	usable = !reader.failed && is_target(&it, &target);
	if (usable) {
		writer_u16(writer, priority);
		name_write(writer, &target);
		if (priority > 0)
			rebuild_parameters(&it, &reader);
		usable = !it.unusable && !reader.failed && !writer->failed;
	}
	if (!usable)
		leases->count = n_leases;
	if (it.rule)
		*ret_rule = it.rule;
	return usable;
}
