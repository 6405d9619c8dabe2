"""The colours of every figure: one sequential map for probability, one accent for selection, one hue a head.

Owns colour. The linked views get these values written into their JavaScript, Plotly figures take them from here, so
that a probability of 0.7 looks the same everywhere.

The sequential map runs from pale yellow over green and teal to deep indigo with lightness falling in equal steps of
OKLab, so that equal differences of probability look equal and the order survives in grey and for colour-blind readers.
It is one map with two directions: on a light page 0 is its pale end, on a dark page its deep end; 0 always recedes
into the page and 1 stands out.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Scheme = Literal["light", "dark"]

_STOPS = np.array(  # (share of the way, hue in degrees, chroma) in OKLCH; lightness falls linearly from 0.965 to 0.29
    [
        (0.00, 106.0, 0.055),
        (0.18, 125.0, 0.105),
        (0.38, 162.0, 0.110),
        (0.58, 212.0, 0.092),
        (0.78, 254.0, 0.108),
        (1.00, 282.0, 0.120),
    ]
)
_LIGHTNESS = (0.965, 0.29)

ACCENT: dict[Scheme, str] = {"light": "#d9480f", "dark": "#ff9a5c"}
"""Selection, the cursor and nothing else; warm, since the sequential map has no warm end but its palest yellow."""

WRONG: dict[Scheme, str] = {"light": "#c2255c", "dark": "#ff7eb6"}
"""The cross where belief and truth differ; always with the shape, never the hue alone."""

HEADS: dict[Scheme, tuple[str, ...]] = {
    "light": ("#4263eb", "#b35c00", "#0b8470", "#9c36b5", "#5f6b7a", "#c2255c", "#3b7a1e", "#7a5c00"),
    "dark": ("#91a7ff", "#ffb35c", "#4fd6bd", "#e599f7", "#b8c4d0", "#ff8fb3", "#a3dc7a", "#e6cf6a"),
}
"""Hue of each attention head, taken in turn; a ninth head starts again."""


def _oklch_to_rgb(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """OKLCH (hue in radians) to linear-light sRGB, encoded with its transfer curve, (k, 3) in [0, 1].

    Source: Ottosson (2020), "A perceptual color space for image processing".
    """
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    cone = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ],
        axis=-1,
    )
    matrix = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(cone**3 @ matrix.T, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def sequential(scheme: Scheme, n_colours: int = 256) -> np.ndarray:
    """The sequential map of a scheme, (n_colours, 3) uint8; row 0 is probability 0."""
    share = np.linspace(0.0, 1.0, n_colours)
    hue = np.radians(np.interp(share, _STOPS[:, 0], _STOPS[:, 1]))
    chroma = np.interp(share, _STOPS[:, 0], _STOPS[:, 2])
    lightness = _LIGHTNESS[0] + share * (_LIGHTNESS[1] - _LIGHTNESS[0])
    colours = np.round(255 * _oklch_to_rgb(lightness, chroma, hue)).astype(np.uint8)
    return colours if scheme == "light" else colours[::-1].copy()
