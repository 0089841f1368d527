"""Which ground a run takes: the container's stack as it is, or the portable one with its named patches."""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from data_prep.errors import LangadaptError

if TYPE_CHECKING:
    from recipes.runtime.portable.patch import Missing

# The set NeMo-Aligner 0.7.0's own Dockerfile pins (docs/setup.md); requirements/nemo.txt installs the same.
PINS = {"nemo-toolkit": "2.1.0", "megatron-core": "0.10.0", "nemo-aligner": "0.7.0"}

REMEDY = "pip install --no-deps -r requirements/nemo.txt"


class EnvironmentMismatch(LangadaptError):
    """The installed NeMo set is not the pinned one."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a run stands on.

    Attributes:
        name: `container` if nothing had to be patched, else `portable`.
        device: `cpu`, or the name of CUDA device 0.
        missing: Parts whose absence needs patches.
        patches: Names of the patches a run puts on.
        versions: Version of every library whose behaviour shapes a result.
    """

    name: Literal["container", "portable"]
    device: str
    missing: tuple[Missing, ...]
    patches: tuple[str, ...]
    versions: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """For the run record."""
        return asdict(self)


def installed_version(distribution: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def is_pinned(distribution: str) -> bool:
    """Whether a part of the NeMo set has its pinned version; a container's build suffix does not matter."""
    return (installed_version(distribution) or "").split("+")[0] == PINS[distribution]


def has_apex() -> bool:
    """Whether NVIDIA's apex is importable; PyPI's `apex`, a web toolkit, has no `apex.multi_tensor_apply`."""
    try:
        return importlib.util.find_spec("apex.multi_tensor_apply") is not None
    except ModuleNotFoundError:
        return False


def has_transformer_engine() -> bool:
    """Whether Transformer Engine with its torch extension is importable."""
    try:
        return importlib.util.find_spec("transformer_engine.pytorch") is not None
    except ModuleNotFoundError:
        return False


def missing_parts(torch_version: str, *, has_cuda: bool) -> tuple[Missing, ...]:
    """The parts of the container's stack that this environment lacks."""
    major, minor = (int(part) for part in torch_version.split(".")[:2])
    present: dict[Missing, bool] = {
        "ngc_image": bool(os.environ.get("NVIDIA_PYTORCH_VERSION")),
        "cuda": has_cuda,
        "apex": has_apex(),
        "transformer_engine": has_transformer_engine(),
        "torch_before_2.6": (major, minor) < (2, 6),
        "numpy_before_2": (installed_version("numpy") or "0").startswith("1."),
    }
    return tuple(part for part, here in present.items() if not here)


def ground_name(missing: tuple[Missing, ...]) -> Literal["container", "portable"]:
    """Container where the GPU, apex and Transformer Engine are all there, else portable."""
    return "portable" if {"cuda", "apex", "transformer_engine"} & set(missing) else "container"


def versions() -> dict[str, str]:
    """Versions of the stack, for the run record; absent parts are named so."""
    names = [*PINS, "torch", "lightning", "transformers", "sentencepiece", "numpy", "datatrove", "langadapt"]
    return {
        "python": platform.python_version(),
        **{name: installed_version(name) or "absent" for name in names},
    }


def check_pins() -> None:
    """Refuses a wrong NeMo set by name, where upstream says that megatron-core "was not found".

    Raises:
        EnvironmentMismatch: A part is missing or has another version than the pin.
    """
    wrong = [
        f"{name} {installed_version(name) or 'is not installed'} (needs {pin})"
        for name, pin in PINS.items()
        if not is_pinned(name)
    ]
    if wrong:
        raise EnvironmentMismatch(
            "The NeMo set is not the pinned one: " + "; ".join(wrong) + ".",
            where=sys.prefix,
            why="NeMo 2.1.0 silently switches megatron-core off when its version is another one.",
            fix=f"make setup\nor, in this environment: {REMEDY}",
        )


def detect() -> Ground:
    """Looks at what is installed; imports torch and nothing heavier."""
    import torch

    from recipes.runtime.portable import PATCHES

    has_cuda = torch.cuda.is_available()
    missing = missing_parts(torch.__version__, has_cuda=has_cuda)
    name = ground_name(missing)
    return Ground(
        name=name,
        device=torch.cuda.get_device_name(0) if has_cuda else "cpu",
        missing=missing,
        patches=tuple(patch.name for patch in PATCHES if patch.missing in missing) if name == "portable" else (),
        versions=versions(),
    )


def prepare() -> Ground:
    """Makes NeMo importable and runnable here, and says on what ground.

    Call once per process, before nemo, megatron or nemo_aligner are imported.

    Raises:
        EnvironmentMismatch: The NeMo set is not the pinned one.
    """
    check_pins()
    quiet_libraries()
    ground = detect()
    if ground.patches:
        os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")  # compiling kernels needs a C++ compiler and costs minutes
    _import_nemo()
    if ground.patches:
        from recipes.runtime import portable

        portable.apply(ground.missing)
    if os.environ.get("RANK", "0") == "0":
        patched = f"{len(ground.patches)} patches (in the run record)" if ground.patches else "nothing patched"
        print(f"ground: {ground.name} on {ground.device}, {patched}", flush=True)
    return ground


# Warnings of every healthy run: settings left to megatron-core's defaults, hooks kept for old Lightning, a new folder.
HARMLESS = (
    "does not have field.name",
    "which is deprecated",
    "has been deprecated",
    "but it already exists",
    "Training from scratch",
    "told to monitor a validation value",
    "Pre-formatting chat conversation",
    "is experimental and not",
    "Ignoring `trainer.max_epochs`",
)


def _import_nemo() -> None:
    """Imports what every driver needs, with the garbage collector off: half a million objects, none of them garbage.

    Measured by `make bench`: 6.5 s become 4.2 s, and leaving the process 2 s quicker.
    """
    gc.disable()
    try:
        importlib.import_module("nemo.collections.nlp.models.language_modeling.megatron_gpt_model")
        gc.freeze()
    finally:
        gc.enable()


def quiet_libraries() -> None:
    """Keeps upstream's import-time chatter out of a run's log; LANGADAPT_VERBOSE=1 lets everything through."""
    import warnings

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not os.environ.get("LANGADAPT_VERBOSE"):
        warnings.filterwarnings("ignore")
        os.environ.setdefault("TQDM_DISABLE", "1")  # recipes.runtime.metrics shows progress instead


def quiet_nemo() -> None:
    """Leaves the terminal to our progress lines and to warnings that may matter; log files in the run folder hold all.

    Call after NeMo is imported: its import sets these levels anew.
    """
    import logging

    if os.environ.get("LANGADAPT_VERBOSE"):
        return
    from nemo.utils import logging as nemo_logging

    for name in ("lightning", "lightning.pytorch", "lightning.fabric", "numexpr", "datasets"):
        logging.getLogger(name).setLevel(logging.ERROR)
    handlers = nemo_logging._handlers  # noqa: SLF001
    if "stream_stdout" in handlers:  # rank 0 alone has a terminal
        handlers["stream_stdout"].setLevel(logging.WARNING)
        handlers["stream_stderr"].addFilter(lambda record: not any(text in record.getMessage() for text in HARMLESS))
