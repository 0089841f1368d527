"""The sample corpus, prepared once, with its audit."""

from pathlib import Path

import pytest

from data_prep import pipeline
from data_prep.audit.stage import stage
from data_prep.layout import REPOSITORY_ROOT
from data_prep.prep_settings import PrepSettings
from data_prep.settings import load
from data_prep.tasks import run_step

SAMPLE = REPOSITORY_ROOT / "nemo_configs" / "data" / "sample.yaml"


def make_settings(folder: Path, *overrides: str) -> PrepSettings:
    return load(PrepSettings, [SAMPLE], [f"output_dir={folder}", *overrides])


def run_audit(settings: PrepSettings) -> int:
    """Make what is not up to date; how many tasks that were."""
    planned = stage(settings)
    logs = settings.layout.logs("audit", "page")
    return sum(len(run_step(planned, step, execution=settings.execution, logs=logs)) for step in planned.steps)


@pytest.fixture(scope="package")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PrepSettings:
    """The sample corpus through every stage. Read only."""
    folder = tmp_path_factory.mktemp("audited")
    assert pipeline.main([SAMPLE], [f"output_dir={folder}"], dry_run=False) == 0
    settings = make_settings(folder)
    run_audit(settings)
    return settings
