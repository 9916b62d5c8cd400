#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# on_exceed = "refuse" is exact: of 10,000 destinations that are tried at the same moment, names and
# bare addresses of both families, as many are reached as the budget has, and no more after the
# resolver was killed, or the ruleset and the policy loaded again. Those go on. So it is when the
# budget was extended, and when a ruleset has a smaller one than was spent.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs "$ctl" python3

lab_names=5000
most=300
lab_start names
lab_policy lab <<-END
	types = ["A"]
	[[allow]]
	host = "*.n.example"
	[[allow]]
	ip = ["198.18.64.0/20", "2001:db8:40::/64"]
	[limits]
	wildcard_bytes = "1000000000/minute"
	wildcard_answer_bytes = "1000000000/minute"
	[budget]
	destinations = $most
	on_exceed = "refuse"
END
must lab_load lab
mkdir -m 700 control
socket=control/lab.sock
must lab_resolver lab --workers 4 --control $socket

# Reads commands: "try" tries all destinations at once, and holds those that are reached the first
# time; "bare" tries the addresses only; "alive" speaks on what is held. It says what came of it.
cat >client.py <<-'END'
	import asyncio, hashlib, random, resource, socket, struct, sys

	resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
	server, held = sys.argv[1], {}
	destinations = [f"n{i}.n.example" for i in range(5000)]
	destinations += [f"198.18.{64 + i // 250}.{1 + i % 250}" for i in range(2500)]
	destinations += [f"2001:db8:40::{i + 1:x}" for i in range(2500)]

	class Asker(asyncio.DatagramProtocol):
	    def __init__(self):
	        self.waiting = {}

	    def connection_made(self, transport):
	        self.transport = transport

	    def datagram_received(self, data, address):
	        future = self.waiting.pop(data[:2], None)
	        if future and not future.done():
	            future.set_result(data)

	    def error_received(self, error):
	        pass

	    async def ask(self, name, number):
	        labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\0"
	        ident = struct.pack("!H", number)
	        query = ident + b"\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\1\0\1"
	        for _ in range(100):
	            self.waiting[ident] = future = asyncio.get_running_loop().create_future()
	            self.transport.sendto(query)
	            try:
	                answer = await asyncio.wait_for(future, 2)
	            except asyncio.TimeoutError:
	                continue
	            rcode, count = answer[3] & 15, struct.unpack("!H", answer[6:8])[0]
	            if rcode == 2:  # the server is busy
	                await asyncio.sleep(1)
	                continue
	            at = 12 + len(labels) + 4 + 12
	            return socket.inet_ntoa(answer[at:at + 4]) if rcode == 0 and count else None
	        raise RuntimeError("no answer for " + name)

	async def connect(address):
	    try:
	        return await asyncio.wait_for(asyncio.open_connection(address, 443), 20)
	    except (ConnectionError, PermissionError):
	        return None
	    except OSError as error:
	        return None if error.errno == 113 else error

	async def attempt(askers, number, where):
	    address = where
	    if where.startswith("n"):
	        address = await askers[number % len(askers)].ask(where, number)
	    streams = await connect(address) if address else None
	    if isinstance(streams, OSError):
	        return "?" + where + repr(streams)
	    if not streams:
	        return None
	    if where in held or held.get("sealed"):
	        streams[1].close()
	    else:
	        held[where] = streams
	    return where

	async def try_some(askers, order, reached):
	    while order:
	        reached.append(await attempt(askers, *order.pop()))

	async def try_all(askers, first):
	    order, reached = list(enumerate(destinations))[first:], []
	    random.shuffle(order)
	    await asyncio.gather(*(try_some(askers, order, reached) for _ in range(400)))
	    reached = sorted(r for r in reached if r)
	    held["sealed"] = True
	    names = sum(r.startswith("n") for r in reached)
	    digest = hashlib.sha256(" ".join(reached).encode()).hexdigest()[:8]
	    odd = [r for r in reached if r.startswith("?")]
	    print(len(reached), f"names={names} {digest}", *odd, flush=True)

	async def speak():
	    alive = 0
	    for where, streams in held.items():
	        if where == "sealed":
	            continue
	        streams[1].write(b"hello\n")
	        alive += b"hello" in await asyncio.wait_for(streams[0].readline(), 20)
	    print(alive, flush=True)

	async def main():
	    loop = asyncio.get_running_loop()
	    askers = [(await loop.create_datagram_endpoint(Asker, remote_addr=(server, 53)))[1]
	              for _ in range(32)]
	    print("ready", flush=True)
	    while line := await loop.run_in_executor(None, sys.stdin.readline):
	        task = line.strip()
	        await (speak() if task == "alive" else try_all(askers, 5000 if task == "bare" else 0))

	asyncio.run(main())
END
coproc CLIENT { exec nsenter --net=/run/netns/client python3 client.py $NOSERVER4 2>client.err; }
# shellcheck disable=SC2153 # the shell assigns it
client_pid=$CLIENT_PID
exec {client_in}>&"${CLIENT[1]}" {client_out}<&"${CLIENT[0]}"

# client COMMAND: its answer.
client() {
	[ -z "$1" ] || echo "$1" >&"$client_in"
	reply=
	read -r -t 400 -u "$client_out" reply || note "$(tail -n 5 client.err)"
}
client ""
is "a client" "$reply" ready
client try
first=$reply
is "as many as the budget has" "${first%% *}" $most
unlike "of both kinds" "$first" "names=(0|$most) "
client alive
is "go on" "$reply" $most

lab_resolver_kill
client alive
is "without a resolver" "$reply" $most
must lab_resolver lab --workers 4 --control $socket
client try
is "after a kill, the same" "$reply" "$first"
must lab_load lab
client try
is "after the ruleset was loaded again, the same" "$reply" "$first"
check "a reload" "$ctl" --socket $socket reload
client try
is "after it, the same" "$reply" "$first"
client alive
is "all go on" "$reply" $most

check "the budget is extended" "$ctl" --socket $socket session extend destinations 100
client try
more=$reply
is "by as many as that" "${more%% *}" $((most + 100))
must lab_load lab
raised() {
	in_client nft list set inet egress-lab raised | grep -q ipv6
}
check "which the ruleset has not, until the resolver raises it" until_true 20 raised
client try
is "after the ruleset was loaded again, as many" "$reply" "$more"
lab_resolver_kill
must lab_load lab
client bare
is "without a resolver to raise it again, nothing new" "${reply%% *}" 0
must lab_resolver lab --workers 4 --control $socket
client try
is "with one, as many" "$reply" "$more"

sed -i 's/^destinations = .*/destinations = 50/' lab.toml
must lab_load lab
client bare
is "a ruleset with a smaller budget bounds it" "${reply%% *}" 50
client alive
is "all go on" "$reply" $most

kill "$client_pid"
lab_done
