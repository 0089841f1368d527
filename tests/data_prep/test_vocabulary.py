import io
import json
from pathlib import Path

import pytest
import sentencepiece
from tokenizers import Tokenizer

from data_prep import vocabulary
from data_prep.errors import UsageError
from data_prep.files import sha256_file
from data_prep.tokenizer import train
from data_prep.vocabulary import find, load

from . import hf_tokenizers
from .hf_tokenizers import BOS, CONFIG, EOD, TEXTS, TURNS, save

TEXT = "नदी पहाड़ों से निकलती है।\n\nThe river 2024 ज़्यादा"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sentencepiece") / "tokenizer.model"
    path.write_bytes(train(TEXTS, 500))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(hf_tokenizers.byte_level(), tmp_path_factory.mktemp("hf"))


def test_a_sentencepiece_model_is_described(model: Path) -> None:
    loaded = load(model)
    assert (loaded.size, loaded.eod_id, loaded.bos_id, loaded.dtype) == (500, 3, 2, "uint16")
    assert loaded.library == f"sentencepiece {sentencepiece.__version__}"
    assert loaded.sha256 == sha256_file(model)
    assert loaded.decode(loaded.encode([TEXT])[0]) == TEXT
    assert loaded.encode_prompts([TEXT]) == loaded.encode([TEXT])


def test_a_hugging_face_tokenizer_is_read_as_nemo_reads_it(folder: Path) -> None:
    """NeMo's AutoTokenizer is transformers' with `len` for the size and tokens, then their ids, for the encoding."""
    from transformers import AutoTokenizer

    theirs, ours = AutoTokenizer.from_pretrained(folder, use_fast=True), load(folder)
    assert (ours.size, ours.eod_id, ours.bos_id) == (len(theirs), theirs.eos_token_id, theirs.bos_token_id)
    for text in [*TEXTS[:9], TEXT, f"{TURNS[0]}System\n"]:
        ids = theirs.convert_tokens_to_ids(theirs.tokenize(text))
        assert ours.encode_prompts([text]) == [ids]
        assert ours.decode(ids) == text


def test_no_token_is_added_and_none_can_be_forged(folder: Path) -> None:
    loaded = load(folder / "tokenizer.json")
    (ids,) = loaded.encode([f"a{EOD}{BOS}"])
    assert not {loaded.eod_id, loaded.bos_id} & set(ids)
    assert loaded.decode(ids) == f"a{EOD}{BOS}"
    assert loaded.encode_prompts([f"a{EOD}"])[0][-1] == loaded.eod_id


def test_truncation_and_padding_of_a_saved_tokenizer_are_off(tmp_path: Path) -> None:
    tokenizer = hf_tokenizers.byte_level()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=4)
    loaded = load(save(tokenizer, tmp_path))
    assert [loaded.decode(ids) for ids in loaded.encode([TEXT, "a"])] == [TEXT, "a"]


def test_ids_of_a_large_vocabulary_take_four_bytes(folder: Path, tmp_path: Path) -> None:
    data = json.loads((folder / "tokenizer.json").read_text())
    words = {f"word{number}": len(data["model"]["vocab"]) + 2 + number for number in range(65_500)}
    data["model"]["vocab"] |= words
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(CONFIG))
    loaded = load(tmp_path)
    assert (loaded.size > 65_500, loaded.dtype) == (True, "int32")


def test_a_file_a_folder_or_either_kind_in_it_is_found(folder: Path, model: Path) -> None:
    assert find(folder) == find(folder / "tokenizer.json") == folder / "tokenizer.json"
    assert find(model.parent) == find(model) == model


def test_an_edited_file_is_loaded_anew(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(train(TEXTS, 500))
    first = load(path)
    assert load(path) is first
    path.write_bytes(train(TEXTS, 520))
    assert load(path).size == 520


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json"])
def test_either_file_may_name_the_tokens(tmp_path: Path, name: str) -> None:
    save(hf_tokenizers.byte_level(), tmp_path, {})
    (tmp_path / name).write_text(json.dumps({"eos_token": {"content": EOD}}))
    assert (load(tmp_path).eod_id, load(tmp_path).bos_id) == (0, None)
    assert tmp_path / name in vocabulary.files(tmp_path / "tokenizer.json")


def test_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"does not exist(.|\n)*Hugging Face folder(.|\n)*tokenizer\.model=null"):
        load(tmp_path / "none.model")
    (tmp_path / "vocab.txt").touch()
    with pytest.raises(UsageError, match=r"neither a tokenizer\.model nor a tokenizer\.json(.|\n)*vocab\.txt"):
        load(tmp_path / "vocab.txt")
    (tmp_path / "text.model").write_text("{}")
    with pytest.raises(UsageError, match=r"not a SentencePiece model(.|\n)*text\.model"):
        load(tmp_path / "text.model")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UsageError, match=r"not a Hugging Face tokenizer(.|\n)*tokenizer\.json(.|\n)*why: +\S"):
        load(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_damaged_settings_file_is_named(tmp_path: Path, content: str) -> None:
    save(hf_tokenizers.byte_level(), tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(content)
    with pytest.raises(UsageError, match=r"not a Hugging Face tokenizer(.|\n)*tokenizer_config\.json"):
        load(tmp_path)


def test_a_tokenizer_without_end_of_document_is_refused_with_the_fix(tmp_path: Path) -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=model, vocab_size=70, eos_id=-1, minloglevel=2
    )
    (tmp_path / "bare.model").write_bytes(model.getvalue())
    with pytest.raises(UsageError, match=r"no end-of-document token(.|\n)*bare\.model(.|\n)*--eos_id=3"):
        load(tmp_path / "bare.model")
    save(hf_tokenizers.byte_level(), tmp_path, {})
    with pytest.raises(UsageError, match=r'no end-of-document token(.|\n)*"eos_token": (.|\n)*tokenizer_config\.json'):
        load(tmp_path)


@pytest.mark.parametrize(
    "change", [{"pad_token": "<pad>"}, {"added_tokens_decoder": {"700": {"content": "<pad>", "special": True}}}]
)
def test_tokens_only_transformers_would_add_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    save(hf_tokenizers.byte_level(), tmp_path, CONFIG | change)
    with pytest.raises(UsageError, match=r"other ids in NeMo: it lacks '<pad>' \((.|\n)*save_pretrained"):
        load(tmp_path)


def test_ids_with_gaps_are_refused(tmp_path: Path) -> None:
    data = json.loads(hf_tokenizers.byte_level().to_str())
    data["model"]["vocab"]["far"] = 5000
    save(Tokenizer.from_str(json.dumps(data)), tmp_path)
    with pytest.raises(UsageError, match=r"it has \d+ entries, but an id 500\d"):
        load(tmp_path)
