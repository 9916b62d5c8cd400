#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# contrib/container's compose.yaml and policy.toml as they are, but for names and servers of this
# lab, by docker-compose and Docker. The images are of this build, and of no registry.

# shellcheck disable=SC2119,SC2154,SC2317 # functions are called by name
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=host.sh
. "$here/host.sh"
# shellcheck source=../container/pod.sh
. "$here/../container/pod.sh"
lab_needs setcap ldd
lab_start
host_prepare
host_network
mkdir -p "$HOST/etc/docker" "$HOST/srv/app"
echo '{ "storage-driver": "vfs", "userland-proxy": false }' >"$HOST/etc/docker/daemon.json"
# Whom Docker's own server asks on behalf of containers.
echo "nameserver $UPSTREAM4" >"$HOST/etc/resolv.conf"
must host_boot
in_host systemctl start docker >docker.log 2>&1
in_host docker info >>docker.log 2>&1 ||
	skip_all "Docker does not run here: $(tail -n 1 docker.log)"

# --- The images: what the Containerfile says of one, and an application that waits ---

must pod_image
must pod_application_image
changes=(--change "ENV ASAN_OPTIONS=detect_leaks=0")
while IFS= read -r line; do
	changes+=(--change "${line//\/usr\//${pod_entry%/sbin/*}/}")
done < <(sed -n '/^FROM scratch/,$p' "$sources/contrib/container/Containerfile" |
	grep -E '^(USER|ENTRYPOINT|CMD|HEALTHCHECK) ')
# import FOLDER NAME OPTION...
import() {
	tar -C "$1" --xattrs --xattrs-include='security.*' -c . |
		in_host docker import "${@:3}" - "$2" >>docker.log 2>&1
}
must import image egress "${changes[@]}"
must import application example/application --change 'CMD ["/usr/bin/sleep", "600"]'

# --- The example ---

cp "$sources/contrib/container/compose.yaml" "$HOST/srv/app/"
# The lab's world has addresses of a blocked class.
sed -e 's/"api\.example\.com"/"www.lab.example", "t*.fresh.lab.example"/' \
	-e "s/192\.0\.2\.53/$UPSTREAM4/" -e 's/^\[network\]/&\nblock = ["private", "shared", "link-local", "loopback", "metadata"]/' \
	"$sources/contrib/container/policy.toml" >"$HOST/srv/app/policy.toml"

compose() {
	in_host docker-compose --project-directory /srv/app --file /srv/app/compose.yaml "$@" </dev/null
}
app() {
	compose exec -T application "/usr/bin/$1" "${@:2}" 2>&1
}

# acceptance WHEN NUMBER
acceptance() {
	is "$1: a permitted name" "$(app probe dns $NOSERVER4 "t$2.fresh.lab.example" A)" \
		"NOERROR 198.18.1.$((100 + $2))"
	like "$1: is reached" "$(app probe tcp 198.18.1.$((100 + $2)) 443)" ': hello$'
	like "$1: another name" "$(app probe dns $UPSTREAM4 other.lab.example A)" '^NXDOMAIN'
	like "$1: of Docker's server" "$(app probe dns 127.0.0.11 other.lab.example A)" '^NXDOMAIN'
	like "$1: an address" "$(app probe tcp 198.18.1.3 443)" "$REJECTED"
	like "$1: no packet sockets" "$(app escape packet lo)" EPERM
}

# state SERVICE FORMAT
state() {
	in_host docker inspect --format "{{.State.$2}}" "$(compose ps -q "$1")"
}
# The second. A first health check is after its interval, of 30 of them.
began() {
	date -d "$(state "$1" StartedAt)" +%s
}

check "up" compose up -d
is "egress is healthy" "$(state egress Health.Status)" healthy
check "the application has waited for that" test "$(began application)" -gt $(($(began egress) + 10))
acceptance "up" 1
# Docker takes a container's links away when it ends, also from who shares its network.
must compose kill -s KILL egress 2>>compose.log
like "killed: nothing is reached" "$(app probe tcp 198.18.1.3 443)" "$REJECTED|^ENETUNREACH"
like "killed: nor what was open" "$(app probe tcp 198.18.1.101 443)" "$REJECTED|^ENETUNREACH"
check "up again" compose up -d
check "with the application, which needs the new link" compose restart --timeout 1 application
acceptance "up again" 2
check "down" compose down --timeout 1
host_done
