"""Training: it learns, repeats itself to the last bit, stops when it should, and counts what it costs."""

import dataclasses
import itertools
import json
import math
import platform

import numpy as np
import pytest
import torch
from torch import nn

from neuramosaic.errors import DataError, InvalidValueError, UnknownOptionError
from neuramosaic.tasks.base import Split
from neuramosaic.training.config import TrainingConfig
from neuramosaic.training.data import EVAL_BATCH_SIZE, TrainingData, fixed_batches, random_batches
from neuramosaic.training.determinism import deterministic_kernels, torch_stream
from neuramosaic.training.flops import flop_counter
from neuramosaic.training.loop import train
from neuramosaic.training.memory import keep_freed_memory, peak_memory_bytes
from neuramosaic.training.optimiser import build_optimiser, learning_rate
from neuramosaic.training.weights import load_weights, save_weights

CPU = torch.device("cpu")
CONFIG = TrainingConfig(tokens=40 * 8 * 16, batch_size=8, learning_rate=1e-2, eval_batches=2)


class Bigram(nn.Module):
    """Token to logits through a tied embedding."""

    def __init__(self, scale: float = 1.0):
        super().__init__()
        self.scale = scale
        self.embed = nn.Embedding(32, 16)
        self.mix = nn.Linear(16, 16)
        self.head = nn.Linear(16, 32, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        return self.scale * self.head(torch.tanh(self.mix(self.embed(tokens))))


@pytest.fixture
def data():
    # Each token is followed by the next one: a bigram model can learn it.
    tokens = (np.arange(4000) % 32).astype(np.uint8)
    return TrainingData(Split(tokens[:3000]), Split(tokens[3000:]), 32, 16, byte_level=True)


def make(seed: int = 0, **settings) -> Bigram:
    with torch_stream(seed, "initialisation"):
        return Bigram(**settings)


def test_it_learns_and_reports(data):
    rows = []
    result = train(make(), data, CONFIG, seed=0, device=CPU, on_metrics=rows.append)
    assert (result.stopped, result.steps, result.tokens) == ("finished", 40, 40 * 8 * 16)
    assert result.val_loss < 0.6 * math.log(32)
    assert [row["step"] for row in rows] == list(range(1, 41))
    assert rows[0]["train_loss"] > rows[-1]["train_loss"]
    assert rows[-1]["val_loss"] == result.val_loss
    assert ["val_loss" in row for row in rows] == [False] * 39 + [True]
    metrics = result.to_json()
    assert metrics["val_bits_per_byte"] == pytest.approx(result.val_loss / math.log(2))
    assert metrics["val_perplexity"] == pytest.approx(math.exp(result.val_loss))
    assert result.params == 32 * 16 + 16 * 16 + 16
    assert result.peak_memory_bytes > 10_000_000
    assert result.tokens_per_second > 0


def test_bits_per_byte_belong_to_bytes(data):
    result = train(make(), dataclasses.replace(data, byte_level=False), CONFIG, seed=0, device=CPU)
    assert "val_bits_per_byte" not in result.to_json()


def test_the_same_seed_gives_the_same_loss_to_the_last_bit(data):
    losses = [train(make(seed), data, CONFIG, seed=seed, device=CPU).val_loss for seed in (3, 3, 4)]
    assert losses[0] == losses[1] != losses[2]


def test_order_of_the_data_and_initialisation_are_separate_streams(data):
    pairs = ((0, 0), (0, 1), (1, 0))
    losses = [train(make(init), data, CONFIG, seed=seed, device=CPU).val_loss for init, seed in pairs]
    assert len(set(losses)) == 3


def test_global_state_is_given_back(data):
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    train(make(), data, CONFIG, seed=0, device=CPU)
    assert torch.equal(torch.rand(2), expected)
    assert not torch.are_deterministic_algorithms_enabled()
    with deterministic_kernels():
        assert torch.are_deterministic_algorithms_enabled()


def test_val_loss_on_the_way(data):
    rows = []
    config = dataclasses.replace(CONFIG, eval_every_tokens=10 * 8 * 16)
    train(make(), data, config, seed=0, device=CPU, on_metrics=rows.append)
    assert [row["step"] for row in rows if "val_loss" in row] == [10, 20, 30, 40]


def test_evaluating_on_the_way_changes_nothing(data):
    often = dataclasses.replace(CONFIG, eval_every_tokens=1)
    assert (
        train(make(), data, often, seed=0, device=CPU).val_loss
        == train(make(), data, CONFIG, seed=0, device=CPU).val_loss
    )


def test_long_trainings_report_at_most_200_times(data):
    rows = []
    config = dataclasses.replace(CONFIG, tokens=500 * 16, batch_size=1)
    train(make(), data, config, seed=0, device=CPU, on_metrics=rows.append)
    assert len(rows) == 167
    assert rows[-1]["step"] == 500


class Blows(Bigram):
    def __init__(self, after: int):
        super().__init__()
        self.left = after

    def forward(self, tokens):
        self.left -= 1
        return super().forward(tokens) * (math.nan if self.left < 0 else 1.0)


def test_a_loss_that_is_not_finite_stops_it(data):
    rows = []
    result = train(Blows(after=5), data, CONFIG, seed=0, device=CPU, on_metrics=rows.append)
    assert (result.stopped, result.steps) == ("diverged", 6)
    assert "val_loss" not in result.to_json()
    json.dumps([result.to_json(), rows], allow_nan=False)


def test_a_val_loss_that_is_not_finite_is_divergence(data):
    result = train(Blows(after=40), data, CONFIG, seed=0, device=CPU)
    assert (result.stopped, result.steps) == ("diverged", 40)


def test_a_loss_that_stays_high_stops_it(data):
    config = dataclasses.replace(CONFIG, learning_rate=50.0, grad_clip=0.0, warmup_fraction=0.0)
    result = train(make(), data, config, seed=0, device=CPU)
    assert result.stopped == "diverged"
    assert result.steps < 40


def test_the_wall_limit_ends_it_with_a_val_loss(data):
    result = train(make(), data, dataclasses.replace(CONFIG, wall_s=1e-6), seed=0, device=CPU)
    assert (result.stopped, result.steps) == ("wall_limit", 1)
    assert math.isfinite(result.val_loss)


def test_only_counted_targets_make_the_loss():
    tokens = np.tile(np.arange(17, dtype=np.uint8), (64, 1))
    weights = np.zeros((64, 16), dtype=np.uint8)
    weights[:, 3] = 1
    split = Split(tokens, weights)
    model = make()
    result = train(model, TrainingData(split, split, 32, 16), CONFIG, seed=0, device=CPU)
    with torch.no_grad():
        logits = model(torch.tensor([[3]]))[0, 0]
    assert result.val_loss == pytest.approx(float(-logits.log_softmax(-1)[4]), rel=1e-4)


def test_flops_of_a_linear_model_are_six_per_weight_and_token(data):
    result = train(make(), data, CONFIG, seed=0, device=CPU)
    assert result.flops == 6 * (16 * 16 + 16 * 32) * result.tokens


def test_fused_attention_on_the_cpu_is_counted():
    q = torch.ones(2, 3, 8, 4, requires_grad=True)
    with flop_counter() as counter:
        torch.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True).sum().backward()
    forward = 2 * (2 * 2 * 3 * 8 * 8 * 4)
    assert counter.get_total_flops() == pytest.approx(3.5 * forward)


@pytest.mark.parametrize(("key_heads", "size"), [(4, 16), (2, 16), (1, 8)])
def test_flops_of_grouped_queries_are_those_of_as_many_keys(key_heads, size):
    query = torch.randn(2, 4, 32, 16, requires_grad=True)
    key, value = torch.randn(2, key_heads, 32, 16), torch.randn(2, key_heads, 32, size)
    with flop_counter() as counter:
        torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=key_heads < 4)
    assert counter.get_total_flops() == 2 * (2 * 4 * 32 * 32) * (16 + size)


def test_fixed_windows_do_not_overlap_and_depend_on_nothing_else():
    split = Split(np.arange(10_001, dtype=np.uint16))
    batches = fixed_batches(split, 10, 2, device=CPU)
    starts = torch.cat([batch.inputs[:, 0] for batch in batches])
    assert len(starts) == 2 * EVAL_BATCH_SIZE
    assert int(starts.diff().min()) >= 10
    assert (int(starts[0]), int(starts[-1])) == (0, 9990)
    for batch in batches:
        assert torch.equal(batch.targets, batch.inputs + 1)


def test_a_short_split_gives_fewer_windows():
    batches = fixed_batches(Split(np.arange(35, dtype=np.uint8)), 10, 4, device=CPU)
    assert [len(batch.inputs) for batch in batches] == [3]
    with pytest.raises(DataError, match="too short"):
        fixed_batches(Split(np.arange(10, dtype=np.uint8)), 10, 4, device=CPU)
    with pytest.raises(DataError, match="do not fit"):
        fixed_batches(Split(np.zeros((4, 5), dtype=np.uint8)), 10, 4, device=CPU)


def test_random_batches_follow_the_generator_and_reach_the_end():
    split = Split(np.arange(12, dtype=np.uint8))
    batch = next(random_batches(split, 10, 200, rng=np.random.default_rng(0), device=CPU))
    again = next(random_batches(split, 10, 200, rng=np.random.default_rng(0), device=CPU))
    assert torch.equal(batch.inputs, again.inputs)
    assert set(batch.inputs[:, 0].tolist()) == {0, 1}
    assert int(batch.targets.max()) == 11


def test_only_matrices_decay():
    groups = build_optimiser(make(), CONFIG).param_groups
    assert [(group["weight_decay"], sorted(item.dim() for item in group["params"])) for group in groups] == [
        (CONFIG.weight_decay, [2, 2]),
        (0.0, [1]),
    ]


def test_learning_rate_warms_up_and_falls_to_the_floor():
    config = TrainingConfig(learning_rate=1.0, min_lr_fraction=0.1, warmup_fraction=0.1)
    rates = [learning_rate(step, 100, config) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    assert rates[10] == 1.0
    assert rates[-1] == pytest.approx(0.1)
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[10:]))
    assert learning_rate(0, 1, config) == 1.0


def test_tied_weights_are_stored_once_and_come_back(tmp_path, data):
    model = make()
    train(model, data, CONFIG, seed=0, device=CPU)
    save_weights(model, tmp_path / "weights.safetensors")
    assert (tmp_path / "weights.safetensors").stat().st_size < 4 * (32 * 16 + 16 * 16 + 16) + 500
    other = make(seed=9)
    load_weights(other, tmp_path / "weights.safetensors")
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), other.parameters(), strict=True))
    assert other.head.weight is other.embed.weight


def test_config_round_trip_and_errors():
    config = TrainingConfig(tokens=5, betas=(0.8, 0.9), wall_s=3.0)
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(UnknownOptionError, match="did you mean 'learning_rate'"):
        TrainingConfig.from_dict({"learning_rates": 1e-3})
    for field, value in (
        ("tokens", 0),
        ("tokens", 1.5),
        ("batch_size", True),
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("weight_decay", -1),
        ("warmup_fraction", 2),
        ("betas", (0.9, 1.0)),
        ("precision", "float16"),
        ("wall_s", 0.0),
    ):
        with pytest.raises(InvalidValueError, match=f"training.{field}"):
            TrainingConfig(**{field: value})


def test_peak_memory_grows_with_what_is_held():
    before = peak_memory_bytes(CPU)
    held = np.ones(before // 2, dtype=np.uint8)
    assert peak_memory_bytes(CPU) > before
    del held


def test_freed_memory_is_kept_where_the_c_library_can(monkeypatch):
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
    monkeypatch.setattr("sys.platform", "darwin")
    assert keep_freed_memory() is False
