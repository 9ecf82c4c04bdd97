"""Promises of the loop that all trainings share: schedule, decay, averages, saves and exact resumes."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from analogen.relsim.training.loop import (
    LoopSettings,
    cosine_schedule,
    load_state,
    make_optimizer,
    save_state,
    train_loop,
)

SETTINGS = LoopSettings(steps=6, lr=1e-2, warmup=2, ema=0.5, save_every=2)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


def loss_of(model: nn.Module, stop: int | None = None):  # type: ignore[no-untyped-def]
    def loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        if step == stop:
            raise KeyboardInterrupt
        x = torch.randn(8, 3, generator=generator)
        error = (model(x) - x.sum(-1, keepdim=True)).square().mean()
        return error, {"error": error}

    return loss


def test_average_is_returned_and_lies_behind_the_model() -> None:
    model = net()
    start = model[0].weight.detach().clone()
    averaged = train_loop(model, SETTINGS, loss_of(model))
    assert not averaged.training
    assert 0 < (averaged[0].weight - start).norm() < (model[0].weight - start).norm()
    assert torch.equal(averaged[1].running_mean, model[1].running_mean)  # statistics are not averaged


def test_stop_and_resume_equal_one_run(tmp_path: Path) -> None:
    model = net()
    whole = train_loop(model, SETTINGS, loss_of(model))
    broken = net()
    with pytest.raises(KeyboardInterrupt):
        train_loop(broken, SETTINGS, loss_of(broken, stop=5), tmp_path)
    again = net()
    resumed = train_loop(again, SETTINGS, loss_of(again), tmp_path)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=1e-7, msg=name)


def test_every_save_is_announced(tmp_path: Path) -> None:
    model = net()
    saved: list[nn.Module] = []
    averaged = train_loop(model, SETTINGS, loss_of(model), tmp_path, saved.append)
    assert len(saved) == 3
    assert saved[-1] is averaged


def test_schedule_warms_up_then_falls_to_two_percent() -> None:
    factors = [cosine_schedule(step, 100, 10) for step in range(101)]
    assert factors[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert factors[10] == pytest.approx(1)
    assert all(a > b for a, b in itertools.pairwise(factors[10:]))
    assert factors[100] == pytest.approx(0.02)


def test_only_matrices_decay() -> None:
    model = net()
    decayed, kept = make_optimizer(model, 1e-3, 0.05).param_groups
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.05, 0.0)
    assert {p.ndim for p in kept["params"]} <= {0, 1}
    assert min(p.ndim for p in decayed["params"]) == 2
    assert len(decayed["params"]) + len(kept["params"]) == len(list(model.parameters()))


def test_state_round_trip_restores_model_optimizer_and_extras(tmp_path: Path) -> None:
    def parts() -> tuple[nn.Linear, torch.optim.AdamW, nn.Linear]:
        model = nn.Linear(3, 2)
        return model, make_optimizer(model, 1e-2, 0.1), nn.Linear(3, 2)

    model, optimizer, extra = parts()
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    save_state(tmp_path, model, optimizer, 17, averaged=extra)
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]
    model2, optimizer2, extra2 = parts()
    assert load_state(tmp_path, model2, optimizer2, averaged=extra2) == 17
    assert torch.equal(model2.weight, model.weight)
    assert torch.equal(extra2.weight, extra.weight)
    for index, slots in optimizer.state_dict()["state"].items():
        for name, value in slots.items():
            assert torch.equal(optimizer2.state_dict()["state"][index][name], value)


def test_nothing_saved_starts_from_zero(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    before = model.weight.clone()
    assert load_state(tmp_path / "none", model, make_optimizer(model, 1e-3, 0.0)) == 0
    assert torch.equal(model.weight, before)
