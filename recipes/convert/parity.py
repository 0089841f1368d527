"""The parity gate: a converted model must give the same fp32 logits as the NeMo model it was made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from data_prep.errors import LangadaptError
from recipes.runtime.inference import Trace, record_stages

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


def probe(tokenizer: Any, sentencepiece: Any, max_length: int) -> list[list[int]]:
    """Token ids of the built-in texts.

    Args:
        tokenizer: The converted tokenizer.
        sentencepiece: The processor of the model it was made from.
        max_length: Positions the model takes.

    Raises:
        ParityFailed: The two tokenizers do not agree.
    """
    sequences = []
    for text in TEXTS:
        ids = sentencepiece.encode(text)
        converted = tokenizer(text, verbose=False)["input_ids"]
        if converted != ids:
            raise ParityFailed(
                f"the converted tokenizer encodes {text[:40]!r}... differently from SentencePiece",
                why="the model would see other tokens in transformers than it was trained on",
                fix="report this with your tokenizer.model",
            )
        sequences.append(list(islice(ids, min(max_length, MAX_POSITIONS_PER_TEXT))))
    return sequences


def hf_trace(model: Any, sequences: Sequence[Sequence[int]]) -> Trace:
    """What a NemotronForCausalLM computes for token ids, stage by stage."""
    layers = {f"layer {index}": layer for index, layer in enumerate(model.model.layers)}
    stages = {"embedding": model.model.embed_tokens, **layers, "final norm": model.model.norm, "logits": model.lm_head}
    return record_stages(stages, lambda ids: model(ids.to(model.device), use_cache=False), sequences)


def load_hf(folder: Path) -> Any:
    """The converted model in fp32 with plain attention, on the device NeMo takes."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation="eager")
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def compare(reference: Trace, converted: Trace) -> Parity:
    """Compares two traces of the same token ids.

    Args:
        reference: Of the NeMo model; its logits may have columns of padding.
        converted: Of the Hugging Face model.
    """
    logits = converted["logits"]
    expected = reference["logits"][:, : logits.shape[1]]
    return Parity(
        max_abs_logit_diff=float((logits - expected).abs().max()),
        max_abs_logit=float(expected.abs().max()),
        positions=logits.shape[0],
        argmax_agreement=float((logits.argmax(-1) == expected.argmax(-1)).float().mean()),
        first_difference=_first_difference(reference, converted),
    )


def _first_difference(reference: Trace, converted: Trace) -> str | None:
    """The first stage that is off by more than rounding, measured against its own scale."""
    for stage, hidden in converted.items():
        expected = reference[stage][:, : hidden.shape[1]]
        if not (hidden - expected).abs().max() <= TOLERANCE * max(1.0, float(expected.abs().max())):
            return stage
    return None


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
