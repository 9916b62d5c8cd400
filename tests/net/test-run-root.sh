#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# egress-run as root, as root for another user, and in another egress-run: a run inside a run can
# only be narrower.

# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # scripts for the shell inside; variables of run.sh
# shellcheck source=run.sh
. "$(dirname "$0")/run.sh"
run_start
chown root home/egress.toml

# --- Root ---
must in_client sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
for link in pasta veth; do
	how=(--link "$link")
	is "root's command is root, by $link" "$(root -- 'id -u; id -g')" $'0\n0'
	is "a permitted name has its address" \
		"$(root -- 'getent ahostsv4 www.lab.example | head -1 | cut -d" " -f1')" 198.18.1.1
	like "and is reached" "$(root -- 'curl -sS -m 10 http://www.lab.example:443/')" '^reached '
	is "another name has none" "$(root -- 'getent hosts other.lab.example; echo $?')" 2
	like "other addresses are refused" "$(root -- '$probe tcp 198.18.1.3 443')" "$REJECTED"
	is "another DNS server is the resolver" \
		"$(root -- "\$probe dns $SECOND4 www.lab.example A")" "NOERROR 198.18.1.1"
	is "files are root's to own" "$(root -- 'touch f; chown 5:6 f; stat -c %u:%g f; rm f')" 5:6
	is "and others' to read" "$(touch home/secret; chmod 600 home/secret; chown 5 home/secret
		root -- 'cat secret && echo read')" read
	is "it may become another user" "$(root -- 'setpriv --reuid 5 --clear-groups id -u')" 5
	is "it has the capabilities for that, and no others" \
		"$(root -- 'grep -h ^Cap /proc/self/status' | cut -f2 | sort -u | xargs)" \
		"0000000000000000 00000000000001ff"
	like "none over the network" "$(root -- 'nft flush ruleset; echo "status $?"
		ip link set lo down; echo "status $?"')" 'status 1.*status [12]'
	is "nor sockets that take one" "$(root -- "perl -e 'socket(S, 2, 3, 1) or print \$!+0'
		perl -e 'socket(S, 17, 3, 768) or print \$!+0'")" 11
	like "nor over mounts" "$(root -- 'umount /etc/resolv.conf; echo "status $?"
		mount -t tmpfs none /mnt; echo "status $?"')" 'status [13]2*.*status [13]2*'
	like "nor over what is outside" "$(root -- 'nsenter -n -t $PPID true; echo "status $?"
		cat /proc/$PPID/environ; echo "status $?"')" 'status 1.*status 1'
	like "the kernel's settings are not to be written" \
		"$(root -- 'echo 0 >/proc/sys/kernel/core_uses_pid; echo "status $?"
			echo 1 >/proc/sys/net/ipv4/ip_forward; echo "status $?"')" 'status [12].*status [12]'
	is "its status is the command's" "$(root -- 'exit 9'; echo $?)" 9
done
how=()

# --- Root for another user ---
LAB_GID=$(id -g $LAB_USER)
is "--user" "$(root --user $LAB_USER -- 'id -u; id -g; echo $USER')" \
	"$(printf '%s\n' "$LAB_UID" "$LAB_GID" $LAB_USER)"
is "it has no capability" \
	"$(root --user $LAB_USER -- 'grep -h ^Cap /proc/self/status' | cut -f2 | sort -u)" \
	0000000000000000
is "a permitted name has its address, too" "$(root --user $LAB_USER -- \
	'getent ahostsv4 www.lab.example | head -1 | cut -d" " -f1')" 198.18.1.1
like "other addresses are refused, too" \
	"$(root --user $LAB_USER -- '$probe tcp 198.18.1.3 443')" "$REJECTED"
is "its groups are those of that user" "$(root --user $LAB_USER -- \
	'sed -n "s/^Groups:[[:space:]]*//p" /proc/self/status' | xargs)" \
	"$(id -G $LAB_USER | sed "s/\<$LAB_GID\>/$LAB_GID/")"
like "a user that isn't there" "$(root --user nobody-like-it -- true)" 'there is no user'
chown $RUN_UID home/egress.toml
like "who isn't root can't" "$(user "$run" -q --user $LAB_USER -- echo ran 2>&1)" \
	'^egress-run: --user nobody: Operation not permitted'

# --- A run in a run ---
cat >home/wide.toml <<-END
	$(lab_head)
	[[allow]]
	host = ["www.lab.example", "api.lab.example"]
	[[allow]]
	ip = ["198.18.1.3", "198.18.1.20"]
END
cat >home/inner.toml <<-END
	$(lab_head)
	[[allow]]
	host = ["www.lab.example", "other.lab.example"]
	[[allow]]
	ip = ["198.18.1.20", "198.18.1.22"]
END
chown $RUN_UID home/*.toml
nested() {
	probe=$prober user "$run" -q -p wide.toml -- "$run" -q -p inner.toml -- sh -c "$1" 2>&1
}
is "a run in a run" "$(nested 'id -u')" $RUN_UID
is "what both permit has its address" \
	"$(nested 'getent ahostsv4 www.lab.example | head -1 | cut -d" " -f1')" 198.18.1.1
like "and is reached" "$(nested 'getent ahosts www.lab.example >/dev/null
	$probe tcp 198.18.1.1 443')" hello
is "a name of the outer one alone has none" "$(nested 'getent hosts api.lab.example; echo $?')" 2
is "neither has one of the inner one alone" "$(nested 'getent hosts other.lab.example; echo $?')" 2
like "an address that both permit is reached" "$(nested '$probe tcp 198.18.1.20 443')" hello
like "one of the outer one alone is refused" "$(nested '$probe tcp 198.18.1.3 443')" "$REJECTED"
unlike "one of the inner one alone is not reached" \
	"$(nested '$probe --wait 5 tcp 198.18.1.22 443')" hello
printf 'version = 1\n[network]\nblock = []\n[[allow]]\nhost = "*.lab.example"\n' >home/plain.toml
is "the inner one's servers are the outer one's resolver, where it names none" \
	"$(user "$run" -q -p wide.toml -- "$run" -q -p plain.toml -- \
		sh -c 'getent ahostsv4 api.lab.example | head -1 | cut -d" " -f1
			getent hosts other.lab.example; echo $?' 2>&1)" $'198.18.1.2\n2'
is "its status is the command's, too" "$(nested 'exit 11'; echo $?)" 11

lab_done
