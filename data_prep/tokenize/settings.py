"""What a preparation may say about stage tokenize."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TokenizeSettings:
    """How documents become token datasets; the tokenizer is chosen under `tokenizer`."""

    add_bos: bool = False
    """Start every document with the tokenizer's begin-of-document token; the receipts say so (`bos_id`)."""
