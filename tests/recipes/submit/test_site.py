"""A site's facts, and what no site can have."""

import pytest

from data_prep.errors import UsageError
from recipes.plan.cluster import find
from recipes.submit.site import seconds


@pytest.mark.parametrize(
    ("limit", "total"),
    [("30", 1800), ("10:30", 630), ("04:00:00", 14400), ("1-0", 86400), ("1-2:30", 95400), ("2-00:00:05", 172805)],
)
def test_a_limit_is_read_as_sbatch_reads_it(limit: str, total: int) -> None:
    assert seconds(limit) == total


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("slurm.time=soon", "time is 'soon', which is no limit of Slurm's"),
        ("slurm.stop_seconds=200", "signal_seconds 300, stop_seconds 200 and a limit of 14400 s do not follow"),
        ("slurm.time=00:05:00", "do not follow each other"),
        ("slurm.signal_seconds=30", "no less than 60"),
        ("slurm.cpus_per_task=0", "cpus_per_task is 0, the least is 1"),
        ("slurm.max_tries_without_progress=0", "max_tries_without_progress is 0"),
        ("slurm.hang_minutes=-1", "hang_minutes is -1"),
        ("slurm.requeue=maybe", "'maybe' is not one of True, False, chain"),
        ("slurm.gpu=2", "did you mean 'gpus'?"),
    ],
)
def test_what_no_job_can_be_asked_for_with_is_refused(override: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        find("a100-80gb", [override])
    assert message in str(error.value)


def test_the_shipped_clusters_say_how_they_are_asked() -> None:
    assert find("a100-80gb", ["slurm.requeue=chain"]).slurm.requeue == "chain"
    assert find("h100-80gb", []).slurm.requeue is True
