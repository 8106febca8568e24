"""The executor: the same calls here and on a real cluster, and every way in which a cluster can fail."""

from __future__ import annotations

import os
import threading

import pytest

from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.running import Local, executor
from cellucid_core.running.cluster import Cluster, connected
from tests.patience import PATIENCE, until
from tests.running import tasks
from tests.running.clusters import cluster, make_certificates


@pytest.fixture(params=["here", "cluster"])
def engine(request, running, certificates):
    if request.param == "here":
        yield Local(2)
        return
    made = Cluster(running.address, certificates)
    yield made
    made.close()


def test_every_call_comes_back_with_its_number(engine):
    shares = []
    found = dict(engine.map(tasks.double, [(number,) for number in range(20)], shares.append))
    assert found == {number: 2 * number for number in range(20)}
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1
    assert list(engine.map(tasks.double, [])) == []


def test_what_a_part_raises_is_raised_here(engine):
    with pytest.raises(ZeroDivisionError, match="in a part"):
        list(engine.map(tasks.fails, [(), ()]))
    assert dict(engine.map(tasks.double, [(1,)])) == {0: 2}  # it goes on


def test_an_error_ends_calls_that_began_before_it():
    """The first call runs until it is given up; it must not be waited for before it is told so."""
    began, told = threading.Event(), []

    def work(number, report):
        if number == 1:
            began.wait(PATIENCE)
            raise ZeroDivisionError("in the second")
        for _ in range(50 * PATIENCE):
            began.set()
            try:
                report(0.5)
            except InputError:
                told.append(number)
                raise
            threading.Event().wait(0.02)

    with pytest.raises(ZeroDivisionError, match="in the second"):
        list(Local(2).map(work, [(0,), (1,)]))
    assert told == [0]


def test_parts_end_when_the_caller_gives_up(engine, tmp_path):
    def give_up(_):
        if (tmp_path / "began").exists():
            raise InputError("Cancelled.", "Start it again.")

    with pytest.raises(InputError, match="Cancelled"):
        list(engine.map(tasks.until_unwanted, [(str(tmp_path),)], give_up))
    until((tmp_path / "ended").exists)


def test_cancel_ends_what_runs(engine, tmp_path):
    raised = []

    def run():
        try:
            list(engine.map(tasks.until_unwanted, [(str(tmp_path),)]))
        except InputError as error:
            raised.append(error)

    work = threading.Thread(target=run)
    work.start()
    until((tmp_path / "began").exists)
    engine.cancel()
    work.join(PATIENCE)
    until((tmp_path / "ended").exists)
    assert "was cancelled" in str(raised[0])


def test_a_part_whose_worker_is_killed_is_begun_again(tmp_path):
    with cluster(tmp_path / "c", workers=1) as running:
        engine = Cluster(running.address)
        found = []
        work = threading.Thread(target=lambda: found.extend(engine.map(tasks.wait_for, [(str(tmp_path), 7)])))
        work.start()
        for killed in range(5):  # Dask itself gives up after three
            until(lambda killed=killed: len(list(tmp_path.glob("7-*"))) > killed)
            running.workers[-1].kill()
            running.add_worker()
        (tmp_path / "open").touch()
        work.join(PATIENCE)
        assert found == [(0, 7)]
        engine.close()


def test_a_scheduler_that_goes_away_is_told(tmp_path):
    with cluster(tmp_path / "c", workers=1) as running:
        engine = Cluster(running.address)
        raised = []

        def run():
            try:
                list(engine.map(tasks.wait_for, [(str(tmp_path), 1)]))
            except WorkRefused as error:
                raised.append(error)

        work = threading.Thread(target=run)
        work.start()
        until(lambda: list(tmp_path.glob("1-*")))
        running.scheduler.kill()
        work.join(PATIENCE)
        assert "went away" in raised[0].what
        with pytest.raises(WorkRefused, match="went away"):
            list(engine.map(tasks.double, [(1,)]))
        assert not engine.alive
        engine.close()


def test_a_worker_without_the_folder_is_named(tmp_path, monkeypatch):
    with cluster(tmp_path / "c", workers=0) as running:
        running.add_worker(CELLUCID_HOME=str(tmp_path / "its own"))
        engine = Cluster(running.address)
        with pytest.raises(InputError, match="does not have the folder") as told:
            list(engine.map(tasks.double, [(1,)]))
        assert os.uname().nodename in told.value.what
        assert "its own" in told.value.what
        engine.close()


def test_a_folder_of_the_same_name_that_is_not_shared_is_noticed(running, certificates, tmp_path, monkeypatch):
    monkeypatch.setattr("cellucid_core.running.cluster._mark", lambda: "that of another folder")
    engine = Cluster(running.address, certificates)
    with pytest.raises(InputError, match="is a different one"):
        list(engine.map(tasks.double, [(1,)]))
    engine.close()


def test_two_folders_take_turns(running, certificates, tmp_path, monkeypatch):
    engine = Cluster(running.address, certificates)
    for name in ("one", "two", "one"):
        monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / name))
        assert dict(engine.map(tasks.double, [(1,), (2,), (3,)])) == {0: 2, 1: 4, 2: 6}
    engine.close()


def test_other_versions_are_told_before_anything_is_sent(running, certificates, monkeypatch):
    monkeypatch.setattr("cellucid_core.running.cluster.own_versions", lambda: ("3.11", "0.0.0"))
    engine = Cluster(running.address, certificates)
    with pytest.raises(InputError, match=r"has (Python|cellucid_core) .*, and here it is"):
        list(engine.map(tasks.double, [(1,)]))
    engine.close()
    found = {"packages": {"python": "3.11.7.final.0", "dask": "1", "distributed": "2", "numpy": "2"}}
    other = {"packages": {**found["packages"], "dask": "0.9"}}

    class Client:
        status = "running"

        def wait_for_workers(self, n, timeout):
            return None

        def get_versions(self):
            return {"client": found, "scheduler": found, "workers": {"tls://far:1": other}}

        def close(self, timeout):
            return None

    monkeypatch.setattr("cellucid_core.running.cluster._connect", lambda *_: Client())
    with pytest.raises(InputError, match=r"tls://far:1 has dask 0\.9, and here it is 1"):
        Cluster("tls://far:2")


def test_certificates_that_are_not_ours_are_told(running, tmp_path):
    foreign = make_certificates(tmp_path / "foreign")
    with pytest.raises(InputError, match=r"does not (have certificates|answer)"):
        Cluster(running.address, foreign)
    with pytest.raises(InputError, match="no certificates are named"):
        Cluster(running.address)
    with pytest.raises(InputError, match=r"lacks ca\.pem, cert\.pem, key\.pem"):
        Cluster(running.address, tmp_path)


def test_a_cluster_that_is_not_there_or_has_no_worker_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("cellucid_core.running.cluster._PATIENCE", 1)
    with pytest.raises(InputError, match="does not answer"):
        Cluster("tcp://127.0.0.1:9")
    with cluster(tmp_path / "c", workers=0) as running, pytest.raises(InputError, match="has no worker"):
        Cluster(running.address)


def test_the_configuration_names_it(running, certificates, monkeypatch):
    assert isinstance(executor(), Local)
    monkeypatch.setenv("CELLUCID_CLUSTER", running.address)
    monkeypatch.setenv("CELLUCID_CLUSTER_CERTS", str(certificates))
    first = executor()
    assert isinstance(first, Cluster)
    assert connected(running.address) is first
    first.close()
    again = executor()  # the connection was lost
    assert again is not first
    assert dict(again.map(tasks.double, [(4,)])) == {0: 8}
    again.close()


def test_a_missing_dask_is_told(monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *arguments, **more):
        if name == "distributed":
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match="not installed"):
        Cluster("tcp://127.0.0.1:9")


def test_of_several_failures_the_first_is_told(tmp_path):
    """The second fails at once, the first one after it."""
    calls = [(str(tmp_path), "the first", True), (str(tmp_path), "the second", False)]
    with pytest.raises(ValueError, match="the first"):
        list(Local(2).map(tasks.fails_as, calls))
