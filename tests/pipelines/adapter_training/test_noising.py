"""Promises of what denoisers are trained on: the clean latents can be computed back from sample and target."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler, LCMScheduler

from analogen.pipelines.adapter_training.noising import Noising


def clean() -> torch.Tensor:
    return torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def one(seed: int = 1) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed)]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_ddpm_targets_are_those_of_their_prediction_type(prediction: str) -> None:
    scheduler = DDIMScheduler(beta_schedule="scaled_linear", prediction_type=prediction)
    found = Noising(scheduler)(clean(), 16, one())
    kept = scheduler.alphas_cumprod[found.timestep].view(-1, 1, 1, 1)
    a, s = kept.sqrt(), (1 - kept).sqrt()
    again = {
        "epsilon": (found.sample - s * found.target) / a,
        "v_prediction": a * found.sample - s * found.target,
        "sample": found.target,
    }[prediction]
    torch.testing.assert_close(again, clean(), atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("settings", [{"shift": 3.0}, {"use_dynamic_shifting": True, "shift": 3.0}])
def test_flow_goes_straight_from_noise_to_picture(settings: dict[str, float]) -> None:
    found = Noising(FlowMatchEulerDiscreteScheduler(**settings))(clean(), 4096, one())
    sigma = (found.timestep / 1000).view(-1, 1, 1, 1)
    torch.testing.assert_close(found.sample - sigma * found.target, clean(), atol=1e-4, rtol=1e-4)
    assert float(found.timestep.min()) > 0
    assert float(found.timestep.max()) < 1000


def test_flow_is_shifted_as_sampling_shifts_it() -> None:
    many = torch.zeros(4000, 1, 1, 1)
    plain, shifted = (
        Noising(FlowMatchEulerDiscreteScheduler(shift=shift))(many, 16, one()).timestep for shift in (1.0, 3.0)
    )
    assert float(plain.median()) == pytest.approx(500, abs=25)
    assert float(shifted.median()) == pytest.approx(750, abs=25)  # 3 * .5 / (1 + 2 * .5)


def test_moments_are_drawn_evenly() -> None:
    found = Noising(DDIMScheduler())(torch.zeros(8000, 1, 1, 1), 16, one()).timestep
    assert float(torch.histc(found.float(), 4, 0, 1000).std()) < 100
    assert int(found.min()) >= 0
    assert int(found.max()) <= 999


def test_row_is_noised_the_same_in_any_batch() -> None:
    noising = Noising(DDIMScheduler())
    each = [torch.Generator().manual_seed(seed) for seed in range(6)]
    whole = noising(clean(), 16, each)
    part = noising(clean()[4:], 16, [torch.Generator().manual_seed(seed) for seed in (4, 5)])
    torch.testing.assert_close(whole.sample[4:], part.sample)


def test_schedulers_that_say_nothing_are_refused() -> None:
    scheduler = LCMScheduler()
    scheduler.register_to_config(prediction_type="guess")
    with pytest.raises(ValueError, match="prediction_type is 'guess'"):
        Noising(scheduler)
