"""The class that a sketch becomes, while it is written: its modules, its lines, and the names that it uses."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Callable

from neuramosaic.codegen.inlining import block_names
from neuramosaic.codegen.sketch.layout import lay_out
from neuramosaic.codegen.sketch.values import Kind, SketchError, Value, expression
from neuramosaic.components.card import Card
from neuramosaic.components.spec import Slot

#: What values are often called, which says nothing of the map that makes them.
_BARE_NAMES = ("x", "y", "h", "z", "result", "output")
#: Attributes of nn.Module: a parameter of that name would break its methods.
_OF_MODULES = frozenset(
    "T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double "
    "dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half ipu "
    "load_state_dict modules mtia named_buffers named_children named_modules named_parameters parameters "
    "register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook "
    "register_full_backward_pre_hook register_backward_hook register_load_state_dict_post_hook "
    "register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook "
    "register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to "
    "to_empty train training type xpu zero_grad".split()
)
#: Attributes that the class has besides.
_OF_THE_CLASS = frozenset({"heads", "head_dim", "block"})
#: Names that the forward pass uses for something else.
_OF_THE_FILE = frozenset({"torch", "nn", "F", "math", "Tensor", "self", "tuple"})


class Draft:
    """A class that is being written.

    Attributes:
        card: What it is to be.
        hyperparameters: Names of its hyper-parameters, in order.
        values: Values of the forward pass, by the sketch's name for them.
        lines: Lines of the forward pass so far.
        hint: What a module that is made now is named after, or None.
    """

    def __init__(self, card: Card, values: dict[str, Value]) -> None:
        self.card = card
        self.hyperparameters = [item.name for item in card.hyperparameters]
        self.values = values
        self.lines: list[str] = []
        self.hint: str | None = None
        self._modules: dict[str, Callable[[], str]] = {}
        self._heads = "heads" in self.hyperparameters
        self._default_heads = 4

    # -- what the functions of the vocabulary ask for ------------------------------------------------------------------

    def module(self, hint: str, make: Callable[[], str]) -> str:
        """Add a module or parameter, named after what it is assigned to."""
        base = self.hint or hint
        if self.hint in _BARE_NAMES:
            base = f"{base}_{hint}"
            if self.hint in ("y", "output", "result"):
                base = "out" if hint == "linear" else hint
        base = base.lstrip("_") or hint
        reserved = {*self.hyperparameters, *_OF_THE_CLASS, *_OF_MODULES}
        name = f"{base}_{hint}" if base in reserved else base
        stem, number = name, 2
        while name in self._modules or name in reserved:
            name, number = f"{stem}_{number}", number + 1
        self._modules[name] = make
        return f"self.{name}"

    def need_heads(self) -> None:
        """Say that the class has heads."""
        self._heads = True

    def default_heads(self, count: object) -> None:
        """Say how many heads the class has where its card has no hyper-parameter for it.

        Raises:
            SketchError: If it is no such number.
        """
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 64:
            raise SketchError("heads is a whole number from 1 to 64")
        self._default_heads = count

    @property
    def has_one_head(self) -> bool:
        """Whether the class has one head, of d_model channels."""
        return self._default_heads == 1

    def constructor(self, node: ast.expr) -> str:
        """Return an expression of numbers as the constructor writes it.

        Raises:
            SketchError: If it holds anything else.
        """
        text = ast.unparse(_InConstructor(self).visit(ast.parse(ast.unparse(node), mode="eval")))
        known = {*self.hyperparameters, "d_model", "inner", "head_dim", "heads", "max", "min", "int", "math", "sqrt"}
        for item in ast.walk(ast.parse(text, mode="eval")):
            if isinstance(item, ast.Name) and item.id not in known:
                raise SketchError(
                    f"{text}: {item.id} is no number; sizes are made of d_model, "
                    f"{', '.join([*self.hyperparameters, 'inner', 'head_dim'])} and numbers"
                )
        if re.search(r"\b(inner|head_dim)\b", text):
            self.need_heads()
        return text

    def hold(self, value: Value, hint: str) -> Value:
        """Give a value a name of its own in the forward pass, so that it can be written twice."""
        if isinstance(value.node, (ast.Name, ast.Attribute, ast.Constant)):
            return value
        name, number = hint, 2
        while name in self.values or name in self.hyperparameters:
            name, number = f"{hint}{number}", number + 1
        return self.assign(name, value)

    # -- names ---------------------------------------------------------------------------------------------------------

    def assign(self, name: str, value: Value) -> Value:
        """Write a line that gives a value a name."""
        written = self.local(name)
        self.values[name] = value.written(ast.Name(written))
        if ast.unparse(value.node) != written:
            self.lines.append(f"{written} = {ast.unparse(value.node)}")
        return self.values[name]

    def local(self, name: str) -> str:
        """Return a name of a sketch as the forward pass writes it: one that is taken has a line behind it."""
        is_taken = name in _OF_THE_FILE or name in block_names() or keyword.iskeyword(name) or hasattr(builtins, name)
        return f"{name}_" if is_taken else name

    def attribute(self, name: str) -> str:
        """Return the attribute that holds a hyper-parameter."""
        return f"{name}_" if name in _OF_MODULES or name == "block" or name.startswith("_") else name

    def number(self, name: str) -> Value:
        """Return a hyper-parameter, or a number of heads, as the forward pass reads it."""
        return Value(expression(f"self.{self.attribute(name)}"), Kind.NUMBER)

    # -- the whole -----------------------------------------------------------------------------------------------------

    def source(self, name: str, output: str) -> str:
        """Return the class, its forward pass returning `output`."""
        made = [f"self.{key} = {make()}" for key, make in self._modules.items()]
        forward = [*self.lines, f"return {output}"]
        has_heads = self._heads and re.search(r"\b(heads|head_dim|inner)\b", "\n".join([*made, *forward])) is not None
        arguments = ["self", "d_model", *(["block"] if self.card.slot is Slot.MODULATOR else [])]
        arguments += [f"{item.name}={item.default!r}" for item in self.card.hyperparameters]
        if has_heads and "heads" not in self.hyperparameters:
            arguments.append(f"heads={self._default_heads}")
        constructor = self._constructor_lines(made, forward, has_heads)
        return lay_out(name, self.card.summary, arguments, constructor, forward)

    def _constructor_lines(self, made: list[str], forward: list[str], has_heads: bool) -> list[str]:
        lines = ["super().__init__()"]
        lines += ["self.block = block"] if self.card.slot is Slot.MODULATOR else []
        read = set(re.findall(r"\bself\.(\w+)", "\n".join(forward)))
        read |= {"heads"} if has_heads else set()
        kept = [item for item in self.hyperparameters if self.attribute(item) in read]
        lines += [f"self.{self.attribute(item)} = {item}" for item in kept]
        if has_heads and "heads" not in kept:
            lines.append("self.heads = heads")
        if has_heads:
            whole = "d_model // heads" if self.has_one_head else "max(2, 2 * (d_model // (2 * heads)))"
            lines.append(f"self.head_dim = {whole}")
        if any(re.search(r"\binner\b", line) for line in made):
            lines.append("inner = heads * self.head_dim")
        for line in made:
            line = re.sub(r"(?<![.\w])head_dim\b", "self.head_dim", line)
            lines.append(re.sub(r"(?<![\w.])sqrt\(", "math.sqrt(", line))
        return lines


class _InConstructor(ast.NodeTransformer):
    """Writes what the forward pass reads from its class and its input as the constructor has it."""

    def __init__(self, draft: Draft) -> None:
        self._names = {draft.attribute(item): item for item in draft.hyperparameters}

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Return `heads` for `self.heads`."""
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            return ast.Name(self._names.get(node.attr, node.attr))
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """Return `d_model` for `x.shape[-1]`."""
        return ast.Name("d_model") if ast.unparse(node) == "x.shape[-1]" else node
