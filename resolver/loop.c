/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/loop.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>

#define KIND_SHIFT 56
#define INDEX_SHIFT 32
#define INDEX_MASK 0xffffffu

static uint64_t pack(struct watch watch)
{
	return (uint64_t)watch.kind << KIND_SHIFT | (uint64_t)watch.index << INDEX_SHIFT |
	       watch.generation;
}

static struct watch unpack(uint64_t packed)
{
	return (struct watch){
		.kind = (enum watch_kind)(packed >> KIND_SHIFT),
		.index = (uint32_t)(packed >> INDEX_SHIFT) & INDEX_MASK,
		.generation = (uint32_t)packed,
	};
}

static int control(int epoll, int operation, int fd, struct watch watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = pack(watch)};

	return epoll_ctl(epoll, operation, fd, &event) < 0 ? -errno : 0;
}

int watch_start(int epoll, int fd, struct watch watch, uint32_t events)
{
	return control(epoll, EPOLL_CTL_ADD, fd, watch, events);
}

int watch_change(int epoll, int fd, struct watch watch, uint32_t events)
{
	return control(epoll, EPOLL_CTL_MOD, fd, watch, events);
}

void watch_end(int epoll, int fd)
{
	epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
}

int watch_wait(int epoll, int timeout_ms, struct watch ret_watches[LOOP_EVENTS],
	uint32_t ret_events[LOOP_EVENTS])
{
	struct epoll_event events[LOOP_EVENTS];
	int count = epoll_wait(epoll, events, LOOP_EVENTS, timeout_ms);

	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		ret_watches[i] = unpack(events[i].data.u64);
		ret_events[i] = events[i].events;
	}
	return count;
}

int wait_sooner(int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

int wait_until(struct mono now, struct mono then)
{
	int64_t left = mono_between(now, then).ms;

	if (left < 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}
