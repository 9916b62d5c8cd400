# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A pod in the lab (tests/net/lab.sh, which a test sources first): containers of crun that share
# the network namespace "client". One is what contrib/container makes, the other an application as
# root with the capabilities that Docker gives.
#
# shellcheck disable=SC2034,SC2154 # what is from the lab, and for the tests

sources=${abs_top_srcdir:-$here/../..}
EGRESS_UID=65532
DOCKER_CAPABILITIES="CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE
	NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP"

# What LeakSanitizer would take: ptrace(2).
POD_ENVIRONMENT='"PATH=/usr/bin:/usr/sbin", "ASAN_OPTIONS=detect_leaks=0"'

pod_needs() {
	lab_needs crun setcap ldd jq "$(program contrib/container/egress-container)"
	# crun knows no other than this, and in a lab's mounts it can be had.
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] ||
		mount -t cgroup2 cgroup2 /sys/fs/cgroup || skip_all "there is no cgroup v2"
	crun --root "$LAB/crun" list >/dev/null 2>&1 || skip_all "crun does not work here"
}


# The image, of the programs of this build.
pod_image() {
	local prefix bin sbin

	prefix=$(sed -n 's/^prefix = //p' "$lab_build/Makefile")
	bin=staged$prefix/bin
	sbin=staged$prefix/sbin
	mkdir -p "$bin" "$sbin" &&
		cp "$(program src/egress-compile)" "$(program src/egress-ctl)" \
			"$(program src/egress-audit)" "$bin" &&
		cp "$(program src/egress-resolver)" "$(program contrib/container/egress-container)" \
			"$sbin" &&
		"$sources/contrib/container/rootfs" staged image &&
		pod_entry=$prefix/sbin/egress-container && pod_compile=$prefix/bin/egress-compile &&
		pod_ctl=$prefix/bin/egress-ctl
}

# The application's: what tries to get out, and somebody who waits.
pod_application_image() {
	local program library

	mkdir -p application/{dev,etc,proc,sys,tmp,usr/bin,usr/sbin,usr/lib,usr/lib64}
	ln -s usr/bin usr/sbin usr/lib usr/lib64 application/
	for program in "$(program tests/net/probe)" "$(program tests/container/escape)" \
		"$(command -v sleep)"; do
		cp "$program" application/usr/bin/ || return
		ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
			mkdir -p "application/${library%/*}"
			[ -e "application/$library" ] || cp -L "$library" "application/$library"
		done
	done
}

json_list() {
	printf '"%s", ' "$@" | sed 's/, $//'
}

# pod_bundle NAME IMAGE UID CAPABILITIES NO-NEW-PRIVILEGES COMMAND...: as Docker makes one. Who is not
# root may have the capabilities, and has none.
pod_bundle() {
	local name=$1 image=$2 uid=$3 capabilities='' held=''
	local privileges=$5

	# shellcheck disable=SC2086 # a list
	[ -z "$4" ] || capabilities=$(json_list ${4//[[:space:]]/ } | sed 's/"\([A-Z]\)/"CAP_\1/g')
	[ "$uid" != 0 ] || held=$capabilities
	shift 5
	mkdir -p "bundles/$name"
	cat >"bundles/$name/config.json" <<-END
		{
		"ociVersion": "1.0.2",
		"process": {
			"terminal": false,
			"user": {"uid": $uid, "gid": $uid},
			"args": [$(json_list "$@")],
			"env": [$POD_ENVIRONMENT],
			"cwd": "/",
			"capabilities": {
				"bounding": [$capabilities],
				"effective": [$held],
				"permitted": [$held]
			},
			"rlimits": [],
			"noNewPrivileges": $privileges
		},
		"root": {"path": "$LAB/$image", "readonly": true},
		"hostname": "$name",
		"mounts": [
			{"destination": "/proc", "type": "proc", "source": "proc"},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
				"options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
			{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}$(pod_mounts "$image")
		],
		"linux": {
			"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"},
				{"type": "uts"}, {"type": "network", "path": "/run/netns/client"}],
			"maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/sysrq-trigger"],
			"readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"]
		}
		}
	END
}

pod_mounts() {
	[ "$1" = image ] || return
	cat <<-END
		, {"destination": "/run/egress", "type": "tmpfs", "source": "tmpfs",
			"options": ["mode=0755", "uid=$EGRESS_UID"]},
		{"destination": "/etc/egress", "type": "bind", "source": "$LAB/policies",
			"options": ["bind", "ro"]}
	END
}

pod_crun() {
	crun --root "$LAB/crun" --cgroup-manager=disabled "$@"
}

# pod_run NAME: until it ends.
pod_run() {
	pod_crun run --bundle "bundles/$1" "$1" </dev/null
}

# pod_start NAME: in the background; what it says is in NAME.log.
pod_start() {
	crun --root "$LAB/crun" --cgroup-manager=disabled run --bundle "bundles/$1" "$1" \
		</dev/null >>"$1.log" 2>&1 &
	printf -v "pod_${1//-/_}" %s $!
}

# pod_kill NAME [SIGNAL]: returns when all of it is gone.
pod_kill() {
	local pid=pod_${1//-/_}

	pod_crun kill "$1" "${2:-KILL}"
	wait "${!pid}"
	pod_crun delete --force "$1" 2>/dev/null
	return 0
}

# pod_resolver: the egress container, until it serves.
pod_resolver() {
	: >egress.log
	pod_start egress
	until_true 20 grep -qwE "ready|serving" egress.log || {
		note "$(cat egress.log)"
		return 1
	}
}

# As the image's user.
in_egress() {
	pod_crun exec --user $EGRESS_UID:$EGRESS_UID egress "$@" </dev/null
}

# What the application gets: tries PROGRAM ARGUMENT...
tries() {
	pod_crun exec application "/usr/bin/$1" "${@:2}" </dev/null 2>&1
}
