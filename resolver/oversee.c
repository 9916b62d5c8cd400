/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/oversee.h"

#include <errno.h>

#include "src/base/log.h"

/* A name in the form that all names have here: reading it yields it again. */
static bool is_sound(const struct name *name)
{
	struct reader reader = reader_over(name->wire, name->length);
	struct name read;

	name_read(&reader, &read);
	return !reader.failed && name_equal(&read, name);
}

/* 0 with the reply's status, or -EPROTO. */
static int list(struct sets *sets, const struct control_request *request, struct mono now,
	struct control_reply *reply)
{
	if (request->by != 0 || request->flows > 1)
		return -EPROTO;
	reply->status = sets_list(sets, request->cursor, request->flows, now, reply);
	return 0;
}

static int revoke(struct sets *sets, const struct control_request *request, struct mono now,
	struct control_reply *reply)
{
	char text[NAME_TEXT];

	if (request->flows != 0 || request->cursor != 0)
		return -EPROTO;
	switch (request->by) {
	case CONTROL_BY_ADDRESS:
		reply->status = sets_revoke_address(sets, &request->address, now, &reply->total);
		log_info("%s: %u leases revoked", inaddr_to_text(&request->address, text),
			(unsigned)reply->total);
		return 0;
	case CONTROL_BY_NAME:
		if (!is_sound(&request->name))
			return -EPROTO;
		reply->status = sets_revoke_name(sets, &request->name, now, &reply->total);
		log_info("%s: %u leases revoked", name_to_text(&request->name, text),
			(unsigned)reply->total);
		return 0;
	default:
		return -EPROTO;
	}
}

static int flush(struct sets *sets, const struct control_request *request, struct mono now,
	struct control_reply *reply)
{
	if (request->by != 0 || request->flows != 0 || request->cursor != 0)
		return -EPROTO;
	reply->status = sets_flush(sets, now, &reply->total);
	log_info("all leases revoked, %u", (unsigned)reply->total);
	return 0;
}

static int answer(struct sets *sets, const struct control_request *request, struct mono now,
	struct control_reply *reply)
{
	switch (request->op) {
	case CONTROL_LIST:
		return list(sets, request, now, reply);
	case CONTROL_REVOKE:
		return revoke(sets, request, now, reply);
	case CONTROL_FLUSH:
		return flush(sets, request, now, reply);
	default:
		return -EPROTO;
	}
}

int oversee(struct sets *sets, int keeper_end, struct mono now, struct control_reply *ret_reply)
{
	struct control_request request;
	struct control_reply reply = {.op = 0};
	int error = control_receive_request(keeper_end, &request);

	if (error)
		return error;
	reply.op = request.op;
	reply.ticket = request.ticket;
	error = answer(sets, &request, now, &reply);
	if (!error)
		*ret_reply = reply;
	return error;
}
