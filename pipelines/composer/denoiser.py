"""The scene denoiser: a transformer over scene elements that turns noise into coordinates and looks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from analogen.pipelines.composer.features import FIELDS, NUM_FEATURES, WEIGHT, places
from analogen.pipelines.composer.layers import Layer, ReadingTokens, RelationTokens, padding_bias, row_scale, sinusoidal
from analogen.pipelines.composer.readings import ReadingBatch
from analogen.pipelines.composer.stored_module import StoredModule
from analogen.relsim.world.scene import MAX_ELEMENTS


class SceneDenoiser(StoredModule):
    """Predicts the clean features of every element from noisy ones, given the skeleton and the relation.

    Rectified flow, arXiv:2209.03003: noisy = (1 - time) * clean + time * noise, time in [0, 1]. With
    self-conditioning, arXiv:2208.04202: the last estimate is one more input. reads: whether it takes readings
    of references.
    """

    def __init__(
        self,
        relation_dim: int = 384,
        dim: int = 256,
        depth: int = 8,
        heads: int = 8,
        num_relation_tokens: int = 8,
        reads: bool = False,
    ) -> None:
        super().__init__()
        self.config = {
            "relation_dim": relation_dim, "dim": dim, "depth": depth, "heads": heads,
            "num_relation_tokens": num_relation_tokens, "reads": reads,
        }  # fmt: skip
        self.embed_features = nn.Linear(2 * NUM_FEATURES, dim)
        self.embed_fields = nn.ModuleList(nn.Embedding(size, dim) for size in FIELDS.values())
        self.embed_places = nn.ModuleList(nn.Embedding(MAX_ELEMENTS, dim) for _ in range(5))
        self.embed_time = nn.Sequential(nn.Linear(128, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))
        self.relation_tokens = RelationTokens(relation_dim, dim, num_relation_tokens)
        self.reading_tokens = ReadingTokens(dim) if reads else None
        self.layers = nn.ModuleList(Layer(dim, heads, modulated=True, reads=reads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, NUM_FEATURES)
        for embedding in (*self.embed_fields, *self.embed_places):
            nn.init.normal_(embedding.weight, std=0.1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(
        self,
        noisy: Tensor,
        time: Tensor,
        tokens: Tensor,
        mask: Tensor,
        relation: Tensor,
        scale: float | Tensor = 1.0,
        estimate: Tensor | None = None,
        readings: ReadingBatch | None = None,
    ) -> Tensor:
        """The clean features, (B, n, NUM_FEATURES).

        noisy, estimate: (B, n, NUM_FEATURES), the estimate zero or absent at first; time: (B,) in [0, 1];
        tokens: (B, n, fields); mask: (B, n); relation: (B, relation_dim); scale: of the cross-attention to the
        relation; readings: what was read of the references.
        """
        estimate = torch.zeros_like(noisy) if estimate is None else estimate
        x = self.embed_features(torch.cat([noisy, estimate], -1))
        for index, embedding in enumerate(self.embed_fields):
            x = x + embedding(tokens[..., index])
        place = places(tokens, mask)
        for index, embedding in enumerate(self.embed_places):
            x = x + embedding(place[..., index])
        moment = self.embed_time(sinusoidal(time, 128).to(x.dtype))
        modulation = self.modulation(moment).view(len(x), 6, -1)
        bias, relation_tokens, weight = padding_bias(mask), self.relation_tokens(relation), row_scale(scale, len(x), x)
        read = None if readings is None or self.reading_tokens is None else self.reading_tokens(readings)
        for layer in self.layers:
            x = layer(x, bias, relation_tokens, weight, modulation, read)
        # What is asked for is a small correction of the noisy input once the time is short.
        keep = (1 - time).view(-1, 1, 1).to(x.dtype)
        return keep * noisy + self.head(self.norm(x))


def flow_loss(
    model: SceneDenoiser,
    clean: Tensor,
    tokens: Tensor,
    mask: Tensor,
    relation: Tensor,
    scale: Tensor,
    generator: torch.Generator | None = None,
    readings: ReadingBatch | None = None,
) -> Tensor:
    """Velocity error of rectified flow, more often at low noise, where exact places are decided; scalar.

    scale: (B,), 0 for the rows that train the unconditional model.
    """
    batch = len(clean)
    normal = torch.randn(batch, generator=generator)
    time = torch.sigmoid(1.3 * normal - 0.8).to(clean.device)  # logit-normal, arXiv:2403.03206, eq. 19
    noise = torch.randn(clean.shape, generator=generator).to(clean.device)
    moment = time.view(-1, 1, 1)
    noisy = (1 - moment) * clean + moment * noise
    estimate = None
    if torch.rand((), generator=generator) < 0.5:
        with torch.no_grad():
            estimate = model(noisy, time, tokens, mask, relation, scale, None, readings).detach()
    predicted = model(noisy, time, tokens, mask, relation, scale, estimate, readings).float()
    weight = torch.from_numpy(WEIGHT).to(clean.device) * mask[..., None]
    # The velocity's error is the clean estimate's over the time left.
    error = (predicted - clean).square() / moment.clamp_min(0.03).square()
    return (error * weight).sum() / weight.sum()
