from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from neuramosaic.store.records import TrialState
from sandbox.base import Exit, Outcome
from sandbox.outcome import TrialFailure, TrialResult, read_trial_result, trial_outcome

NO_TENSORS = (2).to_bytes(8, "little") + b"{}"
REQUEST = {"kind": "trial", "seed": 3, "threads": 1, "training": {"tokens": 4096}, "expected_params": 300}
PASSED = {"passed": True, "checks": [{"name": "contract", "passed": True, "message": "", "seconds": 0.1}]}
TRAINING = {
    "val_loss": 1.5,
    "val_bits_per_byte": 2.16,
    "val_perplexity": 4.48,
    "train_loss": 1.4,
    "tokens": 4096,
    "steps": 4,
    "seconds": 2.0,
    "tokens_per_second": 2048.0,
    "flops": 1e9,
    "peak_memory_bytes": 1000,
    "params": 300,
    "stopped": "finished",
}
AUDIT = {"passed": True, "checks": [{"name": "audit_leak", "passed": True, "message": "", "seconds": 0.1}]}
RESULT = {"verification": PASSED, "training": TRAINING, "audit": AUDIT, "environment": {"torch": "2.9"}}


def ended(folder: Path, content: object, exit_: Exit = Exit.FINISHED, **fields: Any) -> Outcome:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / "result.json").write_bytes(data)
    (folder / "weights.safetensors").write_bytes(NO_TENSORS)
    files = {"result.json": len(data), "weights.safetensors": len(NO_TENSORS)}
    code = 0 if exit_ is Exit.FINISHED else 1
    return Outcome("docker", exit_, code, 3.0, files=files, directory=folder, **fields)


def test_a_complete_trial(tmp_path: Path) -> None:
    told = trial_outcome(ended(tmp_path, RESULT, image="sha256:1"), REQUEST)
    assert told.state is TrialState.COMPLETE
    assert told.reason == ""
    assert told.metrics == {
        "val_loss": 1.5,
        "val_bits_per_byte": 2.16,
        "val_perplexity": 4.48,
        "train_loss": 1.4,
        "tokens_per_second": 2048.0,
    }
    assert (told.params, told.cost_flops, told.peak_memory_bytes, told.seconds) == (300, 1e9, 1000, 3.0)
    assert told.environment == {"torch": "2.9", "backend": "docker", "image": "sha256:1", "seed": 3, "threads": 1}
    assert told.verification == tuple(PASSED["checks"] + AUDIT["checks"])


FUNCTION = "f1:" + ",".join(f"{number}.500000e-01" for number in range(1, 10)) + ",1.000000e+00" * 8
OTHER = FUNCTION.replace("2.5", "2.6", 1)


def test_a_function_that_the_request_knows_prunes_the_trial(tmp_path: Path) -> None:
    untrained = {"verification": PASSED, "training": None, "function": FUNCTION, "environment": {}}
    request = REQUEST | {"known_functions": {OTHER: "recall-1.2", FUNCTION: "recall-1.7"}}
    told = trial_outcome(ended(tmp_path, untrained), request)
    assert told.state is TrialState.PRUNED
    assert told.reason == "computes the same function as trial 7, with the same training numbers"
    assert (told.duplicate_of, told.function, told.metrics) == ("recall-1.7", FUNCTION, {})


@pytest.mark.parametrize("known", [{}, {"known_functions": {OTHER: "recall-1.2"}}])
def test_a_job_cannot_call_itself_known(tmp_path: Path, known: dict[str, Any]) -> None:
    untrained = {"verification": PASSED, "training": None, "function": FUNCTION}
    told = trial_outcome(ended(tmp_path, untrained), REQUEST | known)
    assert (told.state, told.reason, told.duplicate_of) == (TrialState.FAILED, "result.json has no training", None)


def test_the_function_of_a_complete_trial_is_kept(tmp_path: Path) -> None:
    told = trial_outcome(ended(tmp_path, RESULT | {"function": FUNCTION}), REQUEST)
    assert (told.state, told.function, told.duplicate_of) == (TrialState.COMPLETE, FUNCTION, None)


def test_a_model_that_fails_verification_is_no_duplicate(tmp_path: Path) -> None:
    failed = {"passed": False, "checks": [{"name": "causal", "passed": False, "message": "leak", "seconds": 0.1}]}
    request = REQUEST | {"known_functions": {FUNCTION: "recall-1.7"}}
    told = trial_outcome(ended(tmp_path, {"verification": failed, "function": FUNCTION}), request)
    assert (told.state, told.duplicate_of) == (TrialState.FAILED, None)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"training": NaN}', "NaN is not finite"),
        (json.dumps(RESULT).replace("1.5", "1e999").encode(), "1e999 is not finite"),
        (json.dumps(RESULT).replace("1.5", "-Infinity").encode(), "-Infinity is not finite"),
        (b'{"training": null, "training": null}', "same key twice"),
        (b"[" * 100_000, "not JSON"),
        (b'"' + b"x" * 2**21 + b'"', "more than the 1048576 accepted"),
        ([1], "dictionary"),
        (RESULT | {"extra": 1}, "extra: Extra inputs are not permitted"),
        (RESULT | {"function": "f1:" + "9" * 500}, "function: String should match pattern"),
        (RESULT | {"function": FUNCTION + "\n"}, "function: String should match pattern"),
        (RESULT | {"training": TRAINING | {"val_loss": "1.5"}}, "training.val_loss"),
        (RESULT | {"training": TRAINING | {"val_loss": -1.0}}, "training.val_loss"),
        (RESULT | {"training": TRAINING | {"steps": True}}, "training.steps"),
        (RESULT | {"training": TRAINING | {"stopped": "won"}}, "training.stopped"),
        (RESULT | {"training": TRAINING | {"params": 10**30}}, "training.params"),
        (RESULT | {"training": TRAINING | {"tokens": 2**62 + 1}}, "training.tokens"),
        (RESULT | {"training": TRAINING | {"flops": 1e301}}, "training.flops"),
        (RESULT | {"training": TRAINING | {"seconds": 10**400}}, "training.seconds"),
        (RESULT | {"environment": {"x": [1]}}, "environment.x"),
        (RESULT | {"environment": {"x": 10**400}}, "environment.x"),
        (RESULT | {"environment": {"x": -1e301}}, "environment.x"),
        (RESULT | {"\x1b[2J": 1}, "\ufffd[2J: Extra inputs"),
    ],
)
def test_anything_else_is_refused_and_fails_the_trial(tmp_path: Path, content: object, reason: str) -> None:
    outcome = ended(tmp_path, content)
    failure = read_trial_result(outcome)
    assert isinstance(failure, TrialFailure)
    assert reason in failure.reason
    told = trial_outcome(outcome, REQUEST)
    assert (told.state, told.metrics, told.reason) == (TrialState.FAILED, {}, failure.reason)


def test_a_result_of_an_earlier_attempt_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps(RESULT))
    failure = read_trial_result(Outcome("docker", Exit.FINISHED, 0, 1.0, directory=tmp_path))
    assert isinstance(failure, TrialFailure)
    assert "it is missing" in failure.reason


def test_a_failed_check_is_the_reason(tmp_path: Path) -> None:
    check = {"name": "causal", "passed": False, "message": "position 3 sees 4: mask the future", "seconds": 0.1}
    outcome = ended(tmp_path, {"verification": {"passed": False, "checks": [*PASSED["checks"], check]}})
    told = trial_outcome(outcome, REQUEST)
    assert told.state is TrialState.FAILED
    assert told.reason == "verification failed at causal: position 3 sees 4: mask the future"
    assert [item["name"] for item in told.verification] == ["contract", "causal"]


def test_a_claim_to_have_passed_is_not_believed_over_its_own_checks(tmp_path: Path) -> None:
    check = {"name": "causal", "passed": False, "message": "no", "seconds": 0.1}
    lie = RESULT | {"verification": {"passed": True, "checks": [check]}}
    assert trial_outcome(ended(tmp_path, lie), REQUEST).state is TrialState.FAILED


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stopped": "diverged"}, "training diverged at step 4"),
        ({"stopped": "wall_limit", "tokens": 2048}, "training reached its wall limit after 2048 of 4096 tokens"),
        ({"val_loss": None}, "the validation loss is not finite"),
        ({"tokens": 1}, "training stopped after 1 of 4096 tokens"),
        ({"params": 299}, "the model trained has 299 parameters instead of 300"),
    ],
)
def test_training_that_did_not_end_well_is_failed(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    told = trial_outcome(ended(tmp_path, RESULT | {"training": TRAINING | change}), REQUEST)
    assert (told.state, told.reason, told.metrics) == (TrialState.FAILED, reason, {})


LEAK = {"name": "audit_leak", "passed": False, "message": "the trained model sees the future", "seconds": 0.1}


@pytest.mark.parametrize(
    ("audit", "reason"),
    [
        (None, "result.json has no audit"),
        ({"passed": True, "checks": []}, "result.json has no audit"),
        ({"passed": False, "checks": [LEAK]}, "audit failed at audit_leak: the trained model sees the future"),
        ({"passed": True, "checks": [LEAK]}, "audit failed at audit_leak: the trained model sees the future"),
    ],
)
def test_a_trained_model_that_did_not_pass_the_audit_is_failed(tmp_path: Path, audit: object, reason: str) -> None:
    told = trial_outcome(ended(tmp_path, RESULT | {"audit": audit}), REQUEST)
    assert (told.state, told.reason, told.metrics) == (TrialState.FAILED, reason, {})


def test_a_killed_job_is_failed_with_the_hosts_reason_whatever_it_left(tmp_path: Path) -> None:
    outcome = ended(tmp_path, RESULT, Exit.OUT_OF_MEMORY, reason="out of memory: more than 2048 MiB")
    told = trial_outcome(outcome, REQUEST)
    assert (told.state, told.reason, told.metrics) == (TrialState.FAILED, "out of memory: more than 2048 MiB", {})


def test_the_exception_of_a_crash_is_the_reason(tmp_path: Path) -> None:
    error = {"type": "RuntimeError", "message": "mat1 and mat2", "traceback": "..."}
    told = trial_outcome(ended(tmp_path, {"verification": PASSED, "error": error}, Exit.ERROR), REQUEST)
    assert told.reason == "RuntimeError: mat1 and mat2"
    (tmp_path / "result.json").unlink()
    crashed = Outcome("docker", Exit.ERROR, 139, 1.0, stderr_tail="Fatal: segfault\n", directory=tmp_path)
    assert trial_outcome(crashed, REQUEST).reason == "exit status 139: Fatal: segfault"


def test_a_trial_without_weights_is_failed(tmp_path: Path) -> None:
    outcome = dataclasses.replace(ended(tmp_path, RESULT), files={"result.json": 1000})
    assert trial_outcome(outcome, REQUEST).reason == "the job left no weights.safetensors"


def test_more_tokens_than_asked_and_any_parameters_where_none_are_expected_are_fine(tmp_path: Path) -> None:
    result = RESULT | {"training": TRAINING | {"tokens": 5000, "params": 7}}
    told = trial_outcome(ended(tmp_path, result), REQUEST | {"expected_params": None})
    assert (told.state, told.params) == (TrialState.COMPLETE, 7)


def test_what_a_job_says_has_no_control_characters_and_a_bounded_length(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x9b2J\r\x7f\x00 a\tb\nc"
    clean = "\ufffd]0;owned\ufffd\ufffd2J\ufffd\ufffd\ufffd a\tb\nc"
    error = {"type": evil, "message": evil, "traceback": evil}
    environment = {evil: evil, "torch": "2.9"}
    outcome = ended(tmp_path, {"verification": PASSED, "environment": environment, "error": error}, Exit.ERROR)
    failure = read_trial_result(outcome)
    assert isinstance(failure, TrialFailure)
    assert failure.reason == f"{clean}: {clean}"
    assert failure.partial.error is not None
    assert failure.partial.error.traceback == clean
    assert failure.partial.environment == {clean: clean, "torch": "2.9"}
    check = {"name": "causal", "passed": False, "message": evil + "x" * 19_000, "seconds": 0.1}
    told = trial_outcome(ended(tmp_path, {"verification": {"passed": False, "checks": [check]}}), REQUEST)
    assert told.verification[0]["message"].startswith(clean + "x")
    assert told.reason.startswith(f"verification failed at causal: {clean}x")
    assert len(told.reason) == 2000
    silent = ended(tmp_path, {"k" * 100_000: 1})
    assert len(trial_outcome(silent, REQUEST).reason) == 2000


def test_odd_weights_fail_the_trial(tmp_path: Path) -> None:
    outcome = ended(tmp_path, RESULT)
    (tmp_path / "weights.safetensors").write_bytes(b"\x80\x04pickle")
    assert trial_outcome(outcome, REQUEST).reason.startswith("weights refused: ")


def test_a_verification_job_has_no_training(tmp_path: Path) -> None:
    result = read_trial_result(ended(tmp_path, {"verification": PASSED}))
    assert isinstance(result, TrialResult)
    assert result.training is None
    assert trial_outcome(ended(tmp_path, {"verification": PASSED}), REQUEST).reason == "result.json has no training"
