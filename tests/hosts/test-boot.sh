#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A host that boots with egress-resolver@lab: nothing that the policy refuses leaves it from before
# the network is there, whatever becomes of policy, resolver and units; a service is put in a
# policy's scope by the drop-in.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=host.sh
. "$(dirname "$0")/host.sh"
host_start
host_usual_policy
host_up

# order A B: when units became active, in microseconds since the host's start.
became() {
	in_host systemctl show -P "$2" "$1"
}
earlier() {
	check "$1 is there before $2 starts" test \
		"$(became "$1" ActiveEnterTimestampMonotonic)" -le \
		"$(became "$2" ExecMainStartTimestampMonotonic)"
}

is "the rules are loaded" "$(in_host systemctl is-active egress-apply@lab)" active
is "the resolver runs" "$(in_host systemctl is-active egress-resolver@lab)" active
earlier egress-apply@lab.service systemd-networkd.service
earlier egress-apply@lab.service egress-resolver@lab.service
is "no unit has failed" "$(in_host systemctl --failed --plain --no-legend)" ""
enforces "booted"
resolves "booted"
is "the C library's names" "$(in_host getent ahostsv4 www.lab.example | awk '{ print $1; exit }')" \
	198.18.1.1
tight "booted"

# --- The resolver ends, by every way there is ---

old=$(in_host systemctl show -P MainPID egress-resolver@lab)
must in_host systemctl kill --kill-whom=all --signal=KILL egress-resolver@lab
enforces "killed"
restarted() {
	new=$(in_host systemctl show -P MainPID egress-resolver@lab)
	[ "$new" != 0 ] && [ "$new" != "$old" ] && active egress-resolver@lab
}
check "it is started again" until_true 30 restarted
resolves "started again"
must in_host systemctl stop egress-resolver@lab
enforces "stopped"
must in_host systemctl stop egress-apply@lab
enforces "rules stopped"
must in_host systemctl start egress-resolver@lab
is "the rules' unit is started with it" "$(in_host systemctl is-active egress-apply@lab)" active
resolves "started"
tight "restarts"

# --- Policies that change, and that are wrong ---

host_usual_policy api.lab.example
check "reload" in_host systemctl reload egress-resolver@lab
new_name() {
	[ "$(ask api.lab.example)" = "NOERROR 198.18.1.2" ]
}
check "brings a new entry" until_true 20 new_name
echo 'nonsense' >>"$HOST/etc/egress/lab.toml"
check "a wrong policy is not taken by reload" not in_host systemctl reload egress-resolver@lab
resolves "not taken"
enforces "not taken"
is "its ruleset is kept for the next boot" \
	"$(in_host stat -c '%U %a' /var/lib/egress/lab.nft)" "egress 600"

# --- Boots ---

host_power_off
must host_boot
is "boot with a wrong policy: the rules are loaded" \
	"$(in_host systemctl is-active egress-apply@lab)" active
like "and the journal says which" "$(in_host journalctl -q -u egress-apply@lab -p err -b)" \
	'lab.toml is not in force: the ruleset of .* is'
enforces "wrong policy"
check "no resolver" not answered
host_usual_policy
resolves "when it is mended, by itself"
tight "boot with a wrong policy"

host_reset
echo 'nonsense' >"$HOST/etc/egress/lab.toml"
rm "$HOST/var/lib/egress/lab.nft"
must host_boot
is "boot with neither policy nor kept ruleset: the unit has failed" \
	"$(in_host systemctl is-active egress-apply@lab)" failed
rejected "nothing is permitted" tcp 198.18.40.1 443
rejected "nothing else either" tcp 198.18.41.1 443
host_usual_policy
check "it starts when it is mended" in_host systemctl start egress-resolver@lab
resolves "mended"
tight "boot with nothing"

# --- /etc/nftables.conf flushes everything, and puts the policy back ---

printf '#!/usr/sbin/nft -f\nflush ruleset\ninclude "/var/lib/egress/*.nft"\n' >"$HOST/etc/nftables.conf"
check "nftables.service starts" in_host systemctl start nftables
enforces "flushed"
check "and is reloaded" in_host systemctl reload nftables
enforces "flushed again"
# Looked for once a second.
name_open() {
	[[ $(probe tcp 198.18.1.1 443) = *hello ]]
}
check "what the resolver had opened is open again" until_true 5 name_open
resolves "flushed again"
must in_host nft flush ruleset
loaded() {
	in_host nft list chain inet egress-lab output
}
check "taken away by hand: egress-keep@lab brings it back" until_true 10 loaded
enforces "back"
check "with what the resolver had opened" until_true 5 name_open
resolves "back"
must in_host systemctl stop egress-keep@lab
must in_host nft flush ruleset
check "as does a start of the resolver" in_host systemctl restart egress-resolver@lab
enforces "back again"
: >"$HOST/prober.log"

# --- A service in scope ---

must in_host systemctl --quiet disable --now egress-resolver@lab egress-apply@lab
must in_host nft flush ruleset
host_policy agent <<-'END'
	[[allow]]
	host = "www.lab.example"
	[scope]
	cgroups = ["egress.slice/egress-agent.slice"]
END
mkdir -p "$HOST/etc/systemd/system/agent.service.d"
cp "${abs_top_srcdir:-$PWD}/contrib/systemd/egress.conf" "$HOST/etc/systemd/system/agent.service.d/"
cat >"$HOST/etc/systemd/system/agent.service" <<-END
	[Unit]
	StartLimitIntervalSec=0
	[Service]
	Type=oneshot
	ExecStart=/bin/sh -c 'exec >/agent.out 2>&1; set -x; for i in 1 2 3 4 5 6 7 8 9 10; do \
		probe dns $NOSERVER4 www.lab.example A && break; sleep 1; done; \
		probe tcp 198.18.1.1 443; probe tcp 198.18.41.1 443; probe dns $NOSERVER4 other.lab.example A; \
		echo \$\$ >/sys/fs/cgroup/cgroup.procs; systemd-run --wait true; \
		grep CapBnd /proc/self/status; :'
END
must in_host systemctl daemon-reload
for time in first second; do
	check "the $time start of a service in scope" in_host systemctl start agent
	said=$(cat "$HOST/agent.out")
	like "$time: it resolves" "$said" 'NOERROR 198.18.1.1'
	like "$time: and reaches" "$said" 'tcp 198.18.1.1 443 from .*hello|198.18.1.1 443 from'
	like "$time: nothing else" "$said" \
		"tcp 198.18.41.1 443"$'\n''(ECONNREFUSED|EHOSTUNREACH|EACCES|EPERM|ECONNRESET)'
	like "$time: nor another name" "$said" 'NXDOMAIN'
	like "$time: it cannot leave its control group" "$said" 'cannot create /sys/fs/cgroup'
	like "$time: nor have systemd run something" "$said" 'Failed to connect to bus'
done
reaches "others are out of scope" tcp 198.18.41.1 443
echo 'nonsense' >"$HOST/etc/egress/agent.toml"
must in_host systemctl stop egress-apply@agent
must in_host nft delete table inet egress-agent
rm "$HOST/var/lib/egress/agent.nft"
check "without rules it does not start" not in_host systemctl start agent

host_done
