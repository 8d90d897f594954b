"""Versioned prompts: what is said to a language model, as data.

A prompt is a file `NAME.md` in this package: a YAML header between two `---` lines (name, version, summary, variables),
then messages, each under a line `=== system ===`, `=== user ===` or `=== assistant ===`, with Jinja2 placeholders. The
version of a prompt is the declared one and a hash of the file, so that an edit that forgets to raise the version still
shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources

import yaml
from jinja2 import Environment, StrictUndefined, TemplateError, meta

from neuramosaic.canonical import text_id
from neuramosaic.errors import NeuraMosaicError, UnknownNameError

_HEADER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_ROLE = re.compile(r"^=== (system|user|assistant) ===\n", re.MULTILINE)
_FIELDS = {"name", "version", "summary", "variables"}
_HASH_DIGITS = 12
_environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)


class PromptError(NeuraMosaicError, ValueError):
    """A prompt whose file is wrong, or that was given other variables than it declares.

    Attributes:
        prompt: Its name.
        problem: What is wrong.
    """

    def __init__(self, prompt: str, problem: str) -> None:
        self.prompt, self.problem = prompt, problem
        super().__init__(f"prompt {prompt!r}: {problem}")


@dataclass(frozen=True)
class Prompt:
    """A prompt, ready to be filled in.

    Attributes:
        name: Name of its file.
        version: `DECLARED+HASH`.
        summary: What it asks for, in a line.
        variables: What each of its variables is for, by name.
        parts: Role and template of each message.
    """

    name: str
    version: str
    summary: str
    variables: Mapping[str, str]
    parts: tuple[tuple[str, str], ...]

    def render(self, values: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
        """Return the messages, as role and text. A value is inserted as it is: what looks like a placeholder stays.

        Args:
            values: A value for each variable.

        Raises:
            PromptError: If a declared variable has no value, a value has no variable, or a value cannot be inserted.
        """
        for name in sorted(self.variables.keys() - values.keys()):
            raise PromptError(self.name, f"variable {name!r} has no value ({self.variables[name]})")
        for name in sorted(values.keys() - self.variables.keys()):
            raise PromptError(self.name, f"there is no variable {name!r}: declared: {_list(self.variables)}")
        try:
            return tuple((role, _environment.from_string(text).render(values).strip()) for role, text in self.parts)
        except TemplateError as error:
            raise PromptError(self.name, str(error)) from error


def prompt_names() -> tuple[str, ...]:
    """Return the names of all prompts, sorted."""
    return tuple(sorted(name for name, _ in _files()))


def load_prompt(name: str) -> Prompt:
    """Load a prompt by name.

    Raises:
        UnknownNameError: If there is none of that name.
        PromptError: If its file is wrong: see `parse_prompt`.
    """
    known = dict(_files())
    if name not in known:
        raise UnknownNameError("prompt", name, known)
    return parse_prompt(name, (resources.files(__name__) / known[name]).read_text(encoding="utf-8"))


def parse_prompt(name: str, text: str) -> Prompt:
    """Read a prompt from the text of its file.

    Raises:
        PromptError: If the header is missing or incomplete, there is no message, or the variables that are used are not
            those that are declared.
    """
    found = _HEADER.match(text)
    if found is None:
        raise PromptError(name, "it does not begin with a YAML header between '---' lines")
    try:
        header = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        raise PromptError(name, f"its header is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(header, dict) or set(header) != _FIELDS:
        raise PromptError(name, f"its header has to hold exactly {_list(_FIELDS)}")
    if header["name"] != name:
        raise PromptError(name, f"its header names {header['name']!r}")
    pieces = _ROLE.split(text[found.end() :])
    if len(pieces) < 3 or pieces[0].strip():
        raise PromptError(name, "below its header there has to be a line '=== user ===' and a message")
    parts = tuple(zip(pieces[1::2], pieces[2::2], strict=True))
    variables = dict(header["variables"] or {})
    try:
        used = {found for _, part in parts for found in meta.find_undeclared_variables(_environment.parse(part))}
    except TemplateError as error:
        raise PromptError(name, str(error)) from error
    if used != variables.keys():
        raise PromptError(name, f"it declares {_list(variables)}, but uses {_list(used)}")
    version = f"{header['version']}+{text_id(text).removeprefix('sha256:')[:_HASH_DIGITS]}"
    return Prompt(name, version, str(header["summary"]), variables, parts)


def _files() -> Iterator[tuple[str, str]]:
    for file in resources.files(__name__).iterdir():
        if file.name.endswith(".md"):
            yield file.name.removesuffix(".md"), file.name


def _list(names: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, names))) or "none"
