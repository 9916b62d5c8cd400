# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The lab: network namespaces with a confined host, a world of real servers around it, and what
# tests need to speak to them. A test sources this file, whereupon it is run again as the first
# process of mount and process namespaces of its own: all that it starts or mounts ends with it,
# however it ends, and the host's network is never touched.
#
#	inner ------ client ------ world
#	(optional)   the ruleset   nsd, a second nsd, tests/net/world
#	             the resolver
#
# client	192.168.77.2, fd77::2; everything else lies behind world
# world		192.168.77.1, fd77::1, and every address of 198.18.0.0/15, 240.0.0.0/8 and
#		2001:db8::/32
# inner		192.168.78.2, fd78::2; reaches the world through client
#
# Within the world:
#	198.18.0.53, 2001:db8:53::53	nsd with the lab's zones: the resolver's upstream
#	198.18.0.54, 2001:db8:53::54	another nsd, with other answers: nobody's upstream
#	everywhere else			tests/net/world on WORLD_PORTS, TCP and UDP
#
# Results are TAP on standard output; lines that start with '#' explain a failure.
#
# shellcheck disable=SC2034 # what isn't used here is used by the tests

lab_build=${abs_top_builddir:-$PWD}
PATH=$PATH:/usr/sbin:/sbin

UPSTREAM4=198.18.0.53
UPSTREAM6=2001:db8:53::53
SECOND4=198.18.0.54
SECOND6=2001:db8:53::54
# Addresses where no DNS server is: whoever answers there is the resolver.
NOSERVER4=198.18.0.99
NOSERVER6=2001:db8:99::99
WORLD_PORTS="22 80 123 443 853 5432 8000-8010"
# Who the resolver becomes.
LAB_USER=nobody
LAB_UID=$(id -u $LAB_USER)

skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}

# What the lab is made of. Tests that need more name it: lab_needs curl dig
lab_needs() {
	local tool

	for tool; do
		command -v "$tool" >/dev/null || skip_all "$tool is not installed"
	done
}

# --- A world of one's own ----------------------------------------------------------------------

# The outer process: waits for the inner one and cleans up after it.
lab_outer() {
	local lab child status

	[ "$(id -u)" -eq 0 ] || skip_all "needs root"
	lab_needs ip nft nsd unshare nsenter mount setpriv sysctl pgrep
	unshare --mount --pid --fork true 2>/dev/null || skip_all "namespaces are not permitted"
	lab=$(mktemp -d "${TMPDIR:-/tmp}/egress-lab.XXXXXX") || exit 99
	# Each dies with its parent, also when that is killed.
	EGRESS_LAB=$lab setpriv --pdeathsig KILL \
		unshare --mount --pid --fork --kill-child --mount-proc bash "$0" "$@" &
	child=$!
	trap 'kill -KILL $child 2>/dev/null' INT TERM HUP
	wait $child
	status=$?
	trap - INT TERM HUP
	wait $child 2>/dev/null
	rmdir "$lab"
	exit $status
}

# The inner process, before the test's own lines: the lab's files and namespaces are mounts that
# nobody else sees.
lab_enter() {
	mount -t tmpfs -o mode=755 lab "$LAB" && mkdir -p /run/netns &&
		mount -t tmpfs -o mode=755 lab /run/netns && mkdir -p /run/egress &&
		mount -t tmpfs -o mode=755 lab /run/egress || exit 99
	cd "$LAB" || exit 99
	# What the C library asks: a server that doesn't exist.
	echo "nameserver $NOSERVER4" >resolv.conf
	echo "hosts: files dns" >nsswitch.conf
	mount --bind resolv.conf /etc/resolv.conf && mount --bind nsswitch.conf /etc/nsswitch.conf ||
		exit 99
}

if [ -z "${EGRESS_LAB:-}" ] || [ $$ -ne 1 ]; then
	lab_outer "$@"
fi
LAB=$EGRESS_LAB
lab_enter
# What else curl and the C library would listen to.
unset http_proxy all_proxy ALL_PROXY RES_OPTIONS LOCALDOMAIN
export CURL_HOME=$LAB

# --- TAP ---------------------------------------------------------------------------------------

lab_tests=0
lab_failures=0

note() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

ok() {
	lab_tests=$((lab_tests + 1))
	echo "ok $lab_tests - $*"
}

not_ok() {
	lab_tests=$((lab_tests + 1))
	lab_failures=$((lab_failures + 1))
	echo "not ok $lab_tests - $*"
	note "at ${BASH_SOURCE[-1]##*/}:$(lab_line)"
}

# The line of the test file that is at work.
lab_line() {
	local i

	for ((i = 0; i < ${#BASH_SOURCE[@]}; i++)); do
		if [ "${BASH_SOURCE[i]}" = "$0" ]; then
			echo "${BASH_LINENO[i - 1]}"
			return
		fi
	done
}

# check DESCRIPTION COMMAND...: the command succeeds; its output is shown when it doesn't.
check() {
	local name=$1

	shift
	if "$@" >check.out 2>&1; then
		ok "$name"
	else
		not_ok "$name"
		note "failed: $*"
		note "$(cat check.out)"
	fi
}

# is DESCRIPTION GOT EXPECTED
is() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1"
		note "expected: $3"
		note "got:      $2"
	fi
}

# like DESCRIPTION GOT REGEX: an extended regular expression that some part of GOT matches.
like() {
	if [[ $2 =~ $3 ]]; then
		ok "$1"
	else
		not_ok "$1"
		note "expected: /$3/"
		note "got:      $2"
	fi
}

unlike() {
	if [[ $2 =~ $3 ]]; then
		not_ok "$1"
		note "not expected: /$3/"
		note "got:          $2"
	else
		ok "$1"
	fi
}

# A set-up step that everything after it needs.
must() {
	if ! "$@" >/dev/null; then
		lab_logs
		echo "Bail out! failed: $*"
		exit 99
	fi
}

# The end of every test file. A build with sanitizers has nothing to report by then.
lab_done() {
	if [ -n "${resolver_pid:-}" ] && kill -0 "$resolver_pid" 2>/dev/null; then
		lab_resolver_stop
		is "the resolver ends with status 0" $? 0
	fi
	lab_records
	if grep -lE 'Sanitizer|runtime error:' ./*.log >reports; then
		not_ok "no sanitizer has found anything"
	fi
	if [ -z "${breach_expected:-}" ] &&
		grep -h 'system call .* is not permitted' ./*.log >reports; then
		not_ok "no process has made a system call that it may not make"
		note "$(cat reports)"
	fi
	echo "1..$lab_tests"
	if [ "$lab_failures" -gt 0 ]; then
		lab_logs
		exit 1
	fi
	exit 0
}

# Whether what was recorded is what egress-events(5) says: the first lines of each log there is.
lab_records() {
	local source=${abs_top_srcdir:-${BASH_SOURCE[0]%/*}/../..} log count=0

	command -v python3 >/dev/null || return
	while read -r log; do
		head -n 1 "$log" | grep -q '^{"time":"[^"]*","kind":"' || continue
		head -n 4000 "$log" | "$source/tests/event/validate" \
			"$source/src/event/egress-events.schema.json" - >records.said 2>&1
		case $? in
		0) count=$((count + 1)) ;;
		1)
			not_ok "records in ${log##*/} are what the schema says"
			note "$(cat records.said)"
			;;
		*)
			note "records are not looked at: $(cat records.said)"
			return
			;;
		esac
	done < <(find "$LAB" -type f -size +0 \( -name 'events*' -o -name '*.jsonl' -o -name '*.jsonl.*' \))
	[ $count = 0 ] || note "the records of $count logs are what the schema says"
}

# What the programs said, for whoever reads a failure.
lab_logs() {
	local log

	for log in "$LAB"/*.log; do
		[ -s "$log" ] || continue
		note "--- ${log##*/}"
		tail -n 40 "$log" | sed 's/^/# /'
	done
}

# until_true SECONDS COMMAND...: tries ten times a second, and no longer than that.
until_true() {
	local left=$(($1 * 10))

	shift
	until "$@" >/dev/null 2>&1; do
		left=$((left - 1))
		[ $left -gt 0 ] || return 1
		sleep 0.1
	done
}

# --- Namespaces --------------------------------------------------------------------------------

in_namespace() {
	nsenter --net="/run/netns/$1" "${@:2}"
}

# Not for what runs in the background: $! would be a shell's.
in_client() {
	in_namespace client "$@"
}

in_world() {
	in_namespace world "$@"
}

in_inner() {
	in_namespace inner "$@"
}

# lab_namespace NAME: without duplicate address detection, so that addresses work at once.
lab_namespace() {
	ip netns add "$1" && ip -n "$1" link set lo up &&
		in_namespace "$1" sysctl -qw net.ipv4.ping_group_range="0 0" \
			net.ipv6.ip_nonlocal_bind=1 net.ipv6.conf.default.accept_dad=0 \
			net.ipv6.conf.default.dad_transmits=0
}

# lab_link A B NETWORK4 NETWORK6: a cable, its ends called to-B and to-A, addresses 1 in A, 2 in B.
lab_link() {
	ip -n "$1" link add "to-$2" type veth peer name "to-$1" netns "$2" &&
		ip -n "$1" address add "$3.1/24" dev "to-$2" &&
		ip -n "$2" address add "$3.2/24" dev "to-$1" &&
		ip -n "$1" address add "$4::1/64" dev "to-$2" &&
		ip -n "$2" address add "$4::2/64" dev "to-$1" &&
		ip -n "$1" link set "to-$2" up && ip -n "$2" link set "to-$1" up &&
		ip -n "$2" route add default via "$3.1" &&
		ip -n "$2" route add default via "$4::1"
}

lab_names=100000

# lab_start [names]: the world and the client, without a ruleset. "names" adds the zone n.example
# with n0 and so on, $lab_names of them.
lab_start() {
	must lab_namespace world
	must lab_namespace client
	must lab_link world client 192.168.77 fd77
	must ip -n world route add local 198.18.0.0/15 dev lo
	must ip -n world route add local 240.0.0.0/8 dev lo
	must ip -n world -6 route add local 2001:db8::/32 dev lo
	must ip -n world address add $UPSTREAM6/128 dev lo
	must ip -n world address add $SECOND6/128 dev lo
	lab_zones "$@" || exit 99
	lab_nsd upstream $UPSTREAM4 $UPSTREAM6 "$@"
	lab_nsd second $SECOND4 $SECOND6
	# shellcheck disable=SC2086
	must serve world $WORLD_PORTS
	must until_true 10 lab_serves $UPSTREAM4
	must until_true 10 lab_serves "[$UPSTREAM6]"
	must until_true 10 lab_serves $SECOND4
	must until_true 10 lab_serves "[$SECOND6]"
}

lab_serves() {
	[[ $(in_world "$(program tests/net/probe)" --wait 1 dns "$1" ns.lab.example A) = NOERROR* ]]
}

# serve NAMESPACE PORT...: tests/net/world there; returns when it listens.
serve() {
	nsenter --net="/run/netns/$1" "$(program tests/net/world)" "${@:2}" \
		>"$1-services.out" 2>"$1-services.log" &
	until_true 10 grep -q ready "$1-services.out"
}

# A namespace behind the client, which forwards for it and rejects as often as it needs to.
lab_start_inner() {
	must lab_namespace inner
	must lab_link client inner 192.168.78 fd78
	must in_client sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
	must ip -n world route add 192.168.78.0/24 via 192.168.77.2
	must ip -n world route add fd78::/64 via fd77::2
}

# --- The world's names -------------------------------------------------------------------------

# numbered NAME TYPE PREFIX FIRST LAST: as many records.
numbered() {
	local i

	for ((i = $4; i <= $5; i++)); do
		echo "$1 $2 $3$i"
	done
}

# A name with an address of each family: both NAME N is 198.18.1.N and 2001:db8:1::N.
both() {
	echo "$1 A 198.18.1.$2"
	echo "$1 AAAA 2001:db8:1::$2"
}

# zone_head TTL ADDRESS
zone_head() {
	echo "\$TTL $1"
	echo "@ SOA ns.lab.example. hostmaster.lab.example. 1 3600 600 86400 60"
	echo "@ NS ns.lab.example."
}

zone_lab() {
	local i

	zone_head 300
	both ns 53
	both www 1
	both api 2
	both other 3
	both a.wild 10
	both b.a.wild 11
	both a.deep 12
	both b.a.deep 13
	both deep 14
	both wild 15
	both twin 1
	for ((i = 1; i <= 40; i++)); do
		both t$i.fresh $((100 + i))
	done
	echo "whoami A 198.18.55.1"
	echo "whoami AAAA 2001:db8:55::1"
	echo "four A 198.18.1.4"
	echo "six AAAA 2001:db8:1::6"
	echo "nodata MX 10 www"
	echo "ttl0 0 A 198.18.1.20"
	echo "ttl0 0 AAAA 2001:db8:1::20"
	echo "ttl1 1 A 198.18.1.21"
	echo "ttl1 1 AAAA 2001:db8:1::21"
	echo "long 604800 A 198.18.1.22"
	echo "long 604800 AAAA 2001:db8:1::22"
	zone_aliases
	numbered big A 198.18.2. 1 60
	numbered big AAAA 2001:db8:2:: 1 60
	zone_rebinding
}

# chain1 needs one alias step to an address, chain2 two, and so on.
zone_aliases() {
	local i

	echo "alias CNAME www"
	both end 30
	echo "chain1 CNAME end"
	for ((i = 2; i <= 12; i++)); do
		echo "chain$i CNAME chain$((i - 1))"
	done
	echo "self CNAME self"
	echo "loop1 CNAME loop2"
	echo "loop2 CNAME loop1"
	echo "dangling CNAME nothing"
	echo "hop CNAME target.far.example."
	echo "empty CNAME nodata"
}

# Names that answer with addresses of the inside.
zone_rebinding() {
	local address

	both mixed 40
	for address in 10.0.0.1 127.0.0.1 169.254.169.254 192.168.77.1 224.0.0.1; do
		echo "mixed A $address"
		echo "inside A $address"
	done
	for address in ::1 fe80::1 fd77::1 ::ffff:10.0.0.1 64:ff9b::a00:1 ff02::1; do
		echo "mixed AAAA $address"
		echo "inside AAAA $address"
	done
}

zone_far() {
	zone_head 300
	both target 31
}

# n0 is 198.18.4.0 and 2001:db8:100::, n1 the next address of both, and so on; from n100000 on the
# IPv4 addresses are 240.1.134.160 and so on.
zone_names() {
	zone_head 300
	awk -v names="$lab_names" 'BEGIN {
		for (i = 0; i < names; i++) {
			a = i < 100000 ? 198 * 2^24 + 18 * 65536 + 1024 + i : 240 * 2^24 + i
			printf "n%d A %d.%d.%d.%d\n", i, int(a / 2^24), int(a / 65536) % 256,
				int(a / 256) % 256, a % 256
			printf "n%d AAAA 2001:db8:100::%x:%x\n", i, int(i / 65536), i % 65536
		}
	}'
}

# What the second server says: the same names, each at an address that betrays it.
zone_second() {
	zone_head 300
	both ns 54
	echo "* A 198.18.66.1"
	echo "* AAAA 2001:db8:66::1"
}

lab_zones() {
	mkdir -p upstream second
	zone_lab >upstream/lab.example
	zone_far >upstream/far.example
	[ "${1:-}" != names ] || zone_names >upstream/n.example
	zone_second >second/lab.example
	zone_second >second/far.example
}

# lab_nsd FOLDER ADDRESS...: nsd with the zones that lie there.
lab_nsd() {
	local folder=$1 zone

	{
		echo "server:"
		echo "	server-count: 1"
		echo "	ip-address: $2"
		echo "	ip-address: $3"
		echo "	username: \"\""
		echo "	chroot: \"\""
		echo "	zonesdir: $LAB/$folder"
		echo "	zonelistfile: $LAB/$folder.list"
		echo "	pidfile: \"\""
		echo "	database: \"\""
		echo "	xfrdfile: \"\""
		echo "	xfrdir: $LAB"
		echo "	rrl-ratelimit: 0"
		echo "	minimal-responses: yes"
		echo "remote-control:"
		echo "	control-enable: no"
		for zone in "$folder"/*; do
			echo "zone:"
			echo "	name: ${zone##*/}"
			echo "	zonefile: ${zone##*/}"
		done
	} >"$folder.conf"
	nsenter --net=/run/netns/world nsd -d -c "$LAB/$folder.conf" >"$folder.log" 2>&1 &
	printf -v "lab_${folder}_pid" %s $!
}

# lab_nsd_kill FOLDER: returns when none of its processes is left, the children of its children
# being those that answer.
lab_nsd_kill() {
	lab_nsd_pids "$1" | xargs kill -KILL
	must until_true 10 lab_nsd_gone "$1"
}

lab_nsd_pids() {
	pgrep -f "^nsd -d -c $LAB/$1.conf"
}

lab_nsd_gone() {
	[ -z "$(lab_nsd_pids "$1")" ]
}

# --- The programs under test -------------------------------------------------------------------

# program PATH: of the build, as the sources' folders name it.
program() {
	echo "$lab_build/$1"
}

compiler=$(program src/egress-compile)
resolver=$(program src/egress-resolver)
ctl=$(program src/egress-ctl)

# Tests of the programs themselves begin with this.
lab_needs_programs() {
	lab_needs "$compiler" "$resolver"
}

# The head of most policies. The lab's addresses are reserved ones, so that class is let through.
# What follows it goes on with [dns].
lab_head() {
	lab_head_alone
	echo "upstream = [\"udp://$UPSTREAM4\", \"udp://[$UPSTREAM6]\"]"
}

# Without servers.
lab_head_alone() {
	cat <<-'END'
		version = 1
		name = "lab"
		[network]
		block = ["private", "shared", "link-local", "loopback", "metadata", "multicast", "doh"]
		[dns]
	END
}

# lab_policy NAME: the policy on standard input becomes NAME.toml behind the usual head.
lab_policy() {
	{
		lab_head
		cat
	} >"$1.toml"
}

# lab_policy_dns [LINE...]: lab.toml permits the lab's names; the lines are all that is in its [dns].
lab_policy_dns() {
	{
		lab_head_alone
		printf '%s\n' "$@"
		echo '[[allow]]'
		echo 'host = ["*.lab.example", "**.fresh.lab.example"]'
	} >lab.toml
}

# lab_load NAME: what an administrator types.
lab_load() {
	"$compiler" "$1.toml" >"$1.nft" && in_client nft -f - <"$1.nft"
}

resolver_starts=0

# lab_resolver NAME [OPTION...]: starts it and waits until it serves.
lab_resolver() {
	local policy=$1

	shift
	resolver_starts=$((resolver_starts + 1))
	resolver_log=resolver-$resolver_starts.log
	nsenter --net=/run/netns/client "$resolver" "$policy.toml" --user $LAB_USER "$@" \
		>>resolver.out 2>"$resolver_log" &
	resolver_pid=$!
	until_true 20 grep -qwE "ready|serving" "$resolver_log" || {
		note "the resolver did not become ready"
		return 1
	}
}

# Ends it as an administrator does; the exit status is its own.
lab_resolver_stop() {
	kill -TERM "$resolver_pid" && wait "$resolver_pid"
}

# The processes that the resolver consists of, the first one last.
resolver_processes() {
	pgrep -P "$resolver_pid"
	echo "$resolver_pid"
}

# Ends all of them at once, and waits until they are gone, and their sockets.
lab_resolver_kill() {
	local doomed pid

	mapfile -t doomed < <(resolver_processes)
	kill -KILL "${doomed[@]}" 2>/dev/null
	wait "$resolver_pid" 2>/dev/null
	for pid in "${doomed[@]}"; do
		must until_true 20 lab_gone "$pid"
	done
}

# lab_gone PID: it is none, or a dead one that nobody has asked after.
lab_gone() {
	! [ -e "/proc/$1/stat" ] || grep -q '^[0-9]* ([^)]*) Z' "/proc/$1/stat"
}

# lab_up NAME [OPTION...]: ruleset and resolver.
lab_up() {
	must lab_load "$1"
	must lab_resolver "$@"
}

# lab_up_recorded NAME [OPTION...]: the same, and records of all kinds go to the file events.
lab_up_recorded() {
	local fd

	exec {fd}>>events
	lab_up "$@" --events-fd "$fd"
	exec {fd}>&-
}

# lab_reload NAME: the ruleset and, for the resolver, its policy.
lab_reload() {
	lab_load "$1" && kill -HUP "$resolver_pid"
}

# --- What a client does ------------------------------------------------------------------------

probe() {
	in_client "$(program tests/net/probe)" "$@"
}

# The same from behind the client.
probe_inner() {
	in_inner "$(program tests/net/probe)" "$@"
}

# The answer of the client's DNS: ask NAME [TYPE [tcp]], to a server that doesn't exist.
ask() {
	probe dns $NOSERVER4 "$1" "${2:-A}" ${3:+"$3"}
}

# ctl_ends DESCRIPTION STATUS COMMAND...: what egress-ctl said is in ctl.out and ctl.err.
ctl_ends() {
	"$ctl" "${@:3}" >ctl.out 2>ctl.err
	is "$1" $? "$2"
}

# What a rejection may look like to a program, whatever protocol it spoke.
REJECTED='^(ECONNREFUSED|EHOSTUNREACH|EACCES|EPERM|ECONNRESET)$'

# reaches DESCRIPTION PROTOCOL ADDRESS PORT: and the world says that it was this address and port.
reaches() {
	like "$1" "$(probe "$2" "$3" "$4")" "^$3 $4 from .*: hello\$"
}

# rejected DESCRIPTION PROTOCOL ADDRESS [PORT]: by an error that arrives, not by silence.
rejected() {
	local name=$1

	shift
	like "$name" "$(probe "$@")" "$REJECTED"
}

# A connection that stays open: hold NAME ADDRESS PORT [NAMESPACE]; then say NAME TEXT gives the
# answer to it.
hold() {
	local in out

	mkfifo "$1.in" "$1.out" || return 1
	in_namespace "${4:-client}" "$(program tests/net/probe)" --wait 20 hold "$2" "$3" \
		<"$1.in" >"$1.out" 2>&1 &
	exec {in}>"$1.in" {out}<"$1.out"
	printf -v "hold_in_$1" %s "$in"
	printf -v "hold_out_$1" %s "$out"
	read -r -t 30 -u "$out" held && [ "$held" = connected ]
}

say() {
	local in=hold_in_$1 out=hold_out_$1 answer=SILENCE

	echo "$2" >&"${!in}"
	read -r -t 30 -u "${!out}" answer
	echo "$answer"
}

# alive DESCRIPTION NAME: the connection carries data both ways.
alive() {
	like "$1" "$(say "$2" ping)" ': ping$'
}

# cut DESCRIPTION NAME: it was ended, by an error.
cut_off() {
	like "$1" "$(say "$2" ping)" '^(ECONNRESET|EPIPE|EHOSTUNREACH|EACCES|CLOSED)$'
}

# The kernel's view of one of the ruleset's sets.
set_of() {
	in_client nft list set inet egress-lab "$1" 2>/dev/null ||
		in_client nft list map inet egress-lab "$1"
}

# counter_of ID: packets that the ruleset has counted by it.
counter_of() {
	in_client nft list counter inet egress-lab "${1//:/.}" |
		sed -n 's/^\t\tpackets \([0-9]*\) .*/\1/p'
}

# lab_listing TABLE: what nft lists of the client's inet table, but for what differs between a
# ruleset that was loaded as a text and one that --apply loaded: the order of the objects, and the
# number at the end of the interval maps' names. A line is an object.
lab_listing() {
	in_client nft --stateless list table inet "$1" | sed -E '
		/^(table .*|\})$/d
		s/((addresses|refused)[46])\.[0-9]+/\1/g
		s/ expires [0-9a-z]*//' | awk -v RS= '{ gsub(/\n/, " "); print }' | sort
}
