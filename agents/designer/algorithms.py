"""Proposals of the samplers: the study's own, and regularised evolution of the best."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from neuramosaic.errors import InvalidArchitectureError, UsageError
from neuramosaic.search.base import Sampler
from neuramosaic.search.history import HistorySampler
from neuramosaic.search.registry import create_sampler
from neuramosaic.seeds import stream
from neuramosaic.space.architecture import Architecture
from neuramosaic.space.architecture_space import ArchitectureSpace
from neuramosaic.steering import Constraint
from neuramosaic.store.records import TrialRecord
from neuramosaic.study import StudyConfig

EVOLUTION = "evolution"
#: How many points a sampler may offer that fall on an architecture already tried; then the last one is mutated.
MAX_DUPLICATES = 16
#: Of evolution beside another sampler: the best of so many of the youngest results is mutated.
POPULATION, TOURNAMENT = 10, 5
#: How often something new is looked for where steering leaves little, before it is given up.
SEARCHES = 200


@dataclass(frozen=True)
class Sampled:
    """What a sampler came up with.

    Attributes:
        architecture: What to try; no trial has it yet.
        source: The sampler's name, or "mutation".
        asked: How many points the samplers have been asked for, these included.
        why: One line for the journal.
    """

    architecture: Architecture
    source: str
    asked: int
    why: str


class Algorithms:
    """Asks a sampler that is brought to where the trials so far lead. Keeps no state.

    Args:
        space: The space of the study.
        config: Its configuration.
        constraint: What a person's steering rules out and prefers; None rules nothing out.

    Raises:
        UnknownNameError: If there is no such sampler.
        UnknownOptionError: If the sampler has no such setting.
    """

    def __init__(self, space: ArchitectureSpace, config: StudyConfig, constraint: Constraint | None = None) -> None:
        self._space = space
        self._config = config
        self._constraint = constraint
        self._new_sampler(config.sampler, 0)

    @property
    def sources(self) -> tuple[str, ...]:
        """The samplers that may compete: the study's own first."""
        own = self._config.sampler
        return (own,) if own == EVOLUTION else (own, EVOLUTION)

    def sample(self, trials: Sequence[TrialRecord], source: str) -> Sampled:
        """Return an architecture that no trial has yet, and that steering allows.

        Args:
            trials: All trials of the study, by number.
            source: One of `sources`.

        Raises:
            UsageError: If what steering leaves has been tried.
        """
        lowest = [trial for trial in trials if trial.rung == 0]
        point = self._points(lowest)
        told = sorted(
            (trial for trial in lowest if trial.state.finished and trial.id in point),
            key=lambda trial: trial.finish_order or 0,
        )
        pending = [point[trial.id] for trial in lowest if not trial.state.finished and trial.id in point]
        known = {trial.architecture_id for trial in lowest}
        asked = max(trial.asked for trial in trials)
        sampler = self._new_sampler(source, sum(trial.val_loss is not None for trial in told))
        sampler.restore(asked, [(point[trial.id], trial.val_loss) for trial in told])
        name, architecture = sampler.name, self._space.baseline()
        for _ in range(MAX_DUPLICATES):
            (candidate,) = sampler.ask(1, pending)
            asked += 1
            architecture = self._allowed(self._space.from_point(candidate), asked)
            if architecture.id not in known:
                break
            pending.append(candidate)
        else:
            rng = stream(self._config.seed, "designer", "duplicate", asked)
            name = "mutation"
            searches = 0
            while architecture.id in known:
                mutated = self._space.mutate(architecture, rng)
                architecture = self._allowed(mutated, asked, searches)
                searches += 1
                if self._constraint is not None and searches > SEARCHES:
                    raise UsageError("what steering leaves has all been tried: allow or unpin something with 'steer'")
        why = f"{name} after {len(told)} results" + (f", {len(pending)} pending" if pending else "")
        return Sampled(architecture, name, asked, why)

    def _allowed(self, architecture: Architecture, asked: int, attempt: int = 0) -> Architecture:
        """Return the architecture, with what steering rules out replaced."""
        if self._constraint is None or self._constraint.holds(architecture):
            return architecture
        rng = stream(self._config.seed, "designer", "repair", asked, attempt)
        repaired = self._constraint.repair(architecture, rng) or self._constraint.repair(self._space.baseline(), rng)
        if repaired is None:
            raise UsageError("no model can be made of what steering leaves: allow or unpin something with 'steer'")
        return repaired

    def _new_sampler(self, source: str, results: int) -> Sampler:
        """Return a new sampler; evolution beside another one begins with however few results there are."""
        config = self._config
        settings: dict[str, Any] = dict(config.sampler_settings)
        if source != config.sampler:
            population = max(1, min(POPULATION, results))
            settings = {"population": population, "tournament": min(TOURNAMENT, population)}
        sampler = create_sampler(source, self._space.parameters, seed=config.seed, **settings)
        if self._constraint is not None and isinstance(sampler, HistorySampler):
            sampler.weigh(self._constraint.log_weight)
        return sampler

    def _points(self, trials: Sequence[TrialRecord]) -> dict[str, dict[str, Any]]:
        """Return the point of each trial in the space; the baseline may lie outside a restricted one."""
        points = {}
        for trial in trials:
            with suppress(InvalidArchitectureError):
                points[trial.id] = self._space.to_point(Architecture.from_json(trial.architecture))
        return points
