"""Average the weights of mini encoders, and calibrate the result: experiment 22 in docs/experiments.md.

python recipes/average_encoders.py OUTPUT FOLDER=SHARE FOLDER=SHARE ...

The encoders must have been trained from the same weights: their mean is then more accurate than each of them (model
soups, arXiv:2203.05482), and with a share of the initial weights it forgets less (arXiv:2109.01903). Shares are divided
by their sum.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from analogen.relsim.mini.calibration import calibrate
from analogen.relsim.mini.model import MiniNet


def parse_share(text: str) -> tuple[Path, float]:
    """FOLDER=SHARE as a pair."""
    folder, sign, share = text.rpartition("=")
    try:
        if not sign or not 0 < float(share) < float("inf"):
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected FOLDER=SHARE with a share above 0") from None
    return Path(folder), float(share)


def average(parts: list[tuple[Path, float]]) -> MiniNet:
    """A net with the weighted mean of the encoders' weights; integer buffers come from the first one."""
    whole = sum(share for _, share in parts)
    net = MiniNet.from_pretrained(parts[0][0])
    states = [MiniNet.from_pretrained(folder).state_dict() for folder, _ in parts]
    for name, mean in net.state_dict().items():  # views into the net's own tensors
        if mean.is_floating_point():
            mean.copy_(sum(state[name] * (share / whole) for state, (_, share) in zip(states, parts, strict=True)))
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("parts", metavar="FOLDER=SHARE", nargs="+", type=parse_share)
    options = parser.parse_args()
    average(options.parts).save_pretrained(options.output)
    calibrate(options.output)


if __name__ == "__main__":
    main()
