"""The recall task is learned by a two-layer attention model of width 64 in well under a minute on one core."""

import dataclasses
import math
import sys
import types

import numpy as np
import pytest
import torch

from neuramosaic.codegen.generate import generate
from neuramosaic.components.registry import catalogue
from neuramosaic.components.spec import Slot
from neuramosaic.tasks.registry import create_task
from neuramosaic.training.config import TrainingConfig
from neuramosaic.training.data import TrainingData
from neuramosaic.training.determinism import torch_stream
from neuramosaic.training.loop import train
from neuramosaic.verify.catalogue import model_around


@pytest.mark.slow
def test_attention_learns_recall(monkeypatch):
    task = create_task("recall").load(np.random.default_rng(0))
    data = TrainingData(task.splits["train"], task.splits["val"], task.vocab_size, task.sequence_length)
    known = catalogue()
    spec = known.get(Slot.MIXER, "attention")
    architecture = dataclasses.replace(model_around(spec, spec.defaults(), known), width=64)
    source = generate(architecture, known, vocab_size=task.vocab_size, sequence_length=32)
    module = types.ModuleType("recall_model")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(source, module.__dict__)
    with torch_stream(0, "initialisation"):
        model = module.Model(module.Config(task.vocab_size, task.sequence_length))
    config = TrainingConfig(tokens=1_000_000, batch_size=64, learning_rate=3e-3)
    result = train(model, data, config, seed=0, device=torch.device("cpu"))
    assert result.val_loss < 0.05 * math.log(16)
