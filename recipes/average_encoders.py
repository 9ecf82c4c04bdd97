"""The weighted mean of encoders that started from the same weights, calibrated: docs/experiments.md, 22.

python recipes/average_encoders.py OUTPUT FOLDER=SHARE FOLDER=SHARE ...

Runs from one start end in one valley: their mean reads better than either (arXiv:2203.05482), and with a share of the
start itself it forgets less (arXiv:2109.01903). Shares are divided by their sum.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from analogen.relsim.mini.calibration import calibrate
from analogen.relsim.mini.model import MiniNet


def share_of(text: str) -> tuple[Path, float]:
    folder, sign, share = text.rpartition("=")
    try:
        if not sign or not 0 < float(share) < float("inf"):
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: FOLDER=SHARE is expected, the share above 0") from None
    return Path(folder), float(share)


def averaged(parts: list[tuple[Path, float]]) -> MiniNet:
    """A net whose weights are the weighted means of those of these encoders; its counters are the first one's."""
    whole = sum(share for _, share in parts)
    net = MiniNet.from_pretrained(parts[0][0])
    states = [MiniNet.from_pretrained(folder).state_dict() for folder, _ in parts]
    for name, mean in net.state_dict().items():  # the net's own memory
        if mean.is_floating_point():
            mean.copy_(sum(state[name] * (share / whole) for state, (_, share) in zip(states, parts, strict=True)))
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("parts", metavar="FOLDER=SHARE", nargs="+", type=share_of)
    options = parser.parse_args()
    averaged(options.parts).save_pretrained(options.output)
    calibrate(options.output)


if __name__ == "__main__":
    main()
