/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/oversee.h"

#include <errno.h>
#include <string.h>

#include "src/base/log.h"

static bool has_extension(const struct control_request *request)
{
	return request->key != 0 || request->amount != 0;
}

/* Whether it has none of what requests may have. */
static bool is_plain(const struct control_request *request)
{
	return request->by == 0 && request->flows == 0 && request->cursor == 0;
}

/* 0 with the reply's status, or -EPROTO. */
static int list(struct sets *sets, const struct control_request *request, struct mono now,
	struct control_reply *reply)
{
	if (request->by != 0 || request->flows > 1 || has_extension(request))
		return -EPROTO;
	reply->status = sets_list(sets, request->cursor, request->flows, now, reply);
	return 0;
}

static void log_revoked(const char *what, const struct control_reply *reply)
{
	log_info("%s: %u leases revoked, %u connections ended", what, (unsigned)reply->total,
		(unsigned)reply->flows);
	if (reply->flows_status)
		log_warning("connections to %s could not be ended: %s", what,
			strerror(-reply->flows_status));
}

static int revoke(struct sets *sets, const struct control_request *request, struct mono now,
	struct control_reply *reply)
{
	char text[NAME_TEXT];

	if (request->flows != 0 || request->cursor != 0 || has_extension(request))
		return -EPROTO;
	switch (request->by) {
	case CONTROL_BY_ADDRESS:
		reply->status = sets_revoke_address(sets, &request->address, now, reply);
		log_revoked(inaddr_to_text(&request->address, text), reply);
		return 0;
	case CONTROL_BY_NAME:
		if (!name_is_sound(&request->name))
			return -EPROTO;
		reply->status = sets_revoke_name(sets, &request->name, now, reply);
		log_revoked(name_to_text(&request->name, text), reply);
		return 0;
	default:
		return -EPROTO;
	}
}

static int flush(struct sets *sets, const struct control_request *request, struct mono now,
	struct control_reply *reply)
{
	if (!is_plain(request) || has_extension(request))
		return -EPROTO;
	reply->status = sets_flush(sets, now, &reply->total);
	log_info("all leases revoked, %u", (unsigned)reply->total);
	return 0;
}

static int show(struct sets *sets, const struct control_request *request, struct mono now,
	struct control_reply *reply)
{
	(void)now;
	if (!is_plain(request) || has_extension(request))
		return -EPROTO;
	sets_show_session(sets, &reply->session);
	return 0;
}

static int begin_session(struct sets *sets, const struct control_request *request, struct mono now,
	struct control_reply *reply)
{
	if (!is_plain(request) || has_extension(request))
		return -EPROTO;
	reply->status = sets_new_session(sets, now, &reply->total);
	if (reply->status == 0)
		log_info("a new session: %u leases closed", (unsigned)reply->total);
	else
		log_error("no new session: %s", strerror(-reply->status));
	sets_show_session(sets, &reply->session);
	return 0;
}

static int extend(struct sets *sets, const struct control_request *request, struct mono now,
	struct control_reply *reply)
{
	static const char *const words[SPENT_KEYS] = {
		[SPENT_DESTINATIONS] = "destinations",
		[SPENT_CONNECTIONS] = "connections",
		[SPENT_BYTES] = "bytes",
	};

	(void)now;
	if (!is_plain(request) || request->key >= SPENT_KEYS)
		return -EPROTO;
	reply->status = sets_extend(sets, (enum spent_key)request->key, request->amount);
	if (reply->status == 0)
		log_info("this session may have %llu more %s", (unsigned long long)request->amount,
			words[request->key]);
	sets_show_session(sets, &reply->session);
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
	case CONTROL_SESSION:
		return show(sets, request, now, reply);
	case CONTROL_FORGET:
		sets_forget_answers(sets);
		return show(sets, request, now, reply);
	case CONTROL_SESSION_NEW:
		return begin_session(sets, request, now, reply);
	case CONTROL_SESSION_EXTEND:
		return extend(sets, request, now, reply);
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
