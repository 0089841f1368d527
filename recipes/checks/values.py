"""Numbers of a configuration, refused with their key where they are none."""

from omegaconf import DictConfig, OmegaConf

from data_prep.errors import UsageError


def whole(cfg: DictConfig, key: str, minimum: int = 1) -> int:
    """The whole number at a dotted key.

    Raises:
        UsageError: It is something else, or below `minimum`.
    """
    value = OmegaConf.select(cfg, key)
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise UsageError(
            f"{key} is {value}", where=key, fix=f"{key}={max(1, minimum)}: a whole number from {minimum} up"
        )
    return value


def whole_or_zero(cfg: DictConfig, key: str) -> int:
    """The whole number at a dotted key, 0 where it is absent or null.

    Raises:
        UsageError: It is something else, or negative.
    """
    return 0 if OmegaConf.select(cfg, key) is None else whole(cfg, key, minimum=0)


def rate(cfg: DictConfig, key: str) -> float:
    """The positive number at a dotted key.

    Raises:
        UsageError: It is something else.
    """
    value = OmegaConf.select(cfg, key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise UsageError(f"{key} is {value}", where=key, fix=f"{key}=1e-4: a number above 0")
    return float(value)
