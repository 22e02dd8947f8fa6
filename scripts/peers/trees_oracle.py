"""Numbers that crates/forecast/tests/oracle_trees.rs holds the library against.

pip install shap scikit-learn numpy (figures: shap 0.51.0, scikit-learn 1.9.1)."""
import numpy as np, shap
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

class Lcg:
    def __init__(self, s): self.s = s
    def u(self):
        self.s = (self.s * 1664525 + 1013904223) % 2**32
        return self.s / 2**32
    def n(self): return sum(self.u() for _ in range(12)) - 6

# (feature, threshold, missing_left, left, right, value, cover); leaves have left 0
TREES = [
    [(0, 0.5, 1, 1, 2, 0, 100), (1, 1.5, 0, 3, 4, 0, 60), (0, 2.5, 0, 5, 6, 0, 40), (0, 0, 0, 0, 0, 1.0, 25), (2, -1.0, 0, 7, 8, 0, 35),
     (0, 0, 0, 0, 0, -2.0, 30), (0, 0, 0, 0, 0, 4.0, 10), (0, 0, 0, 0, 0, 0.5, 5), (1, 3.0, 0, 9, 10, 0, 30), (0, 0, 0, 0, 0, 3.0, 12), (0, 0, 0, 0, 0, -1.5, 18)],
    [(3, 0.0, 0, 1, 2, 0, 80), (0, 0, 0, 0, 0, 0.25, 30), (1, 2.0, 0, 3, 4, 0, 50), (3, 1.0, 0, 5, 6, 0, 20), (0, 0, 0, 0, 0, -0.75, 30),
     (0, 0, 0, 0, 0, 2.0, 8), (0, 0, 0, 0, 0, -1.0, 12)],
]
def tree(nodes):
    a = lambda f, t: np.array([f(n) for n in nodes], dtype=t)
    leaf = lambda n: n[3] == 0
    return dict(children_left=a(lambda n: -1 if leaf(n) else n[3], np.int32), children_right=a(lambda n: -1 if leaf(n) else n[4], np.int32),
                children_default=a(lambda n: -1 if leaf(n) else (n[3] if n[2] else n[4]), np.int32),
                features=a(lambda n: -1 if leaf(n) else n[0], np.int32), thresholds=a(lambda n: n[1], np.float64),
                values=np.array([[n[5]] for n in nodes], dtype=np.float64), node_sample_weight=a(lambda n: n[6], np.float64))
# inner values: means by cover, as the library computes them
def fill(nodes):
    v = [n[5] for n in nodes]
    for i in reversed(range(len(nodes))):
        if nodes[i][3]:
            l, r = nodes[i][3], nodes[i][4]
            v[i] = (nodes[l][6] * v[l] + nodes[r][6] * v[r]) / (nodes[l][6] + nodes[r][6])
    return [n[:5] + (v[i],) + n[6:] for i, n in enumerate(nodes)]
model = dict(trees=[tree(fill(t)) for t in TREES], internal_dtype=np.float64, input_dtype=np.float64, objective="squared_error", tree_output="raw_value", base_offset=0.0)
X = np.array([[0.0, 1.0, 0.0, -1.0], [0.2, 2.5, -3.0, 0.5], [3.0, 4.0, 1.0, 2.0], [1.0, 2.0, 5.0, 1.0], [np.nan, 2.0, 0.0, 0.5]])
e = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
print("base", repr(float(np.ravel(e.expected_value)[0])))
for row in e.shap_values(X, check_additivity=False): print([float("%.12g" % v) for v in np.ravel(row)])

g = Lcg(7)
rows, y = [], []
for i in range(1200):
    odd = i % 24 == 0
    rows.append([g.n() * (1.6 if odd else 1) + (1 if odd and k < 2 else 0) for k in range(5)]); y.append(int(odd))
A = np.array(rows)
print("iforest AUC", np.mean([roc_auc_score(y, -IsolationForest(n_estimators=100, max_samples=256, random_state=s).fit(A).score_samples(A)) for s in range(10)]))
