"""What a run computes, and how it is laid out over cards: the two things every figure of a plan follows from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from recipes.checks.layout import Layout
from recipes.known_keys import Schema

Granularity = Literal["none", "selective", "full"]


@dataclass(frozen=True, kw_only=True)
class Recompute:
    """NeMo's `activations_checkpoint_*`: what is thrown away and computed again in the backward pass.

    Attributes:
        granularity: Nothing, the core of attention, or layers.
        method: Of `full`: `uniform` keeps the input of every `layers` layers, `block` recomputes the first `layers`
            of a stage, one by one, and keeps the others whole.
        layers: `activations_checkpoint_num_layers`.
    """

    granularity: Granularity = "none"
    method: Literal["uniform", "block"] = "uniform"
    layers: int = 1

    def __str__(self) -> str:
        """Such as `full`, `full, block of 4`, `none`."""
        return f"full, {self.method} of {self.layers}" if self.granularity == "full" else self.granularity


@dataclass(frozen=True, kw_only=True)
class Precision:
    """Bytes of one number.

    Attributes:
        element: Of an activation.
        is_o2: 16-bit weights with fp32 master weights in the optimizer (`megatron_amp_O2`).
    """

    element: int
    is_o2: bool


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is computed, whatever the layout.

    Attributes:
        schema: The stage: its loss, and how many sequences a sample is.
        model: NeMo's `model` section, the checkpoint's where it is known.
        vocabulary_rows: Of the embedding table, padding included.
        sequence: Tokens of a sequence, the longest that is configured.
        global_batch: Samples a step.
        precision: Of weights and activations.
        optimizer: NeMo's name.
        gradient_bytes: Of one gradient.
        is_overlapped: Gradients are summed while the backward pass goes on (`overlap_grad_sync`).
    """

    schema: Schema
    model: Mapping[str, Any]
    vocabulary_rows: int
    sequence: int
    global_batch: int
    precision: Precision
    optimizer: str
    gradient_bytes: int = 4
    is_overlapped: bool = False

    @property
    def sequences_per_sample(self) -> int:
        """A preference pair is a chosen and a rejected answer."""
        return 2 if self.schema == "dpo" else 1

    @property
    def tokens_per_step(self) -> int:
        """Of all ranks together."""
        return self.global_batch * self.sequences_per_sample * self.sequence

    @property
    def has_fused_kernels(self) -> bool:
        """Transformer Engine's layers, as in the container."""
        return bool(self.model.get("transformer_engine", False))


@dataclass(frozen=True, kw_only=True)
class Placement:
    """How it is laid out over the cards.

    Attributes:
        layout: Ways that tensors, stages, sequences and batches are cut.
        micro_batch: Samples a rank computes at once.
        sequence_parallel: Norms and residuals are cut over the tensor ranks, too.
        recompute: What is computed twice to save memory.
        virtual: Model chunks of a pipeline stage (interleaved schedule).
    """

    layout: Layout
    micro_batch: int
    sequence_parallel: bool = False
    recompute: Recompute = Recompute()
    virtual: int = 1

    def micro_batches(self, work: Work) -> int:
        """Of a step, on each rank."""
        return work.global_batch // (self.micro_batch * self.layout.data)
