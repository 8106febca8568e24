"""A session and the files of its workspace are kept the same, after every run of the page."""

from __future__ import annotations

from typing import Any

from cellucid_core.errors import CellucidError
from cellucid_core.serving.workspaces import (
    Gone,
    create_workspace,
    mark_opened,
    note_workspace,
    read_workspace,
    save_workspace,
    stamp_of,
    workspace_from_json,
    workspace_to_json,
    write_part,
)
from pages.session.keeper import Keeper, keeper
from pages.session.owner import lasting_owner
from pages.session.recalling import take_collection, take_over
from pages.session.snapshot import snapshot
from pages.session.state import workspace


def keep(*, adopt: bool = False) -> None:
    """Write what changed since the last time; cheap where nothing did.

    Parameters
    ----------
    adopt
        Whether what others changed meanwhile is taken over: only before widgets are drawn.
    """
    me = keeper()
    if me.over or me.pending:
        return
    try:
        _sync(me, adopt)
        me.trouble = None
    except Gone as gone:
        end(me)
        me.trouble = gone
    except CellucidError as error:
        me.trouble = error
    except (OSError, ValueError) as error:
        why = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        me.trouble = CellucidError(f"Your work could not be kept{why}.", "It goes on here, until the page is reloaded.")


def end(me: Keeper) -> None:
    """Keep and show nothing any more: the workspace was deleted, and what was open with it."""
    me.over, me.token = True, ""
    workspace().close()


def _sync(me: Keeper, adopt: bool) -> None:
    mine = snapshot(me)
    if not me.name:
        if not _worth_keeping(me, mine):
            return
        me.name, me.token = create_workspace(mine)
        me.seed = mine["seed"]
        if (whose := lasting_owner()) is not None:
            note_workspace(whose, me.name)
        base: dict[str, Any] = {}
    elif mine == me.synced:
        mark_opened(me.name)
        stamp = stamp_of(me.name)
        if stamp == me.stamp and not (adopt and me.tried is not me.record and _others(me, mine)):
            return
        if stamp != me.stamp:
            me.record, me.stamp = workspace_to_json(read_workspace(me.name)[0]), stamp
        _settle(me, mine, adopt)
        return
    else:
        base = me.synced
    if stamp_of(me.name) is None and base:
        read_workspace(me.name)  # says that it is gone
    for file, text in me.unwritten.items():
        write_part(me.name, file, text)
    me.record, me.stamp = save_workspace(me.name, base, mine)
    me.unwritten.clear()
    _settle(me, mine, adopt)


def _others(me: Keeper, mine: dict[str, Any]) -> bool:
    """Tell whether the open dataset is otherwise in the files than here: another tab changed it."""
    key = mine["current"]
    return bool(me.record["datasets"].get(key) != mine["datasets"].get(key))


def _settle(me: Keeper, mine: dict[str, Any], adopt: bool) -> None:
    """Note what is known on both sides, after taking over what others changed."""
    me.title = me.record["name"]
    key = mine["current"]
    work = workspace()
    is_open = work.dataset is not None and key == work.dataset.content_hash and key in me.record["datasets"]
    if adopt and is_open and me.tried is not me.record and _others(me, mine):
        me.tried = me.record  # what cannot be taken over is not tried again in every run
        take_over(workspace_from_json(me.record).datasets[key], live=True)
        mine = snapshot(me)
    if adopt:
        take_collection(me)
    entry = {key: mine["datasets"][key]} if key in mine["datasets"] else {}
    me.synced = {
        **me.record,
        "current": key,
        "collection": mine["collection"],
        "datasets": {**me.record["datasets"], **entry},
    }


def _worth_keeping(me: Keeper, mine: dict[str, Any]) -> bool:
    """Tell whether somebody did something here: a workspace is not made for every visitor and bot."""
    work = workspace()
    if work.dataset is None or work.source is None:
        return False
    if not me.automatic:
        return True
    entry = mine["datasets"][work.dataset.content_hash]
    widgets = entry["widgets"]
    for name, value in widgets.items():
        me.first.setdefault(name, value)
    changed = any(me.first[name] != value for name, value in widgets.items())
    made = any(entry[what] for what in ("choices", "fixes", "replaced", "pages", "gene_file", "export"))
    me.automatic = not (changed or made or mine["collection"] or me.title)
    return not me.automatic
