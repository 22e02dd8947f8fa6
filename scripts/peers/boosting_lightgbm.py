"""LightGBM on the rows and features of the example boosting_eval: boosting_lightgbm.py ASD_DIR [THREADS].

pip install lightgbm scikit-learn numpy (figures: lightgbm 4.7.0)."""
import gzip, json, os, sys, time
import numpy as np, lightgbm as lgb
from sklearn.metrics import roc_auc_score

BACK = 12

def server(path):
    with gzip.open(path, "rt") as f:
        f.readline()
        m = np.array([[float(v) for v in line.split(",")] for line in f])
    x, y = m[:, :-1], m[:, -1]
    columns = []
    for c in x.T:
        mean = np.array([c[max(0, t + 1 - BACK):t + 1].mean() for t in range(len(c))])
        std = np.array([c[max(0, t + 1 - BACK):t + 1].std() for t in range(len(c))])
        columns += [c, c - mean, std]
    return np.column_stack(columns), y

root = sys.argv[1]
threads = int(sys.argv[2]) if len(sys.argv) > 2 else 1
sets = [server(os.path.join(root, s, "test.csv.gz")) for s in sorted(os.listdir(root))]
x, y = (np.concatenate(v) for v in zip(*sets[:5]))
xt, yt = (np.concatenate(v) for v in zip(*sets[5:]))
t0, c0 = time.time(), time.process_time()
model = lgb.train(dict(objective="binary", num_leaves=31, learning_rate=0.1, num_threads=threads, verbose=-1,
                       deterministic=True, force_col_wise=True), lgb.Dataset(x, y), 120)
wall, cpu = time.time() - t0, time.process_time() - c0
print(json.dumps(dict(auc=round(roc_auc_score(yt, model.predict(xt)), 4), fit_cpu_seconds=round(cpu, 3),
                      fit_wall_seconds=round(wall, 3), rows=len(y))))
