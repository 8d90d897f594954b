"""A candidate: what a model wrote, made into a component that can be proved."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agents.component_file import parse_component
from agents.writer.faithful import unfaithful
from agents.writer.result import Failure
from neuramosaic.codegen.inlining import inline_blocks
from neuramosaic.codegen.sketch import SketchError, compile_sketch
from neuramosaic.codegen.sketch.equations import NotReadError, read_equations
from neuramosaic.codegen.sketch.notation import Notation, transcribe
from neuramosaic.components.card import Card
from neuramosaic.components.spec import ComponentSpec, Provenance
from neuramosaic.errors import CodegenError, UsageError

_FENCE = re.compile(r"```(?:python)?\n(.*?)```", re.DOTALL)
_TOO_DEEP = "it is nested too deeply; write shorter lines"


@dataclass(frozen=True)
class Candidate:
    """Code that may become a component.

    Attributes:
        text: What was written: a sketch, or a class.
        depth: equations, sketch or code.
        component: The component that it makes; None if it makes none.
        failure: Why it makes none, or what of its card it leaves out; None if it can be proved.
    """

    text: str
    depth: str
    component: ComponentSpec | None
    failure: Failure | None


def from_equations(card: Card, provenance: Provenance) -> Candidate | None:
    """Read a card's equations by rule; what no rule reads makes a draft that failed, or None if no lines come of it."""
    try:
        lines = read_equations(card)
    except NotReadError as error:
        return _draft(card, str(error))
    except Exception:  # noqa: BLE001 - text of a person, a model or a paper: what no rule reads, the model is asked for
        return None
    return from_sketch("\n".join(lines), card, "equations", provenance)


def _draft(card: Card, why: str) -> Candidate | None:
    """Return what may be of use to a model of equations that no rule reads; it is never proved. None if nothing is."""
    notation = Notation()
    try:
        lines = [line for line in map(notation.rewrite, transcribe(card.equations)) if line.strip()]
    except Exception:  # noqa: BLE001 - as above
        return None
    if not lines:
        return None
    return Candidate("\n".join(lines), "equations", None, Failure("sketch", f"the equations hold {why}"))


def from_sketch(sketch: str, card: Card, depth: str, provenance: Provenance) -> Candidate:
    """Compile a sketch."""
    if not sketch.strip():
        return Candidate(sketch, depth, None, Failure("sketch", "there is no line; the last one is a return"))
    try:
        written = compile_sketch(sketch, card, exact=depth == "equations")
    except SketchError as error:
        return Candidate(sketch, depth, None, Failure("sketch", str(error)))
    except RecursionError:
        return Candidate(sketch, depth, None, Failure("sketch", _TOO_DEEP))
    except Exception as error:  # noqa: BLE001 - whatever text a model finds that the compiler trips over, it is no component
        return Candidate(sketch, depth, None, Failure("sketch", f"it cannot be read ({type(error).__name__})"))
    return _finished(sketch, written, card, depth, provenance)


def from_code(code: str, card: Card, provenance: Provenance) -> Candidate:
    """Take a class as it was written."""
    fenced = _FENCE.search(code)
    text = (fenced[1] if fenced else code).strip() + "\n"
    return _finished(text, text, card, "code", provenance)


def offending(candidate: Candidate, message: str) -> str:
    """Return the lines that a message points at, or nothing."""
    if candidate.component is None:
        return ""
    lines = candidate.component.source.splitlines()
    places = [int(number) for number in re.findall(r"component\.py:(\d+)", message)]
    return "; ".join(lines[place - 1].strip() for place in places if 0 < place <= len(lines))


def _finished(text: str, written: str, card: Card, depth: str, provenance: Provenance) -> Candidate:
    try:
        source = inline_blocks(f'"""{card.summary.rstrip(".")}."""\n\n{written}')
        component = parse_component(source, card, where="the code", provenance=provenance)
        omission = unfaithful(written, card)
    except (CodegenError, UsageError, SyntaxError) as error:
        return Candidate(text, depth, None, Failure("parse", str(error)))
    except RecursionError:
        return Candidate(text, depth, None, Failure("parse", _TOO_DEEP))
    except Exception as error:  # noqa: BLE001 - as above
        return Candidate(text, depth, None, Failure("parse", f"it cannot be read ({type(error).__name__})"))
    return Candidate(text, depth, component, Failure("faithful", omission) if omission else None)
