"""A family of linear recurrences over a matrix state per head, computed in chunks.

    S_t = A_t S_(t-1) + write,    o_t = q_t S_t,    y_t = W_o (norm(o_t) * gate(W_g x_t))

    decay     A_t = 1 (none), a constant of the head (fixed), or made from x_t: a number (scalar), a vector over the
              keys (vector)
    write     k_t v_t^T (additive), b_t k_t (v_t - k_t^T A_t S_(t-1))^T (delta), or b_t k_t v_t^T while A_t becomes
              (1 - b_t) A_t: what is written displaces what is there (hebbian)

Corners of the family: linear attention (arXiv 2006.16236), RetNet (2307.08621), GLA (2312.06635), DeltaNet
(2406.06484), gated DeltaNet (2412.06464), Kimi delta attention (2510.26692).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHUNK = 32
MAX_LOG_DECAY = 80 / CHUNK  # per step, so that the factors of a chunk stay below exp(80), which float32 holds


def chunked_recurrence(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    strength: Tensor | float = 1.0,
    scalar: Tensor | None = None,
    vector: Tensor | None = None,
    delta: bool = False,
) -> Tensor:
    """Return o_t = q_t S_t for all t, in time linear in T.

    Within a chunk it is attention with decays in the place of a softmax; one state goes from chunk to chunk. The delta
    rule's writes u solve a triangular system, the WY form of arXiv 2406.06484. With G the sum of the log-decays since
    the chunk began and S the state at that point:

        (I + b tril(k_i e^(G_i - G_j) k_j^T, -1)) u = b (v - k e^G S)

    Args:
        q: Queries, shape (B, H, T, K).
        k: Keys, shape (B, H, T, K); of length 1 where `delta`.
        v: Values, shape (B, H, T, V).
        strength: How strongly to write, b in [0, 1], shape (B, H, T, 1) or one number.
        scalar: Log-decay per step, at most 0, shape (B or 1, H, T, 1).
        vector: Log-decay per step and key channel, in [-MAX_LOG_DECAY, 0], shape (B, H, T, K).
        delta: Whether to write the difference to what the state already answers.
    """
    T = q.shape[2]
    size = min(CHUNK, T)
    rest = -T % size

    def fold(x: Tensor) -> Tensor:
        """Cut the time axis in chunks: (B, H, T, X) -> (B, H, N, C, X)."""
        return F.pad(x, (0, 0, 0, rest)).unflatten(2, (-1, size))

    q, k, v = fold(q), fold(k), fold(v)
    strength = fold(strength) if isinstance(strength, Tensor) else strength

    total = q.new_zeros(1, 1, 1, size, 1) if scalar is None else fold(scalar).cumsum(3)
    end = total[..., -1:, :]
    since, until = total.exp(), (end - total).exp()  # decay since the chunk began, and until it ends
    future = torch.ones(size, size, dtype=torch.bool, device=q.device).triu(1)
    between = (total - total.mT).masked_fill(future, -math.inf).exp()  # decay from step j to step i, (..., C, C)
    reader, asker, writer, edge, carry = q, k, k, q.new_ones(1, 1), end.exp()
    if vector is not None:
        # e^(G_i - G_j) is a product of two factors here, measured from half-way so that neither overflows.
        grown = fold(vector).cumsum(3)
        half = grown[..., -1:, :] / 2
        rise, fall = (grown - half).exp(), (half - grown).exp()
        reader, asker, writer = q * rise, k * rise, k * fall
        edge = half.exp().mT  # from half-way to an edge of the chunk; scales the rows of the state, (..., K, 1)
        carry = carry * edge.square()

    v = strength * v
    ender = (writer * until).mT
    if delta:
        system = strength * (asker @ writer.mT) * between
        unit = torch.eye(size, dtype=q.dtype, device=q.device)
        inverse = torch.linalg.solve_triangular(system, unit, upper=False, unitriangular=True)
        v, taken = inverse @ v, inverse @ (strength * since * asker)
        carry = torch.eye(k.shape[-1], dtype=k.dtype, device=k.device) * carry - edge * (ender @ taken) * edge.mT
    updates = edge * (ender @ v)

    # Chunk by chunk, heads and samples as one batch: state = update + carry (times) state.
    advance = torch.baddbmm if delta else torch.addcmul
    carries = carry.expand(*updates.shape[:3], -1, -1).flatten(0, 1).unbind(1)
    state = torch.zeros_like(updates[:, :, 0]).flatten(0, 1)
    states = [state]
    for step, update in zip(carries[:-1], updates.flatten(0, 1).unbind(1)[:-1], strict=True):
        state = advance(update, step, state)
        states.append(state)
    before = edge * torch.stack(states, dim=1).view_as(updates)  # the state that each chunk finds, (B, H, N, K, V)

    if delta:
        v = v - taken @ before
    o = since * (reader @ before) + (reader @ writer.mT * between) @ v
    o = o.flatten(2, 3)
    return o[:, :, :T] if rest else o


class Recurrence(nn.Module):
    """Linear recurrence over a matrix state per head; its settings choose the member of the family.

    `feature_map` (identity, elu, normalised, softmax) is applied to queries and keys; the delta rule normalises its
    keys in any case, or it may diverge. `short_conv` is the length of a causal convolution over q, k and v, or 0.
    """

    def __init__(
        self,
        d_model: int,
        heads: int = 4,
        decay: str = "scalar",
        write: str = "delta",
        feature_map: str = "normalised",
        output_gate: str = "silu",
        short_conv: int = 4,
        output_norm: bool = True,
    ):
        super().__init__()
        self.heads, self.decay, self.write = heads, decay, write
        self.feature_map, self.output_gate = feature_map, output_gate
        self.head_dim = max(2, 2 * (d_model // (2 * heads)))
        inner = heads * self.head_dim
        decays = {"none": 0, "fixed": 0, "scalar": heads, "vector": inner}[decay]
        writes = 0 if write == "additive" else heads
        self.widths = (3 * inner, decays, writes, 0 if output_gate == "none" else inner)
        self.in_proj = nn.Linear(d_model, sum(self.widths), bias=False)
        self.conv = None
        if short_conv:
            self.conv = nn.Conv1d(3 * inner, 3 * inner, short_conv, groups=3 * inner)
        # The heads start with memories of 4 to 256 positions, evenly spaced in the logarithm.
        memory = 4 * 64 ** ((torch.arange(heads) + 0.5) / heads)
        if decay == "fixed":
            self.register_buffer("log_decay", -1 / memory.view(1, heads, 1, 1), persistent=False)
        elif decay in ("scalar", "vector"):
            bias = torch.logit(1 / (MAX_LOG_DECAY * memory))
            self.decay_bias = nn.Parameter(bias.view(heads, 1, 1).repeat(1, 1, decays // heads))
        if write != "additive":
            # Hebbian writing forgets as it writes: it starts as slowly as the decays do.
            self.write_bias = nn.Parameter(torch.logit(1 / memory if write == "hebbian" else torch.full((heads,), 0.5)))
        self.norm_weight = nn.Parameter(torch.ones(heads, 1, self.head_dim)) if output_norm else None
        self.out = nn.Linear(inner, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix `x`, shape (B, T, D), along time."""
        qkv, decay, write, gate = self.in_proj(x).split(self.widths, dim=-1)
        if self.conv is not None:
            past = F.pad(qkv.transpose(1, 2), (self.conv.kernel_size[0] - 1, 0))
            qkv = F.silu(self.conv(past).transpose(1, 2))
        with torch.autocast(x.device.type, enabled=False):  # sums of logarithms need full precision
            o = self.recur(*(part.to(torch.promote_types(part.dtype, torch.float32)) for part in (qkv, decay, write)))
            if self.norm_weight is not None:
                o = F.rms_norm(o, (self.head_dim,)) * self.norm_weight
        o = o.transpose(1, 2).flatten(2)
        if self.output_gate != "none":
            o = o * (gate.sigmoid() if self.output_gate == "sigmoid" else F.silu(gate))
        return self.out(o)

    def recur(self, qkv: Tensor, decay: Tensor, write: Tensor) -> Tensor:
        """Run the recurrence on projected inputs, each (B, T, X), and return (B, H, T, hd)."""
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each (B, H, T, hd)
        q, k = self.features(q, k)
        scalar, vector = None, None
        strength: Tensor | float = 1.0
        if self.decay == "fixed":
            scalar = self.log_decay.to(q.dtype).expand(1, -1, q.shape[2], 1)
        elif self.decay != "none":
            logit = decay.unflatten(-1, (self.heads, -1)).transpose(1, 2) + self.decay_bias
            scalar = -MAX_LOG_DECAY * logit.sigmoid()
            if self.decay == "vector":
                scalar, vector = None, scalar
        if self.write != "additive":
            logit = (write + self.write_bias).transpose(1, 2).unsqueeze(-1)
            strength = logit.sigmoid()
        if self.write == "hebbian":
            kept = -F.softplus(logit)  # log(1 - strength)
            scalar = kept if scalar is None else scalar + kept
        o = chunked_recurrence(q, k, v, strength, scalar, vector, delta=self.write == "delta")
        if self.norm_weight is None and self.decay == "none" and self.write == "additive":
            # A sum that nothing decays grows along the sequence: keep its variance constant.
            o = o * torch.arange(1, o.shape[2] + 1, device=o.device).to(o.dtype).rsqrt().unsqueeze(-1)
        return o

    def features(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Map queries and keys, scaled so that their products are of order 1."""
        if self.feature_map == "elu":
            q, k = (F.elu(q) + 1) / self.head_dim, F.elu(k) + 1
        elif self.feature_map == "normalised":
            q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        elif self.feature_map == "softmax":
            q, k = q.softmax(dim=-1) * self.head_dim, k.softmax(dim=-1)
        else:
            q = q * self.head_dim**-0.5
        if self.write == "delta" and self.feature_map != "normalised":
            k = F.normalize(k, dim=-1)
        return q, k
