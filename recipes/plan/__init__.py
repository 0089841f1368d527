"""Verb `plan`: what a training run will need, take and cost, before a GPU hour is spent. No GPU, no torch.

    langadapt plan nemo_configs/cpt/nemotron_mini_4b_hindi.yaml cluster=a100-80gb nodes=16

`work` says what is computed and how it is laid out; `flops`, `activations`, `memory`, `schedule` and `layouts` are the
arithmetic (pure functions); `inputs`, `rules` and `sources` look at the configuration and the files there are; `verb`
holds them together and `tables` prints.
"""
