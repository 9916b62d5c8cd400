/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/session-own.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/*
 * The tables of a session: of fixed size, found by keyed hashes, so that who chooses names chooses
 * neither how large they are nor what collides. What stands for a destination is 64 bits of a hash:
 * that two of the some thousand a session has are taken for one has a chance of 1 in 2^40.
 */

/* Names end a hash with 1, addresses with 0: no name is an address. */
uint64_t session_hash(const struct session *session, const struct event *event)
{
	uint8_t bytes[NAME_WIRE_MAX + 1];
	uint64_t hash;

	if (event->name.length > 0) {
		memcpy(bytes, event->name.wire, event->name.length);
		bytes[event->name.length] = 1;
		hash = hash_bytes(&session->key, bytes, event->name.length + 1u);
	} else if (event->has & EVENT_HAS_ADDRESS) {
		memcpy(bytes, event->address.bytes, sizeof(event->address.bytes));
		bytes[sizeof(event->address.bytes)] = 0;
		hash = hash_bytes(&session->key, bytes, sizeof(event->address.bytes) + 1);
	} else {
		return 0;
	}
	return hash ? hash : 1;
}

int hash_set_add(struct hash_set *set, uint64_t hash, uint32_t most)
{
	uint64_t mask = set->n_places - 1, at = hash & mask;

	for (; set->places[at] != 0; at = (at + 1) & mask)
		if (set->places[at] == hash)
			return 0;
	if (set->n_used >= most)
		return -ENOSPC;
	set->places[at] = hash;
	set->n_used++;
	return 1;
}

/* Where in the index the hash is, or would be. */
static unsigned find_place(const struct session *session, uint64_t hash)
{
	unsigned at = (unsigned)(hash % SESSION_INDEX);

	while (session->index[at] != 0 && session->kept[session->index[at] - 1].hash != hash)
		at = (at + 1) % SESSION_INDEX;
	return at;
}

struct destination *session_find(struct session *session, uint64_t hash)
{
	unsigned row = session->index[find_place(session, hash)];

	return row ? &session->kept[row - 1] : NULL;
}

static bool has_address(const struct destination *destination, const struct inaddr *address)
{
	if (inaddr_compare(&destination->address, address) == 0)
		return true;
	for (unsigned i = 0; i < SESSION_ADDRESSES; i++)
		if (inaddr_compare(&destination->others[i], address) == 0)
			return true;
	return false;
}

void session_note_address(struct destination *destination, const struct inaddr *address)
{
	struct inaddr *others = destination->others;

	if (destination->has_address && inaddr_compare(&destination->address, address) != 0) {
		memmove(&others[1], &others[0], (SESSION_ADDRESSES - 1) * sizeof(others[0]));
		others[0] = destination->address;
	}
	destination->has_address = true;
	destination->address = *address;
}

struct destination *session_find_address(struct session *session, const struct inaddr *address)
{
	for (unsigned i = 0; i < session->n_kept; i++) {
		struct destination *destination = &session->kept[i];

		if (destination->has_address && destination->is_named &&
			has_address(destination, address))
			return destination;
	}
	return NULL;
}

struct destination *session_keep(struct session *session, uint64_t hash)
{
	struct destination *destination = &session->kept[session->n_kept++];

	*destination = (struct destination){.hash = hash};
	session->index[find_place(session, hash)] = (uint16_t)session->n_kept;
	return destination;
}

/* The kernel draws the numbers of flows, so one look in a row of eight places is enough. */
struct session_flow *session_flow(struct session *session, uint64_t flow, bool add)
{
	enum { LINE = 8 };
	uint64_t hash = hash_bytes(&session->key, &flow, sizeof(flow));
	struct session_flow *line = &session->flows[hash % (SESSION_FLOWS / LINE) * LINE];
	struct session_flow *room = NULL;

	for (unsigned i = 0; i < LINE; i++) {
		if (line[i].flow == flow)
			return &line[i];
		if (line[i].flow == 0 && !room)
			room = &line[i];
	}
	if (!add || !room)
		return NULL;
	*room = (struct session_flow){.flow = flow};
	return room;
}

/* --- Words --- */

static const char *protocol_word(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return "icmp";
	default:
		return "ip";
	}
}

static void put_place(const struct name *name, const struct inaddr *address, char out[64])
{
	char text[NAME_TEXT], plain[INADDR_TEXT];

	if (name->length == 0)
		snprintf(out, 64, "%s", address ? inaddr_to_text(address, plain) : "a long name");
	else if (snprintf(out, 64, "%s", name_to_text(name, text)) >= 64)
		/* The end says whose it is. */
		snprintf(out, 64, "...%s", text + strlen(text) - 60);
}

const char *destination_text(const struct destination *destination, char out[DESTINATION_TEXT])
{
	const struct inaddr *address = destination->has_address ? &destination->address : NULL;
	char place[64];

	put_place(&destination->name, address, place);
	if (destination->has_port)
		snprintf(out, DESTINATION_TEXT, "%s %s/%u", place,
			protocol_word(destination->protocol), destination->port);
	else
		snprintf(out, DESTINATION_TEXT, "%s", place);
	return out;
}

const char *session_event_text(const struct event *event, char out[DESTINATION_TEXT])
{
	struct destination destination = {
		.has_address = event->has & EVENT_HAS_ADDRESS,
		.has_port = event->has & EVENT_HAS_PORT,
		.address = event->address,
		.protocol = event->protocol,
		.port = event->port,
	};

	destination.name.length = event->name.length;
	memcpy(destination.name.wire, event->name.wire, event->name.length);
	return destination_text(&destination, out);
}
