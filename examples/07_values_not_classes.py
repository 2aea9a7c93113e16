"""A head that gives values: a small network learns to remove noise, becomes a spiking one, and is judged in dB."""

import torch
from torch import nn

from spikewright.convert import DCGS, HMT, convert
from spikewright.core.seed import seed_all
from spikewright.data import Batches, NoisyPairs, load_dataset
from spikewright.models import denoiser
from spikewright.train import PSNR, AdamW, FitConfig, fit, mean_metric, mean_squared_error, metric_over_time

seed_all(0)
images = load_dataset("cifar10", split="calibration").subset(200)
train = NoisyPairs(Batches(images, 20, seed=0), sigma=25 / 255, seed=0)
test = NoisyPairs(Batches(load_dataset("cifar10", split="sample").subset(20), 20), sigma=25 / 255, seed=1)

network = denoiser()  # or any network of yours: boxes, depth, flow ...
fit(network, mean_squared_error(), train, None, FitConfig(epochs=6, optimizer=AdamW(lr=4e-3)))
print(f"noisy images: {mean_metric(nn.Identity(), test, PSNR):.2f} dB")

noisy = torch.cat([x for x, _ in train])
for recipe in (DCGS(), HMT()):  # nothing is trained from here on
    conversion = convert(network, recipe, noisy)
    judged = metric_over_time(conversion.model, test, 16, PSNR, source=conversion.source)  # or RMSE, MAE, your own
    print(recipe)
    print(judged.table(at=(1, 2, 4, 8, 16)).to_markdown())
