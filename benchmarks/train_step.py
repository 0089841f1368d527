"""One optimizer step of Nemotron on the portable ground beside a plain transformers loop.

    python -m benchmarks.train_step [--repeat 5]

Compared, for three shapes, in one process on the CPU, in turn (ours, transformers, ours, ...):

- langadapt: what NeMo's `training_step` calls on our ground: megatron-core's GPTModel as MegatronGPTModel builds it
  from nemo_configs (local layers, our LayerNorm, SDPA, FusedAdam), NeMo's forward-backward schedule, gradient
  all-reduce and clipping, the optimizer.
- transformers: NemotronForCausalLM with SDPA, cross entropy, `clip_grad_norm_`, torch's fused AdamW.

Fair because both do the same work: the same weights (through our conversion), tokens, fp32, threads, weight decay
groups and learning rate; after two updates their losses must still agree, else the benchmark fails. The rival is
at its best: no key-value cache, and a loss on labels shifted beforehand instead of its own copy of the logits.
Neither side loads data, schedules a learning rate or logs.

The third row is what a user waits for: time between steps of a real `langadapt pretrain`, with Lightning, the data
loader, schedule, logging and the record. It runs before the others, so on a busy machine it is less comparable.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import common
from recipes import config as configs
from recipes.convert.architectures.base import nemo_shape
from recipes.convert.architectures.nemotron import NEMOTRON
from recipes.convert.architectures.tensors import hf_tensors
from recipes.runtime import ground

WARM_UP_STEPS = 3
TRAINER_STEPS = 24
VOCABULARY = 4096
LOSS_TOLERANCE = 1e-4  # measured: 1e-6; later steps amplify the rounding of the first ones

Step = Callable[[], float]
"""Does one optimizer step and returns its loss."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A model to time.

    Attributes:
        name: As printed.
        steps: Steps of each side that `--repeat` multiplies.
        overrides: Changes of nemo_configs/model/tiny.yaml.
    """

    name: str
    steps: int
    overrides: tuple[str, ...] = ()


SHAPES = (
    Shape(name="tiny", steps=5),
    Shape(
        name="larger",
        steps=2,
        overrides=(
            "model.num_layers=4",
            "model.hidden_size=384",
            "model.ffn_hidden_size=1152",
            "model.kv_channels=64",
        ),
    ),
    Shape(
        name="50 million",
        steps=1,
        overrides=(
            "model.num_layers=8",
            "model.hidden_size=768",
            "model.ffn_hidden_size=2304",
            "model.num_attention_heads=12",
            "model.num_query_groups=4",
            "model.kv_channels=64",
            "model.encoder_seq_length=1024",
            "model.max_position_embeddings=1024",
            "model.micro_batch_size=1",
            "model.global_batch_size=1",
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds of every timed step of both sides, and how far their losses were apart when timing began."""

    ours: list[float]
    rival: list[float]
    loss_difference: float

    @property
    def ratio(self) -> float:
        """Our median over the rival's."""
        return common.median(self.ours) / common.median(self.rival)

    @property
    def least_ratio(self) -> float:
        """Our fastest step over the rival's: far from `ratio` where other processes disturbed the run."""
        return min(self.ours) / min(self.rival)


def interleave(ours: Step, rival: Step, count: int) -> Timing:
    """Times `count` steps of each side, one of ours, one of the rival's, after untimed ones."""
    difference = 0.0
    for _ in range(WARM_UP_STEPS):
        difference = abs(ours() - rival())
    pairs = [(_seconds(ours), _seconds(rival)) for _ in range(count)]
    return Timing(
        ours=[pair[0] for pair in pairs],
        rival=[pair[1] for pair in pairs],
        loss_difference=difference,
    )


def _seconds(step: Step) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def step_seconds(times: list[float]) -> list[float]:
    """Seconds between consecutive steps of a run, without its first ones."""
    return [after - before for before, after in pairwise(times[WARM_UP_STEPS:])]


def build_model(config: Any) -> Any:
    """A MegatronGPTModel with random weights in a process group of one."""
    from megatron.core import num_microbatches_calculator
    from nemo.collections.nlp.parts.megatron_trainer_builder import MegatronTrainerBuilder

    from recipes.runtime import pretraining

    num_microbatches_calculator.destroy_num_microbatches_calculator()  # of the shape before
    trainer = MegatronTrainerBuilder(config).create_trainer()
    model: Any = pretraining.build_model(config, trainer)
    trainer.strategy.launcher.launch(lambda: None, trainer=trainer)
    trainer.strategy.setup_environment()
    return model.train()


def our_step(model: Any, config: Any, batch: dict[str, Any]) -> Step:
    """NeMo's training step on the portable ground, without Lightning around it."""
    from nemo.collections.nlp.modules.common.megatron.clip_grads import clip_grad_norm_fp32

    from recipes.runtime.portable.fused_adam import FusedAdam

    optim = config.model.optim
    model.setup_optimizer_param_groups()
    optimizer = FusedAdam(
        model._optimizer_param_groups,  # noqa: SLF001
        lr=optim.lr,
        betas=tuple(optim.betas),
        weight_decay=optim.weight_decay,
    )

    def step() -> float:
        optimizer.zero_grad()
        loss = model.fwd_bwd_step(iter([batch]), forward_only=False)
        model.allreduce_gradients()
        clip_grad_norm_fp32(model.get_parameters_with_grad(), config.trainer.gradient_clip_val)
        optimizer.step()
        return float(loss)

    return step


def rival_step(model: Any, config: Any, batch: dict[str, Any]) -> Step:
    """The same step in plain torch."""
    import torch
    from torch.nn import functional

    optim = config.model.optim
    groups = [
        {"params": [weight for weight in model.parameters() if weight.ndim > 1]},
        {"params": [weight for weight in model.parameters() if weight.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        groups, lr=optim.lr, betas=tuple(optim.betas), weight_decay=optim.weight_decay, fused=True
    )
    labels = batch["labels"].flatten()

    def step() -> float:
        optimizer.zero_grad()
        logits = model(input_ids=batch["tokens"], use_cache=False).logits
        loss = functional.cross_entropy(logits.flatten(0, 1), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.trainer.gradient_clip_val)
        optimizer.step()
        return float(loss)

    return step


def as_transformers(model: Any, config: Any) -> Any:
    """NemotronForCausalLM with the weights of a megatron-core model, by the mapping of `langadapt convert`."""
    import torch
    from transformers import NemotronConfig, NemotronForCausalLM

    shape = nemo_shape(config.model, VOCABULARY)
    weights = {stored_name(name): weight.detach() for name, weight in model.named_parameters()}
    settings = NEMOTRON.hf_config(config.model, shape, {})
    rival = NemotronForCausalLM._from_config(NemotronConfig(**settings), attn_implementation="sdpa")  # noqa: SLF001
    rival.load_state_dict(
        {
            tensor.name: torch.cat([weights[tensor.source][first : first + count] for first, count in tensor.rows])
            for tensor in hf_tensors(NEMOTRON, shape)
        }
    )
    return rival.train()


def stored_name(name: str) -> str:
    """A parameter's name in checkpoints, where a norm stands with the linear layer behind it."""
    return name.replace(".input_layernorm.", ".self_attention.linear_qkv.layer_norm_").replace(
        ".pre_mlp_layernorm.", ".mlp.linear_fc1.layer_norm_"
    )


def random_batch(config: Any) -> dict[str, Any]:
    """A batch as NeMo's data loader yields it."""
    import torch

    sequence = config.model.encoder_seq_length
    ids = torch.randint(VOCABULARY, (config.model.micro_batch_size, sequence + 1))
    return {
        "tokens": ids[:, :-1].contiguous(),
        "labels": ids[:, 1:].contiguous(),
        "loss_mask": torch.ones(ids[:, 1:].shape),
        "position_ids": torch.arange(sequence).expand(ids.shape[0], -1),
    }


def time_shape(shape: Shape, corpus: common.Corpus, folder: Path, repeat: int) -> tuple[Timing, str]:
    """Builds both models and times them; also returns a line that describes the shape.

    Raises:
        RuntimeError: The two sides computed different losses, so that their times say nothing.
    """
    config = configs.load(
        [common.TINY_BASE, corpus.blend],
        [
            f"exp_manager.explicit_log_dir={folder}",
            f"model.make_vocab_size_divisible_by={VOCABULARY}",
            "model.micro_batch_size=8",
            "model.global_batch_size=8",
            *shape.overrides,
        ],
        "pretrain",
    )
    model = build_model(config)
    rival = as_transformers(model.model, config)
    batch = random_batch(config)
    ours, theirs = our_step(model, config, batch), rival_step(rival, config, batch)
    timing = interleave(ours, theirs, repeat * shape.steps)
    if not timing.loss_difference < LOSS_TOLERANCE:
        raise RuntimeError(f"{shape.name}: losses differ by {timing.loss_difference:.2g}; this is not the same work")
    weights = sum(weight.numel() for weight in rival.parameters())
    size = f"{config.model.micro_batch_size} x {config.model.encoder_seq_length}"
    return (
        timing,
        f"{shape.name}: {weights:,} weights, {size} tokens, fp32; losses differ by {timing.loss_difference:.0e}",
    )


def time_trainer(corpus: common.Corpus, folder: Path) -> float:
    """Median seconds between two steps of `langadapt pretrain` at the tiny shape."""
    common.langadapt(*common.pretrain_words(corpus, folder, TRAINER_STEPS))
    return common.median(step_seconds(common.step_times(folder)))


def rows(name: str, timing: Timing) -> list[list[str]]:
    """The two rows of a shape."""
    ratios = [f"{timing.ratio:.2f}", f"{timing.least_ratio:.2f}"]
    sides = (("langadapt", timing.ours, ratios), ("transformers", timing.rival, ["", ""]))
    return [
        [f"{name}, {side}", f"{1000 * common.median(times):.0f}", f"{1000 * min(times):.0f}", *cells]
        for side, times, cells in sides
    ]


def main() -> None:
    """Times all shapes and the trainer, prints the table; the last line is the ratio of the largest shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5, help="times each shape's number of steps (default 5)")
    repeat = parser.parse_args().repeat
    common.use_cpu()
    print(common.machine_facts())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = common.prepare_corpus(folder)
        trainer = time_trainer(corpus, folder / "run")  # first: Lightning leaves rank variables in the environment
        ground.prepare()
        ground.quiet_nemo()
        timings, lines = {}, []
        for shape in SHAPES:
            timings[shape.name], text = time_shape(shape, corpus, folder / shape.name, repeat)
            lines += rows(shape.name, timings[shape.name])
            print(text, flush=True)
    lines.append(["tiny, langadapt pretrain (whole step)", f"{1000 * trainer:.0f}", "", "", ""])
    print(common.table(["step", "median ms", "least ms", "ratio", "ratio of least"], lines))
    print(f"ratio {timings[SHAPES[-1].name].ratio:.2f} (ours / transformers, {SHAPES[-1].name}; lower is better)")


if __name__ == "__main__":
    main()
