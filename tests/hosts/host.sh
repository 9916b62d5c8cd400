# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A host: the lab's client booted by systemd, with what `make install` installs, in a layer above
# this machine's file system, as containers are. The kernel's part, network namespace and ruleset,
# is the client's, and as empty at each boot as after a reset. Tests source this file in the place of
# lab.sh, which it sources.
#
#	host_prepare [PACKAGE...]	the layer, with these packages besides; the tests that share it
#					name all of them: HOST_PACKAGES
#	host_policy NAME		the policy on standard input, behind the lab's usual head
#	host_usual_policy [NAME...]	lab: www.lab.example, these names, and the networks of 40
#	host_network			systemd-networkd gives the link its addresses, and the link is
#					down before
#	host_prober			something that tries all the time, from the first moment on, to
#					reach what policies refuse; prober.log says what came of it
#	host_boot			until systemd says running or degraded
#	host_up [UNIT...]		boots; these and egress-resolver@lab are active then
#	in_host COMMAND...		as root there
#	host_power_off, host_reset	an orderly end of it, and a sudden one
#	in_root COMMAND...		in its files, before it is booted
#	host_start			the head of most: a host with network and prober, which boots
#					with egress-resolver@lab
#	enforces WHEN, resolves WHEN	what the usual policy says of addresses, and of names
#	tight WHEN			nothing refused was reached since the last such question
#	host_done			in the place of lab_done
#
# shellcheck disable=SC2119 # lab_start's arguments are not this file's

# The lab has a current directory of its own.
host_sources=$(cd "${BASH_SOURCE[0]%/*}" && pwd) || exit 99
# shellcheck source=../net/lab.sh
. "$host_sources/../net/lab.sh"
lab_needs_programs
lab_needs systemctl zstd tar make mountpoint

HOST=$LAB/host/root
host_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOST_PACKAGES=${HOST_PACKAGES-dbus firewalld iptables libnss-resolve network-manager nftables
	systemd-resolved ufw docker.io docker-compose podman netavark aardvark-dns runc}

host_prepare() {
	local packed=$lab_build/tests/hosts/root.tar.zst

	grep -qw overlay /proc/filesystems || skip_all "the kernel has no overlayfs"
	[ -e /lib/systemd/systemd ] || skip_all "systemd is not installed"
	mkdir -p host/up host/work host/root "${packed%/*}"
	# shellcheck disable=SC2086 # a list
	(unset HOSTS_ROOT && "$host_sources/root" "$packed" $HOST_PACKAGES) >root.log 2>&1 ||
		skip_all "packages for the host cannot be had: $(tail -n 1 root.log)"
	must tar --extract --file "$packed" --xattrs --xattrs-include='trusted.*' -C host/up
	must mount -t overlay -o "lowerdir=/,upperdir=$LAB/host/up,workdir=$LAB/host/work" \
		host "$HOST"
	make -s -C "$lab_build" install DESTDIR="$HOST" >install.log 2>&1 ||
		skip_all "make install does not work: $(tail -n 1 install.log)"
	# What this machine starts, also by init scripts, the host does not.
	rm -rf "$HOST"/etc/systemd/system/* "$HOST"/etc/rc[0-6S].d/* "$HOST"/etc/systemd/network/* \
		"$HOST"/var/log/journal "$HOST"/etc/egress
	# The leak sanitizer traces, which units forbid.
	mkdir -p "$HOST/etc/egress" "$HOST/etc/systemd/system.conf.d"
	printf '[Manager]\nDefaultEnvironment=ASAN_OPTIONS=detect_leaks=0\n' \
		>"$HOST/etc/systemd/system.conf.d/lab.conf"
	host_mask console-getty container-getty@ getty@ systemd-logind systemd-udevd \
		systemd-udev-trigger systemd-timesyncd e2scrub_reap systemd-networkd-wait-online \
		systemd-resolved systemd-update-utmp systemd-update-utmp-runlevel \
		systemd-modules-load modprobe@ systemd-remount-fs systemd-binfmt
	host_mask_sockets
	: >"$HOST/etc/fstab"
	cp "$(program tests/net/probe)" "$HOST/usr/bin/probe"
	grep -q '^egress:' "$HOST/etc/passwd" || must useradd --root "$HOST" --system egress \
		--no-create-home --shell /usr/sbin/nologin
	# The lab's world, for the C library there as elsewhere.
	cp --remove-destination resolv.conf nsswitch.conf "$HOST/etc/"
}

host_mask() {
	local unit

	for unit; do
		ln -sf /dev/null "$HOST/etc/systemd/system/$unit.service"
	done
}

host_unmask() {
	rm -f "$HOST/etc/systemd/system/$1.service"
}

host_mask_sockets() {
	local unit

	for unit in systemd-udevd-control systemd-udevd-kernel systemd-initctl; do
		ln -sf /dev/null "$HOST/etc/systemd/system/$unit.socket"
	done
}

# Within the new namespaces, as their first process: what a container's manager sets up.
host_enter() {
	local device

	cd "$HOST" || exit 99
	mount --make-rprivate / && mount --bind "$HOST" "$HOST" && cd "$HOST" || exit 99
	mount -t proc proc proc && mount -t sysfs -o ro sysfs sys &&
		mount --bind proc/sys proc/sys && mount --bind proc/sys/net proc/sys/net &&
		mount -o remount,bind,ro proc/sys && mount -t cgroup2 cgroup2 sys/fs/cgroup &&
		mount -t tmpfs -o mode=755 run run && mount -t tmpfs -o mode=1777 tmp tmp &&
		mount -t tmpfs -o mode=755 dev dev || exit 99
	for device in null zero full random urandom tty; do
		touch dev/$device && mount --bind /dev/$device dev/$device || exit 99
	done
	mkdir -p dev/shm dev/pts && mount -t tmpfs -o mode=1777 shm dev/shm
	ln -s /proc/self/fd dev/fd && ln -s pts/ptmx dev/ptmx
	mkdir -p "./$lab_build" "./$LAB" && mount --bind "$lab_build" "./$lab_build" || exit 99
	pivot_root . mnt && umount -l /mnt || exit 99
	# The machine's clock, modules and devices are not the host's.
	exec env -i container=lab PATH="$host_path" setpriv --bounding-set \
		-sys_module,-sys_rawio,-sys_time,-syslog,-mac_admin,-mac_override,-audit_control \
		/lib/systemd/systemd --system --unit=multi-user.target --show-status=no \
		--log-target=journal
}

# A control group of its own is the root of the host's.
host_cgroup() {
	local at

	for at in /sys/fs/cgroup/unified /sys/fs/cgroup; do
		if [ -e "$at/cgroup.procs" ] && [ -e "$at/cgroup.controllers" ]; then
			echo "$at/egress-host-$BASHPID-${LAB##*.}"
			return
		fi
	done
	return 1
}

host_boot() {
	local group

	group=$(host_cgroup) || skip_all "there is no cgroup v2"
	mkdir "$group" || skip_all "no control group can be made"
	in_client nft flush ruleset
	ip -n client link set to-world down
	ip -n client address flush dev to-world
	export HOST lab_build LAB host_path
	export -f host_enter
	(
		echo $BASHPID >"$group/cgroup.procs"
		exec nsenter --net=/run/netns/client unshare --mount --pid --cgroup --uts --ipc --fork \
			--kill-child bash -c host_enter
	) >>host.log 2>&1 &
	host_keeper=$!
	host_group=$group
	must until_true 20 host_leader
	until_true 120 host_booted || {
		note "the host has not booted: $(in_host systemctl list-jobs)"
		return 1
	}
}

host_leader() {
	host_pid=$(pgrep -P "$host_keeper") && [ "$(cat "/proc/$host_pid/comm")" = systemd ]
}

host_booted() {
	[[ $(in_host systemctl is-system-running) = @(running|degraded) ]]
}

# Not for what runs in the background, nor before host_boot.
in_host() {
	nsenter --target "$host_pid" --mount --pid --net --uts --ipc --cgroup \
		env -i container=lab HOME=/root PATH="$host_path" "$@"
}

host_ended() {
	wait "$host_keeper" 2>/dev/null
	host_pid=
	until_true 10 host_group_gone
}

host_group_gone() {
	find "$host_group" -depth -type d -exec rmdir {} + || [ ! -e "$host_group" ]
}

host_power_off() {
	kill -s RTMIN+4 "$host_pid"
	host_ended
}

host_reset() {
	kill -KILL "$host_pid"
	host_ended
}

in_root() {
	chroot "$HOST" env -i PATH="$host_path" "$@"
}

host_policy() {
	{
		lab_head | sed "s/^name = .*/name = \"$1\"/"
		cat
	} >"$HOST/etc/egress/$1.toml"
	chmod 644 "$HOST/etc/egress/$1.toml"
}

host_usual_policy() {
	local names='"www.lab.example"'

	[ $# = 0 ] || names+=$(printf ', "%s"' "$@")
	host_policy lab <<-END
		[[allow]]
		host = [$names]
		[[allow]]
		ip = ["198.18.40.0/24", "2001:db8:40::/48"]
	END
}

host_network() {
	mkdir -p "$HOST/etc/systemd/network"
	cat >"$HOST/etc/systemd/network/lab.network" <<-'END'
		[Match]
		Name=to-world
		[Network]
		Address=192.168.77.2/24
		Address=fd77::2/64
		Gateway=192.168.77.1
		Gateway=fd77::1
		IPv6AcceptRA=no
		LinkLocalAddressing=no
	END
	rm "$HOST/etc/systemd/system/systemd-networkd-wait-online.service"
	must in_root systemctl --quiet enable systemd-networkd systemd-networkd-wait-online
}

host_prober() {
	cat >"$HOST/etc/systemd/system/prober.service" <<-'END'
		[Unit]
		DefaultDependencies=no
		Conflicts=shutdown.target
		[Service]
		ExecStart=/bin/sh -c 'while :; do for to in 198.18.41.1 2001:db8:41::1; do \
			probe --wait 1 tcp $to 443; done; sleep 0.02; done >>/prober.log 2>&1'
		[Install]
		WantedBy=sysinit.target
	END
	must in_root systemctl --quiet enable prober
}

host_start() {
	lab_start
	host_prepare
	host_network
	host_prober
	must in_root systemctl --quiet enable egress-resolver@lab
}

active() {
	[ "$(in_host systemctl is-active "$1")" = active ]
}

host_up() {
	local unit

	must host_boot
	for unit in "$@" egress-resolver@lab; do
		if ! active "$unit"; then
			in_host journalctl -q -b -u "egress-*" -u "$unit" >units.log
			must active "$unit"
		fi
	done
}

enforces() {
	rejected "$1: what the policy refuses" tcp 198.18.41.1 443
	rejected "$1: over IPv6" tcp 2001:db8:41::1 443
	reaches "$1: what it permits" tcp 198.18.40.1 443
}

answered() {
	[[ $(ask www.lab.example) = NOERROR* ]]
}

resolves() {
	until_true 30 answered
	is "$1: a permitted name is resolved" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
	reaches "$1: and open at its first packet" tcp 198.18.1.1 443
	like "$1: another is refused" "$(ask other.lab.example)" '^NXDOMAIN \(EDE 15'
}

tight() {
	cp "$HOST/prober.log" prober.now
	check "$1: the network was tried all the time" test "$(wc -l <prober.now)" -gt 5
	check "$1: and came to be there" grep -qE "$REJECTED" prober.now
	is "$1: nothing has ever reached what is refused" "$(grep -c hello prober.now)" 0
	: >"$HOST/prober.log"
}

# not COMMAND...: it fails.
not() {
	! "$@"
}

host_done() {
	[ -z "${host_pid:-}" ] || host_power_off
	must until_true 10 umount "$HOST"
	lab_done
}
