"""From a sentence to what is meant, by rules and without a language model.

What the rules do not understand in full is not guessed: it is `Unclear`, with the words that were the trouble.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.conversation.meaning import Meaning, Question, Run, Steer, Unclear, Undo
from agents.conversation.quantities import COUNT, HOURS, NUMBER, Left, count, hours, number
from agents.conversation.run_sentence import ARXIV, read_run, sounds_like_a_study, unknown_component
from agents.conversation.slash import parse_slash
from agents.conversation.vocabulary import Vocabulary
from neuramosaic.errors import UsageError
from neuramosaic.steering import SteeringCommand
from neuramosaic.steering.commands import (
    DEFAULT_WEIGHT,
    LONGEST_TEXT,
    NEUTRAL,
    Allow,
    Approval,
    Approve,
    Favour,
    Idea,
    Ingest,
    MoreOnBest,
    Part,
    Pause,
    Pin,
    Reject,
    Resume,
    Stop,
    Unpin,
    Veto,
    Wish,
    command_from_json,
)

NOT_UNDERSTOOD = "this was not understood; /help lists what can be said"


@dataclass(frozen=True)
class Situation:
    """What a message is said in.

    Attributes:
        vocabulary: Of the study that is looked at, or of the workspace.
        new: Of a new study: all that the workspace has.
        study: The study that is looked at; None if there is none.
        limits: Its limits by the option of `/budget`; what is missing or None is not limited.
        waiting: Numbers of the components that wait for a person.
    """

    vocabulary: Vocabulary
    new: Vocabulary
    study: str | None = None
    limits: Mapping[str, float | None] = field(default_factory=dict)
    waiting: tuple[int, ...] = ()


def understand(text: str, situation: Situation) -> Meaning:
    """Return what a message means, by rules alone."""
    words = " ".join(text.split())
    if not words:
        return Unclear("say something: /help lists what can be said")
    if len(words) > LONGEST_TEXT:
        return Unclear(f"a message has at most {LONGEST_TEXT:,} characters, not {len(words):,}")
    try:
        meaning = read_slash(words, situation) if words.startswith("/") else _sentence(words, situation)
    except UsageError as error:
        return Unclear(str(error))
    return with_a_study(meaning, situation)


def read_slash(text: str, situation: Situation) -> Meaning:
    """Read a slash command: the names of a new study are those of the workspace.

    Raises:
        UsageError: What `parse_slash` raises.
    """
    return parse_slash(text, situation.vocabulary.names, situation.new.names)


def with_a_study(meaning: Meaning, situation: Situation) -> Meaning:
    """Return a meaning, or `Unclear` if it needs a study and there is none; papers can be read without one."""
    only_reads = isinstance(meaning, Steer) and all(isinstance(command, Ingest) for command in meaning.commands)
    if isinstance(meaning, Steer | Undo) and situation.study is None and not only_reads:
        return Unclear("there is no study yet that could be steered: start one, such as 'find something for recall'")
    return meaning


def _sentence(text: str, situation: Situation) -> Meaning:
    idea = re.match(
        r"(?:please )?(?:try |test |here is |i have )?(?:this |the |my |an |another |new )*idea\s*[:,-]\s*(.+)",
        text,
        re.I,
    )
    if idea:
        return Steer((Idea(text=idea[1]),))
    question = read_question(text)
    if question is not None:
        return question
    undo = re.fullmatch(
        r"(?:please )?(?:undo|take back|revert)(?: (?:it|that|the last(?: one| command)?|command))*(?: #?(\d+))?[.!]?",
        text,
        re.I,
    )
    if undo or re.fullmatch(r"take (?:it|that) back[.!]?", text, re.I):
        return Undo(int(undo[1]) if undo and undo[1] else None)

    def clause(part: str) -> tuple[SteeringCommand, ...] | None:
        return read_clause(part, situation)

    def fresh(part: str) -> tuple[SteeringCommand, ...] | None:
        return read_clause(part, Situation(situation.new, situation.new))

    if sounds_like_a_study(text) and not re.match(r"(?:please )?(?:no|without|only|never)\b", text, re.I):
        return read_run(text, situation.new, fresh)
    commands: list[SteeringCommand] = []
    for part in clauses(text):
        read = clause(part)
        if read is None:
            said = "" if part == text else f" ({part!r})"
            return Unclear(NOT_UNDERSTOOD + said)
        commands += read
    return Steer(tuple(commands)) if commands else Unclear(NOT_UNDERSTOOD)


_QUESTIONS: Sequence[tuple[str, str]] = (
    ("help", r"^(?:help|commands|hello|hi|hey|what can (?:you|i|we)\b.*|how does this work|how do i .*)[?!.]*$"),
    ("papers", r"^(?:what do(?:es)? (?:the )?(?:papers?|literature) say (?:about|on)|(?:please )?(?:find|search|show|list|are there|look for)"
     r"(?: me| any| some| the)* (?:papers?|passages?|literature)(?: for| on| about)|(?:papers?|passages?) (?:on|about|for)"
     r"|search (?:the )?(?:papers|literature) for)\s+(?P<text>.+?)[?.!]*$"),
    ("why", r"^(?:why\b|what went wrong|what is wrong|how come\b|for what reason|what happened (?:to|with|in)\b)"
     r"[^\d#]*#?(?P<trial>\d+)?[^\d]*$"),
    ("why", r"^(?:what|which(?: trials| ones| models)?|who) (?:has |have |trials )?failed\b|^(?:show |list )?(?:the )?(?:failures|failed trials)\b"),
    ("what-helps", r"\b(?:what|which)\b.*\b(?:helps?|helping|matters?|works?|hurts?|makes? a difference)\b|\beffects? of\b"
     r"|^(?:component )?effects\b|^what (?:have|did|has|was|were|do)\b.*\b(?:learn(?:ed|t)?|found|find out|know)\b"),
    ("log", r"^(?:what is in force|what(?: is|'s) (?:vetoed|pinned|favou?red)|(?:show |see )?(?:me )?(?:the )?(?:steering|command)?"
     r" ?log|what (?:did|have) (?:we|i|you|people|they) (?:ask|steer|chang|veto|request)\w*.*)[?.!]*$"),
    ("show", r"^(?:please )?(?:show|open|describe|tell me about|what (?:is|was)|explain|see)?\s*(?:me )?(?:the )?"
     r"(?:trial|number|architecture|#)\s*#?(?P<trial>\d+)[?.!]*$"),
    ("show", r"^(?:show|open|describe)(?: me)? #?(?P<trial>\d+)[?.!]*$"),
    ("best", r"^(?:please )?(?:what|which|who|show|how|tell|is|did|has|have|are)\b.*\b(?:best|lead(?:s|ing|er)?|winn(?:s|er|ing)|beat(?:s|en)?"
     r"|better than)\b(?!.*\bfor longer\b).*$|^(?:the )?best(?: trial| one| so far| model| architecture)*[?.!]*$"),
    ("trials", r"^(?:please )?(?:list|show|see|give)?(?: me)?(?: all)?(?: the)? ?(?:trials|leaderboard|results|ranking)[?.!]*$"),
    ("status", r"^(?:(?:show )?(?:the )?(?:status|progress)|how(?:'s| is| are| far| long| many| much)\b.*|where (?:are we|is it|do we stand)\b.*"
     r"|what(?:'s| is) (?:running|going on|happening|up|the (?:status|state|progress))\b.*|(?:is|are) (?:it|you|we|the study)"
     r" (?:done|running|finished|ready|still)\b.*)[?.!]*$"),
)  # fmt: skip


def read_question(text: str) -> Question | None:
    """Return what a sentence asks of the store, or None if it asks for nothing that can be answered."""
    words = text.strip()
    for kind, pattern in _QUESTIONS:
        match = re.search(pattern, words, re.IGNORECASE)
        if match is None:
            continue
        groups = match.groupdict()
        if groups.get("trial") is None and kind == "show":
            continue
        trial = groups.get("trial")
        return Question(kind, int(trial) if trial is not None else None, (groups.get("text") or "").strip())  # type: ignore[arg-type]
    return None


_BEGINS = (
    r"(?:no|without|never|avoid|exclude|ban|veto|drop|forbid|don'?t|do not|only|pin|fix|always|stick|favou?r|prefer|lean"
    r"|allow|permit|bring|pause|stop|resume|continue|go on|spend|train|give|limit|raise|ask|approve|reject|read|ingest"
    r"|unpin|free|less|fewer|more|deeper|shallower)\b"
)
_SPLIT = re.compile(
    rf"\s*(?:[;\n]|[.!?](?=\s|$)|,?\s+(?:and|then|but|also)(?:\s+(?:then|also|please))?\s+(?={_BEGINS})|,\s*(?={_BEGINS}))\s*",
    re.I,
)


def clauses(text: str) -> list[str]:
    """Return the parts of a sentence that each say one thing."""
    return [part.strip(" ,.!") for part in _SPLIT.split(text) if part and part.strip(" ,.!")]


def read_clause(text: str, situation: Situation) -> tuple[SteeringCommand, ...] | None:
    """Return the commands that a clause asks for, or None if it is not understood.

    Raises:
        UsageError: If it names what does not exist; names the nearest.
    """
    words = re.sub(
        r"^(?:please|now|then|also|ok|okay|so|and|let'?s|could you|can you|i want you to|you should)[ ,]+",
        "",
        text.strip(),
        flags=re.I,
    )
    words = re.sub(r"[ ,]*(?:please|now|thanks|thank you)?[?.! ]*$", "", words, flags=re.I)
    for reader in (_session, _approval, _more_on_best, _ingest, _budget, _space, _favour):
        read = reader(words, situation)
        if read is not None:
            return read
    return None


def _session(text: str, situation: Situation) -> tuple[SteeringCommand, ...] | None:
    if re.fullmatch(
        r"(?:pause|hold on|hold|wait|take a break)(?: (?:it|here|the study|this|for now|a moment|a bit|everything))*",
        text,
        re.I,
    ):
        return (Pause(),)
    if re.fullmatch(
        r"(?:resume|continue|go on|carry on|proceed|unpause|keep going)(?: (?:it|with it|the study|with the study|this))*",
        text,
        re.I,
    ):
        return (Resume(),)
    if re.fullmatch(
        r"(?:stop|end|halt|finish|quit|abort|cancel)(?: (?:it|the study|this|here|everything|the search|that|all))*",
        text,
        re.I,
    ):
        return (Stop(),)
    return None


def _approval(text: str, situation: Situation) -> tuple[SteeringCommand, ...] | None:
    decision = re.match(
        r"(approve|accept|reject|decline|refuse)\b\s*(?:it|that|the (?:card|component|proposal))?\s*(?:card |component )?#?c?(\d+)?\b[ ,:-]*(.*)$",
        text,
        re.I,
    )
    if decision:
        if decision[2] is None and len(situation.waiting) != 1:
            known = ", ".join(f"c{item}" for item in situation.waiting) or "none waits"
            raise UsageError(f"say which component, such as c0: {known}")
        card = int(decision[2]) if decision[2] else situation.waiting[0]
        if decision[1].lower() in ("approve", "accept"):
            return (Approve(card=card),)
        return (Reject(card=card, reason=re.sub(r"^(?:because|since)\s+", "", decision[3], flags=re.I)),)
    if re.match(
        r"(?:don'?t|do not|no need to|stop) ask(?:ing)?(?: me)?\b|(?:turn |switch )?(?:the )?approval off\b|no approval\b",
        text,
        re.I,
    ):
        return (Approval(on=False),)
    if re.match(
        r"(?:ask me|ask (?:first|before)|let me (?:approve|decide)|(?:turn |switch )?(?:the )?approval on|i want to approve)\b",
        text,
        re.I,
    ):
        return (Approval(on=True),)
    return None


def _more_on_best(text: str, situation: Situation) -> tuple[SteeringCommand, ...] | None:
    if re.search(
        r"\b(?:spend|more|longer|further|promote|train)\b.*\bbest\b|\bbest\b.*\b(?:longer|further|more)\b|^promote (?:it|the leader)$",
        text,
        re.I,
    ):
        return (MoreOnBest(),)
    return None


def _ingest(text: str, situation: Situation) -> tuple[SteeringCommand, ...] | None:
    if not re.match(r"(?:read|ingest|fetch|load|look at|study)\b", text, re.I):
        return None
    ids = [match["id"] for match in re.finditer(ARXIV, text, re.I)]
    if ids:
        return tuple(Ingest(ref=item) for item in dict.fromkeys(ids))
    about = re.match(
        r"(?:read|ingest|fetch)\s+(?:some |the |a few )?(?:papers?\s+(?:on|about)\s+|the file\s+)?(.+)$", text, re.I
    )
    return (Ingest(ref=about[1]),) if about else None


_BUDGET = {"trials": r"(?:trials?|architectures?|models|candidates)", "usd": r"(?:usd|dollars?)", "tokens": r"tokens"}


def _budget(text: str, situation: Situation) -> tuple[SteeringCommand, ...] | None:
    """Read limits: "at most 40 trials", "two more hours", "no limit of hours"."""
    lifted = re.search(
        r"\b(?:no|lift the|remove the|without(?: a)?)\s+(?:(hour|time|usd|cost|token)s?\s+)?(?:limit|cap|budget)(?:\s+(?:of|on|for)\s+(?:the )?(hour|time|usd|cost|token|money)s?)?",
        text,
        re.I,
    )
    if lifted:
        name = (lifted[1] or lifted[2] or "hour").lower()
        option = {"hour": "hours", "time": "hours", "token": "tokens"}.get(name, "usd")
        return (command_from_json("budget", {option: None}),)
    left, found = Left(text), dict[str, Any]()
    more = re.search(r"\b(?:more|another|extra|additional|longer)\b", text, re.I) is not None
    match = left.take(HOURS)
    if match:
        found["hours"] = hours(match)
    money = left.take(r"\$\s*(\d+(?:\.\d+)?)") or left.take(rf"(\d+(?:\.\d+)?)\s*(?:more |extra )?{_BUDGET['usd']}\b")
    if money:
        found["usd"] = float(money[1])
    match = left.take(rf"\b({NUMBER})\s+(?:more |extra |additional |other )?{_BUDGET['trials']}\b")
    if match:
        found["trials"] = int(number(match[1]))
    match = left.take(rf"\b({COUNT})\s*(?:more |extra )?{_BUDGET['tokens']}\b")
    if match:
        found["tokens"] = count(match[1])
    if (
        not found
        or Left(
            re.sub(
                r"\b(?:limit|cap|budget|allow|spend|grant|add|raise|lower|increase|reduce|extra|additional|another|hours?|train)\b",
                " ",
                left.text,
                flags=re.I,
            )
        ).words()
    ):
        return None
    if more:
        for name, value in found.items():
            had = situation.limits.get(name)
            if had is None:
                raise UsageError(
                    f"the study has no limit of {name} yet: say how many in all, such as /budget {name}={value:g}"
                )
            found[name] = type(value)(had + value)
    return (command_from_json("budget", found),)


_VETO = r"(?:no(?: more)?|without|avoid|exclude|ban|veto|drop|forbid|rule out|get rid of|never (?:use|try|propose)|(?:don'?t|do not|stop) (?:use|using|try|trying|propose|proposing|want|allow)|remove|skip)"
_ALLOW = r"(?:allow|permit|bring back|unban|unveto|lift the (?:veto|ban) (?:on|of)|re-?allow)"
_PIN = r"(?:only(?: use| try| propose)?|nothing but|pin|fix|always(?: use| have)?|stick (?:to|with)|use only|every \w+ (?:has|uses))"
_UNPIN = r"(?:unpin|un-pin|free|release)"


def _space(text: str, situation: Situation) -> tuple[SteeringCommand, ...] | None:
    for verb, make in ((_UNPIN, Unpin), (_VETO, Veto), (_ALLOW, Allow), (_PIN, Pin)):
        match = re.match(rf"{verb}\b\s*(.*)$", text, re.IGNORECASE)
        if match is None:
            continue
        if make is Veto and re.match(r"(?:preference|favou?r\w*)\b", match[1], re.I):
            return None  # the end of a preference
        names = situation.vocabulary.names
        found = situation.vocabulary.find(match[1])
        unknown = Left(found.rest).words()
        if make is Unpin:
            slots = found.slots or tuple(dict.fromkeys(part.slot for part in found.parts))
            if not slots or unknown:
                raise UsageError(f"say which slot is free again: {', '.join(map(str, names.components))}")
            return (Unpin(slots=slots),)
        if unknown:
            raise unknown_component(" ".join(unknown), situation.vocabulary)
        if found.parts:
            return (make(parts=found.parts),)  # type: ignore[call-arg]
        if make is Veto and found.slots and all("none" in names.components[slot] for slot in found.slots):
            return (Pin(parts=tuple(Part(slot=slot, name="none") for slot in found.slots)),)
        raise UsageError(f"say which component, such as 'no mixture of experts': {text!r} names none")
    return None


def _favour(text: str, situation: Situation) -> tuple[SteeringCommand, ...] | None:
    neutral = re.match(
        r"(?:no (?:more )?preference (?:for|of)|(?:don'?t|do not|stop) (?:favou?r|prefer)(?:ing)?|no longer favou?r|be neutral (?:about|on))\s+(.+)$",
        text,
        re.I,
    )
    verb = re.match(
        r"(?:favou?r|prefer|lean (?:towards?|to)|i(?:'d| would)? (?:like|prefer|want)|try|more|less|fewer|make (?:it|them))\b\s*(.*)$",
        text,
        re.I,
    )
    what = neutral[1] if neutral else verb[1] if verb else text
    if verb and re.match(r"(?:more|less|fewer)\b", text, re.I):
        what = text
    weighed = re.search(r"\bweight\s*=?\s*(\d+(?:\.\d+)?)", what, re.I)
    if weighed:
        what = what.replace(weighed[0], " ")
    ends = situation.vocabulary.ends(what)
    found = situation.vocabulary.find(what)
    if neutral:
        keys = (
            [key for key, _ in ends] or [str(part.slot) for part in found.parts] or [str(slot) for slot in found.slots]
        )
        dimension = situation.vocabulary.dimension_in(what)
        keys = keys or ([dimension] if dimension else [])
        if not keys:
            raise UsageError("say what is to be neutral, such as 'no preference for depth'")
        return (Favour(wishes=tuple(Wish(key=key, value=NEUTRAL) for key in dict.fromkeys(keys))),)
    if not ends and not found.parts:
        if verb and re.match(r"(?:favou?r|prefer|lean)", text, re.I):
            raise unknown_component(" ".join(Left(found.rest).words()) or what, situation.vocabulary)
        return None
    if not verb and not (ends and not found.parts):
        return None
    weight = float(weighed[1]) if weighed else DEFAULT_WEIGHT
    wishes = [Wish(key=key, value=end, weight=weight) for key, end in ends]
    slots = [part.slot for part in found.parts]
    if len(set(slots)) < len(slots):
        raise UsageError(f"one {slots[0]} can be favoured at a time: name one, or rule others out")
    wishes += [Wish(key=str(part.slot), value=part.name, weight=weight) for part in found.parts]
    return (Favour(wishes=tuple(wishes)),)


def is_complete(meaning: Meaning) -> bool:
    """Return whether nothing of a message was left aside: a language model need not be asked."""
    return not isinstance(meaning, Unclear) and not (isinstance(meaning, Run) and meaning.unused)
