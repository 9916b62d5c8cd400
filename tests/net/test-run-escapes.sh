#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a hostile command tries that egress-run has shut in: other DNS servers, the ruleset, the
# host's namespaces and processes, sockets that no ruleset sees, programs outside that would do it
# a favour, and the processes that keep it shut in.

# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # scripts for the shell inside; variables of run.sh
# shellcheck source=run.sh
. "$(dirname "$0")/run.sh"
run_start

# --- Names ---
is "another DNS server is the resolver" \
	"$(inside "\$probe dns $SECOND4 www.lab.example A")" "NOERROR 198.18.1.1"
is "by TCP" "$(inside "\$probe dns $SECOND4 www.lab.example A tcp")" "NOERROR 198.18.1.1"
is "in IPv6" "$(inside "\$probe dns [$SECOND6] www.lab.example A")" "NOERROR 198.18.1.1"
is "the upstream server as well" \
	"$(inside "\$probe dns $UPSTREAM4 other.lab.example A")" "NXDOMAIN (EDE 15: default-deny)"
is "by TCP in IPv6" "$(inside "\$probe dns [$UPSTREAM6] other.lab.example A tcp")" "NXDOMAIN (EDE 15: default-deny)"
like "on another port there is none" \
	"$(inside "\$probe dns $UPSTREAM4:853 www.lab.example A")" "$REJECTED"
like "nor by TLS" "$(inside "\$probe tcp $UPSTREAM4 853")" "$REJECTED"
"${as_user[@]}" "$run" -- sleep 60 &
started=$!
until_true 20 pgrep -u $RUN_UID -x sleep
ruleset=$(nsenter --net="/proc/$(pgrep -u $RUN_UID -x sleep)/ns/net" nft list ruleset)
like "the ruleset has the policy's table" "$ruleset" 'table inet egress-lab'
unlike "which lets nobody to the upstream servers, the resolver included" "$ruleset" \
	"upstream|$UPSTREAM4|$UPSTREAM6"
pkill -KILL -u $RUN_UID -x sleep
wait $started

# --- Sockets ---
is "no raw socket" "$(perl_error 'socket(S, 2, 3, 1)')" "1 Operation not permitted"
is "none in IPv6" "$(perl_error 'socket(S, 10, 3, 58)')" "1 Operation not permitted"
is "no packet socket" "$(perl_error 'socket(S, 17, 3, 768)')" "1 Operation not permitted"
is "no mark" "$(perl_error 'socket(S, 2, 2, 0) && setsockopt(S, 1, 36, pack("I", 1))')" \
	"1 Operation not permitted"
for family in 16:NETLINK 1:UNIX 2:INET 10:INET6; do
	is "AF_${family#*:} is there" \
		"$(perl_error "socket(S, ${family%:*}, ${family%:*} == 16 ? 3 : 2, 0)")" ""
done
for family in 40:VSOCK 31:BLUETOOTH 30:TIPC 21:RDS 29:CAN 63:63 64:64 1000:1000; do
	like "AF_${family#*:} is not" "$(perl_error "socket(S, ${family%:*}, 1, 0)")" \
		'^97 Address family not supported'
done
like "io_uring is not" "$(perl_error 'syscall(425, 8, 0) >= 0')" '^38 '
like "the ruleset still refuses" "$(inside '$probe tcp 198.18.1.3 443')" "$REJECTED"

# --- The network namespace ---
like "the ruleset can't be flushed" "$(inside 'nft flush ruleset; echo "status $?"')" 'status 1'
like "nor the link changed" "$(inside 'ip link set lo down; echo "status $?"')" 'status [12]'
like "nor an address added" \
	"$(inside 'ip address add 10.0.0.1/8 dev lo; echo "status $?"')" 'status [12]'
like "nor a sysctl set" \
	"$(inside 'echo 1 >/proc/sys/net/ipv4/conf/all/forwarding; echo "status $?"')" 'status [12]'
is "nor anything else of it" "$(inside 'for what in "ip route add default dev lo" "ip rule add from all table 7" \
	"ip link add d0 type veth" "ip xfrm policy flush" "tc qdisc add dev lo root pfifo" \
	"conntrack -F" "sysctl -w net.ipv6.ip_nonlocal_bind=1" "nft add table inet mine" \
	"ip netns add mine" "ip link set dev to-world netns 1"; do
	$what >/dev/null 2>&1 && echo "done: $what"; done')" ""
like "nor in a user namespace below" "$(inside "unshare -Ur nft flush ruleset; echo \"status \$?\"
	unshare -Ur ip link set lo down; echo \"status \$?\"
	unshare -Ur perl -e 'socket(S, 2, 3, 1) or print \$!+0'
	$prober tcp 198.18.1.3 443")" 'status 1.*status [12].*1E(CONN|HOST)'
is "a network namespace below has no way out at all" \
	"$(inside 'unshare -Urn sh -c "ip link set lo up; ip route get 198.18.1.3" 2>&1 |
		grep -c "unreachable"')" 1
like "that of the host can't be entered" \
	"$(inside 'nsenter -n -t $PPID true; echo "status $?"')" 'status 1'
like "nor its user namespace" \
	"$(inside 'nsenter -U -t $PPID true; echo "status $?"')" 'status 1'
like "by no process" "$(inside 'for p in /proc/[0-9]*; do
	n=$(readlink $p/ns/net 2>/dev/null) && [ "$n" != "$(readlink /proc/self/ns/net)" ] &&
		echo "open: $p"; done; echo done')" '^done$'

# --- Descriptors ---
# They are the caller's to give; a socket stays in the namespace in which it was made.
is "a socket of the host's that it is given works" "$(user perl -MIO::Socket::INET -e '
	my $s = IO::Socket::INET->new(PeerAddr => "198.18.1.3:443") or die $!;
	open(STDIN, "<&", $s) or die $!; exec @ARGV' "$run" -q -- \
	sh -c 'echo hi >&0; head -c 14 <&0')" "198.18.1.3 443"
is "others than the caller's there are none" "$(inside 'ls -l /proc/self/fd | grep -c socket:')" 0

# --- The host's loopback and sockets ---
serve client 9999 || exit 99
is "the host has a service on its loopback" \
	"$(probe tcp 127.0.0.1 9999 | cut -d' ' -f1,2)" "127.0.0.1 9999"
cat >home/open.toml <<-END
	version = 1
	name = "open"
	mode = "denylist"
	[network]
	block = []
	[dns]
	upstream = ["udp://$UPSTREAM4"]
	[[deny]]
	ip = "203.0.113.0/24"
END
run_options=(-p "$RUN_HOME/open.toml")
like "where everything is permitted" "$(inside '$probe tcp 198.18.1.3 443')" hello
# The last ones are the gateway's.
inside 'for address in 127.0.0.1 127.0.0.53 ::1 192.168.77.2 fd77::2 0.0.0.0 :: \
	192.168.77.1 fd77::1; do
	echo "$address $($probe --wait 1 tcp $address 9999) $($probe --wait 1 udp $address 9999)"
done' >hosts
unlike "it isn't reached at any of these" "$(cat hosts)" hello
is "which were all tried" "$(grep -c ' [A-Z]* [A-Z]*$' hosts)" 9
is "a denied name has none" "$(inside "\$probe dns $SECOND4 www.lab.example A")" \
	"NOERROR 198.18.1.1"
run_options=()

# listener ADDRESS: a socket of the host's that says "outside"; the address is Perl's.
listener() {
	rm -f listener.out
	user perl -e '
		socket(S, 1, 1, 0) && bind(S, pack("S a*", 1, eval(shift))) && listen(S, 9) or die $!;
		$| = 1; print "ready\n"; alarm 120;
		while (accept(C, S)) { syswrite C, "outside\n"; close C }' "$1" \
		>listener.out 2>listener.log &
	until_true 10 grep -q ready listener.out
}
connects='perl -e "socket(S, 1, 1, 0) && connect(S, pack(q(S a*), 1, eval(shift))) or print(q(refused)),
	exit; print <S>"'
listener '"\0egress-lab"'
is "an abstract socket of the host" "$(user sh -c "$connects '\"\\0egress-lab\"'")" outside
is "is out of reach" "$(inside "$connects '\"\\0egress-lab\"'")" refused
mkdir -p /run/user/$RUN_UID/systemd home/bus
chown -R $RUN_UID /run/user/$RUN_UID home/bus
mkdir -p /run/user/$RUN_UID/gnupg home/.gnupg
chown -R $RUN_UID /run/user/$RUN_UID/gnupg home/.gnupg
for socket in "/run/user/$RUN_UID/bus" "/run/user/$RUN_UID/systemd/private" \
	"/run/user/$RUN_UID/gnupg/S.dirmngr" "$RUN_HOME/.gnupg/S.dirmngr" "$RUN_HOME/bus/session"; do
	listener "'$socket'"
	is "one of the host's programs at ${socket##*/"$RUN_UID"}" \
		"$(user sh -c "$connects \"'$socket'\"")" outside
	is "is hidden" "$(DBUS_SESSION_BUS_ADDRESS="unix:path=$RUN_HOME/bus/session,guid=1" \
		inside "$connects \"'$socket'\"")" refused
done
like "nothing can be mounted away" "$(inside 'umount /etc/resolv.conf; echo "status $?"
	umount -l /run/user/*/systemd; echo "status $?"')" 'status 32.*status 32'
like "nor in a user namespace below" "$(inside 'unshare -Urm umount /etc/resolv.conf
	echo "status $?"; unshare -Urm umount -l /run/user/*/systemd; echo "status $?"')" \
	'status 32.*status 32'
is "nor seen past what hides it" "$(inside 'mkdir m u w; unshare -Urm sh -c "
	mount --bind /run/user/'$RUN_UID' m && ls m/bus
	mount -t overlay -o lowerdir=/run/user/'$RUN_UID',upperdir=u,workdir=w none m &&
		ls -l m | grep ^s
	mount -o remount,bind,rw /etc/resolv.conf; mount --move /run/user/'$RUN_UID'/systemd m
	pivot_root . m && ls m/run" 2>/dev/null; rmdir m u w/* w 2>/dev/null')" ""
# What a user's folder is when the user logs in: a new file system, with the sockets in it.
mount --make-shared /run/user || exit 99
mkdir /run/user/later
rm -f home/started
inside "touch started; until test -e go; do sleep 0.1; done; ls -A /run/user/later" >later &
waiting=$!
until_true 20 test -e home/started
mount -t tmpfs lab /run/user/later && touch /run/user/later/bus home/go
wait $waiting
is "one that is mounted later isn't seen" "$(cat later)" ""
umount /run/user/later
like "its resolv.conf can't be written" \
	"$(inside 'echo nameserver 192.0.2.1 >/etc/resolv.conf; echo "status $?"')" 'status [12]'

# --- A host with systemd-resolved ---
# It is asked by its stub, by a socket and over D-Bus; resolv.conf is a link into its folder.
umount /etc/resolv.conf /etc/nsswitch.conf
cp -a /etc etc-copy
mkdir -p /run/systemd
mount --bind etc-copy /etc && mount -t tmpfs -o mode=755 lab /run/systemd || exit 99
mkdir -p /run/systemd/resolve
rm /etc/resolv.conf
ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
echo "nameserver 127.0.0.53" >/run/systemd/resolve/stub-resolv.conf
echo "nameserver $UPSTREAM4" >/run/systemd/resolve/resolv.conf
echo "hosts: resolve [!UNAVAIL=return] myhostname" >/etc/nsswitch.conf
chown -R $RUN_UID /run/systemd/resolve
listener "'/run/systemd/resolve/io.systemd.Resolve'"
is "systemd-resolved's socket is hidden" \
	"$(inside "$connects \"'/run/systemd/resolve/io.systemd.Resolve'\"")" refused
is "its resolv.conf is replaced" "$(inside 'cat /etc/resolv.conf')" "nameserver 127.0.0.1"
is "alone in its folder" "$(inside 'ls -A /run/systemd/resolve')" stub-resolv.conf
is "it is not asked first" "$(inside 'grep hosts: /etc/nsswitch.conf')" "hosts: files myhostname dns"
grep -v upstream home/egress.toml >home/system.toml
run_options=(-p "$RUN_HOME/system.toml")
is "the servers that it asks itself are asked" \
	"$(inside 'getent ahostsv4 www.lab.example | head -1 | cut -d" " -f1')" 198.18.1.1
is "other names have none" "$(inside 'getent hosts other.lab.example; echo $?')" 2
run_options=()
is "a link that leads nowhere does no harm" "$(rm /run/systemd/resolve/stub-resolv.conf
	inside 'getent ahostsv4 www.lab.example | head -1 | cut -d" " -f1')" 198.18.1.1

# --- Processes ---
for what in environ mem maps fd/0 root/ cwd/; do
	like "it doesn't see /proc/PID/$what of its own starter" \
		"$(inside "ls -L /proc/\$PPID/$what >/dev/null && head -c 1 /proc/\$PPID/$what; echo \$?")" \
		'(denied|permitted).*[12]$'
done
ptrace=$(perl -e 'use Config; print $Config{archname} =~ /^x86_64/ ? 101 : 117')
is "nor can it trace it" \
	"$(inside "perl -e 'syscall($ptrace, 16, \$ARGV[0]+0, 0, 0) >= 0 or print \$!+0' \$PPID")" 1
like "nor the resolver" "$(inside "for p in \$(pgrep -u $RUN_UID egress-resolver); do
	perl -e 'syscall($ptrace, 16, \$ARGV[0]+0, 0, 0) >= 0 or print \$!+0' \$p; done")" '^11*$'
is "nor what links it" "$(inside "for p in \$(pgrep -u $RUN_UID 'pasta|passt'); do
	perl -e 'syscall($ptrace, 16, \$ARGV[0]+0, 0, 0) >= 0 or print \$!+0' \$p; done")" 1
is "it can't type into its terminal" "$(SHELL=$BASH script -qec "$(printf '%q ' "${as_user[@]}" "$run" -q perl -e \
	'my $c = "x"; ioctl(STDIN, 0x5412, $c) or print $!+0')" /dev/null | tr -d '\r')" 1
like "a set-user-id program is none" \
	"$(inside 'grep NoNewPrivs /proc/self/status')" '1$'

# --- Those who keep it shut in ---
like "without the resolver there are no names, and nothing opens" \
	"$(inside "pkill -KILL -u $RUN_UID egress-resolver; sleep 0.5
		getent hosts www.lab.example; echo \"status \$?\"
		\$probe tcp 198.18.1.1 443; \$probe dns $SECOND4 www.lab.example A
		\$probe --wait 1 dns $UPSTREAM4 other.lab.example A tcp")" \
	'status 2.E(CONNREFUSED|HOSTUNREACH)'
unlike "not even by the upstream server" "$(inside "pkill -KILL -u $RUN_UID egress-resolver
	sleep 0.5; \$probe --wait 1 dns $UPSTREAM4 other.lab.example A
	\$probe --wait 1 dns $UPSTREAM4 other.lab.example A tcp")" NOERROR
like "without the link nothing is reached" "$(inside "pkill -KILL -u $RUN_UID 'passt|pasta'
	sleep 0.5; getent hosts www.lab.example >/dev/null; \$probe --wait 1 tcp 198.18.1.1 443")" \
	'(TIMEOUT|E[A-Z]+)'
like "which is said" "$(inside "pkill -KILL -u $RUN_UID egress-resolver; sleep 2")" \
	'egress-run: the resolver has ended'
unlike "without those who started it, neither" \
	"$(inside "pkill -KILL -u $RUN_UID egress-run; sleep 0.5; pkill -KILL -u $RUN_UID 'passt|pasta'
		\$probe --wait 1 tcp 198.18.1.3 443; \$probe --wait 1 tcp $UPSTREAM4 53" 2>&1)" hello
like "a resolver that is told to read the policy again doesn't" "$(inside '
	cp egress.toml saved
	sed "s/www.lab.example/*.lab.example/" saved >egress.toml
	pkill -HUP -u '$RUN_UID' egress-resolver; sleep 1
	getent hosts other.lab.example; echo "status $?"
	getent hosts www.lab.example >/dev/null; echo "status $?"; cp saved egress.toml')" \
	'^status 2.status 0$'

lab_done
