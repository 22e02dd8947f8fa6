//! A sans-IO engine that heals, scales, isolates and rolls out without breaking capacity, budgets or fencing.
