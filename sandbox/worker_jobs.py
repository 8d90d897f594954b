"""What the worker does for each kind of job. Each fills in the result, so that an exception leaves what was known.

The ladder is written down rung by rung: where the code ends its process, the host learns during which check.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from neuramosaic.components.counting import count_on_meta
from neuramosaic.errors import InvalidValueError
from neuramosaic.tasks.files import read_split
from neuramosaic.training.config import TrainingConfig
from neuramosaic.training.data import TrainingData, fixed_batches
from neuramosaic.training.determinism import torch_stream
from neuramosaic.training.loop import train
from neuramosaic.training.weights import save_weights
from neuramosaic.verify.audit import audit
from neuramosaic.verify.ladder import verify_component, verify_model
from neuramosaic.verify.report import VerificationReport
from sandbox.worker_result import write_result

JOB_KINDS = ("trial", "verify_model", "verify_component", "count_component", "script")
#: Generated code is imported under this name, whatever its file is called.
MODULE_NAME = "neuramosaic_subject"


class Job:
    """A request, its directories, and what every kind of job has in common.

    Args:
        root: Directory with `in`, `data` and `out`.
        request: Parsed `job.json`.

    Raises:
        InvalidValueError: If a field is not valid; names it.
        KeyError: If one is missing.
    """

    def __init__(self, root: Path, request: Mapping[str, Any]) -> None:
        self.inputs, self.data, self.out = root / "in", root / "data", root / "out"
        self.request = request
        self.kind: str = request["kind"]
        if self.kind not in JOB_KINDS:
            raise InvalidValueError("job.kind", self.kind, f"one of {list(JOB_KINDS)}")
        self.seed: int = request["seed"]
        self.threads: int = request["threads"]
        if type(self.threads) is not int or self.threads < 1:
            raise InvalidValueError("job.threads", self.threads, "a whole number of at least 1")
        name = request.get("device", "auto")
        if name not in ("auto", "cpu", "cuda"):
            raise InvalidValueError("job.device", name, "one of ['auto', 'cpu', 'cuda']")
        self.device = torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
        if name == "cuda" and self.device.type != "cuda":
            raise InvalidValueError("job.device", name, "'cpu' or 'auto': there is no CUDA device here")


def run_trial(job: Job, result: dict[str, Any]) -> None:
    """Verify the model and, if it passed, train it, audit what came out, and keep its weights."""
    verify_model_job(job, result)
    if not result["verification"]["passed"]:
        return
    task = job.request["task"]
    data = TrainingData(
        train=read_split(job.data, task["splits"]["train"]),
        val=read_split(job.data, task["splits"]["val"]),
        vocab_size=task["vocab_size"],
        sequence_length=task["sequence_length"],
        byte_level=task["byte_level"],
    )
    config = TrainingConfig.from_dict(job.request["training"])
    with torch_stream(job.seed, "initialisation"):
        model = _build_model(job)
    with (job.out / "metrics.jsonl").open("w", buffering=1) as lines:
        outcome = train(
            model,
            data,
            config,
            seed=job.seed,
            device=job.device,
            on_metrics=lambda row: print(json.dumps(row, allow_nan=False), file=lines),
        )
    result["training"] = outcome.to_json()
    if outcome.stopped != "diverged":
        windows = fixed_batches(data.val, data.sequence_length, 1, device=job.device)[0]
        result["audit"] = audit(model, windows, data.vocab_size, seed=job.seed).to_json()
        save_weights(model.to("cpu"), job.out / "weights.safetensors")


def verify_model_job(job: Job, result: dict[str, Any]) -> None:
    """Climb the ladder with model.py."""
    task = job.request["task"]
    report = verify_model(
        lambda: _build_model(job),
        vocab_size=task["vocab_size"],
        sequence_length=task["sequence_length"],
        seed=job.seed,
        expected_params=job.request.get("expected_params"),
        source=(job.inputs / "model.py").read_text(),
        on_rung=partial(_note, job, result),
    )
    _note(job, result, report)


def verify_component_job(job: Job, result: dict[str, Any]) -> None:
    """Climb the ladder with the class `class_name` of component.py."""
    path = job.inputs / "component.py"
    hyperparameters = dict(job.request["hyperparameters"])

    def make(d_model: int, **parts: nn.Module) -> nn.Module:
        made = getattr(load_module(path), job.request["class_name"])
        component: nn.Module = made(d_model, **parts, **hyperparameters)
        return component

    report = verify_component(
        make,
        slot=job.request["slot"],
        seed=job.seed,
        expected_params=job.request.get("expected_params"),
        source=path.read_text(),
        cost=job.request.get("cost"),
        claimed=job.request.get("properties"),
        on_rung=partial(_note, job, result),
    )
    _note(job, result, report)


def count_component_job(job: Job, result: dict[str, Any]) -> None:
    """Count the parameters of the class `class_name` of component.py, for each of `settings` at each of `widths`.

    Those of a modulator are counted around a block that has none.
    """
    parts = {"block": nn.Identity()} if job.request["slot"] == "modulator" else {}
    component = getattr(load_module(job.inputs / "component.py"), job.request["class_name"])

    def count(width: int, setting: Mapping[str, Any]) -> int:
        try:
            return count_on_meta(lambda: component(width, **parts, **setting))
        except Exception:  # noqa: BLE001 - it may need values, which the meta device has none of
            return sum(parameter.numel() for parameter in component(width, **parts, **setting).parameters())

    result["counts"] = [[count(width, item) for width in job.request["widths"]] for item in job.request["settings"]]


def load_module(path: Path) -> ModuleType:
    """Import a file under `MODULE_NAME`, once."""
    if MODULE_NAME in sys.modules:
        return sys.modules[MODULE_NAME]
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses looks its module up while the class is being made.
    sys.modules[MODULE_NAME] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[MODULE_NAME]
        raise
    return module


def _note(job: Job, result: dict[str, Any], report: VerificationReport) -> None:
    """Put a report into the result, and write that down."""
    result["verification"] = report.to_json()
    write_result(job.out, result)


def _build_model(job: Job) -> nn.Module:
    module = load_module(job.inputs / "model.py")
    task = job.request["task"]
    model: nn.Module = module.Model(
        module.Config(vocab_size=task["vocab_size"], sequence_length=task["sequence_length"])
    )
    return model
