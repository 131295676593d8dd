# sources of backends
