"""Promises of the composer's own Euler steps: the numbers of diffusers' scheduler, from its own file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from analogen.pipelines.composer.euler_schedule import EulerSchedule

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("steps", "shift"), [(1, 1.0), (3, 1.0), (24, 1.0), (50, 3.0)])
def test_every_step_equals_that_of_diffusers(steps: int, shift: float, dtype: torch.dtype, tmp_path: Path) -> None:
    theirs = FlowMatchEulerDiscreteScheduler(shift=shift)
    theirs.save_pretrained(str(tmp_path))
    own = EulerSchedule.from_pretrained(tmp_path)
    theirs.set_timesteps(steps, device=CPU)
    own.set_timesteps(steps, device=CPU)
    assert torch.equal(own.timesteps, theirs.timesteps)
    mine = other = torch.randn(2, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    for step, timestep in enumerate(own.timesteps):
        velocity = torch.randn(2, 5, generator=torch.Generator().manual_seed(step)).to(dtype)
        (mine,) = own.step(velocity, timestep, mine)
        (other,) = theirs.step(velocity, timestep, other, return_dict=False)
        assert mine.dtype == dtype
        assert torch.equal(mine, other)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"use_karras_sigmas": true}', "use_karras_sigmas is True, expected False"),
        ('{"shift_terminal": 0.1}', "shift_terminal is 0.1"),
        ("[]", "holds no settings"),
        ("{", "holds no settings"),
        ('{"shift": "x"}', "holds no settings"),
    ],
)
def test_steps_of_another_kind_and_damaged_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "scheduler_config.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        EulerSchedule.from_pretrained(tmp_path)


def test_settings_that_it_does_not_need_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "scheduler_config.json").write_text(json.dumps({"max_shift": 2, "shift": 2}))
    assert EulerSchedule.from_pretrained(tmp_path).config == {"num_train_timesteps": 1000, "shift": 2.0}
