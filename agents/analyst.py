"""The analyst: says after every result where the study stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neuramosaic.analysis.leaderboard import compare_with_baseline, leaderboard
from neuramosaic.analysis.paired import PairedComparison, paired_comparison
from neuramosaic.store.records import TrialRecord, TrialState


@dataclass(frozen=True)
class Standing:
    """Where a study stands at the highest fidelity that the baseline and another trial have completed.

    Attributes:
        completed: Trials COMPLETE.
        failed: Trials FAILED.
        fidelity_tokens: Tokens of training of what is compared; None before anything is complete.
        best: The best trial at that fidelity, the baseline left out; None if there is none.
        baseline: The baseline at the same fidelity; None if it has not completed there.
        paired: What a comparison over several seeds shows; None in a search.
    """

    completed: int
    failed: int
    fidelity_tokens: int | None = None
    best: TrialRecord | None = None
    baseline: TrialRecord | None = None
    paired: PairedComparison | None = None

    @property
    def gain(self) -> float | None:
        """Val loss of the baseline minus that of the best, nats per token; positive is better. One seed only."""
        if self.best is None or self.baseline is None:
            return None
        assert self.best.val_loss is not None
        assert self.baseline.val_loss is not None
        return self.baseline.val_loss - self.best.val_loss

    def summary(self, unit: str) -> str:
        """Return one line for the journal.

        Args:
            unit: Unit of the loss, such as "nats per byte".
        """
        if self.paired is not None:
            return self.paired.sentence(unit)
        if self.best is None or self.fidelity_tokens is None:
            return f"{self.completed} complete, {self.failed} failed; nothing to compare with the baseline yet"
        text = f"best {self.best.val_loss:.4f} {unit} at {self.fidelity_tokens:,} tokens (trial {self.best.number})"
        if self.gain is not None:
            text += f", {abs(self.gain):.4f} {'below' if self.gain > 0 else 'above'} the baseline"
        return text


class Analyst:
    """Reads all trials of a study and says where it stands."""

    def standing(self, trials: Sequence[TrialRecord]) -> Standing:
        """Compare like with like: at the highest fidelity that both the baseline and another trial have completed."""
        complete = [trial for trial in trials if trial.val_loss is not None]
        failed = sum(trial.state is TrialState.FAILED for trial in trials)
        comparison, paired = compare_with_baseline(trials), paired_comparison(trials)
        if comparison is not None:
            tokens = comparison.fidelity.tokens
            return Standing(len(complete), failed, tokens, comparison.best, comparison.baseline, paired)
        best = next((row.trial for row in leaderboard(trials) if not row.is_baseline), None)
        return Standing(len(complete), failed, best.fidelity_tokens if best else None, best, paired=paired)
