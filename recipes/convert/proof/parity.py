"""The parity gate: a converted model must give the same fp32 logits as the NeMo model it was made from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from data_prep.errors import LangadaptError
from data_prep.vocabulary import Vocabulary
from recipes.runtime.inference import Trace

TOLERANCE = 1e-4
"""Largest difference of two logits that passes.

Both sides add the same fp32 products in another order, which moves logits of size 10 by some 1e-6. The smallest
known mistake (another rope_theta) moves them by 0.1, a wrong rotary share by 0.2, all others by 1 and more.
"""

MIN_POSITIONS = 64
MAX_POSITIONS_PER_TEXT = 96
"""Long enough that a wrong rotary embedding shows, short enough that logits of 256,000 entries fit in memory."""

# Written for this gate; two languages and scripts, digits, a list and a table, so that many token ids take part.
TEXTS = (
    """The village well stood under a banyan tree, and every evening people met there to talk about the rain,
the price of onions and the wedding that would fill the school yard in November.""",
    """गाँव का कुआँ बरगद के पेड़ के नीचे था। हर शाम लोग वहाँ इकट्ठा होकर बारिश, प्याज़ के दाम
और नवंबर में होने वाली शादी की बातें करते थे।""",
    """To make ginger tea for four:

1. Boil 600 ml of water with 20 g of crushed ginger.
2. Add two spoons of tea leaves and a cup of milk.
3. Strain it after 3 minutes.""",
    """चार लोगों की अदरक वाली चाय के लिए:

1. 600 मिली पानी में 20 ग्राम कुटी अदरक उबालिए।
2. दो चम्मच चायपत्ती और एक कप दूध डालिए।
3. 3 मिनट बाद छान लीजिए।""",
    """| Station | Arrival | Platform |
|---|---|---|
| Itarsi | 14:05 | 2 |
| Bhopal | 15:50 | 1 |
""",
    """| स्टेशन | आगमन | प्लेटफ़ॉर्म |
|---|---|---|
| इटारसी | 14:05 | 2 |
| भोपाल | 15:50 | 1 |
""",
    "Kal subah bazaar jaate waqt chhata le lena, shayad baarish ho. Wapas aate hue doodh bhi le aana.",
    "Light takes about eight minutes to reach us from the Sun, so we see it as it was eight minutes ago.",
)


class ParityFailed(LangadaptError):
    """A converted model does not compute what its source computes."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How close two models are.

    Attributes:
        max_abs_logit_diff: Largest difference over all positions and entries of the vocabulary.
        max_abs_logit: Largest logit of the source, to read the difference by.
        positions: Positions compared.
        argmax_agreement: Share of positions with the same most likely next token.
        first_difference: The first stage whose outputs differ, if one does.
    """

    max_abs_logit_diff: float
    max_abs_logit: float
    positions: int
    argmax_agreement: float
    first_difference: str | None

    @property
    def passed(self) -> bool:
        """Whether the models compute the same; a NaN is a difference."""
        return self.max_abs_logit_diff < TOLERANCE and self.positions >= MIN_POSITIONS


def probe(tokenizer: Any, source: Any, max_length: int) -> list[list[int]]:
    """Token ids of the built-in texts.

    Args:
        tokenizer: The converted tokenizer.
        source: What it was made from, with a method `encode` that gives the ids training gives.
        max_length: Positions the model takes.

    Raises:
        ParityFailed: The two tokenizers do not agree.
    """
    sequences = []
    for text in TEXTS:
        ids = source.encode(text)
        converted = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if converted != ids:
            raise ParityFailed(
                f"the converted tokenizer encodes {text[:40]!r}... differently from the source's",
                why="the model would see other tokens in transformers than it was trained on",
                fix="report this with your tokenizer",
            )
        sequences.append(list(islice(ids, min(max_length, MAX_POSITIONS_PER_TEXT))))
    return sequences


def say_unlike(packed: Vocabulary, own: Path) -> None:
    """Compares the tokenizer that goes into a .nemo with the one the model was published with, where that is another.

    A few texts cut otherwise are two libraries' ways with spaces and lines, and are said; all of them, another model's
    tokenizer.

    Args:
        packed: Goes into the .nemo.
        own: The tokenizer.json of the model's folder.

    Raises:
        ParityFailed: No text has the same tokens.
    """
    if not own.is_file() or own.samefile(packed.path):
        return
    tokenizer = Tokenizer.from_file(str(own))
    theirs = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
    unlike = sum(one != other for one, other in zip(packed.encode(TEXTS), theirs, strict=True))
    if unlike == len(TEXTS):
        raise ParityFailed(
            f"{packed.path} cuts all {unlike} texts otherwise than {own}",
            why="the model would be trained with other token ids than it was made with",
            fix="tokenizer=PATH of the tokenizer.model this model was trained with, or of its own tokenizer.json",
        )
    if unlike:
        print(f"convert: {packed.path} cuts {unlike} of {len(TEXTS)} texts otherwise than {own}", flush=True)


def compare(reference: Trace, converted: Trace) -> Parity:
    """Compares two traces of the same token ids.

    Args:
        reference: Of the NeMo model; its logits may have columns of padding.
        converted: Of the Hugging Face model.
    """
    columns = converted["logits"].shape[1]
    stages = ((stage, reference[stage], hidden) for stage, hidden in converted.items() if stage != "logits")
    first = first_difference(stages)
    return compare_logits([(reference["logits"][:, :columns], converted["logits"])], first)


def compare_logits(blocks: Iterable[tuple[Tensor, Tensor]], first: str | None) -> Parity:
    """Compares logits, one block of the vocabulary after the other.

    Args:
        blocks: The same columns of both models' logits [positions, columns]: NeMo's, the converted ones.
        first: The first earlier stage that differs.
    """
    gaps, largest, tops, is_off = [], [], [], False
    for expected, logits in blocks:
        gaps.append((logits - expected).abs().max())
        largest.append(expected.abs().max())
        tops.append((expected.max(-1), logits.max(-1)))
        is_off = is_off or differs(expected, logits)
    ours, theirs = (_argmax([top[side] for top in tops]) for side in (0, 1))
    return Parity(
        max_abs_logit_diff=float(torch.stack(gaps).max()),
        max_abs_logit=float(torch.stack(largest).max()),
        positions=len(ours),
        argmax_agreement=float((ours == theirs).float().mean()),
        first_difference=first or ("logits" if is_off else None),
    )


def _argmax(tops: Sequence[Any]) -> Tensor:
    """Block and column of the largest logit of each position, as one number."""
    values = torch.stack([top.values for top in tops])
    columns = torch.stack([top.indices for top in tops])
    block = values.argmax(0)
    return block * (int(columns.max()) + 1) + columns.gather(0, block[None])[0]


def first_difference(stages: Iterable[tuple[str, Tensor, Tensor]]) -> str | None:
    """The first of (stage, NeMo's output, the converted model's) that is off by more than rounding; all are drawn."""
    return next(iter([stage for stage, expected, hidden in stages if differs(expected, hidden)]), None)


def differs(expected: Tensor, hidden: Tensor) -> bool:
    """Whether two outputs are further apart than rounding, measured against their own scale; a NaN is a difference."""
    return not (hidden - expected).abs().max() <= TOLERANCE * max(1.0, float(expected.abs().max()))


def require(parity: Parity, where: str) -> None:
    """Raises ParityFailed unless the gate is passed."""
    if parity.passed:
        return
    place = f", first in: {parity.first_difference}" if parity.first_difference else ""
    raise ParityFailed(
        f"the converted model does not compute what its source computes{place}: logits differ by up to "
        f"{parity.max_abs_logit_diff:.3g} (limit {TOLERANCE:g}, largest logit {parity.max_abs_logit:.3g}) over "
        f"{parity.positions} positions, the same next token at {100 * parity.argmax_agreement:.1f} % of them",
        where=where,
        why="its evaluation and its users would see another model than the one that was trained; it was removed",
        fix="report this with the model_config.yaml inside the .nemo",
    )
