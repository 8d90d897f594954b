class SlidingAttention(nn.Module):
    """Causal softmax attention within a window of the last positions."""

    def __init__(self, d_model, heads=4, window=32):
        super().__init__()
        self.heads = heads
        self.window = window
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
        y = windowed_attention(q, k, v, self.window)
        return self.out(merge_heads(y))
