"""What can be wrong with a token dataset, and the places where it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from data_prep.indexed_dataset import Array

MEANINGS = {
    "missing_file": "half of the pair is not there",
    "unreadable_file": "the disk or its rights do not let a file be read to its end",
    "empty": "there are no tokens; Megatron cannot open such a dataset: leave it out of the blend",
    "foreign_magic": "the .idx does not begin as Megatron's do: it is another format, or damaged",
    "wrong_version": "the .idx has a version Megatron does not read",
    "wrong_dtype": "the .idx names a type of ids that the .bin does not have",
    "idx_cut_short": "the .idx ends too early",
    "idx_too_long": "the .idx goes on behind its arrays",
    "negative_length": "a sequence has a negative length",
    "wrong_pointer": "a sequence does not begin where the one before it ends",
    "wrong_document_index": "the document index does not lead from 0 through the sequences to the last",
    "bin_cut_short": "the .bin ends before the sequences of the .idx do",
    "bin_too_long": "the .bin goes on behind the sequences of the .idx",
    "mixed_up_pair": "the .bin and the .idx do not belong together: documents end where the .idx has no end",
    "id_out_of_vocabulary": "a token id is negative or beyond the vocabulary: no model has a row for it",
    "missing_eod": "a document does not end with the end-of-document token and runs into the next",
    "doubled_eod": "a document ends with the end-of-document token twice",
    "inner_eod": "an end-of-document token stands inside a document, which cuts it in two",
    "bin_not_as_written": "the .bin is not the file its receipt describes: changed, half copied or another's",
    "idx_not_as_written": "the .idx is not the file its receipt describes: changed, half copied or another's",
    "stale_receipt": "the pair is sound, but the receipt describes another one",
    "wrong_counts": "the receipt counts otherwise than the files",
    "unreadable_receipt": "the receipt says nothing about this dataset",
    "wrong_tokenizer": "the ids were made with another tokenizer: they mean other words to this model",
}
"""What each fault is, in a line; its places say the rest."""

SHOWN_PLACES = 3


@dataclass
class Fault:
    """One kind of fault in one dataset."""

    code: str
    places: list[str] = field(default_factory=list)
    """The first SHOWN_PLACES."""
    count: int = 0


@dataclass
class Findings:
    """Faults of one dataset in the order found, what could not be checked, and what is unusual but right."""

    faults: dict[str, Fault] = field(default_factory=dict)
    unchecked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, code: str, place: str) -> None:
        """A fault that is there once."""
        self.add_all(code, (0,), lambda _: place)

    def add_all(self, code: str, positions: Sequence[int] | Array, place: Callable[[int], str]) -> None:
        """A fault at each of these positions; `place` says where one is."""
        if not len(positions):
            return
        fault = self.faults.setdefault(code, Fault(code))
        room = SHOWN_PLACES - len(fault.places)
        fault.places += [place(int(position)) for position in positions[:room]]
        fault.count += len(positions)

    def count(self, code: str) -> int:
        """How often a fault was found."""
        return self.faults[code].count if code in self.faults else 0
