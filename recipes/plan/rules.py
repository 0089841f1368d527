"""The rules of division that a layout has to keep: the checks a run makes, and the figures they passed with."""

from omegaconf import DictConfig, OmegaConf

from data_prep.errors import UsageError
from recipes.checks.checkpoint import check_checkpoint
from recipes.checks.layout import (
    Layout,
    check_batches,
    check_context,
    check_interleaving,
    check_model_split,
    check_pair_padding,
    check_sequence,
    check_validation_batch,
    layout,
)
from recipes.checks.values import whole
from recipes.plan.cluster import Cluster
from recipes.plan.inputs import Inputs
from recipes.plan.work import Placement, Work


def check(inputs: Inputs, cluster: Cluster) -> Layout:
    """The layout, if it keeps every rule that a run would stop at.

    Raises:
        UsageError: It does not.
    """
    cfg, model, keys = inputs.cfg, inputs.model, inputs.keys
    cut = layout(cfg)
    if cfg.trainer.devices > cluster.gpus_per_node:
        raise UsageError(
            f"{cfg.trainer.devices} devices a node; those of {cluster.name} have {cluster.gpus_per_node}",
            where="trainer.devices",
            fix=f"trainer.devices={cluster.gpus_per_node}\nor nodes=N, for all cards of N nodes",
        )
    check_model_split(model, cut)
    check_batches(cfg, cut, keys.global_batch, keys.micro_batch)
    check_sequence(model, whole(cfg, keys.sequence), keys.sequence)
    _check_recompute(model)
    _check_reference(inputs)
    check_interleaving(cfg, cut)
    check_context(model, cut, whole(cfg, keys.sequence), keys.sequence)
    if inputs.schema == "sft":
        check_validation_batch(cfg, cut)
    if inputs.schema == "dpo":
        check_pair_padding(cfg, cut)
    if inputs.checkpoint:
        check_checkpoint(model, inputs.checkpoint, keys.checkpoint)
    return cut


def _check_recompute(model: DictConfig) -> None:
    """What megatron-core asks of full recomputation (megatron-core 0.10.0, transformer_config.py)."""
    names = ("granularity", "method", "num_layers")
    granularity, method, layers = (model.get(f"activations_checkpoint_{name}") for name in names)
    if granularity not in (None, "selective", "full"):
        raise UsageError(
            f"model.activations_checkpoint_granularity is {granularity}",
            where="model.activations_checkpoint_granularity",
            fix="model.activations_checkpoint_granularity=full, selective or null",
        )
    if granularity == "full" and (method not in ("uniform", "block") or not layers):
        raise UsageError(
            "full recomputation needs a method and a number of layers",
            where=f"model.activations_checkpoint_method={method}, model.activations_checkpoint_num_layers={layers}",
            fix="model.activations_checkpoint_method=uniform model.activations_checkpoint_num_layers=1",
        )


def _check_reference(inputs: Inputs) -> None:
    """NeMo-Aligner's DPO swaps the weights of one model, which virtual stages are several of."""
    key = "model.virtual_pipeline_model_parallel_size"
    virtual = inputs.model.get("virtual_pipeline_model_parallel_size") or 1
    if inputs.schema == "dpo" and virtual > 1:
        raise UsageError(
            "NeMo-Aligner's DPO knows no virtual pipeline stages",
            where=f"{key}={virtual}",
            why="it swaps the reference's weights in and out of one model (nemo_aligner/utils/utils.py)",
            fix=f"{key}=null",
        )


def passed(work: Work, placement: Placement) -> dict[str, str]:
    """The rules with the figures of a layout that keeps them."""
    model, cut = work.model, placement.layout
    heads, groups = model["num_attention_heads"], model.get("num_query_groups") or model["num_attention_heads"]
    stages = cut.pipeline * placement.virtual
    batches = placement.micro_batches(work)
    return {
        "attention heads": f"{heads} = tensor {cut.tensor} x {heads // cut.tensor}",
        "query groups": f"{groups} = tensor {cut.tensor} x {groups // cut.tensor}",
        "feed-forward size": f"{model['ffn_hidden_size']:,} = tensor {cut.tensor} x "
        f"{model['ffn_hidden_size'] // cut.tensor:,}",
        "vocabulary rows": f"{work.vocabulary_rows:,} with padding = tensor {cut.tensor} x "
        f"{work.vocabulary_rows // cut.tensor:,}",
        "layers": f"{model['num_layers']} = stages {stages} x {model['num_layers'] // stages}",
        "global batch": f"{work.global_batch:,} = micro {placement.micro_batch} x data {cut.data} x {batches} times",
    }


def keeps(work: Work, placement: Placement) -> bool:
    """Whether a layout that nobody configured keeps the same rules."""
    cut, model = placement.layout, work.model
    section = DictConfig(
        {
            **{name: model.get(name) for name in _SIZES},
            "tensor_model_parallel_size": cut.tensor,
            "sequence_parallel": placement.sequence_parallel,
            "virtual_pipeline_model_parallel_size": placement.virtual,
        }
    )
    batches = OmegaConf.create({"global": work.global_batch, "micro": placement.micro_batch})
    try:
        check_model_split(section, cut)
        check_sequence(section, work.sequence, "sequence")
        check_batches(batches, cut, "global", "micro")
    except UsageError:
        return False
    return work.vocabulary_rows % cut.tensor == 0


_SIZES = (
    "num_attention_heads",
    "num_query_groups",
    "hidden_size",
    "ffn_hidden_size",
    "num_layers",
    "max_position_embeddings",
)
