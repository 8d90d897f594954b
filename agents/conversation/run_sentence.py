"""From a sentence such as "find something better than attention for recall at 300k parameters, an hour" to a study."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agents.conversation.meaning import SPACE_OPTIONS, Run
from agents.conversation.quantities import COUNT, HOURS, NUMBER, Left, count, hours, number
from agents.conversation.slash import allowed_names, check_run
from agents.conversation.vocabulary import COST_WORDS, Vocabulary
from neuramosaic.components.spec import Slot
from neuramosaic.errors import UnknownNameError, UsageError
from neuramosaic.steering import SteeringCommand
from neuramosaic.steering.commands import Approval, Part
from neuramosaic.tasks.registry import task_names

ARXIV = r"(?:arxiv\s*:?\s*)?(?P<id>\d{4}\.\d{4,5}(?:v\d+)?)"
_VERB = re.compile(
    r"\b(?:find|search|look(?:ing)? for|discover|start|run|begin|launch|design|explore|seek|beat|improve on|optimi[sz]e"
    r"|train|want|need)\b"
)
_EVIDENCE = re.compile(
    r"\b(?:new|another|a) (?:study|search|run)\b|\b(?:something|anything|architectures?|models?|mixers?)\b.*\bbetter\b"
    r"|\bbetter than\b|\bbeats?\b|\bparameters?\b|\bparams\b|\brecall\b|\bpython\b|\btext:|\b\w+\.txt\b"
    r"|\btask[ =:]"
)
#: Which components there may be only; "a linear-time mixer" says so by itself.
_LIMITS = (
    r"\b(?:with|using|use|from|of|among)\s+(?P<what>[^,;.]+?)\s+only\b",
    rf"(?P<what>\b(?:{COST_WORDS}) (?:mixers?|channels?)\b)(?! only)",
)
_ONLY = r"\b(?:only|nothing but|just)\s+(?:use |with |consider |allow )?(?P<what>[^,;.]+)"
_NOT = r"\b(?:no|without|never|not|excluding|except|avoid|exclude|ban)\s+(?:use |using |any )?(?P<what>[^,;.]+)"
_END = re.compile(
    r"\b(?:and|but|then|with|for|at|in|on)\s+(?:no|without|only|an?|the|half|\d|read|favou?r|prefer)\b.*", re.I
)

Clause = Callable[[str], tuple[SteeringCommand, ...] | None]


def sounds_like_a_study(text: str) -> bool:
    """Return whether a sentence asks for a new study."""
    words = text.lower()
    return bool(_VERB.search(words) and _EVIDENCE.search(words))


def read_run(text: str, vocabulary: Vocabulary, steering: Clause) -> Run:
    """Read a sentence that asks for a study.

    Args:
        text: The sentence.
        vocabulary: Of the workspace's catalogue.
        steering: Reads a clause such as "favour shallow".

    Returns:
        The study; its `unused` has the words that were not understood.

    Raises:
        UsageError: If it names what does not exist, or leaves nothing to search.
    """
    left = Left(text)
    reads = _reads(left)
    options: dict[str, Any] = {}
    _take_task(left, options)
    _take_numbers(left, options)
    _take_model(left, options)
    then = _take_steering(left, steering)
    left.take(r"\b(?:better than|beats?|improves? (?:on|over))\s+(?:the |full |softmax )*[\w-]+")
    left.take(r"\bbaseline\b")
    space = _take_space(left, vocabulary)
    if "depth" in options:
        space["depth"] = options.pop("depth")
    if space:
        options["space"] = space
    unused = left.words()
    _check_task(unused, options)
    run = Run(options, tuple(reads), tuple(then), " ".join(unused))
    check_run(run)
    return run


def _reads(left: Left) -> list[str]:
    found = [match["id"] for match in left.take_all(ARXIV)]
    about = left.take(
        r"\b(?:read|ingest)\s+(?:some |the |a few )?papers?\s+(?:on|about)\s+(?P<what>[^;,.]+?)(?=\s+first\b|[;,.]|$)"
    )
    if about is not None:
        found.append(about["what"].strip())
    if found:
        left.take_all(r"\b(?:read|ingest|papers?|arxiv|first)\b")
    return list(dict.fromkeys(found))


def _take_task(left: Left, options: dict[str, Any]) -> None:
    if match := left.take(r"\btask\s*[=:]?\s*(?!of\b|is\b|and\b)(?P<name>text:[^\s,;]+|[\w-]+)"):
        options["task"] = _task(match["name"])
    elif match := left.take(r"\btext:(?P<file>[^\s,;]+)"):
        options["task"] = f"text:{match['file'].rstrip('.')}"
    elif match := left.take(r"(?P<file>[\w./~-]+\.(?:txt|md|tex|rst|csv|log))\b"):
        options["task"] = f"text:{match['file']}"
    elif left.take(r"\b(?:associative |in-context )?recall\b"):
        options["task"] = "recall"
    elif left.take(r"\bpython(?:[- ]code)?\b"):
        options["task"] = "python-code"


def _task(name: str) -> str:
    known = task_names()
    stems = {known_name.partition(":")[0] for known_name in known}
    if name.partition(":")[0].lower() not in stems:
        raise UnknownNameError("task", name, known)
    stem, colon, rest = name.partition(":")
    return f"{stem.lower()}{colon}{rest}"


def _check_task(unused: Sequence[str], options: Mapping[str, Any]) -> None:
    """Check that no word looks like a task that was mistyped, where no task is named."""
    stems = [name.partition(":")[0] for name in task_names()]
    for word in unused if "task" not in options else ():
        if difflib.get_close_matches(word.lower(), stems, n=1, cutoff=0.75):
            raise UnknownNameError("task", word, task_names())


def _take_numbers(left: Left, options: dict[str, Any]) -> None:
    match = left.take(rf"(?P<n>{COUNT})[\s-]*(?:parameters?|params?|weights)\b") or left.take(
        rf"\b(?:parameters?|params?|size)\s*(?:=|:|of)?\s*(?P<n>{COUNT})"
    )
    if match:
        options["params"] = count(match["n"])
    if match := left.take(r"\$\s*(?P<n>\d+(?:\.\d+)?)|(?P<m>\d+(?:\.\d+)?)\s*(?:usd|dollars?)\b"):
        options["max_usd"] = float(match["n"] or match["m"])
    if match := left.take(HOURS):
        options["max_hours"] = hours(match)
    if match := left.take(
        rf"\b(?P<n>{NUMBER})\s+(?:new |different )*(?:trials?|architectures|models|candidates|designs)\b"
    ):
        options["trials"] = int(number(match["n"]))
    if match := left.take(rf"(?P<n>{COUNT})\s*(?:training )?tokens\b"):
        options["tokens"] = count(match["n"])
    if match := left.take(r"\bseed\s*=?\s*(?P<n>\d+)"):
        options["seed"] = int(match["n"])
    if match := left.take(r"\b(?P<n>\d+)\s+(?:at once|in parallel|workers?)\b"):
        options["workers"] = int(match["n"])
    if match := left.take(r"\b(?P<n>\d+)\s+(?:rungs?|fidelity levels?)\b"):
        options["rungs"] = int(match["n"])
    if match := left.take(r"\b(?P<a>\d+)\s*(?:to|-|and)\s*(?P<b>\d+)\s+(?:layers|blocks)(?: deep)?\b"):
        options["depth"] = (int(match["a"]), int(match["b"]))
    elif match := left.take(r"\b(?:at most|up to|no more than)\s+(?P<b>\d+)\s+(?:layers|blocks)\b"):
        options["depth"] = (min(2, int(match["b"])), int(match["b"]))
    left.take_all(r"\b(?:at most|up to|no more than|about|around|at least)\b")


def _take_model(left: Left, options: dict[str, Any]) -> None:
    if left.take(r"\b(?:no|without(?: an?| any)?)\s+(?:language models?|llms?)\b"):
        options["llm"] = "none"
    elif match := left.take(r"\bgpt-[\w.-]*\w"):
        options |= {"llm": "openai", "llm_model": match[0].lower()}
        left.take(r"\bopenai\b")
    elif left.take(r"\bopenai\b"):
        options["llm"] = "openai"
    elif left.take(r"\b(?:the |a )?(?:small )?local (?:language )?(?:model|llm)\b"):
        options["llm"] = "local"
    if match := left.take(
        r"\b(?P<name>bayes|evolution|random|sobol)(?:ian|ary)?(?: search| sampl\w+| optimi[sz]ation)?\b"
    ):
        options["sampler"] = match["name"].lower()
    if match := left.take(r"\b(?:in|with|using) (?:the )?(?P<name>docker|bubblewrap|process)(?: sandbox| backend)?\b"):
        options["sandbox"] = match["name"].lower()


def _take_steering(left: Left, steering: Clause) -> list[SteeringCommand]:
    found: list[SteeringCommand] = []
    if left.take(r"\b(?:ask me|let me (?:approve|decide)|with (?:my )?approval)\b[^,;.]*"):
        found.append(Approval(on=True))
    for match in left.take_all(
        r"\b(?:favou?r|prefer|lean towards?)\s+[^,;.]+?(?=$|[,;.]|\s+(?:and|but)\s+(?:no|only|read)\b)"
    ):
        found.extend(steering(match[0]) or ())
    return found


def _take_space(left: Left, vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the limits of the space: what is allowed only, less what is refused."""
    given: dict[Slot, list[str]] = {}
    for pattern, sign in ((_LIMITS[0], ""), (_ONLY, ""), (_NOT, "-"), (_LIMITS[1], "")):
        while (match := left.take(pattern)) is not None:
            what = match["what"]
            cut = _END.search(what)
            if cut is not None:  # what follows is said of something else
                left.text += f" , {what[cut.start() :]}"
                what = what[: cut.start()]
            but = re.search(r"\b(?:but|except|other than|besides)\b", what, re.IGNORECASE)
            if but is not None and sign:  # nothing but these
                for part in _parts(what[but.end() :], vocabulary, refused=False):
                    given.setdefault(part.slot, []).append(part.name)
                continue
            for part in _parts(what, vocabulary, refused=bool(sign)):
                given.setdefault(part.slot, []).append(f"{sign}{part.name}")
    space = {SPACE_OPTIONS[slot]: allowed_names(vocabulary.names, slot, names) for slot, names in given.items()}
    found = vocabulary.find(left.text)
    if not found.parts:
        return space
    raise UsageError(
        f"what of {', '.join(f'{part.slot} {part.name}' for part in found.parts)}? "
        "Say 'only ...' or 'no ...' to limit a search to it or keep it out"
    )


def _parts(what: str, vocabulary: Vocabulary, *, refused: bool) -> tuple[Part, ...]:
    found = vocabulary.find(what)
    if found.parts:
        unknown = Left(found.rest).words()
        if unknown:
            raise unknown_component(unknown[0], vocabulary)
        return found.parts
    if refused and found.slots:
        return tuple(
            Part(slot=slot, name=name)
            for slot in found.slots
            for name in vocabulary.names.components[slot]
            if name != "none"
        )
    words = Left(what).words()
    raise unknown_component(" ".join(words) or what.strip(), vocabulary)


def unknown_component(name: str, vocabulary: Vocabulary) -> UnknownNameError:
    """Return the error of a name that no component has; it names the nearest one."""
    every = dict.fromkeys(known for names in vocabulary.names.components.values() for known in names)
    return UnknownNameError("component", name, every)
