#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A permitted name, asked for over each transport and family, connects on its ports and on no other.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

lab_policy lab <<-'END'
	[[allow]]
	host = ["*.fresh.lab.example", "four.lab.example", "six.lab.example"]
	ports = ["tcp/443", "udp/443"]
	[[allow]]
	host = "api.lab.example"
	ports = ["tcp/8000-8005", "udp/123"]
	[[allow]]
	host = "*.wild.lab.example"
	[[allow]]
	host = "**.deep.lab.example"
	ports = ["tcp/80"]
END
lab_start
lab_up lab

# Each with a name of its own, so that its address is closed before.
i=0
for server in $NOSERVER4 "[$NOSERVER6]"; do
	for transport in udp tcp; do
		for type in A AAAA; do
			i=$((i + 1))
			address=198.18.1.$((100 + i))
			[ $type = A ] || address=2001:db8:1::$((100 + i))
			what="$type over $transport to $server"
			rejected "$what: closed before the question" tcp $address 443
			is "$what: answered" \
				"$(probe dns "$server" t$i.fresh.lab.example $type $transport)" \
				"NOERROR $address"
			reaches "$what: tcp/443" tcp $address 443
			reaches "$what: udp/443" udp $address 443
			for port in 22 80 123 853 8000; do
				rejected "$what: not tcp/$port" tcp $address $port
				rejected "$what: not udp/$port" udp $address $port
			done
			rejected "$what: no echo" echo $address
		done
	done
done

for address in 198.18.1.2 2001:db8:1::2; do
	[[ $address = *:* ]] && type=AAAA || type=A
	is "api, $type" "$(ask api.lab.example "$type")" "NOERROR $address"
	reaches "the first port of a range, $type" tcp $address 8000
	reaches "the last port of a range, $type" tcp $address 8005
	rejected "the port after a range, $type" tcp $address 8006
	rejected "a range is of one protocol, $type" udp $address 8000
	reaches "another protocol's port, $type" udp $address 123
	rejected "another entry's port, $type" tcp $address 443
done

# A family is opened by an answer of its own.
is "four has an A record" "$(ask four.lab.example A)" "NOERROR 198.18.1.4"
is "four has no AAAA record" "$(ask four.lab.example AAAA)" "NOERROR"
is "six has an AAAA record" "$(ask six.lab.example AAAA)" "NOERROR 2001:db8:1::6"
is "six has no A record" "$(ask six.lab.example A)" "NOERROR"
reaches "four" tcp 198.18.1.4 443
reaches "six" tcp 2001:db8:1::6 443

# Wildcards: '*' is one label, '**' one or more, neither is the name itself.
is "*: one label" "$(ask a.wild.lab.example)" "NOERROR 198.18.1.10"
like "*: not two" "$(ask b.a.wild.lab.example)" ^NXDOMAIN
like "*: not none" "$(ask wild.lab.example)" ^NXDOMAIN
is "**: one label" "$(ask a.deep.lab.example)" "NOERROR 198.18.1.12"
is "**: two" "$(ask b.a.deep.lab.example)" "NOERROR 198.18.1.13"
like "**: not none" "$(ask deep.lab.example)" ^NXDOMAIN
reaches "*: the default port" tcp 198.18.1.10 443
reaches "**: its port" tcp 198.18.1.13 80
is "letters of either case" "$(ask A.wIlD.LaB.eXaMpLe)" "NOERROR 198.18.1.10"

# What people use.
if command -v curl >/dev/null; then
	for family in 4 6; do
		like "curl over IPv$family" \
			"$(in_client curl -sS -$family --max-time 60 http://t20.fresh.lab.example:443/ 2>&1)" \
			'^reached .* port 443$'
		like "curl over IPv$family to another port" \
			"$(in_client curl -sS -$family --max-time 60 http://t20.fresh.lab.example:80/ 2>&1)" \
			'Failed to connect|Could.t connect'
	done
fi
if command -v dig >/dev/null; then
	is "dig" "$(in_client dig +short +tries=1 @$NOSERVER4 t21.fresh.lab.example)" 198.18.1.121
	is "dig +tcp" "$(in_client dig +tcp +short +tries=1 @$NOSERVER6 t21.fresh.lab.example AAAA)" \
		2001:db8:1::121
	reaches "dig's address" tcp 198.18.1.121 443
fi
if command -v kdig >/dev/null; then
	is "kdig" "$(in_client kdig +short +retry=0 @$NOSERVER6 t22.fresh.lab.example)" 198.18.1.122
	is "kdig +tcp" \
		"$(in_client kdig +tcp +short +retry=0 @$NOSERVER4 t22.fresh.lab.example AAAA)" \
		2001:db8:1::122
	reaches "kdig's address" tcp 2001:db8:1::122 443
fi
if command -v drill >/dev/null; then
	like "drill" "$(in_client drill t23.fresh.lab.example @$NOSERVER4)" 198.18.1.123
	like "drill over TCP" "$(in_client drill -t t23.fresh.lab.example @$NOSERVER4)" 198.18.1.123
fi
like "the C library" "$(in_client getent ahosts t24.fresh.lab.example)" \
	'198.18.1.124.*2001:db8:1::124|2001:db8:1::124.*198.18.1.124'
reaches "the C library's address" tcp 2001:db8:1::124 443

lab_done
