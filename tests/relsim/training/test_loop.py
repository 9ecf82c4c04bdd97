"""Promises of the loop that all trainings share: schedule, decay, averages, saves and exact resumes."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from analogen.relsim.training.loop import LoopSettings, Trainer, train_loop
from analogen.relsim.training.optimization import CosineSchedule, cosine_schedule, make_optimizer
from analogen.relsim.training.training_state import make_accelerator

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


def test_scheduler_follows_the_schedule_and_resumes_in_it() -> None:
    def make() -> tuple[torch.optim.AdamW, CosineSchedule]:
        optimizer = make_optimizer(net(), 1e-2, 0.1, {"0.": 0.5})
        return optimizer, CosineSchedule(optimizer, 20, 3)

    def rates(optimizer: torch.optim.Optimizer) -> list[float]:
        return [group["lr"] for group in optimizer.param_groups]

    optimizer, schedule = make()
    seen = []
    for step in range(20):
        seen.append(rates(optimizer))
        assert max(seen[-1]) == pytest.approx(1e-2 * cosine_schedule(step, 20, 3))
        assert max(seen[-1]) == 2 * min(seen[-1])
        optimizer.step()
        schedule.step()
    again, resumed = make()
    resumed.load_state_dict({"step": 7})
    assert rates(again) == seen[7]
    again.step()
    resumed.step()
    assert rates(again) == seen[8]


# Saved states


def trainer_of(model: nn.Module) -> Trainer[nn.Module]:
    optimizer = make_optimizer(model, 1e-2, 0.1)
    return Trainer(make_accelerator(cpu=True), model, optimizer, steps=20, warmup=2, max_norm=1.0, ema=0.5)


def test_state_round_trip_restores_model_optimizer_average_and_schedule(tmp_path: Path) -> None:
    def one_step(trainer: Trainer[nn.Module]) -> None:
        trainer.model(torch.ones(4, 3)).sum().backward()
        trainer.optimizer.step()
        trainer.scheduler.step()
        trainer.average.update(0)  # type: ignore[union-attr]

    first = trainer_of(net())
    one_step(first)
    first.accelerator.save_state(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]
    rate = first.optimizer.param_groups[0]["lr"]
    second = trainer_of(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)))
    second.resume(tmp_path)
    assert (second.start, second.last) == (1, tmp_path)
    assert second.optimizer.param_groups[0]["lr"] == rate
    for restored, saved in (
        (second.model.state_dict(), first.model.state_dict()),
        (second.average.state_dict(), first.average.state_dict()),  # type: ignore[union-attr]
    ):
        assert all(torch.equal(restored[name], value) for name, value in saved.items())
    for index, slots in first.optimizer.state_dict()["state"].items():
        for name, value in slots.items():
            assert torch.equal(second.optimizer.state_dict()["state"][index][name], value)


def test_nothing_saved_starts_from_zero(tmp_path: Path) -> None:
    model = net()
    before = model[0].weight.detach().clone()
    trainer = trainer_of(model)
    trainer.resume(tmp_path / "none")
    assert (trainer.start, trainer.last) == (0, None)
    assert torch.equal(model[0].weight, before)


def test_state_of_release_0_2_0_is_resumed(tmp_path: Path) -> None:
    """Its files, as its code wrote them, after two of six steps."""
    model = net()
    whole = train_loop(model, SETTINGS, loss_of(model))
    broken = net()
    with pytest.raises(KeyboardInterrupt):
        train_loop(broken, SETTINGS, loss_of(broken, stop=2), tmp_path)
    with safe_open(str(tmp_path / "state.safetensors"), "pt") as file:
        assert file.metadata() == {"step": "2"}
        names = set(file.keys())
    weights = {f"{part}.{name}" for part in ("model", "averaged") for name in model.state_dict()}
    moments = {f"optimizer.{i}.{slot}" for i in range(6) for slot in ("step", "exp_avg", "exp_avg_sq")}
    assert names == weights | moments
    again = net()
    resumed = train_loop(again, SETTINGS, loss_of(again), tmp_path)
    assert all(torch.equal(resumed.state_dict()[name], value) for name, value in whole.state_dict().items())


@pytest.mark.parametrize("missing", ["averaged.0.weight", "model.2.bias", "step"])
def test_state_of_another_training_is_refused_in_one_line(missing: str, tmp_path: Path) -> None:
    model = net()
    train_loop(model, SETTINGS, loss_of(model), tmp_path)
    path = tmp_path / "state.safetensors"
    tensors = load_file(str(path))
    tensors.pop(missing, None)
    save_file(tensors, str(path), metadata=None if missing == "step" else {"step": "6"})
    with pytest.raises(ValueError, match=r"state.safetensors: (is the state of another model|holds no step)") as caught:
        trainer_of(net()).resume(tmp_path)
    assert "\n" not in str(caught.value)


def test_state_of_a_model_of_other_sizes_is_refused(tmp_path: Path) -> None:
    model = net()
    train_loop(model, SETTINGS, loss_of(model), tmp_path)
    with pytest.raises(ValueError, match=r"is the state of another model .*: remove it, or name another output"):
        train_loop(nn.Linear(3, 1), SETTINGS, loss_of(model), tmp_path)


def test_loss_that_is_no_number_stops_the_training() -> None:
    trainer = trainer_of(net())

    def backward(step: int) -> dict[str, Tensor]:
        loss = trainer.model(torch.full((4, 3), torch.nan if step == 2 else 1.0)).sum()
        loss.backward()
        return {"loss": loss.detach()}

    with pytest.raises(FloatingPointError, match="in step 2: lower lr, or go on from anew"):
        trainer.run(backward, batch_size=4, log_every=9, on_log=lambda *_: None, save_every=9, on_save=lambda *_: None)


def test_training_leaves_accelerate_as_it_was_found() -> None:
    from accelerate.state import is_initialized

    found, model = is_initialized(), net()
    train_loop(model, SETTINGS, loss_of(model))
    assert is_initialized() == found
