class DeltaNet(nn.Module):
    """Delta rule over a matrix state per head."""

    def __init__(self, d_model, heads=4):
        super().__init__()
        self.heads = heads
        self.head_dim = max(2, 2 * (d_model // (2 * heads)))
        inner = heads * self.head_dim
        self.q = nn.Linear(d_model, inner, bias=False)
        self.k = nn.Linear(d_model, inner, bias=False)
        self.v = nn.Linear(d_model, inner, bias=False)
        self.strength = nn.Linear(d_model, heads)
        self.out = nn.Linear(inner, d_model, bias=False)

    def forward(self, x):
        q = split_heads(self.q(x), self.heads) / self.head_dim**0.5  # (B, H, T, hd)
        k = split_heads(self.k(x), self.heads)
        v = split_heads(self.v(x), self.heads)
        strength = split_heads(self.strength(x), self.heads).sigmoid()  # (B, H, T, 1)
        y = delta_scan(q, k, v, strength)  # brings the keys to length 1 itself
        y = F.rms_norm(y, (self.head_dim,))
        return self.out(merge_heads(y))
