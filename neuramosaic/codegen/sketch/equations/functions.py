"""Functions that equations name, as those of a sketch."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from neuramosaic.codegen.sketch.equations import sums
from neuramosaic.codegen.sketch.equations.names import ELEMENTWISE, function
from neuramosaic.codegen.sketch.equations.products import dot, outer, plain
from neuramosaic.codegen.sketch.equations.syntax import Call, Number, Over, Symbol
from neuramosaic.codegen.sketch.equations.terms import Term, called, combined, python
from neuramosaic.codegen.sketch.equations.tokens import NotReadError

if TYPE_CHECKING:
    from neuramosaic.codegen.sketch.equations.context import Context
    from neuramosaic.codegen.sketch.equations.meaning import Meaning

_LEARNED_SCALE = re.compile(
    r"\blearn(?:ed|able) (?:per-channel )?(?:scale|gain|weight)s?\b(?!\s+[a-z]+_|\s+[a-zA-Z]\b(?! ))"
)
_SCALE_SIZE = re.compile(r"\bscales? of ([\w /*]+?) (?:elements|channels)")


def applied_function(meaning: Meaning, node: Call, context: Context) -> Term:
    """Return a function of its arguments.

    Raises:
        NotReadError: If a sketch has none such.
    """
    name = function(node.name)
    if name is None:
        raise NotReadError(f"{node.name}, a function that is not known")
    if name == "softmax":
        return _softmax(meaning, node, context)
    if node.indices and not (set(node.indices) <= {Symbol("h"), Symbol("d"), Symbol("c")}):
        raise NotReadError(f"{node.name} with an index")
    inside = replace(context, channels=name in ("mean", "sum", "var", "rms", "std"))
    terms = [meaning.term(item, inside) for item in node.arguments]
    for term in terms:
        if term.kind not in ("number", "per_head", "vector", "sequence", "pair"):
            raise NotReadError(f"{node.name} of a matrix")
    value = terms[0]
    if name in ("cos", "cosine") and len(terms) == 2:
        return dot(*(plain(term.written(called("normalize", term))) for term in terms))
    if name in ("max", "min", "outer", "top_k", "causal_conv", "shift", "clamp", "concat") or len(terms) == 1:
        return _made(meaning, name, terms, value, node, context)
    raise NotReadError(f"{node.name} of {len(terms)} arguments")


def _made(meaning: Meaning, name: str, terms: list[Term], value: Term, node: Call, context: Context) -> Term:
    if name in ELEMENTWISE:
        made = value.written(called(name, value))
        if value.kind == "number" and name == "sqrt":
            return made
        return replace(made, role="exp", parts=(value,)) if name == "exp" and not made.role else _exp(made, name, value)
    match name:
        case "max" | "min":
            return _extreme(name, terms)
        case "outer" if len(terms) == 2:
            return outer(plain(terms[0]), replace(terms[1], transposed=True))
        case "diag":
            return value
        case "concat":
            return _concatenated(terms, node)
        case "norm":
            _vector(value, node)
            return Term(called("norm", value), value.kind, value.place, heads=value.heads, role="numbers")
        case "mean" | "sum":
            if value.kind == "vector":
                raise NotReadError(f"{name} of a learned vector")
            _vector(value, node)
            return Term(called(name, value), "sequence", value.place, heads=value.heads, role="numbers")
        case "var" | "std" | "rms":
            return _spread(name, value, node)
        case "rms_norm" | "layer_norm" | "normalize":
            return _norm(meaning, name, value, node, context)
        case "causal_conv":
            return _convolution(meaning, terms, context)
        case "shift":
            _vector(value, node)
            return Term(called("shift", *terms), "sequence", value.place)
        case "cumsum":
            _vector(value, node)
            return replace(value, node=called("running_sum", value))
        case "top_k" if len(terms) == 2 and terms[1].kind == "number":
            return value.written(called("top_k", *terms))
        case "clamp" if len(terms) == 3:
            return value.written(called("clamp", *terms))
        case "linear":
            _vector(value, node)
            return Term(called("linear", value), "sequence", value.place)
        case "block" if meaning.known.is_modulator:
            return Term(called("block", value), "sequence", value.place)
    raise NotReadError(f"{node.name} of {len(terms)} arguments")


def _exp(made: Term, name: str, value: Term) -> Term:
    return replace(made, parts=(value,)) if name == "exp" else made


def _vector(value: Term, node: Call) -> None:
    if value.kind not in ("sequence", "vector") or value.role == "numbers":
        raise NotReadError(f"{node.name} of what has no channels")


def _extreme(name: str, terms: list[Term]) -> Term:
    if len(terms) == 1:
        if name == "min" or terms[0].kind != "sequence":
            raise NotReadError(f"{name} of one value")
        return Term(called("amax", terms[0]), "sequence", terms[0].place, heads=terms[0].heads, role="numbers")
    made = terms[0]
    for term in terms[1:]:
        shape = combined("+", made, term)
        made = shape.written(called({"max": "maximum", "min": "minimum"}[name], made, term))
    return made


def _concatenated(terms: list[Term], node: Call) -> Term:
    if len(terms) == 1:
        value = terms[0]
        if node.indices not in ((), (Symbol("h"),)) and not value.heads:
            raise NotReadError("what is put side by side")
        return Term(called("merge_heads", value) if value.heads else value.node, "sequence", value.place)
    made = terms[0]
    for term in terms[1:]:
        made = Term(called("concat", made, term), "sequence", term.place)
    return made


def _spread(name: str, value: Term, node: Call) -> Term:
    _vector(value, node)
    centred = value.node if name == "rms" else ast.BinOp(value.node, ast.Sub(), called("mean", value))
    made: ast.expr = called("mean", called("square", centred))
    if name in ("rms", "std"):
        made = called("sqrt", made)
    return Term(made, "sequence", value.place, heads=value.heads, role="numbers")


def _norm(meaning: Meaning, name: str, value: Term, node: Call, context: Context) -> Term:
    _vector(value, node)
    made = value.written(called(name, value))
    if name == "normalize" or not _LEARNED_SCALE.search(context.remark):
        return made
    scale: Term
    size = _SCALE_SIZE.search(context.remark)
    shared = size is not None and value.heads
    if shared or (value.heads and re.search(r"shared|same for (?:all|each|every) head", context.remark)):
        whole = _size(size[1], meaning) if size else "head_dim"
        scale = Term(python(f"param({whole}, 1.0)"), "vector")
    else:
        scale = Term(python("param(init=1.0)"), "vector")
    meaning.once("the learned scale")
    return combined("*", scale, made)


def _size(words: str, meaning: Meaning) -> str:
    from neuramosaic.codegen.sketch.equations.declared import size

    found = size(words, meaning.known.hyperparameters)
    if found is None:
        raise NotReadError(f"a scale of {words}")
    return found


def _convolution(meaning: Meaning, terms: list[Term], context: Context) -> Term:
    value = terms[0]
    taps: ast.expr | None = terms[1].node if len(terms) == 2 and terms[1].kind == "number" else None
    if len(terms) == 1:
        taps = meaning.known.taps(context)
    if taps is None or value.kind != "sequence":
        raise NotReadError("a convolution that does not say over how many positions")
    node: ast.expr = called("causal_conv", value, taps)
    if value.heads:
        node = called("split_heads", node)
    return replace(value, node=node, role="", parts=())


def _softmax(meaning: Meaning, node: Call, context: Context) -> Term:
    """Return a softmax: over positions where its logits are of pairs or say so, else over channels."""
    over = node.indices[0] if node.indices else None
    index = over.index if isinstance(over, Over) else over.name if isinstance(over, Symbol) else ""
    if len(node.indices) > 1 or len(node.arguments) != 1:
        raise NotReadError("a softmax over several indices")
    inner = context
    if index and not context.key and index != context.query and len(index) == 1 and index in "sijul":
        inner = replace(context, key=index)
    value = meaning.term(node.arguments[0], inner)
    window = sums.window_of(meaning, over, context) if isinstance(over, Over) else None
    if isinstance(over, Over) and over.high not in (None, Symbol(context.query)):
        raise NotReadError("a softmax that ends at another position")
    if value.kind == "pair":
        return Term(called("causal_softmax", value), "pair", parts=(value,), role="softmax", window=window)
    if value.kind == "sequence" and value.place == "k" and index == inner.key:
        if window is not None:
            raise NotReadError("a window of weights that the position alone decides")
        return Term(called("exp", value), "sequence", "k", parts=(value,), role="softmax_k")
    if value.kind not in ("sequence", "vector") or (value.role == "numbers" and not value.kind == "vector"):
        raise NotReadError("a softmax of what has no channels")
    if isinstance(node.arguments[0], Number):
        raise NotReadError("a softmax of a number")
    return value.written(called("softmax", value))
