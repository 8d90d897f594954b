"""The runner: has a trial's model verified and trained in the sandbox, and reads what comes back."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from neuramosaic.provenance import code_version
from neuramosaic.space.architecture import Architecture
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.records import TrialOutcome, TrialRecord, TrialState
from neuramosaic.study import PARAMS_TOLERANCE, StudyConfig
from neuramosaic.training.config import TrainingConfig
from sandbox.base import Exit, Job, Limits, Sandbox
from sandbox.outcome import trial_outcome

#: Room in the output for everything but the weights.
OUTPUT_SLACK_MIB = 64


def trial_limits(config: StudyConfig, threads: int) -> Limits:
    """Return what a trial of a study may use; the wall time is set when it runs."""
    weights_mib = math.ceil(4 * config.params * (1 + PARAMS_TOLERANCE) / 2**20)
    return Limits(memory_mib=config.memory_mib, cpus=float(threads), output_mib=OUTPUT_SLACK_MIB + weights_mib)


def known_functions(trial: TrialRecord, trials: Sequence[TrialRecord]) -> dict[str, str]:
    """Return the functions that a trial need not be trained for again: the trial that computes each, by fingerprint.

    They are those of trials of the first rung with the same seed, data and training numbers that had completed when the
    trial was proposed: what a trial comes to does not depend on when it happens to run. A promoted trial knows none.

    Args:
        trial: The trial that is to run.
        trials: All trials of its study.
    """
    if trial.rung != 0 or trial.parent is not None:
        return {}
    alike = (trial.seed, trial.corpus, trial.fidelity_tokens, trial.architecture["training"])
    known = {}
    for other in trials:
        before = other.finish_order is not None and other.finish_order <= trial.after
        if not before or other.rung != 0 or other.state is not TrialState.COMPLETE:
            continue
        same = (other.seed, other.corpus, other.fidelity_tokens, other.architecture["training"]) == alike
        if same and other.outcome is not None and other.outcome.function is not None:
            known[other.outcome.function] = other.id
    return known


def unused_gpu(outcome: TrialOutcome) -> str | None:
    """Return a line that says so if a trial ran on the CPU though the host has a GPU, else None."""
    backend = outcome.environment.get("backend", "")
    if outcome.environment.get("device") != "cpu" or not torch.cuda.is_available():
        return None
    return (
        f"trained on the CPU: {torch.cuda.get_device_name(0)} is not seen in the {backend} sandbox"
        " (docs/sandbox.md says what it needs)"
    )


class Runner:
    """Runs trials of one study. `run` may be called from several threads at once.

    Args:
        sandbox: Where they run; started.
        code: Where their models are.
        config: The study's configuration.
        task: Description of the task's data, as `write_task_data` returned it.
        threads: Processor threads of one trial.
        artifacts: Directory of the study that receives weights and results.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        code: CodeRepository,
        config: StudyConfig,
        *,
        task: Mapping[str, Any],
        threads: int,
        artifacts: Path,
    ) -> None:
        self._sandbox = sandbox
        self._code = code
        self._config = config
        self._task = task
        self._threads = threads
        self._artifacts = artifacts

    def request(self, trial: TrialRecord) -> dict[str, Any]:
        """Return the job request of a trial: a function of the trial and the study, so that it can be made again."""
        architecture = Architecture.from_json(trial.architecture)
        training = TrainingConfig.from_dict(
            {
                "tokens": trial.fidelity_tokens,
                "batch_size": self._config.batch_size,
                "wall_s": self._config.trial_minutes * 60,
                **architecture.training,
            }
        )
        return {
            "kind": "trial",
            "seed": trial.seed,
            "threads": self._threads,
            "device": "auto",
            "task": dict(self._task),
            "training": training.to_dict(),
            "expected_params": trial.params,
        }

    def run(
        self,
        trial: TrialRecord,
        *,
        cancel: threading.Event,
        on_metrics: Callable[[dict[str, Any]], None] | None = None,
        keep: Path | None = None,
        known: Mapping[str, str] | None = None,
    ) -> TrialOutcome | None:
        """Verify and train a trial's model.

        Args:
            trial: A trial whose code is committed.
            cancel: When set, the work is killed.
            on_metrics: Called with each row of the loss curve as it appears.
            keep: Directory for what the job leaves; by default one of the study's artifacts, named by trial number.
            known: Functions that are not trained again: see `known_functions`. By default it is trained whatever it
                computes.

        Returns:
            What to tell the store, or None if it was cancelled.

        Raises:
            SandboxError: If the sandbox itself failed, so that nothing can be said of the trial.
        """
        assert trial.commit is not None
        request = self.request(trial)
        if known:
            request["known_functions"] = dict(known)
        model = self._code.read(trial.commit, "model.py")
        limits = replace(
            trial_limits(self._config, self._threads),
            # The training loop stops by itself at its own limit; this one is for a model that hangs.
            wall_s=self._config.trial_minutes * 60 * 1.2 + 60,
        )
        outcome = self._sandbox.run(
            Job(trial.id, request, {"model.py": model.encode()}),
            limits=limits,
            keep=keep or self._artifacts / str(trial.number),
            cancel=cancel,
            on_metrics=on_metrics,
        )
        if outcome.exit is Exit.KILLED and cancel.is_set():
            return None
        told = trial_outcome(outcome, request)
        return replace(told, environment={**told.environment, "neuramosaic": code_version()})
