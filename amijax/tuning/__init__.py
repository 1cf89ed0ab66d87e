"""Settings that give the digits of the gradient that are asked for, at the least cost."""
