"""Random damage to every file of the shipped checkpoints: how much of it is noticed when they are opened.

    python -m benchmarks.robustness.corruption [--times 2000] [--seed 0] [--json]

Files are damaged as in `benchmarks.robustness.fuzz.damage`, emptied or taken away. A checkpoint is then opened in every
way: its weights, what it says of itself, its probes and their scores. Damage is noticed (refused in a sentence; an
edited card is named, not refused), harmless (all that is read is as before, such as a space between two fields),
unnoticed, or ends in a traceback. Exits with 1 if there is any of the last two.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
from collections import Counter
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import Phase, given, seed, settings, strategies as st

from benchmarks.robustness.fuzz.damage import damaged
from benchmarks.robustness.fuzz.measure import UNCHECKED
from depthscope.core import checkpoint
from depthscope.core.checkpoint import CARD, CHECKPOINTS, CONFIG
from depthscope.core.errors import InputError
from depthscope.core.exchange import about
from depthscope.probes.reading import linear_probe

LOG = logging.getLogger("depthscope.core.checkpoint")
NOTICED, HARMLESS, UNNOTICED, TRACEBACK = "noticed", "harmless", "unnoticed", "traceback"


class Trial(NamedTuple):
    """One damaged file of a checkpoint, and what opening it came to: an outcome, a traceback with its error."""

    checkpoint: str
    file: str
    outcome: str


def read(folder: Path) -> list[Any]:
    """All that is read of a checkpoint.

    Raises:
        InputError: If anything of it is refused.
    """
    opened = checkpoint.load(folder)
    weights = [tensor.numpy().tobytes() for tensor in opened.model.state_dict().values()]
    probe, scores = linear_probe.load(opened), linear_probe.load_scores(opened)
    probes = None if probe is None else (probe.concept, probe.values, probe.weight.tobytes(), probe.bias.tobytes())
    settings = [opened.name, opened.config, opened.training, opened.metrics, vars(about.about(folder))]
    return [*settings, weights, probes, None if scores is None else scores.to_json()]


def outcome(path: Path, content: bytes | None, before: list[Any]) -> str:
    """What opening a checkpoint comes to while a file of it has other content, or is gone."""
    original, warnings = path.read_bytes(), BufferingHandler(1000)
    LOG.addHandler(warnings)
    try:
        path.write_bytes(content) if content is not None else path.unlink()
        after = read(path.parent)
    except InputError:
        return NOTICED
    except Exception as error:
        return f"{TRACEBACK}: {type(error).__name__}: {error}"
    finally:
        path.write_bytes(original)
        LOG.removeHandler(warnings)
    return NOTICED if warnings.buffer else HARMLESS if repr(after) == repr(before) else UNNOTICED


def trials(times: int, number: int, root: Path = CHECKPOINTS) -> list[Trial]:
    """Damages files at random, drawn from a seed; damage that changes nothing is left out."""
    results: list[Trial] = []
    LOG.propagate = False
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / path.parent.name for path in sorted(root.glob(f"*/{CONFIG}"))]
        for folder in folders:
            shutil.copytree(root / folder.name, folder)
        before = {folder: read(folder) for folder in folders}

        @seed(number)
        @settings(max_examples=times, deadline=None, database=None, phases=[Phase.generate],
                  suppress_health_check=UNCHECKED)  # fmt: skip
        @given(st.data())
        def one(data: st.DataObject) -> None:
            folder = data.draw(st.sampled_from(folders))
            path = data.draw(st.sampled_from(sorted(folder.iterdir())))
            original = path.read_bytes()
            many = damaged([original], least=1, most=2 * len(original))
            content = data.draw(st.one_of(*[many] * 8, st.just(b""), st.none()))
            if content != original:
                results.append(Trial(folder.name, path.name, outcome(path, content, before[folder])))

        one()
    LOG.propagate = True
    return results


def main() -> int:
    """Prints a row for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    results = trials(args.times, args.seed)
    wrong = [trial for trial in results if trial.outcome not in (NOTICED, HARMLESS)]
    counts: dict[str, Counter[str]] = {}
    for trial in results:
        counts.setdefault(trial.file, Counter())[trial.outcome.partition(":")[0]] += 1
    if args.json:
        print(json.dumps({"times": len(results), "seed": args.seed, "counts": counts, "wrong": wrong}))
        return 1 if wrong else 0
    kinds = (NOTICED, HARMLESS, UNNOTICED, TRACEBACK)
    print(f"{'file':22}" + "".join(f"{kind:>11}" for kind in kinds))
    for file, count in sorted(counts.items()):
        print(f"{file:22}" + "".join(f"{count[kind]:11}" for kind in kinds))
    for trial in wrong:
        print(*trial)
    print(f"{len(results)} times damaged, {len(wrong)} unnoticed or with a traceback; {CARD} is named, not refused")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
