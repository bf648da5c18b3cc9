"""MNIST, the baseline that hardly learns: sigmoid, binary cross entropy, plain gradient descent, weights in [0, 1).

784-50-10, softmax, one-hot labels, batches of 100, learning rate 0.01, 5 epochs. With 784 positive weights the sums
in the hidden layer are large, its sigmoids saturate, and hardly a gradient passes: test accuracy stays near 0.11, as in
PyTorch. ``mnist_improved.py`` mends it.

Only the imports are chainrule's. To run it with PyTorch, change them to::

    import torch
    from torch import nn, optim
    from torch.utils.data import DataLoader, TensorDataset

and keep the last one, which only reads the files.

    python examples/mnist_baseline.py [--data-dir FOLDER] [--epochs 5] [--seed 0]
"""

import argparse

import chainrule as torch
from chainrule import nn, optim
from chainrule.data import DataLoader, TensorDataset
from chainrule.data import mnist


class Net(nn.Module):
    """784-50-10: probabilities of the ten digits."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(784, 50), nn.Sigmoid(), nn.Linear(50, 10), nn.Softmax(dim=1))

    def forward(self, x):
        return self.layers(x)


def weight_init(m):
    """Weights uniform in [0, 1), biases 0."""
    if isinstance(m, nn.Linear):
        m.weight.data.uniform_(0.0, 1.0)
        m.bias.data.fill_(0)


def make_dataset(images, labels):
    """Images in [0, 1], one row each, and one-hot labels."""
    x = torch.tensor(images.reshape(-1, 784)).float() / 255
    y = torch.eye(10)[torch.tensor(labels)]
    return TensorDataset(x, y)


def train(net, loader, epochs, lr=0.01):
    """Gradient descent; the loss of every iteration."""
    criterion = nn.BCELoss()
    optimizer = optim.SGD(net.parameters(), lr=lr)
    losses = []
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
    with torch.no_grad():
        for x, y in loader:
            correct += (net(x).argmax(dim=1) == y.argmax(dim=1)).sum().item()
            total += len(y)
    return correct / total


def main():
    """Train on MNIST's 60,000 images and count how many of the 10,000 others come out right."""
    parser = argparse.ArgumentParser(description="MNIST, the baseline")
    parser.add_argument("--data-dir", help="folder with MNIST's files; downloaded if they are nowhere")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    digits = mnist(arguments.data_dir)
    loader = DataLoader(make_dataset(digits.inputs, digits.targets), batch_size=100, shuffle=True)
    test_loader = DataLoader(make_dataset(digits.test.inputs, digits.test.targets), batch_size=1000)
    net = Net()
    net.apply(weight_init)
    train(net, loader, arguments.epochs)
    print(f"test accuracy {accuracy(net, test_loader):.4f}")


if __name__ == "__main__":
    main()
