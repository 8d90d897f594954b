class MinGRU(nn.Module):
    """Gated recurrent unit whose gate does not look at the state."""

    def __init__(self, d_model, expansion=1):
        super().__init__()
        inner = expansion * d_model
        self.gate = nn.Linear(d_model, inner)
        self.candidate = nn.Linear(d_model, inner, bias=False)
        self.out = nn.Linear(inner, d_model, bias=False)

    def forward(self, x):
        z = self.gate(x).sigmoid()  # (B, T, inner)
        h = linear_scan(1 - z, z * self.candidate(x))  # h_t = (1 - z_t) * h_(t-1) + z_t * c_t
        return self.out(h)
