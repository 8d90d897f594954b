"""From a message to what is meant, by rules and without a language model.

What the rules do not understand in full is not guessed: it is `Unclear`, with the words that were the trouble.
"""

from __future__ import annotations

import re

from agents.conversation.clauses import Commands, clauses, read_clause
from agents.conversation.meaning import Meaning, Run, Steer, Unclear, Undo
from agents.conversation.questions import read_question
from agents.conversation.run_sentence import read_run, sounds_like_a_study
from agents.conversation.situation import Situation
from agents.conversation.slash import parse_slash
from neuramosaic.errors import UsageError
from neuramosaic.steering import SteeringCommand
from neuramosaic.steering.commands import LONGEST_TEXT, Idea, Ingest

NOT_UNDERSTOOD = "this was not understood; /help lists what can be said"
_IDEA = re.compile(
    r"(?:please )?(?:try |test |here is |i have )?(?:this |the |my |an |another |new )*idea\s*[:,-]\s*(.+)",
    re.IGNORECASE,
)
_UNDO = re.compile(
    r"(?:please )?(?:undo|take back|revert)(?: (?:it|that|the last(?: one| command)?|command))*(?: #?(\d+))?[.!]?"
    r"|take (?:it|that) back[.!]?",
    re.IGNORECASE,
)
_STEERS = re.compile(r"(?:please )?(?:no|without|only|never)\b", re.IGNORECASE)


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


def is_complete(meaning: Meaning) -> bool:
    """Return whether nothing of a message was left aside: a language model need not be asked."""
    return not isinstance(meaning, Unclear) and not (isinstance(meaning, Run) and meaning.unused)


def _sentence(text: str, situation: Situation) -> Meaning:
    idea = _IDEA.match(text)
    if idea:
        return Steer((Idea(text=idea[1]),))
    question = read_question(text)
    if question is not None:
        return question
    undo = _UNDO.fullmatch(text)
    if undo:
        return Undo(int(undo[1]) if undo[1] else None)
    if sounds_like_a_study(text) and not _STEERS.match(text):

        def fresh(part: str) -> Commands | None:
            return read_clause(part, Situation(situation.new, situation.new))

        return read_run(text, situation.new, fresh)
    commands: list[SteeringCommand] = []
    for part in clauses(text):
        read = read_clause(part, situation)
        if read is None:
            said = "" if part == text else f" ({part!r})"
            return Unclear(NOT_UNDERSTOOD + said)
        commands += read
    return Steer(tuple(commands)) if commands else Unclear(NOT_UNDERSTOOD)
