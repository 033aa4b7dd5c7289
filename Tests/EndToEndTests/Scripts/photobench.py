"""Sends photos to a city of the tests and reads what its CRM is told."""
import glob
import json
import os
import urllib.error
import urllib.request

import pika

from city import wait_until


def multipart(fields, files):
    """A field may have several values."""
    body = b""
    for name, values in fields.items():
        for value in [values] if isinstance(values, str) else values:
            body += b'--zz9\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value.encode())
    for name, filename, content in files:
        body += b'--zz9\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n' % (name.encode(), filename.encode())
        body += b"Content-Type: image/jpeg\r\n\r\n" + content + b"\r\n"
    return body + b"--zz9--\r\n"


class Bench:
    def __init__(self, city):
        self.city = city
        self.settings = city.settings
        address = pika.URLParameters(city.settings["amqp_uri"])
        # A script that is busy with photos answers no heartbeat.
        address.heartbeat = 0
        self.channel = pika.BlockingConnection(address).channel()

    def post(self, files, headers=None, place=True, **more):
        fields = dict(
            jurisdiction_id=self.settings["jurisdiction_id"], api_key=self.settings["api_key"], service_code="LAMP", description="photo")
        if place:
            fields.update(lat="43.6", long="3.2")
        fields.update(more)
        request = urllib.request.Request(
            self.settings["gateway_url"] + "/requests.json", data=multipart(fields, files),
            headers={"Content-Type": "multipart/form-data; boundary=zz9", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def stored(self, files, **more):
        status, answer = self.post(files, **more)
        assert status == 200, (status, answer)
        return answer[0]["service_request_id"]

    def request(self, number):
        return json.loads(self.city.get(f"/requests/{number}.json?jurisdiction_id={self.settings['jurisdiction_id']}&extensions=true"))[0]

    def fetch(self, url, **headers):
        request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def events(self, number, count):
        """The next events of one request; others are passed over."""
        found = []

        def more():
            method, properties, body = self.channel.basic_get(self.settings["request_queue"], auto_ack=True)
            if method and properties.correlation_id == number:
                found.append(json.loads(body))
            return len(found) >= count

        wait_until(more, 60, f"{count} events of {number}, had {found}")
        return found

    def all_events(self, numbers, count, seconds):
        """The first events of several requests, whatever their order."""
        found = {number: [] for number in numbers}

        def more():
            method, properties, body = self.channel.basic_get(self.settings["request_queue"], auto_ack=True)
            if method and properties.correlation_id in found:
                found[properties.correlation_id].append(json.loads(body))
            return all(len(events) >= count for events in found.values())

        wait_until(more, seconds, f"{count} events of each of {len(found)}")
        return found

    def incoming(self):
        return glob.glob(os.path.join(self.city.home, "media", "incoming", "*"))

    def originals(self):
        return glob.glob(os.path.join(self.city.home, "media", "*", "original", "*", "*"))
