"""Converted models run by CTranslate2: the same families, several times the speed, 8-bit weights on a laptop."""

from collections.abc import Mapping
from typing import Any

from data_prep.errors import UsageError
from data_prep.layout import resolve_input
from data_prep.translate.engines.base import EngineFault, Pace, Result
from data_prep.translate.engines.codec import Codec, Ids, LocalModel, load_tokenizer, usage_errors
from data_prep.translate.engines.families import handover
from data_prep.translate.engines.fingerprint import fingerprint
from data_prep.translate.settings import CTranslate2Settings


class CTranslate2Engine(LocalModel):
    """Runs converted models."""

    def __init__(self, settings: CTranslate2Settings, from_lang: str, to_lang: str) -> None:
        self._settings, self._langs = settings, (from_lang, to_lang)
        self._tokens_from = settings.tokenizer or str(settings.model)
        super().__init__(Pace(batch_segments=settings.batch_segments, batch_characters=settings.batch_characters))

    @property
    def identity(self) -> Mapping[str, Any]:
        """Model, tokenizer, family and decoding; not the device or the sizes of batches."""
        given = self._settings
        return {
            "engine": "ctranslate2",
            "model": fingerprint(str(given.model)),
            "tokenizer": fingerprint(self._tokens_from),
            "family": given.family,
            "compute_type": given.compute_type,
            "beams": given.beams,
            "max_tokens": given.max_tokens,
        }

    def _load(self) -> Codec:
        import ctranslate2

        given = self._settings
        tokenizer = load_tokenizer(self._tokens_from, None, trust_remote_code=given.trust_remote_code)
        place = str(resolve_input(given.model))
        with usage_errors(place):
            self._model = ctranslate2.Translator(place, device=given.device, compute_type=given.compute_type)
        around = handover(given.family, tokenizer, *self._langs)
        return Codec(tokenizer=tokenizer, handover=around, max_tokens=given.max_tokens)

    def _generate(self, codec: Codec, encoded: list[Ids]) -> list[Result]:
        first = codec.handover.first_token
        try:
            output = self._model.translate_batch(
                [codec.tokenizer.convert_ids_to_tokens(ids) for ids in encoded],
                target_prefix=None if first is None else [[first]] * len(encoded),
                beam_size=self._settings.beams,
                max_decoding_length=self._settings.max_tokens,
                max_input_length=0,
                return_end_token=True,
            )
        except RuntimeError as error:  # what CTranslate2 raises when the device's memory is full
            raise EngineFault("out_of_memory", str(error), retry=False) from error
        return [codec.decode(codec.tokenizer.convert_tokens_to_ids(each.hypotheses[0])) for each in output]


def check(settings: CTranslate2Settings) -> None:
    """Refuse a folder without a converted model.

    Raises:
        UsageError: There is none.
    """
    model = resolve_input(settings.model)
    if not (model / "model.bin").is_file():
        raise UsageError(
            "this folder holds no converted model (model.bin)",
            where=str(model),
            fix="ct2-transformers-converter --model NAME --output_dir FOLDER --copy_files tokenizer.json ...",
        )
