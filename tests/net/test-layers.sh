#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Names under denylists, overrides, budgets and entries that expire: what the resolver answers is
# what the ruleset lets through.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

lab_start

# up [OPTION...]: ruleset and resolver of lab.toml, both with these options.
up() {
	"$compiler" lab.toml "$@" >lab.nft && in_client nft -f - <lab.nft || return 1
	lab_resolver lab --workers 2 "$@"
}

# opens NAME ADDRESS4 ADDRESS6 [PORT]: it resolves, and connections to what it has go through.
opens() {
	is "$1" "$(ask "$1")" "NOERROR $2"
	is "$1 AAAA" "$(ask "$1" AAAA)" "NOERROR $3"
	reaches "$1: connects" tcp "$2" "${4:-443}"
	reaches "$1: connects by IPv6" tcp "$3" "${4:-443}"
}

# --- A denylist ---

lab_policy lab <<-'END'
	[[deny]]
	host = "other.lab.example"
	[[deny]]
	ip = ["198.18.1.2", "2001:db8:1::2"]
END
sed -i '2i mode = "denylist"' lab.toml
must up
opens www.lab.example 198.18.1.1 2001:db8:1::1
opens t1.fresh.lab.example 198.18.1.101 2001:db8:1::101 80
unlike "no lease was needed" "$(in_client nft list table inet egress-lab)" \
	'198\.18\.1\.1 |198\.18\.1\.101 '
is "a denied name" "$(ask other.lab.example)" "NXDOMAIN (EDE 15: deny-1)"
is "a name with a denied address only" "$(ask api.lab.example)" "NOERROR (EDE 17: deny-2)"
rejected "which is refused" tcp 198.18.1.2 443
rejected "in the other family, too" tcp 2001:db8:1::2 443
reaches "a bare address" udp 198.18.1.200 443
lab_resolver_stop

# --- Overrides ---

lab_policy lab <<-'END'
	[[allow]]
	host = ["www.lab.example", "api.lab.example", "other.lab.example", "*.fresh.lab.example"]
	ports = ["tcp/443", "tcp/80"]
END
cat >operator.toml <<-'END'
	version = 1
	[[deny]]
	host = "other.lab.example"
	[[deny]]
	ip = ["198.18.1.2", "2001:db8:1::2"]
	ports = ["tcp/80"]
	[[deny]]
	ip = "2001:db8:1::101"
END
cat >second.toml <<-'END'
	version = 1
	[[allow]]
	host = "**.lab.example"
	ports = ["tcp/1-65535"]
END
must up --override operator.toml --override second.toml
opens www.lab.example 198.18.1.1 2001:db8:1::1
opens www.lab.example 198.18.1.1 2001:db8:1::1 80
is "a name that the override denies" "$(ask other.lab.example)" "NXDOMAIN (EDE 15: o1:deny-1)"
opens api.lab.example 198.18.1.2 2001:db8:1::2
rejected "not on the port that it denies" tcp 198.18.1.2 80
rejected "in the other family, too" tcp 2001:db8:1::2 80
is "a name without its denied address" "$(ask t1.fresh.lab.example)" "NOERROR 198.18.1.101"
is "which is not answered" "$(ask t1.fresh.lab.example AAAA)" "NOERROR (EDE 17: o1:deny-3)"
rejected "nor reached" tcp 2001:db8:1::101 443

# Read again: the name that was denied is open, another one is closed.
cat >operator.toml <<-'END'
	version = 1
	[[deny]]
	host = "api.lab.example"
END
"$compiler" lab.toml --override operator.toml --override second.toml >lab.nft
must in_client nft -f - <lab.nft
kill -HUP "$resolver_pid"
denied_now() {
	[[ $(ask api.lab.example) = NXDOMAIN* ]]
}
check "a reload reads the override again" until_true 20 denied_now
opens other.lab.example 198.18.1.3 2001:db8:1::3
lab_resolver_stop

# --- A budget of destinations: names and bare addresses ---

lab_policy lab <<-'END'
	[[allow]]
	host = ["*.fresh.lab.example"]
	[[allow]]
	ip = ["198.18.40.0/24", "2001:db8:40::/48"]
	ports = ["tcp/443"]
	[budget]
	destinations = 4
	on_exceed = "refuse"
END
must up
opens t1.fresh.lab.example 198.18.1.101 2001:db8:1::101
opens t2.fresh.lab.example 198.18.1.102 2001:db8:1::102
reaches "a bare address" tcp 198.18.40.1 443
reaches "of the other family" tcp 2001:db8:40::1 443
is "a name too many" "$(ask t3.fresh.lab.example)" "NXDOMAIN (EDE 15: budget-destinations)"
rejected "an address too many" tcp 198.18.40.2 443
rejected "the name's address stays closed" tcp 198.18.1.103 443
reaches "a destination from before" tcp 198.18.40.1 443
opens t1.fresh.lab.example 198.18.1.101 2001:db8:1::101
like "the log tells" "$(cat "$resolver_log")" 'budget-destinations: .*: t3\.fresh\.lab\.example'
must lab_reload lab
is "a reload gives nothing back" "$(ask t3.fresh.lab.example)" "NXDOMAIN (EDE 15: budget-destinations)"
lab_resolver_stop

# --- The same session, and another one ---
must up
is "nor does another resolver" "$(ask t3.fresh.lab.example)" "NXDOMAIN (EDE 15: budget-destinations)"
must "$ctl" session new
is "a new session begins with none" "$(ask t3.fresh.lab.example)" "NOERROR 198.18.1.103"
lab_resolver_stop

# --- Different names under a wildcard ---

lab_policy lab <<-'END'
	[[allow]]
	host = "*.fresh.lab.example"
	wildcard_names = 3
	[budget]
	on_exceed = "refuse"
END
must up
asked=0
for ((i = 1; i <= 40; i++)); do
	[[ $(ask t$i.fresh.lab.example) = "NXDOMAIN (EDE 15: allow-1 wildcard_names)" ]] || asked=$((asked + 1))
done
is "as many names as wildcard_names" $asked 3
opens t1.fresh.lab.example 198.18.1.101 2001:db8:1::101
lab_resolver_stop

# --- An entry that expires under a connection ---

end=$(($(date +%s) + 8))
lab_policy lab <<-END
	[[allow]]
	host = "www.lab.example"
	expires = $(date -u -d "@$end" +%Y-%m-%dT%H:%M:%SZ)
	[[allow]]
	host = "twin.lab.example"
END
must up
opens www.lab.example 198.18.1.1 2001:db8:1::1
check "a connection" hold expiring 198.18.1.1 443
expired_now() {
	[[ $(date +%s) -gt $end && $(ask www.lab.example) = NXDOMAIN* ]]
}
check "the name is refused when its entry has expired" until_true 20 expired_now
cut_off "the connection ends" expiring
rejected "and there is no new one" tcp 198.18.1.1 443
opens twin.lab.example 198.18.1.1 2001:db8:1::1
lab_done
