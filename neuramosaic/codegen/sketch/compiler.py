"""From a sketch to the class that a component is."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable

from neuramosaic.codegen.sketch.facts import facts_of
from neuramosaic.codegen.sketch.notation import Notation
from neuramosaic.codegen.sketch.values import (
    Kind,
    Size,
    SketchError,
    Value,
    align,
    expression,
    is_one,
    method,
    same_size,
    to_heads,
    to_sequence,
)
from neuramosaic.codegen.sketch.vocabulary import FUNCTIONS, OTHER_NAMES
from neuramosaic.components.card import Card
from neuramosaic.components.spec import Slot

_PREFIXES = ("torch.nn.functional.", "nn.functional.", "F.", "torch.", "math.")


def class_name(card: Card) -> str:
    """Return the name of a card's class."""
    return "".join(part[:1].upper() + part[1:] for part in card.name.split("_"))


def compile_sketch(sketch: str, card: Card) -> str:
    """Return the source of the component that a sketch describes; building blocks are not inlined yet.

    Args:
        sketch: Statements that assign names, and a last `return`; `x` is the input, for a modulator `block(...)` runs the
            block that it wraps.
        card: What the component is to be: its name, slot and hyper-parameters.

    Raises:
        SketchError: If the sketch makes no component; says which line and what to write instead.
    """
    return _Compiler(card).compile(sketch)


class _Compiler:
    """Compiles one sketch."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self._hyperparameters = [item.name for item in card.hyperparameters]
        self._modules: dict[str, Callable[[], str]] = {}
        self._heads = "heads" in self._hyperparameters
        self._hint: str | None = None
        self._lines: list[str] = []
        self._facts = facts_of(card)
        symbols = set(re.findall(r"[A-Za-z]\w*", " ".join(card.equations))) - _WORDS | {"learned"}
        self._symbols = symbols | {re.sub(r"_[dtsh]$", "", name) for name in symbols}
        self._maps: dict[str, tuple[Value, Size | None]] = {}
        self._values: dict[str, Value] = {"x": Value(expression("x"), Kind.SEQUENCE, Size("d_model"))}

    # -- what the vocabulary asks for ----------------------------------------------------------------------------------

    def module(self, hint: str, make: Callable[[], str]) -> str:
        """Add a module or parameter, named after what it is assigned to."""
        base = self._hint or hint
        if base in ("x", "y", "h", "z", "result", "output") and self._hint:
            base = {"linear": "out"}.get(hint, hint) if base in ("y", "output", "result") else f"{base}_{hint}"
        reserved = {*self._hyperparameters, "heads", "head_dim", "block", "training", "forward"}
        name, number = base, 2
        while name in self._modules or name in reserved:
            name, number = f"{base}_{number}" if number > 2 or base not in reserved else f"{base}_{hint}", number + 1
        self._modules[name] = make
        return f"self.{name}"

    def need_heads(self) -> None:
        """The class has heads."""
        if "heads" not in self._hyperparameters and not self._heads:
            self._heads = True

    def constructor(self, node: ast.expr) -> str:
        """Return an expression of numbers as the constructor writes it.

        Raises:
            SketchError: If it holds anything else.
        """
        text = ast.unparse(node).replace("x.shape[-1]", "d_model").replace("self.", "")
        known = {*self._hyperparameters, "d_model", "inner", "head_dim", "heads", "max", "min", "int", "math", "sqrt"}
        for item in ast.walk(ast.parse(text, mode="eval")):
            if isinstance(item, ast.Name) and item.id not in known:
                raise SketchError(
                    f"{text}: {item.id} is no number; sizes are made of d_model, "
                    f"{', '.join([*self._hyperparameters, 'inner', 'head_dim'])} and numbers"
                )
        if re.search(r"\b(inner|head_dim)\b", text):
            self.need_heads()
        return text

    def hold(self, value: Value, hint: str) -> Value:
        """Give a value a name of its own in the forward pass, so that it can be written twice."""
        if isinstance(value.node, (ast.Name, ast.Attribute, ast.Constant)):
            return value
        name, number = hint, 2
        while name in self._values or name in self._hyperparameters:
            name, number = f"{hint}{number}", number + 1
        self._lines.append(f"{name} = {ast.unparse(value.node)}")
        self._values[name] = value.written(ast.Name(name))
        return self._values[name]

    # -- statements ----------------------------------------------------------------------------------------------------

    def compile(self, sketch: str) -> str:
        notation = Notation()
        rewritten = [notation.rewrite(line) for line in sketch.splitlines()]
        body = _statements("\n".join(line for line in rewritten if line.strip()))
        if not body:
            raise SketchError("the sketch is empty")
        returned: Value | None = None
        for node in body:
            try:
                if isinstance(node, ast.Return) and node.value is not None:
                    self._hint = "out" if isinstance(node.value, ast.Call) else None
                    returned = self._value(node.value)
                    break
                self._statement(node)
            except SketchError as error:
                raise SketchError(f"`{ast.unparse(node)}`: {error}") from None
        last = body[-1]
        if returned is None and isinstance(last, ast.Assign) and isinstance(last.targets[0], ast.Name):
            returned = self._values.get(last.targets[0].id)
        if returned is None:
            raise SketchError("the sketch has to end with `return` and the output")
        output = self._output(returned)
        return self._write(self._lines, output)

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            node = ast.Assign([ast.Name(node.target.id)], ast.BinOp(ast.Name(node.target.id), node.op, node.value))
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            node = ast.Assign([node.target], node.value)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            raise SketchError("only `name = expression` and `return expression` make a sketch; no loops, no conditions")
        target = node.targets[0]
        if isinstance(target, ast.Tuple):
            self._unpack(target, node.value)
            return
        if not isinstance(target, ast.Name):
            raise SketchError("assign to a plain name")
        target = ast.Name(re.sub(r"_[ts]$", "", target.id) or target.id)  # a card's index; a sketch has whole sequences
        if target.id in self._hyperparameters or target.id in ("d_model", "inner", "head_dim", "heads"):
            return  # these are there already
        self._hint = target.id
        value = self._value(node.value)
        self._values[target.id] = value.written(ast.Name(target.id))
        if ast.unparse(value.node) == target.id:
            return
        if value.kind in (Kind.VECTOR, Kind.PER_HEAD, Kind.NUMBER) and isinstance(
            value.node, (ast.Attribute, ast.Constant)
        ):
            self._values[target.id] = value  # a parameter by its own name
        else:
            self._lines.append(f"{target.id} = {ast.unparse(value.node)}")

    def _unpack(self, target: ast.Tuple, node: ast.expr) -> None:
        names = [re.sub(r"_[ts]$", "", item.id) for item in target.elts if isinstance(item, ast.Name)]
        if isinstance(node, ast.Tuple) and len(node.elts) == len(names):
            for name, item in zip(names, node.elts, strict=True):
                self._statement(ast.Assign([ast.Name(name)], item))
            return
        is_chunk = isinstance(node, ast.Call) and self._function_name(node) in ("chunk", "split")
        if not is_chunk or not isinstance(node, ast.Call):
            raise SketchError("several names take several values: a, b = chunk(z, 2), or a, b = one, other")
        self._hint = "_and_".join(names)
        z = to_sequence(self._value(node.args[0] if node.args else node.func.value))  # type: ignore[attr-defined]
        if z.kind is not Kind.SEQUENCE or z.size is None:
            raise SketchError(f"chunk takes a sequence, {ast.unparse(z.node)} is {z.shape}")
        z.size.settle(f"{len(names)} * d_model")
        whole = z.size.text or ""
        match = re.fullmatch(rf"{len(names)} \* (.+)", whole) or re.fullmatch(rf"(.+) \* {len(names)}", whole)
        part = match[1] if match else f"({whole}) // {len(names)}"
        for name in names:
            self._values[name] = Value(ast.Name(name), Kind.SEQUENCE, Size(part))
        self._lines.append(f"{', '.join(names)} = {ast.unparse(z.node)}.chunk({len(names)}, dim=-1)")

    # -- expressions ---------------------------------------------------------------------------------------------------

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=int() | float() | None):
                return Value(node, Kind.NUMBER)
            case ast.Name(id=name):
                return self._name(name)
            case ast.UnaryOp(op=op, operand=operand):
                value = self._value(operand)
                return value.written(ast.UnaryOp(op, value.node))
            case ast.BinOp(left=left, op=op, right=right):
                return self._operation(self._value(left), op, self._value(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                a, b, kind, size = align(self._value(left), self._value(right))
                return Value(ast.Compare(a, [op], [b]), kind, size)
            case ast.Call():
                return self._call(node)
            case ast.Attribute(value=inner, attr="mT" | "T"):
                value = to_heads(self._value(inner))
                return Value(ast.Attribute(value.node, "mT"), Kind.TRANSPOSED, value.size)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return self._name(name)
            case ast.Attribute(value=ast.Name(id="math"), attr=name):
                return Value(node, Kind.NUMBER)
        raise SketchError(f"`{ast.unparse(node)}` has no place in a sketch; use the functions that are there")

    def _name(self, name: str) -> Value:
        if name not in self._hyperparameters:
            name = self._known_name(name)
        if name in self._values:
            return self._values[name]
        if name in self._hyperparameters:
            return Value(expression(f"self.{name}"), Kind.NUMBER)
        if name in ("heads", "head_dim"):
            self.need_heads()
            return Value(expression(f"self.{name}"), Kind.NUMBER)
        if name == "inner":
            self.need_heads()
            return Value(expression("self.heads * self.head_dim"), Kind.NUMBER)
        if name == "d_model":
            return Value(expression("x.shape[-1]"), Kind.NUMBER)
        if name == "T":
            return Value(expression("x.shape[1]"), Kind.NUMBER)
        if name == "t" or name == "h":
            return FUNCTIONS["positions" if name == "t" else "head_index"].make(self, [], {})
        if name in self._facts.constants:
            return Value(expression(self._facts.constants[name]), Kind.NUMBER)
        if name in ("d", "d_h", "d_k", "hd") and name not in self._facts.starts:
            return self._name("head_dim" if "heads" in self._hyperparameters else "d_model")
        if name == "D":
            return self._name("d_model")
        if name in ("eps", "epsilon"):
            return Value(ast.Constant(1e-6), Kind.NUMBER)
        if name in self._symbols:
            return self._symbol(name)
        if name in ("True", "False"):
            return Value(ast.Name(name), Kind.NUMBER)
        raise SketchError(f"{name} is not known; known are {', '.join([*self._values, *self._hyperparameters])}")

    def _known_name(self, name: str) -> str:
        """Return the name that is meant: cards index with t, s and h what a sketch has without."""
        bare = re.sub(r"_(t|s|ts|h|i|j)$", "", name)
        for candidate in (name, bare, *(f"{bare}_{index}" for index in ("t", "s", "ts", "h"))):
            if candidate in self._values:
                return candidate
        return name

    def _symbol(self, name: str) -> Value:
        """Return a learned parameter that the card has a name for and says no more of."""
        held, self._hint = self._hint, re.sub(r"_(t|s|h)$", "", name)
        if name in self._facts.spreads:
            value = FUNCTIONS["param"].make(
                self, [], {"spread": Value(expression(self._facts.spreads[name]), Kind.NUMBER)}
            )
            self._hint = held
            self._values[name] = value
            return value
        start = self._facts.starts.get(name) or self._facts.starts.get(self._hint)
        first = [Value(expression(start), Kind.NUMBER)] if start else []
        if name.endswith("_h") and "heads" in self._hyperparameters:
            value = FUNCTIONS["param_per_head"].make(self, first, {})
        elif name in self._facts.numbers:
            value = FUNCTIONS["param_number"].make(self, first, {})
        else:
            init = start or ("1.0" if self._hint in ("g", "gamma", "scale", "w", "s") else "0.0")
            value = FUNCTIONS["param"].make(self, [], {"init": Value(expression(init), Kind.NUMBER)})
        self._hint = held
        self._values[name] = value
        return value

    def _operation(self, a: Value, op: ast.operator, b: Value) -> Value:
        if isinstance(op, ast.MatMult):
            return self._product(a, b)
        if isinstance(op, ast.Mult) and (
            b.kind is Kind.TRANSPOSED or (a.kind is Kind.SCORES and b.kind in _VALUES and not is_one(b.size))
        ):
            return self._product(a, b)  # side by side, matrices are multiplied
        first, second, kind, size = align(a, b)
        return Value(ast.BinOp(first, op, second), kind, size)

    def _product(self, a: Value, b: Value) -> Value:
        if a.kind is Kind.SCORES:
            v = to_heads(b)
            if v.kind is Kind.HEADS:
                return Value(ast.BinOp(a.node, ast.MatMult(), v.node), Kind.HEADS, v.size)
        q = to_heads(a) if a.kind is Kind.SEQUENCE else a
        if q.kind is Kind.HEADS and b.kind is Kind.TRANSPOSED:
            return Value(ast.BinOp(q.node, ast.MatMult(), b.node), Kind.SCORES)
        raise SketchError("@ takes scores @ v or q @ k.mT; a learned map is linear(z)")

    def _function_name(self, node: ast.Call) -> str:
        text = ast.unparse(node.func)
        for prefix in _PREFIXES:
            text = text.removeprefix(prefix)
        return text

    def _call(self, node: ast.Call) -> Value:
        arguments = list(node.args)
        name = self._function_name(node)
        if isinstance(node.func, ast.Attribute) and name == ast.unparse(node.func):  # a method: z.sigmoid()
            name, arguments = node.func.attr, [node.func.value, *arguments]
        name = re.sub(r"_(t|s)$", "", OTHER_NAMES.get(name, name)) if name not in FUNCTIONS else name
        name = "cosine" if name == "cos" and len(arguments) == 2 else OTHER_NAMES.get(name, name)
        is_map = re.fullmatch(r"[WUV]_?\w*|[wu]_\w+|[A-HJ-RX-Z](_\w)?", name) is not None
        if is_map and name not in FUNCTIONS and name not in self._values and arguments:
            return self._map(name, arguments)
        if name in ("block", "f") and self._card.slot is Slot.MODULATOR:
            value = to_sequence(self._value(arguments[0])) if arguments else self._name("x")
            return Value(expression(f"self.block({ast.unparse(value.node)})"), Kind.SEQUENCE, Size("d_model"))
        if name not in FUNCTIONS and len(arguments) == 1 and self._known_name(name) in self._values:
            return self._operation(self._name(name), ast.Mult(), self._value(arguments[0]))
        if name == "block":
            raise SketchError(f"only a modulator has a block; this is a {self._card.slot}")
        if name in ("power",) and len(arguments) == 2:
            return self._operation(self._value(arguments[0]), ast.Pow(), self._value(arguments[1]))
        if name in ("clamp", "clip"):
            return self._clamp(arguments, node.keywords)
        if name == "int":
            value = self._value(arguments[0])
            return value.written(ast.Call(ast.Name("int"), [value.node], []))
        if name in ("float", "contiguous", "to"):
            return self._value(arguments[0])
        if name == "unsqueeze" or name == "view" or name == "expand_as" or name == "squeeze":
            return self._value(arguments[0])  # shapes are taken care of
        if name == "transpose":
            value = to_heads(self._value(arguments[0]))
            return Value(ast.Attribute(value.node, "mT"), Kind.TRANSPOSED, value.size)
        if name not in FUNCTIONS:
            near = difflib.get_close_matches(name, FUNCTIONS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise SketchError(f"there is no function {name}; {hint}use those that were listed")
        return self._known(name, arguments, node.keywords)

    def _map(self, name: str, arguments: list[ast.expr]) -> Value:
        """Return a learned map that the card has a name for: the same name is the same map."""
        if name not in self._maps:
            z = to_sequence(self._value(arguments[0]))
            sizes = [self._value(item) for item in arguments[1:2]] or self._map_sizes(name)
            made = FUNCTIONS["linear"].make(self, [z, *sizes], {})
            self._maps[name] = (made, z.size)
            return made
        made, before = self._maps[name]
        z = to_sequence(self._value(arguments[0]))
        if z.size is None or before is None or not same_size(z.size, before):
            raise SketchError(f"{name} is applied to sequences of different sizes")
        assert isinstance(made.node, ast.Call)
        return made.written(ast.Call(made.node.func, [z.node], []))

    def _map_sizes(self, name: str) -> list[Value]:
        """Return the size of a map that is named after a number per head: w_a, where the class has heads."""
        if name in self._facts.map_sizes:
            return [Value(expression(self._facts.map_sizes[name]), Kind.NUMBER)]
        if name.startswith(("w_", "u_")) and "heads" in self._hyperparameters:
            return [Value(ast.Name("heads"), Kind.NUMBER)]
        return []

    def _known(self, name: str, arguments: list[ast.expr], keywords: list[ast.keyword]) -> Value:
        function = FUNCTIONS[name]
        given: dict[str, ast.expr] = dict(zip(function.names, arguments, strict=False))
        if len(arguments) > len(function.names):
            if name == "linear" and len(arguments) == 3:  # in and out, as nn.Linear has them
                given = {"z": arguments[0], "size": arguments[2]}
            else:
                raise SketchError(f"{function.signature} takes {len(function.names)} arguments, not {len(arguments)}")
        options: dict[str, Value] = {}
        renamed = {"out": "size", "out_features": "size", "d_out": "size", "value": "init", "kernel_size": "taps"}
        for keyword in keywords:
            key = renamed.get(keyword.arg or "", keyword.arg or "")
            if key in function.names:
                given[key] = keyword.value
            elif key in ("bias",):
                options[key] = Value(keyword.value, Kind.NUMBER)
            elif key not in ("dim", "keepdim", "causal", "is_causal"):
                raise SketchError(f"{function.signature} has no argument {key}")
        if name == "causal_conv" and "taps" not in given:
            taps = next((item for item in ("kernel", "taps", "width", "window") if item in self._hyperparameters), None)
            given["taps"] = ast.Name(taps) if taps else ast.Constant(self._facts.taps or 4)
        missing = [item for item in function.names[: function.least] if item not in given]
        if missing:
            raise SketchError(f"{function.signature}: {missing[0]} is missing")
        ordered: list[ast.expr] = []
        for item in function.names:
            if item not in given or item in ("dim", "keepdim"):
                break
            ordered.append(given[item])
        hint, values = self._hint, []
        for position, item in enumerate(ordered):
            # a linear map inside another expression is named after its place
            inner = isinstance(item, ast.Call) and position == 0 and name in _NAMED_THROUGH
            self._hint = hint if inner else None
            values.append(self._value(item))
        self._hint = hint
        value = function.make(self, values, options)
        return value

    def _clamp(self, arguments: list[ast.expr], keywords: list[ast.keyword]) -> Value:
        value = self._value(arguments[0])
        bounds = dict(zip(("min", "max"), arguments[1:], strict=False)) | {
            item.arg or "": item.value for item in keywords
        }
        nodes = {key: self._value(item).node for key, item in bounds.items() if key in ("min", "max")}
        return value.written(
            ast.Call(ast.Attribute(value.node, "clamp"), [], [ast.keyword(key, item) for key, item in nodes.items()])
        )

    # -- the class -----------------------------------------------------------------------------------------------------

    def _output(self, value: Value) -> str:
        """Return the output, (B, T, D): what has other channels gets a last linear map."""
        if value.kind not in (Kind.SEQUENCE, Kind.HEADS):
            raise SketchError(f"the output is {value.shape}, it has to be a sequence (B, T, d_model)")
        value = to_sequence(value)
        assert value.size is not None
        value.size.settle("d_model")
        if value.size.key == Size("d_model").key:
            return ast.unparse(value.node)
        self._hint = "out"
        return ast.unparse(FUNCTIONS["linear"].make(self, [value], {}).node)

    def _write(self, lines: list[str], output: str) -> str:
        card = self._card
        block = ", block" if card.slot is Slot.MODULATOR else ""
        signature = "".join(f", {item.name}={item.default!r}" for item in card.hyperparameters)
        made = [f"self.{name} = {make()}" for name, make in self._modules.items()]
        text = "\n".join([*made, *lines, output])
        uses_heads = self._heads and re.search(r"\b(heads|head_dim|inner)\b", text) is not None
        if uses_heads and "heads" not in self._hyperparameters:
            signature += ", heads=4"
        init = ["super().__init__()"]
        init += ["self.block = block"] if block else []
        init += [
            f"self.{item} = {item}" for item in self._hyperparameters if f"self.{item}" in "\n".join([*lines, output])
        ]
        if uses_heads:
            if "self.heads = heads" not in init:
                init.append("self.heads = heads")
            init.append("self.head_dim = max(2, 2 * (d_model // (2 * heads)))")
        inits = "\n".join(made)
        if re.search(r"\binner\b", inits):
            init.append("inner = heads * self.head_dim")
        init += [re.sub(r"(?<![.\w])head_dim\b", "self.head_dim", line) for line in made]
        if re.search(r"(?<!\w)sqrt\(", inits):
            init = [re.sub(r"(?<![\w.])sqrt\(", "math.sqrt(", line) for line in init]
        body = [*lines, f"return {output}"]
        return "\n".join(
            [
                f"class {class_name(card)}(nn.Module):",
                f'    """{card.summary.rstrip(".")}."""',
                "",
                f"    def __init__(self, d_model{block}{signature}):",
                *(f"        {line}" for line in init),
                "",
                "    def forward(self, x):",
                *(f"        {line}" for line in body),
                "",
            ]
        )


#: What scores are applied to.
_VALUES = (Kind.HEADS, Kind.SEQUENCE)

#: Words of an equation that are no symbols.
_WORDS = {
    "x",
    "y",
    "in",
    "where",
    "with",
    "per",
    "each",
    "head",
    "for",
    "the",
    "a_learned",
    "sum",
    "softmax",
    "I",
    "T",
    "S",
}

#: Functions whose first argument, a linear map, takes the name of what the whole is assigned to.
_NAMED_THROUGH = {
    "split_heads", "sigmoid", "silu", "tanh", "relu", "gelu", "elu", "softplus", "normalize", "softmax", "chunk", "exp",
    "square", "causal_conv", "rms_norm", "logsigmoid",
}  # fmt: skip


def _statements(sketch: str) -> list[ast.stmt]:
    """Return the statements of a sketch; a surrounding `def` is taken off.

    Raises:
        SketchError: If it is no Python.
    """
    lines = [line for line in sketch.strip("\n").splitlines() if line.strip() and not line.strip().startswith("```")]
    if lines:
        indent = min(len(line) - len(line.lstrip()) for line in lines)
        lines = [line[indent:] for line in lines]
    try:
        body = ast.parse("\n".join(lines)).body
    except (SyntaxError, ValueError) as error:
        where, what = getattr(error, "lineno", 0) or 0, getattr(error, "msg", error)
        shown = lines[where - 1].strip() if 0 < where <= len(lines) else ""
        raise SketchError(f"`{shown}` is no Python: {what}") from None
    if len(body) == 1 and isinstance(body[0], ast.FunctionDef):
        body = body[0].body
    return body


__all__ = ["Size", "SketchError", "Value", "class_name", "compile_sketch", "method"]
