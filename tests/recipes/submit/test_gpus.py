from pathlib import Path

import pytest

from recipes.submit import gpus
from recipes.submit.gpus import Gpu, judge, ours, parse

# Of DGX A100s, driver 535: `--query-gpu=... --format=csv,noheader,nounits` and `--query-remapped-rows=...`.
LINES = """\
0, GPU-5a, NVIDIA A100-SXM4-80GB, 81920, 4, 0
1, GPU-5b, NVIDIA A100-SXM4-80GB, 81920, 41873, 0
2, GPU-5c, NVIDIA A100-SXM4-80GB, 81920, 4, 2
3, GPU-5d, NVIDIA A100-SXM4-40GB, 40960, 4, [N/A]
"""
ROWS = """\
GPU-5a, 0, 0
GPU-5b, No, No
GPU-5c, 1, 0
GPU-5d, 0, Yes
"""


def gpu(index: int = 0, name: str = "NVIDIA A100-SXM4-80GB", used: int = 4) -> Gpu:
    return Gpu(index=index, uuid=f"GPU-{index}", name=name, total_mib=81920, used_mib=used, uncorrected=0)


def on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_every_field_of_both_queries_is_read() -> None:
    found = parse(LINES, ROWS)
    assert [(each.index, each.used_mib, each.uncorrected) for each in found] == [
        (0, 4, 0),
        (1, 41873, 0),
        (2, 4, 2),
        (3, 4, None),
    ]
    assert [(each.pending, each.failed) for each in found] == [
        (False, False),
        (False, False),
        (True, False),
        (False, True),
    ]


def test_a_card_in_use_with_memory_errors_or_without_spare_rows_is_named() -> None:
    assert judge(parse(LINES, ROWS), 4, "a100", 1024) == [
        "GPU 1 has 41873 of 81920 MiB in use by another process",
        "GPU 2 has 2 uncorrectable ECC errors since its driver was loaded",
        "GPU 2 has a memory row to replace (XID 63): it has to be reset",
        "GPU 3 has no spare memory row left (XID 64): it has to be replaced",
    ]


def test_a_missing_card_and_one_of_another_type_are_named() -> None:
    assert judge([gpu(name="Tesla V100-SXM2-32GB")], 2, "A100-SXM4-80GB", 1024) == [
        "1 GPUs, the job has 2 a node",
        "GPU 0 is a Tesla V100-SXM2-32GB, not A100-SXM4-80GB",
    ]


@pytest.mark.parametrize("kind", ["", "a100", "A100_80GB", "ampere", "gpu"])
def test_the_type_is_compared_only_where_its_name_tells_a_model(kind: str) -> None:
    assert judge([gpu()], 1, kind, 1024) == []


def test_other_jobs_cards_on_a_shared_node_are_not_looked_at() -> None:
    node = [gpu(0, used=60000), gpu(1, used=60000), gpu(2), gpu(3)]
    assert ours(node, 2, {"SLURM_STEP_GPUS": "2,3", "SLURM_JOB_GPUS": "0,1,2,3"}) == node[2:]
    assert ours(node[2:], 2, {"SLURM_JOB_GPUS": "4,5"}) == node[2:]  # cgroups show this job's own alone


def test_a_program_that_answers_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gpus").write_text(LINES)
    (tmp_path / "rows").write_text(ROWS)
    script = f"case $1 in --query-gpu=*) cat {tmp_path}/gpus ;; --query-remapped-rows=*) cat {tmp_path}/rows ;; esac"
    on_path(tmp_path, monkeypatch, script)
    faults, notes, found = gpus.faults(4, "a100", 1024, {})
    assert (len(faults), notes, len(found)) == (4, [], 4)


def test_a_driver_that_knows_no_remapped_rows_is_said_and_the_rest_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpus").write_text("0, GPU-1, Tesla V100-SXM2-32GB, 32768, 0, 0\n")
    script = f'case $1 in --query-gpu=*) cat {tmp_path}/gpus ;; *) echo "Invalid option"; exit 2 ;; esac'
    on_path(tmp_path, monkeypatch, script)
    faults, notes, found = gpus.faults(1, "v100", 1024, {})
    assert (faults, [each.name for each in found]) == ([], ["Tesla V100-SXM2-32GB"])
    assert notes == ["this nvidia-smi does not tell of remapped memory rows"]


def test_a_gpu_off_the_bus_and_a_driver_out_of_order_are_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = "Unable to determine the device handle for GPU0000:C4:00.0: GPU is lost."
    on_path(tmp_path, monkeypatch, f'echo "{lost}"; exit 15')
    assert gpus.faults(8, "a100", 1024, {})[0] == [f"a GPU has fallen off the bus: {lost}"]
    on_path(
        tmp_path, monkeypatch, 'echo "NVIDIA-SMI has failed because it could not communicate with the driver"; exit 9'
    )
    assert gpus.faults(8, "a100", 1024, {})[0][0].startswith("nvidia-smi failed (9): NVIDIA-SMI has failed because")


def test_a_node_without_nvidia_smi_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.faults(8, "", 1024, {})[0] == ["no nvidia-smi on PATH, and the job has 8 GPUs a node"]
