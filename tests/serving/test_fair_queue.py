from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cellucid_core.serving.jobs.fair_queue import FairQueue

ASKED = st.lists(st.tuples(st.sampled_from("abcd"), st.integers()), max_size=30)


def filled(asked):
    queue = FairQueue()
    for number, (owner, _) in enumerate(asked):
        queue.put(owner, (owner, number))
    return queue


def drained(queue):
    return list(iter(queue.get, None))


@settings(deadline=None)
@given(ASKED)
def test_everybody_is_served_in_turn_and_each_in_order(asked):
    queue = filled(asked)
    assert len(queue) == len(asked)
    foreseen = list(queue)
    order = drained(queue)
    assert order == foreseen
    assert sorted(number for _, number in order) == list(range(len(asked)))
    for owner in "abcd":
        mine = [number for who, number in order if who == owner]
        assert mine == sorted(mine)
    # Nobody is served twice while another one waits.
    for place, (owner, _) in enumerate(order):
        later = {who for who, _ in order[place:]}
        following = [who for who, _ in order[place + 1 : place + len(later)]]
        assert owner not in following


@settings(deadline=None)
@given(ASKED, st.integers(0, 29))
def test_what_is_taken_out_is_gone_and_nothing_else(asked, which):
    queue = filled(asked)
    before = list(queue)
    if which < len(asked):
        item = (asked[which][0], which)
        assert queue.remove(item[0], item)
        before.remove(item)
        assert not queue.remove(item[0], item)
    assert sorted(drained(queue)) == sorted(before)
    assert len(queue) == 0
    assert queue.get() is None
