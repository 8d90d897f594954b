import hashlib

import pytest

from neuramosaic.study import StudyConfig


def loss_of(job):
    """A loss that depends on the architecture alone, and falls with the tokens of training."""
    digest = hashlib.sha256(job.files["model.py"]).digest()
    return 1.0 + digest[0] / 256 + 1000 / job.request["training"]["tokens"]


def passing(job):
    """What the worker would write for a model that passes and learns."""
    loss = loss_of(job)
    return {
        "verification": {
            "passed": True,
            "checks": [{"name": "contract", "passed": True, "message": "", "seconds": 0.1}],
        },
        "training": {
            "val_loss": loss,
            "val_perplexity": 2.7**loss,
            "train_loss": loss,
            "tokens": job.request["training"]["tokens"],
            "steps": 4,
            "seconds": 0.5,
            "tokens_per_second": 1000.0,
            "flops": 1e9,
            "peak_memory_bytes": 1000,
            "params": job.request["expected_params"],
            "stopped": "finished",
        },
        "audit": {
            "passed": True,
            "checks": [{"name": "audit_leak", "passed": True, "message": "", "seconds": 0.1}],
        },
        "environment": {"python": "3.11", "torch": "2", "threads": 1, "device": "cpu"},
    }


@pytest.fixture
def answer():
    """The script of a sandbox in which every model passes and learns."""
    return passing


@pytest.fixture
def tiny():
    """A study small enough for tests: real task, real space, few tokens."""
    return StudyConfig(
        task="recall",
        params=20_000,
        trials=6,
        sampler="random",
        tokens=2_048,
        rungs=2,
        eta=2,
        batch_size=8,
        workers=1,
        threads=1,
        sandbox="process",
        space={"max_pattern": 1, "depth": (1, 2)},
    )
