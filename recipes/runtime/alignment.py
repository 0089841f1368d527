"""SFT and DPO with NeMo-Aligner's classes, in the order of its own mains (v0.7.0, examples/nlp/gpt)."""

import contextlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, open_dict

from recipes.examples.prepare import reads

if TYPE_CHECKING:
    from recipes.runtime.stopping import Stopper


@dataclass(kw_only=True)
class Session:
    """What both algorithms share: a Lightning trainer, the model, and where an earlier run stopped."""

    trainer: Any
    model: Any
    metrics_path: Path
    stopper: "Stopper"
    resumed: dict[str, Any] | None

    @property
    def consumed_samples(self) -> int:
        """Samples an earlier, interrupted run has trained on."""
        return self.resumed["consumed_samples"] if self.resumed else 0


def run_sft(config: DictConfig, metrics_path: Path) -> None:
    """Supervised fine-tuning of `model.restore_from_path`; loss on assistant turns only.

    Args:
        config: A resolved config of the `sft` schema.
        metrics_path: File for one JSON line a step.
    """
    from nemo_aligner.algorithms.supervised import SupervisedTrainer
    from nemo_aligner.models.nlp.gpt.gpt_sft_model import GPTSFTModel

    session = _open(config, "sft", GPTSFTModel, config.model.restore_from_path, metrics_path)
    for split, path in reads(Path(config.exp_manager.explicit_log_dir)).items():
        config.model.data[f"{split}_ds"].file_path = path
    train, validation = (_sft_dataset(config, session, part) for part in ("train_ds", "validation_ds"))
    data = config.model.data
    train_loader = _loader(
        config,
        train,
        data.train_ds,
        session.consumed_samples,
        collate_fn=train.collate_fn,
        drop_last=data.train_ds.drop_last,
        pad_samples_to_global_batch_size=not data.train_ds.drop_last,
    )
    validation_loader = _loader(
        config,
        validation,
        data.validation_ds,
        0,
        collate_fn=validation.collate_fn,
        drop_last=data.validation_ds.drop_last,
        pad_samples_to_global_batch_size=not data.validation_ds.drop_last,
        use_random_sampler=False,
    )
    _fit(SupervisedTrainer, config, "sft", session, train, train_loader, validation_loader)


def run_dpo(config: DictConfig, metrics_path: Path) -> None:
    """Direct preference optimisation of `pretrained_checkpoint.restore_from_path` against itself as reference.

    Args:
        config: A resolved config of the `dpo` schema.
        metrics_path: File for one JSON line a step.
    """
    from nemo_aligner.algorithms.dpo import DPOTrainer, dpo_custom_collate
    from nemo_aligner.data.nlp.builders import build_train_valid_test_dpo_datasets, identity_collate
    from nemo_aligner.models.nlp.gpt.megatron_gpt_dpo_model import MegatronGPTDPOModel
    from nemo_aligner.utils.utils import retrieve_model_state_dict_in_cpu

    from recipes.runtime.preferences import add_log_probs

    source = config.pretrained_checkpoint.restore_from_path
    session = _open(config, "dpo", MegatronGPTDPOModel, source, metrics_path)
    model, data = session.model, config.model.data
    prepared = reads(Path(config.exp_manager.explicit_log_dir))
    data.data_prefix = {split: [prepared.get(split, prepared["validation"])] for split in data.data_prefix}
    add_log_probs(model)
    train, validation, _ = build_train_valid_test_dpo_datasets(
        cfg=config.model,
        data_prefix=data.data_prefix,
        data_impl=data.data_impl,
        splits_string=data.splits_string,
        train_valid_test_num_samples=[-config.model.global_batch_size] * 3,
        seq_length=data.seq_length,
        seed=config.model.seed,
        tokenizer=model.tokenizer,
    )
    loader = partial(_loader, config, collate_fn=identity_collate, pad_samples_to_global_batch_size=False)
    train_loader = loader(train, config.model, session.consumed_samples)
    validation_loader = loader(validation, config.model, 0, use_random_sampler=False)
    model.ref_policy_state_dict = retrieve_model_state_dict_in_cpu(
        model, megatron_amp_O2=config.model.get("megatron_amp_O2", False)
    )
    _fit(
        DPOTrainer,
        config,
        "dpo",
        session,
        train,
        train_loader,
        validation_loader,
        collate_fn=partial(
            dpo_custom_collate,
            eos_id=model.tokenizer.eos_id,
            reset_position_ids=data.get("reset_position_ids", False),
            reset_attention_mask=data.get("reset_attention_mask", False),
            eod_mask_loss=data.get("eod_mask_loss", False),
        ),
        pad_length_to_multiple_of=data.get("pad_length_to_multiple_of"),
    )


def _open(config: DictConfig, algorithm: str, model_class: Any, source: str, metrics_path: Path) -> Session:
    """Builds trainer, loggers and model, and reads how far an earlier run came."""
    import torch.multiprocessing
    from nemo_aligner.utils.train_script_utils import (
        init_distributed,
        init_peft,
        resolve_and_create_trainer,
        retrieve_custom_trainer_state_dict,
    )
    from nemo_aligner.utils.utils import load_and_override_model_config, load_from_nemo

    from recipes.runtime.stopping import Stopper, WeightCheck, manage

    torch.multiprocessing.set_start_method("spawn", force=True)
    config.model = load_and_override_model_config(source, config.model)
    trainer = resolve_and_create_trainer(config, algorithm)
    stopper = Stopper(config)
    trainer.callbacks.append(WeightCheck(stopper))
    manage(trainer, config.exp_manager)
    with open_dict(config):
        config.model.precision = config.trainer.precision
    model = load_from_nemo(model_class, config.model, trainer, strict=True, restore_path=source)
    init_peft(model, config.model)
    resumed = retrieve_custom_trainer_state_dict(trainer) if trainer.ckpt_path is not None else None
    init_distributed(trainer, model, config.model.get("transformer_engine", False))
    return Session(trainer=trainer, model=model, metrics_path=metrics_path, stopper=stopper, resumed=resumed)


def _sft_dataset(config: DictConfig, session: Session, part: str) -> Any:
    from nemo_aligner.data.nlp.builders import build_sft_dataset

    return build_sft_dataset(
        config.model.data[part],
        session.model.tokenizer,
        None,
        answer_only_loss=True,
        is_chat=config.model.data.chat and not config.model.data[part].get("packed_sequence", False),
        special_tokens=config.model.data.chat_prompt_tokens,
        model_cfg=config.model,
    )


def _loader(config: DictConfig, dataset: Any, batches: DictConfig, consumed_samples: int, **options: Any) -> Any:
    """A dataloader of global batches; `batches` holds the batch sizes."""
    from nemo_aligner.data.nlp.builders import build_dataloader

    return build_dataloader(
        cfg=config,
        dataset=dataset,
        consumed_samples=consumed_samples,
        mbs=batches.micro_batch_size,
        gbs=batches.global_batch_size,
        load_gbs=True,
        **options,
    )


def _fit(
    trainer_class: Any,
    config: DictConfig,
    algorithm: str,
    session: Session,
    train: Any,
    train_loader: Any,
    validation_loader: Any,
    **options: Any,
) -> None:
    """Hands everything to Aligner's trainer and trains to the end."""
    from nemo_aligner.utils.train_script_utils import (
        CustomLoggerWrapper,
        add_custom_checkpoint_callback,
        extract_optimizer_scheduler_from_ptl_model,
        init_using_ptl,
    )

    from recipes.checkpoints import final_model
    from recipes.runtime.metrics import loggers
    from recipes.runtime.stopping import AlignerStop, StopTraining, shield_workers

    logger = CustomLoggerWrapper(session.trainer.loggers)
    init_using_ptl(session.trainer, session.model, train_loader, train)
    optimizer, scheduler = extract_optimizer_scheduler_from_ptl_model(session.model)
    logger.log_hyperparams(OmegaConf.to_container(config))
    stop = AlignerStop(session.stopper)
    shield_workers([train_loader, validation_loader])
    algorithm_trainer = trainer_class(
        cfg=config.trainer[algorithm],
        model=session.model,
        optimizer=optimizer,
        scheduler=scheduler,
        train_dataloader=train_loader,
        val_dataloader=validation_loader,
        test_dataloader=None,
        logger=logger,
        ckpt_callback=add_custom_checkpoint_callback(session.trainer, session.model),
        run_timer=stop,
        **options,
    )
    stop.trainer = algorithm_trainer
    logger.loggers = [*logger.loggers, *loggers(session.metrics_path, algorithm_trainer.max_steps), stop]
    if session.resumed is not None:
        algorithm_trainer.load_state_dict(session.resumed)
    if algorithm_trainer.step >= algorithm_trainer.max_steps:  # killed behind its last step: fit() would leave at once
        session.model.save_to(str(final_model(config)))
    else:
        with contextlib.suppress(StopTraining):
            algorithm_trainer.fit()
        if session.stopper.is_asked:
            session.stopper.obeyed()
