"""One parser on many inputs in a process of its own, watched from outside: a hang or a crash ends that process alone.

The process sends each input before it reads it and what came of it afterwards, so that whatever happens to it the input
at fault is known and the rest is counted.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import resource
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks.speed.memory import memory, reset_mark
from depthscope.core.cli import one_line
from depthscope.core.errors import InputError

HANG_SECONDS = 30.0
"""Of one input on the clock, after which its process is killed."""

MAX_SECONDS, MAX_MIB = 2.0, 512
ADDRESS_SPACE = 8 << 30
ACCEPTED, REFUSED, FAILED = "accepted", "refused", "failed"
KEPT_OF_A_KIND = 3

MAX_SENTENCE = 2000
"""Characters of a refusal; what it quotes is clipped."""

UNCHECKED = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
)
"""What Hypothesis need not complain of: damaged files are large and often refused."""


@dataclass
class Measured:
    """What a parser did.

    Attributes:
        parser: Its name.
        accepted: Inputs that it took.
        refused: Inputs that it refused in a sentence.
        failed: Inputs that ended in any other exception, a crash or a hang.
        seconds: The most processor time that one input took.
        mib: The most memory that one input took, at its peak, above that before it.
        largest: Bytes of the largest input.
        failures: Where the inputs that failed are kept, with what happened.
    """

    parser: str
    accepted: int = 0
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0
    mib: float = 0.0
    largest: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def read(self) -> int:
        """How many inputs it was given."""
        return self.accepted + self.refused + self.failed

    @property
    def holds(self) -> bool:
        """Whether it kept within all bounds."""
        return not self.failed and self.seconds <= MAX_SECONDS and self.mib <= MAX_MIB


def measure(parser: str, inputs: int, number: int, keep: Path) -> Measured:
    """Runs a parser on so many inputs, begun anew after each crash or hang.

    Args:
        parser: Its name.
        inputs: How many.
        number: Seed.
        keep: Folder for the inputs that fail.
    """
    result = Measured(parser)
    for attempt in range(20):
        if result.read >= inputs or _one_process(result, inputs, number + 1000 * attempt, keep):
            break
    return result


def _one_process(result: Measured, inputs: int, number: int, keep: Path) -> bool:
    """Adds what one process does with the inputs that are left; whether it came to its end."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_child, args=(result.parser, inputs - result.read, number, there))
    process.start()
    there.close()
    data: bytes | None = None
    kept: Counter[str] = Counter()
    why = ""
    try:
        while True:
            if data is not None and not here.poll(HANG_SECONDS):
                process.kill()
                why = f"no answer after {HANG_SECONDS:.0f} s"
            message = here.recv()
            if data is None:
                data = message
                continue
            kind, seconds, mib, where, text = message
            setattr(result, kind, getattr(result, kind) + 1)
            result.seconds, result.mib = max(result.seconds, seconds), max(result.mib, mib)
            result.largest = max(result.largest, len(data))
            if seconds > MAX_SECONDS:
                where, text = f"{seconds:.1f} s", f"{seconds:.1f} s {text}"
            kept[where] += 1
            if where and kept[where] <= KEPT_OF_A_KIND:
                result.failures.append(f"{_keep(result.parser, data, text, keep)}: {where}")
            data = None
    except (EOFError, OSError):  # it ended, or ended in the middle of a message
        process.join()
    if process.exitcode == 0:
        return True
    why = why or f"the process ended with status {process.exitcode}"
    if data is None:
        raise RuntimeError(f"{result.parser}: no input was being read, but {why}")
    result.failed += 1
    result.failures.append(f"{_keep(result.parser, data, why, keep)}: {why}")
    return False


def _keep(parser: str, data: bytes, why: str, keep: Path) -> Path:
    keep.mkdir(parents=True, exist_ok=True)
    path = keep / f"{parser.replace(' ', '-').replace('/', '-')}-{hashlib.sha256(data).hexdigest()[:10]}.bin"
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(why)
    return path


def _child(name: str, inputs: int, number: int, there: Connection) -> None:
    """Runs one parser; sends each input, then its kind, seconds, MiB, where it failed and the traceback."""
    import torch

    from benchmarks.robustness.fuzz.parsers import parsers

    torch.set_num_threads(1)
    parser = parsers()[name]
    for sample in parser.samples():
        parser.read(sample)  # brings in what it imports late; what this needs is not the input's doing
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))

    @seed(number)
    @settings(
        max_examples=inputs, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=UNCHECKED
    )
    @given(parser.inputs)
    def one(data: bytes) -> None:
        there.send(data)
        reset_mark()  # the peak so far is of drawing the input
        before, start = memory(), time.process_time()
        kind, where, text = _outcome(parser.read, data)
        seconds, mib = time.process_time() - start, (memory(what="VmHWM") - before) / (1 << 20)
        there.send((kind, seconds, mib, where, text))

    one()


def _outcome(read: Callable[[bytes], object], data: bytes) -> tuple[str, str, str]:
    """What came of an input: its kind, and where it failed and how."""
    try:
        with warnings.catch_warnings(action="error"):
            read(data)
    except InputError as error:
        if 0 < len(one_line(error)) <= MAX_SENTENCE:
            return REFUSED, "", ""
        return FAILED, "no sentence", repr(str(error))
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
        return FAILED, where, "".join(traceback.format_exception(error))
    return ACCEPTED, "", ""
