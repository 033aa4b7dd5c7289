#!/usr/bin/env python3
"""Tries a CRM's consumer: duplicates, disorder, poison, crashes, cuts, a broker's restart. Prints what it did well and what not.

    bus311 demo                                          # in another terminal: an installation that the kit may disturb
    python3 conformance_kit.py --home .bus311 -- python3 consumers/python-pika/consumer.py

The command is started with AMQP_URI, QUEUE, STATUS_EXCHANGE, CRM_TOKEN and STATE (an empty folder) in its environment, and
started again after each crash. The kit reads what it has stored from the table `requests (id, sequence, changes)` of
$STATE/crm.sqlite3, or from what the command of --state prints. Nobody else may consume the tenant's queue meanwhile.

Exit codes: 0 all is well, 1 some behaviour is not, 64 wrong usage, 69 the installation does not answer.
Needs pika (PyPI, or Debian's python3-pika).
"""
import argparse
import json
import os
import sys
import tempfile

from conformance.behaviours import BEHAVIOURS, Run, perform
from conformance.bus import Bus
from conformance.consumer import Consumer


def table(outcomes):
    """Lines of a table, subject by behaviour, then each failure in full. outcomes: subject -> behaviour -> None or text."""
    names = list(dict.fromkeys(name for outcome in outcomes.values() for name in outcome))
    width = max(len(name) for name in names)
    subjects = list(outcomes)
    lines = [" " * width + "".join(f"  {subject:>6}" for subject in subjects)]
    for name in names:
        cells = ("-" if name not in outcomes[subject] else "FAILED" if outcomes[subject][name] else "ok" for subject in subjects)
        lines.append(f"{name:{width}}" + "".join(f"  {cell:>{max(6, len(subject))}}" for subject, cell in zip(subjects, cells)))
    for subject in subjects:
        lines += [f"\n{subject}, {name}: {failure}" for name, failure in outcomes[subject].items() if failure]
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", default=".bus311", help="the folder of `bus311 demo` (default: .bus311)")
    parser.add_argument("--state", metavar="COMMAND", help="prints `number sequence changes`, a line for each stored request")
    parser.add_argument("--only", action="append", choices=list(BEHAVIOURS), metavar="NAME", help="one behaviour; may be repeated")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--list", action="store_true", help="list the behaviours and end")
    parser.add_argument("command", nargs="*", help="after --: the consumer's command line")
    try:
        options = parser.parse_args()
    except SystemExit as ending:
        return 64 if ending.code else 0
    if options.list:
        width = max(len(name) for name in BEHAVIOURS)
        for name, function in BEHAVIOURS.items():
            print(f"{name:{width}}  {function.__doc__.splitlines()[0]}")
        return 0
    if not options.command:
        print("no consumer: give its command line after --, as in: conformance_kit.py -- php consumer.php", file=sys.stderr)
        return 64

    def report(name, failure, seconds):
        print(f"{'FAILED' if failure else 'ok':7}{name} ({seconds:.1f} s)", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="bus311-conformance-") as folder:
        try:
            bus = Bus(options.home)
            consumer = Consumer(bus, options.command, os.path.join(folder, "state"), options.state)
        except (OSError, KeyError) as error:
            print(f"{options.home} is not the folder of a running `bus311 demo` ({error!r}): start one, or give --home", file=sys.stderr)
            return 69
        try:
            if consumer.consumers():
                print(f"somebody consumes {bus.settings['request_queue']} already: stop that first", file=sys.stderr)
                return 69
            outcome = perform(Run(bus, consumer, bus.restart_broker), options.only, report)
        except OSError as error:
            print(f"the installation in {options.home} does not answer ({error}): does `bus311 demo` run?", file=sys.stderr)
            return 69
        finally:
            consumer.close()
    if options.format == "json":
        print(json.dumps({name: failure or "ok" for name, failure in outcome.items()}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(table({"result": outcome})))
    return 1 if any(outcome.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
