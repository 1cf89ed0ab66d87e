"""A problem's model: what is compiled of it, its build, the cache, and its library in memory."""
