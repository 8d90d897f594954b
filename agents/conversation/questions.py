"""Questions in plain words that the store can answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.conversation.meaning import Question, QuestionKind

#: What each question sounds like, in the order in which they are tried.
_SOUNDS: Sequence[tuple[QuestionKind, str]] = (
    (
        "help",
        r"^(?:help|commands|hello|hi|hey|what can (?:you|i|we)\b.*|how does this work|how do i .*)[?!.]*$",
    ),
    (
        "papers",
        r"^(?:what do(?:es)? (?:the )?(?:papers?|literature) say (?:about|on)"
        r"|(?:please )?(?:find|search|show|list|are there|look for)(?: me| any| some| the)* "
        r"(?:papers?|passages?|literature)(?: for| on| about)"
        r"|(?:papers?|passages?) (?:on|about|for)|search (?:the )?(?:papers|literature) for)\s+(?P<text>.+?)[?.!]*$",
    ),
    (
        "why",
        r"^(?:why\b|what went wrong|what is wrong|how come\b|for what reason|what happened (?:to|with|in)\b)"
        r"[^\d#]*#?(?P<trial>\d+)\b[^\d]*$",
    ),
    (
        "why",
        r"^(?:why|how come)\b(?: \w+){1,5} (?:fail(?:ed|ing)?|prun(?:ed|ing)|crash(?:ed|ing)?|broken?)\b[^\d]*$"
        r"|^why\?$|^what went wrong[?.!]*$",
    ),
    (
        "why",
        r"^(?:what|which(?: trials| ones| models)?|who) (?:has |have |trials )?failed\b"
        r"|^(?:show |list )?(?:the )?(?:failures|failed trials)\b",
    ),
    (
        "what-helps",
        r"\b(?:what|which)\b.*\b(?:helps?|helping|matters?|works?|hurts?|makes? a difference)\b|\beffects? of\b"
        r"|^(?:component )?effects\b"
        r"|^(?:do|does|did|is|are)\b.*\b(?:helps?|good|worth|useful|matters?|hurts?)\b[^\d]*$"
        r"|^what (?:have|did|has|was|were|do)\b.*\b(?:learn(?:ed|t)?|found|find out|know)\b",
    ),
    (
        "log",
        r"^(?:what is in force|what(?: is|'s) (?:vetoed|pinned|favou?red)"
        r"|(?:show |see )?(?:me )?(?:the )?(?:steering|command)? ?log"
        r"|what (?:did|have) (?:we|i|you|people|they) (?:ask|steer|chang|veto|request)\w*.*)[?.!]*$",
    ),
    (
        "show",
        r"^(?:please )?(?:show|open|describe|tell me about|what (?:is|was)|explain|see)?\s*(?:me )?(?:the )?"
        r"(?:trial|number|architecture|#)\s*#?(?P<trial>\d+)[?.!]*$",
    ),
    (
        "show",
        r"^(?:what about|how about|how (?:is|was|did|does)) (?:trial|number|#) ?#?(?P<trial>\d+)\b[^\d]*$",
    ),
    ("show", r"^(?:show|open|describe)(?: me)? #?(?P<trial>\d+)[?.!]*$"),
    (
        "best",
        r"^(?:please )?(?:what|which|who|show|how|tell|is|did|has|have|are)\b.*"
        r"\b(?:best|lead(?:s|ing|er)?|winn(?:s|er|ing)|beat(?:s|en)?|better than)\b(?!.*\bfor longer\b).*$"
        r"|^(?:the )?best(?: trial| one| so far| model| architecture)*[?.!]*$",
    ),
    (
        "trials",
        r"^(?:please )?(?:list|show|see|give)?(?: me)?(?: all| the)* ?(?:trials|leaderboard|results|ranking)[?.!]*$",
    ),
    (
        "status",
        r"^(?:(?:show )?(?:the )?(?:status|progress)|how(?:'s| is| are| far| long| many| much)\b.*"
        r"|(?:which|what) (?:trials?|ones?|models?) (?:is|are) (?:still )?running\b.*"
        r"|where (?:are we|is it|do we stand)\b.*"
        r"|what(?:'s| is) (?:running|going on|happening|up|the (?:status|state|progress))\b.*"
        r"|(?:is|are) (?:it|you|we|the study) (?:done|running|finished|ready|still)\b.*)[?.!]*$",
    ),
)


def read_question(text: str) -> Question | None:
    """Return what a sentence asks of the store, or None if it asks for nothing that can be answered."""
    for kind, pattern in _SOUNDS:
        match = re.search(pattern, text.strip(), re.IGNORECASE)
        if match is None:
            continue
        groups = match.groupdict()
        trial = groups.get("trial")
        return Question(kind, int(trial) if trial is not None else None, (groups.get("text") or "").strip())
    return None
