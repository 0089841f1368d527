"""The section `langadapt` of a training configuration: what upstream has no key for.

Upstream's mains never look at it, so they still accept the file. Each part is a frozen dataclass beside the code it
steers; this module only joins them.
"""

from dataclasses import dataclass, field
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from data_prep import settings
from recipes.curriculum import Phase
from recipes.draw_settings import DrawSettings
from recipes.examples.settings import ExampleSettings
from recipes.known_keys import OWN_SECTION
from recipes.monitor.settings import MonitorSettings
from recipes.plan.assumptions import Assumptions
from recipes.stopping import StopSettings


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Our own settings of a training run."""

    plan: Assumptions = field(default_factory=Assumptions)
    draw: DrawSettings = field(default_factory=DrawSettings)
    phases: tuple[Phase, ...] = ()
    """Phases of a pre-training or continued pre-training, in order; none: the run is one."""
    monitor: MonitorSettings = field(default_factory=MonitorSettings)
    examples: ExampleSettings = field(default_factory=ExampleSettings)
    """What SFT and DPO do with examples that cannot be learnt as they are."""
    stop: StopSettings = field(default_factory=StopSettings)


def run_settings(cfg: DictConfig) -> RunSettings:
    """The section as typed settings; every part has its default where the section is absent.

    Raises:
        UsageError: A key is unknown or missing, a value has the wrong type.
    """
    section = OmegaConf.select(cfg, OWN_SECTION)
    values = cast("dict[str, Any]", OmegaConf.to_container(section, resolve=True)) if section is not None else {}
    return settings.build(RunSettings, values, f"section `{OWN_SECTION}`")
