"""Drops contaminated documents and those made from them."""

from dataclasses import dataclass
from pathlib import Path

from data_prep.decontaminate.matches import load_matcher
from data_prep.decontaminate.verdict import Verdict
from data_prep.documents import Document, Record, Reject

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, kw_only=True)
class Decontaminator:
    """Reads index and verdict by path, once in each process."""

    index: Path
    verdict: Path

    def __call__(self, document: Document) -> Record:
        """The document, or why it is dropped."""
        verdict = Verdict.load(self.verdict)
        if verdict.holds(document.source, document.id) and (found := self._found(document.text, verdict.common)):
            return Reject(id=document.id, reason="contaminated", where=found, text=document.text)
        if document.parent_id is not None and verdict.holds(document.source, document.parent_id):
            where = f"made from {document.parent_id}, which holds text of an evaluation set"
            return Reject(id=document.id, reason="contaminated_parent", where=where, text=document.text)
        return document

    def _found(self, text: str, common: frozenset[int]) -> str:
        """Evaluation set, item, place and words of the first match; empty if another document has the same id."""
        matches = [match for match in load_matcher(self.index).matches(text) if match.ngram not in common]
        if not matches:
            return ""
        first = matches[0]
        (name, item), *others = first.items
        more = f" and {len(others)} more" if others else ""
        words = first.words[:_SHOWN_CHARACTERS]
        return f"evaluation set {name}, item {item}{more}: from word {first.start + 1}, {len(matches)} n-grams: {words}"
