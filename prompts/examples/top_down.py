class TopDown(nn.Module):
    """Runs the block twice, the second time told what it found the first time."""

    def __init__(self, d_model, block):
        super().__init__()
        self.block = block
        self.feedback = nn.Linear(d_model, d_model, bias=False)
        nn.init.normal_(self.feedback.weight, std=0.1 * d_model**-0.5)

    def forward(self, x):
        found = self.block(x) - x
        return self.block(x + self.feedback(found))
