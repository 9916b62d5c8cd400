#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# egress-learn --import: policies of other tools, what the drafts permit, and what is said of what
# means something else here.

# shellcheck source=../policies/tap.sh
. "$(dirname "$0")/../policies/tap.sh"
learn=${EGRESS_LEARN:-$abs_top_builddir/src/egress-learn}
cd "$work" || exit 99

# import FORMAT FILE: makes draft.toml of what standard input has.
import() {
	cat >"$2"
	rm -f draft.toml
	"$learn" --import "$1" "$2" -o draft.toml 2>said
	result $? "$1: $2 gives a policy" "$(cat said)"
	"$program" --check draft.toml >checked 2>&1
	result $? "$1: $2 compiles" "$(cat checked)"
}

permits() {
	"$program" --explain "$1" draft.toml >explained 2>&1
	result $? "permits $1" "$(cat explained)"
}

refuses() {
	"$program" --explain "$1" draft.toml >explained 2>&1
	[ $? -eq 4 ]
	result $? "refuses $1" "$(cat explained)"
}

says() {
	grep -qF -- "$1" said
	result $? "says: $1" "$(cat said)"
}

import agentshield agentshield.egress.toml <<'END'
schema_version = 1
[domains]
allow = ["*.tills.dev", "api.other.io", "a.evil.dev", "*"]
deny = ["evil.tills.dev", "*.evil.dev"]
[networks]
block_private = false
block_metadata = true
[rate_limits]
max_requests_per_minute = 60
[audit]
log_path = "audit.jsonl"
log_format = "text"
log_allowed = true
END
permits tills.dev
permits a.b.tills.dev:80
permits api.other.io
refuses x.api.other.io
refuses evil.tills.dev
refuses a.evil.dev
refuses tills.dev:22
refuses anything.org
says "line 9: a rate of requests"
says "'log_format': nothing here enforces it"
says "line 3: commented out: '*'"
says "'a.evil.dev' is denied by '**.evil.dev' there"
! grep -q '"private"' draft.toml && grep -q '^block = .*"metadata"' draft.toml &&
	grep -q '^path = "audit.jsonl"' draft.toml && grep -q '^allowed = true' draft.toml
result $? "its classes of addresses and its log"

import agentshield empty.egress.toml <<'END'
schema_version = 1
[domains]
allow = []
END
refuses anything.org
says "an empty allow list permits everything there; here nothing"

import grith egress.toml <<'END'
[egress]
enabled = true
mode = "monitor"
trusted_domains = ["tills.dev", "api.other.io"]
blocked_domains = ["bad.tills.dev"]
blocked_ports = [21]
allow_private_ip = true
blocked_command_tokens = ["nslookup "]
entropy_threshold = 4.5
review_ports = [53]
[egress.profile_trusted_domains]
claude-code = ["agent.tills.dev"]
[[allow]]
domain = "extra.dev"
reputation = 3
[[deny]]
domain = "worse.dev"
END
permits tills.dev
permits a.b.tills.dev
permits extra.dev
says "'blocked_command_tokens': nothing here enforces it"
says "'entropy_threshold': nothing here enforces it"
says "what waits for somebody's decision there is refused here"
says "trusted there for one program only"
says "'reputation': nothing here enforces it"
says "private addresses are permitted there"
says "a trusted name lowers a score there"
grep -q '^enforcement = "observe"' draft.toml
result $? "monitor observes"
sed -i '/^enforcement/d' draft.toml
refuses bad.tills.dev
refuses x.bad.tills.dev
refuses worse.dev

import harden-runner workflow.yml <<'END'
jobs:
  a:
    steps:
      - uses: step-security/harden-runner@v2
        with:
          egress-policy: block
          disable-sudo: true
          allowed-endpoints: >
            api.tills.dev:443
            *.tills.dev:8443
            portless.dev
            broken.dev:none
END
permits api.tills.dev
permits x.tills.dev:8443
refuses x.tills.dev:443
refuses x.y.tills.dev:8443
permits portless.dev
refuses broken.dev
says "'disable-sudo': nothing here enforces it"
says "'portless.dev' has no port: tcp/443"
says "left out: 'broken.dev:none'"

import harden-runner endpoints.txt <<'END'
# a comment
api.tills.dev:443 other.dev:22
END
permits api.tills.dev
permits other.dev:22
refuses other.dev:443

import fence fence.json <<'END'
// what it may reach
{"network": {"allowedDomains": ["*.tills.dev", "x.bad.dev"], "deniedDomains": ["bad.tills.dev", "*.bad.dev"],
	"allowLocalBinding": true},
 "extends": "code", "command": {"deny": ["git push"]},}
END
permits a.b.tills.dev
refuses tills.dev
refuses bad.tills.dev
refuses x.bad.dev
says "'deny': nothing here enforces it"
says "'allowLocalBinding': nothing here enforces it"
says "what it extends is not read"

import fence fence.txt <<'END'
# what a job may reach
one.tills.dev
eight.tills.dev:8443
tcp://tcp.tills.dev:80
udp://udp.tills.dev:5353
hostname named.tills.dev tcp 22
*.wild.dev
*.*.deep.dev
ip 9.1.1.1 tcp 853
ip 2a00::10 udp 5353
cidr 9.2.2.0/24 udp 123
hostname broken.dev tcp none
two.words.dev tcp 443
END
permits one.tills.dev
refuses one.tills.dev:80
permits eight.tills.dev:8443
refuses eight.tills.dev:443
permits tcp.tills.dev:80
permits udp/udp.tills.dev:5353
permits named.tills.dev:22
permits a.wild.dev
refuses a.b.wild.dev
permits a.b.deep.dev
refuses a.deep.dev
permits 9.1.1.1:853
permits 'udp/[2a00::10]:5353'
permits udp/9.2.2.7:123
refuses broken.dev
refuses two.words.dev
says "line 12: left out: 'broken.dev' has no port"
says "line 13: left out: 'two.words.dev' has no port"
says "eight names under all wildcards"

import fence fence.yml <<'END'
jobs:
  build:
    steps:
      - uses: openai/fence@v0
        with:
          mode: audit
          container_policy: disable
          allowlist: |
            # ours
            api.tills.dev
            cidr 9.2.2.0/24 tcp 5432
END
permits api.tills.dev
permits 9.2.2.9:5432
says "'container_policy': nothing here enforces it"
grep -q '^enforcement = "observe"' draft.toml
result $? "audit observes"

import hosts blocked.hosts <<'END'
# ads
0.0.0.0 ads.tills.dev
127.0.0.1 localhost
10.1.1.1 db
END
refuses ads.tills.dev
permits other.dev
says "line 4: an address that is given to a name there"

import list names.txt <<'END'
a.tills.dev
*.b.tills.dev
10.7.0.0/16
END
permits a.tills.dev
permits x.b.tills.dev
permits 10.7.1.1
refuses c.tills.dev

import cilium policy.yaml <<'END'
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: x}
spec:
  endpointSelector: {matchLabels: {app: till}}
  egress:
    - toEndpoints:
        - matchLabels: {a: b}
      toPorts:
        - ports:
            - port: "53"
              protocol: ANY
          rules:
            dns:
              - matchPattern: "*"
    - toFQDNs:
        - matchName: api.tills.dev
        - matchPattern: "*.tills.dev"
        - matchPattern: "*"
        - matchName: ${APP}
      toPorts:
        - ports:
            - port: "443"
              protocol: TCP
            - port: "8443"
    - toCIDRSet:
        - cidr: 172.20.0.0/16
          except: [172.20.1.0/24]
      toPorts:
        - ports: [{port: "5432", protocol: TCP}]
    - toCIDR: [10.0.0.0/8]
  egressDeny:
    - toCIDR: [172.20.2.0/24]
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
specs:
  - egress:
      - toFQDNs: [{matchName: second.dev}]
        toPorts: [{ports: [{protocol: UDP, port: "443"}]}]
END
permits api.tills.dev
permits api.tills.dev:8443
permits udp/api.tills.dev:8443
refuses udp/api.tills.dev:443
permits x.tills.dev
refuses x.y.tills.dev
refuses anything.org
permits 172.20.3.1:5432
refuses 172.20.1.1:5432
refuses 172.20.2.1:5432
refuses 172.20.3.1:443
permits udp/second.dev:443
refuses second.dev:443
says "left out: 'toEndpoints'"
says "which names may be asked is what the entries say, here"
says "line 19: commented out: '*'"
says "left out: '\${APP}'"
says "10.0.0.0/8 has addresses that [network] block keeps closed here"
says "a rule without ports is for all of them"

import cilium ports.yaml <<'END'
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
spec:
  egress:
    - toCIDR: [172.20.0.0/16]
      toPorts:
        - ports:
            - {port: "8000", endPort: 8100, protocol: TCP}
            - {port: http, protocol: TCP}
            - {port: "132", protocol: SCTP}
    - toCIDR: [172.21.0.0/16]
      toPorts: [{ports: [{endPort: 9000, port: "1", protocol: TCP}]}]
    - toCIDR: [172.22.0.0/16]
      toPorts: [{ports: [{port: http}]}]
  egressDeny:
    - toCIDR: [172.20.1.0/24]
      toPorts: [{ports: [{port: "8050", endPort: 8060}]}]
    - toCIDR: [172.21.1.0/24]
      toPorts: [{ports: [{port: "443"}, {port: https}]}]
END
permits 172.20.3.1:8000
permits 172.20.3.1:8100
refuses 172.20.3.1:8101
refuses 172.20.3.1:80
permits 172.20.1.1:8049
refuses 172.20.1.1:8055
permits 172.21.2.1:80
refuses 172.21.1.1:443
refuses 172.21.1.1:80
refuses 172.22.1.1:80
says "line 9: port 'http' is no number, so that it is left out"
says "line 10: left out: protocol 'SCTP'"
says "port 'https' is no number, so that it is denied on all ports"

# What is wrong.
echo 'schema_version =' >broken.toml
"$learn" --import agentshield broken.toml >said 2>&1
[ $? -eq 1 ] && grep -q 'not in the format' said
result $? "a file of another format is an error" "$(cat said)"
"$learn" --import nonsense broken.toml >said 2>&1
[ $? -eq 2 ] && grep -q "no format 'nonsense'" said
result $? "a format that isn't one is an error" "$(cat said)"
touch there.toml
"$learn" --import list names.txt -o there.toml >said 2>&1
[ $? -eq 1 ] && [ ! -s there.toml ]
result $? "what is there is not overwritten" "$(cat said)"
finish
