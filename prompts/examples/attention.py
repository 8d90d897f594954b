class Attention(nn.Module):
    """Causal softmax attention with several heads."""

    def __init__(self, d_model, heads=4):
        super().__init__()
        self.heads = heads
        self.head_dim = max(2, 2 * (d_model // (2 * heads)))
        inner = heads * self.head_dim
        self.q = nn.Linear(d_model, inner, bias=False)
        self.k = nn.Linear(d_model, inner, bias=False)
        self.v = nn.Linear(d_model, inner, bias=False)
        self.out = nn.Linear(inner, d_model, bias=False)

    def forward(self, x):
        q = split_heads(self.q(x), self.heads)  # (B, H, T, hd)
        k = split_heads(self.k(x), self.heads)
        v = split_heads(self.v(x), self.heads)
        scores = q @ k.mT / self.head_dim**0.5  # (B, H, T, T)
        y = causal_softmax(scores) @ v
        return self.out(merge_heads(y))
