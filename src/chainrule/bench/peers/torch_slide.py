"""PyTorch as a course teaches it: XOR with a Module, a Dataset and a DataLoader, the loss read in every step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

    from chainrule.bench.case import Arrays, Case, System


def build(case: Case, arrays: Arrays) -> System:
    """The program, with the initial weights given instead of drawn."""
    return Program(case, arrays)


class Program:
    """A network of three sigmoids and one, trained epoch by epoch on batches of 4."""

    def __init__(self, case: Case, arrays: Arrays) -> None:
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, Dataset

        class XorDataset(Dataset):
            def __init__(self) -> None:
                self.x, self.y = torch.from_numpy(arrays.x), torch.from_numpy(arrays.y)

            def __len__(self) -> int:
                return len(self.x)

            def __getitem__(self, index: int) -> Any:
                return self.x[index], self.y[index]

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layers = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1), nn.Sigmoid())

            def forward(self, x: Any) -> Any:
                return self.layers(x)

        torch.set_num_threads(case.threads)
        self.torch, self.case, self.net_class = torch, case, Net
        self.weights = [torch.from_numpy(w) for w in arrays.weights]
        self.loader = DataLoader(XorDataset(), batch_size=4, shuffle=True)

    def reset(self) -> None:
        """A new network with the initial weights."""
        self.net = self.net_class()
        with self.torch.no_grad():
            for parameter, weight in zip(self.net.parameters(), self.weights, strict=True):
                parameter.copy_(weight)

    def train(self) -> None:
        """Stochastic gradient descent."""
        criterion = self.torch.nn.MSELoss()
        optimizer = self.torch.optim.SGD(self.net.parameters(), lr=self.case.lr)
        self.losses = []
        for _ in range(self.case.epochs):
            for x, y in self.loader:
                optimizer.zero_grad()
                loss = criterion(self.net(x), y)
                loss.backward()
                optimizer.step()
                self.losses.append(loss.item())

    def predict(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The output for each row."""
        with self.torch.no_grad():
            outputs: npt.NDArray[Any] = self.net(self.torch.from_numpy(x)).numpy()
        return outputs
