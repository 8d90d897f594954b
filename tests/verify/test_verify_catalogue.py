"""Every component of the catalogue passes the ladder, with its defaults and at the corners of its hyper-parameters."""

import sys
import types

import pytest

from neuramosaic.components.registry import catalogue
from neuramosaic.components.spec import ComponentSpec, Slot
from neuramosaic.errors import InvalidValueError, UnknownOptionError
from neuramosaic.space.domains import Categorical
from neuramosaic.verify.catalogue import verification_job
from neuramosaic.verify.ladder import verify_component, verify_model

SPECS = catalogue().specs


@pytest.fixture(autouse=True)
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def verify(job, monkeypatch):
    """Do in this process what the worker does with a job; catalogue code only."""
    (name, content), *_ = job.files.items()
    module = types.ModuleType("subject_under_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(content, name, "exec"), module.__dict__)
    request, source = job.request, content.decode()
    if request["kind"] == "verify_component":
        component = getattr(module, request["class_name"])
        return verify_component(
            lambda d_model, **parts: component(d_model, **parts, **request["hyperparameters"]),
            slot=request["slot"],
            seed=request["seed"],
            source=source,
            cost=request["cost"],
        )
    sizes = request["task"]
    return verify_model(
        lambda: module.Model(module.Config(**sizes)),
        **sizes,
        seed=request["seed"],
        expected_params=request["expected_params"],
        source=source,
    )


def corner(spec: ComponentSpec, last: bool) -> dict:
    """Return the first or last value of every hyper-parameter."""
    return {
        item.name: item.choices[-1 if last else 0]
        if isinstance(item, Categorical)
        else (item.high if last else item.low)
        for item in spec.hyperparameters
    }


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.slot}:{spec.name}")
def test_every_catalogue_component_passes(spec, monkeypatch):
    report = verify(verification_job(spec, catalogue()), monkeypatch)
    assert report.passed, report.failure


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize(
    "spec", [spec for spec in SPECS if spec.hyperparameters], ids=lambda spec: f"{spec.slot}:{spec.name}"
)
def test_it_passes_at_the_corners_of_its_domains(spec, last, monkeypatch):
    report = verify(verification_job(spec, catalogue(), corner(spec, last)), monkeypatch)
    assert report.passed, report.failure


def test_a_component_that_cannot_stand_alone_is_put_into_a_model():
    spec = catalogue().get(Slot.POSITION, "alibi")
    job = verification_job(spec, catalogue(), seed=7, threads=2)
    assert job.request["kind"] == "verify_model"
    assert (job.request["seed"], job.request["threads"]) == (7, 2)
    assert "class ALiBi" in job.files["model.py"].decode()


def test_hyperparameters_are_checked():
    spec = catalogue().get(Slot.MIXER, "attention")
    with pytest.raises(UnknownOptionError, match="heads"):
        verification_job(spec, catalogue(), {"headz": 4})
    with pytest.raises(InvalidValueError, match="heads"):
        verification_job(spec, catalogue(), {"heads": 1000})
