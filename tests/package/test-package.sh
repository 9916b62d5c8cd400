#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The Debian package, as whoever builds one does it: the files of a release are unpacked elsewhere, an
# ordinary user builds, lintian looks at what comes of it, and it is installed over this machine's
# files in a mount namespace whose changes end with it. There debian/tests/smoke runs; then the
# package is purged, and what is left is told.
#
# Settings: PACKAGE_KEEP=DIR, where the package is kept; PACKAGE_OPTIONS, DEB_BUILD_OPTIONS of the
# build ("nocheck"); PACKAGE_FILE, a package that is built already.
#
# Results are TAP; 0 if none failed.

. "$(dirname "$0")/../policies/tap.sh"
source_dir=${abs_top_srcdir:?}
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' "$source_dir/debian/changelog")
package=egress_${version}_$(dpkg --print-architecture 2>/dev/null).deb
failures=0

skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}

# check DESCRIPTION COMMAND...: what it says is shown if it fails.
check() {
	local description=$1 status=0
	shift
	"$@" >"$work/step.log" 2>&1 </dev/null || status=$?
	[ $status = 0 ] || failures=$((failures + 1))
	result $status "$description" \
		"$(grep -E '^(FAIL|ERROR): |^not ok ' "$work/step.log"; tail -n 60 "$work/step.log")"
	return $status
}

[ "$(id -u)" = 0 ] || skip_all "needs root, to install a package"
for tool in dpkg-buildpackage dh lintian unshare setpriv; do
	command -v $tool >/dev/null ||
		skip_all "$tool is not installed (packages: dpkg-dev debhelper lintian util-linux)"
done
unshare --mount --net true 2>/dev/null || skip_all "namespaces are not permitted here"

unpack() {
	env -C "$abs_top_builddir" "${MAKE:-make}" -s distdir distdir="$work/egress-$version" &&
		chmod -R u+w "$work/egress-$version" && chown -R nobody: "$work" && chmod 755 "$work"
}

build() {
	env -C "$work/egress-$version" -u MAKEFLAGS -u MFLAGS -u MAKELEVEL HOME="$work" \
		DEB_BUILD_OPTIONS="${PACKAGE_OPTIONS-} parallel=2" \
		setpriv --reuid nobody --regid nogroup --clear-groups dpkg-buildpackage -us -uc -b
}

# Everything below is executed in the namespaces, over a file system whose changes are in $work/upper.
# No chroot: in one nobody makes user namespaces.
inside() {
	# shellcheck disable=SC2016 # of the shell within
	unshare --mount sh -c 'cd "$0" && pivot_root . . && umount -l . && exec env -i \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C "$@"' "$work/root" "$@"
}

mount_over() {
	mount -t tmpfs -o mode=755 changes "$work/over" &&
		mkdir "$work/over/upper" "$work/over/work" &&
		mount -t overlay -o "lowerdir=/,upperdir=$work/over/upper,workdir=$work/over/work" \
			over "$work/root" &&
		mount -t proc proc "$work/root/proc" &&
		mount --rbind /dev "$work/root/dev" &&
		mount -t tmpfs -o mode=1777 tmp "$work/root/tmp" &&
		mount -t tmpfs -o mode=755 run "$work/root/run" &&
		rm -f "$work/root/var/lib/man-db/auto-update" &&
		mkdir "$work/root/tmp/package" &&
		cp "$work/$package" "$source_dir/debian/tests/smoke" "$work/root/tmp/package/" &&
		printf '#!/bin/sh\nexit 101\n' >"$work/root/usr/sbin/policy-rc.d" &&
		chmod +x "$work/root/usr/sbin/policy-rc.d"
}

# What differs from before, of all that was changed or is new. Logs and lists of dpkg and apt are
# theirs.
left() {
	local path

	(cd "$work/over/upper" && find . ! -type d -o -type d -empty) | sed 's,^\.,,' |
		grep -vE '^/(var/lib/dpkg|var/log/(dpkg|apt|alternatives)|var/cache|root/)' |
		grep -vE '^/(etc/(passwd|group|shadow|gshadow|subuid|subgid)-|usr/sbin/policy-rc.d)' |
		grep -vE '^/(var/lib/man-db/auto-update|var/lib/systemd/deb-systemd|etc/\.pwd\.lock)' |
		while read -r path; do
			if [ -L "$path" ] || ! cmp -s "$path" "$work/over/upper$path" 2>/dev/null; then
				[ -d "$path" ] || echo "$path"
			fi
		done
}

installed_files() {
	inside dpkg -L egress | LC_ALL=C sort >"$work/files"
	local program
	for program in /usr/bin/egress-{audit,compile,ctl,learn,run} /usr/sbin/egress-resolver \
		/usr/lib/systemd/system/egress-resolver@.service \
		/usr/share/bash-completion/completions/egress-run \
		/usr/share/fish/vendor_completions.d/egress-run.fish \
		/usr/share/zsh/vendor-completions/_egress-run \
		/usr/share/egress/profiles/npm.toml /usr/share/man/man5/egress-policy.5.gz /etc/egress; do
		if ! grep -qx "$program\|${program#/usr}" "$work/files"; then
			echo "$program is missing"
			return 1
		fi
	done
}

# A machine of a CI service: a cable, a project, and commands that are not at hand here.
make_runner() {
	ip link set lo up && ip link add cable type veth peer name far &&
		ip link set cable up && ip link set far up &&
		ip address add 10.99.0.1/24 dev cable && ip route add default via 10.99.0.254 &&
		mkdir -p "$work/root/tmp/project" "$work/root/tmp/bin" "$work/root/tmp/steps" &&
		"${0%/*}/ci-steps" "$source_dir/contrib/ci" "$work/root/tmp/steps" || return
	printf '#!/bin/sh\nexec "$@"\n' >"$work/root/tmp/bin/sudo"
	cat >"$work/root/tmp/bin/apt-get" <<-'END'
		#!/bin/sh
		# What is named by a path is installed; the rest is here.
		for word; do
			case $word in
			/*.deb) exec dpkg -i "$word" ;;
			esac
		done
	END
	chmod +x "$work"/root/tmp/bin/*
	cat >"$work/root/tmp/project/egress.toml" <<-'END'
		version = 1
		[[allow]]
		host = "api.example.com"
		[dns]
		upstream = []
		[dns.hosts]
		"api.example.com" = ["192.0.2.10"]
	END
	# shellcheck disable=SC2016 # of make
	printf 'check:\n\tgetent hosts api.example.com\n\t-getent hosts $(MORE)\n' \
		>"$work/root/tmp/project/Makefile"
	chown -R nobody: "$work/root/tmp/project"
}

# step USER SHELL... FILE: a block of commands as the service executes it.
step() {
	local user=$1
	shift
	# shellcheck disable=SC2016 # of the shell within
	inside env PATH=/tmp/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp/project MORE="${MORE-}" \
		EGRESS_PACKAGE="file:///tmp/package/$package" GITHUB_STEP_SUMMARY=/tmp/project/summary \
		EGRESS_SHA256="$(sha256sum <"$work/$package" | cut -d ' ' -f 1)" \
		setpriv --reuid "$user" --regid "$user" --clear-groups \
		sh -c 'cd /tmp/project && exec "$@"' sh "$@"
}

# refused COMMAND...: ends with 77.
refused() {
	"$@"
	[ $? = 77 ]
}

github="bash --noprofile --norc -eo pipefail /tmp/steps/github"
gitlab="sh -e /tmp/steps/gitlab"

use_in_ci() {
	local made=/tmp/project/egress.html project=$work/root/tmp/project

	check "a runner is made" make_runner || return
	# shellcheck disable=SC2086 # lists
	{
		check "GitHub: install" step 0 $github-1
		check "GitHub: permit user namespaces" step 0 $github-2
		MORE=api.example.com check "GitHub: a check that is permitted" step 65534 $github-3
		check "GitHub: the report and the summary" \
			grep -l api.example.com "$project/egress.html" "$project/summary"
		MORE=api.example.org check "GitHub: a check that is refused something" \
			refused step 65534 $github-3
		check "GitHub: the report has it" grep -q api.example.org "$work/root$made"
		rm -f "$project"/egress.{html,txt}
		chown -R 0:0 "$project"
		check "GitLab: install" step 0 $gitlab-1
		MORE=api.example.com check "GitLab: a check that is permitted" step 0 $gitlab-2
		MORE=api.example.org check "GitLab: a check that is refused something" \
			refused step 0 $gitlab-2
		check "GitLab: the report has it" grep -q api.example.org "$work/root$made"
	}
}

# What administrators and resolvers add.
use() {
	mkdir -p "$work/root/var/lib/egress" "$work/root/var/log/egress" \
		"$work/root/etc/systemd/system/multi-user.target.wants" &&
		echo 'version = 1' >"$work/root/etc/egress/mine.toml" &&
		echo x >"$work/root/var/lib/egress/mine.state" &&
		echo x >"$work/root/var/log/egress/mine.jsonl" &&
		ln -s /lib/systemd/system/egress-resolver@.service \
			"$work/root/etc/systemd/system/multi-user.target.wants/egress-resolver@mine.service"
}

rules_are_loaded() {
	nft add table inet egress-mine && nft add table inet other
}

rules_are_gone() {
	! nft list table inet egress-mine && nft list table inet other
}

nothing_is_left() {
	left >"$work/left"
	cat "$work/left"
	[ ! -s "$work/left" ]
}

use_package() {
	mkdir "$work/over" "$work/root"
	check "its files are laid over this machine's" mount_over || return
	check "it is installed" inside dpkg -i "/tmp/package/$package" || return
	check "what belongs to it is there" installed_files
	check "there is a user egress" inside getent passwd egress
	check "debian/tests/smoke" inside bash /tmp/package/smoke
	check "the same version again" inside dpkg -i "/tmp/package/$package"
	use_in_ci
	check "it is in use" use
	check "rules are loaded" rules_are_loaded
	check "it is removed" inside dpkg -r egress
	check "the rules of policies are gone, and others are not" rules_are_gone
	check "a policy is kept" test -e "$work/root/etc/egress/mine.toml"
	check "it is purged" inside dpkg -P egress
	check "nothing is left" nothing_is_left
}

if [ -n "${EGRESS_PACKAGE-}" ]; then
	trap - EXIT
	rm -rf "$work"
	work=$EGRESS_PACKAGE number=$EGRESS_PACKAGE_NUMBER
	use_package
	echo "$number $failures" >"$work/counts"
	exit 0
fi

if [ -n "${PACKAGE_FILE-}" ]; then
	cp "$PACKAGE_FILE" "$work/$package" || exit 99
else
	check "a release is unpacked" unpack || exit 1
	check "an ordinary user builds it" build || exit 1
	if [ -n "${PACKAGE_KEEP-}" ]; then
		cp "$work"/egress*_* "$PACKAGE_KEEP"/ || exit 99
	fi
	check "lintian finds nothing" setpriv --reuid nobody --regid nogroup --clear-groups \
		env HOME="$work" lintian --fail-on error,warning --tag-display-limit 0 "$work/$package"
	lintian --pedantic --display-info --allow-root "$work/$package" 2>/dev/null | sed 's/^/# /'
fi
EGRESS_PACKAGE=$work EGRESS_PACKAGE_NUMBER=$number unshare --mount --net --pid --fork --kill-child \
	bash "$0"
read -r number more <"$work/counts" || more=1
failures=$((failures + more))
echo "1..$number"
[ $failures = 0 ]
