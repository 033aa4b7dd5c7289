#!/bin/sh
# Compares the policies of a live broker with policies.json. Exit 0 and no word when they agree, 1 with one line a difference.
# Policies for a single tenant (priority 50 and above) are the operators' own and are left out.
# RABBITMQCTL names another rabbitmqctl, for instance the one of a private broker.
set -eu
cd "$(dirname "$0")"

python3 - "${RABBITMQCTL:-rabbitmqctl}" <<'PYTHON'
import json
import subprocess
import sys


def described(policy):
    definition = policy["definition"]
    if isinstance(definition, str):
        definition = json.loads(definition)
    return {
        "pattern": policy["pattern"],
        "apply-to": policy["apply-to"],
        "priority": policy["priority"],
        "definition": definition,
    }


source = json.load(open("policies.json"))
differences = []
for command, kind in (("list_policies", "policies"), ("list_operator_policies", "operator_policies")):
    wanted = {policy["name"]: described(policy) for policy in source[kind]}
    output = subprocess.run(
        [sys.argv[1], "--quiet", command, "-p", "open311", "--formatter", "json"],
        check=True, capture_output=True, text=True,
    ).stdout
    live = {policy["name"]: described(policy) for policy in json.loads(output)}
    for name in sorted(wanted.keys() | live.keys()):
        if name not in live:
            differences.append(f"{name}: missing on the broker (policies/apply.sh sets it)")
        elif name not in wanted:
            if live[name]["priority"] < 50:
                differences.append(f"{name}: on the broker but not in policies.json")
        elif wanted[name] != live[name]:
            differences.append(f"{name}: {json.dumps(live[name])} on the broker, {json.dumps(wanted[name])} in policies.json")
print("\n".join(differences), end="\n" if differences else "")
sys.exit(1 if differences else 0)
PYTHON
