#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A real Prometheus asks a real resolver: contrib/prometheus and contrib/grafana against both.

# shellcheck disable=SC2119,SC2317 # functions are called by name
# shellcheck source=lab.sh
. "$(dirname "$0")/lab.sh"
lab_needs_programs
lab_needs curl jq prometheus promtool

contrib=${abs_top_srcdir:-$(dirname "$0")/../..}/contrib

# --- What is shipped ---

cp "$contrib/prometheus/"*.yml .
check "promtool reads the alert rules" promtool check rules egress.rules.yml
check "and how to scrape" promtool check config prometheus.yml
check "the rules fire when they should, and else not" promtool test rules egress.rules.test.yml

# --- A resolver, and who asks it ---

lab_start
lab_policy lab <<-END
	[[allow]]
	host = ["www.lab.example", "api.lab.example"]
	ports = ["tcp/80"]
	[[deny]]
	ip = "198.18.9.0/24"
	[budget]
	destinations = 10
	[metrics]
	listen = "127.0.0.1:9533"
END
lab_up lab
in_client curl -sS http://127.0.0.1:9533/metrics >text
check "promtool finds no fault in the numbers" promtool check metrics <text

# Every second, so that there is something to ask about soon.
sed -i 's/15s/1s/' prometheus.yml
mkdir data
nsenter --net=/run/netns/client prometheus --config.file=prometheus.yml --storage.tsdb.path=data \
	--web.listen-address=127.0.0.1:9090 --log.level=warn >prometheus.log 2>&1 &
prometheus_pid=$!
api() {
	in_client curl -sS --max-time 5 -G "http://127.0.0.1:9090/api/v1/$1" "${@:2}"
}

# query EXPRESSION: the result, as JSON; fails unless Prometheus takes it.
query() {
	api query --data-urlencode "query=$1" >answer && jq -e '.status == "success"' answer >/dev/null &&
		jq -c '.data.result' answer
}

# number EXPRESSION: of its only sample.
number() {
	query "$1" | jq -r '.[0].value[1] // empty'
}
number_is() {
	[ "$(number "$1")" = "$2" ]
}
must until_true 30 number_is 'up{job="egress"}' 1
ok "the resolver is up"

for ((i = 0; i < 5; i++)); do
	for name in www api other; do
		ask $name.lab.example >/dev/null
	done
	probe tcp 198.18.1.1 80 >/dev/null
	probe tcp 198.18.9.1 443 >/dev/null
	probe tcp 198.18.9.2 443 >/dev/null
	sleep 1
done
# gets EXPRESSION NUMBER
gets() {
	until_true 15 number_is "$1" "$2"
	is "$1" "$(number "$1")" "$2"
}
gets 'egress_queries_received_total' 15
gets 'sum(egress_queries_total)' 15
gets 'egress_queries_total{result="refused"}' 5
gets 'egress_refusals_total{rule="deny-1"}' 10
gets 'egress_connections_total{verdict="permit"}' 5
gets 'egress_leases' 2
gets 'sum(egress_upstream_latency_seconds_count) >= bool 2' 1
is "what kind each is, as it says" "$(api metadata | jq -r '.data | to_entries[] |
	select(.key | startswith("egress_")) | select((.key | endswith("_total")) !=
	(.value[0].type == "counter")) | .key')" ""
is "Prometheus has no word against any of it" "$(api targets | jq -r '.data.activeTargets[0].lastError')" ""
is "all alert rules are healthy" "$(api rules | jq -r '[.data.groups[].rules[].health] | unique | .[]')" ok

# --- The dashboard ---

# Each expression is one that Prometheus takes; what there is data of has some.
jq -r '.panels[] | .title as $title | .targets[].expr | [$title, .] | @tsv' \
	"$contrib/grafana/egress.json" >panels
check "the dashboard has expressions" test -s panels
while IFS=$'\t' read -r title expression; do
	expression=${expression//\\\\/\\}
	expression=${expression//\$job/egress}
	expression=${expression//\$instance/.*}
	expression=${expression//\$__rate_interval/1m}
	result=$(query "$expression") || result=failed
	case $title in
	"Alerts by rule")
		unlike "dashboard: $title: $expression" "$result" failed
		;;
	*)
		like "dashboard: $title: $expression" "$result" '^\[\{.*\}\]$'
		;;
	esac
done <panels
is "it asks for no number that there isn't" "$(grep -oE 'egress_[a-z_]+' panels egress.rules.yml -h |
	sed 's/_\(bucket\|sum\|count\)$//' | sort -u | while read -r family; do
	grep -q "^# TYPE $family " text || echo "$family"
done)" ""

kill $prometheus_pid
wait $prometheus_pid 2>/dev/null
lab_done
