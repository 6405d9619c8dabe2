"""The table of instruments and checkpoints is up to date and was tried, and says why where one does not apply."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks import applicability
from benchmarks.applicability import RAN, REFUSED, UNFIT, Trial
from depthscope.core import checkpoint
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.probes import registry as instruments
from depthscope.probes.instrument import Instrument
from tests.probes.hand_made import untrained

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_table_in_the_docs_is_up_to_date() -> None:
    assert applicability.PAGE.read_text() == applicability.page(), "write it anew: python -m benchmarks.applicability"


def test_every_instrument_and_every_checkpoint_is_in_it() -> None:
    lines = applicability.PAGE.read_text().splitlines()
    head, *rows = [line for line in lines if line.startswith("| ")]
    assert [name.strip() for name in head.strip("|").split("|")[1:]] == [x["name"] for x in checkpoint.available()]
    named = [row.split("|")[1].strip().strip("[").split("]")[0] for row in rows]
    assert named == list(applicability.NAMES)
    for row in rows:
        for cell in row.strip("|").split("|")[1:]:
            assert cell.strip() == applicability.RUNS or any(
                line.startswith(cell.strip(" ()") + ". ") for line in lines
            )


@pytest.mark.slow
def test_a_reason_is_one_sentence(tmp_path: Path) -> None:
    for kind in ("without ^", "text", "edge list"):
        for name, why in applicability.reasons(untrained(tmp_path / kind, kind)).items():
            assert why is None or (why and not why.endswith(".") and "\n" not in why), (name, kind)


@pytest.mark.slow
def test_every_cell_was_tried_on_the_weights_that_are_shipped() -> None:
    lacking = [f"{name} {instrument} {why}" for name, instrument, why in applicability.gaps()]
    assert not lacking, f"{len(lacking)} cells; try them with: {applicability.AGAIN}\n" + "\n".join(lacking)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "became", "said"),
    [
        ("similarity", RAN, "without ^"),
        ("exit", RAN, "without ^: 6 instances of difficulty 2"),
        ("fit", RAN, "sets of nodes, fitted on"),
        ("trivial", RAN, "top 4 levels 1.000"),
        ("automaton", UNFIT, "every token"),
        ("lens", REFUSED, "at difficulty"),
    ],
)
def test_a_trial_runs_an_instrument_or_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, became: str, said: str
) -> None:
    ours = untrained(tmp_path / "without ^", "without ^")
    if became == REFUSED:

        def refuse(*_: object) -> Any:
            raise InputError("there is no failure")

        refusing = Instrument(name, "nothing", refuse)
        monkeypatch.setattr(instruments, "get", lambda _: refusing)
    before = sorted(path.name for path in ours.folder.iterdir()) if ours.folder else []
    found = applicability.trial(ours, name)
    assert (found.checkpoint, found.instrument, found.sha256) == ("without ^", name, ours.sha256)
    assert found.became == became
    assert said in found.said
    assert before == sorted(path.name for path in (ours.folder or tmp_path).iterdir())  # nothing is stored


def test_a_record_is_merged_cell_by_cell(tmp_path: Path) -> None:
    record = tmp_path / "runs.json"
    first = [Trial("a", "lens", "1", "c", RAN, "a table", 2.0), Trial("a", "pca", "1", "c", REFUSED, "no", 1.0)]
    applicability.keep(first, record)
    assert applicability.recorded(record) == first
    again = Trial("a", "pca", "2", "c", RAN, "a table", 3.0)
    applicability.keep([again], record)
    assert applicability.recorded(record) == [first[0], again]
    assert all(isinstance(row, dict) for row in json.loads(record.read_text()))
    record.write_text("[{}]")
    with pytest.raises(InputError, match="make record"):
        applicability.recorded(record)


def test_a_gap_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, record = untrained(tmp_path / "text", "text"), tmp_path / "runs.json"
    monkeypatch.setattr(checkpoint, "available", lambda: [{"name": "text"}])
    monkeypatch.setattr(checkpoint, "load", lambda name: ours)
    assert {why for *_, why in applicability.gaps(record)} == {"was never tried"}

    def told(sha256: str, code: str | None = None, **became: str) -> list[Trial]:
        whole = {name: UNFIT if why else RAN for name, why in applicability.reasons(ours).items()}
        return [
            Trial("text", name, sha256, code or applicability.code(name), what, "so", 1.0)
            for name, what in {**whole, **became}.items()
        ]

    applicability.keep(told(ours.sha256), record)
    assert not list(applicability.gaps(record))
    applicability.keep(told(ours.sha256, lens=UNFIT, pca=REFUSED, automaton=RAN), record)
    assert {instrument for _, instrument, _ in applicability.gaps(record)} == {"lens", "pca", "automaton"}
    applicability.keep(told("other"), record)
    found = list(applicability.gaps(record))
    assert len(found) == len(applicability.NAMES)
    assert {why for *_, why in found} == {"was tried on other weights"}
    applicability.keep(told(ours.sha256, "other"), record)
    assert {why for *_, why in applicability.gaps(record)} == {"was tried with other code"}
    applicability.keep(told(ours.sha256), record)
    rows = [{k: v for k, v in row.items() if k != "code"} for row in json.loads(record.read_text())]
    record.write_text(json.dumps(rows))  # as records were before they named the code
    assert {why for *_, why in applicability.gaps(record)} == {"was tried with other code"}


@pytest.mark.slow
def test_the_digest_is_of_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments and docstrings do not count; what an instrument imports of probes does, at any distance."""
    shutil.copytree(ROOT / "probes", tmp_path / "probes")
    monkeypatch.setattr(applicability, "PAGE", tmp_path / "docs" / "instruments" / "README.md")

    def digests() -> dict[str, str]:
        applicability._read.cache_clear()
        return {name: applicability.code(name) for name in ("fit", "trivial", "lens", "pca", "fixed-points")}

    before = digests()
    assert len(set(before.values())) == len(before)
    lens = tmp_path / "probes" / "instruments" / "lens.py"
    text = lens.read_text()
    lens.write_text(text.replace('"""', '"""In other words: ', 1) + "\n# more\n")
    assert digests() == before
    lens.write_text(text + "\nMORE = 1\n")
    assert {name for name, digest in digests().items() if digest != before[name]} == {"lens"}
    shared = tmp_path / "probes" / "measuring" / "results.py"
    shared.write_text(shared.read_text() + "\nMORE = 1\n")
    changed = {name for name, digest in digests().items() if digest != before[name]}
    assert changed >= {"lens", "fixed-points"}
    applicability._read.cache_clear()


def test_the_command_keeps_what_it_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(applicability, "RECORD", tmp_path / "runs.json")
    monkeypatch.setattr("sys.argv", ["applicability", "--run", "graph-house", "trivial", "automaton"])
    tried: list[str] = []

    def quick(opened: Checkpoint, name: str) -> Trial:
        tried.append(name)
        return Trial(opened.name, name, opened.sha256, "c", RAN, "a table", 0.1)

    monkeypatch.setattr(applicability, "trial", quick)
    applicability.main()
    assert tried == ["trivial", "automaton"]
    assert "graph-house trivial: ran" in capsys.readouterr().out
    assert [x.instrument for x in applicability.recorded()] == ["automaton", "trivial"]
    monkeypatch.setattr("sys.argv", ["applicability", "--run", "nothing"])
    with pytest.raises(SystemExit):
        applicability.main()
