"""A run in phases: what goes on at a switch, what starts anew, and that no kill changes either."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from recipes import cli, run_record
from recipes.runtime.new_phase import carry_steps
from tests.conftest import CONFIGS, REPOSITORY, SMALL_MODEL, SMALL_RUN
from tests.recipes.runtime import hand_made
from tests.recipes.test_audit import leave_run

MAIN, ANNEAL = 6, 4
ACROSS_LAYOUTS = 5e-5
LAYOUTS = {
    "one process": ("trainer.devices=1", "model.make_vocab_size_divisible_by=256"),
    "TP=2": ("trainer.devices=2", "model.tensor_model_parallel_size=2", "model.make_vocab_size_divisible_by=128"),
}


@pytest.fixture(scope="module")
def words(prepared, small_base, tmp_path_factory):
    """The cpt command of a layout in a folder: two phases, the second on real text alone at a tenth of the rate."""
    folder = tmp_path_factory.mktemp("phases")
    blend, phases = folder / "anneal.yaml", folder / "phases.yaml"
    chosen = ["sequence_length=64", "kinds=[real]", "language_shares={en: 0.25, hi: 0.75}"]
    for output, tokens, more in ((blend, 1024, chosen), (folder / "main.yaml", 1536, chosen[:1])):
        plan = [f"tokens_dir={prepared.data.tokens}", f"output={output}", f"budget_tokens={tokens}", *more]
        assert cli.main(["blend", str(CONFIGS / "data" / "blend_tiny.yaml"), *plan]) == 0
    anneal = {"name": "anneal", "steps": ANNEAL, "blend": str(blend), "lr": 1e-4, "min_lr": 1e-6, "warmup_steps": 0}
    main = {"name": "main", "steps": MAIN, "warmup_steps": 1}
    phases.write_text(yaml.safe_dump({"langadapt": {"phases": [main, anneal]}}))

    def command(run_folder: Path, layout: str = "one process") -> list[str]:
        own = [f"model.restore_from_path={small_base}", f"exp_manager.explicit_log_dir={run_folder}"]
        length = [f"trainer.max_steps={MAIN + ANNEAL}", "trainer.val_check_interval=3"]
        files = [str(CONFIGS / "cpt" / "tiny.yaml"), str(folder / "main.yaml"), str(phases)]
        sizes = ["model.tensor_model_parallel_size=1", *LAYOUTS[layout]]
        return ["cpt", *files, *SMALL_MODEL, *SMALL_RUN, *length, *sizes, *own]

    return command


@pytest.fixture(scope="module")
def run(words, langadapt, tmp_path_factory) -> Path:
    """The folder of the uninterrupted run."""
    folder = tmp_path_factory.mktemp("run")
    langadapt(*words(folder))
    return folder


def losses(folder: Path) -> list[float]:
    """Loss of every step, counted through the phases; fails if one is missing."""
    curve = run_record.losses(run_record.read_metrics(folder))
    assert [step for step, _ in curve] == list(range(1, MAIN + ANNEAL + 1))
    return [loss for _, loss in curve]


def test_the_second_phase_is_what_a_hand_made_one_computes(run):
    """Weights, both moments and the count of steps go on; samples and learning rate are the phase's own."""
    (last,) = (run / "phases" / "1" / "checkpoints").glob(f"*step={MAIN}-*-last")
    model = run_record.read(run / "phases" / "2").config["model"]
    by_hand = hand_made.losses(last, model, done=MAIN, steps=ANNEAL)
    assert losses(run)[MAIN:] == pytest.approx(by_hand, abs=1e-5, rel=0)
    without_bias_counted_on = hand_made.losses(last, model, done=0, steps=ANNEAL)
    assert abs(without_bias_counted_on[1] - by_hand[1]) > 1e-3


def test_learning_rate_and_samples_start_anew(run):
    metrics = run_record.read_metrics(run)
    rates = [entry["lr"] for entry in metrics if "lr" in entry]
    assert rates[:2] == pytest.approx([5e-4, 1e-3])
    assert rates[MAIN:] == pytest.approx([1e-4, 8.5502e-5, 5.05e-5, 1.5498e-5], rel=1e-4)
    consumed = [entry["consumed_samples"] for entry in metrics if "consumed_samples" in entry]
    assert consumed == [4, 8, 12, 16, 20, 24, 4, 8, 12, 16]


def test_the_record_tells_every_phase_and_their_sum(run):
    record = run_record.read(run)
    assert (record.status, record.steps) == ("done", MAIN + ANNEAL)
    assert (record.first_loss, record.last_loss) == (losses(run)[0], losses(run)[-1])
    assert record.model == str(run.resolve() / "phases" / "2" / "checkpoints" / "megatron_gpt.nemo")
    first, second = record.phases
    assert [(phase["name"], phase["steps"]) for phase in record.phases] == [("main", MAIN), ("anneal", ANNEAL)]
    assert first["blend"]["budget_tokens"] == 1536
    assert second["blend"]["budget_tokens"] == 1024
    assert second["config"]["model"]["optim"]["lr"] == 1e-4
    assert second["config"]["model"]["seed"] == first["config"]["model"]["seed"] + 1


def test_what_was_seen_is_the_plan_of_each_phase_and_adds_up(run):
    record = run_record.read(run)
    for phase, samples in zip(record.phases, (24, 16), strict=True):
        assert sum(row["samples"] for row in phase["seen"]) == samples
        for row in phase["seen"]:
            assert abs(row["tokens_seen"] - row["tokens_planned"]) <= 64  # whole samples
    assert {row["kind"] for row in record.phases[1]["seen"]} == {"real"}
    assert sum(row["tokens_seen"] for row in record.seen) == 40 * 64
    both = {row["prefix"] for row in record.phases[0]["seen"]} & {row["prefix"] for row in record.phases[1]["seen"]}
    (first,) = (row for row in record.seen if row["prefix"] == min(both))
    parts = [row for phase in record.phases for row in phase["seen"] if row["prefix"] == first["prefix"]]
    assert first["epochs"] == pytest.approx(sum(part["epochs"] for part in parts))


def test_a_finished_run_is_not_trained_again_and_another_one_is_refused(run, words, capsys):
    assert cli.main(words(run)) == 0
    assert "cpt: 10 steps in 2 phases" in capsys.readouterr().out
    assert cli.main([*words(run), "model.optim.weight_decay=0.2"]) == 2
    message = capsys.readouterr().err
    assert "holds a cpt run of another config or other inputs; changed: model.optim.weight_decay" in message


def test_the_folder_of_a_run_without_phases_is_refused(words, tmp_path, capsys):
    leave_run(tmp_path, steps=1)
    assert cli.main(words(tmp_path)) == 2
    message = capsys.readouterr().err
    assert "The run folder holds a cpt run without phases." in message
    assert f"exp_manager.explicit_log_dir={tmp_path}-2" in message


def test_groups_without_a_count_are_left_alone():
    groups = [{"lr": 1.0}, {"lr": 2.0}]
    carry_steps([{"lr": 5.0, "step": 7}, {"lr": 5.0}], groups)
    assert groups == [{"lr": 1.0, "step": 7}, {"lr": 2.0}]


def kill_when(words: list[str], is_time) -> None:
    """Starts a run and kills its whole session, ranks included, at a moment."""
    process = subprocess.Popen(
        [sys.executable, "-m", "recipes.cli", *words],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.time() + 200
    while not is_time():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.time() < deadline, "the run did not get that far"
        time.sleep(0.01)
    for child in children(process.pid):
        os.kill(child, signal.SIGKILL)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def children(pid: int) -> list[int]:
    """Ranks, which torchrun's agent starts in sessions of their own."""
    return [int(line) for line in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def logged(folder: Path, number: int) -> int:
    return len(run_record.losses(run_record.read_metrics(folder / "phases" / str(number))))


MOMENTS = {
    "within the first phase": lambda folder: logged(folder, 1) >= 4,
    "at the switch": lambda folder: (
        "done" in (folder / "phases" / "1" / "record" / "run.json").read_text()
        if (folder / "phases" / "1" / "checkpoints" / "megatron_gpt.nemo").exists()
        else False
    ),
    "before the second phase has a checkpoint": lambda folder: logged(folder, 2) >= 1,
    "behind the second phase's checkpoint": lambda folder: logged(folder, 2) >= 4,
}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_at_any_moment_leaves_the_losses_of_the_uninterrupted_run(moment, words, langadapt, run, tmp_path):
    kill_when(words(tmp_path), lambda: MOMENTS[moment](tmp_path))
    assert run_record.read(tmp_path).status == "running"
    langadapt(*words(tmp_path))
    assert losses(tmp_path) == losses(run)
    assert run_record.read(tmp_path).status == "done"


@pytest.mark.slow
@pytest.mark.long
def test_tensor_parallel_phases_give_the_losses_of_one_process(words, langadapt, run, tmp_path):
    langadapt(*words(tmp_path, "TP=2"))
    assert losses(tmp_path) == pytest.approx(losses(run), abs=ACROSS_LAYOUTS, rel=0)


@pytest.mark.slow
@pytest.mark.long
def test_ranks_started_by_torchrun_go_from_phase_to_phase(words, run, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*torchrun, "-m", "recipes.cli", *words(tmp_path, "TP=2")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert losses(tmp_path) == pytest.approx(losses(run), abs=ACROSS_LAYOUTS, rel=0)
    assert done.stdout.count("cpt: 10 steps in 2 phases") == 1
