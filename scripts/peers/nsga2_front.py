"""Price against nearness by NSGA-II (pymoo), on the instances that `pareto_front` reads.

pip install pymoo==0.6.2 numpy; python scripts/peers/nsga2_front.py INSTANCE OUT --seconds S [--seed N]

A solution is the host of each component. The first generation is the instance's start and copies of it with random changes;
rules count as constraint violation (Deb's rules). One-point crossover, mutation of each host with probability
2 / components. OUT is `{"values": [[price, distance], ...]}` of the feasible part of the last generation.
"""

import argparse
import gzip
import json

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.mutation import Mutation
from pymoo.core.problem import Problem
from pymoo.core.sampling import Sampling
from pymoo.operators.crossover.pntx import SinglePointCrossover
from pymoo.optimize import minimize
from pymoo.termination import get_termination


class Placement(Problem):
    def __init__(self, data):
        self.instance = data
        hosts, parts = data["hosts"], data["components"]
        kinds = ("cpu", "mem", "net")
        self.demand = np.array([[c[k] for k in kinds] for c in parts])
        self.capacity = np.array([[h[k] for k in kinds] for h in hosts])
        weights = data["weights"]
        self.price = weights["host"] * np.array([h["cost"] for h in hosts])
        self.zone = np.array([h["zone"] for h in hosts])
        racks = np.array([h["rack"] for h in hosts])
        zone_distance = np.array(data["zone_distance"])
        far = zone_distance[self.zone][:, self.zone]
        other_rack = (self.zone[:, None] != self.zone[None]) | (racks[:, None] != racks[None])
        other_host = ~np.eye(len(hosts), dtype=bool)
        self.distance = far + data["rack_distance"] * other_rack + data["host_distance"] * other_host
        self.edges = np.array(data["edges"])
        self.traffic = weights["proximity"] * self.edges[:, 2]
        super().__init__(n_var=len(parts), n_obj=2, n_ieq_constr=1, xl=0, xu=len(hosts) - 1, vtype=int)

    def _evaluate(self, x, out, *args, **kwargs):
        x = x.astype(int)
        rows, hosts = len(x), len(self.price)
        used = np.zeros((rows, hosts), dtype=bool)
        used[np.arange(rows)[:, None], x] = True
        near = (self.traffic * self.distance[x[:, self.edges[:, 0]], x[:, self.edges[:, 1]]]).sum(axis=1)
        broken = np.zeros(rows)
        flat = (np.arange(rows)[:, None] * hosts + x).ravel()
        for k in range(self.demand.shape[1]):
            load = np.bincount(flat, np.tile(self.demand[:, k], rows), rows * hosts).reshape(rows, hosts)
            broken += (np.maximum(load - self.capacity[:, k], 0) / self.capacity[:, k]).sum(axis=1)
        for group in self.instance["anti_affinity"]:
            placed = np.sort(x[:, group], axis=1)
            broken += (placed[:, 1:] == placed[:, :-1]).sum(axis=1)
        for spread in self.instance["spread"]:
            zones = np.sort(self.zone[x[:, spread["members"]]], axis=1)
            broken += np.maximum(spread["min_zones"] - 1 - (zones[:, 1:] != zones[:, :-1]).sum(axis=1), 0)
        for pin in self.instance["pinned"]:
            broken += ~np.isin(self.zone[x[:, pin["component"]]], pin["zones"])
        out["F"] = np.column_stack([used @ self.price, near])
        out["G"] = broken


class FromStart(Sampling):
    def _do(self, problem, n_samples, random_state=None, **kwargs):
        draw = random_state or np.random
        start = np.tile(np.array(problem.instance["initial"]), (n_samples, 1))
        changed = draw.random(start.shape) < np.linspace(0, 0.3, n_samples)[:, None]
        other = (draw.random(start.shape) * (problem.xu[0] + 1)).astype(int)
        return np.where(changed, other, start)


class OtherHost(Mutation):
    def _do(self, problem, x, random_state=None, **kwargs):
        draw = random_state or np.random
        other = (draw.random(x.shape) * (problem.xu[0] + 1)).astype(int)
        return np.where(draw.random(x.shape) < 2 / x.shape[1], other, x)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("instance")
    arguments.add_argument("out")
    arguments.add_argument("--seconds", type=int, default=60)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    opened = gzip.open if given.instance.endswith(".gz") else open
    with opened(given.instance, "rt") as file:
        problem = Placement(json.load(file))
    algorithm = NSGA2(pop_size=100, sampling=FromStart(), crossover=SinglePointCrossover(), mutation=OtherHost())
    limit = "%02d:%02d:%02d" % (given.seconds // 3600, given.seconds // 60 % 60, given.seconds % 60)
    result = minimize(problem, algorithm, get_termination("time", limit), seed=given.seed)
    values = [] if result.F is None else sorted({(int(a), int(b)) for a, b in np.atleast_2d(result.F)})
    with open(given.out, "w") as file:
        json.dump({"values": values}, file)
    print(len(values), "points", values[:1], values[-1:], result.algorithm.evaluator.n_eval, "evaluations")


if __name__ == "__main__":
    main()
