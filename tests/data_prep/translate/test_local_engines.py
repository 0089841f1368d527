"""transformers and CTranslate2 on tiny models of the real architectures: same families, same output."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_prep.errors import UsageError
from data_prep.translate.attempts import attempt
from data_prep.translate.engines.base import Failure
from data_prep.translate.engines.ctranslate2 import CTranslate2Engine, check
from data_prep.translate.engines.transformers import TransformersEngine
from data_prep.translate.settings import CTranslate2Settings, Family, TransformersSettings
from tests.data_prep.translate.conftest import LANGUAGE_TOKENS, SENTENCES

LANGS = ("en-Latn", "hi-Deva")
Convert = Callable[[Path], Path]


def of_transformers(model: Path, family: Family, **given: Any) -> TransformersEngine:
    return TransformersEngine(
        TransformersSettings(model=str(model), family=family, device="cpu", max_tokens=64, **given), *LANGS
    )


def of_ctranslate2(model: Path, family: Family, **given: Any) -> CTranslate2Engine:
    return CTranslate2Engine(
        CTranslate2Settings(model=model, family=family, device="cpu", max_tokens=64, **given), *LANGS
    )


@pytest.mark.parametrize(("name", "family"), [("trained", "plain"), ("nllb", "nllb"), ("madlad", "madlad")])
def test_both_runtimes_decode_greedily_to_the_same_text(
    name: str, family: Family, converted: Convert, request: pytest.FixtureRequest
) -> None:
    """Random weights seldom end a sentence by themselves, so unfinished ones (`cut_short`) must agree too."""
    model: Path = request.getfixturevalue(name)
    theirs = raw_output(of_transformers(model, family), SENTENCES)
    ours = raw_output(of_ctranslate2(converted(model), family), SENTENCES)
    assert ours == theirs
    assert len(set(map(tuple, ours))) > 1


def raw_output(engine: Any, segments: list[str]) -> list[list[int]]:
    """The tokens an engine decodes, without start, language and end tokens."""
    seen: list[list[int]] = []
    engine._codec = codec = engine._load()
    special = set(codec.tokenizer.convert_tokens_to_ids(["<s>", "</s>", "<pad>", *LANGUAGE_TOKENS]))
    object.__setattr__(codec, "decode", lambda ids: seen.append([i for i in ids if i not in special][:60]) or "")
    engine.translate(segments)
    return seen


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Marian model that has learnt four pairs by heart, placeholders included."""
    import torch
    from transformers import MarianConfig, MarianMTModel

    from tests.data_prep.translate.conftest import make_tokenizer

    folder = tmp_path_factory.mktemp("trained")
    tokenizer = make_tokenizer(folder, pad_last=True)
    torch.manual_seed(0)
    sizes = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
    config = MarianConfig(
        vocab_size=len(tokenizer),
        d_model=64,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        dropout=0.0,
        **sizes,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        forced_eos_token_id=None,
        decoder_start_token_id=tokenizer.pad_token_id,
        max_length=128,
    )
    model = MarianMTModel(config)
    batch = tokenizer.pad({"input_ids": [tokenizer(source)["input_ids"] for source in PAIRS]}, return_tensors="pt")
    labels = tokenizer.pad({"input_ids": [tokenizer(t)["input_ids"] for t in PAIRS.values()]}, return_tensors="pt")
    targets = labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(150):
        loss = model(**batch, labels=targets).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval().save_pretrained(folder)
    return folder


PAIRS = {
    "The river rises in the hills.": "नदी पहाड़ों से निकलती है।",
    "Rice needs water and sun.": "धान को पानी और धूप चाहिए।",
    "She wrote <ID1> letters.": "उसने <ID1> चिट्ठियाँ लिखीं।",
    "Go.": "जाओ।",
}


@pytest.mark.parametrize("beams", [1, 3])
def test_a_trained_model_translates_batches_of_mixed_length_and_copies_placeholders(
    trained: Path, converted: Convert, beams: int
) -> None:
    """Byte-level pieces of Devanagari come back as whole letters with their vowel signs."""
    assert of_transformers(trained, "plain", beams=beams).translate(list(PAIRS)) == list(PAIRS.values())
    assert of_ctranslate2(converted(trained), "plain", beams=beams).translate(list(PAIRS)) == list(PAIRS.values())


def test_too_long_segments_fail_alone_instead_of_being_cut(trained: Path, converted: Convert) -> None:
    segments = ["Go.", "far " * 80, "Rice needs water and sun."]
    expected = ["जाओ।", Failure("segment_too_long"), PAIRS[segments[2]]]
    assert of_transformers(trained, "plain").translate(segments) == expected
    assert of_ctranslate2(converted(trained), "plain").translate(segments) == expected


def test_a_translation_without_an_end_is_cut_short_not_accepted(trained: Path, converted: Convert) -> None:
    long = next(iter(PAIRS))
    short = {"device": "cpu", "max_tokens": 20}
    hf = TransformersEngine(TransformersSettings(model=str(trained), family="plain", **short), *LANGS)
    ct2 = CTranslate2Engine(CTranslate2Settings(model=converted(trained), family="plain", **short), *LANGS)
    for engine in (hf, ct2):
        engine._codec = engine._load()
        object.__setattr__(engine._codec, "max_tokens", 99)  # let the segment in: only the translation is limited
        engine._settings = type(engine._settings)(**{**vars(engine._settings), "max_tokens": 3})
        assert engine.translate([long]) == [Failure("cut_short")]


def test_a_batch_that_fills_the_memory_is_split(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    engine = of_transformers(trained, "plain")
    engine._codec = engine._load()
    generate, sizes = engine._model.generate, []

    def small_gpu(**given: Any) -> Any:
        sizes.append(len(given["input_ids"]))
        if sizes[-1] > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(**given)

    monkeypatch.setattr(engine._model, "generate", small_gpu)
    assert attempt(engine, list(PAIRS)) == list(PAIRS.values())
    assert sizes == [4, 2, 1, 1, 2, 1, 1]


def test_the_identity_follows_the_weights_not_the_batches(trained: Path, nllb: Path) -> None:
    assert of_transformers(trained, "plain").identity == of_transformers(trained, "plain", batch_segments=3).identity
    assert of_transformers(trained, "plain").identity != of_transformers(nllb, "plain").identity
    assert of_transformers(trained, "plain").identity != of_transformers(trained, "plain", beams=4).identity


def test_a_folder_without_a_model_is_an_instruction(tmp_path: Path, trained: Path) -> None:
    with pytest.raises(UsageError, match="cannot load this model") as error:
        of_transformers(tmp_path, "plain").translate(["Go."])
    assert "give the folder of a model" in str(error.value)
    with pytest.raises(UsageError, match="holds no converted model"):
        check(CTranslate2Settings(model=tmp_path, family="plain"))
    (tmp_path / "model.bin").write_bytes(b"nonsense")
    with pytest.raises(UsageError, match="cannot load this model"):
        of_ctranslate2(tmp_path, "plain", tokenizer=str(trained)).translate(["Go."])
