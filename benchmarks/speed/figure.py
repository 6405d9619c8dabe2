"""A measured figure, how two ways of doing one thing are timed in turn, and how a benchmark prints its figures."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from depthscope.core.files.strict_json import dumps

LOST = 0.15
"""A figure that is worse than the kept one by more than this share is pointed out."""


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        what: What is measured.
        median: Over the rounds.
        low: Lower quartile, or the least of fewer than four rounds.
        high: Upper quartile, or the greatest.
        unit: "times", "s", "ms", or what else it counts.
        better: Whether "less" or "more" is better.
        asked: The limit it should keep, None if there is none.
        rounds: How many rounds.
        details: What the figure is made of, as text.
    """

    what: str
    median: float
    low: float
    high: float
    unit: str
    better: Literal["less", "more"]
    asked: float | None
    rounds: int
    details: str = ""

    def __post_init__(self) -> None:
        if not self.low <= self.median <= self.high:
            raise ValueError(f"the median {self.median} of {self.what!r} lies outside {self.low} to {self.high}")

    @property
    def holds(self) -> bool | None:
        """Whether the limit is kept; None where there is none."""
        if self.asked is None:
            return None
        return self.median <= self.asked if self.better == "less" else self.median >= self.asked

    def lost(self, before: float) -> float:
        """Share by which this is worse than a median from before; negative where it is better."""
        ratio = self.median / before
        return ratio - 1 if self.better == "less" else 1 / ratio - 1

    def __str__(self) -> str:
        limit = {None: "", True: ", kept", False: ", missed"}[self.holds]
        asked = "" if self.asked is None else f"  asked {'<=' if self.better == 'less' else '>='} {self.asked:g}{limit}"
        body = f"{self.median:.3g} {self.unit} ({self.low:.3g}-{self.high:.3g}, {self.rounds} rounds){asked}"
        return f"{self.what}: {body}" + (f"\n    {self.details}" if self.details else "")


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median and quartiles; of fewer than four values the least and the greatest."""
    if len(values) < 4:
        return statistics.median(values), min(values), max(values)
    low, middle, high = statistics.quantiles(values, n=4)
    return middle, low, high


def in_turn(ways: Mapping[str, Callable[[], object]], rounds: int, warm: int = 1) -> dict[str, list[float]]:
    """Seconds of each way in each round; every other round runs them in the opposite order.

    Args:
        ways: What is timed, by name.
        rounds: How often.
        warm: Rounds before that do not count.
    """
    took: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(-warm, rounds):
        for name in list(ways) if i % 2 == 0 else list(ways)[::-1]:
            start = time.perf_counter()
            ways[name]()
            if i >= 0:
                took[name].append(time.perf_counter() - start)
    return took


def ratio(
    what: str,
    took: Mapping[str, Sequence[float]],
    over: str,
    under: str,
    better: Literal["less", "more"],
    asked: float | None = None,
    details: str = "",
) -> Figure:
    """The ratios of neighbouring runs of two ways."""
    middle, low, high = spread([a / b for a, b in zip(took[over], took[under], strict=True)])
    seconds = ", ".join(f"{name} {_short(statistics.median(took[name]))}" for name in (over, under))
    text = f"{seconds}; {details}" if details else seconds
    return Figure(what, middle, low, high, "times", better, asked, len(took[over]), text)


def absolute(
    what: str, values: Sequence[float], unit: str, better: Literal["less", "more"], asked: float | None = None
) -> Figure:
    """A figure that is no ratio: it belongs to the machine it was measured on."""
    return Figure(what, *spread(values), unit, better, asked, len(values))


def _short(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def main(
    measure: Callable[..., Sequence[Figure]], doc: str | None, rounds: int, named: Sequence[str] | None = None
) -> None:
    """The command line of one benchmark: one thread unless it says otherwise, a line a figure or JSON.

    Args:
        measure: Takes the rounds, and where some can be named also the names that were given.
        doc: Its description.
        rounds: By default.
        named: What can be named; None where nothing can.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"default {rounds}")
    parser.add_argument("--json", action="store_true")
    if named is not None:
        parser.add_argument("names", nargs="*", metavar="CKPT", help="default: all that are shipped")
    args = parser.parse_args()
    if unknown := sorted({*getattr(args, "names", ())} - {*(named or ())}):
        parser.error(f"there is no checkpoint {unknown[0]!r}; there are: {', '.join(named or ())}")
    if args.rounds < 1:
        parser.error("--rounds should be at least 1")
    torch.set_num_threads(1)
    figures = measure(args.rounds) if named is None else measure(args.rounds, args.names)
    print(dumps(figures) if args.json else "\n".join(map(str, figures)))
