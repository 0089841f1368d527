"""Tiny real models made on the spot, a real HTTP server, and corpora that are translated with them."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_prep.pipeline import STAGES
from data_prep.prep_settings import PrepSettings
from data_prep.settings import load
from data_prep.tasks import run_step
from tests.data_prep.translate.server import TranslationServer

DOCUMENTS = [
    "# The river\n\nThe river rises in the hills. It is long.\n\n- one bank\n- the other bank\n",
    "| name | use |\n|---|---|\n| rice | food for the people |\n| salt | taste |\n",
    "Read `make all` first. Then write to a.b@example.org about 3 rivers.\n\n```\ncode stays\n```\n",
]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TranslationServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = TranslationServer()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


MakeSettings = Callable[..., PrepSettings]


@pytest.fixture
def make_settings(tmp_path: Path) -> MakeSettings:
    """Settings of a preparation of English documents; keyword arguments are those of `translate:`."""

    def make(folder: str = "out", documents: int = 9, sources: int = 1, **translate: Any) -> PrepSettings:
        return load(PrepSettings, [write_config(tmp_path, folder, documents, sources, translate)])

    return make


def write_config(where: Path, folder: str, documents: int, sources: int, translate: dict[str, Any]) -> Path:
    given = []
    for number in range(sources):
        path = where / f"en{number}.jsonl"
        texts = [f"{DOCUMENTS[n % 3]}\nSource {'abc'[number]} holds document {_word(n)}.\n" for n in range(documents)]
        path.write_text("".join(json.dumps({"id": f"{number}/{n}", "text": t}) + "\n" for n, t in enumerate(texts)))
        given.append(
            {"path": str(path), "lang": "en-Latn", "kind": "real", "source": f"s{number}", "license": "CC0-1.0"}
        )
    config = where / f"{folder}.yaml"
    settings = {
        "output_dir": str(where / folder),
        "sources": given,
        "clean": {"enabled": False},
        "translate": {"enabled": True, **translate},
    }
    config.write_text(yaml.safe_dump(settings), "utf-8")
    return config


def _word(number: int) -> str:
    """A number in letters, so that each document has a segment of its own."""
    return "".join("abcdefghij"[int(digit)] for digit in str(number)) + " of many"


def endpoint(server: TranslationServer, **given: Any) -> dict[str, Any]:
    """The `engine:` section for the test server."""
    section = {"url": server.url, "model": "m", "first_wait": 0.01, "timeout": 1.0, "tries": 3, **given}
    return {"use": "endpoint", "endpoint": section}


def run(settings: PrepSettings, *names: str) -> None:
    """Run stages the way `langadapt prep` does."""
    for name in names or ("ingest", "translate"):
        stage = STAGES[name].stage(settings)
        for step in stage.steps:
            logs = settings.layout.logs(name, step.name)
            run_step(stage, step, execution=settings.execution, logs=logs)


SENTENCES = [
    "The river rises in the hills.",
    "Rice needs water and sun.",
    "She wrote <ID1> letters to the people of the town.",
    "नदी पहाड़ों से निकलती है।",
    "धान को पानी और धूप चाहिए।",
]
LANGUAGE_TOKENS = ["eng_Latn", "hin_Deva"]


def make_tokenizer(folder: Path, *, pad_last: bool = False) -> Any:
    """A byte-level BPE tokenizer with NLLB's language tokens and MADLAD's tag, trained on five sentences.

    Marian vocabularies end with the padding token, NLLB's have it at 1; CTranslate2 knows both by their place.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", *([] if pad_last else ["<pad>"]), "</s>", "<unk>", *LANGUAGE_TOKENS, "<2hi>"]
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    core.train_from_iterator(SENTENCES, trainer)
    core.add_special_tokens(["<pad>"])
    end = core.token_to_id("</s>")
    core.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", end)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


@pytest.fixture(scope="session")
def nllb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of NLLB's architecture with random weights."""
    from transformers import M2M100Config, M2M100ForConditionalGeneration

    def make(size: int) -> Any:
        config = M2M100Config(
            vocab_size=size,
            d_model=32,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            max_position_embeddings=512,
            init_std=0.5,
            pad_token_id=1,
            decoder_start_token_id=2,
        )
        return M2M100ForConditionalGeneration(config)

    return _save(tmp_path_factory.mktemp("nllb"), make)


@pytest.fixture(scope="session")
def madlad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of MADLAD's architecture (T5 1.1) with random weights."""
    from transformers import T5Config, T5ForConditionalGeneration

    def make(size: int) -> Any:
        config = T5Config(
            vocab_size=size,
            d_model=32,
            d_kv=16,
            d_ff=64,
            num_layers=2,
            num_heads=2,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
            pad_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=1,
        )
        return T5ForConditionalGeneration(config)

    return _save(tmp_path_factory.mktemp("madlad"), make)


def _save(folder: Path, make: Callable[[int], Any]) -> Path:
    import torch

    torch.manual_seed(7)
    make(len(make_tokenizer(folder))).eval().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def converted() -> Callable[[Path], Path]:
    """A function that converts a Hugging Face model to CTranslate2, with its tokenizer beside it."""
    from ctranslate2.converters import TransformersConverter

    class Converter(TransformersConverter):
        """Speaks to transformers 4.48, where `dtype` is still called `torch_dtype`."""

        def load_model(self, model_class: Any, model_name_or_path: str, **given: Any) -> Any:
            return model_class.from_pretrained(model_name_or_path, torch_dtype=given.pop("dtype"), **given)

    def convert(model: Path) -> Path:
        output = model.with_name(f"{model.name}_ct2")
        if not output.exists():
            files = [name for name in ("tokenizer.json", "tokenizer_config.json") if (model / name).is_file()]
            Converter(str(model), copy_files=files).convert(str(output))
        return output

    return convert
