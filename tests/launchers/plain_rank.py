"""A rank that trains nothing: it counts steps, and behaves towards the job script as a rank of `langadapt cpt` does.

Stands in for VENV/bin/python, so that everything around it is the real thing. What befalls it is in RUN/fate.json:
{"steps": 20, "save_every": 5, "seconds": 0.1, "raise_at": 7, "hang_at": 7, "exit_code": 2}; those that end it do so
in the first start alone unless "always" is true.
"""

import json
import os
import sys
import time
from pathlib import Path

from recipes import checkpoints, run_record, stopping
from recipes.run_record import RunRecord

NUMBER, WORLD = int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_NTASKS"])


def main(folder: Path) -> None:
    fate = json.loads((folder / "fate.json").read_text())
    print(
        f"rank {NUMBER} of {WORLD} on {os.environ['SLURMD_NODENAME']}, local {os.environ['SLURM_LOCALID']}", flush=True
    )
    if NUMBER:
        wait_for_rank_0(folder, fate)
        return
    stopping.forget(folder)
    (folder / "record").mkdir(parents=True, exist_ok=True)
    (folder / "record" / "left").unlink(missing_ok=True)
    first = checkpoints.newest(folder)
    step = checkpoints.step_of(first) if first else 0
    with (folder / "record" / "began").open("a") as file:
        file.write(f"{step}\n")
    train(folder, fate, step)


def train(folder: Path, fate: dict, step: int) -> None:
    while step < fate["steps"]:
        time.sleep(fate.get("seconds", 0.1))
        step += 1
        with (folder / run_record.METRICS_NAME).open("a") as file:
            file.write(json.dumps({"step": step - 1, "time": time.time(), "reduced_train_loss": 1 / step}) + "\n")
        if step % fate["save_every"] == 0:
            save(folder, step)
        if reason := stopping.request(folder):
            save(folder, step)
            stopping.obeyed(folder, reason)
            (folder / "record" / "left").touch()
            print(f"stopped at {step} by {reason}", flush=True)
            sys.exit(75)
        meet_fate(fate, step)
    finish(folder, step)


def meet_fate(fate: dict, step: int) -> None:
    if os.environ.get("SLURM_RESTART_COUNT", "0") != "0" and not fate.get("always"):
        return
    if step == fate.get("raise_at"):
        raise RuntimeError(f"the loss of step {step} is a pear")
    if step == fate.get("hang_at"):
        time.sleep(1000)
    if step == fate.get("exit_at"):
        print("error: model.optim.lr is a pear.\n  fix:   model.optim.lr=1e-4", file=sys.stderr)
        sys.exit(2)


def save(folder: Path, step: int) -> None:
    before = checkpoints.newest(folder)
    (folder / "checkpoints" / f"megatron_gpt--step={step}-last").mkdir(parents=True, exist_ok=True)
    if before and checkpoints.step_of(before) != step:
        before.rmdir()


def finish(folder: Path, step: int) -> None:
    model = folder / "checkpoints" / "megatron_gpt.nemo"
    model.touch()
    record = RunRecord(
        stage="cpt",
        status="done",
        identity="",
        config={},
        inputs={},
        layout={},
        ground={},
        git={},
        steps=step,
        model=str(model),
    )
    record.write(folder)
    (folder / "record" / "left").touch()


def wait_for_rank_0(folder: Path, fate: dict) -> None:
    """Stays until rank 0 has left; a real rank notices by its collectives."""
    began = time.time()
    while time.time() - began < 120:
        time.sleep(0.1)
        left = folder / "record" / "left"
        if left.exists() and left.stat().st_mtime > began - 1:
            return
    raise RuntimeError("[../gloo/transport] Connection closed by peer")


if __name__ == "__main__":
    folders = [word.partition("=")[2] for word in sys.argv if word.startswith("exp_manager.explicit_log_dir=")]
    folder = Path(folders[0].strip("'"))
    with stopping.listening(folder):
        main(folder)
