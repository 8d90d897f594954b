"""Well-formed edits of a component: one quantity of its equations, and one operation on it.

All are made by rule, and only those that the rule reads afterwards and that change the function are offered. Whoever
chooses among them, a small language model say, has no equation to get wrong.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice

import numpy as np

from agents.card_operations import OPERATIONS, Kind, Operation
from agents.card_starts import INPUT_MAP, Line, Start, closing
from neuramosaic.components.spec import Slot

_MAP = re.compile(r"([WU]_?\w*) (.+)$")
_ACTIVATION = re.compile(r"(?<!\w)(silu|gelu|relu|tanh|elu|softplus)(?=\()")
_LOGITS = re.compile(r"softmax_s(?=\()")
_SYMBOL = re.compile(r"[A-Za-z]+[0-9]?")
_PLURAL = re.compile(r"\b(?:queries|keys|values|units|logits)\b")
#: Activations: upon another one, in a perceptron or an output gate, they are only worth it if asked for.
_STACKED = ("silu", "rectified", "bounded")
#: What an idea says of a component stands behind these.
_CLAUSE = re.compile(r"\b(?:whose|with|that|where|in which|by|after|before|using)\b")
_LETTERS = "gpcmrnaeouwdbsz"

#: Slots whose components may look at earlier positions.
_IN_TIME = (Slot.MIXER, Slot.MODULATOR)
#: What a quantity is called, by its letter.
_CALLED = {
    "q": ("the queries", r"quer"), "k": ("the keys", r"\bkeys?\b"), "v": ("the values", r"\bvalues?\b"),
    "z": ("the update gate", r"gat(?!ed)|updat"), "a": ("the decay", r"decay|forget"), "g": ("the gate", r"\bgates?\b"),
    "b": ("the write strength", r"strength|writ|learning rate"), "c": ("the candidate", r"candidate|content|writ"),
    "u": ("the convolved values", r"convolved|\bvalues?\b"),
    "d": ("what the first pass found", r"first pass|differ|found"),
}  # fmt: skip
_OUTPUT = ("the output", r"output|result|\bread\b|outcome")
_HIDDEN = ("the hidden units", r"hidden|units?\b|activations?")
_BEFORE = ("the hidden units before the activation", r"before the activation|pre-?activations?")
_INPUT = ("the input", r"\binputs?\b")
_SCORES = ("the attention logits", r"logits?|scores?\b|softmax|similarit|attention weights")
_ACTIVATIONS = ("the activation", r"activation|nonlinearity|in place of")


@dataclass(frozen=True)
class Target:
    """A quantity of a component.

    Attributes:
        key: Its name within the component.
        called: What people call it.
        words: What an idea says that speaks of it, a regular expression.
        kind: Which operations it may take.
        line: Index of its definition.
        span: Its place within the right side, from and to.
    """

    key: str
    called: str
    words: str
    kind: Kind
    line: int
    span: tuple[int, int]

    @property
    def short(self) -> str:
        """A word for it, such as keys."""
        return "preactivations" if self.called == _BEFORE[0] else self.called.split()[-1]


@dataclass(frozen=True)
class Edit:
    """One operation on one quantity.

    Attributes:
        start: What is edited.
        target: The quantity.
        operation: The operation.
        result: The component that comes of it.
    """

    start: Start
    target: Target
    operation: Operation
    result: Start

    @property
    def name(self) -> str:
        """A name for it, such as power_keys."""
        return f"{self.operation.key}_{self.target.short}"

    @property
    def sentence(self) -> str:
        """It as an idea: what is computed, in a sentence without a full stop."""
        return f"{self.start.summary.rstrip('.')}; {self.phrase}"

    @property
    def phrase(self) -> str:
        """What it changes, such as: the keys are raised to a learned power."""
        verb = "are" if _PLURAL.search(self.target.called) else "is"
        return f"{self.target.called} {self.operation.phrase.format(is_=verb)}"


@cache
def edits(start: Start) -> tuple[Edit, ...]:
    """Return all edits of a component, whether they are sound or not: see `sound`."""
    found = []
    for target in _targets(start):
        for operation in OPERATIONS:
            if target.kind in operation.kinds and (start.slot in _IN_TIME or not operation.in_time):
                found.append(Edit(start, target, operation, _edited(start, target, operation)))
    return tuple(found)


def sound(choices: Iterable[Edit]) -> Iterator[Edit]:
    """Yield the edits that the rule reads and that change what is computed, each function once."""
    seen: set[str] = set()
    for edit in choices:
        reading = edit.result.reading()
        if reading.readable and reading.function not in seen | {edit.start.reading().function}:
            seen.add(reading.function)
            yield edit


def fitting(idea: str, choices: Iterable[Edit], most: int) -> list[Edit]:
    """Return the sound edits of which the words of an idea name operation and quantity, the best first.

    Args:
        idea: The idea, in a person's words.
        choices: The edits; of equally good ones the earlier comes first.
        most: How many.
    """
    scored = [(fit, edit) for edit in choices if (fit := _fit(idea.lower(), edit)) > 0]
    ranked = sorted(scored, key=lambda item: item[0], reverse=True)
    return list(islice(sound(edit for _, edit in ranked), most))


def menu(choices: Sequence[Edit], most: int, rng: np.random.Generator) -> list[Edit]:
    """Return some sound edits at random, with as many quantities and operations among them as there are.

    Left out are those that only write the same functions in another way, such as a scale before a learned map.
    """
    order = [edit for edit in (choices[int(place)] for place in rng.permutation(len(choices))) if not _is_idle(edit)]
    chosen: list[Edit] = []
    used: Counter[str] = Counter()

    def alike(edit: Edit) -> tuple[int, int]:
        return used[edit.operation.key], used[f"{edit.start.name} {edit.target.key}"]

    while order and len(chosen) < most:
        edit = min(order, key=alike)
        order.remove(edit)
        if len(list(sound([*chosen, edit]))) > len(chosen):
            chosen.append(edit)
            used.update([edit.operation.key, f"{edit.start.name} {edit.target.key}"])
    return chosen


def _is_idle(edit: Edit) -> bool:
    stacked = edit.start.slot is Slot.CHANNEL or edit.target.key == "g"
    return edit.operation.idle or (stacked and edit.operation.key in _STACKED)


def _fit(words: str, edit: Edit) -> float:
    """Return how well an edit fits an idea, 0 if not at all: what is changed stands behind "whose" or the like."""
    head = _CLAUSE.search(words)
    begin = head.end() if head else 0
    operation = re.compile(edit.operation.words).search(words, begin)
    if operation is None:
        return 0.0
    rest = words[: operation.start()] + " " * len(operation[0]) + words[operation.end() :]
    where = words if edit.operation.alone else rest
    pattern = re.compile(edit.target.words)
    target = pattern.search(where, begin) or pattern.search(where)
    if target is None:
        return 0.0
    return 2.0 + len(operation[0]) / 500 - abs(target.start() - operation.start()) / 1000


def _targets(start: Start) -> Iterator[Target]:
    """Find what can be edited."""
    for place, line in enumerate(start.lines):
        last = place == len(start.lines) - 1
        right = line.right
        softmax = _LOGITS.search(right)
        if softmax is not None and "window" not in right:  # logits within a window are read as q . k alone
            span = (softmax.end() + 1, closing(right, softmax.end()))
            yield Target("logits", *_SCORES, Kind.LOGITS, place, span)
        for found in _ACTIVATION.finditer(right):
            if start.slot is Slot.CHANNEL:
                span = (found.start(), closing(right, found.end()) + 1)
                yield Target(f"{found[1]}", *_ACTIVATIONS, Kind.ACTIVATION, place, span)
        if last:
            mapped = _MAP.match(right)
            span = (mapped.start(2), len(right)) if mapped is not None else (0, len(right))
            called = _HIDDEN if start.slot is Slot.CHANNEL else _OUTPUT
            if start.slot is not Slot.MODULATOR:  # what a modulator returns is the residual stream
                yield Target("output", *called, Kind.VALUE, place, span)
        elif _is_gate(right):
            yield Target(line.name, *_CALLED.get(line.name, (line.name, line.name)), Kind.GATE, place, (0, len(right)))
        elif not _is_state(line):
            yield Target(line.name, *_CALLED.get(line.name, _HIDDEN), Kind.VALUE, place, (0, len(right)))
        for found in INPUT_MAP.finditer(right):
            if found.span() == (0, len(right)) or right.startswith("sigmoid") or "|" in right:
                continue  # the whole is edited already; a gate's argument; a value that is brought to length one
            letter = found[1].rpartition("_")[2]
            called = _CALLED.get(letter, _BEFORE)
            yield Target(letter, *called, Kind.VALUE, place, found.span())
    if start.slot is Slot.MIXER:
        yield Target("x", *_INPUT, Kind.INPUT, 0, (0, 0))


def _is_gate(right: str) -> bool:
    return right.startswith("sigmoid(") and closing(right, len("sigmoid")) == len(right) - 1


def _is_state(line: Line) -> bool:
    return f"{line.name}_(t-1)" in line.right or "^T" in line.right


def _edited(start: Start, target: Target, operation: Operation) -> Start:
    """Apply an operation: the quantity gets a name of its own, and what takes its place is computed from that."""
    used = set(_SYMBOL.findall(" ".join([*start.equations, *(item.name for item in start.hyperparameters)])))
    maps = {found.partition("_")[2] for found in re.findall(r"[WUw]_\w+", " ".join(start.equations))}
    free = (letter for letter in _LETTERS if letter not in used and letter not in maps)
    lines, facts = list(start.lines), list(start.facts)
    line = lines[target.line]
    symbols = {"g": next(free), "m": next(free), "own": line.name, "half": _half(start)}
    if target.kind is Kind.INPUT:
        name = next(free)
        lines = [replace(each, right=re.sub(r"(?<!\w)x_t(?!\w)", f"{name}_t", each.right)) for each in lines]
        facts = [re.sub(r"(?<!\w)x_t(?!\w)", f"{name}_t", fact) for fact in facts]
        new, extra = operation.write("x", {**symbols, "own": name})
        lines.insert(0, Line(name, new))
    elif target.kind in (Kind.LOGITS, Kind.ACTIVATION):
        begin, end = target.span
        inner = line.right[begin:end]
        if target.kind is Kind.ACTIVATION:
            inner = inner[inner.index("(") + 1 : -1]
        new, extra = operation.write(inner, symbols, plain=True)
        lines[target.line] = replace(line, right=line.right[:begin] + new + line.right[end:])
    elif target.span == (0, len(line.right)) and line.name != "y":
        base = _numbered(line.name, used)
        new, extra = operation.write(base, symbols)
        remark = line.remark
        lines[target.line : target.line + 1] = [Line(base, line.right, remark), Line(line.name, new)]
    else:
        begin, end = target.span
        inner = line.right[begin:end]
        name = target.key if len(target.key) == 1 and target.key.isalpha() and target.key not in used else next(free)
        base = _numbered(name, used)
        if inner.startswith("(") and closing(inner, 0) == len(inner) - 1:
            inner = inner[1:-1]
        new, extra = operation.write(base, {**symbols, "own": name})
        right = line.right[:begin] + f"{name}_t" + line.right[end:]
        lines[target.line : target.line + 1] = [
            Line(base, inner),
            Line(name, new),
            replace(line, right=right.strip()),
        ]
    properties = tuple(item for item in start.properties if not (operation.in_time and item[0] == "receptive_field"))
    return replace(start, lines=tuple(lines), facts=(*facts, *extra), properties=properties)


def _half(start: Start) -> str:
    """Return half of the channels that a quantity has, as a size."""
    names = {item.name for item in start.hyperparameters}
    if "heads" in names:
        return "head_dim / 2"
    return "expansion * d_model / 2" if "expansion" in names else "d_model / 2"


def _numbered(name: str, used: set[str]) -> str:
    """Return a name for what a symbol was before: k1 for k."""
    letter = name[0]
    return next(f"{letter}{number}" for number in range(1, 10) if f"{letter}{number}" not in used)
