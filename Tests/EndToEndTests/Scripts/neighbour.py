"""A second city beside the demonstration's own, on the same bus."""
import json
import os
import subprocess
import tempfile
import urllib.parse

from city import PROGRAM

CATALOGUE = [
    {
        "service_code": code, "type": "realtime", "service_name": {"fr": code}, "description": {"fr": code},
        "group": {"fr": "Voirie"}, "keywords": [], "attributes": [],
    } for code in ("LAMP", "HARBOUR")
]


class Neighbour:
    """A second tenant beside the demonstration's own."""

    def __init__(self, city):
        self.city, self.jurisdiction = city, "voisin.example"
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(CATALOGUE, file)
            file.flush()
            self.key = self.run(
                "tenant", "create", "voisin", "--name", "Voisin", "--jurisdiction", self.jurisdiction, "--catalogue", file.name
            )["tenant"]
        self.run("tenant", "apply", self.key)
        self.api_key = self.run("key", "create", self.key, "--label", "app")["api_key"]
        self.crm_token = self.run("credential", "issue", self.key, "crm")["crm_token"]
        amqp = self.run("credential", "issue", self.key, "a")
        self.user = amqp["user"]
        own = urllib.parse.urlsplit(city.settings["amqp_uri"])
        self.amqp_uri = f"amqp://{amqp['user']}:{amqp['password']}@{own.hostname}:{own.port}/{amqp['vhost']}"

    def run(self, *arguments):
        """An operator's command."""
        answer = subprocess.run(
            [PROGRAM, *arguments, "--format", "json", "--config", os.path.join(self.city.home, "settings.json")],
            stdout=subprocess.PIPE, timeout=60, check=True)
        return json.loads(answer.stdout)

    def post(self, description, **fields):
        return self.city.post(description, jurisdiction_id=self.jurisdiction, api_key=self.api_key, **fields)

    def names(self, kinds=("requests", "dead", "status-in", "receipts")):
        return [f"o311.{self.key}.{kind}" for kind in kinds]
