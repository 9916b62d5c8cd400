#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test-apiserver.sh: what a real API server makes of the objects: each is admitted, and read back has
# everything that it had, so that no field was unknown. $EGRESS_APISERVER is where
# tests/kube/build-apiserver has put one, by default kube-apiserver/ of the build tree. It and etcd
# run in a network namespace of their own.
#
# The server is of Kubernetes 1.20: it drops the endPort of a NetworkPolicy (1.22), has CronJobs as
# v1beta1, and no init container that goes on (1.29), which it gets among the other containers. It has
# neither Cilium's nor the network policy API's objects.

# shellcheck source=../policies/tap.sh
. "$(dirname "$0")/../policies/tap.sh"
here=$(cd "$(dirname "$0")" && pwd) || exit 99
server=${EGRESS_APISERVER:-$abs_top_builddir/kube-apiserver}/kube-apiserver
data=${EGRESS_DATA:-${abs_top_srcdir:?}/../shared/data}/egress-lists

need() {
	skip "objects at an API server" "$1"
	finish
}

[ -x "$server" ] || need "there is no kube-apiserver: tests/kube/build-apiserver makes one"
for tool in etcd openssl curl unshare ip; do
	command -v $tool >/dev/null || need "there is no $tool"
done
python3 -c 'import yaml' 2>/dev/null || need "python3 has no yaml"
if [ "${1:-}" != --inside ]; then
	unshare -Urn true 2>/dev/null || need "no private network namespace"
	rm -rf "$work"
	exec unshare -Urn bash "$0" --inside
fi

cd "$work" || exit 99
ip link set lo up

# --- The server ---

make_keys() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.crt &&
		openssl req -newkey rsa:2048 -nodes -subj /CN=kube-apiserver -keyout server.key -out server.csr &&
		openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out server.crt \
			-extfile <(echo subjectAltName=IP:127.0.0.1) &&
		openssl genrsa -out sa.key 2048
}

token=$(openssl rand -hex 16)
processes=()
# shellcheck disable=SC2317 # called by trap
stop() {
	local pid

	for pid in "${processes[@]}"; do
		kill -9 "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	rm -rf "$work"
}
trap stop EXIT

ask() {
	curl -s --cacert ca.crt -H "Authorization: Bearer $token" "$@"
}

# Until it says that it is ready; at most two minutes.
wait_ready() {
	local i

	for ((i = 0; i < 120; i++)); do
		[ "$(ask https://127.0.0.1:6443/readyz 2>/dev/null)" = ok ] && return
		kill -0 "${processes[1]}" 2>/dev/null || return
		sleep 1
	done
	return 1
}

make_keys >keys.log 2>&1 || need "no certificates: $(tail -n 1 keys.log)"
echo "$token,admin,admin,system:masters" >tokens
ETCD_UNSUPPORTED_ARCH=$(uname -m) etcd --data-dir etcd --unsafe-no-fsync=true --listen-client-urls http://127.0.0.1:2379 \
	--advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 >etcd.log 2>&1 &
processes+=($!)
"$server" --etcd-servers=http://127.0.0.1:2379 --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port=6443 \
	--cert-dir=. --tls-cert-file=server.crt --tls-private-key-file=server.key --token-auth-file=tokens \
	--authorization-mode=AlwaysAllow --disable-admission-plugins=ServiceAccount --service-cluster-ip-range=10.96.0.0/24 \
	--service-account-issuer=https://test --service-account-key-file=sa.key --service-account-signing-key-file=sa.key \
	>server.log 2>&1 &
processes+=($!)
wait_ready
result $? "an API server is up" "$(tail -n 5 server.log etcd.log)"
ask -X POST -H 'Content-Type: application/json' -d '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}' \
	https://127.0.0.1:6443/api/v1/namespaces >/dev/null

# --- Objects ---

# admit NAME FILE: all objects of the file, YAML or JSON; what of them the server doesn't hold.
admit() {
	python3 "$here/admit.py" https://127.0.0.1:6443 ca.crt "$token" "$2" >said 2>&1
	result $? "$1: $(tail -n 1 said)" "$(head -n 40 said)"
}

compile() {
	"$program" --namespace shop --selector app=web --labels tier=front --lossy "$@" 2>err
}

for policy in "$here"/../policies/*.toml "$here"/../policies/targets/*.toml; do
	compile --target networkpolicy "$policy" >objects.yaml && admit "networkpolicy of $(basename "$policy")" objects.yaml
	# What no pod can have is no component.
	compile --target sidecar --output component "$policy" || continue
	python3 "$here/render.py" component "$here/workloads.yaml" >objects.json &&
		admit "workloads with the sidecar of $(basename "$policy")" objects.json
	rm -rf component
done
if [ -d "$data" ]; then
	for list in "$data"/*.txt; do
		bash "$here/../policies/people.sh" "$list" "$work"
		compile --target networkpolicy people.toml >objects.yaml && admit "networkpolicy of $(basename "$list")" objects.yaml
		compile --target sidecar --output component people.toml &&
			python3 "$here/render.py" component "$here/workloads.yaml" >objects.json &&
			admit "workloads with the sidecar of $(basename "$list")" objects.json
		rm -rf component
	done
fi

# What must be refused, so that admission is one.
wrong() {
	sed "$2" objects.yaml >wrong.yaml
	cmp -s objects.yaml wrong.yaml && echo "the change changes nothing" >said
	! python3 "$here/admit.py" https://127.0.0.1:6443 ca.crt "$token" wrong.yaml >said 2>&1 && ! cmp -s objects.yaml wrong.yaml
	result $? "it refuses $1" "$(head -n 5 said)"
}
compile --target networkpolicy "$here/../policies/targets/web.toml" >objects.yaml
wrong "a prefix with host bits" 's#10.42.0.0/22#10.42.0.1/99#'
wrong "another protocol" 's/protocol: "TCP"/protocol: "TCPX"/'
wrong "an unknown field" 's/policyTypes:/policyTypesX:/'
finish
