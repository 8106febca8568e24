"""What somebody made before signing in becomes theirs, whole, once, and nobody else's; and can be handed back."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from threading import Event

import pytest
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cellucid_core.database import DatabaseRefused, browsers, reading, upsert, writing
from cellucid_core.library import add_entry, list_entries
from cellucid_core.serving import (
    COOKIE,
    arrive_signed_in,
    browser_owner,
    download_address,
    drop_way,
    find_way,
    fingerprint,
    hand_back,
    is_retired,
    note_sign_in,
    note_way,
    offer_download,
    read_sign_in,
    routes,
    take_upload,
)
from cellucid_core.serving.claiming import Carried, pass_on
from cellucid_core.serving.incoming import Growing, TooLarge, begin_upload, find_upload, pass_uploads
from cellucid_core.serving.jobs import find_job, jobs_of, submit
from cellucid_core.serving.jobs.record import load
from cellucid_core.serving.jobs.workers import Workers, set_workers
from cellucid_core.serving.sign_in import signed_in_user, sweep_sign_ins
from cellucid_core.serving.sign_in.owners import add_heirs_entry, heir_of, name_heir, retire
from cellucid_core.serving.way_in import LIFETIME, change_browser, left_behind
from cellucid_core.serving.workspaces import (
    KeptWorkspace,
    create_workspace,
    delete_workspace,
    latest_workspace,
    note_workspace,
    owners_workspaces,
    save_workspace,
    workspace_to_json,
)
from tests.library.signatures_made import make_signature
from tests.patience import PATIENCE
from tests.serving.jobs_made import answer, hang

pytestmark = pytest.mark.usefixtures("each_database")
BEFORE, AFTER, LATER = "b" * 43, "a" * 43, "l" * 43
ME = browser_owner(fingerprint(BEFORE))
ADA, BOB = f"user-{'a' * 64}", f"user-{'b' * 64}"


def carry_over(source, target):
    with writing() as connection:
        return pass_on(connection, source, target)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CELLUCID_SIGN_IN", "optional")
    monkeypatch.setenv("CELLUCID_FREE_SPACE", "0")
    return tmp_path / "home"


def full(*_):
    raise DatabaseRefused(OSError("database or disk is full"))


def heir_now(owner):
    with reading() as connection:
        return heir_of(connection, owner)


def name_now(owner, heir):
    with writing() as connection:
        name_heir(connection, owner, heir)


def left_now(browser):
    with reading() as connection:
        return left_behind(connection, browser)


def workspace_of(owner):
    content = workspace_to_json(KeptWorkspace("", created=time.time()))
    name, _ = create_workspace(content)
    save_workspace(name, {}, content)
    note_workspace(owner, name)
    return name


def signed_in(browser, sub="ada"):
    claims = {"iss": "https://id.example.org", "sub": sub, "iat": time.time() - 1, "nonce": sub}
    found = read_sign_in(claims)
    note_sign_in(found, browser)
    return found.user


def entries_of(owner):
    return {entry.id for entry in list_entries() if entry.owned_by(owner)}


def test_workspaces_come_first_and_in_their_order():
    old = workspace_of(ADA)
    first, second = workspace_of(ME), workspace_of(ME)
    gone = workspace_of(ME)
    delete_workspace(gone)
    carried = carry_over(ME, ADA)
    assert carried.workspaces == (second, first)
    assert owners_workspaces(ADA) == [second, first, old]
    assert latest_workspace(ADA) == second
    assert owners_workspaces(ME) == []
    assert carry_over(ME, ADA) == Carried(ME, ADA)  # once
    assert owners_workspaces(BOB) == []
    assert carry_over(ADA, ADA) == Carried(ADA, ADA)
    assert owners_workspaces(ADA) == [second, first, old]


def test_all_goes_or_nothing(monkeypatch):
    from cellucid_core.serving import claiming

    mine, entry = workspace_of(ME), add_entry(make_signature(), ME).id
    with monkeypatch.context() as broken:
        broken.setattr(claiming, "pass_links", full)  # the last one
        with pytest.raises(DatabaseRefused):
            carry_over(ME, ADA)
    assert (owners_workspaces(ME), entries_of(ME), heir_now(ME)) == ([mine], {entry}, ME)
    assert carry_over(ME, ADA).workspaces == (mine,)


def test_entries_of_the_library_go_and_only_those():
    mine, others = add_entry(make_signature(), ME), add_entry(make_signature(), BOB)
    before = list_entries()
    assert carry_over(ME, ADA).entries == (mine.id,)
    assert (entries_of(ADA), entries_of(ME), entries_of(BOB)) == ({mine.id}, set(), {others.id})
    for old, new in zip(before, list_entries(), strict=True):  # nothing else of them changed
        assert (old.id, old.record, old.levels, old.added_at) == (new.id, new.record, new.levels, new.added_at)


def test_what_a_job_adds_afterwards_is_the_users(monkeypatch):
    name_now(ME, ADA)  # nobody is told of an heir who is none …
    assert heir_now(ME) == ADA
    assert entries_of(ADA) == set()
    entry = add_heirs_entry(make_signature(), ME)
    assert entries_of(ADA) == {entry.id}
    # … nor is one missed who became it while the entry was written.
    later = browser_owner(fingerprint(LATER))
    from cellucid_core.serving.sign_in import owners as heirs

    def written_while_somebody_signs_in(signature, owner):
        found = add_entry(signature, owner)
        carried.append(carry_over(later, BOB) if not carried else None)
        return found

    carried: list = []
    monkeypatch.setattr(heirs, "add_entry", written_while_somebody_signs_in)
    entry = add_heirs_entry(make_signature(), later)
    assert entries_of(BOB) == {entry.id}
    assert heir_now("session-x") == "session-x"
    assert heir_now(ADA) == ADA


def test_what_is_added_while_somebody_signs_in_is_theirs(monkeypatch):
    from cellucid_core.serving.sign_in import owners as heirs

    looked = Event()

    def added_now(signature, owner):
        looked.set()
        return add_entry(signature, owner)

    monkeypatch.setattr(heirs, "add_entry", added_now)
    with ThreadPoolExecutor(1) as thread:
        with writing() as connection:
            adding = thread.submit(add_heirs_entry, make_signature(), ME)
            assert looked.wait(PATIENCE)
            pass_on(connection, ME, ADA)
            with suppress(TimeoutError):  # it may be written meanwhile (PostgreSQL), but not be done with
                adding.result(1)
        entry = adding.result(PATIENCE)
    assert entries_of(ADA) == {entry.id}
    assert entries_of(ME) == set()


def test_heirs_of_heirs_and_circles_end():
    owners = [browser_owner(fingerprint(letter * 43)) for letter in "xyz"]
    for one, other in pairwise(owners):
        name_now(one, other)
    name_now(owners[-1], ADA)
    assert heir_now(owners[0]) == ADA
    name_now(owners[-1], owners[0])
    assert heir_now(owners[0]) in owners
    for junk in ("", "../../x", "user-x", f"{ADA}\n"):
        name_now(owners[0], junk)
        assert heir_now(owners[0]) == owners[0]


@pytest.fixture
def workers(monkeypatch):
    monkeypatch.setenv("CELLUCID_WORKERS", "2")
    crew = Workers()
    set_workers(crew)
    yield crew
    set_workers(None)
    crew.close()


def test_jobs_go_on_for_the_user_whether_they_run_wait_or_have_ended(workers, tmp_path):
    ended = submit(answer, {"value": "x"}, owner=ME, kind="export", title="Ended")
    assert ended.wait(PATIENCE)
    running = submit(hang, {"note": str(tmp_path / "note")}, owner=ME, kind="export", title="Running")
    waiting = submit(hang, {"note": str(tmp_path / "note")}, owner=ME, kind="export", title="Waiting", key="same")
    others = submit(hang, {"note": str(tmp_path / "note")}, owner=BOB, kind="export", title="Another's")
    mine = {job.id for job in (ended, running, waiting)}
    for _ in range(600):
        if running.state == "running":
            break
        time.sleep(0.1)
    assert waiting.state == "queued"

    assert set(carry_over(ME, ADA).jobs) == mine
    assert {job.id for job in jobs_of(ADA)} == mine
    assert jobs_of(ME) == []
    assert find_job(running.id, ME) is None
    assert [job.id for job in jobs_of(BOB)] == [others.id]
    assert (
        submit(hang, {"note": str(tmp_path / "note")}, owner=ADA, kind="export", title="Waiting", key="same").id
        == waiting.id
    )
    assert load(ended.id).result == ended.result()
    for job in (waiting, running, others):
        find_job(job.id, BOB if job is others else ADA).cancel()
        assert job.wait(PATIENCE)
        assert job.state == "cancelled"
    assert workers.counts() == {"queued": 0, "running": 0}


def fetch(token, browser):
    return TestClient(Starlette(routes=routes()), cookies={COOKIE: browser}).get(download_address(token)).status_code


def test_uploads_downloads_and_the_quota_go_along(tmp_path, monkeypatch):
    for variable in ("QUOTA", "UPLOAD_LIMIT"):
        monkeypatch.setenv(f"CELLUCID_{variable}", "3 MB")
    half, whole = begin_upload("a.h5ad", 2_000_000, BEFORE), begin_upload("b.h5ad", 4, BEFORE)
    with Growing(whole, find_upload(whole, BEFORE)) as growing:
        growing.write(b"data")
        growing.commit()
    path, _ = take_upload(whole, BEFORE)
    file = tmp_path / "x.zip"
    file.write_bytes(b"secret")
    link = offer_download(file, "x.zip", BEFORE)
    assert fetch(link, BEFORE) == 200

    ada = signed_in(AFTER)
    assert fetch(link, AFTER) == 403
    carried = carry_over(ME, ada)
    assert (len(carried.uploads), len(carried.downloads)) == (2, 1)
    assert (fetch(link, AFTER), fetch(link, BEFORE)) == (200, 403)
    assert find_upload(half, AFTER).offset == 0  # goes on where it stopped
    assert find_upload(half, BEFORE) is None
    assert take_upload(whole, AFTER) == (path, "b.h5ad")
    with pytest.raises(TooLarge, match="1,000 kB are left"):
        begin_upload("c.h5ad", 2_000_000, AFTER)
    begin_upload("c.h5ad", 2_000_000, BEFORE)


def test_a_piece_that_is_on_its_way_leaves_the_new_owner():
    token = begin_upload("a.h5ad", 8, BEFORE)
    ada = signed_in(AFTER)
    with Growing(token, find_upload(token, BEFORE)) as growing:
        growing.write(b"half")
        with writing() as connection:
            assert pass_uploads(connection, ME, ada)
        growing.commit()
    assert find_upload(token, AFTER).offset == 4


def test_what_was_carried_by_mistake_goes_back_and_nothing_else():
    hers = workspace_of(ADA), add_entry(make_signature(), ADA).id
    mine = workspace_of(ME), add_entry(make_signature(), ME).id
    carried = carry_over(ME, ADA)
    later = workspace_of(ADA)
    back = hand_back(carried)
    assert (back.workspaces, back.entries) == ((mine[0],), (mine[1],))
    assert owners_workspaces(ADA) == [later, hers[0]]
    assert (owners_workspaces(ME), entries_of(ME), entries_of(ADA)) == ([mine[0]], {mine[1]}, {hers[1]})
    assert heir_now(ME) == ME
    hand_back(Carried(ME, ADA))
    assert owners_workspaces(ADA) == [later, hers[0]]


# ---- the way over the provider -------------------------------------------------------------------------------------


def test_the_note_goes_with_the_sign_in_and_works_once():
    mine = workspace_of(ME)
    note_way(BEFORE, mine, carry=True)
    assert find_way(BEFORE) is None  # nobody has signed in
    change_browser(BEFORE, AFTER, True)
    assert is_retired(BEFORE)
    assert not is_retired(AFTER)
    assert arrive_signed_in(LATER, ADA) == ("", None)
    wanted, carried = arrive_signed_in(AFTER, ADA)
    assert (wanted, carried.workspaces) == (mine, (mine,))
    assert arrive_signed_in(AFTER, ADA) == arrive_signed_in(AFTER, BOB) == ("", None)
    assert heir_now(ME) == ADA

    change_browser(AFTER, LATER, False)  # signed out
    assert heir_now(ME) == ADA  # what a job of before still makes is not the next person's
    assert owners_workspaces(browser_owner(fingerprint(LATER))) == []
    change_browser(LATER, "n" * 43, True)
    assert arrive_signed_in("n" * 43, BOB) == ("", None)
    assert owners_workspaces(BOB) == []
    assert owners_workspaces(ADA) == [mine]


def test_what_is_not_taken_along_stays_with_the_browser():
    mine = workspace_of(ME)
    note_way(BEFORE, "", carry=False)
    change_browser(BEFORE, AFTER, True)
    assert arrive_signed_in(AFTER, ADA) == ("", None)
    assert owners_workspaces(ADA) == []
    change_browser(AFTER, LATER, True)  # another one signs in, without a note
    assert arrive_signed_in(LATER, BOB) == ("", None)
    assert left_now(LATER) == fingerprint(BEFORE)
    change_browser(LATER, "n" * 43, False)
    assert owners_workspaces(browser_owner(fingerprint("n" * 43))) == [mine]
    assert heir_now(ME) == browser_owner(fingerprint("n" * 43))


def test_handed_back_it_is_the_browsers_again():
    mine = workspace_of(ME)
    note_way(BEFORE, mine, carry=True)
    change_browser(BEFORE, AFTER, True)
    _, carried = arrive_signed_in(AFTER, ADA)
    hand_back(carried)
    assert heir_now(ME) == ME
    assert is_retired(BEFORE)  # its cookie stays taken away
    change_browser(AFTER, LATER, False)
    assert owners_workspaces(browser_owner(fingerprint(LATER))) == [mine]
    assert owners_workspaces(ADA) == []


def test_a_note_for_one_user_opens_nothing_to_another():
    note_way(BEFORE, "w" * 64, carry=False, user=ADA)
    change_browser(BEFORE, AFTER, True)
    assert arrive_signed_in(AFTER, BOB) == ("", None)
    note_way(AFTER, "w" * 64, carry=False, user=ADA)
    change_browser(AFTER, LATER, True)
    assert arrive_signed_in(LATER, ADA) == ("w" * 64, None)


def test_who_gives_up_leaves_nothing_to_the_next(monkeypatch):
    mine = workspace_of(ME)
    note_way(BEFORE, mine, carry=True)
    drop_way(BEFORE)  # somebody came back without having signed in
    change_browser(BEFORE, AFTER, True)
    assert arrive_signed_in(AFTER, BOB) == ("", None)
    note_way(AFTER, mine, carry=True)
    assert change_browser(AFTER, LATER, False)  # or signed out
    assert arrive_signed_in(LATER, BOB) == ("", None)
    assert not change_browser(LATER, "n" * 43, False)  # again
    assert owners_workspaces(browser_owner(fingerprint(LATER))) == [mine]
    note_way(LATER, mine, carry=True)
    change_browser(LATER, "n" * 43, True)
    late = time.time() + LIFETIME + 1
    monkeypatch.setattr(time, "time", lambda: late)
    assert arrive_signed_in("n" * 43, BOB) == ("", None)
    assert owners_workspaces(BOB) == []
    for nobody in (None, "x" * 43):
        drop_way(nobody)
        note_way(None, mine, carry=True)
        assert find_way(nobody) is None
        assert arrive_signed_in(nobody, ADA) == ("", None)
    change_browser(None, AFTER, True)


def test_a_note_of_another_version_says_nothing():
    with writing() as connection:
        row = {"print": fingerprint(AFTER), "way": {"whither": "w"}, "before": "", "changed": time.time()}
        upsert(connection, browsers, row)
    assert find_way(AFTER) is None
    assert arrive_signed_in(AFTER, ADA) == ("", None)
    assert left_now(AFTER) is None


@pytest.mark.parametrize(
    "way", [{"made": "x", "arrived": True}, {"made": None, "arrived": True}, {"made": 9e9, "user": None}, ["x"], "x"]
)
def test_notes_of_another_version_stop_nobody(way):
    with writing() as connection:
        row = {"print": fingerprint(AFTER), "way": way, "sign_in": {"who": "x"}, "changed": time.time()}
        upsert(connection, browsers, row)
    assert find_way(AFTER) is None
    assert arrive_signed_in(AFTER, ADA) == ("", None)
    assert signed_in_user(AFTER) is None
    assert signed_in(AFTER) == signed_in_user(AFTER)


def test_who_only_looks_leaves_nothing():
    drop_way(BEFORE)
    assert not change_browser(BEFORE, AFTER, False)
    assert arrive_signed_in(BEFORE, ADA) == ("", None)
    with reading() as connection:
        assert connection.execute(select(browsers)).all() == []


def test_a_server_that_is_killed_while_somebody_signs_out_leaves_all_as_it_was(monkeypatch):
    from cellucid_core.serving import way_in

    def killed(*_):
        raise KeyboardInterrupt

    mine = workspace_of(ME)
    change_browser(BEFORE, AFTER, True)
    ada = signed_in(AFTER)
    with monkeypatch.context() as broken:
        broken.setattr(way_in, "pass_on", killed)
        with pytest.raises(KeyboardInterrupt):
            change_browser(AFTER, LATER, False)
    assert not is_retired(AFTER)
    assert signed_in_user(AFTER) == ada
    assert change_browser(AFTER, LATER, False)
    assert owners_workspaces(browser_owner(fingerprint(LATER))) == [mine]


def test_of_those_who_sign_out_at_once_one_has_the_work():
    mine = workspace_of(ME)
    change_browser(BEFORE, AFTER, True)
    signed_in(AFTER)
    cookies = [letter * 43 for letter in "cdefgh"]
    with ThreadPoolExecutor(len(cookies)) as threads:
        given = list(threads.map(lambda cookie: change_browser(AFTER, cookie, False), cookies))
    (one,) = (cookie for cookie, got in zip(cookies, given, strict=True) if got)
    assert owners_workspaces(browser_owner(fingerprint(one))) == [mine]
    assert heir_now(ME) == browser_owner(fingerprint(one))


def test_a_full_disk_keeps_nobody_from_signing_out(monkeypatch):
    from cellucid_core.serving import way_in

    signed_in(BEFORE)
    monkeypatch.setattr(way_in, "pass_on", full)
    change_browser(BEFORE, AFTER, False)
    assert is_retired(BEFORE)
    assert signed_in_user(BEFORE) is None
    assert fetch("A" * 43, BEFORE) == 404  # and nothing was raised


def test_a_carry_that_failed_is_done_by_the_next_page(monkeypatch):
    from cellucid_core.serving import way_in

    mine = workspace_of(ME)
    note_way(BEFORE, mine, carry=True)
    change_browser(BEFORE, AFTER, True)
    with monkeypatch.context() as broken:
        broken.setattr(way_in, "pass_on", full)
        with pytest.raises(DatabaseRefused):
            arrive_signed_in(AFTER, ADA)
    assert arrive_signed_in(AFTER, ADA)[1].workspaces == (mine,)


def test_notes_hold_no_secret_and_are_swept(monkeypatch):
    name, token = create_workspace(workspace_to_json(KeptWorkspace("", created=time.time())))
    note_way(BEFORE, name, carry=True)
    change_browser(BEFORE, AFTER, True)
    with writing() as connection:
        retire(connection, LATER)
    with reading() as connection:
        rows = connection.execute(select(browsers)).all()
    assert not any(secret in str(rows) for secret in (token, BEFORE, AFTER, LATER))
    assert [row.way["workspace"] for row in rows if row.way] == [name]
    assert sweep_sign_ins(time.time() + 30 * 86400) == 0
    monkeypatch.setenv("CELLUCID_TIME_TO_LIVE", "90 days")  # an old cookie may come back for that long
    assert sweep_sign_ins(time.time() + 90 * 86400) == 0
    monkeypatch.delenv("CELLUCID_TIME_TO_LIVE")
    assert sweep_sign_ins(time.time() + 32 * 86400) == len(rows) == 3
