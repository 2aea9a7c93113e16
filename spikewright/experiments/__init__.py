"""Full runs as functions that return a frozen config, named after what they reproduce."""

from collections.abc import Callable

from .cifar10_direct import cifar10_resnet20_at_lif as cifar10_resnet20_at_lif
from .cifar10_direct import cifar10_resnet20_at_lif_sparse as cifar10_resnet20_at_lif_sparse
from .cifar10_direct import cifar10_resnet20_at_lif_sparsest as cifar10_resnet20_at_lif_sparsest
from .cifar10_direct import cifar10_resnet20_lif as cifar10_resnet20_lif
from .cifar10_direct import cifar10_resnet20_lmh as cifar10_resnet20_lmh
from .cifar10_direct import cifar10_resnet20_lmh_hybrid as cifar10_resnet20_lmh_hybrid
from .cifar10_direct import cifar10_resnet20_plif as cifar10_resnet20_plif
from .cifar10_fine_tuned import pretrained_resnet20_qcfs_l4 as pretrained_resnet20_qcfs_l4
from .cifar10_fine_tuned import pretrained_resnet56_qcfs_l8 as pretrained_resnet56_qcfs_l8
from .cifar10_fine_tuned import pretrained_vgg16_bn_qcfs_l4 as pretrained_vgg16_bn_qcfs_l4
from .cifar10_hardened import cifar10_cnn_at as cifar10_cnn_at
from .cifar10_hardened import cifar10_cnn_clean as cifar10_cnn_clean
from .cifar10_hardened import cifar10_cnn_rat as cifar10_cnn_rat
from .cifar10_hardened import cifar10_cnn_sgr as cifar10_cnn_sgr
from .cifar10_hardened import cifar10_cnn_sgr_at as cifar10_cnn_sgr_at
from .cifar10_hardened import cifar10_vgg11_at as cifar10_vgg11_at
from .cifar10_hardened import cifar10_vgg11_rat as cifar10_vgg11_rat
from .cifar10_hardened import cifar10_vgg11_sgr as cifar10_vgg11_sgr
from .cifar10_hardened import cifar10_vgg11_sgr_at as cifar10_vgg11_sgr_at
from .cifar10_hardened import cifar10_wrn16_rat as cifar10_wrn16_rat
from .cifar10_published import cifar10_resnet18_qcfs as cifar10_resnet18_qcfs
from .cifar10_published import cifar10_resnet20_qcfs as cifar10_resnet20_qcfs
from .cifar10_published import cifar10_vgg16_qcfs as cifar10_vgg16_qcfs
from .cifar10_resnet20 import cifar10_resnet20_clip as cifar10_resnet20_clip
from .cifar10_resnet20 import cifar10_resnet20_qcfs_l4 as cifar10_resnet20_qcfs_l4
from .cifar10_resnet20 import cifar10_resnet20_qcfs_l4_fine_tune as cifar10_resnet20_qcfs_l4_fine_tune
from .cifar10_resnet20 import cifar10_resnet20_qcfs_l8 as cifar10_resnet20_qcfs_l8
from .cifar10_resnet20 import cifar10_resnet20_qcfs_l8_fine_tune as cifar10_resnet20_qcfs_l8_fine_tune
from .cifar10_resnet20 import cifar10_resnet20_relu as cifar10_resnet20_relu
from .cifar10_vit import cifar10_vit_gelu as cifar10_vit_gelu
from .training import TrainRun

EXPERIMENTS: dict[str, Callable[[], TrainRun]] = {
    run.__name__: run
    for run in (
        cifar10_cnn_at,
        cifar10_cnn_clean,
        cifar10_cnn_rat,
        cifar10_cnn_sgr,
        cifar10_cnn_sgr_at,
        cifar10_resnet18_qcfs,
        cifar10_resnet20_at_lif,
        cifar10_resnet20_at_lif_sparse,
        cifar10_resnet20_at_lif_sparsest,
        cifar10_resnet20_clip,
        cifar10_resnet20_lif,
        cifar10_resnet20_lmh,
        cifar10_resnet20_lmh_hybrid,
        cifar10_resnet20_plif,
        cifar10_resnet20_qcfs,
        cifar10_resnet20_qcfs_l4,
        cifar10_resnet20_qcfs_l4_fine_tune,
        cifar10_resnet20_qcfs_l8,
        cifar10_resnet20_qcfs_l8_fine_tune,
        cifar10_resnet20_relu,
        cifar10_vgg11_at,
        cifar10_vgg11_rat,
        cifar10_vgg11_sgr,
        cifar10_vgg11_sgr_at,
        cifar10_vgg16_qcfs,
        cifar10_vit_gelu,
        cifar10_wrn16_rat,
        pretrained_resnet20_qcfs_l4,
        pretrained_resnet56_qcfs_l8,
        pretrained_vgg16_bn_qcfs_l4,
    )
}
