"""What must not leave the house in a text file: local paths, names of people's machines, secrets."""

import getpass
import os
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PATH = re.compile(r"(?<![\w/.:~<\\-])/[\w.+-]+(?:/[\w.+@-]+)+|(?<!\w)[A-Za-z]:\\\\?[\w.-]+")
"""An absolute path of two parts or more, POSIX or Windows; an address behind `://` is none, nor is `</tag>`."""

SECRETS = {
    "a Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{30,}\b"),
    "an OpenAI-style key": re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"),
    "an AWS key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})"),
    "a W&B key": re.compile(r"(?i)\bwandb\w*[\"'\s:=]+[0-9a-f]{40}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a password in an address": re.compile(r"\w+://[^\s/:@]+:[^\s/@]+@"),
    "a secret": re.compile(r"(?i)\b(?:api[_-]?key|secret|password|passwd|token)[\"']?\s*[:=]\s*[\"'][^\s\"']{8,}[\"']"),
}

COMMON = {"root", "user", "users", "ubuntu", "admin", "localhost", "debian", "node", "runner", "test"}
"""Names of accounts and machines that say nothing about whose they are."""

SHORTEST_NAME = 4
"""Characters from which a name is looked for: shorter ones stand in ordinary words and text."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something private, and where it stands."""

    what: str
    text: str
    line: int


def own_names() -> set[str]:
    """Names of this account and this machine that are worth hiding."""
    host = socket.gethostname()
    try:
        account = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        account = os.environ.get("USER", "")
    names = {account, host, host.split(".")[0]}
    return {name for name in names if len(name) >= SHORTEST_NAME and name.lower() not in COMMON}


def find(text: str, names: Iterable[str], allowed: Iterable[str] = ()) -> list[Finding]:
    """Everything private in a text.

    Args:
        text: What would be published.
        names: Of accounts and machines.
        allowed: Findings that may stand, word for word.
    """
    patterns = {"a local path": PATH, **SECRETS}
    if own := "|".join(map(_name_pattern, sorted(names))):
        patterns["the name of this account or machine"] = re.compile(own)
    found = [
        Finding(what=what, text=match.group(), line=text.count("\n", 0, match.start()) + 1)
        for what, pattern in patterns.items()
        for match in pattern.finditer(text)
        if match.group() not in allowed
    ]
    return sorted(found, key=lambda each: each.line)


def _name_pattern(name: str) -> str:
    """A name of letters alone may be any word: it counts only in an address such as `name@machine` or `~name`."""
    own = re.escape(name)
    if re.search(r"[\d._-]", name):
        return rf"(?<!\w){own}(?!\w)"
    return rf"(?<!\w){own}@|[@~]{own}(?!\w)"


def without_paths(value: object) -> object:
    """JSON with every string that is an absolute path cut down to its last part."""
    if isinstance(value, Mapping):
        return {key: without_paths(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_paths(inner) for inner in value]
    if isinstance(value, str) and PATH.fullmatch(value):
        return re.split(r"[/\\]", value)[-1]
    return value
