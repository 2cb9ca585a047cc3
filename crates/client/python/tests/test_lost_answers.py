"""Answers that are lost after the effect, a server that is killed in the middle: each thing counts exactly once."""

from __future__ import annotations

import socket
import threading
from typing import Callable, Dict, List

import pytest
from conftest import SOON, Time
from cutting_proxy import CuttingProxy
from real_server import RealServer

from runledger import InDoubt, Ledger, Retry, Unavailable


def test_creations_and_changes_whose_answers_are_lost_count_once(
    ledger: Ledger, proxy: CuttingProxy, through_proxy: Ledger
) -> None:
    calls: List[Callable[[], object]] = [
        lambda: through_proxy.create_job("r1"),
        lambda: through_proxy.create_client("r1", "a"),
        lambda: through_proxy.create_clients("r1", ["b", "c"]),
        lambda: through_proxy.update("r1", "a", add={"leads": 5}, max={"depth": 2}),
        lambda: through_proxy.update("r1", "a", set={"model": 5}),
        lambda: through_proxy.note("r1", "a", text="once"),
        lambda: through_proxy.start_stage("r1", "a", stage="s"),
        lambda: through_proxy.finish_stage("r1", "a", stage="s", add={"posts": 3}),
        lambda: through_proxy.complete("r1", "a", note="done"),
    ]
    for call in calls:
        proxy.lose(2)
        proxy.cut_short()
        call()
    assert [done for done in proxy.done if done != "passed"] == ["lost", "lost", "cut short"] * len(calls)

    record = ledger.get("r1", "a")
    assert record.metrics == {"leads": 5, "depth": 2, "model": 5, "posts": 3}
    assert [note.text for note in record.notes] == ["once"]
    assert (record.status, record.version) == ("succeeded", 7)
    effects = [line.outcome for line in ledger.activity() if line.outcome in ("created", "changed")]
    assert (effects.count("created"), effects.count("changed")) == (4, 6)


def test_a_run_whose_id_the_ledger_chose_is_found_again(
    ledger: Ledger, proxy: CuttingProxy, through_proxy: Ledger
) -> None:
    proxy.lose()
    job = through_proxy.create_job()
    assert job.replayed
    assert [record.run_id for record in ledger.list()] == [job.run_id]


def test_an_answer_that_does_not_come_in_time_is_asked_for_again(ledger: Ledger, proxy: CuttingProxy) -> None:
    ledger.create_job("r1")
    proxy.hold()
    with Ledger(proxy.url, source="orchestrator", timeout=0.5, retry=SOON) as hasty:
        record = hasty.update("r1", add={"leads": 5})
    assert "held" in proxy.done
    assert (record.metrics["leads"], record.replayed) == (5, True)


def test_after_the_deadline_doubt_is_said_and_how_to_settle_it(ledger: Ledger, proxy: CuttingProxy, time: Time) -> None:
    ledger.create_job("r1")
    proxy.lose(10_000)
    retry = Retry(deadline=10)
    through_proxy = Ledger(proxy.url, source="orchestrator", retry=retry)
    with pytest.raises(InDoubt) as doubt:
        through_proxy.update("r1", add={"leads": 5})
    assert doubt.value.unanswered == len(time.waits) + 1 > 2
    assert sum(time.waits) < retry.deadline
    key = doubt.value.idempotency_key
    assert key is not None and f"update_id={key!r}" in str(doubt.value)
    # As it says: the same again, under the same name.
    settled = ledger.update("r1", add={"leads": 5}, update_id=key)
    assert (settled.replayed, settled.metrics["leads"]) == (True, 5)

    with pytest.raises(InDoubt) as creation:
        through_proxy.create_job("r2")
    assert "attempt=" in creation.value.how_to_settle
    assert ledger.create_job("r2", attempt=creation.value.idempotency_key).replayed
    with pytest.raises(InDoubt) as completion:
        through_proxy.complete("r1")
    assert completion.value.idempotency_key is None
    assert ledger.complete("r1").replayed
    # A read has nothing to be in doubt about.
    with pytest.raises(Unavailable):
        through_proxy.get("r1")
    through_proxy.close()


def test_without_retries_one_lost_answer_is_doubt(ledger: Ledger, proxy: CuttingProxy) -> None:
    proxy.lose()
    with Ledger(proxy.url, source="orchestrator", retry=None) as once, pytest.raises(InDoubt) as doubt:
        once.create_job("r1")
    assert doubt.value.unanswered == 1
    assert ledger.create_job("r1", attempt=doubt.value.idempotency_key).replayed


def test_a_server_that_cannot_be_reached_is_no_doubt(time: Time) -> None:
    # A port that is taken, but where nobody listens.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Ledger(url, source="orchestrator", retry=Retry(deadline=10)) as ledger:
            with pytest.raises(Unavailable) as error:
                ledger.create_job("r1")
    assert (error.value.code, error.value.status, error.value.unanswered) == ("unreachable", None, 0)
    assert len(time.waits) > 3


def test_a_server_killed_in_the_middle_counts_everything_once(server: RealServer) -> None:
    workers, rounds, kills = 4, 30, 3
    done = threading.Semaphore(0)
    failures: List[BaseException] = []
    with Ledger(server.url, source="orchestrator", retry=SOON) as ledger:
        ledger.create_job("r1")

        def work(worker: int) -> None:
            try:
                for number in range(rounds):
                    client = f"client-{worker}-{number}"
                    ledger.create_client("r1", client)
                    ledger.update("r1", client, add={"leads": 1})
                    ledger.update("r1", client, add={"leads": 10})
                    ledger.update("r1", add={"clients": 1})
                    done.release()
            except BaseException as failure:
                failures.append(failure)
                done.release(rounds)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(workers)]
        for thread in threads:
            thread.start()
        for _ in range(kills):
            for _ in range(workers * rounds // (kills + 1)):
                done.acquire()
            server.kill()
            server.start()
        for thread in threads:
            thread.join()
        assert failures == []

        records = list(ledger.list(kind="client"))
        assert len(records) == workers * rounds
        assert {(record.metrics["leads"], record.version) for record in records} == {(11, 3)}
        job = ledger.get("r1")
        assert (job.metrics["clients"], job.version) == (workers * rounds, workers * rounds + 1)
        effects: Dict[str, List[str]] = {}
        for line in ledger.activity(page_size=1000):
            if line.outcome in ("created", "changed"):
                effects.setdefault(f"{line.run_id} {line.client_id}", []).append(line.outcome)
        assert effects.pop("r1 None") == ["created"] + ["changed"] * workers * rounds
        assert len(effects) == len(records)
        assert all(outcomes == ["created", "changed", "changed"] for outcomes in effects.values())
    server.kill()
    server.verify()


def test_two_threads_share_one_client(
    server: RealServer, ledger: Ledger, proxy: CuttingProxy, through_proxy: Ledger
) -> None:
    ledger.create_job("r1")
    begin = threading.Barrier(2)
    failures: List[BaseException] = []

    def add() -> None:
        try:
            begin.wait()
            for _ in range(50):
                proxy.lose()
                through_proxy.update("r1", add={"leads": 1})
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    record = ledger.get("r1")
    assert (record.metrics["leads"], record.version) == (100, 101)
    assert proxy.done.count("lost") == 100
