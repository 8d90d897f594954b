class KWinners(nn.Module):
    """Perceptron whose strongest hidden units alone fire."""

    def __init__(self, d_model, expansion=2, fraction=0.25):
        super().__init__()
        hidden = expansion * d_model
        self.winners = max(1, int(fraction * hidden))
        self.up = nn.Linear(d_model, hidden, bias=False)
        self.down = nn.Linear(hidden, d_model, bias=False)

    def forward(self, x):
        h = self.up(x)
        threshold = h.topk(self.winners, dim=-1).values[..., -1:]  # the least of the winners
        h = torch.where(h >= threshold, h, torch.zeros_like(h))
        return self.down(h)
