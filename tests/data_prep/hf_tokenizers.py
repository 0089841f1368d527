"""Hugging Face tokenizers trained on the spot."""

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from .conftest import ENGLISH, HINDI

TEXTS = [f"{text} {number}" for number in range(40) for text in ENGLISH + HINDI]
EOD, BOS, TURNS = "<|endoftext|>", "<|begin_of_text|>", ("<extra_id_0>", "<extra_id_1>")
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "eos_token": EOD,
    "bos_token": {"__type": "AddedToken", "content": BOS, "special": True},
}


def byte_level(pattern: str = LLAMA_3, normalizer: Any = None) -> Tokenizer:
    """A byte-level BPE with a token of its own before every text, as Llama 3 has, and two added ones."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer:
        tokenizer.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    options = {"special_tokens": [EOD, BOS, *TURNS], "initial_alphabet": alphabet, "show_progress": False}
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=600, **options))
    tokenizer.add_tokens([AddedToken("\n\n", normalized=False), AddedToken("ज़", normalized=not normalizer)])
    bos = tokenizer.token_to_id(BOS)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, bos)])
    return tokenizer


def qwen() -> Tokenizer:
    return byte_level(LLAMA_3.replace("{1,3}", ""), normalizers.NFC())


def normalised_token() -> Tokenizer:
    tokenizer = qwen()
    tokenizer.add_tokens([AddedToken("ड़", normalized=True)])
    return tokenizer


def metaspace() -> Tokenizer:
    """A BPE of characters with bytes for the rest, as Llama 2 has."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<unk>", EOD, BOS, *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator((word for text in TEXTS for word in text.split()), trainer)
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = data["added_tokens"][:3]
    return Tokenizer.from_str(json.dumps(data))


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=["<unk>", EOD, BOS], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path, config: dict[str, Any] | None = None) -> Path:
    """A folder as transformers writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(CONFIG if config is None else config), "utf-8")
    return folder
