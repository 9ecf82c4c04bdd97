"""Computes contrastive gradients over one large batch that is spread over several processes and passes.

A joint batch is split into shares, one for each process, and a share into chunks that fit in memory. Neither split
changes the gradient: sums over rows are added up, and a contrastive loss, which needs all rows at once, gets the
embeddings of all of them (`backward_contrastive`). Dropout depends on the step and a chunk's place in the joint batch
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn


@lru_cache(maxsize=2)
def _order(total: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(total)


def joint_rows(total: int, batch_size: int, seed: int, step: int) -> NDArray[np.int64]:
    """(batch_size,) rows of the joint batch of this step: every row once an epoch, in an order known from the seed;
    epochs follow each other without a gap."""
    places = range(step * batch_size, (step + 1) * batch_size)
    return np.array([_order(total, seed, place // total)[place % total] for place in places])


class Chunk(NamedTuple):
    """Items for one pass and their places in the share; first: where the chunk begins in the joint batch."""

    items: list[Any]
    places: list[int]
    first: int


@dataclass
class Share:
    """This process's part of a joint batch.

    rows: (batch,) of the whole joint batch, the same in every process; items: what was loaded for this process's part
    of it, None where a picture could not be read any more.
    """

    accelerator: Accelerator
    step: int
    rows: NDArray[np.int64]
    items: Sequence[Any | None]
    micro_batch: int
    seed: int

    @property
    def first(self) -> int:
        return self.accelerator.process_index * len(self.items)

    def chunks(self) -> Iterator[Chunk]:
        for start in range(0, len(self.items), self.micro_batch):
            places = range(start, min(start + self.micro_batch, len(self.items)))
            kept = [place for place in places if self.items[place] is not None]
            if kept:
                yield Chunk([self.items[place] for place in kept], kept, self.first + start)

    def start_pass(self, chunk: Chunk) -> None:
        """Seed the dropout, so that every pass over a chunk draws the same, in whichever process."""
        torch.manual_seed(((self.seed * 1_000_003 + self.step) * 1_000_003 + chunk.first) % 2**63)

    def gather(self, own: Tensor) -> Tensor:
        """(share, ...) of every process -> (batch, ...), in the order of `rows`; no gradient passes."""
        return self.accelerator.gather(own.detach().contiguous())

    def kept(self) -> Tensor:
        """(batch,) bool: the rows that could be loaded. Raises OSError if a process has none, since then a
        disk is gone and not a picture."""
        own = torch.tensor([item is not None for item in self.items], device=self.accelerator.device)
        kept = self.gather(own.float()) > 0
        if not kept.view(self.accelerator.num_processes, -1).any(1).all():
            raise OSError(
                f"none of a process's pictures can be read any more in step {self.step}: is their disk there?"
            )
        return kept

    def total(self, own: Tensor | float) -> Tensor:
        """The sum of a scalar over all processes."""
        return self.accelerator.reduce(torch.as_tensor(own, dtype=torch.float32, device=self.accelerator.device), "sum")


def backward_contrastive(
    share: Share,
    embed: Callable[[list[Any]], Tensor],
    loss_of: Callable[[Tensor], Tensor],
    dim: int,
    beside: Sequence[nn.Parameter] = (),
) -> Tensor:
    """Compute the gradients of a loss over the embeddings of the whole joint batch; returns the loss.

    embed: items -> (n, dim) with gradients; loss_of: (batch, dim) of all processes, zeros for rows that could not be
    loaded -> scalar; beside: parameters that the loss itself uses. Activations of one chunk at a time are in memory:
    all chunks are embedded without gradients, the loss's gradient is taken at the embeddings, and each chunk is
    embedded again to pull its part back. Source: GradCache, arXiv:2101.06983; every process computes the whole loss,
    so that gradients through the negatives of others are exact.
    """
    chunks = list(share.chunks())
    once = len(chunks) == 1  # then its activations may as well stay
    found: list[Tensor] = []
    for chunk in chunks:
        share.start_pass(chunk)
        with torch.set_grad_enabled(once):
            found.append(embed(chunk.items))
    own = torch.zeros(len(share.items), dim, device=found[0].device)
    for chunk, rows in zip(chunks, found, strict=True):
        own[chunk.places] = rows.detach().float()
    joint = share.gather(own).requires_grad_()
    loss = loss_of(joint)
    joint_gradient, *others = torch.autograd.grad(loss, [joint, *beside])
    own_gradient = joint_gradient[share.first : share.first + len(share.items)]
    for number, chunk in enumerate(chunks):
        if not once:
            share.start_pass(chunk)
        rows = found[number] if once else embed(chunk.items)
        rows.backward(own_gradient[chunk.places].to(rows.dtype))
    for parameter, gradient in zip(beside, others, strict=True):
        # Every process has the whole of it, and `sum_gradients` will add them up.
        parameter.grad = gradient / share.accelerator.num_processes
    return loss.detach()


class LossSum(NamedTuple):
    """The sum of some rows' losses, with gradients, and the number of their right answers."""

    loss: Tensor
    right: Tensor


def backward_mean(
    share: Share, weigh: Callable[[Any], int], run: Callable[[list[Any]], LossSum]
) -> tuple[Tensor, Tensor]:
    """Compute the gradients of a loss that is a mean over the joint batch; returns the loss and the share of right
    answers.

    weigh: what an item counts for in the mean, such as its number of tokens; run: items -> sums.
    """
    chunks = list(share.chunks())
    weight = float(share.total(sum(weigh(item) for chunk in chunks for item in chunk.items)))
    loss = right = 0.0
    for chunk in chunks:
        share.start_pass(chunk)
        summed = run(chunk.items)
        (summed.loss / weight).backward()
        loss, right = loss + float(summed.loss.detach()), right + float(summed.right)
    return share.total(loss) / weight, share.total(right) / weight


def sum_gradients(accelerator: Accelerator, parameters: Sequence[nn.Parameter]) -> None:
    """Add up the gradients of all processes in one message, in place.

    The adapters that are trained in several processes are some 20 MB: one message costs nothing beside the pass of a
    7B, and it needs no wrapper around the model.
    """
    if accelerator.num_processes == 1:
        return
    parts = [p.new_zeros(p.shape) if p.grad is None else p.grad for p in parameters]
    flat = accelerator.reduce(torch.cat([part.reshape(-1) for part in parts]), "sum")
    for parameter, own in zip(parameters, flat.split([part.numel() for part in parts]), strict=True):
        parameter.grad = own.view_as(parameter)
