//! Forecasts with honest intervals, anomaly detection and back-tests on plain slices.
