"""The clusters that are shipped, and what is no cluster."""

import pytest

from data_prep.errors import UsageError
from recipes.config import NEMO_CONFIGS
from recipes.plan.cluster import find

SHIPPED = sorted(path.stem for path in (NEMO_CONFIGS / "cluster").glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_value_of_a_shipped_cluster_says_whose_it_is(name):
    """What is paid and reached is an assumption, and must look like one."""
    cluster = find(name, [])
    assert cluster.reserved_gib < cluster.memory_gib < float(name.split("-")[1].removesuffix("gb"))
    lines = (NEMO_CONFIGS / "cluster" / f"{name}.yaml").read_text().splitlines()
    for key in ("mfu", "price_per_gpu_hour", "reserved_gib"):
        (line,) = [line for line in lines if line.startswith(f"{key}:")]
        assert "# assumption: " in line


def test_the_three_cards_of_the_plan_are_there():
    assert SHIPPED == ["a100-40gb", "a100-80gb", "h100-80gb"]


def test_the_peak_is_the_dtypes():
    cluster = find("a100-80gb", [])
    assert (cluster.peak_flops(2), cluster.peak_flops(4)) == (312e12, 19.5e12)


def test_a_value_of_the_command_line_replaces_the_files():
    assert find("a100-80gb", ["mfu=0.5"]).mfu == 0.5


def test_an_unknown_cluster_names_those_there_are():
    with pytest.raises(UsageError) as caught:
        find("v100", [])
    assert "a100-40gb, a100-80gb, h100-80gb" in caught.value.fix
