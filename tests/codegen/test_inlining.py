"""Building blocks written into components: which, with what, and that the result can go into a model."""

from __future__ import annotations

import ast

import pytest

from neuramosaic.codegen.assembly import assemble
from neuramosaic.codegen.inlining import block_names, block_signature, inline_blocks
from neuramosaic.codegen.source import read_source
from neuramosaic.components.spec import ComponentSpec, Provenance, Slot
from neuramosaic.errors import CodegenError


def component(body: str, name: str = "Mixed", before: str = "") -> str:
    return f'''"""Mixes."""

{before}
class {name}(nn.Module):
    def __init__(self, d_model):
        super().__init__()
        self.linear = nn.Linear(d_model, d_model)

    def forward(self, x):
        {body}
'''


def spec(source: str, name: str = "mixed", class_name: str = "Mixed") -> ComponentSpec:
    return ComponentSpec(
        slot=Slot.MIXER,
        name=name,
        class_name=class_name,
        summary="Mixes",
        source=source,
        provenance=Provenance.OWN,
    )


def defined(source: str) -> list[str]:
    return [node.name for node in ast.parse(source).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]


def test_only_what_is_used_is_inlined_with_its_imports() -> None:
    source = inline_blocks(component("return self.linear(shift(x))"))
    assert defined(source) == ["shift", "Mixed"]
    assert "import torch.nn.functional as F" in source
    assert "from torch import Tensor, nn" in source
    assert "import math" not in source
    assert source.startswith('"""Mixes."""\n')


def test_a_block_brings_the_blocks_and_constants_that_it_needs() -> None:
    source = inline_blocks(component("return merge_heads(kernel_attention(x, x, x))"))
    assert defined(source) == [
        "chunked_recurrence", "merge_heads", "matrix_scan", "delta_scan", "kernel_attention", "Mixed",
    ]  # fmt: skip
    assert "CHUNK = 32" in source
    assert "import math" in source


@pytest.mark.parametrize("name", block_names())
def test_every_block_can_go_into_a_model(name: str) -> None:
    source = inline_blocks(component(f"return {name}(x)"))
    known = {item.bound for item in read_source(spec(source)).imports} | set(defined(source))
    assert {item.name for item in read_source(spec(source)).definitions} >= {name, "Mixed"}
    assert known >= {"nn", "Tensor"}
    assert "neuramosaic" not in source


def test_a_definition_of_its_own_wins() -> None:
    source = inline_blocks(component("return shift(x)", before="def shift(x):\n    return x\n\n"))
    assert defined(source) == ["shift", "Mixed"]
    assert "F.pad" not in source


def test_what_only_an_overridden_block_needs_is_left_out() -> None:
    own = "def matrix_scan(q, k, v):\n    return q\n\n"
    assert defined(inline_blocks(component("return matrix_scan(x, x, x)", before=own))) == ["matrix_scan", "Mixed"]


@pytest.mark.parametrize(
    "body", ["shift = self.linear(x)\n        return shift", "return (lambda shift: shift)(x)", "return x.shift"]
)
def test_a_variable_of_a_blocks_name_is_no_block(body: str) -> None:
    assert defined(inline_blocks(component(body))) == ["Mixed"]


def test_comments_and_decorators_stay() -> None:
    before = "# how many\nSTEPS = 2\n\n# why\n@torch.no_grad()\ndef own(x):\n    return x\n\n"
    source = inline_blocks(component("return own(x) * STEPS", before=before))
    assert "# how many\nSTEPS = 2" in source
    assert "# why\n@torch.no_grad()\ndef own" in source
    assert "import torch\n" in source


def test_unused_imports_are_left_out() -> None:
    source = inline_blocks(component("return x", before="from __future__ import annotations\nimport os\n\n"))
    assert "import os" not in source
    assert "from __future__ import annotations" in source


def test_imports_are_brought_to_the_form_that_others_have() -> None:
    before = "from torch.nn import functional as F\nimport torch.nn as nn\n\n"
    source = inline_blocks(component("return F.relu(shift(x))", before=before))
    assert "import torch.nn.functional as F\nfrom torch import Tensor, nn\n" in source
    assert "from torch.nn" not in source


def test_unknown_names_are_left_to_the_ladder() -> None:
    assert "nowhere(x)" in inline_blocks(component("return nowhere(x)"))


def test_code_that_does_not_parse_is_named_by_its_line() -> None:
    with pytest.raises(CodegenError, match="line 2: the code does not parse"):
        inline_blocks("import torch\nclass A(:\n")


def test_a_name_that_a_block_needs_for_something_else_is_refused() -> None:
    with pytest.raises(CodegenError, match="imports something else as math"):
        inline_blocks(component("return causal_softmax(math.sqrt(x))", before="import cmath as math\n\n"))


def test_two_components_share_the_block_that_both_inline() -> None:
    one = spec(inline_blocks(component("return shift(x)")))
    other = spec(inline_blocks(component("return shift(x) + running_mean(x)", "Other")), "other", "Other")
    text = "\n\n\n".join(assemble([one, other], [], ["Model"]).sections)
    assert text.count("def shift(") == 1
    assert text.count("shift(x)") == 2
    assert sorted(defined(text)) == ["Mixed", "Other", "causal_conv", "running_mean", "shift"]


def test_a_block_is_shown_by_its_signature() -> None:
    assert block_signature("shift").startswith("shift(x: Tensor, steps: int=1): Return x_(t - steps)")
