"""The script of a job: what Slurm is asked, what it says on 16 and 128 nodes, and that bash can read it."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from data_prep.errors import UsageError
from recipes.plan.cluster import find
from recipes.submit import verb
from recipes.submit.kinds import resolve
from recipes.submit.script import Plan, limit, rank_words, render, sbatch_options
from tests.conftest import CONFIGS

INPUTS = (
    "model.data.data_prefix=[1,/data/x]",
    "model.tokenizer.model=/data/t.model",
    "model.restore_from_path=/data/b.nemo",
)


def plan(folder: Path, *overrides: str, site: tuple[str, ...] = (), config: str = "nemotron_mini_4b_hindi") -> Plan:
    cluster = find("a100-80gb", list(site))
    words = [f"exp_manager.explicit_log_dir='{folder}'", *INPUTS, *overrides]
    work = resolve("cpt", [CONFIGS / "cpt" / f"{config}.yaml"], words, cluster.slurm)
    return verb.make_plan(work, cluster, "a100-80gb")


@pytest.mark.parametrize("nodes", [1, 16, 128])
def test_there_is_one_task_a_gpu_and_slurm_is_asked_for_it_twice(tmp_path: Path, nodes: int) -> None:
    text = render(plan(tmp_path / "run", f"trainer.num_nodes={nodes}", "model.global_batch_size=1024"))
    for line in (f"--nodes={nodes}", "--ntasks-per-node=8", "--cpus-per-task=8"):
        assert f"#SBATCH {line}\n" in text
        assert f"  {line} \\\n" in text
    assert f"  --ntasks={8 * nodes} \\\n" in text
    assert "#SBATCH --gpus-per-node=8\n" in text
    assert "container" not in "".join(line for line in text.splitlines() if line.startswith("#SBATCH"))


def test_bash_reads_it_with_spaces_and_quotes_in_paths(tmp_path: Path) -> None:
    odd = plan(tmp_path / "my runs" / "a (b)")
    text = render(odd)
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    assert f'#SBATCH --output="{odd.logs}/job.log"\n' in text


def test_the_script_keeps_clear_of_what_bash_and_slurm_do_to_it(tmp_path: Path) -> None:
    text = render(plan(tmp_path))
    assert re.findall("trap '(.+)' (.+?) #", text) == [("warned=1", "USR2")], (
        "bash 5.2 loses one of two trapped signals that come together; a handler that runs commands was seen to end it"
    )
    assert text.index("trap '") < text.index("srun "), "the warning may come at any time"
    for word in ("$0", "BASH_SOURCE"):  # the script runs as a copy in slurmd's spool folder
        assert word not in text
    assert "SLURM_JOB_END_TIME" not in text, "unset in Slurm 22.05"
    assert "torchrun" not in text, "it dies of the signal that warns its ranks"


def test_requeue_chain_and_neither_differ_where_they_should(tmp_path: Path) -> None:
    texts = {value: render(plan(tmp_path, site=(f"slurm.requeue={value}",))) for value in ("true", "false", "chain")}
    assert "#SBATCH --requeue\n" in texts["true"]
    assert "scontrol requeue" in texts["true"]
    assert "next" not in texts["true"]
    assert "#SBATCH --no-requeue\n" in texts["false"]
    assert "scontrol requeue" not in texts["false"] + texts["chain"]
    assert "job next" in texts["chain"]
    assert "job next" not in texts["false"] + texts["true"]
    assert texts["chain"].count('scancel "$next"') == 3


def test_the_run_stops_itself_before_slurm_warns_it(tmp_path: Path) -> None:
    job = plan(tmp_path, site=("slurm.time=1-00:00:00",))
    assert rank_words(job)[-1] == "exp_manager.max_time_per_run=00:23:50:00"
    assert "--signal=B:USR2@300" in sbatch_options(job)
    assert limit(job.site, "00:01:00:00") == "00:01:00:00"
    assert limit(job.site, "02:00:00:00") == "00:23:50:00"


def test_a_site_has_the_last_word_on_options(tmp_path: Path) -> None:
    site = ("slurm.account=nlp", "slurm.sbatch={exclusive: '', mem: '0', open-mode: truncate}", "slurm.gpus=gres")
    options = sbatch_options(plan(tmp_path, site=site))
    assert {"--account=nlp", "--exclusive", "--mem=0", "--open-mode=truncate", "--gres=gpu:8"} <= set(options)
    assert not any(option.startswith("--qos") for option in options)


def test_variables_and_setup_lines_of_a_site_reach_the_ranks(tmp_path: Path) -> None:
    site = ("slurm.setup=['module load cuda/12.4']", "slurm.environment={NCCL_DEBUG: INFO, MY_PATH: /a b}")
    text = render(plan(tmp_path, site=site))
    assert "\nmodule load cuda/12.4\n" in text
    assert "export NCCL_DEBUG=INFO\n" in text
    assert "export MY_PATH='/a b'\n" in text
    assert "export CUDA_DEVICE_MAX_CONNECTIONS=1\n" in text


def test_keys_stay_out_of_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    text = render(plan(tmp_path / "run"))
    assert "0123456789abcdef" not in text
    assert "Keys (WANDB_API_KEY) from a file" in text
    assert not (tmp_path / "home").exists(), "a plan writes nothing"
    with pytest.raises(UsageError, match="the value of WANDB_API_KEY would be written"):
        plan(tmp_path / "run", "exp_manager.wandb_logger_kwargs.project=0123456789abcdef")


def test_work_without_gpus_goes_to_the_partition_for_it(tmp_path: Path) -> None:
    cluster = find("a100-80gb", ["slurm.partition=gpu", "slurm.cpu_partition=cpu"])
    words = [f"output_dir={tmp_path}", "slurm.qos=long"]
    work = resolve("data", [CONFIGS / "data" / "sample.yaml"], words, cluster.slurm)
    assert work.words[2:4] == ("executor=slurm", "slurm.partition=cpu")
    options = sbatch_options(verb.make_plan(work, cluster, "a100-80gb"))
    assert {"--partition=cpu", "--cpus-per-task=1", "--nodes=1"} <= set(options)
    own = resolve("data", [CONFIGS / "data" / "sample.yaml"], [*words, "executor=local"], cluster.slurm)
    assert "executor=slurm" not in own.words


def test_a_pipelines_later_stage_may_lack_a_file(tmp_path: Path) -> None:
    words = [f"exp_manager.explicit_log_dir={tmp_path}", "model.restore_from_path=x"]
    configs = [CONFIGS / "cpt" / "tiny.yaml", tmp_path / "blend.yaml"]
    work = resolve("cpt", configs, words, find("a100-80gb", []).slurm)
    assert work.absent == (tmp_path / "blend.yaml",)
    assert str(tmp_path / "blend.yaml") in work.words
    assert work.gpus_per_node == 0
    assert replace(work, nodes=3).ranks == 6


def test_a_dry_run_prints_the_script_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["action=cpt", f"exp_manager.explicit_log_dir={tmp_path / 'run'}", *INPUTS, "cluster.slurm.partition=gpu"]
    assert verb.main([CONFIGS / "cpt" / "nemotron_mini_4b_hindi.yaml"], words, dry_run=True) == 0
    text = capsys.readouterr().out
    assert text.startswith("#!/bin/bash\n")
    assert "#SBATCH --partition=gpu\n" in text
    assert list(tmp_path.iterdir()) == []


def test_without_slurm_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="there is no sbatch on this machine"):
        verb.submit(plan(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
