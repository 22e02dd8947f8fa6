#!/usr/bin/env python3
"""Times and judges the peers of the forecasting models on a file of series with a fixed split, one thread.

    python3 -m venv venv && venv/bin/pip install statsforecast==2.1.1 augurs
    OMP_NUM_THREADS=1 venv/bin/python scripts/peers/forecast_models.py m4_hourly.csv.gz --model ets --every 10
    cargo run --release --example forecast_eval -- m4_hourly.csv.gz --model ets --every 10

Models: ets (non-seasonal AutoETS), mstl-ets (MSTL with AutoETS), theta (AutoTheta), arima (AutoARIMA). Horizon, seasons and
measure come from `datasets.json` beside the file, as in `forecast_eval`. One series is computed before the clock starts
(compilation, caches). One line of JSON per peer: CPU milliseconds per series, MASE, sMAPE.
"""
import argparse
import gzip
import json
import os
import sys
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")


def read(path):
    opener = gzip.open if path.endswith(".gz") else open
    train, test = {}, {}
    with opener(path, "rt") as file:
        for line in file:
            name, split, *values = line.strip().split(",")
            target = {"train": train, "test": test}.get(split)
            if target is not None:
                target[name] = np.array([float(v) if v else np.nan for v in values])
    return [(name, train[name], test[name]) for name in train if name in test]


def augurs_model(model, seasons):
    import augurs

    if model == "ets":
        return lambda: augurs.AutoETS(1, "ZZN")
    if model == "mstl-ets":
        return lambda: augurs.MSTL.ets(seasons)
    return None


def statsforecast_model(model, seasons):
    from statsforecast import models

    longest = seasons[-1] if seasons else 1
    return {
        "ets": lambda: models.AutoETS(season_length=1),
        "mstl-ets": lambda: models.MSTL(season_length=seasons, trend_forecaster=models.AutoETS(model="ZZN")),
        "theta": lambda: models.AutoTheta(season_length=longest),
        "arima": lambda: models.AutoARIMA(season_length=seasons[0] if seasons else 1),
    }[model]


def with_augurs(make, y, horizon):
    fitted = make()
    fitted.fit(y)
    try:
        return np.asarray(fitted.predict(horizon).point())
    except Exception:  # AutoETS of 0.8.0 is fitted, but its Python class forgets the model: time without a score
        return None


def with_statsforecast(make, y, horizon):
    return np.asarray(make().forecast(y=y, h=horizon)["mean"])


def judge(name, forecast, make, series, horizon, m):
    forecast(make, series[0][1], horizon)
    seconds, mase, smape = 0.0, [], []
    for _, y, actual in series:
        actual = actual[:horizon]
        start = time.process_time()
        point = forecast(make, y, horizon)
        seconds += time.process_time() - start
        if point is None:
            continue
        mase.append(np.mean(np.abs(actual - point)) / np.mean(np.abs(y[m:] - y[:-m])))
        smape.append(np.mean(200 * np.abs(actual - point) / (np.abs(actual) + np.abs(point))))
    result = {
        "peer": name,
        "ms_per_series": 1e3 * seconds / len(series),
        "mase": float(np.mean(mase)) if mase else None,
        "smape": float(np.mean(smape)) if smape else None,
        "series": len(series),
    }
    print(json.dumps(result))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--model", default="ets", choices=["ets", "mstl-ets", "theta", "arima"])
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    with open(os.path.join(os.path.dirname(options.file) or ".", "datasets.json")) as file:
        protocol = json.load(file)[os.path.basename(options.file).split(".")[0]]
    series = read(options.file)[:: options.every]
    if not series:
        sys.exit(f"{options.file}: no series with a train and a test part")
    horizon, m, seasons = protocol["horizon"], protocol["m_mase"], protocol["seasons"]
    make = augurs_model(options.model, seasons)
    if make:
        judge("augurs", with_augurs, make, series, horizon, m)
    judge("statsforecast", with_statsforecast, statsforecast_model(options.model, seasons), series, horizon, m)


main()
