"""The worker as the sandbox starts it: a process of its own on a job directory."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from neuramosaic.tasks.files import write_task_data
from neuramosaic.tasks.registry import create_task
from sandbox.worker import wait_for
from sandbox.worker_result import finite

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 120

MODEL = '''
"""A small sound model."""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Config:
    vocab_size: int
    sequence_length: int


class Model(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embed = nn.Embedding(config.vocab_size, 24)
        self.mix = nn.Linear(48, 24)
        self.norm = nn.LayerNorm(24)

    def forward(self, tokens):
        x = self.embed(tokens)
        before = torch.cat((torch.zeros_like(x[:, :1]), x[:, :-1]), dim=1)
        return self.norm(x + self.mix(torch.cat((x, before), dim=-1))) @ self.embed.weight.T
'''
PARAMS = 33 * 24 + 48 * 24 + 24 + 48


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    directory = tmp_path_factory.mktemp("task")
    data = create_task("recall", train_sequences=500, val_sequences=50).load(np.random.default_rng(0))
    return directory / "search", write_task_data(data, directory)


def start(root, request, files, data=None):
    (root / "in").mkdir(parents=True)
    (root / "out").mkdir()
    if data is not None:
        (root / "data").symlink_to(data)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NEURAMOSAIC_JOB": str(root)}
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "sandbox.worker"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for name, content in files.items():
        (root / "in" / name).write_text(textwrap.dedent(content))
    (root / "in" / "job.json").write_text(json.dumps({"seed": 0, "threads": 1, "device": "cpu", **request}))
    (root / "in" / "ready").touch()
    return process


def run(root, request, files, data=None):
    process = start(root, request, files, data)
    stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    result = root / "out" / "result.json"

    def refuse(constant):
        raise AssertionError(f"{constant} in result.json")

    return (
        process.returncode,
        json.loads(result.read_text(), parse_constant=refuse) if result.exists() else None,
        stdout,
        stderr,
    )


def trial(task, **changes):
    training = {"tokens": 32 * 16 * 20, "batch_size": 16, "learning_rate": 0.01, "eval_batches": 1}
    return {"kind": "trial", "task": task, "training": training, "expected_params": PARAMS, **changes}


def test_a_trial_repeats_itself_to_the_last_bit_and_another_seed_differs(tmp_path, task):
    data, description = task
    losses = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        code, result, _, stderr = run(tmp_path / name, trial(description, seed=seed), {"model.py": MODEL}, data)
        assert code == 0, stderr
        assert result["verification"]["passed"]
        assert result["training"]["stopped"] == "finished"
        losses.append(result["training"]["val_loss"])
    assert losses[0] == losses[1] != losses[2]

    training, out = result["training"], tmp_path / "c" / "out"
    assert result["audit"]["passed"]
    assert [check["name"] for check in result["audit"]["checks"]] == ["audit_leak", "audit_canary"]
    assert (training["steps"], training["tokens"], training["params"]) == (20, 32 * 16 * 20, PARAMS)
    assert {"val_perplexity", "train_loss", "seconds", "tokens_per_second", "flops", "peak_memory_bytes"} <= set(
        training
    )
    assert "val_bits_per_byte" not in training
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 21))
    assert rows[-1]["val_loss"] == training["val_loss"]
    assert sum(tensor.numel() for tensor in load_file(out / "weights.safetensors").values()) == PARAMS
    assert {path.name for path in out.iterdir()} == {"metrics.jsonl", "result.json", "weights.safetensors"}
    environment = result["environment"]
    assert (environment["torch"], environment["threads"], environment["device"]) == (torch.__version__, 1, "cpu")
    assert {"python", "numpy", "cpu", "platform"} <= set(environment)


def test_a_model_that_fails_verification_is_not_trained(tmp_path, task):
    data, description = task
    acausal = MODEL.replace("(torch.zeros_like(x[:, :1]), x[:, :-1])", "(x[:, 1:], torch.zeros_like(x[:, :1]))")
    assert acausal != MODEL
    code, result, _, _ = run(tmp_path / "job", trial(description), {"model.py": acausal}, data)
    assert code == 0
    assert result["training"] is None
    assert not result["verification"]["passed"]
    assert result["verification"]["checks"][-1]["name"] == "causal"
    assert not (tmp_path / "job" / "out" / "metrics.jsonl").exists()


def test_a_forbidden_import_is_found_before_it_runs(tmp_path, task):
    code, result, stdout, _ = run(
        tmp_path / "job",
        {"kind": "verify_model", "task": task[1]},
        {"model.py": "import os\nprint('ran')\n" + MODEL},
    )
    assert code == 0
    assert result["verification"]["checks"] == [
        {
            "name": "import_allow_list",
            "passed": False,
            "message": result["verification"]["checks"][0]["message"],
            "seconds": result["verification"]["checks"][0]["seconds"],
        }
    ]
    assert "'os' is not allowed" in result["verification"]["checks"][0]["message"]
    assert "ran" not in stdout


def test_a_diverged_training_leaves_no_nan(tmp_path, task):
    data, description = task
    request = trial(description)
    request["training"] = {**request["training"], "learning_rate": 900.0, "grad_clip": 0.0, "warmup_fraction": 0.0}
    code, result, _, stderr = run(tmp_path / "job", request, {"model.py": MODEL}, data)
    assert code == 0, stderr
    assert result["training"]["stopped"] == "diverged"
    assert "val_loss" not in result["training"]
    assert not (tmp_path / "job" / "out" / "weights.safetensors").exists()


def test_an_exception_in_training_is_data(tmp_path, task):
    data, description = task
    # Only a full training batch is this large: verification never sees it.
    fragile = MODEL.replace(
        "        x = self.embed(tokens)\n",
        "        if tokens.shape == (16, 32):\n            raise KeyError('boom')\n        x = self.embed(tokens)\n",
    )
    code, result, _, _ = run(tmp_path / "job", trial(description), {"model.py": fragile}, data)
    assert code == 1
    assert result["verification"]["passed"]
    assert result["training"] is None
    assert result["error"]["type"] == "KeyError"
    assert "boom" in result["error"]["message"]
    assert "model.py" in result["error"]["traceback"]


def test_a_component_is_verified_by_itself(tmp_path):
    component = """
        import torch
        from torch import nn

        class Shift(nn.Module):
            def __init__(self, d_model, taps=2):
                super().__init__()
                self.taps = taps
                self.linear = nn.Linear(taps * d_model, d_model)

            def forward(self, x):
                padded = torch.cat((torch.zeros_like(x[:, : 1]).expand(-1, self.taps - 1, -1), x), dim=1)
                views = [padded[:, tap : tap + x.shape[1]] for tap in range(self.taps)]
                return self.linear(torch.cat(views, dim=-1))
    """
    request = {"kind": "verify_component", "slot": "mixer", "class_name": "Shift", "hyperparameters": {"taps": 3}}
    code, result, _, stderr = run(tmp_path / "good", request, {"component.py": component})
    assert code == 0, stderr
    assert result["verification"]["passed"], result["verification"]
    request["hyperparameters"] = {"taps": 1}
    _, result, _, _ = run(tmp_path / "bad", request, {"component.py": component})
    assert result["verification"]["checks"][-1]["name"] == "mixing"


def test_a_script_runs_as_main_and_keeps_its_exit_status(tmp_path):
    script = """
        import sys
        from pathlib import Path

        print(__name__, sys.argv[1:])
        Path("left.txt").write_text("here")
        sys.exit(7)
    """
    code, result, stdout, _ = run(tmp_path / "job", {"kind": "script", "argv": ["a", 1]}, {"script.py": script})
    assert code == 7
    assert result is None
    assert stdout == "__main__ ['a', '1']\n"
    assert (tmp_path / "job" / "out" / "left.txt").read_text() == "here"


def test_a_script_that_raises_ends_with_its_traceback(tmp_path):
    code, _, _, stderr = run(tmp_path / "job", {"kind": "script"}, {"script.py": "raise ValueError('so')\n"})
    assert code == 1
    assert "ValueError: so" in stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [({"kind": "trail"}, "job.kind: 'trail'"), ({"threads": 0}, "job.threads: 0"), ({"device": "tpu"}, "job.device")],
)
def test_a_wrong_job_is_told(tmp_path, task, change, message):
    request = {**trial(task[1]), **change}
    code, result, _, _ = run(tmp_path / "job", request, {"model.py": MODEL})
    assert code == 2
    assert message in result["error"]["message"]


def test_it_gives_up_when_the_process_that_started_it_is_gone(tmp_path, monkeypatch):
    parents = iter([50, 50, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    assert wait_for(tmp_path / "ready", parent=50) is False
    (tmp_path / "ready").touch()
    assert wait_for(tmp_path / "ready", parent=50) is True


def test_what_is_not_finite_becomes_null():
    assert finite({"a": [1.5, float("nan")], "b": float("inf"), "c": "x"}) == {"a": [1.5, None], "b": None, "c": "x"}


def test_a_model_that_looks_ahead_once_it_is_trained_fails_the_audit(tmp_path, task):
    data, description = task
    # Sound in every pass of the ladder: the leak opens when the bias of the norm, which starts at 0, has moved far.
    cheat = MODEL.replace(
        "return self.norm(", "ahead = torch.cat((x[:, 1:], torch.zeros_like(x[:, :1])), dim=1)\n"
        "        if self.norm.bias.abs().mean() > 0.1:\n            x = x + 30 * ahead\n        return self.norm("
    )  # fmt: skip
    request = trial(description, seed=1)
    request["training"] = {**request["training"], "learning_rate": 0.1}
    code, result, _, stderr = run(tmp_path / "cheat", request, {"model.py": cheat}, data)
    assert code == 0, stderr
    assert result["verification"]["passed"], result["verification"]
    assert not result["audit"]["passed"]
    assert not result["audit"]["checks"][0]["passed"]
