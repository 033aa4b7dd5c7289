"""`make soak`: 24 hours of a bus for several cities in 20 minutes, with a day's load and faults on a schedule.

At the end nothing may be lost, and memory, descriptors, threads, partitions and disk must be flat: the second half against the first.
Exit 0: everything holds; 1: something does not, and the table says what.
"""
import argparse
import json
import os
import sys
import threading
import time
import traceback

from world import PROGRAM, World, wait_until  # first: it tells where the others lie
import faults
import judgement
from traffic import Traffic


def say(text):
    print(f"soak: {text}", file=sys.stderr, flush=True)


class Progress:
    """A line each ten seconds, and one for each fault."""

    def __init__(self, world, traffic, samples):
        self.world, self.traffic, self.samples = world, traffic, samples
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.ends.wait(self.samples.interval):
            try:
                taken = self.samples.take()
            except Exception as error:
                # PostgreSQL or the broker is away: a fault of the schedule. The next sample is soon.
                say(f"no sample ({error.__class__.__name__})")
                continue
            model, clock = self.traffic.model, self.world.clock
            memory = sum(process["megabytes"] for process in taken["processes"].values())
            say(f"{100 * clock.done():3.0f} % {clock.now():%d %b %H:%M} answered {len(model.answered)}, delivered {len(model.delivered)}, "
                f"statuses {model.statuses}, outbox {taken['pending']}, queues {taken['queued']}, services {memory:.0f} MB")


def break_things(world, traffic, happened):
    pending = sorted(faults.schedule(), key=lambda fault: fault[0])
    # On a slow machine the last faults come when the day is over.
    while world.clock.done() < 1 or pending and not traffic.failures:
        done = world.clock.done()
        silent = faults.SILENCE[0] <= done < faults.SILENCE[1]
        if silent != traffic.is_silent.is_set():
            (traffic.is_silent.set if silent else traffic.is_silent.clear)()
            say(f"{traffic.silent.key}'s CRM {'falls silent' if silent else 'is back'}")
        if pending and pending[0][0] <= done:
            _, what, how = pending.pop(0)
            say(what)
            started = time.monotonic()
            how(world)
            happened.append(dict(at=f"{world.clock.now():%d %b %H:%M}", what=what, seconds=round(time.monotonic() - started, 1)))
        if traffic.failures:
            return
        time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, epilog="Example: make soak SOAK_MINUTES=5", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=float(os.environ.get("SOAK_MINUTES") or 20), help="how long the 24 hours take; 1 at least")
    parser.add_argument("--format", choices=("text", "json"), default=os.environ.get("SOAK_FORMAT") or "text", help="text for people, json for scripts")
    options = parser.parse_args()
    if options.minutes < 1:
        parser.error("--minutes: give 1 at least; below, faults would overlap")
    if not os.access(PROGRAM, os.X_OK):
        parser.error(f"{PROGRAM} is not there: make release, or name another with BUS311_PROGRAM")
    say(f"24 hours in {options.minutes:g} minutes: preparing five cities")
    happened, failure = [], None
    with World(options.minutes, hours=24) as world:
        old = judgement.make_past(world)
        samples = judgement.Samples(world, interval=max(2.0, min(10.0, options.minutes * 60 / 60)))
        traffic = Traffic(world)
        traffic.start()
        world.clock.run()
        progress = Progress(world, traffic, samples)
        progress.thread.start()
        try:
            break_things(world, traffic, happened)
            say("the day is over: what is under way ends")
            traffic.stop_writing()
            wait_until(lambda: traffic.failures or not traffic.model.missing(), 120, "everything answered is delivered")
            wait_until(lambda: traffic.failures or traffic.due.empty(), 90, "every status is answered")
        except Exception as error:
            failure = f"{error}"
            traceback.print_exc(file=sys.stderr)
        progress.ends.set()
        progress.thread.join(30)
        report = judgement.judge(world, traffic, samples, happened, old, failure, options.minutes)
        traffic.stop()
        stopped = {name: process.stop() for name, process in world.processes.items()}
        report["checks"].append(judgement.check("every service ends with 0 when told to", all(code == 0 for code in stopped.values()), str(stopped)))
        report["ok"] = all(entry["ok"] for entry in report["checks"])
    print(json.dumps(report, indent=1) if options.format == "json" else judgement.table(report))
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
