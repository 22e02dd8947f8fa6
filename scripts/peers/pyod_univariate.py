"""Detectors of PyOD on the Microsoft cloud series, by the protocol of `anomaly_eval --univariate`.

pip install pyod==2.0.5 scikit-learn==1.5.2 numpy numba; python scripts/peers/pyod_univariate.py MSFT_CLOUD_DIR

Every series is cut into windows of 12 values (z-scaled by the first 15 %). Missing values repeat the last one. A detector is fitted on the windows of the first
15 % and scores the others one by one, so it is causal like a stream. Scores are divided by the spread of the fitting scores,
which makes one common threshold meaningful. A run of rows above the threshold is one alarm (its first row); an alarm within 3
rows of a labelled run is right, a labelled run with an alarm within 3 rows is found. Printed per detector: best F1 over all
common thresholds, its precision and recall, and alarms per 1,000 rows of the series without labels at that threshold.
"""

import csv
import glob
import sys
import warnings

import numpy as np
from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from pyod.models.hbos import HBOS
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from pyod.models.lof import LOF
from pyod.models.ocsvm import OCSVM
from pyod.models.pca import PCA

WIDTH, NEAR = 12, 3
DETECTORS = {
    "KNN": lambda: KNN(n_neighbors=5),
    "LOF": lambda: LOF(n_neighbors=20),
    "IForest": lambda: IForest(random_state=1),
    "OCSVM": lambda: OCSVM(),
    "PCA": lambda: PCA(),
    "HBOS": lambda: HBOS(),
    "ECOD": lambda: ECOD(),
    "COPOD": lambda: COPOD(),
}


def read(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    values = np.array([float(r["Value"] or "nan") for r in rows])
    for i in np.flatnonzero(np.isnan(values)):  # the detectors know no missing values: the last one stays
        values[i] = values[i - 1] if i else 0.0
    return values, np.array([float(r["Label"]) > 0.5 for r in rows])


def runs(flags):
    edges = np.flatnonzero(np.diff(np.r_[0, flags.astype(int), 0]))
    return [(a, b - 1) for a, b in zip(edges[::2], edges[1::2])]


def scores(make, values):
    first = len(values) * 15 // 100
    center, spread = values[:first].mean(), values[:first].std() + 1e-9
    scaled = np.clip((values - center) / spread, -50, 50)
    windows = np.lib.stride_tricks.sliding_window_view(scaled, WIDTH)
    fit = windows[: max(first - WIDTH + 1, 2)]
    detector = make()
    detector.fit(fit)
    base = detector.decision_scores_
    out = np.full(len(values), -np.inf)
    out[WIDTH - 1 :] = (detector.decision_function(windows) - np.median(base)) / (base.std() + 1e-9)
    out[:first] = -np.inf
    return np.nan_to_num(out, nan=0.0, neginf=-np.inf, posinf=1e9), first


def judge(series, threshold):
    right = wrong = found = missed = clean_alarms = clean_rows = 0
    for score, labels, first in series:
        marks = [r for r in runs(labels) if r[1] >= first]
        alarms = [a for a, _ in runs(score >= threshold)]
        good = sum(any(a + NEAR >= s and a <= e + NEAR for s, e in marks) for a in alarms)
        hit = sum(any(a + NEAR >= s and a <= e + NEAR for a in alarms) for s, e in marks)
        right, wrong, found, missed = right + good, wrong + len(alarms) - good, found + hit, missed + len(marks) - hit
        if not marks:
            clean_alarms, clean_rows = clean_alarms + len(alarms), clean_rows + len(score) - first
    precision, recall = right / max(right + wrong, 1), found / max(found + missed, 1)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return f1, precision, recall, 1000 * clean_alarms / max(clean_rows, 1)


def main():
    warnings.filterwarnings("ignore")
    files = sorted(glob.glob(sys.argv[1] + "/**/*.csv", recursive=True))
    data = [read(f) for f in files]
    for name, make in DETECTORS.items():
        series = []
        for values, labels in data:
            score, first = scores(make, values)
            series.append((score, labels, first))
        pool = np.concatenate([s[np.isfinite(s)] for s, _, _ in series])
        grid = np.unique(np.quantile(pool, 1 - np.logspace(-5, -0.7, 60)))
        best = max(((judge(series, t), t) for t in grid), key=lambda r: r[0][0])
        (f1, precision, recall, clean), threshold = best
        print(f"{name}: F1 {f1:.3f} precision {precision:.3f} recall {recall:.3f} threshold {threshold:.2f} clean/1000 {clean:.2f}", flush=True)


if __name__ == "__main__":
    main()
