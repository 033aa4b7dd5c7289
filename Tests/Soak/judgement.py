"""What is measured while a soak runs, and what must hold at its end."""
import contextlib
import os
import time

from world import wait_until

# The bounds; docs/operators/soak.md has them.
MEMORY_SHARE, MEMORY_MEGABYTES = 0.10, 8
DISK_SHARE, DISK_MEGABYTES = 0.20, 8
WARM_UP = 20  # seconds of a process that are not judged
PARENTS = ("service_requests", "reporters", "outbox", "status_updates")
OLD = 2_000


def make_past(world):
    """Requests whose year is over, for the day's retention, with their months."""
    world.sql(f"""
        set timezone = 'UTC';
        do $$ declare m date; p text; begin
            for i in 13..16 loop
                m := (date_trunc('month', now()) - make_interval(months => i))::date;
                foreach p in array array{list(PARENTS)} loop
                    execute format('create table if not exists %I partition of %I for values from (%s) to (%s)', p || '_' || to_char(m, 'YYMM'), p,
                        to_char(m, 'YYMM')::bigint * 1000000000, (to_char(m, 'YYMM')::bigint + 1) * 1000000000);
                end loop;
            end loop;
        end $$;
        insert into service_requests (id, tenant_id, service_code, service_name, description, requested_at, updated_at, received_via, language)
            select to_char(at, 'YYMM')::bigint * 1000000000 + 900000000 + n, (select min(id) from tenants), 'LAMP', 'n', 'past', at, at, 'api', 'fr'
            from (select n, date_trunc('month', now()) - make_interval(months => 13 + n % 4) + interval '10 days' as at
                  from generate_series(1, {OLD}) n) s""")
    return partitions(world)


def partitions(world):
    return set(filter(None, world.sql(
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where c.relkind = 'r' order by 1").split("\n")))


class Samples:
    def __init__(self, world, interval):
        self.world, self.interval, self.taken = world, interval, []

    def take(self):
        world = self.world
        size, confirmed, pending, requests, audit, statuses, sessions = map(int, world.sql("""
            select pg_database_size(current_database()), count(*) filter (where state = 'confirmed'), count(*) filter (where state = 'pending'),
                   (select count(*) from service_requests where description <> 'past'), (select count(*) from audit),
                   (select count(*) from status_updates), (select count(*) from pg_stat_activity where usename like 'bus311%') from outbox""").split("|"))
        media, files = world.media()
        queued = sum(queue.get("messages", 0) for queue in world.management("/api/queues/open311?columns=messages"))
        processes = {name: found for name, found in ((name, process.sample()) for name, process in world.processes.items()) if found}
        sample = dict(
            at=time.monotonic(), done=world.clock.done(), processes=processes, database=size, events=confirmed + pending, pending=pending,
            requests=requests, audit=audit, statuses=statuses, sessions=sessions, media=media, files=files, queued=queued,
            partitions=len(partitions(world)))
        self.taken.append(sample)
        return sample

    def longest_life(self, name):
        """The samples of that life of a process of which there are most, without its first moments."""
        lives = {}
        for sample in self.taken:
            if name in sample["processes"]:
                lives.setdefault(sample["processes"][name]["life"], []).append(sample)
        if not lives:
            return []
        longest = max(lives.values(), key=len)
        return [sample["processes"][name] for sample in longest if sample["at"] - longest[0]["at"] >= WARM_UP]


def check(what, is_so, detail):
    return dict(what=what, ok=bool(is_so), detail=detail)


def halves(values):
    middle = len(values) // 2
    return values[:middle], values[middle:]


def flat(samples):
    """Memory, descriptors and threads of each service, the second half of its longest life against the first."""
    rows, checks = [], []
    for name in samples.world.processes:
        life = samples.longest_life(name)
        if len(life) < 6:
            rows.append(dict(service=name, samples=len(life)))
            continue
        row = dict(service=name, samples=len(life))
        for what in ("megabytes", "descriptors", "threads"):
            first, second = halves([sample[what] for sample in life])
            row[what] = [round(max(first), 1), round(max(second), 1)]
        rows.append(row)
        (m1, m2), (d1, d2), (t1, t2) = row["megabytes"], row["descriptors"], row["threads"]
        checks.append(check(f"{name}: memory is flat", m2 <= m1 * (1 + MEMORY_SHARE) + MEMORY_MEGABYTES, f"{m1:.0f} → {m2:.0f} MB"))
        checks.append(check(f"{name}: descriptors and threads are flat", d2 <= d1 * 1.1 + 4 and t2 <= t1 * 1.1 + 4,
                            f"{d1:.0f} → {d2:.0f} descriptors, {t1:.0f} → {t2:.0f} threads"))
    checks.append(check("a life of each service was long enough to be judged", all("megabytes" in row for row in rows), ", ".join(
        f"{row['service']} {row['samples']}" for row in rows)))
    return rows, checks


def disk(samples):
    """Bytes of the database for each row that came, the second half against the first: an index or a dead row that is never reused shows."""
    taken = samples.taken
    begin, middle, end = taken[0], taken[len(taken) // 2], taken[-1]

    def grown(one, other):
        rows = sum(other[key] - one[key] for key in ("requests", "events", "statuses", "audit"))
        return other["database"] - one["database"], max(1, rows)

    (bytes1, rows1), (bytes2, rows2) = grown(begin, middle), grown(middle, end)
    allowed = rows2 * bytes1 / rows1 * (1 + DISK_SHARE) + DISK_MEGABYTES * 1e6
    per_photo1, per_photo2 = (sample["media"] / max(1, sample["files"]) for sample in (middle, end))
    return [
        check("the database grows by its rows only", bytes2 <= allowed,
              f"first half {bytes1 / 1e6:.1f} MB for {rows1} rows ({bytes1 / rows1:.0f} bytes each), second {bytes2 / 1e6:.1f} MB for {rows2} "
              f"({bytes2 / rows2:.0f} each); allowed {allowed / 1e6:.1f} MB"),
        check("the media store grows by its photos only", end["files"] == 0 or per_photo2 <= per_photo1 * 1.2 + 1_000,
              f"{end['files']} files, {end['media'] / 1e6:.1f} MB; {per_photo1:.0f}, then {per_photo2:.0f} bytes a file"),
        check("sessions of PostgreSQL are flat", max(s["sessions"] for s in taken[len(taken) // 2:]) <= max(s["sessions"] for s in taken[:len(taken) // 2]) + 8,
              f"{max(s['sessions'] for s in taken[:len(taken) // 2])} → {max(s['sessions'] for s in taken[len(taken) // 2:])} at most"),
    ]


def months(world, old):
    """The new month was made ahead, months whose year is over went, and nothing else came or went."""
    now = partitions(world)
    came, went = now - old, old - now
    start = world.clock.start
    ended = f"{(start.year - 1) % 100:02}{start.month:02}"
    fine = all(name.rsplit("_", 1)[1] < ended for name in went if name.rsplit("_", 1)[0] in PARENTS)
    return [check("partitions: months to come are made, only months whose year is over go", fine and len(came) <= len({name.rsplit('_', 1)[0] for name in now}),
                  f"{len(old)} → {len(now)}; came: {', '.join(sorted(came)) or 'none'}; went: {', '.join(sorted(went)) or 'none'}")]


def model(world, traffic, failure):
    found = traffic.model
    lost, rows = len(found.missing()), world.sql("select description || ' ' || count(*) from service_requests where description <> 'past' group by description")
    stored = dict(line.rsplit(" ", 1) for line in rows.split("\n") if line)
    doubled = sum(int(count) > 1 for count in stored.values())
    unstored = sum(marker not in stored for marker in found.answered)
    forgotten = traffic.forgotten()
    return [
        check("nothing ended before its time", failure is None and not traffic.failures, "; ".join(filter(None, [failure, *traffic.failures])) or "—"),
        check("lost = 0", lost == unstored == 0 and found.answered, f"{len(found.answered)} answered, {lost} not delivered, {unstored} not stored"),
        check("doubled = 0", doubled == 0, f"{found.again} sent again, {doubled} requests stored twice"),
        check("strange = 0", found.strange == 0, f"{found.strange} delivered to another city, or never asked for"),
        check("each request's events came in order", found.overtaken == 0, f"{found.overtaken} overtaken; {found.repeated} came again"),
        check("forgotten = 0", forgotten == 0 and found.noted, f"{found.statuses} statuses answered, {forgotten} not shown"),
    ]


def audit(world):
    """A row for each request that was taken in, and one for each event that was settled; each finished day is sealed, and its seal is right."""
    def counts():
        world.bus311("audit", "recover")
        return list(map(int, world.sql(
            "select (select count(*) from service_requests where description <> 'past'), (select count(distinct request_id) from audit where"
            " direction = 'in.http' and operation in ('POST requests', 'recovered')), (select count(*) from outbox where state = 'confirmed'),"
            " (select count(*) from audit where direction = 'out.amqp' and result = 'confirmed')").split("|")))

    found = []

    def agree():
        found[:] = counts()
        return found[0] == found[1] > 0 and found[2] == found[3] > 0

    try:
        wait_until(agree, 30, "the audit agrees")
        agrees = True
    except AssertionError:
        agrees = False
    seals = f"select count(*) from audit_seals where day = '{world.clock.start:%Y-%m-%d}'"
    with contextlib.suppress(AssertionError):
        # The watch that was killed last looks as soon as it runs.
        wait_until(lambda: int(world.sql(seals)) > 0, 60, "the day's seal")
    sealed = world.sql(seals)
    try:
        world.bus311("audit", "verify")
        verified = "verified"
    except AssertionError as error:
        verified = str(error)[:200]
    return [check("the audit's count is the model's", agrees, f"{found[0]} requests, {found[1]} rows of them; {found[2]} events settled, {found[3]} rows of them"),
            check("the day that is over is sealed, and verifies", int(sealed) > 0 and verified == "verified", f"{sealed} seals of {world.clock.start:%d %B}; {verified}{said(world, 'not sealed')}")]


def said(world, words):
    """The last line of the watches' logs with these words."""
    lines = []
    for name in ("watch-1", "watch-2"):
        with open(os.path.join(world.folder, name + ".log"), encoding="utf-8", errors="replace") as file:
            lines += [line.strip() for line in file if words in line]
    return f"; {lines[-1][:300]}" if lines else ""


def jobs(world, traffic):
    """What runs by the day and by the hour has run."""
    went = int(world.sql("select coalesce(sum(rows), 0) from retention_ledger where relation = 'service_requests' and action in ('deleted', 'dropped', 'anonymised')"))
    runs = world.sql("select count(*) || ' ' || coalesce(string_agg(distinct outcome, ','), '') from retention_runs where made_by = 'watch'")
    young = int(world.sql("select count(*) from retention_ledger where relation = 'service_requests' and newest > now() - interval '365 days'"))
    counted, requests = map(int, world.sql(
        "select coalesce((select sum(n) from usage_counts where grain = 'hour' and measure = 'requests' and starts_at < c.counted_to), 0),"
        " (select count(*) from service_requests where description <> 'past' and requested_at < c.counted_to) from usage_cursor c").split("|"))
    alerts = world.sql("select coalesce(string_agg(code || case when ended_at is null then ' (open)' else '' end || ' ' || n, ', ' order by code), '') from ("
                       "select code, max(ended_at) as ended_at, count(*) as n from alerts where fired_at is not null group by code) a")
    silence = int(world.sql(f"select count(*) from alerts a join tenants t on t.id = a.tenant_id where t.key = '{traffic.silent.key}'"
                            " and code = 'NO_CONSUMER' and fired_at is not null and ended_at is not null"))
    return [check("retention: old requests went, nothing younger than a year", went >= OLD and young == 0, f"{went} rows of requests; runs: {runs}; {young} too young"),
            check("statistics: every request is counted once", counted == requests > 0, f"{counted} counted of {requests}"),
            check("alerts: the silent CRM was told of, and it ended", silence > 0, f"fired: {alerts}")]


def judge(world, traffic, samples, happened, old, failure, minutes):
    for _ in range(5):
        try:
            samples.take()
            break
        except Exception:
            time.sleep(2)
    # The watch counts use every half minute.
    checks = model(world, traffic, failure) + audit(world)
    rows, more = flat(samples)
    checks += more + disk(samples) + months(world, old) + jobs(world, traffic)
    last = samples.taken[-1]
    checks.append(check("nothing waits at the end", last["pending"] == 0 and last["queued"] == 0, f"outbox {last['pending']}, queues {last['queued']}"))
    keep = max(1, len(samples.taken) // 12)
    return dict(minutes=minutes, hours=24, faults=happened, services=rows, checks=checks, samples=[
        {key: value for key, value in sample.items() if key not in ("processes", "at")} | dict(
            megabytes=round(sum(p["megabytes"] for p in sample["processes"].values())),
            descriptors=sum(p["descriptors"] for p in sample["processes"].values())) for sample in samples.taken[::keep]])


def table(report):
    lines = [f"24 hours in {report['minutes']:g} minutes, {len(report['faults'])} faults", "",
             f"{'service':<14} {'memory, MB':>16} {'descriptors':>14} {'threads':>12} {'samples':>8}"]
    for row in report["services"]:
        shown = [" → ".join(f"{value:.0f}" for value in row.get(what, ["?"])) if what in row else "?" for what in ("megabytes", "descriptors", "threads")]
        lines.append(f"{row['service']:<14} {shown[0]:>16} {shown[1]:>14} {shown[2]:>12} {row['samples']:>8}")
    lines += ["", f"{'done':>5} {'services':>9} {'descr.':>7} {'database':>9} {'media':>8} {'partitions':>10} {'requests':>9} {'outbox':>7} {'queues':>7}"]
    for sample in report["samples"]:
        lines.append(f"{100 * sample['done']:4.0f} % {sample['megabytes']:>6.0f} MB {sample['descriptors']:>7} {sample['database'] / 1e6:>6.0f} MB "
                     f"{sample['media'] / 1e6:>5.1f} MB {sample['partitions']:>10} {sample['requests']:>9} {sample['pending']:>7} {sample['queued']:>7}")
    lines += ["", *(f"{'yes' if entry['ok'] else 'NO':>4}  {entry['what']}: {entry['detail']}" for entry in report["checks"])]
    lines += ["", "soak: everything holds" if report["ok"] else f"soak: {sum(not entry['ok'] for entry in report['checks'])} checks do not hold"]
    return "\n".join(lines)
