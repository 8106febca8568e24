"""Deflate (RFC 1951) of run lengths and Huffman codes only, compiled: for vectors that are noise between runs.

A gene in a hundred thousand cells is one value, most often zero, wherever it was not seen, and noise where it was. All
that deflate can gain there are the runs of that value and short codes for frequent ones; looking for repeated strings
costs nearly all the time of zlib and finds nothing. What is written here is what zlib's strategies ``Z_RLE`` and
``Z_HUFFMAN_ONLY`` write, several times as fast, and smaller: a run becomes a repetition only where that is shorter than
its single values, which is decided per block.

Importing this module imports numba, and the first call compiles for some seconds (once per installation).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

_F = TypeVar("_F", bound=Callable[..., Any])
#: Compiled code must not mix Python's and numpy's integers at will, as a type checker would have it.
_Integer = Any

#: Runs of one block. Each block has codes of its own, so that they follow a vector whose values drift.
BLOCK_RUNS = 24_576
#: One run of so many is looked at when a block decides from which length on runs are repetitions.
_SAMPLE = 16
_LITERALS, _END, _SYMBOLS, _LONGEST = 256, 256, 286, 258
_LENGTH_ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15], np.int64)
#: What a run needs at least behind its first value to become a repetition; the last one means never.
_CHOICES = np.array([3, 5, 10, 2**62], np.int64)


#: Bits behind each length symbol from 256 on, and the symbol of each length of a repetition (RFC 1951, 3.2.5).
_MORE = np.array([0] * 9 + [width for width in range(1, 6) for _ in range(4)] + [0], np.int64)
_FIRST = np.concatenate([[0], np.cumsum(np.concatenate([[3], 1 << _MORE[1:28]])), [_LONGEST]])
_SYMBOL = 256 + np.searchsorted(_FIRST[1:], np.arange(_LONGEST + 1), side="right")


def _compiled(function: _F) -> _F:
    """Compile, and keep the machine code beside this file (or in the user's cache) for the next run."""
    try:
        return cast("_F", njit(nogil=True, cache=True)(function))
    except RuntimeError:  # no folder to keep it in
        return cast("_F", njit(nogil=True)(function))


def deflate_runs(data: np.ndarray) -> bytes:
    """Compress bytes to a raw deflate stream, without holding the interpreter's lock.

    Parameters
    ----------
    data
        (n,) uint8, contiguous.

    Returns
    -------
    bytes
        RFC 1951; the same for the same bytes on every machine.
    """
    # A symbol has 15 bits at most, and each stands for one byte or more; a block's codes take less than 400 bytes.
    data = data.view()
    data.flags.writeable = False  # compiled once, not once more for what cannot be written
    room = 2 * len(data) + 400 * (len(data) // BLOCK_RUNS + 1) + 16
    out = np.empty(room // 4, "<u4")
    return out.view(np.uint8)[: _deflate(data, out)].tobytes()


@_compiled
def _deflate(data: np.ndarray, out: np.ndarray) -> _Integer:
    """Write the stream into 32-bit words and return its length in bytes."""
    if len(data) == 0:
        out[0] = 3  # one last block of the fixed code, with nothing in it
        return 2
    starts = np.empty(BLOCK_RUNS + 1, np.int64)
    codes, widths = np.empty(_SYMBOLS, np.uint64), np.empty(_SYMBOLS, np.uint64)
    word, held, n_held = np.int64(0), np.uint64(0), np.uint64(0)
    at: _Integer = np.int64(0)
    while at < len(data):
        n_runs = _find_runs(data, at, starts)
        at = starts[n_runs]
        least = _least_repetition(data, starts, n_runs)
        code_lengths = _code_lengths(_count(data, starts, n_runs, least, np.int64(1)), np.int64(15))
        _canonical(code_lengths, codes, widths)
        word, held, n_held = _write_header(out, word, held, n_held, code_lengths, at == len(data))
        word, held, n_held = _write_runs(out, word, held, n_held, data, starts, n_runs, least, codes, widths)
    out[word] = np.uint32(held)
    return 4 * word + (int(n_held) + 7) // 8


@_compiled
def _find_runs(data: np.ndarray, at: _Integer, starts: np.ndarray) -> _Integer:
    """Take runs of equal bytes until the block is full: where each begins, and at last the end; return how many.

    Without a branch per byte, which no processor could foresee.
    """
    starts[0] = at
    n_runs, most = np.uint64(1), np.uint64(len(starts) - 1)
    place, end, last = np.uint64(at + 1), np.uint64(len(data)), data[at]
    while place < end and n_runs <= most:
        stop = min(end, place + most + np.uint64(1) - n_runs)  # each byte begins one run at most
        for byte in range(place, stop):
            value = data[byte]
            starts[n_runs] = byte
            n_runs += np.uint64(value != last)
            last = value
        place = stop
    if n_runs > most:
        return np.int64(most)
    starts[n_runs] = len(data)
    return np.int64(n_runs)


@_compiled
def _count(data: np.ndarray, starts: np.ndarray, n_runs: _Integer, least: _Integer, step: _Integer) -> np.ndarray:
    """Count the symbols of every `step`-th run, (286,) int64."""
    counts = np.zeros(_SYMBOLS, np.int64)
    repeats = np.zeros(_LONGEST + 1, np.int64)
    for run in range(0, n_runs, step):
        value, rest = data[starts[run]], starts[run + 1] - starts[run] - 1
        if rest > _LONGEST and rest >= least:
            repeats[_LONGEST] += rest // _LONGEST
            rest %= _LONGEST
        few = rest < least
        counts[value] += 1 + rest * few
        repeats[rest * (not few)] += 1
    for length in range(3, _LONGEST + 1):
        counts[_SYMBOL[length]] += repeats[length]
    counts[_END] = 1
    return counts


@_compiled
def _least_repetition(data: np.ndarray, starts: np.ndarray, n_runs: _Integer) -> _Integer:
    """Return the choice that needs the fewest bits, from a sample of the runs."""
    step = max(1, min(_SAMPLE, n_runs // 512))
    best, fewest = 3, np.inf
    for least in _CHOICES:
        bits = _entropy(_count(data, starts, n_runs, least, step))
        if bits < fewest:
            best, fewest = least, bits
    return best


@_compiled
def _entropy(counts: np.ndarray) -> float:
    """Return about how many bits the symbols need."""
    total, most = 0, 0
    for count in counts:
        total += count
        most = max(most, count)
    bits, frequent = 0.0, 0
    if 2 * most > total:  # its code has one bit, and the others share what is left
        bits, frequent, total = float(total), most, total - most
    for symbol in range(_SYMBOLS):
        count = counts[symbol]
        if count != 0 and count != frequent:
            bits += count * np.log2(total / count)
        if symbol > _END:
            bits += count * (1 + _MORE[symbol - _END])  # the distance, and the exact length
    return bits


@_compiled
def _code_lengths(counts: np.ndarray, limit: _Integer) -> np.ndarray:
    """Return the length of each symbol's Huffman code, 0 for symbols that do not occur, at most `limit`.

    Two queues, as the counts are sorted (van Leeuwen 1976). Codes that are too long are shortened by levelling the
    counts, which costs next to nothing: it is the rarest symbols that have them.
    """
    counts = counts.copy()
    lengths = np.zeros(len(counts), np.int64)
    order = np.empty(len(counts), np.int64)
    n = 0
    for symbol in range(len(counts)):
        if counts[symbol] > 0:
            order[n] = symbol
            n += 1
    weight, parent, depth = np.empty(2 * n, np.int64), np.empty(2 * n, np.int64), np.empty(2 * n, np.int64)
    while True:
        _sort(order, n, counts)
        for leaf in range(n):
            weight[leaf] = counts[order[leaf]]
        leaf, inner = 0, n
        for node in range(n, 2 * n - 1):
            weight[node] = 0
            for _ in range(2):
                if leaf < n and (inner == node or weight[leaf] <= weight[inner]):
                    chosen, leaf = leaf, leaf + 1
                else:
                    chosen, inner = inner, inner + 1
                weight[node] += weight[chosen]
                parent[chosen] = node
        depth[2 * n - 2] = 0
        for node in range(2 * n - 3, -1, -1):
            depth[node] = depth[parent[node]] + 1
        if depth[0] <= limit:  # the rarest is the deepest
            for leaf in range(n):
                lengths[order[leaf]] = depth[leaf]
            return lengths
        for leaf in range(n):
            counts[order[leaf]] = (counts[order[leaf]] + 1) // 2


@_compiled
def _sort(order: np.ndarray, n: int, counts: np.ndarray) -> None:
    """Sort the first `n` symbols by their counts, ascending, in place and stable (Shell's gaps of Ciura 2001)."""
    for gap in (57, 23, 10, 4, 1):
        for place in range(gap, n):
            symbol, at = order[place], place
            while at >= gap and counts[order[at - gap]] > counts[symbol]:
                order[at] = order[at - gap]
                at -= gap
            order[at] = symbol


@_compiled
def _canonical(lengths: np.ndarray, codes: np.ndarray, widths: np.ndarray) -> None:
    """Give each symbol its code, first bit lowest (RFC 1951, 3.2.2)."""
    n_of = np.zeros(17, np.int64)
    for length in lengths:
        n_of[length] += 1
    n_of[0] = 0
    following = np.zeros(17, np.int64)
    for width in range(1, 16):
        following[width + 1] = (following[width] + n_of[width]) << 1
    for symbol in range(len(lengths)):
        width = lengths[symbol]
        code, turned = following[width], 0
        following[width] += 1
        for _ in range(width):
            turned = (turned << 1) | (code & 1)
            code >>= 1
        codes[symbol], widths[symbol] = np.uint64(turned), np.uint64(width)


@_compiled
def _put(
    out: np.ndarray, word: _Integer, held: np.uint64, n_held: np.uint64, bits: np.uint64, width: np.uint64
) -> tuple[_Integer, np.uint64, np.uint64]:
    """Append at most 32 bits, lowest first; without a branch, as in `_find_runs`."""
    held |= bits << n_held
    n_held += width
    out[word] = np.uint32(held & np.uint64(0xFFFFFFFF))
    full = n_held >> np.uint64(5)
    return word + np.int64(full), held >> (full << np.uint64(5)), n_held & np.uint64(31)


@_compiled
def _write_header(
    out: np.ndarray, word: _Integer, held: np.uint64, n_held: np.uint64, code_lengths: np.ndarray, last: bool
) -> tuple[_Integer, np.uint64, np.uint64]:
    """Begin a block and write its codes' lengths (RFC 1951, 3.2.7).

    The distance is 1 wherever there is one. Two codes of one bit are declared, so that their set is complete.
    """
    n_symbols = _SYMBOLS
    while code_lengths[n_symbols - 1] == 0:
        n_symbols -= 1
    told = np.empty(n_symbols + 2, np.int64)
    for symbol in range(n_symbols + 2):
        told[symbol] = code_lengths[symbol] if symbol < n_symbols else 1
    # Runs among the lengths: 16 repeats the last one 3 to 6 times, 17 and 18 are 3 to 10 and 11 to 138 zeros.
    symbols, extra = np.empty(len(told), np.int64), np.empty(len(told), np.int64)
    n_told, at = 0, 0
    while at < len(told):
        value, start = told[at], at
        while at < len(told) and told[at] == value:
            at += 1
        rest = at - start
        if value > 0:
            symbols[n_told], extra[n_told] = value, 0
            n_told, rest = n_told + 1, rest - 1
        while rest > 0:
            if value == 0 and rest >= 11:
                taken = min(rest, 138)
                symbols[n_told], extra[n_told] = 18, taken - 11
            elif value == 0 and rest >= 3:
                taken = rest
                symbols[n_told], extra[n_told] = 17, taken - 3
            elif value > 0 and rest >= 3:
                taken = min(rest, 6)
                symbols[n_told], extra[n_told] = 16, taken - 3
            else:
                taken = 1
                symbols[n_told], extra[n_told] = value, 0
            n_told, rest = n_told + 1, rest - taken
    counts = np.zeros(19, np.int64)
    for item in range(n_told):
        counts[symbols[item]] += 1
    lengths = _code_lengths(counts, np.int64(7))
    codes, widths = np.empty(19, np.uint64), np.empty(19, np.uint64)
    _canonical(lengths, codes, widths)
    n_lengths = 19
    while n_lengths > 4 and lengths[_LENGTH_ORDER[n_lengths - 1]] == 0:
        n_lengths -= 1
    first = (1 if last else 0) | 2 << 1 | (n_symbols - 257) << 3 | 1 << 8 | (n_lengths - 4) << 13
    word, held, n_held = _put(out, word, held, n_held, np.uint64(first), np.uint64(17))
    for item in range(n_lengths):
        length = np.uint64(lengths[_LENGTH_ORDER[item]])
        word, held, n_held = _put(out, word, held, n_held, length, np.uint64(3))
    for item in range(n_told):
        symbol = symbols[item]
        word, held, n_held = _put(out, word, held, n_held, codes[symbol], widths[symbol])
        if symbol >= 16:
            width = 2 if symbol == 16 else 3 if symbol == 17 else 7
            word, held, n_held = _put(out, word, held, n_held, np.uint64(extra[item]), np.uint64(width))
    return word, held, n_held


@_compiled
def _write_runs(
    out: np.ndarray,
    word: _Integer,
    held: np.uint64,
    n_held: np.uint64,
    data: np.ndarray,
    starts: np.ndarray,
    n_runs: _Integer,
    least: _Integer,
    codes: np.ndarray,
    widths: np.ndarray,
) -> tuple[_Integer, np.uint64, np.uint64]:
    """Write a block's symbols and its end."""
    common = data[starts[0]]
    for value in range(_LITERALS):
        if widths[value] > 0 and (widths[value] < widths[common]):
            common = np.uint8(value)
    # What follows the first value of a run, in one piece: nothing, more of the same, or a repetition's code with its
    # extra bits and the distance's single bit (0). Of the same there is more only where it is the most common value.
    piece, piece_width = np.zeros(_LONGEST + 1, np.uint64), np.zeros(_LONGEST + 1, np.uint64)
    for rest in range(1, _LONGEST + 1):
        symbol = _SYMBOL[rest]
        if rest < least:
            piece[rest] = piece[rest - 1] | codes[common] << piece_width[rest - 1]
            piece_width[rest] = min(np.uint64(33), piece_width[rest - 1] + widths[common])
        else:
            more = np.uint64(rest - _FIRST[symbol - _END])
            piece[rest] = codes[symbol] | more << widths[symbol]
            piece_width[rest] = widths[symbol] + np.uint64(_MORE[symbol - _END] + 1)
    for run in range(n_runs):
        value, rest = data[starts[run]], starts[run + 1] - starts[run] - 1
        code, width = codes[value], widths[value]
        if rest > _LONGEST and rest >= least:
            word, held, n_held = _put(out, word, held, n_held, code, width)
            code, width = np.uint64(0), np.uint64(0)
            for _ in range(rest // _LONGEST):
                word, held, n_held = _put(out, word, held, n_held, piece[_LONGEST], piece_width[_LONGEST])
            rest %= _LONGEST
        if rest <= _LONGEST and (value == common or rest == 0 or rest >= least) and width + piece_width[rest] <= 32:
            code |= piece[rest] << width
            word, held, n_held = _put(out, word, held, n_held, code, width + piece_width[rest])
            continue
        word, held, n_held = _put(out, word, held, n_held, code, width)
        if rest >= least:
            word, held, n_held = _put(out, word, held, n_held, piece[rest], piece_width[rest])
        else:
            for _ in range(rest):
                word, held, n_held = _put(out, word, held, n_held, codes[value], widths[value])
    return _put(out, word, held, n_held, codes[_END], widths[_END])
