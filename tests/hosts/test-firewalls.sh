#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Firewalls and container engines of the distribution as services of a host, beside a policy, in
# whichever order they start: firewalld, rules of iptables-legacy, and Docker and Podman with
# containers behind their bridges. tests/net has what needs no host.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=host.sh
. "$(dirname "$0")/host.sh"
host_start
must in_root systemctl --quiet enable firewalld
host_usual_policy
host_up firewalld

# All tables but the policy's; counters go on by themselves, and handles tell what was made anew.
theirs() {
	in_host nft --stateless list ruleset 2>/dev/null |
		awk '/^table inet egress-/ { ours = 1 } !ours; /^}/ { ours = 0 }' |
		sed -E 's/counter packets [0-9]+ bytes [0-9]+/counter/g'
}

# same WHEN: theirs is what it was; firewalld is ready some time before its rules are.
same() {
	if until_true 15 as_before; then
		ok "$1: theirs is what it was"
	else
		is "$1: theirs is what it was" "$(theirs)" "$before"
	fi
}
as_before() {
	[ "$(theirs)" = "$before" ]
}

holds() {
	enforces "$1"
	resolves "$1"
}

# --- firewalld ---

is "firewalld runs" "$(in_host firewall-cmd --state 2>&1)" running
before=$(theirs)
like "it has loaded its table" "$before" '^table inet firewalld'
holds "booted with firewalld"
must in_host firewall-cmd --reload
same "firewall-cmd --reload"
holds "firewall-cmd --reload"
must in_host systemctl restart firewalld
same "firewalld restarted"
holds "firewalld restarted"
must in_host firewall-cmd --panic-on
must in_host firewall-cmd --panic-off
holds "panic mode on and off"
must in_host firewall-cmd --complete-reload
holds "firewall-cmd --complete-reload"
must in_host systemctl stop firewalld
holds "firewalld stopped"
must in_host systemctl start firewalld
same "firewalld started"
must in_host systemctl reload egress-resolver@lab
same "the policy reloaded"
holds "the policy reloaded"
tight "firewalld"
must in_host systemctl stop egress-resolver@lab egress-apply@lab
must in_host egress-compile --remove /etc/egress/lab.toml
same "the policy removed"
reaches "the policy removed" tcp 198.18.41.1 443
must in_host systemctl start egress-resolver@lab
same "the policy loaded after it"
: >"$HOST/prober.log"
holds "the policy loaded after it"
must in_host systemctl stop firewalld
tight "firewalld, loaded first"

# --- iptables-legacy: tables that nft does not show ---

legacy_names() {
	in_host iptables-legacy-save | sed '/^#/d; s/\[[0-9:]*\]//'
	in_host ip6tables-legacy-save | sed '/^#/d; s/\[[0-9:]*\]//'
}
# They accept what the policy refuses, and make a refused destination of a permitted one.
legacy_load() {
	in_host iptables-legacy-restore <<-END && in_host ip6tables-legacy-restore <<-END6
		*nat
		-A OUTPUT -d 198.18.40.9/32 -j DNAT --to-destination 198.18.41.1
		-A OUTPUT -d 198.18.40.8/32 -p tcp --dport 443 -j DNAT --to-destination $UPSTREAM4:53
		-A POSTROUTING -o to-world -j MASQUERADE
		COMMIT
		*mangle
		-A OUTPUT -d 198.18.41.1/32 -j ACCEPT
		COMMIT
		*filter
		-A INPUT -i lo -j ACCEPT
		-A OUTPUT -d 198.18.40.7/32 -p tcp -j REJECT --reject-with tcp-reset
		-A OUTPUT -j ACCEPT
		COMMIT
	END
		*nat
		-A OUTPUT -d 2001:db8:40::9/128 -j DNAT --to-destination 2001:db8:41::1
		COMMIT
		*filter
		-A OUTPUT -j ACCEPT
		COMMIT
	END6
}
legacy_flush() {
	local program table

	for program in iptables-legacy ip6tables-legacy; do
		for table in nat mangle filter; do
			in_host "$program" -t "$table" -F || return
		done
	done
}
# legacy WHEN
legacy() {
	holds "$1"
	rejected "$1: their DNAT to what is refused" tcp 198.18.40.9 443
	rejected "$1: over IPv6" tcp 2001:db8:40::9 443
	rejected "$1: their DNAT to a DNS server" dns 198.18.40.8:443 other.lab.example A tcp
	rejected "$1: what they refuse" tcp 198.18.40.7 443
}
if legacy_load 2>legacy.log; then
	before=$(legacy_names)
	: >"$HOST/prober.log"
	legacy "iptables-legacy after the policy"
	must in_host systemctl reload egress-resolver@lab
	is "the policy reloaded: theirs is what it was" "$(legacy_names)" "$before"
	must in_host systemctl stop egress-resolver@lab egress-apply@lab
	tight "iptables-legacy"
	must in_host egress-compile --remove /etc/egress/lab.toml
	is "the policy removed: theirs is what it was" "$(legacy_names)" "$before"
	like "and does what it says" "$(probe tcp 198.18.40.9 443)" ': hello$'
	like "also for DNS" "$(probe dns 198.18.40.8:443 other.lab.example A tcp)" '^NOERROR'
	must in_host systemctl start egress-resolver@lab
	: >"$HOST/prober.log"
	legacy "iptables-legacy before the policy"
	is "the policy loaded: theirs is what it was" "$(legacy_names)" "$before"
	must legacy_flush
	holds "iptables-legacy flushed"
	tight "iptables-legacy, loaded first"
else
	note "iptables-legacy does not work here: $(tail -n 1 legacy.log)"
fi

# --- Docker ---

container() {
	in_host docker run --rm lab /probe "$@" 2>&1
}
mkdir -p "$HOST/etc/docker" image
echo '{ "storage-driver": "vfs", "bip": "172.17.0.1/16", "userland-proxy": false }' \
	>"$HOST/etc/docker/daemon.json"
docker_up() {
	in_host systemctl start docker && image && [ "$(container --help >/dev/null; echo $?)" != 125 ]
}
# A file system of two programs and their libraries, from no registry.
image_files() {
	local file

	cp "$(program tests/net/probe)" image/probe
	cp "$(command -v sleep)" image/sleep
	ldd image/probe image/sleep | grep -o '/[^ ]*\.so[^ :]*' | sort -u | while read -r file; do
		cp --parents -L "$file" image/
	done
}
image() {
	image_files && tar -C image -c . | in_host docker import - lab
}
if docker_up >docker.log 2>&1; then
	holds "Docker started after the policy"
	before=$(theirs)
	like "it has loaded its chains" "$before" DOCKER
	must in_host systemctl stop egress-resolver@lab egress-apply@lab
	must in_host egress-compile --remove /etc/egress/lab.toml
	same "the policy removed"
	like "a container reaches everything" "$(container tcp 198.18.41.1 443)" ': hello$'
	{
		echo 'listen = ["127.0.0.1:5300", "[::1]:5300", "172.17.0.1:53"]'
		echo '[scope]'
		echo 'interfaces = ["docker0"]'
		echo '[[allow]]'
		echo 'host = "www.lab.example"'
		echo '[[allow]]'
		echo 'ip = "198.18.40.0/24"'
	} | host_policy lab
	must in_host systemctl start egress-resolver@lab
	for time in "the policy after Docker" "Docker restarted"; do
		like "$time: a container, what is refused" "$(container tcp 198.18.41.1 443)" "$REJECTED"
		like "$time: what is permitted" "$(container tcp 198.18.40.1 443)" ': hello$'
		is "$time: a permitted name, of whatever server" \
			"$(container dns $SECOND4 www.lab.example A)" "NOERROR 198.18.1.1"
		like "$time: which is open" "$(container tcp 198.18.1.1 443)" ': hello$'
		like "$time: another name" "$(container dns $SECOND4 other.lab.example A)" '^NXDOMAIN'
		reaches "$time: the host itself is not confined" tcp 198.18.41.1 443
		must in_host systemctl restart docker
	done
else
	note "Docker does not run here: $(tail -n 2 docker.log)"
	in_host journalctl -q -b -u docker -u containerd | tail -n 20 >>docker.log
fi

# --- Podman, with netavark ---

in_host systemctl stop egress-resolver@lab egress-apply@lab docker.socket docker containerd \
	2>/dev/null
must in_host nft flush ruleset
mkdir -p "$HOST/etc/containers"
printf '%s\n' '[storage]' 'driver = "vfs"' 'runroot = "/run/containers"' \
	'graphroot = "/var/lib/containers"' >"$HOST/etc/containers/storage.conf"
# Neither a limit of processes, for which a host in a lab may lack the controller, nor crun, which
# raises a limit of its own for a device filter, by CAP_SYS_RESOURCE.
printf '%s\n' '[network]' 'network_backend = "netavark"' '[engine]' 'runtime = "runc"' \
	'[containers]' 'pids_limit = 0' >"$HOST/etc/containers/containers.conf"
# Its bridge, podman0, is there while a container is.
podman_up() {
	image_files && tar -C image -c . | in_host podman import - lab &&
		in_host podman run --detach --name one lab /sleep 600
}
one() {
	in_host podman exec one /probe "$@" 2>&1
}
# podman_holds WHEN
podman_holds() {
	like "$1: a container, what is refused" "$(one tcp 198.18.41.1 443)" "$REJECTED"
	like "$1: what is permitted" "$(one tcp 198.18.40.1 443)" ': hello$'
	is "$1: a permitted name, of whatever server" "$(one dns $SECOND4 www.lab.example A)" \
		"NOERROR 198.18.1.1"
	like "$1: which is open" "$(one tcp 198.18.1.1 443)" ': hello$'
	like "$1: another name" "$(one dns $SECOND4 other.lab.example A)" '^NXDOMAIN'
	reaches "$1: the host itself is not confined" tcp 198.18.41.1 443
}
if podman_up >podman.log 2>&1; then
	is "Podman's network is netavark's" "$(in_host podman info -f '{{.Host.NetworkBackend}}')" netavark
	like "a container reaches everything" "$(one tcp 198.18.41.1 443)" ': hello$'
	must in_host podman rm --force --time 0 one
	{
		echo 'listen = ["127.0.0.1:5300", "[::1]:5300", "10.88.0.1:5300"]'
		echo '[scope]'
		echo 'interfaces = ["podman0", "podman1"]'
		echo '[[allow]]'
		echo 'host = "www.lab.example"'
		echo '[[allow]]'
		echo 'ip = "198.18.40.0/24"'
	} | host_policy lab
	must in_host systemctl start --no-block egress-resolver@lab
	check "rules without the bridge" until_true 20 active egress-apply@lab
	must in_host podman run --detach --name one lab /sleep 600
	like "the first container after that, what is refused" "$(one tcp 198.18.41.1 443)" "$REJECTED"
	check "the resolver starts when the bridge is there" until_true 30 active egress-resolver@lab
	podman_holds "Podman"
	must in_host podman rm --force --time 0 one
	check "the bridge goes with the last container" not in_host ip link show podman0
	must in_host podman run --detach --name one lab /sleep 600
	podman_holds "the bridge made anew"
	# A network with Podman's own DNS server, which asks in the place of containers.
	must in_host podman network create two
	must in_host podman run --detach --name second --network two lab /sleep 600
	check "aardvark-dns serves it" in_host pgrep aardvark-dns
	second() {
		in_host podman exec second /probe "$@" 2>&1
	}
	is "another network: a permitted name, of Podman's server" \
		"$(second dns 10.89.0.1 www.lab.example A)" "NOERROR 198.18.1.1"
	like "another network: another name" "$(second dns 10.89.0.1 other.lab.example A)" '^NXDOMAIN'
	like "another network: what is refused" "$(second tcp 198.18.41.1 443)" "$REJECTED"
	like "another network: what is permitted" "$(second tcp 198.18.40.1 443)" ': hello$'
	must in_host podman rm --force --time 0 --all
else
	note "Podman does not run here: $(tail -n 2 podman.log)"
fi

host_done
