"""Random damage to every file of the shipped checkpoints: how much of it is noticed when they are opened.

    python -m benchmarks.robustness.corruption [--times 2000] [--seed 0] [--json]

Bits are flipped, pieces zeroed, deleted, repeated or exchanged, files cut off, extended, emptied or taken away. A
checkpoint is then opened in every way: its weights, what it says of itself, its probes and their scores. Damage is
noticed (refused in a sentence; an edited card is named, not refused), harmless (all that is read is as before, such as
a space between two fields), unnoticed, or ends in a traceback. Exits with 1 if there is any of the last two.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from depthscope.core import checkpoint
from depthscope.core.checkpoint import CARD, CHECKPOINTS, CONFIG
from depthscope.core.errors import InputError
from depthscope.core.exchange import about
from depthscope.probes.reading import linear_probe


def _flip(data: bytes, rng: random.Random) -> bytes:
    at = rng.choice([rng.randrange(len(data)), rng.randrange(min(len(data), 3000))])  # headers are short
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _span(data: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(data))
    return start, min(len(data), start + rng.choice([1, 4, 100, 4096]))


def _zero(data: bytes, rng: random.Random) -> bytes:
    start, end = _span(data, rng)
    return data[:start] + bytes(end - start) + data[end:]


def _delete(data: bytes, rng: random.Random) -> bytes:
    start, end = _span(data, rng)
    return data[:start] + data[end:]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start, end = _span(data, rng)
    return data[:end] + data[start:end] + data[end:]


def _exchange(data: bytes, rng: random.Random) -> bytes:
    length = rng.choice([1, 4, 64])
    first, second = sorted(rng.randrange(max(1, len(data) - length)) for _ in range(2))
    if second < first + length:
        return data
    a, b = data[first : first + length], data[second : second + length]
    return data[:first] + b + data[first + length : second] + a + data[second + length :]


def _extend(data: bytes, rng: random.Random) -> bytes:
    n = rng.choice([1, 8, 1000])
    return data + rng.choice([bytes(n), b" " * n, rng.randbytes(n)])


KINDS: dict[str, Callable[[bytes, random.Random], bytes | None]] = {
    "flip": _flip,
    "zero": _zero,
    "delete": _delete,
    "repeat": _repeat,
    "exchange": _exchange,
    "extend": _extend,
    "cut": lambda data, rng: data[: rng.randrange(len(data))],
    "empty": lambda data, rng: b"",
    "gone": lambda data, rng: None,
}


class _Told(logging.Handler):
    """Whether the log said something."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def read(folder: Path) -> list[Any]:
    """All that is read of a checkpoint.

    Raises:
        InputError: If anything of it is refused.
    """
    opened = checkpoint.load(folder)
    said = about.about(folder)
    weights = [tensor.numpy().tobytes() for tensor in opened.model.state_dict().values()]
    probe, scores = linear_probe.load(opened), linear_probe.load_scores(opened)
    probes = None if probe is None else (probe.concept, probe.values, probe.weight.tobytes(), probe.bias.tobytes())
    told = None if scores is None else scores.to_json()
    return [opened.name, opened.config, opened.training, opened.metrics, weights, vars(said), probes, told]


def outcome(folder: Path, file: str, damaged: bytes | None, before: list[Any]) -> str:
    """What opening a checkpoint with one damaged file comes to; the file is mended in the end."""
    path, told = folder / file, _Told()
    original = path.read_bytes()
    logger = logging.getLogger("depthscope.core.checkpoint")
    logger.addHandler(told)
    try:
        path.write_bytes(damaged) if damaged is not None else path.unlink()
        after = read(folder)
    except InputError:
        return "noticed"
    except Exception as error:
        return f"traceback: {type(error).__name__}: {error}"
    finally:
        path.write_bytes(original)
        logger.removeHandler(told)
    if told.count:
        return "noticed"
    return "harmless" if repr(after) == repr(before) else "unnoticed"


def trial(times: int, number: int, root: Path = CHECKPOINTS) -> list[tuple[str, str, str, str]]:
    """Damages files at random: checkpoint, file, kind of damage and what it came to, one for each time."""
    rng, found = random.Random(number), []
    logging.getLogger("depthscope.core.checkpoint").propagate = False
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / path.parent.name for path in sorted(root.glob(f"*/{CONFIG}"))]
        for folder in folders:
            shutil.copytree(root / folder.name, folder)
        before = {folder: read(folder) for folder in folders}
        for _ in range(times):
            folder, kind = rng.choice(folders), rng.choice(list(KINDS))
            file = rng.choice(sorted(path.name for path in folder.iterdir()))
            original = (folder / file).read_bytes()
            damaged = KINDS[kind](original, rng)
            if damaged != original:
                found.append((folder.name, file, kind, outcome(folder, file, damaged, before[folder])))
    logging.getLogger("depthscope.core.checkpoint").propagate = True
    return found


def main() -> int:
    """Prints a row for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    found = trial(args.times, args.seed)
    wrong = [row for row in found if row[3] not in ("noticed", "harmless")]
    counts = {file: Counter(row[3].partition(":")[0] for row in found if row[1] == file) for _, file, _, _ in found}
    if args.json:
        print(json.dumps({"times": len(found), "seed": args.seed, "counts": counts, "wrong": wrong}))
    else:
        kinds = ("noticed", "harmless", "unnoticed", "traceback")
        print(f"{'file':22}" + "".join(f"{kind:>11}" for kind in kinds))
        for file, count in sorted(counts.items()):
            print(f"{file:22}" + "".join(f"{count[kind]:11}" for kind in kinds))
        for row in wrong:
            print(*row)
        print(f"{len(found)} times damaged, {len(wrong)} unnoticed or with a traceback; {CARD} is named, not refused")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
