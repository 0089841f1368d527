"""Converts the Hugging Face folders of `make_checkpoint` back to .nemo, through the gate, and loads these on two ranks.

Run in a process of its own: python -m tests.recipes.convert.make_nemo FOLDER
Leaves back-NAME.nemo with its certificate, and back-NAME-tp2, back-NAME-pp2, ...: what two ranks of NeMo's model held
once megatron-core had loaded the .nemo into them.
"""

import sys
from pathlib import Path

from recipes import convert
from recipes.convert import nemo_archive
from tests.recipes.convert.make_checkpoint import cut


def main(folder: Path) -> None:
    nemo_archive.CHUNK_BYTES = 5000  # so that megatron-core meets tensors cut into rows, as a large table is
    words = {"tiny": [f"tokenizer={folder / 'tokenizer.model'}"], "llama": ["tokenizer=" + str(folder / "words")]}
    for name, settings in words.items():
        source, output = f"model={folder / f'hf-{name}'}", f"output={folder / f'back-{name}.nemo'}"
        convert.main([], ["action=to-nemo", source, output, *settings], dry_run=False)
    cut(*(folder / f"back-{name}.nemo" for name in words))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
