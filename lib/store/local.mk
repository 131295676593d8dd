# sources of lib/store
