import json
from pathlib import Path

from data_prep import vocabulary
from data_prep.blend.output import tokenizer_keys
from tests.data_prep.fertility import tokenizers

TEXT = "The river, नदी, rises in the hills."


def test_nemo_reads_the_tokenizer_that_made_the_tokens(tmp_path: Path) -> None:
    from nemo.collections.nlp.modules.common.tokenizer_utils import get_nmt_tokenizer

    folder = tokenizers.byte_level(tmp_path / "hf", tokenizers.ENGLISH)
    settings = folder / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "tokenizer_class": "PreTrainedTokenizerFast"}))
    model = tokenizers.sentencepiece(tmp_path / "tokenizer.model", tokenizers.ENGLISH)
    for given in (folder, model):
        loaded = vocabulary.load(given)
        keys = tokenizer_keys(loaded.path)
        legacy, use_fast = keys.get("sentencepiece_legacy", False), keys.get("use_fast", False)
        theirs = get_nmt_tokenizer(keys["library"], keys["type"], keys["model"], legacy=legacy, use_fast=use_fast)
        assert [theirs.text_to_ids(TEXT)] == loaded.encode_prompts([TEXT])
        assert theirs.eos_id == loaded.eod_id
        assert theirs.vocab_size == loaded.size
