# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For the tests of egress-run: the lab's client is the host on which an ordinary user runs commands.
# A test sources this file in place of lab.sh.

# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh" || exit 99 # what follows is for a mount namespace of its own

# shellcheck disable=SC2034
run=$(program src/egress-run)
# Of this test alone: others may run meanwhile, and /tmp is one for all.
RUN_UID=$((20000 + RANDOM))
RUN_HOME=$LAB/home
prober=$(program tests/net/probe)

# run_start: the lab, and the user's home with a policy that permits www.lab.example.
run_start() {
	lab_needs_programs
	lab_needs "$run" pasta curl dig getent perl nft ip nsenter setsid script ps pgrep
	# shellcheck disable=SC2119 # not this function's arguments
	lab_start
	# pasta takes an address that it can bind for one of its own host's.
	must in_client sysctl -qw net.ipv6.ip_nonlocal_bind=0 \
		net.ipv4.ping_group_range="0 $RUN_UID"
	mkdir -p "$RUN_HOME"
	chmod 755 "$LAB" "$RUN_HOME"
	run_policy <<-'END'
		[[allow]]
		host = "www.lab.example"
	END
	# What belongs to sessions of users, without the host's.
	mkdir -p /run/user && mount -t tmpfs -o mode=755 lab /run/user || exit 99
	mkdir -m 700 /run/user/$RUN_UID
	chown -R $RUN_UID:$RUN_UID "$RUN_HOME" /run/user/$RUN_UID
	if ! user true || ! user unshare -Urn true 2>/dev/null; then
		skip_all "user namespaces are not permitted"
	fi
}

# make_certificate NAME...: site.pem, of a server with these names, with its key behind it, by an
# authority of the lab, home/ca.pem.
make_certificate() {
	local names

	names=$(printf ',DNS:%s' "$@")
	echo "subjectAltName=${names#,}" >site.ext
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
		-keyout ca.key -out home/ca.pem -subj /CN=lab &&
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
			-keyout site.key -out site.csr -subj /CN=site &&
		openssl x509 -req -in site.csr -CA home/ca.pem -CAkey ca.key -CAcreateserial -days 30 \
			-extfile site.ext -out site.crt && cat site.crt site.key >site.pem
}

# The policy on standard input, behind the lab's head, becomes the user's own.
run_policy() {
	lab_policy home/egress
}

# What a command goes behind that the ordinary user runs, at home; each program becomes the next.
as_user=(env -C "$RUN_HOME" HOME="$RUN_HOME" PATH=/usr/bin:/bin:/usr/sbin:/sbin
	nsenter --net=/run/netns/client setpriv --reuid "$RUN_UID" --regid "$RUN_UID" --clear-groups)

# user COMMAND...
user() {
	"${as_user[@]}" "$@"
}

# shut COMMAND...: the same, by egress-run, without its summary.
shut() {
	user "$run" -q -- "$@"
}

# root OPTION... -- SCRIPT: the same for root, with the options of the array how before others.
root() {
	local options=()

	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	probe=$prober env -C "$RUN_HOME" HOME="$RUN_HOME" nsenter --net=/run/netns/client "$run" -q \
		${how:+"${how[@]}"} "${options[@]}" -- sh -c "$2" 2>&1
}

# inside SCRIPT: a line of shell as the confined command; $probe speaks the network's protocols.
inside() {
	probe=$prober user "$run" -q ${run_options:+"${run_options[@]}"} -- sh -c "$1" 2>&1
}

# told OPTION...: what is said on standard error of the command `script`.
# shellcheck disable=SC2154 # of the test
told() {
	{ probe=$prober user "$run" "$@" -- sh -c "$script" >out; } 2>&1
}

# perl_error PERL: the errno and the text of what an expression has failed with; "" if it has not.
perl_error() {
	inside "perl -e '$1 or print \$!+0, \" \", \$!'"
}
