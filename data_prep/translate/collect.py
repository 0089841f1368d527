"""Step `segments`: what is to translate in each shard, split into parts by the hash of the segment.

Memory: the different segments of one shard.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from data_prep.documents import Record
from data_prep.files import read_shard
from data_prep.receipts import Tally
from data_prep.tasks import Written
from data_prep.translate.assemble import to_translate
from data_prep.translate.cache import key_of, part_of
from data_prep.translate.frames import write_frames


@dataclass(frozen=True, kw_only=True)
class Collect:
    """Writes the different segments of a shard, one frame per part, in the order of their first use."""

    shard: Path
    lang: str
    output: Path
    parts: int

    def write(self, _records: Iterable[Record], _tally: Tally) -> Written:
        """The task's writer."""
        frames: list[dict[str, str]] = [{} for _ in range(self.parts)]
        count = 0
        for document in read_shard(self.shard):
            for segment in to_translate(document.text, self.lang):
                count += 1
                key = key_of(segment)
                frames[part_of(key, self.parts)].setdefault(key, segment)
        different = sum(map(len, frames))
        outputs = write_frames(self.output, (list(frame.values()) for frame in frames))
        return Written(outputs=outputs, details={"segments": count, "different": different})
