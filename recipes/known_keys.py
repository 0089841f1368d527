"""The configuration keys upstream knows, and what to say about one it does not.

NeMo reads its configuration with `cfg.get(key, default)`: a misspelt key is not an error there, it is a run with
the default. So every key of a YAML file, a fragment or an override must be one that upstream's YAML lists or that
upstream's code reads; both are committed lists in `upstream_keys/`, which the tests compare with the installed
packages.
"""

import difflib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from data_prep.errors import UsageError

Schema = Literal["pretrain", "sft", "dpo"]

OWN_SECTION = "langadapt"
"""What upstream has no key for lies here (`recipes.run_settings`); upstream's mains never look at it."""

LISTS = Path(__file__).parent / "upstream_keys"

# NeMo-Aligner merges its YAML over the model config inside the .nemo checkpoint (nemo_aligner/utils/utils.py,
# load_and_override_model_config) and builds MegatronGPTModel from the result, so SFT and DPO read the model keys of
# pre-training too, except for those that choose data and start weights, which they take from elsewhere.
NOT_SHARED = ("model.data.", "model.restore_from_", "model.skip_train", "model.reset_lr")


@dataclass(frozen=True, kw_only=True)
class KnownKeys:
    """Keys of one schema.

    Args:
        leaves: Dotted keys that hold a value.
        open_sections: Sections that may hold any key, such as keyword arguments passed on as they are.
    """

    leaves: frozenset[str]
    open_sections: tuple[str, ...]

    def has(self, key: str) -> bool:
        """Whether upstream reads `key`, as a value or as a section."""
        inside_open = any(key.startswith(section + ".") for section in self.open_sections)
        return key in self.leaves or inside_open or self.is_section(key)

    def is_section(self, key: str) -> bool:
        """Whether `key` holds other keys and is no value itself."""
        holds_keys = any(known.startswith(key + ".") for known in (*self.leaves, *self.open_sections))
        return key not in self.leaves and (holds_keys or key in self.open_sections)

    def suggestions(self, key: str) -> list[str]:
        """Up to two known keys that `key` was probably meant to be: the same name elsewhere, or a near spelling."""
        name = key.rsplit(".", 1)[-1]
        same_name = [known for known in self.leaves if known.rsplit(".", 1)[-1] == name]
        candidates = same_name or sorted(self.leaves)
        return difflib.get_close_matches(key, candidates, n=2, cutoff=0.3 if same_name else 0.7)


@cache
def known_keys(schema: Schema) -> KnownKeys:
    """Keys of `schema`: upstream's YAML, plus what its code reads without listing it there."""
    leaves, sections = _read(f"{schema}.txt", "also_read_all.txt", f"also_read_{schema}.txt")
    if schema != "pretrain":
        model = [key for key in _read("pretrain.txt")[0] if key.startswith("model.") and not key.startswith(NOT_SHARED)]
        leaves.update(model)
    return KnownKeys(leaves=frozenset(leaves), open_sections=tuple(sorted({*sections, OWN_SECTION})))


def unknown_key_error(found: list[tuple[str, str]], known: KnownKeys, schema: Schema) -> UsageError:
    """The error for keys upstream does not read.

    Args:
        found: Key and place (`file:line` or the override's text) of each.
        known: Keys of the schema, for the "did you mean".
        schema: Named in the message.
    """
    lines = []
    for key, place in found:
        meant = known.suggestions(key)
        lines.append(f"{key}  ({place})" + (f"  did you mean {' or '.join(meant)}?" if meant else ""))
    return UsageError(
        f"unknown configuration key{'s' if len(found) > 1 else ''} for {schema}: {', '.join(key for key, _ in found)}",
        where="\n".join(lines),
        why="upstream would ignore it and train with its default",
        fix="correct or remove it; if upstream's code does read it, add it with file:line to\n"
        f"{LISTS.relative_to(LISTS.parent.parent)}/also_read_{schema}.txt",
    )


def _read(*names: str) -> tuple[set[str], set[str]]:
    """Leaves and open sections (`key.*`) of list files; the first word of a line is the key."""
    lines = [line for name in names for line in (LISTS / name).read_text(encoding="utf-8").splitlines()]
    keys = {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}
    sections = {key.removesuffix(".*") for key in keys if key.endswith(".*")}
    return {key for key in keys if not key.endswith(".*")}, sections
