"""Automaton: is a trained model, node by node, a small finite machine, and does that go on where it was not seen?

The states of all nodes and steps are clustered (k-means); what a node's cluster becomes is tabulated over its own
cluster, its symbol and the clusters of those it attends to; the table is then run from the symbols alone, on other and
on ten times larger instances, and compared with the model node-step by node-step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from depthscope.core import frontier, tasks
from depthscope.core.checkpoint import Checkpoint
from depthscope.core.errors import InputError
from depthscope.core.frontier import wilson
from depthscope.core.protocol import RecurrentModel
from depthscope.core.tasks import concepts
from depthscope.probes.maths import automaton, automaton_learning
from depthscope.probes.maths.automaton import Machine, Places
from depthscope.probes.measuring import controls, estimate, instances as subjects
from depthscope.probes.measuring.results import Progress, refuse_over, steps_for
from depthscope.probes.reading.nodes import groups_of

MAX_STATES, MOST_STATES = 8, 32
FIT, VALIDATE, LARGER = 30, 10, 10
"""Instances that are learned from and chosen on, of each trained difficulty, and larger ones that are run."""

GOOD = 0.99
"""Fidelity on validation that the smallest automaton must reach."""

TIMES_LARGER = 10
STARTS = 3
"""Starts of k-means for each number of states; validation chooses."""

PROGRAMS = ("automaton", "without symbols", "shuffled rules", "majority state", "untrained model")


@dataclass(frozen=True)
class Fidelity:
    """How far a program does what the model does, over the steps 1..T; shares.

    Attributes:
        program: What runs: the automaton, or a control.
        both: Node-steps with the model's cluster and the sign of its readout.
        low: Lower end of its 95% interval, by bootstrap over groups of instances; NaN for a single group.
        high: Upper end.
        states: Node-steps with the model's cluster.
        signs: Node-steps with the sign of the model's readout.
        moves: Node-steps with the model's cluster among those at which the model's cluster changes; NaN if none do.
        whole: Instances reproduced at every node and step.
        whole_low: Lower end of its 95% interval (Wilson).
        whole_high: Upper end.
        accuracy: Instances whose label the program's answer at T is.
        unseen: Look-ups that no rule fitted.
    """

    program: str
    both: float
    low: float
    high: float
    states: float
    signs: float
    moves: float
    whole: float
    whole_low: float
    whole_high: float
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


@dataclass(frozen=True)
class Automaton:
    """The automaton of one checkpoint.

    Attributes:
        checkpoint: Its name.
        sha256: Of its weights.
        seed: Of the instances learned from, k-means and controls.
        messages: "set" or "multiset" of the neighbours' states.
        tried: (K,) numbers of states tried, up to the first that is good.
        validation: (K,) share of validation's node-steps with cluster and sign.
        validation_moves: (K,) share with the cluster of those at which the cluster changes; NaN if none do.
        n_states: The smallest for which both reach GOOD, else the one whose lesser is highest.
        untrained_states: The same for the untrained model.
        n_rules: Rules in the table.
        agreement: Share of what was seen while learning that agrees with the table.
        rule_symbol: (R,) symbol of each rule, 4 * token + role.
        rule_state: (R,) its own state.
        rule_messages: (R, k) how often each state is heard, up to the cap.
        rule_following: (R,) the state it gives.
        rule_seen: (R,) how often it was seen.
        positive: (S, k) bool, whether the readout says yes at a symbol in a state.
        fitted_nodes: Mean number of nodes of the instances learned from.
        given: On the instances given.
        larger: On instances with at least ten times as many nodes as those learned from; None where none can be made.
    """

    checkpoint: str
    sha256: str
    seed: int
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
    rule_seen: np.ndarray
    positive: np.ndarray
    fitted_nodes: float
    given: Test
    larger: Test | None

    def __post_init__(self) -> None:
        if self.validation.shape != self.tried.shape:
            raise ValueError(f"validation has shape {self.validation.shape}, tried has shape {self.tried.shape}")
        due = (len(self.rule_state), self.n_states)
        if self.rule_messages.shape != due:
            raise ValueError(f"rule_messages have shape {self.rule_messages.shape}, expected {due}")


def unfit(checkpoint: Checkpoint) -> str | None:
    """Why no automaton can be read off a checkpoint; None if one can."""
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


def measure(
    checkpoint: Checkpoint,
    instances: Sequence[Any],
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    messages: str = "set",
    max_states: int = MAX_STATES,
) -> Automaton:
    """Learns an automaton from training instances and runs it on the given and on larger ones.

    Args:
        checkpoint: What is read.
        instances: To run on; none of them is learned from.
        steps: T on them; None takes the default. Larger instances always get the default.
        seed: Of the instances learned from, k-means and the controls.
        progress: Called with the instances run and machines learned, and with those in all; what it raises stops the
            work.
        messages: Whether a node's rule sees which states its neighbours are in, or also how many (up to 3).
        max_states: Most states tried.

    Raises:
        InputError: If a number is out of range or the work would not fit in memory.

    Source:
        Wang & Niepert (2019), State-Regularized Recurrent Neural Networks, for clusters as states of an automaton;
        neighbours as messages, the larger instances and the controls are ours.
    """
    if not 1 <= max_states <= MOST_STATES or messages not in automaton.CAPS:
        raise InputError(f"an automaton has 1 to {MOST_STATES} states and hears a set or a multiset")
    if (automaton.CAPS[messages] + 1) ** max_states > 1 << 40:
        raise InputError(f"a table over a {messages} of {max_states} states is too large; ask for fewer states")
    task, wanted = tasks.get(checkpoint.config.task), steps_for(checkpoint, instances, steps)
    learning, choosing = (
        _trained(checkpoint, n, split, seed) for n, split in ((FIT, "train"), (VALIDATE, "validation"))
    )
    encoded = [[task.encode(x, checkpoint.config) for x in part] for part in (learning, choosing, instances)]
    fitted_nodes = float(np.mean([e.n_nodes for e in encoded[0]]))
    many, difficulty = _larger(checkpoint, fitted_nodes * TIMES_LARGER, seed)
    many_steps = frontier.default_steps(checkpoint, difficulty)
    encoded.append([task.encode(x, checkpoint.config) for x in many])
    learned_steps = frontier.default_steps(checkpoint, subjects.trained(checkpoint))
    for part, its_steps, kept in (
        (encoded[0] + encoded[1], learned_steps, True),
        (encoded[2], wanted, False),
        (encoded[3], many_steps, False),
    ):
        _refuse(sum(e.n_nodes for e in part), its_steps, checkpoint, max_states, kept=kept)
    done, total = 0, 2 * (sum(map(len, encoded)) + max_states * STARTS)

    def more(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, total)

    blank = controls.untrained(checkpoint, seed)
    search = messages, max_states, STARTS, GOOD, seed, more
    learned = automaton_learning.Learned(checkpoint, checkpoint.model, encoded[0], encoded[1], *search)
    idle = automaton_learning.Learned(checkpoint, blank, encoded[0], encoded[1], *search)

    def tested(title: str, these: Sequence[Any], steps: int) -> Test:
        return _test(checkpoint, blank, title, these, steps, learned, idle, seed, more)

    given = tested("instances given", instances, wanted)
    larger = tested("ten times larger", many, many_steps) if many else None
    table = learned.machine
    symbol, state, heard = automaton.decode(table.codes, table.k, messages)
    return Automaton(
        checkpoint=checkpoint.name,
        sha256=checkpoint.sha256,
        seed=seed,
        messages=messages,
        tried=np.arange(1, len(learned.validation) + 1),
        validation=np.array([both for both, _ in learned.validation]),
        validation_moves=np.array([moves for _, moves in learned.validation]),
        n_states=table.k,
        untrained_states=idle.machine.k,
        n_rules=len(table.codes),
        agreement=float(table.agree.sum() / table.seen.sum()),
        rule_symbol=symbol,
        rule_state=state,
        rule_messages=heard,
        rule_following=table.following,
        rule_seen=table.seen,
        positive=table.positive,
        fitted_nodes=fitted_nodes,
        given=given,
        larger=larger,
    )


def _refuse(nodes: int, steps: int, checkpoint: Checkpoint, max_states: int, *, kept: bool) -> None:
    """Refuses instances of so many nodes together that would not fit: their states, if they are kept, or clusters."""
    width = checkpoint.model.shapes.width
    each = 28 * width + 8 * max_states if kept else 60  # as float32, and thrice as float64 while they are clustered
    what = f"the {'states' if kept else 'clusters'} of {nodes} nodes at {steps} steps"
    refuse_over((steps + 1) * nodes * each, what, "take fewer steps, instances or states")


def _test(
    checkpoint: Checkpoint,
    blank: RecurrentModel,
    title: str,
    instances: Sequence[Any],
    steps: int,
    learned: automaton_learning.Learned,
    idle: automaton_learning.Learned,
    seed: int,
    more: Callable[[int], None],
) -> Test:
    """Runs the automaton and its controls beside the models."""
    task, config = tasks.get(checkpoint.config.task), checkpoint.config
    encodings = [task.encode(x, config) for x in instances]
    places = automaton.gathered(encodings, config)
    group = groups_of(instances)[places.instance]
    label = np.array([bool(x.label) for x in instances])

    def compared(name: str, table: Machine, seen: Places, truth: tuple[np.ndarray, np.ndarray]) -> Fidelity:
        ran, unseen = table.run(seen, steps)
        return fidelity(name, ran, table.says(places, ran), *truth, places, group, label, unseen, seed)

    truth = automaton_learning.states_and_signs(
        checkpoint.model, encodings, steps, learned.clusters, places.symbol, more
    )
    programs = [
        compared(PROGRAMS[0], learned.machine, places, truth),
        compared(PROGRAMS[1], learned.blind(), automaton.without_symbols(places), truth),
        compared(PROGRAMS[2], automaton.shuffled(learned.machine, seed), places, truth),
    ]
    most = np.full_like(truth[0], np.bincount(learned.states[1:].ravel()).argmax())
    often = np.full_like(truth[1], 2 * learned.said[1:].sum() > learned.said[1:].size)
    programs.append(fidelity(PROGRAMS[3], most, often, *truth, places, group, label, 0.0, seed))
    programs.append(
        compared(
            PROGRAMS[4],
            idle.machine,
            places,
            automaton_learning.states_and_signs(blank, encodings, steps, idle.clusters, places.symbol, more),
        )
    )
    return Test(
        title=title,
        n=len(instances),
        nodes=len(places.symbol) / len(instances),
        steps=steps,
        node_steps=steps * len(places.symbol),
        accuracy=float(np.mean(truth[1][-1, places.answer] == label)),
        programs=tuple(programs),
    )


def fidelity(
    program: str,
    ran: np.ndarray,
    says: np.ndarray,
    states: np.ndarray,
    said: np.ndarray,
    places: Places,
    group: np.ndarray,
    label: np.ndarray,
    unseen: float,
    seed: int,
) -> Fidelity:
    """Compares a program's clusters and signs with a model's, (T+1, N) each; `group` is (N,), `label` (B,)."""
    same, sign = (ran == states)[1:], (says == said)[1:]
    moved = states[1:] != states[:-1]
    both = same & sign
    right = estimate.mean(both.mean(axis=0), group, seed)
    whole = np.bincount(places.instance, weights=(~both).sum(axis=0)) == 0
    ends = wilson(np.array(whole.sum()), len(whole))
    return Fidelity(
        program=program,
        both=float(right.value),
        low=float(right.low),
        high=float(right.high),
        states=float(same.mean()),
        signs=float(sign.mean()),
        moves=float(same[moved].mean()) if moved.any() else float("nan"),
        whole=float(whole.mean()),
        whole_low=float(ends[0]),
        whole_high=float(ends[1]),
        accuracy=float(np.mean(says[-1, places.answer] == label)),
        unseen=unseen,
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


def table(result: Automaton) -> str:
    """The result as text."""
    lines = [
        f"{result.checkpoint}: an automaton of {result.n_states} states and {result.n_rules} rules over "
        f"(symbol, state, {result.messages} of neighbours' states)",
        "on validation, by states (all node-steps / those at which the cluster changes): "
        + "  ".join(
            f"{k}: {both:.4f}/{moves:.4f}"
            for k, both, moves in zip(result.tried, result.validation, result.validation_moves, strict=True)
        ),
        f"the table agrees with {result.agreement:.4f} of what it was learned from, {result.fitted_nodes:.0f} nodes "
        f"in the mean; an untrained model takes {result.untrained_states}",
    ]
    for test in (result.given, result.larger):
        if test is None:
            lines.append("\nten times larger: this checkpoint cannot read such instances")
            continue
        lines.append(
            f"\n{test.title}: {test.n} of {test.nodes:.0f} nodes, {test.steps} steps, {test.node_steps} node-steps; "
            f"the model is right on {test.accuracy:.3f}"
        )
        heads = ("program", "cluster and sign", "cluster", "sign", "moves", "whole instances", "right", "unseen")
        lines.append("  {:<16} {:>24} {:>8} {:>8} {:>8} {:>22} {:>7} {:>7}".format(*heads))
        for f in test.programs:
            lines.append(
                f"  {f.program:<16} {_interval(f.both, f.low, f.high):>24} {f.states:8.4f} {f.signs:8.4f} "
                f"{f.moves:8.4f} {_interval(f.whole, f.whole_low, f.whole_high, 3):>22} {f.accuracy:7.3f} "
                f"{f.unseen:7.4f}"
            )
    return "\n".join(lines)


def _interval(value: float, low: float, high: float, digits: int = 4) -> str:
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
