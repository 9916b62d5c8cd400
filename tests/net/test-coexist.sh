#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Others' rules beside a policy's, loaded before it and after it: ufw by itself, and the shapes of
# what Docker and kube-proxy load. Theirs stay as they are, byte for byte; the policy holds, also
# when they are reloaded or flushed. tests/hosts/test-firewalls.sh has more, with real services.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs iptables-nft iptables-nft-restore ufw

lab_start
must in_client sysctl -qw net.ipv4.ip_forward=1
lab_policy lab <<-'END'
	[[allow]]
	host = "www.lab.example"
	[[allow]]
	ip = ["198.18.40.0/24", "2001:db8:40::/48"]
END

# All that the client has loaded but for the policy's table; counters go on by themselves.
theirs() {
	in_client nft --stateless list ruleset 2>/dev/null |
		awk '/^table inet egress-/ { ours = 1 } !ours; /^}/ { ours = 0 }' |
		sed -E 's/counter packets [0-9]+ bytes [0-9]+/counter/g'
}

# enforces WHEN
enforces() {
	rejected "$1: what the policy refuses" tcp 198.18.41.1 443
	rejected "$1: over IPv6" tcp 2001:db8:41::1 443
	rejected "$1: by UDP" udp 198.18.41.1 443
	reaches "$1: what it permits" tcp 198.18.40.1 443
	is "$1: a permitted name" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
	reaches "$1: which is open at its first packet" tcp 198.18.1.1 443
	like "$1: another name" "$(ask other.lab.example)" '^NXDOMAIN \(EDE 15'
}

# The policy's own, but for leases and what the resolver says of itself.
ours() {
	lab_listing egress-lab | grep -vE '^[[:space:]]*(map [a-z0-9-]*-leases[46]|set resolver) '
}

unload() {
	in_client nft flush ruleset
}

# beside NAME: NAME_load, NAME_reload and NAME_flush are functions.
beside() {
	local before text

	must "$1_load"
	before=$(theirs)
	like "$1: there is something of theirs" "$before" '^table '
	must lab_resolve
	enforces "$1 first"
	is "$1 first: is as it was" "$(theirs)" "$before"
	must "$1_reload"
	enforces "$1 reloaded"
	is "$1 reloaded: theirs is what it was" "$(theirs)" "$before"
	must in_client "$compiler" lab.toml --apply
	is "$1: --apply leaves it" "$(theirs)" "$before"
	must lab_resolver_stop
	must in_client "$compiler" lab.toml --remove
	is "$1: --remove leaves it" "$(theirs)" "$before"
	reaches "$1: nothing is confined after that" tcp 198.18.41.1 443
	unload

	must lab_resolve
	text=$(ours)
	must "$1_load"
	enforces "$1 second"
	is "$1 second: it is as without the policy" "$(theirs)" "$before"
	must "$1_flush"
	enforces "$1 flushed"
	is "$1: the policy's table is what it was" "$(ours)" "$text"
	must lab_resolver_stop
	unload
}

lab_resolve() {
	in_client "$compiler" lab.toml --apply && lab_resolver lab
}

# --- ufw ---

# Its files are this machine's: copies in their place.
for file in /etc/ufw /etc/default/ufw; do
	must cp -a $file "${file##*/}-$(basename "$(dirname $file)")"
	must mount --bind "${file##*/}-$(basename "$(dirname $file)")" $file
done
must mount -t tmpfs run /run/lock
ufw() {
	in_client ufw "$@" >>ufw.log 2>&1
}
ufw_load() {
	ufw default allow outgoing && ufw allow 22/tcp && ufw --force enable
}
ufw_reload() {
	ufw reload
}
ufw_flush() {
	ufw disable
}
if ufw_load && unload; then
	beside ufw
else
	note "ufw does not work here: $(tail -n 3 ufw.log)"
	unload
fi

# --- iptables, as Docker has it ---

docker_load() {
	in_client iptables-nft-restore <<-'END'
		*nat
		:DOCKER - [0:0]
		-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
		-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
		-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
		-A DOCKER -i docker0 -j RETURN
		-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:8000
		COMMIT
		*filter
		:FORWARD DROP [0:0]
		:DOCKER - [0:0]
		:DOCKER-ISOLATION-STAGE-1 - [0:0]
		:DOCKER-ISOLATION-STAGE-2 - [0:0]
		:DOCKER-USER - [0:0]
		-A FORWARD -j DOCKER-USER
		-A FORWARD -j DOCKER-ISOLATION-STAGE-1
		-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		-A FORWARD -o docker0 -j DOCKER
		-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
		-A FORWARD -i docker0 -o docker0 -j ACCEPT
		-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 8000 -j ACCEPT
		-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
		-A DOCKER-ISOLATION-STAGE-1 -j RETURN
		-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
		-A DOCKER-ISOLATION-STAGE-2 -j RETURN
		-A DOCKER-USER -j RETURN
		COMMIT
	END
}
docker_reload() {
	in_client iptables-nft -F && in_client iptables-nft -t nat -F && docker_load
}
docker_flush() {
	in_client iptables-nft -F && in_client iptables-nft -t nat -F && in_client iptables-nft -P FORWARD ACCEPT
}
beside docker

# --- kube-proxy's table ---

# Its services: one with an endpoint that the policy permits, one that it refuses, and the cluster's
# DNS, which answers every name.
kube_load() {
	in_client nft -f - <<-END
		table ip kube-proxy {
			comment "rules for kube-proxy"
			set cluster-ips {
				type ipv4_addr
				elements = { 10.96.0.1, 10.96.0.2, 10.96.0.10 }
			}
			map service-ips {
				type ipv4_addr . inet_proto . inet_service : verdict
				elements = { 10.96.0.1 . tcp . 443 : goto service-1,
					10.96.0.2 . tcp . 443 : goto service-2,
					10.96.0.10 . udp . 53 : goto service-3, 10.96.0.10 . tcp . 53 : goto service-3 }
			}
			chain filter-output {
				type filter hook output priority -110; policy accept;
				ct state new ip daddr 10.96.0.250 reject
			}
			chain nat-prerouting {
				type nat hook prerouting priority -100; policy accept;
				jump services
			}
			chain nat-output {
				type nat hook output priority -100; policy accept;
				jump services
			}
			chain nat-postrouting {
				type nat hook postrouting priority 100; policy accept;
				mark & 0x4000 != 0 masquerade fully-random
			}
			chain services {
				ip daddr . meta l4proto . th dport vmap @service-ips
			}
			chain service-1 {
				numgen random mod 2 vmap { 0 : goto endpoint-1, 1 : goto endpoint-1 }
			}
			chain service-2 {
				goto endpoint-2
			}
			chain service-3 {
				goto endpoint-3
			}
			chain endpoint-1 {
				meta l4proto tcp dnat to 198.18.40.5:8000
			}
			chain endpoint-2 {
				meta l4proto tcp dnat to 198.18.41.5:8000
			}
			chain endpoint-3 {
				meta l4proto { tcp, udp } dnat to $SECOND4:53
			}
		}
	END
}
kube_reload() {
	in_client nft delete table ip kube-proxy && kube_load
}
kube_flush() {
	in_client nft flush table ip kube-proxy
}
beside kube

# What services lead to is judged by where that is.
lab_policy lab <<-'END'
	[[allow]]
	host = "www.lab.example"
	[[allow]]
	ip = "198.18.40.0/24"
	ports = "tcp/8000"
END
for order in "kube_load lab_resolve" "lab_resolve kube_load"; do
	for step in $order; do
		must "$step"
	done
	like "$order: a service with a permitted endpoint" "$(probe tcp 10.96.0.1 443)" ': hello$'
	rejected "$order: one with another" tcp 10.96.0.2 443
	for transport in udp tcp; do
		unlike "$order: the cluster's DNS over $transport is not asked" \
			"$(probe dns 10.96.0.10 other.lab.example A $transport)" 198.18.66.1
	done
	must lab_resolver_stop
	unload
done

# --- A container behind Docker's bridge ---

must lab_namespace inner
must ip -n client link add docker0 type bridge
must ip -n client address add 172.17.0.1/16 dev docker0
must ip -n client link add veth0 type veth peer name eth0 netns inner
must ip -n client link set veth0 master docker0 up
must ip -n client link set docker0 up
must ip -n inner address add 172.17.0.2/16 dev eth0
must ip -n inner link set eth0 up
must ip -n inner route add default via 172.17.0.1
must in_client sysctl -qw net.ipv4.icmp_ratelimit=0
must serve inner 8000
lab_policy lab <<-'END'
	listen = ["127.0.0.1:5300", "[::1]:5300", "172.17.0.1:53"]
	[scope]
	interfaces = ["docker0"]
	[[allow]]
	host = "www.lab.example"
	[[allow]]
	ip = "198.18.40.0/24"
END
for order in "docker_load lab_resolve" "lab_resolve docker_load"; do
	for step in $order; do
		must "$step"
	done
	like "$order: the container, what is refused" "$(probe_inner tcp 198.18.41.1 443)" "$REJECTED"
	like "what is permitted, behind the host's address" "$(probe_inner tcp 198.18.40.1 443)" \
		'from 192.168.77.2.*: hello$'
	is "a permitted name, of whatever server" "$(probe_inner dns $SECOND4 www.lab.example A)" \
		"NOERROR 198.18.1.1"
	like "is open" "$(probe_inner tcp 198.18.1.1 443)" ': hello$'
	like "another is refused" "$(probe_inner dns $SECOND4 other.lab.example A)" '^NXDOMAIN'
	like "a published port is reached" \
		"$(in_world "$(program tests/net/probe)" tcp 192.168.77.2 8080)" ': hello$'
	reaches "the host itself is not confined" tcp 198.18.41.1 443
	must docker_flush
	like "their rules flushed: what is refused" "$(probe_inner tcp 198.18.41.1 443)" "$REJECTED"
	must lab_resolver_stop
	unload
done

lab_done
