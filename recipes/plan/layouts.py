"""Other ways to lay a run out over the same cards: which fit, which is quickest, and why.

The times are a model, good for an order and not for a promise: matrices at the stated utilisation, tensor-parallel
sums over the node's links, gradients over the network, pipeline bubbles (arXiv 2104.04473, 2205.05198).
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from recipes.checks.ground import DISTRIBUTED_OPTIMIZERS
from recipes.checks.layout import Layout
from recipes.model_shape import padded_vocab_size, rank_parameters
from recipes.plan import activations, flops, memory, rules
from recipes.plan.cluster import GIB, Cluster
from recipes.plan.memory import Memory
from recipes.plan.work import Placement, Recompute, Work

MICRO_BATCHES = (1, 2, 4, 8)
MOST_STAGES = 16
DISTRIBUTED = "mcore_distributed_optim"
BUSIEST = 0.92
"""Share of a card's memory that a recommended layout may fill: an estimate has an error, and batches differ."""

SAME = 0.02
"""Of the configured layout's time: closer than that, the model of time cannot tell two layouts apart."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Seconds of a step.

    Attributes:
        matrices: Multiplications, recomputed ones included.
        tensor: Sums over the tensor-parallel ranks.
        bubble: Waiting at both ends of a pipeline.
        data: Gradients and weights between the data-parallel ranks, as far as no computing hides them.
    """

    matrices: float
    tensor: float
    bubble: float
    data: float

    @property
    def total(self) -> float:
        """Of a step."""
        return self.matrices + self.tensor + self.bubble + self.data


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A layout that keeps the rules.

    Attributes:
        overrides: What to write on the command line to get it.
        changes: Settings that differ from the configured ones.
        stage: The pipeline stage that needs most memory.
        time: Of a step, as a multiple of the configured layout's.
    """

    work: Work
    placement: Placement
    overrides: tuple[str, ...]
    changes: int
    stage: int
    memory: Memory
    costs: Costs
    time: float
    fits: bool

    @property
    def why(self) -> str:
        """What decides its place."""
        total = self.costs.total
        parts = {
            "tensor-parallel sums": self.costs.tensor,
            "pipeline bubble": self.costs.bubble,
            "gradients between nodes": self.costs.data,
        }
        said = [f"{100 * value / total:.0f} % {name}" for name, value in parts.items() if value >= 0.005 * total]
        cut = self.placement.layout
        again = flops.recomputed_share(self.work, self.placement.recompute, cut.pipeline * self.placement.virtual)
        said += [f"computes {100 * again:.0f} % again"] if again else []
        return ", ".join(said) or "nothing but matrices"


def step_costs(work: Work, placement: Placement, cluster: Cluster) -> Costs:
    """Seconds of a step by what takes them; see the module's docstring."""
    cut, batches = placement.layout, placement.micro_batches(work)
    again = 1 + flops.recomputed_share(work, placement.recompute, cut.pipeline * placement.virtual)
    rate = cluster.peak_flops(work.precision.element) * cluster.mfu
    matrices = flops.of_step(work) * again / (cut.processes * rate)
    tensor = batches * _tensor_sums(work, placement) / (cluster.node_gb_per_s * 1e9)
    bubble = (matrices + tensor) * (cut.pipeline - 1) / (batches * placement.virtual)
    exchanged = _exchanged(work, placement) / (_slowest_link(cut, cluster) * 1e9)
    hidden = 2 / 3 * matrices / batches if work.is_overlapped else 0.0  # the last micro batch's backward pass
    return Costs(matrices=matrices, tensor=tensor, bubble=bubble, data=max(0.0, exchanged - hidden))


def _tensor_sums(work: Work, placement: Placement) -> float:
    """Bytes a rank sends for one micro batch: four sums a layer, two more where layers are computed again."""
    cut, model = placement.layout, work.model
    if cut.tensor == 1:
        return 0.0
    sums = 6 if placement.recompute.granularity == "full" else 4
    tokens = activations.tokens_per_micro_batch(work, placement)
    size = tokens * model["hidden_size"] * work.precision.element
    return float(model["num_layers"] // cut.pipeline * sums * size * 2 * (cut.tensor - 1) / cut.tensor)


def _exchanged(work: Work, placement: Placement) -> float:
    """Bytes a rank sends once a step: gradients scattered and weights gathered, or gradients summed."""
    cut = placement.layout
    ranks = cut.data * cut.context
    held = rank_parameters(work.model, work.vocabulary_rows, tensor=cut.tensor, pipeline=cut.pipeline, stage=0)
    weight = 2 if work.precision.is_o2 else 4
    each = work.gradient_bytes + (weight if work.optimizer in DISTRIBUTED_OPTIMIZERS else work.gradient_bytes)
    return held * each * (ranks - 1) / ranks


def _slowest_link(cut: Layout, cluster: Cluster) -> float:
    is_within_node = cut.tensor * cut.context * cut.data <= cluster.gpus_per_node
    return cluster.node_gb_per_s if is_within_node else cluster.network_gb_per_s


def candidates(work: Work, placement: Placement, cluster: Cluster, reference_batch: int) -> list[Candidate]:
    """The configured layout first, then every other that keeps the rules on as many cards."""
    base = step_costs(work, placement, cluster).total
    found = []
    for other_work, other in itertools.chain([(work, placement)], _others(work, placement, cluster)):
        stage, used = memory.fullest_stage(
            other_work, other, reserved=cluster.reserved_gib * GIB, reference_batch=reference_batch
        )
        overrides, costs = _overrides(work, placement, other_work, other), step_costs(other_work, other, cluster)
        is_configured = (other_work, other) == (work, placement)
        limit = cluster.memory_gib * GIB * (1 if is_configured else BUSIEST)
        found.append(
            Candidate(
                work=other_work,
                placement=other,
                overrides=tuple(word for words in overrides for word in words),
                changes=len(overrides),
                stage=stage,
                memory=used,
                costs=costs,
                time=costs.total / base,
                fits=used.total <= limit,
            )
        )
    return found


def _others(work: Work, placement: Placement, cluster: Cluster) -> Iterator[tuple[Work, Placement]]:
    """Sizes of tensor, pipeline and micro batch, recomputation, and a distributed optimizer where there is none."""
    works = [work]
    if work.optimizer not in DISTRIBUTED_OPTIMIZERS and work.precision.is_o2:
        works.append(replace(work, optimizer=DISTRIBUTED))
    recomputes = dict.fromkeys((placement.recompute, Recompute(), Recompute(granularity="full")))
    micros = sorted({placement.micro_batch, *MICRO_BATCHES})
    cuts = _cuts(work, placement, cluster)
    for (cut, is_shared), micro, recompute in itertools.product(cuts, micros, recomputes):
        other = Placement(
            layout=cut,
            micro_batch=micro,
            sequence_parallel=is_shared,
            recompute=recompute,
            virtual=placement.virtual if cut.pipeline == placement.layout.pipeline else 1,
        )
        for one in works:
            if (one, other) != (work, placement) and rules.keeps(one, other):
                yield one, other


def _cuts(work: Work, placement: Placement, cluster: Cluster) -> Iterator[tuple[Layout, bool]]:
    """Layouts of as many cards, sequence-parallel where they can be, and as configured at the configured size."""
    configured, layers = placement.layout, work.model["num_layers"]
    tensors = [size for size in range(1, cluster.gpus_per_node + 1) if cluster.gpus_per_node % size == 0]
    pipelines = [size for size in range(1, min(layers, MOST_STAGES) + 1) if layers % size == 0]
    for tensor, pipeline in itertools.product(tensors, pipelines):
        data, rest = divmod(configured.processes, tensor * pipeline * configured.context)
        if rest:
            continue
        shared = {tensor > 1, placement.sequence_parallel if tensor == configured.tensor else tensor > 1}
        for is_shared in sorted(shared):
            yield replace(configured, tensor=tensor, pipeline=pipeline, data=data), is_shared


def ranked(found: list[Candidate]) -> list[Candidate]:
    """Those that fit, quickest first; of equals the fewest changes, then the least memory.

    Of layouts that differ in their micro batch alone, the first.
    """
    fitting = sorted(
        (candidate for candidate in found if candidate.fits),
        key=lambda each: (round(each.time / SAME), each.changes, each.memory.total),
    )
    first: dict[object, Candidate] = {}
    for each in fitting:
        where = each.placement
        first.setdefault((where.layout, where.recompute, where.sequence_parallel, each.work.optimizer), each)
    return list(first.values())


def cheapest_changes(found: list[Candidate], count: int = 2) -> list[Candidate]:
    """How to make the configured layout fit, least time first; no two change the same settings."""
    different: dict[frozenset[str], Candidate] = {}
    for each in ranked(found):
        different.setdefault(frozenset(word.partition("=")[0] for word in each.overrides), each)
    return list(different.values())[:count]


def _overrides(work: Work, before: Placement, other: Work, after: Placement) -> list[list[str]]:
    """Words of the command line, one list a change: what has to change together is one change."""
    changes = []
    if before.layout.tensor != after.layout.tensor or before.sequence_parallel != after.sequence_parallel:
        changes.append(_tensor_words(work, before, after))
    if before.layout.pipeline != after.layout.pipeline:
        words = [f"model.pipeline_model_parallel_size={after.layout.pipeline}"]
        if before.virtual != after.virtual:
            words.append("model.virtual_pipeline_model_parallel_size=null")
        changes.append(words)
    if before.micro_batch != after.micro_batch:
        key = "model.data.train_ds.micro_batch_size" if work.schema == "sft" else "model.micro_batch_size"
        changes.append([f"{key}={after.micro_batch}"])
    if before.recompute != after.recompute:
        changes.append(_recompute_words(after.recompute))
    if work.optimizer != other.optimizer:
        changes.append([f"model.optim.name={other.optimizer}"])
    return changes


def _tensor_words(work: Work, before: Placement, after: Placement) -> list[str]:
    """Tensor size and what hangs on it: sequence parallelism, and the padding that keeps the tables' rows."""
    tensor, words = after.layout.tensor, []
    if before.layout.tensor != tensor:
        words.append(f"model.tensor_model_parallel_size={tensor}")
    if before.sequence_parallel != after.sequence_parallel:
        words.append(f"model.sequence_parallel={str(after.sequence_parallel).lower()}")
    divisor = work.model.get("make_vocab_size_divisible_by") or 128
    if padded_vocab_size(work.vocabulary_rows, divisor, tensor) != work.vocabulary_rows:
        words.append(f"model.make_vocab_size_divisible_by={work.vocabulary_rows // tensor}")
    if work.schema == "dpo" and after.sequence_parallel:
        multiple = work.model.get("data", {}).get("pad_length_to_multiple_of")
        if not multiple or multiple % tensor:
            words.append(f"model.data.pad_length_to_multiple_of={8 * tensor}")
    return words


def _recompute_words(recompute: Recompute) -> list[str]:
    key = "model.activations_checkpoint"
    if recompute.granularity != "full":
        return [f"{key}_granularity={'null' if recompute.granularity == 'none' else recompute.granularity}"]
    return [f"{key}_granularity=full", f"{key}_method={recompute.method}", f"{key}_num_layers={recompute.layers}"]
