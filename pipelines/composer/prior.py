"""The skeleton prior: samples which elements a scene of a relation has, one after the other."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from analogen.pipelines.composer.features import FIELDS, places
from analogen.pipelines.composer.layers import Layer, ReadingTokens, RelationTokens, row_scale
from analogen.pipelines.composer.readings import ReadingBatch
from analogen.pipelines.composer.stored_module import StoredModule
from analogen.relsim.world.scene import MAX_ELEMENTS


class SkeletonPrior(StoredModule):
    """Autoregressive transformer over composite tokens (one token = all discrete fields of an element).

    vocabulary: the field values of every token, a list of lists of len(FIELDS) integers; id `len(vocabulary)`
    ends the scene. reads: whether it takes readings of references.
    """

    table: Tensor  # (V, fields)

    def __init__(
        self,
        vocabulary: list[list[int]],
        relation_dim: int = 384,
        dim: int = 192,
        depth: int = 4,
        heads: int = 6,
        num_relation_tokens: int = 8,
        reads: bool = False,
    ) -> None:
        super().__init__()
        self.config = {
            "vocabulary": vocabulary, "relation_dim": relation_dim, "dim": dim, "depth": depth, "heads": heads,
            "num_relation_tokens": num_relation_tokens, "reads": reads,
        }  # fmt: skip
        self.register_buffer("table", torch.tensor(vocabulary), persistent=False)
        self.end = len(vocabulary)
        self.start = nn.Parameter(torch.randn(dim) * 0.02)
        self.embed = nn.Embedding(len(vocabulary), dim)
        self.embed_fields = nn.ModuleList(nn.Embedding(size, dim) for size in FIELDS.values())
        self.embed_places = nn.ModuleList(nn.Embedding(MAX_ELEMENTS, dim) for _ in range(4))
        self.relation_tokens = RelationTokens(relation_dim, dim, num_relation_tokens)
        self.reading_tokens = ReadingTokens(dim) if reads else None
        self.layers = nn.ModuleList(Layer(dim, heads, modulated=False, reads=reads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, len(vocabulary) + 1)
        for embedding in (self.embed, *self.embed_fields, *self.embed_places):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(
        self,
        ids: Tensor,
        mask: Tensor,
        relation: Tensor,
        scale: float | Tensor = 1.0,
        readings: ReadingBatch | None = None,
    ) -> Tensor:
        """Logits of the next token after every prefix.

        ids: (B, n) vocabulary ids (anything where mask is False); relation: (B, relation_dim); readings: what
        was read of the references.
        Returns (B, n + 1, V + 1); position i predicts element i from those before it.
        """
        ids = ids.masked_fill(~mask, 0)
        fields = self.table[ids]  # (B, n, fields)
        x = self.embed(ids)
        for index, embedding in enumerate(self.embed_fields):
            x = x + embedding(fields[..., index])
        place = places(fields, mask)  # the total of a kind (column 2) lies in the future: left out
        for embedding, column in zip(self.embed_places, (0, 1, 3, 4), strict=True):
            x = x + embedding(place[..., column])
        x = torch.cat([self.start.expand(len(x), 1, -1), x], 1)  # (B, n + 1, dim)
        length = x.shape[1]
        causal = torch.full((length, length), -1e4, device=x.device).triu(1)[None, None]
        tokens, weight = self.relation_tokens(relation), row_scale(scale, len(x), x)
        read = None if readings is None or self.reading_tokens is None else self.reading_tokens(readings)
        for layer in self.layers:
            x = layer(x, causal, tokens, weight, None, read)
        return self.head(self.norm(x))

    def loss(
        self,
        ids: Tensor,
        mask: Tensor,
        relation: Tensor,
        scale: float | Tensor = 1.0,
        readings: ReadingBatch | None = None,
    ) -> Tensor:
        """Mean negative log likelihood per token, the end included, in nats."""
        logits = self(ids, mask, relation, scale, readings)
        counts = mask.sum(1, keepdim=True)
        target = torch.cat([ids, ids[:, :1]], 1).scatter(1, counts, self.end)
        target = target.masked_fill(torch.arange(target.shape[1], device=ids.device) > counts, -100)
        return F.cross_entropy(logits.float().transpose(1, 2), target, ignore_index=-100)

    @torch.no_grad()
    def sample(
        self,
        relation: Tensor,
        generators: list[torch.Generator],
        scale: float | Tensor = 1.0,
        guidance_scale: float = 1.0,
        temperature: float = 0.9,
        top_p: float = 0.95,
        readings: ReadingBatch | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Skeletons for each row, every row drawing from its own generator.

        relation: (B, relation_dim); scale: one or (B,). Returns fields (B, n, len(FIELDS)) and mask (B, n), n the
        longest row.
        """
        batch = len(relation)
        ids = torch.zeros(batch, 0, dtype=torch.long, device=relation.device)
        counts = torch.zeros(batch, dtype=torch.long, device=relation.device)
        going = torch.ones(batch, dtype=torch.bool, device=relation.device)
        scales = torch.as_tensor(scale, device=relation.device, dtype=relation.dtype).expand(batch)
        guided = guidance_scale != 1.0 and bool(scales.any())
        for step in range(MAX_ELEMENTS):
            # Rows that have ended are left out: most are far shorter than the longest. Nor may they draw again, or
            # their generators would go on by its length.
            rows = going.nonzero().flatten()
            prefix, asked, seen = ids[rows], relation[rows], None if readings is None else readings.select(rows)
            full = torch.ones_like(prefix, dtype=torch.bool)
            logits = self(prefix, full, asked, scales[rows], seen)[:, -1].float()
            if guided:
                free = self(prefix, full, asked, 0.0, seen)[:, -1].float()
                logits = free + guidance_scale * (logits - free)
            if step == 0:
                logits[:, self.end] = -torch.inf  # a scene has at least one element
            chosen = torch.full_like(counts, self.end)
            for place, row in enumerate(rows.tolist()):
                chosen[row] = _nucleus(logits[place], generators[row], temperature, top_p)
            going = going & (chosen != self.end)
            if not going.any():
                break
            counts = counts + going
            ids = torch.cat([ids, chosen.masked_fill(~going, 0)[:, None]], 1)
        mask = torch.arange(ids.shape[1], device=ids.device)[None] < counts[:, None]
        return self.table[ids] * mask[..., None], mask

    def ids_of(self, tokens: Tensor) -> Tensor:
        """(n, fields) -> (n,) vocabulary ids. Raises KeyError for a token that is not in the vocabulary."""
        lookup: dict[tuple[int, ...], int] = {tuple(row): i for i, row in enumerate(self.table.tolist())}
        return torch.tensor([lookup[tuple(row)] for row in tokens.tolist()])


def _nucleus(logits: Tensor, generator: torch.Generator, temperature: float, top_p: float) -> Tensor:
    """Nucleus sampling of one id, arXiv:1904.09751. logits: (V,)."""
    probability, order = (logits / temperature).softmax(-1).sort(descending=True)
    keep = probability.cumsum(-1) - probability < top_p
    probability = probability * keep
    # Drawn on the CPU in any case: the same seed gives the same skeleton on every device.
    pick = torch.multinomial(probability.cpu(), 1, generator=generator).to(order.device)
    return order[pick][0]


def vocabulary_of(tokens: list[Any]) -> list[list[int]]:
    """The distinct rows of many (n, fields) arrays, sorted."""
    return [list(row) for row in sorted({tuple(map(int, row)) for array in tokens for row in array})]
