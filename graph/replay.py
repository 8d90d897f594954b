"""Repeating a study from its own record: the same configuration, the same answers, the same order of events.

A designer decides by what has finished and what is under way. With several workers that depends on how fast each trial
happened to be, so a replay goes by the record: it proposes when as many trials have finished as had then (`after`), and
takes note of the ends of trials in the order in which they were noted then (`finish_order`).
"""

from __future__ import annotations

from collections.abc import Sequence

from neuramosaic.errors import NeuraMosaicError, UsageError
from neuramosaic.steering.commands import SESSION_KINDS
from neuramosaic.steering.force import BEFORE
from neuramosaic.store.commands import CommandRecord, Commands, applied
from neuramosaic.store.records import ComponentRecord, StudyRecord, TrialRecord, WritingRecord, WritingState
from neuramosaic.store.store import Store
from neuramosaic.store.writings import Writings
from neuramosaic.study import StudyConfig

#: Kind of the journal's entry that says that a study's configuration was changed; its data are the new values.
CHANGED = "changed"
#: What a replay may choose for itself: where it runs, and what stands for the model.
_OWN = {"llm", "llm_model", "llm_url", "llm_gguf", "replay", "max_usd", "max_llm_tokens", "max_hours", "sandbox"}


def replay_config(config: StudyConfig, store: Store) -> StudyConfig:
    """Return the configuration of a replay: that of the study it repeats.

    Args:
        config: What a person asked for: `llm: replay`, the study, and nothing that would change it.
        store: Store of the workspace.

    Raises:
        NotFoundError: If there is no such study.
        UsageError: If the study asked no language model, or was given more trials after it had begun, or an option
            would change what it does.
    """
    assert config.replay is not None
    recorded = store.study(config.replay)
    then = StudyConfig.from_mapping(recorded.config)
    if then.llm == "none":
        steered = any(item.command.kind not in SESSION_KINDS for item in applied(Commands(store).log(recorded.id)))
        raise UsageError(
            f"study {recorded.id} asked no language model, so there is nothing to answer from: a new study with its "
            + ("configuration and seed, steered alike, repeats it" if steered else "configuration and seed repeats it")
        )
    if any("trials" in event.data for event in store.events(recorded.id) if event.kind == CHANGED):
        raise UsageError(f"study {recorded.id} was given more trials after it had begun: that cannot be replayed")
    originally = _before_steering(Commands(store).log(recorded.id))
    for name in sorted(config.model_fields_set - _OWN):
        asked, had = getattr(config, name), getattr(then, name)
        if asked != originally.get(name, had):
            raise UsageError(f"{name} is {had!r} in study {recorded.id}: a replay repeats it, leave the option out")
    for name in ("llm_model", "llm_url", "llm_gguf", "max_usd", "max_llm_tokens"):
        if getattr(config, name) is not None:
            raise UsageError(f"{name} means nothing to a replay, which asks nobody: leave the option out")
    own: dict[str, object] = dict.fromkeys(_OWN - {"sandbox"})
    own |= {"llm": "replay", "replay": recorded.id, "max_hours": config.max_hours}
    own |= originally
    if "sandbox" in config.model_fields_set:
        own["sandbox"] = config.sandbox
    return StudyConfig.from_mapping({**then.to_json(), **own})


def _before_steering(log: Sequence[CommandRecord]) -> dict[str, object]:
    """Return what steering changed of a configuration and what bears on the proposals, as it was at first."""
    first: dict[str, object] = {}
    for record in reversed(applied(log)):
        first |= {name: value for name, value in record.recorded.get(BEFORE, {}).items() if name not in _OWN}
    return first


def components_of(config: StudyConfig, store: Store) -> list[ComponentRecord]:
    """Return the added components that a new study begins with: the workspace's, or those that its study began with."""
    if config.replay is None:
        return store.components()
    return [
        store.component(item["slot"], item["name"], item["version"])
        for item in store.study(config.replay).components
        if "writing" not in item
    ]


class Schedule:
    """The order of events that a replay follows.

    Args:
        study: The study that is repeated.
        trials: Its trials, by number.
        writings: Its writings, by number.
        commands: What it was asked for while it ran, oldest first.

    Attributes:
        ending: Why the study ended early, for people; empty if it did not.
    """

    def __init__(
        self,
        study: StudyRecord,
        trials: Sequence[TrialRecord],
        writings: Sequence[WritingRecord],
        commands: Sequence[CommandRecord] = (),
    ) -> None:
        self.ending = f"as study {study.id}, of which is said: {study.message}" if study.message else ""
        self._study = study.id
        self._trials = {trial.number: trial for trial in trials}
        self._writings = list(writings)
        self._commands = [item for item in applied(commands) if item.command.kind not in SESSION_KINDS]
        self._ends = {trial.finish_order: trial.number for trial in trials if trial.finish_order is not None}

    def due(self, trials: Sequence[TrialRecord], writings: Sequence[WritingRecord]) -> bool:
        """Whether the study made another proposal when as many trials had finished.

        Args:
            trials: Trials of the replay so far.
            writings: Its writings so far.
        """
        finished = _finished(trials)
        return sum(trial.after <= finished for trial in self._trials.values()) > len(trials) or sum(
            writing.after <= finished for writing in self._writings
        ) > len(writings)

    def next_command(
        self, done: int, trials: Sequence[TrialRecord], writings: Sequence[WritingRecord]
    ) -> CommandRecord | None:
        """Return the command that took effect next in the study, if it did by now; else None.

        Args:
            done: How many commands were repeated so far.
            trials: Trials of the replay so far.
            writings: Its writings so far.
        """
        if done >= len(self._commands):
            return None
        then = self._commands[done]
        reached = _finished(trials) >= then.after and len(trials) >= then.trials and len(writings) >= then.writings
        return then if reached else None

    def over(self, trials: Sequence[TrialRecord], writings: Sequence[WritingRecord]) -> bool:
        """Whether everything that the study proposed has been proposed."""
        return len(trials) >= len(self._trials) and len(writings) >= len(self._writings)

    def next_end(self, trials: Sequence[TrialRecord]) -> int | None:
        """Return the number of the trial whose end is to be noted next, or None if any may be.

        None where the record ends: the study was stopped or killed there.
        """
        return self._ends.get(_finished(trials) + 1)

    def wrote(self, number: int) -> bool:
        """Whether the writing of this number had candidates, instead of an earlier failure remembered."""
        return self._writings[number].attempts > 0

    def left_open(self, number: int) -> bool:
        """Whether the study ended before the writing of this number did."""
        return self._writings[number].state is WritingState.OPEN

    def departure(self, what: str) -> NeuraMosaicError:
        """Return the error of a replay that does not repeat its study."""
        return NeuraMosaicError(
            f"the replay departs from study {self._study}: {what}; the code, the prompts or the catalogue have changed "
            "since"
        )

    def check(self, trial: TrialRecord) -> None:
        """Check that a trial which was just proposed is the one that the study proposed.

        Raises:
            NeuraMosaicError: If it is another: the code or the prompts have changed since.
        """
        then = self._trials.get(trial.number)
        if then is None or (then.architecture_id, then.rung) != (trial.architecture_id, trial.rung):
            was = f"was {then.label} at rung {then.rung}" if then else "did not exist"
            raise self.departure(f"trial {trial.number} {was}, now it is {trial.label} at rung {trial.rung}")

    def difference(self, trial: TrialRecord) -> str | None:
        """Return in words how the end of a trial differs from the recorded one; None if not in the last digit."""
        then = self._trials.get(trial.number)
        if then is None or not then.state.finished or (then.state, then.val_loss) == (trial.state, trial.val_loss):
            return None
        if then.val_loss is not None and trial.val_loss is not None:
            return f"val loss {trial.val_loss!r}, in study {self._study} it was {then.val_loss!r}"
        return f"{trial.state}, in study {self._study} it was {then.state}"


def schedule_of(config: StudyConfig, store: Store) -> Schedule | None:
    """Return the order of events that a study has to follow, or None if it is no replay."""
    if config.replay is None:
        return None
    return Schedule(
        store.study(config.replay),
        store.trials(config.replay),
        Writings(store).of_study(config.replay),
        Commands(store).log(config.replay),
    )


def _finished(trials: Sequence[TrialRecord]) -> int:
    return sum(trial.state.finished for trial in trials)
