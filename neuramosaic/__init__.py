"""NeuraMosaic: a laboratory that discovers neural architectures.

The names below are the public API. They are imported on first use, so that `import neuramosaic` costs nothing and the
sandbox worker loads only what it needs.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Architecture": "neuramosaic.space.architecture",
    "ArchitectureSpace": "neuramosaic.space.architecture_space",
    "Categorical": "neuramosaic.space.domains",
    "ComponentSpec": "neuramosaic.components.spec",
    "Condition": "neuramosaic.space.parameters",
    "Float": "neuramosaic.space.domains",
    "Integer": "neuramosaic.space.domains",
    "NeuraMosaicError": "neuramosaic.errors",
    "ParameterSpace": "neuramosaic.space.parameters",
    "Store": "neuramosaic.store.store",
    "StudyConfig": "neuramosaic.study",
    "Task": "neuramosaic.tasks.base",
    "create_sampler": "neuramosaic.search.registry",
    "create_task": "neuramosaic.tasks.registry",
    "register_component": "neuramosaic.components.registry",
    "register_task": "neuramosaic.tasks.registry",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'neuramosaic' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
