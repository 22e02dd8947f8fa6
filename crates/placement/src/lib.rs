//! Places whole application stacks on zones, racks and hosts at least cost and says why.
