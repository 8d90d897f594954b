"""The reading of a whole card: which definitions its output needs, in which order, and the lines that they make."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from neuramosaic.codegen.sketch.equations.context import Context
from neuramosaic.codegen.sketch.equations.declared import declared
from neuramosaic.codegen.sketch.equations.meaning import Meaning
from neuramosaic.codegen.sketch.equations.names import ELEMENTWISE, SQUARE, function
from neuramosaic.codegen.sketch.equations.products import weights_of
from neuramosaic.codegen.sketch.equations.sizes import POSITIONS, Sizes, defined_name
from neuramosaic.codegen.sketch.equations.statements import defined_words, statements
from neuramosaic.codegen.sketch.equations.states import has_before, is_before, recurrence
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
from neuramosaic.codegen.sketch.equations.tokens import LONGEST, NotReadError, normalised
from neuramosaic.components.card import Card
from neuramosaic.components.spec import Slot

_OUTPUTS = ("y", "Y", "out", "output", "o", "O")
_PER_HEAD = re.compile(
    r"\b(?:per|each|every) (?:attention )?head\b|\bhead by head\b|\binto (?:\w+ )?heads\b|\bfor head\b|\bof head\b"
)
_FUNCTION_SAID = re.compile(
    r"\b(?P<name>sigma|phi|psi|varphi|act|f|g)\s+(?:is|denotes|means|being|stands for)\s+(?P<words>(?:[\w-]+ ?){1,4})"
)
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


class _Reading(Sizes):
    def __init__(self, card: Card) -> None:
        hyperparameters = frozenset(item.name for item in card.hyperparameters)
        text = "\n".join([card.summary, *card.equations])
        super().__init__(hyperparameters, declared(card.equations, hyperparameters), text)
        self.is_modulator = card.slot is Slot.MODULATOR
        words = defined_words(card.equations) | self.hyperparameters
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
        self._last = ""
        self._order: list[Statement] = []
        for equation in card.equations:
            for statement in statements(equation, words):
                self._take(statement)
        self._check_order()
        self._functions_in_words()
        self._spelt = "\n".join(normalised(equation) for equation in card.equations)
        self._meaning = Meaning(self)

    def _take(self, statement: Statement) -> None:
        self._order.append(statement)
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
            elif isinstance(left, Symbol) and isinstance(right, Symbol) and self._names_function(left, right):
                continue
            elif isinstance(left, Call) and left.name == "square" and isinstance(left.arguments[0], Symbol):
                root = left.arguments[0]  # sigma^2 = ...
                squared = Symbol(root.name + SQUARE, root.indices)
                self._define(_Definition(statement, squared, right))
                self._define(_Definition(statement, root, Call("sqrt", (), (squared,))))
            elif isinstance(left, Call) and isinstance(left.arguments[0], Symbol):  # log a = ...
                self._define(_Definition(statement, left.arguments[0], Call("exp", (), (right,))))
            elif isinstance(left, Symbol):
                first = any(isinstance(item, Minus) or item == Number("0") for item in left.indices)
                if first:
                    raise NotReadError(f"{left.name}, a state that does not begin at zero")
                self._define(_Definition(statement, left, right))
            else:
                raise NotReadError("a left side that is no name")

    def _check_order(self) -> None:
        """Refuse a name that is defined twice and used in between, where it is what it was first.

        Raises:
            NotReadError: If there is one.
        """
        for name, found in self._definitions.items():
            if len(found) < 2:
                continue
            own = [place for place, item in enumerate(self._order) if any(item is one.statement for one in found)]
            between = [item for place, item in enumerate(self._order) if own[0] < place < own[-1] and place not in own]
            symbols = (item for one in between for part in one.right for item in walk(part))
            if any(isinstance(item, Symbol) and item.name == found[0].left.name for item in symbols):
                raise NotReadError(f"{name}, which is used before it is defined once more")

    def _names_function(self, left: Symbol, right: Symbol) -> bool:
        """Whether `sigma = GELU` says which function a symbol is; takes it if so."""
        if function(right.name) is None or right.indices or left.indices or right.name in self._definitions:
            return False
        self._functions[left.name] = (("z",), Call(right.name, (), (Symbol("z"),)))
        return True

    def _functions_in_words(self) -> None:
        """Take what words say of the function that a symbol is: `where sigma is the GELU`.

        Raises:
            NotReadError: If they say one that is not known.
        """
        for said in _FUNCTION_SAID.finditer(normalised(self._text.replace("\n", " ; ")[:LONGEST])):
            name, words = said["name"], said["words"].split()
            if name in self._functions or name in self._definitions:
                continue
            known = next((word for word in words if function(word) in ELEMENTWISE), None)
            if known is not None:
                self._functions[name] = (("z",), Call(known, (), (Symbol("z"),)))
            elif name in ("sigma", "phi", "psi", "varphi") and "learned" not in words and "number" not in words:
                raise NotReadError(f"{name}, which is said to be {' '.join(words)}")

    def says(self, pattern: str) -> bool:
        """Whether the equations, in one spelling, hold a pattern."""
        return re.search(pattern, self._spelt) is not None

    def _cut(self, statement: Statement, parts: tuple[Symbol, ...], right: Node) -> None:
        for place, part in enumerate(parts):
            self._define(_Definition(statement, part, right, (place, len(parts))))
        self._groups[" ".join(defined_name(part) for part in parts)] = (statement, right, parts)

    def _define(self, definition: _Definition) -> None:
        name = defined_name(definition.left)
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
        if not name and not self._definitions:
            name = self._output_function()
        if not name:
            raise NotReadError("no equation that says what the output is")
        if not self.has_heads and not re.search(r"\bheads?\b", self._text):
            self._lines.append("heads = 1")
        term = self.value(name)
        if term.kind != "sequence":
            raise NotReadError("an output that is no sequence")
        last = self._lines.pop() if self._lines and self._lines[-1].startswith(f"{name} = ") else None
        self._lines.append(f"return {last.split(' = ', 1)[1] if last else ast.unparse(term.node)}")
        if self._lines[0] == "heads = 1":
            # The d of a card without heads is that of the model.
            self._lines = [re.sub(r"\bhead_dim\b", "d_model", line) for line in self._lines]
            needed = r"scan|attention|scores|heads\(|per_head|causal\(|causal_softmax|distance"
            if not re.search(needed, "\n".join(self._lines)):
                self._lines = self._lines[1:]
        return self._lines

    def _output_function(self) -> str:
        """Define the output as the last function of x alone, `FFN(x) = ...`; nothing if there is none."""
        alone = [name for name, (parameters, _) in self._functions.items() if parameters in (("x",), ("X",))]
        if not alone:
            return ""
        _, body = self._functions[alone[-1]]
        left = Symbol("y")
        self._define(_Definition(Statement((left,), (body,)), left, body))
        return "y"

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
        labels = {defined_name(definition.left)} | {
            defined_name(item)
            for item in walk(right)
            if isinstance(item, Symbol) and is_before(item, definition.left.name, context.query)
        }
        if has_before(right, definition.left.name, context.query):
            if len(labels) > 1:
                raise NotReadError(f"{name}, a state of several that have one name")
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
        names = [_python_name(defined_name(part), self.hyperparameters) for part in parts]
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
            made[defined_name(part)] = term
            self._made[defined_name(part), len(self._definitions[defined_name(part)]) - 1] = term
        return made[defined_name(definition.left)]

    def _context(self, definition: _Definition) -> Context:
        places = [item.name for item in definition.left.indices if isinstance(item, Symbol) and item.name in POSITIONS]
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


def _is_size(node: Node) -> bool:
    names = {item.name for item in walk(node) if isinstance(item, Symbol)}
    return bool(names) and names <= {"D", "d", "H", "h", "heads", "d_model"}


def _python_name(name: str, taken: frozenset[str]) -> str:
    """Return a name that a sketch may give a value."""
    clean = re.sub(r"\W", "_", name)
    reserved = clean in taken or function(clean) is not None or clean in ("f", "block", "d_model", "inner", "head_dim")
    return f"{clean}_value" if reserved or re.fullmatch(r"[WUV](?:_\w+)?", clean) else clean
