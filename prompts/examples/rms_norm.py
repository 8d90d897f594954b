class RMSNorm(nn.Module):
    """Root-mean-square normalisation over the features of a position."""

    def __init__(self, d_model):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x):
        size = (x.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt()  # (B, T, 1)
        return self.weight * x / size
