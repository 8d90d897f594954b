"""The generated model.py: runs by itself, is what its header says, is formatted, and is the same every time."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neuramosaic.codegen import generate
from neuramosaic.components.counting import count_parameters
from neuramosaic.components.registry import Catalogue, catalogue
from neuramosaic.components.spec import ComponentSpec, CostClass, Provenance, Slot
from neuramosaic.errors import CodegenError
from neuramosaic.space.architecture import Architecture, Block, Choice
from neuramosaic.space.domains import Float, Integer

CATALOGUE = catalogue()
RUFF = shutil.which("ruff", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


def choice(slot: str, name: str, **hyperparameters: Any) -> Choice:
    return Choice(name, {**CATALOGUE.get(slot, name).defaults(), **hyperparameters})


def random_architecture(index: int) -> Architecture:
    """Every component turns up within a few indices, and every hyper-parameter is drawn."""
    rng = np.random.default_rng(index)

    def pick(slot: str, offset: int = 0) -> Choice:
        specs = CATALOGUE.slot(slot)
        spec = specs[(index + offset) % len(specs)]
        return Choice(spec.name, {item.name: item.sample(rng) for item in spec.hyperparameters})

    def block(offset: int) -> Block:
        modulator = pick("modulator") if rng.random() < 0.3 else None
        return Block(pick("mixer", offset), pick("channel", offset), pick("norm", offset), modulator)

    return Architecture(
        width=int(rng.integers(8, 80)),
        depth=int(rng.integers(1, 7)),
        blocks=tuple(block(offset) for offset in range(int(rng.integers(1, 5)))),
        position=pick("position"),
        residual=pick("residual", index // 4),
        training={"learning_rate": 0.003, "weight_decay": 0.1} if index % 2 else {},
    )


ARCHITECTURES = [random_architecture(index) for index in range(24)]


def baseline(**changes: Any) -> Architecture:
    block = Block(choice("mixer", "attention"), choice("channel", "swiglu"), choice("norm", "rms_norm"))
    plain = Architecture(
        32, 2, (block,), choice("position", "rope"), choice("residual", "pre"), {"learning_rate": 0.003}
    )
    return dataclasses.replace(plain, **changes)


def write(architecture: Architecture, components: Catalogue = CATALOGUE) -> str:
    return generate(architecture, components, vocab_size=61, sequence_length=24)


def load(source: str) -> dict[str, Any]:
    module = types.ModuleType("generated_model")
    sys.modules[module.__name__] = module  # dataclasses look the module of a class up
    exec(compile(source, "model.py", "exec", dont_inherit=True), module.__dict__)
    return module.__dict__


def test_the_random_architectures_use_every_component() -> None:
    used = {name for architecture in ARCHITECTURES for name in architecture.components()}
    assert {f"{spec.slot}:{spec.name}" for spec in CATALOGUE.specs} <= used


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda item: item.label())
def test_model_has_the_counted_parameters_and_any_length_works(architecture: Architecture) -> None:
    source = write(architecture)
    namespace = load(source)
    torch.manual_seed(0)
    model = namespace["Model"](namespace["Config"]())
    built = sum(parameter.numel() for parameter in model.parameters())
    assert built == count_parameters(architecture, CATALOGUE, vocab_size=61, sequence_length=24)
    assert f"{built:,} at vocab_size 61, sequence_length 24" in source
    for shape in ((1, 1), (2, 24), (1, 70)):
        logits = model(torch.randint(61, shape))
        assert logits.shape == (*shape, 61)
        assert logits.isfinite().all()
    logits.square().sum().backward()
    assert model.embed.weight.grad is not None


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda item: item.label())
def test_header_names_architecture_and_components(architecture: Architecture) -> None:
    source = write(architecture)
    header = load(source)["__doc__"]
    assert architecture.id in header
    assert architecture.label() in " ".join(header.split())
    for slot, name in (item.split(":") for item in architecture.components()):
        if slot not in ("position", "residual") and name not in str(
            architecture.to_json()["blocks"][: architecture.depth]
        ):
            continue
        spec = CATALOGUE.get(slot, name)
        assert any(line.split() == [slot, name, spec.version, "arXiv", spec.paper] for line in header.splitlines())


def test_format_and_lint_are_clean(tmp_path: Path) -> None:
    assert RUFF, "ruff is not installed: pip install -e .[dev]"
    for index, architecture in enumerate(ARCHITECTURES):
        (tmp_path / f"model{index}.py").write_text(write(architecture))
    lint = [RUFF, "check", "--isolated", "--no-cache", "--select", "E,F,I", "--line-length", "120", str(tmp_path)]
    form = [RUFF, "format", "--isolated", "--no-cache", "--diff", "--line-length", "120", str(tmp_path)]
    for command in (lint, form):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_same_bytes_in_every_process() -> None:
    code = (
        "import sys, json; from neuramosaic.codegen import generate;"
        "from neuramosaic.components.registry import catalogue;"
        "from neuramosaic.space.architecture import Architecture;"
        "[sys.stdout.write(generate(Architecture.from_json(item), catalogue(), vocab_size=61, sequence_length=24))"
        " for item in json.load(sys.stdin)]"
    )

    wanted = ARCHITECTURES[:8]
    given = json.dumps([item.to_json() for item in wanted])
    environment = {**os.environ, "PYTHONHASHSEED": "20041"}
    done = subprocess.run(
        [sys.executable, "-c", code], input=given, capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "".join(write(item) for item in wanted)


def test_runs_by_itself(tmp_path: Path) -> None:
    """In an empty directory, in isolated mode: nothing of this package is importable but what is installed."""
    (tmp_path / "model.py").write_text(write(baseline()))
    done = subprocess.run([sys.executable, "-I", "model.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    count = count_parameters(baseline(), CATALOGUE, vocab_size=61, sequence_length=24)
    assert done.stdout == f"{count:,} parameters\ntokens (1, 24) -> logits (1, 24, 61)\n"


def test_imports_torch_and_the_standard_library_only() -> None:
    allowed = {"torch", "math", "dataclasses", "collections"}
    for architecture in ARCHITECTURES:
        lines = [line for line in write(architecture).splitlines() if line.startswith(("import ", "from "))]
        assert {line.split()[1].split(".")[0] for line in lines} <= allowed


def test_the_output_head_is_the_embedding() -> None:
    namespace = load(write(baseline()))
    model = namespace["Model"](namespace["Config"]())
    assert 0.9 < model.embed.weight.std() * 32**0.5 < 1.1
    shapes = [tuple(parameter.shape) for parameter in model.parameters() if 61 in parameter.shape]
    assert shapes == [(61, 32)]


def test_the_pattern_is_tiled_over_the_depth() -> None:
    blocks = tuple(
        Block(choice("mixer", mixer), choice("channel", "mlp"), choice("norm", norm))
        for mixer, norm in (("attention", "rms_norm"), ("ssm", "layer_norm"), ("gated_conv", "dyt"))
    )
    source = write(baseline(blocks=blocks, depth=5))
    namespace = load(source)
    model = namespace["Model"](namespace["Config"]())
    names = [type(block.mixer).__name__ for block in model.blocks]
    assert names == ["Attention", "SSM", "GatedConv", "Attention", "SSM"]
    assert type(model.norm).__name__ == "LayerNorm"  # that of the last block
    assert model.blocks[3].mixer.position is model.position


def test_only_what_is_used_is_written_and_each_class_once() -> None:
    source = write(baseline(depth=6))
    assert "class ALiBi" not in source
    assert all(source.count(f"class {name}(") == 1 for name in ("Attention", "SwiGLU", "RMSNorm", "RoPE", "PreNorm"))
    assert "import math" in source
    assert "import math" not in write(baseline(blocks=(Block(choice("mixer", "gated_conv"), *_rest()),)))


def _rest() -> tuple[Choice, Choice]:
    return choice("channel", "swiglu"), choice("norm", "rms_norm")


@pytest.mark.parametrize("name", ["rope", "learned", "none"])
def test_positions_enter_where_they_belong(name: str) -> None:
    source = write(baseline(position=choice("position", name)))
    assert ("position=position" in source) == (name == "rope")
    assert ("self.position(self.embed(tokens))" in source) == (name != "none")
    assert "class NoPosition" not in source


TAMPERED = [
    ({"width": 4}, "width: 4"),
    ({"width": True}, "width: True"),
    ({"depth": 0}, "depth: 0"),
    ({"blocks": ()}, "blocks: 0 blocks"),
    ({"position": Choice("ropes")}, "position: unknown position 'ropes': did you mean 'rope'?"),
    ({"residual": Choice("pre", {"scale": 2})}, "residual: residual 'pre': unknown option 'scale'"),
    ({"training": {'x"""\nimport os': 1}}, "training: "),
    ({"training": {"learning_rate": float("nan")}}, "training: 'learning_rate'"),
    ({"blocks": (Block(Choice("attention", {"heads": 4}), *_rest()),)}, "blocks[0].mixer.kv_heads: is missing"),
    (
        {"blocks": (Block(choice("mixer", "attention", heads="4); import os"), *_rest()),)},
        "blocks[0].mixer: heads: '4); import os' is not valid",
    ),
    (
        {"blocks": (Block(choice("mixer", "ssm"), *_rest(), Choice("bottom_up")),)},
        "blocks[0].modulator: unknown modulator 'bottom_up'",
    ),
]


@pytest.mark.parametrize(("changes", "message"), TAMPERED, ids=[message for _, message in TAMPERED])
def test_a_tampered_architecture_is_refused_by_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CodegenError) as caught:
        write(baseline(**changes))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value).replace("\\n", "")


def test_sizes_are_checked() -> None:
    with pytest.raises(CodegenError, match="vocab_size: 0"):
        generate(baseline(), CATALOGUE, vocab_size=0, sequence_length=8)
    with pytest.raises(CodegenError, match=r"sequence_length: 8\.5"):
        generate(baseline(), CATALOGUE, vocab_size=8, sequence_length=8.5)  # type: ignore[arg-type]


def designed(source: str, **fields: Any) -> Catalogue:
    spec = ComponentSpec(
        "echo", Slot.MIXER, "Echo", "For tests", source, cost=CostClass.LINEAR, provenance=Provenance.DESIGNED, **fields
    )
    return Catalogue([*CATALOGUE.specs, spec])


def echo(**hyperparameters: Any) -> Architecture:
    block = Block(Choice("echo", hyperparameters), *_rest())
    return baseline(blocks=(block, *baseline().blocks), depth=2)


CLASHING = '''"""A mixer whose names are taken: by a class of the catalogue, by the model, and by an import."""

from __future__ import annotations

import math as nn_math

from torch import Tensor, nn

WIDTH = 3  # of the window
DEPTH = nn_math.floor(1.5)


def make_block(x: Tensor) -> Tensor:
    """Shift by one: é is two bytes."""
    return x.roll(DEPTH, 1)


class RMSNorm(nn.Module):
    """Halves; not the one of the catalogue."""

    def forward(self, x: Tensor) -> Tensor:
        return x / 2


class Unused(nn.Module):
    pass


class Echo(nn.Module):
    """Echoes."""

    def __init__(self, d_model: int, scale: float = 1.0, steps: int = 1):
        super().__init__()
        self.é, self.norm, self.weight = WIDTH, RMSNorm(), nn.Linear(d_model, d_model)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.weight(make_block(self.norm(x)))
'''


def test_components_with_clashing_names_stand_side_by_side() -> None:
    hyperparameters = (Float("scale", 0.5, 2.0), Integer("steps", 1, 3))
    source = write(echo(scale=1.25, steps=2), designed(CLASHING, hyperparameters=hyperparameters))
    assert "mixer=Echo(WIDTH, scale=1.25, steps=2)" in source
    assert "class Unused" not in source
    assert "designed" in source
    assert "parameters  " not in source  # the code of a designed component is never executed to be counted
    namespace = load(source)
    model = namespace["Model"](namespace["Config"]())
    mixer = model.blocks[0].mixer
    assert (mixer.é, namespace["WIDTH"], namespace["DEPTH"], namespace["DEPTH2"]) == (3, 32, 2, 1)
    x = torch.ones(1, 1, 32)
    torch.testing.assert_close(mixer.norm(x), x / 2)
    torch.testing.assert_close(model.blocks[0].mixer_norm(2 * x), x)
    assert model(torch.zeros(1, 4, dtype=torch.int64)).isfinite().all()


SHARING = """from torch import nn


def twice(x):
    return 2 * x


class Name(nn.Module):
    def __init__(self, d_model):
        super().__init__()

    def forward(self, x):
        return twice(x)
"""


def test_what_two_components_share_is_written_once() -> None:
    specs = [
        ComponentSpec(
            name.lower(), slot, name, "For tests", SHARING.replace("Name", name), provenance=Provenance.DESIGNED
        )
        for slot, name in ((Slot.MIXER, "Echo"), (Slot.CHANNEL, "Chorus"))
    ]
    block = Block(Choice("echo"), Choice("chorus"), choice("norm", "rms_norm"))
    assert write(baseline(blocks=(block,)), Catalogue([*CATALOGUE.specs, *specs])).count("def twice") == 1


BAD_SOURCES = [
    ("class Echo(", "its source does not parse"),
    ("from torch import nn\n\nclass Other(nn.Module): ...\n", "defines no class 'Echo'"),
    ("import numpy as np\n\nclass Echo: ...\n", "line 1: imports 'numpy': a component imports torch only"),
    ("from .attention import Attention\n\nclass Echo(Attention): ...\n", "line 1: import modules by their full names"),
    ("from torch import *\n\nclass Echo: ...\n", "line 1: import modules by their full names"),
    ("import os\n\nprint('hello')\n\nclass Echo: ...\n", "line 3: only imports, constants, functions and classes"),
    ("from torch import nn as F\n\nclass Echo(F.Module): ...\n", "imports as 'F' what others do not"),
    (
        "DEPTH = 1\n\ndef f(DEPTH):\n    return DEPTH\n\nclass Echo:\n    d = f(DEPTH)\n",
        "'DEPTH' is a top-level name that another component has too",
    ),
]


@pytest.mark.parametrize(("source", "message"), BAD_SOURCES, ids=[message for _, message in BAD_SOURCES])
def test_a_source_that_cannot_be_used_is_refused(source: str, message: str) -> None:
    with pytest.raises(CodegenError) as caught:
        write(echo(), designed(source))
    assert message in str(caught.value)
    assert "mixer 'echo'" in str(caught.value) or "'F'" in str(caught.value)


def test_every_pair_of_residual_and_norm_gives_a_model() -> None:
    for residual, norm in itertools.product(CATALOGUE.slot("residual"), CATALOGUE.slot("norm")):
        block = Block(choice("mixer", "gated_conv"), choice("channel", "mlp"), choice("norm", norm.name))
        namespace = load(write(baseline(blocks=(block,), residual=choice("residual", residual.name))))
        logits = namespace["Model"](namespace["Config"]())(torch.zeros(1, 3, dtype=torch.int64))
        assert logits.isfinite().all()
