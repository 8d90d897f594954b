"""Cards in the notations of several fields, each with the function that its equations mean."""

# ruff: noqa: RUF001 - signs as authors write them
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from neuramosaic.components.mixers.recurrence import MAX_LOG_DECAY

Parameters = dict[str, Tensor]
Reference = Callable[[Tensor, Parameters], Tensor]


@dataclass(frozen=True)
class Case:
    """A card, and what it means.

    Attributes:
        name: Of the case.
        equations: Of the card.
        reference: What they compute, of the input (B, T, D) and the parameters by name.
        hyperparameters: By name, with their values.
        slot: Of the card.
    """

    name: str
    equations: tuple[str, ...]
    reference: Reference
    hyperparameters: dict[str, float] = field(default_factory=dict)
    slot: str = "mixer"


CASES: list[Case] = []


def case(name: str, *equations: str, slot: str = "mixer", **hyperparameters: float) -> Callable[[Reference], Reference]:
    """Return a decorator that adds a case with its reference."""

    def add(reference: Reference) -> Reference:
        CASES.append(Case(name, equations, reference, hyperparameters, slot))
        return reference

    return add


def split(z: Tensor, heads: int) -> Tensor:
    return z.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge(z: Tensor) -> Tensor:
    return z.transpose(1, 2).flatten(2)


def before(z: Tensor, steps: int = 1) -> Tensor:
    return F.pad(z, (0, 0, steps, 0))[:, : z.shape[1]]


def masked(logits: Tensor, window: int | None = None) -> Tensor:
    T = logits.shape[-1]
    place = torch.arange(T)
    seen = place[None] <= place[:, None]
    if window is not None:
        seen &= place[None] > place[:, None] - window
    return logits.masked_fill(~seen, -math.inf).softmax(-1)


def scan(a: Tensor, b: Tensor) -> Tensor:
    h, steps = torch.zeros_like(b[:, 0]), []
    for step in range(b.shape[1]):
        h = a[:, step] * h + b[:, step]
        steps.append(h)
    return torch.stack(steps, 1)


def states(q: Tensor, k: Tensor, v: Tensor, decay: Tensor | float = 1.0, delta: Tensor | None = None) -> Tensor:
    """Return q_t S_t one position after another, for (B, H, T, d); decay (B or 1, H, T or 1, 1)."""
    B, H, T, d = k.shape
    S, found = torch.zeros(B, H, d, v.shape[-1]), []
    decay = torch.as_tensor(decay).expand(B, H, T, 1) if isinstance(decay, Tensor) else torch.full((B, H, T, 1), decay)
    for t in range(T):
        kt, vt, qt = k[:, :, t], v[:, :, t], q[:, :, t]
        S = decay[:, :, t, :, None] * S
        if delta is not None:
            b = delta[:, :, t]
            S = S - b[..., None] * kt[..., None] * torch.einsum("bhk,bhkv->bhv", kt, S)[:, :, None]
            vt = b * vt
        S = S + kt[..., None] * vt[:, :, None]
        found.append(torch.einsum("bhk,bhkv->bhv", qt, S))
    return torch.stack(found, 2)


def unit(z: Tensor) -> Tensor:
    return z / z.norm(dim=-1, keepdim=True)


def rms(z: Tensor) -> Tensor:
    return z / (z.square().mean(-1, keepdim=True)).sqrt()


# -- channels and norms ------------------------------------------------------------------------------------------------


@case("glu in LaTeX", r"y_t = W_o \left( \sigma(W_g x_t) \odot W_v x_t \right)", slot="channel")
def _(x, p):
    return (torch.sigmoid(x @ p["W_g"].T) * (x @ p["W_v"].T)) @ p["W_o"].T


@case(
    "rows times matrices",
    r"y = \mathrm{GELU}(x W_1 + b_1) W_2 + b_2",
    r"W_1 \in \mathbb{R}^{D \times 4D}",
    slot="channel",
)
def _(x, p):
    return F.gelu(x @ p["W_1"].T + p["b_1"]) @ p["W_2"].T + p["b_2"]


@case(
    "squared relu",
    "h_t = relu(W_u x_t)^2, with expansion * D hidden units",
    "y_t = W_d h_t",
    slot="channel",
    expansion=3,
)
def _(x, p):
    return torch.relu(x @ p["W_u"].T).square() @ p["W_d"].T


@case("maxout", r"y_t = W_o \max(W_1 x_t, W_2 x_t)", slot="channel")
def _(x, p):
    return torch.maximum(x @ p["W_1"].T, x @ p["W_2"].T) @ p["W_o"].T


@case("sum of maps", r"y_t = \sum_{e=1}^{3} W_e \tanh(U_e x_t)", slot="channel")
def _(x, p):
    return sum(torch.tanh(x @ p[f"U_{e}"].T) @ p[f"W_{e}"].T for e in (1, 2, 3))


@case("residual inside", "u_t = x_t + W_1 silu(W_2 x_t)", "y_t = W_3 u_t + u_t", slot="channel")
def _(x, p):
    u = x + F.silu(x @ p["W_2"].T) @ p["W_1"].T
    return u @ p["W_3"].T + u


@case("low rank in Unicode", "yₜ = U (V xₜ) + b, U ∈ ℝ^{D × r}, V ∈ ℝ^{r × D}", slot="channel", r=3)
def _(x, p):
    assert p["V"].shape[0] == 3
    return x @ p["V"].T @ p["U"].T + p["b"]


@case(
    "rms norm by its sum",
    r"y_t = g \odot \frac{x_t}{\sqrt{\frac{1}{D} \sum_{i=1}^{D} x_{t,i}^2 + \epsilon}}",
    slot="norm",
)
def _(x, p):
    return p["g"] * x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()


@case(
    "layer norm by its moments",
    r"\mu_t = \frac{1}{D} \sum_{i=1}^{D} x_{t,i}, \quad v_t = mean((x_t - \mu_t)^2)",
    r"y_t = \gamma \odot \frac{x_t - \mu_t}{\sqrt{v_t + \epsilon}} + \beta",
    slot="norm",
)
def _(x, p):
    centred = x - x.mean(-1, keepdim=True)
    return p["gamma"] * centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt() + p["beta"]


@case(
    "length", r"y_t = g \odot \sqrt{D} \, \frac{x_t}{\|x_t\|_2}, where g is a learned vector of D elements", slot="norm"
)
def _(x, p):
    return p["g"] * x.shape[-1] ** 0.5 * unit(x)


@case("one norm", "y_t = x_t / ||x_t||_1", slot="norm")
def _(x, p):
    return x / x.abs().sum(-1, keepdim=True)


@case("cases in LaTeX", r"y_t = \begin{cases} z_t^2 & \text{if } z_t > 0 \\ -z_t & \text{otherwise} \end{cases}",
      "z_t = W x_t", slot="channel")  # fmt: skip
def _(x, p):
    z = x @ p["W"].T
    return torch.where(z > 0, z.square(), -z)


@case("cases in words", "g(c) = c + 1/2 where c >= 0, sigmoid(c) elsewhere", "y_t = W_o g(W_c x_t)", slot="channel")
def _(x, p):
    z = x @ p["W_c"].T
    return torch.where(z >= 0, z + 0.5, z.sigmoid()) @ p["W_o"].T


# -- along time --------------------------------------------------------------------------------------------------------


@case("gated unit in Unicode", "zₜ = σ(W_z xₜ)", "h̃ₜ = W_h xₜ", "hₜ = (1 − zₜ) ⊙ hₜ₋₁ + zₜ ⊙ h̃ₜ", "yₜ = W_o hₜ")
def _(x, p):
    z = torch.sigmoid(x @ p["W_z"].T)
    return scan(1 - z, z * (x @ p["W_h"].T)) @ p["W_o"].T


@case("brackets of a program", "z[t] = sigmoid(Wz @ x[t])", "h[t] = (1 - z[t]) * h[t-1] + z[t] * tanh(Wh @ x[t])",
      "y[t] = Wo @ h[t]")  # fmt: skip
def _(x, p):
    z = torch.sigmoid(x @ p["W_Wz"].T)
    return scan(1 - z, z * torch.tanh(x @ p["W_Wh"].T)) @ p["W_Wo"].T


@case("a step towards", r"h_t = h_{t-1} + z_t \odot (c_t - h_{t-1}), \quad z_t = \sigma(W_z x_t), \quad c_t = W_c x_t",
      r"y_t = W_o h_t")  # fmt: skip
def _(x, p):
    z = torch.sigmoid(x @ p["W_z"].T)
    return scan(1 - z, z * (x @ p["W_c"].T)) @ p["W_o"].T


@case(
    "simple recurrent unit",
    r"f_t = \sigma(W_f x_t + b_f)", r"r_t = \sigma(W_r x_t + b_r)",
    r"c_t = f_t \odot c_{t-1} + (1 - f_t) \odot (W x_t)", r"y_t = r_t \odot \tanh(c_t) + (1 - r_t) \odot x_t",
)  # fmt: skip
def _(x, p):
    f, r = (torch.sigmoid(x @ p[f"W_{n}"].T + p[f"b_{n}"]) for n in "fr")
    return r * scan(f, (1 - f) * (x @ p["W"].T)).tanh() + (1 - r) * x


@case("fixed diagonal", r"\lambda = \exp(-softplus(\nu)), with a learned vector nu of D elements",
      r"h_t = \lambda \odot h_{t-1} + \sqrt{1 - \lambda^2} \odot (B x_t)", r"y_t = C h_t")  # fmt: skip
def _(x, p):
    a = torch.exp(-F.softplus(p["nu"])).expand_as(x)
    return scan(a, (1 - a.square()).sqrt() * (x @ p["W_B"].T)) @ p["W_C"].T


@case("log decay", "log a_t = -softplus(W_a x_t)", "h_t = a_t * h_(t-1) + W_v x_t", "y_t = W_o h_t")
def _(x, p):
    return scan(torch.exp(-F.softplus(x @ p["W_a"].T)), x @ p["W_v"].T) @ p["W_o"].T


@case("token shift",
    r"\tilde{x}_t = \mu \odot x_t + (1 - \mu) \odot x_{t-1}, with a learned vector mu that starts at 1/2",
      r"y_t = W_o \, \mathrm{SiLU}(W_v \tilde{x}_t)")  # fmt: skip
def _(x, p):
    return F.silu((p["mu"] * x + (1 - p["mu"]) * before(x)) @ p["W_v"].T) @ p["W_o"].T


@case("two steps", "y_t = tanh(W_1 x_{t-1} + W_2 x_t)")
def _(x, p):
    return torch.tanh(before(x) @ p["W_1"].T + x @ p["W_2"].T)


@case("convolution from nought", r"u_t = \sum_{i=0}^{n-1} w_i \odot (W_v x)_{t-i}", "y_t = W_o u_t", n=3)
def _(x, p):
    v = x @ p["W_v"].T
    taps = next(value for name, value in p.items() if value.shape == (x.shape[-1], 3))
    return sum(taps[:, i] * before(v, i) for i in range(3)) @ p["W_o"].T


@case("convolution with matrices", r"y_t = \sum_{i=0}^{2} W_i x_{t-i}")
def _(x, p):
    return sum(before(x, i) @ p[f"W_{i}"].T for i in range(3))


@case("convolution by the input", r"w_t = \mathrm{softmax}(W_w x_t), with n elements",
      r"y_t = W_o \sum_{i=0}^{n-1} w_{t,i} (W_v x)_{t-i}", n=4)  # fmt: skip
def _(x, p):
    w, v = torch.softmax(x @ p["W_w"].T, -1), x @ p["W_v"].T
    return sum(w[..., i : i + 1] * before(v, i) for i in range(4)) @ p["W_o"].T


@case("running mean", r"m_t = \frac{1}{t} \sum_{s=1}^{t} W_v x_s", r"y_t = W_o (m_t \odot \sigma(W_g x_t))")
def _(x, p):
    count = torch.arange(1, x.shape[1] + 1)[:, None]
    return ((x @ p["W_v"].T).cumsum(1) / count * torch.sigmoid(x @ p["W_g"].T)) @ p["W_o"].T


@case("running sum over a window", r"y_t = W_o \sum_{s=t-w+1}^{t} W_v x_s", w=3)
def _(x, p):
    v = x @ p["W_v"].T
    return (v + before(v) + before(v, 2)) @ p["W_o"].T


@case("attention free",
    r"y_t = W_o \left( \sigma(q_t) \odot \frac{\sum_{s \le t} \exp(k_s) \odot v_s}{\sum_{s \le t} \exp(k_s)} \right)",
      "q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t")  # fmt: skip
def _(x, p):
    q, k, v = (x @ p[f"W_{n}"].T for n in "qkv")
    return (torch.sigmoid(q) * (k.exp() * v).cumsum(1) / k.exp().cumsum(1)) @ p["W_o"].T


# -- attention ---------------------------------------------------------------------------------------------------------


def heads_of(x: Tensor, p: Parameters, heads: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(split(x @ p[f"W_{n}"].T, heads) for n in "qkv")  # type: ignore[return-value]


@case(
    "attention in matrices", r"Q = X W_Q, \; K = X W_K, \; V = X W_V",
    r"Y = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{d_k}} + M\right) V W_O, where M is the causal mask",
)  # fmt: skip
def _(x, p):
    q, k, v = (x @ p[f"W_{n}"].T for n in "QKV")
    return masked(q @ k.mT / x.shape[-1] ** 0.5) @ v @ p["W_O"].T


@case(
    "heads by superscript",
    r"q_t^{(h)} = W_q^{(h)} x_t, \quad k_t^{(h)} = W_k^{(h)} x_t, \quad v_t^{(h)} = W_v^{(h)} x_t",
    r"o_t^{(h)} = \sum_{s \leq t} \operatorname{softmax}_s\left( "
    r"\frac{\langle q_t^{(h)}, k_s^{(h)} \rangle}{\sqrt{d}} \right) v_s^{(h)}",
    r"y_t = W_o \, \mathrm{concat}_h(o_t^{(h)})",
    heads=2,
)
def _(x, p):
    q, k, v = (split(x @ p[f"W_{n}_per_head"].T, 2) for n in "qkv")
    return merge(masked(q @ k.mT / q.shape[-1] ** 0.5) @ v) @ p["W_o"].T


@case(
    "a gate behind attention", "q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t, split into heads",
    "a_{ts} = softmax_{s <= t}(q_t^T k_s / sqrt(d))", "o_t = sum_{s<=t} a_{ts} v_s",
    "y_t = W_o (o_t * sigmoid(W_g x_t))", heads=2,
)  # fmt: skip
def _(x, p):
    q, k, v = heads_of(x, p)
    return (merge(masked(q @ k.mT / q.shape[-1] ** 0.5) @ v) * torch.sigmoid(x @ p["W_g"].T)) @ p["W_o"].T


@case(
    "slopes by distance", "q_i, k_i, v_i = W_q x_i, W_k x_i, W_v x_i, each per head",
    "a_ij = softmax_j(q_i . k_j / sqrt(d) - m_h (i - j)), with a learned number m_h per head that starts at 1/2",
    "y_i = W_o concat_h(sum_(j<=i) a_ij v_j)", heads=2,
)  # fmt: skip
def _(x, p):
    q, k, v = heads_of(x, p)
    place = torch.arange(x.shape[1], dtype=x.dtype)
    return merge(masked(q @ k.mT / q.shape[-1] ** 0.5 - p["m"] * (place[:, None] - place[None])) @ v) @ p["W_o"].T


@case(
    "attention with forget gates", "q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t, each per head",
    r"f_t = \sigma(w_f^\top x_t), one number per head", r"D_{ts} = \sum_{r=s+1}^{t} \log f_r",
    r"y_t = W_o \sum_{s=1}^{t} \mathrm{softmax}_s\left(\frac{q_t^\top k_s}{\sqrt{d}} + D_{ts}\right) v_s", heads=2,
)  # fmt: skip
def _(x, p):
    q, k, v = heads_of(x, p)
    total = split(torch.sigmoid(x @ p["w_f"].T).log().cumsum(1), 2)
    return merge(masked(q @ k.mT / q.shape[-1] ** 0.5 + total - total.mT) @ v) @ p["W_o"].T


@case(
    "a window by bounds", "q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t, each per head",
    r"y_t = W_o \sum_{s=\max(1, t-w+1)}^{t} \mathrm{softmax}_s(q_t^\top k_s / \sqrt{d}) \, v_s", heads=2, w=3,
)  # fmt: skip
def _(x, p):
    q, k, v = heads_of(x, p)
    return merge(masked(q @ k.mT / q.shape[-1] ** 0.5, 3) @ v) @ p["W_o"].T


@case(
    "cosine with a temperature", "q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t, per head",
    "w_ts = softmax_s(tau * cos(q_t, k_s)), with one learned number tau starting at 2", "y_t = W_o sum_s w_ts v_s",
    heads=2,
)  # fmt: skip
def _(x, p):
    q, k, v = heads_of(x, p)
    return merge(masked(p["tau"] * (unit(q) @ unit(k).mT)) @ v) @ p["W_o"].T


@case(
    "one more below the line", "q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t, per head", "s_{ij} = q_i . k_j / sqrt(d)",
    r"a_{ij} = \frac{\exp(s_{ij})}{1 + \sum_{l \le i} \exp(s_{il})}", r"y_i = W_o \sum_{j \le i} a_{ij} v_j", heads=2,
)  # fmt: skip
def _(x, p):
    q, k, v = heads_of(x, p)
    e = (q @ k.mT / q.shape[-1] ** 0.5).exp().tril()
    return merge(e / (1 + e.sum(-1, keepdim=True)) @ v) @ p["W_o"].T


@case(
    "weights by relu", "q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t, per head",
    "y_t = W_o (1/t) sum_(s<=t) relu(q_t . k_s / sqrt(d)) v_s", heads=2,
)  # fmt: skip
def _(x, p):
    q, k, v = heads_of(x, p)
    count = torch.arange(1, x.shape[1] + 1)[:, None]
    return (merge(torch.relu(q @ k.mT / q.shape[-1] ** 0.5).tril() @ v) / count) @ p["W_o"].T


@case(
    "powers of scores", "q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t, per head",
    r"o_t = \frac{\sum_{s \le t} (q_t^\top k_s)^2 v_s}{\sum_{s \le t} (q_t^\top k_s)^2 + \epsilon}", "y_t = W_o o_t",
    heads=2,
)  # fmt: skip
def _(x, p):
    q, k, v = heads_of(x, p)
    w = (q @ k.mT).square().tril()
    return merge(w @ v / (w.sum(-1, keepdim=True) + 1e-6)) @ p["W_o"].T


@case(
    "linear attention as a quotient", r"\phi(z) = \mathrm{elu}(z) + 1",
    "q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t, per head",
    r"y_t = W_o \frac{\sum_{s=1}^{t} \phi(q_t)^\top \phi(k_s) v_s}{\sum_{s=1}^{t} \phi(q_t)^\top \phi(k_s)}", heads=2,
)  # fmt: skip
def _(x, p):
    q, k, v = heads_of(x, p)
    w = ((F.elu(q) + 1) @ (F.elu(k) + 1).mT).tril()
    return merge(w @ v / (w.sum(-1, keepdim=True) + 1e-6)) @ p["W_o"].T


@case(
    "linear attention by its states", r"q_t, k_t, v_t = \exp(W_q x_t), \exp(W_k x_t), W_v x_t, each per head",
    r"S_t = S_{t-1} + k_t v_t^\top, \quad z_t = z_{t-1} + k_t", r"y_t = W_o \frac{S_t^\top q_t}{z_t^\top q_t}", heads=2,
)  # fmt: skip
def _(x, p):
    q, k, v = heads_of(x, p)
    w = (q.exp() @ k.exp().mT).tril()
    return merge(w @ v / w.sum(-1, keepdim=True)) @ p["W_o"].T


@case(
    "retention in rows", "q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t, each per head",
    r"S_t = \gamma_h S_{t-1} + k_t^\top v_t, with \gamma_h = 1 - 2^{-5-h}", "y_t = W_o (q_t S_t)", heads=2,
)  # fmt: skip
def _(x, p):
    decay = (1 - 2.0 ** (-5 - torch.arange(2.0))).view(1, 2, 1, 1)
    return merge(states(*heads_of(x, p), decay)) @ p["W_o"].T


@case(
    "a memory with a normaliser", "q_t, k_t, v_t = W_q x_t, W_k x_t / sqrt(d), W_v x_t, per head",
    r"i_t = \sigma(w_i^\top x_t), f_t = \sigma(w_f^\top x_t), one number per head each",
    r"C_t = f_t C_{t-1} + i_t v_t k_t^\top", r"n_t = f_t n_{t-1} + i_t k_t",
    r"\tilde{h}_t = \frac{C_t q_t}{\max(|n_t^\top q_t|, 1)}", r"y_t = W_o (\sigma(W_u x_t) \odot \tilde{h}_t)", heads=2,
)  # fmt: skip
def _(x, p):
    q, k, v = heads_of(x, p)
    k = k / k.shape[-1] ** 0.5
    i, f = (split(torch.sigmoid(x @ p[f"w_{n}"].T), 2) for n in "if")
    read = states(q, k * i, v, f)
    n = states(q, k * i, torch.ones_like(v[..., :1]), f)
    return (torch.sigmoid(x @ p["W_u"].T) * merge(read / n.abs().clamp(min=1))) @ p["W_o"].T


@case(
    "delta rule from the right",
    r"q_t, v_t = W_q x_t, W_v x_t, k_t = \frac{W_k x_t}{\|W_k x_t\|_2}, each per head",
    r"\beta_t = \sigma(w_b^\top x_t), one number per head",
    r"S_t = S_{t-1} (I - \beta_t k_t k_t^\top) + \beta_t v_t k_t^\top", r"y_t = W_o S_t q_t", heads=2,
)  # fmt: skip
def _(x, p):
    q, k, v = heads_of(x, p)
    return merge(states(q, unit(k), v, delta=split(torch.sigmoid(x @ p["w_b"].T), 2))) @ p["W_o"].T


@case(
    "decay of each key channel", "q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t, each per head",
    r"\alpha_t = \sigma(W_a x_t), each per head", r"S_t = \mathrm{diag}(\alpha_t) S_{t-1} + k_t v_t^\top",
    r"y_t = W_o \, \mathrm{RMSNorm}(S_t^\top q_t)", heads=2,
)  # fmt: skip
def _(x, p):
    q, k, v = heads_of(x, p)
    a = split(torch.sigmoid(x @ p["W_a"].T), 2).clamp(min=math.exp(-MAX_LOG_DECAY))  # as far as the scan goes
    S, found = torch.zeros(x.shape[0], 2, k.shape[-1], v.shape[-1]), []
    for t in range(x.shape[1]):
        S = a[:, :, t, :, None] * S + k[:, :, t, :, None] * v[:, :, t, None]
        found.append(torch.einsum("bhk,bhkv->bhv", q[:, :, t], S))
    return merge(rms(torch.stack(found, 2))) @ p["W_o"].T


@case(
    "weights that fade by a product", "q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t, each per head",
    "g_t = sigmoid(w_g x_t), one number per head",
    r"y_t = W_o \sum_{s \le t} \left(\prod_{r=s+1}^{t} g_r\right) (q_t^\top k_s) v_s", heads=2,
)  # fmt: skip
def _(x, p):
    return merge(states(*heads_of(x, p), split(torch.sigmoid(x @ p["w_g"].T), 2))) @ p["W_o"].T


@case(
    "a mask of decays", "Q, K, V = X W_Q, X W_K, X W_V",
    r"D_{ij} = \begin{cases} 0.9^{i-j} & i \ge j \\ 0 & i < j \end{cases}", r"a_{ij} = D_{ij} (q_i . k_j)",
    "q_t, k_t, v_t = W_q x_t, W_k x_t, W_v x_t", "y_i = W_o sum_{j <= i} a_{ij} v_j",
)  # fmt: skip
def _(x, p):
    q, k, v = (x @ p[f"W_{n}"].T for n in "qkv")
    place = torch.arange(x.shape[1], dtype=x.dtype)
    return ((0.9 ** (place[:, None] - place[None]).clamp(min=0) * (q @ k.mT)).tril() @ v) @ p["W_o"].T


@case(
    "learned slots", "q_t = W_q x_t, per head, d elements per head",
    "p_t = softmax(K_h q_t / sqrt(d)) over the slots, with a learned matrix K_h of m x d per head",
    "o_t = p_t V_h, with a learned matrix V_h of m x d per head", "y_t = W_o concat_h(o_t)", slot="channel",
    heads=2, m=5,
)  # fmt: skip
def _(x, p):
    q = split(x @ p["W_q"].T, 2)
    keys = next(value for value in p.values() if value.shape == (2, q.shape[-1], 5))
    values = next(value for value in p.values() if value.shape == (2, 5, q.shape[-1]))
    return merge(torch.softmax(q @ keys / q.shape[-1] ** 0.5, -1) @ values) @ p["W_o"].T


# -- modulators --------------------------------------------------------------------------------------------------------


@case("a scaled branch",
    r"y = x + \alpha \odot f(\mathrm{RMSNorm}(x)), where f is the block and alpha is a learned vector",
      slot="modulator")  # fmt: skip
def _(x, p):
    return x + p["alpha"] * (rms(x) @ p["block"].T)


@case("a gate around", r"g_t = \sigma(W_g x_t + b_g)",
      r"y_t = g_t \odot f(x)_t + (1 - g_t) \odot x_t, where f is the block",
      slot="modulator")  # fmt: skip
def _(x, p):
    g = torch.sigmoid(x @ p["W_g"].T + p["b_g"])
    return g * (x @ p["block"].T) + (1 - g) * x
