"""The part of model.py that is written for its architecture: config, blocks, model and main."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from neuramosaic.codegen.calls import Call, literal
from neuramosaic.components.registry import Catalogue
from neuramosaic.components.spec import Slot
from neuramosaic.space.architecture import Architecture, Block, Choice

_CONFIG = '''\
@dataclass
class Config:
    """What the task decides."""

    vocab_size: int = {vocab_size}
    sequence_length: int = {sequence_length}
'''

_MAIN = """\
if __name__ == "__main__":
    config = Config()
    model = Model(config)
    tokens = torch.randint(config.vocab_size, (1, config.sequence_length))
    print(f"{sum(parameter.numel() for parameter in model.parameters()):,} parameters")
    print(f"tokens {tuple(tokens.shape)} -> logits {tuple(model(tokens).shape)}")
"""


class ModelWriter:
    """Writes what is particular to one architecture.

    Args:
        architecture: A checked one.
        catalogue: Where its components are found.
        class_names: Under which name each component's class stands in the file.
    """

    def __init__(
        self, architecture: Architecture, catalogue: Catalogue, class_names: Mapping[tuple[Slot, str], str]
    ) -> None:
        self._architecture = architecture
        self._catalogue = catalogue
        self._class_names = class_names
        self._kinds = architecture.blocks[: architecture.depth]
        position = catalogue.get(Slot.POSITION, architecture.position.name)
        self._position = class_names.get((Slot.POSITION, position.name))
        self._is_relative = self._position is not None and bool(position.traits.get("relative", True))

    def config(self, vocab_size: int, sequence_length: int) -> str:
        """Return the dataclass of what the task decides."""
        return _CONFIG.format(vocab_size=vocab_size, sequence_length=sequence_length).rstrip()

    def make_block(self) -> str:
        """Return the function that builds a block of the pattern."""
        kinds = len(self._kinds)
        arguments = ["index: int"] if kinds > 1 else []
        arguments += [f"position: {self._position}"] if self._needs_position() else []
        about = f"Build block `index`; {kinds} kinds take turns." if kinds > 1 else "Build one of the equal blocks."
        lines = [f"def make_block({', '.join(arguments)}) -> nn.Module:", f'    """{about}"""']
        for index, block in enumerate(self._kinds):
            is_last = index == kinds - 1
            if not is_last:
                lines.append(f"    if index % {kinds} == {index}:")
            lines.extend(self._block(block).lines("return ", indent=4 if is_last else 8))
        return "\n".join(lines)

    def model(self) -> str:
        """Return the model class."""
        last = self._kinds[(self._architecture.depth - 1) % len(self._kinds)]
        arguments = ["index"] if len(self._kinds) > 1 else []
        arguments += ["self.position"] if self._needs_position() else []
        index = "index" if len(self._kinds) > 1 else "_"
        position = self._choice(Slot.POSITION, self._architecture.position, "config.sequence_length")
        set_up = [
            "self.embed = nn.Embedding(config.vocab_size, WIDTH)",
            "nn.init.normal_(self.embed.weight, std=WIDTH**-0.5)",
            *(position.lines("self.position = ", indent=0) if self._position else []),
            f"self.blocks = nn.ModuleList(make_block({', '.join(arguments)}) for {index} in range(DEPTH))",
            *self._choice(Slot.NORM, last.norm).lines("self.norm = ", indent=0),
        ]
        embedded = "self.position(self.embed(tokens))" if self._position else "self.embed(tokens)"
        forward = [
            f"x = {embedded}  # (B, T, D)",
            "for block in self.blocks:",
            "    x = block(x)",
            "return F.linear(self.norm(x), self.embed.weight)  # the output head is the embedding",
        ]
        return "\n".join(
            (
                "class Model(nn.Module):",
                '    """Predicts the next token: embedding, blocks, norm, tied output head."""',
                "",
                "    def __init__(self, config: Config):",
                "        super().__init__()",
                textwrap.indent("\n".join(set_up), " " * 8),
                "",
                "    def forward(self, tokens: Tensor) -> Tensor:",
                '        """Return logits, shape (B, T, vocab_size), for `tokens` of shape (B, T)."""',
                textwrap.indent("\n".join(forward), " " * 8),
            )
        )

    def main(self) -> str:
        """Return what `python model.py` does."""
        return _MAIN.rstrip()

    def _needs_position(self) -> bool:
        return any(self._takes_position(block) for block in self._kinds)

    def _takes_position(self, block: Block) -> bool:
        return self._is_relative and self._catalogue.get(Slot.MIXER, block.mixer.name).uses_position

    def _block(self, block: Block) -> Call:
        mixer = self._choice(Slot.MIXER, block.mixer)
        if self._takes_position(block):
            mixer = Call(mixer.function, mixer.positional, {**mixer.keywords, "position": "position"})
        norm = self._choice(Slot.NORM, block.norm)
        parts = {
            "mixer": mixer,
            "channel": self._choice(Slot.CHANNEL, block.channel),
            "norm": Call(f"lambda: {norm.function}", norm.positional, norm.keywords),
        }
        residual = self._choice(Slot.RESIDUAL, self._architecture.residual)
        call = Call(residual.function, residual.positional, {**parts, **residual.keywords})
        if block.modulator is None:
            return call
        modulator = self._choice(Slot.MODULATOR, block.modulator)
        return Call(modulator.function, modulator.positional, {"block": call, **modulator.keywords})

    def _choice(self, slot: Slot, choice: Choice, *arguments: str) -> Call:
        order = self._catalogue.get(slot, choice.name).defaults()
        keywords = {name: literal(choice.hyperparameters[name]) for name in order}
        return Call(self._class_names.get((slot, choice.name), ""), ("WIDTH", *arguments), keywords)
