"""The reading of a whole card: which definitions its output needs, in which order, and the lines that they make."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from neuramosaic.codegen.sketch.equations.context import Context
from neuramosaic.codegen.sketch.equations.declared import declared, size
from neuramosaic.codegen.sketch.equations.meaning import Meaning
from neuramosaic.codegen.sketch.equations.names import function
from neuramosaic.codegen.sketch.equations.products import weights_of
from neuramosaic.codegen.sketch.equations.statements import defined_words, statements
from neuramosaic.codegen.sketch.equations.states import has_before, recurrence
from neuramosaic.codegen.sketch.equations.syntax import (
    Call,
    Joined,
    Minus,
    Node,
    Number,
    Operation,
    Statement,
    Symbol,
    walk,
)
from neuramosaic.codegen.sketch.equations.terms import Term
from neuramosaic.codegen.sketch.equations.tokens import NotReadError
from neuramosaic.components.card import Card
from neuramosaic.components.spec import Slot

_POSITIONS = frozenset(["t", "i", "n", "s", "j", "tau", "m"])
_OUTPUTS = ("y", "Y", "out", "output", "o", "O")
_PER_HEAD = re.compile(
    r"\b(?:per|each|every) (?:attention )?head\b|\bhead by head\b|\binto (?:\w+ )?heads\b|\bfor head\b|\bof head\b"
)
_NUMBER_PER_HEAD = re.compile(
    r"\b(?:one|a) (?:number|scalar|value|gate) (?:per|for each|for every) head|\bscalar per head"
)
_HIDDEN = re.compile(
    r"\b(?:with|of|has|have|,)\s+([\w */+()\\]+?) hidden (?:units|elements|channels|features|size|dimensions)"
)
_ELEMENTS = re.compile(
    r"(?:each of|each with|with|has|have|of|,)\s+([\w */+()]+?) (?:elements|units|channels|features)(?! per (?!head))"
)
_TAPS = re.compile(r"(\d+)[- ]taps?|kernel (?:size |of |width )?(\d+)|width (\d+)|last (\d+) (?:positions|tokens)")
_EXPANSIONS = ("expansion", "expand", "ratio", "mult", "multiplier", "hidden_mult", "expansion_factor")
_SIZE_NAMES = ("d", "hd", "d_h", "d_k", "d_v", "d_head", "D", "K_size")


def read_equations(card: Card) -> list[str]:
    """Return the lines of a sketch that a card's equations make, the last one returned.

    Raises:
        NotReadError: If anything that the output needs cannot be read without guessing. Says what.
    """
    try:
        return _Reading(card).lines()
    except RecursionError:
        raise NotReadError("equations that are nested too deeply") from None


class _Definition:
    """A name that an equation defines.

    Attributes:
        statement: Where.
        right: What it is.
        index: Of its left side.
        part: Which part of a value that is cut, and of how many.
        equation: The whole equation.
    """

    def __init__(self, statement: Statement, left: Symbol, right: Node, part: tuple[int, int] | None = None) -> None:
        self.statement, self.left, self.right, self.part = statement, left, right, part


class _Reading:
    def __init__(self, card: Card) -> None:
        self.hyperparameters = frozenset(item.name for item in card.hyperparameters)
        self.is_modulator = card.slot is Slot.MODULATOR
        self._text = "\n".join([card.summary, *card.equations])
        self.has_heads = "heads" in self.hyperparameters
        words = defined_words(card.equations) | self.hyperparameters
        self.declared = declared(card.equations, self.hyperparameters)
        words |= {name.split("_")[0] for name in self.declared.kinds}
        self._definitions: dict[str, list[_Definition]] = {}
        self._functions: dict[str, tuple[tuple[str, ...], Node]] = {}
        self._groups: dict[str, tuple[Statement, Node, tuple[Symbol, ...]]] = {}
        self._lines: list[str] = []
        self._made: dict[tuple[str, int], Term] = {}
        self._versions: dict[str, int] = {}
        self._open: set[tuple[str, int]] = set()
        self._used: set[str] = set()
        self._parameters: dict[str, Term] = {}
        self._normalised: set[str] = set()
        self._gates: set[str] = set()
        self._maps: dict[str, str | None] = {}
        self._last = ""
        for equation in card.equations:
            for statement in statements(equation, words):
                self._take(statement)
        self._meaning = Meaning(self)

    def _take(self, statement: Statement) -> None:
        if statement.parameters:
            name = statement.left[0]
            assert isinstance(name, Symbol)
            self._functions[name.name] = (statement.parameters, statement.right[0])
            return
        rights = (
            statement.right if len(statement.right) == len(statement.left) else statement.right * len(statement.left)
        )
        if len(statement.right) == 1 < len(statement.left):  # a, b = W x
            parts = tuple(item for item in statement.left if isinstance(item, Symbol))
            self._cut(statement, parts, statement.right[0])
            return
        for left, right in zip(statement.left, rights, strict=True):
            if isinstance(left, Joined):
                self._cut(statement, tuple(item for item in left.items if isinstance(item, Symbol)), right)
            elif isinstance(left, Call) and isinstance(left.arguments[0], Symbol):  # log a = ...
                self._define(_Definition(statement, left.arguments[0], Call("exp", (), (right,))))
            elif isinstance(left, Symbol):
                first = any(isinstance(item, Minus) or item == Number("0") for item in left.indices)
                if first:
                    raise NotReadError(f"{left.name}, a state that does not begin at zero")
                self._define(_Definition(statement, left, right))
            else:
                raise NotReadError("a left side that is no name")

    def _cut(self, statement: Statement, parts: tuple[Symbol, ...], right: Node) -> None:
        for place, part in enumerate(parts):
            self._define(_Definition(statement, part, right, (place, len(parts))))
        self._groups[" ".join(_key(part) for part in parts)] = (statement, right, parts)

    def _define(self, definition: _Definition) -> None:
        name = _key(definition.left)
        if name in self.hyperparameters or (name in _SIZE_NAMES and _is_size(definition.right)):
            return
        self._definitions.setdefault(name, []).append(definition)
        self._last = name

    # -- the lines -----------------------------------------------------------------------------------------------------

    def lines(self) -> list[str]:
        """Return the lines."""
        name = next((item for item in _OUTPUTS[:2] if item in self._definitions), "")
        if not name:
            name = next((item for item in _OUTPUTS if item == self._last), self._last)
        if not name:
            raise NotReadError("no equation that says what the output is")
        if not self.has_heads and not re.search(r"\bheads?\b", self._text):
            self._lines.append("heads = 1")
        term = self.value(name)
        if term.kind != "sequence":
            raise NotReadError("an output that is no sequence")
        last = self._lines.pop() if self._lines and self._lines[-1].startswith(f"{name} = ") else None
        self._lines.append(f"return {last.split(' = ', 1)[1] if last else ast.unparse(term.node)}")
        used = "\n".join(self._lines)
        if self._lines[0] == "heads = 1" and not re.search(r"scan|attention|scores|heads\(|per_head|head_dim", used):
            self._lines = self._lines[1:]
        return self._lines

    # -- what meanings ask for -----------------------------------------------------------------------------------------

    def defined(self, name: str) -> bool:
        """Whether an equation defines a name."""
        return name in self._definitions

    def function(self, name: str) -> tuple[tuple[str, ...], Node] | None:
        """Return the arguments and the body of a function that an equation defines."""
        return self._functions.get(name)

    def is_normalised(self, text: str) -> bool:
        """Whether an expression is of length 1."""
        return text in self._normalised or text.startswith("normalize(")

    def is_gate(self, text: str) -> bool:
        """Whether an expression is a sigmoid or an exponential."""
        return text in self._gates or re.fullmatch(r"(?:sigmoid|exp)\([^()]*\([^()]*\)\)", text) is not None

    def once(self, what: str) -> None:
        """Say that something learned is used; twice would be two where the card has one."""
        if what in self._used:
            raise NotReadError(f"{what}, which is used twice")
        self._used.add(what)

    def value(self, name: str) -> Term:
        """Return what a defined name is."""
        version = self._versions.get(name, len(self._definitions[name])) - 1
        if version < 0:
            raise NotReadError(f"{name}, which is defined by itself")
        key = (name, version)
        if key not in self._made:
            if key in self._open:
                raise NotReadError(f"{name}, which is defined by itself")
            self._open.add(key)
            held = self._versions.get(name)
            self._versions[name] = version
            self._made[key] = self._evaluated(name, self._definitions[name][version], version)
            if held is None:
                self._versions.pop(name, None)
            else:
                self._versions[name] = held
        return self._made[key]

    def _evaluated(self, name: str, definition: _Definition, version: int) -> Term:
        context = self._context(definition)
        if definition.part is not None:
            return self._cut_part(definition, context)
        right = definition.right
        if has_before(right, definition.left.name, context.query):
            self._versions.pop(name, None)
            term = recurrence(self._meaning, definition.left.name, right, context)
        else:
            term = self._meaning.term(right, context)
        if term.kind in ("outer", "weighted", "scaled", "map", "taps"):
            raise NotReadError(f"{name}, a value that is no sequence")
        if term.kind == "state" or (term.kind == "number" and isinstance(term.node, (ast.Constant, ast.Name))):
            return term
        if term.kind == "pair" or term.role in ("softmax_k", "softmax_sink"):
            return weights_of(term) if term.role == "named" else term
        return self._named(name, version, term)

    def _named(self, name: str, version: int, term: Term) -> Term:
        count = len(self._definitions[name])
        written = name if version == count - 1 or count == 1 else f"{name}_{version + 1}"
        written = _python_name(written, self.hyperparameters)
        text = ast.unparse(term.node)
        self._lines.append(f"{written} = {text}")
        if text.startswith("normalize(") and text.endswith(")"):
            self._normalised.add(written)
        if (
            isinstance(term.node, ast.Call)
            and isinstance(term.node.func, ast.Name)
            and term.node.func.id in ("sigmoid", "exp")
        ):
            self._gates.add(written)
        return replace(term, node=ast.Name(written), parts=(), transposed=False,
                       role=term.role if term.role in ("numbers",) else "")  # fmt: skip

    def _cut_part(self, definition: _Definition, context: Context) -> Term:
        assert definition.part is not None
        count = definition.part[1]
        parts = next(
            parts for _, right, parts in self._groups.values()
            if right is definition.right and definition.left in parts
        )  # fmt: skip
        names = [_python_name(_key(part), self.hyperparameters) for part in parts]
        whole = self._meaning.term(definition.right, replace(context, whole=True))
        if whole.kind != "sequence" or whole.role == "numbers":
            raise NotReadError("a value that cannot be cut into parts")
        self._lines.append(f"{', '.join(names)} = chunk({ast.unparse(whole.node)}, {count})")
        made: dict[str, Term] = {}
        for part, written in zip(parts, names, strict=True):
            term = Term(ast.Name(written), "sequence", whole.place)
            if context.per_head:
                self._lines.append(f"{written} = split_heads({written})")
                term = replace(term, heads=True)
            made[_key(part)] = term
            self._made[_key(part), len(self._definitions[_key(part)]) - 1] = term
        return made[_key(definition.left)]

    def _context(self, definition: _Definition) -> Context:
        places = [item.name for item in definition.left.indices if isinstance(item, Symbol) and item.name in _POSITIONS]
        remark = definition.statement.remark
        of_head = Symbol("h") in definition.left.indices or _PER_HEAD.search(remark) is not None
        indexed = bool(places) or any(
            item == Symbol("t") or (isinstance(item, Operation) and Symbol("t") in (item.left, item.right))
            for part in walk(definition.right)
            if isinstance(part, Symbol)
            for item in part.indices
        )
        return Context(
            query=places[0] if places else "t",
            key=places[1] if len(places) > 1 else "",
            indexed=indexed,
            statement=definition.statement,
            per_head=of_head and self.has_heads,
        )

    def parameter(self, name: str, kind: str, init: str) -> Term:
        """Return a learned parameter."""
        if name in self._parameters:
            return self._parameters[name]
        said = self.declared
        start = said.starts.get(name, init)
        sizes = said.sizes.get(name, ())
        written = _python_name(name, self.hyperparameters)
        if written in self._definitions or written in ("x", "heads"):
            written = f"{written}_"
        if name in said.spreads:
            if kind != "vector":
                raise NotReadError(f"{name}, a number that starts at random")
            text = f"param({sizes[0] if sizes else 'd_model'}, spread={said.spreads[name]})"
        elif kind == "number":
            text = f"param_number({start})"
        elif kind == "per_head":
            text = f"param_per_head({start})"
        elif sizes:
            text = f"param({sizes[0]}, {start})"
        else:
            text = f"param(init={start})"
        self._lines.append(f"{written} = {text}")
        made = Term(ast.Name(written), {"number": "number", "per_head": "per_head"}.get(kind, "vector"))
        self._parameters[name] = made
        return made

    def map_size(self, name: str, context: Context, from_right: bool, is_outer: bool) -> str | None:
        """Return the size that a map is said to have."""
        if name not in self._maps:
            self._maps[name] = self._said_size(name, context, from_right, is_outer)
        return self._maps[name]

    def _said_size(self, name: str, context: Context, from_right: bool, is_outer: bool) -> str | None:
        bare = name.removesuffix("_per_head")
        own = next((sizes for key, sizes in self.declared.sizes.items() if _map_key(key) == bare), None)
        if own is not None:
            said = own[-1] if from_right else own[0]
            return "inner" if self.has_heads and said == "head_dim" and not name.endswith("_per_head") else said
        remark = context.remark
        statement = context.statement
        left = statement.left[0] if statement is not None and len(statement.left) == 1 else None
        if isinstance(left, Symbol) and not context.depth and not context.bound:
            if self.declared.kinds.get(_key(left)) == "unknown":
                raise NotReadError(f"{left.name}, of a size that nothing says")
            if len(of_left := self.declared.sizes.get(_key(left), ())) == 1:  # h in R^{4D}
                return of_left[0].replace("head_dim", "inner") if self.has_heads else of_left[0]
        if _NUMBER_PER_HEAD.search(remark):
            return "heads" if self.has_heads else "1"
        for place in range(len(remark)):
            hidden = _HIDDEN.match(remark, place)
            if hidden and (found := size(hidden[1], self.hyperparameters)):
                return found if context.depth or not is_outer else None
        elements = self._elements(remark)
        if elements and not context.depth:
            found = elements
            if statement is not None:
                count = (
                    next((len(item.items) for item in statement.left if isinstance(item, Joined)), 1)
                    if statement
                    else 1
                )
                found = found.replace("head_dim", "inner") if self.has_heads else found
                return found if count == 1 else f"{count} * {found}"
        if statement is not None and any(isinstance(item, Joined) for item in statement.left):
            count = next(len(item.items) for item in statement.left if isinstance(item, Joined))
            return f"{count} * inner" if context.per_head else f"{count} * d_model"
        if statement is not None and len(statement.right) == 1 < len(statement.left):
            return f"{len(statement.left)} * " + ("inner" if context.per_head else "d_model")
        if bare[:1].islower():
            return "heads" if self.has_heads else "1"
        return self._unsaid(context)

    def _elements(self, remark: str) -> str | None:
        """Return the number of elements that a remark says a value has."""
        for place in range(len(remark)):
            said = _ELEMENTS.match(remark, place)
            if said and (found := size(said[1], self.hyperparameters)):
                return found if re.search(r"\blearn(?:ed|able)\b[^;]*$", remark[:place]) is None else None
        return None

    def _unsaid(self, context: Context) -> str | None:
        """Return the size of a hidden map where the card has a hyper-parameter for it and says no more."""
        named = [item for item in _EXPANSIONS if item in self.hyperparameters]
        if not named or re.search(rf"\b{named[0]}\b", self._text):
            return None
        is_output = (
            any(isinstance(item, Symbol) and item.name in ("y", "Y") for item in context.statement.left)
            if (context.statement)
            else False
        )
        return None if is_output and not context.depth else f"{named[0]} * d_model"

    def taps(self, context: Context) -> ast.expr | None:
        """Return the number of taps that a convolution without one has."""
        named = [
            item for item in ("kernel", "taps", "width", "kernel_size", "conv_width") if item in self.hyperparameters
        ]
        if named:
            return ast.Name(named[0])
        said = _TAPS.search(context.remark) or _TAPS.search(self._text)
        return ast.Constant(int(next(item for item in said.groups() if item))) if said else None


def _key(symbol: Symbol) -> str:
    """Return the name of what a left side defines: without its positions."""
    labels = []
    for item in symbol.indices:
        if isinstance(item, Symbol) and (item.name in _POSITIONS or item.name in ("h", "d", "c")):
            continue
        if isinstance(item, Symbol):
            labels.append(item.name)
        elif isinstance(item, Number):
            labels.append(item.text)
        elif not isinstance(item, Operation):
            raise NotReadError(f"{symbol.name} with an index that is no name")
    return "_".join([symbol.name, *labels])


def _map_key(key: str) -> str:
    return key if re.fullmatch(r"[WUV](?:_\w+)?|[wu]_\w+", key) else f"W_{key}"


def _is_size(node: Node) -> bool:
    names = {item.name for item in walk(node) if isinstance(item, Symbol)}
    return bool(names) and names <= {"D", "d", "H", "h", "heads", "d_model"}


def _python_name(name: str, taken: frozenset[str]) -> str:
    """Return a name that a sketch may give a value."""
    clean = re.sub(r"\W", "_", name)
    reserved = clean in taken or function(clean) is not None or clean in ("f", "block", "d_model", "inner", "head_dim")
    return f"{clean}_value" if reserved or re.fullmatch(r"[WUV](?:_\w+)?", clean) else clean
