"""The language model of the chat: begun when one is chosen and needed, in a thread, and let go later."""

from __future__ import annotations

import queue
import threading
from contextlib import ExitStack
from dataclasses import dataclass

from agents.conversation.answers import lines
from agents.conversation.mapping import map_message
from agents.conversation.meaning import Meaning, Unclear
from agents.conversation.situation import Situation
from agents.conversation.transcript import Entry, Transcript
from agents.llm.client import LanguageModel
from agents.llm.providers import ProviderChoice
from graph.idea import Caps, asked
from neuramosaic.errors import NeuraMosaicError
from neuramosaic.store.store import Store
from ui.reader import Reader
from ui.views.chat_replies import reply

#: Seconds without a message after which a model is let go.
IDLE_S = 300.0


@dataclass(frozen=True)
class Job:
    """A message that a model reads.

    Attributes:
        message: The message.
        here: What it is said in.
        meaning: What the rules say of it: nothing, or a study with words that have no part in it.
    """

    message: Entry
    here: Situation
    meaning: Meaning


class Listener:
    """Reads messages with one model, one after the other, in a thread of its own.

    Args:
        reader: Of the workspace.
        choice: Which model.
        caps: The most that it may use while it is held.
    """

    def __init__(self, reader: Reader, choice: ProviderChoice, caps: Caps) -> None:
        self._reader, self._choice, self._caps = reader, choice, caps
        self._jobs: queue.Queue[Job] = queue.Queue()
        self._lock = threading.Lock()
        self._waiting: set[int] = set()
        self._thread: threading.Thread | None = None

    def waits_for(self, message: int) -> bool:
        """Whether a message is being read."""
        with self._lock:
            return message in self._waiting

    def hear(self, job: Job) -> None:
        """Have a message read; the reply comes into the conversation."""
        with self._lock:
            self._waiting.add(job.message.id)
            self._jobs.put(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="chat", daemon=True)
                self._thread.start()

    def wait(self, timeout_s: float) -> None:
        """Wait until the thread has ended, at most so long."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _listen(self) -> None:
        with ExitStack() as held:
            store: Store | None = None
            model: LanguageModel | None = None
            while True:
                try:
                    job = self._jobs.get(timeout=IDLE_S)
                except queue.Empty:
                    with self._lock:
                        if self._jobs.empty():
                            self._thread = None
                            return
                    continue
                try:
                    if store is None:
                        store = held.enter_context(Store.open(self._reader.workspace))
                    if model is None:
                        model = held.enter_context(asked(self._choice, store, self._caps))
                    self._read(job, model)
                except Exception as error:  # noqa: BLE001 - the last place where it can be said
                    self._say(job, error)
                finally:
                    with self._lock:
                        self._waiting.discard(job.message.id)

    def _read(self, job: Job, model: LanguageModel) -> None:
        meaning = map_message(job.message.text, job.here, model)
        if isinstance(meaning, Unclear):
            by_rules = job.meaning
            if isinstance(by_rules, Unclear):
                by_rules = Unclear(
                    f"{by_rules.problem} (asked, {model.provider.model} did not help: {meaning.problem})"
                )
            reply(self._reader, job.message, by_rules, job.here)
        else:
            reply(self._reader, job.message, meaning, job.here, mapped=True)

    def _say(self, job: Job, error: Exception) -> None:
        what = str(error) if isinstance(error, NeuraMosaicError) else f"a bug ({type(error).__name__}): {error}"
        said = job.meaning.problem if isinstance(job.meaning, Unclear) else "Some words were not understood."
        data = lines(said, f"The language model was no help: {what}").to_json()
        Transcript(self._reader.workspace).add("answer", study=job.message.study, of=job.message.id, data=data)


_listeners: dict[tuple[str, str, str | None, float | None], Listener] = {}
_making = threading.Lock()


def listener(reader: Reader, llm: str, model: str | None, usd: float | None) -> Listener:
    """Return who listens in a workspace with a model: one for all sessions that chose the same."""
    wanted = (str(reader.workspace), llm, model, usd)
    with _making:
        if wanted not in _listeners:
            _listeners[wanted] = Listener(reader, ProviderChoice(llm, model=model), Caps(usd=usd))
        return _listeners[wanted]


def being_read(reader: Reader, message: int) -> bool:
    """Whether any model of the workspace reads a message now."""
    with _making:
        known = [item for (workspace, *_), item in _listeners.items() if workspace == str(reader.workspace)]
    return any(item.waits_for(message) for item in known)
