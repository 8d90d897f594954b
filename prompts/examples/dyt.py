class DyT(nn.Module):
    """Dynamic tanh in the place of a normalisation."""

    def __init__(self, d_model):
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor(0.5))
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x):
        return self.weight * torch.tanh(self.alpha * x) + self.bias
