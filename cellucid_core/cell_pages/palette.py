"""Group colours that colour-blind people can tell apart, on light and on dark backgrounds.

The first seven are those of Okabe & Ito (2008, "Color Universal Design") without black, which cannot be seen on a dark
background. Further ones are picked one at a time: of all candidates of medium lightness, the one whose nearest colour
so far is farthest away. Distances are in OKLab (Ottosson 2020), the smallest of three: as seen with normal vision, with
protanopia and with deuteranopia (Machado, Oliveira & Fernandes 2009, severity 1).
"""

from __future__ import annotations

from functools import cache

import numpy as np

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")

_PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
_DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def palette(n: int) -> list[str]:
    """Return ``n`` group colours as ``#RRGGBB``; ``palette(n)`` always begins with ``palette(n - 1)``.

    They are all different up to several hundred; after that they repeat.

    Examples
    --------
    >>> palette(2)
    ['#0072B2', '#E69F00']
    """
    if n <= len(OKABE_ITO):
        return list(OKABE_ITO[: max(n, 0)])
    # In steps of 64, so that one more page does not pick all colours again.
    colors = _extended(-(-n // 64) * 64)
    return [colors[i % len(colors)] for i in range(n)]


@cache
def _extended(n: int) -> tuple[str, ...]:
    """Pick colours greedily until there are ``n``, or until the candidates are used up."""
    levels = np.arange(0, 256, 17, dtype=np.float64)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness, *ab = _seen(grid)[0].T
    chroma = np.hypot(*ab)
    # Neither dark nor pale, neither grey (the colour of the rest) nor glaring.
    grid = grid[(lightness > 0.46) & (lightness < 0.86) & (chroma > 0.04) & (chroma < 0.19)]
    candidates = _seen(grid)
    chosen = [tuple(int(color[i : i + 2], 16) for i in (1, 3, 5)) for color in OKABE_ITO]
    nearest = np.full(len(grid), np.inf)
    for color in chosen:
        nearest = np.minimum(nearest, _distance(candidates, np.array([color], dtype=np.float64)))
    while len(chosen) < n:
        best = int(np.argmax(nearest))
        if nearest[best] <= 0:
            break
        chosen.append(tuple(int(c) for c in grid[best]))
        nearest = np.minimum(nearest, _distance(candidates, grid[best : best + 1]))
        nearest[best] = 0
    return tuple(f"#{r:02X}{g:02X}{b:02X}" for r, g, b in chosen)


def _distance(candidates: list[np.ndarray], color: np.ndarray) -> np.ndarray:
    """Return each candidate's distance to one colour: the smallest over the three kinds of vision."""
    distances = [np.linalg.norm(ours - theirs, axis=1) for ours, theirs in zip(candidates, _seen(color), strict=True)]
    return np.asarray(np.min(distances, axis=0))


def _seen(rgb: np.ndarray) -> list[np.ndarray]:
    """Return sRGB colours (k, 3; 0-255) in OKLab as seen normally, with protanopia and with deuteranopia."""
    unit = rgb / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    seen = [linear, linear @ _PROTANOPIA.T, linear @ _DEUTERANOPIA.T]
    return [np.cbrt(np.clip(s, 0, 1) @ _TO_LMS.T) @ _TO_LAB.T for s in seen]
