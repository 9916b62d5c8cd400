/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A client's message, over UDP and over TCP, through the whole engine: what is asked upstream is
 * answered, what is to be leased is leased. */

#include "tests/fuzz/fuzz.h"

/* Does for each output of the engine what the world outside would. */
static void serve(struct world *world)
{
	uint8_t reply[1024];
	size_t count;

	for (size_t i = 0;; i++) {
		struct output output, *outputs = world_outputs(world, &count);

		if (i == count)
			break;
		output = outputs[i];
		if (output.kind == OUTPUT_ASK) {
			size_t size = fuzz_reply(output.bytes, output.size, 3, 300, reply);
			world_reply(world, output.upstream, output.socket, reply, size);
		} else if (output.kind == OUTPUT_LEASE) {
			world_leased(world, output.request.ticket, 0, 330);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client datagram = {.socket = 1, .size = sizeof(struct sockaddr_in)};
	struct client stream = {.stream = true, .socket = 2, .generation = 3};
	struct world *world = fuzz_world();

	if (size <= UINT16_MAX) {
		world_query(world, &datagram, data, size);
		world_query(world, &stream, data, size);
		serve(world);
		world_query(world, &datagram, data, size);
	}
	fuzz_world_end(world);
	return 0;
}
