"""Why `recipes.checks.resume` refuses another schedule: NeMo takes it from the checkpoint, not from the config."""

import torch


def schedule(*, lr: float, min_lr: float, max_steps: int):
    """NeMo's own cosine schedule around a plain optimizer."""
    from nemo.core.optim.lr_scheduler import CosineAnnealing

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    return optimizer, CosineAnnealing(optimizer, max_steps=max_steps, warmup_steps=2, constant_steps=0, min_lr=min_lr)


def step(optimizer, scheduler, times: int) -> float:
    for _ in range(times):
        optimizer.step()
        scheduler.step()
    return optimizer.param_groups[0]["lr"]


def test_a_restored_schedule_ends_where_the_old_one_did_and_stays_at_its_min_lr():
    before = schedule(lr=1.0, min_lr=0.125, max_steps=10)
    assert step(*before, times=10) == 0.125
    optimizer, scheduler = schedule(lr=4.0, min_lr=0.5, max_steps=100)
    optimizer.load_state_dict(before[0].state_dict())
    scheduler.load_state_dict(before[1].state_dict())
    assert (scheduler.max_steps, scheduler.min_lr, scheduler.base_lrs) == (10, 0.125, [1.0])
    assert step(optimizer, scheduler, times=20) == 0.125
