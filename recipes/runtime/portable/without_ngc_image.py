"""Patch for a Python environment outside NVIDIA's container images."""

import os

from recipes.runtime.portable.patch import Changes, patch


@patch(
    missing="ngc_image",
    upstream="nemo.collections.nlp.models.language_modeling.megatron_base_model",
    stops_at='return re.fullmatch("[0-9][0-9]\\.[0-9][0-9].*", nvidia_torch_version)  # "YY.MM.*"',
)
def ngc_version(changes: Changes) -> None:
    """Gives upstream an empty image version, where it would match a pattern against None.

    Empty takes its own branch for images that are no official release.
    """
    changes.set_item(os.environ, "NVIDIA_PYTORCH_VERSION", "")
