"""Preflight on a real Slurm: everything wrong with a job is said at once, and nothing is queued."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from data_prep.errors import LangadaptError
from recipes.config import NEMO_CONFIGS
from recipes.plan.cluster import Cluster, find
from recipes.submit import preflight_slurm, verb
from recipes.submit import slurm as slurm_commands
from recipes.submit.kinds import Work, resolve
from recipes.submit.preflight import PreflightFailed, expected, preflight
from recipes.submit.site import Container
from tests.slurm_cluster import PARTITION, needs_slurm, running
from tests.training_inputs import Inputs, make_inputs

TINY = NEMO_CONFIGS / "cpt" / "tiny.yaml"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with running(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


@pytest.fixture
def on_slurm(slurm: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return make_inputs(tmp_path_factory.mktemp("inputs"), "tiny", tensor=1, tokens=16 * 256 + 1, examples=8)


def cluster(*overrides: str) -> Cluster:
    return find("a100-80gb", [f"slurm.partition={PARTITION}", "slurm.gpus=none", *overrides])


def work(inputs: Inputs, *overrides: str, kind: str = "cpt", config: Path = TINY, schema: str = "pretrain") -> Work:
    # 4,096 tokens are read many times over by the shipped schedule
    words = [*inputs.overrides(schema), "langadapt.draw.max_epochs=100000", *overrides]
    return resolve(kind, [config], words, cluster().slurm)


@needs_slurm
@pytest.mark.usefixtures("on_slurm")
class TestOnSlurm:
    def test_a_sound_job_passes_with_a_line_about_what_could_not_be_told(self, inputs: Inputs) -> None:
        notes = preflight(work(inputs), cluster())
        assert "quotas were not looked at (quota -s, lfs quota): only free disk and inodes" in notes

    def test_all_faults_come_in_one_message_each_an_instruction(self, inputs: Inputs, tmp_path: Path) -> None:
        blend = f"[0.5,{inputs.prefix},0.3,{tmp_path}/gone,0.2,{tmp_path}/lost]"
        broken = work(
            inputs,
            "trainer.devices=4",
            "trainer.num_nodes=2",
            "model.tensor_model_parallel_size=3",
            "model.data.seq_length=1000000",
            f"model.data.data_prefix={{train:{blend},validation:{blend},test:{blend}}}",
            f"model.restore_from_path={tmp_path}/base.nemo",
        )
        site = cluster(
            "slurm.partition=gpu", f"slurm.container.image={tmp_path}/x.sif", "slurm.container.runtime=apptainer"
        )
        with pytest.raises(PreflightFailed) as raised:
            preflight(broken, site)
        message = str(raised.value)
        for fault in (
            "8 devices cannot be divided into groups of 3",
            "sequences of 1000000 tokens, but the model has",
            f"the checkpoint {tmp_path}/base.nemo does not exist",
            f"no token dataset {tmp_path}/gone: gone.bin and gone.idx missing",
            f"no token dataset {tmp_path}/lost: lost.bin and lost.idx missing",
            "no partition gpu",
            "cluster.slurm.partition= one of cpu, high, low",
            f"no image {tmp_path}/x.sif",
            "not mounted in the container",
        ):
            assert message.count(fault) == 1, (fault, message)
        assert "this is not a whole Megatron token dataset" not in message  # the same fault, seen by a later check
        assert raised.value.exit_code == 2
        assert message.startswith(f"{len([line for line in message.splitlines() if line[:1].isdigit()]) - 1} things")

    def test_a_batch_no_rank_can_share_evenly_is_the_only_fault(self, inputs: Inputs) -> None:
        with pytest.raises(PreflightFailed, match="a global batch of 7 is no multiple of"):
            preflight(work(inputs, "model.global_batch_size=7", "model.micro_batch_size=2"), cluster())

    def test_more_nodes_than_its_partition_has_would_wait_for_ever(self, inputs: Inputs) -> None:
        wide = work(inputs, "trainer.num_nodes=3")
        (error,) = preflight_slurm.partitions(cluster().slurm, wide)
        assert isinstance(error, LangadaptError)
        assert error.what == "partition cpu has 2 nodes, the job wants 3"
        elsewhere = cluster("slurm.partition=low", "slurm.cpu_partition=nowhere").slurm
        (unknown,) = preflight_slurm.partitions(elsewhere, replace(wide, nodes=2))
        assert isinstance(unknown, LangadaptError)
        assert unknown.where == "cluster.slurm.cpu_partition"

    def test_nothing_is_written_or_queued_for_a_job_that_would_fail(
        self, inputs: Inputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = [*inputs.overrides("pretrain"), f"exp_manager.explicit_log_dir={tmp_path}/run"]
        words += ["action=cpt", "cluster.slurm.partition=gone", "langadapt.draw.max_epochs=100000"]
        with pytest.raises(PreflightFailed, match="no partition gone"):
            verb.main([TINY], words, dry_run=False)
        assert not (tmp_path / "run").exists()
        assert slurm_commands.queued(verb.job_name(work(inputs, f"exp_manager.explicit_log_dir={tmp_path}/run"))) == []
        assert capsys.readouterr().out == ""

    def test_an_account_is_not_looked_at_where_nothing_keeps_accounts(self) -> None:
        assert list(preflight_slurm.account("labs")) == [
            "account labs was not looked at: sacctmgr does not answer here"
        ]
        assert list(preflight_slurm.account("")) == []

    def test_what_stages_before_have_yet_to_write_is_not_looked_for(self, inputs: Inputs, tmp_path: Path) -> None:
        later = work(inputs, f"model.restore_from_path={tmp_path}/later.nemo")
        notes = preflight(later, cluster(), waits=True)
        assert "data, tokenizer and checkpoint were not looked at: stages before it have yet to write them" in notes
        with pytest.raises(PreflightFailed, match="cannot be divided"):
            preflight(work(inputs, "model.tensor_model_parallel_size=3"), cluster(), waits=True)

    def test_the_data_of_a_later_phase_is_looked_at_before_the_first_begins(
        self, inputs: Inputs, tmp_path: Path
    ) -> None:
        for name, prefix in (("run", inputs.prefix), ("better", tmp_path / "gone")):
            splits = "".join(f"      {split}: [1.0, {prefix}]\n" for split in ("train", "validation", "test"))
            (tmp_path / f"{name}.yaml").write_text(f"model:\n  data:\n    data_prefix:\n{splits}")
        later = f"{{name: anneal, steps: 40, lr: 2e-5, min_lr: 1e-7, blend: {tmp_path}/better.yaml}}"
        words = [word for word in inputs.overrides("pretrain") if "data_prefix" not in word]
        words += [f"langadapt.phases=[{{name: main, steps: 200, min_lr: 2e-5}},{later}]"]
        words += ["langadapt.draw.max_epochs=100000"]
        phased = resolve("cpt", [TINY, tmp_path / "run.yaml"], words, cluster().slurm)
        with pytest.raises(PreflightFailed, match=f"no token dataset {tmp_path}/gone"):
            preflight(phased, cluster())

    def test_a_stop_file_keeps_a_job_out_of_the_queue(self, inputs: Inputs, tmp_path: Path) -> None:
        (tmp_path / "STOP").touch()
        with pytest.raises(PreflightFailed, match="A file STOP lies in the run folder"):
            preflight(work(inputs, f"exp_manager.explicit_log_dir={tmp_path}"), cluster())

    def test_other_verbs_are_asked_to_check_themselves(self, tmp_path: Path) -> None:
        settings = [f"documents={tmp_path}", f"models.base={tmp_path}/hf", f"output={tmp_path}/e.json"]
        evaluation = resolve("eval", [NEMO_CONFIGS / "eval" / "tiny.yaml"], settings, cluster().slurm)
        with pytest.raises(PreflightFailed) as raised:
            preflight(evaluation, cluster())
        assert str(tmp_path) in raised.value.where
        assert preflight(evaluation, cluster(), waits=True) == [
            "what evaluate reads was not looked at: stages before it have yet to write it"
        ]

    def test_paths_in_memory_are_refused_where_the_nodes_are_other_machines(
        self, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("recipes.submit.preflight_disk.is_one_machine", lambda: False)
        with pytest.raises(PreflightFailed, match="/dev/shm/run lies on this machine alone"):
            preflight(work(inputs, "exp_manager.explicit_log_dir=/dev/shm/run"), cluster())


def test_an_account_that_is_not_the_users_is_refused_with_those_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "sacctmgr"
    program.write_text("#!/bin/sh\nprintf 'nlp\\nhindi\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert list(preflight_slurm.account("nlp")) == []
    (error,) = preflight_slurm.account("vision")
    assert isinstance(error, LangadaptError)
    assert error.fix == "cluster.slurm.account= one of hindi, nlp"


def test_without_sinfo_partitions_are_said_not_to_be_looked_at(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(preflight_slurm.partitions(cluster().slurm, work(inputs))) == [
        "partitions were not looked at: sinfo does not answer here"
    ]


def test_an_image_of_a_registry_is_left_to_the_nodes() -> None:
    site = cluster().slurm
    assert (
        list(preflight_slurm.image(replace(site, container=Container(image="nvcr.io/nvidia/pytorch:24.07-py3")))) == []
    )


def test_disk_is_what_the_plan_counts(inputs: Inputs) -> None:
    size = expected(work(inputs), cluster())
    assert size.kept is not None
    assert size.most == size.kept * size.checkpoint + size.model
