"""What the figures take from Matplotlib, loaded so that no file of the working directory has a say in it.

Matplotlib obeys a ``matplotlibrc`` in the folder where the program was started, which may be the data that is judged.
"""

from contextlib import AbstractContextManager, chdir, nullcontext
from pathlib import Path


def _elsewhere() -> AbstractContextManager[None]:
    """Leave only a folder that has one: other threads may be reading relative paths."""
    return chdir(Path(__file__).parent) if Path("matplotlibrc").exists() else nullcontext()


with _elsewhere():
    import matplotlib as mpl
    import matplotlib.patches as shapes
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
    from matplotlib.font_manager import findfont, get_font
    from matplotlib.ticker import FuncFormatter, MaxNLocator

__all__ = [
    "Axes",
    "Axis",
    "Figure",
    "FuncFormatter",
    "LinearSegmentedColormap",
    "MaxNLocator",
    "findfont",
    "get_font",
    "mpl",
    "shapes",
]
