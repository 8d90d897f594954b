import io
import json
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from neuramosaic.errors import UsageError
from neuramosaic.space.architecture import Architecture, Block, Choice
from neuramosaic.space.architecture_space import ArchitectureSpace
from ui.diagram import diagram
from ui.reader import Reader
from ui.reproducing import rerun_of, start_rerun
from ui.views.page import Page
from ui.views.trial_output import export_zip

PARTS = ("Architecture", "Curves", "Checks", "Where it came from", "Journal", "Code and weights")
SVG = "{http://www.w3.org/2000/svg}"


def test_it_opens_on_the_leader(show: Any, studied: Path) -> None:
    app = show("trial", studied)
    assert not app.exception
    assert app.number_input(key="trial number").value == 17
    assert app.query_params["trial"] == "text-1.17"


def test_the_address_names_the_trial(show: Any, studied: Path) -> None:
    app = show("trial", studied, study="text-1", trial="text-1.3")
    assert app.subheader[0].value == "text-1.3"
    metric = next(metric for metric in app.metric if metric.label.startswith("Val loss"))
    assert metric.value == "2.0000"
    assert metric.delta == "-0.5000 against the baseline"
    app.number_input(key="trial number").set_value(0).run()
    assert app.subheader[0].value == "text-1.0"
    assert app.query_params["trial"] == "text-1.0"


def test_one_of_the_best_can_be_jumped_to(show: Any, studied: Path) -> None:
    app = show("trial", studied)
    app.selectbox(key="trial jump").select(3).run()
    assert app.subheader[0].value == "text-1.3"


@pytest.mark.parametrize("trial", ["text-1.3", "text-1.5", "text-1.17"])
def test_every_part_is_drawn(trial: str, show: Any, studied: Path) -> None:
    app = show("trial", studied, trial=trial)
    for part in PARTS:
        app.segmented_control(key="trial part").set_value(part).run()
        assert not app.exception, part
        assert not [error for error in app.error if "bug" in error.value], part


def test_the_vector_names_its_dimensions(show: Any, studied: Path, wide_space: ArchitectureSpace) -> None:
    app = show("trial", studied, trial="text-1.0")
    vector = next(frame.value for frame in app.dataframe if "dimension" in frame.value)
    named = dict(zip(vector["dimension"], vector["value"], strict=True))
    assert named["block0.mixer"] == "attention"
    app.toggle(key="inactive dimensions").set_value(True).run()
    vector = next(frame.value for frame in app.dataframe if "dimension" in frame.value)
    assert vector["in [0, 1]"].tolist() == pytest.approx(wide_space.encode(wide_space.baseline()).tolist())


def test_what_failed_is_said_without_markdown(show: Any, studied: Path) -> None:
    app = show("trial", studied, trial="text-1.5")
    (error,) = app.error
    assert "\\<script\\>" in error.value
    assert "**" not in error.value.replace("\\*", "")


def test_the_export_is_a_zip_that_holds_the_code_and_the_weights(studied: Path) -> None:
    page = Page(Reader(studied), "text-1")
    packed = export_zip(page, page.reader.trial("text-1.3"))
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        names = {f"text-1.3/{name}" for name in ("model.py", "weights.safetensors", "config.json", "README.md")}
        assert set(archive.namelist()) == names
        assert archive.read("text-1.3/model.py") == b"import torch\n# model 3\n"


def test_the_lineage_links_to_the_promoted_trial(show: Any, studied: Path) -> None:
    app = show("trial", studied, trial="text-1.3")
    app.segmented_control(key="trial part").set_value("Where it came from").run()
    lineage = next(frame.value for frame in app.dataframe if "promoted from" in frame.value)
    assert list(lineage["trial"]) == ["text-1.3", "text-1.17"]
    assert "Open text-1.17" in [button.label for button in app.button]


def test_a_rerun_is_a_process_whose_answer_is_kept(
    studied: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import subprocess
    import sys

    trial = Reader(studied).trial("text-1.0")
    assert rerun_of(trial, tmp_path) is None
    answer = {"matches": True, "recorded": 2.5, "measured": 2.5, "unit": "nats", "difference": 0.0, "tolerance": 0.0}
    started: list[Any] = []
    begin = subprocess.Popen

    def scripted(command: list[str], **options: Any) -> Any:
        started.append(command)
        waits = f"import sys; sys.stdin = open(0); print({json.dumps(json.dumps(answer))}); open(sys.argv[1]).read()"
        process = begin([sys.executable, "-c", waits, str(pipe)], **options)
        started.append(process)
        return process

    import os

    pipe = tmp_path / "go"
    os.mkfifo(pipe)
    monkeypatch.setattr("ui.reproducing.subprocess.Popen", scripted)
    start_rerun(trial, tmp_path)
    running = rerun_of(trial, tmp_path)
    assert running is not None
    assert running.running
    with pytest.raises(UsageError, match="already"):
        start_rerun(trial, tmp_path)
    with pipe.open("w"):
        pass  # lets it end
    started[1].wait(timeout=60)
    done = rerun_of(trial, tmp_path)
    assert done is not None
    assert (done.running, done.result) == (False, answer)
    assert started[0][2:5] == ["ui.cli", "reproduce", "text-1.0"]


def test_the_diagram_is_well_formed_for_every_topology(wide_space: ArchitectureSpace) -> None:
    base = wide_space.baseline()
    for residual in ("pre", "post", "sandwich", "parallel", "unheard_of"):
        block = Block(Choice("a<b", {"x": 0.5}), Choice("c&d"), Choice('"n"'), Choice("<script>"))
        drawn = Architecture(8, 5, (block, base.blocks[0]), Choice("rope"), Choice(residual, {"k": 2}))
        root = ElementTree.fromstring(diagram(drawn, vocab_size=256))
        texts = [element.text for element in root.iter(f"{SVG}text")]
        assert "a<b" in texts
        assert "inside <script>" in texts
        assert "256 x 8, tied with the output" in texts
        assert any(text and text.startswith("blocks 1, 3, 5 of 5") for text in texts)
        assert {element.tag for element in root.iter()} <= {
            f"{SVG}{tag}" for tag in ("svg", "rect", "text", "path", "circle")
        }
