"""What went wrong first: of a thousand ranks that died of each other, the one that died of itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FailureClass = Literal["hang", "memory", "configuration", "node", "network", "code", "killed", "unknown"]

_EXITED = re.compile(
    r"^srun: error: (?P<node>[\w.-]+): tasks? (?P<task>\d+)[\d,\-]*: (?P<how>Exited with exit code (?P<code>\d+)|.+)$",
    re.MULTILINE,
)
_CONSEQUENCE = re.compile(
    r"NCCL|nccl(System|Remote|Unhandled)|DistBackendError|DistNetworkError|DistStoreError|ProcessGroup|TCPStore|[Gg]loo"
    r"|Connection (reset|closed|refused)|Broken ?[Pp]ipe|by peer|Socket Timeout|KeyboardInterrupt"
    r"|stopped by rank 0|Rank \d+ of \d+ ended"
)
"""Last words of ranks that lost their neighbours."""

_RANK = re.compile(r"^\[rank\d+\]: ?", re.MULTILINE)
"""What torch puts before every line of a traceback in a job of several ranks."""
_TRACEBACK = re.compile(
    r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n(?=[ \t]))*[^\s].*(?:\n(?![ \t]*\n)[ \t].*)*", re.MULTILINE
)
_MESSAGE = re.compile(r"^error: .*(?:\n[ ]{2,}.*)*", re.MULTILINE)
_FATAL = re.compile(r"^Fatal Python error: .*(?:\n.+|\n(?=\nThread|\nCurrent))*", re.MULTILINE)

_CLASSES: tuple[tuple[FailureClass, re.Pattern[str]], ...] = (
    ("memory", re.compile(r"OutOfMemory|out of memory|MemoryError|oom[-_ ]kill|Out Of Memory", re.IGNORECASE)),
    ("node", re.compile(r"uncorrectable|\bXid\b|ECC error|NVLink|Node failure|CUDA driver|No CUDA GPUs")),
)
LONGEST = 40
"""Lines of a traceback that are shown."""


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How srun saw a task end."""

    node: str
    task: int
    how: str
    code: int | None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The first cause, as far as logs tell.

    Attributes:
        kind: What sort of fault it is.
        rank: Whose log holds `text`; None where no log says anything.
        node: Where the rank ran, if srun named it.
        text: Its traceback or message.
        exit_code: Of the task srun saw fail first.
    """

    kind: FailureClass
    rank: int | None = None
    node: str = ""
    text: str = ""
    exit_code: int | None = None

    @property
    def headline(self) -> str:
        """One line: rank, node, and the last line of a traceback or the first of a message."""
        line = _telling(self.text) or "no rank left a message"
        rank = "" if self.rank is None else f"rank {self.rank}{' on ' + self.node if self.node else ''}: "
        return f"{rank}{line} [{self.kind}]"

    def __str__(self) -> str:
        """The headline and the text, the middle of a long one left out."""
        lines = self.text.splitlines()
        if len(lines) > LONGEST:
            half = LONGEST // 2
            lines = [*lines[:half], f"... {len(lines) - LONGEST} lines ...", *lines[-half:]]
        return "\n".join([self.headline, *(f"    {line}" for line in lines)])


def exits(job_log: str) -> list[Exit]:
    """Tasks that srun saw end with an error, in the order it saw them."""
    found = []
    for match in _EXITED.finditer(job_log):
        code = int(match["code"]) if match["code"] else None
        found.append(Exit(node=match["node"], task=int(match["task"]), how=match["how"], code=code))
    return found


def first_failure(job_log: str, rank_logs: Mapping[int, str]) -> Failure:
    """The failure that explains the others.

    Messages that only say that another rank is gone come last; of the rest the rank that srun saw end first.

    Args:
        job_log: Output of the job script and of srun, of this start.
        rank_logs: Output of every rank, of this start.
    """
    seen = exits(job_log)
    order = {each.task: position for position, each in reversed(list(enumerate(seen)))}
    nodes = {each.task: each.node for each in seen}
    found = [(rank, text) for rank, log in rank_logs.items() for text in _complaints(log)]
    code = next((each.code for each in seen if each.code is not None), None)
    killed = next((each for each in seen if each.code is None), None)
    if not found or (seen and seen[0] == killed and all(_CONSEQUENCE.search(text) for _, text in found)):
        text = f"{killed.how} (task {killed.task} on {killed.node})" if killed else ""
        kind: FailureClass = "memory" if _CLASSES[0][1].search(job_log) else "killed" if killed else "unknown"
        return Failure(kind=kind, node=killed.node if killed else "", text=text, exit_code=code)
    rank, text = min(
        found, key=lambda each: (bool(_CONSEQUENCE.search(each[1])), order.get(each[0], len(seen)), each[0])
    )
    return Failure(kind=_kind(text, job_log, code), rank=rank, node=nodes.get(rank, ""), text=text, exit_code=code)


def _complaints(log: str) -> list[str]:
    """A rank's tracebacks and messages, the first of its own faults first."""
    log = _RANK.sub("", log)
    found = [match for pattern in (_TRACEBACK, _MESSAGE, _FATAL) for match in pattern.finditer(log)]
    texts = [match.group().rstrip() for match in sorted(found, key=lambda match: match.start())]
    own = [text for text in texts if not _CONSEQUENCE.search(text)]
    return (own or texts)[:1]


def _telling(text: str) -> str:
    """The last line of a traceback, or the first of a message, whose further lines give advice."""
    lines = text.splitlines() or [""]
    return lines[-1].strip() if lines[0].startswith("Traceback") else lines[0]


def _kind(text: str, job_log: str, code: int | None) -> FailureClass:
    for kind, pattern in _CLASSES:
        if pattern.search(_telling(text)) or (kind == "memory" and pattern.search(job_log)):
            return kind
    if _CONSEQUENCE.search(text):
        return "network"
    return "configuration" if code == 2 else "code"
