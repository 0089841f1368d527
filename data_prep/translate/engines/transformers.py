"""Sequence-to-sequence models (IndicTrans2, NLLB, MADLAD, Marian) run by Hugging Face transformers."""

from collections.abc import Mapping
from typing import Any

from data_prep.translate.engines.base import EngineFault, Pace, Result
from data_prep.translate.engines.codec import Codec, Ids, LocalModel, load_tokenizer, model_place, usage_errors
from data_prep.translate.engines.families import handover
from data_prep.translate.engines.fingerprint import fingerprint
from data_prep.translate.settings import TransformersSettings


class TransformersEngine(LocalModel):
    """Runs models of the hub."""

    def __init__(self, settings: TransformersSettings, from_lang: str, to_lang: str) -> None:
        self._settings, self._langs = settings, (from_lang, to_lang)
        super().__init__(Pace(batch_segments=settings.batch_segments, batch_characters=settings.batch_characters))

    @property
    def identity(self) -> Mapping[str, Any]:
        """Model, family and decoding; not the device or the sizes of batches."""
        given = self._settings
        return {
            "engine": "transformers",
            "model": fingerprint(given.model),
            "revision": given.revision,
            "family": given.family,
            "dtype": given.dtype,
            "beams": given.beams,
            "max_tokens": given.max_tokens,
        }

    def _load(self) -> Codec:
        import torch
        from transformers import AutoModelForSeq2SeqLM

        given = self._settings
        tokenizer = load_tokenizer(given.model, given.revision, trust_remote_code=given.trust_remote_code)
        name = ("cuda" if torch.cuda.is_available() else "cpu") if given.device == "auto" else given.device
        with usage_errors(given.model):
            model = AutoModelForSeq2SeqLM.from_pretrained(
                model_place(given.model),
                revision=given.revision,
                torch_dtype=getattr(torch, given.dtype),
                trust_remote_code=given.trust_remote_code,
            )
        self._model = model.to(name).eval()
        around = handover(given.family, tokenizer, *self._langs)
        return Codec(tokenizer=tokenizer, handover=around, max_tokens=given.max_tokens)

    def _generate(self, codec: Codec, encoded: list[Ids]) -> list[Result]:
        import torch
        from transformers.data.data_collator import pad_without_fast_tokenizer_warning

        tokenizer, first = codec.tokenizer, codec.handover.first_token
        batch = pad_without_fast_tokenizer_warning(tokenizer, {"input_ids": encoded}, return_tensors="pt")
        batch = batch.to(self._model.device)
        forced = {} if first is None else {"forced_bos_token_id": tokenizer.convert_tokens_to_ids(first)}
        limit = self._settings.max_tokens
        try:
            with torch.inference_mode():
                output = self._model.generate(
                    **batch, **forced, num_beams=self._settings.beams, do_sample=False, max_new_tokens=limit
                )
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise EngineFault("out_of_memory", f"{len(encoded)} segments at a time", retry=False) from error
        return [codec.decode(ids) for ids in output.tolist()]
