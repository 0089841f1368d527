"""The engine a configuration names. Libraries are imported where they are used: only those of the chosen engine."""

import functools

from data_prep.errors import UsageError
from data_prep.translate.engines.base import Engine
from data_prep.translate.languages import flores_code
from data_prep.translate.settings import EngineSettings


@functools.lru_cache(maxsize=2)
def make_engine(settings: EngineSettings, from_lang: str, to_lang: str) -> Engine:
    """One engine per process and direction: a model is loaded once, however many tasks a worker runs."""
    if settings.memory and settings.use == "memory":
        from data_prep.translate.engines.memory import MemoryEngine

        return MemoryEngine(settings.memory)
    if settings.transformers and settings.use == "transformers":
        from data_prep.translate.engines.transformers import TransformersEngine

        return TransformersEngine(settings.transformers, from_lang, to_lang)
    if settings.ctranslate2 and settings.use == "ctranslate2":
        from data_prep.translate.engines.ctranslate2 import CTranslate2Engine

        return CTranslate2Engine(settings.ctranslate2, from_lang, to_lang)
    assert settings.endpoint  # noqa: S101  EngineSettings has checked it
    from data_prep.translate.engines.endpoint import EndpointEngine

    return EndpointEngine(settings.endpoint, from_lang, to_lang)


def check_engine(settings: EngineSettings, from_lang: str, to_lang: str) -> None:
    """Refuse before any work what cannot run: files, keys and language codes, but not the model itself.

    Raises:
        UsageError: A file or key is missing, or the model's family does not know a language by a code known here.
        DataError: The translation memory is none.
    """
    if settings.memory and settings.use == "memory":
        from data_prep.translate.engines import memory

        memory.check(settings.memory)
    if settings.endpoint and settings.use == "endpoint":
        from data_prep.translate.engines import endpoint

        endpoint.check(settings.endpoint)
    if settings.ctranslate2 and settings.use == "ctranslate2":
        from data_prep.translate.engines import ctranslate2

        ctranslate2.check(settings.ctranslate2)
    model = {"transformers": settings.transformers, "ctranslate2": settings.ctranslate2}.get(settings.use)
    if model and model.family in ("nllb", "indictrans2"):
        _check_languages(from_lang, to_lang)


def _check_languages(*langs: str) -> None:
    for lang in langs:
        try:
            flores_code(lang)
        except ValueError as error:
            what, _, fix = str(error).partition("\n")
            raise UsageError(what, where="translate.from_lang, translate.to_lang", fix=fix) from error
