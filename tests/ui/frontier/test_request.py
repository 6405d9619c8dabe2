"""The URL holds the whole request, no URL can hurt, and the lines to copy compute the same."""

from __future__ import annotations

import ast
import shlex

import pytest
from hypothesis import given, strategies as st

from depthscope.core.arguments import difficulties
from depthscope.core.cli import parser
from depthscope.core.errors import InputError
from depthscope.probes.cli import parser as probes_parser
from depthscope.ui.frontier import request as frontier_request
from depthscope.ui.frontier.request import (
    DATA,
    MAX_CELLS,
    PARAMETERS,
    Request,
    checked,
    code,
    command,
    exit_code,
    from_query,
)

names = st.text(min_size=1, max_size=40)
drawn = st.builds(
    Request,
    names,
    st.sampled_from(["5", "1-12", "1-3,20"]),
    st.integers(1, 5000),
    st.integers(1, 1000),
    st.sampled_from(DATA),
    st.integers(0, 2**31 - 1),
)
own = st.builds(Request, names, st.just("1-12"), st.integers(1, 5000), content=names, file=st.none() | names)


def default(name: str) -> Request:
    return Request(name, "1-12", 20)


@given(drawn | own)
def test_what_goes_into_a_url_comes_out(request_: Request) -> None:
    query = frontier_request.to_query(request_)
    assert set(query) <= set(PARAMETERS)
    assert from_query(query, default, "other") == request_


def test_what_a_url_leaves_out_is_the_default() -> None:
    assert from_query({}, default, "graph-house") == default("graph-house")
    assert from_query({"checkpoint": "x", "seed": "4"}, default, "y") == Request("x", "1-12", 20, seed=4)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"difficulty": "5-2"}, "range of difficulty"),
        ({"difficulty": "a"}, "range of difficulty"),
        ({"difficulty": ""}, "range of difficulty"),
        ({"difficulty": "1-900", "steps": "9999"}, "too many to draw"),
        ({"steps": "0"}, "steps"),
        ({"steps": "9" * 30}, "steps"),
        ({"instances": "-3"}, "instances"),
        ({"seed": "x"}, "seed"),
        ({"data": "secret"}, "audited, paper"),
        ({"content": "x", "steps": "99999999"}, "steps"),
    ],
)
def test_nonsense_in_a_link_gets_a_sentence(query: dict[str, str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        from_query(query, default, "graph-house")


def test_difficulties_are_those_of_the_command_line_in_order() -> None:
    assert frontier_request.difficulties("20, 1–3") == sorted(difficulties("20,1-3")) == [1, 2, 3, 20]


def test_a_page_draws_so_much_and_no_more() -> None:
    assert checked(Request("x", "5", MAX_CELLS))
    with pytest.raises(InputError, match="too many"):
        checked(Request("x", "5-6", MAX_CELLS))


PARSERS = ((["depthscope"], parser()), (["depthscope", "probe"], probes_parser(command="exit")))


@given(drawn | own)
def test_the_lines_to_copy_ask_the_same(request_: Request) -> None:
    for start, made in PARSERS:
        named = "frontier" if made.prog.endswith("core") else "probe exit"
        words = shlex.split(command(request_, named))
        assert words[: len(start)] == start
        if any(word.startswith("-") for word in (request_.checkpoint, request_.file or "")):
            continue  # argparse takes such a name for an option
        args = made.parse_args(words[len(start) :])
        assert (args.checkpoint, args.steps) == (request_.checkpoint, request_.steps)
        if request_.content is None:
            assert args.difficulty == frontier_request.difficulties(request_.difficulty)
            assert (args.instances, args.data, args.seed) == (request_.instances, request_.data, request_.seed)
        else:
            assert getattr(args, "lines", args.input) == (request_.file or "instances.jsonl")
    for lines in (code(request_), exit_code(request_)):
        ast.parse(lines)
