"""Control: actors of spiking neurons trained by off-policy reinforcement learning."""

from ..core.registry import collect
from .actor import NEURONS as NEURONS
from .actor import OrdinaryActor as OrdinaryActor
from .actor import Space as Space
from .actor import SpikingActor as SpikingActor
from .algorithm import Algorithm as Algorithm
from .algorithm import Learner as Learner
from .buffer import ReplayBuffer as ReplayBuffer
from .buffer import Transitions as Transitions
from .choice import ACTORS as ACTORS
from .choice import ActorChoice as ActorChoice
from .choice import CLIFChoice as CLIFChoice
from .choice import DNChoice as DNChoice
from .choice import LIFChoice as LIFChoice
from .choice import OrdinaryChoice as OrdinaryChoice
from .critic import TwinCritic as TwinCritic
from .ddpg import DDPG as DDPG
from .ddpg import ddpg_target as ddpg_target
from .deploy import SavedActor as SavedActor
from .deploy import load_actor as load_actor
from .deploy import save_actor as save_actor
from .evaluate import returns as returns
from .interval import mean_interval as mean_interval
from .iqm import Interquartile as Interquartile
from .iqm import interquartile_mean as interquartile_mean
from .loop import train as train
from .loop import train_together as train_together
from .loop_config import LoopConfig as LoopConfig
from .recorded import Acting as Acting
from .recorded import Updates as Updates
from .target import ProxyTarget as ProxyTarget
from .target import SoftTarget as SoftTarget
from .target import Target as Target
from .target import soft_update as soft_update
from .td3 import TD3 as TD3
from .td3 import td3_target as td3_target

ALGORITHMS = collect(globals(), Algorithm)

TARGETS = collect(globals(), Target)
