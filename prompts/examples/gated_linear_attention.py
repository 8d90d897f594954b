class GatedLinearAttention(nn.Module):
    """Linear attention over a matrix state per head with a data-dependent scalar decay and an output gate."""

    def __init__(self, d_model, heads=4):
        super().__init__()
        self.heads = heads
        self.head_dim = max(2, 2 * (d_model // (2 * heads)))
        inner = heads * self.head_dim
        self.q = nn.Linear(d_model, inner, bias=False)
        self.k = nn.Linear(d_model, inner, bias=False)
        self.v = nn.Linear(d_model, inner, bias=False)
        self.decay = nn.Linear(d_model, heads)
        nn.init.constant_(self.decay.bias, 3.0)  # the state is remembered for about 20 positions at first
        self.gate = nn.Linear(d_model, inner, bias=False)
        self.out = nn.Linear(inner, d_model, bias=False)

    def forward(self, x):
        q = split_heads(self.q(x), self.heads) / self.head_dim**0.5  # (B, H, T, hd)
        k = split_heads(self.k(x), self.heads)
        v = split_heads(self.v(x), self.heads)
        log_decay = F.logsigmoid(split_heads(self.decay(x), self.heads))  # (B, H, T, 1), log of a_t
        y = matrix_scan(q, k, v, log_decay)  # (B, H, T, hd)
        y = F.rms_norm(y, (self.head_dim,))
        return self.out(merge_heads(y) * F.silu(self.gate(x)))
