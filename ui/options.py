"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_WORKSPACE = Path("workspace")

Workspace = Annotated[
    Path,
    typer.Option(
        "--workspace", "-w", metavar="DIR", envvar="NEURAMOSAIC_WORKSPACE", help="The directory that keeps the studies."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
SandboxName = Annotated[
    str | None,
    typer.Option("--sandbox", metavar="BACKEND", help="Where models run: auto, docker, bubblewrap, process."),
]
StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="A study, such as python-code-1.")]
TrialName = Annotated[str, typer.Argument(metavar="TRIAL", help="A trial, such as python-code-1.12.")]
Trials = Annotated[
    int | None, typer.Option("--trials", "-n", metavar="N", help="Architectures proposed, besides the baseline.")
]
Workers = Annotated[int | None, typer.Option("--workers", metavar="N", help="Trials trained at once.")]
MaxHours = Annotated[
    float | None,
    typer.Option("--max-hours", metavar="H", help="Wall time of the study, in hours."),
]
LLM_PANEL = "Language model"
ModelName = Annotated[
    str | None,
    typer.Option("--model", metavar="MODEL", help="openai: the model, by its name.", rich_help_panel=LLM_PANEL),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url", metavar="URL", help="openai: a compatible server, with its /v1.", rich_help_panel=LLM_PANEL
    ),
]
ModelFile = Annotated[
    Path | None, typer.Option("--gguf", metavar="FILE", help="local: the model.", rich_help_panel=LLM_PANEL)
]
MaxUsd = Annotated[
    float | None,
    typer.Option(
        "--max-usd", metavar="USD", help="The most that it may cost, at list price.", rich_help_panel=LLM_PANEL
    ),
]
MaxLlmTokens = Annotated[
    str | None,
    typer.Option(
        "--max-llm-tokens",
        metavar="COUNT",
        help="The most tokens, in and out, that it may use, such as 500k.",
        rich_help_panel=LLM_PANEL,
    ),
]
