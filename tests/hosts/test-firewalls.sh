#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Firewalls and container engines of the distribution as services of a host, beside a policy, in
# whichever order they start: firewalld, and Docker with a container behind its bridge. tests/net
# has what needs no host.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=host.sh
. "$(dirname "$0")/host.sh"
lab_start
host_prepare
host_network
host_prober
must in_root systemctl --quiet enable egress-resolver@lab firewalld
host_policy lab <<-'END'
	[[allow]]
	host = "www.lab.example"
	[[allow]]
	ip = ["198.18.40.0/24", "2001:db8:40::/48"]
END
must host_boot

active() {
	[ "$(in_host systemctl is-active "$1")" = active ]
}
if ! active egress-resolver@lab || ! active firewalld; then
	in_host journalctl -q -b -u "egress-*" -u firewalld >units.log
	must active firewalld
	must active egress-resolver@lab
fi

# All tables but the policy's; counters go on by themselves, and handles tell what was made anew.
theirs() {
	in_host nft --stateless list ruleset 2>/dev/null |
		awk '/^table inet egress-/ { ours = 1 } !ours; /^}/ { ours = 0 }' |
		sed -E 's/counter packets [0-9]+ bytes [0-9]+/counter/g'
}

answered() {
	[ "$(ask www.lab.example)" = "NOERROR 198.18.1.1" ]
}

enforces() {
	rejected "$1: what the policy refuses" tcp 198.18.41.1 443
	rejected "$1: over IPv6" tcp 2001:db8:41::1 443
	reaches "$1: what it permits" tcp 198.18.40.1 443
	check "$1: a permitted name" until_true 10 answered
	reaches "$1: which is open at its first packet" tcp 198.18.1.1 443
	like "$1: another name" "$(ask other.lab.example)" '^NXDOMAIN \(EDE 15'
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

# tight WHEN: nothing has reached the refused address since the last time.
tight() {
	is "$1: nothing has reached what is refused" "$(grep -c hello "$HOST/prober.log")" 0
	check "$1: and it was tried" test -s "$HOST/prober.log"
	: >"$HOST/prober.log"
}

# --- firewalld ---

is "firewalld runs" "$(in_host firewall-cmd --state 2>&1)" running
before=$(theirs)
like "it has loaded its table" "$before" '^table inet firewalld'
enforces "booted with firewalld"
must in_host firewall-cmd --reload
same "firewall-cmd --reload"
enforces "firewall-cmd --reload"
must in_host systemctl restart firewalld
same "firewalld restarted"
enforces "firewalld restarted"
must in_host firewall-cmd --panic-on
must in_host firewall-cmd --panic-off
enforces "panic mode on and off"
must in_host firewall-cmd --complete-reload
enforces "firewall-cmd --complete-reload"
must in_host systemctl stop firewalld
enforces "firewalld stopped"
must in_host systemctl start firewalld
same "firewalld started"
must in_host systemctl reload egress-resolver@lab
same "the policy reloaded"
enforces "the policy reloaded"
tight "firewalld"
must in_host systemctl stop egress-resolver@lab egress-apply@lab
must in_host egress-compile --remove /etc/egress/lab.toml
same "the policy removed"
reaches "the policy removed" tcp 198.18.41.1 443
must in_host systemctl start egress-resolver@lab
same "the policy loaded after it"
: >"$HOST/prober.log"
enforces "the policy loaded after it"
must in_host systemctl stop firewalld
tight "firewalld, loaded first"

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
# A file system of one program and its libraries, from no registry.
image() {
	local file

	cp "$(program tests/net/probe)" image/probe
	ldd image/probe | grep -o '/[^ ]*' | sort -u | while read -r file; do
		cp --parents -L "$file" image/
	done
	tar -C image -c . | in_host docker import - lab
}
if docker_up >docker.log 2>&1; then
	enforces "Docker started after the policy"
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

host_done
