"""Export of a trial: a folder that stands on its own."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from neuramosaic.errors import NotFoundError, UsageError
from neuramosaic.store.code import CodeRepository
from neuramosaic.store.store import Store

WEIGHTS = "weights.safetensors"


def export_trial(store: Store, trial: str, workspace: Path, directory: Path) -> list[Path]:
    """Write a trial's `model.py`, `weights.safetensors`, `config.json` and a README whose commands run.

    Args:
        store: Store of the workspace.
        trial: Id of a COMPLETE trial.
        workspace: Directory of the workspace.
        directory: Where to write; made if absent, and refused if it holds anything.

    Returns:
        The files written.

    Raises:
        NotFoundError: If there is no such trial, or its weights are gone.
        UsageError: If the trial is not COMPLETE, or the directory is not empty.
    """
    record = store.trial(trial)
    if record.val_loss is None or record.commit is None:
        raise UsageError(f"trial {trial} is {record.state}: only a COMPLETE trial can be exported")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is not an empty directory: name one that is, or that does not exist yet")
    weights = workspace / "artifacts" / record.study / str(record.number) / WEIGHTS
    if not weights.is_file():
        raise NotFoundError("weights of trial", trial)
    study = store.study(record.study)
    source = CodeRepository(workspace / "code").read(record.commit, "model.py")
    config = {**record.to_json(), "architecture": record.architecture, "architecture_id": record.architecture_id}
    templates = Environment(
        loader=PackageLoader("graph", "templates"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    readme = templates.get_template("export.md.j2").render(trial=record, study=study, weights=WEIGHTS)
    texts = {"model.py": source, "config.json": json.dumps(config, indent=2) + "\n", "README.md": readme}
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}-") as partial:
        draft = Path(partial) / "draft"
        draft.mkdir()
        for name, text in texts.items():
            (draft / name).write_text(text, encoding="utf-8")
        shutil.copyfile(weights, draft / WEIGHTS)
        draft.replace(directory)  # whole, or not at all
    return [*(directory / name for name in texts), directory / WEIGHTS]
