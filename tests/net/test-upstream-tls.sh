#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# DNS over TLS to the upstream server: answers come through it, from the server that was meant and
# from no other, and nothing is ever asked in clear text instead.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs openssl unbound unbound-control
lab_needs_programs

# Port 853 is the servers'.
WORLD_PORTS="22 80 443"
lab_start

# --- Certificates ------------------------------------------------------------------------------

# authority NAME: NAME.pem with NAME.key, who signs.
authority() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
		-keyout "$1.key" -out "$1.pem" -subj "/CN=$1" 2>>openssl.log
}

# certificate NAME HOST AUTHORITY [OPTION...]
certificate() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" \
		-out "$1.csr" -subj "/CN=dns.lab.example" 2>>openssl.log &&
		echo "subjectAltName=DNS:$2" >"$1.ext" &&
		openssl x509 -req -in "$1.csr" -CA "$3.pem" -CAkey "$3.key" -CAcreateserial \
			-extfile "$1.ext" -out "$1.pem" "${@:4}" 2>>openssl.log
}

# The end of its time is past: "openssl ca" takes any dates.
expired_certificate() {
	mkdir -p ca.dir && : >ca.dir/index && echo 1000 >ca.dir/serial
	cat >ca.conf <<-END
		[ca]
		default_ca = it
		[it]
		database = ca.dir/index
		serial = ca.dir/serial
		new_certs_dir = ca.dir
		default_md = sha256
		policy = any
		[any]
		commonName = supplied
	END
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" \
		-out "$1.csr" -subj "/CN=dns.lab.example" 2>>openssl.log &&
		echo "subjectAltName=DNS:$2" >"$1.ext" &&
		openssl ca -batch -config ca.conf -cert "$3.pem" -keyfile "$3.key" -in "$1.csr" \
			-out "$1.pem" -startdate 20200101000000Z -enddate 20210101000000Z \
			-extfile "$1.ext" -notext 2>>openssl.log
}

must authority trusted
must authority stranger
must certificate good dns.lab.example trusted -days 30
must certificate other other.lab.example trusted -days 30
must certificate subject unrelated.example trusted -days 30
must certificate foreign dns.lab.example stranger -days 30
must expired_certificate expired dns.lab.example trusted
must openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
	-keyout self.key -out self.pem -subj /CN=dns.lab.example \
	-addext subjectAltName=DNS:dns.lab.example
pin=$(openssl x509 -in self.pem -pubkey -noout | openssl pkey -pubin -outform der |
	openssl dgst -sha256 -binary | openssl base64)
other_pin=$(openssl x509 -in good.pem -pubkey -noout | openssl pkey -pubin -outform der |
	openssl dgst -sha256 -binary | openssl base64)

# --- Servers -----------------------------------------------------------------------------------

# dot NAME ADDRESS [LINE...]: unbound with NAME's certificate.
dot() {
	{
		cat <<-END
			server:
				interface: $2@853
				tls-port: 853
				tls-service-key: "$LAB/$1.key"
				tls-service-pem: "$LAB/$1.pem"
				access-control: 0.0.0.0/0 allow
				username: ""
				chroot: ""
				directory: "$LAB"
				pidfile: ""
				use-syslog: no
				module-config: "iterator"
				do-daemonize: no
				tcp-idle-timeout: 1500
				extended-statistics: yes
			remote-control:
				control-enable: yes
				control-interface: "$LAB/$1.control"
				control-use-cert: no
			stub-zone:
				name: "lab.example"
				stub-addr: $UPSTREAM4
		END
		printf '%s\n' "${@:3}"
	} >"$1.conf"
	nsenter --net=/run/netns/world unbound -d -c "$LAB/$1.conf" >"$1.log" 2>&1 &
	dot_pid=$!
	until_true 10 unbound_says "$1" status
}

unbound_says() {
	unbound-control -c "$LAB/$1.conf" "${@:2}" 2>/dev/null
}

must dot good 198.18.0.60
good_pid=$dot_pid
must dot self 198.18.0.65
# Impostors: what is said to them in spite of their certificates is NAME.heard.
for server in other:61 subject:62 expired:63 foreign:64; do
	nsenter --net=/run/netns/world openssl s_server -quiet -naccept 1000 \
		-cert "${server%:*}.pem" -key "${server%:*}.key" -accept "198.18.0.${server#*:}:853" \
		>"${server%:*}.heard" 2>"${server%:*}.server" < <(sleep 1000) &
done
# One that speaks DNS over TCP on that port, without TLS.
cat >plain.conf <<-END
	server:
		interface: 198.18.0.66@853
		access-control: 0.0.0.0/0 allow
		username: ""
		chroot: ""
		directory: "$LAB"
		pidfile: ""
		use-syslog: no
		do-daemonize: no
		module-config: "iterator"
		local-zone: "lab.example" redirect
		local-data: "lab.example A 198.18.66.1"
END
nsenter --net=/run/netns/world unbound -d -c "$LAB/plain.conf" >plain.log 2>&1 &

# What is sent to any DNS port in clear text is counted.
must in_client nft -f - <<-END
	table inet watch {
		counter clear { }
		chain out {
			type filter hook postrouting priority 300;
			oifname "to-world" meta l4proto { tcp, udp } th dport 53 counter name clear
			oifname "to-world" udp dport 853 counter name clear
		}
	}
END
clear_text() {
	in_client nft list counter inet watch clear | sed -n 's/.*packets \([0-9]*\).*/\1/p'
}

# policy SERVER...
policy() {
	{
		lab_head_alone
		echo "upstream = [$(printf '"%s", ' "$@")]"
		echo '[[allow]]'
		echo 'host = ["*.lab.example", "**.wild.lab.example"]'
	} >lab.toml
}

export SSL_CERT_FILE=$LAB/trusted.pem

# --- The server that was meant -----------------------------------------------------------------

policy "tls://198.18.0.60#dns.lab.example"
lab_up lab
is "an answer comes" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
reaches "and its address is open" tcp 198.18.1.1 443
is "another one" "$(ask api.lab.example)" "NOERROR 198.18.1.2"
is "one that does not exist" "$(ask none.lab.example)" "NXDOMAIN"
is "a long one" "$(ask big.lab.example A tcp | wc -w)" 61
is "the server was asked by TLS alone" \
	"$(unbound_says good stats_noreset | grep -c '^num.query.tls=[1-9]')" 1
tls=$(unbound_says good stats_noreset | sed -n 's/^num.query.tls=//p')
all=$(unbound_says good stats_noreset | sed -n 's/^total.num.queries=//p')
is "for each question" "$tls" "$all"
# The server closes the connection after a while: the next one goes on with its session.
sleep 2.5
is "an answer over a new connection" "$(ask four.lab.example)" "NOERROR 198.18.1.4"
like "for which the session was resumed" \
	"$(unbound_says good stats_noreset | grep tls.resume)" '=[1-9]'
is "nothing left in clear text" "$(clear_text)" 0
lab_resolver_stop

# --- Others ------------------------------------------------------------------------------------

# closed DESCRIPTION SERVER WHY: nothing is answered, and the log says why.
closed() {
	local before

	before=$(clear_text)
	policy "$2"
	# What was leased before is another matter.
	in_client nft delete table inet egress-lab
	lab_up lab
	like "$1: no answer" "$(ask www.lab.example)" '^SERVFAIL'
	rejected "$1: nothing is open" tcp 198.18.1.1 443
	like "$1: the log says why" "$(cat "$resolver_log")" "$3"
	is "$1: nothing leaves in clear text" "$(clear_text)" "$before"
	lab_resolver_stop
}

closed "another name" "tls://198.18.0.61#dns.lab.example" "ostname mismatch"
closed "the name as the subject only" "tls://198.18.0.62#dns.lab.example" "ostname mismatch"
closed "expired" "tls://198.18.0.63#dns.lab.example" "expired"
closed "an authority that is not trusted" "tls://198.18.0.64#dns.lab.example" \
	"no TLS: .*(issuer|self-signed)"
closed "signed by itself" "tls://198.18.0.65#dns.lab.example" "no TLS: self-signed"
closed "a server without TLS" "tls://198.18.0.66#dns.lab.example" "no TLS: "
closed "a server that is not there" "tls://198.18.0.67#dns.lab.example" "no TLS: Connection refused"
closed "another key than the pin" "tls://198.18.0.65#pin-sha256=$other_pin" \
	"its key is none of the pins"
for server in other subject expired foreign; do
	is "$server heard nothing" "$(wc -c <$server.heard)" 0
done

# --- Pins --------------------------------------------------------------------------------------

policy "tls://198.18.0.65#pin-sha256=$other_pin,pin-sha256=$pin"
lab_up lab
is "a pinned key needs no authority" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
lab_resolver_stop

# --- More than one -----------------------------------------------------------------------------

policy "tls://198.18.0.64#dns.lab.example" "tls://198.18.0.60#dns.lab.example"
lab_up lab
is "behind a server that is not trusted another one is asked" "$(ask www.lab.example)" \
	"NOERROR 198.18.1.1"
is "and nothing left in clear text" "$(clear_text)" 0
kill -KILL "$good_pid"
like "when that is gone there are no answers" "$(ask api.lab.example)" '^SERVFAIL'
must dot good 198.18.0.60
answers_again() {
	[[ $(ask api.lab.example) = NOERROR* ]]
}
check "until it is back" until_true 20 answers_again
is "without any clear text" "$(clear_text)" 0
lab_resolver_stop

# Beside a server in clear text the one with TLS is asked.
policy "udp://$UPSTREAM4" "tls://198.18.0.60#dns.lab.example"
lab_up lab
is "beside a server without TLS" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
is "the one with TLS is asked" "$(clear_text)" 0
lab_resolver_stop

# --- What is wrong at the start ----------------------------------------------------------------

policy "tls://198.18.0.60#dns.lab.example"
export SSL_CERT_FILE=$LAB/nothing.pem
in_client "$resolver" lab.toml --user $LAB_USER >start.out 2>start.log
is "without certificates to trust it does not start" $? 3
like "and says why" "$(cat start.log)" "DNS over TLS cannot read the certificates"
resolver_pid=
lab_done
