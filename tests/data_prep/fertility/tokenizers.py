"""Small tokenizers of every kind that data preparation reads, trained on English and a little Hindi."""

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from data_prep import bpe
from data_prep.errors import DataError
from data_prep.tokenizer import train

ENGLISH = ["The river rises in the hills and runs to the sea. " * 3, "Rice needs water and sun, she wrote.\n" * 3]
HINDI = ["नदी पहाड़ों से निकलती है।"]
EOD = "<|endoftext|>"


def sentencepiece(path: Path, texts: list[str]) -> Path:
    """With byte fallback, as stage tokenizer trains it."""
    path.write_bytes(train(texts * 20, 400))
    return path


def sentencepiece_without_bytes(path: Path, texts: list[str]) -> Path:
    path.write_bytes(bpe.train(texts * 20, 200, DataError("cannot train"), eos_id=3, pad_id=1, unk_id=0, bos_id=2))
    return path


def _save(tokenizer: Tokenizer, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": EOD}))
    return folder


def byte_level(folder: Path, texts: list[str]) -> Path:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=[EOD], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts * 20, trainer)
    return _save(tokenizer, folder)


def byte_fallback(folder: Path, texts: list[str]) -> Path:
    """As Llama 2's and Gemma's tokenizer.json are."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    special = [EOD, "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts * 20, trainer)
    return _save(tokenizer, folder)


def unigram(folder: Path, texts: list[str]) -> Path:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=100, special_tokens=[EOD, "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(texts * 20, trainer)
    return _save(tokenizer, folder)


def word_piece(folder: Path, texts: list[str]) -> Path:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=[EOD, "[UNK]"], show_progress=False)
    tokenizer.train_from_iterator(texts * 20, trainer)
    return _save(tokenizer, folder)
