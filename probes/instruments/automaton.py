"""Automaton: is a trained model, node by node, a small finite machine, and does that go on where it was not seen?

The states of all nodes and steps are clustered (k-means); what a node's cluster becomes is tabulated over its own
cluster, its symbol and the clusters of those it attends to; the table is then run from the symbols alone, on other and
on ten times larger instances, and compared with the model node-step by node-step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from depthscope.core import frontier, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.tasks import concepts
from depthscope.probes.instrument import Bench, instrument, option
from depthscope.probes.maths import automaton, automaton_learning
from depthscope.probes.maths.automaton import Machine, Places
from depthscope.probes.maths.automaton_learning import STARTS, Learned
from depthscope.probes.measuring import instances as subjects
from depthscope.probes.measuring.estimate import Estimate
from depthscope.probes.measuring.results import Result
from depthscope.probes.measuring.shapes import check_shapes

MAX_STATES, MOST_STATES = 8, 32
FIT, VALIDATE, LARGER = 30, 10, 10
"""Instances that are learned from and chosen on, of each trained difficulty, and larger ones that are run."""

TIMES_LARGER = 10

PROGRAMS = ("automaton", "without symbols", "shuffled rules", "majority state", "untrained model")


@dataclass(frozen=True)
class Fidelity:
    """How far a program does what the model does, over the steps 1..T; shares.

    Attributes:
        program: What runs: the automaton, or a control.
        both: Node-steps with the model's cluster and the sign of its readout.
        states: Node-steps with the model's cluster.
        signs: Node-steps with the sign of the model's readout.
        moves: Node-steps with the model's cluster among those at which the model's cluster changes; NaN if none do.
        whole: Instances reproduced at every node and step.
        accuracy: Instances whose label the program's answer at T is.
        unseen: Look-ups that no rule fitted.
    """

    program: str
    both: Estimate
    states: float
    signs: float
    moves: float
    whole: Estimate
    accuracy: float
    unseen: float


@dataclass(frozen=True)
class Test:
    """The programs on one set of instances.

    Attributes:
        title: Which instances.
        n: Instances.
        nodes: Mean number of nodes.
        steps: T.
        node_steps: Compared, steps 1..T.
        accuracy: Of the model at T.
        programs: The automaton, then its controls; the last is learned from an untrained model and compared with it.
    """

    title: str
    n: int
    nodes: float
    steps: int
    node_steps: int
    accuracy: float
    programs: tuple[Fidelity, ...]

    def lines(self) -> list[str]:
        """Of the table: a row a program."""
        heads = ("program", "cluster and sign", "cluster", "sign", "moves", "whole instances", "right", "unseen")
        return [
            f"\n{self.title}: {self.n} of {self.nodes:.0f} nodes, {self.steps} steps, {self.node_steps} node-steps; "
            f"the model is right on {self.accuracy:.3f}",
            "  {:<16} {:>24} {:>8} {:>8} {:>8} {:>22} {:>7} {:>7}".format(*heads),
            *(
                f"  {f.program:<16} {f'{f.both:.4f}':>24} {f.states:8.4f} {f.signs:8.4f} {f.moves:8.4f} "
                f"{f'{f.whole:.3f}':>22} {f.accuracy:7.3f} {f.unseen:7.4f}"
                for f in self.programs
            ),
        ]


@dataclass(frozen=True)
class Automaton(Result):
    """The automaton of one checkpoint.

    Attributes:
        messages: "set" or "multiset" of the neighbours' states.
        tried: (K,) numbers of states tried, up to the first that is good.
        validation: (K,) share of validation's node-steps with cluster and sign.
        validation_moves: (K,) share with the cluster of those at which the cluster changes; NaN if none do.
        n_states: The smallest for which both reach GOOD, else the one whose lesser is highest.
        untrained_states: The same for the untrained model.
        n_rules: Rules in the table.
        agreement: Share of the node-steps learned from that agree with the table.
        rule_symbol: (R,) symbol of each rule, 4 * token + role.
        rule_state: (R,) its own state.
        rule_messages: (R, k) how many neighbours are in each state, up to the cap.
        rule_following: (R,) the state it gives.
        rule_count: (R,) node-steps it was learned from.
        positive: (S, k) bool, whether the readout says yes at a symbol in a state.
        fitted_nodes: Mean number of nodes of the instances learned from.
        test: On the instances of the bench.
        larger: On instances with at least ten times as many nodes as those learned from; None where none can be made.
    """

    messages: str
    tried: np.ndarray
    validation: np.ndarray
    validation_moves: np.ndarray
    n_states: int
    untrained_states: int
    n_rules: int
    agreement: float
    rule_symbol: np.ndarray
    rule_state: np.ndarray
    rule_messages: np.ndarray
    rule_following: np.ndarray
    rule_count: np.ndarray
    positive: np.ndarray
    fitted_nodes: float
    test: Test
    larger: Test | None

    def __post_init__(self) -> None:
        check_shapes(self, self.tried.shape, "validation", "validation_moves")
        check_shapes(self, (len(self.rule_state), self.n_states), "rule_messages")

    def table(self) -> str:
        """The search over numbers of states, then the programs on both sets of instances."""
        tried = zip(self.tried, self.validation, self.validation_moves, strict=True)
        lines = [
            f"{self.checkpoint}: an automaton of {self.n_states} states and {self.n_rules} rules over "
            f"(symbol, state, {self.messages} of neighbours' states)",
            "on validation, by states (all node-steps / those at which the cluster changes): "
            + "  ".join(f"{k}: {both:.4f}/{moves:.4f}" for k, both, moves in tried),
            f"the table agrees with {self.agreement:.4f} of what it was learned from, {self.fitted_nodes:.0f} nodes "
            f"in the mean; an untrained model takes {self.untrained_states}",
        ]
        none = ["\nten times larger: this checkpoint cannot read such instances"]
        return "\n".join([*lines, *self.test.lines(), *(none if self.larger is None else self.larger.lines())])


def _unfit(checkpoint: Checkpoint) -> str | None:
    config = checkpoint.config
    if config.attention == "full":
        how = "every token may attend to every other"
        if config.geometric:
            how = "each head attends to the nearest match on one side, which depends on the order"
        elif config.position == "rope" or config.distance_bias or config.bracket_bias:
            how += ", by where it stands"
        return (
            f"{how}, so that a node's messages are the whole input and not a set of neighbours that a table could hold"
        )
    if config.attention == "none":
        return "its nodes send no messages: one head reads the tokens in turn, and what it has read stays as it is"
    if config.readout not in ("node", "pair"):
        return "it says no yes or no at every node that an automaton's states could be compared with"
    return None


@dataclass(frozen=True)
class Options:
    """Of the command and the form."""

    messages: str = option("set", "of neighbours' states that a rule sees (default set)", choices=("set", "multiset"))
    max_states: int = option(MAX_STATES, f"most tried (default {MAX_STATES})", type=int, metavar="K")


@instrument(
    "whether the model is, node by node, a small finite machine, and whether that goes on ten times larger",
    options=Options,
    unfit=_unfit,
    instances=20,
)
def measure(bench: Bench, options: Options) -> Automaton:
    """Learns an automaton from training instances and runs it on the bench's and on larger ones.

    Larger instances always get the default T. It takes long: k-means and a table for each number of states, and runs
    of instances ten times larger.

    Source:
        Wang & Niepert (2019), State-Regularized Recurrent Neural Networks, for clusters as states of an automaton;
        neighbours as messages, the larger instances and the controls are ours.
    """
    bench = bench.for_all()
    messages, max_states = options.messages, options.max_states
    if not 1 <= max_states <= MOST_STATES or messages not in automaton.CAPS:
        raise InputError(f"an automaton has 1 to {MOST_STATES} states and hears a set or a multiset")
    if (automaton.CAPS[messages] + 1) ** max_states > 1 << 40:
        raise InputError(f"a table over a {messages} of {max_states} states is too large; ask for fewer states")
    checkpoint = bench.checkpoint
    steps = frontier.default_steps(checkpoint, subjects.trained(checkpoint))
    learning, choosing = (
        replace(bench, instances=_trained(checkpoint, n, split, bench.seed), steps=steps)
        for n, split in ((FIT, "train"), (VALIDATE, "validation"))
    )
    fitted_nodes = float(np.mean([e.n_nodes for e in learning.encodings]))
    many, difficulty = _larger(checkpoint, fitted_nodes * TIMES_LARGER, bench.seed)
    larger = replace(bench, instances=many, steps=frontier.default_steps(checkpoint, difficulty))
    _reserve(bench, max_states, learning, choosing)
    for part in (bench, larger):
        _reserve(part)
    parts = bench, learning, choosing, larger
    bench.expect(2 * (sum(part.runs() for part in parts) + max_states * STARTS))
    learned, control = (
        Learned(learning, choosing, model, messages, max_states) for model in (bench.model, bench.untrained)
    )
    machine = learned.machine
    symbol, state, neighbours = automaton.decode(machine.codes, machine.k, messages)
    return Automaton(
        **bench.header,
        messages=messages,
        tried=np.arange(1, len(learned.validation) + 1),
        validation=np.array([both for both, _ in learned.validation]),
        validation_moves=np.array([moves for _, moves in learned.validation]),
        n_states=machine.k,
        untrained_states=control.machine.k,
        n_rules=len(machine.codes),
        agreement=float(machine.agree.sum() / machine.seen.sum()),
        rule_symbol=symbol,
        rule_state=state,
        rule_messages=neighbours,
        rule_following=machine.following,
        rule_count=machine.seen,
        positive=machine.positive,
        fitted_nodes=fitted_nodes,
        test=_test("instances given", bench, bench.untrained, learned, control),
        larger=_test("ten times larger", larger, bench.untrained, learned, control) if many else None,
    )


def _reserve(bench: Bench, max_states: int = 0, *learning: Bench) -> None:
    """Refuses what would not fit: the clusters of a bench, or the states on others to learn from."""
    parts = learning or (bench,)
    nodes, steps = sum(e.n_nodes for part in parts for e in part.encodings), parts[0].steps
    width = bench.model.shapes.width
    each = 28 * width + 8 * max_states if learning else 60  # as float32, and thrice as float64 while they are clustered
    what = f"the {'states' if learning else 'clusters'} of {nodes} nodes at {steps} steps"
    bench.reserve((steps + 1) * nodes * each, what, "take fewer steps, instances or states")


@dataclass(frozen=True)
class _Reference:
    """What a model does on a bench's instances, with which programs are compared.

    Attributes:
        bench: With B instances of N nodes together.
        places: The nodes.
        states: (T+1, N) clusters.
        signs: (T+1, N) bool, where the readout says yes.
    """

    bench: Bench
    places: Places
    states: np.ndarray
    signs: np.ndarray

    @classmethod
    def of(cls, bench: Bench, places: Places, model: Any, learned: Learned) -> _Reference:
        """Runs a model."""
        return cls(bench, places, *automaton_learning.states_and_signs(bench, model, learned.clusters, places.symbol))

    def machine(self, program: str, machine: Machine, places: Places | None = None) -> Fidelity:
        """Runs a table beside the model, on places of which it may see less."""
        states, unseen = machine.run(places or self.places, self.bench.steps)
        return self.fidelity(program, states, machine.says(self.places, states), unseen)

    def right(self, signs: np.ndarray) -> float:
        """Share of the instances whose label is the sign at the answer at T."""
        label = np.array([bool(x.label) for x in self.bench.instances])
        return float(np.mean(signs[-1, self.places.answer] == label))

    def fidelity(self, program: str, states: np.ndarray, signs: np.ndarray, unseen: float = 0.0) -> Fidelity:
        """Compares a program's clusters and signs, (T+1, N) each, with the model's."""
        same, sign = (states == self.states)[1:], (signs == self.signs)[1:]
        moved = self.states[1:] != self.states[:-1]
        both, instance = same & sign, self.places.instance
        whole = np.bincount(instance, weights=(~both).sum(axis=0)) == 0
        return Fidelity(
            program=program,
            both=self.bench.mean(both.mean(axis=0), self.bench.group[instance]),
            states=float(same.mean()),
            signs=float(sign.mean()),
            moves=float(same[moved].mean()) if moved.any() else float("nan"),
            whole=Estimate.share(whole.sum(), len(whole)),
            accuracy=self.right(signs),
            unseen=unseen,
        )


def _test(title: str, bench: Bench, untrained: Any, learned: Learned, control: Learned) -> Test:
    """Runs the automaton and its controls beside the models; `control` was learned from the untrained one."""
    places = automaton.gathered(bench.encodings, bench.checkpoint.config)
    model = _Reference.of(bench, places, bench.model, learned)
    state = np.full_like(model.states, np.bincount(learned.states[1:].ravel()).argmax())
    sign = np.full_like(model.signs, 2 * learned.signs[1:].sum() > learned.signs[1:].size)
    programs = (
        model.machine(PROGRAMS[0], learned.machine),
        model.machine(PROGRAMS[1], learned.blind(), automaton.without_symbols(places)),
        model.machine(PROGRAMS[2], automaton.shuffled(learned.machine, bench.seed)),
        model.fidelity(PROGRAMS[3], state, sign),
        _Reference.of(bench, places, untrained, control).machine(PROGRAMS[4], control.machine),
    )
    n = len(places.symbol)
    return Test(
        title=title,
        n=len(bench.instances),
        nodes=n / len(bench.instances),
        steps=bench.steps,
        node_steps=bench.steps * n,
        accuracy=model.right(model.signs),
        programs=programs,
    )


def _trained(checkpoint: Checkpoint, count: int, split: str, seed: int) -> list[Any]:
    """Instances of the difficulties that a checkpoint was trained on, none of them a test instance."""
    data, task = concepts.data_for(checkpoint.config), tasks.get(checkpoint.config.task)
    hardest = subjects.trained(checkpoint)
    return [x for d in range(1, hardest + 1) for x in task.generate(d, count, data=data, seed=seed, split=split)]


def _larger(checkpoint: Checkpoint, nodes: float, seed: int) -> tuple[list[Any], int]:
    """Test instances of at least so many nodes in the mean and their difficulty; none where it cannot read such."""
    difficulty = subjects.trained(checkpoint)
    if checkpoint.config.identity == "vocabulary":
        return [], difficulty
    data, task = concepts.data_for(checkpoint.config), tasks.get(checkpoint.config.task)
    while True:
        drawn = task.generate(difficulty, LARGER, data=data, seed=seed)
        mean = np.mean([task.encode(x, checkpoint.config).n_nodes for x in drawn])
        if mean >= nodes:
            return drawn, difficulty
        difficulty = max(difficulty + 1, int(np.ceil(difficulty * nodes / mean)))
