class SwiGLU(nn.Module):
    """Gated linear unit with SiLU."""

    def __init__(self, d_model, expansion=2):
        super().__init__()
        hidden = expansion * d_model
        self.gate = nn.Linear(d_model, hidden, bias=False)
        self.value = nn.Linear(d_model, hidden, bias=False)
        self.out = nn.Linear(hidden, d_model, bias=False)

    def forward(self, x):
        return self.out(F.silu(self.gate(x)) * self.value(x))
