"""Pre-training and continued pre-training with NeMo's MegatronGPTModel."""

import contextlib
from pathlib import Path
from typing import Any

from omegaconf import DictConfig


def run(config: DictConfig, metrics_path: Path) -> None:
    """Trains until `trainer.max_steps`, resuming from the newest checkpoint in the run folder if there is one.

    Where there is none, `model.restore_from_ckpt` gives weights and optimizer state to start from, as in upstream's
    main; beside `model.restore_from_path` it is the later word.

    The same classes in the same order as upstream's megatron_gpt_pretraining.py (NeMo v2.1.0). Every rank of the
    job calls it.

    Args:
        config: A resolved config of the `pretrain` schema.
        metrics_path: File for one JSON line a step.
    """
    import torch.multiprocessing
    from nemo.collections.nlp.parts.megatron_trainer_builder import MegatronTrainerBuilder

    from recipes.checkpoints import final_model
    from recipes.runtime.blend_index import NoteBlendIndex
    from recipes.runtime.exact_resume import ExactResume
    from recipes.runtime.metrics import loggers
    from recipes.runtime.monitor import attach
    from recipes.runtime.new_phase import OptimizerStepsGoOn
    from recipes.runtime.stopping import StopCallback, Stopper, StopTraining, WeightCheck, manage

    torch.multiprocessing.set_start_method("spawn", force=True)
    resume, stopper = ExactResume(), Stopper(config)
    noted = NoteBlendIndex(Path(config.exp_manager.explicit_log_dir))
    callbacks = [resume, OptimizerStepsGoOn(), noted, StopCallback(stopper), WeightCheck(stopper)]
    trainer = MegatronTrainerBuilder(config).create_trainer(callbacks=callbacks)
    manage(trainer, config.exp_manager)
    if trainer.ckpt_path is None:
        trainer.ckpt_path = config.model.get("restore_from_ckpt")
    elif config.model.get("restore_from_ckpt"):
        config.model.restore_from_ckpt = None  # with it NeMo would count this run's steps and samples from 0 again
    trainer.loggers = [*trainer.loggers, *loggers(metrics_path, config.trainer.max_steps)]
    attach(trainer, config)
    model = build_model(config, trainer)
    with contextlib.suppress(StopTraining):
        trainer.fit(model)
    if not resume.has_trained:  # killed behind its last step: Lightning leaves such a fit without its end hooks
        model.save_to(str(final_model(config)))


def build_model(config: DictConfig, trainer: object) -> Any:
    """A MegatronGPTModel with the weights of `model.restore_from_path`, or random ones where that is null."""
    from nemo.collections.nlp.models.language_modeling.megatron_gpt_model import MegatronGPTModel
    from nemo.collections.nlp.models.language_modeling.megatron_gpt_sft_model import MegatronGPTSFTModel
    from nemo.collections.nlp.parts.nlp_overrides import NLPSaveRestoreConnector

    source = config.model.get("restore_from_path")
    if source is None:
        return MegatronGPTModel(config.model, trainer)
    return MegatronGPTModel.restore_from(
        restore_path=source,
        override_config_path=MegatronGPTSFTModel.merge_cfg_with(source, config),
        trainer=trainer,
        save_restore_connector=NLPSaveRestoreConnector(),
    )
