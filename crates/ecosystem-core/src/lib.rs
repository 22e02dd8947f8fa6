//! Values, graph and infrastructure model of a VM fleet, with manifest parsers and the host traits.
