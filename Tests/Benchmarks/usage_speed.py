"""Statistics in the benchmark: a year's page of a tenant, as its CRM asks for it, with the year before beside."""
import os
import time
import urllib.request
from statistics import median

from measure import REPOSITORY, Service, database_url, psql, run

YEAR = os.path.join(REPOSITORY, "Tests", "Benchmarks", "usage_year.sql")
REQUESTS_A_DAY = 270


def page(city, form):
    request = urllib.request.Request(
        f"{city.settings['status_ingest_url']}/v1/statistics?format={form}",
        headers={"Authorization": f"Bearer {city.settings['crm_token']}"})
    start = time.monotonic()
    with urllib.request.urlopen(request, timeout=30) as answer:
        size = len(answer.read())
    return (time.monotonic() - start) * 1e3, size


def year(city, table, rounds):
    tenant = psql(city, f"select id from tenants where key = '{city.settings['tenant']}'")
    run("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-v", f"tenant={tenant}", "-v", f"per_day={REQUESTS_A_DAY}", "-f", YEAR,
        database_url(city, "bus311"))
    requests = int(psql(city, f"select sum(n) from usage_counts where tenant_id = {tenant} and grain = 'month' and measure = 'requests'"))
    rows = int(psql(city, f"select count(*) from usage_counts where tenant_id = {tenant} and grain <> 'hour'"))
    slowest, form = [], "{:.0f}"
    with Service(city, "status-ingest"):
        page(city, "html")
        for _ in range(rounds):
            times = [page(city, "html") for _ in range(20)]
            slowest.append(median(taken for taken, _ in times))
    worst = max(slowest)
    table.row("A year's statistics page of a tenant, the year before beside", f"{worst:.0f} ms (median, worst of {rounds})", "≤ 100 ms",
              worst <= 100, f"{', '.join(form.format(value) for value in slowest)} ms; {times[0][1] // 1000} kB of HTML from {rows} sums; "
              f"{requests} requests in two years, 20 services, 3 apps; others used the machine: load {os.getloadavg()[0]:.0f}")
