#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# --apply brings a policy into force as a whole or not at all, whenever it is killed, changes the
# difference only, and leaves nothing behind. Lessons L13, L15, L16, L20.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs

# numbers FIRST COUNT: as many prefixes, none of which adjoins another.
numbers() {
	awk -v first="$1" -v count="$2" 'BEGIN {
		for (i = 0; i < count; i++) {
			a = 16 * i
			printf "%d.%d.%d.%d/29\n", first + int(a / 16777216), int(a / 65536) % 256,
				int(a / 256) % 256, a % 256
		}
	}'
}

apply() {
	in_client "$compiler" "$1.toml" --apply
}

# The generations of interval maps that there are.
generations() {
	in_client nft list ruleset | sed -nE 's/^\tmap .*(addresses|refused)[46]\.([0-9]+) \{$/\2/p' |
		sort -u | tr '\n' ' '
}

policy_full() {
	lab_policy lab <<-'END'
		[[allow]]
		host = "www.lab.example"
		[[allow]]
		host = "api.lab.example"
		[[allow]]
		ip = ["198.18.40.0/24", "2001:db8:40::/48"]
		[[allow]]
		ip = ["198.18.41.1"]
		[[deny]]
		ip = ["198.18.40.9"]
	END
}

# Without api and 198.18.41.1, but with 198.18.42.1.
policy_less() {
	lab_policy lab <<-'END'
		[[allow]]
		host = "www.lab.example"
		[[allow]]
		ip = ["198.18.40.0/24", "2001:db8:40::/48"]
		[[allow]]
		ip = ["198.18.42.1"]
		[[deny]]
		ip = ["198.18.40.9"]
	END
}

# --- What the text says ---
policy_full
lab_start
must lab_load lab
text=$(lab_listing egress-lab)
check "--apply over the text" apply lab
is "is the same ruleset" "$(lab_listing egress-lab)" "$text"
is "in a generation of its own" "$(generations)" "1 "
check "--remove" in_client "$compiler" lab.toml --remove
check "--apply without a ruleset" apply lab
is "is the same ruleset" "$(lab_listing egress-lab)" "$text"
check "the text over --apply" lab_load lab
is "is in force" "$(in_client nft list chain inet egress-lab judge | grep -c '@refused4 ')" 1
check "--apply again" apply lab
is "is the same ruleset" "$(lab_listing egress-lab)" "$text"
like "and nothing else is there" "$(generations)" '^[0-9]+ $'
reaches "a permitted address" tcp 198.18.40.1 443
reaches "over IPv6" tcp 2001:db8:40::1 443
rejected "a denied address" tcp 198.18.40.9 443
rejected "any other" tcp 198.18.42.1 443
like "a denied address has a chain" "$(lab_listing egress-lab)" 'chain deny-1 \{'

# --- Again, with leases and connections ---
must lab_resolver lab
for name in www:1 api:2; do
	must ask "${name%:*}.lab.example" A
	must hold "${name%:*}4" "198.18.1.${name#*:}" 443
done
must hold address4 198.18.40.1 443
must hold address6 2001:db8:40::1 443
must hold only4 198.18.41.1 443
before=$(lab_listing egress-lab)
check "the same policy again" apply lab
check "and again" apply lab
is "the table is the same, leases included" "$(lab_listing egress-lab)" "$before"
for name in www4 api4 address4 address6 only4; do
	alive "$name goes on" $name
done
reaches "a lease is still open" tcp 198.18.1.1 443
is "the resolver goes on" "$(ask www.lab.example AAAA)" "NOERROR 2001:db8:1::1"
reaches "with leases in the table" tcp 2001:db8:1::1 443

# --- A changed policy ---
policy_less
check "a changed policy" apply lab
for name in www4 address4 address6; do
	alive "$name goes on" $name
done
for name in api4 only4; do
	cut_off "$name ends" $name
done
rejected "what is gone is refused" tcp 198.18.41.1 443
rejected "also by its lease" tcp 198.18.1.2 443
reaches "what is new is open" tcp 198.18.42.1 443
rejected "what is denied is refused as before" tcp 198.18.40.9 443
like "one generation is there" "$(generations)" '^[0-9]+ $'
lab_resolver_stop
is "the resolver ends well" $? 0

# --- A group of ports that vanishes under a resolver ---
# The resolver goes on with the policy that it has read until it is told to read it again; a map
# that this has and the table has not any more is one into which nothing can be opened.
two_groups() {
	lab_policy lab <<-'END'
		[[allow]]
		host = ["www.lab.example", "t1.fresh.lab.example", "t2.fresh.lab.example"]
		[[allow]]
		host = ["api.lab.example", "t3.fresh.lab.example", "t4.fresh.lab.example"]
		ports = ["udp/443"]
	END
}
one_group() {
	lab_policy lab <<-'END'
		[[allow]]
		host = ["www.lab.example", "t1.fresh.lab.example", "t2.fresh.lab.example"]
	END
}
answers() {
	[[ $(ask "$1") == "$2"* ]]
}
two_groups
must apply lab
must lab_resolver lab
is "a name of one group" "$(ask www.lab.example)" "NOERROR 198.18.1.1"
is "a name of another" "$(ask api.lab.example)" "NOERROR 198.18.1.2"
reaches "which is open" udp 198.18.1.2 443
one_group
check "a policy without the second group" apply lab
unlike "takes its maps away" "$(lab_listing egress-lab)" 'map udp-443-leases'
check "a fresh name of it is not answered" answers t3.fresh.lab.example SERVFAIL
check "nor, soon, one that was answered before" until_true 5 answers api.lab.example SERVFAIL
rejected "and it is closed" udp 198.18.1.2 443
is "a fresh name of the first is" "$(ask t1.fresh.lab.example)" "NOERROR 198.18.1.101"
reaches "and open" tcp 198.18.1.101 443
two_groups
check "the group is back" apply lab
check "and its names are answered" until_true 5 answers t4.fresh.lab.example "NOERROR 198.18.1.104"
reaches "and open" udp 198.18.1.104 443
one_group
must apply lab
must kill -HUP "$resolver_pid"
check "a resolver that reads the policy again refuses them" until_true 20 answers \
	api.lab.example "NXDOMAIN"
is "and answers others" "$(ask t2.fresh.lab.example)" "NOERROR 198.18.1.102"
reaches "which are open" tcp 198.18.1.102 443
lab_resolver_stop
is "it ends well" $? 0

# --- What was counted ---
lab_policy lab <<-'END'
	[[allow]]
	ip = ["198.18.40.0/24"]
	[limits]
	bytes = "1 GiB"
	[budget]
	destinations = 100
	on_exceed = "refuse"
END
# spent: bytes of the quota, and destinations.
spent() {
	in_client nft list quotas table inet egress-lab | grep -oE 'used .*'
	set_of destinations-100 | grep -oE '::ffff:[0-9.]+' | sort
}
must apply lab
reaches "a destination" tcp 198.18.40.1 443
reaches "and another" tcp 198.18.40.2 443
before=$(spent)
unlike "a chain that nothing leads to is gone" "$(lab_listing egress-lab)" 'chain deny-1 '
like "are counted" "$before" 'used [1-9].*::ffff:198\.18\.40\.1.*::ffff:198\.18\.40\.2'
check "--apply" apply lab
is "keeps what was counted" "$(spent)" "$before"

# --- Leftovers ---
must in_client nft -f - <<-'END'
	add chain inet egress-lab deny-99
	add map inet egress-lab tcp-443-addresses4.7 { type ipv4_addr : mark; flags interval; }
	add map inet egress-lab refused4.7 { type ipv4_addr : verdict; flags interval; }
	add map inet egress-lab tcp-99-leases4 { type ipv4_addr : mark; flags timeout; }
	add limit inet egress-lab limit-connections-99-second { rate over 99/second; }
	add quota inet egress-lab bytes-00000099 { over 99 bytes; }
	add element inet egress-lab tcp-443-addresses4.7 { 0.0.0.0/0 : 1 }
	add element inet egress-lab refused4.7 { 10.0.0.0/8 : goto deny-99 }
END
check "--apply with leftovers" apply lab
like "takes them away" "$(generations)" '^[12] $'
unlike "and their chains, leases, limits and quotas" "$(lab_listing egress-lab)" \
	'deny-99|tcp-99|connections-99|bytes-00000099'

# --- After another policy ---
# Whatever policy was in force before, with whatever limits, groups and refusals: each of those that
# the compiler is tested with comes to the same table as in a kernel that had none.
for policy in "${abs_top_srcdir:?}"/tests/policies/*.toml; do
	name=$(basename "$policy" .toml)
	sed 's/^name = .*/name = "lab"/' "$policy" >"shipped-$name.toml"
	grep -q '^name = ' "$policy" || sed -i '/^version = /a name = "lab"' "shipped-$name.toml"
done
# What the table holds but for the servers that the resolver asks, which it sets itself.
listing() {
	lab_listing egress-lab | sed '/set upstream[46] {/s/[[:space:]]*elements = {[^}]*}//'
}

previous=lab different='' shipped=0
for policy in shipped-*.toml; do
	name=${policy%.toml}
	in_client "$compiler" "$policy" >"$name.nft" 2>/dev/null || continue
	must in_client "$compiler" lab.toml --remove
	in_client nft -f - <"$name.nft" 2>/dev/null || continue
	shipped=$((shipped + 1))
	fresh=$(listing)
	must apply "$previous"
	must apply "$name"
	[ "$(listing)" = "$fresh" ] || different+=" $name after $previous"
	previous=$name
done
note "$shipped policies"
is "a policy after another one is as it would be alone" "$different" ""
check "of which there are some" [ $shipped -gt 10 ]
must apply lab

# --- A kernel that refuses ---
before=$(in_client nft --stateless list ruleset)
{
	cat lab.toml
	echo '[scope]'
	echo 'cgroups = ["no/such/group"]'
} >worse.toml
apply worse 2>worse.err
is "what nft refuses is status 3" $? 3
is "and changes nothing" "$(in_client nft --stateless list ruleset)" "$before"
must in_client "$compiler" lab.toml --remove
apply worse 2>worse.err
is "nor without a ruleset" "$?" 3
is "where nothing is left" "$(in_client nft list ruleset)" ""

# --- Killed at any moment ---
# Two policies that both permit 198.18.40.0/24. Of 198.18.41.1 and 198.18.42.1 each permits one,
# and denies the other; all of them are among many.
many_policy() {
	numbers 11 12000 >"$1.txt"
	numbers 12 8000 >"$1-denied.txt"
	lab_policy "$1" <<-END
		[[allow]]
		list = "$1.txt"
		[[allow]]
		ip = ["198.18.40.0/24", "198.18.$2.1", "$3"]
		[[deny]]
		list = "$1-denied.txt"
		[[deny]]
		ip = ["198.18.$4.1"]
	END
}
many_policy one 41 192.0.2.0/24 42
many_policy two 42 192.0.2.0/25 41
must apply one
must hold through 198.18.40.1 443
start=$(date +%s%N)
must apply two
took=$((($(date +%s%N) - start) / 1000000))
note "one takes $took ms"
must apply one

# Which of the policies is in force: by what is reached, and by how it is refused.
in_force() {
	local one two

	one=$(probe tcp 198.18.41.1 443)
	two=$(probe tcp 198.18.42.1 443)
	if [[ $one == 198.18.41.1* && $two =~ $REJECTED ]]; then
		echo one
	elif [[ $two == 198.18.42.1* && $one =~ $REJECTED ]]; then
		echo two
	else
		echo "neither: $one, $two"
	fi
}
RANDOM=1
torn=0 kills=0 changes=0 last=one
for ((i = 0; i < 60; i++)); do
	[ "$last" = one ] && next=two || next=one
	nsenter --net=/run/netns/client "$compiler" "$next.toml" --apply 2>>killed.log &
	pid=$!
	moment=$((RANDOM % (took + took / 4)))
	sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
	kill -KILL $pid 2>/dev/null
	wait $pid 2>/dev/null
	[ $? -eq 137 ] && kills=$((kills + 1))
	now=$(in_force)
	case $now in
	one | two)
		[ "$now" = "$last" ] || changes=$((changes + 1))
		last=$now
		;;
	*)
		note "after $moment ms: $now"
		torn=$((torn + 1))
		;;
	esac
	[[ $(probe tcp 198.18.40.1 443) == 198.18.40.1* ]] || torn=$((torn + 1))
	[[ $(probe tcp 198.18.43.1 443) =~ $REJECTED ]] || torn=$((torn + 1))
done 2>/dev/null
note "$kills killed, $changes changes"
is "killed at any moment, one policy or the other is in force" $torn 0
check "some were killed" [ $kills -gt 10 ]
check "and some had changed it" [ $changes -gt 0 ]
alive "a connection goes on through all of it" through
check "the next one" apply one
is "is in force" "$(in_force)" one
like "and takes away what the others left" "$(generations)" '^[0-9]+ $'
is "there is no table but ours" "$(in_client nft list tables)" "table inet egress-lab"

# --- While packets flow ---
# New flows of a rule that stays go on being permitted while others come and go.
must in_client sysctl -qw net.netfilter.nf_conntrack_udp_timeout=1
for policy in one two; do
	lab_policy $policy-udp <<-END
		[[allow]]
		ip = ["198.18.40.0/24"]
		ports = ["udp/443"]
		[[allow]]
		ip = ["198.18.41.$((RANDOM % 256))"]
		ports = ["udp/443"]
		[[deny]]
		ip = ["198.18.42.$((RANDOM % 256))"]
	END
done
must apply one-udp
reaches "before" udp 198.18.40.1 443
apply_on() {
	while [ ! -e enough ]; do
		apply one-udp && apply two-udp || return
		echo >>applied
	done
}
apply_on 2>apply.log &
applier=$!
is "no flow is refused while policies are applied" "$(probe flood 198.18.40.1 443 2000000)" \
	"0 refused"
: >enough
check "they are applied each time" wait $applier
note "$(wc -l <applied) times two"

# --- Several at once ---
must apply one
pids=()
for i in 1 2 3; do
	for policy in one two; do
		nsenter --net=/run/netns/client "$compiler" $policy.toml --apply 2>>together.log &
		pids+=($!)
	done
done
failed=0
for pid in "${pids[@]}"; do
	wait "$pid" || failed=$((failed + 1))
done
is "several at once wait for each other" $failed 0
like "and one of them is in force" "$(in_force)" '^(one|two)$'
is "the maps are whole" "$(in_client nft list ruleset | grep -cE '^	map .*addresses4')" 1
like "of one generation" "$(generations)" '^[0-9]+ $'

# --- Without any privilege ---
numbers 11 100000 >large.txt
cat >large.toml <<-'END'
	version = 1
	name = "lab"
	[network]
	block = []
	[[allow]]
	list = "large.txt"
END
unprivileged() {
	setpriv --reuid="$LAB_UID" --clear-groups unshare -Urn sh -c "$1"
}
cp "$compiler" "$LAB/compiler"
export -f unprivileged
chmod 755 "$LAB"
check "100,000 prefixes in a user namespace, twice" unprivileged "
	cd '$LAB' && ./compiler large.toml --apply && ./compiler large.toml --apply &&
	test \$(nft list map inet egress-lab tcp-443-addresses4.2 | grep -oE '[0-9.]+/29' |
		wc -l) = 100000"

lab_done
