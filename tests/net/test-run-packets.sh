#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Packets that a command tries to get past egress-run: to addresses that are refused, in all forms
# that a program without privileges can give them, and to strangers who have sent something first.
# What counts is what has come into the world, and that each attempt fails at once.

# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # scripts for the shell inside; variables of run.sh
# shellcheck source=run.sh
. "$(dirname "$0")/run.sh"
attempt=$(program tests/net/attempt)
lab_needs "$attempt" dns2tcpc
run_start

# --- What comes into the world from the client ---
in_world nft -f - <<-'END' || exit 99
	table inet watch {
		set seen4 {
			type ipv4_addr . inet_proto . inet_service
			flags dynamic
			size 1000
		}
		set seen6 {
			type ipv6_addr . inet_proto . inet_service
			flags dynamic
			size 1000
		}
		set others {
			type inet_proto
			flags dynamic
			size 1000
		}
		counter dns {
		}
		chain in {
			type filter hook prerouting priority raw
			iifname != "to-client" accept
			udp dport 53 counter name dns
			tcp dport 53 counter name dns
			meta nfproto ipv4 meta l4proto { tcp, udp } add @seen4 { ip daddr . meta l4proto . th dport }
			meta nfproto ipv6 meta l4proto { tcp, udp } add @seen6 { ip6 daddr . meta l4proto . th dport }
			icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } accept
			meta l4proto != { tcp, udp } add @others { meta l4proto }
		}
	}
END
# seen SET: its elements, but for what the resolver asks its servers.
seen() {
	in_world nft list set inet watch "$1" | tr -d '\n\t' | tr , '\n' |
		sed -n 's/.*elements = {//; s/}.*//; s/^ *//; s/ *$//; / [.] /p; /^[a-z0-9]*$/p' |
		grep -vxE "($UPSTREAM4|$UPSTREAM6) . udp . 53" | sort | paste -sd ' '
}

# --- All attempts ---
# A host that forwards has each new namespace of its kernel forward as well.
run_options=(--allow udp/www.lab.example:443)
inside "touch started; until test -e go; do sleep 0.1; done; getent ahosts www.lab.example >/dev/null
	$attempt packets 198.18.1.1 198.18.1.3 2001:db8:1::1 2001:db8:1::3 to-world
	$attempt calls \$PPID" >attempts &
waiting=$!
until_true 20 test -e home/started
nsenter --net="/proc/$(pgrep -u $RUN_UID -f 'until test -e go' | tail -n 1)/ns/net" \
	sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 || exit 99
touch home/go
wait $waiting

# What else than a refusal may become of them.
no_protocol='^E(PROTO|SOCKT)NOSUPPORT$'
declare -A others=(
	[sctp4]=$no_protocol [dccp4]=$no_protocol [smc4]=$no_protocol
	# They come back to where nobody takes them, or there is no such way.
	[lo-udp4]='^TIMEOUT$' [lo-tcp4]='^(EINPROGRESS|TIMEOUT)$' [interface-udp4]='^TIMEOUT$'
	[lo-udp6]='^ENETUNREACH$' [lo-tcp6]='^ENETUNREACH$' [interface-udp6]='^ENETUNREACH$'
	# The reset that refuses it doesn't find its way back.
	[source-route-tcp6]='^EINPROGRESS$'
	[request-key]='^ENOSYS$' [uring]='^ENOSYS$'
)
for name in tcp4 tcp6 udp4; do
	like "what is permitted is reached: $name" "$(sed -n "s/^permitted-$name: //p" attempts)" \
		"^(198.18.1.1|2001:db8:1::1) 443 from .*: hello\$"
done
while IFS= read -r line; do
	name=${line%%: *} outcome=${line#*: }
	[[ $name != permitted-[tu]* ]] || continue
	if [[ -n ${others[$name]:-} && $outcome =~ ${others[$name]} ]]; then
		ok "$name leads nowhere"
	else
		like "$name is refused at once" "$outcome" "$REJECTED"
	fi
done <attempts
is "that was all of them" "$(wc -l <attempts) $(tail -n 1 attempts)" "106 netlink: EPERM"
is "IPv4 that came into the world" "$(seen seen4)" "198.18.1.1 . tcp . 443 198.18.1.1 . udp . 443"
is "IPv6" "$(seen seen6)" "2001:db8:1::1 . tcp . 443"
is "other protocols" "$(seen others)" ""

# --- Strangers ---
# What keeps the link lets in datagrams of anybody to a port that one was sent from.
stranger='use Socket; $| = 1; $SIG{ALRM} = sub { print "nothing\n"; exit }; alarm 4;
	my ($knocks, $from, $to, $port) = @ARGV;
	socket(S, PF_INET, SOCK_DGRAM, 0) && bind(S, sockaddr_in($from, INADDR_ANY)) or die $!;
	send(S, $knocks, 0, sockaddr_in($port, inet_aton($to))) or die $!;
	while (my $who = recv(S, my $said, 900, 0)) {
		my ($at, $address) = sockaddr_in($who);
		print inet_ntoa($address), " said $said\n";
		next if $at == $port;
		send(S, "secret", 0, $who) or print $!+0, "\n";
		last;
	}'
knock='use Socket; socket(S, PF_INET, SOCK_DGRAM, 0) &&
	bind(S, sockaddr_in(8443, inet_aton("198.18.9.9"))) or die $!;
	send(S, "knock", 0, sockaddr_in(6666, inet_aton("192.168.77.2"))) or die $!;
	$SIG{ALRM} = sub { print "nothing\n"; exit }; alarm 2; recv(S, $b, 900, 0); print "$b\n"'
run_options=(--allow udp/198.18.1.3:123)
echo "$stranger" >home/stranger.pl
rm -f home/started
inside "perl stranger.pl hello 6666 198.18.1.3 123" >stranger &
waiting=$!
until_true 20 grep -q "198.18.1.3 said" stranger
is "a stranger gets no answer" "$(in_world perl -e "$knock")" nothing
wait $waiting
like "although the knock was heard" "$(cat stranger)" '198.18.9.9 said knock.*1'
run_options=()

# --- Tunnels ---
in_world nft 'reset counters' >/dev/null
unlike "a tunnel by names that aren't permitted doesn't connect" "$(inside "
	timeout 5 dns2tcpc -z t.tunnel.example -T KEY $UPSTREAM4
	timeout 5 dns2tcpc -z t.other.lab.example -T TXT $SECOND4
	for i in 1 2 3 4 5 6 7 8; do \$probe dns $UPSTREAM4 secret\$i.other.lab.example A; done")" \
	'[Cc]onnected|Available|NOERROR'
is "and no question leaves" "$(in_world nft list counter inet watch dns | grep -o 'packets [0-9]*')" \
	"packets 0"
like "there is no device for another kind" \
	"$(inside "perl -e 'open(T, \"+<\", \"/dev/net/tun\") or print(\$!+0), exit;
		my \$r = pack(\"a16 S x22\", \"dns0\", 0x1001); ioctl(T, 0x400454ca, \$r) or print \$!+0'")" '^(1|2|13)$'

lab_done
