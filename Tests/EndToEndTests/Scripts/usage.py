"""The statistics of a city: counted once whoever counts and how often, equal to its rows, told as text, JSON, CSV and a page."""
import concurrent.futures
import csv
import html.parser
import io
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from city import PROGRAM, City, wait_until

PERSONS = ("Zébulon", "Quatrebarbes", "zebulon@personne.example", "0611223344")


class Statistics:
    def __init__(self, city):
        self.city = city
        self.tenant = city.settings["tenant"]
        self.environment = dict(os.environ, BUS311_CONFIG=os.path.join(city.home, "settings.json"))

    def command(self, *arguments, code=0):
        done = subprocess.run([PROGRAM, *arguments], env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def show(self, *arguments):
        return self.command("statistics", "show", "--tenant", self.tenant, *arguments)

    def report(self, *arguments):
        return json.loads(self.show("--format", "json", *arguments))

    def sql(self, text):
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", self.city.settings["database_url"], "-c", text],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (text, done.stderr)
        return done.stdout.strip()

    def ask(self, query="", token=None):
        request = urllib.request.Request(
            f"{self.city.settings['status_ingest_url']}/v1/statistics{query}",
            headers={"Authorization": f"Bearer {token or self.city.settings['crm_token']}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, dict(answer.headers), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read().decode()


def put(city, request_id, update_id, body):
    request = urllib.request.Request(
        f"{city.settings['status_ingest_url']}/v1/service-requests/{request_id}/updates/{update_id}", method="PUT",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {city.settings['crm_token']}", "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def live(statistics):
    """What the city lives through; the answer is what a person would count."""
    city = statistics.city
    # A name that a spreadsheet would take for a formula.
    secret = json.loads(statistics.command(
        "key", "create", statistics.tenant, "--label", "=HYPERLINK(1)", "--scope", "write", "--scope", "read", "--format", "json"))["api_key"]
    taken = []
    for number in range(9):
        fields = {}
        if number < 4:
            fields.update(first_name="Zébulon", last_name="Quatrebarbes", email="zebulon@personne.example", phone="0611223344")
        if number < 2:
            fields["media_url"] = "https://photos.example/1.jpg"
        if number == 8:
            wait_until(lambda: city.post("Une autre application", api_key=secret, client_request_id="probe")[0] == 200, 10, "the new key")
            # The same again and again: one request.
            status, body = city.post("Une autre application", api_key=secret, client_request_id="probe")
        else:
            status, body = city.post(f"Lampadaire {number}", client_request_id=f"c{number}", **fields)
        assert status == 200, body
        taken.append(body[0]["service_request_id"])
    for number in range(3, 6):
        status, body = city.post(f"Lampadaire {number}", client_request_id=f"c{number}")
        assert status in (200, 409), body
    assert city.post("x", service_code="")[0] == 400
    assert city.post("x", api_key="b311_key_0000000000_000000000000000000000000")[0] in (401, 403)
    for number in range(6):
        assert put(city, taken[number], "a", {"status": "IN_PROCESS", "external_reference": f"CRM-{number}"}) == 201
    for number in range(4):
        assert put(city, taken[number], "b", {"status": "closed"}) == 201
    assert put(city, taken[0], "b", {"status": "closed"}) == 200
    assert put(city, taken[5], "c", {"status": "PENDING"}) == 409
    wait_until(lambda: statistics.sql("select count(*) from outbox where state = 'pending'") == "0", 20, "the outbox is empty")
    wait_until(lambda: int(statistics.sql("select count(*) from audit where operation = 'PUT updates'")) >= 12, 10, "the audit")
    return taken


FACTS = """
    select h.at, f.* from generate_series(date_trunc('hour', now() - interval '1 day', 'UTC'), now(), interval '1 hour') h (at)
    cross join lateral bus311_usage_facts(h.at, least(h.at + interval '1 hour', (select counted_to from usage_cursor))) f
    where h.at < (select counted_to from usage_cursor)"""
COUNTS = """select starts_at, tenant_id, measure, service_code, channel, access_key, detail, n from usage_counts where grain = 'hour' and n <> 0"""


def counted_once(statistics):
    """Several count at once, again and again, beside the watch of the city; then the counts are those of the rows."""
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for answer in [pool.submit(statistics.command, "statistics", "count", "--format", "json") for _ in range(6)]:
            assert "counted_to" in json.loads(answer.result())
    # One statement each: the watch may count on in between.
    difference = statistics.sql(
        f"select count(*) from ((({FACTS}) except ({COUNTS})) union all (({COUNTS}) except ({FACTS}))) d")
    assert difference == "0", difference
    for grain in ("day", "month"):
        assert statistics.sql(
            f"select count(*) from (select tenant_id, measure, sum(n) from usage_counts where grain = 'hour' group by 1, 2 except "
            f"select tenant_id, measure, sum(n) from usage_counts where grain = '{grain}' group by 1, 2) d") == "0", grain
    # A second counting of the whole hour, as it is done three hours later, changes nothing: no row came late.
    before = statistics.sql(f"select md5(string_agg(c::text, '' order by c::text)) from ({COUNTS} and starts_at < date_trunc('hour', now(), 'UTC')) c")
    statistics.sql("select bus311_usage_add(h, h + interval '1 hour', true) from (select date_trunc('hour', now(), 'UTC') - interval '1 hour') x (h)")
    assert before == statistics.sql(
        f"select md5(string_agg(c::text, '' order by c::text)) from ({COUNTS} and starts_at < date_trunc('hour', now(), 'UTC')) c")


def as_numbers(statistics, taken):
    report = statistics.report()
    figures = report["figures"]
    totals = figures["totals"]
    assert (totals["requests"], totals["with_photo"], totals["identified"], totals["anonymous"]) == (9, 2, 4, 5), totals
    assert totals["taken"] == 9 and totals["updates"] == 10 and totals["duplicates"] >= 2, totals
    durations = figures["durations"]
    assert durations["acknowledgement"]["count"] == 6 and durations["first_status"]["count"] == 6, durations
    assert durations["closing"]["count"] == 4 and durations["answer"]["count"] >= 9 and durations["delivery"]["count"] == 9, durations
    assert 0 < durations["answer"]["p50"] <= durations["answer"]["p99"] < 60, durations
    assert figures["by_statuses"] == {"IN_PROCESS": 6, "CLOSED": 4}, figures["by_statuses"]
    assert figures["by_refusals"]["missing"] >= 1 and sum(figures["by_refusals"].values()) == totals["refusals"], figures["by_refusals"]
    assert [service["requests"] for service in figures["services"] if service["service_code"] == "LAMP"] == [9], figures["services"]
    labels = {key["label"]: key for key in figures["keys"]}
    assert labels["=HYPERLINK(1)"]["taken"] == 1 and labels["=HYPERLINK(1)"]["duplicates"] >= 1, figures["keys"]
    assert sum(figures["requests_by_hour_of_week"]) == 9 and len(figures["requests_by_hour_of_week"]) == 168
    assert sum(day.get("requests", 0) for day in figures["days"].values()) == 9
    assert report["year_before"]["totals"]["requests"] == 0
    # The same for parts of months, added up from hours.
    part = statistics.report("--from", "2024-02-29", "--to", "2031-05-17")["figures"]
    for name in ("totals", "durations", "services", "channels", "keys", "requests_by_hour_of_week", "by_statuses"):
        if name not in ("totals", "keys"):
            assert part[name] == figures[name], (name, part[name], figures[name])
    everything = json.dumps(report, ensure_ascii=False) + statistics.sql("select string_agg(u::text, ' ') from usage_counts u")
    for word in PERSONS + tuple(taken):
        assert word not in everything, word
    return report


def as_text_and_table(statistics):
    assert "Demandes" in statistics.show() and "Requests" in statistics.show("--language", "en")
    for step, form in (("hour", r"\d{4}-\d\d-\d\d \d\d:00"), ("day", r"\d{4}-\d\d-\d\d"), ("month", r"\d{4}-\d\d")):
        rows = list(csv.DictReader(io.StringIO(statistics.show("--format", "csv", "--by", step))))
        assert all(re.fullmatch(form, row["starts"]) for row in rows), rows[0]
        assert sum(int(row["value"]) for row in rows if row["measure"] == "requests") == 9
        assert {row["detail"] for row in rows if row["measure"] == "closing"} == {"count", "p50", "p90", "p95", "p99"}
        cells = [cell for row in rows for cell in row.values()]
        assert "'=HYPERLINK(1)" in cells and not any(cell[:1] in ("=", "+", "-", "@") for cell in cells)
    target = os.path.join(statistics.city.folder.name, "statistics.csv")
    statistics.command("statistics", "export", "--tenant", statistics.tenant, "--output", target)
    assert os.path.getsize(target) > 500
    assert "new file" in statistics.command("statistics", "export", "--tenant", statistics.tenant, "--output", target, code=64)
    assert "must be a day" in statistics.command("statistics", "show", "--tenant", statistics.tenant, "--from", "soon", code=64)
    assert "before" in statistics.command(
        "statistics", "show", "--tenant", statistics.tenant, "--from", "2026-02-01", "--to", "2026-01-01", code=64)
    assert "tenant list" in statistics.command("statistics", "show", "--tenant", "nobody-000000", code=64)


class Page(html.parser.HTMLParser):
    """What a browser would make of it."""
    VOID = {"meta", "br"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.addresses, self.labels, self.headings = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        self.addresses += [values[name] for name in ("src", "href", "action", "data", "srcset") if name in values]
        if tag == "svg":
            assert values.get("role") == "img" and values.get("aria-label"), values
            self.labels.append(values["aria-label"])
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.open)


def as_page(statistics):
    for language, words in (("fr", ("Demandes par mois", "Jour par jour", "Délais", "un an avant")), ("en", ("Requests by month", "a year before"))):
        text = statistics.show("--format", "html", "--language", language)
        page = Page(text)
        assert not page.open and "script" not in page.tags and not page.addresses, (page.open, page.addresses)
        assert "http" not in text and "url(" not in text and "@import" not in text
        assert len(page.labels) >= 6 and f'<html lang="{language}">' in text
        assert page.tags.count("details") >= len(page.labels), "a chart without its numbers"
        for word in words:
            assert word in text, word
        for word in PERSONS:
            assert word not in text, word
    # For anybody: no key, no call, no group of fewer than five.
    text = statistics.show("--format", "html", "--public")
    assert "HYPERLINK" not in text and "Appels par clé" not in text and "Avec photo" not in text
    shown = statistics.report("--public")["figures"]
    assert shown["totals"]["requests"] == 9 and not {"with_photo", "calls", "updates", "messages"} & set(shown["totals"]), shown["totals"]
    # What is withheld is not there: no member says 0 for it.
    assert not {"keys", "crm", "by_calls_operation", "by_refusals", "by_messages"} & set(shown), list(shown)
    assert all(set(service) <= {"service_code", "service_name", "requests"} for service in shown["services"]), shown["services"]
    assert all(count >= 5 for count in shown["by_statuses"].values()), shown["by_statuses"]
    assert "closing" not in shown["durations"] and shown["durations"]["first_status"]["count"] == 6, shown["durations"]
    folder = os.environ.get("BUS311_KEEP_PAGES")
    if folder:
        with open(os.path.join(folder, "city.html"), "w", encoding="utf-8") as file:
            file.write(statistics.show("--format", "html"))


def by_api(statistics, report):
    status, headers, body = statistics.ask()
    told = json.loads(body)
    assert status == 200 and headers["Content-Type"].startswith("application/json"), headers
    assert told["tenant"] == statistics.tenant and told["figures"]["services"] == report["figures"]["services"]
    status, headers, body = statistics.ask("?format=html&language=en")
    assert status == 200 and "default-src 'none'" in headers["Content-Security-Policy"] and "Requests by month" in body
    status, headers, body = statistics.ask("?format=csv&by=hour&from=" + time.strftime("%Y-%m-01"))
    assert status == 200 and body.startswith("tenant,starts,measure"), (status, body[:200])
    for query, word in (("?from=soon", "from must be a day"), ("?format=pdf", "json, csv or html"), ("?by=hour&format=csv", "31 days"),
                        ("?language=de", "fr or en"), ("?public=true&format=csv", "public"), ("?public=perhaps", "true or false")):
        status, _, body = statistics.ask(query)
        assert status == 400 and word in body, (query, status, body)
    assert statistics.ask(token="b311_crm_nobody")[0] == 401
    # An app's key is no CRM's token.
    assert statistics.ask(token=statistics.city.settings["api_key"])[0] == 401


def main():
    with City() as city:
        statistics = Statistics(city)
        taken = live(statistics)
        # What is five seconds old is counted.
        time.sleep(5.5)
        counted_once(statistics)
        report = as_numbers(statistics, taken)
        as_text_and_table(statistics)
        as_page(statistics)
        by_api(statistics, report)
        metrics = city.settings.get("metrics_url")
        if metrics:
            with urllib.request.urlopen(metrics, timeout=10) as answer:
                assert "o311_statistics_counted_timestamp_seconds" in answer.read().decode()
    print("usage: ok")


main()
