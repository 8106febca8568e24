"""Workspaces on disk: round trips, hostile files, two tabs, links, owners, and their end."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from dataclasses import replace

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from cellucid_core.cache.content import content_hash, turned_hash
from cellucid_core.cell_pages import SavedPage, pages_to_json
from cellucid_core.database import DatabaseRefused, owner_mark, reading, uploads, workspace_owners, workspaces, writing
from cellucid_core.dataset import DatasetSource, View, default_mapping
from cellucid_core.errors import InputError
from cellucid_core.export import Again, ExportResult
from cellucid_core.genes import GeneSet, GeneSets
from cellucid_core.serving import fingerprint, middleware, routes
from cellucid_core.serving.incoming import (
    Growing,
    TooLarge,
    begin_upload,
    find_upload,
)
from cellucid_core.serving.kept_uploads import forget_kept, take_upload
from cellucid_core.serving.starting import sweep
from cellucid_core.serving.workspaces import (
    SCHEMA,
    Damaged,
    Gone,
    KeptDataset,
    KeptExport,
    KeptPage,
    KeptPages,
    KeptWorkspace,
    choices_from_json,
    choices_to_json,
    create_workspace,
    delete_workspace,
    ending,
    export_from_json,
    export_to_json,
    files_in_use,
    find_workspace,
    gene_file_from_json,
    gene_file_to_json,
    is_plain,
    is_token,
    latest_workspace,
    mark_opened,
    merge,
    name_of,
    note_workspace,
    owners_workspaces,
    page_files_to_pages,
    part_name,
    pass_workspaces,
    read_part,
    read_workspace,
    save_workspace,
    sweep_workspaces,
    token_of,
    workspace_from_json,
    workspace_to_json,
    write_part,
)
from tests.making import make_adata

pytestmark = pytest.mark.usefixtures("each_database")
A, B = "a" * 64, "b" * 64
DAY = 86400


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def make(path="demo", content=A, **changes):
    """Return a workspace of one dataset as JSON, without a seed."""
    one = KeptDataset(DatasetSource(str(path)), "data", 700, 5.0, **changes)
    return workspace_to_json(KeptWorkspace("0" * 64, created=1.0, current=content, datasets={content: one}))


def stored(**changes):
    """Write a workspace and return its name, token and JSON."""
    content = make(**changes)
    name, token = create_workspace(content)
    return name, token, save_workspace(name, {}, content)[0]


def folder_of(home, name):
    return home / "workspaces" / name


# ---- schema --------------------------------------------------------------------------------------------------------

texts = st.text(max_size=20)
paths = st.text(st.characters(exclude_characters="\0"), max_size=20)
hashes = st.integers(0, 2**256 - 1).map(lambda n: f"{n:064x}")
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
plain = plain | st.lists(texts, max_size=4)
files = st.integers(0, 2**128 - 1).map(lambda n: f"pages-{n:032x}.json")
kept_pages = st.builds(
    KeptPages,
    st.dictionaries(texts, st.builds(KeptPage, texts, texts, st.none() | texts, texts, files), max_size=3),
    st.integers(0, 2**40),
)
datasets = st.builds(
    KeptDataset,
    source=st.builds(DatasetSource, paths, st.none() | texts, st.none() | texts, st.none() | paths),
    title=texts,
    cells=st.integers(0, 2**40),
    opened=st.floats(0, 1e12),
    choices=st.dictionaries(texts, plain, max_size=3),
    fixes=st.lists(texts, max_size=3).map(tuple),
    replaced=st.dictionaries(texts, texts, max_size=3),
    widgets=st.dictionaries(texts, plain, max_size=3),
    pages=st.dictionaries(st.sampled_from(["", "all", "matrix"]), kept_pages, max_size=3),
    gene_file=st.just("") | files.map(lambda name: name.replace("pages", "genes")),
    export=st.none() | st.dictionaries(texts, plain, max_size=3),
)
any_workspace = st.builds(
    KeptWorkspace,
    seed=hashes,
    revision=st.integers(0, 2**40),
    name=texts,
    created=st.floats(0, 1e12),
    current=st.just("") | hashes,
    collection=st.just("") | hashes.map(lambda text: text[:32]),
    datasets=st.dictionaries(hashes, datasets, max_size=3),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(any_workspace)
def test_a_workspace_survives_its_file(kept):
    assert workspace_from_json(json.loads(json.dumps(workspace_to_json(kept), allow_nan=False))) == kept


@given(any_workspace, anything, st.randoms(use_true_random=False))
def test_whatever_stands_in_the_file_is_read_or_refused(kept, junk, random):
    content = workspace_to_json(kept)
    place, depth = content, random.randint(0, 4)
    for _ in range(depth):
        inner = [key for key, value in place.items() if isinstance(value, dict) and value]
        if not inner:
            break
        place = place[random.choice(inner)]
    place[random.choice(list(place))] = junk
    try:
        read = workspace_from_json(content)
    except (Damaged, InputError):
        return
    assert workspace_from_json(workspace_to_json(read)) == read


def changed(name, **values):
    with writing() as connection:
        connection.execute(update(workspaces).where(workspaces.c.name == name).values(**values))


def content_of(name):
    with reading() as connection:
        return connection.scalar(select(workspaces.c.content).where(workspaces.c.name == name))


def test_a_newer_version_is_refused_with_a_sentence_and_left_alone():
    name, _, content = stored()
    newer = {**content, "schema": SCHEMA + 1}
    changed(name, content=newer)
    with pytest.raises(InputError, match="newer version of the dashboard"):
        read_workspace(name)
    with pytest.raises(InputError, match="newer version of the dashboard"):
        save_workspace(name, content, {**content, "name": "mine"})
    assert content_of(name) == newer


@pytest.mark.parametrize("content", [[], "x", {"schema": 1}, {"schema": "1"}, {"schema": float("inf")}])
def test_what_an_old_home_held_damaged_is_a_sentence(content):
    name, _, _ = stored()
    changed(name, content=content)
    with pytest.raises(InputError, match="damaged"):
        read_workspace(name)
    delete_workspace(name)
    with pytest.raises(Gone):
        read_workspace(name)


def test_values_that_no_file_can_hold_are_not_plain():
    assert all(is_plain(value) for value in (None, True, 3, 0.5, "x", ["a", 1], []))
    nested = [[1]]
    assert not any(is_plain(value) for value in (float("nan"), float("inf"), nested, {"a": 1}, b"x", object(), (1,)))
    assert not is_plain("x" * (2**20 + 1))


# ---- links and owners ----------------------------------------------------------------------------------------------


def test_a_link_leads_to_its_workspace_and_stands_nowhere_on_the_disk(home):
    name, token, content = stored()
    assert is_token(token)
    assert find_workspace(token) == name == hashlib.sha256(token.encode()).hexdigest()
    assert token_of(content["seed"]) == token
    for path in home.rglob("*"):
        assert token not in path.name
        assert not path.is_file() or token.encode() not in path.read_bytes()
    (home / "workspaces" / "key").unlink()
    assert token_of(content["seed"]) != token  # without the server's key, the files make no link
    assert find_workspace(token) == name


@pytest.mark.parametrize(
    "token",
    [
        None, "", "new", "x" * 42, "x" * 43, "x" * 44, "../" * 14 + "x", "a" * 42 + "/", "a" * 42 + "\n",
        "a" * 42 + "\0", "ä" * 43, ["a" * 43], 7,
    ],
)  # fmt: skip
def test_guessed_tokens_lead_nowhere(home, token):
    name, _, _ = stored()
    before = sorted(home.rglob("*"))
    assert find_workspace(token) is None
    assert is_token(token) is (token == "x" * 43)
    assert find_workspace(name) is None  # the folder's name is not a token
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize("name", ["", "..", "../workspaces", "key", "owners", "A" * 64, "a" * 63])
def test_no_path_is_made_of_what_is_no_name(home, name):
    stored()
    with pytest.raises(Gone):
        read_workspace(name)
    delete_workspace(name)
    with pytest.raises(Damaged):
        read_part(name, "pages-" + "0" * 32 + ".json")
    assert (home / "workspaces" / "key").exists()


@pytest.mark.parametrize("file", ["workspace.json", "../key", "pages-" + "0" * 31 + ".json", "pages-.json\0", ""])
def test_no_other_file_is_read_as_a_part(home, file):
    name, _, _ = stored()
    with pytest.raises(Damaged):
        read_part(name, file)


def test_an_expired_link_leads_nowhere(monkeypatch):
    name, token, _ = stored()
    changed(name, opened=time.time() - 31 * DAY)
    assert find_workspace(token) is None
    monkeypatch.setenv("CELLUCID_TIME_TO_LIVE", "60 days")
    assert find_workspace(token) == name


@pytest.mark.parametrize(("lifetime", "minutes", "noted"), [("1 hour", 7, True), ("1 hour", 5, False),
                                                            ("30 days", 7, False), ("30 days", 61, True)])  # fmt: skip
def test_a_workspace_that_is_open_is_marked_in_time(monkeypatch, lifetime, minutes, noted):
    monkeypatch.setenv("CELLUCID_TIME_TO_LIVE", lifetime)
    name, _, _ = stored()
    before = time.time() - 60 * minutes
    changed(name, opened=before)
    mark_opened(name)
    with reading() as connection:
        opened = connection.scalar(select(workspaces.c.opened).where(workspaces.c.name == name))
    assert (opened > before + 1) == noted


def test_only_the_servers_account_reads_a_workspace(home):
    name, _, content = stored()
    write_part(name, part_name("pages", b"x"), lambda: "{}")
    note_workspace("somebody", name)
    save_workspace(name, content, {**content, "name": "x"})
    root = home / "workspaces"
    for path in (root, *root.rglob("*"), *home.glob("state.db*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_owners_have_their_own_the_latest_first():
    one, two, three = (stored()[0] for _ in range(3))
    for name in (one, two, one):
        note_workspace("me", name)
    note_workspace("you", three)
    assert owners_workspaces("me") == [one, two]
    assert (latest_workspace("me"), latest_workspace("you"), latest_workspace("nobody")) == (one, three, None)
    delete_workspace(one)
    assert owners_workspaces("me") == [two]
    note_workspace("me", "f" * 64)  # deleted in another tab, this moment
    assert owners_workspaces("me") == [two]
    with reading() as connection:
        assert {"me", "you"}.isdisjoint(connection.scalars(select(workspace_owners.c.owner)))


def test_the_cookie_lives_as_long_as_workspaces_and_is_renewed(monkeypatch):
    monkeypatch.setenv("CELLUCID_TIME_TO_LIVE", "2 days")
    page = Route("/{path:path}", lambda request: HTMLResponse("page"))
    client = TestClient(Starlette(routes=[*routes(), page], middleware=middleware()))
    headers = {"Accept": "text/html", "Sec-Fetch-Dest": "document"}
    first = client.get("/", headers=headers)
    assert f"Max-Age={2 * DAY};" in first.headers["set-cookie"]
    again = client.get("/?workspace=" + "x" * 43, headers=headers)
    assert again.headers["set-cookie"] == first.headers["set-cookie"]
    assert again.headers["referrer-policy"] == "no-referrer"
    monkeypatch.setenv("CELLUCID_TIME_TO_LIVE", "9999 days")
    assert f"Max-Age={400 * DAY};" in client.get("/", headers=headers).headers["set-cookie"]


def test_no_log_line_holds_a_token(caplog, monkeypatch):
    monkeypatch.setattr("cellucid_core.serving.logs.LOGGER.propagate", True)
    page = Route("/{path:path}", lambda request: HTMLResponse("page"))
    client = TestClient(Starlette(routes=[*routes(), page], middleware=middleware()))
    with caplog.at_level(1, logger="cellucid"):
        for path in ("/", "/export", "/cellucid/download/" + "x" * 43, "/healthz"):
            client.get(f"{path}?workspace={'x' * 43}")
    assert caplog.records
    assert all("x" * 43 not in f"{record.getMessage()} {vars(record)}" for record in caplog.records)


# ---- two tabs ------------------------------------------------------------------------------------------------------


def test_two_tabs_keep_what_each_of_them_changed(home):
    name, _, base = stored(widgets={"method": "mean", "seed": 0}, fixes=("one",))
    ours, theirs = json.loads(json.dumps(base)), json.loads(json.dumps(base))
    theirs["datasets"][A]["widgets"]["method"] = "ucell"
    theirs["datasets"][A]["fixes"] = ["one", "two"]
    theirs["datasets"][B] = make(content=B)["datasets"][B]
    save_workspace(name, base, theirs)
    ours["name"] = "mine"
    ours["datasets"][A]["widgets"]["seed"] = 7
    merged, _ = save_workspace(name, base, ours)
    assert merged["name"] == "mine"
    assert merged["datasets"][A]["widgets"] == {"method": "ucell", "seed": 7}
    assert merged["datasets"][A]["fixes"] == ["one", "two"]
    assert B in merged["datasets"]
    assert merged["revision"] == base["revision"] + 2
    ours["datasets"][A]["fixes"] = ["three"]  # the same field on both sides: the later writer wins
    assert save_workspace(name, base, ours)[0]["datasets"][A]["fixes"] == ["three"]


plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(plain_json, plain_json)
def test_merging_with_nobody_gives_what_is_mine(base, mine):
    assert merge(base, mine, base) == mine
    assert merge(base, base, mine) == mine
    assert merge(base, mine, mine) == mine


def test_pages_that_two_tabs_made_at_once_are_both_kept(home):
    name, _, base = stored()
    ours, theirs = json.loads(json.dumps(base)), json.loads(json.dumps(base))
    for side, file in ((theirs, "1" * 32), (ours, "2" * 32)):
        page = {"id": "p1", "name": "T", "color": None, "made": "", "file": f"pages-{file}.json"}
        side["datasets"][A]["pages"] = {"": {"made_so_far": 1, "pages": {f"p1-{file[:8]}": page}}}
    save_workspace(name, base, theirs)
    merged, _ = save_workspace(name, base, ours)
    assert len(merged["datasets"][A]["pages"][""]["pages"]) == 2


def test_a_deleted_workspace_does_not_come_back(home):
    name, _, content = stored()
    delete_workspace(name)
    with pytest.raises(Gone):
        save_workspace(name, content, {**content, "name": "again"})
    assert not folder_of(home, name).exists()


def test_a_full_disk_is_a_sentence_and_loses_nothing(monkeypatch):
    name, _, content = stored()

    def full(*args, **kwargs):
        raise DatabaseRefused(OSError("database or disk is full"))

    with monkeypatch.context() as broken:
        broken.setattr("cellucid_core.serving.workspaces.files.writing", full)
        with pytest.raises(InputError, match=r"could not be kept.*disk is full"):
            save_workspace(name, content, {**content, "name": "x"})
    assert workspace_to_json(read_workspace(name)) == content


def test_files_that_nothing_names_any_more_go(home):
    file = part_name("pages", b"1")
    page = KeptPage("p1", "T", None, "", file)
    name, _, content = stored(pages={"": KeptPages({"p1-x": page}, 1)})
    other = part_name("pages", b"2")
    for one in (file, other):
        write_part(name, one, lambda: "{}")
    content, _ = save_workspace(name, content, {**content, "name": "young files stay"})
    assert (folder_of(home, name) / other).exists()
    for one in (file, other):
        os.utime(folder_of(home, name) / one, (0, 0))
    save_workspace(name, content, {**content, "name": "old ones go"})
    assert (folder_of(home, name) / file).exists()
    assert not (folder_of(home, name) / other).exists()


# ---- parts, choices, results ---------------------------------------------------------------------------------------


def test_pages_come_back_by_their_cells_ids_with_the_names_they_have_now(home, opened):
    adata = make_adata()
    view = View(opened(adata), default_mapping(opened(adata)))
    first, second = np.array([0, 2, 5]), np.array([1, 7])
    text = {name: pages_to_json(view, [SavedPage("", rows)]) for name, rows in (("one", first), ("two", second))}
    made = page_files_to_pages(view, text)
    assert [page.name for page in made.pages] == ["one", "two"]
    assert [page.rows.tolist() for page in made.pages] == [first.tolist(), second.tolist()]
    # In another order, and without one of the cells, the ids count.
    other = View(opened(adata[::-1][:-1].copy()), default_mapping(opened(adata[::-1][:-1].copy())))
    made = page_files_to_pages(other, text)
    assert [[other.cell_ids[row] for row in page.rows] for page in made.pages] == [
        [view.cell_ids[5], view.cell_ids[2]],
        [view.cell_ids[7], view.cell_ids[1]],
    ]
    assert any("one" in note for note in made.notes)
    for bad in ("", "[]", '{"pages": []}', '{"pages": 3}', "[" * 10_000):
        with pytest.raises(Damaged):
            page_files_to_pages(view, {"x": bad})


words = st.text(max_size=12)
weights = st.floats(allow_nan=False, allow_infinity=False)


@given(
    words,
    st.lists(words, max_size=3),
    st.lists(
        st.tuples(words, st.lists(st.tuples(words, weights), max_size=4), st.booleans(), words),
        min_size=1,
        max_size=4,
        unique_by=lambda one: one[0],
    ),
)
def test_signatures_come_back_as_they_were(name, notes, given_signatures):
    signatures = [
        GeneSet(title, tuple(g for g, _ in genes), tuple(w for _, w in genes) if weighted else None, about)
        for title, genes, weighted, about in given_signatures
    ]
    assert gene_file_from_json(gene_file_to_json(name, GeneSets(signatures, notes))) == (
        name,
        GeneSets(signatures, notes),
    )


@given(anything)
def test_no_other_file_is_read_as_signatures(content):
    for text in (
        json.dumps(content),
        json.dumps({"format": "cellucid-dashboard-signatures", "version": 1, "x": content}),
    ):
        with pytest.raises(Damaged):
            gene_file_from_json(text)


def test_choices_come_back_as_far_as_the_dataset_has_them(demo):
    usual = default_mapping(demo)
    columns = tuple(reversed(usual.obs_keys[1:]))
    chosen = replace(
        usual,
        embeddings={2: "X_umap"},
        latent=None,
        matrix="scaled",
        obs_keys=columns,
        kinds={"n_counts": "categorical"},
    )
    content = json.loads(json.dumps(choices_to_json(chosen, usual)))
    assert set(content) == {"embeddings", "latent", "matrix", "obs_keys", "kinds"}
    back, lost = choices_from_json(content, demo, usual)
    assert (back.digest(), lost) == (chosen.digest(), [])
    assert choices_to_json(usual, usual) == {}
    hostile = {
        "embeddings": {"2": "gone", "9": "X_umap", "1": 4}, "matrix": "nope", "latent": ["x"], "obs_keys": ["no", 3],
        "kinds": {"n_counts": "evil"}, "fixes": "x", "__class__": {},
    }  # fmt: skip
    back, lost = choices_from_json(hostile, demo, usual)
    assert back.matrix == usual.matrix
    assert (back.obs_keys, dict(back.embeddings), dict(back.kinds)) == ((), {}, {})
    assert {"gone", "nope", "no", "n_counts"} <= set(lost)


def finished(home):
    path = home / "exports" / "pbmc-1.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"zip")
    result = ExportResult(path, 3, 3, 0.5, 700, 20, True, np.float64(0.5), ("fixed",), ("beware",), 4, "f" * 64)
    again = Again("python -m …", "import …", {"genes.txt": "CD3D\n"})
    return KeptExport("pbmc", result, "compact", "mark", again, ("left",))


def test_an_export_comes_back_as_long_as_its_file_is_there(home):
    kept = finished(home)
    content = json.loads(json.dumps(export_to_json(kept), allow_nan=False))
    assert export_from_json(content) == kept
    for file in ("../exports/pbmc-1.zip", "..", ".", "", "a/b", 3, None, "gone.zip"):
        assert export_from_json({**content, "file": file}) is None
    for key, value in (("result", {}), ("format", "exe"), ("again", None), ("left_out", 5), ("result", None)):
        assert export_from_json({**content, key: value}) is None
    kept.result.path.write_bytes(b"other")
    assert export_from_json(content) is None


# ---- the end -------------------------------------------------------------------------------------------------------


def upload(home, name):
    path = home / "uploads" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(name.encode())
    return path


def test_deleting_takes_what_no_other_workspace_has(home, tmp_path):
    digest, shared = "c" * 64, "d" * 64
    mine, both = upload(home, f"{digest}.h5ad"), upload(home, f"{shared}.h5ad")
    server_file = tmp_path / "atlas.h5ad"
    server_file.write_bytes(b"atlas")
    for stem in (digest, shared):
        (home / "stores" / f"v1-{stem[:40]}-x").mkdir(parents=True)
        ((home / "stores") / f"v1-{stem[:40]}-x" / "values.npy").write_bytes(b"x")
    export = export_to_json(finished(home))
    content = make(path=mine, content=digest, export=export)
    content["datasets"][shared] = make(path=both, content=shared)["datasets"][shared]
    content["datasets"][A] = make(path=server_file)["datasets"][A]
    name, _ = create_workspace(content)
    save_workspace(name, {}, content)
    other, _, _ = stored(path=both, content=shared)
    delete_workspace(name)
    assert not folder_of(home, name).exists()
    assert not mine.exists()
    assert not (home / "exports" / "pbmc-1.zip").exists()
    assert not (home / "stores" / f"v1-{digest[:40]}-x").exists()
    assert both.exists()
    assert (home / "stores" / f"v1-{shared[:40]}-x").exists()
    assert server_file.exists()
    delete_workspace(other)
    assert not both.exists()
    assert not (home / "stores" / f"v1-{shared[:40]}-x").exists()


def test_deleting_spares_what_others_opened_from_elsewhere(home, tmp_path):
    digest = "c" * 64
    mine = upload(home, f"{digest}.h5ad")
    transposed = turned_hash(digest)
    for stem in (digest, transposed):
        (home / "stores" / f"v1-{stem[:40]}-x").mkdir(parents=True)
    name, _, _ = stored(path=mine, content=digest)
    other, _, _ = stored(path=tmp_path / "atlas.h5ad", content=digest)
    delete_workspace(name)
    assert not mine.exists()
    assert len(list((home / "stores").iterdir())) == 2
    delete_workspace(other)  # of a file of the server's: swept by its age
    assert len(list((home / "stores").iterdir())) == 2


def sent(data, browser, name="x.h5ad"):
    """Upload a file and return its token and path."""
    token = begin_upload(name, len(data), browser)
    with Growing(token, find_upload(token, browser)) as growing:
        growing.write(data)
        growing.commit()
    return token, take_upload(token, browser)[0]


def kept_by(browser, path, content):
    name, _, _ = stored(path=path, content=content)
    note_workspace(f"browser-{fingerprint(browser)}", name)
    return name


def mark_of(browser):
    return owner_mark(f"browser-{fingerprint(browser)}")


def owners():
    with reading() as connection:
        return list(connection.scalars(select(uploads.c.owner)))


def age_records(browser, seconds):
    with writing() as connection:
        old = update(uploads).where(uploads.c.owner == mark_of(browser)).values(changed=time.time() - seconds)
        connection.execute(old)


def test_deleting_spares_an_upload_that_somebody_else_is_opening(home):
    me, other = "m" * 43, "o" * 43
    digest = blake3(b"data").hexdigest()
    store = home / "stores" / f"v1-{digest[:40]}-x"
    store.mkdir(parents=True)
    (_, path), (token, same) = sent(b"data", me), sent(b"data", other)
    assert same == path
    delete_workspace(kept_by(me, path, digest))
    assert path.exists()
    assert store.exists()
    assert owners() == [mark_of(other)]
    assert take_upload(token, other)[0] == path
    sent(b"data", me)
    age_records(other, 3 * 3600)  # nobody takes so long: it could not be opened, or is closed again
    delete_workspace(kept_by(me, path, digest))
    assert not path.exists()
    assert not store.exists()
    assert owners() == []


def test_who_deletes_sees_what_is_being_taken(home, monkeypatch):
    _, path = sent(b"data", "m" * 43)
    seen = []

    def and_then(target):
        seen.append(forget_kept(target.name, {mark_of("m" * 43)}))
        return content_hash(target)

    monkeypatch.setattr("cellucid_core.serving.kept_uploads.content_hash", and_then)
    token, again = sent(b"data", "o" * 43)
    assert (again, seen) == (path, [False])
    assert take_upload(token, "o" * 43)[0] == path
    assert list((home / "incoming").iterdir()) == []


def test_the_quota_counts_what_living_workspaces_keep(home, monkeypatch):
    monkeypatch.setenv("CELLUCID_QUOTA", "1 MB")
    monkeypatch.setenv("CELLUCID_UPLOAD_LIMIT", "1 MB")
    me, other = "m" * 43, "o" * 43
    for one in (me, other):
        _, path = sent(bytes(600_000), one)
        age_records(one, 31 * DAY)
    kept_by(me, path, "c" * 64)
    sweep()
    assert owners() == [mark_of(me)]
    with pytest.raises(TooLarge, match="400 kB are left"):
        begin_upload("y.h5ad", 600_000, me)
    begin_upload("y.h5ad", 600_000, other)
    assert path.exists()


@pytest.mark.parametrize("path", ["/etc/passwd", "uploads/../../x", "..", "", "demo", "/"])
def test_deleting_goes_nowhere_else(home, tmp_path, path):
    outside = tmp_path / "x"
    outside.write_text("mine")
    name, _, content = stored(path=str(home / path) if path.startswith("up") else path)
    content["datasets"][A]["export"] = {"file": "../../x"}
    save_workspace(name, {}, content)
    assert files_in_use() == set()
    delete_workspace(name)
    assert outside.exists()


def test_the_sweep_spares_what_is_made_while_it_looks(monkeypatch):
    made, part = [], part_name("pages", b"x")

    def and_then(folder):
        made.append(stored()[0])
        write_part(made[0], part, lambda: "{}")
        return entries_of(folder)

    entries_of = ending.entries_of
    monkeypatch.setattr(ending, "entries_of", and_then)
    ending.sweep_workspaces()
    assert read_part(made[0], part) == "{}"


def test_the_sweep_ends_what_nobody_opened_and_spares_what_the_living_use(home):
    used, unused = upload(home, f"{'c' * 64}.h5ad"), upload(home, f"{'d' * 64}.h5ad")
    export = export_to_json(finished(home))
    living, token, content = stored(path=used, content="c" * 64, export=export)
    save_workspace(living, content, {**content, "collection": "e" * 32})
    collection = home / "collections" / ("e" * 32)
    collection.mkdir(parents=True)
    dead, _, _ = stored(path=unused, content="d" * 64)
    note_workspace("me", dead)
    note_workspace("you", living)
    for one in (living, dead):
        write_part(one, part_name("pages", b"x"), lambda: "{}")
    later = time.time() + 40 * DAY
    changed(living, opened=later)
    sweep(later)
    assert folder_of(home, living).is_dir()
    assert used.exists()
    assert (home / "exports" / "pbmc-1.zip").exists()
    assert collection.is_dir()
    assert not folder_of(home, dead).exists()
    assert not unused.exists()
    assert (home / "workspaces" / "key").exists()
    assert find_workspace(token) == living
    assert (owners_workspaces("me"), owners_workspaces("you")) == ([], [living])
    assert name_of(token) == living
    sweep(later + 40 * DAY)
    assert not folder_of(home, living).exists()
    assert not used.exists()
    sweep(later + 80 * DAY)
    assert not (home / "exports" / "pbmc-1.zip").exists()
    assert not collection.exists()


def test_the_sweep_spares_for_long_what_another_database_names(home):
    stored()
    elsewhere = folder_of(home, "f" * 64)
    elsewhere.mkdir(parents=True)
    sweep_workspaces()
    assert elsewhere.exists()
    sweep_workspaces(time.time() + 31 * DAY)
    assert not elsewhere.exists()


def test_workspaces_that_are_passed_on_come_before_the_others(home):
    mine, hers = [stored()[0] for _ in range(5)], stored()[0]
    for name in mine:
        note_workspace("me", name)
    note_workspace("her", hers)
    with writing() as connection:
        pass_workspaces(connection, "me", "her")
    assert owners_workspaces("her") == [*reversed(mine), hers]


def test_a_file_that_is_named_again_is_not_tidied_up(home):
    name, _, content = stored()
    file = part_name("pages", b"1")
    write_part(name, file, lambda: "{}")
    os.utime(folder_of(home, name) / file, (0, 0))
    write_part(name, file, lambda: pytest.fail("it is there"))
    save_workspace(name, content, {**content, "name": "another tab"})
    assert (folder_of(home, name) / file).exists()
