"""A transformers tokenizer that encodes exactly as a SentencePiece BPE model does.

Built from the model's pieces, not by transformers' own converter, which knows only some published models and orders
merges by piece ids. One difference is kept on purpose: `</s>` and the other control tokens become their id where
they stand in a text, as users of transformers expect when they append `tokenizer.eos_token`; SentencePiece spells
them out.
"""

from typing import Any

from data_prep import sentencepiece_model
from data_prep.chat_template import SYSTEM_START, TURN_START
from data_prep.errors import UsageError
from data_prep.sentencepiece_model import BPE, CONTROL, NORMAL, SPACE, UNKNOWN, USER_DEFINED, merges

CHAT_TEMPLATE = f"""\
{{%- set turns = messages[1:] if messages and messages[0]['role'] == 'system' else messages -%}}
{{{{- '{SYSTEM_START}System\\n' -}}}}
{{%- if messages and messages[0]['role'] == 'system' and messages[0]['content'].strip() -%}}
{{{{- messages[0]['content'].strip() + '\\n' -}}}}
{{%- endif -%}}
{{{{- '\\n' -}}}}
{{%- for message in turns -%}}
{{%- if message['role'] not in ['user', 'assistant'] -%}}
{{{{- raise_exception('Roles are system (first only), user and assistant, not ' + message['role']) -}}}}
{{%- endif -%}}
{{{{- '{TURN_START}' + message['role'].capitalize() + '\\n' + message['content'].strip() + '\\n' -}}}}
{{%- endfor -%}}
{{{{- '{TURN_START}Assistant\\n' if add_generation_prompt -}}}}
{{{{- '{TURN_START}' if not add_generation_prompt and turns and turns[-1]['role'] == 'assistant' -}}}}
"""
"""Jinja for `apply_chat_template`; renders what `data_prep.chat_template` does."""


def build(model: bytes, *, max_length: int, where: str) -> Any:
    """The tokenizer of a SentencePiece model.

    No token is added before or after a text. The chat template is set where both turn markers are single tokens.

    Args:
        model: Content of a tokenizer.model.
        max_length: Tokens the language model takes (`model_max_length`).
        where: Names the model in errors.

    Returns:
        A `PreTrainedTokenizerFast`; `save_pretrained` writes what `AutoTokenizer.from_pretrained` reads back.

    Raises:
        UsageError: Not a SentencePiece model, or one of a kind that cannot be represented exactly.
    """
    from transformers import PreTrainedTokenizerFast

    proto = read_proto(model, where)
    refuse_inexact(proto, where)
    pieces = [piece.piece for piece in proto.pieces]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_backend(proto),
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],  # by default also token_type_ids, which generate() refuses
        **_named_tokens(proto.trainer_spec, pieces),
    )
    if {SYSTEM_START, TURN_START} <= set(tokenizer.added_tokens_encoder):
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def stop_ids(tokenizer: Any) -> list[int]:
    """Where generation ends: the end of a document and, for a chat answer, the next turn marker."""
    added = tokenizer.added_tokens_encoder
    return [tokenizer.eos_token_id, *([added[TURN_START]] if TURN_START in added else [])]


def piece_count(model: bytes, where: str) -> int:
    """Entries of a SentencePiece model that `build` takes; errors as there."""
    proto = read_proto(model, where)
    refuse_inexact(proto, where)
    return len(proto.pieces)


def read_proto(model: bytes, where: str) -> Any:
    """The parsed model file.

    Raises:
        UsageError: It is not a SentencePiece model, or has no end-of-document token.
    """
    from sentencepiece import SentencePieceProcessor

    try:
        SentencePieceProcessor().LoadFromSerializedProto(model)
    except RuntimeError as error:
        raise UsageError("this is not a SentencePiece model", where=where, fix="give a tokenizer.model") from error
    proto = sentencepiece_model.read_proto(model)
    if proto.trainer_spec.eos_id < 0:
        raise UsageError(
            "this tokenizer has no end-of-document token (</s>)",
            where=where,
            why="neither training nor generation could tell where a document ends",
            fix="train it with eos_id set (SentencePiece: --eos_id=3)",
        )
    return proto


def refuse_inexact(proto: Any, where: str) -> None:
    """Raises for models whose encoding transformers could only approximate.

    Raises:
        UsageError: Names every property in the way.
    """
    trainer, normalizer = proto.trainer_spec, proto.normalizer_spec
    obstacles = {
        "it is not of type BPE": trainer.model_type != BPE,
        "it has no byte fallback": not trainer.byte_fallback,
        f"it normalises text ({normalizer.name})": bool(normalizer.precompiled_charsmap),
        "it puts a space before every text (add_dummy_prefix)": normalizer.add_dummy_prefix,
        "it removes repeated spaces (remove_extra_whitespaces)": normalizer.remove_extra_whitespaces,
        "it keeps spaces unescaped": not normalizer.escape_whitespaces,
        "it writes spaces at the end of words": trainer.treat_whitespace_as_suffix,
        "a user-defined symbol contains a space": any(
            piece.type == USER_DEFINED and {" ", SPACE} & set(piece.piece) for piece in proto.pieces
        ),
    }
    found = [obstacle for obstacle, is_there in obstacles.items() if is_there]
    if found:
        raise UsageError(
            f"this SentencePiece model cannot become an exact transformers tokenizer: {'; '.join(found)}",
            where=where,
            why="the model would see other tokens in transformers than it was trained on",
            fix="use a BPE model with byte fallback and identity normalisation, as `langadapt prep` trains\n"
            "publish the .nemo with its tokenizer.model instead",
        )


def _backend(proto: Any) -> Any:
    """The `tokenizers` object: escape spaces, BPE over the whole text, bytes for what has no piece."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

    normal = {piece.piece: piece.score for piece in proto.pieces if piece.type == NORMAL}
    backend = Tokenizer(
        models.BPE(
            vocab={piece.piece: index for index, piece in enumerate(proto.pieces)},
            merges=merges(normal),
            unk_token=proto.pieces[proto.trainer_spec.unk_id].piece,
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    backend.normalizer = normalizers.Replace(" ", SPACE)
    backend.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    backend.add_tokens(
        [
            AddedToken(piece.piece, normalized=False, special=_is_marker(piece))
            for piece in proto.pieces
            if piece.type in (UNKNOWN, CONTROL, USER_DEFINED)
        ]
    )
    return backend


def _is_marker(piece: Any) -> bool:
    """Whether decoding may leave a token out: `<extra_id_1>` and control tokens, not a user-defined newline."""
    text: str = piece.piece
    return piece.type != USER_DEFINED or (text.startswith("<") and text.endswith(">"))


def _named_tokens(trainer: Any, pieces: list[str]) -> dict[str, str]:
    """The tokens transformers knows by role; a model may lack some."""
    ids = {"unk": trainer.unk_id, "bos": trainer.bos_id, "eos": trainer.eos_id, "pad": trainer.pad_id}
    return {f"{role}_token": pieces[index] for role, index in ids.items() if index >= 0}
