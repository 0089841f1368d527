"""Several runs of one process each, one after the other in this process: NeMo is imported once.

python -m tests.many_runs '[["sft", "nemo_configs/sft/tiny.yaml", ...], ...]'
"""

import json
import sys

from recipes import cli

if __name__ == "__main__":
    for words in json.loads(sys.argv[1]):
        if code := cli.main(words):
            sys.exit(code)
        from megatron.core import num_microbatches_calculator

        num_microbatches_calculator.unset_num_microbatches_calculator()  # batch sizes of the next run may differ
