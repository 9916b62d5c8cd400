#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The link of egress-run, and what is forwarded past it: ports that are published, services of the
# host's loopback, and root's link by a pair of virtual interfaces.

# shellcheck disable=SC2317 # functions are called by name
# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # scripts for the shell inside; variables of run.sh
# shellcheck source=run.sh
. "$(dirname "$0")/run.sh"
run_start
world=$(program tests/net/world)

# A server for who has no privileges: says its port, and what it was sent.
cat >server.pl <<'END'
use IO::Select;
use IO::Socket::IP;
my %at = (LocalAddr => "::", V6Only => 0, ReuseAddr => 1);
my $all = IO::Select->new;
for my $port (@ARGV) {
	$all->add(IO::Socket::IP->new(%at, LocalPort => $port, Listen => 500, Type => SOCK_STREAM)
		// die "$port: $@");
	$all->add(IO::Socket::IP->new(%at, LocalPort => $port, Proto => "udp", Type => SOCK_DGRAM)
		// die "$port: $@");
}
$| = 1;
print "ready\n";
while (my @ready = $all->can_read) {
	for my $socket (@ready) {
		if ($socket->socktype == SOCK_DGRAM) {
			my $from = $socket->recv(my $data, 4096) // next;
			$socket->send($socket->sockport . ": $data", 0, $from);
		} elsif (!eval { $socket->peerport }) {
			$all->add($socket->accept // next);
		} elsif ($socket->sysread(my $data, 4096)) {
			$socket->syswrite($socket->sockport . ": $data");
		} else {
			$all->remove($socket);
			$socket->close;
		}
	}
}
END
server=(perl "$LAB/server.pl")

# stays OPTION... -- COMMAND...: starts it for the user, or "${who[@]}", in the background and in a
# process group of its own; $job is its process.
stays() {
	rm -f job.out
	setsid "${who[@]}" "$run" "$@" >job.out 2>job.log &
	job=$!
	until_true 20 grep -q ready job.out
}
who=("${as_user[@]}")

# ends: $job.
ends() {
	kill $job 2>/dev/null
	wait $job 2>/dev/null
}

# client COMMAND...: on the host that the command is run on, where lines are its output.
client() {
	in_client "$@" 2>&1
}

left() {
	pgrep -u $RUN_UID -l
}

no_one_left() {
	[ -z "$(left)" ]
}

# --- What is published ---
stays --publish 8080,udp/8081:8001,9000:8002 --publish 0.0.0.0:9001:8003 --publish '[::]:9001:8003' \
	-- "${server[@]}" 8000 8001 8002 8003 8080
like "a published port is the command's" "$(client "$prober" tcp 127.0.0.1 8080)" \
	'^8080: hello$'
like "in IPv6, too" "$(client "$prober" tcp ::1 8080)" ': hello$'
like "another port inside" "$(client "$prober" tcp 127.0.0.1 9000)" '^8002: hello$'
like "by UDP" "$(client "$prober" udp 127.0.0.1 8081)" '^8001: hello$'
like "also IPv6" "$(client "$prober" udp ::1 8081)" '^8001: hello$'
is "what has ended on one side has on the other" "$(in_client timeout 20 perl -MIO::Socket::IP -e \
	'my $s = IO::Socket::IP->new("127.0.0.1:8080"); print $s "x"; $s->flush; shutdown $s, 1;
	print <$s>')" "8080: x"
like "other ports are not" "$(client "$prober" tcp 127.0.0.1 8000)" "$REJECTED"
like "nor those of TCP by UDP" "$(client "$prober" udp 127.0.0.1 8080)" "$REJECTED"
like "nor the other way round" "$(client "$prober" tcp 127.0.0.1 8081)" "$REJECTED"
like "the network does not reach it" "$(in_world "$prober" tcp 192.168.77.2 8080)" "$REJECTED"
like "unless an address is named" "$(in_world "$prober" tcp 192.168.77.2 9001)" \
	'^8003: hello$'
like "of IPv6, too" "$(in_world "$prober" tcp fd77::2 9001)" ': hello$'
like "a port that is taken is told" "$(user "$run" --publish 9002,8080 -- touch ran 2>&1; echo "status $?")" \
	'cannot listen at 127.0.0.1:8080: Address already in use.status 125'
is "and nothing runs" "$(ls home/ran 2>/dev/null)" ""
like "what was free before it is free again" "$(client "$prober" tcp 127.0.0.1 9002)" "$REJECTED"
ends
check "it ends with the command" until_true 10 no_one_left
like "and nobody listens any more" "$(client "$prober" tcp 127.0.0.1 8080)" "$REJECTED"

like "nothing is opened outward" \
	"$(user "$run" --publish 8080 -- "$prober" tcp 198.18.1.3 8080)" "$REJECTED"
like "what is no port is said" "$(user "$run" --publish 0 true 2>&1; echo "status $?")" \
	"expected \[ADDRESS:\]PORT\[:INNER\], not '0'.status 125"
stays --publish 8080 -- sh -c 'echo ready; exec sleep 60'
like "nobody inside: the connection is reset" "$(client "$prober" tcp 127.0.0.1 8080)" ECONNRESET
ends
check "and nothing is left" until_true 10 no_one_left

# --- What is carried ---
if command -v python3 >/dev/null; then
	mkdir -p home/www
	head -c 20000000 /dev/urandom >home/www/large
	chown -R $RUN_UID home/www
	stays --publish 8080:8000 -- sh -c 'cd www && exec python3 -uc "
import http.server, socket, sys
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    request_queue_size = 100
s = Server((\"::1\", 8000), http.server.SimpleHTTPRequestHandler)
print(\"ready\", flush=True)
s.serve_forever()"'
	is "a server of IPv6 alone, and all its bytes" \
		"$(client curl -sS -m 60 http://127.0.0.1:8080/large | sha256sum)" \
		"$(sha256sum <home/www/large)"
	for ((i = 0; i < 40; i++)); do
		client curl -sS -m 60 http://127.0.0.1:8080/large >"got.$i" &
		pids[i]=$!
	done
	wait "${pids[@]}"
	is "forty at a time" "$(sha256sum got.* | cut -d' ' -f1 | sort | uniq -c | xargs)" \
		"40 $(sha256sum <home/www/large | cut -d' ' -f1)"
	rm -f got.*
	ends
	check "nothing is left" until_true 10 no_one_left
fi
# The relay has room for 256 connections.
stays --publish 8080 -- "${server[@]}" 8080
nsenter --net=/run/netns/client perl -MIO::Socket -e 'my @s = map { IO::Socket::INET->new(PeerAddr => "127.0.0.1",
		PeerPort => 8080) } 1 .. 300; $| = 1;
		print scalar(grep { $_ } @s), "\n"; sleep 60' >held.out 2>&1 &
holder=$!
check "more connections than there is room for" until_true 20 grep -qx 300 held.out
like "make further ones wait" "$(client "$prober" --wait 2 tcp 127.0.0.1 8080)" TIMEOUT
kill $holder
wait $holder 2>/dev/null
like "and no longer" "$(client "$prober" tcp 127.0.0.1 8080)" ': hello$'
ends

# --- The host's loopback ---
nsenter --net=/run/netns/client "$world" 7000 7001 7002 >host.out 2>host.log &
must until_true 10 grep -q ready host.out
like "a service of the host's loopback is reached where it is named" \
	"$(user "$run" --loopback 7000 -- "$prober" tcp 127.0.0.1 7000)" '^127.0.0.1 7000 from .*: hello$'
like "in IPv6, too" "$(user "$run" --loopback 7000 -- "$prober" tcp ::1 7000)" ': hello$'
like "its neighbour is not" "$(user "$run" --loopback 7000 -- "$prober" tcp 127.0.0.1 7001)" "$REJECTED"
like "nor itself by UDP" "$(user "$run" --loopback 7000 -- "$prober" udp 127.0.0.1 7000)" "$REJECTED"
like "which is named apart" \
	"$(user "$run" --loopback udp/7000,7002 -- "$prober" udp 127.0.0.1 7000)" ' 7000 from .*: hello$'
like "and without the option nothing is" "$(user "$run" -- "$prober" tcp 127.0.0.1 7000)" "$REJECTED"
is "the host's own connections see no more of it" "$(in_client "$prober" tcp 127.0.0.1 7003)" ECONNREFUSED
like "where nobody listens the connection is reset" \
	"$(user "$run" --loopback 7003 -- "$prober" tcp 127.0.0.1 7003)" ECONNRESET
like "port 53 is the resolver's" "$(user "$run" --loopback 53 -- echo ran 2>&1; echo "status $?")" \
	'the resolver, which has port 53.status 125'
nsenter --net=/run/netns/client perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Local => "\0egress-link",
	Listen => 1) or die; print "ready\n"; $| = 1; sleep 60' >abstract.out 2>&1 &
abstract=$!
until_true 10 test -s abstract.out
is "abstract sockets stay shut" "$(user "$run" --loopback 7000 -- perl -MIO::Socket::UNIX -e \
	'print IO::Socket::UNIX->new(Peer => "\0egress-link") ? "open" : "shut"')" shut
kill $abstract
like "the policy has no say in it" \
	"$(printf 'version = 1\nallow = []\n' >home/nothing.toml
	user "$run" --override nothing.toml --loopback 7000 -- "$prober" tcp 127.0.0.1 7000)" ': hello$'
# What is left behind has no relay any more.
user "$run" --loopback 7000 -- sh -c "setsid sh -c 'sleep 3; $prober --wait 3 tcp 127.0.0.1 7000 >later' &"
check "it ends with egress-run" until_true 20 test -s home/later
like "for what is left behind, too" "$(cat home/later)" "$REJECTED"

# --- Where nothing can be written ---
is "a link takes no file that can be written" "$(unshare -m sh -c \
	'mount --rbind /tmp /tmp && mount -o remount,bind,ro /tmp && ! touch /tmp/x 2>/dev/null && exec "$@"' \
	sh "${as_user[@]}" "$run" -- sh -c 'echo ran' 2>/dev/null)" ran

# --- Root's link ---
chown root home/egress.toml

like "where the host doesn't forward there is none" "$(root --link veth -- 'echo ran'; echo "status $?")" \
	'does not forward IPv4 at to-world, see sysctl\(8\), net.ipv4.ip_forward.status 125'
like "unless it may be another" "$(root --verbose -- 'echo ran')" \
	"the link is pasta's: the host does not forward.*ran"
must in_client sysctl -qw net.ipv4.ip_forward=1
like "of each family" "$(root --link veth -- 'echo ran')" 'does not forward IPv6'
lab_start_inner
like "who isn't root has none" "$(chown $RUN_UID home/egress.toml
	user "$run" --link veth true 2>&1; chown root home/egress.toml)" 'no link by veth.*root'
before=$(client ip -o link; client nft list ruleset)
is "a host that forwards has one for root" \
	"$(root -v -- 'cat /sys/class/net/eth0/ifindex; ip -o -4 addr show dev eth0' |
		grep -c 'inet 198.19.*/30 ')" 1
veth=(--link veth)
like "what is permitted is reached" "$(root "${veth[@]}" -- 'curl -4sS -m 10 http://www.lab.example:443/')" \
	'^reached 198.18.1.1 '
like "in IPv6, too" "$(root "${veth[@]}" -- 'curl -6sS -m 10 http://www.lab.example:443/')" \
	'^reached 2001:db8:1::1 '
like "under the host's address" "$(root "${veth[@]}" -a 198.18.1.3:8000 -- \
	'$probe tcp 198.18.1.3 8000')" 'from 192.168.77.2 '
like "which is the IPv6 one" "$(root "${veth[@]}" -a '[2001:db8:1::3]:8000' -- \
	'$probe tcp 2001:db8:1::3 8000')" 'from fd77::2 '
like "other addresses are refused" "$(root "${veth[@]}" -- '$probe tcp 198.18.1.3 443')" "$REJECTED"
for address in 192.168.77.2 fd77::2; do
	like "the host's address $address is nobody's, even where it is permitted" \
		"$(root "${veth[@]}" -a "[$address]:7000" -- "\$probe tcp $address 7000")" "$REJECTED"
done
printf 'version = 1\nmode = "denylist"\n[network]\nblock = []\n[dns]\nupstream = ["udp://%s"]\n' \
	$UPSTREAM4 >home/open.toml
is "nor is the gateway, where all is" "$(root "${veth[@]}" -p open.toml -- \
	'for via in $(ip route | sed -n "s/^default via \([^ ]*\).*/\1/p") \
		$(ip -6 route | sed -n "s/^default via \([^ ]*\).*/\1/p"); do
		$probe --wait 5 tcp $via 7000; done' | sort -u | xargs)" "EACCES EHOSTUNREACH"
is "nothing comes in by it" "$(root "${veth[@]}" -p open.toml -- \
	"perl $LAB/server.pl 7005 >/dev/null & sleep 1; ip -o -4 addr show dev eth0 | sed 's/.*inet \([^/]*\).*/\1/' >at
	sleep 3; kill \$!" >/dev/null & until_true 20 test -s home/at
	in_inner "$prober" --wait 1 tcp "$(cat home/at)" 7005; wait)" TIMEOUT
who=(env -C "$RUN_HOME" nsenter --net=/run/netns/client)
stays "${veth[@]}" --publish 8080 -- "${server[@]}" 8080
like "published ports work" "$(client "$prober" tcp 127.0.0.1 8080)" '^8080: hello$'
ends
like "and the host's loopback" "$(root "${veth[@]}" --loopback 7000 -- '$probe tcp 127.0.0.1 7000')" \
	': hello$'
is "descriptors are those of the caller" "$(root "${veth[@]}" -- 'ls /proc/self/fd' | xargs)" \
	"$(sh -c 'ls /proc/self/fd' | xargs)"
as_before() {
	[ "$(client ip -o link; client nft list ruleset)" = "$before" ]
}
check "the host is as it was" until_true 10 as_before
must in_client ip -6 route del default
like "where one family has no way out the other has" \
	"$(root "${veth[@]}" -- 'curl -4sS -m 10 http://www.lab.example:443/
		ip -6 -o addr show dev eth0 scope global')" '^reached 198.18.1.1 [^
]*$'
must in_client ip route del default
like "without any there is none" "$(root "${veth[@]}" -- 'echo ran'; echo "status $?")" \
	'the host has no default route.status 125'
must in_client ip -6 route add default via fd77::1
like "IPv6 alone will do" "$(root "${veth[@]}" -a '[2001:db8:1::3]:8000' -- \
	'$probe tcp 2001:db8:1::3 8000; ip -4 -o addr show dev eth0')" 'from fd77::2 [^
]*$'
must in_client ip route add default via 192.168.77.1
must in_client ip route add 198.19.0.0/16 via 192.168.77.1
like "what others have is not taken" "$(root "${veth[@]}" -- 'echo ran'; echo "status $?")" \
	'no address: .*status 125'
must in_client ip route del 198.19.0.0/16
check "and the host is as it was" until_true 10 as_before

# --- Others' rules on the host ---
must in_client nft add table ip others
must in_client nft add chain ip others forward '{ type filter hook forward priority 0; }'
like "where others judge what is forwarded it is pasta's" "$(root -v -- 'echo ran')" \
	"the link is pasta's: other rules.*ran"
unlike "unless somebody insists" "$(root -v "${veth[@]}" -- 'echo ran')" "the link is pasta's"
must in_client nft delete table ip others

# --- When it is killed ---
rm -f home/later home/pid
probe=$prober env -C "$RUN_HOME" nsenter --net=/run/netns/client "$run" -a 198.18.1.3:8000 \
	"${veth[@]}" -- sh -c 'echo $$ >pid; setsid sh -c "sleep 4
	$probe --wait 3 tcp 198.18.1.3 8000 >later" & sleep 60' &
job=$!
until_true 20 test -s home/pid
like "the ruleset is there" "$(client nft list ruleset)" 'table inet egress-run-.*flags owner'
kill -KILL $job
wait $job 2>/dev/null
no_ruleset() {
	[ -z "$(client nft list ruleset)" ]
}
check "the ruleset goes with it" until_true 10 no_ruleset
check "what it leaves behind goes on" until_true 20 test -s home/later
like "and reaches nothing" "$(cat home/later)" '^(ENETUNREACH|EHOSTUNREACH|EPERM|TIMEOUT)$'
pkill -P "$(cat home/pid)" 2>/dev/null
check "in the end the host is as it was" until_true 20 as_before

lab_done
