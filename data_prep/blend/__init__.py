"""`langadapt blend CONFIG tokens_dir=DIR/data/tokens output=DIR/blend/cpt.yaml`: how much of what to train on.

Weights alone hide how often each source is repeated: 0.7 on a small Hindi set once meant 56 epochs. So the plan
starts from a token budget and language shares, gives the real text of a language more epochs than the synthetic,
caps the epochs, and writes down what it decided and why: the YAML fragment NeMo reads, a JSON plan and a picture of
it. Everything comes from receipts; nothing is typed by hand.
"""

from dataclasses import replace
from pathlib import Path

from data_prep.settings import load


def main(configs: list[Path], overrides: list[str], *, dry_run: bool) -> int:
    """The verb `blend`.

    Raises:
        UsageError: Wrong configuration, or no token datasets in the folder.
        DataError: Datasets that do not belong together, or wishes that cannot be met.
    """
    from data_prep.blend import output, table
    from data_prep.blend.datasets import find_datasets, require_one_tokenizer
    from data_prep.blend.plan import plan
    from data_prep.blend.settings import BlendSettings
    from data_prep.console import make_console

    settings = load(BlendSettings, configs, overrides)
    datasets, empty = find_datasets(settings.tokens_dir)
    tokenizer = require_one_tokenizer(datasets, settings.tokenizer_input)
    planned = plan(datasets, settings)
    blend = replace(planned, left_out=(*planned.left_out, *empty))
    console = make_console()
    console.print(table.blend_table(blend))
    for line in table.left_out_lines(blend):
        console.print(line, soft_wrap=True)
    if not dry_run:
        written = output.write(settings.output, blend, tokenizer)
        console.print(f"wrote {settings.output} and {', '.join(path.name for path in written[1:])}")
    return 0
