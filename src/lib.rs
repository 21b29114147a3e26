//! weir: a reverse-proxy load balancer.
