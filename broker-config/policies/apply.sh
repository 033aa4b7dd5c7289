#!/bin/sh
# Sets the policies of policies.json on a live broker. Idempotent; takes effect at once on existing queues.
# RABBITMQCTL names another rabbitmqctl, for instance the one of a private broker.
set -eu
cd "$(dirname "$0")"

python3 - "${RABBITMQCTL:-rabbitmqctl}" <<'PYTHON'
import json
import subprocess
import sys

source = json.load(open("policies.json"))
for command, kind in (("set_policy", "policies"), ("set_operator_policy", "operator_policies")):
    for policy in source[kind]:
        subprocess.run(
            [
                sys.argv[1], "--quiet", command, "-p", policy["vhost"],
                "--priority", str(policy["priority"]), "--apply-to", policy["apply-to"],
                policy["name"], policy["pattern"], json.dumps(policy["definition"]),
            ],
            check=True,
        )
        print(policy["name"])
PYTHON
