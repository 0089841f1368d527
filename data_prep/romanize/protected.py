"""What is never romanised: code, markup, URLs and e-mail addresses, whatever script stands in them."""

import re
from collections.abc import Callable

_BLOCK = r"```.*?(?:```|\Z)|`[^`\n]+`|<[A-Za-z/!][^<>\n]*>"
"""Fenced code (an open fence runs to the end, as in Markdown), inline code, tags."""
_ADDRESS = r"(?:\b[A-Za-z][A-Za-z0-9+.-]*://|\bwww\.)[^\s<>()\"'।]+|[^\s@<>()।,]+@[^\s@<>()।,]+\.[A-Za-z]{2,}"
_PROTECTED = re.compile(f"({_BLOCK}|{_ADDRESS})", re.DOTALL)
_SIGNS = ("`", "<", "://", "www.", "@")


def outside(text: str, change: Callable[[str], str]) -> str:
    """`text` with `change` applied to all but the protected parts."""
    if not any(sign in text for sign in _SIGNS):
        return change(text)
    parts = _PROTECTED.split(text)
    return "".join(part if index % 2 else change(part) for index, part in enumerate(parts))
