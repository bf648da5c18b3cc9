"""MNIST, improved one step at a time: ReLU for sigmoid, batch normalisation, Adam for gradient descent.

784-50-10, softmax, one-hot labels and binary cross entropy as in ``mnist_baseline.py``, weights still uniform in [0, 1):
batch normalisation brings the hidden sums back to where ReLU tells them apart, and Adam takes steps of one size however
small the gradients are. ``--normalise`` shifts and scales the inputs by MNIST's own mean and deviation.

Only the imports are chainrule's. To run it with PyTorch, change them to::

    import torch
    from torch import nn, optim
    from torch.utils.data import DataLoader, TensorDataset

and keep the last one, which only reads the files.

    python examples/mnist_improved.py [--data-dir FOLDER] [--epochs 5] [--seed 0] [--normalise]
"""

import argparse

import chainrule as torch
from chainrule import nn, optim
from chainrule.data import DataLoader, TensorDataset
from chainrule.data import mnist

MEAN, DEVIATION = 0.1307, 0.3081


class Net(nn.Module):
    """784-50-10 with batch normalisation, though not after the last layer."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(784, 50), nn.BatchNorm1d(50), nn.ReLU(), nn.Linear(50, 10), nn.Softmax(dim=1)
        )

    def forward(self, x):
        return self.layers(x)


def weight_init(m):
    """Weights uniform in [0, 1), biases 0."""
    if isinstance(m, nn.Linear):
        m.weight.data.uniform_(0.0, 1.0)
        m.bias.data.fill_(0)


def make_dataset(images, labels, normalise=False):
    """Images in [0, 1], or of mean 0 and deviation 1, one row each, and one-hot labels."""
    x = torch.tensor(images.reshape(-1, 784)).float() / 255
    if normalise:
        x = (x - MEAN) / DEVIATION
    y = torch.eye(10)[torch.tensor(labels)]
    return TensorDataset(x, y)


def train(net, loader, epochs, lr=0.01):
    """Adam; the loss of every iteration."""
    criterion = nn.BCELoss()
    optimizer = optim.Adam(net.parameters(), lr=lr)
    losses = []
    net.train()
    for epoch in range(epochs):
        for iteration, (x, y) in enumerate(loader):
            optimizer.zero_grad()
            loss = criterion(net(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if iteration % 100 == 0:
                print(f"epoch {epoch + 1}  iteration {iteration:>4}  loss {losses[-1]:.4f}")
    return losses


def accuracy(net, loader):
    """The share of images whose most probable digit is the right one."""
    correct = total = 0
    net.eval()
    with torch.no_grad():
        for x, y in loader:
            correct += (net(x).argmax(dim=1) == y.argmax(dim=1)).sum().item()
            total += len(y)
    return correct / total


def main():
    """Train on MNIST's 60,000 images and count how many of the 10,000 others come out right."""
    parser = argparse.ArgumentParser(description="MNIST, improved")
    parser.add_argument("--data-dir", help="folder with MNIST's files; downloaded if they are nowhere")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--normalise", action="store_true", help="shift and scale the inputs to mean 0, deviation 1")
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    digits = mnist(arguments.data_dir)
    train_set = make_dataset(digits.inputs, digits.targets, arguments.normalise)
    test_set = make_dataset(digits.test.inputs, digits.test.targets, arguments.normalise)
    net = Net()
    net.apply(weight_init)
    train(net, DataLoader(train_set, batch_size=100, shuffle=True), arguments.epochs)
    print(f"test accuracy {accuracy(net, DataLoader(test_set, batch_size=1000)):.4f}")


if __name__ == "__main__":
    main()
