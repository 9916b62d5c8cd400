#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A command that an ordinary user runs by egress-run: what it reaches and what not, which policy it
# runs under, how it ends, and that everything else is for it as it was.

# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # scripts for the shell inside; variables of run.sh
# shellcheck source=run.sh
. "$(dirname "$0")/run.sh"
run_start

# OpenSSL and libnftables are not for one program: their licences forbid that.
unlike "it is not linked with OpenSSL" "$(ldd "$run")" 'libssl|libcrypto'
unlike "nor the resolver with libnftables" "$(ldd "$resolver")" libnftables

# --- What it reaches ---
is "a permitted name has its address" \
	"$(inside 'getent ahostsv4 www.lab.example | head -1 | cut -d" " -f1')" 198.18.1.1
is "in IPv6, too" "$(inside 'getent ahostsv6 www.lab.example | head -1 | cut -d" " -f1')" \
	2001:db8:1::1
like "and is reached" "$(inside 'curl -sS -m 10 http://www.lab.example:443/')" \
	'^reached (198.18.1.1|2001:db8:1::1) port 443'
like "over IPv4" "$(inside 'curl -4 -sS -m 10 http://www.lab.example:443/')" '^reached 198.18.1.1 '
like "over IPv6" "$(inside 'curl -6 -sS -m 10 http://www.lab.example:443/')" \
	'^reached 2001:db8:1::1 '
like "by one of its addresses, once it was looked up" \
	"$(inside 'getent hosts www.lab.example >/dev/null
		getent ahosts www.lab.example >/dev/null; $probe tcp 198.18.1.1 443')" hello
like "on no other port" \
	"$(inside 'getent ahosts www.lab.example >/dev/null; $probe tcp 198.18.1.1 80')" "$REJECTED"
run_options=(--allow big.lab.example)
is "an answer that takes TCP to the upstream server" \
	"$(inside "getent ahostsv6 big.lab.example | grep -c STREAM")" 60
run_options=()
is "another name has none" "$(inside 'getent hosts other.lab.example; echo $?')" 2
like "an address that nobody looked up is refused at once" \
	"$(inside '$probe tcp 198.18.1.3 443')" "$REJECTED"
like "in IPv6, too" "$(inside '$probe tcp 2001:db8:1::3 443')" "$REJECTED"
like "and by UDP" "$(inside '$probe udp 198.18.1.3 443')" "$REJECTED"
like "why a name is refused is told" "$(inside 'dig +time=5 other.lab.example')" 'default-deny'
is "the loopback is its own" \
	"$(inside "perl -MIO::Socket -e '
		my \$s = IO::Socket::INET->new(Listen => 1, LocalAddr => q(127.0.0.1)) or die;
		IO::Socket::INET->new(PeerAddr => q(127.0.0.1), PeerPort => \$s->sockport)
			and print q(connected)'")" connected

# --- The policy ---
mkdir -p home/a/b/c
cp home/egress.toml home/a/egress.toml
sed -i 's/www/api/' home/a/egress.toml
chown -R $RUN_UID home
at() {
	local folder=$1

	shift
	user env -C "$folder" "$@" 2>&1
}
resolves='getent hosts www.lab.example >/dev/null && printf www
	getent hosts api.lab.example >/dev/null && printf api
	getent hosts six.lab.example >/dev/null && printf six'
is "the policy is the folder's" "$(at "$RUN_HOME" "$run" -q sh -c "$resolves")" www
is "or the nearest one's above" "$(at "$RUN_HOME/a/b/c" "$run" -q sh -c "$resolves")" api
mkdir -p home/.config/egress config/egress
mv home/egress.toml home/.config/egress/
sed 's/www/six/' home/.config/egress/egress.toml >config/egress/egress.toml
chmod -R a+rX home/.config config
is "or the user's" "$(at / HOME="$RUN_HOME" "$run" -q sh -c "$resolves")" www
is "where XDG_CONFIG_HOME says" \
	"$(at / XDG_CONFIG_HOME="$LAB/config" "$run" -q sh -c "$resolves")" six
is "one that is named goes first" \
	"$(at "$RUN_HOME/a" "$run" -q -p "$LAB/config/egress/egress.toml" sh -c "$resolves")" six
mv home/.config/egress/egress.toml home/
like "without any nothing runs" "$(at / HOME=/ "$run" -q echo ran)" '^egress-run: there is no policy'
at / HOME=/ "$run" -q true >/dev/null
is "which is status 125" $? 125
chown 54321 home/a/egress.toml
like "neither under another user's" "$(at "$RUN_HOME/a/b" "$run" -q echo ran)" \
	'^egress-run: .*/a/egress.toml belongs to another user'
like "unless it is named" "$(at "$RUN_HOME/a/b" "$run" -q -p ../egress.toml echo ran)" '^ran$'
like "a policy that is wrong is shown" \
	"$(echo 'version = 2' >home/bad.toml; at "$RUN_HOME" "$run" -q -p bad.toml echo ran)" \
	'^bad.toml:1:11: error: version 2 is unknown'

# --- --allow, --profile, --override ---
is "--allow adds to the policy" \
	"$(at "$RUN_HOME" "$run" -q --allow api.lab.example sh -c "$resolves")" wwwapi
is "or is all of it" "$(at / HOME=/ "$run" -q --allow api.lab.example echo ran)" ran
like "with a port" "$(at "$RUN_HOME" "$run" -q --allow 198.18.1.3:8000 "$prober" tcp 198.18.1.3 8000)" \
	'^198.18.1.3 8000 from .*: hello$'
like "and no other" \
	"$(at "$RUN_HOME" "$run" -q --allow 198.18.1.3:8000 "$prober" tcp 198.18.1.3 8001)" "$REJECTED"
like "IPv6 in brackets" \
	"$(at "$RUN_HOME" "$run" -q -a '[2001:db8:1::3]:8000' "$prober" tcp 2001:db8:1::3 8000)" hello
# What has no connection may get lost on its way.
like "UDP by name" "$(at "$RUN_HOME" "$run" -q -a udp/198.18.1.3:123 sh -c \
	"for i in 1 2 3 4; do $prober --wait 3 udp 198.18.1.3 123 && break; done")" hello
like "ping" "$(at "$RUN_HOME" "$run" -q -a icmp/198.18.1.3 sh -c \
	"for i in 1 2 3 4; do $prober --wait 3 echo 198.18.1.3 && break; done")" echo
like "but for that no address" \
	"$(at "$RUN_HOME" "$run" -q -a icmp/198.18.1.3 "$prober" echo 198.18.1.2)" "$REJECTED"
like "what is none is said" "$(at "$RUN_HOME" "$run" -q --allow "x' ]" echo ran)" \
	"^egress-run: 'x' ]' is no destination"
like "also when the policy's reader finds it" \
	"$(at "$RUN_HOME" "$run" -q --allow 'a..b' echo ran)" 'error'
cat >home/op.toml <<-'END'
	version = 1
	[[deny]]
	host = "www.lab.example"
END
printf 'version = 1\nallow = []\n' >home/nothing.toml
is "an override narrows all of it" \
	"$(at "$RUN_HOME" "$run" -q -a api.lab.example --override op.toml sh -c "$resolves")" api
is "and what --allow adds" "$(at "$RUN_HOME" "$run" -q -a api.lab.example \
	--override nothing.toml sh -c "$resolves")" ""
mkdir -p profiles
printf 'version = 1\n[[allow]]\nhost = "api.lab.example"\n' >profiles/lab.toml
is "a profile adds its entries" "$(at "$RUN_HOME" "$run" -q --profile-dir "$LAB/profiles" \
	--profile lab sh -c "$resolves")" wwwapi
sed '/^\[network\]/i [scope]\nusers = [4321]' home/egress.toml >home/scoped.toml
like "everything is in scope, whatever the policy's" \
	"$(at "$RUN_HOME" "$run" -q -p scoped.toml "$prober" tcp 198.18.1.3 443)" "$REJECTED"
sed '/^\[dns\]/a listen = ["192.0.2.1:53"]' home/egress.toml >home/listening.toml
is "the resolver listens where nobody else does" \
	"$(at "$RUN_HOME" "$run" -q -p listening.toml sh -c "$resolves")" www

# --- How it ends ---
status_of() {
	user "$run" -q "$@" >out 2>&1
	echo $?
}
is "its exit status" "$(status_of -- sh -c 'exit 42')" 42
is "and 0" "$(status_of true)" 0
is "what isn't there" "$(status_of -- nothing-like-it)" 127
like "is said" "$(cat out)" '^egress-run: nothing-like-it: No such file'
is "what can't be executed" "$(status_of -- /etc/passwd)" 126
is "no command" "$(status_of)" 125
is "an unknown option" "$(status_of --nonsense true)" 125
is "options behind the command are its own" "$(shut echo --help -v)" "--help -v"
is "without --, too" "$(user "$run" -q echo --help -v)" "--help -v"

like "--verbose shows what the resolver logs" "$(user "$run" -q --verbose true 2>&1)" \
	'egress-resolver: serving policy "lab"'
is "else nothing is said" "$(user "$run" -q true 2>&1)" ""

# --- What is as it was ---
is "standard input" "$(echo hello | shut cat)" hello
is "standard output is closed at the end" \
	"$(timeout 20 sh -c 'cat' < <(shut echo hello))" hello
is "the folder" "$(shut pwd)" "$RUN_HOME"
is "the user" "$(shut id -u):$(shut id -g)" "$RUN_UID:$RUN_UID"
is "the environment" "$(shut env | grep -v '^_=' | sort)" "$(user env | grep -v '^_=' | sort)"
is "descriptors" "$(shut sh -c 'ls /proc/self/fd')" "$(user sh -c 'ls /proc/self/fd')"
is "with --allow as well" "$(user "$run" -q --allow six.lab.example sh -c 'ls /proc/self/fd')" \
	"$(user sh -c 'ls /proc/self/fd')"
is "those that were closed" "$(shut sh -c 'ls /proc/self/fd >&2' 2>&1 <&- >&-)" \
	"$(user sh -c 'ls /proc/self/fd >&2' 2>&1 <&- >&-)"
like "and what is set up is none of them" "$(shut "$prober" tcp 198.18.1.3 443 2>&1 <&-)" "$REJECTED"
is "one that it was given" "$(echo hello >in; shut sh -c 'cat <&7' 7<in)" hello
is "signals that are ignored" "$(user sh -c "trap '' HUP; exec $run -q grep SigIgn /proc/self/status")" \
	"$(user sh -c "trap '' HUP; exec grep SigIgn /proc/self/status")"
is "and blocked" "$(shut grep SigBlk /proc/self/status)" "$(user grep SigBlk /proc/self/status)"
is "its files are its own" "$(shut sh -c 'touch mine; stat -c %u mine; rm mine')" $RUN_UID
is "the host's are to be read" "$(shut sh -c 'wc -l </etc/passwd')" "$(wc -l </etc/passwd)"
is "of other users' processes it sees as much" "$(shut sh -c 'test -d /proc/1 && echo yes')" yes
is "its names are looked up by DNS alone" "$(shut grep ^hosts: /etc/nsswitch.conf)" \
	"hosts: files dns"
is "at the loopback" "$(shut cat /etc/resolv.conf)" "nameserver 127.0.0.1"
is "the host's are as they were" "$(user cat /etc/resolv.conf)" "nameserver $NOSERVER4"

# --- What leaves nothing behind ---
left() {
	pgrep -u $RUN_UID -l
}
is "no process is left" "$(left)" ""
is "no file is left" "$(find /tmp -maxdepth 1 -user $RUN_UID)" ""

# --- Why it doesn't run ---
mkdir bin
ln -s "$(command -v sh)" "$(command -v touch)" bin/
like "without pasta the package is named" \
	"$(user env PATH="$LAB/bin" "$run" -q -- touch ran 2>&1; echo "status $?")" \
	'install the package passt.*status 125'
is "and nothing has run" "$(ls home/ran 2>/dev/null)" ""
like "where user namespaces are forbidden it says by what" "$(user unshare -Ur sh -c \
	"echo 0 >/proc/sys/user/max_user_namespaces; $run -- touch ran; echo status \$?" 2>&1)" \
	'cannot make a user namespace.*user.max_user_namespaces.*--user.*status 125'
printf '#!/bin/sh\necho "no link today" >&2\nexit 1\n' >bin/pasta
chmod +x bin/pasta
like "what pasta says is shown" "$(user env PATH="$LAB/bin" "$run" -q -- touch ran 2>&1)" \
	'no link today'
is "nothing has run, still" "$(ls home/ran 2>/dev/null)" ""
is "and nothing is left" "$(left)" ""


# --- The barrier ---
mkdir staged
cp "$run" staged/
# stage SCRIPT: with a resolver that does this first, and is the real one then.
stage() {
	printf '#!/bin/sh\n%s\nexec %q "$@"\n' "$1" "$resolver" >staged/egress-resolver
	chmod +x staged/egress-resolver
	user "$LAB/staged/egress-run" -q -- touch ran 2>&1
	echo "status $?"
}
is "with the resolver as it is" "$(stage :; ls home/ran; rm home/ran)" $'status 0\nhome/ran'
like "a resolver that ends" "$(stage 'echo no names today >&2; exit 1')" \
	'the resolver did not start:.*no names today.*status 125'
said=$(stage 'for i in $(seq 2000); do echo "line $i" >&2; done; exit 1')
like "of much that it says the end is told" "$said" 'did not start:.*line 1999.line 2000.*status 125'
unlike "and no more" "$said" 'line 1500'
like "a ruleset that is gone" "$(stage 'nft flush ruleset')" 'the resolver did not start.*status 125'
for family in 4 6; do
	like "one that lets IPv$family out" "$(stage \
		"nft insert rule inet egress-lab output meta nfproto ipv$family accept")" \
		'the ruleset does not refuse (192.0.2.1|2001:db8::1).*status 125'
done
like "one that lets all out" "$(stage 'nft insert rule inet egress-lab output accept')" \
	'the ruleset does not refuse 192.0.2.1.*status 125'
is "nothing has run" "$(ls home/ran 2>/dev/null)" ""
is "nothing is left" "$(left)" ""

lab_done
