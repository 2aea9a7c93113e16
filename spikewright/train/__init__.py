"""Training: one loop, losses that add up, checkpoints that resume; and accuracy or error at every time step."""

from .checkpoint import load_model as load_model
from .checkpoint import save_model as save_model
from .evaluate import AccuracyOverTime as AccuracyOverTime
from .evaluate import accuracy as accuracy
from .evaluate import accuracy_over_time as accuracy_over_time
from .fit import FitConfig as FitConfig
from .fit import fit as fit
from .losses import Loss as Loss
from .losses import cross_entropy as cross_entropy
from .losses import distillation as distillation
from .losses import mean_squared_error as mean_squared_error
from .metrics import MAE as MAE
from .metrics import PSNR as PSNR
from .metrics import RMSE as RMSE
from .metrics import Metric as Metric
from .optim import SGD as SGD
from .optim import AdamW as AdamW
from .optim import Optimizer as Optimizer
from .values import MetricOverTime as MetricOverTime
from .values import mean_metric as mean_metric
from .values import metric_over_time as metric_over_time
