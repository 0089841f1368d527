"""What megatron-core 0.10 makes of weights, as arithmetic: nothing of it is imported.

Asked for S samples, BlendedMegatronDatasetBuilder asks each dataset for ceil(1.005 w S) of them (line 524), which its
index rounds up to whole epochs, and then deals out as many as all were asked for together: S' = the sum, up to one a
dataset more than 1.005 S. helpers.cpp, build_blending_indices, gives each next sample to the dataset furthest behind
its weight. Those deficits add up to 0, so a dataset gets its n + 1st sample only at a sample t with w t >= n: at most
floor(w (S' - 1)) + 1. Two checks can then fail (lines 149 to 155, both as "blend oversamples", IndexError):

- A dataset's whole epochs end between 1.005 w S and w S'. `settle` moves its weight past that point.
- A dataset without a single sample makes upstream compare every later dataset with its neighbour's count, because
  numpy.unique leaves it out (Megatron-LM issue 705, pull request 1007). In a list by falling weight none comes later.

More than 32,766 datasets fail an assertion (blended_dataset.py line 48: their numbers are int16), and one without
tokens is looped over forever (gpt_dataset.py line 550, _get_num_epochs).
"""

import math
from collections.abc import Sequence

MOST_DATASETS = 32_766
_MARGIN = 1.005
_ROUNDING = 1e-12
"""Relative; weights are normalised again on the other side."""
_ROUNDS = 50


def oversampled(draws: Sequence[float], tokens: Sequence[int], length: int, samples: int) -> dict[int, int]:
    """Positions of datasets whose samples upstream's index might not hold, and how many it holds.

    Args:
        draws: Wanted samples of each dataset.
        tokens: Of each dataset.
        length: Tokens of a sample.
        samples: Samples the run draws.
    """
    whole = math.fsum(draws)
    weights = [draw / whole for draw in draws]
    asked = [_MARGIN * weight * samples for weight in weights]
    dealt = sum(math.ceil(each * (1 + _ROUNDING)) for each in asked)
    held = [_held(count, math.ceil(each * (1 - _ROUNDING)), length) for count, each in zip(tokens, asked, strict=True)]
    most = [weight * (dealt - 1) * (1 + _ROUNDING) for weight in weights]
    return {place: here for place, here in enumerate(held) if most[place] >= here}


def _held(tokens: int, asked: int, length: int) -> int:
    """Samples in the whole epochs that hold as many as asked for; a sample needs one token more than its length."""
    epochs = -(-(asked * length + 1) // tokens)
    return (epochs * tokens - 1) // length


def settle(draws: Sequence[float], tokens: Sequence[int], length: int, samples: int) -> list[float] | None:
    """Draws, in samples, at which upstream's index holds what it deals out: those given, a few of them a little higher.

    A raised draw is just past the whole epochs that did not suffice, so that upstream's margin asks for one epoch more;
    what it takes, the others give in proportion. None: there are too many datasets for so few samples.
    """
    settled = list(draws)
    for _ in range(_ROUNDS):
        short = oversampled(settled, tokens, length, samples)
        if not short:
            return settled
        raised = {place: (held + 0.5) / _MARGIN for place, held in short.items()}
        others = math.fsum(draw for place, draw in enumerate(settled) if place not in raised)
        left = samples - math.fsum(raised.values())
        if left <= 0:
            return None
        settled = [raised.get(place, draw / others * left) for place, draw in enumerate(settled)]
    return None
