"""The monitor in real runs: its figures are transformers' figures, and its alarm ends a run for good.

That it reads the same under every layout, leaves the losses as they are and keeps its baseline over a kill is shown in
test_parallel_truth.py.
"""

import math
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import AutoModelForCausalLM

from data_prep import vocabulary
from recipes import checkpoints, cli, run_record
from recipes.monitor import windows
from tests.conftest import CONFIGS, SMALL_MODEL, SMALL_RUN

SEQUENCES, LENGTH = 3, 64
RULE = "langadapt.monitor.alarms=[{{watch:en-Latn,increase:1,readings:2,action:{action}}}]"


@pytest.fixture(scope="module")
def words(prepared, small_base, tmp_path_factory) -> list[str]:
    """A cpt whose learning rate destroys what the base model knew."""
    folder = tmp_path_factory.mktemp("forgetful") / "run"
    return [
        "cpt",
        str(CONFIGS / "cpt" / "tiny.yaml"),
        str(prepared.blend),
        *SMALL_MODEL,
        *SMALL_RUN,
        f"model.restore_from_path={small_base}",
        "trainer.devices=1",
        "model.tensor_model_parallel_size=1",
        "trainer.max_steps=6",
        "trainer.val_check_interval=5",
        "model.optim.lr=1.0",
        "model.optim.sched.warmup_steps=0",
        "langadapt.monitor.every_n_steps=1",
        f"langadapt.monitor.sequences={SEQUENCES}",
        "langadapt.monitor.max_share=0.001",
        f"exp_manager.explicit_log_dir={folder}",
    ]


@pytest.fixture(scope="module")
def folder(words) -> Path:
    return Path(words[-1].partition("=")[2])


@pytest.fixture(scope="module")
def stopped(words, langadapt):
    """The run that an alarm stopped."""
    return langadapt(*words, RULE.format(action="stop"), check=False)


def test_the_alarm_stops_the_run_at_its_second_reading_with_a_checkpoint_of_that_step(stopped, folder) -> None:
    assert stopped.returncode == 1, stopped.stderr[-3000:]
    assert "monitor: ALARM (stop): en-Latn more than 1 % above its baseline for 2 readings in a row" in stopped.stdout
    assert "Stopped by the forgetting monitor: en-Latn is +" in stopped.stderr
    _, last = checkpoints.last(folder)
    assert "step=2-" in last.name
    assert f"last checkpoint {last.name}" in stopped.stderr
    record = run_record.read(folder)
    assert (record.status, record.steps) == ("running", 2)
    assert record.monitor["curves"]["en-Latn"]["change_percent"] > 1


def test_a_reading_that_costs_more_than_its_share_says_so(stopped) -> None:
    assert "more than max_share 0.1 %: langadapt.monitor.every_n_steps=" in stopped.stdout
    assert "monitor: 4 sets, 12 sequences every 1 steps, 50.00 % of the run's arithmetic" in stopped.stdout


def test_a_requeued_start_is_refused_before_anything_is_loaded(stopped, words, folder, capsys) -> None:
    assert cli.main([*words, RULE.format(action="stop")]) == 1
    assert "Stopped by the forgetting monitor" in capsys.readouterr().err
    assert run_record.read(folder).steps == 2


def test_the_first_reading_is_what_transformers_reads(
    stopped, prepared, small_base, langadapt, folder, tmp_path
) -> None:
    langadapt("convert", "to-hf", f"model={small_base}", f"output={tmp_path / 'hf'}")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "hf", torch_dtype=torch.float32).eval()
    loaded = vocabulary.load(prepared.data.tokenizer)
    (first, *_) = run_record.read_metrics(folder)
    assert first["step"] == -1
    for name in ("sample.en-Latn.real", "sample.hi-Deva.real"):
        held_out = windows.load(prepared.data.prefix(name, "heldout"), loaded, length=LENGTH, sequences=SEQUENCES)
        with torch.inference_mode():
            logits = model(torch.from_numpy(held_out.inputs)).logits.double()
        scored = torch.from_numpy(held_out.scored)
        nats = torch.nn.functional.cross_entropy(logits[scored], torch.from_numpy(held_out.targets)[scored])
        assert first[f"monitor/loss/{name}"] == pytest.approx(float(nats), rel=1e-6)
        text = loaded.decode(held_out.targets[scored.numpy()].tolist())
        bits = float(nats) * int(scored.sum()) / math.log(2) / len(text.encode())
        assert first[f"monitor/bits_per_byte/{name}"] == pytest.approx(bits, rel=2e-2)  # cut characters decode to more


def test_every_curve_is_in_tensorboard(stopped, folder) -> None:
    events = EventAccumulator(str(folder)).Reload()
    points = events.Scalars("monitor/bits_per_byte/en-Latn")
    assert [point.step for point in points] == [0, 1, 2]
    record = run_record.read(folder).monitor["curves"]["en-Latn"]
    assert points[0].value == pytest.approx(record["baseline"])
    assert {f"monitor/{what}/sample.hi-Latn.romanized" for what in ("loss", "bits_per_byte", "change")} <= set(
        events.Tags()["scalars"]
    )


def test_another_rule_goes_on_from_the_checkpoint_with_the_first_baseline(stopped, words, folder, langadapt) -> None:
    before = run_record.read(folder).monitor["curves"]["hi-Deva"]["baseline"]
    done = langadapt(*words, RULE.format(action="warn"))
    assert "monitor: ALARM (warn): en-Latn more than 1 %" in done.stdout
    record = run_record.read(folder)
    assert (record.status, record.steps, record.monitor["last_step"]) == ("done", 6, 6)
    assert record.monitor["readings"] == 7
    assert record.monitor["curves"]["hi-Deva"]["baseline"] == pytest.approx(before, rel=1e-12)
