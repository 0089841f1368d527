"""What a training configuration says about its examples: section `langadapt.examples`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Policy = Literal["error", "drop"]


@dataclass(frozen=True, kw_only=True)
class ExampleSettings:
    """What becomes of the examples a run cannot learn as they are; the names are the reason codes of the rejects.

    `error` refuses the run before anything is loaded. `drop` leaves the example out, counts it and keeps it in the
    run folder.
    """

    template: Path | None = None
    """A Jinja chat template instead of the turn markers in model.data.chat_prompt_tokens. For SFT it needs
    packed_sequence: only packed data carry a loss mask of their own."""
    bad_line: Policy = "error"
    """Not JSON, or neither messages nor conversations nor Aligner's own."""
    too_long: Literal["error", "drop", "truncate"] = "error"
    """More tokens than the sequence length. `truncate` cuts the end off, counts the example and lists it."""
    nothing_to_learn: Policy = "error"
    """No token of an answer, or none within the sequence length."""
    merged_prompt: Policy = "error"
    """The tokens of the prompt are not the first ones of prompt and answer together: loss would fall on the wrong
    tokens."""
    chosen_equals_rejected: Policy = "error"
    """The same text, or the same tokens within the sequence length."""
    eod_inside: Policy = "error"
    """The end-of-document token before the end of an example that is packed: NeMo takes what follows for padding."""
