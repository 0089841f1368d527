"""Refuses a run whose examples cannot be learnt as they are: how many, which, why it matters, what to set."""

from collections import Counter
from collections.abc import Sequence

from data_prep.errors import DataError
from recipes.examples.checked import Job, Tally
from recipes.examples.settings import ExampleSettings

SHOWN = 5

_WHY = {
    "bad_line": "the line is in no form that is known here",
    "too_long": "upstream would cut an answer off (SFT), or zero the pair with only a warning (DPO)",
    "nothing_to_learn": "the example would add steps and no gradient, or stop the run hours in",
    "merged_prompt": "loss would fall on the wrong tokens (SFT), or the run would stop hours in (DPO)",
    "chosen_equals_rejected": "nothing is preferred: the pair's loss stays where it is",
    "eod_inside": "NeMo takes what follows in a pack for padding",
}


def refuse(found: Sequence[tuple[Job, Tally]], settings: ExampleSettings) -> None:
    """Raises for the reasons whose policy is `error`.

    Raises:
        DataError: With the number of such examples, the first places of each reason, and a fix for each.
    """
    counts: Counter[str] = Counter()
    places: dict[str, list[str]] = {}
    for _, tally in found:
        refused = [reason for reason in tally.faults if getattr(settings, reason) == "error"]
        counts.update({reason: tally.faults[reason] for reason in refused})
        for reason in refused:
            places.setdefault(reason, []).extend(tally.places[reason])
    if not counts:
        return
    read = sum(tally.read for _, tally in found)
    raise DataError(
        f"{counts.total()} of {read} examples cannot be learnt as they are: "
        + ", ".join(f"{reason} {count}" for reason, count in counts.most_common()),
        where="\n".join(line for reason in counts for line in _shown(reason, counts[reason], places[reason])),
        why="\n".join(f"{reason}: {_WHY[reason]}" for reason in counts),
        fix="\n".join(line for reason in counts for line in _fixes(reason, found)),
    )


def _shown(reason: str, count: int, places: Sequence[str]) -> list[str]:
    more = [f"{reason}: and {count - SHOWN} more"] if count > SHOWN else []
    return [f"{reason}: {place}" for place in places[:SHOWN]] + more


def _fixes(reason: str, found: Sequence[tuple[Job, Tally]]) -> list[str]:
    drop = f"langadapt.examples.{reason}=drop leaves them out, counts them and keeps them in the run folder"
    if reason != "too_long":
        return [drop]
    longest = max(tally.longest for _, tally in found)
    return [
        drop,
        "langadapt.examples.too_long=truncate cuts them at the end",
        f"model.encoder_seq_length={longest - 1} where the model has as many positions",
    ]
