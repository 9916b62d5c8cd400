#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One table is ours, and no other is touched: by the ruleset's text, --apply, --remove or the
# resolver.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

lab_start

# Tables of others, one under a name much like ours and with chains and sets like ours.
must in_client nft -f - <<-'END'
	table inet egress-lab2 {
		set live {
			type mark
			elements = { 0x1, 0x2 }
		}
		map tcp-443-leases4 {
			type ipv4_addr : mark
			flags timeout
			elements = { 192.0.2.1 timeout 1d : 0x1 }
		}
		chain output {
			type filter hook output priority 10; policy accept;
			ct mark @live accept
		}
	}
	table ip nat {
		chain postrouting {
			type nat hook postrouting priority srcnat; policy accept;
			ip saddr 10.99.0.0/16 masquerade
		}
	}
	table ip6 egress-lab {
		chain input {
			type filter hook input priority 0; policy accept;
			tcp dport 2222 drop
		}
	}
	table arp watch {
		chain in {
			type filter hook input priority 0; policy accept;
		}
	}
END
others() {
	local table

	for table in "inet egress-lab2" "ip nat" "ip6 egress-lab" "arp watch"; do
		# shellcheck disable=SC2086
		in_client nft --stateless list table $table | sed 's/ expires [0-9a-z]*//'
	done
}
before=$(others)

# As they were, and no table came that isn't expected: same DESCRIPTION [TABLE]
same() {
	is "$1: the others are as they were" "$(others)" "$before"
	is "$1: and there are no more" \
		"$(in_client nft list tables | grep -v "^table ${2:-none}\$" | sort | tr '\n' ' ')" \
		"table arp watch table inet egress-lab2 table ip nat table ip6 egress-lab "
}

lab_policy lab <<-'END'
	[[allow]]
	host = "www.lab.example"
	[[allow]]
	ip = ["198.18.40.0/24", "2001:db8:40::/48"]
END
check "the ruleset loads beside other tables" lab_load lab
same "loaded" "inet egress-lab"
check "it loads twice" lab_load lab
same "loaded twice" "inet egress-lab"
text=$(lab_listing egress-lab)

must lab_resolver lab
is "a name" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
reaches "is open" tcp 198.18.1.1 443
must kill -HUP "$resolver_pid"
is "a name after SIGHUP" "$(ask www.lab.example AAAA)" "NOERROR 2001:db8:1::1"
same "resolver" "inet egress-lab"
lab_resolver_stop
is "the resolver ends well" $? 0
same "resolver ended" "inet egress-lab"

check "--remove" in_client "$compiler" lab.toml --remove
same "removed"
reaches "nothing is confined any more" tcp 198.18.1.3 22
check "--apply" in_client "$compiler" lab.toml --apply
same "applied" "inet egress-lab"
is "--apply loads what the text says" "$(lab_listing egress-lab)" "$text"
rejected "and confines" tcp 198.18.1.3 22
reaches "and permits" tcp 198.18.40.1 443
check "--apply twice" in_client "$compiler" lab.toml --apply
same "applied twice" "inet egress-lab"
check "--remove again" in_client "$compiler" lab.toml --remove
check "--remove of what isn't there" in_client "$compiler" lab.toml --remove
same "removed again"

lab_done
