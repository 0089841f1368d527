"""Which licence a card names: what somebody decided or a document says, never a guess."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from data_prep.errors import UsageError

HUB = frozenset(Path(__file__).with_name("hub_licenses.txt").read_text().split())
"""Identifiers the hub knows (huggingface/hub-docs, docs/hub/repositories-licenses.md), but `unknown` and `other`."""

SPDX = {"odc-by-1.0": "odc-by", "odbl-1.0": "odbl", "pddl-1.0": "pddl", "gfdl-1.3": "gfdl"}
"""SPDX identifiers, in small letters, that the hub spells otherwise."""

UNDECIDED = "undecided"


@dataclass(frozen=True, kw_only=True)
class License:
    """The licence part of a card's metadata."""

    license: str
    license_name: str | None = None
    license_link: str | None = None

    @property
    def is_decided(self) -> bool:
        """Whether somebody chose it."""
        return self.license_name != UNDECIDED


def hub_id(name: str) -> str | None:
    """The hub's identifier of a licence in SPDX's or the hub's own spelling; None for one it does not know."""
    small = name.strip().lower()
    small = SPDX.get(small, small)
    return small if small in HUB else None


def of_model(given: str | None, link: str | None) -> License:
    """The licence of weights: a decision of whoever releases them, under the terms of the base and of the data.

    Raises:
        UsageError: The hub does not know it, and no text of it is named.
    """
    if given is None:
        return License(license="other", license_name=UNDECIDED)
    if known := hub_id(given):
        return License(license=known)
    if link is None:
        raise UsageError(
            f"the hub knows no licence {given!r}",
            where="license",
            why="a licence that is not on its list needs its text: a link, or a file LICENSE beside the weights",
            fix=f"license={given} license_link=https://...\nor one of the hub's, e.g. license=apache-2.0",
        )
    slug = re.sub(r"[^a-z0-9.]+", "-", given.lower()).strip("-")
    return License(license="other", license_name=slug, license_link=link)


def of_data(found: Iterable[str]) -> list[str]:
    """The licences of documents for a data card: `unknown` where a document names none, `other` for one not listed."""
    unknown = {"", "unknown"}
    return sorted({"unknown" if name.strip().lower() in unknown else hub_id(name) or "other" for name in found})
