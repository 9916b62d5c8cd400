#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What `egress-compile --target sidecar` has a pod run, run as the kubelet would: the same commands,
# as root with the same capabilities and no way to others, in a network namespace in which an
# application runs too. Paths alone are others.

# shellcheck disable=SC2119,SC2317 # functions are called by name
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lab.sh
. "$here/lab.sh"
lab_needs jq python3
python3 -c 'import yaml' 2>/dev/null || skip_all "python3 has no yaml"
kube=$here/../kube
# What LeakSanitizer would take: ptrace(2).
export ASAN_OPTIONS=detect_leaks=0

mkdir -p lists
echo www.lab.example >lists/hosts.txt
cat >lab.toml <<END
version = 1
name = "lab"
[network]
block = ["private", "link-local", "loopback", "metadata", "multicast"]
[dns]
upstream = ["udp://$UPSTREAM4"]
[[allow]]
list = "lists/hosts.txt"
[[allow]]
host = "api.lab.example"
END
echo 'version = 1
[[allow]]
host = "www.lab.example"' >override.toml

compile=$(program src/egress-compile)
must "$compile" --target sidecar --namespace shop --selector app=web --output component lab.toml \
	--override override.toml
python3 "$kube/render.py" component "$kube/workloads.yaml" >objects.json || exit 99
must python3 "$kube/confined.py" objects.json "$LAB/pod"

# container INDEX QUERY: a list of strings of an init container, a line each.
container() {
	jq -r ".[] | select(.metadata.name == \"web\") | .spec.template.spec.initContainers[$1] | $2 | .[]" \
		objects.json | sed -E "s#(^|=)/egress/#\1$LAB/pod/egress/#; s#=/var/lib/egress#=$LAB/state#;
			s#^/usr/s?bin/(.*)#$lab_build/src/\1#"
}

# as_container INDEX COMMAND...: as its security context has it. With launch=exec in the background it
# is the shell's own child.
as_container() {
	local capabilities

	capabilities=$(container "$1" .securityContext.capabilities.add | tr '[:upper:]' '[:lower:]' |
		sed 's/^/+/' | paste -sd ,)
	${launch-} nsenter --net=/run/netns/client setpriv --bounding-set="-all,$capabilities" --inh-caps=-all \
		--no-new-privs "${@:2}"
}

mapfile -t apply < <(container 0 .command)
mapfile -t resolver < <(container 1 .command)
mapfile -t probe < <(container 1 .startupProbe.exec.command)
server=$(jq -r '.[] | select(.metadata.name == "web") | .spec.template.spec.dnsConfig.nameservers[0]' objects.json)

start() {
	launch="exec" as_container 1 "${resolver[@]}" >>resolver.log 2>&1 &
	started=$!
	until_true 20 as_container 1 "${probe[@]}"
}

tries() {
	in_client "$(program tests/net/probe)" "$@"
}

acceptance() {
	is "$1: a permitted name" "$(tries dns "$server" www.lab.example A)" "NOERROR 198.18.1.1"
	like "is reached" "$(tries tcp 198.18.1.1 443)" ': hello$'
	is "over IPv6 too" "$(tries dns "$server" www.lab.example AAAA)" "NOERROR 2001:db8:1::1"
	like "as well" "$(tries tcp 2001:db8:1::1 443)" ': hello$'
	like "$1: one that the override takes away" "$(tries dns "$server" api.lab.example A)" '^NXDOMAIN'
	like "another server" "$(tries dns $UPSTREAM4 other.lab.example A)" '^NXDOMAIN'
	like "an address" "$(tries tcp 198.18.1.3 443)" "$REJECTED"
	like "over IPv6" "$(tries tcp 2001:db8:1::3 443)" "$REJECTED"
}

lab_start
must in_client sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
check "the first container loads the rules" as_container 0 "${apply[@]}"
like "before the resolver nothing is reached" "$(tries tcp 198.18.1.1 443)" "$REJECTED"
check "the second one starts" start
acceptance "the pod"
is "the resolver holds nothing but NET_ADMIN" \
	"$(sed -n 's/^CapPrm:[[:space:]]*//p' "/proc/$started/status")" 0000000000001000
kill -KILL "$started"
wait "$started" 2>/dev/null
like "killed: what is open stays so" "$(tries tcp 198.18.1.1 443)" ': hello$'
like "and nothing else" "$(tries tcp 198.18.1.3 443)" "$REJECTED"
as_container 1 "${probe[@]}" >/dev/null 2>&1
unlike "the probe sees it" $? '^0$'
check "it is started again" start
acceptance "started again"
kill -TERM "$started"
wait "$started"
is "it ends as told" $? 0
lab_done
