#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Where egress-run can't set up what it needs: it says why, nothing runs, nothing is left, and the
# exit status is 125. That kernel.apparmor_restrict_unprivileged_userns forbids a user namespace
# can't be had where the kernel has no AppArmor; user.max_user_namespaces fails by the same path.

# shellcheck disable=SC2317 # functions are called by name
# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # scripts for the shell inside; variables of run.sh
# shellcheck source=run.sh
. "$(dirname "$0")/run.sh"
lab_needs chroot prlimit
run_start
# Which looks into /proc, and starts a process, as any of them ends.
export ASAN_OPTIONS=detect_leaks=0

# What is left of a run: processes, files, whether the command has run.
left() {
	pgrep -u $RUN_UID -l
	# Who is killed as it makes an empty folder its root leaves that.
	find /tmp /run/user/$RUN_UID -mindepth 1 -maxdepth 1 -user $RUN_UID ! -name 'egress-empty-*'
	find home -name ran
	rm -f home/ran
}
nothing_left() {
	[ -z "$(left)" ]
}

# denied DESCRIPTION REGEX COMMAND...: the command, with egress-run and a command of its own behind
# it, fails as it should.
denied() {
	local name=$1 regex=$2 said status

	shift 2
	said=$("$@" "$run" -- touch "$RUN_HOME/ran" 2>&1)
	status=$?
	like "$name" "$status $said" "^125 (.*)?egress-run: (.*)?$regex"
	is "and nothing has run, or is left" "$(until_true 5 nothing_left; left)" ""
}
# user_in SCRIPT COMMAND...: by the user, where root has done SCRIPT before in a mount namespace.
user_in() {
	local script=$1

	shift
	unshare --mount sh -c "$script"' && exec "$@"' sh "${as_user[@]}" "$@"
}

is "without any of this it runs" "$(user "$run" -- echo ran)" ran

# --- User namespaces ---
denied "user namespaces forbidden" 'cannot make a user namespace: .*user.max_user_namespaces.*--user' \
	user unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"' sh
denied "the one for the command forbidden" 'cannot (confine the command|map ids)' \
	user unshare -Ur sh -c 'echo 1 >/proc/sys/user/max_user_namespaces; exec "$@"' sh
denied "network namespaces forbidden" 'cannot make a network namespace: .*' \
	user unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"' sh
denied "mount namespaces forbidden, to pasta" 'pasta\(1\) has made no link: unshare: No space' \
	user unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_mnt_namespaces; exec "$@"' sh
denied "to the command" 'a mount namespace of its own: ' \
	user unshare -Ur sh -c 'echo 1 >/proc/sys/user/max_mnt_namespaces; exec "$@"' sh
mkdir jail
denied "in a chroot" 'cannot make a user namespace: .*chroot' \
	unshare --mount sh -c 'mount --rbind / jail && exec chroot jail "$@"' sh "${as_user[@]}"

# --- What it makes use of ---
mkdir bin staged
ln -s "$(command -v touch)" "$(command -v env)" bin/
denied "no pasta" 'there is no pasta.*install the package passt' user env PATH="$LAB/bin"
printf '#!/bin/sh\necho "no link today" >&2\nexit 1\n' >bin/pasta
chmod +x bin/pasta
denied "pasta that fails" 'no link today' user env PATH="$LAB/bin:/bin"
printf '#!/bin/sh\nkill -KILL $$\n' >bin/pasta
denied "pasta that is killed" 'pasta\(1\) has made no link' user env PATH="$LAB/bin:/bin"
cp "$run" staged/
said=$(user "$LAB/staged/egress-run" -- touch "$RUN_HOME/ran" 2>&1)
like "no resolver" "$? $said" '^125 .*egress-resolver: No such file'
is "nothing has run" "$(left)" ""
denied "no /proc" '.*/proc is not mounted' user_in 'umount -l /proc'
is "a /tmp that can't be written does no harm" "$(user_in 'mount --rbind /tmp /tmp &&
	mount -o remount,bind,ro /tmp' "$run" -- echo ran)" ran
denied "no default route" 'pasta\(1\) has made no link' env -C "$RUN_HOME" unshare --net \
	setpriv --reuid $RUN_UID --regid $RUN_UID --clear-groups env HOME="$RUN_HOME"

# --- System calls ---
# no_calls COMMAND...: without seccomp(2) and without prctl(2)'s way to it.
no_calls() {
	user perl -e '
		my ($seccomp, $prctl) = $^V && `uname -m` =~ /x86_64/ ? (317, 157) : (277, 167);
		my @code = ([0x20, 0, 0, 0], [0x15, 3, 0, $seccomp], [0x15, 0, 3, $prctl],
			[0x20, 0, 0, 16], [0x15, 0, 1, 22], [0x06, 0, 0, 0x50001],
			[0x06, 0, 0, 0x7fff0000]);
		my $code = join "", map { pack "S C C L", @$_ } @code;
		my $program = pack "S x6 P", scalar @code, $code;
		syscall($prctl, 38, 1, 0, 0, 0) == 0 && syscall($prctl, 22, 2, $program) == 0 or die $!;
		exec @ARGV' "$@"
}
denied "seccomp forbidden" 'the resolver did not start:.*cannot give up privileges' no_calls

# --- Limits ---
# limits NAME VALUE...: with each the command runs, or is denied; with the last it runs.
limits() {
	local name=$1 value outcomes='' said

	shift
	for value; do
		rm -f home/ran
		said=$(user prlimit "--$name=$value" "$run" -- touch "$RUN_HOME/ran" 2>&1)
		status=$?
		until_true 5 no_process
		if [ $status = 0 ] && [ -e home/ran ]; then
			outcomes+=1
		elif [ $status = 125 ] && [ ! -e home/ran ] && [ -n "$said" ]; then
			outcomes+=0
		else
			outcomes+=x
			note "$name $value: status $status: $said"
		fi
		rm -f home/ran
		left | sed "s/^/# $name $value leaves /"
	done
	like "it runs or says why it does not, whatever the limit of $name" "$outcomes" '^0+[01]*1$'
	is "and leaves nothing" "$(left)" ""
}
no_process() {
	[ -z "$(pgrep -u $RUN_UID)" ]
}
limits nofile 6 8 12 14 16 24 32 1024
limits nproc 1 2 3 4 5 6 7 8 10 12 100
limits fsize 0 100 1000000

lab_done
