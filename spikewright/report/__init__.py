"""Numbers first, then text, then pictures: tables, figures, reports and the folders of runs."""

from __future__ import annotations

from spikewright.report.environment import environment as environment
from spikewright.report.errors import ReportError as ReportError
from spikewright.report.errors import RunFolderError as RunFolderError
from spikewright.report.figure import FigureSpec as FigureSpec
from spikewright.report.histogram import histogram_table as histogram_table
from spikewright.report.report import Report as Report
from spikewright.report.run import RunFolder as RunFolder
from spikewright.report.table import Column as Column
from spikewright.report.table import Table as Table
