"""apex's FusedAdam in torch's own fused kernel."""

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch.optim.adam import adam
from torch.optim.adamw import adamw


class FusedAdam(torch.optim.Optimizer):
    """Adam with apex's arguments, arithmetic and state layout.

    Like apex's it keeps the step count in the parameter group, so that the state of a parameter holds nothing but
    tensors of the parameter's shape: megatron-core's distributed checkpoint can shard those and refuses torch's
    0-d `step` (megatron-core 0.10.0, dist_checkpointing/optimizer.py:92).

    Args:
        params: Parameters or parameter groups.
        lr: Learning rate.
        bias_correction: Must stay True; apex's False has no counterpart in torch's kernel.
        betas: Decay of the running averages of the gradient and of its square.
        eps: Added to the denominator.
        adam_w_mode: Decoupled weight decay (AdamW); False adds the decay to the gradient (Adam).
        weight_decay: Weight decay coefficient.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        bias_correction: bool = True,  # noqa: FBT001, FBT002
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        adam_w_mode: bool = True,  # noqa: FBT001, FBT002
        weight_decay: float = 0.0,
    ) -> None:
        if not bias_correction:
            raise ValueError("FusedAdam of the portable ground has no bias_correction=False; remove the option.")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})
        self._update = adamw if adam_w_mode else adam

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of every parameter that has a gradient; returns the closure's loss if one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        group["step"] = group.get("step", 0) + 1
        params = [param for param in group["params"] if param.grad is not None]
        for param in params:
            if not self.state[param]:
                self.state[param] = {
                    "exp_avg": torch.zeros_like(param),
                    "exp_avg_sq": torch.zeros_like(param),
                }
        if not params:
            return
        device = params[0].device
        # The kernel counts the step up itself, for each parameter.
        steps = [torch.tensor(float(group["step"] - 1), device=device) for _ in params]
        beta1, beta2 = group["betas"]
        self._update(
            params,
            [param.grad for param in params],
            [self.state[param]["exp_avg"] for param in params],
            [self.state[param]["exp_avg_sq"] for param in params],
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
