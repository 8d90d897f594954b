import pytest
import torch

from agents.runner import unused_gpu
from neuramosaic.store.records import TrialOutcome, TrialState


@pytest.mark.parametrize(
    ("device", "host_has_one", "told"),
    [("cpu", True, True), ("cpu", False, False), ("NVIDIA H200", True, False), (None, True, False)],
)
def test_a_gpu_that_a_sandbox_does_not_see_is_told(device, host_has_one, told, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: host_has_one)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "NVIDIA H200")
    environment = {"backend": "bubblewrap"} | ({"device": device} if device else {})
    line = unused_gpu(TrialOutcome(TrialState.COMPLETE, {"val_loss": 1.0}, environment=environment))
    assert (line is not None) == told
    assert line is None or ("NVIDIA H200" in line and "bubblewrap" in line)
