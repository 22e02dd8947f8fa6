"""Oracle values of crates/forecast/tests/oracle_anomaly.rs.

pip install scikit-learn pyod scipy stumpy; python3 scripts/peers/anomaly_oracle.py
"""
import warnings

import numpy as np
import pyod
import scipy
import sklearn
import stumpy
from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from pyod.models.hbos import HBOS
from scipy import stats
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

warnings.simplefilter("ignore")


def uniforms(seed):
    state = seed
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (state >> 11) / 9007199254740992.0


def rows(n, seed):
    u = uniforms(seed)
    out = []
    for _ in range(n):
        a, b, c, d = next(u), next(u), next(u), next(u)
        out.append([a, 0.5 * a + 0.5 * b, 3.0 * c * c, d - 0.5])
    return np.array(out)


TRAIN = rows(150, 1)
TEST = np.array([[0.5, 0.5, 0.7, 0.0], [2.0, -1.0, 3.0, 0.4], [0.1, 0.52, 0.1, 0.45], [0.9, 0.9, 2.9, -0.5], [5.0, 5.0, 5.0, 5.0]])


def show(name, values):
    print(f"{name}: [{', '.join(repr(float(v)) for v in values)}]")


print("sklearn", sklearn.__version__, "pyod", pyod.__version__, "scipy", scipy.__version__, "stumpy", stumpy.__version__, "numpy", np.__version__)
lof = LocalOutlierFactor(n_neighbors=20, novelty=True).fit(TRAIN)
show("lof", -lof.score_samples(TEST))
show("lof train", -lof.negative_outlier_factor_[:5])
for nu, gamma in [(0.05, "scale"), (0.3, 2.0)]:
    svm = OneClassSVM(nu=nu, gamma=gamma, tol=1e-9).fit(TRAIN)
    show(f"ocsvm {nu} {gamma}", -svm.decision_function(TEST))
hbos = HBOS(n_bins=10).fit(TRAIN)
show("hbos", hbos.decision_function(TEST))
for model in (ECOD, COPOD):
    one = [model().fit(TRAIN).decision_function(TEST[i : i + 1])[0] for i in range(len(TEST))]
    show(model.__name__, one)
mean, std = TRAIN.mean(0), TRAIN.std(0)
scaled, new = (TRAIN - mean) / std, (TEST - mean) / std
pca = PCA(n_components=2).fit(scaled)
show("pca", np.linalg.norm(new - pca.inverse_transform(pca.transform(new)), axis=1))
show("pca explained", pca.explained_variance_ratio_)
km = KMeans(n_clusters=5, init=TRAIN[:5], n_init=1, tol=0, algorithm="lloyd").fit(TRAIN)
show("kmeans", km.transform(TEST).min(1))
u = uniforms(3)
excess = np.array([-np.log(1 - next(u)) * (1 + 0.3 * (i % 3)) for i in range(400)])
shape, _, scale = stats.genpareto.fit(excess, floc=0)
show("genpareto", [shape, scale, stats.genpareto.logpdf(excess, shape, 0, scale).sum()])
u = uniforms(4)
series = np.array([np.sin(i / 5) + 0.3 * next(u) for i in range(300)])
series[200:206] += 1.5
left = []
m = 16
for i in range(64, 300 - m + 1):
    zone = int(np.ceil(m / 4))
    query = series[i : i + m]
    candidates = [stumpy.core.mass(query, series[: i - zone + m - 1])] if i - zone > 0 else []
    left.append(min(candidates[0]))
show("matrix profile", [left[i] for i in (0, 50, 130, 136, 140, 200)])
ts = np.concatenate([[next(u) for _ in range(50)], [3.0, -2.5, 2.2, 5.0]])
def esd(x, k, alpha):
    x, found, keep = list(x), [], 0
    index = list(range(len(x)))
    n = len(x)
    for i in range(1, k + 1):
        med = np.median(x)
        mad = 1.4826022185056018 * np.median(np.abs(np.array(x) - med))
        d = np.abs(np.array(x) - med) / mad
        j = int(np.argmax(d))
        p = 1 - alpha / (2 * (n - i + 1))
        t = stats.t.ppf(p, n - i - 1)
        lam = t * (n - i) / np.sqrt((n - i - 1 + t * t) * (n - i + 1))
        found.append(index[j])
        if d[j] > lam:
            keep = i
        del x[j], index[j]
    return found[:keep]
print("esd", esd(ts, 8, 0.05))
