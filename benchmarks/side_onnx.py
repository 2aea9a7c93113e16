"""ONNX Runtime's side: the network that was converted, exported, on the processor."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

import onnxruntime
import torch
from torch import Tensor, nn


def session(network: nn.Module, images: Tensor, threads: int) -> Callable[[Tensor], Tensor]:
    """The network as ONNX Runtime runs it: images [N, C, H, W] -> logits [N, K].

    Args:
        network: in eval(); its export is made for these images' size, and for any number of them.
        images: [N, C, H, W].
        threads: how many it may use.
    """
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package calls itself old
        torch.onnx.export(
            nn.Sequential(network),
            (images[:1],),  # the exporter looks at a traced network's own `graph`
            file,
            dynamo=False,
            input_names=["x"],
            dynamic_axes={"x": {0: "n"}},
            verbose=False,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    runner = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(runner.run(None, {"x": x.numpy()})[0])
