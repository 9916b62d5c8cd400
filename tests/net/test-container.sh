#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Containers that share a network namespace: one loads the rules, proves them and is the resolver;
# the other, as root with Docker's capabilities, reaches what is permitted and finds no way around
# it. Each way around is open without what closes it, and closed with it.

# shellcheck disable=SC2119,SC2317 # functions are called by name
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lab.sh
. "$here/lab.sh"
# shellcheck source=../container/pod.sh
. "$here/../container/pod.sh"
pod_needs

# policy RAW [UPSTREAM]: what the pod's policy says from now on.
policy() {
	mkdir -p policies
	cat >policies/policy.toml <<-END
		version = 1
		name = "lab"
		[network]
		block = ["private", "shared", "link-local", "loopback", "metadata", "multicast", "doh"]
		raw = "$1"
		[dns]
		upstream = ["udp://${2:-$UPSTREAM4}"]
		listen = ["127.0.0.1:5300", "[::1]:5300"]
		min_lease = "10s"
		grace = "10s"
		[[allow]]
		host = ["www.lab.example", "api.lab.example", "whoami.lab.example"]
		[[allow]]
		host_pattern = '^t[0-9]+\.fresh\.lab\.example$'
	END
}

must pod_image
must pod_application_image
config=/etc/egress/policy.toml
pod_bundle initial image 0 NET_ADMIN true "$pod_compile" --apply --prove $config
pod_bundle egress image $EGRESS_UID NET_ADMIN false "$pod_entry" $config
pod_bundle application application 0 "$DOCKER_CAPABILITIES" true /usr/bin/sleep 600
policy drop
lab_start
must in_client sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0

# --- The image ---
is "the image has no shell" "$(find image -name '*sh' -type f -perm -u+x)" ""
is "and no program that makes a policy" "$(find image -name egress-learn)" ""

# --- Rules before the application, the resolver after it ---
check "an initial container loads the rules, as root with NET_ADMIN alone" pod_run initial
pod_start application
must until_true 20 sh -c "crun --root $LAB/crun state application | grep -q running"
like "without the resolver no name is known" \
	"$(tries probe --wait 2 dns $NOSERVER4 www.lab.example A)" "$REJECTED"
like "and nothing is reached" "$(tries probe tcp 198.18.1.1 443)" "$REJECTED"
like "over IPv6" "$(tries probe tcp 2001:db8:1::1 443)" "$REJECTED"
must pod_resolver

# acceptance WHEN: as on a host.
fresh=0
acceptance() {
	fresh=$((fresh + 1))
	is "$1: a permitted name" "$(tries probe dns $NOSERVER4 t$fresh.fresh.lab.example A)" \
		"NOERROR 198.18.1.$((100 + fresh))"
	like "is reached by its first packet" "$(tries probe tcp 198.18.1.$((100 + fresh)) 443)" \
		': hello$'
	is "and over IPv6" "$(tries probe dns "[$NOSERVER6]" t$fresh.fresh.lab.example AAAA)" \
		"NOERROR 2001:db8:1::$((100 + fresh))"
	like "too" "$(tries probe tcp 2001:db8:1::$((100 + fresh)) 443)" ': hello$'
	like "$1: another name" "$(tries probe dns $UPSTREAM4 other.lab.example A)" '^NXDOMAIN'
	like "an address" "$(tries probe tcp 198.18.1.3 443)" "$REJECTED"
	like "by UDP" "$(tries probe udp 198.18.1.3 443)" "$REJECTED"
	like "over IPv6" "$(tries probe tcp 2001:db8:1::3 443)" "$REJECTED"
}

acceptance "resolver after the application"
pid=$(pod_crun state egress | jq .pid)
is "the resolver's user" "$(stat -c %u "/proc/$pid")" $EGRESS_UID
is "it holds nothing but NET_ADMIN" "$(sed -n 's/^CapPrm:[[:space:]]*//p' "/proc/$pid/status")" \
	0000000000001000
check "its health can be asked" in_egress "$pod_ctl" status

# --- Killed, and back ---
must pod_kill egress
like "killed: what is open stays so" "$(tries probe tcp 198.18.1.101 443)" ': hello$'
like "no name is known" "$(tries probe --wait 2 dns $NOSERVER4 t9.fresh.lab.example A)" "$REJECTED"
like "nothing else is reached" "$(tries probe tcp 198.18.1.3 443)" "$REJECTED"
must pod_resolver
acceptance "resolver killed and back"
check "told to end, it ends" pod_kill egress TERM
must pod_resolver
acceptance "resolver ended and back"
policy drop
sed -i 's/"api.lab.example", //' policies/policy.toml
is "before a reload" "$(tries probe dns $NOSERVER4 api.lab.example A)" "NOERROR 198.18.1.2"
check "a reload" in_egress "$pod_entry" --reload $config
like "takes names away" "$(until_true 10 sh -c "crun --root $LAB/crun exec application \
	/usr/bin/probe dns $NOSERVER4 api.lab.example A | grep NXDOMAIN" && echo gone)" gone
must pod_kill egress

# --- Frames ---
in_world "$(program tests/container/escape)" watch to-client >watched.out 2>watched.log &
watcher=$!
in_client "$(program tests/container/escape)" watch lo >local.out 2>local.log &
must until_true 10 grep -q ready watched.out
must until_true 10 grep -q ready local.out


count() {
	grep -cx "$1" "$2"
}

more() {
	[ "$(count "$1" "$2")" -gt "$3" ]
}

# through WAY ARGUMENT...: whether it comes to the world.
through() {
	local before

	before=$(count "$1" watched.out)
	tries escape "$@" >said.out
	until_true 10 more "$1" watched.out "$before"
}

# stopped WAY ARGUMENT...: it doesn't. What was sent behind it has come, and by then so had it.
stopped() {
	local before fences

	before=$(count "$1" watched.out)
	fences=$(count fence watched.out)
	tries escape "$@" >said.out
	in_world "$(program tests/container/escape)" fence to-client
	until_true 10 more fence watched.out "$fences" || return 99
	sleep 0.1
	! more "$1" watched.out "$before"
}

# The same on the loopback.
local_frames() {
	local before routed

	before=$(count packet local.out)
	routed=$(count raw4 local.out)
	tries escape packet lo >said.out
	tries escape raw4 127.0.0.1 127.0.0.1 >>said.out
	until_true 10 more raw4 local.out "$routed" || echo lost
	more packet local.out "$before" && echo pass || echo drop
}

for raw in pass drop; do
	policy $raw
	must pod_run initial
	for way in packet bypass datagram arp; do
		if [ $raw = pass ]; then
			check "raw = pass lets a frame through: $way" through "$way" to-world
		else
			check "raw = drop doesn't: $way" stopped "$way" to-world
		fi
		like "$way" "$(cat said.out)" '^(sent|ENOBUFS)$'
	done
	is "raw = $raw, on the loopback" "$(local_frames)" $raw
done
in_client nft list table netdev egress-lab >frames.nft
like "each interface has its chain" "$(cat frames.nft)" 'chain link-lo .*chain link-to-world '
unlike "what was dropped is counted" "$(grep 'comment "raw"' frames.nft)" 'packets 0 '
must pod_resolver
acceptance "raw = drop"

# --- Raw sockets ---
for way in "raw4 192.168.77.2 198.18.1.3" "raw4 198.18.1.3 192.168.77.1" \
	"fragment 192.168.77.2 198.18.1.3" "raw6 fd77::2 2001:db8:1::3" \
	"raw6 2001:db8:1::3 fd77::1"; do
	# shellcheck disable=SC2086 # words
	check "a raw socket: $way" stopped $way
done

# --- AF_XDP, which no rule sees: what egress-container(8) says against it ---
# once CAPABILITIES FILTER WAY: what it says in a container of its own.
once() {
	pod_bundle once application 0 "$1" true /usr/bin/escape "$3" to-world
	jq ".linux += {$2}" bundles/once/config.json >once.json && mv once.json bundles/once/config.json
	pod_run once 2>/dev/null
}
if through xdp to-world; then
	came=passes
else
	came=$(cat said.out)
fi
if [ "$came" = EAFNOSUPPORT ]; then
	ok "a frame by AF_XDP passes # SKIP this kernel has none"
else
	is "a frame by AF_XDP passes" "$came" passes
fi
is "without NET_RAW it cannot be sent" "$(once "" "" xdp)" EPERM
is "nor one by a packet socket" "$(once "" "" packet)" EPERM
is "with a seccomp filter neither" "$(once "$DOCKER_CAPABILITIES" '"seccomp": {
	"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["socket"],
	"action": "SCMP_ACT_ERRNO", "errnoRet": 97, "args": [{"index": 0, "value": 44,
	"op": "SCMP_CMP_EQ"}]}]}' xdp)" EAFNOSUPPORT

# --- The resolver's mark ---
# peek NUMBER: what a packet socket learns of the mark when the resolver asks for that name.
peek() {
	rm -f peek.out
	crun --root "$LAB/crun" exec application /usr/bin/escape peek to-world </dev/null \
		>peek.out 2>&1 &
	until_true 10 grep -q ready peek.out
	tries probe dns $NOSERVER4 "t$1.fresh.lab.example" A >/dev/null
	wait $!
	tail -n 1 peek.out
}

# direct MARK: what the upstream server says to the application as the resolver's user.
direct() {
	tries probe --wait 2 --uid $EGRESS_UID --mark "$1" dns $UPSTREAM4 other.lab.example A
}

mark=$(set_of resolver | grep -o '0x[0-9a-f]*' | head -n 1)
is "the mark cannot be seen" "$(peek 20)" 0x00000000
like "the resolver's user alone is not enough" "$(direct 0)" '^NXDOMAIN'
like "nor with a mark of one's own" "$(direct 77)" '^NXDOMAIN'
in_client nft list chain inet egress-lab output |
	sed -e 's/ meta mark set 0x00000000//' -e '1,/chain output/s/^table.*/&\n\tchain output {\n\t}/' >open.nft
must in_client nft flush chain inet egress-lab output
must in_client nft -f open.nft
is "without what takes it off it is" "$((16#$(peek 21 | cut -c 3-)))" "$((mark))"
like "and opens the upstream server" "$(direct "$mark")" '^NOERROR 198.18.1.3'
must pod_run initial
is "with it, it cannot" "$(peek 22)" 0x00000000

guessed() {
	tries escape guess "$EGRESS_UID" 20000 "$UPSTREAM4" >guess.out
	! in_client nft list chain inet egress-lab redirect-dns |
		grep 'guessed marks' | grep -q 'packets 0 bytes 0 drop'
}
check "guesses are limited" until_true 10 guessed
must until_true 10 sh -c "crun --root $LAB/crun exec application /usr/bin/probe --wait 3 dns \
	$NOSERVER4 whoami.lab.example A | grep -q NOERROR"
must pod_kill egress

# --- As a pod has it: root with NET_ADMIN alone, and no way to more ---
pod_bundle egress image 0 NET_ADMIN true "$pod_entry" $config
must pod_resolver
is "as root: a name" "$(tries probe dns $NOSERVER4 t30.fresh.lab.example A)" "NOERROR 198.18.1.130"
like "is reached" "$(tries probe tcp 198.18.1.130 443)" ': hello$'
must pod_kill egress
pod_bundle egress image $EGRESS_UID NET_ADMIN false "$pod_entry" $config

# --- Docker's DNS server: the lab's second one at 127.0.0.11, behind the NAT that Docker makes ---
sed -e "s/ip-address: $SECOND4/ip-address: 127.0.0.11@3053/" -e "/ip-address: $SECOND6/d" \
	-e "s,second.list,docker.list," second.conf >docker.conf
nsenter --net=/run/netns/client nsd -d -c "$LAB/docker.conf" >docker.log 2>&1 &
docker_nat() {
	in_client nft -f - <<-END
		table ip nat {
			chain OUTPUT {
				type nat hook output priority -100; policy accept;
				ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:3053
				ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:3053
			}
		}
	END
}
must docker_nat
must in_client nft delete table inet egress-lab
must in_client nft delete table netdev egress-lab
must until_true 10 sh -c "nsenter --net=/run/netns/client $(program tests/net/probe) --wait 1 \
	dns 127.0.0.11 www.lab.example A | grep -q 198.18.66.1"
policy drop 127.0.0.11
must pod_run initial
# Of those at one priority the one that came last is the first.
must in_client nft delete table ip nat
must docker_nat
must pod_resolver
is "the resolver asks Docker's server" "$(tries probe dns 127.0.0.11 www.lab.example A)" \
	"NOERROR 198.18.66.1"
like "the application's questions to it go to the resolver" \
	"$(tries probe dns 127.0.0.11 other.lab.example A)" '^NXDOMAIN'
like "also by TCP" "$(tries probe dns 127.0.0.11 other.lab.example A tcp)" '^NXDOMAIN'
like "where it listens it is refused" \
	"$(tries probe dns 127.0.0.11:3053 other.lab.example A)" "$REJECTED"
like "as the resolver's user, too" \
	"$(tries probe --uid $EGRESS_UID dns 127.0.0.11:3053 other.lab.example A)" "$REJECTED"
handle=$(in_client nft -a list chain inet egress-lab output |
	sed -n 's/.*docker-dns.* handle //p')
must in_client nft delete rule inet egress-lab output handle "$handle"
like "without its rule it answers" \
	"$(tries probe dns 127.0.0.11:3053 other.lab.example A)" '^NOERROR 198.18.66.1'
must pod_kill egress

# --- What it says when it can't ---
complains() {
	pod_bundle wrong image "$2" "$3" "$4" "$pod_entry" "${5:-$config}"
	pod_run wrong >wrong.out 2>&1
	is "$1: exit status" $? "$6"
	like "$1" "$(cat wrong.out)" "$7"
}
complains "without NET_ADMIN" $EGRESS_UID "" false $config 3 'no CAP_NET_ADMIN.*cap-add NET_ADMIN'
complains "as root without it" 0 "NET_RAW" false $config 3 'no CAP_NET_ADMIN'
complains "with no-new-privileges" $EGRESS_UID NET_ADMIN true $config 3 'no-new-privileges'
complains "without a policy" $EGRESS_UID NET_ADMIN false /etc/egress/none.toml 1 'cannot read .*none.toml'
echo "unknown = 1" >policies/wrong.toml
complains "a wrong policy" $EGRESS_UID NET_ADMIN false /etc/egress/wrong.toml 1 'wrong.toml:1'
# Somebody else's rules, who lets nothing through and says nothing.
must in_client nft -f - <<-'END'
	table inet silent {
		chain output {
			type filter hook output priority -200; policy accept;
			ip daddr 192.0.2.0/24 drop
		}
	}
END
complains "nothing to prove" $EGRESS_UID NET_ADMIN false $config 3 'nothing is proved: TCP to 192.0.2.1 '
must in_client nft delete table inet silent

# --- By nft, and taken away ---
policy drop
for round in first second; do
	check "loaded by nft, the $round time" \
		in_client bash -c "$compiler policies/policy.toml | nft -f -"
	check "frames are dropped" stopped packet to-world
done
policy pass
must pod_run initial
is "raw = pass takes the frames' table away" "$(in_client nft list tables netdev)" ""
kill $watcher

lab_done
