"""Labels of the most uncertain frames against as many of a spread: pytest -m benchmark -s benchmarks.

ch3-water with GFN2-xTB labels: 300 configurations by K-means, then 150 more of the same pool by each method; 300
terms, chosen anew for each fit. Three seeds, each with other test frames. About 3 CPU-minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from tests.conftest import nmer_command
from tests.tasks.selection.test_uncertain_labels import labelled

__all__ = ["nmer_command"]

pytestmark = pytest.mark.benchmark


@pytest.mark.timeout(6000)
def test_errors_with_further_labels_by_each_method(
    tmp_path: Path, nmer_command: Callable[..., CompletedProcess[str]]
) -> None:
    data = labelled(tmp_path, nmer_command)
    rows = [data.errors(seed) for seed in (1, 2, 3)]
    print(f"\n{'150 more labels by':<20}{'RMSD':>16}{'largest':>10}   kcal/mol, 2,000 other frames of the pool")
    for name in rows[0]:
        (rmsd, largest), (spread, _) = (f([row[name] for row in rows], axis=0) for f in (np.mean, np.std))
        print(f"{name:<20}{rmsd:>8.4f} +-{spread:>6.4f}{largest:>10.2f}", flush=True)
