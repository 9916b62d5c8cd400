/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/event/payload.h"

#include <netinet/in.h>

/*
 * Theory of operation
 *
 * The kernel counts packets and their bytes with the headers of IP. A download of a gigabyte sends
 * tens of megabytes of nothing but acknowledgements, which must not look like an upload, so headers
 * are taken off: 20 bytes of IPv4 or 40 of IPv6, and 32 of TCP (with timestamps, RFC 7323, as all
 * systems of today send them) or 8 of UDP. What is left of acknowledgements is nothing.
 *
 * A record of a flow that has ended is made when the kernel forgets it: 120 s after the end of a
 * TCP connection (net.netfilter.nf_conntrack_tcp_timeout_time_wait), 10 s after its reset, up to
 * 120 s after the last datagram. That is taken off its duration, as what was sent was sent before.
 *
 * A burst is what was sent in a minute, by slots of ten seconds, so that up to a sixth of it may be
 * missed. What a record tells of is spread evenly over its time: one of a long flow tells little of
 * bursts within it, which is why flows that go on are looked at (resolver/watcher.c).
 */

enum {
	FORGOTTEN_S = 120,
	RESET_S = 10,
	SECOND = 1000000,
};

static uint64_t headers(const struct event *event)
{
	uint64_t size = inaddr_is_ip4(&event->address) ? 20 : 40;

	if (event->protocol == IPPROTO_TCP)
		size += 32;
	else if (event->protocol == IPPROTO_UDP)
		size += 8;
	return size;
}

/* Numbers are the kernel's, or those of a log that may be anybody's. */
static uint64_t without(uint64_t bytes, uint64_t packets, uint64_t header)
{
	uint64_t all;

	return __builtin_mul_overflow(packets, header, &all) || all > bytes ? 0 : bytes - all;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static unsigned size_of(uint64_t bytes, uint64_t packets)
{
	uint64_t mean = packets > 0 ? bytes / packets : 0;
	unsigned size = 0;

	for (uint64_t most = 64; size < PAYLOAD_SIZES - 1 && mean > most; most *= 2)
		size++;
	return size;
}

/* How long it was of use, of the time that the kernel knew it. */
static int64_t active(const struct event *event)
{
	const int64_t longest = (int64_t)UINT32_MAX * SECOND;
	int64_t known = event->duration < (uint64_t)longest ? (int64_t)event->duration : longest;

	if (event->has & EVENT_IS_LIVE)
		return known;
	if (known >= (int64_t)FORGOTTEN_S * SECOND)
		return known - (int64_t)FORGOTTEN_S * SECOND;
	return known > (int64_t)RESET_S * SECOND ? known - (int64_t)RESET_S * SECOND : 0;
}

struct payload_part payload_of(const struct event *event)
{
	uint64_t header = headers(event);
	int64_t known =
		event->has & EVENT_HAS_DURATION ? (int64_t)(event->duration & INT64_MAX) : 0;
	struct payload_part part = {
		.out = without(event->bytes_out, event->packets_out, header),
		.in = without(event->bytes_in, event->packets_in, header),
		.size = size_of(event->bytes_out, event->packets_out),
		.over = !(event->has & EVENT_IS_LIVE),
	};

	part.longest = part.out;
	part.from = event->time > known ? event->time - known : 0;
	part.until = part.from + (known > 0 ? active(event) : 0);
	return part;
}

void payload_add(struct payload *payload, const struct payload_part *part)
{
	payload->out = plus(payload->out, part->out);
	payload->in = plus(payload->in, part->in);
	if (part->longest > payload->longest)
		payload->longest = part->longest;
	if (!part->over || payload->flows == UINT32_MAX)
		return;
	payload->flows++;
	payload->sizes[part->size]++;
}

double payload_ratio(const struct payload *payload)
{
	return (double)payload->out / (payload->in > 0 ? (double)payload->in : 1);
}

/* --- Bursts --- */

static int64_t slot_of(int64_t time)
{
	return time / ((int64_t)BURST_SLOT_S * SECOND);
}

/* Makes `slot` the last one, if it is later. */
static void move_on(struct burst *burst, int64_t slot)
{
	if (slot - burst->last >= BURST_SLOTS)
		burst->last = slot - BURST_SLOTS;
	while (burst->last < slot)
		burst->slots[++burst->last % BURST_SLOTS] = 0;
}

static uint64_t window(const struct burst *burst, int64_t last)
{
	uint64_t sum = 0;

	for (int64_t slot = last; slot > last - BURST_WINDOW; slot--)
		if (slot >= 0 && slot <= burst->last && slot > burst->last - BURST_SLOTS)
			sum = plus(sum, burst->slots[slot % BURST_SLOTS]);
	return sum;
}

uint64_t burst_add(struct burst *burst, const struct payload_part *part)
{
	int64_t first = slot_of(part->from), last = slot_of(part->until), oldest;
	uint64_t each = part->out / (uint64_t)(last - first + 1), most = 0;

	if (part->out == 0)
		return 0;
	move_on(burst, last);
	oldest = burst->last - BURST_SLOTS + 1;
	for (int64_t slot = first > oldest ? first : oldest; slot <= last; slot++)
		burst->slots[slot % BURST_SLOTS] = plus(burst->slots[slot % BURST_SLOTS], each);
	for (int64_t slot = first > oldest ? first : oldest; slot < last + BURST_WINDOW; slot++) {
		uint64_t sum = slot <= burst->last ? window(burst, slot) : 0;

		most = sum > most ? sum : most;
	}
	return most;
}
