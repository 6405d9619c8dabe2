"""The table of instruments and checkpoints is up to date, and says why where an instrument does not apply."""

from __future__ import annotations

from pathlib import Path

from core import checkpoint
from probes import applicability
from probes.instruments import INSTRUMENTS
from tests.probes.hand_made import untrained


def test_the_table_in_the_docs_is_up_to_date() -> None:
    assert applicability.PAGE.read_text() == applicability.page(), "write it anew: python -m probes.applicability"


def test_every_instrument_and_every_checkpoint_is_in_it() -> None:
    lines = applicability.PAGE.read_text().splitlines()
    head, *rows = [line for line in lines if line.startswith("| ")]
    assert [name.strip() for name in head.strip("|").split("|")[1:]] == [x["name"] for x in checkpoint.available()]
    named = [row.split("|")[1].strip().strip("[").split("]")[0] for row in rows]
    assert named == ["fit", "exit", "trivial", *(instrument.NAME for instrument in INSTRUMENTS)]
    for row in rows:
        for cell in row.strip("|").split("|")[1:]:
            assert cell.strip() == applicability.RUNS or any(
                line.startswith(cell.strip(" ()") + ". ") for line in lines
            )


def test_a_reason_is_one_sentence(tmp_path: Path) -> None:
    for kind in ("without ^", "text", "edge list"):
        for name, why in applicability.reasons(untrained(tmp_path / kind, kind)).items():
            assert why is None or (why and not why.endswith(".") and "\n" not in why), (name, kind)


def test_a_trial_runs_an_instrument_or_says_why_not(tmp_path: Path) -> None:
    ours, by_name = untrained(tmp_path / "without ^", "without ^"), {x.NAME: x for x in INSTRUMENTS}
    assert applicability.trial(ours, by_name["similarity"]).startswith("ran at difficulty 2 in")
    assert applicability.trial(ours, by_name["automaton"]).startswith("does not apply: every token")
