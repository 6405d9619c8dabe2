"""What a page measures is within its bounds, and the lines to copy compute the same."""

from __future__ import annotations

import ast
import shlex

import pytest
from hypothesis import given, strategies as st

from depthscope.core.cli import parser
from depthscope.core.commands.arguments import difficulties
from depthscope.core.errors import InputError
from depthscope.probes.cli import parser as probes_parser
from depthscope.ui.frontier.measuring import MAX_CELLS, checked, exit_request, frontier_lines, trivial_lines
from depthscope.ui.visit.address import Address, Sample, UserInput, from_query
from depthscope.ui.work import measure
from tests.ui.visit.test_address import frontier, frontiers

CORE, EXIT, TRIVIAL = parser(), probes_parser(command="exit"), probes_parser(command="trivial")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"difficulty": "5-2"}, "range of difficulty"),
        ({"difficulty": "a"}, "range of difficulty"),
        ({"difficulty": ""}, "range of difficulty"),
        ({"difficulty": "1-900", "steps": "9999"}, "too many to draw"),
        ({"data": "secret"}, "audited, paper"),
    ],
)
def test_nonsense_in_a_link_gets_a_sentence(query: dict[str, str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        checked(from_query(query, frontier, lambda _: None))


def test_difficulties_are_those_of_the_command_line_in_order() -> None:
    assert measure.difficulties("20, 1–3") == sorted(difficulties("20,1-3")) == [1, 2, 3, 20]


def test_a_page_draws_so_much_and_no_more() -> None:
    assert checked(Address("x", Sample("5"), steps=MAX_CELLS))
    with pytest.raises(InputError, match="too many"):
        checked(Address("x", Sample("5-6"), steps=MAX_CELLS))


@given(frontiers)
def test_the_lines_to_copy_ask_the_same(address: Address) -> None:
    origin = address.origin
    file = origin.file or "instances.jsonl" if isinstance(origin, UserInput) else ""
    for start, made, (command, code) in (
        (["depthscope"], CORE, frontier_lines(address)),
        (["depthscope", "probe"], EXIT, exit_request(address, list).lines),
    ):
        ast.parse(code)
        words = shlex.split(command)
        assert words[: len(start)] == start
        if any(word.startswith("-") for word in (address.checkpoint, file)):
            continue  # argparse takes such a name for an option
        args = made.parse_args(words[len(start) :])
        assert (args.checkpoint, args.steps) == (address.checkpoint, address.steps)
        if isinstance(origin, Sample):
            assert args.difficulty == measure.difficulties(origin.difficulty)
            assert (args.instances, args.data, args.seed) == (origin.instances, origin.data, origin.seed)
        else:
            assert getattr(args, "lines", args.input) == file


@given(st.sampled_from(["audited", "paper"]), st.booleans())
def test_the_lines_of_trivial_rules_ask_the_same(data: str, where_wrong: bool) -> None:
    command, code = trivial_lines(Address("graph-house", Sample("1-3")), [1, 2], 7, data, 4, where_wrong)
    ast.parse(code)
    args = TRIVIAL.parse_args(shlex.split(command)[2:])
    assert (args.difficulty, args.instances, args.data, args.seed) == ([1, 2], 7, data, 4)
    assert args.where_wrong == where_wrong
