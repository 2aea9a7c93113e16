"""Train a small network with the QCFS activation, then convert it: no calibration, few time steps."""

from torch import nn

from spikewright.convert import QCFS, convert, prepare
from spikewright.core.seed import seed_all
from spikewright.data import Batches, load_dataset
from spikewright.train import SGD, FitConfig, accuracy_over_time, cross_entropy, fit

seed_all(0)
network = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.LazyLinear(4)
)
train = Batches(load_dataset("synthetic", split="train"), 50, seed=0)
test = Batches(load_dataset("synthetic", split="test"), 100)
network(next(iter(test))[0])  # sets the size of the last layer

to_train = prepare(network, QCFS(levels=4))
fit(to_train, cross_entropy(), train, test, FitConfig(epochs=5, optimizer=SGD(lr=0.05)))
conversion = convert(to_train, QCFS())
judged = accuracy_over_time(conversion.model, test, timesteps=8, source=conversion.source)
print(judged.table(at=(1, 2, 4, 8)).to_markdown())
