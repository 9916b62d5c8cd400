#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# contrib/container/Containerfile by podman, on a Debian that debootstrap makes of where apt gets
# its packages: no registry is asked. Then a pod of podman's own: the image as it is run by its
# users, and an application that shares its network. CONTAINER_CACHE names a folder in which the
# Debian, and podman's layers, are kept from one run to the next.
#
# Needs the network, some minutes, and 2 GB; skips, with the reason, where something is missing.

# shellcheck disable=SC2119,SC2317 # functions are called by name
here=$(cd "$(dirname "$0")" && pwd)
cache=${CONTAINER_CACHE:-${abs_top_builddir:-$PWD}/containers}
# shellcheck source=../net/lab.sh
. "$here/../net/lab.sh"
# shellcheck source=pod.sh
. "$here/pod.sh"
lab_needs podman debootstrap git
pod_needs
mkdir -p "$cache" || exit 99

# --- A Debian of one's own ---
# The archive that apt asks here, whichever it is.
archive() {
	# shellcheck disable=SC2016 # apt expands these
	apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Release: bookworm' | head -n 1
}

make_base() {
	local site

	site=$(archive)
	[ -n "$site" ] || return 1
	rm -rf "$cache/debian"
	debootstrap --variant=minbase bookworm "$cache/debian" "$site" >"$cache/debootstrap.log" 2>&1 &&
		rm -f "$cache/debian/etc/apt/sources.list" &&
		cp -a /etc/apt/sources.list.d/debian.sources "$cache/debian/etc/apt/sources.list.d/" &&
		cp -a /etc/apt/apt.conf.d/. "$cache/debian/etc/apt/apt.conf.d/" &&
		tar -C "$cache/debian" -c . >"$cache/debian.tar.new" &&
		mv "$cache/debian.tar.new" "$cache/debian.tar"
	rm -rf "$cache/debian"
}

# The lab's own names would be asked otherwise.
umount /etc/resolv.conf /etc/nsswitch.conf
[ -s "$cache/debian.tar" ] || make_base || skip_all "debootstrap failed: see $cache/debootstrap.log"

# What runs is forgotten with the lab, and at the same place in the next one.
storage() {
	podman --root "$cache/storage" --runroot /run/egress/podman --storage-driver vfs \
		--cgroup-manager=cgroupfs --events-backend=none --tmpdir /run/egress/podman-tmp "$@"
}
storage info >podman.log 2>&1 || skip_all "podman does not work here: $(tail -n 1 podman.log)"
storage image exists localhost/debian:bookworm ||
	must storage import "$cache/debian.tar" localhost/debian:bookworm

# --- The image ---
# What is in the repository, and what belongs there, as a user has it who cloned it.
mkdir context
git -C "$sources" ls-files -z --cached --others --exclude-standard |
	(cd "$sources" && while IFS= read -r -d '' file; do
		[ ! -e "$file" ] || printf '%s\0' "$file"
	done | tar -c --null -T -) | tar -C context -x
if ! storage build --format docker --pull-never --isolation chroot --network host -t egress \
	-f context/contrib/container/Containerfile context >"$cache/build.log" 2>&1; then
	not_ok "the Containerfile builds"
	note "$(tail -n 30 "$cache/build.log")"
	lab_done
fi
ok "the Containerfile builds"
is "its user" "$(storage image inspect egress --format '{{.Config.User}}')" 65532:65532
rm -rf context
mounted=$(storage image mount egress)
is "it has no shell" "$(find "$mounted" -name '*sh' -type f -perm -u+x)" ""
like "one program may have NET_ADMIN" "$(getcap -r "$mounted" 2>/dev/null)" \
	'^[^ ]*/usr/sbin/egress-container cap_net_admin=p$'
is "nothing is set-user-ID" "$(find "$mounted" -perm /6000 -type f)" ""
note "the image has $(du -sm "$mounted" | cut -f 1) MB in $(find "$mounted" -type f | wc -l) files"

# --- A pod ---
mount --bind "$LAB/resolv.conf" /etc/resolv.conf
mkdir -p policies
lab_policy policies/policy <<-'END'
	[[allow]]
	host_pattern = '^t[0-9]+\.fresh\.lab\.example$'
END
sed -i 's/^\[dns\]/raw = "drop"\n[dns]/' policies/policy.toml
lab_start
must pod_application_image

# What an earlier run may have left.
for container in application egress; do
	storage rm --force --ignore "$container" >/dev/null 2>&1
	storage rm --force --storage "$container" >/dev/null 2>&1
done

# run NAME NETWORK OPTION...
run() {
	storage run --detach --cgroups=disabled --name "$1" --network "$2" "${@:3}" >>run.out 2>>run.log
}

check "podman runs it" run egress ns:/run/netns/client --cap-drop ALL --cap-add NET_ADMIN --read-only \
	-v /run/egress -v "$LAB/policies:/etc/egress:ro" egress
serves() {
	storage logs egress 2>&1 | grep -qwE "ready|serving"
}
check "it serves" until_true 20 serves
note "$(storage logs egress 2>&1 | tail -n 5)"
check "and is healthy" storage exec egress /usr/bin/egress-ctl status
check "an application beside it" run application container:egress --cap-add NET_RAW \
	--rootfs "$LAB/application" /usr/bin/sleep 600

app() {
	storage exec application "/usr/bin/$1" "${@:2}" 2>&1
}
acceptance() {
	is "$1: a permitted name" "$(app probe dns $NOSERVER4 "t$2.fresh.lab.example" A)" \
		"NOERROR 198.18.1.$((100 + $2))"
	like "is reached" "$(app probe tcp 198.18.1.$((100 + $2)) 443)" ': hello$'
	like "another name" "$(app probe dns $UPSTREAM4 other.lab.example A)" '^NXDOMAIN'
	like "an address" "$(app probe tcp 198.18.1.3 443)" "$REJECTED"
}
acceptance "podman" 1
check "a reload" storage exec egress /usr/sbin/egress-container --reload
acceptance "reloaded" 2
must storage kill --signal KILL egress
like "killed: nothing else is reached" "$(app probe tcp 198.18.1.3 443)" "$REJECTED"
check "and back" storage start egress
check "it serves" until_true 20 sh -c "[ \$(podman --root $cache/storage --runroot /run/egress/podman \
	--storage-driver vfs --tmpdir /run/egress/podman-tmp logs egress 2>&1 | grep -cwE 'ready|serving') -gt 1 ]"
acceptance "restarted" 3
storage rm --force --time 1 application egress >/dev/null 2>&1
storage image umount egress >/dev/null
lab_done
