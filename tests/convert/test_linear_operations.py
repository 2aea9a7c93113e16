"""What stays in a converted network and what the audit refuses, operation by operation, with its advice."""

import operator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spikewright.convert.linear import is_linear
from spikewright.convert.rules import audit, sites
from spikewright.core import Spiking
from spikewright.core.errors import ConversionError
from spikewright.core.trace import trace
from spikewright.neurons import IF


class Net(nn.Module):
    """An operation between two linear layers and a neuron: images [N, 2, 4, 4] -> h [N, 4, 4, 4] -> operation."""

    def __init__(self, run) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.neuron = nn.Conv2d(2, 4, 1), IF(v_threshold=0.2)
        self.weight, self.fc = nn.Parameter(torch.randn(4, 4)), nn.Linear(4, 4)
        self.layers = nn.ModuleDict()
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, self.neuron(self.conv(x)))


STAYS = {
    "add and sub": lambda net, h: torch.sub(torch.add(h, h, alpha=2), 1) + h - 3 + -h,
    "scaling": lambda net, h: 2 * h / 3 * net.weight.sum(),
    "product with weights": lambda net, h: torch.mul(net.weight, h).div(net.weight.abs() + 1),
    "flatten": lambda net, h: torch.flatten(h, 1),
    "view by size": lambda net, h: h.view(h.size(0), -1) / h.size(1),
    "reshape": lambda net, h: h.reshape(-1, 64).view(h.shape[0], 4, 16).transpose(1, 2),
    "unflatten": lambda net, h: torch.unflatten(h.unflatten(1, (2, 2)).mean(4), 3, (-1, 2)),
    "permute": lambda net, h: h.permute(0, 2, 3, 1).permute([0, 3, 1, 2]),
    "permute from the end": lambda net, h: torch.permute(h, (-4, 2, 3, 1)),
    "mean of pixels": lambda net, h: h.mean((2, 3)),
    "mean of the last": lambda net, h: torch.mean(h, dim=-1).sum(-1, keepdim=True),
    "cat": lambda net, h: torch.cat([h, h], 1),
    "stack": lambda net, h: torch.stack((h, h), dim=1).flatten(1, 2),
    "chunk": lambda net, h: h.chunk(2, 1)[0] + h.chunk(2, dim=1)[1],
    "split": lambda net, h: operator.getitem(torch.split(h, 2, dim=1), 1),
    "slice": lambda net, h: h[:, 1:3, ::2] + h[:, 0:2, ::2],
    "slice from the end": lambda net, h: h[..., 0],
    "maps of zeros": lambda net, h: F.pad(h[:, :, ::2, ::2], (0, 0, 0, 0, 1, 2)),
    "padding of one side": lambda net, h: F.pad(h, (0, 1, 0, 1)),
    "pad and resize": lambda net, h: F.interpolate(F.pad(h, (1, 1)), scale_factor=2),
    "squeeze": lambda net, h: h.mean((2, 3), keepdim=True).squeeze(3).squeeze(-1).unsqueeze(1),
    "linear with made weights": lambda net, h: F.linear(h, net.weight * 2, torch.tanh(net.fc.bias)),
    "pooling": lambda net, h: F.adaptive_avg_pool2d(F.avg_pool2d(h, 2), 1),
    "to and clone": lambda net, h: h.to(torch.float64).float().type_as(h).clone().detach().contiguous(),
    "half of the activity": lambda net, h: h.data,
    "softmax of weights": lambda net, h: h * torch.softmax(net.weight, 0),
    "expand": lambda net, h: h.mean(1, keepdim=True).expand(-1, 4, -1, -1),
    "expand by size": lambda net, h: h.mean(1, keepdim=True).expand(h.size(0), 4, 4, 4),
    "expand by another": lambda net, h: h.mean(1, keepdim=True).expand_as(h) + net.weight.expand_as(h),
    "repeat": lambda net, h: h.repeat(1, 2, 1, 1) + torch.tile(h, (1, 2, 1, 1)),
    "repeat each": lambda net, h: torch.repeat_interleave(h, 2, dim=1) + h.repeat_interleave(2, 1),
    "movedim": lambda net, h: h.movedim(1, -1) + torch.moveaxis(h, (1, 2), (3, 1)),
    "swapaxes": lambda net, h: h.swapaxes(1, 2) + torch.swapdims(h, 2, 3) + h.mT,
    "unbind": lambda net, h: h.unbind(1)[0] - operator.getitem(torch.unbind(h, dim=2), 1),
    "tensor_split": lambda net, h: h.tensor_split(2, 1)[0] + torch.tensor_split(h, 2, dim=1)[1],
    "roll": lambda net, h: torch.roll(h, (1, -1), (2, 3)) + h.roll(1, dims=1),
    "narrow and select": lambda net, h: h.narrow(1, 1, 2).select(2, 0) + torch.select(h[:, :2], 3, 1),
    "fixed index": lambda net, h: h.index_select(2, torch.tensor([2, 0])) + h[:, :, [1, 1]],
    "flip": lambda net, h: h.flip(2).flip((1, 3)) + torch.flip(h, [1, 2]) + h.flip(1, 3),
    "class token": lambda net, h: torch.cat((net.weight.expand(h.size(0), 1, 4, 4), h), 1).flatten(2)[:, 0:2],
    "first token": lambda net, h: h.flatten(2)[:, 0],
    "masked_fill": lambda net, h: h.masked_fill(net.weight > 0, 2.0),
    "where": lambda net, h: torch.where(net.weight > 0, h, 2 * h - 1) + h.where(net.weight < 0, 3.0),
    "product with a matrix": lambda net, h: h @ net.weight + net.weight @ h + torch.matmul(h, net.weight),
    "addmm": lambda net, h: torch.addmm(net.fc.bias, h.reshape(-1, 4), net.weight).view(h.size(0), 16, 4),
    "einsum": lambda net, h: torch.einsum("nchw, cd -> nhwd", h, net.weight),
    "einsum from behind": lambda net, h: torch.einsum("cd,...c->...d", net.weight, h),
    "einsum of a list": lambda net, h: torch.einsum("nchw,hv->nv", [h, net.weight]),
    "windows": lambda net, h: (
        net.fc(h.view(h.size(0), 4, 2, 2, 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(-1, 4, 4)).view(-1, 4, 16).mean(1)
    ),
    "batch norm by function": lambda net, h: F.batch_norm(h, net.fc.bias, net.fc.bias.exp(), eps=0.1),
    "unfold": lambda net, h: F.fold(F.unfold(h, 2), (4, 4), 2) + h.unfold(2, 1, 1).squeeze(-1),
    "cumsum": lambda net, h: h.cumsum(1) + torch.cumsum(h, dim=-1),
    "transposed convolution": lambda net, h: F.conv_transpose2d(h, net.weight.view(4, 4, 1, 1)),
    "rsub": lambda net, h: torch.rsub(h, 1) - torch.subtract(h, net.weight),
}


@pytest.mark.parametrize("name", STAYS)
def test_affine_operations_stay(name: str) -> None:
    """They pass the audit, and truly commute with the mean over time."""
    net = Net(STAYS[name])
    graph = trace(net.eval())
    audit(graph, "any recipe")
    xs = torch.rand(6, 3, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        out = Spiking(graph)(xs)
        spikes = Spiking(nn.Sequential(net.conv, net.neuron))(xs)
        assert spikes.std() > 0.05
        assert torch.allclose(out.mean(0), net.run(net, spikes.mean(0)), atol=1e-5)


REFUSED = {
    "product of two": (
        lambda net, h: h * h.mean(1, keepdim=True),
        "mul",
        "a product of two activities is not linear; keep one factor constant, or use OPI",
    ),
    "square": (
        lambda net, h: h * h,
        "mul",
        "a product of two activities is not linear; keep one factor constant, or use OPI",
    ),
    "square by method": (
        lambda net, h: h.mul(h),
        "mul",
        "a product of two activities is not linear; keep one factor constant, or use OPI",
    ),
    "division by activity": (lambda net, h: 1 / (h + 1), "truediv", "a product or quotient of two activities"),
    "division by keyword": (lambda net, h: torch.div(3.0, other=h), "div", "a product or quotient"),
    "rounded division": (lambda net, h: torch.div(h, 2, rounding_mode="floor"), "div", "a product or quotient"),
    "matmul": (lambda net, h: h @ h.transpose(2, 3), "matmul", "the recipe DCGS takes it as it is"),
    "bmm": (lambda net, h: torch.bmm(h[:, 0], h[:, 1]), "bmm", "a matrix product of two activities"),
    "linear by image": (lambda net, h: F.linear(h, h[:, 0].mean(0)), "mean", "other than axis 0"),
    "mean over all": (lambda net, h: h - h.mean(), "mean", "give dim=..., other than axis 0"),
    "mean over the batch": (lambda net, h: h - h.mean(0), "mean", "give dim=..., other than axis 0"),
    "sum over two": (lambda net, h: h - torch.sum(h, dim=(0, 2), keepdim=True), "sum", "other than axis 0"),
    "cat along the batch": (lambda net, h: torch.cat([h, h])[:, 0], "cat", "other than axis 0"),
    "stack in front": (lambda net, h: torch.stack([h, h]).mean(1), "stack", "other than axis 0"),
    "chunk of the batch": (lambda net, h: h.chunk(2)[0], "chunk", "other than axis 0"),
    "one of the batch": (lambda net, h: h[0], "getitem", "other than axis 0"),
    "part of the batch": (lambda net, h: h[1:], "getitem", "other than axis 0"),
    "transpose of the batch": (lambda net, h: h.transpose(0, 1), "transpose", "other than axis 0"),
    "permute of the batch": (lambda net, h: h.permute(1, 0, 2, 3), "permute", "other than axis 0"),
    "T": (lambda net, h: h.T, "getattr", "other than axis 0"),
    "unsqueeze in front": (lambda net, h: h.unsqueeze(0), "unsqueeze", "other than axis 0"),
    "squeeze in front": (lambda net, h: h.squeeze(0), "squeeze", "other than axis 0"),
    "round": (lambda net, h: h.round(), "round", "write a rule for it, extra=(...), or list it in allow=(...)"),
    "to integers": (lambda net, h: h.to(torch.int64).float(), "to", "write a rule for it"),
    "power": (lambda net, h: h**2, "pow", "the recipe DCGS takes it as it is"),
    "abs": (lambda net, h: h.abs(), "abs", "the recipe DCGS takes it as it is"),
    "amax": (lambda net, h: h.amax(1), "amax", "the recipe DCGS takes it as it is"),
    "softmax": (lambda net, h: F.softmax(h, 1), "softmax", "its scale depends on the input; use batch norm"),
    "log_softmax": (lambda net, h: h.log_softmax(1), "log_softmax", "take a final softmax off"),
    "layer_norm": (lambda net, h: F.layer_norm(h, (4,)), "layer_norm", "use batch norm"),
    "gelu": (lambda net, h: F.gelu(h), "gelu", "it is not a count of spikes; train with ReLU or QCFS"),
    "sigmoid": (
        lambda net, h: h.sigmoid(),
        "sigmoid",
        "extra=(sigmoid_to_expectation,), which computes it as analog work",
    ),
    "leaky_relu": (lambda net, h: F.leaky_relu(h, 0.1), "leaky_relu", "whose signed neurons count below 0"),
    "max_pool2d": (lambda net, h: F.max_pool2d(h, 2), "max_pool2d", "use average pooling"),
    "relu": (lambda net, h: F.relu(h), "relu", "train it with prepare"),
    "mask": (lambda net, h: h * (h > 0.1), "gt", "it jumps where a value passes a border"),
    "view of a fixed batch": (lambda net, h: h.view(3, -1), "view", "other than axis 0"),
    "expand to a fixed batch": (lambda net, h: h.expand(3, 4, 4, 4), "expand", "other than axis 0"),
    "repeat of the batch": (lambda net, h: h.repeat(2, 1, 1, 1), "repeat", "other than axis 0"),
    "repeat of each": (lambda net, h: h.repeat_interleave(2, 0), "repeat_interleave", "other than axis 0"),
    "movedim of the batch": (lambda net, h: h.movedim(0, 1), "movedim", "other than axis 0"),
    "movedim to the front": (lambda net, h: torch.movedim(h, (1, 2), (3, 0)), "movedim", "other than axis 0"),
    "swap of the batch": (lambda net, h: h.swapaxes(0, 1), "swapaxes", "other than axis 0"),
    "unbind of the batch": (lambda net, h: h.unbind()[0], "unbind", "other than axis 0"),
    "roll of everything": (lambda net, h: torch.roll(h, 1), "roll", "other than axis 0"),
    "roll of the batch": (lambda net, h: h.roll((1, 1), (1, 0)), "roll", "other than axis 0"),
    "flip of the batch": (lambda net, h: h.flip(0, 1), "flip", "other than axis 0"),
    "select of the batch": (lambda net, h: h.select(0, 1), "select", "other than axis 0"),
    "narrow of the batch": (lambda net, h: h.narrow(0, 0, 1), "narrow", "other than axis 0"),
    "index of the batch": (lambda net, h: h.index_select(0, torch.tensor([0])), "index_select", "other than axis 0"),
    "sum over steps": (lambda net, h: h.cumsum(0), "cumsum", "other than axis 0"),
    "index from the image": (lambda net, h: net.weight[h.long()], "long", "write a rule for it"),
    "image as weights": (lambda net, h: F.linear(net.weight, h), "linear", "its weights come from the image"),
    "einsum without result": (lambda net, h: torch.einsum("nchw,cd", h, net.weight), "einsum", "write a rule"),
    "einsum over images": (lambda net, h: torch.einsum("nchw,cd->dhw", h, net.weight), "einsum", "write a rule"),
    "einsum of moved images": (lambda net, h: torch.einsum("nchw,cd->dnhw", h, net.weight), "einsum", "write a rule"),
    "batch statistics": (lambda net, h: F.batch_norm(h, None, None, training=True), "batch_norm", "write a rule"),
    "statistics in training": (
        lambda net, h: F.batch_norm(h, net.fc.bias, net.fc.bias.exp(), training=True),
        "batch_norm",
        "write a rule",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_operations_are_refused_with_advice(name: str) -> None:
    run, kind, text = REFUSED[name]
    with pytest.raises(ConversionError) as caught:
        audit(trace(Net(run).eval()), "OPI")
    lines = str(caught.value).split("\n")
    assert lines[0].startswith("OPI: no rule handles ")
    assert any(f"({kind}): " in line and text in line for line in lines[1:-1]), str(caught.value)
    assert lines[-1].startswith("Change the network, add a rule with extra=(...), or list a name in allow=(...)")


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.GELU(), "not a count of spikes; .* DCGS takes it"),
        (nn.SiLU(), "not a count of spikes; .* DCGS takes it"),
        (nn.Tanh(), "not a count of spikes; .* DCGS takes it"),
        (nn.Hardswish(), "not a count of spikes; .* DCGS takes it"),
        (nn.Hardsigmoid(), "use OPI or RobustNorm, or extra"),
        (nn.LeakyReLU(0.1), "signed neurons count below 0"),
        (nn.PReLU(), "signed neurons count below 0"),
        (nn.Softmax(1), "take a final softmax off"),
        (nn.LayerNorm(4), "not a count of spikes, .* use batch norm, .* DCGS takes it"),
        (nn.GroupNorm(2, 4), "use batch norm"),
        (nn.MaxPool2d(2), "use average pooling"),
        (nn.LPPool2d(2, 2), "write a rule for it"),
        (nn.BatchNorm2d(4, track_running_stats=False), "it has no running statistics"),
    ],
)
def test_layers_that_are_refused(layer: nn.Module, text: str) -> None:
    net = Net(lambda net, h: net.layers["it"](h))
    net.layers["it"] = layer
    with pytest.raises(ConversionError, match=rf"layers\.it \({type(layer).__name__}\): .*{text}"):
        audit(trace(net.eval()), "OPI")


def test_windows_in_the_first_axis_keep_their_time() -> None:
    """Neurons in windows that a reshape puts behind the batch fire as they do outside of them."""

    def run(net: Net, h: Tensor) -> Tensor:
        cut = h.view(h.size(0), 4, 2, 2, 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(-1, 4, 2, 2)
        return net.layers["it"](cut).view(-1, 2, 2, 4, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(-1, 4, 4, 4)

    net = Net(run)
    net.layers["it"] = IF(v_threshold=0.3)
    graph = trace(net.eval())
    audit(graph, "any recipe")
    xs = torch.rand(6, 3, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    whole = nn.Sequential(net.conv, net.neuron, net.layers["it"])
    assert torch.equal(Spiking(graph)(xs), Spiking(whole)(xs))


def test_instance_norm_stays_with_running_statistics_only() -> None:
    for tracked in (True, False):
        net = Net(lambda net, h: net.layers["it"](h))
        net.layers["it"] = nn.InstanceNorm2d(4, track_running_stats=tracked)
        assert is_linear(sites(trace(net.eval()))[-1]) is tracked


def test_weights_computed_from_the_image_are_refused() -> None:
    def run(net: Net, h: Tensor) -> Tensor:
        return F.conv2d(h, h[:, :, :1, :1].flatten(1).view(-1, 4, 1, 1))

    with pytest.raises(ConversionError, match=r"\(conv2d\): its weights come from the image"):
        audit(trace(Net(run).eval()), "OPI")


def test_every_operation_at_fault_is_listed() -> None:
    with pytest.raises(ConversionError, match="handles 3 operations") as caught:
        audit(trace(Net(lambda net, h: F.softmax(h.abs() * h, 1)).eval()), "OPI")
    assert len(str(caught.value).split("\n")) == 5


def test_a_subclass_of_a_linear_layer_is_not_taken_for_one() -> None:
    class Squared(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(input) ** 2

    net = Net(lambda net, h: net.layers["it"](h))
    net.layers["it"] = Squared(4, 4)
    with pytest.raises(ConversionError, match=r"layers\.it \(Squared\)"):
        audit(trace(net, leaves=(Squared,)), "OPI")


def test_what_does_not_depend_on_the_image_stays() -> None:
    graph = trace(Net(lambda net, h: h * torch.softmax(net.weight.abs(), 0).max()))
    assert all(is_linear(site) for site in sites(graph))
    assert [site.depends_on_input for site in sites(graph)] == [True, True, False, False, False, True]


def test_names_and_kinds_of_sites() -> None:
    graph = trace(Net(lambda net, h: net.fc(net.fc(F.relu(h).relu()))))
    assert [(site.name, site.kind) for site in sites(graph)] == [
        *(("conv", "Conv2d"), ("neuron", "IF"), ("relu", "relu"), ("relu_1", "relu")),
        *(("fc", "Linear"), ("fc_2", "Linear")),
    ]
