"""The public client pyairtable against the gateway: it sends a create again when its answer was lost, and there is one row.

GATEWAY_URL, GATEWAY_TOKEN and LEDGER_URL say where it is, FAKE_CONTROL leads to the Airtable behind it.
"""

import http.client
import http.server
import json
import os
import threading
import unittest
import urllib.parse
import urllib.request

import requests
from pyairtable import Api
from pyairtable.formulas import match

URL = os.environ["GATEWAY_URL"]
TOKEN = os.environ["GATEWAY_TOKEN"]
LEDGER = os.environ["LEDGER_URL"]
CONTROL = os.environ["FAKE_CONTROL"]
BASE = "appGateway0000001"


class Proxy(http.server.ThreadingHTTPServer):
    """Between the client and the gateway: loses answers after the effect, and counts."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Passing)
        self.target = urllib.parse.urlsplit(URL)
        self.lose, self.posts = 0, 0
        self.url = f"http://127.0.0.1:{self.server_port}{self.target.path}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Passing(http.server.BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        upstream = http.client.HTTPConnection(self.server.target.netloc)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        if self.command == "POST":
            self.server.posts += 1
            if self.server.lose > 0:
                self.server.lose -= 1
                self.close_connection = True
                self.connection.close()
                return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = pass_on


def clients_of(run):
    """How many client records the ledger has of a run."""
    request = urllib.request.Request(f"{LEDGER}/v1/runs/{run}/summary", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["clients"]


def control(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{CONTROL}/{path}", data=data, method=method)) as answer:
        return json.load(answer)


class Gateway(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        leads = {"id": "tblLeads000000001", "name": "Leads", "fields": [{"name": "Name", "type": "singleLineText"}]}
        control("POST", "bases", {"id": BASE, "name": "Master", "tables": [leads]})

    def setUp(self):
        self.proxy = Proxy()
        self.addCleanup(self.proxy.server_close)
        self.addCleanup(self.proxy.shutdown)
        api = Api(TOKEN, endpoint_url=self.proxy.url)
        self.jobs = api.table(BASE, "Job Tracking")
        self.clients = api.table(BASE, "tblClients0000001")
        self.leads = api.table(BASE, "Leads")

    def refused(self, kind, status, work):
        with self.assertRaises(requests.HTTPError) as caught:
            work()
        self.assertEqual(caught.exception.response.status_code, status)
        self.assertIn(kind, str(caught.exception.args[1]))

    def test_a_create_that_the_client_sends_again_makes_one_row(self):
        for trial in range(20):
            run = f"251003-1000{trial:02}"
            self.jobs.create({"Run ID": run})
            self.proxy.lose, self.proxy.posts = 2, 0
            made = self.clients.create({"Run ID": run, "Client ID": "acme", "Client Name": "Mary O'Brien"})
            self.assertEqual(made["fields"]["Client Name"], "Mary O'Brien")
            # The client did send it again, and again; nobody but the ledger stood against it.
            self.assertEqual(self.proxy.posts, 3)
            self.assertEqual(clients_of(run), 1)

    def test_a_batch_that_the_client_sends_again_makes_its_rows_once(self):
        run = "251003-110000"
        self.jobs.create({"Run ID": run})
        self.proxy.lose = 1
        records = [{"Run ID": run, "Client ID": f"c{n:02}"} for n in range(25)]
        made = self.clients.batch_create(records)
        self.assertEqual([record["fields"]["Client ID"] for record in made], [f"c{n:02}" for n in range(25)])
        self.assertEqual(clients_of(run), 25)

    def test_rows_are_found_changed_and_never_made_by_the_way(self):
        run = "251003-120000"
        job = self.jobs.create({"Run ID": run, "Stream": 2})
        made = self.clients.create({"Run ID": run, "Client ID": "acme"})
        formula = match({"Run ID": f"{run}-acme", "Client ID": "acme"})
        self.assertEqual(self.clients.first(formula=formula), made)
        self.assertEqual(self.clients.get(made["id"]), made)
        self.assertIsNone(self.clients.first(formula=match({"Run ID": run, "Client ID": "Mary-O'Brien"})))
        key = ["Run ID", "Client ID"]
        done = self.clients.batch_upsert([{"fields": {"Run ID": run, "Client ID": "acme", "Total Posts Harvested": 4}}], key_fields=key)
        self.assertEqual((done["createdRecords"], done["updatedRecords"]), ([], [made["id"]]))
        unknown = [{"fields": {"Run ID": run, "Client ID": "zen", "Total Posts Harvested": 4}}]
        self.refused("ROW_DOES_NOT_EXIST", 422, lambda: self.clients.batch_upsert(unknown, key_fields=key))
        replaced = self.clients.update(made["id"], {"Status": "Completed"}, replace=True)
        self.assertEqual((replaced["fields"]["Status"], replaced["fields"]["Total Posts Harvested"]), ("Completed", 4))
        self.assertEqual(self.jobs.update(job["id"], {"Status": "Completed"})["fields"]["Total Posts Harvested"], 4)
        self.refused("ALREADY_ENDED", 422, lambda: self.jobs.update(job["id"], {"Status": "Failed"}))
        self.refused("DELETE_REFUSED", 422, lambda: self.jobs.delete(job["id"]))
        self.assertEqual(clients_of(run), 1)

    def test_an_answer_of_airtable_that_is_lost_is_said_and_not_sent_again(self):
        control("POST", "faults", {"match": {"writes": True}, "cut": "connection", "after_effect": True, "times": 1})
        self.refused("UPSTREAM_ANSWER_LOST", 502, lambda: self.leads.create({"Name": "Ada"}))
        self.assertEqual(len(self.leads.all(formula=match({"Name": "Ada"}))), 1)


if __name__ == "__main__":
    unittest.main()
