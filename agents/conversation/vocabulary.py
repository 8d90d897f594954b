"""The words by which people name components, slots and dimensions, besides the names that the catalogue has."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from neuramosaic.components.spec import ComponentSpec, CostClass, Slot
from neuramosaic.steering.commands import HIGH, LOW, Part
from neuramosaic.steering.names import Names

#: Other names of built-in components, as regular expressions.
_OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "attention": (r"(?:full |softmax |self-?|quadratic |causal )*attention", r"transformer attention"),
    "sliding_attention": (r"sliding[- ](?:window[- ])?attention", r"(?:local|windowed|window) attention"),
    "recurrence": (
        r"linear attention",
        r"linear recurrences?",
        r"recurrences?",
        r"delta ?nets?",
        r"gated linear attention",
        r"ret ?nets?",
        r"\bgla\b",
    ),
    "ssm": (r"ssms?", r"mamba(?:-?2)?", r"state[- ]spaces?(?: models?)?"),
    "min_gru": (r"min[- ]?grus?", r"grus?"),
    "gated_conv": (r"gated conv(?:olution)?s?", r"conv(?:olution)?s?", r"short conv(?:olution)?s?"),
    "mlp": (r"mlps?", r"gelu(?: mlps?)?", r"(?:plain |two-layer )?perceptrons?"),
    "swiglu": (r"swi[- ]?glu", r"gated linear units?"),
    "squared_relu": (r"squared[- ]relu", r"relu(?:\^2|²| squared)"),
    "moe": (r"moes?", r"mixtures?[- ]of[- ]experts?", r"experts?"),
    "kwta": (r"k-?wta", r"k[- ]winners?(?:[- ]take[- ]all)?", r"sparse perceptrons?"),
    "layer_norm": (r"layer[- ]?norm(?:ali[sz]ation)?s?",),
    "rms_norm": (r"rms[- ]?norm(?:ali[sz]ation)?s?", r"root[- ]mean[- ]square(?: norm\w*)?"),
    "dyt": (r"dyt", r"dynamic tanh"),
    "learned": (r"learned positions?", r"learned position (?:vector|embedding)s?"),
    "rope": (r"rope", r"rotary(?: positions?| embeddings?)?"),
    "alibi": (r"alibi",),
    "pre": (r"pre[- ]?norm(?: residuals?)?", r"pre residuals?"),
    "post": (r"post[- ]?norm(?: residuals?)?", r"post residuals?"),
    "sandwich": (r"sandwich(?: norm| residuals?)?",),
    "parallel": (r"parallel(?: residuals?| blocks?)",),
    "top_down": (r"top[- ]down(?: feedback)?", r"feedback"),
}
_SLOT_WORDS: dict[Slot, str] = {
    Slot.MIXER: r"(?:sequence |token )?mixers?",
    Slot.CHANNEL: r"channels?(?: mixers?| components?| layers?)?|feed-?forwards?(?: layers?)?",
    Slot.NORM: r"norms?|normali[sz]ations?|normali[sz]ers?",
    Slot.POSITION: r"positions?(?: encodings?| embeddings?)?|positional (?:encodings?|embeddings?)",
    Slot.RESIDUAL: r"residuals?(?: topolog(?:y|ies))?",
    Slot.MODULATOR: r"modulators?",
}
#: Classes of cost in words.
COST_WORDS = r"linear[- ]time|linear[- ]cost|sub-?quadratic|quadratic(?:[- ]time|[- ]cost)?"
_COSTS = {
    r"linear[- ]time|linear[- ]cost|sub-?quadratic": (CostClass.CONSTANT, CostClass.LINEAR, CostClass.LOG_LINEAR),
    r"quadratic(?:[- ]time|[- ]cost)?": (CostClass.QUADRATIC,),
}
#: What people say of a dimension: its end that is meant.
_ENDS: tuple[tuple[str, str, str], ...] = (
    (r"shallow(?:er)?(?: (?:models?|networks?|nets|ones|architectures?))?|fewer (?:layers|blocks)", "depth", LOW),
    (r"deep(?:er)?(?: (?:models?|networks?|nets|ones|architectures?))?|more (?:layers|blocks)", "depth", HIGH),
)
_LOWER = r"low(?:er)?|small(?:er)?|little|short(?:er)?|less|narrow(?:er)?"
_HIGHER = r"high(?:er)?|large(?:r)?|big(?:ger)?|long(?:er)?|greater|more|wide(?:r)?"


@dataclass(frozen=True)
class Found:
    """What a piece of text names.

    Attributes:
        parts: Components, in the order of the text, each once.
        slots: Slots that are named without a component.
        rest: The text with all of that taken out.
    """

    parts: tuple[Part, ...]
    slots: tuple[Slot, ...]
    rest: str


class Vocabulary:
    """Finds the names of components in sentences.

    Args:
        names: What a study, or a catalogue, knows.
        specs: Its components, for their cost and summary.
    """

    def __init__(self, names: Names, specs: Iterable[ComponentSpec] = ()) -> None:
        self.names = names
        self._specs = {(spec.slot, spec.name): spec for spec in specs}
        self._patterns = [(re.compile(rf"(?<![\w-])(?:{one})(?![\w-])"), parts) for one, parts in self._made()]

    def _made(self) -> Iterable[tuple[str, tuple[Part, ...]]]:
        """Yield patterns, each with what it names."""
        summaries: dict[str, set[Part]] = {}
        for slot, components in self.names.components.items():
            for name in components:
                part = Part(slot=slot, name=name)
                if name == "none":
                    continue
                short = name in ("pre", "post", "learned", "parallel")  # words of everyday English
                if not short:
                    yield re.escape(name).replace("_", "[ _-]?"), (part,)
                yield f"{slot}[ =:]{re.escape(name)}", (part,)
                for other in _OTHER_NAMES.get(name, ()):
                    yield other, (part,)
                spec = self._specs.get((slot, name))
                if spec is not None and len(spec.summary.split()) > 1:
                    summaries.setdefault(spec.summary.lower(), set()).add(part)
        for summary, named in summaries.items():
            if len(named) == 1:
                yield re.escape(summary), tuple(named)
        for pattern, costs in _COSTS.items():
            for slot in (Slot.MIXER, Slot.CHANNEL):
                parts = tuple(self.of_cost(slot, costs))
                if parts:
                    yield f"(?:{pattern}) (?:{_SLOT_WORDS[slot]})", parts

    def of_cost(self, slot: Slot, costs: Collection[CostClass]) -> list[Part]:
        """Return the components of a slot whose time grows so."""
        known = self.names.components.get(slot, ())
        return [
            Part(slot=slot, name=name)
            for name in known
            if (slot, name) in self._specs and self._specs[slot, name].cost in costs
        ]

    def find(self, text: str) -> Found:
        """Return what a text names; the longest names count first."""
        words = text.lower()
        hits = [
            (match.start(), match.end(), parts)
            for pattern, parts in self._patterns
            for match in pattern.finditer(words)
            if match[0].strip()
        ]
        taken: list[tuple[int, int, tuple[Part, ...]]] = []
        for begin, end, parts in sorted(hits, key=lambda hit: (hit[0] - hit[1], hit[0])):
            if all(end <= other[0] or begin >= other[1] for other in taken):
                taken.append((begin, end, parts))
                words = f"{words[:begin]}{' ' * (end - begin)}{words[end:]}"
        slots: list[Slot] = []
        for slot, spoken in _SLOT_WORDS.items():
            left = re.sub(rf"(?<![\w-])(?:{spoken})(?![\w-])", lambda match: " " * len(match[0]), words)
            if left != words:
                slots.append(slot)
                words = left
        ordered = [part for _, _, parts in sorted(taken, key=lambda hit: hit[0]) for part in parts]
        return Found(tuple(dict.fromkeys(ordered)), tuple(slots), " ".join(words.split()))

    def ends(self, text: str) -> list[tuple[str, str]]:
        """Return the ends of numeric dimensions that a text names: ("depth", "low")."""
        found: list[tuple[str, str]] = []
        words = text.lower()
        for pattern, key, end in _ENDS:
            if key in self.names.dimensions and re.search(rf"\b(?:{pattern})\b", words):
                found.append((key, end))
        for name in self.dimension_keys():
            spoken = re.escape(name).replace("_", "[ _-]").replace(r"\.", "[ .]")
            for end, adjectives in ((LOW, _LOWER), (HIGH, _HIGHER)):
                if re.search(rf"\b(?:{adjectives}) {spoken}s?\b|\b{spoken}=(?:{adjectives})\b", words):
                    found.append((name, end))
        return list(dict.fromkeys(found))

    def without_dimensions(self, text: str) -> str:
        """Return a text without the words that name numeric dimensions and their ends."""
        left = text.lower()
        spoken = [pattern for pattern, _, _ in _ENDS]
        spoken += [re.escape(name).replace("_", "[ _-]") + "s?" for name in self.dimension_keys()]
        spoken += [re.escape(spec.name).replace("_", "[ _-]?") for spec in self._specs.values()]
        for pattern in (*spoken, _LOWER, _HIGHER):
            left = re.sub(rf"\b(?:{pattern})(?![\w-])", " ", left)
        return left

    def dimension_keys(self) -> Sequence[str]:
        """Return the numeric dimensions, and their last names where these mean several."""
        last = [name.rpartition(".")[2] for name in self.names.dimensions]
        return tuple(dict.fromkeys([*self.names.dimensions, *last]))

    def dimension_in(self, text: str) -> str | None:
        """Return the numeric dimension that a text names, or None."""
        words = text.lower()
        for name in sorted(self.dimension_keys(), key=len, reverse=True):
            if re.search(rf"\b{re.escape(name).replace('_', '[ _-]')}\b", words):
                return name
        return None
