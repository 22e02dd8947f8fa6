#!/usr/bin/env python3
"""Times tsfresh and pycatch22 on the input of the `features` example, one thread, and compares values with its output.

    python3 -m venv venv && venv/bin/pip install tsfresh==0.21.2 pycatch22==1.0.2
    cargo run --release --example features -- IN.json OUT.json --set comprehensive
    OMP_NUM_THREADS=1 venv/bin/python scripts/peers/tsfresh_features.py IN.json [OUT.json] --set comprehensive

Calculators are called directly (no data frame reshaping, no process pool), which is the kindest way to time tsfresh.
Last line of output: {"set", "series", "seconds_per_series", "compared", "different"}; different = outside
1e-9 + 1e-6·|value|.
"""
import argparse
import gzip
import json
import math
import sys
import time
import warnings

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")


def tsfresh_values(x, parameters):
    from tsfresh.feature_extraction import feature_calculators
    from tsfresh.utilities.string_manipulation import convert_to_output_format

    values = {}
    for name, settings in parameters.items():
        calculator = getattr(feature_calculators, name)
        argument = x
        if getattr(calculator, "input", None) == "pd.Series":
            index = None
            if getattr(calculator, "index_type", None) is pd.DatetimeIndex:
                index = pd.date_range("2020-01-01", periods=len(x), freq="h")
            argument = pd.Series(x, index=index)
        if calculator.fctype == "combiner":
            for key, value in calculator(argument, param=settings):
                values[f"{name}__{key}"] = value
        elif settings is None:
            values[name] = calculator(argument)
        else:
            for setting in settings:
                values[f"{name}__{convert_to_output_format(setting)}"] = calculator(argument, **setting)
    return values


def catch22_values(x):
    import pycatch22

    result = pycatch22.catch22_all(x)
    return dict(zip(result["names"], result["values"]))


def number(value):
    return {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(value) if isinstance(value, str) else float(value)


def differs(ours, theirs):
    if math.isnan(theirs) or math.isinf(theirs):
        return not (math.isnan(theirs) and math.isnan(ours)) and ours != theirs
    return not abs(ours - theirs) <= 1e-9 + 1e-6 * abs(theirs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("input")
    parser.add_argument("output", nargs="?")
    parser.add_argument("--set", default="comprehensive", choices=["minimal", "efficient", "comprehensive", "catch22"])
    options = parser.parse_args()
    opener = gzip.open if options.input.endswith(".gz") else open
    with opener(options.input, "rt") as file:
        series = {name: np.asarray(values, dtype=float) for name, values in json.load(file)["series"].items()}

    if options.set == "catch22":
        lists = {name: values.tolist() for name, values in series.items()}
        compute = lambda name: catch22_values(lists[name])
    else:
        from tsfresh.feature_extraction import settings

        parameters = {
            "minimal": settings.MinimalFCParameters,
            "efficient": settings.EfficientFCParameters,
            "comprehensive": settings.ComprehensiveFCParameters,
        }[options.set]()
        compute = lambda name: tsfresh_values(series[name], parameters)

    first = next(iter(series))
    compute(first)  # imports and caches
    start = time.process_time()
    theirs = {name: compute(name) for name in series}
    seconds = (time.process_time() - start) / len(series)

    compared = different = 0
    if options.output:
        with open(options.output) as file:
            ours = json.load(file)
        for name, values in theirs.items():
            for feature, value in values.items():
                compared += 1
                if differs(number(ours[name][feature]), float(value)):
                    different += 1
                    print(f"{name} {feature}: {ours[name][feature]} here, {value} there", file=sys.stderr)
    print(json.dumps({"set": options.set, "series": len(series), "seconds_per_series": seconds, "compared": compared, "different": different}))


main()
