"""Exclusive or, as a PyTorch program: only the imports are chainrule's.

To run it with PyTorch, change the three imports to::

    import torch
    from torch import nn, optim
    from torch.utils.data import DataLoader, Dataset

    python examples/xor_pytorch_style.py [--epochs 20000] [--seed 0]
"""

import argparse

import chainrule as torch
from chainrule import nn, optim
from chainrule.data import DataLoader, Dataset


class XorDataset(Dataset):
    """The four rows of the truth table."""

    def __init__(self):
        self.inputs = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        self.targets = torch.tensor([[0.0], [1.0], [1.0], [0.0]])

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, index):
        return self.inputs[index], self.targets[index]


class Net(nn.Module):
    """2-3-1, a sigmoid after each layer."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1), nn.Sigmoid())

    def forward(self, x):
        return self.layers(x)


def weight_init(m):
    """Weights uniform in [0, 1), biases 0."""
    if isinstance(m, nn.Linear):
        m.weight.data.uniform_(0.0, 1.0)
        m.bias.data.fill_(0)


def train(net, loader, epochs, lr=0.1):
    """Gradient descent; the loss of every step."""
    criterion = nn.MSELoss()
    optimizer = optim.SGD(net.parameters(), lr=lr)
    losses = []
    for epoch in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(net(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if epoch % 2000 == 0:
            print(f"epoch {epoch:>6}  loss {losses[-1]:.6f}")
    return losses


def main():
    """Train on the truth table and print what the network makes of it."""
    parser = argparse.ArgumentParser(description="XOR, as a PyTorch program")
    parser.add_argument("--epochs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    dataset = XorDataset()
    loader = DataLoader(dataset, batch_size=4, shuffle=True)
    net = Net()
    net.apply(weight_init)
    train(net, loader, arguments.epochs)

    with torch.no_grad():
        for (a, b), y in zip(dataset.inputs.tolist(), net(dataset.inputs).tolist(), strict=True):
            print(f"{a:.0f} xor {b:.0f} -> {y[0]:.3f}")


if __name__ == "__main__":
    main()
