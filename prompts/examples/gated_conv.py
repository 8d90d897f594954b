class GatedConv(nn.Module):
    """Causal depthwise convolution over the last positions with a gate."""

    def __init__(self, d_model, kernel=8):
        super().__init__()
        self.value = nn.Linear(d_model, d_model, bias=False)
        self.gate = nn.Linear(d_model, d_model, bias=False)
        self.weight = nn.Parameter(torch.randn(d_model, kernel) / kernel**0.5)
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x):
        u = causal_conv(self.value(x), self.weight)  # (B, T, D)
        return self.out(u * self.gate(x).sigmoid())
