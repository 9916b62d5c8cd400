#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Real programs under egress-run, against servers of the lab's world: what is permitted works as it
# does without, and what isn't fails at once, with an error that the program shows. One that isn't
# installed is left out, which is said.

# shellcheck disable=SC2317 # functions are called by name
# shellcheck disable=SC2016,SC2034,SC2086,SC2154 # scripts for the shell inside; variables of run.sh
# shellcheck source=run.sh
. "$(dirname "$0")/run.sh"
lab_needs openssl python3 git wget curl perl
python3 -c 'import http.server, ssl, zipfile' 2>/dev/null || skip_all "python3 lacks modules"
# The others are this test's own servers'.
WORLD_PORTS="123 853 8000-8010"
run_start
run_policy <<-'END'
	[[allow]]
	host = "www.lab.example"
	ports = [22, 80, 443]
END

# --- What they fetch ---
must make_certificate www.lab.example api.lab.example 2>openssl.log
mkdir -p site/npm/tiny/- site/simple/tiny site/apt work
echo "a page" >site/page

make_repository() {
	git init -q work/repository && cd work/repository && echo "a file" >file && git add file &&
		git -c user.name=lab -c user.email=lab@lab.example commit -q -m first &&
		git clone -q --bare . "$LAB/site/repository.git" &&
		git -C "$LAB/site/repository.git" update-server-info
}
must eval '(make_repository)'

make_npm() {
	mkdir -p work/package && echo '{"name":"tiny","version":"1.0.0"}' >work/package/package.json &&
		tar -C work -czf site/npm/tiny/-/tiny-1.0.0.tgz package || return 1
	cat >site/npm/tiny/index.html <<-END
		{"name": "tiny", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {
		"name": "tiny", "version": "1.0.0", "dist": {
		"tarball": "https://www.lab.example/npm/tiny/-/tiny-1.0.0.tgz",
		"shasum": "$(sha1sum site/npm/tiny/-/tiny-1.0.0.tgz | cut -d ' ' -f 1)"}}}}
	END
}
must make_npm

make_wheel() {
	python3 - site/simple/tiny/tiny-1.0-py3-none-any.whl <<-'END'
		import sys, zipfile
		with zipfile.ZipFile(sys.argv[1], "w") as wheel:
		    wheel.writestr("tiny.py", "")
		    wheel.writestr("tiny-1.0.dist-info/METADATA",
		        "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
		    wheel.writestr("tiny-1.0.dist-info/WHEEL",
		        "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
		    wheel.writestr("tiny-1.0.dist-info/RECORD", "")
	END
	echo '<a href="tiny-1.0-py3-none-any.whl">tiny</a>' >site/simple/tiny/index.html
}
must make_wheel

# A repository of one package, as apt reads it.
make_apt() {
	local deb=site/apt/tiny_1.0_all.deb

	mkdir -p work/deb/DEBIAN && printf '%s\n' "Package: tiny" "Version: 1.0" "Architecture: all" \
		"Maintainer: lab <lab@lab.example>" "Description: tiny" >work/deb/DEBIAN/control &&
		dpkg-deb -b work/deb $deb >/dev/null || return 1
	{
		cat work/deb/DEBIAN/control
		echo "Filename: ./${deb##*/}"
		echo "Size: $(stat -c %s $deb)"
		echo "SHA256: $(sha256sum $deb | cut -d ' ' -f 1)"
	} >site/apt/Packages
}
! command -v dpkg-deb >/dev/null || must make_apt

# --- Who serves it ---
cat >site.py <<-'END'
	import functools, http.server, socket, ssl, sys, threading
	class Server(http.server.ThreadingHTTPServer):
	    address_family = socket.AF_INET6
	class Handler(http.server.SimpleHTTPRequestHandler):
	    protocol_version = "HTTP/1.1"
	    def do_GET(self):
	        if self.path.startswith("/npm/") and self.path.endswith("tiny"):
	            self.path += "/"
	        super().do_GET()
	handler = functools.partial(Handler, directory=sys.argv[1])
	plain, secure = Server(("::", 80), handler), Server(("::", 443), handler)
	context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
	context.load_cert_chain("site.pem")
	secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
	threading.Thread(target=plain.serve_forever, daemon=True).start()
	print("ready", flush=True)
	secure.serve_forever()
END
nsenter --net=/run/netns/world python3 site.py site >site.out 2>site-access.txt &
must until_true 10 grep -q ready site.out

# ssh takes nobody who isn't in the list of users.
cp /etc/passwd passwd
echo "lab:*:$RUN_UID:$RUN_UID::$RUN_HOME:/bin/sh" >>passwd
mount --bind passwd /etc/passwd || exit 99
start_sshd() {
	mkdir -p home/.ssh && ssh-keygen -q -t ed25519 -N '' -f host-key &&
		ssh-keygen -q -t ed25519 -N '' -f home/.ssh/id_ed25519 &&
		echo "www.lab.example $(cut -d ' ' -f 1,2 host-key.pub)" >home/.ssh/known_hosts &&
		cp home/.ssh/id_ed25519.pub home/.ssh/authorized_keys || return 1
	chown -R $RUN_UID:$RUN_UID home/.ssh
	printf '%s\n' "HostKey $LAB/host-key" "Port 22" "UsePAM no" "StrictModes no" "PidFile none" \
		"AuthorizedKeysFile $RUN_HOME/.ssh/authorized_keys" >sshd_config
	nsenter --net=/run/netns/world unshare --mount sh -c 'mount -t tmpfs lab /run &&
		mkdir -m 755 /run/sshd && exec "$@"' sh "$(command -v sshd)" -D -e -f "$LAB/sshd_config" \
		2>sshd.txt &
	until_true 10 grep -q 'Server listening on ::' sshd.txt
}

# --- How they are tried ---
chown -R $RUN_UID:$RUN_UID home site
export GIT_SSL_CAINFO=$RUN_HOME/ca.pem CURL_CA_BUNDLE=$RUN_HOME/ca.pem \
	SSL_CERT_FILE=$RUN_HOME/ca.pem NODE_EXTRA_CA_CERTS=$RUN_HOME/ca.pem GIT_TERMINAL_PROMPT=0
# Without egress-run names are asked of the world's server.
echo "nameserver $UPSTREAM4" >resolv.conf

# works DESCRIPTION SCRIPT: gives the same, and the same status, with as without; and gives something.
works() {
	local with without

	without=$(user timeout 60 sh -c "$2" 2>&1)
	without="$? $without"
	with=$(user "$run" -q -- timeout 60 sh -c "$2" 2>&1)
	with="$? $with"
	is "$1" "$with" "$without"
	like "and works" "$without" '^0 .'
}

# refused DESCRIPTION REGEX SCRIPT: fails, in the program's own words, long before it would have
# given up itself.
refused() {
	local said status

	said=$(user "$run" -q -- timeout 20 sh -c "$3" 2>&1)
	status=$?
	like "$1" "$said" "$2"
	is "and it knows" "$((status != 0 && status != 124)) $status" "1 $status"
}

# has TOOL: it is there, or is left out.
has() {
	command -v "$1" >/dev/null && return
	note "left out, as it is not installed: $1"
	return 1
}

# --- curl and wget ---
works "curl" 'curl -sS https://www.lab.example/page'
refused "another name" 'Could not resolve host: api.lab.example' 'curl -sS https://api.lab.example/page'
refused "an address" "(Failed|Couldn.t) to? ?connect|Connection refused" \
	'curl -sSk https://198.18.1.2/page'
refused "an address that the name could have" 'refused|connect' \
	'curl -sS --resolve www.lab.example:443:198.18.1.2 https://www.lab.example/page'
refused "HTTP/3, or what is like it" 'EPERM|not permitted' \
	'perl -MIO::Socket::INET -e "IO::Socket::INET->new(Proto => q(udp), PeerAddr => q(198.18.1.1:443))->send(q(x)) or die \$!"'
works "wget" 'wget -qO- --ca-certificate=ca.pem https://www.lab.example/page'
refused "another name" 'unable to resolve host address .?api.lab.example' \
	'wget -nv -t 3 -O- https://api.lab.example/page'
works "wget that is told to use no proxy" 'http_proxy=http://198.18.1.3:8000 no_proxy=lab.example \
	wget -qO- http://www.lab.example/page'
refused "wget by a proxy that isn't permitted" 'refused|failed: ' \
	'http_proxy=http://198.18.1.3:8000 wget -nv -t 1 -O- http://www.lab.example/page'
refused "by one whose name isn't" 'unable to resolve|proxy.invalid' \
	'https_proxy=http://proxy.invalid:3128 wget -nv -t 1 -O- https://www.lab.example/page'

# --- git ---
works "git clone over https" 'rm -rf r; git clone -q https://www.lab.example/repository.git r &&
	cat r/file && git -C r log --format=%s'
refused "another host" 'Could not resolve host: api.lab.example' \
	'git clone -q https://api.lab.example/repository.git r2'
if has sshd && has ssh; then
	must start_sshd
	ssh='GIT_SSH_COMMAND="ssh -F none -i .ssh/id_ed25519 -o UserKnownHostsFile=.ssh/known_hosts"'
	works "git clone over ssh" "rm -rf r; $ssh git clone -q \
		lab@www.lab.example:$LAB/site/repository.git r && cat r/file"
	refused "another host" 'Could not resolve hostname api.lab.example' \
		"$ssh git clone -q lab@api.lab.example:$LAB/site/repository.git r3"
	refused "an address" '198.18.1.2 port 22: Connection refused' \
		"$ssh git clone -q lab@198.18.1.2:$LAB/site/repository.git r3"
fi

# --- Packages ---
if has npm; then
	npm='HOME=$PWD/npm-home npm --no-audit --no-fund --no-update-notifier --loglevel=error
		--fetch-retries=0 --logs-max=0 --cafile='$RUN_HOME'/ca.pem --registry='
	works "npm install" "rm -rf n npm-home; mkdir n && cd n &&
		${npm//$'\n'/ }https://www.lab.example/npm/ install tiny >/dev/null &&
		cat node_modules/tiny/package.json"
	refused "another registry" 'ENOTFOUND.*api.lab.example|ECONNREFUSED' "rm -rf n npm-home; mkdir n &&
		cd n && ${npm//$'\n'/ }https://api.lab.example/npm/ install tiny"
fi
if python3 -m pip --version >/dev/null 2>&1; then
	pip="python3 -m pip --disable-pip-version-check --isolated download -q --retries 0 --no-deps \
		--no-cache-dir -d p --trusted-host www.lab.example --trusted-host api.lab.example"
	works "pip download" "rm -rf p; $pip -i http://www.lab.example/simple tiny && ls p"
	refused "another index" '(Failed to establish a new connection|No matching distribution|Name or service)' \
		"$pip -i http://api.lab.example/simple tiny"
else
	note "left out, as it is not installed: pip"
fi
if has apt-get && has dpkg-deb; then
	cat >home/apt.sh <<-'END'
		rm -rf a; mkdir -p a/lists/partial a/cache/archives/partial a/parts; : >a/status
		echo "deb [trusted=yes] http://$1/apt ./" >a/sources.list
		set -- -qq -o Dir::Etc=$PWD/a -o Dir::Etc::sourcelist=$PWD/a/sources.list \
			-o Dir::Etc::sourceparts=$PWD/a/parts -o Dir::State::lists=$PWD/a/lists \
			-o Dir::State::status=$PWD/a/status -o Dir::Cache=$PWD/a/cache \
			-o Dir::Etc::main=/dev/null -o Dir::Etc::parts=$PWD/a/parts \
			-o APT::Sandbox::User= -o Debug::NoLocking=1 -o Acquire::Languages=none
		apt-get "$@" update && cd a && apt-get "$@" download tiny && ls *.deb
	END
	works "apt-get update and download" 'APT_CONFIG=/dev/null sh apt.sh www.lab.example'
	refused "another mirror" 'Could not resolve .?api.lab.example' \
		'APT_CONFIG=/dev/null sh apt.sh api.lab.example; test -e a/*.deb'
fi

# --- Resolvers of their own ---
python='import socket, sys
for f in socket.AF_INET, socket.AF_INET6:
    print(socket.getaddrinfo(sys.argv[1], 443, f, socket.SOCK_STREAM)[0][4][0])'
works "python's resolver" "python3 -c '$python' www.lab.example"
refused "another name" 'gaierror.*Name or service not known' "python3 -c '$python' api.lab.example"
works "python's downloads" 'python3 -c "import urllib.request as u; print(u.urlopen(\"https://www.lab.example/page\").read())"'
if has node; then
	node='const d = require("dns"), n = process.argv[1], s = e => { console.error(String(e)); process.exit(1) };
		d.promises.lookup(n).then(a => { console.log(a.address);
		return d.promises.resolve4(n) }).then(a => { console.log(a);
		return d.promises.resolve6(n) }).then(a => console.log(a)).catch(s)'
	works "node's resolvers" "node -e '$node' www.lab.example"
	refused "another name" 'ENOTFOUND api.lab.example' "node -e '$node' api.lab.example"
	refused "by its own packets" 'queryA ENOTFOUND api.lab.example' \
		"node -e 'require(\"dns\").promises.resolve4(\"api.lab.example\").catch(e => {
			console.error(String(e)); process.exit(1) })'"
fi
if has musl-gcc; then
	cat >musl.c <<-'END'
		#include <netdb.h>
		#include <stdio.h>
		#include <sys/socket.h>
		#include <arpa/inet.h>
		int main(int argc, char **argv)
		{
			struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list, *a;
			int error = argc == 2 ? getaddrinfo(argv[1], "443", &hints, &list) : EAI_FAIL;
			char name[100];

			if (error) {
				puts(gai_strerror(error));
				return 1;
			}
			for (a = list; a; a = a->ai_next) {
				int fd = socket(a->ai_family, a->ai_socktype, 0);

				getnameinfo(a->ai_addr, a->ai_addrlen, name, sizeof(name), 0, 0, NI_NUMERICHOST);
				puts(name);
				if (connect(fd, a->ai_addr, a->ai_addrlen) != 0)
					perror("connect");
			}
			return 0;
		}
	END
	must musl-gcc -static -o home/musl musl.c
	works "a static binary of musl" './musl www.lab.example'
	refused "another name" 'Name does not resolve' './musl api.lab.example'
fi

# As Go's does: both types at once by one socket, with EDNS; then again by one connection.
cat >home/packets.pl <<-'END'
	use IO::Socket::INET;
	my ($name, %got) = shift;
	my ($server) = map { /^nameserver (\S+)/ } do { open(F, "/etc/resolv.conf"); <F> };
	sub question {
		pack("n6", $_[0], 0x0120, 1, 0, 0, 1) . join("", map { pack("C/a", $_) } split(/\./, $name)) .
			pack("C n n C n n N n", 0, $_[1], 1, 0, 41, 1232, 0, 0);
	}
	sub show {
		my ($id, $flags, undef, $answers) = unpack("n4", $_[0]);
		$got{$_[1] . $id} = "$id: rcode " . ($flags & 15) . ", answers $answers";
	}
	$SIG{ALRM} = sub { die "no answer\n" };
	alarm 10;
	my $udp = IO::Socket::INET->new(Proto => "udp", PeerAddr => "$server:53") or die $!;
	$udp->send(question(1, 1)) && $udp->send(question(2, 28)) or die $!;
	for (1 .. 2) { $udp->recv(my $answer, 4096) // die $!; show($answer, "udp"); }
	my $tcp = IO::Socket::INET->new(Proto => "tcp", PeerAddr => "$server:53") or die $!;
	print $tcp map { pack("n/a", question(@$_)) } [3, 1], [4, 28];
	$tcp->flush;
	for (1 .. 2) {
		my ($size, $answer);
		read($tcp, $size, 2) && read($tcp, $answer, unpack("n", $size)) or die "closed\n";
		show($answer, "tcp");
	}
	print map { "$_ $got{$_}\n" } sort keys %got;
	exit 1 if grep { !/rcode 0/ } values %got;
END
works "packets of its own, with EDNS, two at once, by UDP and TCP" 'perl packets.pl www.lab.example'
refused "another name" 'tcp4 4: rcode 3, answers 0.udp1 1: rcode 3, answers 0' \
	'perl packets.pl api.lab.example'

lab_done
