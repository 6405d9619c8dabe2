"""Every parser on inputs that are nearly right: it takes them or refuses them in a sentence, quickly, and nothing else.

`python -m benchmarks.robustness.fuzz` does the same with 10,000 inputs a parser in a process each, and measures memory.
"""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings

from benchmarks.robustness.fuzz.measure import UNCHECKED
from benchmarks.robustness.fuzz.parsers import parsers
from depthscope.core.cli import one_line
from depthscope.core.errors import InputError

INPUTS = 100
MAX_SECONDS = 2.0
PARSERS = parsers()

LONG = json.dumps({"a" * 3000: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
FOUND = {  # inputs on which a parser once failed
    "graph graphml": [
        '<graphml xmlns="http://a"><graph A\u0301edgedefault="directed"><node id="0"/></graph></graphml>'.encode()
    ],
    "graph gexf": [
        '<gexf xmlns="http://wA\u0301"><graph A\u0301b="1"><nodes><node id="0"/></nodes></graph></gexf>'.encode()
    ],
    "training.jsonl": [b'{"batch": 1e999, "seconds": 0.1, "loss": 0.5, "accuracy": 0.5, "level": 1}'],
    "metrics.json": [b'{"validation": [{"accuracy": {"1": 1' + b"0" * 400 + b"}}]}"],
    "table of instances": [b"input\ra\rb", b'"\rinput"\n'],
    "config.json": [b'{"config": {"' + b"a" * 70_000 + b'": 1}}', b'{"config": {"task": "' + b"9" * 5000 + b'"}}'],
    "plan of a sweep": [
        json.dumps({"runs": [{"task": "graph", "recipe": "house", "s" * 3000: 1}]}).encode(),
        json.dumps({"runs": [{"task": "graph", "recipe": "h" * 3000}]}).encode(),
        json.dumps({"runs": [{"task": "g" * 3000, "recipe": "house"}]}).encode(),
    ],
    "probes.json": [
        b"[]",
        b'{"tests": []}',
        b'{"tests": {"a": []}}',
        b'{"tests": {"a": {"title": 3}}}',
        b'{"a":' * 5000,
    ],
    "probes.safetensors": [len(LONG).to_bytes(8, "little") + LONG + bytes(4)],
}


def refused_or_taken(read: object, data: bytes) -> None:
    start = time.process_time()
    try:
        read(data)  # type: ignore[operator]
    except InputError as error:
        says = one_line(error)
        assert says
        assert len(says) <= 2000
    assert time.process_time() - start < MAX_SECONDS


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_damage_is_refused_in_a_sentence(name: str) -> None:
    parser = PARSERS[name]
    for sample in parser.samples():
        parser.read(sample)
    for data in FOUND.get(name, []):
        refused_or_taken(parser.read, data)

    @settings(max_examples=INPUTS, deadline=None, derandomize=True, suppress_health_check=UNCHECKED)
    @given(parser.inputs)
    def fuzzed(data: bytes) -> None:
        refused_or_taken(parser.read, data)

    fuzzed()


def test_each_input_that_failed_belongs_to_a_parser() -> None:
    assert set(FOUND) <= set(PARSERS)
