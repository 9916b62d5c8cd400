/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/keeper.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "resolver/categorized.h"
#include "resolver/channel.h"
#include "resolver/counters.h"
#include "resolver/grant.h"
#include "resolver/keeper-socket.h"
#include "resolver/lease-record.h"
#include "resolver/oversee.h"
#include "resolver/preflight.h"
#include "resolver/sets.h"
#include "src/base/fd.h"
#include "src/base/footprint.h"
#include "src/base/log.h"

/*
 * Theory of operation
 *
 * The one process with a capability: it opens addresses in the kernel's sets (sets.c), and sockets
 * that carry the resolver's mark. It believes nothing it is told. Whether a name is permitted, for
 * which addresses, on which ports and by which rule it looks up itself; an address that the policy
 * does not grant the name it opens for nobody. After a message that no worker of ours sends it
 * ends.
 *
 * All requests that wait are served by one transaction. It is tried again, a few times, after what
 * passes: somebody else changed a ruleset meanwhile, or the kernel had no memory. When the kernel
 * refuses it, each request is tried on its own, so that one which can't be had doesn't take the
 * others along. A name that is one too many for [budget] is seen before (sets-count.c). Of a
 * request for which a map, or the record, has no room as a whole, what fits is opened, address by
 * address; leases that stand never give way.
 *
 * What the workers remember of earlier answers is only as good as their leases. When these are gone
 * (an administrator took some back, or sets.c could not open again what others have closed) the
 * workers are told to forget it, before anything else is said to them.
 */

enum {
	BATCH = 2 * CHANNEL_OUT_MAX, /* requests in one transaction */
	TRIES = 5,                   /* of a transaction, after what passes */
	OPENINGS_MAX = BATCH * CHANNEL_ADDRESSES_MAX * PLAN_GROUPS_MAX,
};

/* An address to be opened in a port group. */
struct opening {
	struct match_lease lease;
	uint32_t address;  /* index into the request's */
	uint64_t expected; /* sets_expect_address() */
};

struct job {
	size_t channel;
	bool leases;     /* asks for a lease and may have it */
	bool unknown;    /* its name has no category, as far as that matters */
	bool over_share; /* there are too many of those with it */
	int status;
	uint64_t expected;    /* sets_expect_name() */
	uint32_t name;        /* its number */
	uint64_t opened;      /* addresses, bit 1 << index */
	size_t first_opening; /* index into the keeper's */
	size_t n_openings;
	struct mono most;  /* when the first of the entries behind it expires */
	struct mono until; /* when the first of its addresses closes */
};

struct keeper {
	const struct compiled *compiled;
	const struct policy *policy;
	const struct plan *plan;
	const struct match *match;
	struct grants *grants;
	struct sets *sets;
	uint32_t mark;
	int porter; /* 0: there is none */
	struct lease_records records;
	struct counters *counters; /* NULL: nobody reads them */
	uint64_t opened;           /* leases, since they were counted last */
	bool over_budget;          /* names are more than [budget] destinations, which was logged */
	bool over_share;           /* the same of unknown_share */
	bool was_full;             /* there was no room for a lease, which was logged */

	struct pollfd *channels; /* fd -1: closed; behind the last are the leash and the parent */
	bool *owes_forget;       /* to the worker of each */
	size_t n_channels;
	size_t n_open;
	int lost;     /* why the sets can't be filled any more */
	size_t first; /* the channel to begin with, in turn */

	struct channel_request requests[BATCH];
	struct channel_reply replies[CHANNEL_OUT_MAX];
	struct job jobs[BATCH];
	size_t n_jobs;
	size_t n_openings;
	struct opening openings[OPENINGS_MAX]; /* hardly any of it is ever touched */
};

/* --- What is asked --- */

/* Adds what an address gets to the job's openings. */
static void add_openings(struct keeper *keeper, struct job *job, uint32_t address,
	const struct grant *grant, int64_t time, struct mono now)
{
	const struct channel_request *request = &keeper->requests[job - keeper->jobs];

	if (grant->expires != INT64_MAX) {
		struct mono end = mono_add(now, duration_seconds(grant->expires - time));

		if (mono_before(end, job->most))
			job->most = end;
	}
	for (unsigned i = 0; i < grant->n_leases; i++) {
		keeper->openings[keeper->n_openings++] = (struct opening){grant->leases[i], address,
			sets_expect_address(keeper->sets, &grant->leases[i],
				&request->lease.addresses[address])};
	}
	job->n_openings += grant->n_leases;
}

/* Whether the policy grants the name all the addresses, as of `time`: then what they get has been
 * added to the job's openings. */
static bool may_open(struct keeper *keeper, const struct channel_request *request, int64_t time,
	struct mono now, struct job *job)
{
	const struct name *name = &request->lease.name;
	const struct embedded_host *host = match_host(keeper->match, name);
	struct match_result result;
	struct grant grant;

	if (!grants_name(keeper->grants, name, time, &result))
		return false;
	job->unknown = keeper->plan->layers->budget.has_unknown_share &&
		       !categorized_name(keeper->compiled, name, &result);
	for (uint32_t i = 0; i < request->lease.count; i++) {
		if (!grants_address(keeper->grants, &result, host, &request->lease.addresses[i],
			    time, &grant))
			return false;
		add_openings(keeper, job, i, &grant, time, now);
	}
	return true;
}

static void forget_openings(struct keeper *keeper, struct job *job)
{
	keeper->n_openings = job->first_opening;
	job->n_openings = 0;
}

/* Whether it would have been granted before entries expired, which a worker may learn too late. */
static bool is_late(struct keeper *keeper, const struct channel_request *request, struct job *job)
{
	bool was_granted = grants_expire(keeper->grants) &&
			   may_open(keeper, request, 0, (struct mono){0}, job);

	forget_openings(keeper, job);
	return was_granted;
}

/* 0 with the job's verdict, or -EPROTO for what no worker of ours sends. */
static int judge_lease(struct keeper *keeper, const struct channel_request *request,
	struct mono now, struct job *job)
{
	const struct name *name = &request->lease.name;
	char text[NAME_TEXT];

	if (request->lease.count < 1 || !name_is_sound(name))
		return -EPROTO;
	job->first_opening = keeper->n_openings;
	job->most = (struct mono){INT64_MAX};
	job->expected = sets_expect_name(keeper->sets, name);
	job->leases = may_open(keeper, request, (int64_t)time(NULL), now, job);
	if (job->leases)
		return 0;
	forget_openings(keeper, job);
	job->status = -EPERM;
	if (!is_late(keeper, request, job))
		log_warning("worker %zu asked for what the policy forbids %s", job->channel,
			name_to_text(name, text));
	return 0;
}

/* What sending says of a worker that has ended, which reading finds out as well. */
static bool is_gone(int error)
{
	return error == -EPIPE || error == -ECONNRESET || error == -ECONNREFUSED;
}

/* 0, also when the worker is gone; or -errno. */
static int note_sent(size_t channel, int error)
{
	if (is_gone(error))
		return 0;
	if (error)
		log_error("worker %zu takes no answers: %s", channel, strerror(-error));
	return error;
}

/* The worker may have ended since it asked, and its channel be closed. */
static int reply(struct keeper *keeper, size_t channel, const struct channel_reply *answer, int fd)
{
	int end = keeper->channels[channel].fd;

	return end < 0 ? 0 : note_sent(channel, channel_send_reply(end, answer, fd));
}

/* 0; -EPROTO for what no worker of ours sends; -errno when the answer can't be sent. */
static int serve_socket(
	struct keeper *keeper, const struct channel_request *request, const struct job *job)
{
	struct channel_reply answer = {.op = CHANNEL_OPENED, .ticket = request->ticket};
	CLEANUP_FD int fd = -1;

	if (request->socket.upstream >= keeper->policy->dns.n_upstream ||
		request->socket.stream > 1)
		return -EPROTO;
	fd = keeper_socket(&keeper->policy->dns.upstream[request->socket.upstream].at,
		request->socket.stream, keeper->mark, keeper->porter);
	answer.status = fd < 0 ? fd : 0;
	return reply(keeper, job->channel, &answer, fd);
}

/* --- Leases --- */

static struct duration lease_time(const struct keeper *keeper, uint32_t ttl)
{
	const struct dns_policy *dns = &keeper->policy->dns;
	struct duration time = duration_seconds(ttl);

	if (time.ms > dns->max_lease.ms)
		time = dns->max_lease;
	if (time.ms < dns->min_lease.ms)
		time = dns->min_lease;
	time.ms += dns->grace.ms;
	return time;
}

/* Opens one address of the request in each group that it gets; *at is its first opening, and then
 * the next one's. 0, -ENOSPC or -errno: then it may be open in some. */
static int open_address(struct keeper *keeper, struct job *job, uint32_t address, size_t *at,
	struct mono wanted, struct mono now)
{
	const struct channel_request *request = &keeper->requests[job - keeper->jobs];
	size_t end = job->first_opening + job->n_openings;
	struct mono first = job->most;
	int error = 0;

	for (; *at < end && keeper->openings[*at].address == address; ++*at) {
		struct mono until = wanted;

		if (!error)
			error = sets_open_address(keeper->sets, &keeper->openings[*at].lease,
				&request->lease.addresses[address], keeper->openings[*at].expected,
				job->name, now, &until);
		if (mono_before(until, first))
			first = until;
	}
	if (!error && mono_before(first, job->until))
		job->until = first;
	return error;
}

static const struct name *name_of(const struct keeper *keeper, const struct job *job)
{
	return &keeper->requests[job - keeper->jobs].lease.name;
}

/* What is refused the worker records, what isn't is recorded here. */
static void note_over_budget(struct keeper *keeper, const struct job *job)
{
	const struct name *name = name_of(keeper, job);
	char text[NAME_TEXT];

	/* They have no ceiling, and are counted for their share. */
	if (keeper->plan->layers->budget.destinations == 0)
		return;
	if (!keeper->plan->refuses_destinations)
		lease_record_over(&keeper->records, "budget-destinations", name);
	if (!keeper->over_budget)
		log_warning("budget-destinations: this session reaches more than it may%s: %s",
			keeper->plan->refuses_destinations ? "; the others are refused" : "",
			name_to_text(name, text));
	keeper->over_budget = true;
}

static void note_over_share(struct keeper *keeper, const struct job *job)
{
	const struct name *name = name_of(keeper, job);
	char text[NAME_TEXT];

	if (!job->over_share)
		return;
	if (!keeper->plan->refuses_unknown_share)
		lease_record_over(&keeper->records, "budget-unknown-share", name);
	if (!keeper->over_share)
		log_warning("budget-unknown-share: too many destinations have no category%s: %s",
			keeper->plan->refuses_unknown_share ? "; the others are refused" : "",
			name_to_text(name, text));
	keeper->over_share = true;
}

/* Counts the name of the request, which is too many only where that is refused. 0, -EDOM, -EDQUOT
 * or -errno. */
static int count_name(struct keeper *keeper, struct job *job, struct mono now)
{
	int error = sets_count_name(
		keeper->sets, name_of(keeper, job), job->unknown, now, &job->over_share);

	if (error != -EDQUOT || keeper->plan->refuses_destinations)
		return error;
	note_over_budget(keeper, job);
	sets_stop_counting(keeper->sets);
	return 0;
}

/* What to try to open: of some jobs, those of their addresses. */
struct attempt {
	size_t job;
	size_t n_jobs;
	uint64_t addresses; /* bit 1 << index */
};

/* Opens what the request is granted of the addresses, and counts its name. 0; -ENOSPC when there is
 * room for none of them; as count_name(); or -errno: then some may be open. */
static int open_job(struct keeper *keeper, struct job *job, uint64_t addresses, struct mono now)
{
	const struct channel_request *request = &keeper->requests[job - keeper->jobs];
	struct mono wanted = mono_add(now, lease_time(keeper, request->lease.ttl));
	size_t at = job->first_opening;
	int error = count_name(keeper, job, now);

	if (mono_before(job->most, wanted))
		wanted = job->most;
	job->name = sets_name(keeper->sets, &request->lease.name, job->expected);
	job->until = job->n_openings > 0 ? job->most : wanted;
	job->opened = 0;
	for (uint32_t i = 0; i < request->lease.count && !error; i++) {
		if (!(addresses >> i & 1)) {
			while (at < job->first_opening + job->n_openings &&
				keeper->openings[at].address == i)
				at++;
			continue;
		}
		error = open_address(keeper, job, i, &at, wanted, now);
		if (!error)
			job->opened |= UINT64_C(1) << i;
		if (error == -ENOSPC)
			error = 0;
	}
	return error || job->opened ? error : -ENOSPC;
}

/* Whether others in the transaction have nothing to do with it. */
static bool is_jobs_own(int error)
{
	return error == -ENOSPC || error == -EDOM || error == -EDQUOT;
}

/* One transaction. 0 with each job's status, or what the kernel refused it with. */
static int try_once(struct keeper *keeper, const struct attempt *attempt, struct mono now)
{
	sets_begin(keeper->sets, now);
	for (size_t i = attempt->job; i < attempt->job + attempt->n_jobs; i++) {
		struct job *job = &keeper->jobs[i];

		if (!job->leases)
			continue;
		job->status = open_job(keeper, job, attempt->addresses, now);
		if (job->status && !is_jobs_own(job->status))
			return job->status;
	}
	return sets_commit(keeper->sets);
}

/* The same, tried again after what passes. */
static int try_for_long(struct keeper *keeper, const struct attempt *attempt, struct mono now)
{
	int error = -ERESTART;

	for (unsigned i = 0; i < TRIES && sets_is_passing(error) && !keeper->lost; i++) {
		error = try_once(keeper, attempt, now);
		if (sets_is_passing(error))
			keeper->lost = sets_recover(keeper->sets, error, now);
	}
	return error;
}

static void log_full(struct keeper *keeper)
{
	if (!keeper->was_full)
		log_error("no room for more leases: some addresses are not opened");
	keeper->was_full = true;
}

/* Each address of the job in a transaction of its own. 0, or -ENOSPC when there was room for none,
 * or -errno. */
static int open_each(struct keeper *keeper, size_t index, struct mono now)
{
	struct job *job = &keeper->jobs[index];
	uint64_t opened = 0;
	struct mono until = job->most;

	for (uint32_t i = 0; i < keeper->requests[index].lease.count; i++) {
		const struct attempt attempt = {index, 1, UINT64_C(1) << i};
		int error = try_for_long(keeper, &attempt, now);

		if (!error)
			error = job->status;
		if (error && error != -ENFILE && error != -ENOSPC)
			return error;
		if (error)
			continue;
		opened |= attempt.addresses;
		if (mono_before(job->until, until))
			until = job->until;
	}
	job->opened = opened;
	job->until = until;
	return opened ? 0 : -ENOSPC;
}

/* In a transaction of its own. 0 or -errno. */
static int open_alone(struct keeper *keeper, size_t index, struct mono now)
{
	const struct attempt attempt = {index, 1, UINT64_MAX};
	struct job *job = &keeper->jobs[index];
	int error = try_for_long(keeper, &attempt, now);

	if (error == -ENFILE)
		return open_each(keeper, index, now);
	return error ? error : job->status;
}

/* 0 with each job's status; -errno when the keeper can't go on. */
static int open_leases(struct keeper *keeper, struct mono now)
{
	const struct attempt attempt = {0, keeper->n_jobs, UINT64_MAX};
	int error = try_for_long(keeper, &attempt, now);

	if (!error || keeper->lost)
		return keeper->lost;
	keeper->lost = sets_recover(keeper->sets, error, now);
	for (size_t i = 0; i < keeper->n_jobs && !keeper->lost; i++)
		if (keeper->jobs[i].leases)
			keeper->jobs[i].status = open_alone(keeper, i, now);
	return keeper->lost;
}

static void log_lease(const struct channel_request *request, const struct channel_reply *answer)
{
	char text[NAME_TEXT];

	if (!log_shows(LOG_LEVEL_DEBUG))
		return;
	name_to_text(&request->lease.name, text);
	if (answer->status)
		log_debug("%s: not opened: %s", text, strerror(-answer->status));
	else
		log_debug("%s: %u addresses are open for %u s", text, request->lease.count,
			answer->seconds);
}

static void record_leases(const struct keeper *keeper, const struct job *job, uint32_t seconds)
{
	const struct opening *openings = &keeper->openings[job->first_opening];

	for (size_t i = 0; i < job->n_openings; i++)
		if (job->opened >> openings[i].address & 1)
			lease_record(&keeper->records, keeper->plan,
				&keeper->requests[job - keeper->jobs], openings[i].address,
				&openings[i].lease, seconds);
}

static uint64_t all_addresses(const struct channel_request *request)
{
	return UINT64_MAX >> (64 - request->lease.count);
}

/* Whether some of the addresses found no room. */
static bool is_full(const struct job *job, const struct channel_request *request)
{
	if (job->status == 0)
		return job->opened != all_addresses(request);
	return job->status == -ENOSPC || job->status == -ENFILE;
}

static struct channel_reply make_reply(struct keeper *keeper, size_t index, struct mono now)
{
	const struct channel_request *request = &keeper->requests[index];
	const struct job *job = &keeper->jobs[index];
	struct channel_reply answer = {
		.op = CHANNEL_LEASED,
		.ticket = request->ticket,
		.status = job->status,
	};

	if (job->status == 0) {
		answer.seconds = (uint32_t)(mono_between(now, job->until).ms / 1000);
		answer.opened = job->opened;
		keeper->opened += (uint64_t)__builtin_popcountll(job->opened);
	}
	if (job->leases && is_full(job, request))
		log_full(keeper);
	if (job->status == -EDQUOT)
		note_over_budget(keeper, job);
	note_over_share(keeper, job);
	log_lease(request, &answer);
	if (keeper->records.rings && job->status == 0)
		record_leases(keeper, job, answer.seconds);
	return answer;
}

/* Answers of one worker's follow each other: those go out together. */
static int reply_leases(struct keeper *keeper, struct mono now)
{
	int error = 0;

	for (size_t i = 0; i < keeper->n_jobs && !error;) {
		size_t channel = keeper->jobs[i].channel, count = 0;

		for (; i < keeper->n_jobs && keeper->jobs[i].channel == channel &&
			count < CHANNEL_OUT_MAX;
			i++)
			if (keeper->requests[i].op == CHANNEL_LEASE)
				keeper->replies[count++] = make_reply(keeper, i, now);
		if (count > 0 && keeper->channels[channel].fd >= 0)
			error = note_sent(
				channel, channel_send_replies(keeper->channels[channel].fd,
						 keeper->replies, count));
	}
	return error;
}

/* --- The process --- */

static void close_channel(struct keeper *keeper, size_t channel)
{
	fd_closep(&keeper->channels[channel].fd);
	keeper->n_open--;
}

/* Takes the next message of a channel, while there is room for the longest. 0 with *ret_more false:
 * there was none; or -EPROTO. */
static int gather_message(struct keeper *keeper, size_t channel, bool *ret_more)
{
	int count = 0;

	if (BATCH - keeper->n_jobs >= CHANNEL_OUT_MAX)
		count = channel_receive_requests(
			keeper->channels[channel].fd, &keeper->requests[keeper->n_jobs]);
	*ret_more = count > 0;
	if (count == -EPIPE) {
		close_channel(keeper, channel);
		return 0;
	}
	if (count < 0) {
		log_error("worker %zu: bad message: %s", channel, strerror(-count));
		return count;
	}
	for (int i = 0; i < count; i++)
		keeper->jobs[keeper->n_jobs++] = (struct job){.channel = channel};
	return 0;
}

static int gather_from(struct keeper *keeper, size_t channel)
{
	bool more = keeper->channels[channel].revents != 0;
	int error = 0;

	while (more && !error)
		error = gather_message(keeper, channel, &more);
	return error;
}

/* What waits in all channels, beginning with another one each time. */
static int gather(struct keeper *keeper)
{
	keeper->n_jobs = 0;
	keeper->n_openings = 0;
	keeper->first = (keeper->first + 1) % keeper->n_channels;
	for (size_t i = 0; i < keeper->n_channels; i++) {
		int error = gather_from(keeper, (keeper->first + i) % keeper->n_channels);

		if (error)
			return error;
	}
	return 0;
}

static int judge(struct keeper *keeper, size_t index, struct mono now)
{
	const struct channel_request *request = &keeper->requests[index];
	struct job *job = &keeper->jobs[index];
	int error;

	switch (request->op) {
	case CHANNEL_LEASE:
		error = judge_lease(keeper, request, now, job);
		break;
	case CHANNEL_SOCKET:
		error = serve_socket(keeper, request, job);
		break;
	default:
		error = -EPROTO;
	}
	if (error == -EPROTO)
		log_error("worker %zu: malformed request %u", job->channel, request->op);
	return error;
}

/* Tells the workers if they have to forget what they know. One that can't be told now, as its
 * channel is full or the kernel has no memory, is told at the next turn, before anything else. */
static void tell_workers(struct keeper *keeper)
{
	const struct channel_reply message = {.op = CHANNEL_FORGET};
	bool forget = sets_take_forget(keeper->sets);

	for (size_t i = 0; i < keeper->n_channels; i++) {
		int error;

		keeper->owes_forget[i] |= forget;
		if (!keeper->owes_forget[i] || keeper->channels[i].fd < 0)
			continue;
		error = channel_send_reply(keeper->channels[i].fd, &message, -1);
		keeper->owes_forget[i] = error && !is_gone(error);
	}
}

static void oversee_all(struct keeper *keeper, struct mono now)
{
	struct pollfd *parent = &keeper->channels[keeper->n_channels + 1];

	for (unsigned i = 0; i < CONTROL_OUT_MAX && parent->fd >= 0 && parent->revents; i++) {
		struct control_reply answer;
		int error = oversee(keeper->sets, parent->fd, now, &answer);

		if (error == -EAGAIN)
			return;
		tell_workers(keeper);
		if (!error)
			error = control_send_reply(parent->fd, &answer);
		if (!error)
			continue;
		if (error != -EPIPE)
			log_error("what the parent asks is not served: %s", strerror(-error));
		fd_closep(&parent->fd);
	}
}

static int serve(struct keeper *keeper)
{
	struct mono now;
	int error = gather(keeper);

	now = clock_now();
	for (size_t i = 0; i < keeper->n_jobs && !error; i++)
		error = judge(keeper, i, now);
	if (error)
		return error;
	if (keeper->n_jobs > 0)
		error = open_leases(keeper, now);
	tell_workers(keeper);
	if (!error)
		error = reply_leases(keeper, now);
	oversee_all(keeper, now);
	return error;
}

/* What is due though nobody asks for it. */
static int look_after(struct keeper *keeper)
{
	struct mono now = clock_now();
	int error = sets_look(keeper->sets, now);

	if (!error)
		error = sets_renew(keeper->sets, now);
	tell_workers(keeper);
	return error;
}

/* What the other end of the leash says. False: end at once. */
static bool heed_leash(struct keeper *keeper)
{
	struct pollfd *leash = &keeper->channels[keeper->n_channels];

	if (leash->revents & (POLLHUP | POLLERR))
		return false;
	/* The byte stays for the other processes. There is another crew by now. */
	if (leash->revents & POLLIN) {
		leash->events = 0;
		sets_retire(keeper->sets);
	}
	return true;
}

static int run(struct keeper *keeper)
{
	while (keeper->n_open > 0) {
		int wait = sets_wait(keeper->sets, clock_now());
		int count = poll(keeper->channels, keeper->n_channels + 2, wait);
		int error = 0;

		if (count < 0 && errno != EINTR)
			return -errno;
		if (count > 0 && !heed_leash(keeper))
			return 0;
		if (count > 0)
			error = serve(keeper);
		if (!error)
			error = look_after(keeper);
		if (error)
			return error;
		counters_note_leases(keeper->counters, &keeper->opened, sets_leases(keeper->sets));
	}
	return 0;
}

static int prepare(struct keeper *keeper, const struct keeper_config *config)
{
	const struct sets_config sets = {
		.plan = config->compiled.plan,
		.mark = config->mark,
		.uid = config->confine.uid,
		.alone = config->alone,
		.destinations_key = config->destinations_key,
		.names = config->names,
		.leases_max = config->leases_max,
		.never_in_place = config->never_in_place,
	};
	int error = grants_new(&config->compiled, &keeper->grants);

	if (error)
		return error;
	keeper->compiled = &config->compiled;
	keeper->plan = config->compiled.plan;
	keeper->policy = keeper->plan->policy;
	keeper->match = config->compiled.match;
	keeper->mark = config->mark;
	keeper->porter = config->porter;
	keeper->records = config->records;
	keeper->counters = config->counters;
	keeper->channels = calloc(config->n_channels + 2, sizeof(*keeper->channels));
	keeper->owes_forget = calloc(config->n_channels, sizeof(*keeper->owes_forget));
	if (!keeper->channels || !keeper->owes_forget)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_channels; i++)
		keeper->channels[i] = (struct pollfd){config->channels[i], POLLIN, 0};
	keeper->channels[config->n_channels] = (struct pollfd){config->leash, POLLIN, 0};
	keeper->channels[config->n_channels + 1] = (struct pollfd){config->control, POLLIN, 0};
	keeper->n_channels = config->n_channels;
	keeper->n_open = config->n_channels;
	return sets_open(&sets, &keeper->sets);
}

static void keeper_free(struct keeper *keeper)
{
	sets_close(keeper->sets);
	grants_free(keeper->grants);
	free(keeper->channels);
	free(keeper->owes_forget);
	free(keeper);
}

/* 0, or -errno, which has been logged. */
static int keep(struct keeper *keeper, const struct keeper_config *config)
{
	/* First, also because the kernel checks who opens a netlink socket and who uses it. */
	int error = preflight_become(&config->confine);

	if (error)
		return error;
	error = prepare(keeper, config);
	if (error) {
		log_error("cannot start: %s", strerror(-error));
		return error;
	}
	error = sets_start(keeper->sets);
	if (!error)
		error = fd_write_all(config->ready, "", 1);
	footprint_trim();
	return error ? error : run(keeper);
}

int keeper_run(const struct keeper_config *config)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	int error;

	if (!keeper) {
		log_error("cannot start: out of memory");
		return 1;
	}
	error = keep(keeper, config);
	keeper_free(keeper);
	return error ? 1 : 0;
}
