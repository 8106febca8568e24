from __future__ import annotations

import pytest

from cellucid_core.atomic import complete_or_absent


def test_the_draft_takes_the_targets_place(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with complete_or_absent(target) as draft:
        draft.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_write_changes_nothing(tmp_path, error):
    target = tmp_path / "a.txt"

    def interrupted():
        with complete_or_absent(target) as draft:
            draft.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert list(tmp_path.iterdir()) == []
