#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# How hosts have their DNS, each as a host that boots with it: systemd-resolved with its stub and
# nss-resolve, NetworkManager which writes /etc/resolv.conf, or tells systemd-resolved. A permitted
# name is resolved by every way there is, and open at its first packet; no other is asked for. The
# policy names no server, so that the resolver has to find the right ones. And what of
# systemd-resolved leads out of the scope of a service.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=host.sh
. "$(dirname "$0")/host.sh"
host_start

# policy NAME: the policy on standard input, without servers.
policy() {
	host_policy "$1" && sed -i '/^upstream/d' "$HOST/etc/egress/$1.toml"
}
policy lab <<-'END'
	[[allow]]
	host = ["www.lab.example", "api.lab.example", "four.lab.example", "t1.fresh.lab.example"]
END

# finds WHEN NAME ADDRESS COMMAND...: the address is in what it prints, and then open.
finds() {
	like "$1: ${*:4} $2" "$(in_host "${@:4}" "$2" 2>&1)" "(^|[^0-9.])${3//./[.]}([^0-9]|\$)"
	reaches "$1: $3 is open" tcp "$3" 443
}

# nowhere WHEN COMMAND...: for a name that is not permitted.
nowhere() {
	unlike "$1: ${*:2} other.lab.example" "$(in_host "${@:2}" other.lab.example 2>&1)" '198\.18\.'
}

# The C library by nss-resolve, by the file's server, and directly.
lookups() {
	local way

	finds "$1" four.lab.example 198.18.1.4 getent ahostsv4
	for way in resolve dns; do
		finds "$1, by $way" www.lab.example 198.18.1.1 getent -s "$way" ahostsv4
		nowhere "$1, by $way" getent -s "$way" ahostsv4
	done
	finds "$1" api.lab.example 198.18.1.2 resolvectl query -4
	nowhere "$1" resolvectl query
	tight "$1"
}

asked() {
	in_host egress-ctl -n lab -j status | grep -o '"server": *"[^"]*"\|udp://[0-9a-f.:]*' | sort -u |
		tr '\n' ' '
}

# --- systemd-resolved, fed by systemd-networkd ---

echo "DNS=$UPSTREAM4" >>"$HOST/etc/systemd/network/lab.network"
host_unmask systemd-resolved
must in_root systemctl --quiet enable systemd-resolved
ln -sf ../run/systemd/resolve/stub-resolv.conf "$HOST/etc/resolv.conf"
echo 'hosts: files resolve [!UNAVAIL=return] dns' >"$HOST/etc/nsswitch.conf"
host_up systemd-resolved systemd-networkd
like "resolv.conf is the stub's" "$(cat "/proc/$host_pid/root/etc/resolv.conf")" 'nameserver 127.0.0.53'
lookups "systemd-resolved"
like "the resolver asks the link's server" "$(asked)" "$UPSTREAM4"
unlike "and not the stub" "$(asked)" 127.0.0.53

# --- A service in the scope of a policy, and systemd-resolved beside it ---

must in_host systemctl --quiet disable --now egress-resolver@lab egress-apply@lab
must in_host egress-compile --remove /etc/egress/lab.toml
# Whose answers tell that it was systemd-resolved who asked.
must in_host resolvectl dns to-world $SECOND4
must in_host resolvectl flush-caches
host_policy agent <<-'END'
	[scope]
	cgroups = ["egress.slice/egress-agent.slice"]
	[[allow]]
	host = "www.lab.example"
END
service() {
	cat >"$HOST/etc/systemd/system/$1.service" <<-END
		[Service]
		Type=oneshot
		ExecStart=/bin/sh -c 'exec >/$1.out 2>&1; getent ahostsv4 www.lab.example; \
			probe tcp 198.18.1.1 443; getent ahostsv4 other.lab.example; \
			resolvectl query other.lab.example; probe dns 127.0.0.53 other.lab.example A; :'
	END
}
service agent
service open
mkdir -p "$HOST"/etc/systemd/system/{agent,open}.service.d
cp "${abs_top_srcdir:-$PWD}/contrib/systemd/egress.conf" "$HOST/etc/systemd/system/agent.service.d/"
printf '[Service]\nSlice=egress-agent.slice\n' >"$HOST/etc/systemd/system/open.service.d/slice.conf"
must in_host systemctl daemon-reload
must in_host systemctl start egress-resolver@agent
check "a service with the drop-in" in_host systemctl start agent
said=$(cat "$HOST/agent.out")
like "it resolves what is permitted, by the stub's address" "$said" '198\.18\.1\.1 +STREAM'
like "and reaches it" "$said" '198\.18\.1\.1 443 from .*: hello'
unlike "nobody looks anything else up for it" "$said" '198\.18\.66\.1'
like "what it asks the stub is answered by the resolver" "$said" 'NXDOMAIN \(EDE 15'
check "a service that is in the slice only" in_host systemctl start open
like "has systemd-resolved look up any name: the drop-in is what it takes" \
	"$(cat "$HOST/open.out")" '198\.18\.66\.1'
host_power_off

# --- NetworkManager, which writes resolv.conf ---

rm -f "$HOST"/etc/systemd/network/* "$HOST/etc/resolv.conf"
: >"$HOST/etc/resolv.conf"
must in_root systemctl --quiet disable systemd-networkd systemd-resolved
host_mask systemd-networkd systemd-resolved
rm -f "$HOST/etc/systemd/system/systemd-networkd-wait-online.service"
must in_root systemctl --quiet enable egress-resolver@lab NetworkManager NetworkManager-wait-online
echo 'hosts: files dns' >"$HOST/etc/nsswitch.conf"
mkdir -p "$HOST/etc/NetworkManager/system-connections"
# manager DNS: its settings, with a connection of the lab's addresses.
manager() {
	printf '[main]\nplugins=keyfile\ndns=%s\nrc-manager=file\n[connectivity]\nenabled=false\n' "$1" \
		>"$HOST/etc/NetworkManager/NetworkManager.conf"
}
cat >"$HOST/etc/NetworkManager/system-connections/lab.nmconnection" <<-END
	[connection]
	id=lab
	type=ethernet
	interface-name=to-world
	[ipv4]
	method=manual
	address1=192.168.77.2/24,192.168.77.1
	dns=$UPSTREAM4;
	[ipv6]
	method=manual
	address1=fd77::2/64,fd77::1
END
chmod 600 "$HOST/etc/NetworkManager/system-connections/lab.nmconnection"
manager default
: >"$HOST/prober.log"
host_up NetworkManager
like "NetworkManager has written resolv.conf" "$(cat "$HOST/etc/resolv.conf")" \
	"NetworkManager.*nameserver $UPSTREAM4"
check "the rules were there before NetworkManager started" test \
	"$(in_host systemctl show -P ActiveEnterTimestampMonotonic egress-apply@lab)" -le \
	"$(in_host systemctl show -P ExecMainStartTimestampMonotonic NetworkManager)"
finds "NetworkManager" www.lab.example 198.18.1.1 getent ahostsv4
finds "NetworkManager, by dns" t1.fresh.lab.example 198.18.1.101 getent -s dns ahostsv4
nowhere "NetworkManager" getent ahostsv4
like "the resolver asks the connection's server" "$(asked)" "$UPSTREAM4"
tight "NetworkManager"
# The connection's servers become others.
check "egress-servers@lab.path" in_host systemctl start egress-servers@lab.path
must in_host nmcli connection modify lab ipv4.dns $SECOND4
must in_host nmcli connection up lab
moved() {
	[ "$(ask api.lab.example)" = "NOERROR 198.18.66.1" ]
}
check "the resolver asks others when the system does" until_true 15 moved
must in_host nmcli connection modify lab ipv4.dns $UPSTREAM4
host_power_off

# --- NetworkManager, which tells systemd-resolved ---

manager systemd-resolved
host_unmask systemd-resolved
must in_root systemctl --quiet enable systemd-resolved
ln -sf ../run/systemd/resolve/stub-resolv.conf "$HOST/etc/resolv.conf"
echo 'hosts: files resolve [!UNAVAIL=return] dns' >"$HOST/etc/nsswitch.conf"
: >"$HOST/prober.log"
host_up NetworkManager systemd-resolved
lookups "NetworkManager and systemd-resolved"
like "the resolver asks the connection's server" "$(asked)" "$UPSTREAM4"

host_done
