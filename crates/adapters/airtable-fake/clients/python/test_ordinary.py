"""The public client pyairtable does its ordinary work against the fake, and must not notice.

FAKE_URL and FAKE_CONTROL say where it is. Nothing here knows how the fake is made. With FAKE_TOKEN the way there leads through
a gateway, which wants that token: then what is about the connection itself is left out.
"""

import datetime
import json
import os
import unittest
import urllib.request

import requests
from pyairtable import Api, retry_strategy
from pyairtable.formulas import EQ, OR, Field, match
from pyairtable.orm import Model
from pyairtable.orm import fields as orm

URL = os.environ["FAKE_URL"]
CONTROL = os.environ["FAKE_CONTROL"]
TOKEN = os.environ.get("FAKE_TOKEN", "patTEST")
direct = unittest.skipIf("FAKE_TOKEN" in os.environ, "a gateway stands between")
BASE = "appClientTests001"
SCHEMA = {
    "id": BASE,
    "name": "Clients",
    "tables": [
        {
            "id": "tblRunRecords0001",
            "name": "Run Records",
            "fields": [
                {"name": "Key", "type": "singleLineText"},
                {"name": "N", "type": "number"},
                {"name": "Start", "type": "dateTime"},
                {"name": "Done", "type": "checkbox"},
                {"name": "Status", "type": "singleSelect", "options": {"choices": [{"name": "Running"}]}},
                {"name": "Twice", "type": "formula", "options": {"formula": "{N} * 2"}},
                {"name": "Seq", "type": "autoNumber"},
            ],
        }
    ],
}


def control(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{CONTROL}/{path}", data=data, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


class Run(Model):
    """A record as an object."""

    key = orm.TextField("Key")
    number = orm.NumberField("N")
    start = orm.DatetimeField("Start")
    done = orm.CheckboxField("Done")

    class Meta:
        base_id = BASE
        table_name = "Run Records"
        api_key = TOKEN


class Ordinary(unittest.TestCase):
    def setUp(self):
        settings = {"base_requests": 1000000, "token_requests": 1000000}
        control("POST", "reset", {"bases": [SCHEMA], "settings": settings})
        self.api = Api(TOKEN, endpoint_url=URL)
        self.table = self.api.table(BASE, "Run Records")

    def fill(self, count):
        records = [{"Key": f"k{n}", "N": n} for n in range(count)]
        control("POST", f"bases/{BASE}/tables/tblRunRecords0001/records", records)

    def refused(self, kind, status, work):
        with self.assertRaises(requests.HTTPError) as caught:
            work()
        self.assertEqual(caught.exception.response.status_code, status)
        self.assertIn(kind, str(caught.exception.args[1]))

    def test_records_are_created_read_changed_and_deleted(self):
        made = self.table.create({"Key": "k", "N": 1})
        self.assertEqual(self.table.get(made["id"]), made)
        self.assertEqual(made["fields"]["Twice"], 2)
        changed = self.table.update(made["id"], {"N": 2})
        self.assertEqual(changed["fields"]["Key"], "k")
        replaced = self.table.update(made["id"], {"N": 3}, replace=True)
        self.assertNotIn("Key", replaced["fields"])
        cast = self.table.create({"N": "5", "Status": "New"}, typecast=True)
        self.assertEqual(cast["fields"]["Status"], "New")
        self.assertEqual(self.table.delete(made["id"]), {"id": made["id"], "deleted": True})
        self.refused("NOT_FOUND", 404, lambda: self.table.get(made["id"]))

    def test_batches_are_cut_into_tens(self):
        made = self.table.batch_create([{"Key": f"k{n}", "N": n} for n in range(25)])
        self.assertEqual([record["fields"]["N"] for record in made], list(range(25)))
        changed = self.table.batch_update([{"id": record["id"], "fields": {"N": 0}} for record in made])
        self.assertEqual(len(changed), 25)
        deleted = self.table.batch_delete([record["id"] for record in made])
        self.assertTrue(all(record["deleted"] for record in deleted))
        self.assertEqual(self.table.all(), [])

    def test_upserts_say_what_was_created_and_what_was_updated(self):
        self.table.create({"Key": "a", "N": 1})
        records = [{"fields": {"Key": key, "N": 2}} for key in "abc"]
        done = self.table.batch_upsert(records, key_fields=["Key"])
        self.assertEqual((len(done["createdRecords"]), len(done["updatedRecords"])), (2, 1))
        self.assertEqual(len(self.table.all()), 3)
        # Empty keys match nothing.
        empty = [{"fields": {"Key": None}}]
        self.assertEqual(len(self.table.batch_upsert(empty, key_fields=["Key"])["createdRecords"]), 1)
        self.assertEqual(len(self.table.batch_upsert(empty, key_fields=["Key"])["createdRecords"]), 1)

    def test_lists_go_over_all_pages(self):
        self.fill(250)
        self.assertEqual(len(self.table.all()), 250)
        self.assertEqual([len(page) for page in self.table.iterate(page_size=90)], [90, 90, 70])
        self.assertEqual(len(self.table.all(max_records=7)), 7)

    def test_lists_are_filtered_and_sorted(self):
        self.fill(20)
        self.table.create({"Key": "O'Brien \"x\" \\"})
        found = self.table.all(formula=match({"Key": "O'Brien \"x\" \\"}), fields=["Key"])
        self.assertEqual([record["fields"] for record in found], [{"Key": "O'Brien \"x\" \\"}])
        either = OR(EQ(Field("Key"), "k3"), EQ(Field("Key"), "k5"))
        found = self.table.all(formula=either, sort=["-N"])
        self.assertEqual([record["fields"]["N"] for record in found], [5, 3])
        self.assertEqual(self.table.first(formula="{N} = 4")["fields"]["Key"], "k4")
        self.refused("INVALID_FILTER_BY_FORMULA", 422, lambda: self.table.all(formula="{Nope} = 1"))

    def test_long_formulas_are_posted(self):
        self.fill(3)
        keys = ",".join(f"{{Key}}='k{n}'" for n in range(1500))
        self.assertEqual(len(self.table.all(formula=f"OR({keys})")), 3)
        targets = [request["target"] for request in control("GET", "requests")["requests"]]
        self.assertTrue(any("listRecords" in target for target in targets))

    def test_the_schema_is_read_and_changed(self):
        base = self.api.base(BASE)
        schema = base.schema().table("Run Records")
        self.assertEqual(schema.field("Status").options.choices[0].name, "Running")
        self.assertEqual(schema.primary_field_id, schema.field("Key").id)
        self.assertEqual(schema.field("N").options.precision, 0)
        self.table.create_field("Extra", "number", options={"precision": 1})
        self.assertEqual(self.table.create({"Extra": 1.5})["fields"]["Extra"], 1.5)
        base.create_table("Second", [{"name": "Name", "type": "singleLineText"}])
        self.assertEqual(base.table("Second").all(), [])
        self.assertIn(BASE, [found.id for found in self.api.bases(force=True)])
        self.assertTrue(self.api.whoami()["id"].startswith("usr"))

    def test_records_are_objects(self):
        Run.Meta.endpoint_url = URL
        Run.meta.api.endpoint_url = type(Run.meta.api.endpoint_url)(URL)
        start = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.timezone.utc)
        run = Run(key="k", number=1, start=start, done=True)
        self.assertTrue(run.save().created)
        again = Run.from_id(run.id)
        self.assertEqual((again.key, again.number, again.start, again.done), ("k", 1, start, True))
        again.number = 2
        again.done = False
        again.save()
        found = Run.first(formula=match({"Key": "k"}))
        self.assertEqual((found.number, found.done), (2, False))
        found.delete()
        self.assertEqual(Run.all(), [])

    def test_refusals_have_their_types(self):
        self.refused("UNKNOWN_FIELD_NAME", 422, lambda: self.table.create({"key": "k"}))
        self.refused("INVALID_VALUE_FOR_COLUMN", 422, lambda: self.table.create({"Twice": 1}))
        self.refused("INVALID_MULTIPLE_CHOICE_OPTIONS", 422, lambda: self.table.create({"Status": "Success"}))
        self.refused(
            "ROW_DOES_NOT_EXIST", 422, lambda: self.table.batch_update([{"id": "rec" + "A" * 14, "fields": {"N": 1}}])
        )
        control("POST", "faults", {"refuse": {"status": 503}, "times": 1})
        self.refused("RETRIABLE_ERROR", 503, self.table.all)

    @direct
    def test_too_many_requests_are_tried_again(self):
        control("PATCH", "settings", {"base_requests": 2, "lockout_ms": 300})
        for _ in range(3):
            self.assertEqual(self.table.all(), [])
        patient = Api(TOKEN, endpoint_url=URL, retry_strategy=retry_strategy(total=8, backoff_factor=0.05))
        self.assertEqual(patient.table(BASE, "Run Records").all(), [])
        statuses = [request["status"] for request in control("GET", "requests")["requests"]]
        self.assertIn(429, statuses)

    @direct
    def test_a_lost_answer_makes_this_client_create_twice(self):
        """That is the client's own doing, and what the ledger is for; the fake must show it."""
        control("POST", "faults", {"match": {"writes": True}, "cut": "connection", "after_effect": True, "times": 1})
        self.table.create({"Key": "k"})
        self.assertEqual(len(self.table.all()), 2)


if __name__ == "__main__":
    unittest.main()
