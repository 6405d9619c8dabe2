"""One parser on many inputs in a process of its own, watched from outside: a hang or a crash ends that process alone.

The process keeps the input at hand in a file and writes one line for each that is done, so that whatever happens to it
the one at fault is known and the rest is counted.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from depthscope.core.errors import InputError

HANG_SECONDS = 30.0
"""Of one input on the clock, after which its process is killed."""

MAX_SECONDS, MAX_MIB = 2.0, 512
ADDRESS_SPACE = 8 << 30
ACCEPTED, REFUSED, FAILED = "accepted", "refused", "failed"
KEPT_OF_A_KIND = 3

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
    found = Measured(parser)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        attempt = 0
        while (left := inputs - found.accepted - found.refused - found.failed) > 0 and attempt < 20:
            why = _watched(parser, left, number + 1000 * attempt, folder, keep)
            _count(found, folder)
            attempt += 1
            if why is None:
                break
            found.failed += 1
            found.failures.append(f"{_kept(parser, (folder / 'input').read_bytes(), why, keep)}: {why}")
    return found


def _watched(parser: str, inputs: int, number: int, folder: Path, keep: Path) -> str | None:
    """One process; what ended it early, None if nothing did."""
    for file in ("input", "lines", "failures"):
        (folder / file).write_bytes(b"")
    command = [
        sys.executable,
        "-m",
        "benchmarks.robustness.fuzz.measure",
        parser,
        str(inputs),
        str(number),
        str(folder),
        str(keep),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    process, at_hand = subprocess.Popen(command, env=environment), folder / "input"
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1.0)
        if process.returncode is not None:
            if process.returncode and not at_hand.stat().st_size:
                raise RuntimeError(f"{parser}: the fuzzing itself ended with status {process.returncode}")
            return None if process.returncode == 0 else f"the process ended with status {process.returncode}"
        if at_hand.stat().st_size and time.time() - at_hand.stat().st_mtime > HANG_SECONDS:
            process.kill()
            process.wait()
            return f"no answer after {HANG_SECONDS:.0f} s"


def _count(found: Measured, folder: Path) -> None:
    for line in (folder / "lines").read_text().splitlines():
        kind, seconds, mib, size = line.split()
        setattr(found, kind, getattr(found, kind) + 1)
        found.seconds, found.mib = max(found.seconds, float(seconds)), max(found.mib, float(mib))
        found.largest = max(found.largest, int(size))
    found.failures += (folder / "failures").read_text().splitlines()


def _kept(parser: str, data: bytes, why: str, keep: Path) -> Path:
    keep.mkdir(parents=True, exist_ok=True)
    path = keep / f"{parser.replace(' ', '-').replace('/', '-')}-{hashlib.sha256(data).hexdigest()[:10]}.bin"
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(why)
    return path


def _memory(which: str) -> float:
    """VmRSS or VmHWM of this process in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(which):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"the system does not say {which}")


def _child(parser_name: str, inputs: int, number: int, folder: Path, keep: Path) -> None:
    """Runs one parser and writes a line for each input."""
    import torch

    from benchmarks.robustness.fuzz.parsers import parsers

    torch.set_num_threads(1)
    parser = parsers()[parser_name]
    for sample in parser.samples():
        parser.read(sample)  # brings in what it imports late; what this needs is not the input's doing
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    counts: dict[str, int] = {}
    with (
        (folder / "lines").open("w", buffering=1) as lines,
        (folder / "failures").open("w", buffering=1) as failures,
        (folder / "input").open("r+b", buffering=0) as at_hand,
    ):

        @seed(number)
        @settings(
            max_examples=inputs, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=UNCHECKED,
        )  # fmt: skip
        @given(parser.inputs)
        def one(data: bytes) -> None:
            at_hand.seek(0)
            at_hand.write(data or b" ")
            Path("/proc/self/clear_refs").write_text("5")  # the peak so far, of drawing the input, is forgotten
            before = _memory("VmRSS")
            start = time.process_time()
            try:
                with warnings.catch_warnings(action="error"):
                    parser.read(data)
                kind = ACCEPTED
            except InputError as error:
                kind = REFUSED if _is_sentence(error) else FAILED
                if kind == FAILED:
                    failures.write(f"{_kept(parser.name, data, repr(str(error)), keep)}: no sentence\n")
            except BaseException as error:
                kind = FAILED
                place = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
                counts[where] = counts.get(where, 0) + 1
                if counts[where] <= KEPT_OF_A_KIND:
                    text = "".join(traceback.format_exception(error))
                    failures.write(f"{_kept(parser.name, data, text, keep)}: {where} ({str(error).splitlines()[:1]})\n")
            seconds = time.process_time() - start
            if seconds > MAX_SECONDS:
                failures.write(f"{_kept(parser.name, data, f'{seconds:.1f} s', keep)}: {seconds:.1f} s\n")
            lines.write(f"{kind} {seconds:.4f} {_memory('VmHWM') - before:.1f} {len(data)}\n")
            at_hand.truncate(0)

        one()


def _is_sentence(error: InputError) -> bool:
    """Whether a message is one line of bearable length; what it quotes is clipped."""
    from depthscope.core.cli import one_line

    return 0 < len(one_line(error)) <= 2000


if __name__ == "__main__":
    _child(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))
