"""The test taken by people: a local web page, its answers and their results."""

from .results import answers_csv as answers_csv
from .results import results as results
from .server import SurveyServer as SurveyServer
from .server import serve as serve
from .store import Answer as Answer
from .store import Rater as Rater
from .store import Store as Store
from .study import Study as Study
from .study import StudyQuestion as StudyQuestion
from .study import load_study as load_study
from .write import Shown as Shown
from .write import write_study as write_study
